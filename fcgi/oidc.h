/*
 * oidc -- signing in with a provider: OpenID Connect, authorization code with PKCE (RFC 7636, S256).
 *
 * The browser goes to the provider with a state, a nonce and a challenge, and comes back with a code. All three are made of a seed
 * that lies in a cookie of that browser alone, so nothing is stored meanwhile, and nobody can be signed in by a link: what somebody else
 * began does not fit the cookie. The code is exchanged by us, with the verifier; the ID token must be for us, of this nonce, signed by a key
 * of the provider. Who it names is known by (issuer, subject) only: no account is found by a name or an address.
 *
 * What a provider says about itself is kept for ten minutes, its keys until a token names one that is not among them.
 */
#ifndef PEAL_FCGI_OIDC_H
#define PEAL_FCGI_OIDC_H

#include "base/issuers.h"
#include "req.h"
#include "store/identity.h"

#define OIDC_COOKIE_SECONDS 600
#define OIDC_RETURN_MOST    256 /* bytes of the path to return to */

/* What a browser carries from the beginning to the end. */
struct oidc_trip {
	struct str seed;      /* 32 bytes */
	struct str return_to; /* a path of ours */
	struct str session;   /* whose person is to be linked; absent: somebody signs in */
	int64_t expires_at;   /* seconds since 1970 */
};

/* A path of this server: what begins with one slash and cannot be taken for an address elsewhere. */
bool oidc_path_ok(struct str path);
struct str oidc_cookie_make(struct arena *, struct str key, const char *label, const struct oidc_trip *);
/* False unless key made it for this issuer and its time is not over. */
bool oidc_cookie_read(struct arena *, struct str key, const char *label, struct str cookie, int64_t now,
                      struct oidc_trip *ret);
/* "state", "nonce" or "verifier": 43 characters. */
struct str oidc_part(struct arena *, struct str key, struct str seed, const char *what);
struct str oidc_challenge(struct arena *, struct str verifier);

/* Where to send the browser. UNAVAILABLE. */
int oidc_begin(struct req *, const struct issuer *, const struct oidc_trip *, struct str *ret_url);
/* Who has come back with this code, as the provider says. UNAUTHENTICATED, UNAVAILABLE. */
int oidc_end(struct req *, const struct issuer *, const struct oidc_trip *, struct str code, struct identity *ret);

#endif
