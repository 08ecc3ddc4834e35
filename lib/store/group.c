/*
 * group -- groups and their members, and what a member keeps for themselves. The rules are in sql/0005_groups.sql.
 */
#include "group.h"
#include "read.h"

_Static_assert(GROUP_BRING_MAX < GROUP_MEMBERS_MAX, "a new group is never full");

/* clang-format off */
static const struct stmt create = {
	.name = "group_create", .params = "isNsbI", .results = "iiii", .writes = true,
	.text = "SELECT o_seq, o_rev, o_n, o_conversation_id FROM group_create($1, $2, $3, $4, $5)",
};
static const struct stmt update = {
	.name = "conversation_update", .params = "iij", .results = "NiNiiNj", .writes = true,
	.text = "SELECT o_seq, o_rev, o_n, o_removed FROM conversation_update($1, $2, $3)",
};
static const struct stmt add = {
	.name = "member_add", .params = "iiIi", .results = "NiNiiIi", .writes = true,
	.text = "SELECT o_seq, o_rev, o_n, o_added, o_count FROM member_add($1, $2, $3, $4)",
};
static const struct stmt role = {
	.name = "member_role", .params = "iiih", .results = "NiNiiii" USER_RESULTS, .writes = true,
	.text = "SELECT o_seq, o_rev, o_n, o_receipt_seq, o_delivered_seq, " USER_COLUMNS("u")
	        " FROM member_role($1, $2, $3, $4) JOIN users u ON u.id = $3",
};
static const struct stmt remove_ = {
	.name = "member_remove", .params = "iii", .results = "iiii", .writes = true,
	.text = "SELECT o_seq, o_rev, o_n, o_user_rev FROM member_remove($1, $2, $3)",
};
/* The page is cut before people are joined to it. To a member an empty page is one row of nulls. */
static const struct stmt list = {
	.name = "member_list", .params = "iibiii", .results = "Ni" MEMBER_RESULTS,
	.text = "SELECT m.joined_position, " MEMBER_COLUMNS("m", "u") " FROM member x LEFT JOIN LATERAL (SELECT p.* FROM member p "
	        " WHERE p.conversation_id = x.conversation_id AND (NOT $3 OR (p.joined_position, p.user_id) > ($4, $5)) "
	        " ORDER BY p.joined_position, p.user_id LIMIT $6) m ON true LEFT JOIN " ONE("users", "x.id = m.user_id") "u ON true "
	        "WHERE x.user_id = $1 AND x.conversation_id = $2 AND NOT x.hidden ORDER BY m.joined_position, m.user_id",
};
static const struct stmt settings = {
	.name = "member_settings", .params = "iiji", .results = "Ni", .writes = true,
	.text = "SELECT member_settings($1, $2, $3, $4)",
};
static const struct stmt unread = {
	.name = "member_unread", .params = "iii", .results = "Ni", .writes = true,
	.text = "SELECT member_unread($1, $2, $3)",
};
static const struct stmt draft = {
	.name = "member_draft", .params = "iiNsNi", .results = "Ni", .writes = true,
	.text = "SELECT member_draft($1, $2, $3, $4)",
};
/* clang-format on */

const struct stmt *const group_statements[] = { &create, &update,   &add,    &role,  &remove_,
	                                        &list,   &settings, &unread, &draft, NULL };

/* The first three columns of whatever writes into the log of a conversation. */
static struct logged
read_logged(const struct rows *rows)
{
	return (struct logged){ .seq = rows_int(rows, 0, 0),
		                .rev = rows_int(rows, 0, 1),
		                .n = (size_t)rows_int(rows, 0, 2) };
}

int
group_create(struct db *db, struct arena *arena, int64_t me, const struct group_new *group, int64_t *ret_id,
             struct logged *ret)
{
	const struct arg args[] = { A_INT(me), A_STR(group->name), A_STR(group->avatar_id), A_INT(group->history_all),
		                    A_IDS(group->users, group->users_n) };
	struct rows *rows;
	int r = db_run(db, arena, &create, args, &rows);

	if (r)
		return trace(r);
	*ret = read_logged(rows);
	*ret_id = rows_int(rows, 0, 3);
	return 0;
}

int
conversation_update(struct db *db, struct arena *arena, int64_t me, int64_t conversation_id, struct str changes,
                    struct logged *ret, struct str *ret_removed)
{
	struct rows *rows;
	int r = db_run(db, arena, &update, ARGS(A_INT(me), A_INT(conversation_id), A_STR(changes)), &rows);

