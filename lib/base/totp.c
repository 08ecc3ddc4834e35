/* totp.c -- HOTP (RFC 4226) of the time, and codes on paper. */
#include "totp.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#include "bytes.h"

#define SHA1_BYTES 20
#define MODULUS    1000000 /* 10^TOTP_DIGITS */
#define GROUP      4       /* digits of a recovery code between two hyphens */

static const char crockford[] = "0123456789abcdefghjkmnpqrstvwxyz";

uint32_t
totp_code(struct str secret, int64_t step)
{
	unsigned char counter[8], mac[SHA1_BYTES];
	unsigned int n = 0, at;

	for (int i = 0; i < 8; i++)
		counter[i] = (unsigned char)((uint64_t)step >> (56 - 8 * i));
	if (!HMAC(EVP_sha1(), secret.p, (int)secret.n, counter, sizeof(counter), mac, &n) || n != SHA1_BYTES)
		abort(); /* out of memory */
	at = mac[SHA1_BYTES - 1] & 0xf;
	return (((uint32_t)mac[at] & 0x7f) << 24 | (uint32_t)mac[at + 1] << 16 | (uint32_t)mac[at + 2] << 8 | mac[at + 3]) %
	       MODULUS;
}

static bool
read_digits(struct str code, uint32_t *ret)
{
	uint32_t n = 0;

	if (code.n != TOTP_DIGITS)
		return false;
	for (size_t i = 0; i < code.n; i++) {
		if (code.p[i] < '0' || code.p[i] > '9')
			return false;
		n = n * 10 + (uint32_t)(code.p[i] - '0');
	}
	*ret = n;
	return true;
}

int64_t
totp_find(struct str secret, struct str code, int64_t now)
{
	int64_t middle = now / TOTP_STEP_SECONDS, found = -1;
	uint32_t said;

	if (!read_digits(code, &said))
		return -1;
	for (int64_t step = middle - TOTP_DRIFT_STEPS; step <= middle + TOTP_DRIFT_STEPS; step++) {
		uint32_t code_then = totp_code(secret, step);

		if (bytes_equal(&code_then, &said, sizeof(said)))
			found = step;
	}
	return found;
}

struct str
base32(struct arena *arena, const void *bytes, size_t n)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	const unsigned char *p = bytes;
	size_t digits = (8 * n + 4) / 5;
	char *out = arena_alloc(arena, digits + 1);

	for (size_t i = 0; i < digits; i++) {
		size_t bit = 5 * i, byte = bit / 8;
		unsigned two = (unsigned)p[byte] << 8 | (byte + 1 < n ? p[byte + 1] : 0u);

		out[i] = alphabet[two >> (11 - bit % 8) & 31];
	}
	return str_n(out, digits);
}

/* Everything but what RFC 3986 leaves unreserved. */
static struct str
percent(struct arena *arena, struct str s)
{
	static const char digits[] = "0123456789ABCDEF";
	char *out = arena_alloc(arena, 3 * s.n + 1), *to = out;

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c && strchr("-._~", c))) {
			*to++ = (char)c;
			continue;
		}
		*to++ = '%';
		*to++ = digits[c >> 4];
		*to++ = digits[c & 15];
	}
	return str_n(out, (size_t)(to - out));
}

struct str
totp_uri(struct arena *arena, struct str issuer, struct str account, struct str secret)
{
	struct str who = percent(arena, issuer), whose = percent(arena, account), text = base32(arena, secret.p, secret.n);

	return arena_printf(arena, "otpauth://totp/%.*s:%.*s?secret=%.*s&issuer=%.*s&algorithm=SHA1&digits=%d&period=%d",
	                    STR_ARG(who), STR_ARG(whose), STR_ARG(text), STR_ARG(who), TOTP_DIGITS, TOTP_STEP_SECONDS);
}

struct str
recovery_code_new(struct arena *arena)
{
	unsigned char random[RECOVERY_CODE_DIGITS];
	char *out = arena_alloc(arena, 2 * RECOVERY_CODE_DIGITS), *to = out;

	bytes_random(random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++) {
		if (i && i % GROUP == 0)
			*to++ = '-';
		*to++ = crockford[random[i] & 31];
	}
	return str_n(out, (size_t)(to - out));
}

static char
fold(char c)
{
	if (c >= 'A' && c <= 'Z')
		c = (char)(c - 'A' + 'a');
	return c == 'o' ? '0' : c == 'i' || c == 'l' ? '1' : c;
}

bool
recovery_code_read(struct arena *arena, struct str typed, struct str *ret)
{
	char *out = arena_alloc(arena, RECOVERY_CODE_DIGITS + 1);
	size_t n = 0;

	for (size_t i = 0; i < typed.n; i++) {
		char c = fold(typed.p[i]);

		if (c == ' ' || c == '-')
			continue;
		if (n == RECOVERY_CODE_DIGITS || !c || !strchr(crockford, c))
			return false;
		out[n++] = c;
	}
	*ret = str_n(out, n);
	return n == RECOVERY_CODE_DIGITS;
}
