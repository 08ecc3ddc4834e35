/* fcgi/endpoint/feed_seen.c -- when people were last here, in batches. */
#include "fcgi/reply.h"
#include "store/event.h"

#define USERS_MAX 5000

struct body {
	json_t *users;
};

static const struct field body_fields[] = { JSON_FIELD(struct body, users, .required = 1), { 0 } };

struct seen {
	int64_t user_id;
	struct str at;
};

static const struct field seen_fields[] = { ID_FIELD(struct seen, user_id, .required = 1),
	                                    STR_FIELD(struct seen, at, .max = 64, .required = 1),
	                                    { 0 } };

static int
read_users(struct req *req, json_t *json, size_t n, int64_t *ids, int64_t *at)
{
	for (size_t i = 0; i < n; i++) {
		struct seen seen = { 0 };
		int r;

		if (!json_is_object(json_array_get(json, i)))
			return req_invalid(req, "/users", "type", "An entry is an object.");
		r = json_fill(req->arena, json_array_get(json, i), seen_fields, &seen, "/users", &req->report);
		if (r)
			return r;
		ids[i] = seen.user_id;
		if (!clock_rfc3339_parse(seen.at, &at[i]))
			return req_invalid(req, "/users", "format", "A time is written as in RFC 3339.");
	}
	return 0;
}

static int
feed_seen(struct req *req)
{
	struct body in = { 0 };
	int64_t *ids, *at;
	size_t n;
	int r;

	r = req_body(req, body_fields, &in);
	if (r)
		return r;
	n = json_array_size(in.users);
	if (!json_is_array(in.users) || n > USERS_MAX)
		return req_invalid(req, "/users", "type", "Users are an array of at most 5,000.");
	ids = arena_alloc_array(req->arena, n + 1, sizeof(*ids));
	at = arena_alloc_array(req->arena, n + 1, sizeof(*at));
	r = read_users(req, in.users, n, ids, at);
	if (r)
		return r;
	r = event_seen(req->db, req->arena, ids, at, n);
	if (r)
		return trace(r);
	return reply_empty(req);
}

const struct endpoint feed_seen_endpoint = {
	.method = "POST",
	.path = "/feed/seen",
	.who = WHO_DAEMON,
	.pool = POOL_FEED,
	.body = BODY_FEED,
	.rate = RATE_NONE,
	.fn = feed_seen,
	.doc = "Note when people were last here.",
};
