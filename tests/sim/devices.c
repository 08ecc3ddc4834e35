/* devices.c -- devices that follow the client rule of docs/asyncapi.yaml, and hold what they are told against the model. */
#include <stdarg.h>

#include "push/codec.h"
#include "push/inflate.h"
#include "sim.h"

#define IN_MAX      (1 << 20)
#define OUT_MAX     65536
#define HELD_MAX    4096
#define ACK_EVENTS  32
#define ACK_MS      800
#define HOLD_MS     500
#define AGAIN_MS    3000
#define ASKS        5
#define RETRIES     5
#define PATIENCE_MS 62000
#define CROSSING_MS 5000

enum state { AWAY, UPGRADING, TALKING };

struct held {
	int64_t position;
	bool created;
};

struct device {
	int user, fd;
	enum state state;
	bool deflate, sends_cursors, lazy; /* lazy: never acknowledges by itself for a while */
	bool deaf;                         /* never again, until the daemon has had enough */
	int attempt;                       /* of the last `retry` since it acknowledged */
	bool live, fresh, closing;
	int64_t places[CONVERSATIONS], user_rev; /* 0: not mine; -1: not known yet */
	struct held held[CONVERSATIONS][HELD_MAX];
	size_t held_n[CONVERSATIONS];
	int64_t ask_ms[CONVERSATIONS];
	int asked[CONVERSATIONS];
	int64_t heads[CONVERSATIONS],
	        gone[CONVERSATIONS]; /* gone: where I was removed last; nothing up to there is mine any more */
	char since[32];
	int64_t counted, acked, ack_ms, again_ms, stalled_ms;
	int64_t said_ms, deaf_ms; /* when it acknowledged last, or connected; since when it is deaf */
	size_t in_n, out_n;
	unsigned char in[IN_MAX], out[OUT_MAX];
	struct {
		uint64_t connections, applied, dropped, held, syncs, retries, cursors, fresh, batches, closes, deflated,
		        unheard;
	} stats;
};

static struct device *devices;
static struct inflater *inflater;

/* --- bytes --- */

static void
leave(struct device *d, int64_t away_ms)
{
	world_cut(d->fd);
	d->state = AWAY;
	d->live = false;
	d->again_ms = sim_now_ms + away_ms;
	d->in_n = d->out_n = 0;
}

static void
add_bytes(struct device *d, const void *p, size_t n)
{
	CHECK(d->out_n + n <= OUT_MAX, "a device says too much");
	memcpy(d->out + d->out_n, p, n);
	d->out_n += n;
}

/* A masked frame; a mask of zeros changes nothing. */
static void say(struct device *d, int opcode, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void
say(struct device *d, int opcode, const char *format, ...)
{
	unsigned char head[8] = { (unsigned char)(0x80 | opcode) };
	char text[4096];
	va_list args;
	size_t n, h = 2;

	va_start(args, format);
	n = (size_t)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n < 126) {
		head[1] = (unsigned char)(0x80 | n);
	} else {
		head[1] = 0x80 | 126;
		head[2] = (unsigned char)(n >> 8);
		head[3] = (unsigned char)n;
		h = 4;
	}
	add_bytes(d, head, h);
	add_bytes(d, "\0\0\0\0", 4);
	add_bytes(d, text, n);
}

static void
connect_now(struct device *d)
{
	char text[512];
	int n = snprintf(
	        text, sizeof(text),
	        "GET /ws HTTP/1.1\r\nHost: sim\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%sAuthorization: Bearer u%d\r\n\r\n",
	        d->deflate ? "Sec-WebSocket-Extensions: permessage-deflate\r\n" : "", d->user);

	d->fd = world_connect();
	d->state = UPGRADING;
	d->closing = d->deaf = false;
	d->attempt = 0;
	d->said_ms = sim_now_ms;
	d->counted = d->acked = d->ack_ms = 0;
	memset(d->held_n, 0, sizeof(d->held_n));
	memset(d->ask_ms, 0, sizeof(d->ask_ms));
	memset(d->asked, 0, sizeof(d->asked));
	memset(d->heads, 0, sizeof(d->heads));
	d->stats.connections++;
	add_bytes(d, text, (size_t)n);
}

