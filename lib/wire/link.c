/* link.c -- signing, and checking what comes back. */
#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../base/bytes.h"
#include "../base/err.h"

#define SECRET_MIN 32
#define SECRET_MAX 128
#define FILE_MOST  4096
#define DAY        INT64_C(86400)
#define MD5_BYTES  16

static struct {
	char p[SECRET_MAX];
	size_t n;
} secret;

void
link_secret(struct str s)
{
	if (s.n > sizeof(secret.p))
		abort();
	memcpy(secret.p, s.p, s.n);
	secret.n = s.n;
}

static struct str
need_secret(void)
{
	if (!secret.n)
		abort(); /* a process that shows attachments must call link_open() first */
	return str_n(secret.p, secret.n);
}

static bool
secret_ok(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
			return false;
	}
	return s.n >= SECRET_MIN && s.n <= SECRET_MAX;
}

int
link_open(const char *secret_file)
{
	int fd = open(secret_file, O_RDONLY | O_CLOEXEC);
	char text[FILE_MOST];
	struct str rest, value;
	ssize_t n;

	if (fd < 0)
		return fault(-errno);
	n = read(fd, text, sizeof(text));
	close(fd);
	if (n < 0)
		return fault(-errno);
	rest = str_n(text, (size_t)n);
	if (!str_eq(str_trim(str_cut(&rest, '"')), STR("set $peal_link_secret")) || !str_present(rest))
		return INVALID;
	value = str_cut(&rest, '"');
	if (!secret_ok(value))
		return INVALID;
	link_secret(value);
	return 0;
}

bool
attachment_id_ok(struct str id)
{
	if (id.n != ATTACHMENT_ID_N)
		return false;
	for (size_t i = 0; i < id.n; i++)
		if (!((id.p[i] >= '0' && id.p[i] <= '9') || (id.p[i] >= 'a' && id.p[i] <= 'f')))
			return false;
	return true;
}

static int64_t
hex_value(struct str digits)
{
	int64_t v = 0;

	for (size_t i = 0; i < digits.n; i++)
		v = v << 4 | (digits.p[i] <= '9' ? digits.p[i] - '0' : digits.p[i] - 'a' + 10);
	return v;
}

/* The boundary after next of this attachment's day. */
static int64_t
expiry(struct str id, int64_t now)
{
	int64_t offset = hex_value(str_n(id.p, 8)) % DAY;

	return (now - offset) / DAY * DAY + offset + 2 * DAY;
}

static const char url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* base64url of 16 bytes: 22 digits. */
static void
signature(struct str text, char out[23])
{
	unsigned char digest[MD5_BYTES + 2] = { 0 };
	size_t n = 0;

	bytes_md5(text, digest);
	for (size_t i = 0; i < MD5_BYTES; i += 3) {
		unsigned bits = (unsigned)digest[i] << 16 | (unsigned)digest[i + 1] << 8 | digest[i + 2];

		for (int shift = 18; shift >= 0 && n < 22; shift -= 6)
			out[n++] = url_digits[bits >> shift & 63];
	}
	out[n] = 0;
}

const char *
link_extension(struct str name)
{
	return str_eq(name, STR("aac"))     ? "m4a"
	       : str_eq(name, STR("opus"))  ? "webm"
	       : str_eq(name, STR("video")) ? "mp4"
	                                    : "webp";
}

struct str
link_rendition(struct str id, struct str name, int64_t now_us, char out[LINK_MAX])
{
	struct str key = need_secret();
	long long at = expiry(id, now_us / 1000000);
	char text[SECRET_MAX + ATTACHMENT_ID_N + 32], sig[23];
	int n;

	n = snprintf(text, sizeof(text), "%lld/%.*s %.*s", at, STR_ARG(id), STR_ARG(key));
	signature(str_n(text, (size_t)n), sig);
	n = snprintf(out, LINK_MAX, "/m/%lld/%s/%.2s/%.*s/%.*s.%s", at, sig, id.p, STR_ARG(id),
	             (int)(name.n < 16 ? name.n : 16), name.p, link_extension(name));
	return str_n(out, (size_t)n);
}

static struct str
download_mac(struct arena *a, struct str id, int64_t user_id, int64_t at)
{
	struct str text = arena_printf(a, "download %.*s %lld %lld", STR_ARG(id), (long long)user_id, (long long)at);
	unsigned char mac[SHA256_BYTES];

	bytes_hmac_sha256(need_secret(), text, mac);
	return base64url(a, mac, sizeof(mac));
}

struct str
link_download(struct arena *a, struct str id, int64_t user_id, int64_t now_us)
{
	int64_t at = now_us / 1000000 + LINK_DOWNLOAD_SECONDS;
	struct str mac = download_mac(a, id, user_id, at);

	return arena_printf(a, "/api/v1/media/%.*s/original?token=%lld.%lld.%.*s", STR_ARG(id), (long long)user_id,
	                    (long long)at, STR_ARG(mac));
}

int
link_download_user(struct arena *a, struct str id, struct str token, int64_t now_us, int64_t *ret_user_id)
{
	struct str user = str_cut(&token, '.'), expires = str_cut(&token, '.'), mac;
	int64_t user_id, at;

	if (!str_present(token) || !str_id(user, &user_id) || !str_id(expires, &at))
		return NOT_FOUND;
	mac = download_mac(a, id, user_id, at);
	if (token.n != mac.n || !bytes_equal(token.p, mac.p, mac.n))
		return NOT_FOUND;
	if (at < now_us / 1000000)
		return GONE;
	*ret_user_id = user_id;
	return 0;
}
