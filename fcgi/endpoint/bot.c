/* fcgi/endpoint/bot.c -- bots of mine: make, list, retire. */
#include "fcgi/cursor.h"
#include "fcgi/limits.h"
#include "fcgi/reply.h"
#include "fcgi/text.h"
#include "store/access.h"

struct body {
	struct str username, display_name;
};

static const struct field body_fields[] = { STR_FIELD(struct body, username, .required = 1),
	                                    STR_FIELD(struct body, display_name, .min = 1, .max = LIMIT_DISPLAY_NAME,
	                                              .nullable = 1),
	                                    { 0 } };

struct query {
	struct str cursor;
	struct opt_int limit;
};

static const struct field query_fields[] = { STR_FIELD(struct query, cursor, .max = 512),
	                                     INT_FIELD(struct query, limit),
	                                     { 0 } };

static int
read_body(struct req *req, struct body *in)
{
	int r = req_body(req, body_fields, in);

	if (r)
		return r;
	if (!text_username(in->username))
		return req_invalid(req, "/username", "format",
		                   "A user name has 3 to 32 letters, digits, dots, hyphens or underscores, and begins with "
		                   "a letter or digit.");
	if (!str_present(in->display_name))
		in->display_name = in->username;
	if (text_blank(in->display_name) || !str_one_line(in->display_name))
		return req_invalid(req, "/display_name", "format", "A display name is one line with something in it.");
	in->display_name = str_trim(in->display_name);
	return 0;
}

static int
bot_post(struct req *req)
{
	struct body in = { 0 };
	struct user bot;
	int r = read_body(req, &in);

	if (r)
		return r;
	r = bot_create(req->db, req->arena, req->me, in.username, in.display_name, req->conf->max_bots, &bot);
	return r ? trace(r) : reply_user(req, 201, &bot);
}

static int
bots_get(struct req *req)
{
	struct query in = { 0 };
	int64_t after = 0, limit;
	struct json_out *w;
	struct user *bots;
	size_t found, n;
	int r;

	r = req_query(req, query_fields, &in);
	if (!r)
		r = cursor_read(req, in.cursor, &after, 1);
	if (!r)
		r = req_limit(req, in.limit, &limit);
	if (!r)
		r = bot_list(req->db, req->arena, req->me, after, limit + 1, &bots, &found);
	if (r)
		return trace(r);
	n = found > (size_t)limit ? (size_t)limit : found;
	w = reply_json(req, 200);
	json_open_object(w, NULL);
	json_open_array(w, "items");
	for (size_t i = 0; i < n; i++)
		view_user(w, NULL, &bots[i]);
	json_close(w);
	json_str(w, "next_cursor", found > n ? cursor_write(req, &bots[n - 1].id, 1) : STR_NONE);
	json_close(w);
	return reply_end(req);
}

static int
bot_delete(struct req *req)
{
	int r = bot_remove(req->db, req->arena, req->me, req->user);

	return r ? trace(r) : reply_empty(req);
}

const struct endpoint bot_post_endpoint = {
	.method = "POST",
	.path = "/bots",
	.who = WHO_USER,
	.body = BODY_JSON,
	.rate = RATE_WRITE,
	.once = true,
	.fn = bot_post,
	.doc = "Make a bot of mine: a user without a password, who acts by access tokens.",
};

const struct endpoint bots_get_endpoint = {
	.method = "GET",
	.path = "/bots",
	.who = WHO_USER,
	.rate = RATE_READ,
	.fn = bots_get,
	.doc = "My bots, oldest first.",
};

const struct endpoint bot_delete_endpoint = {
	.method = "DELETE",
	.path = "/bots/{user}",
	.who = WHO_USER,
	.rate = RATE_WRITE,
	.fn = bot_delete,
	.doc = "Retire a bot: its tokens are revoked and its account is disabled; what it said stays.",
};
