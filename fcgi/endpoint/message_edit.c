/* fcgi/endpoint/message_edit.c -- edit a message, and what it said before. */
#include "fcgi/changed.h"
#include "fcgi/cursor.h"
#include "fcgi/draft.h"
#include "fcgi/reply.h"
#include "store/detail.h"

struct body {
	struct str content;
	json_t *mentions;
	struct opt_int if_version;
};

static const struct field body_fields[] = { STR_FIELD(struct body, content, .max = INT32_MAX, .required = 1, .nullable = 1),
	                                    JSON_FIELD(struct body, mentions, .nullable = 1),
	                                    INT_FIELD(struct body, if_version, .min = 1, .max = INT32_MAX),
	                                    { 0 } };

static int
message_edit(struct req *req)
{
	struct place at = changed_place(req);
	struct body in = { 0 };
	struct change change;
	struct edit edit;
	int r;

	r = req_body(req, body_fields, &in);
	if (!r)
		r = draft_content(req, in.content, false);
	if (r)
		return r;
	edit = (struct edit){ .content = in.content, .if_version = in.if_version.v };
	r = draft_mentions(req, in.mentions, in.content, &edit.mentions_json);
	if (r)
		return r;
	r = req_refused(req, change_edit(req->db, req->arena, &at, &edit, &change));
	return r ? trace(r) : changed_reply(req, 'c', &change);
}

struct query {
	struct str cursor;
	struct opt_int limit;
};

static const struct field query_fields[] = { STR_FIELD(struct query, cursor, .max = 128),
	                                     INT_FIELD(struct query, limit),
	                                     { 0 } };

static int
reply_revisions(struct req *req, const struct revision *items, size_t n, bool more)
{
	struct json_out *w = reply_json(req, 200);

	json_open_object(w, NULL);
	json_open_array(w, "items");
	for (size_t i = 0; i < n; i++) {
		json_open_object(w, NULL);
		json_int(w, "version", items[i].version);
		json_str(w, "content", items[i].content);
		json_raw(w, "mentions", str_present(items[i].mentions_json) ? items[i].mentions_json : STR("[]"));
		json_time(w, "created_at", items[i].created_at);
		json_close(w);
	}
	json_close(w);
	json_str(w, "next_cursor", more ? cursor_write(req, &items[n - 1].version, 1) : STR_NONE);
	json_close(w);
	return reply_end(req);
}

static int
message_revisions_get(struct req *req)
{
	struct place at = changed_place(req);
	struct revision *items;
	struct query in = { 0 };
	int64_t before = 0, limit;
	size_t n;
	bool more;
	int r;

	r = req_query(req, query_fields, &in);
	if (!r)
		r = cursor_read(req, in.cursor, &before, 1);
	if (!r)
		r = req_limit(req, in.limit, &limit);
	if (r)
		return r;
	r = detail_revisions(req->db, req->arena, &at, before, limit, &items, &n, &more);
	return r ? trace(r) : reply_revisions(req, items, n, more);
}

#define EDIT                                                                                                                \
	.path = "/messages/{message}", .who = WHO_MEMBER, .rate = RATE_WRITE, .scope = SCOPE_MESSAGES_WRITE,                \
	.body = BODY_MESSAGE, .fn = message_edit, .doc = "Edit a message of mine; what it said before is kept."

const struct endpoint message_patch_endpoint = { .method = "PATCH", EDIT };
const struct endpoint message_put_endpoint = { .method = "PUT", EDIT };

const struct endpoint message_revisions_get_endpoint = {
	.method = "GET",
	.path = "/messages/{message}/revisions",
	.who = WHO_MEMBER,
	.rate = RATE_READ,
	.scope = SCOPE_MESSAGES_READ,
	.fn = message_revisions_get,
	.doc = "What a message said before, newest first.",
};
