/*
 * erasure -- ending an account for good, and what is left to be taken away afterwards.
 */
#include "erasure.h"
#include "read.h"

/* clang-format off */
static const struct stmt erase = {
	.name = "account_erase", .params = "ibb", .results = "IINj", .writes = true,
	.text = "SELECT o_users, o_revs, o_removed FROM account_erase($1, $2, $3)",
};
static const struct stmt erase_named = {
	.name = "account_erase_named", .params = "sb", .results = "iI", .writes = true,
	.text = "SELECT u.id, e.o_users FROM users u CROSS JOIN LATERAL account_erase(u.id, $2, true) e WHERE u.username_key = lower($1) "
	        "AND u.erased_at IS NULL",
};
static const struct stmt step = {
	.name = "erasure_step", .params = "ii", .results = "NiNiNiNib", .writes = true,
	.text = "SELECT o_user, o_conversation, o_position, o_events, o_done FROM erasure_step($1, $2)",
};
/* clang-format on */

const struct stmt *const erasure_statements[] = { &erase, &erase_named, &step, NULL };

int
account_erase(struct db *db, struct arena *arena, int64_t user_id, bool messages, bool last, struct erasure_ended *ret)
{
	struct rows *rows;
	int r = db_run(db, arena, &erase, ARGS(A_INT(user_id), A_INT(messages), A_INT(last)), &rows);

	if (r)
		return trace(r);
	ret->users = rows_ids(rows, arena, 0, 0, &ret->n);
	ret->revs = rows_ids(rows, arena, 0, 1, &ret->n);
	ret->removed_json = rows_str(rows, 0, 2);
	return 0;
}

int
account_erase_named(struct db *db, struct arena *arena, struct str username, bool messages, int64_t *ret_user_id)
{
	return one_int(db, arena, &erase_named, ARGS(A_STR(username), A_INT(messages)), ret_user_id);
}

int
erasure_step(struct db *db, struct arena *arena, int64_t limit, int64_t grace_ms, struct erasure_step *ret)
{
	struct rows *rows;
	int r = db_run(db, arena, &step, ARGS(A_INT(limit), A_INT(grace_ms)), &rows);

	if (r)
		return trace(r);
	*ret = (struct erasure_step){ .user_id = rows_int(rows, 0, 0),
		                      .conversation_id = rows_int(rows, 0, 1),
		                      .position = rows_int(rows, 0, 2),
		                      .events = (size_t)rows_int(rows, 0, 3),
		                      .done = rows_int(rows, 0, 4) };
	return 0;
}
