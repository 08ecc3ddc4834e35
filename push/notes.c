/* notes.c -- two tables that are emptied into the feed door. */
#include "notes.h"

#include "base/json_out.h"
#include "base/log.h"
#include "mem.h"
#include "push.h"

#define BATCH_MAX 250 /* members whose rows one statement locks */
#define ASK_MS    10000

struct entry {
	int64_t a, b, value;
};

struct notes {
	const char *uri, *key;
	void (*write)(struct json_out *, const struct entry *);
	struct table waiting; /* (a, b) -> the newest value */
	struct entry *asked;  /* the batch on its way; NULL: none */
	size_t asked_n;
};

static void
write_ack(struct json_out *w, const struct entry *e)
{
	json_id(w, "user_id", e->a);
	json_id(w, "conversation_id", e->b);
	json_int(w, "seq", e->value);
}

static void
write_seen(struct json_out *w, const struct entry *e)
{
	json_id(w, "user_id", e->a);
	json_time(w, "at", e->value);
}

static struct notes acks = { .uri = "/feed/acks", .key = "acks", .write = write_ack };
static struct notes seen = { .uri = "/feed/seen", .key = "users", .write = write_seen };

static void flush(struct notes *);

static void
keep(struct notes *t, int64_t a, int64_t b, int64_t value)
{
	struct table_slot *slot = table_put(&t->waiting, a, b);

	if (value > slot->i)
		slot->i = value;
}

/* Many at once do not wait for each other's second: a batch goes as soon as it is full, and when the one before it is back. */
static void
note(struct notes *t, int64_t a, int64_t b, int64_t value)
{
	keep(t, a, b, value);
	if (t->waiting.n >= BATCH_MAX)
		flush(t);
}

void
notes_ack(int64_t user_id, int64_t conversation_id, int64_t seq)
{
	note(&acks, user_id, conversation_id, seq);
}

void
notes_seen(int64_t user_id, int64_t wall_us)
{
	note(&seen, user_id, 0, wall_us);
}

/* Away or overloaded: everything goes back. Refused: the same again would be refused again. */
static void
on_answer(void *arg, const struct cgi_answer *a)
{
	struct notes *t = arg;
	bool again = !a || a->status >= 500 || a->status == 429;

	for (size_t i = 0; again && i < t->asked_n; i++)
		keep(t, t->asked[i].a, t->asked[i].b, t->asked[i].value);
	if (!again && a->status >= 300)
		LOG(ERROR, "notes_refused", L_CSTR("uri", t->uri), L_INT("status", a->status));
	free(t->asked);
	t->asked = NULL;
	t->asked_n = 0;
	if (!again && t->waiting.n >= BATCH_MAX)
		flush(t);
}

static void
take(struct notes *t)
{
	struct table_slot *s = NULL;

	t->asked = mem_array(NULL, t->waiting.n < BATCH_MAX ? t->waiting.n : BATCH_MAX, sizeof(struct entry));
	while (t->asked_n < BATCH_MAX && (s = table_next(&t->waiting, s)))
		t->asked[t->asked_n++] = (struct entry){ s->a, s->b, s->i };
	for (size_t i = 0; i < t->asked_n; i++)
		table_del(&t->waiting, t->asked[i].a, t->asked[i].b);
	if (!t->waiting.n)
		table_deinit(&t->waiting);
}

static void
flush(struct notes *t)
{
	struct door_question q = { .method = "POST", .uri = str_c(t->uri), .timeout_ms = ASK_MS };
	struct json_out w;

	if (t->asked || !t->waiting.n)
		return;
	take(t);
	buf_clear(&push.text);
	json_begin(&w, &push.text);
	json_open_object(&w, NULL);
	json_open_array(&w, t->key);
	for (size_t i = 0; i < t->asked_n; i++) {
		json_open_object(&w, NULL);
		t->write(&w, &t->asked[i]);
		json_close(&w);
	}
	json_close(&w);
	json_close(&w);
	json_end(&w);
	q.body = buf_view(&push.text);
	if (door_ask(push.feed, &q, on_answer, t))
		on_answer(t, NULL);
}

void
notes_flush(void)
{
	flush(&acks);
	flush(&seen);
}

bool
notes_empty(void)
{
	return !acks.waiting.n && !acks.asked && !seen.waiting.n && !seen.asked;
}

void
notes_deinit(void)
{
	table_deinit(&acks.waiting);
	table_deinit(&seen.waiting);
}
