/* fcgi/endpoint/feed_who.c -- whose token is this that peal-push cannot check by itself: of another issuer, or an access token. */
#include "fcgi/auth.h"
#include "fcgi/reply.h"

struct body {
	struct str token;
};

static const struct field body_fields[] = { STR_FIELD(struct body, token, .min = 1, .required = 1), { 0 } };

static int
feed_who(struct req *req)
{
	struct body in = { 0 };
	struct json_out *w;
	int r;

	r = req_body(req, body_fields, &in);
	if (r)
		return r;
	r = auth_token(req, in.token);
	if (r)
		return trace(r);
	w = reply_json(req, 200);
	json_open_object(w, NULL);
	json_id(w, "user_id", req->me);
	json_str(w, "session_id", req->session);
	json_int(w, "expires_at", req->expires_at / 1000000);
	json_close(w);
	return reply_end_line(req, STR(""));
}

const struct endpoint feed_who_endpoint = {
	.method = "POST",
	.path = "/feed/who",
	.who = WHO_DAEMON,
	.pool = POOL_FEED,
	.body = BODY_FEED,
	.rate = RATE_NONE,
	.scope = SCOPE_MESSAGES_READ, /* what a socket is for */
	.fn = feed_who,
	.doc = "Whose a token is that a socket has shown.",
};