static void
hello(struct device *d)
{
	char cursors[512] = "", since[40] = "null";
	size_t n = 0;

	if (d->since[0])
		snprintf(since, sizeof(since), "\"%s\"", d->since);
	for (int c = 1; d->sends_cursors && d->since[0] && c <= CONVERSATIONS; c++)
		if (d->places[c - 1])
			n += (size_t)snprintf(cursors + n, sizeof(cursors) - n, "%s\"%d\":{\"seq\":%lld,\"rev\":0}",
			                      n ? "," : "", c, (long long)d->places[c - 1]);
	say(d, WS_OP_TEXT, "{\"type\":\"hello\",\"device_id\":\"d\",\"since\":%s,\"cursors\":{%s}}", since, cursors);
}

/* --- the rule --- */

static void
apply(struct device *d, int c, int64_t position, bool created)
{
	CHECK(model_may_see(d->user, c, position), "person %d is given c%d %lld, which is not theirs to see", d->user, c,
	      (long long)position);
	CHECK(created || position == d->places[c - 1] + 1, "past a hole");
	d->places[c - 1] = position;
	d->stats.applied++;
}

static void
release(struct device *d, int c)
{
	struct held *held = d->held[c - 1];
	bool again = true;

	while (again) {
		again = false;
		for (size_t i = 0; i < d->held_n[c - 1];) {
			int64_t position = held[i].position;

			if (position == d->places[c - 1] + 1 && d->places[c - 1]) {
				apply(d, c, position, false);
				again = true;
			}
			if (position <= d->places[c - 1])
				held[i] = held[--d->held_n[c - 1]];
			else
				i++;
		}
	}
	if (!d->held_n[c - 1])
		d->ask_ms[c - 1] = 0;
}

static void
hold(struct device *d, int c, int64_t position)
{
	CHECK(model_may_see(d->user, c, position), "person %d is told of c%d %lld, which is not theirs to see", d->user, c,
	      (long long)position);
	if (d->held_n[c - 1] == HELD_MAX)
		return;
	d->stats.held++;
	if (!d->held_n[c - 1])
		d->ask_ms[c - 1] = sim_now_ms + HOLD_MS;
	d->held[c - 1][d->held_n[c - 1]++] = (struct held){ position, false };
}

static void
on_conversation_event(struct device *d, int c, int64_t position, char kind)
{
	int64_t mine = d->places[c - 1];

	if (position <= mine || position <= d->gone[c - 1]) {
		d->stats.dropped++;
	} else if (kind == 'j') {
		apply(d, c, position, true);
		release(d, c);
	} else if (!mine || position > mine + 1) {
		hold(d, c, position);
	} else {
		apply(d, c, position, false);
		release(d, c);
	}
}

/* What is held and comes from after it says that I am a member again. */
static void
forget(struct device *d, int c, int64_t until)
{
	struct held *held = d->held[c - 1];
	size_t n = 0;

	for (size_t i = 0; i < d->held_n[c - 1]; i++)
		if (held[i].position > until)
			held[n++] = held[i];
	d->held_n[c - 1] = n;
	d->places[c - 1] = d->heads[c - 1] = 0;
	d->asked[c - 1] = 0;
	if (!n)
		d->ask_ms[c - 1] = 0;
}

/* False: a hole, which a new hello fills. */
static bool
on_own_event(struct device *d, int64_t rev, char kind, int c, int64_t position)
{
	if (rev <= d->user_rev) {
		d->stats.dropped++;
		return true;
	}
	if (rev > d->user_rev + 1)
		return false;
	d->user_rev = rev;
	d->stats.applied++;
	if (kind == 'r') {
		d->gone[c - 1] = position;
		if (d->places[c - 1] <= position)
			forget(d, c, position);
	}
	return true;
}

static bool
on_event(struct device *d, const char *text)
{
	long long position, q, content;
	char stream, kind;
	int id, c;

	CHECK(sscanf(text, "{\"type\":\"ev\",\"s\":\"%c\",\"id\":%d,\"p\":%lld,\"k\":\"%c\",\"c\":%d,\"q\":%lld,\"x\":%lld",
	             &stream, &id, &position, &kind, &c, &q, &content) == 7,
	      "not an event: %.80s", text);
	CHECK(model_content(stream, id, position) == content, "%c%d %lld says something else", stream, id, position);
	CHECK(stream == 'c' || id == d->user, "person %d is given the stream of %d", d->user, id);
	if (stream == 'u')
		return on_own_event(d, position, kind, c, q);
	on_conversation_event(d, id, position, kind);
	return true;
}

