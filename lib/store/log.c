/*
 * log -- events out of the log, as records: replay for one user, polling for all, and again for one stream.
 *
 * A record is made from the rows as they are now: what was deleted since is a tombstone, and its text is nowhere.
 */
#include "../base/bytes.h"
#include "event.h"
#include "log_place.h"
#include "read.h"

/* clang-format off */
/* $1 user, $2 conversation, $3 position, $4 limit */
const struct stmt event_replay_statement = {
	.name = "event_replay", .params = "iiii", .results = "iiihtNib" MESSAGE_RESULTS,
	.text = "SELECT e.position, e.seq, e.rev, e.kind, e.at, e.target_seq, e.target_seq IS NULL OR e.target_seq >= "
	        "c.floor, " MESSAGE_COLUMNS
	        " FROM " MINE("AND m.conversation_id = $2 AND NOT m.hidden")
	        "CROSS JOIN LATERAL (SELECT x.* FROM event x WHERE x.conversation_id = $2 AND x.position > $3 "
	        " ORDER BY x.position LIMIT $4) e "
	        "LEFT JOIN message g ON g.conversation_id = $2 AND g.seq = e.target_seq AND g.seq >= c.floor "
	        MESSAGE_PARENT("c.floor") MESSAGE_MARKS "ORDER BY e.position",
};
/* of my own stream: the conversation as it stands for me now */
#define USER_READ_COLUMNS "c.id, c.read_seq, c.unread_from, un.unread, un.mentions"
#define USER_READ_RESULTS "NiNiNiNiNi"
const struct stmt event_user_replay_statement = {
	.name = "event_user_replay", .params = "iii", .results = "ihNit" USER_READ_RESULTS,
	.text = "SELECT e.user_rev, e.kind, e.conversation_id, e.at, " USER_READ_COLUMNS
	        " FROM (SELECT x.* FROM user_event x WHERE x.user_id = $1 AND x.user_rev > $2 ORDER BY x.user_rev "
	        "LIMIT $3) e "
	        "LEFT JOIN " MINE("") "ON c.conversation_id = e.conversation_id " UNREAD "ORDER BY e.user_rev",
};

/*
 * Events for whoever hears them. `page` has stream (c or u), id, position, seq, rev, kind, target_seq,
 * conversation_id, xid, at. Members who joined after the target may not see it: they get its numbers only.
 */
#define HEARD_RESULTS "siiiihNitiNhNINI" MESSAGE_RESULTS USER_READ_RESULTS
#define HEARD_COLUMNS                                                                                         \
	"e.stream, e.id, e.position, e.seq, e.rev, e.kind, e.conversation_id, e.at, e.xid::text::bigint, v.kind, " \
	"h.see, h.skip, " \
	MESSAGE_COLUMNS ", " USER_READ_COLUMNS
#define HEARD_JOINS                                                                                           \
	" LEFT JOIN conversation v ON e.stream = 'c' AND v.id = e.conversation_id "                             \
	" LEFT JOIN LATERAL (SELECT array_agg(o.user_id ORDER BY o.user_id) FILTER (WHERE o.sees) AS see, "     \
	"  array_agg(o.user_id ORDER BY o.user_id) FILTER (WHERE NOT o.sees) AS skip FROM (SELECT m.user_id, " \
	"e.target_seq IS NULL OR " \
	"   e.target_seq >= first_visible(v.history_all, v.first_seq, m.joined_seq) AS sees "                   \
	"   FROM member m WHERE m.conversation_id = v.id AND NOT m.hidden) o) h ON true "                        \
	" LEFT JOIN message g ON e.stream = 'c' AND g.conversation_id = e.conversation_id AND g.seq = e.target_seq " \
	MESSAGE_PARENT("v.first_seq") MESSAGE_MARKS                                                             \
	" LEFT JOIN (SELECT m.*, w.*, first_visible(w.history_all, w.first_seq, m.joined_seq) AS floor FROM member m "  \
	"  JOIN conversation w ON w.id = m.conversation_id) c ON e.stream = 'u' AND c.user_id = e.id AND " \
	"c.conversation_id = e.conversation_id " \
	UNREAD
#define LOG_COLUMNS                                                                                           \
	"'c' AS stream, x.conversation_id AS id, x.position, x.seq, x.rev, x.kind, x.target_seq, x.conversation_id, " \
	"x.xid, x.at"
