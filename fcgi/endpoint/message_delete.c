/* fcgi/endpoint/message_delete.c -- delete a message for everyone. */
#include "base/ask.h"
#include "base/log.h"
#include "fcgi/publish.h"
#include "fcgi/reply.h"

#define KEEPER_TIMEOUT_MS 1000

struct query {
	struct str for_whom;
};

static const char *const audiences[] = { "everyone", NULL };

static const struct field query_fields[] = {
	{ .name = "for", .type = FIELD_ENUM, .offset = offsetof(struct query, for_whom), .words = audiences, .required = 1 },
	{ 0 }
};

/* The links die now. Should peal-media be away, it finds the rows when it is back. */
static void
remove_files(struct req *req, struct str ids)
{
	struct str body = arena_printf(req->arena, "{\"ids\":%.*s}", STR_ARG(ids));
	struct cgi_answer answer;
	int r;

	r = ask_post(req->arena, conf_socket(req->arena, req->conf, "keeper"), "/remove", req->id, body, KEEPER_TIMEOUT_MS,
	             &answer);
	if (r || answer.status != 204)
		LOG(WARNING, "files_not_removed_yet", L_STR("id", req->id), L_CSTR("outcome", outcome_info(r)->code));
}

static void
announce(struct req *req, void *arg)
{
	const struct message_deleted *deleted = arg;

	publish_message_deleted(req, &deleted->message, &deleted->advance);
	if (str_present(deleted->attachments_json))
		remove_files(req, deleted->attachments_json);
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
