/*
 * event -- what a socket needs when it comes: where it was, the heads, the plan of its replay; the same without a socket; and
 * marks, in batches.
 */
#include <stdlib.h>

#include "../base/bytes.h"
#include "../base/json_out.h"
#include "event.h"
#include "log_place.h"
#include "read.h"

/* clang-format off */
/* Nothing from before the conversation began for me is mine to hear: a place, or null, moved up to there. */
#define SINCE_JOINING(place, c) \
	"CASE WHEN " place " < " c ".joined_position - 1 THEN " c ".joined_position - 1 ELSE " place " END"
/*
 * $3: the client's horizon, $4: log_since() of it. The last column is the number of my own stream that it proves: everything up to the last
 * event whose transaction is below the horizon (docs/architecture.md), or, when that is too old to be looked at or no longer kept, up
 * to the first one that is not.
 */
static const struct stmt state = {
	.name = "event_state", .params = "uiit", .results = "siiiNi",
	.text = "SELECT log_epoch(), pg_snapshot_xmin(pg_current_snapshot())::text::bigint, "
	        "t.event_floor::text::bigint, u.last_user_rev, "
	        " coalesce((SELECT e.user_rev FROM user_event e WHERE e.user_id = $2 AND e.at >= $4 AND e.xid < $3::text::xid8 ORDER "
	        "BY e.user_rev DESC LIMIT 1), "
	        " (SELECT e.user_rev - 1 FROM user_event e WHERE e.user_id = $2 AND e.at >= $4 ORDER BY e.user_rev LIMIT 1), "
	        "u.last_user_rev) "
	        "FROM users u, peal_meta t WHERE u.id = $2 AND u.disabled_at IS NULL AND (EXISTS (SELECT FROM session s "
	        " WHERE s.id = $1 AND s.user_id = $2 AND s.ended_at IS NULL AND s.expires_at > now()) "
	        "OR EXISTS (SELECT FROM access_token a WHERE a.session_id = $1 AND a.user_id = $2 AND a.revoked_at IS NULL "
	        " AND coalesce(a.expires_at > now(), true) "
	        " AND NOT EXISTS (SELECT FROM users o WHERE o.id = u.owner_id AND o.disabled_at IS NOT NULL)))",
};
/*
 * Of conversation c: the last event below the horizon $2, or the place before the first one looked at, when its older ones are too old
 * for that or no longer kept. `wanted` says for which conversations. `at` is log_since() of the horizon: a parameter, since partitions that it
 * rules out are not even opened then.
 */
#define LAST_BELOW(at, wanted)                                                                                \
	"LEFT JOIN LATERAL (SELECT y.* FROM ((SELECT e.position, e.seq " EVENT_SINCE(at) wanted                 \
	"  AND e.xid < $2::text::xid8 ORDER BY e.position DESC LIMIT 1) UNION ALL "                              \
	" (SELECT e.position - 1, e.seq - (e.kind = 1)::integer " EVENT_SINCE(at) wanted " ORDER BY e.position LIMIT 1)) y LIMIT 1) b ON true "
#define EVENT_SINCE(at) "FROM event e WHERE e.conversation_id = c.id AND e.at >= " at " "
/*
 * $2: horizon, $3: fresh, $4..$6: cursors, $7: who gets marks, $8: log_since() of the horizon, $9: where the log begins, when there are
 * cursors, or where there is nothing of it. Per conversation: `start`, the position up to which
 * the client has everything, from its cursor, or proven by the horizon, or because it was not a member before; `seen`,
 * the seq that goes with it; `gap`: the log no longer reaches back to it, which can be said of cursors only, since horizons are
 * not older than the log. A conversation is left out when neither an event nor a mark in it can be younger than the horizon.
 */
