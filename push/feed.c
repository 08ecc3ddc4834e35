/* feed.c -- subscriptions, records, horizons, and the poll. */
#include "feed.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "base/log.h"
#include "delivery.h"
#include "ended.h"
#include "mem.h"
#include "metrics.h"
#include "planted.h"
#include "presence.h"
#include "push.h"
#include "recent.h"
#include "replay.h"
#include "wire/feed.h"

#define BATCH       512 /* channels per SUBSCRIBE when the link is back */
#define HORIZONS    12
#define HORIZON_MS  5000
#define SAFE_MS     15000  /* 10 s for what was on its way, 5 s until a silent Redis is noticed */
#define FENCE_MS    300000 /* peal-jobs is away for longer: reading all of that again would cost everybody more */
#define AWAKE_MS    1000   /* at most so much of a tick counts: in what is more we were stopped, and heard nothing */
#define ASK_MS      10000
#define RECENT_MS   20000
#define SETTLE_MS   3000 /* at start: how long to wait for Redis before serving without it */
#define ANOTHER_LOG 409  /* of /feed/poll: the place we asked from is of another epoch, or no longer kept */

enum feed_state { FEED_DOWN, FEED_RESUBSCRIBING, FEED_CATCHING, FEED_LIVE };

struct horizon {
	int64_t at_ms; /* of awake_ms */
	char *since;
};

static struct {
	struct redis_link *subscriber, *commander;
	enum feed_state state;
	size_t asked;      /* channels that Redis has not confirmed yet */
	intptr_t catching; /* which CATCHING this is */
	struct horizon horizons[HORIZONS];
	size_t horizons_n;           /* ever taken; the newest is at (horizons_n - 1) % HORIZONS */
	char *since;                 /* where the poll stands; NULL: it does not know yet */
	bool asking;                 /* a question is at the door */
	bool again;                  /* the poll has more, or must run once more */
	int64_t poll_ms, horizon_ms; /* when next */
	int64_t awake_ms, ticked_ms; /* for how long we have run; when that was counted */
	int64_t started_ms;
	void (*settled)(void);
	struct recent recent;
	char *fence;                           /* what peal-jobs said last while we were live; NULL: nothing since */
	int64_t fence_ms;                      /* when */
	struct frame *cursor;                  /* made of it; NULL: nobody has asked */
	struct hub_channel *left, **left_last; /* channels that linger, by time */
	struct frame *last;                    /* the newest event: the same bytes came for the user before */
} feed;

static bool
degraded(void)
{
	return feed.state == FEED_DOWN || feed.state == FEED_RESUBSCRIBING;
}

bool
feed_live(void)
{
	return feed.state == FEED_LIVE;
}

/* --- delivery --- */

/* Every event ends with its time, by which we know how late we are; nothing else of it is looked at. 0: it does not. */
static int64_t
time_of(struct str frame)
{
	static const char name[] = "\"timestamp\":\"", example[] = "2026-01-02T03:04:05.678Z";
	const size_t text = sizeof(example) - 1, whole = sizeof(name) - 1 + text + 2;
	int64_t us;

	if (frame.n < whole || memcmp(frame.p + frame.n - whole, name, sizeof(name) - 1))
		return 0;
	return clock_rfc3339_parse(str_n(frame.p + frame.n - text - 2, text), &us) ? us : 0;
}

static struct frame *
make_frame(const struct feed_header *h)
{
	const struct place place = { h->id, h->stream, h->position, h->seq };
	struct frame *f;

	if (h->kind == FEED_DURABLE) {
		f = frame_event(&place, h->frame);
		f->at_us = time_of(h->frame);
		f->polled = feed.state != FEED_LIVE;
		return f;
	}
	return frame_text(h->kind == FEED_MARK ? FRAME_MARK : FRAME_EPHEMERAL, h->frame);
}

/* One Lua call publishes the same payload to many users: their records come one after the other. */
static struct frame *
frame_of(const struct feed_header *h)
{
	struct frame *f = feed.last;

	if (f && h->kind == FEED_DURABLE && f->place.id == h->id && f->place.stream == h->stream &&
	    f->place.position == h->position && str_eq(frame_view(f), h->frame))
		return f;
	frame_unref(f);
	feed.last = make_frame(h);
	return feed.last;
}

/* The same event comes again by the poll, or because peal-jobs rang twice. */
static void
to_user(const struct feed_header *h, int64_t user_id)
{
	struct hub_channel *ch = hub_find(&push.hub, HUB_EVENTS, user_id);
	struct frame *f;

	if (!ch || !ch->n)
		return;
	if (h->kind == FEED_DURABLE && !recent_add(&feed.recent, h->id, h->stream, h->position, user_id)) {
		metrics.duplicates++;
		return;
	}
	f = frame_of(h);
	HUB_EACH (ch, node)
		delivery_event(node->listener, f);
}

