/* fcgi/reply.c -- JSON documents, problem+json, and the headers that every reply has. */
#include <inttypes.h>

#include "access_token.h"
#include "base/bytes.h"
#include "cors.h"
#include "reply.h"
#include "wire/problem.h"

#define IGNORED_MAX_BYTES 256
#define ETAG_BYTES        16
#define SECOND_US         1000000

struct json_out *
reply_json(struct req *req, int status)
{
	req->status = status;
	req->content_type = "application/json";
	buf_clear(&req->out);
	json_begin(&req->json, &req->out);
	return &req->json;
}

int
reply_end(struct req *req)
{
	json_end(&req->json);
	return 0;
}

int
reply_empty(struct req *req)
{
	req->status = 204;
	req->content_type = NULL;
	buf_clear(&req->out);
	return 0;
}

int
reply_end_line(struct req *req, struct str rest)
{
	json_end(&req->json);
	req->content_type = "text/plain; charset=utf-8";
	buf_char(&req->out, '\n');
	buf_str(&req->out, rest);
	return 0;
}

static bool
header_value_ok(struct str value)
{
	for (size_t i = 0; i < value.n; i++)
		if ((unsigned char)value.p[i] < 0x20 || value.p[i] == 0x7f)
			return false;
	return true;
}

void
reply_header(struct req *req, const char *name, struct str value)
{
	if (!header_value_ok(value))
		return;
	buf_str(&req->headers, str_c(name));
	buf_str(&req->headers, STR(": "));
	buf_str(&req->headers, value);
	buf_str(&req->headers, STR("\r\n"));
}

int
reply_user(struct req *req, int status, const struct user *user)
{
	view_user(reply_json(req, status), NULL, user);
	return reply_end(req);
}

int
reply_me(struct req *req, int status, const struct me *me)
{
	view_me(reply_json(req, status), NULL, me);
	return reply_end(req);
}

int
reply_message(struct req *req, int status, const struct message *message)
{
	view_message(reply_json(req, status), NULL, message, req->me);
	return reply_end(req);
}

int
reply_conversation(struct req *req, int status, const struct conversation *conversation)
{
	view_conversation(reply_json(req, status), NULL, conversation, req->me);
	return reply_end(req);
}

static void
write_challenge(struct req *req, int r)
{
	if (r == UNAUTHENTICATED)
		reply_header(req, "WWW-Authenticate", STR("Bearer"));
	else if (r == TOKEN_EXPIRED)
		reply_header(req, "WWW-Authenticate", STR("Bearer error=\"invalid_token\""));
	else if (r == INSUFFICIENT_SCOPE && req->endpoint->scope)
		reply_header(req, "WWW-Authenticate",
		             arena_printf(req->arena, "Bearer error=\"insufficient_scope\", scope=\"%s\"",
		                          scope_word(req->endpoint->scope)));
	else if (r == INSUFFICIENT_SCOPE)
		reply_header(req, "WWW-Authenticate", STR("Bearer error=\"insufficient_scope\""));
}

void
reply_problem(struct req *req, int r)
{
	const struct outcome_info *info = outcome_info(r);
	int64_t retry_ms = req->retry_after_ms ? req->retry_after_ms : PROBLEM_RETRY_AFTER_MS;
	struct json_out *w;

	buf_clear(&req->headers);
	w = reply_json(req, info->status);
	req->content_type = "application/problem+json";
	problem_open(w, r, req->id, req->detail, retry_ms, &req->report);
	if (r == SECOND_FACTOR_REQUIRED && str_present(req->challenge)) {
		json_str(w, "challenge", req->challenge);
		json_int(w, "expires_in", req->challenge_seconds);
	}
	json_close(w);
	reply_end(req);
	if (info->retryable)
		reply_header(req, "Retry-After", arena_printf(req->arena, "%lld", (long long)(retry_ms + 999) / 1000));
	write_challenge(req, r);
	if (r == METHOD_NOT_ALLOWED && req->allow)
		reply_header(req, "Allow", str_c(req->allow));
}

/* A JSON Pointer without its first slash: of a member of the body itself that is its name. */
static void
percent_encode(struct buf *b, struct str name)
{
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || strchr("_-./", c))
			buf_char(b, (char)c);
		else
			buf_printf(b, "%%%02X", c);
	}
}

/* As many of the names as fit: a client that sends nonsense does not get a header full of it. */
static void
write_ignored(struct req *req)
{
	const struct json_report *report = &req->report;
	struct buf b;

	if (!report->ignored_n)
		return;
	buf_init(&b, 16 * IGNORED_MAX_BYTES);
	for (size_t i = 0; i < report->ignored_n; i++) {
		size_t before = b.n;

		if (report->ignored[i].n < 2 || report->ignored[i].n > IGNORED_MAX_BYTES)
			continue;
		if (b.n)
			buf_str(&b, STR(", "));
		percent_encode(&b, str_n(report->ignored[i].p + 1, report->ignored[i].n - 1));
		if (b.n > IGNORED_MAX_BYTES)
			b.n = before;
	}
	if (b.n)
		reply_header(req, "Peal-Ignored", buf_view(&b));
	buf_deinit(&b);
}

/* RFC 9110 section 13.1.2: a list of entity tags, compared weakly. */
static bool
etag_listed(struct str list, struct str etag)
{
	while (list.n) {
		struct str one = str_trim(str_cut(&list, ','));

		if (str_has_prefix(one, STR("W/")))
			one = str_n(one.p + 2, one.n - 2);
		if (str_eq(one, etag) || str_eq(one, STR("*")))
			return true;
	}
	return false;
}

static void
write_etag(struct req *req)
{
	unsigned char digest[SHA256_BYTES];
	struct str etag;

	bytes_sha256(buf_view(&req->out), digest);
	etag = base64url(req->arena, digest, ETAG_BYTES);
	etag = arena_printf(req->arena, "\"%.*s\"", STR_ARG(etag));
	reply_header(req, "ETag", etag);
	if (!etag_listed(req_param(req, "HTTP_IF_NONE_MATCH"), etag))
		return;
	req->status = 304;
	req->content_type = NULL;
	buf_clear(&req->out);
}

static void
header_int(struct req *req, const char *name, int64_t value)
{
	buf_str(&req->headers, str_c(name));
	buf_int(&req->headers, value);
	buf_str(&req->headers, STR("\r\n"));
}

static void
write_rate(struct req *req)
{
	if (!req->rate.counted)
		return;
	header_int(req, "RateLimit-Limit: ", req->rate.limit);
	header_int(req, "RateLimit-Remaining: ", req->rate.remaining);
	header_int(req, "RateLimit-Reset: ", (req->rate.reset_us + SECOND_US - 1) / SECOND_US);
}

void
reply_finish(struct req *req)
{
	bool conditional = req->endpoint && req->endpoint->etag && req->status == 200;

	if (conditional)
		write_etag(req);
	write_ignored(req);
	write_rate(req);
	reply_header(req, "X-Request-Id", req->id);
	cors_headers(req);
	reply_header(req, "Cache-Control", conditional ? STR("private, no-cache") : STR("no-store"));
	if (req->content_type) {
		reply_header(req, "Content-Type", str_c(req->content_type));
		header_int(req, "Content-Length: ", (int64_t)req->out.n);
	}
}
