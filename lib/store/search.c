/*
 * search -- statements of the index.
 */
#include <errno.h>

#include "../base/terms.h"
#include "read.h"
#include "search.h"

#define WRITE_MOST ((size_t)256 << 20)

const char *const search_kinds[MESSAGE_FILE + 1] = {
	[MESSAGE_IMAGE] = "image", [MESSAGE_AUDIO] = "audio", [MESSAGE_VIDEO] = "video", [MESSAGE_FILE] = "file"
};

/* clang-format off */
/* $2 conversation or 0, $3 in, $4 from */
static const struct stmt scope = {
	.name = "search_scope", .params = "iiNsNs", .results = "NINi",
	.text = "SELECT (SELECT array_agg(m.conversation_id) FROM member m JOIN conversation c ON c.id = m.conversation_id "
	        "  WHERE m.user_id = $1 AND NOT m.hidden AND ($2 = 0 OR m.conversation_id = $2) AND ($3 IS NULL OR c.id::text = $3 "
	        "  OR lower(c.name) = lower($3) OR (c.kind = 1 AND c.direct_low + c.direct_high - $1 = "
	        "     (SELECT u.id FROM users u WHERE u.username_key = lower($3))))), "
	        "CASE WHEN lower($4) = 'me' THEN $1 ELSE (SELECT u.id FROM users u WHERE u.username_key = lower($4)) END",
};
/* $1 terms, $2 conversations, $3 from, $4 $5 $6 before, $7 limit, $8 budget */
static const struct stmt places = {
	.name = "search_places", .params = "sIttiiii", .results = "bNtNiNi",
	.text = "SELECT o_found, o_at, o_conversation_id, o_seq FROM search_places($1, $2, $3, $4, $5, $6, $7, $8)",
};
#define PLACES_BEFORE "g.created_at >= $3 AND (g.created_at, g.conversation_id, g.seq) < ($4, $5, $6) " \
	"ORDER BY g.created_at DESC, g.conversation_id DESC, g.seq DESC LIMIT $7"
/* $8 me */
static const struct stmt starred = {
	.name = "search_starred", .params = "NsIttiiii", .results = "bNtNiNi",
	.text = "SELECT true, g.created_at, g.conversation_id, g.seq FROM message_mine z JOIN message g ON g.conversation_id = z.conversation_id "
	        "AND g.seq = z.seq WHERE z.user_id = $8 AND z.starred_at IS NOT NULL AND g.conversation_id = ANY ($2) "
	        "AND $1 IS NULL AND " PLACES_BEFORE,
};
static const struct stmt pinned = {
	.name = "search_pinned", .params = "NsIttiiii", .results = "bNtNiNi",
	.text = "SELECT true, g.created_at, g.conversation_id, g.seq FROM message g WHERE g.pinned_at IS NOT NULL AND g.conversation_id = ANY ($2) "
	        "AND $1 IS NULL AND $8 > 0 AND " PLACES_BEFORE,
};
#define SEEN_PLACES \
	"unnest($2, $3) WITH ORDINALITY AS p (conversation_id, seq, n) CROSS JOIN LATERAL (SELECT c.* FROM " \
	MINE("AND m.conversation_id = p.conversation_id AND NOT m.hidden") "LIMIT 1) c " \
	"JOIN " ONE("message", "x.conversation_id = p.conversation_id AND x.seq = p.seq AND x.seq >= c.floor AND " SHOWN("x", "c") \
	" AND x.deleted_at IS NULL AND x.kind <= 7") "g ON true "
/* Most messages have no names, and calling an SQL function costs more than reading the rest of them. */
#define TEXT_COLUMNS \
	"g.sender_id, g.created_at, g.kind, g.content, CASE WHEN g.attachments IS NOT NULL OR g.extra IS NOT NULL " \
	"THEN search_names(g.attachments, g.extra) END, g.mentions"
