/* replay.c -- opening, pages, what was set aside, and what was missed. */
#include "replay.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "base/log.h"
#include "delivery.h"
#include "mem.h"
#include "metrics.h"
#include "planted.h"
#include "push.h"
#include "wire/feed.h"

#define ASIDE_MAX       256
#define MARKS_ASIDE_MAX 1024
#define PAGE_MAX        64 /* a page has at most 50 events */
#define BATCHES_UNACKED 2
#define ASK_MS          10000
#define RETRY_FIRST_MS  250
#define RETRY_MOST_MS   5000
#define PLAN_MAX        (4 << 20)

struct replay {
	bool hold;                /* live events are set aside until it ends; not so for a `sync` */
	bool asked;               /* a question is at the door */
	bool answer_empty;        /* a `sync` wants an answer even when there is nothing */
	char *open_body;          /* until /feed/open has answered */
	struct frame *live;       /* to be said at the end; NULL: it was */
	char *plan;               /* what is left of the current round; NULL: nothing */
	int64_t due_ms, retry_ms; /* after a failure: when to ask again; 0: no failure */
	struct table sent;        /* (id, stream) -> highest position replayed */
	struct table missed;      /* (id, stream) -> position after which the log is to be read again */
	struct frame **aside;
	size_t aside_n;
	uint32_t batch_end[BATCHES_UNACKED]; /* where in the numbering of this connection the last batches end */
};

struct record {
	struct place place;
	struct str frame;
};

/* --- its life --- */

static struct replay *
replay_need(struct conn *c)
{
	if (!c->replay) {
		c->replay = mem_zeroed(sizeof(*c->replay));
		c->replay->retry_ms = RETRY_FIRST_MS;
	}
	return c->replay;
}

static void
destroy(struct replay *rp)
{
	for (size_t i = 0; i < rp->aside_n; i++)
		frame_unref(rp->aside[i]);
	free(rp->aside);
	free(rp->open_body);
	frame_unref(rp->live);
	free(rp->plan);
	table_deinit(&rp->sent);
	table_deinit(&rp->missed);
	free(rp);
}

void
replay_free(struct conn *c)
{
	if (c->replay)
		destroy(c->replay);
	c->replay = NULL;
}

/* --- what comes meanwhile --- */

static void
miss(struct replay *rp, int64_t id, char stream, int64_t after)
{
	struct table_slot *slot = table_get(&rp->missed, id, stream);

	if (!slot)
		table_put(&rp->missed, id, stream)->i = after;
	else if (after < slot->i)
		slot->i = after;
}

void
replay_miss(struct conn *c, const struct place *place)
{
	miss(replay_need(c), place->id, place->stream, place->position - 1);
}

/* Too many set aside: the log has the events; marks stay, because nothing repeats them on this connection. */
static void
overflow(struct conn *c)
{
	struct replay *rp = c->replay;
	size_t kept = 0;

	for (size_t i = 0; i < rp->aside_n; i++) {
		struct frame *f = rp->aside[i];

		if (f->class == FRAME_MARK) {
			rp->aside[kept++] = f;
			continue;
		}
		replay_miss(c, &f->place);
		frame_unref(f);
	}
	rp->aside_n = kept;
	if (kept > MARKS_ASIDE_MAX)
		conn_close(c, WS_OVERLOAD, "too much at once");
}

void
replay_hold(struct conn *c, struct frame *f)
{
	struct replay *rp = c->replay;

	if (f->class == FRAME_EPHEMERAL)
		return;
	if (f->class == FRAME_MARK && c->state == CONN_REPLAYING) {
		conn_send(c, frame_ref(f));
		return;
	}
	if (rp->aside_n >= ASIDE_MAX)
		overflow(c);
	if (rp->missed.n && f->class == FRAME_DURABLE && table_get(&rp->missed, f->place.id, f->place.stream)) {
		replay_miss(c, &f->place);
		return;
	}
	rp->aside = mem_array(rp->aside, rp->aside_n + 1, sizeof(struct frame *));
	rp->aside[rp->aside_n++] = frame_ref(f);
}

/* --- asking --- */

