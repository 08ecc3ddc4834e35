/* fcgi/endpoint/group_post.c -- make a group, with people in it. */
#include "base/bytes.h"
#include "fcgi/members.h"
#include "fcgi/reply.h"
#include "fcgi/text.h"

#define KEY_MAX 64

struct body {
	struct str type, name, avatar_id, history;
	json_t *participant_ids;
};

static const char *const types[] = { "group", NULL };
static const char *const histories[] = { "all", "joined", NULL };

static const struct field body_fields[] = { ENUM_FIELD(struct body, type, .words = types, .required = 1),
	                                    STR_FIELD(struct body, name, .min = 1, .max = GROUP_NAME_MAX, .required = 1),
	                                    JSON_FIELD(struct body, participant_ids, .required = 1),
	                                    STR_FIELD(struct body, avatar_id, .nullable = 1),
	                                    ENUM_FIELD(struct body, history, .words = histories),
	                                    { 0 } };

/* Optional: without a key each request makes a group of its own. */
static int
check_key(struct req *req, struct str *ret)
{
	struct str key = req_param(req, "HTTP_IDEMPOTENCY_KEY");

	if (str_present(key) && (!str_utf8_valid(key) || !text_one_line(key) || str_code_points(key) > KEY_MAX))
		return req_invalid(req, "Idempotency-Key", "format", "The key is one line of at most 64 characters.");
	*ret = key;
	return 0;
}

static int
by_number(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* What makes two requests the same: everything that the body says, in whatever order it names the people. */
static struct str
request_hash(struct req *req, const struct group_new *group)
{
	unsigned char *digest = arena_alloc(req->arena, SHA256_BYTES);
	int64_t *users = arena_alloc_array(req->arena, group->users_n + 1, sizeof(*users));
	struct buf *buf = req_scratch(req);
	struct json_out w;

	memcpy(users, group->users, group->users_n * sizeof(*users));
	qsort(users, group->users_n, sizeof(*users), by_number);
	json_begin(&w, buf);
	json_open_array(&w, NULL);
	json_str(&w, NULL, group->name);
	json_str(&w, NULL, group->avatar_id);
	json_bool(&w, NULL, group->history_all);
	for (size_t i = 0; i < group->users_n; i++)
		json_id(&w, NULL, users[i]);
	json_close(&w);
	json_end(&w);
	bytes_sha256(buf_view(buf), digest);
	return str_n((char *)digest, SHA256_BYTES);
}

static int
read_group(struct req *req, struct group_new *ret)
{
	struct body in = { 0 };
	int r;

	r = req_body(req, body_fields, &in);
	if (r)
		return r;
	r = members_name(req, &in.name);
	if (r)
		return r;
	r = members_avatar(req, in.avatar_id);
	if (r)
		return r;
	r = members_ids(req, "/participant_ids", in.participant_ids, &ret->users, &ret->users_n);
	if (r)
		return r;
	r = check_key(req, &ret->key);
	if (r)
		return r;
	ret->name = in.name;
	ret->avatar_id = in.avatar_id;
	ret->history_all = str_eq(in.history, STR("all"));
	if (str_present(ret->key))
		ret->request_hash = request_hash(req, ret);
	return 0;
}

static int
group_post(struct req *req)
{
	struct group_new group = { 0 };
	struct logged logged;
	bool replayed;
	int64_t id;
	int r;

	r = read_group(req, &group);
	if (r)
		return r;
	r = group_create(req->db, req->arena, req->me, &group, &id, &replayed, &logged);
	if (r)
		return members_refused(req, r, "/participant_ids");
	if (replayed)
		reply_header(req, "Idempotency-Replayed", STR("true"));
	else
		members_ring(req, id, &logged);
	return members_reply(req, replayed ? 200 : 201, id);
}

const struct endpoint group_post_endpoint = {
	.method = "POST",
	.path = "/conversations",
	.who = WHO_USER,
	.body = BODY_JSON,
	.rate = RATE_WRITE,
	.scope = SCOPE_CONVERSATIONS_WRITE,
	.fn = group_post,
	.doc = "Make a group. The same Idempotency-Key again returns the first one.",
};
