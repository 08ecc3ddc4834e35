/*
 * block -- statements about blocks and presence.
 */
#include "block.h"
#include "read.h"

/* clang-format off */
static const struct stmt set = {
	.name = "block_set", .params = "iib", .results = "Ni", .writes = true,
	.text = "SELECT person_block($1, $2, $3)",
};
/* $2, $3: after this place; 0 and 0 for the first page */
static const struct stmt list = {
	.name = "block_list", .params = "iNtii", .results = "t" USER_RESULTS,
	.text = "SELECT b.created_at, " USER_COLUMNS("u") " FROM block b JOIN users u ON u.id = b.blocked_id "
	        "WHERE b.user_id = $1 AND ($2::timestamptz IS NULL OR (b.created_at, b.blocked_id) < ($2, $3)) "
	        "ORDER BY b.created_at DESC, b.blocked_id DESC LIMIT $4",
};
static const struct stmt visible = {
	.name = "presence_visible", .params = "iI", .results = USER_RESULTS,
	.text = "SELECT " USER_COLUMNS("u") " FROM users u WHERE u.id = ANY ($2) AND u.disabled_at IS NULL "
	        "AND presence_visible($1, u.id, u.show_last_seen) ORDER BY u.id",
};
/* clang-format on */

const struct stmt *const block_statements[] = { &set, &list, &visible, NULL };

int
block_set(struct db *db, struct arena *arena, int64_t me, int64_t other, bool blocked, int64_t *ret_user_rev)
{
	struct rows *rows;
	int r = db_run(db, arena, &set, ARGS(A_INT(me), A_INT(other), A_INT(blocked)), &rows);

	if (r)
		return trace(r);
	*ret_user_rev = rows_int(rows, 0, 0);
	return 0;
}

int
block_list(struct db *db, struct arena *arena, int64_t me, const struct block_cursor *after, int64_t limit,
           struct block **ret, size_t *ret_n, struct block_cursor *ret_next)
{
	/* one more than asked for tells whether there is a next page */
	const struct arg args[] = { A_INT(me), A_ID_OR_NULL(after->created_at), A_INT(after->id), A_INT(limit + 1) };
	struct block *blocks;
	struct rows *rows;
	size_t n;
	int r = db_run(db, arena, &list, args, &rows);

	if (r)
		return trace(r);
	n = rows_n(rows) > (size_t)limit ? (size_t)limit : rows_n(rows);
	blocks = arena_alloc_array(arena, n + 1, sizeof(*blocks));
	for (size_t i = 0; i < n; i++) {
		blocks[i].created_at = rows_int(rows, i, 0);
		read_user(rows, i, 1, &blocks[i].user);
	}
	*ret_next = (struct block_cursor){ 0 };
	if (rows_n(rows) > n)
		*ret_next = (struct block_cursor){ blocks[n - 1].created_at, blocks[n - 1].user.id };
	*ret = blocks;
	*ret_n = n;
	return 0;
}

int
presence_visible(struct db *db, struct arena *arena, int64_t me, const int64_t *ids, size_t n, struct user **ret,
                 size_t *ret_n)
{
	struct rows *rows;
	struct user *users;
	int r = db_run(db, arena, &visible, ARGS(A_INT(me), A_IDS(ids, n)), &rows);

	if (r)
		return trace(r);
	users = arena_alloc_array(arena, rows_n(rows) + 1, sizeof(*users));
	for (size_t i = 0; i < rows_n(rows); i++)
		read_user(rows, i, 0, &users[i]);
	*ret = users;
	*ret_n = rows_n(rows);
	return 0;
}