static void
failed(struct conn *c)
{
	struct replay *rp = c->replay;

	rp->due_ms = push_now() + rp->retry_ms / 2 + push_random(rp->retry_ms);
	rp->retry_ms = rp->retry_ms * 2 < RETRY_MOST_MS ? rp->retry_ms * 2 : RETRY_MOST_MS;
	conn_wake(c);
	if (c->told_unavailable)
		return;
	c->told_unavailable = true;
	conn_error(c, UNAVAILABLE, -1, "The server cannot read the history just now; it keeps trying.", -1);
}

static void
ask(struct conn *c, struct str uri, struct str body, door_fn fn)
{
	/* when thousands come back at once their turn comes late, and what keeps the live ones going is not to wait behind them */
	struct door_question q = { .method = "POST", .uri = uri, .body = body, .timeout_ms = ASK_MS, .patient = true };

	c->replay->due_ms = 0;
	conn_ref(c);
	c->replay->asked = true;
	if (!door_ask(push.feed, &q, fn, c))
		return;
	c->replay->asked = false;
	failed(c);
	conn_unref(c);
}

/* The connection an answer is for; false when it has ended meanwhile. */
static bool
answered(struct conn *c)
{
	if (conn_ended(c) || !c->replay)
		return false;
	c->replay->asked = false;
	return true;
}

static bool
good(struct conn *c, const struct cgi_answer *a)
{
	if (a && a->status == 200) {
		c->replay->retry_ms = RETRY_FIRST_MS;
		c->told_unavailable = false;
		return true;
	}
	if (a && a->status == 401)
		conn_close(c, WS_BAD_TOKEN, "session ended");
	else if (a && a->status >= 400 && a->status < 500 && a->status != 429)
		conn_close(c, WS_INTERNAL, "refused");
	else
		failed(c);
	return false;
}

/* Line 1 of an answer, into a struct; false closes the connection: the workers and we do not understand each other. */
static bool
control(struct conn *c, struct str *rest, const struct field *fields, void *out)
{
	struct json_report report = { 0 };
	struct str line = str_cut(rest, '\n');
	json_t *json;

	arena_reset(push.arena);
	if (json_parse(push.arena, line, &json, &report) || json_fill(push.arena, json, fields, out, "", &report)) {
		LOG(ERROR, "feed_answer", L_CSTR("reason", report.message));
		conn_close(c, WS_INTERNAL, "internal error");
		return false;
	}
	return true;
}

/* --- opening --- */

struct opened {
	struct str mode, since, plan;
};

static const struct field opened_fields[] = { STR_FIELD(struct opened, mode, .required = 1),
	                                      STR_FIELD(struct opened, since, .required = 1),
	                                      STR_FIELD(struct opened, plan, .max = PLAN_MAX, .required = 1),
	                                      { 0 } };

static void
welcome(struct conn *c, struct str mode)
{
	struct json_out w;
	char id[17];

	snprintf(id, sizeof(id), "%08lx%08lx", (unsigned long)push_random(UINT32_MAX),
	         (unsigned long)push_random(UINT32_MAX));
	buf_clear(&push.text);
	json_begin(&w, &push.text);
	json_open_object(&w, NULL);
	json_cstr(&w, "type", "welcome");
	json_cstr(&w, "connection_id", id);
	json_id(&w, "user_id", c->user_id);
	json_time(&w, "server_time", clock_wall_us());
	json_int(&w, "heartbeat_seconds", push.conf->push_heartbeat_seconds);
	json_int(&w, "dead_after_seconds", push.conf->push_dead_seconds);
	json_str(&w, "mode", mode);
	json_int(&w, "max_frame", push.conf->push_max_frame_kib * 1024);
	json_close(&w);
	json_end(&w);
	conn_send_text(c, buf_view(&push.text));
}

/* Durable, though it is no event: it must not overtake, nor outlive, the events before it. */
static struct frame *
make_live(struct str since)
{
	struct json_out w;
	struct frame *f;

	buf_clear(&push.text);
	json_begin(&w, &push.text);
	json_open_object(&w, NULL);
	json_cstr(&w, "type", "live");
	json_str(&w, "since", since);
	json_close(&w);
	json_end(&w);
	f = frame_text(PLANTED(KEPT_LIVE) ? FRAME_ANSWER : FRAME_DURABLE, buf_view(&push.text));
	f->live = true;
	return f;
}

