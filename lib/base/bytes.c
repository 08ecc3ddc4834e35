/* bytes -- fronts of OpenSSL and of getrandom(2), and two text forms of bytes. */
#include "bytes.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "log.h"

#define UUID_CHARS 36
#define FILE_PIECE 65536

static const char base64url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char hex_digits[] = "0123456789abcdef";

static _Noreturn void
give_up(const char *what)
{
	LOG(ERROR, "crypto_failed", L_CSTR("what", what));
	abort();
}

void
bytes_random(void *out, size_t n)
{
	char *at = out;

	while (n) {
		ssize_t got = getrandom(at, n, 0);

		if (got < 0 && errno != EINTR)
			give_up("getrandom");
		if (got > 0) {
			at += got;
			n -= (size_t)got;
		}
	}
}

void
bytes_sha256(struct str s, unsigned char out[SHA256_BYTES])
{
	if (!EVP_Digest(s.p, s.n, out, NULL, EVP_sha256(), NULL))
		give_up("sha256");
}

bool
bytes_sha256_file(int fd, uint64_t offset, uint64_t size, unsigned char out[SHA256_BYTES])
{
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	char piece[FILE_PIECE];
	ssize_t n = 1;

	if (!digest || !EVP_DigestInit_ex(digest, EVP_sha256(), NULL))
		give_up("sha256");
	while (size && n > 0) {
		n = pread(fd, piece, size < sizeof(piece) ? size : sizeof(piece), (off_t)offset);
		if (n < 0 && errno == EINTR) {
			n = 1;
			continue;
		}
		if (n > 0 && !EVP_DigestUpdate(digest, piece, (size_t)n))
			give_up("sha256");
		offset += n > 0 ? (uint64_t)n : 0;
		size -= n > 0 ? (uint64_t)n : 0;
	}
	if (!n)
		errno = EIO;
	if (!EVP_DigestFinal_ex(digest, out, NULL))
		give_up("sha256");
	EVP_MD_CTX_free(digest);
	return !size;
}

void
bytes_md5(struct str s, unsigned char out[16])
{
	if (!EVP_Digest(s.p, s.n, out, NULL, EVP_md5(), NULL))
		abort();
}

void
bytes_hmac_sha256(struct str key, struct str message, unsigned char out[SHA256_BYTES])
{
	/* OpenSSL takes a NULL key for "the one before" */
	if (!HMAC(EVP_sha256(), key.p ? key.p : "", (int)key.n, (const unsigned char *)message.p, message.n, out, NULL))
		give_up("hmac");
}

void
bytes_hmac_sha1(struct str key, struct str message, unsigned char out[SHA1_BYTES])
{
	if (!HMAC(EVP_sha1(), key.p ? key.p : "", (int)key.n, (const unsigned char *)message.p, message.n, out, NULL))
		give_up("hmac");
}

void
bytes_hmac_for(struct str key, struct str purpose, struct str message, unsigned char out[SHA256_BYTES])
{
	unsigned char own[SHA256_BYTES];

	bytes_hmac_sha256(key, purpose, own);
	bytes_hmac_sha256(str_n((char *)own, sizeof(own)), message, out);
}

bool
bytes_equal(const void *a, const void *b, size_t n)
{
	return !CRYPTO_memcmp(a, b, n);
}

struct str
base64(struct arena *a, const void *in, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = in;
	char *out = arena_alloc(a, (n + 2) / 3 * 4 + 1);
	size_t m = 0;

	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned)p[i] << 16 | (i + 1 < n ? (unsigned)p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0);

		out[m++] = digits[v >> 18];
		out[m++] = digits[v >> 12 & 63];
		out[m++] = i + 1 < n ? digits[v >> 6 & 63] : '=';
		out[m++] = i + 2 < n ? digits[v & 63] : '=';
	}
	return str_n(out, m);
}

struct str
base64url(struct arena *a, const void *bytes, size_t n)
{
	const unsigned char *in = bytes;
	char *out = arena_alloc(a, n / 3 * 4 + 5);
	size_t at = 0;
	uint32_t bits = 0;
	int have = 0;

	for (size_t i = 0; i < n; i++) {
		bits = bits << 8 | in[i];
		for (have += 8; have >= 6; have -= 6)
			out[at++] = base64url_digits[bits >> (have - 6) & 63];
	}
	if (have)
		out[at++] = base64url_digits[bits << (6 - have) & 63];
	return str_n(out, at);
}

static int
base64url_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

static int
base64_value(char c)
{
	return c == '+' ? 62 : c == '/' ? 63 : c == '-' || c == '_' ? -1 : base64url_value(c);
}

static bool
decode(struct arena *a, struct str s, int (*value)(char), struct str *ret)
{
	char *out = arena_alloc(a, s.n / 4 * 3 + 3);
	size_t at = 0;
	uint32_t bits = 0;
	int have = 0;

	if (s.n % 4 == 1)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		int v = value(s.p[i]);

		if (v < 0)
			return false;
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[at++] = (char)(bits >> have);
		}
	}
	if (bits & ((1u << have) - 1))
		return false;
	*ret = str_n(out, at);
	return true;
}

bool
base64url_decode(struct arena *a, struct str s, struct str *ret)
{
	return decode(a, s, base64url_value, ret);
}

bool
base64_decode(struct arena *a, struct str s, struct str *ret)
{
	if (s.n % 4)
		return false;
	for (int i = 0; i < 2 && s.n && s.p[s.n - 1] == '='; i++)
		s.n--;
	return decode(a, s, base64_value, ret);
}

struct str
hex(struct arena *a, const void *bytes, size_t n)
{
	const unsigned char *in = bytes;
	char *out = arena_alloc_array(a, n + 1, 2);

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = hex_digits[in[i] >> 4];
		out[2 * i + 1] = hex_digits[in[i] & 15];
	}
	return str_n(out, 2 * n);
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool
hex_decode(struct arena *a, struct str s, struct str *ret)
{
	char *out = arena_alloc(a, s.n / 2 + 1);

	if (s.n % 2)
		return false;
	for (size_t i = 0; i < s.n; i += 2) {
		int high = hex_value(s.p[i]), low = hex_value(s.p[i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i / 2] = (char)(high << 4 | low);
	}
	*ret = str_n(out, s.n / 2);
	return true;
}

static bool
uuid_dash(size_t i)
{
	return i == 8 || i == 13 || i == 18 || i == 23;
}

struct str
uuid_new(struct arena *a)
{
	unsigned char b[16];
	char *out = arena_alloc(a, UUID_CHARS + 1);

	bytes_random(b, sizeof b);
	b[6] = (b[6] & 0x0F) | 0x40; /* version 4 */
	b[8] = (b[8] & 0x3F) | 0x80; /* the variant of RFC 9562 */
	for (size_t i = 0, digit = 0; i < UUID_CHARS; i++) {
		if (uuid_dash(i)) {
			out[i] = '-';
			continue;
		}
		out[i] = hex_digits[digit % 2 ? b[digit / 2] & 15 : b[digit / 2] >> 4];
		digit++;
	}
	return str_n(out, UUID_CHARS);
}

bool
uuid_valid(struct str s)
{
	if (s.n != UUID_CHARS)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (uuid_dash(i) ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
	}
	return true;
}
