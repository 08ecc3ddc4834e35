/*
 * older -- statements for older clients.
 */
#include "older.h"
#include "read.h"

/* clang-format off */
static const struct stmt direct = {
	.name = "direct_find", .params = "ii", .results = "Ni",
	.text = "SELECT m.conversation_id FROM users u LEFT JOIN conversation v ON v.kind = 1 AND v.direct_low = least($1, $2) "
	        " AND v.direct_high = greatest($1, $2) "
	        "LEFT JOIN member m ON m.user_id = $1 AND m.conversation_id = v.id AND NOT m.hidden WHERE u.id = $2",
};

/* A request lives shorter than this, so nothing says a time that is further from those around it. */
#define SKEW "interval '30 seconds'"

/* Of conversation c, from its place c.start on: what is visible to me, and when it counts as said. */
#define SAID(c, most)                                                                                         \
	"(SELECT x.seq, x.at FROM (SELECT y.conversation_id, y.seq, y.expires_at, max(y.created_at) OVER (ORDER BY y.seq) AS at " \
	" FROM message y WHERE y.conversation_id = " c ".id AND y.seq >= " c ".start) x "                       \
	" WHERE (x.at, x.conversation_id, x.seq) > ($2, $3, $4) AND " SHOWN("x", c) " ORDER BY x.seq LIMIT " most ")"
/*
 * c: my conversations in which something was said since, and where in each; f: those that the first $5 messages can be of;
 * p: these messages.
 */
static const struct stmt since = {
	.name = "message_since", .params = "itiii", .results = "tii" MY_MESSAGE_RESULTS,
	.text = "WITH c AS MATERIALIZED (SELECT c.id, c.user_id, c.hides, c.floor, "
	        "  CASE WHEN c.created_at >= $2 THEN c.floor ELSE message_place(c.id, c.floor, c.last_seq, $2 - " SKEW ") END AS start "
	        "  FROM " MINE("AND NOT m.hidden AND v.updated_at >= $2 - " SKEW) "WHERE c.last_seq >= c.floor), "
	        "f AS MATERIALIZED (SELECT c.* FROM c CROSS JOIN LATERAL " SAID("c", "1") " r ORDER BY r.at, c.id LIMIT $5), "
	        "p AS MATERIALIZED (SELECT f.*, r.seq, r.at FROM f CROSS JOIN LATERAL " SAID("f", "$5") " r "
	        "  ORDER BY r.at, f.id, r.seq LIMIT $5) "
	        "SELECT p.at, p.id, p.seq, " MY_MESSAGE_COLUMNS " FROM p "
	        "JOIN " ONE("message", "x.conversation_id = p.id AND x.seq = p.seq") "g ON true "
	        MY_MESSAGE_PARENT("p") MESSAGE_MARKS MESSAGE_MINE("$1") "ORDER BY p.at, p.id, p.seq",
};
/* clang-format on */

const struct stmt *const older_statements[] = { &direct, &since, NULL };

int
direct_find(struct db *db, struct arena *arena, int64_t me, int64_t other, int64_t *ret)
{
	return one_int(db, arena, &direct, ARGS(A_INT(me), A_INT(other)), ret);
}

int
message_since(struct db *db, struct arena *arena, int64_t me, const struct since *from, int64_t limit, struct message **ret,
              size_t *ret_n, struct since *ret_next)
{
	/* one more than asked for tells whether there is a next page */
	const struct arg args[] = { A_INT(me), A_INT(from->at), A_INT(from->conversation_id), A_INT(from->seq),
		                    A_INT(limit + 1) };
	struct message *items;
	struct rows *rows;
	size_t n;
	int r = db_run(db, arena, &since, args, &rows);

	if (r)
		return trace(r);
	n = rows_n(rows) > (size_t)limit ? (size_t)limit : rows_n(rows);
	items = arena_alloc_array(arena, n + 1, sizeof(*items));
	for (size_t i = 0; i < n; i++)
		read_my_message(rows, i, 3, &items[i]);
	*ret_next = (struct since){ 0 };
	if (rows_n(rows) > n)
		*ret_next = (struct since){ rows_int(rows, n - 1, 0), rows_int(rows, n - 1, 1), rows_int(rows, n - 1, 2) };
	*ret = items;
	*ret_n = n;
	return 0;
}