static const struct stmt texts = {
	.name = "search_texts", .params = "iII", .results = "NiNiNiNtNhNsNsNjNbNb",
	.text = "SELECT g.conversation_id, g.seq, " TEXT_COLUMNS ", "
	        "EXISTS (SELECT FROM message_mine z WHERE z.user_id = $1 AND z.conversation_id = g.conversation_id AND z.seq = g.seq "
	        " AND z.starred_at IS NOT NULL OFFSET 0), g.pinned_at IS NOT NULL FROM " SEEN_PLACES "ORDER BY p.n",
};
static const struct stmt messages = {
	.name = "search_messages", .params = "iII", .results = MY_MESSAGE_RESULTS,
	.text = "WITH l AS MATERIALIZED (SELECT p.n, g.conversation_id, g.seq, c.floor, c.user_id, c.hides FROM " SEEN_PLACES "), " LIST_MARKS("seq")
	        "SELECT " MY_MESSAGE_COLUMNS " FROM l c JOIN "
	        ONE("message", "x.conversation_id = c.conversation_id AND x.seq = c.seq") "g ON true "
	        MY_MESSAGE_PARENT("c") LIST_COUNTS MESSAGE_MINE("$1") "ORDER BY c.n",
};

/* Batches: columns 0 to 4 concern the batch; a row without a message only tells these. */
#define BATCH_RESULTS "NiNibbbNbNiNiNiNtNhNsNsNj"
/* One probe per place: the planner cannot know how few they are. */
#define SEARCHED \
	"LEFT JOIN LATERAL (SELECT x.* FROM message x WHERE x.conversation_id = d.conversation_id AND x.seq = d.seq " \
	"AND x.deleted_at IS NULL AND x.kind <= 7 LIMIT 1) g ON true "
/*
 * $1 limit. Transactions below the horizon, whole ones. The log keeps what is at or after event_floor: when that has passed the place of
 * the indexer, there was something that nobody will tell it. Both ends are looked up first: joined to `s`, the partitions would be read from
 * their beginnings, in order, every time.
 */
static const struct stmt pending = {
	.name = "search_pending", .params = "i", .results = BATCH_RESULTS,
	.text = "WITH s AS MATERIALIZED (SELECT x.xid, pg_snapshot_xmin(pg_current_snapshot()) AS horizon, x.xid < m.event_floor AS lost, "
	        "  x.rebuild_asked_at IS NOT NULL AS asked FROM search_state x, peal_meta m), "
	        "e AS MATERIALIZED (SELECT e.xid, e.conversation_id, e.target_seq, e.kind FROM event e WHERE e.xid >= (SELECT s.xid FROM s) "
	        "  AND e.xid < (SELECT s.horizon FROM s) AND e.kind IN (1, 4) ORDER BY e.xid FETCH FIRST $1 ROWS WITH TIES), "
	        "t AS MATERIALIZED (SELECT s.xid AS from_xid, CASE WHEN (SELECT count(*) FROM e) < $1 THEN s.horizon::text::bigint "
	        "  ELSE (SELECT max(e.xid) FROM e)::text::bigint + 1 END AS to_xid, s.lost, s.asked FROM s), "
	        "d AS MATERIALIZED (SELECT e.conversation_id, e.target_seq AS seq, bool_or(e.kind = 1) AS new FROM e GROUP BY 1, 2) "
	        "SELECT t.from_xid::text::bigint, t.to_xid, t.lost, t.asked, EXISTS (SELECT FROM search_gone), d.new, d.conversation_id, d.seq, "
	        TEXT_COLUMNS " FROM t LEFT JOIN d ON true " SEARCHED "ORDER BY d.new DESC, d.conversation_id, d.seq",
};
/* $1 limit */
static const struct stmt rebuild_next = {
	.name = "search_rebuild_next", .params = "i", .results = BATCH_RESULTS,
	.text = "WITH s AS MATERIALIZED (SELECT x.* FROM search_state x), "
	        "d AS MATERIALIZED (SELECT y.conversation_id, y.seq FROM s CROSS JOIN LATERAL (SELECT x.conversation_id, x.seq FROM message x "
	        "  WHERE (x.conversation_id, x.seq) > (s.rebuild_conversation, s.rebuild_seq) AND s.rebuild_asked_at IS NOT NULL "
	        "  ORDER BY x.conversation_id, x.seq LIMIT $1) y) "
	        "SELECT NULL::bigint, NULL::bigint, false, s.rebuild_asked_at IS NOT NULL, false, false, d.conversation_id, d.seq, " TEXT_COLUMNS " "
	        "FROM s LEFT JOIN d ON true " SEARCHED
	        "ORDER BY d.conversation_id, d.seq",
};
static const struct stmt write = {
	.name = "search_write", .params = "IIIsNiNiNiNiii", .results = "i", .writes = true,
	.text = "SELECT search_write($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
};
static const struct stmt forget = {
	.name = "search_forget", .params = "i", .results = "i", .writes = true,
	.text = "SELECT search_forget($1)",
};
static const struct stmt split = {
	.name = "search_split", .params = "i", .results = "b", .writes = true,
	.text = "SELECT search_split($1)",
};
static const struct stmt state = {
	.name = "search_state", .params = "", .results = "NtiNtiii",
	.text = "SELECT s.rebuild_asked_at, s.rebuilt, s.rebuilt_at, "
	        "(SELECT greatest(c.reltuples, 0)::bigint FROM pg_class c WHERE c.oid = 'message'::regclass), "
	        "(SELECT count(*) FROM event e WHERE e.xid >= s.xid AND e.kind IN (1, 4)), (SELECT count(*) FROM search_slice) FROM search_state s",
};
static const struct stmt cut = {
	.name = "search_cut", .params = "i", .results = "n", .writes = true,
	.text = "SELECT search_cut($1)",
};
static const struct stmt ask = {
	.name = "search_rebuild_ask", .params = "", .results = "", .writes = true,
	.text = "UPDATE search_state SET rebuild_asked_at = now(), rebuild_conversation = 0, rebuild_seq = 0, rebuilt = 0",
};
/* clang-format on */