static bool
parse_channel(const redisReply *r, char *kind, int64_t *user_id)
{
	if (r->type != REDIS_REPLY_STRING || r->len < 3 || r->str[1] != ':')
		return false;
	*kind = r->str[0];
	return str_id(str_n(r->str + 2, (size_t)r->len - 2), user_id);
}

/* --- the fence --- */

static void
forget_fence(void)
{
	free(feed.fence);
	feed.fence = NULL;
	frame_unref(feed.cursor);
	feed.cursor = NULL;
}

/* Heard while not live it proves nothing: what came before it may have been missed. */
static void
on_fence(struct str place)
{
	if (feed.state != FEED_LIVE)
		return;
	forget_fence();
	feed.fence = mem_cstr(place);
	feed.fence_ms = push_now();
}

/*
 * Ephemeral, so that it goes when the durable events before it in a queue are taken back: a client that has a cursor has
 * everything that was written before it.
 */
static struct frame *
make_cursor(void)
{
	struct json_out w;

	buf_clear(&push.text);
	json_begin(&w, &push.text);
	json_open_object(&w, NULL);
	json_cstr(&w, "type", "cursor");
	json_cstr(&w, "since", feed.fence);
	json_close(&w);
	json_end(&w);
	return frame_text(PLANTED(KEPT_CURSOR) ? FRAME_ANSWER : FRAME_EPHEMERAL, buf_view(&push.text));
}

struct frame *
feed_cursor(void)
{
	if (feed.state != FEED_LIVE || !feed.fence)
		return NULL;
	if (!feed.cursor)
		feed.cursor = make_cursor();
	return feed.cursor;
}

static void
on_message(const redisReply *channel, const redisReply *record)
{
	struct feed_header h;
	int64_t user_id;
	char kind;

	if (channel->type == REDIS_REPLY_STRING && !strcmp(channel->str, FEED_FENCE) && record->type == REDIS_REPLY_STRING) {
		on_fence(str_n(record->str, (size_t)record->len));
		return;
	}
	if (!parse_channel(channel, &kind, &user_id) || record->type != REDIS_REPLY_STRING)
		return;
	if (!feed_parse(str_n(record->str, (size_t)record->len), &h)) {
		LOG(ERROR, "bad_record", L_INT("user", user_id), L_INT("bytes", (int64_t)record->len));
		return;
	}
	if (h.kind == FEED_ENDED)
		ended_record(&h);
	else if (kind == HUB_EVENTS)
		to_user(&h, user_id);
	else
		presence_record(&h);
}

/* --- subscriptions --- */

static struct str
channel_name(const struct hub_channel *ch, char out[32])
{
	return str_n(out, (size_t)snprintf(out, 32, "%c:%lld", (char)ch->kind, (long long)ch->user_id));
}

static void
channel_command(struct str command, const struct hub_channel *ch)
{
	char name[32];

	redis_link_send(feed.subscriber, REDIS_ARGV(command, channel_name(ch, name)), NULL, NULL);
}

static void
mark(struct hub_channel *ch, enum hub_heard heard)
{
	feed.asked += (heard == HEARD_ASKED) - (ch->heard == HEARD_ASKED);
	ch->heard = (uint8_t)heard;
}

void
feed_hear(struct hub_channel *ch)
{
	ch->left_ms = 0;
	if (ch->heard == HEARD_YES || ch->heard == HEARD_ASKED || !redis_link_is_up(feed.subscriber))
		return;
	mark(ch, HEARD_ASKED);
	channel_command(STR("SUBSCRIBE"), ch);
}

static void
forget(struct hub_channel *ch)
{
	mark(ch, HEARD_NOT);
	hub_forget(&push.hub, ch);
}

/* Nobody is on the channel, and Redis does not send it any more. */
static void
ended(struct hub_channel *ch)
{
	if (ch->kind == HUB_EVENTS && ch->online)
		presence_ended(ch->user_id, clock_wall_us() - (push_now() - ch->left_ms) * 1000);
	forget(ch);
}

static void
unhear(struct hub_channel *ch)
{
	if (ch->heard == HEARD_NOT || !redis_link_is_up(feed.subscriber)) {
		ended(ch);
		return;
	}
	mark(ch, HEARD_LEAVING);
	channel_command(STR("UNSUBSCRIBE"), ch);
}

