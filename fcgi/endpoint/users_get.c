/* fcgi/endpoint/users_get.c -- the directory, by the beginnings of names. */
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

/* A cursor is the last place of the page before, "<far> <user id> <word>" as base64url. */
static bool
parse_cursor(struct req *req, struct str text, struct directory_place *ret)
{
	struct str rest, far, id;

	if (!base64url_decode(req->arena, text, &rest) || !str_utf8_valid(rest) || memchr(rest.p, '\0', rest.n))
		return false;
	far = str_cut(&rest, ' ');
	id = rest.p ? str_cut(&rest, ' ') : STR_NONE;
	ret->word = rest;
	return str_int64(far, &ret->far) && (ret->far == 0 || ret->far == 1) && str_id(id, &ret->user_id) && rest.p &&
	       rest.n;
}

static struct str
make_cursor(struct req *req, const struct directory_place *place)
{
	struct str text = arena_printf(req->arena, "%lld %lld %.*s", (long long)place->far, (long long)place->user_id,
	                               STR_ARG(place->word));

	return base64url(req->arena, text.p, text.n);
}

static int
parse(struct req *req, struct query *in, struct directory_place *ret_after, int64_t *ret_limit)
{
	int r;

	*ret_after = (struct directory_place){ 0 };
	r = req_query(req, query_fields, in);
	if (r)
		return r;
	if (str_present(in->cursor) && !parse_cursor(req, in->cursor, ret_after))
		return req_invalid(req, "cursor", "format", "The cursor is not one that this route gave.");
	return req_limit(req, in->limit, ret_limit);
}

static int
users_get(struct req *req)
{
	struct directory_place after, *places;
	struct query in = { 0 };
	struct json_out *w;
	struct user *users;
	int64_t limit;
	size_t n, shown;
	int r;

	r = parse(req, &in, &after, &limit);
	if (r)
		return r;
	r = directory_search(req->db, req->arena, req->me, in.q, &after, limit + 1, &users, &places, &n);
	if (r)
		return trace(r);
	shown = n > (size_t)limit ? (size_t)limit : n;
	w = reply_json(req, 200);
	json_open_object(w, NULL);
	json_open_array(w, "items");
	for (size_t i = 0; i < shown; i++)
		view_user(w, NULL, &users[i]);
	json_close(w);
	json_str(w, "next_cursor", n > shown ? make_cursor(req, &places[shown - 1]) : STR_NONE);
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
	.doc = "The directory, by the beginnings of names; people I share a conversation with come first.",
};