static const struct stmt heads = {
	.name = "event_heads", .params = "iibIIIitt", .results = "iiiiii" "NiNiNiNiNi" "bNININI",
	.text = "SELECT c.id, c.last_seq, c.last_rev, c.floor, c.read_seq, c.delivered_seq, c.unread_from, un.unread, un.mentions, "
	        " f.start, f.seen, c.cursor IS NOT NULL AND f.start < c.last_seq + c.last_rev AND "
	        " coalesce(w.first > f.start + 1, true), k.users, k.receipts, k.delivereds "
	        "FROM (SELECT c.*, q.id AS cursor, q.seq AS cursor_seq, q.seq + q.rev AS cursor_position, c.last_xid "
	        ">= $2::text::xid8 AS moved "
	        " FROM " MINE("AND NOT m.hidden") " LEFT JOIN unnest($4, $5, $6) AS q (id, seq, rev) ON q.id = c.id "
	        "OFFSET 0) c "
	        LAST_BELOW("$8", "AND NOT $3 AND c.cursor IS NULL AND c.moved")
	        "CROSS JOIN LATERAL (SELECT CASE WHEN $3 THEN NULL WHEN c.cursor IS NOT NULL THEN c.cursor_position "
	        "WHEN c.moved THEN b.position "
	        " ELSE c.last_seq + c.last_rev END AS start, CASE WHEN $3 THEN NULL WHEN c.cursor IS NOT NULL THEN "
	        "c.cursor_seq "
	        " WHEN c.moved THEN b.seq ELSE c.last_seq END AS seen) p "
	        "CROSS JOIN LATERAL (SELECT " SINCE_JOINING("p.start", "c") " AS start, p.seen) f "
	        "LEFT JOIN LATERAL (SELECT e.position AS first FROM event e WHERE c.cursor IS NOT NULL AND e.conversation_id = c.id "
	        " AND e.at >= $9 AND f.start < c.last_seq + c.last_rev ORDER BY e.position LIMIT 1) w ON true "
	        "LEFT JOIN LATERAL (SELECT array_agg(o.user_id ORDER BY o.user_id) AS users, array_agg(o.receipt_seq "
	        "ORDER BY o.user_id) AS receipts, "
	        " array_agg(o.delivered_seq ORDER BY o.user_id) AS delivereds FROM member o "
	        " WHERE o.conversation_id = c.id AND o.user_id <> $1 AND c.participant_count <= $7) k ON true " UNREAD
	        "WHERE $3 OR c.moved OR c.mark_xid >= $2::text::xid8 OR f.start <> c.last_seq + c.last_rev OR f.seen "
	        "> c.delivered_seq OR "
	        " (c.participant_count <= $7 AND EXISTS (SELECT FROM member o WHERE o.conversation_id = c.id AND "
	        "o.mark_xid >= $2::text::xid8)) "
	        "ORDER BY c.updated_at DESC, c.id DESC",
};
/* Not mine any more: of the client's cursors ($2), and of what my own stream says after $3, at or after $4. */
static const struct stmt removed = {
	.name = "event_removed", .params = "iIit", .results = "i",
	.text = "SELECT q.id FROM (SELECT unnest($2) UNION SELECT e.conversation_id FROM user_event e WHERE e.user_id = $1 "
	        " AND e.user_rev > $3 AND e.at >= $4 AND e.kind = 9) AS q (id) WHERE NOT EXISTS (SELECT FROM member m "
	        "WHERE m.user_id = $1 AND m.conversation_id = q.id AND NOT m.hidden) ORDER BY q.id",
};
/*
 * The next part of a round of /sync, in the order of ids. $2: the horizon it began from, $3: the conversation it has come to,
 * $4: how far in that one, $5: how many, $6: log_since() of the horizon.
 */
static const struct stmt sync_next = {
	.name = "event_sync_next", .params = "iiiiit", .results = "iNi",
	.text = "SELECT c.id, greatest(" SINCE_JOINING("b.position", "c") ", CASE WHEN c.id = $3 THEN $4 END) "
	        "FROM " MINE("AND NOT m.hidden AND m.conversation_id >= $3 AND v.last_xid >= $2::text::xid8 "
	                     "ORDER BY m.conversation_id LIMIT $5")
	        LAST_BELOW("$6", "") "ORDER BY c.id",
};
static const struct stmt acks = {
	.name = "event_acks", .params = "IIIi", .results = "iiitNI", .writes = true,
	.text = "SELECT o_user_id, o_conversation_id, o_seq, o_at, o_hearers FROM event_acks($1, $2, $3, $4)",
};
static const struct stmt seen = {
	.name = "event_seen", .params = "II", .results = "n", .writes = true,
	.text = "SELECT 1 FROM event_seen($1, $2)",
};
/* clang-format on */

