/*
 * moderation -- reports and what moderators do about them, people as admins see them, and the log of all that.
 */
#include "moderation.h"
#include "read.h"

/* clang-format off */
static const struct stmt get_role = {
	.name = "site_role_get", .params = "i", .results = "hb",
	.text = "SELECT u.site_role, u.password_hash IS NOT NULL AND NOT EXISTS "
	        "(SELECT FROM totp t WHERE t.user_id = u.id AND t.confirmed_at IS NOT NULL) FROM users u WHERE u.id = $1 AND u.disabled_at IS NULL",
};
static const struct stmt set_role = {
	.name = "site_role_set", .params = "sn", .results = "i", .writes = true,
	.text = "UPDATE users u SET site_role = $2 WHERE u.username_key = lower($1) AND NOT u.bot AND u.erased_at IS NULL RETURNING u.id",
};
static const struct stmt make = {
	.name = "report_make", .params = "iNiNiNisNsi", .results = "ib", .writes = true,
	.text = "SELECT o_id, o_created FROM report_make($1, $2, $3, $4, $5, $6, $7)",
};
#define REPORT                                                                                                \
	"SELECT r.id, r.conversation_id, r.seq, r.reason, r.note, r.copy, r.state, r.moderator_note, r.action, "  \
	" CASE WHEN r.state IN ('open', 'in_review') THEN r.attachments END, "                                   \
	" r.seq IS NOT NULL AND NOT EXISTS (SELECT FROM message g WHERE g.conversation_id = r.conversation_id AND g.seq = r.seq " \
	"  AND g.deleted_at IS NULL AND " LIVES("g") "), t.disabled_at IS NOT NULL, r.created_at, r.handled_at, "  \
	USER_COLUMNS("p") ", " USER_COLUMNS("t") ", " USER_COLUMNS("h")                                          \
	" FROM report r JOIN users p ON p.id = r.reporter_id JOIN users t ON t.id = r.target_id "                \
	" LEFT JOIN users h ON h.id = r.handled_by "
#define REPORT_RESULTS "iNiNisNsjsNsNsNjbbtNt" USER_RESULTS USER_RESULTS USER_RESULTS
#define REPORT_N 14
static const struct stmt list = {
	.name = "report_list", .params = "NsNsNiNii", .results = REPORT_RESULTS,
	.text = REPORT "WHERE ($1::text IS NULL OR r.state = $1) AND ($2::text IS NULL OR r.reason = $2) "
	        "AND ($3::bigint IS NULL OR r.target_id = $3) AND r.id < coalesce($4, 9223372036854775807) ORDER BY r.id DESC LIMIT $5",
};
static const struct stmt get = {
	.name = "report_get", .params = "i", .results = REPORT_RESULTS, .text = REPORT "WHERE r.id = $1",
};
static const struct stmt act = {
	.name = "report_act", .params = "iijj", .results = "NiNiNiNj", .writes = true,
	.text = "SELECT o_conversation, o_position, o_events, o_removed FROM report_act($1, $2, $3, $4)",
};
static const struct stmt forget = {
	.name = "report_forget", .params = "ii", .results = "i", .writes = true,
	.text = "WITH old AS (SELECT r.id FROM report r WHERE r.state IN ('resolved', 'dismissed') "
	        " AND r.handled_at < now() - $1 * interval '1 day' ORDER BY r.handled_at LIMIT $2 FOR UPDATE SKIP LOCKED), "
	        "gone AS (DELETE FROM report r USING old WHERE r.id = old.id RETURNING 1) SELECT count(*) FROM gone",
};
#define SITE_USER         "SELECT " USER_COLUMNS("u") ", u.site_role, u.owner_id, u.disabled_at FROM users u "
#define SITE_USER_RESULTS USER_RESULTS "hNiNt"
static const struct stmt users = {
	.name = "site_users", .params = "iNsNbNbNbi", .results = SITE_USER_RESULTS,
	.text = SITE_USER "WHERE u.id > $1 AND u.erased_at IS NULL AND ($2::text IS NULL OR (u.username_key >= lower($2) AND u.username_key < lower($2) || chr(1114111))) "
	        "AND ($3::boolean IS NULL OR (u.disabled_at IS NOT NULL) = $3) AND ($4::boolean IS NULL OR u.bot = $4) "
	        "AND ($5::boolean IS NULL OR (u.site_role > 0) = $5) ORDER BY u.id LIMIT $6",
};
static const struct stmt one_user = {
	.name = "site_user", .params = "i", .results = SITE_USER_RESULTS, .text = SITE_USER "WHERE u.id = $1",
};
static const struct stmt disable = {
	.name = "site_disable", .params = "iibj", .results = "b", .writes = true,
	.text = "SELECT site_disable($1, $2, $3, $4, NULL)",
};
static const struct stmt rows_of = {
	.name = "audit_list", .params = "NsNsNsNiNii", .results = "itNisNiNsNsNssNsNsNj",
	.text = "SELECT a.id, a.at, a.actor_id, a.actor, a.access_token, a.target_kind, a.target_id, a.target, a.act, a.address, a.request_id, "
	        "a.detail FROM audit a WHERE ($1::text IS NULL OR a.act = $1) AND ($2::text IS NULL OR a.target_kind = $2) "
	        "AND ($3::text IS NULL OR a.target_id = $3) AND ($4::bigint IS NULL OR a.actor_id = $4) "
	        "AND a.id < coalesce($5, 9223372036854775807) ORDER BY a.id DESC LIMIT $6",
};
static const struct stmt add = {
	.name = "audit_add", .params = "ssNsNj", .results = "i", .writes = true,
	.text = "INSERT INTO audit (actor, act, target_kind, target_id, target, detail) "
	        "SELECT $1, $2, CASE WHEN u.id IS NOT NULL THEN 'user' END, u.id::text, $3, $4 "
	        "FROM (SELECT) x LEFT JOIN users u ON u.username_key = lower($3) RETURNING id",
};
/* clang-format on */

