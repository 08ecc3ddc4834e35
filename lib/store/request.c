/*
 * request -- keys of requests; the rules are in sql/0020_request_keys.sql.
 */
#include "request.h"
#include "read.h"

/* clang-format off */
static const struct stmt take = {
	.name = "request_take", .params = "issy", .results = "bNsNy", .writes = true,
	.text = "SELECT o_new, o_made, o_reply FROM request_take($1, $2, $3, $4)",
};
static const struct stmt keep = {
	.name = "request_keep", .params = "issNsNy", .results = "", .writes = true,
	.text = "UPDATE request_key SET made = $4, reply = $5 WHERE user_id = $1 AND route = $2 AND key = $3",
};
/* clang-format on */

const struct stmt *const request_statements[] = { &take, &keep, NULL };

int
request_take(struct db *db, struct arena *arena, const struct request_key *key, bool *ret_new, struct request_result *ret)
{
	const struct arg args[] = { A_INT(key->user_id), A_STR(key->route), A_STR(key->key), A_STR(key->hash) };
	struct rows *rows;
	int r = db_run(db, arena, &take, args, &rows);

	if (r)
		return trace(r);
	*ret_new = rows_int(rows, 0, 0);
	*ret = (struct request_result){ .made = rows_str(rows, 0, 1), .reply = rows_str(rows, 0, 2) };
	return 0;
}

int
request_keep(struct db *db, struct arena *arena, const struct request_key *key, const struct request_result *result)
{
	const struct arg args[] = { A_INT(key->user_id), A_STR(key->route), A_STR(key->key), A_STR(result->made),
		                    A_STR(result->reply) };
	struct rows *rows;
	int r = db_run(db, arena, &keep, args, &rows);

	return r ? trace(r) : 0;
}
