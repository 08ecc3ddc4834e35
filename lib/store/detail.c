/*
 * detail -- what there is to know of a message besides the message, and lists of marked messages.
 */
#include "detail.h"
#include "read.h"

#define ADVANCES_KEPT "interval '30 days'"        /* mark_advance; see jobs */
#define STAR_LATEST   INT64_C(253402300799000000) /* year 9999: no star is newer */

/* clang-format off */
/* g: a message that I see; what is joined to it may be nothing. */
#define SEEN                                                                                                  \
	MINE("AND m.conversation_id = $2 AND NOT m.hidden")                                                      \
	"JOIN message g ON g.conversation_id = c.id AND g.seq = $3 AND g.seq >= c.floor AND " SHOWN("g", "c") " "

/* $4 below this version, $5 limit */
static const struct stmt revisions = {
	.name = "detail_revisions", .params = "iiiii", .results = "NnNsNjNt",
	.text = "SELECT v.version, v.content, v.mentions, v.created_at FROM " SEEN
	        "LEFT JOIN LATERAL (SELECT x.* FROM message_revision x WHERE x.conversation_id = g.conversation_id AND x.seq = g.seq "
	        " AND x.version < $4 ORDER BY x.version DESC LIMIT $5) v ON true ORDER BY v.version DESC",
};
/* $4 above this user, $5 limit, $6 this emoji */
static const struct stmt reactions = {
	.name = "detail_reactions", .params = "iiiiiNs", .results = USER_RESULTS "NjNt",
	.text = "SELECT " USER_COLUMNS("u") ", array_to_json(z.reactions), z.reacted_at FROM " SEEN
	        "LEFT JOIN LATERAL (SELECT x.* FROM message_mine x WHERE x.conversation_id = g.conversation_id AND x.seq = g.seq "
	        " AND x.reactions IS NOT NULL AND x.user_id > $4 AND ($6 IS NULL OR $6 = ANY (x.reactions)) "
	        " ORDER BY x.user_id LIMIT $5) z ON true LEFT JOIN " ONE("users", "x.id = z.user_id") "u ON true ORDER BY z.user_id",
};
/*
 * $4 above this user, $5 limit. A mark's time is that of the first advance that reached the message. Whoever joined later has
 * none; and when advances from before the message are no longer kept, the first one kept tells nothing if it is beyond it.
 */
#define ADVANCE_ROWS "FROM mark_advance a WHERE a.conversation_id = g.conversation_id AND a.user_id = o.user_id "
#define ADVANCED(mark)                                                                                        \
	"CASE WHEN o." mark " >= g.seq AND o.joined_seq < g.seq AND (g.created_at > now() - " ADVANCES_KEPT " OR g.seq > (SELECT a." mark " "  \
	ADVANCE_ROWS "ORDER BY a.slot LIMIT 1)) THEN (SELECT a.at " ADVANCE_ROWS                                    \
	"AND a.slot >= floor(extract(epoch FROM g.created_at) / 10)::bigint AND a." mark " >= g.seq ORDER BY a.slot LIMIT 1) END"