const struct stmt *const moderation_statements[] = { &get_role, &set_role, &make,    &list,    &get, &act, &forget,
	                                             &users,    &one_user, &disable, &rows_of, &add, NULL };

int
site_role_get(struct db *db, struct arena *arena, int64_t user_id, enum site_role *ret, bool *ret_by_password)
{
	struct rows *rows;
	int r = need_row(db, arena, &get_role, ARGS(A_INT(user_id)), &rows);

	if (r)
		return trace(r);
	*ret = (enum site_role)rows_int(rows, 0, 0);
	*ret_by_password = rows_int(rows, 0, 1);
	return 0;
}

int
site_role_set(struct db *db, struct arena *arena, struct str username, enum site_role role)
{
	struct rows *rows;
	int r = db_run(db, arena, &set_role, ARGS(A_STR(username), A_INT(role)), &rows);

	if (r)
		return trace(r);
	return rows_n(rows) ? 0 : NOT_FOUND;
}

int
report_make(struct db *db, struct arena *arena, int64_t me, const struct report_new *in, int64_t *ret_id, bool *ret_created)
{
	struct rows *rows;
	int r = db_run(db, arena, &make,
	               ARGS(A_INT(me), A_ID_OR_NULL(in->conversation_id), A_ID_OR_NULL(in->seq), A_ID_OR_NULL(in->user_id),
	                    A_STR(in->reason), A_STR(in->note), A_INT(in->most)),
	               &rows);

	if (r)
		return trace(r);
	*ret_id = rows_int(rows, 0, 0);
	*ret_created = rows_int(rows, 0, 1);
	return 0;
}

static void
read_report(const struct rows *rows, size_t row, struct report *ret)
{
	*ret = (struct report){
		.id = rows_int(rows, row, 0),
		.conversation_id = rows_int(rows, row, 1),
		.seq = rows_int(rows, row, 2),
		.reason = rows_str(rows, row, 3),
		.note = rows_str(rows, row, 4),
		.copy_json = rows_str(rows, row, 5),
		.state = rows_str(rows, row, 6),
		.moderator_note = rows_str(rows, row, 7),
		.action = rows_str(rows, row, 8),
		.attachments_json = rows_str(rows, row, 9),
		.gone = rows_int(rows, row, 10),
		.target_disabled = rows_int(rows, row, 11),
		.created_at = rows_int(rows, row, 12),
		.handled_at = rows_int(rows, row, 13),
	};
	read_user(rows, row, REPORT_N, &ret->reporter);
	read_user(rows, row, REPORT_N + USER_N, &ret->target);
	read_user(rows, row, REPORT_N + 2 * USER_N, &ret->handler);
}

int
report_list(struct db *db, struct arena *arena, const struct report_filter *f, int64_t limit, struct report **ret,
            size_t *ret_n)
{
	struct report *reports;
	struct rows *rows;
	int r = db_run(
	        db, arena, &list,
	        ARGS(A_STR(f->state), A_STR(f->reason), A_ID_OR_NULL(f->target_id), A_ID_OR_NULL(f->before), A_INT(limit)),
	        &rows);

	if (r)
		return trace(r);
	reports = arena_alloc_array(arena, rows_n(rows) + 1, sizeof(*reports));
	for (size_t i = 0; i < rows_n(rows); i++)
		read_report(rows, i, &reports[i]);
	*ret = reports;
	*ret_n = rows_n(rows);
	return 0;
}

