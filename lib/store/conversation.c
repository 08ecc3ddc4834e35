/*
 * conversation -- conversations as their members see them.
 */
#include "conversation.h"
#include "read.h"

#define PARTICIPANTS_MAX 32

/* clang-format off */
static const struct stmt start_direct = {
	.name = "conversation_start_direct", .params = "ii", .results = "ibNiNiNt", .writes = true,
	.text = "SELECT o_conversation_id, o_created, o_seq, o_rev, o_at FROM conversation_start_direct($1, $2)",
};
static const struct stmt get = {
	.name = "conversation_get", .params = "ii", .results = CONVERSATION_RESULTS,
	.text = "SELECT " CONVERSATION_COLUMNS " FROM " MINE("AND m.conversation_id = $2 AND NOT m.hidden") CONVERSATION_JOINS,
};
/* $2: as each of these sees it, also where it is hidden from them */
static const struct stmt get_for = {
	.name = "conversation_get_for", .params = "iI", .results = "i" CONVERSATION_RESULTS,
	.text = "SELECT c.user_id, " CONVERSATION_COLUMNS " FROM (SELECT m.*, v.*, first_visible(v.history_all, v.first_seq, "
	        "m.joined_seq) AS floor FROM member m JOIN conversation v ON v.id = m.conversation_id "
	        "WHERE m.conversation_id = $1 AND m.user_id = ANY ($2)) c " CONVERSATION_JOINS "ORDER BY c.user_id",
};
static const struct stmt participants = {
	.name = "conversation_participants", .params = "ii", .results = MEMBER_RESULTS,
	.text = "SELECT " MEMBER_COLUMNS("m", "u") " FROM (SELECT p.* FROM member p WHERE p.conversation_id = $1 "
	        " ORDER BY p.joined_position, p.user_id LIMIT $2) m JOIN " ONE("users", "x.id = m.user_id") "u ON true "
	        "ORDER BY m.joined_position, m.user_id",
};
/*
 * The page is cut on their ids before anything is joined to it, even the rest of their rows: the joins cost one probe per
 * conversation shown, and of thousands that are not shown only what orders them is sorted.
 */
static const struct stmt list = {
	.name = "conversation_list", .params = "ibbbtii", .results = CONVERSATION_RESULTS,
	.text = "SELECT " CONVERSATION_COLUMNS " FROM (SELECT m.*, v.*, first_visible(v.history_all, v.first_seq, m.joined_seq) AS floor "
	        "FROM (SELECT v.id FROM member m JOIN conversation v ON v.id = m.conversation_id WHERE m.user_id = $1 AND NOT m.hidden "
	        " AND m.archived = $2 AND (NOT $3 OR (m.pinned, v.updated_at, v.id) < ($4, $5, $6)) "
	        " ORDER BY m.pinned DESC, v.updated_at DESC, v.id DESC LIMIT $7) t "
	        "JOIN LATERAL (SELECT x.* FROM member x WHERE x.user_id = $1 AND x.conversation_id = t.id LIMIT 1) m ON true "
	        "JOIN LATERAL (SELECT x.* FROM conversation x WHERE x.id = t.id LIMIT 1) v ON true) c "
	        CONVERSATION_JOINS "ORDER BY c.pinned DESC, c.updated_at DESC, c.id DESC",
};
static const struct stmt read = {
	.name = "conversation_read", .params = "iiibi", .results = "biiiiiNitNI", .writes = true,
	.text = "SELECT o_moved, o_read_seq, o_receipt_seq, o_delivered_seq, o_unread, o_mentions, o_user_rev, o_at, "
	        "o_hearers "
	        "FROM conversation_read($1, $2, $3, $4, $5)",
};
static const struct stmt typing_hearers = {
	.name = "conversation_typing_hearers", .params = "iii", .results = "NI",
	.text = "SELECT CASE WHEN v.participant_count <= $3 THEN (SELECT array_agg(o.user_id ORDER BY o.user_id) FROM "
	        "member o "
	        " WHERE o.conversation_id = v.id AND o.user_id <> $1 AND NOT o.hidden AND NOT (v.kind = 1 AND blocked($1, "
	        "o.user_id))) END "
	        "FROM member m JOIN conversation v ON v.id = m.conversation_id "
	        "WHERE m.user_id = $1 AND m.conversation_id = $2 AND NOT m.hidden",
};
static const struct stmt unread = {
	.name = "conversation_unread", .params = "i", .results = "iii",
	.text = "SELECT c.id, un.unread, un.mentions FROM " MINE("AND NOT m.hidden AND (m.unread_from IS NOT NULL OR "
	        "m.read_seq < v.last_seq)")
	        UNREAD "WHERE un.unread > 0 ORDER BY c.updated_at DESC, c.id DESC",
};
/* clang-format on */

