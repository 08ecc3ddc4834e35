/* fcgi/challenge.c -- challenges made and read back. */
#include "base/bytes.h"
#include "challenge.h"

#define SECOND_US    INT64_C(1000000)
#define RANDOM_BYTES 16
#define BOUND_BYTES  8
#define USER_AT      1
#define END_AT       (USER_AT + 8)
#define RANDOM_AT    (END_AT + 8)
#define BOUND_AT     (RANDOM_AT + RANDOM_BYTES)
#define MAC_AT       (BOUND_AT + BOUND_BYTES)
_Static_assert(MAC_AT + SHA256_BYTES == CHALLENGE_BYTES, "the pieces of a challenge");

static void
put(unsigned char *to, int64_t v)
{
	for (int i = 0; i < 8; i++)
		to[i] = (unsigned char)((uint64_t)v >> (56 - 8 * i));
}

static int64_t
number(struct str bytes, size_t at)
{
	uint64_t v = 0;

	for (size_t i = 0; i < 8; i++)
		v = v << 8 | (unsigned char)bytes.p[at + i];
	return (int64_t)v;
}

static void
bind(struct str key, struct str bound, unsigned char out[SHA256_BYTES])
{
	memset(out, 0, SHA256_BYTES);
	if (str_present(bound))
		bytes_hmac_for(key, STR("peal challenge bound"), bound, out);
}

struct str
challenge_make(struct arena *arena, struct str key, enum challenge_kind kind, int64_t user_id, struct str bound,
               int64_t now_us)
{
	unsigned char bytes[CHALLENGE_BYTES], digest[SHA256_BYTES];

	bytes[0] = (unsigned char)kind;
	put(bytes + USER_AT, user_id);
	put(bytes + END_AT, now_us / SECOND_US + CHALLENGE_SECONDS);
	bytes_random(bytes + RANDOM_AT, RANDOM_BYTES);
	bind(key, bound, digest);
	memcpy(bytes + BOUND_AT, digest, BOUND_BYTES);
	bytes_hmac_for(key, STR("peal challenge"), str_n((char *)bytes, MAC_AT), bytes + MAC_AT);
	return base64url(arena, bytes, sizeof(bytes));
}

bool
challenge_read(struct arena *arena, struct str key, struct str text, enum challenge_kind kind, int64_t now_us,
               struct challenge *ret)
{
	unsigned char digest[SHA256_BYTES];
	struct str bytes;
	int64_t end;

	if (text.n > 2 * CHALLENGE_BYTES || !base64url_decode(arena, text, &bytes) || bytes.n != CHALLENGE_BYTES)
		return false;
	bytes_hmac_for(key, STR("peal challenge"), str_n(bytes.p, MAC_AT), digest);
	end = number(bytes, END_AT);
	if (!bytes_equal(digest, bytes.p + MAC_AT, sizeof(digest)) || (unsigned char)bytes.p[0] != kind ||
	    end <= now_us / SECOND_US)
		return false;
	bytes_sha256(bytes, digest);
	*ret = (struct challenge){
		.user_id = number(bytes, USER_AT),
		.use = { arena_str(arena, str_n((char *)digest, sizeof(digest))), end * SECOND_US },
		.bound = str_n(bytes.p + BOUND_AT, BOUND_BYTES),
	};
	return true;
}

bool
challenge_bound(struct str key, const struct challenge *challenge, struct str bound)
{
	unsigned char digest[SHA256_BYTES];

	bind(key, bound, digest);
	return bytes_equal(digest, challenge->bound.p, BOUND_BYTES);
}
