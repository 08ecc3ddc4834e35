/*
 * notify -- statements of notifications.
 */
#include "notify.h"

#include "read.h"

/* clang-format off */
static const struct stmt add = {
	.name = "notify_register", .params = "iuhsNyNyNsNsi", .results = "NiNb", .writes = true,
	.text = "SELECT o_id, o_created FROM push_register($1, $2, $3, $4, $5, $6, $7, $8, $9)",
};
static const struct stmt take_away = {
	.name = "notify_remove", .params = "ii", .results = "i", .writes = true,
	.text = "DELETE FROM push_target t WHERE t.user_id = $1 AND t.id = $2 AND t.channel = 1 RETURNING t.id",
};
static const struct stmt forget_token = {
	.name = "notify_forget_token", .params = "is", .results = "i", .writes = true,
	.text = "DELETE FROM push_target t WHERE t.user_id = $1 AND t.channel = 2 AND t.address = $2 RETURNING t.id",
};
static const struct stmt follow = {
	.name = "notify_follow", .params = "ii", .results = "NbNbNi", .writes = true,
	.text = "SELECT o_any, o_more, o_next FROM push_follow($1, $2)",
};
/*
 * $1 limit, $2 seconds that anything is worth telling. t: a target whose session lives. c: the conversation as its person sees it; g: the newest
 * message that they have not read, were not told of and want to be told of; s: what they were told last still stands unread.
 */
#define HIDDEN_FOR(user, x) \
	"EXISTS (SELECT FROM message_mine z WHERE z.user_id = " user " AND z.conversation_id = " x ".conversation_id AND z.seq = " x ".seq " \
	"AND z.hidden_at IS NOT NULL)"
static const struct stmt due = {
	.name = "notify_due", .params = "ii", .results = "iiiniihsNyNyNsiNiNtNtNhNbNbNiNsNsNs",
	.text = "SELECT p.target_id, p.conversation_id, p.version, p.attempts, t.user_id, p.shown_seq, t.channel, t.address, t.p256dh, "
	        " t.auth, t.key_id, CASE WHEN g.seq IS NOT NULL THEN 1 WHEN p.shown_seq > 0 AND s.seq IS NULL "
	        "  AND p.since > now() - $2 * interval '1 second' THEN 2 ELSE 3 END::bigint, "
	        " g.seq, g.created_at, g.expires_at, g.kind, c.kind = 1, g.mentioned, g.sender_id, a.display_name, c.name, left(g.content, 200) "
	        "FROM (SELECT x.* FROM push_due x WHERE x.due_at <= now() ORDER BY x.due_at LIMIT $1) p "
	        "JOIN push_target t ON t.id = p.target_id "
	        "LEFT JOIN LATERAL (SELECT m.*, v.kind, v.name, first_visible(v.history_all, v.first_seq, m.joined_seq) AS floor, "
	        "  m.notify <> 3 AND (m.muted_until IS NULL OR m.muted_until <= now()) AS wanted "
	        "  FROM member m JOIN conversation v ON v.id = m.conversation_id JOIN users u ON u.id = m.user_id "
	        "  WHERE m.user_id = t.user_id AND m.conversation_id = p.conversation_id AND NOT m.hidden AND u.disabled_at IS NULL "
	        "  AND CASE WHEN t.issued THEN t.registered_at > now() - interval '30 days' "
	        "   ELSE EXISTS (SELECT FROM session e WHERE e.id = t.session_id AND e.ended_at IS NULL AND e.expires_at > now()) END LIMIT 1) c ON true "
	        "LEFT JOIN LATERAL (SELECT x.*, x.mentions @> jsonb_build_array(jsonb_build_object('user_id', t.user_id::text)) AS mentioned "
	        "  FROM (SELECT y.* FROM message y WHERE y.conversation_id = c.conversation_id AND y.seq <= p.seq "
	        "   AND y.seq >= greatest(c.floor, c.read_seq + 1, p.shown_seq + 1) AND c.wanted ORDER BY y.seq DESC LIMIT 50) x "
	        "  WHERE x.sender_id <> t.user_id AND x.kind <> 9 AND x.deleted_at IS NULL AND " LIVES("x") " "
	        "  AND x.created_at > now() - $2 * interval '1 second' "
	        "  AND (c.notify = 1 OR x.mentions @> jsonb_build_array(jsonb_build_object('user_id', t.user_id::text))) "
	        "  AND NOT (c.hides AND " HIDDEN_FOR("t.user_id", "x") ") AND NOT blocked(t.user_id, x.sender_id) "
	        "  ORDER BY x.seq DESC LIMIT 1) g ON true "
	        "LEFT JOIN users a ON a.id = g.sender_id "
	        "LEFT JOIN LATERAL (SELECT x.seq FROM message x WHERE x.conversation_id = c.conversation_id AND x.seq = p.shown_seq "
	        "  AND x.seq >= c.floor AND x.seq > c.read_seq AND x.deleted_at IS NULL AND " LIVES("x") " "
	        "  AND NOT (c.hides AND " HIDDEN_FOR("t.user_id", "x") ") LIMIT 1) s ON true "
	        "ORDER BY p.due_at",
};
static const struct stmt done = {
	.name = "notify_done", .params = "IIIIII", .results = "", .writes = true,
	.text = "SELECT FROM push_done($1, $2, $3, $4, $5, $6)",
};
static const struct stmt clean = {
	.name = "notify_clean", .params = "Ns", .results = "i", .writes = true,
	.text = "WITH gone AS (DELETE FROM push_target t WHERE (t.issued AND t.registered_at < now() - interval '30 days') OR t.key_id <> $1 RETURNING 1) "
	        "SELECT count(*) FROM gone",
};
/* clang-format on */

