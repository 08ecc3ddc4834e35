/* fcgi/once.c -- Idempotency-Key: the handler and its key in one transaction. */
#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/seal.h"
#include "once.h"
#include "reply.h"
#include "store/request.h"
#include "wire/retry_key.h"

static int
check_key(struct req *req, struct str key)
{
	return retry_key_ok(key) ? 0 : req_invalid(req, "Idempotency-Key", "format", RETRY_KEY_RULE);
}

/* The body as everybody would write it. False when it is no JSON: the handler says so better. */
static bool
canonical_body(struct req *req, struct buf *out)
{
	struct json_report report = { 0 };
	json_t *json;
	char *text;

	if (!req->body.n)
		return true;
	if (json_parse(req->arena, req->body, &json, &report))
		return false;
	text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	if (text)
		buf_str(out, str_c(text));
	free(text);
	return text != NULL;
}

/* What makes two requests the same. A MAC, since a body may hold a password. */
static bool
request_hash(struct req *req, struct str *ret)
{
	unsigned char *digest = arena_alloc(req->arena, SHA256_BYTES);
	struct buf *buf = req_scratch(req);

	buf_str(buf, req->path);
	buf_char(buf, '?');
	buf_str(buf, req->query);
	buf_char(buf, '\n');
	if (!canonical_body(req, buf) || buf_failed(buf))
		return false;
	bytes_hmac_sha256(req->service->refresh_key, buf_view(buf), digest);
	*ret = str_n((char *)digest, SHA256_BYTES);
	return true;
}

/* Of somebody who is not signed in. It holds the whole request, so nobody finds what they could not send as well. */
static struct str
stranger_s_key(struct req *req, struct str key, struct str hash)
{
	unsigned char digest[SHA256_BYTES];
	struct str text =
	        arena_printf(req->arena, "stranger %.*s %.*s", STR_ARG(hex(req->arena, hash.p, hash.n)), STR_ARG(key));

	bytes_hmac_sha256(req->service->refresh_key, text, digest);
	return hex(req->arena, digest, sizeof(digest));
}

/* A sealed answer opens for this key of this person only. */
static struct str
about(struct req *req, const struct request_key *key)
{
	return arena_printf(req->arena, "reply %lld %.*s %.*s", (long long)key->user_id, STR_ARG(key->route),
	                    STR_ARG(key->key));
}

static int
replay(struct req *req, const struct request_key *key, const struct once_steps *steps, const struct request_result *result)
{
	struct str document;
	int r = 0;

	if (str_present(result->made)) {
		r = steps->again(req, result->made);
	} else if (!unseal(req->arena, req->service->refresh_key, about(req, key), result->reply, &document)) {
		req->detail = "This was done, but its answer cannot be given again: the server's keys have changed.";
		return CONFLICT;
	} else {
		reply_json(req, 200);
		buf_str(&req->out, document);
	}
	if (!r)
		reply_header(req, "Idempotency-Replayed", STR("true"));
	return r;
}

static int
first_time(struct req *req, const struct request_key *key, const struct once_steps *steps)
{
	struct request_result result = { 0 };
	int r = steps->fn(req);

	if (r)
		return r;
	if (buf_failed(&req->out))
		return fault(-EMSGSIZE);
	if (steps->again)
		result.made = req->made;
	else
		result.reply = seal(req->arena, req->service->refresh_key, about(req, key), buf_view(&req->out));
	return request_keep(req->db, req->arena, key, &result);
}

static int
in_transaction(struct req *req, const struct request_key *key, const struct once_steps *steps)
{
	struct request_result before;
	bool first;
	int r;

	r = request_take(req->db, req->arena, key, &first, &before);
	if (r)
		return r;
	r = first ? first_time(req, key, steps) : replay(req, key, steps, &before);
	if (r)
		return r;
	FAILPOINT("once.before_commit");
	r = db_commit(req->db, req->arena);
	FAILPOINT("once.after_commit");
	return r ? trace(r) : 0;
}

int
once_for(struct req *req, const struct request_key *key, const struct once_steps *steps)
{
	int r = check_key(req, key->key);

	if (!r)
		r = db_begin(req->db, req->arena);
	if (r)
		return trace(r);
	r = in_transaction(req, key, steps);
	if (r) {
		db_rollback(req->db, req->arena);
		req->effects = NULL; /* nothing happened that anybody could be told of */
		req->effects_end = &req->effects;
	}
	return r;
}

int
once_run(struct req *req)
{
	const struct once_steps steps = { req->endpoint->fn, req->endpoint->again };
	struct request_key key = { .user_id = req->me,
		                   .route = str_c(req->endpoint->path),
		                   .key = req_param(req, "HTTP_IDEMPOTENCY_KEY") };
	int r;

	if (!key.key.n)
		return req->endpoint->fn(req);
	r = check_key(req, key.key);
	if (r)
		return r;
	if (!request_hash(req, &key.hash))
		return req->endpoint->fn(req);
	if (req->endpoint->who == WHO_ANYONE)
		key.key = stranger_s_key(req, key.key, key.hash);
	return once_for(req, &key, &steps);
}
