/* conn.c -- the socket of one connection: reading, writing, waiting, ending. */
#include "conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fail.h"
#include "base/json_out.h"
#include "base/log.h"
#include "calls.h"
#include "client.h"
#include "delivery.h"
#include "encoding.h"
#include "feed.h"
#include "mem.h"
#include "metrics.h"
#include "planted.h"
#include "poller.h"
#include "presence.h"
#include "push.h"
#include "replay.h"
#include "vouch.h"

#define READ_BYTES    65536
#define WRITE_PIECES  64
#define NO_PROGRESS   30 /* seconds */
#define CLOSE_MS      3000
#define EXPIRY_SOON   40 /* seconds before exp from which every tick looks */
#define BUCKETS_MAX   600
#define TRIM_AFTER    1000 /* connections that came or went */
#define DRAIN_BACK_MS 2000 /* the closes are spread already: nobody need stay away for long */
/* answers and marks are not dropped; a socket that lets this many times the limit pile up is closed */
#define HARD_FACTOR 4

/* Frames that wait for the socket: a ring. */
struct out {
	uint32_t first, n, size;
	uint32_t bytes;  /* of all frames */
	uint32_t begun;  /* bytes of the first one already written */
	uint32_t events; /* durable events in frames not yet begun */
	struct frame *ring[];
};

struct held {
	size_t n;
	char bytes[];
};

struct push push;
#ifdef PEAL_FAILPOINTS
enum planted planted;
#endif
static unsigned char received[READ_BYTES];
static struct conn *buckets[BUCKETS_MAX], *busy, *turn;
static size_t bucket_n, bucket_at, bucket_next;
static size_t turnover; /* who came or went since what that took was given back */

/* --- lists --- */

static void
link_bucket(struct conn *c)
{
	struct conn **head = &buckets[bucket_next++ % bucket_n];

	c->next = *head;
	c->at = head;
	if (c->next)
		c->next->at = &c->next;
	*head = c;
}

static void
unlink_bucket(struct conn *c)
{
	if (!c->at)
		return;
	*c->at = c->next;
	if (c->next)
		c->next->at = c->at;
	c->at = NULL;
}

void
conn_wake(struct conn *c)
{
	if (c->busy_at || c->state == CONN_GONE)
		return;
	c->busy_next = busy;
	c->busy_at = &busy;
	if (busy)
		busy->busy_at = &c->busy_next;
	busy = c;
}

static void
rest(struct conn *c)
{
	if (!c->busy_at)
		return;
	*c->busy_at = c->busy_next;
	if (c->busy_next)
		c->busy_next->busy_at = c->busy_at;
	c->busy_at = NULL;
}

static void
end_of_turn(struct conn *c)
{
	if (c->in_turn)
		return;
	c->in_turn = true;
	conn_ref(c);
	c->turn_next = turn;
	turn = c;
}

/* --- life and state --- */

static const uint16_t moves[CONN_STATES] = {
#define TO(state) (1u << CONN_##state)
	[CONN_REQUEST] = TO(GREETING) | TO(CLOSING) | TO(GONE),
	[CONN_GREETING] = TO(JOINING) | TO(CLOSING) | TO(GONE),
	[CONN_JOINING] = TO(OPENING) | TO(CLOSING) | TO(GONE),
	[CONN_OPENING] = TO(REPLAYING) | TO(CLOSING) | TO(GONE),
	[CONN_REPLAYING] = TO(LIVE) | TO(CLOSING) | TO(GONE),
	[CONN_LIVE] = TO(REPLAYING) | TO(CLOSING) | TO(GONE),
	[CONN_CLOSING] = TO(GONE),
#undef TO
};

void
conn_move(struct conn *c, enum conn_state to)
{
	if (!(moves[c->state] & 1u << to))
		abort();
	metrics.in_state[c->state]--;
	metrics.in_state[to]++;
	c->state = (uint8_t)to;
	conn_wake(c);
}

void
conn_ref(struct conn *c)
{
	c->refs++;
}

