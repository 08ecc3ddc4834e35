/* fcgi/endpoint/me_patch.c -- change my profile, and what others may know of me. */
#include "fcgi/files.h"
#include "fcgi/limits.h"
#include "fcgi/publish.h"
#include "fcgi/reply.h"
#include "fcgi/text.h"
#include "store/account.h"
#include "wire/link.h"

struct body {
	struct str display_name, status_text, avatar_id;
	json_t *privacy;
};

static const struct field body_fields[] = { STR_FIELD(struct body, display_name, .min = 1, .max = LIMIT_DISPLAY_NAME),
	                                    STR_FIELD(struct body, status_text, .max = LIMIT_STATUS_TEXT, .nullable = 1),
	                                    STR_FIELD(struct body, avatar_id, .nullable = 1),
	                                    JSON_FIELD(struct body, privacy),
	                                    { 0 } };

static const struct field privacy_fields[] = { BOOL_FIELD(struct profile_change, read_receipts),
	                                       BOOL_FIELD(struct profile_change, last_seen),
	                                       { 0 } };

static int
check_name(struct req *req, struct str *name)
{
	if (str_present(*name) && (text_blank(*name) || !str_one_line(*name)))
		return req_invalid(req, "/display_name", "format", "A display name is one line with something in it.");
	if (str_present(*name))
		*name = str_trim(*name);
	return 0;
}

static int
check_status(struct req *req, struct str *status)
{
	if (str_present(*status) && !str_one_line(*status))
		return req_invalid(req, "/status_text", "format", "A status is one line.");
	if (str_present(*status) && text_blank(*status))
		*status = STR_NULL;
	return 0;
}

static int
check_avatar(struct req *req, struct str id)
{
	if (str_present(id) && !attachment_id_ok(id))
		return req_invalid(req, "/avatar_id", "format", "This is not the id of an upload.");
	return 0;
}

static int
read_privacy(struct req *req, json_t *privacy, struct profile_change *ret)
{
	if (!privacy)
		return 0;
	if (!json_is_object(privacy))
		return req_invalid(req, "/privacy", "type", "Privacy is an object.");
	return json_fill(req->arena, privacy, privacy_fields, ret, "/privacy", &req->report);
}

static int
read_change(struct req *req, struct profile_change *ret)
{
	struct body in = { 0 };
	int r;

	r = req_body(req, body_fields, &in);
	if (!r)
		r = check_name(req, &in.display_name);
	if (!r)
		r = check_status(req, &in.status_text);
	if (!r)
		r = check_avatar(req, in.avatar_id);
	if (!r)
		r = read_privacy(req, in.privacy, ret);
	ret->display_name = in.display_name;
	ret->status_text = in.status_text;
	ret->avatar_id = in.avatar_id;
	return r;
}

static void
announce(struct req *req, void *arg)
{
	const struct profile_changed *changed = arg;

	publish_log(req, 'u', req->me, changed->user_rev - 1, 1);
	files_remove(req, changed->removed_json);
}

static int
me_patch(struct req *req)
{
	struct profile_changed *changed = arena_new_of(req->arena, struct profile_changed);
	struct profile_change in = { 0 };
	int r;

	r = read_change(req, &in);
	if (r)
		return r;
	r = account_update(req->db, req->arena, req->me, &in, changed);
	if (r)
		return r == NOT_FOUND ? UNAUTHENTICATED : trace(r);
	if (changed->user_rev)
		req_after_commit(req, announce, changed);
	return reply_me(req, 200, &changed->me);
}

const struct endpoint me_patch_endpoint = {
	.method = "PATCH",
	.path = "/me",
	.who = WHO_USER,
	.body = BODY_JSON,
	.rate = RATE_WRITE,
	.scope = SCOPE_PROFILE_WRITE,
	.fn = me_patch,
	.doc = "Change my profile and my privacy. What is absent stays; null clears.",
};
