/*
 * access -- access tokens, and the bots that have nothing else.
 */
#include "access.h"
#include "read.h"

/* clang-format off */
#define WHO_RESULTS "iiNtsubb"
#define WHO                                                                                                   \
	"SELECT t.id, t.user_id, t.expires_at, t.scopes, t.session_id, u.bot, "                                  \
	" coalesce(t.last_used_at < now() - interval '1 minute', true) "                                         \
	"FROM access_token t JOIN " ONE("users", "x.id = t.user_id") "u ON true "                                \
	"LEFT JOIN " ONE("users", "x.id = u.owner_id") "o ON true "                                              \
	"WHERE t.revoked_at IS NULL AND u.disabled_at IS NULL AND o.disabled_at IS NULL AND "
static const struct stmt by_hash = {
	.name = "access_by_hash", .params = "y", .results = WHO_RESULTS, .text = WHO "t.hash = $1",
};
static const struct stmt by_session = {
	.name = "access_by_session", .params = "ui", .results = WHO_RESULTS, .text = WHO "t.session_id = $1 AND t.user_id = $2",
};
static const struct stmt used = {
	.name = "access_used", .params = "i", .results = "", .writes = true,
	.text = "UPDATE access_token SET last_used_at = now() WHERE id = $1 AND coalesce(last_used_at < now() - interval '1 minute', true)",
};
#define TOKEN_COLUMNS "t.id, t.user_id, t.name, t.scopes, t.created_at, t.expires_at, t.last_used_at"
#define TOKEN_RESULTS "iisstNtNt"
#define MY_TOKENS                                                                                             \
	"FROM access_token t JOIN users u ON u.id = t.user_id "                                                  \
	"WHERE (u.id = $1 OR u.owner_id = $1) AND u.disabled_at IS NULL AND t.revoked_at IS NULL AND "
static const struct stmt create = {
	.name = "access_create", .params = "iisysNii", .results = TOKEN_RESULTS, .writes = true,
	.text = "WITH made AS MATERIALIZED (SELECT access_token_create($1, $2, $3, $4, $5, $6, $7) AS id) "
	        "SELECT m.id, $2, $3, $5, now(), now() + $6 * interval '1 day', NULL::timestamptz FROM made m",
};
static const struct stmt get = {
	.name = "access_get", .params = "ii", .results = TOKEN_RESULTS, .text = "SELECT " TOKEN_COLUMNS " " MY_TOKENS "t.id = $2",
};
static const struct stmt list = {
	.name = "access_list", .params = "iNii", .results = TOKEN_RESULTS,
	.text = "SELECT " TOKEN_COLUMNS " " MY_TOKENS "t.id < coalesce($2, 9223372036854775807) ORDER BY t.id DESC LIMIT $3",
};
static const struct stmt revoke = {
	.name = "access_revoke", .params = "ii", .results = "i", .writes = true,
	.text = "UPDATE access_token x SET revoked_at = now() WHERE x.id = (SELECT t.id " MY_TOKENS "t.id = $2) "
	        "AND x.revoked_at IS NULL RETURNING x.id",
};
static const struct stmt make_bot = {
	.name = "bot_create", .params = "issi", .results = "i", .writes = true, .text = "SELECT bot_create($1, $2, $3, $4)",
};
#define MY_BOTS "SELECT " USER_COLUMNS("u") " FROM users u WHERE u.owner_id = $1 AND u.disabled_at IS NULL AND "
static const struct stmt bots = {
	.name = "bot_list", .params = "iii", .results = USER_RESULTS, .text = MY_BOTS "u.id > $2 ORDER BY u.id LIMIT $3",
};
static const struct stmt one_bot = {
	.name = "bot_get", .params = "ii", .results = USER_RESULTS, .text = MY_BOTS "u.id = $2",
};
static const struct stmt remove_bot = {
	.name = "bot_remove", .params = "ii", .results = "i", .writes = true,
	.text = "WITH gone AS (UPDATE users u SET disabled_at = now() WHERE u.id = $2 AND u.owner_id = $1 AND u.disabled_at IS NULL "
	        "RETURNING u.id), ended AS (UPDATE access_token t SET revoked_at = now() FROM gone g WHERE t.user_id = g.id AND "
	        "t.revoked_at IS NULL) SELECT g.id FROM gone g",
};
/* clang-format on */

const struct stmt *const access_statements[] = { &by_hash, &by_session, &used, &create,  &get,        &list,
	                                         &revoke,  &make_bot,   &bots, &one_bot, &remove_bot, NULL };

static int
read_who(struct db *db, struct arena *arena, const struct stmt *stmt, const struct arg *args, struct access_who *ret)
{
	struct rows *rows;
	int r = need_row(db, arena, stmt, args, &rows);

	if (r)
		return trace(r);
	*ret = (struct access_who){
		.token_id = rows_int(rows, 0, 0),
		.user_id = rows_int(rows, 0, 1),
		.expires_at = rows_int(rows, 0, 2),
		.scopes = rows_str(rows, 0, 3),
		.session_id = rows_str(rows, 0, 4),
		.bot = rows_int(rows, 0, 5),
		.unnoted = rows_int(rows, 0, 6),
	};
	return 0;
}

int
access_by_hash(struct db *db, struct arena *arena, struct str hash, struct access_who *ret)
{
	return read_who(db, arena, &by_hash, ARGS(A_STR(hash)), ret);
}

