/* fcgi/endpoint/users_get.c -- the directory, by the beginning of a name. */
#include "base/bytes.h"
#include "fcgi/reply.h"
#include "store/account.h"

struct query {
	struct str q, cursor;
	struct opt_int limit;
};

static const struct field query_fields[] = { STR_FIELD(struct query, q, .min = 1, .max = 64, .required = 1),
	                                     STR_FIELD(struct query, cursor, .min = 1, .max = 512),
	                                     INT_FIELD(struct query, limit),
	                                     { 0 } };

/* A cursor is the last user name of the page before, as base64url. */
static int
parse(struct req *req, struct query *in, int64_t *ret_limit)
{
	int r;

	r = req_query(req, query_fields, in);
	if (r)
		return r;
	if (str_present(in->cursor) &&
	    (!base64url_decode(req->arena, in->cursor, &in->cursor) || !str_utf8_valid(in->cursor)))
		return req_invalid(req, "cursor", "format", "The cursor is not one that this route gave.");
	return req_limit(req, in->limit, ret_limit);
}

static int
users_get(struct req *req)
{
	struct query in = { 0 };
	struct json_out *w;
	struct user *users;
	int64_t limit;
	size_t n, shown;
	int r;

	r = parse(req, &in, &limit);
	if (r)
		return r;
	r = account_search(req->db, req->arena, in.q, in.cursor, limit + 1, &users, &n);
	if (r)
		return trace(r);
	shown = n > (size_t)limit ? (size_t)limit : n;
	w = reply_json(req, 200);
	json_open_object(w, NULL);
	json_open_array(w, "items");
	for (size_t i = 0; i < shown; i++)
		view_user(w, NULL, &users[i]);
	json_close(w);
	json_str(w, "next_cursor",
	         n > shown ? base64url(req->arena, users[shown - 1].username.p, users[shown - 1].username.n) : STR_NONE);
	json_close(w);
	return reply_end(req);
}

const struct endpoint users_get_endpoint = {
	.method = "GET",
	.path = "/users",
	.who = WHO_USER,
	.rate = RATE_READ,
	.scope = SCOPE_PROFILE_READ,
	.fn = users_get,
	.doc = "The directory, by the beginning of a user name or a display name.",
};
