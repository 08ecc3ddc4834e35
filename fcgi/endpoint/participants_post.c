/* fcgi/endpoint/participants_post.c -- bring people into a group. */
#include "fcgi/members.h"
#include "fcgi/reply.h"

struct body {
	json_t *user_ids;
};

static const struct field body_fields[] = { JSON_FIELD(struct body, user_ids, .required = 1), { 0 } };

static int
reply(struct req *req, const struct hearers *added, int64_t count)
{
	struct json_out *w = reply_json(req, 200);

	json_open_object(w, NULL);
	json_open_array(w, "added");
	for (size_t i = 0; i < added->n; i++)
		json_id(w, NULL, added->ids[i]);
	json_close(w);
	json_int(w, "participant_count", count);
	json_close(w);
	return reply_end(req);
}

static int
participants_post(struct req *req)
{
	struct body in = { 0 };
	struct hearers added;
	struct logged logged;
	const int64_t *ids;
	int64_t count;
	size_t n;
	int r;

	r = req_body(req, body_fields, &in);
	if (r)
		return r;
	r = members_ids(req, "/user_ids", in.user_ids, &ids, &n);
	if (r)
		return r;
	r = member_add(req->db, req->arena, req->me, req->conversation, ids, n, &logged, &added, &count);
	if (r)
		return members_refused(req, r, "/user_ids");
	members_ring(req, req->conversation, &logged);
	return reply(req, &added, count);
}

const struct endpoint participants_post_endpoint = {
	.method = "POST",
	.path = "/conversations/{conversation}/participants",
	.who = WHO_MEMBER,
	.body = BODY_JSON,
	.rate = RATE_WRITE,
	.scope = SCOPE_CONVERSATIONS_WRITE,
	.fn = participants_post,
	.doc = "Bring people into a group. Those who are in it already stay as they are.",
};
