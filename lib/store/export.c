/*
 * export -- everything of somebody's as one archive.
 */
#include "export.h"
#include "read.h"

#define COLUMNS                                                                                                             \
	"e.id, e.user_id, e.state, e.failure, e.created_at, e.finished_at, e.expires_at, e.messages, e.messages_of, "       \
	"e.size, e.digest, e.phase, e.part, e.conversation_id, e.seq"
#define RESULTS "sihNstNtNtiiNiNshiii"

/* clang-format off */
static const struct stmt begin = {
	.name = "export_begin", .params = "isi", .results = "Nsbi", .writes = true,
	.text = "SELECT o_id, o_new, o_wait_ms FROM export_begin($1, $2, $3)",
};
static const struct stmt get = {
	.name = "export_get", .params = "is", .results = RESULTS,
	.text = "SELECT " COLUMNS " FROM export e WHERE e.id = $2 AND e.user_id = $1",
};
static const struct stmt next = {
	.name = "export_next", .params = "", .results = RESULTS "b",
	.text = "SELECT " COLUMNS ", u.disabled_at IS NOT NULL FROM export e JOIN users u ON u.id = e.user_id "
	        "WHERE e.state IN (1, 2) AND e.next_at <= now() ORDER BY e.next_at LIMIT 1",
};
static const struct stmt advance = {
	.name = "export_advance", .params = "siiiiii", .results = "", .writes = true,
	.text = "UPDATE export SET state = 2, phase = $2, part = $3, conversation_id = $4, seq = $5, messages = $6, "
	        "next_at = clock_timestamp() + $7 * interval '1 millisecond' WHERE id = $1 AND state IN (1, 2)",
};
static const struct stmt finish = {
	.name = "export_finish", .params = "sisi", .results = "NiNj", .writes = true,
	.text = "SELECT o_user, o_attachment FROM export_finish($1, $2, $3, $4)",
};
static const struct stmt fail = {
	.name = "export_fail", .params = "ss", .results = "", .writes = true,
	.text = "UPDATE export SET state = 4, failure = $2, finished_at = now() WHERE id = $1 AND state IN (1, 2)",
};
static const struct stmt forget = {
	.name = "export_forget", .params = "s", .results = "", .writes = true,
	.text = "DELETE FROM export WHERE id = $1 AND state IN (1, 2)",
};
static const struct stmt expire = {
	.name = "export_expire", .params = "i", .results = "i", .writes = true,
	.text = "SELECT export_expire($1)",
};
static const struct stmt lines = {
	.name = "export_lines", .params = "isii", .results = "j",
	.text = "SELECT l FROM export_lines($1, $2, $3, $4) AS l",
};
static const struct stmt conversation = {
	.name = "export_conversation", .params = "ii", .results = "i",
	.text = "SELECT m.conversation_id FROM member m WHERE m.user_id = $1 AND m.conversation_id > $2 AND NOT m.hidden "
	        "ORDER BY m.conversation_id LIMIT 1",
};
/* clang-format on */

const struct stmt *const export_statements[] = { &begin,  &get,    &next,  &advance,      &finish, &fail,
	                                         &forget, &expire, &lines, &conversation, NULL };

static void
read_export(const struct rows *rows, struct export *ret)
{
	*ret = (struct export){
		.id = rows_str(rows, 0, 0),
		.user_id = rows_int(rows, 0, 1),
		.state = (enum export_state)rows_int(rows, 0, 2),
		.failure = rows_str(rows, 0, 3),
		.created_at = rows_int(rows, 0, 4),
		.finished_at = rows_int(rows, 0, 5),
		.expires_at = rows_int(rows, 0, 6),
		.messages = rows_int(rows, 0, 7),
		.messages_of = rows_int(rows, 0, 8),
		.size = rows_int(rows, 0, 9),
		.digest = rows_str(rows, 0, 10),
		.phase = rows_int(rows, 0, 11),
		.part = rows_int(rows, 0, 12),
		.conversation_id = rows_int(rows, 0, 13),
		.seq = rows_int(rows, 0, 14),
	};
}