int
access_by_session(struct db *db, struct arena *arena, struct str session_id, int64_t user_id, struct access_who *ret)
{
	return read_who(db, arena, &by_session, ARGS(A_STR(session_id), A_INT(user_id)), ret);
}

int
access_used(struct db *db, struct arena *arena, int64_t token_id)
{
	struct rows *rows;

	return db_run(db, arena, &used, ARGS(A_INT(token_id)), &rows);
}

/* Runs a statement that gives tokens; with ret_n NULL exactly one, or NOT_FOUND. */
static int
read_tokens(struct db *db, struct arena *arena, const struct stmt *stmt, const struct arg *args, struct access_token **ret,
            size_t *ret_n)
{
	struct access_token *tokens;
	struct rows *rows;
	int r = db_run(db, arena, stmt, args, &rows);

	if (r)
		return trace(r);
	tokens = arena_alloc_array(arena, rows_n(rows) + 1, sizeof(*tokens));
	for (size_t i = 0; i < rows_n(rows); i++)
		tokens[i] = (struct access_token){
			.id = rows_int(rows, i, 0),
			.user_id = rows_int(rows, i, 1),
			.name = rows_str(rows, i, 2),
			.scopes = rows_str(rows, i, 3),
			.created_at = rows_int(rows, i, 4),
			.expires_at = rows_int(rows, i, 5),
			.last_used_at = rows_int(rows, i, 6),
		};
	*ret = tokens;
	*ret_n = rows_n(rows);
	return 0;
}

static int
read_token(struct db *db, struct arena *arena, const struct stmt *stmt, const struct arg *args, struct access_token *ret)
{
	struct access_token *tokens;
	size_t n;
	int r = read_tokens(db, arena, stmt, args, &tokens, &n);

	if (r)
		return trace(r);
	if (!n)
		return NOT_FOUND;
	*ret = tokens[0];
	return 0;
}

int
access_create(struct db *db, struct arena *arena, int64_t me, const struct access_new *in, struct access_token *ret)
{
	return read_token(db, arena, &create,
	                  ARGS(A_INT(me), A_INT(in->user_id), A_STR(in->name), A_STR(in->hash), A_STR(in->scopes),
	                       A_ID_OR_NULL(in->days), A_INT(in->most)),
	                  ret);
}

int
access_get(struct db *db, struct arena *arena, int64_t me, int64_t token_id, struct access_token *ret)
{
	return read_token(db, arena, &get, ARGS(A_INT(me), A_INT(token_id)), ret);
}

int
access_list(struct db *db, struct arena *arena, int64_t me, int64_t before, int64_t limit, struct access_token **ret,
            size_t *ret_n)
{
	return read_tokens(db, arena, &list, ARGS(A_INT(me), A_ID_OR_NULL(before), A_INT(limit)), ret, ret_n);
}

/* A statement that gives the id of what it did, or nothing. */
static int
done_or_not_found(struct db *db, struct arena *arena, const struct stmt *stmt, int64_t me, int64_t id)
{
	struct rows *rows;
	int r = db_run(db, arena, stmt, ARGS(A_INT(me), A_INT(id)), &rows);

	if (r)
		return trace(r);
	return rows_n(rows) ? 0 : NOT_FOUND;
}

int
access_revoke(struct db *db, struct arena *arena, int64_t me, int64_t token_id)
{
	return done_or_not_found(db, arena, &revoke, me, token_id);
}

static int
read_bots(struct db *db, struct arena *arena, const struct stmt *stmt, const struct arg *args, struct user **ret,
          size_t *ret_n)
{
	struct user *users;
	struct rows *rows;
	int r = db_run(db, arena, stmt, args, &rows);

	if (r)
		return trace(r);
	users = arena_alloc_array(arena, rows_n(rows) + 1, sizeof(*users));
	for (size_t i = 0; i < rows_n(rows); i++)
		read_user(rows, i, 0, &users[i]);
	*ret = users;
	*ret_n = rows_n(rows);
	return 0;
}

int
bot_create(struct db *db, struct arena *arena, int64_t me, struct str username, struct str display_name, int64_t most,
           struct user *ret)
{
	struct str shown = str_present(display_name) ? display_name : username;
	struct rows *rows;
	int r = db_run(db, arena, &make_bot, ARGS(A_INT(me), A_STR(username), A_STR(shown), A_INT(most)), &rows);

	if (r == CONFLICT)
		return USERNAME_TAKEN;
	if (r)
		return trace(r);
	return bot_get(db, arena, me, rows_int(rows, 0, 0), ret);
}

int
bot_list(struct db *db, struct arena *arena, int64_t me, int64_t after, int64_t limit, struct user **ret, size_t *ret_n)
{
	return read_bots(db, arena, &bots, ARGS(A_INT(me), A_INT(after), A_INT(limit)), ret, ret_n);
}

int
bot_get(struct db *db, struct arena *arena, int64_t me, int64_t bot_id, struct user *ret)
{
	struct user *users;
	size_t n;
	int r = read_bots(db, arena, &one_bot, ARGS(A_INT(me), A_INT(bot_id)), &users, &n);

	if (r)
		return trace(r);
	if (!n)
		return NOT_FOUND;
	*ret = users[0];
	return 0;
}

int
bot_remove(struct db *db, struct arena *arena, int64_t me, int64_t bot_id)
{
	return done_or_not_found(db, arena, &remove_bot, me, bot_id);
}
