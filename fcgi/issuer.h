/*
 * issuer -- callers with a JWT that somebody else has signed.
 */
#ifndef PEAL_FCGI_ISSUER_H
#define PEAL_FCGI_ISSUER_H

#include "req.h"

/* Sets req->me; such callers have no session of ours. auth_user_lives() says whether they have been disabled lately. UNAUTHENTICATED (also for
 * what is no JWT of any issuer known here), TOKEN_EXPIRED, UNAVAILABLE. */
int issuer_who(struct req *, struct str token);

#endif
