/*
 * upkeep -- what peal-jobs needs besides the log.
 */
#include "read.h"
#include "upkeep.h"

#include "log_place.h"

/* clang-format off */
static const struct stmt lead = {
	.name = "upkeep_lead", .params = "", .results = "b",
	.text = "SELECT pg_try_advisory_lock(hashtextextended('peal-jobs leader', 0))",
};
static const struct stmt begin = {
	.name = "upkeep_begin", .params = "", .results = "i",
	.text = "SELECT least(pg_snapshot_xmin(pg_current_snapshot()), "
	        " (SELECT min(xid) FROM (SELECT xid FROM event ORDER BY xid DESC LIMIT 1000) c), "
	        " (SELECT min(xid) FROM (SELECT xid FROM user_event ORDER BY xid DESC LIMIT 1000) u))::text::bigint",
};
/* $1 from, $2 age in ms. Run before `streams`: what is below the answer is committed and old enough for it. */
static const struct stmt next = {
	.name = "upkeep_next", .params = "ii", .results = "i",
	.text = "SELECT least(pg_snapshot_xmin(pg_current_snapshot()), "
	        " (SELECT min(xid) FROM event WHERE xid >= $1::text::xid8 AND at > now() - $2 * interval '1 millisecond'), "
	        " (SELECT min(xid) FROM user_event WHERE xid >= $1::text::xid8 AND at > now() - $2 * interval '1 "
	        "millisecond'))::text::bigint",
};
static const struct stmt streams = {
	.name = "upkeep_streams", .params = "ii", .results = "sii",
	.text = "SELECT 'c', conversation_id, max(position) FROM event WHERE xid >= $1::text::xid8 AND at <= now() - "
	        "$2 * interval '1 millisecond' "
	        "GROUP BY conversation_id UNION ALL "
	        "SELECT 'u', user_id, max(user_rev) FROM user_event WHERE xid >= $1::text::xid8 AND at <= now() - $2 "
	        "* interval '1 millisecond' "
	        "GROUP BY user_id",
};
static const struct stmt epoch = {
	.name = "upkeep_epoch", .params = "", .results = "s",
	.text = "SELECT log_epoch()",
};
static const struct stmt make_partitions = {
	.name = "upkeep_make_partitions", .params = "", .results = "n", .writes = true,
	.text = "SELECT event_partitions((now() AT TIME ZONE 'UTC')::date, 8)",
};
static const struct stmt drop_partitions = {
	.name = "upkeep_drop_partitions", .params = "i", .results = "n", .writes = true,
	.text = "SELECT event_drop_before((now() AT TIME ZONE 'UTC')::date - $1::integer)",
};
static const struct stmt sessions = {
	.name = "upkeep_sessions", .params = "i", .results = "i", .writes = true,
	.text = "WITH over AS (DELETE FROM revocation WHERE at < now() - $1 * interval '1 second'), "
	        "old AS (SELECT id FROM session WHERE CASE WHEN issuer IS NULL THEN least(ended_at, expires_at) < now() - "
	        "interval '30 days' ELSE expires_at < now() - interval '1 day' END LIMIT 1000), "
	        "spent AS (DELETE FROM challenge_used WHERE expires_at < now()), "
	        "gone AS (DELETE FROM session s USING old o WHERE s.id = o.id RETURNING 1) SELECT count(*) FROM gone",
};
static const struct stmt keys = {
	.name = "upkeep_keys", .params = "i", .results = "iii", .writes = true,
	.text = "SELECT o_advances, o_requests, o_keys FROM keys_expire($1)",
};
static const struct stmt expire = {
	.name = "upkeep_expire", .params = "ii", .results = "ib", .writes = true,
	.text = "SELECT o_messages, o_more FROM message_expire($1, $2)",
};
static const struct stmt ageing = {
	.name = "upkeep_ageing", .params = "ii", .results = "NiNI",
	.text = "SELECT o_last, o_due FROM conversation_ageing($1, $2)",
};
static const struct stmt age = {
	.name = "upkeep_age", .params = "ii", .results = "iib", .writes = true,
	.text = "SELECT o_stripped, o_removed, o_more FROM conversation_age($1, $2)",
};
/* $1 notifications older than so many seconds are not told any more. Places in the log move with what is looked for there, and not with all else. */
#define WAITED(at) "coalesce(greatest(extract(epoch FROM now() - (" at "))::bigint, 0), 0)"
#define FIRST_EVENT(place, which) \
	"SELECT e.at FROM event e WHERE e.xid >= (SELECT s.xid FROM " place " s) AND e.kind IN (" which ") "
static const struct stmt waiting = {
	.name = "upkeep_waiting", .params = "i", .results = "iiiii",
	.text = "SELECT " WAITED(FIRST_EVENT("search_state", "1, 4") "ORDER BY e.xid LIMIT 1") ", "
	        WAITED("SELECT least((SELECT min(d.due_at) FROM push_due d WHERE d.due_at <= now()), "
	               "CASE WHEN EXISTS (SELECT FROM push_target) THEN ("
	               FIRST_EVENT("push_state", "1, 3") "AND e.at >= now() - $1 * interval '1 second' ORDER BY e.xid LIMIT 1) END)") ", "
	        WAITED("SELECT min(m.send_at) FROM scheduled_message m WHERE m.send_at <= now() AND m.failed_at IS NULL") ", "
	        WAITED("SELECT min(e.asked_at) FROM erasure e") ", "
	        WAITED("SELECT min(x.created_at) FROM export x WHERE x.state IN (1, 2)"),
};
/* clang-format on */

