/* factor -- second factors and passkeys; what counts once is decided by the write functions of sql/0016. */
#include "factor.h"
#include "read.h"

#define PASSKEY_COLUMNS                                                                                                     \
	"k.id, k.user_id, k.credential_id, k.public_key, k.handle, k.name, k.aaguid, k.transports, k.sign_count, "          \
	"k.backup_eligible, k.backed_up, k.created_at, k.last_used_at"
#define PASSKEY_RESULTS "iiyyysyjibbtNt"

/* clang-format off */
static const struct stmt get = {
	.name = "factors_get", .params = "i", .results = "NsNyNtNtii" USER_RESULTS,
	.text = "SELECT u.password_hash, t.secret, t.confirmed_at, t.retry_at, "
	        "(SELECT count(*) FROM recovery_code c WHERE c.user_id = u.id AND c.used_at IS NULL), "
	        "(SELECT count(*) FROM passkey k WHERE k.user_id = u.id), " USER_COLUMNS("u") " "
	        "FROM users u LEFT JOIN totp t ON t.user_id = u.id WHERE u.id = $1 AND u.disabled_at IS NULL",
};
static const struct stmt begin = {
	.name = "totp_begin", .params = "iy", .results = "i", .writes = true,
	.text = "INSERT INTO totp AS t (user_id, secret) VALUES ($1, $2) ON CONFLICT (user_id) DO UPDATE "
	        "SET secret = excluded.secret, created_at = now() WHERE t.confirmed_at IS NULL RETURNING user_id",
};
static const struct stmt confirm = {
	.name = "totp_confirm", .params = "iiy", .results = "b", .writes = true,
	.text = "SELECT totp_confirm($1, $2, $3)",
};
static const struct stmt remove_totp = {
	.name = "totp_remove", .params = "i", .results = "", .writes = true,
	.text = "WITH codes AS (DELETE FROM recovery_code WHERE user_id = $1) DELETE FROM totp WHERE user_id = $1",
};
static const struct stmt replace = {
	.name = "recovery_codes_replace", .params = "iy", .results = "b", .writes = true,
	.text = "SELECT recovery_codes_replace($1, $2) IS NULL",
};
static const struct stmt use = {
	.name = "factor_use", .params = "iiNyNyNt", .results = "b", .writes = true,
	.text = "SELECT factor_use($1, $2, $3, $4, $5)",
};
static const struct stmt failed = {
	.name = "factor_failed", .params = "i", .results = "b", .writes = true,
	.text = "SELECT factor_failed($1) IS NULL",
};
static const struct stmt proved_at = {
	.name = "session_proved_at", .params = "ui", .results = "t",
	.text = "SELECT proved_at FROM session WHERE id = $1 AND user_id = $2 AND ended_at IS NULL AND expires_at > now()",
};
static const struct stmt prove = {
	.name = "session_prove", .params = "ui", .results = "t", .writes = true,
	.text = "UPDATE session SET proved_at = now() WHERE id = $1 AND user_id = $2 AND ended_at IS NULL AND expires_at > now() "
	        "RETURNING proved_at",
};
static const struct stmt passkeys = {
	.name = "passkeys_of", .params = "i", .results = PASSKEY_RESULTS,
	.text = "SELECT " PASSKEY_COLUMNS " FROM passkey k WHERE k.user_id = $1 ORDER BY k.id",
};
static const struct stmt find = {
	.name = "passkey_find", .params = "y", .results = PASSKEY_RESULTS,
	.text = "SELECT " PASSKEY_COLUMNS " FROM passkey k JOIN " ONE("users", "x.id = k.user_id") "u ON true "
	        "WHERE k.credential_id = $1 AND u.disabled_at IS NULL",
};
static const struct stmt add = {
	.name = "passkey_add", .params = "iytyyysyjibbi", .results = "it", .writes = true,
	.text = "SELECT o_id, o_created_at FROM passkey_add($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
};
static const struct stmt used = {
	.name = "passkey_use", .params = "iytib", .results = "b", .writes = true,
	.text = "SELECT passkey_use($1, $2, $3, $4, $5)",
};
static const struct stmt rename_passkey = {
	.name = "passkey_rename", .params = "iis", .results = PASSKEY_RESULTS, .writes = true,
	.text = "UPDATE passkey k SET name = $3 WHERE k.user_id = $1 AND k.id = $2 RETURNING " PASSKEY_COLUMNS,
};
static const struct stmt remove_passkey = {
	.name = "passkey_remove", .params = "iisb", .results = "", .writes = true,
	.text = "SELECT FROM passkey_remove($1, $2, string_to_array($3, E'\\n'), $4)",
};
static const struct stmt reset = {
	.name = "factors_reset", .params = "s", .results = "i", .writes = true,
	.text = "SELECT factors_reset(u.id) FROM users u WHERE u.username_key = lower($1)",
};
/* clang-format on */

