/* fcgi/req.c -- what handlers ask of a request: parameters, the body by a table of fields, effects. */
#include <fcgiapp.h>

#include "query.h"
#include "req.h"

#define LIMIT_DEFAULT 50
#define SCRATCH_MOST  ((size_t)16 << 20)

struct str
req_param(const struct req *req, const char *name)
{
	struct str value = str_c(FCGX_GetParam(name, req->params));

	return value.n ? value : STR_NONE;
}

int
req_body(struct req *req, const struct field *fields, void *out)
{
	json_t *json;
	int r;

	r = json_parse(req->arena, req->body, &json, &req->report);
	if (r)
		return trace(r);
	if (!json_is_object(json)) {
		req_invalid(req, "", "type", "The body must be a JSON object.");
		return BAD_JSON;
	}
	r = json_fill(req->arena, json, fields, out, "", &req->report);
	return r ? trace(r) : 0;
}

int
req_query(struct req *req, const struct field *fields, void *out)
{
	int r = query_fill(req->arena, req->query, fields, out, &req->report);

	return r ? trace(r) : 0;
}

int
req_limit(struct req *req, struct opt_int limit, int64_t *ret)
{
	if (limit.set && (limit.v < 1 || limit.v > req->conf->max_page))
		return req_invalid(req, "limit", "range", "The number of things on a page is out of range.");
	if (limit.set)
		*ret = limit.v;
	else
		*ret = req->conf->max_page < LIMIT_DEFAULT ? req->conf->max_page : LIMIT_DEFAULT;
	return 0;
}

int
req_invalid(struct req *req, const char *path, const char *code, const char *message)
{
	req->report.path = str_c(path);
	req->report.code = code;
	req->report.message = message;
	return INVALID;
}

int
req_refused(struct req *req, int r)
{
	struct str said = arena_str(req->arena, str_c(db_last_error(req->db)));
	struct str path = str_cut(&said, ' '), code = str_cut(&said, ' ');

	if (r != INVALID || !said.n || !str_has_prefix(path, STR("/")))
		return r;
	return req_invalid(req, arena_cstr(req->arena, path), arena_cstr(req->arena, code), said.p);
}

bool
message_id_parse(struct str id, int64_t *ret_conversation, int64_t *ret_seq)
{
	int64_t conversation, seq;

	if (!str_id(str_cut(&id, '.'), &conversation) || !str_id(id, &seq))
		return false;
	*ret_conversation = conversation;
	*ret_seq = seq;
	return true;
}

static void
scratch_drop(void *buf)
{
	buf_deinit(buf);
}

struct buf *
req_scratch(struct req *req)
{
	struct buf *buf = arena_new_of(req->arena, struct buf);

	buf_init(buf, SCRATCH_MOST);
	arena_defer(req->arena, scratch_drop, buf);
	return buf;
}

void
req_after_commit(struct req *req, void (*fn)(struct req *, void *), void *arg)
{
	struct effect *effect = arena_new_of(req->arena, struct effect);

	effect->fn = fn;
	effect->arg = arg;
	*req->effects_end = effect;
	req->effects_end = &effect->next;
}

void
req_act_for(struct req *req, int64_t user_id)
{
	req->me = user_id;
	db_caller(req->db, user_id);
}