#define USER_LOG_COLUMNS                                                                                      \
	"'u' AS stream, x.user_id AS id, x.user_rev AS position, 0::bigint AS seq, 0::bigint AS rev, x.kind, " \
	"x.target_seq, " \
	"x.conversation_id, x.xid, x.at"

/* $1 first transaction, $2 how many. Whole transactions, so that the next page can begin after the last one. */
const struct stmt event_poll_statement = {
	.name = "event_poll", .params = "ii", .results = HEARD_RESULTS,
	.text = "WITH e AS MATERIALIZED (SELECT * FROM (SELECT " LOG_COLUMNS " FROM event x WHERE x.xid >= "
	        "$1::text::xid8 UNION ALL "
	        " SELECT " USER_LOG_COLUMNS " FROM user_event x WHERE x.xid >= $1::text::xid8) b ORDER BY xid FETCH "
	        "FIRST ($2) ROWS WITH TIES) "
	        "SELECT " HEARD_COLUMNS " FROM e " HEARD_JOINS "ORDER BY e.stream, e.id, e.position",
};
/* $1 stream, $2 position, $3 first transaction, $4 how many */
const struct stmt event_again_statement = {
	.name = "event_again", .params = "iiii", .results = HEARD_RESULTS,
	.text = "WITH e AS MATERIALIZED (SELECT " LOG_COLUMNS " FROM event x WHERE x.conversation_id = $1 AND "
	        "x.position > $2 "
	        " AND x.xid >= $3::text::xid8 ORDER BY x.position LIMIT $4) "
	        "SELECT " HEARD_COLUMNS " FROM e " HEARD_JOINS "ORDER BY e.position",
};
const struct stmt event_user_again_statement = {
	.name = "event_user_again", .params = "iiii", .results = HEARD_RESULTS,
	.text = "WITH e AS MATERIALIZED (SELECT " USER_LOG_COLUMNS " FROM user_event x WHERE x.user_id = $1 AND "
	        "x.user_rev > $2 "
	        " AND x.xid >= $3::text::xid8 ORDER BY x.user_rev LIMIT $4) "
	        "SELECT " HEARD_COLUMNS " FROM e " HEARD_JOINS "ORDER BY e.position",
};
const struct stmt event_horizon_statement = {
	.name = "event_horizon", .params = "", .results = "sii",
	.text = "SELECT log_epoch(), pg_snapshot_xmin(pg_current_snapshot())::text::bigint, event_floor::text::bigint "
	        "FROM peal_meta",
};
/* clang-format on */

enum {
	E_STREAM,
	E_ID,
	E_POSITION,
	E_SEQ,
	E_REV,
	E_KIND,
	E_CONVERSATION,
	E_AT,
	E_XID,
	E_GROUP,
	E_SEE,
	E_SKIP,
	E_MESSAGE,
	E_READ = E_MESSAGE + MESSAGE_N
};

/* ---- places ---- */

struct str
log_place_write(struct arena *arena, const struct log_place *at)
{
	struct str text;

	if (at->within)
		text = arena_printf(arena, "%.*s.%lld.%lld", STR_ARG(at->epoch), (long long)at->xid, (long long)at->within);
	else
		text = arena_printf(arena, "%.*s.%lld", STR_ARG(at->epoch), (long long)at->xid);
	return base64url(arena, text.p, text.n);
}

bool
log_place_read(struct arena *arena, struct str text, struct log_place *ret)
{
	struct log_place at = { 0 };
	struct str rest;

	if (text.n > 128 || !base64url_decode(arena, text, &rest))
		return false;
	at.epoch = str_cut(&rest, '.');
	if (!at.epoch.n || !str_present(rest))
		return false;
	if (!str_id(str_cut(&rest, '.'), &at.xid) || (str_present(rest) && !str_id(rest, &at.within)))
		return false;
	*ret = at;
	return true;
}

/* ---- making frames ---- */

static void
free_buf(void *buf)
{
	buf_deinit(buf);
}

static struct buf *
scratch(struct arena *arena)
{
	struct buf *buf = arena_new_of(arena, struct buf);

	buf_init(buf, SIZE_MAX);
	arena_defer(arena, free_buf, buf);
	return buf;
}

static void
frame_of_read(struct buf *frame, const struct rows *rows, size_t row, size_t column, int64_t user_rev,
              int64_t conversation_id, int64_t at)
{
	struct conversation c = { .id = conversation_id };

	c.my.read_seq = rows_int(rows, row, column + 1);
	c.my.unread_from = rows_int(rows, row, column + 2);
	c.unread_count = rows_int(rows, row, column + 3);
	c.mention_count = rows_int(rows, row, column + 4);
	frame_user_read(frame, user_rev, &c, at);
}

