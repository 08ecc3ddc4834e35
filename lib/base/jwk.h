/*
 * jwk -- the keys of one issuer: a secret, one PEM public key, or a JSON Web Key Set (RFC 7517), all for one algorithm.
 *
 * A set is bound to its algorithm when it is read: RS256 takes RSA keys of 2048 to 8192 bits only, ES256 keys on P-256 only, HS256
 * a secret only. So there is no way for the text of a public key to be used as a secret, whatever a token says.
 *
 * Of a JWKS, keys for something else are passed over: another `kty`, `crv`, `alg`, a `use` other than "sig", `key_ops` without
 * "verify". A file that no key is left of is refused, and so is one with private members, with a key that is none (a point that
 * is not on the curve, an even exponent), or with two usable keys of one `kid`.
 */
#ifndef PEAL_BASE_JWK_H
#define PEAL_BASE_JWK_H

#include "jws.h"

#define JWK_TEXT_MAX     ((size_t)256 * 1024)
#define JWK_KEYS_MAX     64
#define JWK_SECRET_LEAST 32 /* RFC 7518 section 3.2: as long as the digest */

struct jwk_set;

/* Each reads the text of a file; NULL with the reason, a static sentence, in *ret_why. */
/* A secret may be a text (UTF-8), whose line break at the end is not part of it, or any bytes, which all are. */
struct jwk_set *jwk_read_secret(struct str text, const char **ret_why);
struct jwk_set *jwk_read_pem(enum jws_alg, struct str text, const char **ret_why);
struct jwk_set *jwk_read_jwks(enum jws_alg, struct str text, const char **ret_why);
struct jwk_set *jwk_free(struct jwk_set *); /* NULL-safe; returns NULL */

/*
 * Is `alg` of the header the set's, and the signature good under the key that `kid` names? A header without `kid` is checked by the
 * only key of a set that has one. A key without a kid of its own (PEM, secret) takes any. Never more than one key is tried.
 */
bool jwk_check(const struct jwk_set *, const struct jws *);
/* Does the set have the key that this header names? Otherwise it may be newer than the set. */
bool jwk_knows(const struct jwk_set *, const struct jws *);
size_t jwk_count(const struct jwk_set *);

#endif
