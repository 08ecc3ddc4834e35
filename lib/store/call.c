/*
 * call -- calls that go on, as their signals tell, and the record that one leaves when it ends.
 */
#include "call.h"

/* clang-format off */
static const struct stmt signal_one = {
	.name = "call_signal", .params = "iissbNsNi", .results = "NiNi", .writes = true,
	.text = "SELECT o_seq, o_rev FROM call_signal($1, $2, $3, $4, $5, $6, $7)",
};
static const struct stmt known = {
	.name = "call_known", .params = "is", .results = "n",
	.text = "SELECT 1 FROM call WHERE conversation_id = $1 AND call_id = $2",
};
static const struct stmt hold = {
	.name = "call_hold", .params = "i", .results = "b", .writes = true,
	.text = "SELECT kind = 1 FROM conversation WHERE id = $1 FOR NO KEY UPDATE",
};
static const struct stmt theirs = {
	.name = "call_theirs", .params = "ii", .results = "n",
	.text = "SELECT 1 FROM call WHERE conversation_id = $2 AND caller_id <> $1 AND ended_at IS NULL AND answered_at IS NULL "
	        "AND started_at > now() - interval '10 seconds'",
};
static const struct stmt ours = {
	.name = "call_ours", .params = "iis", .results = "n",
	.text = "SELECT 1 FROM call c JOIN member m ON m.conversation_id = c.conversation_id "
	        "WHERE m.user_id = $1 AND c.conversation_id = $2 AND c.call_id = $3 AND NOT m.hidden",
};
static const struct stmt list = {
	.name = "call_list", .params = "isi", .results = "isbiiI",
	.text = "SELECT c.conversation_id, c.call_id, c.answered_at IS NOT NULL, "
	        "(extract(epoch FROM now() - c.started_at) * 1000000)::bigint, "
	        "coalesce((extract(epoch FROM now() - c.gone_at) * 1000000)::bigint, -1), "
	        "ARRAY(SELECT m.user_id FROM member m WHERE m.conversation_id = c.conversation_id AND m.user_id = ANY (c.parties) "
	        "      AND NOT (v.kind = 1 AND v.direct_low <> v.direct_high AND blocked(v.direct_low, v.direct_high))) "
	        "FROM call c JOIN conversation v ON v.id = c.conversation_id "
	        "WHERE c.ended_at IS NULL AND (c.conversation_id, c.call_id) > ($1, $2) ORDER BY c.conversation_id, c.call_id LIMIT $3",
};
static const struct stmt gone = {
	.name = "call_gone", .params = "isb", .results = "", .writes = true,
	.text = "UPDATE call SET gone_at = CASE WHEN $3 THEN now() END WHERE conversation_id = $1 AND call_id = $2 AND ended_at IS NULL",
};
static const struct stmt end_one = {
	.name = "call_end", .params = "iss", .results = "NiNi", .writes = true,
	.text = "SELECT e.o_seq, e.o_rev FROM call c, call_end(c.conversation_id, c.call_id, $3, coalesce(c.gone_at, now())) e "
	        "WHERE c.conversation_id = $1 AND c.call_id = $2",
};
static const struct stmt forget = {
	.name = "call_forget", .params = "i", .results = "i", .writes = true,
	.text = "WITH gone AS (DELETE FROM call c USING (SELECT o.conversation_id, o.call_id FROM call o "
	        "WHERE o.ended_at < now() - interval '1 day' ORDER BY o.ended_at LIMIT $1) AS old "
	        "WHERE c.conversation_id = old.conversation_id AND c.call_id = old.call_id RETURNING 1) SELECT count(*) FROM gone",
};
/* clang-format on */

const struct stmt *const call_statements[] = { &signal_one, &known, &hold,    &theirs, &ours,
	                                       &list,       &gone,  &end_one, &forget, NULL };

static struct call_record
record(const struct rows *rows)
{
	return rows_n(rows) ? (struct call_record){ rows_int(rows, 0, 0), rows_int(rows, 0, 1) } : (struct call_record){ 0 };
}

static int
signal_now(struct db *db, struct arena *arena, int64_t me, int64_t conversation_id, const struct call_signal *in,
           struct call_record *ret)
{
	struct rows *rows;
	int r = db_run(db, arena, &signal_one,
	               ARGS(A_INT(me), A_INT(conversation_id), A_STR(in->call_id), A_STR(in->kind), A_INT(in->video),
	                    A_STR(in->reason), A_ID_OR_NULL(in->to)),
	               &rows);

