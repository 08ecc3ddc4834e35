/* sign.c -- canonical requests, and the chain of keys. */
#include "sign.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "../base/bytes.h"
#include "../base/err.h"

#define FILE_MOST 4096
#define DAY_N     8 /* of a date */

static int
read_file(struct arena *a, const char *path, struct str *ret)
{
	char *text = arena_alloc(a, FILE_MOST);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return fault(-errno);
	n = read(fd, text, FILE_MOST);
	close(fd);
	if (n < 0)
		return fault(-errno);
	*ret = str_n(text, (size_t)n);
	return 0;
}

static bool
printable(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
			return false;
	return s.n > 0;
}

int
s3_account_open(struct arena *a, const struct conf *conf, struct s3_account *ret)
{
	struct str host = str_c(conf->s3_endpoint), text, id, secret;
	int r;

	r = read_file(a, conf->s3_key_file, &text);
	if (r)
		return trace(r);
	id = str_trim(str_cut(&text, '\n'));
	secret = str_trim(str_cut(&text, '\n'));
	if (!printable(id) || !printable(secret) || memchr(id.p, '/', id.n))
		return INVALID;
	*ret = (struct s3_account){ .tls = str_has_prefix(host, STR("https://")),
		                    .bucket = str_c(conf->s3_bucket),
		                    .region = str_c(conf->s3_region),
		                    .id = id,
		                    .secret = secret };
	str_cut(&host, '/');
	str_cut(&host, '/');
	ret->host = host;
	return 0;
}

struct str
s3_path(struct arena *a, const struct s3_account *account, struct str key)
{
	if (!account->bucket.n)
		return arena_printf(a, "/%.*s", STR_ARG(key));
	return arena_printf(a, "/%.*s%s%.*s", STR_ARG(account->bucket), key.n ? "/" : "", STR_ARG(key));
}

struct str
s3_date(struct arena *a, int64_t wall_us)
{
	time_t seconds = (time_t)(wall_us / 1000000);
	char text[S3_DATE_N + 1];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &tm);
	return arena_str(a, str_n(text, S3_DATE_N));
}

/* What a key is good for: a day, a region, this service. */
static struct str
scope_of(struct arena *a, const struct s3_account *account, struct str date)
{
	return arena_printf(a, "%.*s/%.*s/s3/aws4_request", DAY_N, date.p, STR_ARG(account->region));
}

static void
next_key(unsigned char key[SHA256_BYTES], struct str text)
{
	unsigned char next[SHA256_BYTES];

	bytes_hmac_sha256(str_n((const char *)key, SHA256_BYTES), text, next);
	memcpy(key, next, sizeof(next));
}

static struct str
signature(struct arena *a, const struct s3_account *account, struct str date, struct str canonical)
{
	struct str first = arena_printf(a, "AWS4%.*s", STR_ARG(account->secret)), text;
	unsigned char digest[SHA256_BYTES], key[SHA256_BYTES];

	bytes_sha256(canonical, digest);
	text = arena_printf(a, "AWS4-HMAC-SHA256\n%.*s\n%.*s\n%.*s", STR_ARG(date), STR_ARG(scope_of(a, account, date)),
	                    STR_ARG(hex(a, digest, sizeof(digest))));
	bytes_hmac_sha256(first, str_n(date.p, DAY_N), key);
	next_key(key, account->region);
	next_key(key, STR("s3"));
	next_key(key, STR("aws4_request"));
	next_key(key, text);
	return hex(a, key, sizeof(key));
}

struct str
s3_authorization(struct arena *a, const struct s3_account *account, const struct s3_ask *ask, struct str date)
{
	struct str canonical = arena_printf(a,
	                                    "%s\n%.*s\n%.*s\nhost:%.*s\nx-amz-content-sha256:%.*s\nx-amz-date:%.*s\n\n"
	                                    "host;x-amz-content-sha256;x-amz-date\n%.*s",
	                                    ask->method, STR_ARG(ask->path), STR_ARG(ask->query), STR_ARG(account->host),
	                                    STR_ARG(ask->digest), STR_ARG(date), STR_ARG(ask->digest));

	return arena_printf(a,
	                    "AWS4-HMAC-SHA256 Credential=%.*s/%.*s,SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
	                    "Signature=%.*s",
	                    STR_ARG(account->id), STR_ARG(scope_of(a, account, date)),
	                    STR_ARG(signature(a, account, date, canonical)));
}

struct str
s3_presign(struct arena *a, const struct s3_account *account, const char *method, struct str key, struct str date,
           int seconds)
{
	struct str path = s3_path(a, account, key);
	struct str query =
	        arena_printf(a,
	                     "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=%.*s%%2F%.*s%%2F%.*s%%2Fs3%%2Faws4_"
	                     "request&X-Amz-Date=%.*s&X-Amz-Expires=%d&X-Amz-SignedHeaders=host",
	                     STR_ARG(str_percent_encode(a, account->id)), DAY_N, date.p, STR_ARG(account->region),
	                     STR_ARG(date), seconds);
	struct str canonical = arena_printf(a, "%s\n%.*s\n%.*s\nhost:%.*s\n\nhost\nUNSIGNED-PAYLOAD", method, STR_ARG(path),
	                                    STR_ARG(query), STR_ARG(account->host));

	return arena_printf(a, "%.*s?%.*s&X-Amz-Signature=%.*s", STR_ARG(path), STR_ARG(query),
	                    STR_ARG(signature(a, account, date, canonical)));
}