void
conn_unref(struct conn *c)
{
	if (--c->refs)
		return;
	if (!c->upgraded)
		free(c->held);
	free(c);
}

int64_t
push_random(int64_t most)
{
	return most > 0 ? (int64_t)(((uint64_t)rand() << 31 | (uint64_t)rand()) % ((uint64_t)most + 1)) : 0;
}

struct str
conn_session(const struct conn *c)
{
	return str_n(c->session_id, SESSION_CHARS);
}

/* Four bytes of an old address stand as in ::ffff:192.0.2.1. */
static struct in6_addr
read_address(struct str text)
{
	char word[ADDRESS_MAX + 1] = "";
	struct in6_addr a = { 0 };
	struct in_addr old;

	if (str_present(text) && text.n < ADDRESS_MAX)
		memcpy(word, text.p, text.n);
	if (inet_pton(AF_INET, word, &old) == 1) {
		a.s6_addr[10] = a.s6_addr[11] = 0xff;
		memcpy(a.s6_addr + 12, &old, sizeof(old));
	} else if (inet_pton(AF_INET6, word, &a) != 1) {
		a = (struct in6_addr){ 0 };
	}
	return a;
}

struct str
conn_address(const struct conn *c, char out[ADDRESS_MAX])
{
	if (!c->upgraded || IN6_IS_ADDR_UNSPECIFIED(&c->address))
		return STR("");
	if (IN6_IS_ADDR_V4MAPPED(&c->address))
		return str_c(inet_ntop(AF_INET, c->address.s6_addr + 12, out, ADDRESS_MAX));
	return str_c(inet_ntop(AF_INET6, &c->address, out, ADDRESS_MAX));
}

static unsigned
wanted(const struct conn *c)
{
	return (c->reading_stopped ? 0 : EPOLLIN) | (c->wants_write ? EPOLLOUT : 0) | EPOLLRDHUP;
}

static void
poll_again(struct conn *c)
{
	if (c->state != CONN_GONE)
		poller_set(c->fd, c, wanted(c));
}

/* --- the queue --- */

static struct frame **
slot(const struct out *o, uint32_t i)
{
	return (struct frame **)&o->ring[(o->first + i) % o->size];
}

static void
out_grow(struct conn *c)
{
	struct out *old = c->out;
	uint32_t size = old ? old->size * 2 : 4;
	struct out *o = mem_zeroed(sizeof(*o) + size * sizeof(o->ring[0]));

	o->size = size;
	if (old) {
		o->n = old->n;
		o->bytes = old->bytes;
		o->begun = old->begun;
		o->events = old->events;
		for (uint32_t i = 0; i < old->n; i++)
			o->ring[i] = *slot(old, i);
	}
	free(old);
	c->out = o;
}

static void
out_free(struct conn *c)
{
	if (!c->out)
		return;
	metrics.queued_frames -= c->out->n;
	metrics.queued_bytes -= c->out->bytes;
	for (uint32_t i = 0; i < c->out->n; i++)
		frame_unref(*slot(c->out, i));
	free(c->out);
	c->out = NULL;
}

bool
conn_queue_empty(const struct conn *c)
{
	return !c->out;
}

static size_t
most_bytes(void)
{
	return (size_t)push.conf->push_queue_kib * 1024;
}

bool
conn_has_room(const struct conn *c, size_t n)
{
	/* one frame always fits: a batch or a message may be larger than a small limit */
	return !c->out || (c->out->n < push.conf->push_queue_events && c->out->bytes + n <= most_bytes());
}

static bool
full(const struct conn *c, size_t factor_percent)
{
	return c->out && (c->out->n * 100 >= (size_t)push.conf->push_queue_events * factor_percent ||
	                  (size_t)c->out->bytes * 100 >= most_bytes() * factor_percent);
}

/* Who does not read what it asked for is not asked what else it wants. */
static void
hold_reading(struct conn *c, bool stop)
{
	if (c->reading_stopped == stop || c->state == CONN_CLOSING)
		return;
	c->reading_stopped = stop;
	poll_again(c);
}