const struct stmt *const event_statements[] = { &state,
	                                        &heads,
	                                        &removed,
	                                        &sync_next,
	                                        &acks,
	                                        &seen,
	                                        &event_replay_statement,
	                                        &event_user_poll_statement,
	                                        &event_poll_statement,
	                                        &event_again_statement,
	                                        &event_user_again_statement,
	                                        &event_horizon_statement,
	                                        &event_since_statement,
	                                        NULL };

struct opening {
	struct db *db;
	struct arena *arena;
	int64_t user_id, marks_max;
	int64_t xid;   /* the client's horizon; 0 when fresh */
	int64_t since; /* of it: when the log is to be looked into */
	int64_t horizon, last_user_rev, user_start;
	struct str epoch;
	const int64_t *cursor_ids, *cursor_seqs, *cursor_revs;
	size_t cursors;
	bool fresh;
	struct rows *heads;
};

enum {
	H_ID,
	H_LAST_SEQ,
	H_LAST_REV,
	H_FIRST,
	H_READ,
	H_DELIVERED,
	H_UNREAD_FROM,
	H_UNREAD,
	H_MENTIONS,
	H_START,
	H_SEEN,
	H_GAP,
	H_USERS,
	H_RECEIPTS,
	H_DELIVEREDS
};

/* Who is asking, and whether the log still reaches back to where they were. */
static int
read_state(struct opening *o, struct str session_id, const struct log_place *place)
{
	struct rows *rows;
	int r = log_since(o->db, o->arena, place, &o->since);

	if (!r)
		r = db_run(o->db, o->arena, &state,
		           ARGS(A_STR(session_id), A_INT(o->user_id), A_INT(place->xid), A_INT(o->since)), &rows);
	if (r)
		return r == INVALID ? UNAUTHENTICATED : trace(r);
	if (!rows_n(rows))
		return UNAUTHENTICATED;
	o->epoch = rows_str(rows, 0, 0);
	o->horizon = rows_int(rows, 0, 1);
	o->last_user_rev = rows_int(rows, 0, 3);
	o->user_start = rows_int(rows, 0, 4);
	o->fresh = !str_eq(place->epoch, o->epoch) || place->xid < rows_int(rows, 0, 2) || place->xid > o->horizon;
	o->xid = o->fresh ? 0 : place->xid;
	log_since_epoch(o->epoch);
	return 0;
}

static int
read_heads(struct opening *o)
{
	size_t n = o->fresh ? 0 : o->cursors;
	const struct arg args[] = { A_INT(o->user_id),
		                    A_INT(o->xid),
		                    A_INT(o->fresh),
		                    A_IDS(o->cursor_ids, n),
		                    A_IDS(o->cursor_seqs, n),
		                    A_IDS(o->cursor_revs, n),
		                    A_INT(o->marks_max),
		                    A_INT(o->fresh ? LOG_NOTHING : o->since),
		                    A_INT(n ? LOG_ALL : LOG_NOTHING) };

	return db_run(o->db, o->arena, &heads, args, &o->heads);
}

/* Numbers that we never gave, or that the log no longer reaches: the client must load its pages again. */
static bool
unprovable(const struct opening *o)
{
	for (size_t i = 0; i < rows_n(o->heads); i++) {
		int64_t last = rows_int(o->heads, i, H_LAST_SEQ) + rows_int(o->heads, i, H_LAST_REV);

		if (rows_int(o->heads, i, H_GAP) || rows_int(o->heads, i, H_START) > last ||
		    rows_int(o->heads, i, H_SEEN) > rows_int(o->heads, i, H_LAST_SEQ))
			return true;
	}
	return false;
}

static void
free_buf(void *buf)
{
	buf_deinit(buf);
}

static struct buf *
arena_buf(struct arena *arena)
{
	struct buf *buf = arena_new_of(arena, struct buf);

	buf_init(buf, SIZE_MAX);
	arena_defer(arena, free_buf, buf);
	return buf;
}

static void
add_entry(const struct opening *o, struct buf *plan, const char *who, int64_t from)
{
	/* a cursor may lie further back than `since` */
	if (!plan->n && !o->cursors)
		buf_printf(plan, PLAN_SINCE ":%lld,", (long long)o->since);
	buf_printf(plan, "%s%s:%lld", plan->n && plan->p[plan->n - 1] != ',' ? "," : "", who, (long long)from);
}

