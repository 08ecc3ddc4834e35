/* fcgi/endpoint/auth_sessions.c -- where I am signed in, and signing out there. */
#include "base/bytes.h"
#include "fcgi/auth.h"
#include "fcgi/reply.h"
#include "store/account.h"

struct query {
	struct str cursor;
	struct opt_int limit;
};

static const struct field query_fields[] = { STR_FIELD(struct query, cursor, .max = 512),
	                                     INT_FIELD(struct query, limit),
	                                     { 0 } };

/* Where a page ended: the time at which its last session began, and its id. */
struct place {
	int64_t at;
	struct str id;
};

static int
read_cursor(struct req *req, struct str cursor, struct place *ret)
{
	struct str text;

	if (!str_present(cursor))
		return 0;
	if (base64url_decode(req->arena, cursor, &text) && str_id(str_cut(&text, '.'), &ret->at) && uuid_valid(text)) {
		ret->id = text;
		return 0;
	}
	return req_invalid(req, "cursor", "format", "The cursor is not one that this route gave.");
}

static struct str
write_cursor(struct req *req, const struct session *last)
{
	struct str text = arena_printf(req->arena, "%lld.%.*s", (long long)last->created_at, STR_ARG(last->id));

	return base64url(req->arena, text.p, text.n);
}

static void
write_session(struct json_out *w, const struct session *s, struct str current)
{
	json_open_object(w, NULL);
	json_str(w, "id", s->id);
	json_str(w, "user_agent", s->user_agent);
	json_time(w, "created_at", s->created_at);
	json_time(w, "last_used_at", s->last_used_at);
	json_time(w, "expires_at", s->expires_at);
	json_bool(w, "current", str_eq(s->id, current));
	json_close(w);
}

static int
sessions_get(struct req *req)
{
	struct place after = { 0 };
	struct session *sessions;
	struct query in = { 0 };
	struct json_out *w;
	size_t found, n;
	int64_t limit;
	int r;

	r = req_query(req, query_fields, &in);
	if (!r)
		r = read_cursor(req, in.cursor, &after);
	if (!r)
		r = req_limit(req, in.limit, &limit);
	if (!r)
		r = session_list(req->db, req->arena, req->me, after.at, after.id, limit + 1, &sessions, &found);
	if (r)
		return trace(r);
	n = found > (size_t)limit ? (size_t)limit : found;
	w = reply_json(req, 200);
	json_open_object(w, NULL);
	json_open_array(w, "items");
	for (size_t i = 0; i < n; i++)
		write_session(w, &sessions[i], req->session);
	json_close(w);
	json_str(w, "next_cursor", found > n ? write_cursor(req, &sessions[n - 1]) : STR_NONE);
	json_close(w);
	return reply_end(req);
}

static int
session_delete(struct req *req)
{
	int r = session_end_mine(req->db, req->arena, req->session_named, req->me);

	if (r)
		return trace(r);
	auth_ended(req, req->me, FEED_ENDED_ONE, req->session_named);
	return reply_empty(req);
}

static int
sessions_delete(struct req *req)
{
	int r = session_end_others(req->db, req->arena, req->me, req->session);

	if (r)
		return trace(r);
	auth_ended(req, req->me, FEED_ENDED_OTHERS, req->session);
	return reply_empty(req);
}

const struct endpoint sessions_get_endpoint = {
	.method = "GET",
	.path = "/auth/sessions",
	.who = WHO_USER,
	.rate = RATE_READ,
	.fn = sessions_get,
	.doc = "Where I am signed in, newest first.",
};
const struct endpoint session_delete_endpoint = {
	.method = "DELETE",
	.path = "/auth/sessions/{session}",
	.who = WHO_USER,
	.rate = RATE_MARK,
	.fn = session_delete,
	.doc = "Sign out there: its tokens and its sockets end.",
};
const struct endpoint sessions_delete_endpoint = {
	.method = "DELETE",
	.path = "/auth/sessions",
	.who = WHO_USER,
	.rate = RATE_MARK,
	.fn = sessions_delete,
	.doc = "Sign out everywhere but here.",
};
