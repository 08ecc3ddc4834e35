/*
 * log -- events out of the log, as records: replay for one user, polling for all, and again for one stream.
 *
 * A record is made from the rows as they are now: what was deleted since is a tombstone, and its text is nowhere.
 */
#include "../base/bytes.h"
#include "../base/clock.h"
#include "../wire/presence.h"
#include "event.h"
#include "log_place.h"
#include "read.h"

#define RECENT_US INT64_C(3600000000)
#define ALWAYS_US 1 /* 0 is NULL */

/* clang-format off */
/*
 * Of a row e of the log: what it is about, as that is now (conversation v, message g, member t), and who hears it (h). Members
 * hear what happened since they came: `created` are those for whom the conversation begins with this event, `skip` those who
 * may not see its target, and get its numbers only. The first message, which shows a direct conversation to the other person,
 * is heard as well; any other event is not when it is the one by which somebody comes.
 */
#define EVENT_COLUMNS                                                                                         \
	"e.conversation_id, e.position, e.seq, e.rev, e.kind, e.at, e.xid::text::bigint, e.actor_id, e.target_user, e.detail, " \
	"h.see, h.skip, h.created, "                                                                             \
	"v.kind, v.name, v.avatar_id, v.history_all, v.ttl_seconds, v.retention_days, v.slow_mode_seconds, "       \
	"v.participant_count, v.first_seq, v.updated_at, t.role, t.receipt_seq, t.delivered_seq, " USER_COLUMNS("u") ", " \
	"coalesce((g.extra ->> 'anonymous')::boolean, true), " MESSAGE_COLUMNS
#define EVENT_RESULTS "iiiihtiiNiNs" "NININI" "hNsNsbNnNnNnnit" "NhNiNi" USER_RESULTS "Nb" MESSAGE_RESULTS
#define EVENT_JOINS(who)                                                                                      \
	" JOIN " ONE("conversation", "x.id = e.conversation_id") "v ON true "                                    \
	"LEFT JOIN " ONE("message", "x.conversation_id = e.conversation_id AND x.seq = e.target_seq") "g ON true " \
	"LEFT JOIN " ONE("message", "x.conversation_id = g.conversation_id AND x.seq = g.reply_seq AND x.seq >= v.first_seq AND " \
	LIVES("x")) "r ON true " LIST_COUNTS                                                                    \
	"LEFT JOIN " ONE("member", "x.user_id = e.target_user AND x.conversation_id = e.conversation_id") "t ON true " \
	"LEFT JOIN " ONE("users", "x.id = t.user_id") "u ON true "                                              \
	"CROSS JOIN LATERAL (SELECT "                                                                           \
	" array_agg(o.user_id ORDER BY o.user_id) FILTER (WHERE o.sees AND (NOT o.begins OR e.kind = 1)) AS see, "   \
	" array_agg(o.user_id ORDER BY o.user_id) FILTER (WHERE NOT o.sees AND (NOT o.begins OR e.kind = 1)) AS skip, " \
	" array_agg(o.user_id ORDER BY o.user_id) FILTER (WHERE o.begins) AS created FROM "                     \
	" (SELECT m.user_id, m.joined_position = e.position OR (e.kind = 2 AND e.position = 1) AS begins, "     \
	"  CASE WHEN e.target_seq IS NULL THEN e.kind <> 2 "                                                     \
	"  ELSE coalesce(g.seq >= first_visible(v.history_all, v.first_seq, m.joined_seq) AND " SHOWN("g", "m") ", false) END AS sees " \
	"  FROM member m WHERE m.conversation_id = v.id AND NOT m.hidden AND m.joined_position <= e.position" who ") o) h "

/* The counts of all messages of a page come from marks that are read once, however many members there are. */
#define EVENT_LIST(events) \
	"WITH l AS MATERIALIZED (" events "), " LIST_MARKS("target_seq") "SELECT " EVENT_COLUMNS " FROM l e"

