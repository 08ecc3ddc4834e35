/* fcgi/endpoint/token.c -- access tokens of mine and of my bots: make, list, revoke. */
#include "fcgi/access_token.h"
#include "fcgi/cursor.h"
#include "fcgi/limits.h"
#include "fcgi/reply.h"
#include "fcgi/text.h"
#include "store/access.h"

#define DAYS_DEFAULT 90

struct body {
	struct str name;
	json_t *scopes;
	struct opt_int expires_in_days;
	int64_t bot_id;
};

static const struct field body_fields[] = { STR_FIELD(struct body, name, .min = 1, .max = LIMIT_TOKEN_NAME, .required = 1),
	                                    JSON_FIELD(struct body, scopes, .required = 1),
	                                    INT_FIELD(struct body, expires_in_days, .min = 1, .max = LIMIT_TOKEN_DAYS,
	                                              .nullable = 1),
	                                    ID_FIELD(struct body, bot_id, .nullable = 1),
	                                    { 0 } };

struct query {
	struct str cursor;
	struct opt_int limit;
};

static const struct field query_fields[] = { STR_FIELD(struct query, cursor, .max = 512),
	                                     INT_FIELD(struct query, limit),
	                                     { 0 } };

/* The words of a JSON array, each once and in the order of enum scope, with blanks between them. */
static int
read_scopes(struct req *req, const json_t *array, struct str *ret)
{
	bool given[SCOPE_N] = { 0 };
	struct buf *list = req_scratch(req);

	for (size_t i = 0; i < json_array_size(array); i++) {
		const json_t *word = json_array_get(array, i);
		struct str place = arena_printf(req->arena, "/scopes/%zu", i);
		enum scope scope;

		if (!json_is_string(word) || !scope_parse(str_n(json_string_value(word), json_string_length(word)), &scope))
			return req_invalid(req, arena_cstr(req->arena, place), "word", "There is no such scope.");
		given[scope] = true;
	}
	for (enum scope scope = SCOPE_SESSION + 1; scope < SCOPE_N; scope++) {
		if (given[scope] && list->n)
			buf_char(list, ' ');
		if (given[scope])
			buf_str(list, str_c(scope_word(scope)));
	}
	if (!list->n)
		return req_invalid(req, "/scopes", "type", "Must be an array of at least one scope.");
	*ret = buf_view(list);
	return 0;
}

static int
read_body(struct req *req, struct access_new *ret)
{
	struct body in = { 0 };
	int r = req_body(req, body_fields, &in);

	if (r)
		return r;
	if (text_blank(in.name) || !str_one_line(in.name))
		return req_invalid(req, "/name", "format", "A name is one line with something in it.");
	r = read_scopes(req, in.scopes, &ret->scopes);
	if (r)
		return r;
	ret->name = str_trim(in.name);
	ret->user_id = in.bot_id ? in.bot_id : req->me;
	ret->days = in.expires_in_days.set ? in.expires_in_days.v : DAYS_DEFAULT;
	ret->most = req->conf->max_access_tokens;
	return 0;
}

/* secret: shown once, when it is made. */
static void
write_token(struct json_out *w, const struct access_token *t, struct str secret)
{
	struct str scopes = t->scopes;

	json_open_object(w, NULL);
	json_id(w, "id", t->id);
	json_id(w, "user_id", t->user_id);
	json_str(w, "name", t->name);
	json_open_array(w, "scopes");
	while (scopes.n)
		json_str(w, NULL, str_cut(&scopes, ' '));
	json_close(w);
	json_time(w, "created_at", t->created_at);
	json_time(w, "expires_at", t->expires_at);
	json_time(w, "last_used_at", t->last_used_at);
	if (str_present(secret))
		json_str(w, "token", secret);
	json_close(w);
}

static int
token_post(struct req *req)
{
	struct access_new in = { 0 };
	struct access_token made;
	struct str secret;
	int r = read_body(req, &in);

	if (r)
		return r;
	secret = access_token_make(req->arena, &in.hash);
	r = access_create(req->db, req->arena, req->me, &in, &made);
	if (r)
		return trace(req_refused(req, r));
	write_token(reply_json(req, 201), &made, secret);
	return reply_end(req);
}

static int
tokens_get(struct req *req)
{
	struct access_token *tokens;
	struct query in = { 0 };
	int64_t before = 0, limit;
	struct json_out *w;
	size_t found, n;
	int r;

	r = req_query(req, query_fields, &in);
	if (!r)
		r = cursor_read(req, in.cursor, &before, 1);
	if (!r)
		r = req_limit(req, in.limit, &limit);
	if (!r)
		r = access_list(req->db, req->arena, req->me, before, limit + 1, &tokens, &found);
	if (r)
		return trace(r);
	n = found > (size_t)limit ? (size_t)limit : found;
	w = reply_json(req, 200);
	json_open_object(w, NULL);
	json_open_array(w, "items");
	for (size_t i = 0; i < n; i++)
		write_token(w, &tokens[i], STR_NONE);
	json_close(w);
	json_str(w, "next_cursor", found > n ? cursor_write(req, &tokens[n - 1].id, 1) : STR_NONE);
	json_close(w);
	return reply_end(req);
}

static int
token_delete(struct req *req)
{
	int r = access_revoke(req->db, req->arena, req->me, req->thing);

	return r ? trace(r) : reply_empty(req);
}

const struct endpoint token_post_endpoint = {
	.method = "POST",
	.path = "/tokens",
	.who = WHO_USER,
	.body = BODY_JSON,
	.rate = RATE_WRITE,
	.once = true,
	.fn = token_post,
	.doc = "Make an access token of mine or of a bot of mine; it is shown in this answer only.",
};

const struct endpoint tokens_get_endpoint = {
	.method = "GET",
	.path = "/tokens",
	.who = WHO_USER,
	.rate = RATE_READ,
	.fn = tokens_get,
	.doc = "My access tokens and those of my bots, newest first, without the secrets.",
};

const struct endpoint token_delete_endpoint = {
	.method = "DELETE",
	.path = "/tokens/{token}",
	.who = WHO_USER,
	.rate = RATE_WRITE,
	.fn = token_delete,
	.doc = "Revoke an access token; its sockets close.",
};
