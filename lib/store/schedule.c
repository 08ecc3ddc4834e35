/*
 * schedule -- messages that are sent later.
 */
#include "schedule.h"
#include "read.h"

/* clang-format off */
static const struct stmt add = {
	.name = "message_schedule", .params = "iisyjtbi", .results = "bNiNiNtNi", .writes = true,
	.text = "SELECT o_replayed, o_seq, o_scheduled_id, o_send_at, o_user_rev "
	        "FROM message_schedule($1, $2, $3, $4, $5, $6, $7, $8)",
};
/* $2, $3: the place after which it begins */
static const struct stmt list = {
	.name = "schedule_list", .params = "itii", .results = "itj",
	.text = "SELECT s.id, s.send_at, scheduled_json(s) FROM scheduled_message s "
	        "WHERE s.user_id = $1 AND (s.send_at, s.id) > ($2, $3) ORDER BY s.send_at, s.id LIMIT $4",
};
static const struct stmt take_back = {
	.name = "schedule_remove", .params = "ii", .results = "i", .writes = true,
	.text = "SELECT scheduled_remove($1, $2)",
};
static const struct stmt next = {
	.name = "schedule_next", .params = "i", .results = "iii",
	.text = "SELECT s.id, s.conversation_id, (extract(epoch FROM s.send_at - now()) * 1000000)::bigint FROM scheduled_message s "
	        "WHERE s.failed_at IS NULL ORDER BY s.send_at, s.id LIMIT $1",
};
static const struct stmt send = {
	.name = "schedule_send", .params = "i", .results = "NiNiNiNiNi", .writes = true,
	.text = "SELECT o_user_id, o_user_rev, o_conversation_id, o_seq, o_rev FROM scheduled_send($1)",
};
static const struct stmt fail = {
	.name = "schedule_fail", .params = "is", .results = "NiNi", .writes = true,
	.text = "SELECT o_user_id, o_user_rev FROM scheduled_fail($1, $2)",
};
static const struct stmt defer = {
	.name = "schedule_defer", .params = "i", .results = "NiNi", .writes = true,
	.text = "SELECT o_user_id, o_user_rev FROM scheduled_defer($1)",
};
/* clang-format on */

const struct stmt *const schedule_statements[] = { &add, &list, &take_back, &next, &send, &fail, &defer, NULL };

int
schedule_add(struct db *db, struct arena *arena, int64_t me, int64_t conversation_id, const struct schedule_new *in,
             struct schedule_taken *ret)
{
	const struct arg args[] = { A_INT(me),
		                    A_INT(conversation_id),
		                    A_STR(in->client_id),
		                    A_STR(in->request_hash),
		                    A_STR(in->draft_json),
		                    A_INT(in->send_at),
		                    A_INT(in->in_range),
		                    A_INT(in->most) };
	struct rows *rows;
	int r = db_run(db, arena, &add, args, &rows);

	if (r)
		return trace(r);
	*ret = (struct schedule_taken){ .replayed = rows_int(rows, 0, 0),
		                        .seq = rows_int(rows, 0, 1),
		                        .id = rows_int(rows, 0, 2),
		                        .send_at = rows_int(rows, 0, 3),
		                        .user_rev = rows_int(rows, 0, 4) };
	return 0;
}

int
schedule_list(struct db *db, struct arena *arena, int64_t me, int64_t send_at, int64_t id, int64_t limit,
              struct scheduled **ret, size_t *ret_n)
{
	/* any time but 0, which is NULL, is before the first one */
	const struct arg args[] = { A_INT(me), A_INT(send_at ? send_at : 1), A_INT(id), A_INT(limit + 1) };
	struct scheduled *items;
	struct rows *rows;
	int r = db_run(db, arena, &list, args, &rows);

	if (r)
		return trace(r);
	items = arena_alloc_array(arena, rows_n(rows) + 1, sizeof(*items));
	for (size_t i = 0; i < rows_n(rows); i++)
		items[i] = (struct scheduled){ rows_int(rows, i, 0), rows_int(rows, i, 1), rows_str(rows, i, 2) };
	*ret = items;
	*ret_n = rows_n(rows);
	return 0;
}

int
schedule_remove(struct db *db, struct arena *arena, int64_t me, int64_t id, int64_t *ret_user_rev)
{
	struct rows *rows;
	int r = db_run(db, arena, &take_back, ARGS(A_INT(me), A_INT(id)), &rows);

	if (r)
		return trace(r);
	*ret_user_rev = rows_int(rows, 0, 0);
	return 0;
}

int
schedule_next(struct db *db, struct arena *arena, int64_t limit, struct schedule_due **ret, size_t *ret_n)
{
	struct schedule_due *due;
	struct rows *rows;
	int r = db_run(db, arena, &next, ARGS(A_INT(limit)), &rows);

	if (r)
		return trace(r);
	due = arena_alloc_array(arena, rows_n(rows) + 1, sizeof(*due));
	for (size_t i = 0; i < rows_n(rows); i++)
		due[i] = (struct schedule_due){ rows_int(rows, i, 0), rows_int(rows, i, 1), rows_int(rows, i, 2) };
	*ret = due;
	*ret_n = rows_n(rows);
	return 0;
}

int
schedule_send(struct db *db, struct arena *arena, int64_t id, struct schedule_sent *ret)
{
	struct rows *rows;
	int r = db_run(db, arena, &send, ARGS(A_INT(id)), &rows);

	if (r)
		return trace(r);
	*ret = (struct schedule_sent){ .user_id = rows_int(rows, 0, 0),
		                       .user_rev = rows_int(rows, 0, 1),
		                       .conversation_id = rows_int(rows, 0, 2),
		                       .seq = rows_int(rows, 0, 3),
		                       .rev = rows_int(rows, 0, 4) };
	return 0;
}

/* Both say whose it is, and how far the stream is in which it is told. */
static int
set_aside(struct db *db, struct arena *arena, const struct stmt *how, const struct arg *args, int64_t *ret_user_id,
          int64_t *ret_user_rev)
{
	struct rows *rows;
	int r = db_run(db, arena, how, args, &rows);

	if (r)
		return trace(r);
	*ret_user_id = rows_int(rows, 0, 0);
	*ret_user_rev = rows_int(rows, 0, 1);
	return 0;
}

int
schedule_fail(struct db *db, struct arena *arena, int64_t id, struct str code, int64_t *ret_user_id, int64_t *ret_user_rev)
{
	return set_aside(db, arena, &fail, ARGS(A_INT(id), A_STR(code)), ret_user_id, ret_user_rev);
}

int
schedule_defer(struct db *db, struct arena *arena, int64_t id, int64_t *ret_user_id, int64_t *ret_user_rev)
{
	return set_aside(db, arena, &defer, ARGS(A_INT(id)), ret_user_id, ret_user_rev);
}
