/* s3.c -- requests over libcurl, signed by sign.c. */
#include "s3.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../base/bytes.h"
#include "../base/clock.h"
#include "../base/err.h"
#include "../base/log.h"

#define ARENA_MOST      ((size_t)16 << 20)
#define ANSWER_MOST     ((size_t)8 << 20)
#define ATTEMPTS        3
#define PAUSE_US        50000 /* before the second attempt; four times that before the third */
#define CONNECT_SECONDS 3
#define LIST_MOST       1000 /* objects in one answer */
#define CODE_MOST       64

struct s3 {
	const struct s3_account *account;
	CURL *curl; /* connections stay open between requests */
	int64_t timeout_seconds;
	uint64_t part_bytes;
};

/* One request, through all its attempts. */
struct call {
	struct s3 *s3;
	struct arena *arena;
	struct s3_ask ask;
	const char *mime;
	struct str body;
	size_t sent;
	struct buf answer;
	struct str etag;
	void (*fn)(void *, struct str); /* of the body of a 200; NULL: kept in `answer` */
	void *arg;
	CURLcode code;
	long status;
};

struct s3 *
s3_new(const struct s3_account *account, int64_t timeout_seconds, uint64_t part_bytes)
{
	struct s3 *s3 = calloc(1, sizeof(*s3));

	if (!s3 || curl_global_init(CURL_GLOBAL_DEFAULT) || !(s3->curl = curl_easy_init()))
		abort();
	s3->account = account;
	s3->timeout_seconds = timeout_seconds;
	s3->part_bytes = part_bytes;
	return s3;
}

struct s3 *
s3_free(struct s3 *s3)
{
	if (s3) {
		curl_easy_cleanup(s3->curl);
		curl_global_cleanup();
	}
	free(s3);
	return NULL;
}

static size_t
give(char *to, size_t size, size_t n, void *arg)
{
	struct call *c = arg;
	size_t most = size * n, left = c->body.n - c->sent;

	most = most < left ? most : left;
	memcpy(to, c->body.p + c->sent, most);
	c->sent += most;
	return most;
}

static int
rewind_to(void *arg, curl_off_t offset, int origin)
{
	struct call *c = arg;

	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > c->body.n)
		return CURL_SEEKFUNC_FAIL;
	c->sent = (size_t)offset;
	return CURL_SEEKFUNC_OK;
}

static size_t
take(char *p, size_t size, size_t n, void *arg)
{
	struct call *c = arg;
	long status = 0;

	curl_easy_getinfo(c->s3->curl, CURLINFO_RESPONSE_CODE, &status);
	if (c->fn && status == 200) {
		c->fn(c->arg, str_n(p, size * n));
		return size * n;
	}
	buf_add(&c->answer, p, size * n);
	return buf_failed(&c->answer) ? 0 : size * n;
}

static size_t
take_header(char *p, size_t size, size_t n, void *arg)
{
	struct call *c = arg;
	struct str value = str_n(p, size * n), name = str_cut(&value, ':');

	if (str_present(value) && str_eq_ascii_case(name, STR("etag")))
		c->etag = arena_str(c->arena, str_trim(value));
	return size * n;
}

static struct curl_slist *
headers(struct call *c)
{
	const struct s3_account *account = c->s3->account;
	struct str date = s3_date(c->arena, clock_wall_us());
	struct str lines[] = {
		arena_printf(c->arena, "Host: %.*s", STR_ARG(account->host)),
		arena_printf(c->arena, "x-amz-date: %.*s", STR_ARG(date)),
		arena_printf(c->arena, "x-amz-content-sha256: %.*s", STR_ARG(c->ask.digest)),
		arena_printf(c->arena, "Authorization: %.*s", STR_ARG(s3_authorization(c->arena, account, &c->ask, date))),
		STR("Expect:"),
		arena_printf(c->arena, "Content-Type:%s%s", c->mime ? " " : "", c->mime ? c->mime : ""),
	};
	struct curl_slist *list = NULL;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		list = curl_slist_append(list, lines[i].p);
	return list;
}

static void
set_limits(CURL *curl, const struct s3 *s3)
{
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, s3->account->tls ? "https" : "http");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "Peal");
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)s3->timeout_seconds);
}

static void
set_up(struct call *c)
{
	CURL *curl = c->s3->curl;
	struct str url = arena_printf(c->arena, "%s://%.*s%.*s%s%.*s", c->s3->account->tls ? "https" : "http",
	                              STR_ARG(c->s3->account->host), STR_ARG(c->ask.path), c->ask.query.n ? "?" : "",
	                              STR_ARG(c->ask.query));

	curl_easy_reset(curl);
	set_limits(curl, c->s3);
	curl_easy_setopt(curl, CURLOPT_URL, url.p);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, c);
	if (*c->ask.method == 'P') {
		curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)c->body.n);
		curl_easy_setopt(curl, CURLOPT_READFUNCTION, give);
		curl_easy_setopt(curl, CURLOPT_READDATA, c);
		curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, rewind_to);
		curl_easy_setopt(curl, CURLOPT_SEEKDATA, c);
	}
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, c->ask.method);
}