int
report_get(struct db *db, struct arena *arena, int64_t id, struct report *ret)
{
	struct rows *rows;
	int r = need_row(db, arena, &get, ARGS(A_INT(id)), &rows);

	if (r)
		return trace(r);
	read_report(rows, 0, ret);
	return 0;
}

int
report_act(struct db *db, struct arena *arena, int64_t me, int64_t id, struct str changes_json, struct str from_json,
           struct report_acted *ret)
{
	struct rows *rows;
	int r = db_run(db, arena, &act, ARGS(A_INT(me), A_INT(id), A_STR(changes_json), A_STR(from_json)), &rows);

	if (r)
		return trace(r);
	*ret = (struct report_acted){
		.conversation_id = rows_int(rows, 0, 0),
		.position = rows_int(rows, 0, 1),
		.events = (size_t)rows_int(rows, 0, 2),
		.removed_json = rows_str(rows, 0, 3),
	};
	return 0;
}

int
report_forget(struct db *db, struct arena *arena, int64_t days, int64_t limit, int64_t *ret_removed)
{
	struct rows *rows;
	int r = db_run(db, arena, &forget, ARGS(A_INT(days), A_INT(limit)), &rows);

	if (r)
		return trace(r);
	*ret_removed = rows_int(rows, 0, 0);
	return 0;
}

static void
read_site_user(const struct rows *rows, size_t row, struct site_user *ret)
{
	read_user(rows, row, 0, &ret->user);
	ret->role = (enum site_role)rows_int(rows, row, USER_N);
	ret->owner_id = rows_int(rows, row, USER_N + 1);
	ret->disabled_at = rows_int(rows, row, USER_N + 2);
}

#define A_BOOL(b) ((struct arg){ .i = (b).v, .null = !(b).set })

int
site_users(struct db *db, struct arena *arena, const struct site_filter *f, int64_t limit, struct site_user **ret,
           size_t *ret_n)
{
	struct site_user *found;
	struct rows *rows;
	int r = db_run(db, arena, &users,
	               ARGS(A_INT(f->after), A_STR(f->prefix), A_BOOL(f->disabled), A_BOOL(f->bots), A_BOOL(f->staff),
	                    A_INT(limit)),
	               &rows);

	if (r)
		return trace(r);
	found = arena_alloc_array(arena, rows_n(rows) + 1, sizeof(*found));
	for (size_t i = 0; i < rows_n(rows); i++)
		read_site_user(rows, i, &found[i]);
	*ret = found;
	*ret_n = rows_n(rows);
	return 0;
}

int
site_disable(struct db *db, struct arena *arena, int64_t me, int64_t user_id, bool disabled, struct str from_json,
             struct site_user *ret)
{
	struct rows *rows;
	int r = db_run(db, arena, &disable, ARGS(A_INT(me), A_INT(user_id), A_INT(disabled), A_STR(from_json)), &rows);

	if (!r)
		r = db_run(db, arena, &one_user, ARGS(A_INT(user_id)), &rows);
	if (r)
		return trace(r);
	if (!rows_n(rows))
		return NOT_FOUND;
	read_site_user(rows, 0, ret);
	return 0;
}

int
audit_list(struct db *db, struct arena *arena, const struct audit_filter *f, int64_t limit, struct audit_row **ret,
           size_t *ret_n)
{
	struct audit_row *found;
	struct rows *rows;
	int r = db_run(db, arena, &rows_of,
	               ARGS(A_STR(f->act), A_STR(f->target_kind), A_STR(f->target_id), A_ID_OR_NULL(f->actor_id),
	                    A_ID_OR_NULL(f->before), A_INT(limit)),
	               &rows);

	if (r)
		return trace(r);
	found = arena_alloc_array(arena, rows_n(rows) + 1, sizeof(*found));
	for (size_t i = 0; i < rows_n(rows); i++)
		found[i] = (struct audit_row){
			.id = rows_int(rows, i, 0),
			.at = rows_int(rows, i, 1),
			.actor_id = rows_int(rows, i, 2),
			.actor = rows_str(rows, i, 3),
			.access_token = rows_int(rows, i, 4),
			.target_kind = rows_str(rows, i, 5),
			.target_id = rows_str(rows, i, 6),
			.target = rows_str(rows, i, 7),
			.act = rows_str(rows, i, 8),
			.address = rows_str(rows, i, 9),
			.request_id = rows_str(rows, i, 10),
			.detail_json = rows_str(rows, i, 11),
		};
	*ret = found;
	*ret_n = rows_n(rows);
	return 0;
}

int
audit_add(struct db *db, struct arena *arena, struct str actor, struct str act_word, struct str target,
          struct str detail_json)
{
	struct rows *rows;

	return db_run(db, arena, &add, ARGS(A_STR(actor), A_STR(act_word), A_STR(target), A_STR(detail_json)), &rows);
}
