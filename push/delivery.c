/* delivery.c -- what was written and not yet acknowledged. */
#include "delivery.h"

#include "base/fail.h"
#include "mem.h"
#include "metrics.h"
#include "notes.h"
#include "planted.h"
#include "push.h"
#include "replay.h"

#define RETRY_EVENTS_MAX 50
#define RETRY_BYTES_MAX  131072

struct sent {
	struct frame *frame;
	uint32_t offset, n; /* the event's JSON inside the frame's payload */
	struct place place;
};

struct unacked {
	uint32_t first, n, size;
	uint8_t attempt;
	int64_t due_ms; /* next retry */
	struct sent ring[];
};

static const int64_t retry_after_ms[] = { 2000, 4000, 8000, 16000, 32000 };
#define RETRIES (sizeof(retry_after_ms) / sizeof(retry_after_ms[0]))

static struct sent *
at(struct unacked *u, uint32_t i)
{
	return &u->ring[(u->first + i) % u->size];
}

size_t
delivery_unacked(const struct conn *c)
{
	return c->unacked ? c->unacked->n : 0;
}

static void
grow(struct conn *c)
{
	struct unacked *old = c->unacked, *u;
	uint32_t size = old ? old->size * 2 : 2;

	u = mem_zeroed(sizeof(*u) + size * sizeof(u->ring[0]));
	u->size = size;
	u->due_ms = push_now() + retry_after_ms[0];
	if (old) {
		u->n = old->n;
		u->attempt = old->attempt;
		u->due_ms = old->due_ms;
		for (uint32_t i = 0; i < old->n; i++)
			u->ring[i] = *at(old, i);
	}
	free(old);
	c->unacked = u;
}

void
delivery_free(struct conn *c)
{
	struct unacked *u = c->unacked;

	metrics.unacked -= u ? u->n : 0;
	for (uint32_t i = 0; u && i < u->n; i++)
		frame_unref(at(u, i)->frame);
	free(u);
	c->unacked = NULL;
}

void
delivery_wrote(struct conn *c, struct frame *f, size_t offset, size_t n, const struct place *place)
{
	if (!c->unacked || c->unacked->n == c->unacked->size)
		grow(c);
	metrics.unacked++;
	*at(c->unacked, c->unacked->n++) = (struct sent){ frame_ref(f), (uint32_t)offset, (uint32_t)n, *place };
	c->written++;
	conn_wake(c);
}

/* From push to pull: what was not begun is read from the log later, beginning with its lowest places. */
static void
pull(struct conn *c)
{
	struct frame *live;
	size_t events = conn_unqueue(c, &live);

	while (events--) {
		struct sent *last = at(c->unacked, --c->unacked->n);

		c->written--;
		metrics.unacked--;
		replay_miss(c, &last->place);
		frame_unref(last->frame);
	}
	if (c->unacked && !c->unacked->n)
		delivery_free(c);
	replay_pull(c, live);
}

static void
push_durable(struct conn *c, struct frame *f)
{
	if (delivery_unacked(c) >= UNACKED_MAX || !conn_has_room(c, f->n)) {
		pull(c);
		if (!PLANTED(FORGET_FIRST))
			replay_miss(c, &f->place);
		replay_go(c);
		return;
	}
	delivery_wrote(c, f, 0, f->n - f->head, &f->place);
	metrics.events[f->polled ? PATH_POLL : PATH_LIVE]++;
	conn_send(c, frame_ref(f));
}

void
delivery_event(struct conn *c, struct frame *f)
{
	switch ((enum conn_state)c->state) {
	case CONN_JOINING:
	case CONN_OPENING:
	case CONN_REPLAYING:
		replay_hold(c, f);
		break;
	case CONN_LIVE:
		if (f->class == FRAME_DURABLE)
			push_durable(c, f);
		else
			conn_send(c, frame_ref(f));
		break;
	default:
		break;
	}
}

int
delivery_ack(struct conn *c, int64_t count)
{
	struct unacked *u = c->unacked;

	if (count < 0 || count > c->written)
		return INVALID;
	if (count <= c->acked)
		return 0;
	FAILPOINT("push.before_acks");
	for (; c->acked < count; c->acked++) {
		struct sent *s = at(u, 0);

		if (s->place.stream == 'c' && s->place.seq)
			notes_ack(c->user_id, s->place.id, s->place.seq);
		frame_unref(s->frame);
		metrics.unacked--;
		u->first = (u->first + 1) % u->size;
		u->n--;
	}
	u->attempt = 0;
	u->due_ms = push_now() + retry_after_ms[0];
	if (!u->n)
		delivery_free(c);
	replay_go(c);
	return 0;
}

static void
retry(struct conn *c)
{
	struct unacked *u = c->unacked;
	size_t bytes = 0;
	uint32_t n = 0;

	buf_clear(&push.text);
	buf_printf(&push.text, "{\"type\":\"retry\",\"attempt\":%d,\"events\":[", u->attempt);
	for (; n < u->n && n < RETRY_EVENTS_MAX && bytes < RETRY_BYTES_MAX; n++) {
		struct sent *s = at(u, n);

		if (n)
			buf_char(&push.text, ',');
		buf_add(&push.text, frame_payload(s->frame) + s->offset, s->n);
		bytes += s->n;
	}
	buf_str(&push.text, STR("]}"));
	metrics.retries[u->attempt]++;
	metrics.events[PATH_RETRY] += n;
	conn_send_text(c, buf_view(&push.text));
}

bool
delivery_tick(struct conn *c, int64_t now_ms)
{
	struct unacked *u = c->unacked;

	if (!u)
		return false;
	/* a queue that does not empty is slowness, not loss: the slow consumer's rules see to it */
	if (now_ms < u->due_ms || !conn_queue_empty(c))
		return true;
	if (u->attempt == RETRIES) {
		conn_close(c, WS_ACK_TIMEOUT, "no acknowledgement");
		return true;
	}
	u->attempt++;
	u->due_ms = now_ms + retry_after_ms[u->attempt < RETRIES ? u->attempt : 0];
	retry(c);
	return true;
}