static void
attempt(struct call *c)
{
	struct curl_slist *list = headers(c);

	buf_clear(&c->answer);
	c->sent = 0;
	c->status = 0;
	set_up(c);
	curl_easy_setopt(c->s3->curl, CURLOPT_HTTPHEADER, list);
	c->code = curl_easy_perform(c->s3->curl);
	curl_easy_getinfo(c->s3->curl, CURLINFO_RESPONSE_CODE, &c->status);
	curl_slist_free_all(list);
}

/* What the store calls its refusal. */
static struct str
refusal(const struct call *c)
{
	struct str code;

	return s3_element(buf_view(&c->answer), STR("Code"), &code) && code.n <= CODE_MOST ? code : STR("");
}

static int
outcome(const struct call *c)
{
	struct str code;

	if (c->code)
		return UNAVAILABLE;
	if (c->status / 100 == 2)
		return 0;
	code = refusal(c);
	if (c->status == 404 && !str_eq(code, STR("NoSuchBucket")))
		return NOT_FOUND;
	return c->status == 507 || str_eq(code, STR("QuotaExceeded")) ? NO_SPACE : UNAVAILABLE;
}

static bool
may_pass(const struct call *c)
{
	return c->code || c->status == 429 || (c->status >= 500 && c->status != 507) ||
	       str_eq(refusal(c), STR("RequestTimeout"));
}

static void
complain(const struct call *c, int tries)
{
	LOG(WARNING, "s3", L_CSTR("method", c->ask.method), L_INT("status", c->status), L_STR("code", refusal(c)),
	    L_CSTR("error", curl_easy_strerror(c->code)), L_INT("tries", tries));
}

static void
pause_before(int tries)
{
	long us = PAUSE_US;
	uint16_t random;

	for (int i = 1; i < tries; i++)
		us *= 4;
	bytes_random(&random, sizeof(random));
	us += us * random / UINT16_MAX;
	nanosleep(&(struct timespec){ us / 1000000, us % 1000000 * 1000 }, NULL);
}

/* The answer lives until the next request of this call. What fn of a call was given cannot be taken back: it is given once. */
static int
perform(struct call *c)
{
	int64_t until = clock_mono_us() + c->s3->timeout_seconds * 1000000;
	unsigned char digest[SHA256_BYTES];
	int tries = 1, r;

	bytes_sha256(c->body, digest);
	c->ask.digest = hex(c->arena, digest, sizeof(digest));
	attempt(c);
	while (may_pass(c) && tries < ATTEMPTS && clock_mono_us() < until && !(c->fn && c->status == 200)) {
		pause_before(tries++);
		attempt(c);
	}
	r = outcome(c);
	if (r && r != NOT_FOUND)
		complain(c, tries);
	return r;
}

static void
begin(struct call *c, struct s3 *s3)
{
	*c = (struct call){ .s3 = s3, .arena = arena_new(ARENA_MOST), .body = STR("") };
	buf_init(&c->answer, ANSWER_MOST);
}

static void
end(struct call *c)
{
	buf_deinit(&c->answer);
	arena_free(c->arena);
}

static int
ask(struct call *c, const char *method, struct str path, struct str query, struct str body)
{
	c->ask = (struct s3_ask){ .method = method, .path = path, .query = query };
	c->body = body;
	return perform(c);
}

static int
put_whole(struct s3 *s3, struct str key, const char *mime, struct str bytes)
{
	struct call c;
	int r;

	begin(&c, s3);
	c.mime = mime;
	r = ask(&c, "PUT", s3_path(c.arena, s3->account, key), STR(""), bytes);
	end(&c);
	return r == NOT_FOUND ? UNAVAILABLE : r;
}

/* An object that is put in parts. */
struct parts {
	struct call call;
	struct str path, upload; /* the name of the whole thing at the store, percent-encoded */
	struct buf list;         /* of what was put, as the store wants to have it repeated */
};

static int
parts_begin(struct parts *p, const char *mime)
{
	struct str upload;
	int r;

	p->call.mime = mime;
	r = ask(&p->call, "POST", p->path, STR("uploads="), STR(""));
	p->call.mime = NULL;
	if (r)
		return r;
	if (!s3_element(buf_view(&p->call.answer), STR("UploadId"), &upload))
		return UNAVAILABLE;
	p->upload = str_percent_encode(p->call.arena, upload);
	return 0;
}