static void
enqueue(struct conn *c, struct frame *f)
{
	if (!c->out || c->out->n == c->out->size)
		out_grow(c);
	if (!c->out->n)
		c->moved_s = push_seconds();
	*slot(c->out, c->out->n++) = f;
	c->out->bytes += f->n;
	c->out->events += f->events;
	metrics.queued_frames++;
	metrics.queued_bytes += f->n;
	prom_observe(&metrics.queue_depth, c->out->n);
	end_of_turn(c);
}

void
conn_send(struct conn *c, struct frame *f)
{
	struct frame *encoded;

	if (conn_ended(c) || (f->class == FRAME_EPHEMERAL && full(c, 25))) {
		metrics.given_up += !conn_ended(c);
		frame_unref(f);
		return;
	}
	if (full(c, 100 * HARD_FACTOR)) {
		frame_unref(f);
		conn_close(c, WS_SLOW, "too slow");
		return;
	}
	encoded = frame_ref(encoding_of(f, c->encoding));
	frame_unref(f);
	enqueue(c, encoded);
	if (full(c, 200))
		hold_reading(c, true);
}

size_t
conn_unqueue(struct conn *c, struct frame **ret_live)
{
	struct out *o = c->out;
	uint32_t kept = 0, events = 0;

	*ret_live = NULL;
	for (uint32_t i = 0; o && i < o->n; i++) {
		struct frame *f = *slot(o, i);

		if ((i == 0 && o->begun) || f->class > FRAME_DURABLE) {
			*slot(o, kept++) = f;
			continue;
		}
		events += f->events;
		o->bytes -= f->n;
		metrics.queued_frames--;
		metrics.queued_bytes -= f->n;
		if (f->live)
			*ret_live = f;
		else
			frame_unref(f);
	}
	if (o) {
		o->n = kept;
		o->events -= events;
	}
	if (o && !kept)
		out_free(c);
	return events;
}

/* --- writing --- */

static size_t
gather(const struct out *o, struct iovec *v)
{
	size_t n = 0;

	for (; n < o->n && n < WRITE_PIECES; n++) {
		struct frame *f = *slot(o, (uint32_t)n);
		size_t skip = n ? 0 : o->begun;

		v[n] = (struct iovec){ f->bytes + skip, f->n - skip };
	}
	return n;
}

static void
note_written(const struct frame *f)
{
	int64_t late_us = f->at_us ? clock_wall_us() - f->at_us : 0;

	metrics.frames_out++;
	metrics.queued_frames--;
	metrics.queued_bytes -= f->n;
	if (f->at_us)
		prom_observe(&metrics.commit_to_write, late_us > 0 ? (double)late_us / 1e6 : 0);
}

static void
sent_bytes(struct conn *c, size_t n)
{
	struct out *o = c->out;

	c->moved_s = push_seconds();
	metrics.bytes_out += n;
	n += o->begun;
	o->begun = 0;
	while (o->n && n >= (*slot(o, 0))->n) {
		struct frame *f = *slot(o, 0);

		n -= f->n;
		o->bytes -= f->n;
		o->events -= f->events;
		note_written(f);
		o->first = (o->first + 1) % o->size;
		o->n--;
		frame_unref(f);
	}
	o->begun = (uint32_t)n;
	if (!o->n)
		out_free(c);
}

static void
want_write(struct conn *c, bool want)
{
	if (c->wants_write == want)
		return;
	c->wants_write = want;
	poll_again(c);
}

static void
write_out(struct conn *c)
{
	struct iovec v[WRITE_PIECES];

	while (c->out && c->state != CONN_GONE) {
		bool durable = c->out->events;
		struct msghdr m = { .msg_iov = v, .msg_iovlen = gather(c->out, v) };
		ssize_t n;

		if (durable)
			FAILPOINT("push.before_write");
		n = sendmsg(c->fd, &m, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			conn_drop(c, WS_ABNORMAL);
			return;
		}
		if (durable)
			FAILPOINT("push.after_write");
		sent_bytes(c, (size_t)n);
	}
	want_write(c, c->out != NULL);
	if (c->out)
		conn_wake(c);
	if (c->reading_stopped && !full(c, 100))
		hold_reading(c, false);
}

