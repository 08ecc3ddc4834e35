/*
 * jws -- JSON Web Signatures in compact form (RFC 7515): taken apart by a strict hand, and checked by OpenSSL.
 *
 * Nothing in a token chooses how it is checked: the algorithm is the key's (jwk.h), the header only has to agree. Refused while
 * taking apart: anything but three non-empty segments of strict base64url, a header or claims that are not one JSON object with
 * unique members, and a header with `crit` (RFC 7515 section 4.1.11: whoever does not know an extension must refuse it).
 */
#ifndef PEAL_BASE_JWS_H
#define PEAL_BASE_JWS_H

#include <jansson.h>
#include <openssl/types.h>

#include "arena.h"
#include "str.h"

enum jws_alg { JWS_HS256, JWS_RS256, JWS_ES256, JWS_ALG_N };

extern const char *const jws_alg_names[JWS_ALG_N]; /* as in `alg`: compared with case */

#define JWS_ES256_BYTES     64 /* r and s of P-256, RFC 7518 section 3.4 */
#define JWS_ES256_DER_BYTES 80

/* Lives as the arena. */
struct jws {
	json_t *header, *claims;
	struct str signature;
	struct str signed_text; /* the first two segments as they came */
};

bool jws_parse(struct arena *, struct str token, struct jws *ret);

bool jws_check_hs256(struct str secret, const struct jws *);
/* The key is RSA for RS256 and on P-256 for ES256: jwk.h sees to it. */
bool jws_check_rs256(EVP_PKEY *, const struct jws *);
bool jws_check_es256(EVP_PKEY *, const struct jws *);
/* The other way round: r and s at full width from what OpenSSL signed. */
bool jws_es256_raw(const unsigned char *der, size_t n, unsigned char out[JWS_ES256_BYTES]);

/* A member that is a string; STR_NONE when it is not there or something else. Borrowed. */
struct str jws_str(json_t *object, const char *name);
/* A NumericDate (RFC 7519 section 2), rounded down; false when missing, something else, or before 1970. */
bool jws_time(json_t *claims, const char *name, int64_t *ret);

#endif
