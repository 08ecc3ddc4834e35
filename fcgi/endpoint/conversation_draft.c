/* fcgi/endpoint/conversation_draft.c -- what I have begun to write here, kept for my other devices; and forgotten. */
#include "fcgi/members.h"
#include "fcgi/reply.h"

struct body {
	struct str content, reply_to;
};

static const struct field body_fields[] = { STR_FIELD(struct body, content, .min = 1, .max = INT32_MAX, .required = 1),
	                                    STR_FIELD(struct body, reply_to, .max = 64, .nullable = 1),
	                                    { 0 } };

/* The limits of a message, but it may be blank still. */
static int
check(struct req *req, const struct body *in, int64_t *ret_reply_seq)
{
	int64_t conversation;

	if ((int64_t)str_code_points(in->content) > req->conf->max_content_code_points)
		return req_invalid(req, "/content", "too_long", "The text has too many characters.");
	if ((int64_t)in->content.n > req->conf->max_content_kib * 1024)
		return req_invalid(req, "/content", "too_long", "The text has too many bytes.");
	*ret_reply_seq = 0;
	if (str_present(in->reply_to) &&
	    (!message_id_parse(in->reply_to, &conversation, ret_reply_seq) || conversation != req->conversation))
		return req_invalid(req, "/reply_to", "format", "This is not the id of a message in this conversation.");
	return 0;
}

static int
keep(struct req *req, struct str content, int64_t reply_seq)
{
	int64_t user_rev;
	int r = member_draft(req->db, req->arena, req->me, req->conversation, content, reply_seq, &user_rev);

	if (r == INVALID)
		return req_invalid(req, "/reply_to", "unknown", "This is not a message that you can see.");
	if (r)
		return trace(r);
	members_ring_user(req, req->me, user_rev);
	return reply_empty(req);
}

static int
draft_put(struct req *req)
{
	struct body in = { 0 };
	int64_t reply_seq;
	int r;

	r = req_body(req, body_fields, &in);
	if (r)
		return r;
	r = check(req, &in, &reply_seq);
	return r ? r : keep(req, in.content, reply_seq);
}

static int
draft_delete(struct req *req)
{
	return keep(req, STR_NONE, 0);
}

const struct endpoint draft_put_endpoint = {
	.method = "PUT",
	.path = "/conversations/{conversation}/draft",
	.who = WHO_MEMBER,
	.body = BODY_MESSAGE,
	.rate = RATE_MARK,
	.scope = SCOPE_MESSAGES_WRITE,
	.fn = draft_put,
	.doc = "Keep what I have begun to write.",
};

const struct endpoint draft_delete_endpoint = {
	.method = "DELETE",
	.path = "/conversations/{conversation}/draft",
	.who = WHO_MEMBER,
	.rate = RATE_MARK,
	.scope = SCOPE_MESSAGES_WRITE,
	.fn = draft_delete,
	.doc = "Forget my draft.",
};
