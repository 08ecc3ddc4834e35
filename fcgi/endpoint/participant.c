/* fcgi/endpoint/participant.c -- one member of a group: the role, and going. */
#include "fcgi/members.h"
#include "fcgi/reply.h"

struct body {
	struct str role;
};

static const char *const roles[] = { "member", "admin", "owner", NULL };

static const struct field body_fields[] = { ENUM_FIELD(struct body, role, .words = roles, .required = 1), { 0 } };

static enum member_role
role_of(struct str word)
{
	for (int i = 0; roles[i]; i++)
		if (str_eq(word, str_c(roles[i])))
			return (enum member_role)(ROLE_MEMBER + i);
	return ROLE_MEMBER;
}

static int
participant_patch(struct req *req)
{
	struct body in = { 0 };
	struct member member;
	struct logged logged;
	int r;

	r = req_body(req, body_fields, &in);
	if (r)
		return r;
	r = member_role(req->db, req->arena, req->me, req->conversation, req->user, role_of(in.role), &logged, &member);
	if (r)
		return trace(r);
	members_ring(req, req->conversation, &logged);
	view_member(reply_json(req, 200), NULL, &member);
	return reply_end(req);
}

static int
participant_delete(struct req *req)
{
	struct logged logged;
	int64_t user_rev;
	int r = member_remove(req->db, req->arena, req->me, req->conversation, req->user, &logged, &user_rev);

	if (r)
		return trace(r);
	members_ring(req, req->conversation, &logged);
	members_ring_user(req, req->user, user_rev);
	return reply_empty(req);
}

const struct endpoint participant_patch_endpoint = {
	.method = "PATCH",
	.path = "/conversations/{conversation}/participants/{user}",
	.who = WHO_MEMBER,
	.body = BODY_JSON,
	.rate = RATE_WRITE,
	.scope = SCOPE_CONVERSATIONS_WRITE,
	.fn = participant_patch,
	.doc = "Give a member a role.",
};

const struct endpoint participant_delete_endpoint = {
	.method = "DELETE",
	.path = "/conversations/{conversation}/participants/{user}",
	.who = WHO_MEMBER,
	.rate = RATE_WRITE,
	.scope = SCOPE_CONVERSATIONS_WRITE,
	.fn = participant_delete,
	.doc = "Remove a member, or leave.",
};
