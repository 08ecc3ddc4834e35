/* fcgi/endpoint/messages_get.c -- a page of messages, oldest first. */
#include "fcgi/reply.h"
#include "store/message.h"

struct query {
	struct opt_int limit, before, after, around, cursor; /* cursor: older clients' name for before */
};

static const struct field query_fields[] = { INT_FIELD(struct query, limit),
	                                     INT_FIELD(struct query, before, .min = 1, .max = INT64_MAX),
	                                     INT_FIELD(struct query, after, .max = INT64_MAX),
	                                     INT_FIELD(struct query, around, .min = 1, .max = INT64_MAX),
	                                     INT_FIELD(struct query, cursor, .min = 1, .max = INT64_MAX),
	                                     { 0 } };

static int
place(struct req *req, const struct query *in, enum page_from *ret_from, int64_t *ret_seq)
{
	const struct {
		const char *name;
		const struct opt_int *seq;
		enum page_from from;
	} places[] = { { "before", &in->before, PAGE_BEFORE },
		       { "after", &in->after, PAGE_AFTER },
		       { "around", &in->around, PAGE_AROUND },
		       { "cursor", &in->cursor, PAGE_BEFORE } };
	bool found = false;

	*ret_from = PAGE_LAST;
	*ret_seq = 0;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		if (!places[i].seq->set)
			continue;
		if (found)
			return req_invalid(req, places[i].name, "exclusive",
			                   "Give at most one of before, after and around.");
		found = true;
		*ret_from = places[i].from;
		*ret_seq = places[i].seq->v;
	}
	return 0;
}

static int
reply_page(struct req *req, const struct message_page *page)
{
	struct json_out *w = reply_json(req, 200);

	json_open_object(w, NULL);
	json_open_array(w, "messages");
	for (size_t i = 0; i < page->n; i++)
		view_message(w, NULL, &page->messages[i], req->me);
	json_close(w);
	json_bool(w, "has_before", page->has_before);
	json_bool(w, "has_after", page->has_after);
	json_int(w, "as_of_rev", page->as_of_rev);
	json_close(w);
	return reply_end(req);
}

static int
messages_get(struct req *req)
{
	struct query in = { 0 };
	struct message_page page;
	enum page_from from;
	int64_t seq, limit;
	int r;

	r = req_query(req, query_fields, &in);
	if (r)
		return r;
	r = place(req, &in, &from, &seq);
	if (r)
		return r;
	r = req_limit(req, in.limit, &limit);
	if (r)
		return r;
	r = message_page(req->db, req->arena, req->me, req->conversation, from, seq, limit, &page);
	if (r)
		return trace(r);
	return reply_page(req, &page);
}

const struct endpoint messages_get_endpoint = {
	.method = "GET",
	.path = "/conversations/{conversation}/messages",
	.who = WHO_MEMBER,
	.etag = true,
	.rate = RATE_READ,
	.scope = SCOPE_MESSAGES_READ,
	.fn = messages_get,
	.doc = "A page of messages, oldest first: the newest, or before, after or around a seq.",
};
