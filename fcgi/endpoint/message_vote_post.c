/* fcgi/endpoint/message_vote_post.c -- vote in a poll. */
#include "fcgi/changed.h"
#include "fcgi/limits.h"

struct body {
	json_t *options;
};

static const struct field body_fields[] = { JSON_FIELD(struct body, options, .required = 1), { 0 } };

static const char *
path_of(struct req *req, size_t i)
{
	return arena_cstr(req->arena, arena_printf(req->arena, "/options/%zu", i));
}

/* Which of them the poll has is decided where they are counted. */
static int
read_options(struct req *req, const json_t *json, int64_t *ret)
{
	size_t n = json_array_size(json);

	if (!json_is_array(json))
		return req_invalid(req, "/options", "type", "Options are an array of numbers.");
	if (n > LIMIT_POLL_OPTIONS)
		return req_invalid(req, "/options", "too_long", "No poll has so many options.");
	for (size_t i = 0; i < n; i++) {
		const json_t *one = json_array_get(json, i);

		if (!json_is_integer(one))
			return req_invalid(req, path_of(req, i), "type", "An option is a number, from 0.");
		ret[i] = json_integer_value(one);
		for (size_t k = 0; k < i; k++)
			if (ret[k] == ret[i])
				return req_invalid(req, path_of(req, i), "duplicate", "An option is chosen once.");
	}
	return 0;
}

static int
message_vote_post(struct req *req)
{
	int64_t options[LIMIT_POLL_OPTIONS];
	struct place at = changed_place(req);
	struct body in = { 0 };
	struct change change;
	int r;

	r = req_body(req, body_fields, &in);
	if (!r)
		r = read_options(req, in.options, options);
	if (r)
		return r;
	r = req_refused(req, change_vote(req->db, req->arena, &at, options, json_array_size(in.options), &change));
	return r ? trace(r) : changed_reply(req, 'c', &change);
}

const struct endpoint message_vote_post_endpoint = {
	.method = "POST",
	.path = "/messages/{message}/vote",
	.who = WHO_MEMBER,
	.body = BODY_JSON,
	.rate = RATE_WRITE,
	.scope = SCOPE_MESSAGES_WRITE,
	.fn = message_vote_post,
	.doc = "Vote in a poll, instead of what I chose before.",
};
