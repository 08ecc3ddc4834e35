/* fcgi/endpoint/group_post.c -- make a group, with people in it. */
#include "fcgi/members.h"
#include "fcgi/reply.h"
#include "fcgi/text.h"

struct body {
	struct str type, name, avatar_id, history;
	json_t *participant_ids;
};

static const char *const types[] = { "group", NULL };
static const char *const histories[] = { "all", "joined", NULL };

static const struct field body_fields[] = { ENUM_FIELD(struct body, type, .words = types, .required = 1),
	                                    STR_FIELD(struct body, name, .min = 1, .max = GROUP_NAME_MAX, .required = 1),
	                                    JSON_FIELD(struct body, participant_ids, .required = 1),
	                                    STR_FIELD(struct body, avatar_id, .nullable = 1),
	                                    ENUM_FIELD(struct body, history, .words = histories),
	                                    { 0 } };

static int
read_group(struct req *req, struct group_new *ret)
{
	struct body in = { 0 };
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
	r = members_ids(req, "/participant_ids", in.participant_ids, &ret->users, &ret->users_n);
	if (r)
		return r;
	ret->name = in.name;
	ret->avatar_id = in.avatar_id;
	ret->history_all = str_eq(in.history, STR("all"));
	return 0;
}

static int
group_post(struct req *req)
{
	struct group_new group = { 0 };
	struct logged logged;
	int64_t id;
	int r;

	r = read_group(req, &group);
	if (r)
		return r;
	r = group_create(req->db, req->arena, req->me, &group, &id, &logged);
	if (r)
		return members_refused(req, r, "/participant_ids");
	members_ring(req, id, &logged);
	req->made = arena_printf(req->arena, "%lld", (long long)id);
	return members_reply(req, 201, id);
}

const struct endpoint group_post_endpoint = {
	.method = "POST",
	.path = "/conversations",
	.who = WHO_USER,
	.body = BODY_JSON,
	.rate = RATE_WRITE,
	.scope = SCOPE_CONVERSATIONS_WRITE,
	.once = true,
	.fn = group_post,
	.again = members_again,
	.doc = "Make a group. The same Idempotency-Key again returns the first one.",
};