/* $1 conversation, $2 position, $3 first transaction, $4 how many, $5 since when: the days before are not looked at */
const struct stmt event_again_statement = {
	.name = "event_again", .params = "iiiit", .results = EVENT_RESULTS,
	.text = EVENT_LIST("SELECT x.* FROM event x WHERE x.conversation_id = $1 AND x.position > $2 "
	        " AND x.xid >= $3::text::xid8 AND x.at >= $5 ORDER BY x.position LIMIT $4") EVENT_JOINS("") "ORDER BY e.position",
};
/* $1 conversation, $2 position, $3 how many, $4 who: nothing unless a member, and nothing from before that */
const struct stmt event_replay_statement = {
	.name = "event_replay", .params = "iiiit", .results = EVENT_RESULTS,
	.text = EVENT_LIST("SELECT x.* FROM event x WHERE x.conversation_id = $1 AND x.at >= $5 AND x.position > "
	        " (SELECT greatest($2, m.joined_position - 1) FROM member m WHERE m.user_id = $4 AND m.conversation_id = $1 "
	        "  AND NOT m.hidden) ORDER BY x.position LIMIT $3") EVENT_JOINS(" AND m.user_id = $4") "ORDER BY e.position",
};
/* $1 first transaction, $2 how many. Whole transactions, so that the next page can begin after the last one. */
const struct stmt event_poll_statement = {
	.name = "event_poll", .params = "ii", .results = EVENT_RESULTS,
	.text = EVENT_LIST("SELECT x.* FROM event x WHERE x.xid >= $1::text::xid8 ORDER BY x.xid "
	        "FETCH FIRST ($2) ROWS WITH TIES") EVENT_JOINS("") "ORDER BY e.conversation_id, e.position",
};

/* Of a row e of a person's own stream: what it is about, as that is now. */
#define USER_EVENT_COLUMNS                                                                                    \
	"e.user_id, e.user_rev, e.kind, e.at, e.xid::text::bigint, e.conversation_id, e.target_seq, e.target_id, " \
	"c.read_seq, c.unread_from, un.unread, un.mentions, c.notify, c.muted_until, c.archived, c.pinned, "    \
	"draft_json(c.conversation_id, c.draft), mm.starred_at IS NOT NULL, EXISTS (SELECT FROM block b WHERE e.kind = 7 AND "      \
	"b.user_id = e.user_id AND b.blocked_id = e.target_id), (SELECT scheduled_json(x) FROM scheduled_message x " \
	" WHERE e.kind = 5 AND x.id = e.target_id AND x.user_id = e.user_id), w.seq, w.rev, u.read_receipts, u.show_last_seen, u.site_role, " \
	USER_COLUMNS("u")
#define USER_EVENT_RESULTS "iihtiNiNiNi" "NiNiNiNiNhNtNbNb" "NjNbNbNjNiNibbh" USER_RESULTS
#define USER_EVENT_JOINS                                                                                      \
	" JOIN " ONE("users", "x.id = e.user_id") "u ON true "                                                  \
	"LEFT JOIN LATERAL (SELECT m.*, v.*, first_visible(v.history_all, v.first_seq, m.joined_seq) AS floor FROM member m " \
	" JOIN conversation v ON v.id = m.conversation_id "                                                     \
	" WHERE m.user_id = e.user_id AND m.conversation_id = e.conversation_id LIMIT 1) c ON true "             \
	"LEFT JOIN " ONE("message_mine", "x.user_id = e.user_id AND x.conversation_id = e.conversation_id AND x.seq = e.target_seq") \
	"mm ON true "                                                                                           \
	"LEFT JOIN LATERAL (SELECT x.seq, x.rev FROM event x WHERE e.kind = 9 AND x.xid = e.xid AND x.kind = 11 " \
	" AND x.conversation_id = e.conversation_id AND x.target_user = e.user_id LIMIT 1) w ON true " UNREAD