	if (r)
		return trace(r);
	*ret = record(rows);
	return 0;
}

/* In a direct conversation: is the other side beginning a call at this moment? The lock decides who was first. */
static int
glare(struct db *db, struct arena *arena, int64_t me, int64_t conversation_id)
{
	struct rows *rows;
	int r = db_run(db, arena, &hold, ARGS(A_INT(conversation_id)), &rows);

	if (r || !rows_n(rows) || !rows_int(rows, 0, 0))
		return r ? trace(r) : 0;
	r = db_run(db, arena, &theirs, ARGS(A_INT(me), A_INT(conversation_id)), &rows);
	if (r)
		return trace(r);
	return rows_n(rows) ? CONFLICT : 0;
}

/* The conversation is locked before the call exists and never after, since who ends a call has its row first. */
static int
begin_one(struct db *db, struct arena *arena, int64_t me, int64_t conversation_id, const struct call_signal *in,
          struct call_record *ret)
{
	int r = db_begin(db, arena);

	if (!r)
		r = glare(db, arena, me, conversation_id);
	if (!r)
		r = signal_now(db, arena, me, conversation_id, in, ret);
	if (!r)
		r = db_commit(db, arena);
	if (!r)
		return 0;
	db_rollback(db, arena);
	return trace(r);
}

int
call_signal(struct db *db, struct arena *arena, int64_t me, int64_t conversation_id, const struct call_signal *in,
            struct call_record *ret)
{
	struct rows *rows;
	int r;

	if (!str_eq(in->kind, STR("offer")))
		return signal_now(db, arena, me, conversation_id, in, ret);
	r = db_run(db, arena, &known, ARGS(A_INT(conversation_id), A_STR(in->call_id)), &rows);
	if (r)
		return trace(r);
	return rows_n(rows) ? signal_now(db, arena, me, conversation_id, in, ret)
	                    : begin_one(db, arena, me, conversation_id, in, ret);
}

int
call_ours(struct db *db, struct arena *arena, int64_t me, int64_t conversation_id, struct str call_id)
{
	struct rows *rows;
	int r = db_run(db, arena, &ours, ARGS(A_INT(me), A_INT(conversation_id), A_STR(call_id)), &rows);

	if (r)
		return trace(r);
	return rows_n(rows) ? CONFLICT : 0;
}

int
call_list(struct db *db, struct arena *arena, int64_t after_conversation, struct str after_call, int64_t limit,
          struct call_going_on **ret, size_t *ret_n)
{
	struct call_going_on *all;
	struct rows *rows;
	int r = db_run(db, arena, &list,
	               ARGS(A_INT(after_conversation), A_STR(str_present(after_call) ? after_call : STR("")), A_INT(limit)),
	               &rows);

	if (r)
		return trace(r);
	*ret_n = rows_n(rows);
	all = arena_alloc_array(arena, *ret_n + 1, sizeof(*all));
	for (size_t i = 0; i < *ret_n; i++) {
		all[i] = (struct call_going_on){ .conversation_id = rows_int(rows, i, 0),
			                         .call_id = rows_str(rows, i, 1),
			                         .answered = rows_int(rows, i, 2),
			                         .age_us = rows_int(rows, i, 3),
			                         .gone_us = rows_int(rows, i, 4) };
		all[i].parties = rows_ids(rows, arena, i, 5, &all[i].n);
	}
	*ret = all;
	return 0;
}

int
call_gone(struct db *db, struct arena *arena, const struct call_going_on *call, bool is_gone)
{
	struct rows *rows;
	int r = db_run(db, arena, &gone, ARGS(A_INT(call->conversation_id), A_STR(call->call_id), A_INT(is_gone)), &rows);

	return r ? trace(r) : 0;
}

int
call_end(struct db *db, struct arena *arena, const struct call_going_on *call, struct str outcome, struct call_record *ret)
{
	struct rows *rows;
	int r = db_run(db, arena, &end_one, ARGS(A_INT(call->conversation_id), A_STR(call->call_id), A_STR(outcome)), &rows);

	if (r)
		return trace(r);
	*ret = record(rows);
	return 0;
}

int
call_forget(struct db *db, struct arena *arena, int64_t limit, int64_t *ret_removed)
{
	struct rows *rows;
	int r = db_run(db, arena, &forget, ARGS(A_INT(limit)), &rows);

	if (r)
		return trace(r);
	*ret_removed = rows_int(rows, 0, 0);
	return 0;
}