/* --- ending --- */

static void
log_end(const struct conn *c)
{
	LOG(INFO, "socket", L_INT("code", c->code), L_INT("user", c->user_id),
	    L_INT("seconds", push_seconds() - c->opened_s), L_INT("frames", c->frames_in), L_INT("events", c->written),
	    L_INT("acked", c->acked));
}

/* Lets go of everything but the fd and what is still to be written; at the end of the turn, so that lists stay walkable. */
static void
retire(struct conn *c)
{
	struct hub_channel *ch = hub_leave(&c->node);

	c->retired = true;
	if (ch)
		feed_left(ch);
	presence_free(c);
	delivery_free(c);
	replay_free(c);
	calls_free(c);
	c->ws.ended |= c->ws.partial != NULL; /* its middle is lost: what follows cannot be read */
	ws_deinit(&c->ws);
	unlink_bucket(c);
	metrics_code(metrics.closes, c->code);
	log_end(c);
}

static void
finish_fd(struct conn *c)
{
	conn_move(c, CONN_GONE);
	rest(c);
	out_free(c);
	poller_del(c->fd);
	close(c->fd);
	push.connections--;
	turnover++;
	metrics.in_state[CONN_GONE]--;
	conn_unref(c);
}

void
conn_drop(struct conn *c, int code)
{
	if (c->state == CONN_GONE)
		return;
	if (!c->code)
		c->code = (uint16_t)code;
	end_of_turn(c);
	finish_fd(c);
}

void
conn_close(struct conn *c, int code, const char *reason)
{
	struct frame *live;

	if (conn_ended(c))
		return;
	c->code = (uint16_t)code;
	conn_unqueue(c, &live);
	frame_unref(live);
	if (c->state != CONN_REQUEST)
		enqueue(c, frame_close(code, reason));
	else
		end_of_turn(c);
	conn_move(c, CONN_CLOSING);
	c->due_ms = push_now() + CLOSE_MS;
	if (c->reading_stopped) {
		c->reading_stopped = false;
		poll_again(c);
	}
}

/*
 * Everything is written: either the peer closed first and we end, or we read on until it answers. Ending earlier would
 * make nginx reset a client that is still sending, and the reason would be lost with it.
 */
static void
after_flush(struct conn *c)
{
	if (c->state == CONN_CLOSING && !c->out && c->peer_closed)
		conn_drop(c, c->code);
}

void
conn_end_turn(void)
{
	struct conn *c;

	while ((c = turn)) {
		turn = c->turn_next;
		c->in_turn = false;
		if (c->state != CONN_GONE) {
			write_out(c);
			after_flush(c);
		}
		if (conn_ended(c) && !c->retired)
			retire(c);
		conn_unref(c);
	}
}

/* --- what every connection is told --- */

void
conn_send_text(struct conn *c, struct str json)
{
	conn_send(c, frame_text(FRAME_ANSWER, json));
}

void
conn_error(struct conn *c, int outcome, int64_t id, const char *message, int64_t retry_after_ms)
{
	const struct outcome_info *info = outcome_info(outcome);
	struct json_out w;

	buf_clear(&push.text);
	json_begin(&w, &push.text);
	json_open_object(&w, NULL);
	json_cstr(&w, "type", "error");
	if (id >= 0)
		json_int(&w, "id", id);
	json_cstr(&w, "code", info->code);
	json_cstr(&w, "message", message ? message : info->text);
	if (retry_after_ms > 0)
		json_int(&w, "retry_after_ms", retry_after_ms);
	json_close(&w);
	json_end(&w);
	conn_send_text(c, buf_view(&push.text));
}

void
conn_bye(struct conn *c, const char *reason, int64_t reconnect_in_ms)
{
	char text[96];
	int n = snprintf(text, sizeof(text), "{\"type\":\"bye\",\"reason\":\"%s\",\"reconnect_in_ms\":%lld}", reason,
	                 (long long)reconnect_in_ms);

	conn_send_text(c, str_n(text, (size_t)n));
}