/* $1 user, $2 user_rev, $3 first transaction, $4 how many */
const struct stmt event_user_again_statement = {
	.name = "event_user_again", .params = "iiiit", .results = USER_EVENT_RESULTS,
	.text = "SELECT " USER_EVENT_COLUMNS " FROM (SELECT x.* FROM user_event x WHERE x.user_id = $1 AND x.user_rev > $2 "
	        " AND x.xid >= $3::text::xid8 AND x.at >= $5 ORDER BY x.user_rev LIMIT $4) e" USER_EVENT_JOINS "ORDER BY e.user_rev",
};
/* $1 first transaction, $2 how many */
const struct stmt event_user_poll_statement = {
	.name = "event_user_poll", .params = "ii", .results = USER_EVENT_RESULTS,
	.text = "SELECT " USER_EVENT_COLUMNS " FROM (SELECT x.* FROM user_event x WHERE x.xid >= $1::text::xid8 ORDER BY x.xid "
	        "FETCH FIRST ($2) ROWS WITH TIES) e" USER_EVENT_JOINS "ORDER BY e.user_id, e.user_rev",
};
const struct stmt event_horizon_statement = {
	.name = "event_horizon", .params = "", .results = "sii",
	.text = "SELECT log_epoch(), pg_snapshot_xmin(pg_current_snapshot())::text::bigint, event_floor::text::bigint "
	        "FROM peal_meta",
};
/* clang-format on */

enum {
	E_CONVERSATION,
	E_POSITION,
	E_SEQ,
	E_REV,
	E_KIND,
	E_AT,
	E_XID,
	E_ACTOR,
	E_TARGET_USER,
	E_DETAIL,
	E_SEE,
	E_SKIP,
	E_CREATED,
	E_GROUP,
	E_NAME,
	E_AVATAR,
	E_HISTORY_ALL,
	E_TTL,
	E_RETENTION,
	E_SLOW_MODE,
	E_COUNT,
	E_FIRST_SEQ,
	E_UPDATED_AT,
	E_ROLE,
	E_RECEIPT,
	E_DELIVERED,
	E_USER,
	E_ANONYMOUS = E_USER + USER_N,
	E_MESSAGE
};

