/* fcgi/endpoint/auth_refresh.c -- a new access token for a refresh token, which is rotated. */
#include "base/bytes.h"
#include "base/log.h"
#include "fcgi/auth.h"
#include "fcgi/reply.h"
#include "store/account.h"

#define SECOND_US INT64_C(1000000)

/* A refresh token that our key made, and the session it is of, as the database has it. */
struct presented {
	struct str id, hash;
	int64_t generation;
	struct session session;
};

static bool
is(const struct presented *p, int64_t generation, struct str hash)
{
	return p->generation == generation && hash.n == p->hash.n && bytes_equal(hash.p, p->hash.p, hash.n);
}

static bool
in_grace(const struct req *req, const struct session *s)
{
	return s->rotated_us_ago <= req->conf->refresh_grace_seconds * SECOND_US;
}

/* Somebody uses a token that was replaced long ago: it was stolen, or its successor was. Nobody keeps the session. */
static int
end_family(struct req *req, const struct presented *p)
{
	int64_t user;
	int r;

	LOG(NOTICE, "refresh_token_reused", L_STR("id", req->id), L_INT("user", p->session.user_id));
	r = session_end(req->db, req->arena, p->id, &user);
	if (r)
		return trace(r);
	if (user)
		auth_ended(req, user, FEED_ENDED_ONE, p->id);
	return BAD_REFRESH_TOKEN;
}

/*
 * The current token is rotated. The one before it, within the grace, is given the successor that it was given already: its
 * reply was lost, or two tabs asked at once; so does the loser of a race for the rotation.
 */
static int
successor(struct req *req, struct presented *p, struct str *ret_token)
{
	const struct session_life life = auth_session_life(req->conf);
	struct session *s = &p->session;
	struct str next = refresh_make(req->arena, req->service->refresh_key, p->id, p->generation + 1);
	int r = CONFLICT;

	if (is(p, s->generation, s->current_hash))
		r = session_rotate(req->db, req->arena, p->id, s->generation, refresh_hash(req->arena, next), &life,
		                   &s->expires_at);
	if (r && r != CONFLICT)
		return trace(r);
	if (r) {
		r = session_get(req->db, req->arena, p->id, &p->session);
		if (r)
			return r == NOT_FOUND ? BAD_REFRESH_TOKEN : trace(r);
		if (!is(p, s->generation - 1, s->previous_hash) || !in_grace(req, s))
			return end_family(req, p);
	}
	*ret_token = next;
	return 0;
}

static int
present(struct req *req, struct str token, struct presented *ret)
{
	int r;

	if (!refresh_parse(req->arena, req->service->refresh_key, token, &ret->id, &ret->generation))
		return BAD_REFRESH_TOKEN;
	ret->hash = refresh_hash(req->arena, token);
	r = session_get(req->db, req->arena, ret->id, &ret->session);
	return r == NOT_FOUND ? BAD_REFRESH_TOKEN : r ? trace(r) : 0;
}

static int
auth_refresh(struct req *req)
{
	struct auth_refresh_in in;
	struct presented p;
	struct json_out *w;
	struct str next;
	int r;

	r = auth_refresh_in(req, &in);
	if (r)
		return r;
	r = present(req, in.token, &p);
	if (r)
		return r;
	r = successor(req, &p, &next);
	if (r)
		return r;
	req->me = p.session.user_id;
	if (!in.by_body)
		auth_cookie_set(req, &auth_refresh_cookie, next, (p.session.expires_at - req->now) / SECOND_US);
	w = reply_json(req, 200);
	json_open_object(w, NULL);
	r = auth_write_tokens(req, w, req->me, p.id, in.by_body ? next : STR_NONE);
	if (r)
		return r;
	json_close(w);
	return reply_end(req);
}

const struct endpoint auth_refresh_endpoint = {
	.method = "POST",
	.path = "/auth/refresh",
	.who = WHO_ANYONE,
	.body = BODY_JSON,
	.rate = RATE_SESSION,
	.fn = auth_refresh,
	.doc = "A new access token for a refresh token, which is rotated.",
};