const struct stmt *const conversation_statements[] = { &start_direct,   &get,    &get_for, &participants, &list, &read,
	                                               &typing_hearers, &unread, NULL };

int
conversation_start_direct(struct db *db, struct arena *arena, int64_t me, int64_t peer, struct conversation *ret,
                          bool *ret_created, struct advance *ret_advance)
{
	struct rows *rows;
	int r = db_run(db, arena, &start_direct, ARGS(A_INT(me), A_INT(peer)), &rows);

	if (r)
		return trace(r);
	*ret_created = rows_int(rows, 0, 1);
	*ret_advance =
	        (struct advance){ .seq = rows_int(rows, 0, 2), .rev = rows_int(rows, 0, 3), .at = rows_int(rows, 0, 4) };
	return conversation_get(db, arena, me, rows_int(rows, 0, 0), ret);
}

/* The first of its participants, all of them in a direct one. */
static int
first_members(struct db *db, struct arena *arena, int64_t conversation_id, const struct member **ret, size_t *ret_n)
{
	struct member *members;
	struct rows *rows;
	int r = db_run(db, arena, &participants, ARGS(A_INT(conversation_id), A_INT(PARTICIPANTS_MAX)), &rows);

	if (r)
		return trace(r);
	members = arena_alloc_array(arena, rows_n(rows) + 1, sizeof(*members));
	for (size_t i = 0; i < rows_n(rows); i++)
		read_member(rows, i, 0, &members[i]);
	*ret = members;
	*ret_n = rows_n(rows);
	return 0;
}

int
conversation_listed(struct db *db, struct arena *arena, int64_t me, int64_t conversation_id, struct conversation *ret)
{
	struct rows *rows;
	int r = need_row(db, arena, &get, ARGS(A_INT(me), A_INT(conversation_id)), &rows);

	if (r)
		return trace(r);
	read_conversation(rows, 0, 0, ret);
	return 0;
}

int
conversation_get(struct db *db, struct arena *arena, int64_t me, int64_t conversation_id, struct conversation *ret)
{
	int r = conversation_listed(db, arena, me, conversation_id, ret);

	return r ? trace(r) : first_members(db, arena, conversation_id, &ret->participants, &ret->participants_n);
}

int
conversation_get_for(struct db *db, struct arena *arena, int64_t conversation_id, const int64_t *viewers, size_t n,
                     struct viewed **ret, size_t *ret_n)
{
	const struct member *members;
	struct viewed *viewed;
	struct rows *rows;
	size_t members_n;
	int r = db_run(db, arena, &get_for, ARGS(A_INT(conversation_id), A_IDS(viewers, n)), &rows);

	if (!r)
		r = first_members(db, arena, conversation_id, &members, &members_n);
	if (r)
		return trace(r);
	viewed = arena_alloc_array(arena, rows_n(rows) + 1, sizeof(*viewed));
	for (size_t i = 0; i < rows_n(rows); i++) {
		viewed[i].viewer = rows_int(rows, i, 0);
		read_conversation(rows, i, 1, &viewed[i].conversation);
		viewed[i].conversation.participants = members;
		viewed[i].conversation.participants_n = members_n;
	}
	*ret = viewed;
	*ret_n = rows_n(rows);
	return 0;
}