static const struct stmt receipts = {
	.name = "detail_receipts", .params = "iiiii", .results = "NiNbNtNt",
	.text = "SELECT o.user_id, o.receipt_seq >= g.seq, " ADVANCED("delivered_seq") ", " ADVANCED("receipt_seq") " FROM " SEEN
	        "LEFT JOIN LATERAL (SELECT x.* FROM member x WHERE x.conversation_id = g.conversation_id AND x.user_id <> g.sender_id "
	        " AND x.delivered_seq >= g.seq AND x.user_id > $4 ORDER BY x.user_id LIMIT $5) o ON true ORDER BY o.user_id",
};
/* $2 $3 $4 the place before, $5 limit. Stars are walked in their order until the page is full. */
static const struct stmt starred = {
	.name = "detail_starred", .params = "itiii", .results = "t" MY_MESSAGE_RESULTS,
	.text = "WITH l AS MATERIALIZED (SELECT s.* FROM message_mine s CROSS JOIN LATERAL (SELECT 1 FROM "
	        MINE("AND m.conversation_id = s.conversation_id AND NOT m.hidden")
	        "  JOIN message x ON x.conversation_id = c.id AND x.seq = s.seq AND x.seq >= c.floor AND " SHOWN("x", "c") "LIMIT 1) v "
	        " WHERE s.user_id = $1 AND s.starred_at IS NOT NULL AND (s.starred_at, s.conversation_id, s.seq) < ($2, $3, $4) "
	        " ORDER BY s.starred_at DESC, s.conversation_id DESC, s.seq DESC LIMIT $5), " LIST_MARKS("seq")
	        "SELECT mm.starred_at, " MY_MESSAGE_COLUMNS " FROM l mm "
	        "CROSS JOIN LATERAL (SELECT c.* FROM " MINE("AND m.conversation_id = mm.conversation_id") "LIMIT 1) c "
	        "JOIN " ONE("message", "x.conversation_id = mm.conversation_id AND x.seq = mm.seq") "g ON true "
	        MY_MESSAGE_PARENT("c") LIST_COUNTS
	        "ORDER BY mm.starred_at DESC, mm.conversation_id DESC, mm.seq DESC",
};
/* $3 limit */
static const struct stmt pins = {
	.name = "detail_pins", .params = "iii", .results = MY_MESSAGE_RESULTS,
	.text = "WITH w AS MATERIALIZED (SELECT c.id, c.user_id, c.hides, c.floor FROM "
	        MINE("AND m.conversation_id = $2 AND NOT m.hidden") "), "
	        "l AS MATERIALIZED (SELECT y.* FROM w CROSS JOIN LATERAL (SELECT x.* FROM message x WHERE x.conversation_id = w.id "
	        " AND x.pinned_at IS NOT NULL AND x.seq >= w.floor AND " SHOWN("x", "w")
	        " ORDER BY x.pinned_at DESC, x.seq DESC LIMIT $3) y), " LIST_MARKS("seq")
	        "SELECT " MY_MESSAGE_COLUMNS " FROM w LEFT JOIN l g ON true " MY_MESSAGE_PARENT("w") LIST_COUNTS MESSAGE_MINE("$1")
	        "ORDER BY g.pinned_at DESC, g.seq DESC",
};
/* clang-format on */

const struct stmt *const detail_statements[] = { &revisions, &reactions, &receipts, &starred, &pins, NULL };

/* One more than asked for tells whether there is a next page. No row: not mine to see; a row without anything: nothing there. */
static int
page(struct db *db, struct arena *arena, const struct stmt *stmt, const struct arg *args, int64_t limit, struct rows **ret,
     size_t *ret_n, bool *ret_more)
{
	int r = db_run(db, arena, stmt, args, ret);
	size_t n;

	if (r)
		return trace(r);
	n = rows_n(*ret);
	if (!n)
		return NOT_FOUND;
	if (rows_null(*ret, 0, 0))
		n = 0;
	*ret_more = n > (size_t)limit;
	*ret_n = *ret_more ? (size_t)limit : n;
	return 0;
}

int
detail_revisions(struct db *db, struct arena *arena, const struct place *at, int64_t before_version, int64_t limit,
                 struct revision **ret, size_t *ret_n, bool *ret_more)
{
	const struct arg args[] = { A_INT(at->me), A_INT(at->conversation_id), A_INT(at->seq),
		                    A_INT(before_version ? before_version : INT64_MAX), A_INT(limit + 1) };
	struct revision *items;
	struct rows *rows;
	int r = page(db, arena, &revisions, args, limit, &rows, ret_n, ret_more);

	if (r)
		return trace(r);
	items = arena_alloc_array(arena, *ret_n + 1, sizeof(*items));
	for (size_t i = 0; i < *ret_n; i++)
		items[i] = (struct revision){ .version = rows_int(rows, i, 0),
			                      .content = rows_str(rows, i, 1),
			                      .mentions_json = rows_str(rows, i, 2),
			                      .created_at = rows_int(rows, i, 3) };
	*ret = items;
	return 0;
}

