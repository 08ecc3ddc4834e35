/*
 * challenge -- what the server gives out for a short while and wants back once: the step between a password and a code, and what
 * passkeys sign.
 *
 * base64url(kind, 1 byte | user id, 8 | end in seconds since 1970, 8 | random, 16 | bound, 8 | HMAC-SHA256(factor key, all before)). Nothing is
 * stored before it comes back; then its digest is, by the statement that acts on it, until the end has passed.
 */
#ifndef PEAL_FCGI_CHALLENGE_H
#define PEAL_FCGI_CHALLENGE_H

#include "store/factor.h"
#include "req.h"

#define CHALLENGE_SECONDS 300
#define CHALLENGE_BYTES   73

enum challenge_kind { CHALLENGE_FACTOR = 1, CHALLENGE_PASSKEY_NEW, CHALLENGE_PASSKEY };

struct challenge {
	int64_t user_id; /* 0: of nobody in particular */
	struct used_challenge use;
	struct str bound; /* a digest of what must not have changed meanwhile */
};

/* `bound` may be absent. */
struct str challenge_make(struct arena *, struct str key, enum challenge_kind, int64_t user_id, struct str bound,
                          int64_t now_us);
/* False: not ours, of another kind, or over. */
bool challenge_read(struct arena *, struct str key, struct str text, enum challenge_kind, int64_t now_us,
                    struct challenge *ret);
bool challenge_bound(struct str key, const struct challenge *, struct str bound); /* is it still the same? */

#endif