/* Of a conversation event but conversation_created, whose frame depends on who hears it. */
static void
frame_of_message(struct buf *frame, int64_t kind, const struct message *m, int64_t seq, int64_t rev, int64_t at)
{
	if (kind == EVENT_MESSAGE_DELETED)
		frame_message_deleted(frame, m, seq, rev, at);
	else
		frame_new_message(frame, m, seq, rev, at);
}

static int
frame_of_created(struct db *db, struct arena *arena, struct buf *frame, int64_t viewer, int64_t conversation_id, int64_t seq,
                 int64_t rev, int64_t at)
{
	struct conversation c;
	int r = conversation_get_for_event(db, arena, viewer, conversation_id, &c);

	if (r)
		return trace(r);
	frame_conversation_created(frame, &c, viewer, seq, rev, at);
	return 0;
}

static void
append(struct buf *out, const struct feed_header *h, struct str frame)
{
	feed_write_header(out, h);
	buf_str(out, frame);
	buf_char(out, '\n');
}

/* ---- replay ---- */

struct page {
	struct db *db;
	struct arena *arena;
	int64_t user_id;
	struct buf *out, *frame;
	size_t start, events, most, most_bytes;
};

static bool
full(const struct page *p)
{
	return p->events >= p->most || p->out->n - p->start >= p->most_bytes;
}

static int
replay_event(struct page *p, const struct rows *rows, size_t row, int64_t conversation_id)
{
	int64_t kind = rows_int(rows, row, 3), at = rows_int(rows, row, 4);
	struct feed_header h = { FEED_DURABLE,           'c',      conversation_id, rows_int(rows, row, 0),
		                 rows_int(rows, row, 1), STR_NONE, STR_NONE };
	int64_t rev = rows_int(rows, row, 2);
	struct message m;
	int r = 0;

	buf_clear(p->frame);
	if (kind == EVENT_CONVERSATION_CREATED) {
		r = frame_of_created(p->db, p->arena, p->frame, p->user_id, conversation_id, h.seq, rev, at);
	} else if (!rows_int(rows, row, 6) || rows_null(rows, row, 7)) {
		frame_skipped(p->frame, conversation_id, h.seq, rev);
	} else {
		read_message(rows, row, 7, &m);
		frame_of_message(p->frame, kind, &m, h.seq, rev, at);
	}
	if (r)
		return trace(r);
	append(p->out, &h, buf_view(p->frame));
	p->events++;
	return 0;
}

/* *done stays false when the page was full before the entry's end; *position is where it goes on. */
static int
replay_conversation(struct page *p, int64_t conversation_id, int64_t *position, bool *done)
{
	size_t asked = p->most - p->events;
	struct rows *rows;
	int r = db_run(p->db, p->arena, &event_replay_statement,
	               ARGS(A_INT(p->user_id), A_INT(conversation_id), A_INT(*position), A_INT((int64_t)asked)), &rows);

	for (size_t i = 0; !r && i < rows_n(rows); i++) {
		if (full(p))
			return 0;
		r = replay_event(p, rows, i, conversation_id);
		*position = rows_int(rows, i, 0);
	}
	if (r)
		return trace(r);
	*done = rows_n(rows) < asked;
	return 0;
}

static int
replay_user(struct page *p, int64_t *user_rev, bool *done)
{
	size_t asked = p->most - p->events;
	struct rows *rows;
	int r = db_run(p->db, p->arena, &event_user_replay_statement,
	               ARGS(A_INT(p->user_id), A_INT(*user_rev), A_INT((int64_t)asked)), &rows);

	if (r)
		return trace(r);
	for (size_t i = 0; i < rows_n(rows); i++) {
		struct feed_header h = { FEED_DURABLE, 'u', p->user_id, rows_int(rows, i, 0), 0, STR_NONE, STR_NONE };

		if (full(p))
			return 0;
		buf_clear(p->frame);
		frame_of_read(p->frame, rows, i, 4, h.position, rows_int(rows, i, 2), rows_int(rows, i, 3));
		append(p->out, &h, buf_view(p->frame));
		p->events++;
		*user_rev = h.position;
	}
	*done = rows_n(rows) < asked;
	return 0;
}

/* One entry of a plan: `<conversation>:<position>` or `u:<user_rev>`. Numbers are ours, but a plan comes back from
 * outside. */