int
detail_reactions(struct db *db, struct arena *arena, const struct place *at, struct str emoji, int64_t after_user,
                 int64_t limit, struct reactor **ret, size_t *ret_n, bool *ret_more)
{
	const struct arg args[] = { A_INT(at->me),     A_INT(at->conversation_id), A_INT(at->seq),
		                    A_INT(after_user), A_INT(limit + 1),           A_STR(emoji) };
	struct reactor *items;
	struct rows *rows;
	int r = page(db, arena, &reactions, args, limit, &rows, ret_n, ret_more);

	if (r)
		return trace(r);
	items = arena_alloc_array(arena, *ret_n + 1, sizeof(*items));
	for (size_t i = 0; i < *ret_n; i++) {
		read_user(rows, i, 0, &items[i].user);
		items[i].emojis_json = rows_str(rows, i, USER_N);
		items[i].reacted_at = rows_int(rows, i, USER_N + 1);
	}
	*ret = items;
	return 0;
}

int
detail_receipts(struct db *db, struct arena *arena, const struct place *at, int64_t after_user, int64_t limit,
                struct receipt **ret, size_t *ret_n, bool *ret_more)
{
	const struct arg args[] = { A_INT(at->me), A_INT(at->conversation_id), A_INT(at->seq), A_INT(after_user),
		                    A_INT(limit + 1) };
	struct receipt *items;
	struct rows *rows;
	int r = page(db, arena, &receipts, args, limit, &rows, ret_n, ret_more);

	if (r)
		return trace(r);
	items = arena_alloc_array(arena, *ret_n + 1, sizeof(*items));
	for (size_t i = 0; i < *ret_n; i++)
		items[i] = (struct receipt){ .user_id = rows_int(rows, i, 0),
			                     .read = rows_int(rows, i, 1),
			                     .delivered_at = rows_int(rows, i, 2),
			                     .read_at = rows_int(rows, i, 3) };
	*ret = items;
	return 0;
}

int
detail_starred(struct db *db, struct arena *arena, int64_t me, const struct star_cursor *from, int64_t limit,
               struct message **ret, size_t *ret_n, struct star_cursor *ret_next)
{
	bool given = from->starred_at != 0;
	const struct arg args[] = { A_INT(me), A_INT(given ? from->starred_at : STAR_LATEST), A_INT(from->conversation_id),
		                    A_INT(from->seq), A_INT(limit + 1) };
	struct message *items;
	struct rows *rows;
	size_t n;
	int r = db_run(db, arena, &starred, args, &rows);

	if (r)
		return trace(r);
	n = rows_n(rows) > (size_t)limit ? (size_t)limit : rows_n(rows);
	items = arena_alloc_array(arena, n + 1, sizeof(*items));
	for (size_t i = 0; i < n; i++)
		read_my_message(rows, i, 1, &items[i]);
	*ret_next = (struct star_cursor){ 0 };
	if (rows_n(rows) > n)
		*ret_next = (struct star_cursor){ .starred_at = rows_int(rows, n - 1, 0),
			                          .conversation_id = items[n - 1].conversation_id,
			                          .seq = items[n - 1].seq };
	*ret = items;
	*ret_n = n;
	return 0;
}

int
detail_pins(struct db *db, struct arena *arena, int64_t me, int64_t conversation_id, int64_t limit, struct message **ret,
            size_t *ret_n)
{
	struct message *items;
	struct rows *rows;
	bool more;
	int r = page(db, arena, &pins, ARGS(A_INT(me), A_INT(conversation_id), A_INT(limit)), limit, &rows, ret_n, &more);

	if (r)
		return trace(r);
	items = arena_alloc_array(arena, *ret_n + 1, sizeof(*items));
	for (size_t i = 0; i < *ret_n; i++)
		read_my_message(rows, i, 0, &items[i]);
	*ret = items;
	return 0;
}
