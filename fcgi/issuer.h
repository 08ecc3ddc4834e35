/*
 * issuer -- callers with a token of another issuer (base/issuers.h): who they are here.
 *
 * Such a token is a session of ours for as long as it lives: its row is made when a worker sees the token first, together with the
 * person, if they are new. So it is listed and ended like any other, a socket that it opens is closed like any other, and a person who
 * is disabled is refused. Its id is made of what was signed: another signature of the same claims is no other session.
 */
#ifndef PEAL_FCGI_ISSUER_H
#define PEAL_FCGI_ISSUER_H

#include "base/issuers.h"
#include "req.h"
#include "store/identity.h"

/* Sets req->me, session and expires_at. UNAUTHENTICATED, TOKEN_EXPIRED, UNAVAILABLE. */
int issuer_who(struct req *, struct str token);

/* How somebody new is called: what comes before the @ of the claim, of what user names are made of; `user` when nothing is left. */
struct str issuer_name(struct arena *, struct str claim);
/* The name of the profile: one line of at most LIMIT_DISPLAY_NAME code points, or else `name`. */
struct str issuer_display(struct arena *, struct str claim, struct str name);
/* What a token or an ID token says, as identity.h takes it. */
struct identity issuer_identity(struct arena *, const struct issuer *, const struct issuer_claims *);

#endif
