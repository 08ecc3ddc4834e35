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
/* clang-format on */

const struct stmt *const identity_statements[] = { &user, &session, NULL };

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