const struct stmt *const factor_statements[] = { &get,    &begin,          &confirm,        &remove_totp, &replace, &use,
	                                         &failed, &proved_at,      &prove,          &passkeys,    &find,    &add,
	                                         &used,   &rename_passkey, &remove_passkey, &reset,       NULL };

int
factors_get(struct db *db, struct arena *arena, int64_t user_id, struct factors *ret)
{
	struct rows *rows;
	int r = need_row(db, arena, &get, ARGS(A_INT(user_id)), &rows);

	if (r)
		return trace(r);
	*ret = (struct factors){
		.password_hash = rows_str(rows, 0, 0),
		.totp_secret = rows_str(rows, 0, 1),
		.totp_confirmed_at = rows_int(rows, 0, 2),
		.totp_retry_at = rows_int(rows, 0, 3),
		.recovery_codes = rows_int(rows, 0, 4),
		.passkeys = rows_int(rows, 0, 5),
	};
	read_user(rows, 0, 6, &ret->user);
	return 0;
}

int
totp_begin(struct db *db, struct arena *arena, int64_t user_id, struct str sealed_secret)
{
	int64_t id;
	int r = one_int(db, arena, &begin, ARGS(A_INT(user_id), A_STR(sealed_secret)), &id);

	return r == NOT_FOUND ? CONFLICT : r;
}

int
totp_confirm(struct db *db, struct arena *arena, int64_t user_id, int64_t step, struct str hashes)
{
	int64_t done;
	int r = one_int(db, arena, &confirm, ARGS(A_INT(user_id), A_INT(step), A_STR(hashes)), &done);

	return r ? trace(r) : done ? 0 : NOT_FOUND;
}

int
totp_remove(struct db *db, struct arena *arena, int64_t user_id)
{
	struct rows *rows;

	return db_run(db, arena, &remove_totp, ARGS(A_INT(user_id)), &rows);
}

int
recovery_codes_replace(struct db *db, struct arena *arena, int64_t user_id, struct str hashes)
{
	struct rows *rows;

	return db_run(db, arena, &replace, ARGS(A_INT(user_id), A_STR(hashes)), &rows);
}

int
factor_use(struct db *db, struct arena *arena, int64_t user_id, int64_t step, struct str hash,
           const struct used_challenge *challenge)
{
	int64_t done;
	int r = one_int(db, arena, &use,
	                ARGS(A_INT(user_id), A_INT(step), A_STR(hash), A_STR(challenge->digest),
	                     A_ID_OR_NULL(challenge->expires_at)),
	                &done);

	return r ? trace(r) : done ? 0 : NOT_FOUND;
}

int
factor_failed(struct db *db, struct arena *arena, int64_t user_id)
{
	struct rows *rows;

	return db_run(db, arena, &failed, ARGS(A_INT(user_id)), &rows);
}

int
session_proved_at(struct db *db, struct arena *arena, struct str session_id, int64_t user_id, int64_t *ret)
{
	int r = one_int(db, arena, &proved_at, ARGS(A_STR(session_id), A_INT(user_id)), ret);

	return r == NOT_FOUND ? UNAUTHENTICATED : r;
}

int
session_prove(struct db *db, struct arena *arena, struct str session_id, int64_t user_id)
{
	int64_t at;
	int r = one_int(db, arena, &prove, ARGS(A_STR(session_id), A_INT(user_id)), &at);

	return r == NOT_FOUND ? UNAUTHENTICATED : r;
}