static void
linger(struct hub_channel *ch)
{
	ch->lingers = true;
	ch->next_left = NULL;
	*feed.left_last = ch;
	feed.left_last = &ch->next_left;
}

void
feed_left(struct hub_channel *ch)
{
	if (ch->n)
		return;
	ch->left_ms = push_now();
	if (ch->kind == HUB_PRESENCE)
		unhear(ch);
	else if (!ch->lingers)
		linger(ch);
}

/* The line is in order of leaving, but for those who came and left again: they go to its end. */
static void
end_lingering(int64_t now)
{
	struct hub_channel *ch;

	while ((ch = feed.left) && (ch->n || now >= ch->left_ms + push.conf->push_offline_seconds * 1000)) {
		feed.left = ch->next_left;
		if (!feed.left)
			feed.left_last = &feed.left;
		ch->lingers = false;
		if (!ch->n)
			unhear(ch);
	}
}

/* Those who wait for this channel may go on. */
static void
wake_joining(struct hub_channel *ch)
{
	HUB_EACH (ch, node) {
		struct conn *c = node->listener;

		if (ch->kind == HUB_EVENTS && c->state == CONN_JOINING)
			replay_open(c);
	}
}

static void
on_subscribed(struct hub_channel *ch)
{
	if (ch->heard != HEARD_ASKED)
		return;
	mark(ch, HEARD_YES);
	if (!ch->n && !ch->lingers)
		unhear(ch); /* it was being left when the link broke */
	else if (ch->kind == HUB_EVENTS)
		wake_joining(ch);
	else
		presence_heard();
}

static void
on_unsubscribed(struct hub_channel *ch)
{
	if (ch->heard == HEARD_LEAVING && !ch->n)
		ended(ch);
}

static void
on_push(const redisReply *r)
{
	struct hub_channel *ch;
	int64_t user_id;
	char kind;

	if (r->type == REDIS_REPLY_ERROR)
		LOG(ERROR, "redis", L_STR("error", str_n(r->str, (size_t)r->len)));
	if (r->type != REDIS_REPLY_ARRAY || r->elements != 3 || r->element[0]->type != REDIS_REPLY_STRING)
		return;
	if (!strcmp(r->element[0]->str, "message")) {
		on_message(r->element[1], r->element[2]);
		return;
	}
	if (!parse_channel(r->element[1], &kind, &user_id))
		return;
	ch = hub_find(&push.hub, kind == HUB_EVENTS ? HUB_EVENTS : HUB_PRESENCE, user_id);
	if (ch && !strcmp(r->element[0]->str, "subscribe"))
		on_subscribed(ch);
	else if (ch && !strcmp(r->element[0]->str, "unsubscribe"))
		on_unsubscribed(ch);
}

void
feed_join(struct conn *c)
{
	struct hub_channel *ch = c->node.channel;

	feed_hear(ch);
	presence_joined(ch);
	if (ch->heard == HEARD_YES || (degraded() && feed.since) || PLANTED(EARLY_OPEN))
		replay_open(c);
}

/* --- the log, while Redis is away --- */

struct polled {
	struct str since;
	struct opt_bool more;
};

static const struct field polled_fields[] = { STR_FIELD(struct polled, since, .required = 1),
	                                      BOOL_FIELD(struct polled, more, .required = 1),
	                                      { 0 } };

static void
set_since(char *since)
{
	free(feed.since);
	feed.since = since;
}

static void
take_polled_record(const struct feed_header *h)
{
	struct str ids = h->recipients;
	int64_t user_id;

	if (h->kind == FEED_UNWATCH)
		presence_record(h);
	for (user_id = 1; PLANTED(EVERYBODY) && user_id < 100; user_id++)
		to_user(h, user_id);
	while (h->kind != FEED_UNWATCH && str_present(ids))
		if (str_id(str_cut(&ids, ','), &user_id))
			to_user(h, user_id);
}

static void
take_polled(struct str rest)
{
	while (rest.n) {
		struct str from = rest, frame;
		struct feed_header h;

		str_cut(&rest, '\n');
		frame = str_cut(&rest, '\n');
		if (!frame.n || !feed_parse(str_n(from.p, (size_t)(frame.p + frame.n - from.p)), &h)) {
			LOG(ERROR, "bad_record", L_CSTR("from", "poll"));
			return;
		}
		take_polled_record(&h);
	}
}

static bool
parse_polled(const struct cgi_answer *a, struct str *rest, struct polled *in)
{
	struct json_report report = { 0 };
	json_t *json;
	struct str line;

	if (!a || a->status != 200)
		return false;
	*rest = a->body;
	line = str_cut(rest, '\n');
	arena_reset(push.arena);
	return !json_parse(push.arena, line, &json, &report) && !json_fill(push.arena, json, polled_fields, in, "", &report);
}