/* All events of a frame. */
static size_t
events_of(struct device *d, const char *text)
{
	size_t n = 0;
	bool whole = true;

	for (const char *p = text; (p = strstr(p, "{\"type\":\"ev\"")); p++, n++)
		whole = on_event(d, p) && whole;
	if (!whole) /* a hole in my own stream */
		leave(d, sim_random(200));
	return n;
}

/* --- frames --- */

static void
on_heads(struct device *d, const char *text)
{
	const char *p = strstr(text, "\"h\":[") + 5;
	long long position;
	int c;

	while (sscanf(p, "[%d,%lld]", &c, &position) == 2) {
		d->heads[c - 1] = position;
		if (d->fresh)
			d->places[c - 1] = position;
		p = strchr(p, ']') + 1;
		p += *p == ',';
	}
	if (d->fresh)
		d->user_rev = atoll(strstr(text, "\"u\":") + 4);
}

static bool
holds_anything(const struct device *d)
{
	for (int c = 0; c < CONVERSATIONS; c++)
		if (d->held_n[c])
			return true;
	return false;
}

static void
on_since(struct device *d, const char *text, const char *what)
{
	char since[32], why[200];

	CHECK(sscanf(strstr(text, "\"since\":\"") + 9, "%31[0-9]", since) == 1, "no place: %s", text);
	if (holds_anything(d))
		return;
	CHECK(model_covered(d->user, atoll(since), d->places, d->user_rev, why, sizeof(why)), "%s %s for person %d: %s",
	      what, since, d->user, why);
	strcpy(d->since, since);
}

static void
on_live(struct device *d, const char *text)
{
	int64_t joined;

	for (int c = 1; c <= CONVERSATIONS; c++)
		CHECK(d->places[c - 1] >= d->heads[c - 1] || !model_member(d->user, c, &joined) || joined > d->heads[c - 1],
		      "live, but person %d is at %lld of c%d; heads said %lld", d->user, (long long)d->places[c - 1], c,
		      (long long)d->heads[c - 1]);
	d->live = true;
	on_since(d, text, "live");
}

static void
count(struct device *d, size_t n)
{
	if (n && d->counted == d->acked)
		d->ack_ms = sim_now_ms + ACK_MS;
	d->counted += (int64_t)n;
}

/* 2, 4, 8, 16 and 32 s: each attempt is one more than the one before, as long as nothing was acknowledged. */
static void
on_retry(struct device *d, const char *text)
{
	int attempt = atoi(strstr(text, "\"attempt\":") + 10);

	CHECK(attempt == 1 || attempt == d->attempt + 1, "attempt %d comes after %d", attempt, d->attempt);
	CHECK(attempt <= RETRIES, "a sixth attempt");
	d->attempt = attempt;
	d->stats.retries++;
	events_of(d, text);
}

/* Only who was asked five times, and said nothing for as long as that takes; what it said just before it fell silent may have crossed. */
static void
on_ack_timeout(struct device *d)
{
	int64_t silent_ms = sim_now_ms - d->said_ms;

	CHECK(d->attempt == RETRIES, "given up after attempt %d", d->attempt);
	CHECK(!d->deaf || sim_now_ms - d->deaf_ms < CROSSING_MS || silent_ms >= PATIENCE_MS, "given up after %lld ms",
	      (long long)silent_ms);
	d->stats.unheard++;
}

static bool
is(const char *text, const char *type)
{
	size_t n = strlen(type);

	return !strncmp(text, "{\"type\":\"", 9) && !strncmp(text + 9, type, n) && text[9 + n] == '"';
}

static void
on_text(struct device *d, const char *text)
{
	if (sim_trace)
		printf("%llu %.3f device %ld of %d: %.3000s\n", (unsigned long long)sim_step, (double)sim_now_ms / 1000,
		       d - devices, d->user, text);
	if (is(text, "ev")) {
		count(d, 1);
		events_of(d, text);
	} else if (is(text, "batch")) {
		size_t n = events_of(d, text);

		d->stats.batches++;
		CHECK(n == (size_t)atoll(strstr(text, "\"count\":") + 8), "a batch miscounts");
		if (d->state == TALKING)
			count(d, n);
	} else if (is(text, "retry")) {
		on_retry(d, text);
	} else if (is(text, "welcome")) {
		d->fresh = strstr(text, "\"mode\":\"fresh\"");
		CHECK(d->fresh == !d->since[0], "a fresh start for somebody who resumes");
		d->stats.fresh += d->fresh;
	} else if (is(text, "heads")) {
		on_heads(d, text);
	} else if (is(text, "live")) {
		on_live(d, text);
	} else if (is(text, "cursor")) {
		d->stats.cursors++;
		on_since(d, text, "cursor");
	} else if (is(text, "error")) {
		CHECK(strstr(text, "\"unavailable\"") || strstr(text, "\"overloaded\""), "an error: %s", text);
	}
}

