/* fcgi/endpoint/report_post.c -- tell the moderators about a message, or about a person. */
#include "fcgi/limits.h"
#include "fcgi/reply.h"
#include "fcgi/text.h"
#include "report.h"

struct body {
	struct str message_id, reason, note;
	int64_t user_id;
};

const char *const report_reasons[] = { "spam",    "harassment",    "hate",  "violence", "sexual",
	                               "illegal", "impersonation", "other", NULL };

static const struct field body_fields[] = { STR_FIELD(struct body, message_id, .max = 64, .nullable = 1),
	                                    ID_FIELD(struct body, user_id, .nullable = 1),
	                                    ENUM_FIELD(struct body, reason, .words = report_reasons, .required = 1),
	                                    STR_FIELD(struct body, note, .max = LIMIT_REPORT_NOTE, .nullable = 1),
	                                    { 0 } };

static int
read_body(struct req *req, struct report_new *ret)
{
	struct body in = { 0 };
	int r = req_body(req, body_fields, &in);

	if (r)
		return r;
	if (str_present(in.message_id) == (in.user_id != 0))
		return req_invalid(req, "/message_id", in.user_id ? "exclusive" : "required",
		                   "Name a message or a person, and not both.");
	if (str_present(in.message_id) && !message_id_parse(in.message_id, &ret->conversation_id, &ret->seq))
		return req_invalid(req, "/message_id", "format", "This is not the id of a message.");
	if (str_eq(in.reason, STR("other")) && (!str_present(in.note) || text_blank(in.note)))
		return req_invalid(req, "/note", "required", "Say what it is.");
	ret->user_id = in.user_id;
	ret->reason = in.reason;
	ret->note = str_present(in.note) && !text_blank(in.note) ? in.note : STR_NONE;
	ret->most = req->conf->max_open_reports;
	return 0;
}

static int
report_post(struct req *req)
{
	struct report_new in = { 0 };
	struct json_out *w;
	bool created;
	int64_t id;
	int r = read_body(req, &in);

	if (r)
		return r;
	r = report_make(req->db, req->arena, req->me, &in, &id, &created);
	if (r)
		return trace(req_refused(req, r));
	w = reply_json(req, created ? 201 : 200);
	json_open_object(w, NULL);
	json_id(w, "id", id);
	json_close(w);
	return reply_end(req);
}

const struct endpoint report_post_endpoint = {
	.method = "POST",
	.path = "/reports",
	.who = WHO_USER,
	.body = BODY_JSON,
	.rate = RATE_WRITE,
	.scope = SCOPE_MESSAGES_WRITE,
	.once = true,
	.fn = report_post,
	.doc = "Report a message that I see, or a person. While it waits, the same again is the same report.",
};
