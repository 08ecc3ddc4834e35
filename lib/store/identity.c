/*
 * identity -- people whom somebody else knows.
 */
#include "identity.h"
#include "read.h"

/* clang-format off */
static const struct stmt user = {
	.name = "identity_user", .params = "sssss", .results = "i", .writes = true,
	.text = "SELECT identity_user($1, $2, $3, $4, $5)",
};
static const struct stmt session = {
	.name = "identity_session", .params = "usssssyNst", .results = "Ni", .writes = true,
	.text = "SELECT identity_session($1, $2, $3, $4, $5, $6, $7, $8, $9)",
};
static const struct stmt list = {
	.name = "identity_list", .params = "i", .results = "ist",
	.text = "SELECT id, issuer, created_at FROM identity WHERE user_id = $1 ORDER BY id",
};
static const struct stmt link_one = {
	.name = "identity_link", .params = "uss", .results = "bi", .writes = true,
	.text = "SELECT identity_link($1, $2, $3), (SELECT user_id FROM session WHERE id = $1)",
};
static const struct stmt unlink_one = {
	.name = "identity_unlink", .params = "iisb", .results = "", .writes = true,
	.text = "SELECT FROM identity_unlink($1, $2, string_to_array($3, E'\\n'), $4)",
};
/* clang-format on */

const struct stmt *const identity_statements[] = { &user, &session, &list, &link_one, &unlink_one, NULL };

int
identity_user(struct db *db, struct arena *arena, const struct identity *in, int64_t *ret_user_id)
{
	struct rows *rows;
	int r = db_run(db, arena, &user,
	               ARGS(A_STR(in->issuer), A_STR(in->subject), A_STR(in->name), A_STR(in->label), A_STR(in->display)),
	               &rows);

	if (r)
		return trace(r);
	*ret_user_id = rows_int(rows, 0, 0);
	return 0;
}

int
identity_session(struct db *db, struct arena *arena, const struct identity *in, const struct identity_token *token,
                 int64_t *ret_user_id)
{
	struct rows *rows;
	int r = db_run(db, arena, &session,
	               ARGS(A_STR(token->session_id), A_STR(in->issuer), A_STR(in->subject), A_STR(in->name),
	                    A_STR(in->label), A_STR(in->display), A_STR(token->hash), A_STR(token->user_agent),
	                    A_INT(token->expires_at)),
	               &rows);

	if (r)
		return trace(r);
	if (rows_null(rows, 0, 0))
		return UNAUTHENTICATED;
	*ret_user_id = rows_int(rows, 0, 0);
	return 0;
}

int
identity_list(struct db *db, struct arena *arena, int64_t user_id, struct linked **ret, size_t *ret_n)
{
	struct linked *all;
	struct rows *rows;
	int r = db_run(db, arena, &list, ARGS(A_INT(user_id)), &rows);

	if (r)
		return trace(r);
	*ret_n = rows_n(rows);
	all = arena_alloc_array(arena, *ret_n + 1, sizeof(*all));
	for (size_t i = 0; i < *ret_n; i++)
		all[i] = (struct linked){ rows_int(rows, i, 0), rows_str(rows, i, 1), rows_int(rows, i, 2) };
	*ret = all;
	return 0;
}

int
identity_link(struct db *db, struct arena *arena, struct str session_id, struct str issuer, struct str subject,
              bool *ret_new, int64_t *ret_user_id)
{
	struct rows *rows;
	int r = db_run(db, arena, &link_one, ARGS(A_STR(session_id), A_STR(issuer), A_STR(subject)), &rows);

	if (r)
		return trace(r);
	*ret_new = rows_int(rows, 0, 0);
	*ret_user_id = rows_int(rows, 0, 1);
	return 0;
}

int
identity_unlink(struct db *db, struct arena *arena, int64_t user_id, int64_t id, const struct ways *ways)
{
	struct rows *rows;
	int r = db_run(db, arena, &unlink_one, ARGS(A_INT(user_id), A_INT(id), A_STR(ways->issuers), A_INT(ways->passkeys)),
	               &rows);

	return r ? trace(r) : 0;
}