const struct stmt *const search_statements[] = { &scope,    &places,  &starred,      &pinned, &texts,
	                                         &messages, &pending, &rebuild_next, &write,  &forget,
	                                         &split,    &state,   &cut,          &ask,    NULL };

int
search_scope(struct db *db, struct arena *arena, int64_t me, int64_t conversation, struct str in, struct str from,
             struct search_scope *ret)
{
	struct rows *rows;
	int r = db_run(db, arena, &scope, ARGS(A_INT(me), A_INT(conversation), A_STR(in), A_STR(from)), &rows);

	if (r)
		return trace(r);
	*ret = (struct search_scope){ .from = rows_int(rows, 0, 1) };
	if (!rows_null(rows, 0, 0))
		ret->conversations = rows_ids(rows, arena, 0, 0, &ret->n);
	return 0;
}

static void
read_places(const struct rows *rows, struct arena *arena, int64_t limit, struct search_places *ret)
{
	*ret = (struct search_places){ .list = arena_alloc_array(arena, rows_n(rows) + 1, sizeof(*ret->list)) };
	for (size_t i = 0; i < rows_n(rows); i++) {
		struct search_place place = { rows_int(rows, i, 1), rows_int(rows, i, 2), rows_int(rows, i, 3) };

		if (rows_int(rows, i, 0))
			ret->list[ret->n++] = place;
		else
			ret->next = place;
	}
	if (ret->n == (size_t)limit)
		ret->next = ret->list[ret->n - 1];
}

int
search_places(struct db *db, struct arena *arena, const struct search_scope *in, struct str terms, int64_t from,
              const struct search_place *before, int64_t limit, int64_t budget_ms, struct search_places *ret)
{
	const struct arg args[] = { A_STR(terms),
		                    A_IDS(in->conversations, in->n),
		                    A_INT(from),
		                    A_INT(before->at),
		                    A_INT(before->conversation_id),
		                    A_INT(before->seq),
		                    A_INT(limit),
		                    A_INT(budget_ms) };
	struct rows *rows;
	int r = db_run(db, arena, &places, args, &rows);

	if (r)
		return trace(r);
	read_places(rows, arena, limit, ret);
	return 0;
}

int
search_marked(struct db *db, struct arena *arena, int64_t me, const struct search_scope *in, enum search_marked what,
              int64_t from, const struct search_place *before, int64_t limit, struct search_places *ret)
{
	const struct arg args[] = { A_STR(STR_NONE),
		                    A_IDS(in->conversations, in->n),
		                    A_INT(from),
		                    A_INT(before->at),
		                    A_INT(before->conversation_id),
		                    A_INT(before->seq),
		                    A_INT(limit),
		                    A_INT(me) };
	struct rows *rows;
	int r = db_run(db, arena, what == SEARCH_STARRED ? &starred : &pinned, args, &rows);

	if (r)
		return trace(r);
	read_places(rows, arena, limit, ret);
	return 0;
}

