/* fcgi/endpoint/typing_post.c -- I am typing, or no longer. Never stored: one look at who may hear it, one doorbell. */
#include "fcgi/publish.h"
#include "fcgi/reply.h"

struct body {
	struct opt_bool is_typing;
	struct str kind;
};

static const char *const kinds[] = { "text", "audio", NULL };

static const struct field body_fields[] = { BOOL_FIELD(struct body, is_typing, .required = 1),
	                                    ENUM_FIELD(struct body, kind, .words = kinds),
	                                    { 0 } };

static int
tell(struct req *req, bool is_typing, struct str kind)
{
	struct hearers hearers;
	int r;

	r = conversation_typing_hearers(req->db, req->arena, req->me, req->conversation, req->conf->typing_max_members,
	                                &hearers);
	if (r)
		return trace(r);
	publish_typing(req, is_typing, str_present(kind) ? kind : STR("text"), hearers);
	return reply_empty(req);
}

static int
typing_post(struct req *req)
{
	struct body in = { 0 };
	int r;

	r = req_body(req, body_fields, &in);
	if (r)
		return r;
	return tell(req, in.is_typing.v, in.kind);
}

static int
typing_start_post(struct req *req)
{
	return tell(req, true, STR_NONE);
}

static int
typing_stop_post(struct req *req)
{
	return tell(req, false, STR_NONE);
}

const struct endpoint typing_post_endpoint = {
	.method = "POST",
	.path = "/conversations/{conversation}/typing",
	.who = WHO_MEMBER,
	.body = BODY_JSON,
	.rate = RATE_TYPING,
	.scope = SCOPE_MESSAGES_WRITE,
	.fn = typing_post,
	.doc = "I am typing, or no longer.",
};

const struct endpoint typing_start_post_endpoint = {
	.method = "POST",
	.path = "/conversations/{conversation}/typing/start",
	.who = WHO_MEMBER,
	.rate = RATE_TYPING,
	.scope = SCOPE_MESSAGES_WRITE,
	.fn = typing_start_post,
	.doc = "I am typing.",
};

const struct endpoint typing_stop_post_endpoint = {
	.method = "POST",
	.path = "/conversations/{conversation}/typing/stop",
	.who = WHO_MEMBER,
	.rate = RATE_TYPING,
	.scope = SCOPE_MESSAGES_WRITE,
	.fn = typing_stop_post,
	.doc = "I stopped typing.",
};
