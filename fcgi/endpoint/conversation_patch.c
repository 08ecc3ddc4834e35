/* fcgi/endpoint/conversation_patch.c -- change what a conversation is called, how it looks, and what it keeps. */
#include "fcgi/files.h"
#include "fcgi/limits.h"
#include "fcgi/members.h"
#include "fcgi/reply.h"

struct body {
	struct str name, avatar_id, history;
	struct opt_int ttl_seconds, retention_days, slow_mode_seconds;
};

static const char *const histories[] = { "all", "joined", NULL };

static const struct field body_fields[] = {
	STR_FIELD(struct body, name, .min = 1, .max = GROUP_NAME_MAX),
	STR_FIELD(struct body, avatar_id, .nullable = 1),
	ENUM_FIELD(struct body, history, .words = histories),
	INT_FIELD(struct body, ttl_seconds, .min = 1, .max = LIMIT_TTL_SECONDS, .nullable = 1),
	INT_FIELD(struct body, retention_days, .min = 1, .max = LIMIT_RETENTION_DAYS, .nullable = 1),
	INT_FIELD(struct body, slow_mode_seconds, .min = 0, .max = LIMIT_SLOW_SECONDS, .nullable = 1),
	{ 0 }
};

/* What is absent stays; null takes away. */
static void
put_str(struct json_out *w, const char *key, struct str value)
{
	if (str_present(value) || str_is_null(value))
		json_str(w, key, value);
}

static void
put_int(struct json_out *w, const char *key, struct opt_int value)
{
	if (value.set && value.null)
		json_put_null(w, key);
	else if (value.set)
		json_int(w, key, value.v);
}

static struct str
changes(struct req *req, const struct body *in)
{
	struct buf *buf = req_scratch(req);
	struct json_out w;

	json_begin(&w, buf);
	json_open_object(&w, NULL);
	put_str(&w, "name", in->name);
	put_str(&w, "avatar_id", in->avatar_id);
	put_str(&w, "history", in->history);
	put_int(&w, "ttl_seconds", in->ttl_seconds);
	put_int(&w, "retention_days", in->retention_days);
	put_int(&w, "slow_mode_seconds", in->slow_mode_seconds);
	json_close(&w);
	json_end(&w);
	return buf_view(buf);
}

static void
remove_files(struct req *req, void *arg)
{
	const struct str *ids = arg;

	files_remove(req, *ids);
}

static int
conversation_patch(struct req *req)
{
	struct str *removed = arena_new_of(req->arena, struct str);
	struct body in = { 0 };
	struct logged logged;
	int r;

	r = req_body(req, body_fields, &in);
	if (r)
		return r;
	r = members_name(req, &in.name);
	if (r)
		return r;
	r = members_avatar(req, in.avatar_id);
	if (r)
		return r;
	r = conversation_update(req->db, req->arena, req->me, req->conversation, changes(req, &in), &logged, removed);
	if (r)
		return members_refused(req, r, NULL);
	members_ring(req, req->conversation, &logged);
	req_after_commit(req, remove_files, removed);
	return members_reply(req, 200, req->conversation);
}

const struct endpoint conversation_patch_endpoint = {
	.method = "PATCH",
	.path = "/conversations/{conversation}",
	.who = WHO_MEMBER,
	.body = BODY_JSON,
	.rate = RATE_WRITE,
	.scope = SCOPE_CONVERSATIONS_WRITE,
	.fn = conversation_patch,
	.doc = "Change a conversation. What is absent stays; null takes away.",
};