/* --- reading --- */

static void
answer_close(struct conn *c, int code)
{
	c->peer_closed = true;
	conn_close(c, code == WS_NO_CODE ? WS_NO_CODE : code, "");
}

static void
take_event(struct conn *c, enum ws_event event, struct str payload, int code)
{
	switch (event) {
	case WS_TEXT:
		c->frames_in++;
		metrics.messages_in++;
		client_frame(c, payload);
		break;
	case WS_BINARY:
		conn_close(c, WS_UNSUPPORTED, "text frames only");
		break;
	case WS_PING:
		if (!full(c, 100))
			conn_send(c, frame_new(FRAME_CONTROL, WS_OP_PONG, payload));
		break;
	case WS_CLOSE:
		answer_close(c, code);
		break;
	case WS_ERROR:
		conn_close(c, code,
		           code == WS_TOO_BIG    ? "message too big"
		           : code == WS_BAD_UTF8 ? "invalid UTF-8"
		                                 : "protocol error");
		break;
	case WS_PONG:
	case WS_MORE:
		break;
	}
}

static void
take_frames(struct conn *c, unsigned char *p, size_t n)
{
	struct ws_input in = { p, n };
	struct str payload;
	enum ws_event event;
	int code = 0;

	while (!conn_ended(c) && (event = ws_next(&c->ws, &in, &payload, &code)) != WS_MORE)
		take_event(c, event, payload, code);
}

/* In CLOSING only the peer's close frame matters, and it matters only as a sign to end. */
static void
take_last(struct conn *c, unsigned char *p, size_t n)
{
	struct ws_input in = { p, n };
	struct str payload;
	enum ws_event event;
	int code;

	while ((event = ws_next(&c->ws, &in, &payload, &code)) != WS_MORE)
		c->peer_closed |= event == WS_CLOSE;
	if (c->peer_closed)
		end_of_turn(c);
}

static void
refuse(struct conn *c, int status)
{
	char text[UPGRADE_ANSWER_MAX];
	size_t n = upgrade_write(status, NULL, text, sizeof(text));
	ssize_t sent = send(c->fd, text, n, MSG_NOSIGNAL);

	(void)sent; /* 100 bytes into an empty socket: all, or the peer is gone */
	metrics_code(metrics.upgrades, status);
	c->code = (uint16_t)status;
	conn_drop(c, status);
}

/* Whoever came before the drain is served, and told to go like the others; whoever came after it, never. */
static int
judge_upgrade(const struct conn *c, const struct upgrade *up, int status)
{
	if (status != 101)
		return status;
	if (!upgrade_origin_allowed(up, push.conf))
		return 403;
	if (push.connections > (size_t)push.conf->push_max_connections || c->draining)
		return 503;
	return 101;
}

static void
accept_upgrade(struct conn *c, const struct upgrade *up)
{
	char text[UPGRADE_ANSWER_MAX];
	size_t n = upgrade_write(101, up, text, sizeof(text));

	if (send(c->fd, text, n, MSG_NOSIGNAL) != (ssize_t)n) {
		conn_drop(c, WS_ABNORMAL);
		return;
	}
	c->address = read_address(up->address);
	c->upgraded = true;
	metrics_code(metrics.upgrades, 101);
	c->ws.inflater = up->deflate ? push.inflater : NULL;
	c->encoding = up->gzip ? ENCODING_GZIP : up->deflate ? ENCODING_DEFLATE : ENCODING_PLAIN;
	conn_move(c, CONN_GREETING);
	link_bucket(c);
	if (push.draining)
		conn_drain(c);
	if (str_present(up->token))
		client_authenticate(c, up->token);
}

/* Adds a piece to what is held; returns all of it. */
static struct str
hold(struct conn *c, const unsigned char *p, size_t n)
{
	size_t before = c->held ? c->held->n : 0;

	c->held = mem_array(c->held, sizeof(*c->held) + before + n, 1);
	memcpy(c->held->bytes + before, p, n);
	c->held->n = before + n;
	return str_n(c->held->bytes, c->held->n);
}