static struct conversation_cursor
place_of(const struct conversation *c)
{
	return (struct conversation_cursor){
		.given = true, .pinned = c->my.pinned, .updated_at = c->updated_at, .id = c->id
	};
}

int
conversation_list(struct db *db, struct arena *arena, int64_t me, const struct conversation_cursor *cursor, int64_t limit,
                  bool archived, struct conversation **ret, size_t *ret_n, struct conversation_cursor *ret_next)
{
	/* one more than asked for tells whether there is a next page; without a cursor any time but 0 (NULL) will do */
	const struct arg args[] = { A_INT(me),
		                    A_INT(archived),
		                    A_INT(cursor->given),
		                    A_INT(cursor->pinned),
		                    A_INT(cursor->given ? cursor->updated_at : 1),
		                    A_INT(cursor->id),
		                    A_INT(limit + 1) };
	struct conversation *items;
	struct rows *rows;
	size_t n;
	int r = db_run(db, arena, &list, args, &rows);

	if (r)
		return trace(r);
	n = rows_n(rows) > (size_t)limit ? (size_t)limit : rows_n(rows);
	items = arena_alloc_array(arena, n + 1, sizeof(*items));
	for (size_t i = 0; i < n; i++)
		read_conversation(rows, i, 0, &items[i]);
	*ret_next = rows_n(rows) > n ? place_of(&items[n - 1]) : (struct conversation_cursor){ 0 };
	*ret = items;
	*ret_n = n;
	return 0;
}

int
conversation_read(struct db *db, struct arena *arena, int64_t me, int64_t conversation_id, int64_t seq, bool private_reading,
                  int64_t marks_max_members, struct read_mark *ret)
{
	const struct arg args[] = { A_INT(me), A_INT(conversation_id), A_INT(seq), A_INT(private_reading),
		                    A_INT(marks_max_members) };
	struct rows *rows;
	int r = db_run(db, arena, &read, args, &rows);

	if (r)
		return trace(r);
	*ret = (struct read_mark){ .moved = rows_int(rows, 0, 0),
		                   .seq = rows_int(rows, 0, 2),
		                   .user_rev = rows_int(rows, 0, 6),
		                   .at = rows_int(rows, 0, 7) };
	ret->hearers.ids = rows_ids(rows, arena, 0, 8, &ret->hearers.n);
	ret->conversation.id = conversation_id;
	ret->conversation.my.read_seq = rows_int(rows, 0, 1);
	ret->conversation.my.receipt_seq = rows_int(rows, 0, 2);
	ret->conversation.my.delivered_seq = rows_int(rows, 0, 3);
	ret->conversation.unread_count = rows_int(rows, 0, 4);
	ret->conversation.mention_count = rows_int(rows, 0, 5);
	return 0;
}

int
conversation_typing_hearers(struct db *db, struct arena *arena, int64_t me, int64_t conversation_id, int64_t max,
                            struct hearers *ret)
{
	struct rows *rows;
	int r = need_row(db, arena, &typing_hearers, ARGS(A_INT(me), A_INT(conversation_id), A_INT(max)), &rows);

	if (r)
		return trace(r);
	ret->ids = rows_ids(rows, arena, 0, 0, &ret->n);
	return 0;
}

int
conversation_unread(struct db *db, struct arena *arena, int64_t me, struct unread_total *ret)
{
	struct unread_total total = { 0 };
	struct rows *rows;
	int r = db_run(db, arena, &unread, ARGS(A_INT(me)), &rows);

	if (r)
		return trace(r);
	total.n = rows_n(rows);
	total.items = arena_alloc_array(arena, total.n + 1, sizeof(*total.items));
	for (size_t i = 0; i < total.n; i++) {
		total.items[i].id = rows_int(rows, i, 0);
		total.items[i].unread = rows_int(rows, i, 1);
		total.items[i].mentions = rows_int(rows, i, 2);
		total.total += total.items[i].unread;
		total.mentions += total.items[i].mentions;
	}
	*ret = total;
	return 0;
}
