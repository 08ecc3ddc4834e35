/* fcgi/endpoint/message_delete.c -- delete a message, for everyone or for me. */
#include "fcgi/changed.h"
#include "fcgi/files.h"
#include "fcgi/reply.h"

struct query {
	struct str for_whom;
};

static const char *const audiences[] = { "everyone", "me", NULL };

static const struct field query_fields[] = {
	{ .name = "for", .type = FIELD_ENUM, .offset = offsetof(struct query, for_whom), .words = audiences, .required = 1 },
	{ 0 }
};

static void
remove_files(struct req *req, void *arg)
{
	const struct str *attachments = arg;

	files_remove(req, *attachments);
}

static int
delete_for_everyone(struct req *req, const struct place *at)
{
	struct str *attachments = arena_new_of(req->arena, struct str);
	struct change change;
	int r;

	r = change_delete(req->db, req->arena, at, &change, attachments);
	if (r)
		return trace(r);
	r = changed_reply(req, 'c', &change);
	if (change.changed)
		req_after_commit(req, remove_files, attachments);
	return r;
}

/* There is nothing to show: it is gone. */
static int
delete_for_me(struct req *req, const struct place *at)
{
	struct change change;
	int r;

	r = change_hide(req->db, req->arena, at, &change);
	if (r)
		return trace(r);
	changed_ring(req, 'u', &change);
	return reply_empty(req);
}

static int
message_delete(struct req *req)
{
	struct place at = changed_place(req);
	struct query in = { 0 };
	int r;

	r = req_query(req, query_fields, &in);
	if (r)
		return r;
	return str_eq(in.for_whom, STR("me")) ? delete_for_me(req, &at) : delete_for_everyone(req, &at);
}

const struct endpoint message_delete_endpoint = {
	.method = "DELETE",
	.path = "/messages/{message}",
	.who = WHO_MEMBER,
	.rate = RATE_WRITE,
	.scope = SCOPE_MESSAGES_WRITE,
	.fn = message_delete,
	.doc = "Delete a message for everyone, or for me; for everyone, a tombstone keeps its place.",
};