/* Everything after `start` is to be replayed, newest conversation first, then my own stream. */
static struct str
plan_of(struct opening *o)
{
	struct buf *plan = arena_buf(o->arena);

	for (size_t i = 0; i < rows_n(o->heads) && !o->fresh; i++) {
		int64_t last = rows_int(o->heads, i, H_LAST_SEQ) + rows_int(o->heads, i, H_LAST_REV);

		if (rows_int(o->heads, i, H_START) < last)
			add_entry(o, plan, arena_printf(o->arena, "%lld", (long long)rows_int(o->heads, i, H_ID)).p,
			          rows_int(o->heads, i, H_START));
	}
	if (!o->fresh && o->user_start < o->last_user_rev)
		add_entry(o, plan, "u", o->user_start);
	return buf_view(plan);
}

static void
write_marks(const struct opening *o, struct json_out *w, size_t row)
{
	size_t n, receipts_n, delivereds_n;
	const int64_t *users = rows_ids(o->heads, o->arena, row, H_USERS, &n);
	const int64_t *receipts = rows_ids(o->heads, o->arena, row, H_RECEIPTS, &receipts_n);
	const int64_t *delivereds = rows_ids(o->heads, o->arena, row, H_DELIVEREDS, &delivereds_n);

	json_open_array(w, "marks");
	for (size_t i = 0; i < n; i++) {
		json_open_object(w, NULL);
		json_id(w, "user_id", users[i]);
		json_int(w, "receipt_seq", receipts[i]);
		json_int(w, "delivered_seq", delivereds[i]);
		json_close(w);
	}
	json_close(w);
}

static void
write_head(const struct opening *o, struct json_out *w, size_t row)
{
	int64_t delivered = rows_int(o->heads, row, H_DELIVERED), proven = rows_int(o->heads, row, H_SEEN);

	json_open_object(w, NULL);
	json_id(w, "id", rows_int(o->heads, row, H_ID));
	json_int(w, "last_seq", rows_int(o->heads, row, H_LAST_SEQ));
	json_int(w, "last_rev", rows_int(o->heads, row, H_LAST_REV));
	json_int(w, "first_seq", rows_int(o->heads, row, H_FIRST));
	json_int(w, "read_seq", rows_int(o->heads, row, H_READ));
	json_int(w, "delivered_seq", proven > delivered ? proven : delivered);
	if (rows_null(o->heads, row, H_UNREAD_FROM))
		json_put_null(w, "unread_from");
	else
		json_int(w, "unread_from", rows_int(o->heads, row, H_UNREAD_FROM));
	json_int(w, "unread_count", rows_int(o->heads, row, H_UNREAD));
	json_int(w, "mention_count", rows_int(o->heads, row, H_MENTIONS));
	write_marks(o, w, row);
	json_close(w);
}

static int
write_removed(const struct opening *o, struct json_out *w)
{
	struct rows *rows;
	int r;

	json_open_array(w, "removed");
	if (!o->fresh) {
		r = db_run(o->db, o->arena, &removed,
		           ARGS(A_INT(o->user_id), A_IDS(o->cursor_ids, o->cursors), A_INT(o->user_start), A_INT(o->since)),
		           &rows);
		if (r)
			return trace(r);
		for (size_t i = 0; i < rows_n(rows); i++)
			json_id(w, NULL, rows_int(rows, i, 0));
	}
	json_close(w);
	return 0;
}

static int
write_heads(const struct opening *o, const char *type, struct buf *out)
{
	struct json_out w;
	int r;

	json_begin(&w, out);
	json_open_object(&w, NULL);
	if (type)
		json_cstr(&w, "type", type);
	json_open_array(&w, "conversations");
	for (size_t i = 0; i < rows_n(o->heads); i++)
		write_head(o, &w, i);
	json_close(&w);
	r = write_removed(o, &w);
	if (r)
		return trace(r);
	json_open_object(&w, "user");
	json_int(&w, "last_rev", o->last_user_rev);
	json_close(&w);
	json_close(&w);
	json_end(&w);
	return 0;
}

static int
move_delivered(struct opening *o, struct mark_moved **ret, size_t *ret_n)
{
	struct ack_in *in = arena_alloc_array(o->arena, rows_n(o->heads) + 1, sizeof(*in));
	size_t n = 0;

	for (size_t i = 0; i < rows_n(o->heads); i++) {
		if (rows_int(o->heads, i, H_SEEN) > rows_int(o->heads, i, H_DELIVERED))
			in[n++] = (struct ack_in){ o->user_id, rows_int(o->heads, i, H_ID), rows_int(o->heads, i, H_SEEN) };
	}
	return n ? event_acks(o->db, o->arena, in, n, o->marks_max, ret, ret_n) : 0;
}