/* The request arrives in one piece as a rule; otherwise its beginning is kept. */
static void
take_request(struct conn *c, unsigned char *p, size_t n)
{
	struct str all = c->held ? hold(c, p, n) : str_n((char *)p, n);
	struct held *held = c->held;
	struct upgrade up;
	int status = upgrade_parse(all, &up);

	if (!status) {
		if (!held)
			hold(c, p, n);
		return;
	}
	c->held = NULL; /* its place is needed */
	status = judge_upgrade(c, &up, status);
	if (status == 101) {
		accept_upgrade(c, &up);
		if (!conn_ended(c))
			take_frames(c, (unsigned char *)all.p + up.n, all.n - up.n);
	} else {
		refuse(c, status);
	}
	free(held);
}

static void
read_in(struct conn *c)
{
	ssize_t n = recv(c->fd, received, sizeof(received), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_drop(c, c->code ? c->code : WS_ABNORMAL);
		return;
	}
	c->heard_s = push_seconds();
	metrics.bytes_in += (uint64_t)n;
	if (c->state == CONN_REQUEST)
		take_request(c, received, (size_t)n);
	else if (c->state == CONN_CLOSING)
		take_last(c, received, (size_t)n);
	else
		take_frames(c, received, (size_t)n);
}

static void
on_ready(struct conn *c, unsigned events)
{
	if (c->state == CONN_GONE)
		return;
	conn_ref(c);
	if (events & EPOLLERR)
		conn_drop(c, WS_ABNORMAL);
	else if (events & EPOLLIN)
		read_in(c);
	else if (events & (EPOLLRDHUP | EPOLLHUP))
		conn_drop(c, c->code ? c->code : WS_ABNORMAL);
	if (events & EPOLLOUT)
		end_of_turn(c);
	conn_unref(c);
}

void
conn_accept(int fd)
{
	struct conn *c = mem_zeroed(sizeof(*c));

	c->fd = fd;
	c->refs = 1;
	c->ws.max_message = (uint32_t)(push.conf->push_max_frame_kib * 1024);
	c->heard_s = c->moved_s = push_seconds();
	c->opened_s = push_seconds();
	c->due_ms = push_now() + push.conf->push_hello_seconds * 1000;
	c->draining = push.draining;
	push.connections++;
	turnover++;
	metrics.in_state[CONN_REQUEST]++;
	conn_wake(c);
	poller_add(fd, c, wanted(c));
}

/* --- time --- */

static void
check_state(struct conn *c, int64_t now)
{
	bool due = now >= c->due_ms;

	if (c->state == CONN_REQUEST && due)
		conn_drop(c, WS_NO_HELLO);
	else if (c->state == CONN_GREETING && due && !c->draining && !vouch_asking(c)) /* that has a time of its own */
		conn_close(c, WS_NO_HELLO, "no hello");
	else if (c->state == CONN_CLOSING && due)
		conn_drop(c, c->code);
}

static bool
expires_soon(const struct conn *c)
{
	return c->expires_at && clock_wall_us() / 1000000 + EXPIRY_SOON >= c->expires_at;
}

static void
check_expiry(struct conn *c)
{
	if (!c->expires_at || clock_wall_us() / 1000000 < c->expires_at)
		return;
	conn_bye(c, "expired", 0);
	conn_close(c, WS_BAD_TOKEN, "token expired");
}

void
conn_drain(struct conn *c)
{
	c->draining = true;
	c->due_ms = push_now() + push_random(push.conf->push_drain_seconds * 1000);
	conn_wake(c);
}

static void
check_drain(struct conn *c, int64_t now)
{
	if (!c->draining || now < c->due_ms)
		return;
	if (c->state != CONN_REQUEST)
		conn_bye(c, "drain",
		         push_random(push.conf->push_drain_seconds * 1000 < DRAIN_BACK_MS
		                             ? push.conf->push_drain_seconds * 1000
		                             : DRAIN_BACK_MS));
	conn_close(c, WS_RESTART, "restart");
}