static void
on_opened(void *arg, const struct cgi_answer *a)
{
	struct conn *c = arg;
	struct opened in = { 0 };
	struct str rest, heads;

	if (answered(c) && good(c, a)) {
		rest = a->body;
		if (control(c, &rest, opened_fields, &in)) {
			heads = str_cut(&rest, '\n');
			metrics.replays[str_eq(in.mode, STR("fresh")) ? REPLAY_FRESH : REPLAY_RESUME]++;
			welcome(c, in.mode);
			conn_send_text(c, heads);
			c->replay->live = make_live(in.since);
			c->replay->plan = in.plan.n ? mem_cstr(in.plan) : NULL;
			free(c->replay->open_body);
			c->replay->open_body = NULL;
			conn_move(c, CONN_REPLAYING);
			replay_go(c);
		}
	}
	conn_unref(c);
}

void
replay_prepare(struct conn *c, char *body)
{
	struct replay *rp = replay_need(c);

	rp->hold = true;
	rp->open_body = body;
}

void
replay_open(struct conn *c)
{
	if (c->state == CONN_JOINING)
		conn_move(c, CONN_OPENING);
	ask(c, STR("/feed/open"), str_c(c->replay->open_body), on_opened);
}

/* --- pages --- */

/* The next record of a page; false at its end, or when it is not a record. */
static bool
next_record(struct str *rest, struct record *ret)
{
	struct feed_header h;
	struct str from = *rest, frame;

	if (!rest->n)
		return false;
	str_cut(rest, '\n');
	frame = str_cut(rest, '\n');
	if (!frame.n || !feed_parse(str_n(from.p, (size_t)(frame.p + frame.n - from.p)), &h) || h.kind != FEED_DURABLE)
		return false;
	*ret = (struct record){ { h.id, h.stream, h.position, h.seq }, h.frame };
	return true;
}

static struct frame *
batch_frame(const struct record *records, size_t n, bool more)
{
	struct frame *f;

	buf_clear(&push.text);
	buf_printf(&push.text, "{\"type\":\"batch\",\"count\":%zu,\"events\":[", n);
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_char(&push.text, ',');
		buf_str(&push.text, records[i].frame);
	}
	buf_printf(&push.text, "],\"more\":%s}", more ? "true" : "false");
	f = frame_text(FRAME_DURABLE, buf_view(&push.text));
	f->events = (uint16_t)n;
	return f;
}

static void
note_sent(struct replay *rp, const struct place *place)
{
	struct table_slot *slot;

	if (!rp->hold)
		return;
	slot = table_put(&rp->sent, place->id, place->stream);
	if (place->position > slot->i)
		slot->i = place->position;
}

static void
send_batch(struct conn *c, const struct record *records, size_t n)
{
	struct replay *rp = c->replay;
	struct frame *f = batch_frame(records, n, rp->plan || rp->missed.n);
	size_t at = sizeof("{\"type\":\"batch\",\"count\":,\"events\":[") - 1 + (size_t)snprintf(NULL, 0, "%zu", n);

	for (size_t i = 0; i < n; i++) {
		delivery_wrote(c, f, at, records[i].frame.n, &records[i].place);
		note_sent(rp, &records[i].place);
		metrics.events[PATH_REPLAY]++;
		at += records[i].frame.n + 1;
	}
	rp->batch_end[0] = rp->batch_end[1];
	rp->batch_end[1] = c->written;
	rp->answer_empty = false;
	if (!n) /* an empty answer is not an event, and is not to be given up */
		f->class = FRAME_ANSWER;
	conn_send(c, f);
}

struct page {
	struct str plan;
};

static const struct field page_fields[] = { STR_FIELD(struct page, plan, .max = PLAN_MAX, .required = 1), { 0 } };

static void
take_page(struct conn *c, struct str rest)
{
	struct replay *rp = c->replay;
	struct record records[PAGE_MAX];
	struct page in = { 0 };
	size_t n = 0;

	metrics.pages++;
	if (!control(c, &rest, page_fields, &in))
		return;
	free(rp->plan);
	rp->plan = in.plan.n ? mem_cstr(in.plan) : NULL;
	while (n < PAGE_MAX && next_record(&rest, &records[n]))
		n++;
	if (rest.n) {
		LOG(ERROR, "feed_answer", L_CSTR("reason", "not a record"));
		conn_close(c, WS_INTERNAL, "internal error");
		return;
	}
	if (n || (rp->answer_empty && !rp->plan && !rp->missed.n))
		send_batch(c, records, n);
}

