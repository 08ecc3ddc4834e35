/* fcgi/endpoint/admin_report.c -- the moderators' queue: read it, and act. */
#include "base/clock.h"
#include "fcgi/cursor.h"
#include "fcgi/files.h"
#include "fcgi/limits.h"
#include "fcgi/members.h"
#include "fcgi/reply.h"
#include "fcgi/site.h"
#include "fcgi/text.h"
#include "report.h"
#include "wire/attachment.h"

struct query {
	struct str state, reason, user_id, cursor;
	struct opt_int limit;
};

static const char *const states[] = { "open", "in_review", "resolved", "dismissed", NULL };
static const char *const actions[] = { "delete_message", "disable_user", "slow_mode", "dismiss", NULL };

static const struct field query_fields[] = { ENUM_FIELD(struct query, state, .words = states),
	                                     ENUM_FIELD(struct query, reason, .words = report_reasons),
	                                     STR_FIELD(struct query, user_id, .max = 32),
	                                     STR_FIELD(struct query, cursor, .max = 512),
	                                     INT_FIELD(struct query, limit),
	                                     { 0 } };

struct body {
	struct str state, note, action;
	struct opt_int slow_mode_seconds;
};

static const struct field body_fields[] = {
	ENUM_FIELD(struct body, state, .words = states),
	STR_FIELD(struct body, note, .max = LIMIT_REPORT_NOTE, .nullable = 1),
	ENUM_FIELD(struct body, action, .words = actions),
	INT_FIELD(struct body, slow_mode_seconds, .min = 0, .max = LIMIT_SLOW_SECONDS),
	{ 0 },
};

/* What was reported, as it was then; `gone`: the message is not there any more. */
static void
write_message(struct json_out *w, const struct report *r)
{
	json_raw(w, "message", r->seq ? r->copy_json : STR("null"));
	view_attachments(w, "attachments", r->attachments_json, clock_wall_us());
	json_bool(w, "message_gone", r->gone);
	json_raw(w, "profile", r->seq ? STR("null") : r->copy_json);
}

static void
write_report(struct json_out *w, const struct report *r)
{
	json_open_object(w, NULL);
	json_id(w, "id", r->id);
	json_str(w, "state", r->state);
	json_str(w, "reason", r->reason);
	json_str(w, "note", r->note);
	view_user(w, "reporter", &r->reporter);
	view_user(w, "user", &r->target);
	json_bool(w, "user_disabled", r->target_disabled);
	write_message(w, r);
	json_str(w, "action", r->action);
	json_str(w, "moderator_note", r->moderator_note);
	if (r->handler.id)
		view_user(w, "handled_by", &r->handler);
	else
		json_put_null(w, "handled_by");
	json_time(w, "created_at", r->created_at);
	json_time(w, "handled_at", r->handled_at);
	json_close(w);
}

static int
read_filter(struct req *req, struct report_filter *ret, int64_t *ret_limit)
{
	struct query in = { 0 };
	int r = req_query(req, query_fields, &in);

	if (!r && str_present(in.user_id) && !str_id(in.user_id, &ret->target_id))
		return req_invalid(req, "user_id", "format", "This is not the id of a user.");
	if (!r)
		r = cursor_read(req, in.cursor, &ret->before, 1);
	if (!r)
		r = req_limit(req, in.limit, ret_limit);
	ret->state = in.state;
	ret->reason = in.reason;
	return r;
}

static int
admin_reports_get(struct req *req)
{
	struct report_filter filter = { 0 };
	struct report *reports;
	struct json_out *w;
	size_t found, n;
	int64_t limit;
	int r = read_filter(req, &filter, &limit);

	if (!r)
		r = report_list(req->db, req->arena, &filter, limit + 1, &reports, &found);
	if (r)
		return trace(r);
	n = found > (size_t)limit ? (size_t)limit : found;
	w = reply_json(req, 200);
	json_open_object(w, NULL);
	json_open_array(w, "items");
	for (size_t i = 0; i < n; i++)
		write_report(w, &reports[i]);
	json_close(w);
	json_str(w, "next_cursor", found > n ? cursor_write(req, &reports[n - 1].id, 1) : STR_NONE);
	json_close(w);
	return reply_end(req);
}

