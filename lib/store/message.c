/*
 * message -- sending and reading messages.
 */
#include "message.h"
#include "../base/fail.h"
#include "read.h"

/* clang-format off */
static const struct stmt send = {
	.name = "message_send", .params = "iisyNhNsNjNiNjNjNiNiNib", .results = "bNiNiNtNbNINiNsNjNhNsNjNjNt", .writes = true,
	.text = "SELECT o_replayed, o_seq, o_rev, o_at, o_first, o_hearers, o_reply_sender, o_reply_excerpt, o_attachments, "
	        "o_kind, o_content, o_extra, o_forward, o_expires_at "
	        "FROM message_send($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
};
/*
 * $3: enum page_from, $4: seq, $5: limit. Up to one visible message more than can be shown is read on either side of `at`: cut()
 * decides where the page begins and ends, and the rest tells that there is more. What belongs to all rows is fetched once, in
 * senders, marks and mine. An empty page is one row without a message.
 */
#define PAGE_SIDE(where, order, most) \
	"(SELECT x.* FROM message x WHERE x.conversation_id = w.id AND x.seq >= w.floor AND " where " AND " SHOWN("x", "w") \
	" ORDER BY x.seq " order " LIMIT " most ")"
static const struct stmt page = {
	.name = "message_page", .params = "iiiii", .results = "iNb" MY_MESSAGE_RESULTS,
	.text = "WITH w AS MATERIALIZED (SELECT c.id, c.user_id, c.hides, c.last_rev, c.floor, CASE $3 WHEN 0 THEN c.last_seq + 1 "
	        "  WHEN 2 THEN least($4, c.last_seq) + 1 ELSE $4 END AS at FROM "
	        MINE("AND m.conversation_id = $2 AND NOT m.hidden") "), "
	        "g AS MATERIALIZED (SELECT y.* FROM w CROSS JOIN LATERAL ("
	        PAGE_SIDE("x.seq < w.at", "DESC", "CASE $3 WHEN 2 THEN 1 ELSE $5 + 1 END") " UNION ALL "
	        PAGE_SIDE("x.seq >= w.at", "", "CASE WHEN $3 < 2 THEN 1 ELSE $5 + 1 END") ") y), "
	        "mine AS MATERIALIZED (SELECT m.* FROM message_mine m WHERE m.user_id = $1 AND m.conversation_id = $2 "
	        "  AND m.seq >= (SELECT min(seq) FROM g) AND m.seq <= (SELECT max(seq) FROM g)), "
	        "senders AS MATERIALIZED (SELECT d.sender_id, o.* FROM (SELECT DISTINCT sender_id FROM g) d CROSS JOIN LATERAL "
	        "  (SELECT m.receipt_seq, m.delivered_seq FROM member m WHERE m.user_id = d.sender_id AND m.conversation_id = $2 "
	        "   LIMIT 1) o), " /* one probe each, however many members there are */
	        MARKS_OF("SELECT $2 AS conversation_id, min(seq) AS low, max(seq) AS high FROM g")
	        "SELECT w.last_rev, g.seq < w.at, " MY_MESSAGE_COLUMNS " FROM w "
	        "LEFT JOIN g ON true "
	        MY_MESSAGE_PARENT("w")
	        "LEFT JOIN senders s ON s.sender_id = g.sender_id "
	        "LEFT JOIN LATERAL (SELECT " MARKS_COUNT("s") " FROM marks a) k ON true "
	        "LEFT JOIN mine mm ON mm.seq = g.seq "
	        "ORDER BY g.seq",
};
static const struct stmt get = {
	.name = "message_get", .params = "iii", .results = MY_MESSAGE_RESULTS,
	.text = "SELECT " MY_MESSAGE_COLUMNS " FROM " MINE("AND m.conversation_id = $2 AND NOT m.hidden")
	        "JOIN message g ON g.conversation_id = c.id AND g.seq = $3 AND g.seq >= c.floor AND " SHOWN("g", "c")
	        MY_MESSAGE_PARENT("c") MESSAGE_MARKS MESSAGE_MINE("$1"),
};
/* clang-format on */

const struct stmt *const message_statements[] = { &send, &page, &get, NULL };