static void
settle(void)
{
	void (*fn)(void) = feed.settled;

	feed.settled = NULL;
	if (fn)
		fn();
}

static void
keep_horizon(int64_t at_ms, const char *since)
{
	struct horizon *h = &feed.horizons[feed.horizons_n++ % HORIZONS];

	free(h->since);
	*h = (struct horizon){ at_ms, mem_cstr(str_c(since)) };
}

static void
go_live(void)
{
	feed.state = FEED_LIVE;
	LOG(NOTICE, "feed", L_CSTR("state", "live"), L_INT("channels", (int64_t)push.hub.channels.n));
	keep_horizon(0, feed.since); /* everything below it was delivered, whatever Redis loses */
	presence_again();
	settle();
}

/* All who waited for a place to poll from: there is one now. */
static void
wake_all(void)
{
	for (struct table_slot *s = table_next(&push.hub.channels, NULL); s; s = table_next(&push.hub.channels, s))
		wake_joining(s->p);
}

static void ask_poll(void);

static void
restart(struct conn *c)
{
	conn_close(c, WS_RESTART, "the log begins anew");
}

/* A restore, a promotion, or a place older than the log is kept: what everybody has may be numbered otherwise now. */
static void
begin_afresh(void)
{
	LOG(WARNING, "feed", L_CSTR("state", "afresh"), L_CSTR("reason", "our place is not in this log"));
	set_since(NULL);
	feed.horizons_n = 0;
	forget_fence();
	conn_each(restart);
}

static void
on_polled(void *arg, const struct cgi_answer *a)
{
	bool first = !feed.since, complete = (intptr_t)arg == feed.catching && feed.state == FEED_CATCHING;
	struct polled in = { 0 };
	struct str rest;

	feed.asking = false;
	feed.poll_ms = push_now() + push.conf->push_poll_ms;
	if (a && a->status == ANOTHER_LOG) {
		begin_afresh();
		return;
	}
	if (!parse_polled(a, &rest, &in))
		return;
	set_since(mem_cstr(in.since));
	feed.again = in.more.v;
	if (feed.state == FEED_LIVE)
		return;
	take_polled(rest);
	if (first && degraded()) {
		wake_all();
		settle();
	}
	if (feed.again)
		ask_poll();
	else if (complete)
		go_live();
}

static void
on_horizon(void *arg, const struct cgi_answer *a)
{
	struct polled in = { 0 };
	struct str rest;

	feed.asking = false;
	feed.horizon_ms = push_now() + HORIZON_MS;
	if (parse_polled(a, &rest, &in))
		keep_horizon((int64_t)(intptr_t)arg, arena_cstr(push.arena, in.since));
}

static void
ask(const char *since, door_fn fn, void *arg)
{
	struct door_question q = { .method = "POST", .uri = STR("/feed/poll"), .timeout_ms = ASK_MS };
	struct json_out w;

	buf_clear(&push.text);
	json_begin(&w, &push.text);
	json_open_object(&w, NULL);
	json_cstr(&w, "since", since);
	json_close(&w);
	json_end(&w);
	q.body = buf_view(&push.text);
	feed.asking = true;
	if (door_ask(push.feed, &q, fn, arg))
		fn(arg, NULL);
}

/* The argument says after which confirmation of everything this poll began; 0: before one. */
static void
ask_poll(void)
{
	ask(feed.since, on_polled, (void *)(feed.state == FEED_CATCHING && feed.since ? feed.catching : 0));
}

/*
 * The newest horizon that is old enough to lie before everything Redis may have lost; else the oldest there is. By the time that we
 * ran: what came while we were stopped may have been lost with the link, unread.
 */
static struct horizon *
safe(void)
{
	size_t held = feed.horizons_n < HORIZONS ? feed.horizons_n : HORIZONS;
	struct horizon *h = NULL;

	for (size_t i = 1; i <= held; i++) {
		h = &feed.horizons[(feed.horizons_n - i) % HORIZONS];
		if (h->at_ms <= feed.awake_ms - SAFE_MS)
			break;
	}
	return h;
}

/* The fence is safe by itself, however old. */
static char *
safe_horizon(void)
{
	const struct horizon *h = safe();

	if (feed.fence && push_now() - feed.fence_ms < FENCE_MS)
		return mem_cstr(str_c(feed.fence));
	return h ? mem_cstr(str_c(h->since)) : NULL;
}