static void
read_passkey(const struct rows *rows, size_t row, struct passkey *ret)
{
	*ret = (struct passkey){
		.id = rows_int(rows, row, 0),
		.user_id = rows_int(rows, row, 1),
		.credential_id = rows_str(rows, row, 2),
		.public_key = rows_str(rows, row, 3),
		.handle = rows_str(rows, row, 4),
		.name = rows_str(rows, row, 5),
		.aaguid = rows_str(rows, row, 6),
		.transports_json = rows_str(rows, row, 7),
		.sign_count = rows_int(rows, row, 8),
		.backup_eligible = rows_int(rows, row, 9),
		.backed_up = rows_int(rows, row, 10),
		.created_at = rows_int(rows, row, 11),
		.last_used_at = rows_int(rows, row, 12),
	};
}

static int
one_passkey(struct db *db, struct arena *arena, const struct stmt *stmt, const struct arg *args, struct passkey *ret)
{
	struct rows *rows;
	int r = need_row(db, arena, stmt, args, &rows);

	if (r)
		return trace(r);
	read_passkey(rows, 0, ret);
	return 0;
}

int
passkeys_of(struct db *db, struct arena *arena, int64_t user_id, struct passkey **ret, size_t *ret_n)
{
	struct passkey *keys;
	struct rows *rows;
	int r = db_run(db, arena, &passkeys, ARGS(A_INT(user_id)), &rows);

	if (r)
		return trace(r);
	keys = arena_alloc_array(arena, rows_n(rows) + 1, sizeof(*keys));
	for (size_t i = 0; i < rows_n(rows); i++)
		read_passkey(rows, i, &keys[i]);
	*ret = keys;
	*ret_n = rows_n(rows);
	return 0;
}

int
passkey_find(struct db *db, struct arena *arena, struct str credential_id, struct passkey *ret)
{
	return one_passkey(db, arena, &find, ARGS(A_STR(credential_id)), ret);
}

int
passkey_add(struct db *db, struct arena *arena, struct passkey *key, const struct used_challenge *challenge, int64_t most)
{
	const struct arg args[] = { A_INT(key->user_id),
		                    A_STR(challenge->digest),
		                    A_INT(challenge->expires_at),
		                    A_STR(key->credential_id),
		                    A_STR(key->public_key),
		                    A_STR(key->handle),
		                    A_STR(key->name),
		                    A_STR(key->aaguid),
		                    A_STR(key->transports_json),
		                    A_INT(key->sign_count),
		                    A_INT(key->backup_eligible),
		                    A_INT(key->backed_up),
		                    A_INT(most) };
	struct rows *rows;
	int r = db_run(db, arena, &add, args, &rows);

	if (r)
		return trace(r);
	key->id = rows_int(rows, 0, 0);
	key->created_at = rows_int(rows, 0, 1);
	return 0;
}

int
passkey_use(struct db *db, struct arena *arena, int64_t id, const struct used_challenge *challenge, int64_t sign_count,
            bool backed_up)
{
	int64_t done;
	int r = one_int(
	        db, arena, &used,
	        ARGS(A_INT(id), A_STR(challenge->digest), A_INT(challenge->expires_at), A_INT(sign_count), A_INT(backed_up)),
	        &done);

	return r ? trace(r) : done ? 0 : CONFLICT;
}

int
passkey_rename(struct db *db, struct arena *arena, int64_t user_id, int64_t id, struct str name, struct passkey *ret)
{
	return one_passkey(db, arena, &rename_passkey, ARGS(A_INT(user_id), A_INT(id), A_STR(name)), ret);
}

int
passkey_remove(struct db *db, struct arena *arena, int64_t user_id, int64_t id, const struct ways *ways)
{
	struct rows *rows;
	int r = db_run(db, arena, &remove_passkey,
	               ARGS(A_INT(user_id), A_INT(id), A_STR(ways->issuers), A_INT(ways->passkeys)), &rows);

	return r ? trace(r) : 0;
}

int
factors_reset(struct db *db, struct arena *arena, struct str username, int64_t *ret_n)
{
	return one_int(db, arena, &reset, ARGS(A_STR(username)), ret_n);
}