static void
on_page(void *arg, const struct cgi_answer *a)
{
	struct conn *c = arg;

	if (answered(c) && good(c, a)) {
		take_page(c, a->body);
		replay_go(c);
	}
	conn_unref(c);
}

static void
ask_page(struct conn *c)
{
	struct json_out w;

	buf_clear(&push.text);
	json_begin(&w, &push.text);
	json_open_object(&w, NULL);
	json_id(&w, "user_id", c->user_id);
	json_cstr(&w, "plan", c->replay->plan);
	json_close(&w);
	json_end(&w);
	ask(c, STR("/feed/replay"), buf_view(&push.text), on_page);
}

/* What was missed becomes the next plan. */
static void
next_round(struct replay *rp)
{
	struct buf b;

	buf_init(&b, PLAN_MAX);
	for (struct table_slot *s = table_next(&rp->missed, NULL); s; s = table_next(&rp->missed, s)) {
		if (b.n)
			buf_char(&b, ',');
		if (s->b == 'u')
			buf_printf(&b, "u:%lld", (long long)s->i);
		else
			buf_printf(&b, "%lld:%lld", (long long)s->a, (long long)s->i);
	}
	table_deinit(&rp->missed);
	rp->plan = mem_cstr(buf_view(&b));
	buf_deinit(&b);
}

static bool
was_sent(const struct replay *rp, const struct frame *f)
{
	struct table_slot *slot = f->class == FRAME_DURABLE ? table_get(&rp->sent, f->place.id, f->place.stream) : NULL;

	return slot && (f->place.position <= slot->i || PLANTED(DROP_ASIDE));
}

/* Everything is read: what was set aside, then live. A socket that cannot even take this is pulling again at once. */
static void
finish(struct conn *c)
{
	struct replay *rp = c->replay;

	c->replay = NULL;
	if (rp->hold)
		conn_move(c, CONN_LIVE);
	for (size_t i = 0; i < rp->aside_n; i++)
		if (!was_sent(rp, rp->aside[i]))
			delivery_event(c, rp->aside[i]);
	if (rp->live && c->state == CONN_LIVE) {
		c->cursor_s = push_seconds();
		conn_send(c, rp->live);
		rp->live = NULL;
	} else if (rp->live && c->replay) {
		c->replay->live = rp->live;
		rp->live = NULL;
	}
	destroy(rp);
}

void
replay_go(struct conn *c)
{
	struct replay *rp = c->replay;

	if (!rp || rp->asked || rp->due_ms || (c->state != CONN_REPLAYING && c->state != CONN_LIVE))
		return;
	if (!rp->plan && !rp->missed.n) {
		finish(c);
		return;
	}
	if (rp->batch_end[0] > c->acked || delivery_unacked(c) >= UNACKED_MAX)
		return;
	if (!rp->plan)
		next_round(rp);
	ask_page(c);
}

void
replay_pull(struct conn *c, struct frame *live)
{
	struct replay *rp = replay_need(c);

	/* batches taken back unwritten are not waited for */
	for (size_t i = 0; i < BATCHES_UNACKED; i++)
		if (rp->batch_end[i] > c->written)
			rp->batch_end[i] = c->written;
	rp->hold = true;
	rp->live = live;
	metrics.replays[REPLAY_PULL]++;
	conn_move(c, CONN_REPLAYING);
}

void
replay_sync(struct conn *c, int64_t conversation_id, int64_t position)
{
	struct replay *rp = replay_need(c);

	miss(rp, conversation_id, 'c', position);
	metrics.replays[REPLAY_SYNC]++;
	rp->answer_empty = true;
	replay_go(c);
}

bool
replay_tick(struct conn *c, int64_t now_ms)
{
	struct replay *rp = c->replay;

	if (!rp)
		return false;
	if (rp->due_ms && now_ms >= rp->due_ms && !rp->asked) {
		rp->due_ms = 0;
		if (c->state == CONN_OPENING)
			replay_open(c);
		else
			replay_go(c);
	}
	return true;
}
