/* services.c -- a Redis that may go away, and workers that take their time, fail, or never answer. */
#include <uv.h>

#include "base/err.h"
#include "push/door.h"
#include "push/mem.h"
#include "push/redis_link.h"
#include "sim.h"

/* --- Redis --- */

#define QUEUE_MAX 20000

struct item {
	char kind; /* m message, s subscribed, u unsubscribed, r reply */
	char *channel, *text;
	redis_reply_fn fn;
	void *arg;
};

struct queue {
	struct item items[QUEUE_MAX];
	size_t first, n;
};

struct redis_link {
	struct redis_link_events events;
	bool up;
	int64_t held_ms;
	struct queue out, in; /* to Redis, from Redis */
};

static struct redis_link links[2];
static size_t links_n;
static bool alive;
static char *channels[4096]; /* what the subscribing link hears, as Redis knows it */
static size_t channels_n;

static void
put(struct queue *q, struct item item)
{
	CHECK(q->n < QUEUE_MAX, "a queue of Redis is full");
	q->items[(q->first + q->n++) % QUEUE_MAX] = item;
}

static struct item
get(struct queue *q)
{
	struct item item = q->items[q->first];

	q->first = (q->first + 1) % QUEUE_MAX;
	q->n--;
	return item;
}

static void
drop(struct item *item)
{
	free(item->channel);
	free(item->text);
}

static char **
find(const char *channel)
{
	for (size_t i = 0; i < channels_n; i++)
		if (!strcmp(channels[i], channel))
			return &channels[i];
	return NULL;
}

static void
listen_to(const char *channel)
{
	if (!find(channel))
		channels[channels_n++] = strdup(channel);
}

static void
ignore(const char *channel)
{
	char **at = find(channel);

	if (!at)
		return;
	free(*at);
	*at = channels[--channels_n];
}

void
bell_publish(const char *channel, struct str record)
{
	if (alive && find(channel) && links[0].up)
		put(&links[0].in, (struct item){ 'm', strdup(channel), mem_cstr(record), NULL, NULL });
}

/* What has arrived at Redis. */
static void
serve(struct redis_link *l)
{
	struct item item = get(&l->out);

	if (item.kind == 's')
		listen_to(item.channel);
	else if (item.kind == 'u')
		ignore(item.channel);
	put(&l->in, item);
}

static void
push_three(struct redis_link *l, const char *word, const struct item *item)
{
	redisReply word_reply = { .type = REDIS_REPLY_STRING, .str = (char *)word, .len = strlen(word) };
	redisReply channel = { .type = REDIS_REPLY_STRING, .str = item->channel, .len = strlen(item->channel) };
	redisReply text = { .type = REDIS_REPLY_INTEGER };
	redisReply *elements[3] = { &word_reply, &channel, &text };
	redisReply all = { .type = REDIS_REPLY_ARRAY, .elements = 3, .element = elements };

	if (item->kind == 'm')
		text = (redisReply){ .type = REDIS_REPLY_STRING, .str = item->text, .len = strlen(item->text) };
	l->events.push(&all);
}

/* What has arrived at the daemon. */
static void
deliver(struct redis_link *l)
{
	static const redisReply nil = { .type = REDIS_REPLY_NIL };
	struct item item = get(&l->in);

	if (item.kind == 'r' && item.fn)
		item.fn(item.arg, &nil);
	else if (item.kind != 'r')
		push_three(l, item.kind == 'm' ? "message" : item.kind == 's' ? "subscribe" : "unsubscribe", &item);
	drop(&item);
}

void
bell_step(void)
{
	struct redis_link *l = &links[sim_random(2)];

	if (!l->up || (!sim_calm && sim_now_ms < l->held_ms))
		return;
	if (sim_chance(4)) /* packets are lost, and come later */
		l->held_ms = sim_now_ms + sim_random(3000);
	if (l->out.n && (!l->in.n || sim_random(2)))
		serve(l);
	else if (l->in.n)
		deliver(l);
}

static void
lose(struct redis_link *l)
{
	struct queue *both[2] = { &l->out, &l->in };

	l->up = false;
	for (int i = 0; i < 2; i++) {
		while (both[i]->n) {
			struct item item = get(both[i]);

			if (item.kind == 'r' && item.fn)
				item.fn(item.arg, NULL);
			drop(&item);
		}
	}
	if (l == &links[0])
		while (channels_n)
			free(channels[--channels_n]);
	l->events.down();
}

/* Away: the whole server, or only the links to it, while everybody else goes on using it. */
void
bell_toggle(bool up)
{
	bool whole = sim_random(2);

	if (up == bell_whole())
		return;
	alive = up || !whole;
	for (size_t i = 0; i < links_n; i++) {
		if (up && !links[i].up) {
			links[i].up = true;
			links[i].events.up();
		} else if (!up) {
			lose(&links[i]);
		}
	}
}

bool
bell_up(void)
{
	return alive;
}

bool
bell_whole(void)
{
	return alive && links[0].up && links[1].up;
}

struct redis_link *
redis_link_new(uv_loop_t *loop, const char *address, const char *password_file, const struct redis_link_events *events)
{
	struct redis_link *l = &links[links_n++];

	(void)loop;
	(void)address;
	(void)password_file;
	l->events = *events;
	return l;
}