/* True while there is something to look at. */
static bool
tick_one(struct conn *c, int64_t now)
{
	bool more = c->state != CONN_LIVE || c->out || c->draining;

	check_state(c, now);
	if (conn_ended(c))
		return c->state == CONN_CLOSING;
	if (c->out && push_seconds() - c->moved_s > NO_PROGRESS)
		conn_close(c, WS_SLOW, "too slow");
	more |= delivery_tick(c, now);
	more |= replay_tick(c, now);
	if (expires_soon(c)) {
		more = true;
		check_expiry(c);
	}
	check_drain(c, now);
	return more;
}

void
conn_excuse(int64_t gone_ms)
{
	uint32_t gone_s = (uint32_t)(gone_ms / 1000) + 1, now = push_seconds();

	for (struct conn *c = busy; c; c = c->busy_next) {
		if (c->state == CONN_REQUEST || c->state == CONN_GREETING)
			c->due_ms += gone_ms;
		c->moved_s = now; /* whether it takes anything shows from now on */
	}
	for (size_t i = 0; i < bucket_n; i++)
		for (struct conn *c = buckets[i]; c; c = c->next)
			c->heard_s = c->heard_s + gone_s < now ? c->heard_s + gone_s : now;
}

void
conn_tick(void)
{
	int64_t now = push_now();
	struct conn *next;

	for (struct conn *c = busy; c; c = next) {
		next = c->busy_next;
		if (!tick_one(c, now))
			rest(c);
	}
}

/*
 * Everything before the fence was published before it, was heard before it, and was written here: live, or by a replay that is
 * over. While one is under way it waits.
 */
static void
offer_cursor(struct conn *c)
{
	struct frame *f;

	if (c->state != CONN_LIVE || c->replay || push_seconds() - c->cursor_s < push.conf->push_cursor_seconds)
		return;
	f = feed_cursor();
	if (!f)
		return;
	c->cursor_s = push_seconds();
	metrics.cursors++;
	conn_send(c, frame_ref(f));
}

static void
sweep_one(struct conn *c)
{
	int64_t silent = push_seconds() - c->heard_s, beat = push.conf->push_heartbeat_seconds;

	if (expires_soon(c))
		conn_wake(c);
	if (c->node.channel)
		presence_sweep(c->node.channel);
	presence_recheck(c);
	offer_cursor(c);
	if (silent > push.conf->push_dead_seconds)
		conn_close(c, WS_DEAD, "no pong");
	else if (silent * 6 > beat * 5 && !full(c, 100))
		conn_send(c, frame_new(FRAME_CONTROL, WS_OP_PING, STR("")));
}

/* Thousands who come at once leave holes between what stays; the pages in them are the system's again when nobody is on the way. */
static void
give_back(void)
{
	uint64_t coming = 0;

	for (int state = CONN_REQUEST; state < CONN_LIVE; state++)
		coming += metrics.in_state[state];
	if (turnover < TRIM_AFTER || coming)
		return;
	turnover = 0;
	malloc_trim(0);
}

void
conn_sweep(void)
{
	struct conn *next;

	give_back();

	for (struct conn *c = buckets[bucket_at++ % bucket_n]; c; c = next) {
		next = c->next;
		if (!conn_ended(c))
			sweep_one(c);
	}
}

void
conn_each(void (*fn)(struct conn *))
{
	struct conn *next;

	for (size_t i = 0; i < bucket_n; i++) {
		for (struct conn *c = buckets[i]; c; c = next) {
			next = c->next;
			if (!conn_ended(c))
				fn(c);
		}
	}
}

void
conn_init(void)
{
	bucket_n = (size_t)push.conf->push_heartbeat_seconds;
	if (bucket_n > BUCKETS_MAX)
		bucket_n = BUCKETS_MAX;
	if (bucket_n < 1)
		bucket_n = 1;
	poller_open(&push.loop, on_ready);
}
