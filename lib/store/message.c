/*
 * message -- sending and reading messages.
 */
#include "message.h"
#include "../base/fail.h"
#include "read.h"

/* clang-format off */
static const struct stmt send = {
	.name = "message_send", .params = "iisyhNsNjNiNj", .results = "biNiNtNbNINiNsNj", .writes = true,
	.text = "SELECT o_replayed, o_seq, o_rev, o_at, o_first, o_hearers, o_reply_sender, o_reply_excerpt, o_attachments "
	        "FROM message_send($1, $2, $3, $4, $5, $6, $7, $8, $9)",
};
/*
 * $3: enum page_from, $4: seq, $5: limit. Messages are dense, so the page is the range lo..hi, known before a row is
 * read, and what lies before and after it is arithmetic. An empty page is one row without a message.
 */
static const struct stmt page = {
	.name = "message_page", .params = "iiiii", .results = "iii" "ii" MESSAGE_RESULTS,
	.text = "WITH w AS (SELECT c.id, c.last_rev, c.floor, c.last_seq, least($4, c.last_seq + 1) AS at "
	        " FROM " MINE("AND m.conversation_id = $2 AND NOT m.hidden") "), "
	        "h AS (SELECT w.*, least(w.last_seq, CASE $3 WHEN 0 THEN w.last_seq WHEN 1 THEN w.at - 1 "
	        "  WHEN 2 THEN greatest(w.at, w.floor - 1) + $5 ELSE greatest(w.at - $5 / 2, w.floor) + $5 - 1 END) "
	        "AS hi FROM w), "
	        "p AS (SELECT h.*, greatest(h.floor, CASE $3 WHEN 2 THEN least(h.at, h.last_seq) + 1 ELSE h.hi - $5 + "
	        "1 END) AS lo FROM h), "
	        "marks AS MATERIALIZED (SELECT count(*) AS n, array_agg(o.receipt_seq ORDER BY o.receipt_seq) AS receipts, "
	        "  array_agg(o.delivered_seq ORDER BY o.delivered_seq) AS delivereds FROM member o WHERE "
	        "o.conversation_id = $2) "
	        "SELECT p.last_rev, p.floor, p.last_seq, p.lo, p.hi, " MESSAGE_COLUMNS " FROM p "
	        "LEFT JOIN message g ON g.conversation_id = p.id AND g.seq BETWEEN p.lo AND p.hi "
	        MESSAGE_PARENT("p.floor")
	        "LEFT JOIN member s ON s.user_id = g.sender_id AND s.conversation_id = $2 "
	        "LEFT JOIN LATERAL (SELECT a.n - (s.user_id IS NOT NULL)::integer AS others, "
	        "  a.n - width_bucket(g.seq - 1, a.receipts) - (coalesce(s.receipt_seq, 0) >= g.seq)::integer AS read, "
	        "  a.n - width_bucket(g.seq - 1, a.delivereds) - (coalesce(s.delivered_seq, 0) >= g.seq)::integer AS "
	        "delivered "
	        "  FROM marks a) k ON true "
	        "ORDER BY g.seq",
};
static const struct stmt get = {
	.name = "message_get", .params = "iii", .results = MESSAGE_RESULTS,
	.text = "SELECT " MESSAGE_COLUMNS " FROM " MINE("AND m.conversation_id = $2 AND NOT m.hidden")
	        "JOIN message g ON g.conversation_id = c.id AND g.seq = $3 AND g.seq >= c.floor "
	        "" MESSAGE_PARENT("c.floor") MESSAGE_MARKS,
};
static const struct stmt delete = {
	.name = "message_delete", .params = "iii", .results = "bNiNiNtNINj", .writes = true,
	.text = "SELECT o_changed, o_seq, o_rev, o_at, o_hearers, o_attachments FROM message_delete($1, $2, $3)",
};
/* clang-format on */

const struct stmt *const message_statements[] = { &send, &page, &get, &delete, NULL };

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
		.kind = draft->kind,
		.content = draft->content,
		.reply_seq = draft->reply_seq,
		.reply_sender_id = rows_int(rows, 0, 6),
		.reply_excerpt = rows_str(rows, 0, 7),
		.mentions_json = draft->mentions_json,
		.attachments_json = rows_str(rows, 0, 8),
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
		                    A_INT(draft->kind),
		                    A_STR(draft->content),
		                    A_STR(draft->mentions_json),
		                    A_ID_OR_NULL(draft->reply_seq),
		                    A_STR(draft->attachments_json) };
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

int
message_page(struct db *db, struct arena *arena, int64_t me, int64_t conversation_id, enum page_from from, int64_t seq,
             int64_t limit, struct message_page *ret)
{
	const struct arg args[] = { A_INT(me), A_INT(conversation_id), A_INT((int64_t)from), A_INT(seq), A_INT(limit) };
	struct message_page result = { 0 };
	struct rows *rows;
	int r = db_run(db, arena, &page, args, &rows);

	if (r)
		return trace(r);
	if (!rows_n(rows))
		return NOT_FOUND;
	result.as_of_rev = rows_int(rows, 0, 0);
	result.has_before = rows_int(rows, 0, 3) > rows_int(rows, 0, 1);
	result.has_after = rows_int(rows, 0, 4) < rows_int(rows, 0, 2);
	result.messages = arena_alloc_array(arena, rows_n(rows), sizeof(*result.messages));
	for (size_t i = 0; i < rows_n(rows) && !rows_null(rows, i, 6); i++, result.n++)
		read_message(rows, i, 5, &result.messages[i]);
	*ret = result;
	return 0;
}

int
message_get(struct db *db, struct arena *arena, int64_t me, int64_t conversation_id, int64_t seq, struct message *ret)
{
	struct rows *rows;
	int r = db_run(db, arena, &get, ARGS(A_INT(me), A_INT(conversation_id), A_INT(seq)), &rows);

	if (r)
		return trace(r);
	if (!rows_n(rows))
		return NOT_FOUND;
	read_message(rows, 0, 0, ret);
	return 0;
}

int
message_delete_for_all(struct db *db, struct arena *arena, int64_t me, int64_t conversation_id, int64_t seq,
                       struct message_deleted *ret)
{
	struct message_deleted result = { 0 };
	struct rows *rows;
	int r = db_run(db, arena, &delete, ARGS(A_INT(me), A_INT(conversation_id), A_INT(seq)), &rows);

	if (r)
		return trace(r);
	result.changed = rows_int(rows, 0, 0);
	if (result.changed) {
		result.advance = (struct advance){ .seq = rows_int(rows, 0, 1),
			                           .rev = rows_int(rows, 0, 2),
			                           .at = rows_int(rows, 0, 3) };
		result.advance.hearers.ids = rows_ids(rows, arena, 0, 4, &result.advance.hearers.n);
		result.attachments_json = rows_str(rows, 0, 5);
	}
	r = message_get(db, arena, me, conversation_id, seq, &result.message);
	if (r)
		return trace(r);
	*ret = result;
	return 0;
}