void
redis_link_free(struct redis_link *l)
{
	(void)l;
}

bool
redis_link_is_up(const struct redis_link *l)
{
	return l->up;
}

void
redis_link_send(struct redis_link *l, size_t argc, const struct str *argv, redis_reply_fn fn, void *arg)
{
	bool subscribe = str_eq(argv[0], STR("SUBSCRIBE")), unsubscribe = str_eq(argv[0], STR("UNSUBSCRIBE"));

	if (!l->up) {
		if (fn)
			fn(arg, NULL);
		return;
	}
	if (!subscribe && !unsubscribe) {
		put(&l->out, (struct item){ 'r', NULL, NULL, fn, arg });
		return;
	}
	for (size_t i = 1; i < argc; i++)
		put(&l->out, (struct item){ subscribe ? 's' : 'u', mem_cstr(argv[i]), NULL, NULL, NULL });
}

/* --- the workers --- */

#define ASKED_MAX 4096
#define OPEN_MOST 8

/* As push/door.c has them: some are open, the others wait in two lines, of which the patient's is behind and has all the time. */
struct asked {
	char *uri, *body;
	door_fn fn;
	void *arg;
	int64_t deadline_ms, timeout_ms;
	int64_t serve_ms, answer_ms; /* when a worker looks, when its answer arrives */
	uint64_t number;
	bool patient, open, served, lost;
	struct buf out;
	int status;
};

struct door {
	int unused;
};

static struct asked asked[ASKED_MAX];
static size_t asked_n;
static struct door the_door;

struct door *
door_new(uv_loop_t *loop, const char *path, size_t most_open, size_t most_waiting)
{
	(void)loop;
	(void)path;
	(void)most_open;
	(void)most_waiting;
	return &the_door;
}

void
door_free(struct door *d)
{
	(void)d;
}

size_t
door_open(const struct door *d)
{
	(void)d;
	return asked_n;
}

size_t
door_waiting(const struct door *d)
{
	(void)d;
	return 0;
}

int
door_ask(struct door *d, const struct door_question *q, door_fn fn, void *arg)
{
	static uint64_t number;
	struct asked *a = &asked[asked_n];

	(void)d;
	if (asked_n == ASKED_MAX || sim_chance(5))
		return OVERLOADED;
	*a = (struct asked){ .uri = mem_cstr(q->uri),
		             .body = mem_cstr(q->body.p ? q->body : STR("")),
		             .fn = fn,
		             .arg = arg,
		             .number = ++number,
		             .deadline_ms = sim_now_ms + q->timeout_ms,
		             .timeout_ms = q->timeout_ms,
		             .patient = q->patient };
	buf_init(&a->out, 4 << 20);
	asked_n++;
	return 0;
}

static void
answer(size_t i, bool lost)
{
	struct asked a = asked[i];
	struct cgi_answer answer = {
		.status = a.status, .retry_after_seconds = -1, .content_type = STR("text/plain"), .body = buf_view(&a.out)
	};

	asked[i] = asked[--asked_n];
	a.fn(a.arg, lost ? NULL : &answer);
	free(a.uri);
	free(a.body);
	buf_deinit(&a.out);
}

/* Whose turn it is; NULL: nobody waits, or there is no room. */
static struct asked *
next_in_line(void)
{
	struct asked *next = NULL;
	size_t open = 0;

	for (size_t i = 0; i < asked_n; i++) {
		struct asked *a = &asked[i];

		open += a->open;
		if (!a->open &&
		    (!next || a->patient < next->patient || (a->patient == next->patient && a->number < next->number)))
			next = a;
	}
	return open < OPEN_MOST ? next : NULL;
}

static void
open_next(void)
{
	struct asked *a = next_in_line();

	if (!a)
		return;
	a->open = true;
	if (a->patient)
		a->deadline_ms = sim_now_ms + a->timeout_ms;
	a->serve_ms = sim_now_ms + sim_random(sim_chance(20) ? 2000 : 30);
	a->answer_ms = a->serve_ms + sim_random(sim_chance(20) ? 2000 : 30);
	if (sim_chance(3)) /* a worker that hangs */
		a->answer_ms += 60000;
	a->lost = sim_chance(10);
}

/* Time is over; a patient one in line has all of it. */
static bool
give_up_one(void)
{
	for (size_t i = 0; i < asked_n; i++) {
		if (sim_now_ms < asked[i].deadline_ms || (asked[i].patient && !asked[i].open))
			continue;
		answer(i, true);
		return true;
	}
	return false;
}

/* One of them gets further. */
void
doors_step(void)
{
	size_t from = asked_n ? sim_random((uint32_t)asked_n) : 0;

	if (give_up_one())
		return;
	open_next();
	for (size_t k = 0; k < asked_n; k++) {
		size_t i = (from + k) % asked_n;
		struct asked *a = &asked[i];

		if (!a->open)
			continue;
		if (!a->served && sim_now_ms >= a->serve_ms) {
			a->served = true;
			a->status = 503;
			if (!sim_chance(20))
				model_answer(a->uri, str_c(a->body), &a->out, &a->status);
			return;
		}
		if (a->served && sim_now_ms >= a->answer_ms) {
			answer(i, a->lost);
			return;
		}
	}
}

bool
doors_idle(void)
{
	return !asked_n;
}