int64_t
feed_fence_age_ms(void)
{
	return feed.fence ? push_now() - feed.fence_ms : -1;
}

/* --- up and down --- */

static void
on_down(void)
{
	LOG(WARNING, "feed", L_CSTR("state", "polling"), L_CSTR("reason", "Redis is away"));
	metrics.feed_losses++;
	if (feed.state == FEED_LIVE || !feed.since)
		set_since(safe_horizon());
	forget_fence();
	feed.state = FEED_DOWN;
	feed.poll_ms = 0;
	for (struct table_slot *s = table_next(&push.hub.channels, NULL); s; s = table_next(&push.hub.channels, s))
		mark(s->p, HEARD_NOT);
	if (feed.since)
		wake_all();
	presence_heard();
}

static void
resubscribe(void)
{
	char names[BATCH][32];
	struct str argv[BATCH + 1] = { STR("SUBSCRIBE") };
	size_t n = 0;

	for (struct table_slot *s = table_next(&push.hub.channels, NULL); s; s = table_next(&push.hub.channels, s)) {
		argv[n + 1] = channel_name(s->p, names[n]);
		mark(s->p, HEARD_ASKED);
		if (++n < BATCH)
			continue;
		redis_link_send(feed.subscriber, n + 1, argv, NULL, NULL);
		n = 0;
	}
	if (n)
		redis_link_send(feed.subscriber, n + 1, argv, NULL, NULL);
}

static void
on_up(void)
{
	feed.state = FEED_RESUBSCRIBING;
	redis_link_send(feed.subscriber, REDIS_ARGV(STR("SUBSCRIBE"), STR(FEED_FENCE)), NULL, NULL);
	resubscribe();
}

static void
quiet(void)
{
}

void
feed_command(size_t argc, const struct str *argv, redis_reply_fn fn, void *arg)
{
	redis_link_send(feed.commander, argc, argv, fn, arg);
}

void
feed_tell(int64_t user_id, struct str frame)
{
	const struct feed_header h = { .kind = FEED_EPHEMERAL, .stream = 'u', .id = user_id };
	char channel[32];
	int n = snprintf(channel, sizeof(channel), "p:%lld", (long long)user_id);
	struct buf record;

	buf_init(&record, 4096);
	feed_write_header(&record, &h);
	buf_str(&record, frame);
	feed_command(REDIS_ARGV(STR("PUBLISH"), str_n(channel, (size_t)n), buf_view(&record)), NULL, NULL);
	buf_deinit(&record);
}

/* --- time --- */

static void
advance(void)
{
	if (feed.state != FEED_RESUBSCRIBING || feed.asked)
		return;
	feed.state = FEED_CATCHING;
	feed.catching++;
	feed.poll_ms = 0;
	if (PLANTED(NO_CATCHING) && feed.since)
		go_live();
}

static void
count_awake(int64_t now)
{
	int64_t passed = now - feed.ticked_ms;

	feed.awake_ms += passed < AWAKE_MS ? passed : AWAKE_MS;
	feed.ticked_ms = now;
}

void
feed_tick(int64_t now)
{
	count_awake(now);
	end_lingering(now);
	recent_age(&feed.recent, now, RECENT_MS);
	advance();
	if (now - feed.started_ms > SETTLE_MS)
		settle();
	if (feed.asking)
		return;
	if (feed.state == FEED_LIVE && now >= feed.horizon_ms)
		ask(NULL, on_horizon, (void *)(intptr_t)feed.awake_ms);
	else if (feed.state != FEED_LIVE && now >= feed.poll_ms)
		ask_poll();
}

/* Serves as soon as the log can be read: with Redis, or knowing that it is away. */
void
feed_start(void (*settled)(void))
{
	static const struct redis_link_events subscriber = { on_up, on_down, on_push };
	static const struct redis_link_events commander = { quiet, quiet, NULL };

	feed.settled = settled;
	feed.left_last = &feed.left;
	feed.started_ms = feed.ticked_ms = push_now();
	feed.awake_ms = SAFE_MS; /* what was delivered when we began to hear is old enough */
	feed.subscriber = redis_link_new(&push.loop, conf_redis(push.conf), push.conf->redis_password_file, &subscriber);
	feed.commander = redis_link_new(&push.loop, conf_redis(push.conf), push.conf->redis_password_file, &commander);
}

void
feed_stop(void)
{
	redis_link_free(feed.subscriber);
	redis_link_free(feed.commander);
	for (size_t i = 0; i < HORIZONS; i++)
		free(feed.horizons[i].since);
	frame_unref(feed.last);
	forget_fence();
	recent_deinit(&feed.recent);
	set_since(NULL);
}