const struct stmt *const upkeep_statements[] = {
	&lead,     &begin, &next,   &streams, &epoch, &make_partitions, &drop_partitions,
	&sessions, &keys,  &expire, &ageing,  &age,   &waiting,         NULL
};

static int
one_number(struct db *db, struct arena *arena, const struct stmt *stmt, const struct arg *args, int64_t *ret)
{
	struct rows *rows;
	int r = db_run(db, arena, stmt, args, &rows);

	if (r)
		return trace(r);
	*ret = rows_int(rows, 0, 0);
	return 0;
}

int
upkeep_lead(struct db *db, struct arena *arena, bool *ret)
{
	int64_t held;
	int r = one_number(db, arena, &lead, ARGS({ 0 }), &held);

	if (!r)
		*ret = held;
	return r;
}

int
upkeep_begin(struct db *db, struct arena *arena, int64_t *ret_xid)
{
	return one_number(db, arena, &begin, ARGS({ 0 }), ret_xid);
}

int
upkeep_streams(struct db *db, struct arena *arena, int64_t xid, int64_t age_ms, struct stream_head **ret, size_t *ret_n,
               int64_t *ret_xid)
{
	struct stream_head *heads;
	struct rows *rows;
	int64_t until;
	int r = one_number(db, arena, &next, ARGS(A_INT(xid), A_INT(age_ms)), &until);

	if (!r)
		r = db_run(db, arena, &streams, ARGS(A_INT(xid), A_INT(age_ms)), &rows);
	if (r)
		return trace(r);
	heads = arena_alloc_array(arena, rows_n(rows) + 1, sizeof(*heads));
	for (size_t i = 0; i < rows_n(rows); i++)
		heads[i] = (struct stream_head){ rows_str(rows, i, 0).p[0], rows_int(rows, i, 1), rows_int(rows, i, 2) };
	*ret = heads;
	*ret_n = rows_n(rows);
	*ret_xid = until;
	return 0;
}

int
upkeep_place(struct db *db, struct arena *arena, int64_t xid, struct str *ret)
{
	struct rows *rows;
	int r = db_run(db, arena, &epoch, ARGS({ 0 }), &rows);

	if (!r)
		*ret = log_place_write(arena, &(struct log_place){ .epoch = rows_str(rows, 0, 0), .xid = xid });
	return r;
}

int
upkeep_partitions(struct db *db, struct arena *arena, int64_t retention_days, int64_t *ret_made, int64_t *ret_dropped)
{
	int r = one_number(db, arena, &make_partitions, ARGS({ 0 }), ret_made);

	return r ? trace(r) : one_number(db, arena, &drop_partitions, ARGS(A_INT(retention_days)), ret_dropped);
}

int
upkeep_sessions(struct db *db, struct arena *arena, int64_t revoked_seconds, int64_t *ret_removed)
{
	return one_number(db, arena, &sessions, ARGS(A_INT(revoked_seconds)), ret_removed);
}

int
upkeep_keys(struct db *db, struct arena *arena, int64_t limit, int64_t *ret_removed, bool *ret_more)
{
	struct rows *rows;
	int r = db_run(db, arena, &keys, ARGS(A_INT(limit)), &rows);

	if (r)
		return trace(r);
	*ret_removed = 0;
	*ret_more = false;
	for (size_t i = 0; i < 3; i++) {
		*ret_removed += rows_int(rows, 0, i);
		*ret_more = *ret_more || rows_int(rows, 0, i) == limit;
	}
	return 0;
}

int
upkeep_expire(struct db *db, struct arena *arena, int64_t grace_ms, int64_t limit, struct upkeep_gone *ret)
{
	struct rows *rows;
	int r = db_run(db, arena, &expire, ARGS(A_INT(grace_ms), A_INT(limit)), &rows);

	if (r)
		return trace(r);
	*ret = (struct upkeep_gone){ .emptied = rows_int(rows, 0, 0), .more = rows_int(rows, 0, 1) };
	return 0;
}

int
upkeep_ageing(struct db *db, struct arena *arena, int64_t *at, int64_t limit, const int64_t **ret, size_t *ret_n)
{
	struct rows *rows;
	int r = db_run(db, arena, &ageing, ARGS(A_INT(*at), A_INT(limit)), &rows);

	if (r)
		return trace(r);
	*at = rows_int(rows, 0, 0);
	*ret = rows_ids(rows, arena, 0, 1, ret_n);
	return 0;
}

int
upkeep_age(struct db *db, struct arena *arena, int64_t conversation_id, int64_t limit, struct upkeep_gone *ret)
{
	struct rows *rows;
	int r = db_run(db, arena, &age, ARGS(A_INT(conversation_id), A_INT(limit)), &rows);

	if (r)
		return trace(r);
	*ret = (struct upkeep_gone){ rows_int(rows, 0, 0), rows_int(rows, 0, 1), rows_int(rows, 0, 2) };
	return 0;
}

int
upkeep_waiting(struct db *db, struct arena *arena, int64_t ttl_seconds, struct upkeep_waiting *ret)
{
	struct rows *rows;
	int r = db_run(db, arena, &waiting, ARGS(A_INT(ttl_seconds)), &rows);

	if (r)
		return trace(r);
	*ret = (struct upkeep_waiting){ rows_int(rows, 0, 0), rows_int(rows, 0, 1), rows_int(rows, 0, 2),
		                        rows_int(rows, 0, 3), rows_int(rows, 0, 4) };
	return 0;
}