/* What was just sent needs no reading back. */
static void
sent(const struct rows *rows, int64_t me, int64_t conversation_id, const struct message_draft *draft, size_t hearers,
     struct message *ret)
{
	*ret = (struct message){
		.conversation_id = conversation_id,
		.seq = rows_int(rows, 0, 1),
		.version = 1,
		.sender_id = me,
		.client_id = draft->client_id,
		.kind = (enum message_kind)rows_int(rows, 0, 9),
		.content = draft->forward_seq ? rows_str(rows, 0, 10) : draft->content,
		.reply_seq = draft->reply_seq,
		.reply_sender_id = rows_int(rows, 0, 6),
		.reply_excerpt = rows_str(rows, 0, 7),
		.mentions_json = draft->mentions_json,
		.attachments_json = rows_str(rows, 0, 8),
		.extra_json = rows_str(rows, 0, 11),
		.forward_json = rows_str(rows, 0, 12),
		.expires_at = rows_int(rows, 0, 13),
		.created_at = rows_int(rows, 0, 3),
		.member_count = (int64_t)hearers - 1,
	};
}

int
message_send(struct db *db, struct arena *arena, int64_t me, int64_t conversation_id, const struct message_draft *draft,
             struct message_sent *ret)
{
	const struct arg args[] = { A_INT(me),
		                    A_INT(conversation_id),
		                    A_STR(draft->client_id),
		                    A_STR(draft->request_hash),
		                    A_ID_OR_NULL((int64_t)draft->kind),
		                    A_STR(draft->content),
		                    A_STR(draft->mentions_json),
		                    A_ID_OR_NULL(draft->reply_seq),
		                    A_STR(draft->attachments_json),
		                    A_STR(draft->extra_json),
		                    A_ID_OR_NULL(draft->forward_conversation),
		                    A_ID_OR_NULL(draft->forward_seq),
		                    A_ID_OR_NULL(draft->expires_in),
		                    A_INT(draft->silent) };
	struct message_sent result = { 0 };
	struct rows *rows;
	int r;

	FAILPOINT("send.before_statement");
	r = db_run(db, arena, &send, args, &rows);
	if (r)
		return trace(r);
	result.replayed = rows_int(rows, 0, 0);
	if (result.replayed) {
		r = message_get(db, arena, me, conversation_id, rows_int(rows, 0, 1), &result.message);
		if (r)
			return trace(r);
	} else {
		result.advance = (struct advance){ .seq = rows_int(rows, 0, 1),
			                           .rev = rows_int(rows, 0, 2),
			                           .at = rows_int(rows, 0, 3) };
		result.first = rows_int(rows, 0, 4);
		result.advance.hearers.ids = rows_ids(rows, arena, 0, 5, &result.advance.hearers.n);
		sent(rows, me, conversation_id, draft, result.advance.hearers.n, &result.message);
	}
	*ret = result;
	return 0;
}

static int64_t
smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/*
 * Of `older` and `newer` rows around a place, those that the page shows: *first of the older ones are left out, and *n rows shown. Around
 * a place half of the page lies before it, or more where there is too little after it.
 */
static void
cut(enum page_from from, int64_t limit, int64_t older, int64_t newer, struct message_page *ret, size_t *ret_first)
{
	int64_t back = from == PAGE_AFTER ? 0 : limit, forth = from >= PAGE_AFTER ? limit : 0;
	int64_t after = smaller(smaller(newer, forth), limit - smaller(smaller(older, back), limit / 2));
	int64_t before = smaller(smaller(older, back), limit - after);

	ret->has_before = older > before;
	ret->has_after = newer > after;
	ret->n = (size_t)(before + after);
	*ret_first = (size_t)(older - before);
}

int
message_page(struct db *db, struct arena *arena, int64_t me, int64_t conversation_id, enum page_from from, int64_t seq,
             int64_t limit, struct message_page *ret)
{
	const struct arg args[] = { A_INT(me), A_INT(conversation_id), A_INT((int64_t)from), A_INT(seq), A_INT(limit) };
	struct message_page result = { 0 };
	size_t older = 0, n, first;
	struct rows *rows;
	int r = need_row(db, arena, &page, args, &rows);

	if (r)
		return trace(r);
	n = rows_null(rows, 0, 1) ? 0 : rows_n(rows);
	while (older < n && rows_int(rows, older, 1))
		older++;
	cut(from, limit, (int64_t)older, (int64_t)(n - older), &result, &first);
	result.as_of_rev = rows_int(rows, 0, 0);
	result.messages = arena_alloc_array(arena, result.n + 1, sizeof(*result.messages));
	for (size_t i = 0; i < result.n; i++)
		read_my_message(rows, first + i, 2, &result.messages[i]);
	*ret = result;
	return 0;
}

int
message_get(struct db *db, struct arena *arena, int64_t me, int64_t conversation_id, int64_t seq, struct message *ret)
{
	struct rows *rows;
	int r = need_row(db, arena, &get, ARGS(A_INT(me), A_INT(conversation_id), A_INT(seq)), &rows);

	if (r)
		return trace(r);
	read_my_message(rows, 0, 0, ret);
	return 0;
}
