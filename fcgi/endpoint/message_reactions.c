/* fcgi/endpoint/message_reactions.c -- react to a message, take that back, and who reacted. */
#include "fcgi/changed.h"
#include "fcgi/cursor.h"
#include "fcgi/emoji.h"
#include "fcgi/limits.h"
#include "fcgi/reply.h"
#include "store/detail.h"

struct one {
	struct str emoji;
};

static const struct field one_fields[] = { STR_FIELD(struct one, emoji, .min = 1, .max = EMOJI_MAX_BYTES, .required = 1),
	                                   { 0 } };

static int
check_emoji(struct req *req, const char *path, struct str *emoji)
{
	return emoji_parse(req->arena, *emoji, emoji)
	               ? 0
	               : req_invalid(req, path, "format", "This is not one emoji, and nothing else.");
}

static int
react(struct req *req, struct str emoji, bool on)
{
	struct place at = changed_place(req);
	struct change change;
	int r;

	r = change_react(req->db, req->arena, &at, emoji, on, LIMIT_MY_REACTIONS, LIMIT_REACTIONS, &change);
	return r ? trace(r) : changed_reply(req, 'c', &change);
}

static int
message_reaction_post(struct req *req)
{
	struct one in = { 0 };
	int r = req_body(req, one_fields, &in);

	if (!r)
		r = check_emoji(req, "/emoji", &in.emoji);
	return r ? r : react(req, in.emoji, true);
}

static int
message_reaction_delete(struct req *req)
{
	struct one in = { 0 };
	int r = req_query(req, one_fields, &in);

	if (!r)
		r = check_emoji(req, "emoji", &in.emoji);
	return r ? r : react(req, in.emoji, false);
}

struct query {
	struct str emoji, cursor;
	struct opt_int limit;
};

static const struct field query_fields[] = { STR_FIELD(struct query, emoji, .min = 1, .max = EMOJI_MAX_BYTES),
	                                     STR_FIELD(struct query, cursor, .max = 128),
	                                     INT_FIELD(struct query, limit),
	                                     { 0 } };

static int
parse(struct req *req, struct query *in, int64_t *after, int64_t *ret_limit)
{
	int r = req_query(req, query_fields, in);

	if (!r && str_present(in->emoji))
		r = check_emoji(req, "emoji", &in->emoji);
	if (!r)
		r = cursor_read(req, in->cursor, after, 1);
	return r ? r : req_limit(req, in->limit, ret_limit);
}

static int
message_reactions_get(struct req *req)
{
	struct place at = changed_place(req);
	int64_t after = 0, limit;
	struct query in = { 0 };
	struct reactor *items;
	struct json_out *w;
	bool more;
	size_t n;
	int r;

	r = parse(req, &in, &after, &limit);
	if (r)
		return r;
	r = detail_reactions(req->db, req->arena, &at, in.emoji, after, limit, &items, &n, &more);
	if (r)
		return trace(r);
	w = reply_json(req, 200);
	json_open_object(w, NULL);
	json_open_array(w, "items");
	for (size_t i = 0; i < n; i++) {
		json_open_object(w, NULL);
		view_user(w, "user", &items[i].user);
		json_raw(w, "emojis", items[i].emojis_json);
		json_time(w, "reacted_at", items[i].reacted_at);
		json_close(w);
	}
	json_close(w);
	json_str(w, "next_cursor", more ? cursor_write(req, &items[n - 1].user.id, 1) : STR_NONE);
	json_close(w);
	return reply_end(req);
}

const struct endpoint message_reaction_post_endpoint = {
	.method = "POST",
	.path = "/messages/{message}/reactions",
	.who = WHO_MEMBER,
	.body = BODY_JSON,
	.rate = RATE_WRITE,
	.scope = SCOPE_MESSAGES_WRITE,
	.fn = message_reaction_post,
	.doc = "React with an emoji.",
};

const struct endpoint message_reaction_delete_endpoint = {
	.method = "DELETE",
	.path = "/messages/{message}/reactions",
	.who = WHO_MEMBER,
	.rate = RATE_WRITE,
	.scope = SCOPE_MESSAGES_WRITE,
	.fn = message_reaction_delete,
	.doc = "Take a reaction of mine back.",
};

const struct endpoint message_reactions_get_endpoint = {
	.method = "GET",
	.path = "/messages/{message}/reactions",
	.who = WHO_MEMBER,
	.rate = RATE_READ,
	.scope = SCOPE_MESSAGES_READ,
	.fn = message_reactions_get,
	.doc = "Who reacted, and how.",
};
