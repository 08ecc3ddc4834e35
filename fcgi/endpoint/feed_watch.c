/* fcgi/endpoint/feed_watch.c -- whose presence a person may watch (docs/model.md). */
#include "fcgi/reply.h"
#include "store/block.h"

#define IDS_MAX 10000

struct body {
	int64_t user_id;
	json_t *ids;
};

static const struct field body_fields[] = { ID_FIELD(struct body, user_id, .required = 1),
	                                    JSON_FIELD(struct body, ids, .required = 1),
	                                    { 0 } };

static int
read_ids(struct req *req, json_t *json, int64_t **ret, size_t *ret_n)
{
	size_t n = json_array_size(json);
	int64_t *ids = arena_alloc_array(req->arena, n + 1, sizeof(*ids));

	if (!json_is_array(json) || n > IDS_MAX)
		return req_invalid(req, "/ids", "type", "Ids are an array of strings.");
	for (size_t i = 0; i < n; i++)
		if (!str_id(str_c(json_string_value(json_array_get(json, i))), &ids[i]))
			return req_invalid(req, "/ids", "format", "An id is a positive number, as a string.");
	*ret = ids;
	*ret_n = n;
	return 0;
}

static int
reply_watchable(struct req *req, const struct user *users, size_t n)
{
	struct json_out *w = reply_json(req, 200);

	json_open_object(w, NULL);
	json_open_array(w, "allowed");
	for (size_t i = 0; i < n; i++)
		json_id(w, NULL, users[i].id);
	json_close(w);
	json_open_object(w, "last_seen");
	for (size_t i = 0; i < n; i++)
		if (users[i].last_seen_at)
			json_time(w, arena_printf(req->arena, "%lld", (long long)users[i].id).p, users[i].last_seen_at);
	json_close(w);
	json_close(w);
	return reply_end_line(req, STR(""));
}

static int
feed_watch(struct req *req)
{
	struct body in = { 0 };
	struct user *users;
	int64_t *ids;
	size_t n;
	int r;

	r = req_body(req, body_fields, &in);
	if (r)
		return r;
	req_act_for(req, in.user_id);
	r = read_ids(req, in.ids, &ids, &n);
	if (r)
		return r;
	r = presence_visible(req->db, req->arena, in.user_id, ids, n, &users, &n);
	if (r)
		return trace(r);
	return reply_watchable(req, users, n);
}

const struct endpoint feed_watch_endpoint = {
	.method = "POST",
	.path = "/feed/watch",
	.who = WHO_DAEMON,
	.pool = POOL_FEED,
	.body = BODY_FEED,
	.rate = RATE_NONE,
	.fn = feed_watch,
	.doc = "Those of the ids whose presence the user may watch.",
};
