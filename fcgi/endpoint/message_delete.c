/* fcgi/endpoint/message_delete.c -- delete a message for everyone. */
#include "fcgi/files.h"
#include "fcgi/publish.h"
#include "fcgi/reply.h"

struct query {
	struct str for_whom;
};

static const char *const audiences[] = { "everyone", NULL };

static const struct field query_fields[] = {
	{ .name = "for", .type = FIELD_ENUM, .offset = offsetof(struct query, for_whom), .words = audiences, .required = 1 },
	{ 0 }
};

static void
announce(struct req *req, void *arg)
{
	const struct message_deleted *deleted = arg;

	publish_log(req, 'c', req->conversation, deleted->advance.seq + deleted->advance.rev - 1, 1);
	files_remove(req, deleted->attachments_json);
}

static int
message_delete(struct req *req)
{
	struct message_deleted *deleted = arena_new_of(req->arena, struct message_deleted);
	struct query in = { 0 };
	int r;

	r = req_query(req, query_fields, &in);
	if (r)
		return r;
	r = message_delete_for_all(req->db, req->arena, req->me, req->conversation, req->seq, deleted);
	if (r)
		return trace(r);
	if (deleted->changed)
		req_after_commit(req, announce, deleted);
	return reply_message(req, 200, &deleted->message);
}

const struct endpoint message_delete_endpoint = {
	.method = "DELETE",
	.path = "/messages/{message}",
	.who = WHO_MEMBER,
	.fn = message_delete,
	.doc = "Delete a message for everyone; a tombstone keeps its place.",
};
