/* fcgi/endpoint/admin_audit.c -- what moderators and admins did, over the API and at the command line. */
#include "fcgi/cursor.h"
#include "fcgi/reply.h"
#include "fcgi/site.h"
#include "store/moderation.h"

struct query {
	struct str act, actor_id, target_kind, target_id, cursor;
	struct opt_int limit;
};

static const struct field query_fields[] = { STR_FIELD(struct query, act, .min = 1, .max = 64),
	                                     STR_FIELD(struct query, actor_id, .max = 32),
	                                     STR_FIELD(struct query, target_kind, .min = 1, .max = 32),
	                                     STR_FIELD(struct query, target_id, .min = 1, .max = 64),
	                                     STR_FIELD(struct query, cursor, .max = 512),
	                                     INT_FIELD(struct query, limit),
	                                     { 0 } };

static void
write_row(struct json_out *w, const struct audit_row *a)
{
	json_open_object(w, NULL);
	json_id(w, "id", a->id);
	json_time(w, "at", a->at);
	json_id_or_null(w, "actor_id", a->actor_id);
	json_str(w, "actor", a->actor);
	json_str(w, "act", a->act);
	json_str(w, "target_kind", a->target_kind);
	json_str(w, "target_id", a->target_id);
	json_str(w, "target", a->target);
	json_str(w, "address", a->address);
	json_str(w, "request_id", a->request_id);
	json_id_or_null(w, "access_token_id", a->access_token);
	json_raw(w, "detail", str_present(a->detail_json) ? a->detail_json : STR("null"));
	json_close(w);
}

static int
read_filter(struct req *req, struct audit_filter *ret, int64_t *ret_limit)
{
	struct query in = { 0 };
	int r = req_query(req, query_fields, &in);

	if (!r && str_present(in.actor_id) && !str_id(in.actor_id, &ret->actor_id))
		return req_invalid(req, "actor_id", "format", "This is not the id of a user.");
	if (!r)
		r = cursor_read(req, in.cursor, &ret->before, 1);
	if (!r)
		r = req_limit(req, in.limit, ret_limit);
	ret->act = in.act;
	ret->target_kind = in.target_kind;
	ret->target_id = in.target_id;
	return r;
}

static int
admin_audit_get(struct req *req)
{
	struct audit_filter filter = { 0 };
	struct audit_row *rows;
	struct json_out *w;
	size_t found, n;
	int64_t limit;
	int r = read_filter(req, &filter, &limit);

	if (!r)
		r = audit_list(req->db, req->arena, &filter, limit + 1, &rows, &found);
	if (r)
		return trace(r);
	n = found > (size_t)limit ? (size_t)limit : found;
	w = reply_json(req, 200);
	json_open_object(w, NULL);
	json_open_array(w, "items");
	for (size_t i = 0; i < n; i++)
		write_row(w, &rows[i]);
	json_close(w);
	json_str(w, "next_cursor", found > n ? cursor_write(req, &rows[n - 1].id, 1) : STR_NONE);
	json_close(w);
	return reply_end(req);
}

const struct endpoint admin_audit_get_endpoint = {
	.method = "GET",
	.path = "/admin/audit",
	.who = WHO_ADMIN,
	.rate = RATE_READ,
	.scope = SCOPE_ADMIN_READ,
	.fn = admin_audit_get,
	.doc = "What moderators and admins did, newest first.",
};
