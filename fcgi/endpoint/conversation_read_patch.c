/* fcgi/endpoint/conversation_read_patch.c -- I have read up to here: by conversation, and by message. */
#include "fcgi/publish.h"
#include "fcgi/reply.h"

struct body {
	struct opt_int seq;
	struct str message_id;
	struct opt_bool private;
};

static const struct field body_fields[] = { INT_FIELD(struct body, seq, .min = 1, .max = INT64_MAX),
	                                    STR_FIELD(struct body, message_id, .max = 64),
	                                    BOOL_FIELD(struct body, private),
	                                    { 0 } };

static void
announce(struct req *req, void *arg)
{
	const struct read_mark *mark = arg;

	publish_log(req, 'u', req->me, mark->user_rev - 1, 1);
	publish_mark(req, MARK_READ, req->conversation, req->me, mark->seq, mark->at, mark->hearers);
}

static int
mark_read(struct req *req, int64_t seq, bool private_reading)
{
	struct read_mark *mark = arena_new_of(req->arena, struct read_mark);
	struct conversation conversation;
	int r;

	r = conversation_read(req->db, req->arena, req->me, req->conversation, seq, private_reading,
	                      req->conf->marks_max_members, mark);
	if (r)
		return trace(r);
	if (mark->moved)
		req_after_commit(req, announce, mark);
	r = conversation_listed(req->db, req->arena, req->me, req->conversation, &conversation);
	if (r)
		return trace(r);
	return reply_conversation(req, 200, &conversation);
}

/* Which seq the body means; exactly one of seq and message_id says it. */
static int
place(struct req *req, const struct body *in, int64_t *ret_seq)
{
	int64_t conversation;

	if (in->seq.set == str_present(in->message_id))
		return req_invalid(req, in->seq.set ? "/message_id" : "/seq", in->seq.set ? "exclusive" : "required",
		                   "Give one of seq and message_id.");
	if (in->seq.set)
		*ret_seq = in->seq.v;
	else if (!message_id_parse(in->message_id, &conversation, ret_seq) || conversation != req->conversation)
		return req_invalid(req, "/message_id", "format", "This is not the id of a message in this conversation.");
	return 0;
}

static int
conversation_read_patch(struct req *req)
{
	struct body in = { 0 };
	int64_t seq;
	int r;

	r = req_body(req, body_fields, &in);
	if (r)
		return r;
	r = place(req, &in, &seq);
	if (r)
		return r;
	r = mark_read(req, seq, in.private.v);
	if (r == INVALID)
		return req_invalid(req, in.seq.set ? "/seq" : "/message_id", "range",
		                   "The conversation has no such message yet.");
	return r;
}

/* The id is in the path here, so a message that is not there yet is a path to nothing. */
static int
message_read_post(struct req *req)
{
	int r = mark_read(req, req->seq, false);

	return r == INVALID ? NOT_FOUND : r;
}

const struct endpoint conversation_read_patch_endpoint = {
	.method = "PATCH",
	.path = "/conversations/{conversation}/read",
	.who = WHO_MEMBER,
	.body = BODY_JSON,
	.rate = RATE_MARK,
	.scope = SCOPE_MESSAGES_WRITE,
	.fn = conversation_read_patch,
	.doc = "I have read up to here. Monotone.",
};

const struct endpoint message_read_post_endpoint = {
	.method = "POST",
	.path = "/messages/{message}/read",
	.who = WHO_MEMBER,
	.rate = RATE_MARK,
	.scope = SCOPE_MESSAGES_WRITE,
	.fn = message_read_post,
	.doc = "I have read up to this message.",
};
