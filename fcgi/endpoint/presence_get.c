/* fcgi/endpoint/presence_get.c -- who is here: one person, or up to a hundred. PostgreSQL says whom I may see, Redis how they are. */
#include <errno.h>

#include "fcgi/reply.h"
#include "fcgi/limits.h"
#include "store/block.h"
#include "wire/presence.h"

struct query {
	struct str ids;
};

static const struct field query_fields[] = {
	STR_FIELD(struct query, ids, .min = 1, .max = LIMIT_PRESENCE_IDS * 20, .required = 1), { 0 }
};

/* One round trip for all. */
static int
ask_redis(struct req *req, const struct user *users, size_t n, redisReply *replies[2])
{
	struct str *count = arena_alloc_array(req->arena, n + 2, sizeof(*count));
	struct str *active = arena_alloc_array(req->arena, n + 1, sizeof(*active));
	char(*names)[2][PRESENCE_KEY_MAX] = arena_alloc_array(req->arena, n, sizeof(*names));
	const struct redis_call calls[] = { { n + 2, count }, { n + 1, active } };

	count[0] = STR("PUBSUB");
	count[1] = STR("NUMSUB");
	active[0] = STR("MGET");
	for (size_t i = 0; i < n; i++) {
		count[i + 2] = presence_channel(users[i].id, names[i][0]);
		active[i + 1] = presence_active_key(users[i].id, names[i][1]);
	}
	return redis_pipeline(req->redis, req->arena, calls, 2, replies);
}

static int
look(struct req *req, const struct user *users, size_t n, struct presence *ret)
{
	redisReply *replies[2];
	int r = n ? ask_redis(req, users, n, replies) : 0;

	if (r)
		return trace(r);
	if (n && (replies[0]->elements != 2 * n || replies[1]->elements != n))
		return fault(-EPROTO);
	for (size_t i = 0; i < n; i++) {
		int64_t subscribers = replies[0]->element[2 * i + 1]->integer;
		bool active = replies[1]->element[i]->type != REDIS_REPLY_NIL;

		ret[i] = (struct presence){ users[i].id, presence_status_of(subscribers, active), users[i].last_seen_at };
	}
	return 0;
}

static int
presence_of(struct req *req, const int64_t *ids, size_t ids_n, struct presence **ret, size_t *ret_n)
{
	struct user *users;
	int r = presence_visible(req->db, req->arena, req->me, ids, ids_n, &users, ret_n);

	if (r)
		return trace(r);
	*ret = arena_alloc_array(req->arena, *ret_n + 1, sizeof(**ret));
	return look(req, users, *ret_n, *ret);
}

static int
presence_get(struct req *req)
{
	struct presence *presence;
	size_t n;
	int r;

	r = presence_of(req, &req->user, 1, &presence, &n);
	if (r)
		return trace(r);
	if (!n)
		return NOT_FOUND;
	view_presence(reply_json(req, 200), NULL, &presence[0]);
	return reply_end(req);
}

static int
read_ids(struct req *req, struct str text, int64_t *ids, size_t *ret_n)
{
	size_t n = 0;

	while (str_present(text)) {
		if (n == LIMIT_PRESENCE_IDS)
			return req_invalid(req, "ids", "too_long", "These are more people than may be asked for at once.");
		if (!str_id(str_cut(&text, ','), &ids[n++]))
			return req_invalid(req, "ids", "format", "Ids are positive numbers, separated by commas.");
	}
	*ret_n = n;
	return 0;
}

static int
presence_bulk_get(struct req *req)
{
	int64_t ids[LIMIT_PRESENCE_IDS];
	struct presence *presence;
	struct query in = { 0 };
	struct json_out *w;
	size_t n;
	int r;

	r = req_query(req, query_fields, &in);
	if (r)
		return r;
	r = read_ids(req, in.ids, ids, &n);
	if (r)
		return r;
	r = presence_of(req, ids, n, &presence, &n);
	if (r)
		return trace(r);
	w = reply_json(req, 200);
	json_open_object(w, NULL);
	json_open_array(w, "items");
	for (size_t i = 0; i < n; i++)
		view_presence(w, NULL, &presence[i]);
	json_close(w);
	json_close(w);
	return reply_end(req);
}

const struct endpoint presence_get_endpoint = {
	.method = "GET",
	.path = "/users/{user}/presence",
	.who = WHO_USER,
	.rate = RATE_READ,
	.scope = SCOPE_PROFILE_READ,
	.fn = presence_get,
	.doc = "Whether a person is here.",
};

const struct endpoint presence_bulk_get_endpoint = {
	.method = "GET",
	.path = "/users/presence/bulk",
	.who = WHO_USER,
	.rate = RATE_READ,
	.scope = SCOPE_PROFILE_READ,
	.fn = presence_bulk_get,
	.doc = "Whether people are here, up to a hundred at once.",
};