static void
take_cursors(struct opening *o, const struct cursor_in *cursors, size_t n)
{
	int64_t *columns = arena_alloc_array(o->arena, n * 3 + 1, sizeof(*columns));

	for (size_t i = 0; i < n; i++) {
		columns[i] = cursors[i].conversation_id;
		columns[n + i] = cursors[i].seq;
		columns[2 * n + i] = cursors[i].rev;
	}
	o->cursors = n;
	o->cursor_ids = columns;
	o->cursor_seqs = columns + n;
	o->cursor_revs = columns + 2 * n;
}

/* The heads: of everything when that is how it must be. */
static int
open_heads(struct opening *o, const char *type, struct str *ret, struct mark_moved **ret_moved, size_t *ret_moved_n)
{
	struct buf *out = arena_buf(o->arena);
	int r = read_heads(o);

	if (!r && unprovable(o)) {
		o->fresh = true;
		o->xid = 0;
		r = read_heads(o);
	}
	if (!r)
		r = move_delivered(o, ret_moved, ret_moved_n);
	if (!r)
		r = write_heads(o, type, out);
	if (r)
		return trace(r);
	*ret = buf_view(out);
	return 0;
}

int
event_open(struct db *db, struct arena *arena, const struct conf *conf, int64_t user_id, struct str session_id,
           struct str since, const struct cursor_in *cursors, size_t n, struct event_open *ret)
{
	struct opening o = { .db = db, .arena = arena, .user_id = user_id, .marks_max = conf->marks_max_members };
	struct event_open result = { 0 };
	struct log_place place = { 0 };
	int r;

	if (!str_present(since) || !log_place_read(arena, since, &place) || place.within)
		place = (struct log_place){ 0 };
	take_cursors(&o, cursors, n);
	r = read_state(&o, session_id, &place);
	if (!r)
		r = open_heads(&o, "heads", &result.heads, &result.moved, &result.moved_n);
	if (r)
		return trace(r);
	result.fresh = o.fresh;
	result.since = log_place_write(arena, &(struct log_place){ .epoch = o.epoch, .xid = o.horizon });
	result.plan = plan_of(&o);
	*ret = result;
	return 0;
}

/* ---- the same without a socket ---- */

struct round {
	struct opening *o;
	struct sync_place at;
	struct buf *out;
	size_t most, most_bytes, events;
	bool full; /* the page ends within the round, at `at` */
};

/* Where a replay stopped: the first entry of what is left of its plan. */
static void
stopped_at(struct round *d, struct str rest)
{
	struct str entry = str_cut(&rest, ','), who;

	who = str_cut(&entry, ':');
	d->at.user = !str_id(who, &d->at.conversation);
	(void)str_int64(entry, &d->at.position);
	d->full = true;
}

static int
hand_out(struct round *d, struct str plan)
{
	struct str rest;
	size_t n;
	int r = event_replay(d->o->db, d->o->arena, d->o->user_id, plan, d->most - d->events, d->most_bytes, d->out, &n,
	                     &rest);

	if (r)
		return trace(r);
	d->events += n;
	if (rest.n)
		stopped_at(d, rest);
	return 0;
}

/* Some more conversations, in the order of their ids; past the last of them it is my own stream's turn. */
static int
hand_out_conversations(struct round *d)
{
	struct opening *o = d->o;
	struct buf *plan = arena_buf(o->arena);
	struct rows *rows;
	size_t asked = d->most - d->events;
	int r = db_run(o->db, o->arena, &sync_next,
	               ARGS(A_INT(o->user_id), A_INT(d->at.from), A_INT(d->at.conversation), A_INT(d->at.position),
	                    A_INT((int64_t)asked), A_INT(o->since)),
	               &rows);

	if (r)
		return trace(r);
	for (size_t i = 0; i < rows_n(rows); i++)
		buf_printf(plan, "%s%lld:%lld", i ? "," : "", (long long)rows_int(rows, i, 0),
		           (long long)rows_int(rows, i, 1));
	r = hand_out(d, buf_view(plan));
	if (r || d->full)
		return r;
	d->at.position = 0;
	d->at.user = rows_n(rows) < asked;
	if (!d->at.user)
		d->at.conversation = rows_int(rows, asked - 1, 0) + 1;
	return 0;
}