static void
on_frame(struct device *d, unsigned char first, unsigned char *payload, size_t n)
{
	static char text[IN_MAX + 1];
	struct str plain = str_n((char *)payload, n);
	int code;

	if (first & 0x40) {
		d->stats.deflated++;
		CHECK(d->deflate && !inflate_message(inflater, payload, n, IN_MAX, &plain), "badly deflated");
	}
	switch (first & 0x0f) {
	case WS_OP_TEXT:
		memcpy(text, plain.p, plain.n);
		text[plain.n] = 0;
		on_text(d, text);
		break;
	case WS_OP_PING:
		say(d, WS_OP_PONG, "%s", "");
		break;
	case WS_OP_CLOSE:
		code = n >= 2 ? payload[0] << 8 | payload[1] : WS_NO_CODE;
		CHECK(code == WS_ACK_TIMEOUT || code == WS_DEAD || code == WS_SLOW || code == WS_OVERLOAD ||
		              code == WS_RESTART || code == WS_NO_HELLO,
		      "closed with %d", code);
		if (code == WS_ACK_TIMEOUT)
			on_ack_timeout(d);
		d->stats.closes++;
		leave(d, sim_random(1000));
		break;
	default:
		sim_fail("opcode %d", first & 0x0f);
	}
}

/* One frame, when it is there; returns its bytes. */
static size_t
take_frame(struct device *d)
{
	size_t n, head = 2;

	if (d->in_n < 2)
		return 0;
	n = d->in[1] & 0x7f;
	if (n == 126) {
		head = 4;
		n = (size_t)d->in[2] << 8 | d->in[3];
	} else if (n == 127) {
		head = 10;
		n = (size_t)d->in[6] << 24 | (size_t)d->in[7] << 16 | (size_t)d->in[8] << 8 | d->in[9];
	}
	if (d->in_n < head || d->in_n < head + n)
		return 0;
	on_frame(d, d->in[0], d->in + head, n);
	return head + n;
}

static void
take_upgrade(struct device *d)
{
	unsigned char *end = memmem(d->in, d->in_n, "\r\n\r\n", 4);
	size_t n;

	if (!end)
		return;
	CHECK(!memcmp(d->in, "HTTP/1.1 101", 12), "refused");
	n = (size_t)(end - d->in) + 4;
	memmove(d->in, d->in + n, d->in_n - n);
	d->in_n -= n;
	d->state = TALKING;
	hello(d);
}

static void
read_some(struct device *d)
{
	size_t n = world_take(d->fd, d->in + d->in_n, 1 + sim_random(4000));

	d->in_n += n;
	if (d->state == UPGRADING)
		take_upgrade(d);
	while (d->state == TALKING && (n = take_frame(d))) {
		if (d->state != TALKING)
			return;
		memmove(d->in, d->in + n, d->in_n - n);
		d->in_n -= n;
	}
}

/* --- time --- */

static void
acknowledge(struct device *d)
{
	if (d->counted == d->acked || d->lazy || d->deaf || (d->counted - d->acked < ACK_EVENTS && sim_now_ms < d->ack_ms))
		return;
	say(d, WS_OP_TEXT, "{\"type\":\"ack\",\"count\":%lld}", (long long)d->counted);
	d->acked = d->counted;
	d->said_ms = sim_now_ms;
}

static void
fill_holes(struct device *d)
{
	for (int c = 1; c <= CONVERSATIONS; c++) {
		if (!d->ask_ms[c - 1] || sim_now_ms < d->ask_ms[c - 1])
			continue;
		if (!d->places[c - 1] && d->asked[c - 1] == ASKS) { /* late, of what is not mine any more */
			forget(d, c, INT64_MAX);
			continue;
		}
		d->asked[c - 1]++;
		d->ask_ms[c - 1] = sim_now_ms + AGAIN_MS;
		d->stats.syncs++;
		say(d, WS_OP_TEXT, "{\"type\":\"sync\",\"conversation_id\":\"%d\",\"seq\":%lld,\"rev\":0}", c,
		    (long long)d->places[c - 1]);
	}
}