const struct stmt *const notify_statements[] = { &add, &take_away, &forget_token, &follow, &due, &done, &clean, NULL };

int
notify_register(struct db *db, struct arena *arena, int64_t me, struct str session, const struct notify_target *t,
                int64_t most, int64_t *ret_id, bool *ret_created)
{
	const struct arg args[] = { A_INT(me),         A_STR(session),     A_INT(t->channel),
		                    A_STR(t->address), A_STR(t->p256dh),   A_STR(t->auth),
		                    A_STR(t->key_id),  A_STR(t->platform), A_INT(most) };
	struct rows *rows;
	int r = db_run(db, arena, &add, args, &rows);

	if (r)
		return trace(r);
	if (rows_null(rows, 0, 0))
		return UNAUTHENTICATED;
	*ret_id = rows_int(rows, 0, 0);
	*ret_created = rows_int(rows, 0, 1);
	return 0;
}

int
notify_remove(struct db *db, struct arena *arena, int64_t me, int64_t id)
{
	struct rows *rows;
	int r = db_run(db, arena, &take_away, ARGS(A_INT(me), A_INT(id)), &rows);

	if (r)
		return trace(r);
	return rows_n(rows) ? 0 : NOT_FOUND;
}

int
notify_forget_token(struct db *db, struct arena *arena, int64_t me, struct str token)
{
	struct rows *rows;

	return trace(db_run(db, arena, &forget_token, ARGS(A_INT(me), A_STR(token)), &rows));
}

int
notify_follow(struct db *db, struct arena *arena, int64_t limit, int64_t ttl_seconds, struct notify_news *ret)
{
	struct rows *rows;
	int r = db_run(db, arena, &follow, ARGS(A_INT(limit), A_INT(ttl_seconds)), &rows);

	if (r)
		return trace(r);
	*ret = (struct notify_news){ .any = rows_int(rows, 0, 0),
		                     .more = rows_int(rows, 0, 1),
		                     .next_us = rows_null(rows, 0, 2) ? INT64_MAX : rows_int(rows, 0, 2) };
	return 0;
}

static void
read_due(const struct rows *rows, size_t row, struct notify_due *ret)
{
	*ret = (struct notify_due){ .target_id = rows_int(rows, row, 0),
		                    .conversation_id = rows_int(rows, row, 1),
		                    .version = rows_int(rows, row, 2),
		                    .attempts = rows_int(rows, row, 3),
		                    .user_id = rows_int(rows, row, 4),
		                    .shown_seq = rows_int(rows, row, 5),
		                    .target = { .channel = (enum notify_channel)rows_int(rows, row, 6),
		                                .address = rows_str(rows, row, 7),
		                                .p256dh = rows_str(rows, row, 8),
		                                .auth = rows_str(rows, row, 9),
		                                .key_id = rows_str(rows, row, 10) },
		                    .action = (enum notify_action)rows_int(rows, row, 11),
		                    .seq = rows_int(rows, row, 12),
		                    .created_at = rows_int(rows, row, 13),
		                    .expires_at = rows_int(rows, row, 14),
		                    .kind = (enum message_kind)rows_int(rows, row, 15),
		                    .direct = rows_int(rows, row, 16),
		                    .mentions_me = rows_int(rows, row, 17),
		                    .sender_id = rows_int(rows, row, 18),
		                    .sender_name = rows_str(rows, row, 19),
		                    .conversation_name = rows_str(rows, row, 20),
		                    .text = rows_str(rows, row, 21) };
}

int
notify_due(struct db *db, struct arena *arena, int64_t limit, int64_t ttl_seconds, struct notify_due **ret, size_t *ret_n)
{
	struct notify_due *found;
	struct rows *rows;
	int r = db_run(db, arena, &due, ARGS(A_INT(limit), A_INT(ttl_seconds)), &rows);

	if (r)
		return trace(r);
	found = arena_alloc_array(arena, rows_n(rows) + 1, sizeof(*found));
	for (size_t i = 0; i < rows_n(rows); i++)
		read_due(rows, i, &found[i]);
	*ret = found;
	*ret_n = rows_n(rows);
	return 0;
}

int
notify_done(struct db *db, struct arena *arena, const struct notify_done *list, size_t n)
{
	int64_t *columns[6];
	struct rows *rows;

	if (!n)
		return 0;
	for (size_t c = 0; c < 6; c++)
		columns[c] = arena_alloc_array(arena, n, sizeof(**columns));
	for (size_t i = 0; i < n; i++) {
		columns[0][i] = list[i].target_id;
		columns[1][i] = list[i].conversation_id;
		columns[2][i] = list[i].version;
		columns[3][i] = list[i].outcome;
		columns[4][i] = list[i].seq;
		columns[5][i] = list[i].again;
	}
	return trace(db_run(db, arena, &done,
	                    ARGS(A_IDS(columns[0], n), A_IDS(columns[1], n), A_IDS(columns[2], n), A_IDS(columns[3], n),
	                         A_IDS(columns[4], n), A_IDS(columns[5], n)),
	                    &rows));
}

int
notify_clean(struct db *db, struct arena *arena, struct str key_id, int64_t *ret_removed)
{
	struct rows *rows;
	int r = db_run(db, arena, &clean, ARGS(A_STR(key_id)), &rows);

	if (r)
		return trace(r);
	*ret_removed = rows_int(rows, 0, 0);
	return 0;
}