static bool
parse_entry(struct str entry, int64_t *ret_conversation, int64_t *ret_position)
{
	struct str rest = entry, who = str_cut(&rest, ':');

	*ret_conversation = 0;
	if (!str_eq(who, STR("u")) && !str_id(who, ret_conversation))
		return false;
	return str_present(rest) && str_int64(rest, ret_position) && *ret_position >= 0;
}

int
event_replay(struct db *db, struct arena *arena, int64_t user_id, struct str plan, size_t most, size_t most_bytes,
             struct buf *out, size_t *ret_events, struct str *ret_plan)
{
	struct page p = { .db = db,
		          .arena = arena,
		          .user_id = user_id,
		          .out = out,
		          .frame = scratch(arena),
		          .start = out->n,
		          .most = most,
		          .most_bytes = most_bytes };
	struct str rest = plan, left = STR("");

	while (str_present(rest) && rest.n && !full(&p)) {
		struct str entry = str_cut(&rest, ',');
		int64_t conversation_id, position;
		bool done = false;
		int r;

		if (!parse_entry(entry, &conversation_id, &position))
			return INVALID;
		r = conversation_id ? replay_conversation(&p, conversation_id, &position, &done)
		                    : replay_user(&p, &position, &done);
		if (r)
			return trace(r);
		if (!done) {
			struct str who =
			        conversation_id ? arena_printf(arena, "%lld", (long long)conversation_id) : STR("u");

			left = arena_printf(arena, "%.*s:%lld", STR_ARG(who), (long long)position);
			break;
		}
	}
	if (str_present(rest) && rest.n)
		left = arena_printf(arena, "%.*s%s%.*s", STR_ARG(left), left.n ? "," : "", STR_ARG(rest));
	*ret_events = p.events;
	*ret_plan = left;
	return 0;
}

/* ---- for everybody ---- */

struct hearing {
	struct db *db;
	struct arena *arena;
	const struct rows *rows;
	struct buf *frame;
	event_sink *sink;
	void *arg;
};

static int
hand_out(struct hearing *a, const struct feed_header *h, const int64_t *ids, size_t n)
{
	return n ? a->sink(a->arg, h, buf_view(a->frame), ids, n) : 0;
}

/* conversation_created is made per recipient. */
static int
hear_created(struct hearing *a, const struct feed_header *h, int64_t rev, int64_t at, const int64_t *ids, size_t n,
             int64_t but)
{
	for (size_t i = 0; i < n; i++) {
		int r;

		if (ids[i] == but)
			continue;
		buf_clear(a->frame);
		r = frame_of_created(a->db, a->arena, a->frame, ids[i], h->id, h->seq, rev, at);
		if (r == NOT_FOUND)
			continue; /* left meanwhile */
		if (!r)
			r = hand_out(a, h, &ids[i], 1);
		if (r)
			return trace(r);
	}
	return 0;
}

static int
hear_message(struct hearing *a, size_t row, const struct feed_header *h, int64_t rev, int64_t at, const int64_t *ids,
             size_t n)
{
	int64_t kind = rows_int(a->rows, row, E_KIND);
	struct feed_header created = *h;
	struct message m;
	int r;

	if (rows_null(a->rows, row, E_MESSAGE))
		return 0;
	read_message(a->rows, row, E_MESSAGE, &m);
	/* The first message shows a direct conversation to the other person: event 1 was for its starter only. */
	if (kind == EVENT_NEW_MESSAGE && m.seq == 1 && rows_int(a->rows, row, E_GROUP) == CONVERSATION_DIRECT) {
		created.position = 1;
		created.seq = 0;
		r = hear_created(a, &created, 1, at, ids, n, m.sender_id);
		if (r)
			return trace(r);
	}
	buf_clear(a->frame);
	frame_of_message(a->frame, kind, &m, h->seq, rev, at);
	return hand_out(a, h, ids, n);
}

static int
hear_conversation(struct hearing *a, size_t row, const struct feed_header *h, int64_t at)
{
	int64_t rev = rows_int(a->rows, row, E_REV);
	size_t see_n, skip_n;
	const int64_t *see = rows_ids(a->rows, a->arena, row, E_SEE, &see_n);
	const int64_t *skip = rows_ids(a->rows, a->arena, row, E_SKIP, &skip_n);
	int r;

	if (rows_int(a->rows, row, E_KIND) == EVENT_CONVERSATION_CREATED)
		r = hear_created(a, h, rev, at, see, see_n, 0);
	else
		r = hear_message(a, row, h, rev, at, see, see_n);
	if (r || !skip_n)
		return r;
	buf_clear(a->frame);
	frame_skipped(a->frame, h->id, h->seq, rev);
	return hand_out(a, h, skip, skip_n);
}

