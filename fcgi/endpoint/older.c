/* fcgi/endpoint/older.c -- routes of older clients, under the names and in the forms that these know. */
#include "fcgi/cursor.h"
#include "fcgi/reply.h"
#include "store/message.h"
#include "store/older.h"

extern const struct endpoint messages_get_endpoint, conversations_get_endpoint;

/* --- history by the other person --- */

struct history_query {
	int64_t recipient_id;
	struct opt_int limit, cursor;
};

static const struct field history_fields[] = { ID_FIELD(struct history_query, recipient_id, .required = 1),
	                                       INT_FIELD(struct history_query, limit),
	                                       INT_FIELD(struct history_query, cursor, .min = 1, .max = INT64_MAX),
	                                       { 0 } };

static int
reply_history(struct req *req, const struct message_page *page)
{
	struct json_out *w = reply_json(req, 200);

	json_open_object(w, NULL);
	json_open_array(w, "messages");
	for (size_t i = 0; i < page->n; i++)
		view_message(w, NULL, &page->messages[i], req->me);
	json_close(w);
	json_int(w, "count", (int64_t)page->n);
	if (page->has_before && page->n)
		json_int(w, "next_cursor", page->messages[0].seq);
	else
		json_put_null(w, "next_cursor");
	json_close(w);
	return reply_end(req);
}

/* Whoever has not talked yet has an empty history. */
static int
older_history_get(struct req *req)
{
	struct history_query in = { 0 };
	struct message_page page = { 0 };
	int64_t limit, conversation;
	int r;

	r = req_query(req, history_fields, &in);
	if (r)
		return r;
	r = req_limit(req, in.limit, &limit);
	if (r)
		return r;
	r = direct_find(req->db, req->arena, req->me, in.recipient_id, &conversation);
	if (!r && conversation)
		r = message_page(req->db, req->arena, req->me, conversation, in.cursor.set ? PAGE_BEFORE : PAGE_LAST,
		                 in.cursor.v, limit, &page);
	if (r)
		return trace(r);
	return reply_history(req, &page);
}

static int
reply_nothing(struct req *req)
{
	struct json_out *w = reply_json(req, 200);

	json_open_object(w, NULL);
	json_raw(w, "messages", STR("[]"));
	json_bool(w, "has_before", false);
	json_bool(w, "has_after", false);
	json_int(w, "as_of_rev", 0);
	json_close(w);
	return reply_end(req);
}

static int
older_direct_get(struct req *req)
{
	int r = direct_find(req->db, req->arena, req->me, req->user, &req->conversation);
	bool none = !r && !req->conversation;

	if (!r)
		r = messages_get_endpoint.fn(req); /* which also looks at the query */
	return none && r == NOT_FOUND ? reply_nothing(req) : r;
}

/* --- the list --- */

static int
older_list_get(struct req *req)
{
	return conversations_get_endpoint.fn(req);
}

/* --- everything since a time --- */

struct sync_query {
	struct str lastMessageTimestamp, cursor;
	struct opt_int limit;
};

static const struct field sync_fields[] = { STR_FIELD(struct sync_query, lastMessageTimestamp, .max = 64, .required = 1),
	                                    STR_FIELD(struct sync_query, cursor, .max = 128),
	                                    INT_FIELD(struct sync_query, limit),
	                                    { 0 } };

/*
 * Whatever was being sent at the client's time may have become visible after it, elsewhere even behind what says that time: sending
 * takes no longer than a statement may, and so much comes again.
 */
static int
read_since(struct req *req, const struct sync_query *in, struct since *ret)
{
	int64_t place[3] = { 0 };
	int r;

	if (!clock_rfc3339_parse(in->lastMessageTimestamp, &place[0]) || place[0] <= 0)
		return req_invalid(req, "lastMessageTimestamp", "format",
		                   "A time is written as in RFC 3339, and since 1970.");
	place[0] -= req->conf->statement_timeout_ms * 1000;
	r = cursor_read(req, in->cursor, place, 3);
	*ret = (struct since){ place[0], place[1], place[2] };
	return r;
}

static int
reply_since(struct req *req, const struct message *messages, size_t n, const struct since *next)
{
	const int64_t place[] = { next->at, next->conversation_id, next->seq };
	struct json_out *w = reply_json(req, 200);

	json_open_object(w, NULL);
	json_open_array(w, "items");
	for (size_t i = 0; i < n; i++)
		view_message(w, NULL, &messages[i], req->me);
	json_close(w);
	json_str(w, "next_cursor", next->at ? cursor_write(req, place, 3) : STR_NONE);
	json_close(w);
	return reply_end(req);
}

static int
older_sync_get(struct req *req)
{
	struct sync_query in = { 0 };
	struct message *messages;
	struct since from, next;
	int64_t limit;
	size_t n;
	int r;

	r = req_query(req, sync_fields, &in);
	if (r)
		return r;
	r = req_limit(req, in.limit, &limit);
	if (r)
		return r;
	r = read_since(req, &in, &from);
	if (r)
		return r;
	r = message_since(req->db, req->arena, req->me, &from, limit, &messages, &n, &next);
	if (r)
		return trace(r);
	return reply_since(req, messages, n, &next);
}

/* nginx passes this one path that does not lie below /api/v1. */
const struct endpoint older_history_get_endpoint = {
	.method = "GET",
	.path = "/api/messages",
	.who = WHO_USER,
	.rate = RATE_READ,
	.scope = SCOPE_MESSAGES_READ,
	.fn = older_history_get,
	.doc = "Messages of my direct conversation with a person. For older clients.",
};

const struct endpoint older_direct_get_endpoint = {
	.method = "GET",
	.path = "/messages/conversation/{user}",
	.who = WHO_USER,
	.etag = true,
	.rate = RATE_READ,
	.scope = SCOPE_MESSAGES_READ,
	.fn = older_direct_get,
	.doc = "A page of messages of my direct conversation with a person. For older clients.",
};

const struct endpoint older_list_get_endpoint = {
	.method = "GET",
	.path = "/messages/conversations/all",
	.who = WHO_USER,
	.rate = RATE_READ,
	.scope = SCOPE_CONVERSATIONS_READ,
	.fn = older_list_get,
	.doc = "My conversations. For older clients.",
};

const struct endpoint older_sync_get_endpoint = {
	.method = "GET",
	.path = "/messages/sync",
	.who = WHO_USER,
	.rate = RATE_READ,
	.scope = SCOPE_MESSAGES_READ,
	.fn = older_sync_get,
	.doc = "Messages since a time. For older clients.",
};