enum {
	U_USER,
	U_REV,
	U_KIND,
	U_AT,
	U_XID,
	U_CONVERSATION,
	U_TARGET_SEQ,
	U_TARGET_ID,
	U_READ_SEQ,
	U_UNREAD_FROM,
	U_UNREAD,
	U_MENTIONS,
	U_NOTIFY,
	U_MUTED_UNTIL,
	U_ARCHIVED,
	U_PINNED,
	U_DRAFT,
	U_STARRED,
	U_BLOCKED,
	U_SCHEDULED,
	U_REMOVED_SEQ,
	U_REMOVED_REV,
	U_RECEIPTS,
	U_SHOWN,
	U_SITE_ROLE,
	U_PROFILE
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

struct str
sync_place_write(struct arena *arena, const struct sync_place *at)
{
	struct str who = at->user ? STR("u") : arena_printf(arena, "%lld", (long long)at->conversation);
	struct str text = arena_printf(arena, "%.*s.%lld.%lld.%.*s.%lld", STR_ARG(at->epoch), (long long)at->xid,
	                               (long long)at->from, STR_ARG(who), (long long)at->position);

	return base64url(arena, text.p, text.n);
}

bool
sync_place_read(struct arena *arena, struct str text, struct sync_place *ret)
{
	struct sync_place at = { 0 };
	struct str rest, who;

	if (text.n > 256 || !base64url_decode(arena, text, &rest))
		return false;
	at.epoch = str_cut(&rest, '.');
	if (!at.epoch.n || !str_present(rest) || !str_id(str_cut(&rest, '.'), &at.xid) || !str_present(rest) ||
	    !str_id(str_cut(&rest, '.'), &at.from) || !str_present(rest))
		return false;
	who = str_cut(&rest, '.');
	at.user = str_eq(who, STR("u"));
	if ((!at.user && !str_id(who, &at.conversation)) || !str_present(rest) || !str_int64(rest, &at.position) ||
	    at.position < 0)
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
append(struct buf *out, const struct feed_header *h, struct str frame)
{
	feed_write_header(out, h);
	buf_str(out, frame);
	buf_char(out, '\n');
}

static void
read_shared(const struct rows *rows, size_t row, struct conversation *ret)
{
	*ret = (struct conversation){
		.id = rows_int(rows, row, E_CONVERSATION),
		.kind = (enum conversation_kind)rows_int(rows, row, E_GROUP),
		.name = rows_str(rows, row, E_NAME),
		.avatar_id = rows_str(rows, row, E_AVATAR),
		.history_all = rows_int(rows, row, E_HISTORY_ALL),
		.ttl_seconds = rows_int(rows, row, E_TTL),
		.retention_days = rows_int(rows, row, E_RETENTION),
		.slow_mode_seconds = rows_int(rows, row, E_SLOW_MODE),
		.participant_count = rows_int(rows, row, E_COUNT),
		.first_seq = rows_int(rows, row, E_FIRST_SEQ),
		.updated_at = rows_int(rows, row, E_UPDATED_AT),
	};
}

/* False when the person is not a member any more. */
static bool
read_target(const struct rows *rows, size_t row, struct member *ret)
{
	if (rows_null(rows, row, E_ROLE))
		return false;
	ret->role = (enum member_role)rows_int(rows, row, E_ROLE);
	ret->receipt_seq = rows_int(rows, row, E_RECEIPT);
	ret->delivered_seq = rows_int(rows, row, E_DELIVERED);
	read_user(rows, row, E_USER, &ret->user);
	return true;
}

static void
frame_of_target(struct buf *frame, const struct event_place *at, const struct rows *rows, size_t row)
{
	struct conversation c;
	struct member m;
	bool member = read_target(rows, row, &m);

	switch (rows_int(rows, row, E_KIND)) {
	case EVENT_MEMBER_ADDED:
		if (member)
			frame_member_added(frame, at, &m, rows_int(rows, row, E_ACTOR), rows_int(rows, row, E_COUNT));
		else
			frame_skipped(frame, at); /* and gone again: that follows */
		return;
	case EVENT_MEMBER_REMOVED:
		frame_member_removed(frame, at, rows_int(rows, row, E_TARGET_USER), rows_int(rows, row, E_ACTOR),
		                     rows_int(rows, row, E_COUNT));
		return;
	default:
		read_shared(rows, row, &c);
		frame_conversation_updated(frame, at, &c, rows_str(rows, row, E_DETAIL), member ? &m : NULL);
	}
}

static void
frame_of_message(struct buf *frame, const struct event_place *at, const struct rows *rows, size_t row)
{
	enum event_kind kind = (enum event_kind)rows_int(rows, row, E_KIND);
	int64_t actor = rows_int(rows, row, E_ACTOR);
	struct message m;

	read_message(rows, row, E_MESSAGE, &m);
	if (kind == EVENT_REACTION_ADDED || kind == EVENT_REACTION_REMOVED)
		frame_reaction(frame, at, kind, &m, actor, rows_str(rows, row, E_DETAIL));
	else if (kind == EVENT_POLL_VOTED)
		frame_poll_voted(frame, at, &m, rows_int(rows, row, E_ANONYMOUS) ? 0 : actor);
	else
		frame_message(frame, at, kind, &m);
}

/* The frame that is the same for all who see the event. */
static void
frame_of_event(struct buf *frame, const struct event_place *at, const struct rows *rows, size_t row)
{
	buf_clear(frame);
	switch (rows_int(rows, row, E_KIND)) {
	case EVENT_MEMBER_ADDED:
	case EVENT_MEMBER_REMOVED:
	case EVENT_CONVERSATION_UPDATED:
		frame_of_target(frame, at, rows, row);
		return;
	default:
		frame_of_message(frame, at, rows, row);
	}
}

static void
frame_of_user_event(struct buf *frame, const struct rows *rows, size_t row)
{
	struct conversation c = { 0 };
	struct user_change u = {
		.kind = (enum user_event_kind)rows_int(rows, row, U_KIND),
		.user_rev = rows_int(rows, row, U_REV),
		.at = rows_int(rows, row, U_AT),
		.conversation_id = rows_int(rows, row, U_CONVERSATION),
		.seq = rows_int(rows, row, U_TARGET_SEQ),
		.draft_json = rows_str(rows, row, U_DRAFT),
		.target_id = rows_int(rows, row, U_TARGET_ID),
		.scheduled_json = rows_str(rows, row, U_SCHEDULED),
		.conversation = rows_null(rows, row, U_READ_SEQ) ? NULL : &c,
	};
	struct me me;

	c.my.read_seq = rows_int(rows, row, U_READ_SEQ);
	c.my.unread_from = rows_int(rows, row, U_UNREAD_FROM);
	c.unread_count = rows_int(rows, row, U_UNREAD);
	c.mention_count = rows_int(rows, row, U_MENTIONS);
	c.my.notify = rows_int(rows, row, U_NOTIFY);
	c.my.muted_until = rows_int(rows, row, U_MUTED_UNTIL);
	c.my.archived = rows_int(rows, row, U_ARCHIVED);
	c.my.pinned = rows_int(rows, row, U_PINNED);
	u.on = u.kind == USER_EVENT_STAR ? rows_int(rows, row, U_STARRED) : rows_int(rows, row, U_BLOCKED);
	if (u.kind == USER_EVENT_REMOVED) {
		u.seq = rows_int(rows, row, U_REMOVED_SEQ);
		u.rev = rows_int(rows, row, U_REMOVED_REV);
	}
	me.read_receipts = rows_int(rows, row, U_RECEIPTS);
	me.last_seen = rows_int(rows, row, U_SHOWN);
	me.site_role = (enum site_role)rows_int(rows, row, U_SITE_ROLE);
	read_user(rows, row, U_PROFILE, &me.user);
	u.me = &me;
	buf_clear(frame);
	frame_user_changed(frame, &u);
}

/* ---- who hears them ---- */

struct hearing {
	struct db *db;
	struct arena *arena;
	struct buf *frame;
	event_sink *sink;
	void *arg;
};

static int
hand_out(struct hearing *a, const struct feed_header *h, const int64_t *ids, size_t n)
{
	return n ? a->sink(a->arg, h, buf_view(a->frame), ids, n) : 0;
}

/* conversation_created is made per recipient. Whoever left meanwhile is not among them. */
static int
hear_created(struct hearing *a, const struct event_place *at, const int64_t *ids, size_t n)
{
	const struct feed_header h = {
		FEED_DURABLE, 'c', at->conversation_id, at->seq + at->rev, at->seq, STR_NONE, STR_NONE
	};
	struct viewed *viewed;
	int r;

	if (!n)
		return 0;
	r = conversation_get_for(a->db, a->arena, at->conversation_id, ids, n, &viewed, &n);
	for (size_t i = 0; !r && i < n; i++) {
		buf_clear(a->frame);
		frame_conversation_created(a->frame, at, &viewed[i].conversation, viewed[i].viewer);
		r = hand_out(a, &h, &viewed[i].viewer, 1);
	}
	return r ? trace(r) : 0;
}

static int
hear_event(struct hearing *a, const struct rows *rows, size_t row, const struct event_place *at, const struct feed_header *h)
{
	size_t see_n, skip_n;
	const int64_t *see = rows_ids(rows, a->arena, row, E_SEE, &see_n);
	const int64_t *skip = rows_ids(rows, a->arena, row, E_SKIP, &skip_n);
	int r = 0;

	if (see_n) {
		frame_of_event(a->frame, at, rows, row);
		r = hand_out(a, h, see, see_n);
	}
	if (!r && skip_n) {
		buf_clear(a->frame);
		frame_skipped(a->frame, at);
		r = hand_out(a, h, skip, skip_n);
	}
	return r;
}

/*
 * Where a conversation begins for those who come by this event. The first message of a direct conversation is itself heard, so
 * that it begins in the place before it.
 */
static struct event_place
beginning(const struct event_place *at, int64_t kind)
{
	struct event_place before = *at;

	before.seq -= kind == EVENT_NEW_MESSAGE;
	return before;
}

/* One row of event_again, _replay or _poll: up to three records, each for other people, but both for whom it begins. */
static int
hear(struct hearing *a, const struct rows *rows, size_t row)
{
	struct event_place at = { rows_int(rows, row, E_CONVERSATION), rows_int(rows, row, E_SEQ),
		                  rows_int(rows, row, E_REV), rows_int(rows, row, E_AT) };
	const struct event_place begins = beginning(&at, rows_int(rows, row, E_KIND));
	const struct feed_header h = { FEED_DURABLE, 'c', at.conversation_id, at.seq + at.rev, at.seq, STR_NONE, STR_NONE };
	size_t n;
	const int64_t *ids = rows_ids(rows, a->arena, row, E_CREATED, &n);
	int r = hear_created(a, &begins, ids, n);

	return r ? trace(r) : hear_event(a, rows, row, &at, &h);
}

static int
hear_user(struct hearing *a, const struct rows *rows, size_t row)
{
	const struct feed_header h = { FEED_DURABLE, 'u',     rows_int(rows, row, U_USER), rows_int(rows, row, U_REV), 0,
		                       STR_NONE,     STR_NONE };

	frame_of_user_event(a->frame, rows, row);
	return hand_out(a, &h, &h.id, 1);
}

static int
unwatch(struct hearing *a, int64_t watched, const int64_t *watchers, size_t n)
{
	const struct feed_header h = { FEED_UNWATCH, 'u', watched, 0, 0, STR_NONE, STR_NONE };

	buf_clear(a->frame);
	frame_presence(a->frame, &(struct presence){ .user_id = watched, .status = PRESENCE_OFFLINE }, clock_wall_us());
	return a->sink(a->arg, &h, buf_view(a->frame), watchers, n);
}

/* Whoever is hidden from now on is watched no longer: by one person, or by nobody. */
static int
hear_hiding(struct hearing *a, const struct rows *rows, size_t row)
{
	const int64_t me = rows_int(rows, row, U_USER), other = rows_int(rows, row, U_TARGET_ID);
	int r = 0;

	switch (rows_int(rows, row, U_KIND)) {
	case USER_EVENT_BLOCK:
		if (!rows_int(rows, row, U_BLOCKED))
			return 0;
		r = unwatch(a, me, &other, 1);
		return r ? r : unwatch(a, other, &me, 1);
	case USER_EVENT_PROFILE:
		return rows_int(rows, row, U_SHOWN) ? 0 : unwatch(a, me, NULL, 0);
	default:
		return r;
	}
}

/* For everybody: all of a page. */
static int
hear_all(struct hearing *a, char stream, const struct rows *rows)
{
	int r = 0;

	for (size_t i = 0; !r && i < rows_n(rows); i++) {
		r = stream == 'u' ? hear_user(a, rows, i) : hear(a, rows, i);
		if (!r && stream == 'u')
			r = hear_hiding(a, rows, i);
	}
	return r;
}

/* ---- replay ---- */

struct page {
	struct hearing hearing;
	int64_t user_id;
	int64_t since; /* partitions of before hold nothing of it */
	struct buf *out;
	size_t start, events, most, most_bytes;
};

static bool
full(const struct page *p)
{
	return p->events >= p->most || p->out->n - p->start >= p->most_bytes;
}

/* A message that a conversation begins with is two events, which stay together: the next page has room for both. */
static bool
fits(const struct page *p, const struct rows *rows, size_t row, bool user)
{
	bool two = !user && rows_int(rows, row, E_KIND) == EVENT_NEW_MESSAGE && !rows_null(rows, row, E_CREATED);

	return !full(p) && (!two || !p->events || p->events + 2 <= p->most);
}

static int
append_to_page(void *arg, const struct feed_header *h, struct str frame, const int64_t *ids, size_t n)
{
	struct page *p = arg;

	(void)ids;
	(void)n;
	append(p->out, h, frame);
	p->events++;
	return 0;
}

/* *done stays false when the page was full before the entry's end; *position is where it goes on. */
static int
replay_entry(struct page *p, int64_t conversation_id, int64_t *position, bool *done)
{
	size_t asked = p->most - p->events;
	struct hearing *a = &p->hearing;
	struct rows *rows;
	int r;

	if (conversation_id)
		r = db_run(a->db, a->arena, &event_replay_statement,
		           ARGS(A_INT(conversation_id), A_INT(*position), A_INT((int64_t)asked), A_INT(p->user_id),
		                A_INT(p->since)),
		           &rows);
	else
		r = db_run(a->db, a->arena, &event_user_again_statement,
		           ARGS(A_INT(p->user_id), A_INT(*position), A_INT(0), A_INT((int64_t)asked), A_INT(p->since)),
		           &rows);
	for (size_t i = 0; !r && i < rows_n(rows); i++) {
		if (!fits(p, rows, i, !conversation_id))
			return 0;
		r = conversation_id ? hear(a, rows, i) : hear_user(a, rows, i);
		*position = rows_int(rows, i, conversation_id ? E_POSITION : U_REV);
	}
	if (r)
		return trace(r);
	*done = rows_n(rows) < asked;
	return 0;
}

/* Takes `s:<us>,` off the front of a plan: from when on the log is looked into for it. */
static bool
take_since(struct str *plan, int64_t *ret)
{
	struct str rest = *plan, entry = str_cut(&rest, ',');

	*ret = LOG_ALL;
	if (!str_eq(str_cut(&entry, ':'), STR(PLAN_SINCE)))
		return true;
	*plan = rest;
	return str_present(rest) && str_present(entry) && str_int64(entry, ret) && *ret > 0;
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
	struct page p = { .user_id = user_id, .out = out, .start = out->n, .most = most, .most_bytes = most_bytes };
	struct str rest = plan, left = STR("");

	if (!take_since(&rest, &p.since))
		return INVALID;
	p.hearing = (struct hearing){ db, arena, scratch(arena), append_to_page, &p };
	while (str_present(rest) && rest.n && !full(&p)) {
		struct str entry = str_cut(&rest, ',');
		int64_t conversation_id, position;
		bool done = false;
		int r;

		if (!parse_entry(entry, &conversation_id, &position))
			return INVALID;
		r = replay_entry(&p, conversation_id, &position, &done);
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
	if (left.n && p.since != LOG_ALL)
		left = arena_printf(arena, PLAN_SINCE ":%lld,%.*s", (long long)p.since, STR_ARG(left));
	*ret_events = p.events;
	*ret_plan = left;
	return 0;
}

/* ---- for everybody ---- */

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

static int64_t
last_xid(const struct rows *rows, size_t column)
{
	int64_t last = 0;

	for (size_t i = 0; i < rows_n(rows); i++)
		last = rows_int(rows, i, column) > last ? rows_int(rows, i, column) : last;
	return last;
}

/* One table's part of a page: *within becomes the first transaction that it did not reach, if that comes first. */
static int
poll_table(struct hearing *a, char stream, int64_t from, size_t most, int64_t *within)
{
	bool user = stream == 'u';
	int64_t next;
	struct rows *rows;
	int r = db_run(a->db, a->arena, user ? &event_user_poll_statement : &event_poll_statement,
	               ARGS(A_INT(from), A_INT((int64_t)most)), &rows);

	if (!r)
		r = hear_all(a, stream, rows);
	if (r)
		return trace(r);
	next = last_xid(rows, user ? U_XID : E_XID) + 1;
	if (rows_n(rows) >= most && (!*within || next < *within))
		*within = next;
	return 0;
}

/*
 * One page of a round. The horizon is taken when the round begins: what commits late during it has a transaction at
 * or above that horizon, so the next round shows it. That also makes progress while a long transaction holds the
 * horizon back. Of the two tables the one that got less far says where the round goes on; the other one's rows come again.
 */
int
event_poll(struct db *db, struct arena *arena, struct str since, size_t most, struct buf *out, struct str *ret_since,
           bool *ret_more)
{
	struct polling p = { arena, out, scratch(arena) };
	struct hearing a = { db, arena, scratch(arena), append_with_recipients, &p };
	struct log_place at = { 0 };
	struct rows *now;
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
	at.within = 0;
	r = poll_table(&a, 'c', from, most, &at.within);
	if (!r)
		r = poll_table(&a, 'u', from, most, &at.within);
	if (r)
		return trace(r);
	*ret_more = at.within;
	*ret_since = log_place_write(arena, &at);
	return 0;
}

int
event_again(struct db *db, struct arena *arena, char stream, int64_t id, int64_t after, int64_t xid, size_t most,
            event_sink *sink, void *arg)
{
	const struct stmt *stmt = stream == 'u' ? &event_user_again_statement : &event_again_statement;
	struct hearing a = { db, arena, scratch(arena), sink, arg };
	struct rows *rows;
	int64_t at = xid ? ALWAYS_US : clock_wall_us() - RECENT_US;
	int r = db_run(db, arena, stmt, ARGS(A_INT(id), A_INT(after), A_INT(xid), A_INT((int64_t)most), A_INT(at)), &rows);

	return r ? trace(r) : hear_all(&a, stream, rows);
}