static int
run_places(struct db *db, struct arena *arena, const struct stmt *stmt, int64_t me, const struct search_place *list,
           size_t n, struct rows **ret)
{
	int64_t *conversations = arena_alloc_array(arena, n + 1, sizeof(*conversations));
	int64_t *seqs = arena_alloc_array(arena, n + 1, sizeof(*seqs));

	for (size_t i = 0; i < n; i++) {
		conversations[i] = list[i].conversation_id;
		seqs[i] = list[i].seq;
	}
	return db_run(db, arena, stmt, ARGS(A_INT(me), A_IDS(conversations, n), A_IDS(seqs, n)), ret);
}

/* From `column` on: place, TEXT_COLUMNS. */
static void
read_text(const struct rows *rows, size_t row, size_t column, struct search_text *ret)
{
	*ret = (struct search_text){ .conversation_id = rows_int(rows, row, column),
		                     .seq = rows_int(rows, row, column + 1),
		                     .sender_id = rows_int(rows, row, column + 2),
		                     .created_at = rows_int(rows, row, column + 3),
		                     .kind = (enum message_kind)rows_int(rows, row, column + 4),
		                     .content = rows_str(rows, row, column + 5),
		                     .names = rows_str(rows, row, column + 6),
		                     .mentions_json = rows_str(rows, row, column + 7) };
}

int
search_texts(struct db *db, struct arena *arena, int64_t me, const struct search_place *list, size_t n,
             struct search_text **ret, size_t *ret_n)
{
	struct search_text *found;
	struct rows *rows;
	int r = run_places(db, arena, &texts, me, list, n, &rows);

	if (r)
		return trace(r);
	found = arena_alloc_array(arena, rows_n(rows) + 1, sizeof(*found));
	for (size_t i = 0; i < rows_n(rows); i++) {
		read_text(rows, i, 0, &found[i]);
		found[i].starred = rows_int(rows, i, 8);
		found[i].pinned = rows_int(rows, i, 9);
	}
	*ret = found;
	*ret_n = rows_n(rows);
	return 0;
}

int
search_messages(struct db *db, struct arena *arena, int64_t me, const struct search_place *list, size_t n,
                struct message **ret, size_t *ret_n)
{
	struct message *found;
	struct rows *rows;
	int r = run_places(db, arena, &messages, me, list, n, &rows);

	if (r)
		return trace(r);
	found = arena_alloc_array(arena, rows_n(rows) + 1, sizeof(*found));
	for (size_t i = 0; i < rows_n(rows); i++)
		read_my_message(rows, i, 0, &found[i]);
	*ret = found;
	*ret_n = rows_n(rows);
	return 0;
}

/* A batch is one row at least, perhaps without a message. */
static void
read_batch(const struct rows *rows, struct arena *arena, int64_t limit, struct search_batch *ret)
{
	*ret = (struct search_batch){ .texts = arena_alloc_array(arena, rows_n(rows), sizeof(*ret->texts)),
		                      .from = rows_int(rows, 0, 0),
		                      .to = rows_int(rows, 0, 1),
		                      .lost = rows_int(rows, 0, 2),
		                      .rebuild = rows_int(rows, 0, 3),
		                      .gone = rows_int(rows, 0, 4) };
	if (!rows_null(rows, 0, 6))
		ret->n = rows_n(rows);
	for (size_t i = 0; i < ret->n; i++) {
		ret->made += rows_int(rows, i, 5);
		read_text(rows, i, 6, &ret->texts[i]);
	}
	ret->looked = (int64_t)ret->n;
	ret->more = ret->looked >= limit;
}

int
search_pending(struct db *db, struct arena *arena, int64_t limit, struct search_batch *ret)
{
	struct rows *rows;
	int r = db_run(db, arena, &pending, ARGS(A_INT(limit)), &rows);

	if (!r && rows_int(rows, 0, 2)) {
		struct rows *none;

		r = db_run(db, arena, &ask, ARGS({ 0 }), &none);
	}
	if (r)
		return trace(r);
	read_batch(rows, arena, limit, ret);
	ret->log = true;
	ret->rebuild |= ret->lost;
	return 0;
}