	if (r)
		return trace(r);
	*ret = read_logged(rows);
	*ret_removed = rows_str(rows, 0, 3);
	return 0;
}

int
member_add(struct db *db, struct arena *arena, int64_t me, int64_t conversation_id, const int64_t *users, size_t n,
           struct logged *ret, struct hearers *ret_added, int64_t *ret_count)
{
	const struct arg args[] = { A_INT(me), A_INT(conversation_id), A_IDS(users, n), A_INT(GROUP_MEMBERS_MAX) };
	struct rows *rows;
	int r = db_run(db, arena, &add, args, &rows);

	if (r)
		return trace(r);
	*ret = read_logged(rows);
	ret_added->ids = rows_ids(rows, arena, 0, 3, &ret_added->n);
	*ret_count = rows_int(rows, 0, 4);
	return 0;
}

int
member_role(struct db *db, struct arena *arena, int64_t me, int64_t conversation_id, int64_t user_id, enum member_role to,
            struct logged *ret, struct member *ret_member)
{
	const struct arg args[] = { A_INT(me), A_INT(conversation_id), A_INT(user_id), A_INT((int64_t)to) };
	struct rows *rows;
	int r = db_run(db, arena, &role, args, &rows);

	if (r)
		return trace(r);
	*ret = read_logged(rows);
	*ret_member =
	        (struct member){ .role = to, .receipt_seq = rows_int(rows, 0, 3), .delivered_seq = rows_int(rows, 0, 4) };
	read_user(rows, 0, 5, &ret_member->user);
	return 0;
}

int
member_remove(struct db *db, struct arena *arena, int64_t me, int64_t conversation_id, int64_t user_id, struct logged *ret,
              int64_t *ret_user_rev)
{
	struct rows *rows;
	int r = db_run(db, arena, &remove_, ARGS(A_INT(me), A_INT(conversation_id), A_INT(user_id)), &rows);

	if (r)
		return trace(r);
	*ret = read_logged(rows);
	*ret_user_rev = rows_int(rows, 0, 3);
	return 0;
}

int
member_list(struct db *db, struct arena *arena, int64_t me, int64_t conversation_id, const struct member_cursor *from,
            int64_t limit, struct member **ret, size_t *ret_n, struct member_cursor *ret_next)
{
	const struct arg args[] = {
		A_INT(me),       A_INT(conversation_id), A_INT(from->given), A_INT(from->position), A_INT(from->user_id),
		A_INT(limit + 1)
	};
	struct member *members;
	struct rows *rows;
	size_t n = 0;
	int r = db_run(db, arena, &list, args, &rows);

	if (r)
		return trace(r);
	if (!rows_n(rows))
		return NOT_FOUND;
	members = arena_alloc_array(arena, rows_n(rows), sizeof(*members));
	for (; n < rows_n(rows) && n < (size_t)limit && !rows_null(rows, n, 0); n++)
		read_member(rows, n, 1, &members[n]);
	*ret_next = (struct member_cursor){ 0 };
	if (n && rows_n(rows) > n)
		*ret_next = (struct member_cursor){ true, rows_int(rows, n - 1, 0), members[n - 1].user.id };
	*ret = members;
	*ret_n = n;
	return 0;
}

static int
run_own(struct db *db, struct arena *arena, const struct stmt *stmt, const struct arg *args, int64_t *ret_user_rev)
{
	struct rows *rows;
	int r = db_run(db, arena, stmt, args, &rows);

	if (r)
		return trace(r);
	*ret_user_rev = rows_int(rows, 0, 0);
	return 0;
}

int
member_settings(struct db *db, struct arena *arena, int64_t me, int64_t conversation_id, struct str changes,
                int64_t *ret_user_rev)
{
	return run_own(db, arena, &settings, ARGS(A_INT(me), A_INT(conversation_id), A_STR(changes), A_INT(PINNED_MAX)),
	               ret_user_rev);
}

int
member_unread(struct db *db, struct arena *arena, int64_t me, int64_t conversation_id, int64_t seq, int64_t *ret_user_rev)
{
	return run_own(db, arena, &unread, ARGS(A_INT(me), A_INT(conversation_id), A_INT(seq)), ret_user_rev);
}

int
member_draft(struct db *db, struct arena *arena, int64_t me, int64_t conversation_id, struct str content, int64_t reply_seq,
             int64_t *ret_user_rev)
{
	return run_own(db, arena, &draft, ARGS(A_INT(me), A_INT(conversation_id), A_STR(content), A_ID_OR_NULL(reply_seq)),
	               ret_user_rev);
}