static int
reply_report(struct req *req)
{
	struct report report;
	int r = report_get(req->db, req->arena, req->thing, &report);

	if (r)
		return trace(r);
	write_report(reply_json(req, 200), &report);
	return reply_end(req);
}

static int
check(struct req *req, const struct body *in)
{
	bool slow = str_eq(in->action, STR("slow_mode"));

	if (slow != in->slow_mode_seconds.set)
		return req_invalid(req, "/slow_mode_seconds", slow ? "required" : "word",
		                   "This goes with the action slow_mode.");
	if (!in->state.p && !in->note.p && !in->action.p)
		return req_invalid(req, "", "required", "Nothing is to be changed.");
	if (str_present(in->state) && str_present(in->action))
		return req_invalid(req, "/state", "word", "An action closes the report by itself.");
	return 0;
}

static struct str
changes(struct req *req, const struct body *in)
{
	struct buf *buf = req_scratch(req);
	struct json_out w;

	json_begin(&w, buf);
	json_open_object(&w, NULL);
	if (str_present(in->state))
		json_str(&w, "state", in->state);
	if (in->note.p)
		json_str(&w, "note", str_present(in->note) ? in->note : STR_NONE);
	if (str_present(in->action))
		json_str(&w, "action", in->action);
	if (in->slow_mode_seconds.set)
		json_int(&w, "slow_mode_seconds", in->slow_mode_seconds.v);
	json_close(&w);
	json_end(&w);
	return buf_view(buf);
}

static void
remove_files(struct req *req, void *arg)
{
	const struct str *ids = arg;

	files_remove(req, *ids);
}

/* What the members of the conversation hear, and the files that nobody wants any more. */
static void
after(struct req *req, const struct report_acted *acted)
{
	struct str *removed = arena_new_of(req->arena, struct str);
	const struct logged logged = { .seq = acted->position, .n = acted->events };

	members_ring(req, acted->conversation_id, &logged);
	*removed = acted->removed_json;
	req_after_commit(req, remove_files, removed);
}

static int
admin_report_patch(struct req *req)
{
	struct report_acted acted;
	struct body in = { 0 };
	int r = req_body(req, body_fields, &in);

	if (!r)
		r = check(req, &in);
	if (r)
		return r;
	r = report_act(req->db, req->arena, req->me, req->thing, changes(req, &in), site_from(req), &acted);
	if (r == CONFLICT)
		req->detail = "The report is closed; open it again first.";
	if (r)
		return trace(r);
	after(req, &acted);
	return reply_report(req);
}

const struct endpoint admin_reports_get_endpoint = {
	.method = "GET",
	.path = "/admin/reports",
	.who = WHO_MODERATOR,
	.rate = RATE_READ,
	.scope = SCOPE_ADMIN_READ,
	.fn = admin_reports_get,
	.doc = "What was reported, newest first.",
};

const struct endpoint admin_report_get_endpoint = {
	.method = "GET",
	.path = "/admin/reports/{report}",
	.who = WHO_MODERATOR,
	.rate = RATE_READ,
	.scope = SCOPE_ADMIN_READ,
	.fn = reply_report,
	.doc = "One report.",
};

const struct endpoint admin_report_patch_endpoint = {
	.method = "PATCH",
	.path = "/admin/reports/{report}",
	.who = WHO_MODERATOR,
	.body = BODY_JSON,
	.rate = RATE_WRITE,
	.scope = SCOPE_ADMIN_WRITE,
	.fn = admin_report_patch,
	.doc = "Work on a report: its state, a note, or an action, which closes it.",
};
