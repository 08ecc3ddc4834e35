/* fcgi/endpoint/auth_register.c -- make an account and sign it in. */
#include "fcgi/auth.h"
#include "fcgi/device.h"
#include "fcgi/limits.h"
#include "fcgi/reply.h"
#include "fcgi/text.h"
#include "store/account.h"

struct body {
	struct str username, password, display_name, token_delivery;
};

static const char *const deliveries[] = { "cookie", "body", NULL };

static const struct field body_fields[] = { STR_FIELD(struct body, username, .required = 1),
	                                    STR_FIELD(struct body, password, .required = 1),
	                                    STR_FIELD(struct body, display_name, .min = 1, .max = LIMIT_DISPLAY_NAME,
	                                              .nullable = 1),
	                                    ENUM_FIELD(struct body, token_delivery, .words = deliveries),
	                                    { 0 } };

static int
check(struct req *req, struct body *in)
{
	if (!text_username(in->username))
		return req_invalid(req, "/username", "format",
		                   "A user name has 3 to 32 letters, digits, dots, hyphens or underscores, and begins with "
		                   "a letter or digit.");
	if (!str_present(in->display_name))
		in->display_name = in->username;
	if (text_blank(in->display_name) || !str_one_line(in->display_name))
		return req_invalid(req, "/display_name", "format", "A display name is one line with something in it.");
	return auth_password_rule(req, "/password", in->password, in->username, in->display_name);
}

static int
create(struct req *req, const struct body *in, struct user *ret)
{
	struct str hash;
	int r;

	r = auth_hash(req, in->password, &hash);
	if (r)
		return trace(r);
	r = account_create(req->db, req->arena, in->username, str_trim(in->display_name), hash, ret);
	return r ? trace(r) : 0;
}

static int
auth_register(struct req *req)
{
	struct body in = { 0 };
	struct user user;
	int r;

	if (str_eq(str_c(req->conf->registration), STR("closed")))
		return REGISTRATION_CLOSED;
	r = req_body(req, body_fields, &in);
	if (r)
		return r;
	r = check(req, &in);
	if (r)
		return r;
	r = auth_delivery(req, in.token_delivery);
	if (r)
		return r;
	r = create(req, &in, &user);
	if (r)
		return r;
	if (!str_eq(in.token_delivery, STR("body")))
		device_remember(req, user.username);
	r = auth_reply_signed_in(req, 201, &user, STR_NONE, str_eq(in.token_delivery, STR("body")));
	req->made = req->session;
	return r;
}

/* The answer was lost: whoever has the key and everything that was said with it, the password among it, gets the same session. */
static int
again(struct req *req, struct str session_id)
{
	struct body in = { 0 };
	int r = req_body(req, body_fields, &in);

	if (!r)
		r = auth_delivery(req, in.token_delivery);
	return r ? r : auth_reply_again(req, session_id, str_eq(in.token_delivery, STR("body")));
}

const struct endpoint auth_register_endpoint = {
	.method = "POST",
	.path = "/auth/register",
	.who = WHO_ANYONE,
	.pool = POOL_AUTH,
	.body = BODY_JSON,
	.rate = RATE_REGISTER,
	.once = true,
	.fn = auth_register,
	.again = again,
	.doc = "Make an account and sign it in.",
};