static int
hear(struct hearing *a, size_t row)
{
	struct str stream = rows_str(a->rows, row, E_STREAM);
	struct feed_header h = { FEED_DURABLE,
		                 stream.p[0],
		                 rows_int(a->rows, row, E_ID),
		                 rows_int(a->rows, row, E_POSITION),
		                 rows_int(a->rows, row, E_SEQ),
		                 STR_NONE,
		                 STR_NONE };
	int64_t at = rows_int(a->rows, row, E_AT);

	if (h.stream == 'c')
		return hear_conversation(a, row, &h, at);
	buf_clear(a->frame);
	frame_of_read(a->frame, a->rows, row, E_READ, h.position, rows_int(a->rows, row, E_CONVERSATION), at);
	return hand_out(a, &h, &h.id, 1);
}

struct polling {
	struct arena *arena;
	struct buf *out, *names;
};

static int
append_with_recipients(void *arg, const struct feed_header *h, struct str frame, const int64_t *ids, size_t n)
{
	struct polling *p = arg;
	struct feed_header named = *h;

	buf_clear(p->names);
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_char(p->names, ',');
		buf_int(p->names, ids[i]);
	}
	named.recipients = buf_view(p->names);
	append(p->out, &named, frame);
	return 0;
}

static int
hear_all(struct db *db, struct arena *arena, const struct rows *rows, event_sink *sink, void *arg)
{
	struct hearing a = { db, arena, rows, scratch(arena), sink, arg };

	for (size_t i = 0; i < rows_n(rows); i++) {
		int r = hear(&a, i);

		if (r)
			return trace(r);
	}
	return 0;
}

static int64_t
last_xid(const struct rows *rows)
{
	int64_t last = 0;

	for (size_t i = 0; i < rows_n(rows); i++)
		last = rows_int(rows, i, E_XID) > last ? rows_int(rows, i, E_XID) : last;
	return last;
}

/*
 * One page of a round. The horizon is taken when the round begins: what commits late during it has a transaction at
 * or above that horizon, so the next round shows it. That also makes progress while a long transaction holds the
 * horizon back.
 */
int
event_poll(struct db *db, struct arena *arena, struct str since, size_t most, struct buf *out, struct str *ret_since,
           bool *ret_more)
{
	struct polling p = { arena, out, scratch(arena) };
	struct log_place at = { 0 };
	struct rows *now, *rows;
	int64_t from;
	int r = db_run(db, arena, &event_horizon_statement, ARGS({ 0 }), &now);

	if (r)
		return trace(r);
	if (str_present(since) && !log_place_read(arena, since, &at))
		return INVALID;
	*ret_more = false;
	if (!str_present(since)) {
		*ret_since = log_place_write(
		        arena, &(struct log_place){ .epoch = rows_str(now, 0, 0), .xid = rows_int(now, 0, 1) });
		return 0;
	}
	if (!str_eq(at.epoch, rows_str(now, 0, 0)) || at.xid < rows_int(now, 0, 2))
		return CONFLICT;

	from = at.within ? at.within : at.xid;
	if (!at.within)
		at.xid = rows_int(now, 0, 1);
	r = db_run(db, arena, &event_poll_statement, ARGS(A_INT(from), A_INT((int64_t)most)), &rows);
	if (!r)
		r = hear_all(db, arena, rows, append_with_recipients, &p);
	if (r)
		return trace(r);
	*ret_more = rows_n(rows) >= most;
	at.within = *ret_more ? last_xid(rows) + 1 : 0;
	*ret_since = log_place_write(arena, &at);
	return 0;
}

int
event_again(struct db *db, struct arena *arena, char stream, int64_t id, int64_t after, int64_t xid, size_t most,
            event_sink *sink, void *arg)
{
	const struct stmt *stmt = stream == 'u' ? &event_user_again_statement : &event_again_statement;
	struct rows *rows;
	int r = db_run(db, arena, stmt, ARGS(A_INT(id), A_INT(after), A_INT(xid), A_INT((int64_t)most)), &rows);

	return r ? trace(r) : hear_all(db, arena, rows, sink, arg);
}