void
devices_tick(void)
{
	for (int i = 0; i < CLIENTS; i++) {
		struct device *d = &devices[i];

		if (d->state != TALKING || sim_now_ms < d->stalled_ms)
			continue;
		acknowledge(d);
		fill_holes(d);
	}
}

static void
misbehave(struct device *d)
{
	if (d->deaf)
		return;
	if (sim_chance(4))
		leave(d, sim_random(sim_chance(300) ? 20000 : 300));
	else if (sim_chance(3))
		d->stalled_ms = sim_now_ms + sim_random(sim_chance(200) ? 45000 : 3000);
	else if (sim_chance(3))
		d->lazy = !d->lazy;
	else if (sim_chance(1) && sim_chance(200)) {
		d->deaf = true;
		d->deaf_ms = sim_now_ms;
	}
}

void
devices_step(void)
{
	struct device *d = &devices[sim_random(CLIENTS)];
	size_t n;

	d->lazy &= !sim_calm;
	d->deaf &= !sim_calm;
	if (d->state == AWAY) {
		if (sim_now_ms >= d->again_ms)
			connect_now(d);
		return;
	}
	if (!sim_calm && sim_now_ms < d->stalled_ms)
		return;
	if (world_ended(d->fd)) {
		leave(d, sim_random(500));
		return;
	}
	n = world_give(d->fd, d->out, d->out_n);
	memmove(d->out, d->out + n, d->out_n - n);
	d->out_n -= n;
	read_some(d);
	if (d->state != AWAY)
		misbehave(d);
}

void
devices_init(void)
{
	devices = calloc(CLIENTS, sizeof(*devices));
	inflater = inflater_new();
	/* some have many devices, some one, whose channel comes and goes with it */
	static const int users[CLIENTS] = { 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4, 5, 6 };

	for (int i = 0; i < CLIENTS; i++) {
		devices[i].user = users[i];
		devices[i].deflate = i % 3 == 1;
		devices[i].sends_cursors = i % 2;
		devices[i].again_ms = sim_now_ms + sim_random(3000);
	}
}

bool
devices_agree(char *why, size_t n)
{
	int64_t joined;

	for (int i = 0; i < CLIENTS; i++) {
		struct device *d = &devices[i];

		if (!d->live) {
			snprintf(why, n, "device %d of person %d is not live", i, d->user);
			return false;
		}
		for (int c = 1; c <= CONVERSATIONS; c++) {
			int64_t want = model_member(d->user, c, &joined) ? model_head(c) : 0;

			if (d->places[c - 1] == want)
				continue;
			snprintf(why, n, "device %d of person %d is at %lld of c%d, the model at %lld", i, d->user,
			         (long long)d->places[c - 1], c, (long long)want);
			return false;
		}
		if (d->user_rev != model_user_head(d->user)) {
			snprintf(why, n, "device %d of person %d is at %lld of its own stream, the model at %lld", i,
			         d->user, (long long)d->user_rev, (long long)model_user_head(d->user));
			return false;
		}
	}
	return true;
}

void
devices_report(void)
{
	struct device all = { 0 };

	for (int i = 0; i < CLIENTS; i++) {
		const uint64_t *one = (const uint64_t *)&devices[i].stats;
		uint64_t *sum = (uint64_t *)&all.stats;

		for (size_t k = 0; k < sizeof(all.stats) / sizeof(*sum); k++)
			sum[k] += one[k];
	}
	printf("devices: %llu connections, %llu applied, %llu dropped, %llu held, %llu syncs, %llu batches, %llu retries, "
	       "%llu cursors, "
	       "%llu fresh, %llu deflated, %llu closed, %llu of them unacknowledged to the end\n",
	       (unsigned long long)all.stats.connections, (unsigned long long)all.stats.applied,
	       (unsigned long long)all.stats.dropped, (unsigned long long)all.stats.held,
	       (unsigned long long)all.stats.syncs, (unsigned long long)all.stats.batches,
	       (unsigned long long)all.stats.retries, (unsigned long long)all.stats.cursors,
	       (unsigned long long)all.stats.fresh, (unsigned long long)all.stats.deflated,
	       (unsigned long long)all.stats.closes, (unsigned long long)all.stats.unheard);
}