static int
parts_put(struct parts *p, struct str bytes)
{
	struct arena *a = p->call.arena;
	struct str rest = bytes;
	int r = 0;

	buf_str(&p->list, STR("<CompleteMultipartUpload>"));
	for (int n = 1; rest.n && !r; n++) {
		struct str part = str_n(rest.p, rest.n < p->call.s3->part_bytes ? rest.n : p->call.s3->part_bytes);

		r = ask(&p->call, "PUT", p->path, arena_printf(a, "partNumber=%d&uploadId=%.*s", n, STR_ARG(p->upload)),
		        part);
		buf_printf(&p->list, "<Part><PartNumber>%d</PartNumber><ETag>%.*s</ETag></Part>", n, STR_ARG(p->call.etag));
		rest = str_n(rest.p + part.n, rest.n - part.n);
	}
	buf_str(&p->list, STR("</CompleteMultipartUpload>"));
	return r;
}

/* The store may say 200 first and fail then. */
static int
parts_end(struct parts *p)
{
	struct str done;
	int r = ask(&p->call, "POST", p->path, arena_printf(p->call.arena, "uploadId=%.*s", STR_ARG(p->upload)),
	            buf_view(&p->list));

	return r || s3_element(buf_view(&p->call.answer), STR("ETag"), &done) ? r : UNAVAILABLE;
}

static int
put_parts(struct s3 *s3, struct str key, const char *mime, struct str bytes)
{
	struct parts p = { .upload = STR_NONE };
	int r;

	begin(&p.call, s3);
	buf_init(&p.list, ANSWER_MOST);
	p.path = s3_path(p.call.arena, s3->account, key);
	r = parts_begin(&p, mime);
	if (!r)
		r = parts_put(&p, bytes);
	if (!r)
		r = parts_end(&p);
	if (r && str_present(p.upload))
		(void)ask(&p.call, "DELETE", p.path, arena_printf(p.call.arena, "uploadId=%.*s", STR_ARG(p.upload)),
		          STR(""));
	buf_deinit(&p.list);
	end(&p.call);
	return r == NOT_FOUND ? UNAVAILABLE : r;
}

int
s3_put(struct s3 *s3, struct str key, const char *mime, struct str bytes)
{
	return bytes.n > s3->part_bytes ? put_parts(s3, key, mime, bytes) : put_whole(s3, key, mime, bytes);
}

int
s3_delete(struct s3 *s3, struct str key)
{
	struct call c;
	int r;

	begin(&c, s3);
	r = ask(&c, "DELETE", s3_path(c.arena, s3->account, key), STR(""), STR(""));
	end(&c);
	return r == NOT_FOUND ? 0 : r;
}

/* One answer's objects; *last is the key of the last one, *more whether there are others behind it. */
static int
list_page(struct call *c, struct str *last, bool *more, int (*fn)(void *, const struct s3_object *), void *arg)
{
	struct str xml = buf_view(&c->answer), truncated;
	struct s3_object object;
	int r = 0;

	if (!s3_element(xml, STR("IsTruncated"), &truncated))
		return UNAVAILABLE;
	*more = str_eq(truncated, STR("true"));
	*last = STR_NONE;
	while (!r && s3_listing_next(&xml, &object)) {
		*last = object.key;
		r = fn(arg, &object);
	}
	*last = str_present(*last) ? str_percent_encode(c->arena, *last) : STR_NONE;
	return r || !*more || str_present(*last) ? r : UNAVAILABLE;
}

static int
ask_page(struct call *c, struct str prefix, struct str last)
{
	struct str query =
	        arena_printf(c->arena, "list-type=2&max-keys=%d&prefix=%.*s%s%.*s", LIST_MOST,
	                     STR_ARG(str_percent_encode(c->arena, prefix)), last.n ? "&start-after=" : "", STR_ARG(last));

	return ask(c, "GET", s3_path(c->arena, c->s3->account, STR("")), query, STR(""));
}

int
s3_list(struct s3 *s3, struct str prefix, int (*fn)(void *, const struct s3_object *), void *arg)
{
	struct str last = STR("");
	bool more = true;
	struct call c;
	int r = 0;

	begin(&c, s3);
	while (more && !r) {
		r = ask_page(&c, prefix, last);
		r = r ? r == NOT_FOUND ? UNAVAILABLE : r : list_page(&c, &last, &more, fn, arg);
	}
	end(&c);
	return r;
}

int
s3_get(struct s3 *s3, struct str key, void (*fn)(void *, struct str), void *arg)
{
	struct call c;
	int r;

	begin(&c, s3);
	c.fn = fn;
	c.arg = arg;
	r = ask(&c, "GET", s3_path(c.arena, s3->account, key), STR(""), STR(""));
	end(&c);
	return r;
}