int
export_begin(struct db *db, struct arena *arena, int64_t me, struct str id, int64_t pause_minutes, struct str *ret_id,
             bool *ret_new, int64_t *ret_wait_ms)
{
	struct rows *rows;
	int r = db_run(db, arena, &begin, ARGS(A_INT(me), A_STR(id), A_INT(pause_minutes)), &rows);

	if (r)
		return trace(r);
	*ret_id = rows_str(rows, 0, 0);
	*ret_new = rows_int(rows, 0, 1);
	*ret_wait_ms = rows_int(rows, 0, 2);
	return 0;
}

int
export_get(struct db *db, struct arena *arena, int64_t me, struct str id, struct export *ret)
{
	struct rows *rows;
	int r = need_row(db, arena, &get, ARGS(A_INT(me), A_STR(id)), &rows);

	if (r)
		return trace(r);
	read_export(rows, ret);
	return 0;
}

int
export_next(struct db *db, struct arena *arena, struct export *ret)
{
	struct rows *rows;
	int r = need_row(db, arena, &next, ARGS({ 0 }), &rows);

	if (r)
		return trace(r);
	read_export(rows, ret);
	ret->gone = rows_int(rows, 0, 15);
	return 0;
}

int
export_advance(struct db *db, struct arena *arena, const struct export *e, int64_t wait_ms)
{
	struct rows *rows;
	int r = db_run(db, arena, &advance,
	               ARGS(A_STR(e->id), A_INT(e->phase), A_INT(e->part), A_INT(e->conversation_id), A_INT(e->seq),
	                    A_INT(e->messages), A_INT(wait_ms)),
	               &rows);

	return r ? trace(r) : 0;
}

int
export_finish(struct db *db, struct arena *arena, struct str id, int64_t size, struct str digest, int64_t keep_hours,
              int64_t *ret_user, struct str *ret_attachment_json)
{
	struct rows *rows;
	int r = db_run(db, arena, &finish, ARGS(A_STR(id), A_INT(size), A_STR(digest), A_INT(keep_hours)), &rows);

	if (r)
		return trace(r);
	*ret_user = rows_int(rows, 0, 0);
	*ret_attachment_json = rows_str(rows, 0, 1);
	return 0;
}

int
export_fail(struct db *db, struct arena *arena, struct str id, const char *code)
{
	struct rows *rows;
	int r = code ? db_run(db, arena, &fail, ARGS(A_STR(id), A_STR(str_c(code))), &rows)
	             : db_run(db, arena, &forget, ARGS(A_STR(id)), &rows);

	return r ? trace(r) : 0;
}

int
export_expire(struct db *db, struct arena *arena, int64_t limit, int64_t *ret_expired)
{
	struct rows *rows;
	int r = db_run(db, arena, &expire, ARGS(A_INT(limit)), &rows);

	if (!r)
		*ret_expired = rows_int(rows, 0, 0);
	return r ? trace(r) : 0;
}

int
export_lines(struct db *db, struct arena *arena, int64_t me, const char *list, int64_t offset, int64_t limit,
             struct str **ret, size_t *ret_n)
{
	struct rows *rows;
	int r = db_run(db, arena, &lines, ARGS(A_INT(me), A_STR(str_c(list)), A_INT(offset), A_INT(limit)), &rows);

	if (r)
		return trace(r);
	*ret_n = rows_n(rows);
	*ret = arena_alloc_array(arena, *ret_n + 1, sizeof(**ret));
	for (size_t i = 0; i < *ret_n; i++)
		(*ret)[i] = rows_str(rows, i, 0);
	return 0;
}

int
export_conversation(struct db *db, struct arena *arena, int64_t me, int64_t after, int64_t *ret_id)
{
	struct rows *rows;
	int r = db_run(db, arena, &conversation, ARGS(A_INT(me), A_INT(after)), &rows);

	if (!r)
		*ret_id = rows_n(rows) ? rows_int(rows, 0, 0) : 0;
	return r ? trace(r) : 0;
}
