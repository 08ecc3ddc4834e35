/*
 * token -- access tokens (JWT, RFC 7519; ES256, RFC 7518 section 3.4) behind a strict front.
 *
 * Ours are signed ES256 with header {"alg":"ES256","typ":"at+jwt"} (RFC 9068) and claims iss, aud, sub (user id), sid
 * (session id), iat, exp. Verification reads the header first and binds the algorithm to the key: nothing in a token chooses
 * how it is checked. Refused before the signature is looked at: more than 4 KiB, not three non-empty strict base64url
 * segments, a header or claims set that is not one JSON object with unique keys, another `alg` or `typ`, any other header
 * member (jku, x5u, jwk, x5c, crit, kid). Then the signature; then iss, aud, exp, iat, nbf (leeway 30 s), sub and sid.
 */
#ifndef PEAL_BASE_TOKEN_H
#define PEAL_BASE_TOKEN_H

#include "arena.h"
#include "str.h"

#define TOKEN_MAX_BYTES      4096
#define TOKEN_LEEWAY_SECONDS 30

struct token_claims {
	int64_t user_id;
	struct str session_id;         /* UUID text; lives as the arena */
	int64_t issued_at, expires_at; /* seconds since 1970 */
};

struct token_keys;

/* The public file has one to four keys; a token is good when one of them signed it. All are on P-256 and the private one belongs to one of
 * them; others may not read the private file. private_file NULL: such keys verify only.
 * 0, or a fault whose log line says which file and why. */
int token_keys_load(const char *private_file, const char *public_file, const char *issuer, const char *audience,
                    struct token_keys **ret);
struct token_keys *token_keys_free(struct token_keys *);
int token_issue(struct token_keys *, struct arena *, const struct token_claims *, struct str *ret);
/* 0; UNAUTHENTICATED; TOKEN_EXPIRED (everything else about it was right). now: seconds since 1970. */
int token_verify(struct token_keys *, struct arena *, struct str token, int64_t now, struct token_claims *ret);

#endif
