/* fcgi/endpoint/conversation_settings_put.c -- my own side of a conversation: notifications, the archive, the top of the list. */
#include "base/clock.h"
#include "fcgi/members.h"
#include "fcgi/reply.h"

struct body {
	struct str muted_until, notify;
	struct opt_bool archived, pinned;
};

static const char *const notify_words[] = { "all", "mentions", "none", NULL };

static const struct field body_fields[] = { STR_FIELD(struct body, muted_until, .max = 64, .nullable = 1),
	                                    BOOL_FIELD(struct body, archived),
	                                    BOOL_FIELD(struct body, pinned),
	                                    ENUM_FIELD(struct body, notify, .words = notify_words),
	                                    { 0 } };

/* What is absent stays. */
static struct str
changes(struct req *req, const struct body *in, int64_t muted_until)
{
	struct buf *buf = req_scratch(req);
	struct json_out w;

	json_begin(&w, buf);
	json_open_object(&w, NULL);
	if (in->muted_until.p)
		json_time(&w, "muted_until", muted_until);
	if (in->archived.set)
		json_bool(&w, "archived", in->archived.v);
	if (in->pinned.set)
		json_bool(&w, "pinned", in->pinned.v);
	for (int i = 0; notify_words[i]; i++)
		if (str_eq(in->notify, str_c(notify_words[i])))
			json_int(&w, "notify", i + 1);
	json_close(&w);
	json_end(&w);
	return buf_view(buf);
}

/* A time that has passed mutes nothing. */
static int
check_muted(struct req *req, struct str until, int64_t *ret)
{
	*ret = 0;
	if (!str_present(until))
		return 0;
	if (!clock_rfc3339_parse(until, ret))
		return req_invalid(req, "/muted_until", "format", "Must be a time as in RFC 3339.");
	if (*ret <= req->now)
		*ret = 0;
	return 0;
}

static int
conversation_settings_put(struct req *req)
{
	struct body in = { 0 };
	int64_t muted_until, user_rev;
	int r;

	r = req_body(req, body_fields, &in);
	if (r)
		return r;
	r = check_muted(req, in.muted_until, &muted_until);
	if (r)
		return r;
	r = member_settings(req->db, req->arena, req->me, req->conversation, changes(req, &in, muted_until), &user_rev);
	if (r)
		return trace(r);
	members_ring_user(req, req->me, user_rev);
	return members_reply(req, 200, req->conversation);
}

const struct endpoint conversation_settings_put_endpoint = {
	.method = "PUT",
	.path = "/conversations/{conversation}/settings",
	.who = WHO_MEMBER,
	.body = BODY_JSON,
	.rate = RATE_MARK,
	.scope = SCOPE_CONVERSATIONS_WRITE,
	.fn = conversation_settings_put,
	.doc = "My own settings of a conversation. What is absent stays.",
};
