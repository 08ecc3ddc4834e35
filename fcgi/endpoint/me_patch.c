/* fcgi/endpoint/me_patch.c -- change my profile. */
#include "fcgi/reply.h"
#include "fcgi/text.h"
#include "store/account.h"

struct body {
	struct str display_name, status_text;
};

static const struct field body_fields[] = { STR_FIELD(struct body, display_name, .min = 1, .max = 64),
	                                    STR_FIELD(struct body, status_text, .max = 256, .nullable = 1),
	                                    { 0 } };

static int
check(struct req *req, struct body *in)
{
	if (str_present(in->display_name)) {
		if (text_blank(in->display_name) || !text_one_line(in->display_name))
			return req_invalid(req, "/display_name", "format",
			                   "A display name is one line with something in it.");
		in->display_name = str_trim(in->display_name);
	}
	if (str_present(in->status_text)) {
		if (!text_one_line(in->status_text))
			return req_invalid(req, "/status_text", "format", "A status is one line.");
		if (text_blank(in->status_text))
			in->status_text = STR_NULL;
	}
	return 0;
}

static int
me_patch(struct req *req)
{
	struct body in = { 0 };
	struct user user;
	int r;

	r = req_body(req, body_fields, &in);
	if (r)
		return r;
	r = check(req, &in);
	if (r)
		return r;
	r = account_update(req->db, req->arena, req->me, in.display_name, in.status_text, &user);
	if (r)
		return r == NOT_FOUND ? UNAUTHENTICATED : trace(r);
	return reply_user(req, 200, &user);
}

const struct endpoint me_patch_endpoint = {
	.method = "PATCH",
	.path = "/me",
	.who = WHO_USER,
	.body = BODY_JSON,
	.fn = me_patch,
	.doc = "Change my profile. What is absent stays; null clears.",
};