int
search_rebuild_next(struct db *db, struct arena *arena, int64_t limit, struct search_batch *ret)
{
	struct rows *rows;
	int r = db_run(db, arena, &rebuild_next, ARGS(A_INT(limit)), &rows);

	if (r)
		return trace(r);
	read_batch(rows, arena, limit, ret);
	return 0;
}

void
search_quote(struct buf *b, struct str s)
{
	buf_char(b, '\'');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\'' || s.p[i] == '\\')
			buf_char(b, s.p[i]);
		buf_char(b, s.p[i]);
	}
	buf_char(b, '\'');
}

static void
drop_buf(void *buf)
{
	buf_deinit(buf);
}

/* Places, times and terms of a batch side by side, as search_write() takes them. */
struct columns {
	int64_t *conversations, *seqs, *at;
	struct buf *terms;
};

static void
write_columns(struct arena *arena, const struct search_batch *batch, const struct str *terms, struct columns *ret)
{
	ret->conversations = arena_alloc_array(arena, batch->n + 1, sizeof(*ret->conversations));
	ret->seqs = arena_alloc_array(arena, batch->n + 1, sizeof(*ret->seqs));
	ret->at = arena_alloc_array(arena, batch->n + 1, sizeof(*ret->at));
	ret->terms = arena_new_of(arena, struct buf);
	buf_init(ret->terms, WRITE_MOST);
	arena_defer(arena, drop_buf, ret->terms);
	for (size_t i = 0; i < batch->n; i++) {
		ret->conversations[i] = batch->texts[i].conversation_id;
		ret->seqs[i] = batch->texts[i].seq;
		ret->at[i] = str_present(terms[i]) ? batch->texts[i].created_at : 0;
		if (i)
			buf_char(ret->terms, TERMS_BREAK);
		buf_str(ret->terms, str_present(terms[i]) ? terms[i] : STR(""));
	}
}

int
search_write(struct db *db, struct arena *arena, const struct search_batch *batch, const struct str *terms)
{
	const struct search_text *last = batch->n && !batch->log ? &batch->texts[batch->n - 1] : NULL;
	struct columns c;
	struct rows *rows;

	write_columns(arena, batch, terms, &c);
	if (buf_failed(c.terms))
		return fault(-E2BIG);
	return db_run(db, arena, &write,
	              ARGS(A_IDS(c.conversations, batch->n), A_IDS(c.seqs, batch->n), A_IDS(c.at, batch->n),
	                   A_STR(buf_view(c.terms)), { .i = batch->from, .null = !batch->log },
	                   { .i = batch->to, .null = !batch->log }, A_ID_OR_NULL(last ? last->conversation_id : 0),
	                   A_ID_OR_NULL(last ? last->seq : 0), A_INT(batch->looked), A_INT(batch->made)),
	              &rows);
}

static int
one_number(struct db *db, struct arena *arena, const struct stmt *stmt, int64_t arg, int64_t *ret)
{
	struct rows *rows;
	int r = db_run(db, arena, stmt, ARGS(A_INT(arg)), &rows);

	if (r)
		return trace(r);
	*ret = rows_int(rows, 0, 0);
	return 0;
}

int
search_forget(struct db *db, struct arena *arena, int64_t limit, int64_t *ret_gone)
{
	return one_number(db, arena, &forget, limit, ret_gone);
}

int
search_split(struct db *db, struct arena *arena, int64_t rows)
{
	int64_t done;

	return one_number(db, arena, &split, rows, &done);
}

int
search_state(struct db *db, struct arena *arena, struct search_state *ret)
{
	struct rows *rows;
	int r = db_run(db, arena, &state, ARGS({ 0 }), &rows);

	if (r)
		return trace(r);
	*ret = (struct search_state){ .rebuild_asked_at = rows_int(rows, 0, 0),
		                      .rebuilt = rows_int(rows, 0, 1),
		                      .rebuilt_at = rows_int(rows, 0, 2),
		                      .messages = rows_int(rows, 0, 3),
		                      .waiting = rows_int(rows, 0, 4),
		                      .slices = rows_int(rows, 0, 5) };
	return 0;
}

int
search_rebuild_ask(struct db *db, struct arena *arena, int64_t rows_per_slice)
{
	struct rows *rows;
	int64_t made;
	int r = one_number(db, arena, &cut, rows_per_slice, &made);

	return r ? trace(r) : db_run(db, arena, &ask, ARGS({ 0 }), &rows);
}