static int
hand_out_round(struct round *d)
{
	int64_t from;
	int r = 0;

	while (!r && !d->full && !d->at.user) {
		d->full = d->events >= d->most;
		if (!d->full)
			r = hand_out_conversations(d);
	}
	if (r || d->full)
		return r;
	d->full = d->events >= d->most;
	from = d->at.position > d->o->user_start ? d->at.position : d->o->user_start;
	return d->full ? 0 : hand_out(d, arena_printf(d->o->arena, "u:%lld", (long long)from));
}

/* A round goes on where the token says; one begins with the heads of what changed. */
static int
begin_round(struct opening *o, struct str session_id, struct str since, struct sync_place *ret_at, struct event_sync *ret)
{
	struct log_place place = { 0 };
	struct sync_place at = { 0 };
	bool within = str_present(since) && sync_place_read(o->arena, since, &at);
	int r;

	if (within)
		place = (struct log_place){ .epoch = at.epoch, .xid = at.from };
	else if (str_present(since) && (!log_place_read(o->arena, since, &place) || place.within))
		return INVALID;
	r = read_state(o, session_id, &place);
	if (!r && (!within || o->fresh)) {
		r = open_heads(o, NULL, &ret->heads, &ret->moved, &ret->moved_n);
		at = (struct sync_place){ .epoch = o->epoch, .xid = o->horizon, .from = place.xid, .conversation = 1 };
	}
	if (r)
		return trace(r);
	ret->fresh = o->fresh;
	*ret_at = at;
	return 0;
}

int
event_sync(struct db *db, struct arena *arena, const struct conf *conf, int64_t user_id, struct str session_id,
           struct str since, size_t most, size_t most_bytes, struct buf *out, struct event_sync *ret)
{
	struct opening o = { .db = db, .arena = arena, .user_id = user_id, .marks_max = conf->marks_max_members };
	struct round d = { .o = &o, .out = out, .most = most, .most_bytes = most_bytes };
	struct event_sync result = { 0 };
	int r;

	take_cursors(&o, NULL, 0);
	r = begin_round(&o, session_id, since, &d.at, &result);
	if (!r && !result.fresh)
		r = hand_out_round(&d);
	if (r)
		return trace(r);
	result.more = d.full;
	result.since = d.full ? sync_place_write(arena, &d.at)
	                      : log_place_write(arena, &(struct log_place){ .epoch = d.at.epoch, .xid = d.at.xid });
	*ret = result;
	return 0;
}

int
event_acks(struct db *db, struct arena *arena, const struct ack_in *in, size_t n, int64_t marks_max_members,
           struct mark_moved **ret, size_t *ret_n)
{
	int64_t *columns = arena_alloc_array(arena, n * 3 + 1, sizeof(*columns));
	struct mark_moved *moved;
	struct rows *rows;
	int r;

	for (size_t i = 0; i < n; i++) {
		columns[i] = in[i].user_id;
		columns[n + i] = in[i].conversation_id;
		columns[2 * n + i] = in[i].seq;
	}
	r = db_run(db, arena, &acks,
	           ARGS(A_IDS(columns, n), A_IDS(columns + n, n), A_IDS(columns + 2 * n, n), A_INT(marks_max_members)),
	           &rows);
	if (r)
		return trace(r);
	moved = arena_alloc_array(arena, rows_n(rows) + 1, sizeof(*moved));
	for (size_t i = 0; i < rows_n(rows); i++) {
		moved[i].user_id = rows_int(rows, i, 0);
		moved[i].conversation_id = rows_int(rows, i, 1);
		moved[i].seq = rows_int(rows, i, 2);
		moved[i].at = rows_int(rows, i, 3);
		moved[i].hearers.ids = rows_ids(rows, arena, i, 4, &moved[i].hearers.n);
	}
	*ret = moved;
	*ret_n = rows_n(rows);
	return 0;
}

int
event_seen(struct db *db, struct arena *arena, const int64_t *user_ids, const int64_t *at, size_t n)
{
	struct rows *rows;

	return db_run(db, arena, &seen, ARGS(A_IDS(user_ids, n), A_IDS(at, n)), &rows);
}
