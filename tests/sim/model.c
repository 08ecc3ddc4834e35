/*
 * model.c -- the database as docs/architecture.md describes it: a log per conversation in the order of commits, a stream per person,
 * transactions that commit later than younger ones, members that come and go, and the horizon below which everything is over.
 */
#include <jansson.h>

#include "base/err.h"
#include "sim.h"

#define OPEN_MAX  12
#define JOBS_MAX  20000
#define PAGE_MAX  50
#define YOUNG_MS  1000
#define INTERVALS 2000

struct event {
	int64_t xid, at_ms, content;
	char kind;        /* m message, a somebody came, d somebody went; in a person's stream r removed, n anything else */
	int who;          /* a, d: whom it is about */
	int conversation; /* r: which */
	int64_t position; /* r: after the removal */
};

struct stream {
	struct event *events; /* events[p - 1] is number p */
	int64_t head, published;
};

struct interval {
	int64_t joined, left; /* positions: first and the one that ended it; left 0: still */
};

static struct stream conversations[CONVERSATIONS + 1], people[USERS + 1];
static struct interval intervals[USERS + 1][CONVERSATIONS + 1][INTERVALS];
static int intervals_n[USERS + 1][CONVERSATIONS + 1];
static struct {
	int64_t xid;
	int conversation, who; /* conversation 0: an event of who's own */
	char kind;
} open_[OPEN_MAX];
static size_t open_n;
static struct job {
	char stream;
	int id;
	int64_t position, due_ms;
	uint32_t whom; /* bits of people, decided when it was committed */
	bool lost;
} jobs[JOBS_MAX];
static size_t jobs_n;
static int64_t next_xid = 100, contents, swept_xid = 1;

/* --- reading --- */

int64_t
model_horizon(void)
{
	int64_t least = next_xid;

	for (size_t i = 0; i < open_n; i++)
		least = open_[i].xid < least ? open_[i].xid : least;
	return least;
}

bool
model_member(int user, int conversation, int64_t *ret_joined)
{
	int n = intervals_n[user][conversation];
	const struct interval *last = n ? &intervals[user][conversation][n - 1] : NULL;

	if (!last || last->left)
		return false;
	*ret_joined = last->joined;
	return true;
}

bool
model_may_see(int user, int conversation, int64_t position)
{
	for (int i = 0; i < intervals_n[user][conversation]; i++) {
		const struct interval *v = &intervals[user][conversation][i];

		if (position >= v->joined && (!v->left || position < v->left))
			return true;
	}
	return false;
}

int64_t
model_head(int conversation)
{
	return conversations[conversation].head;
}

int64_t
model_user_head(int user)
{
	return people[user].head;
}

static const struct event *
event_at(char stream, int id, int64_t position)
{
	const struct stream *s = stream == 'c' ? &conversations[id] : &people[id];

	CHECK(position >= 1 && position <= s->head, "%c%d has no event %lld", stream, id, (long long)position);
	return &s->events[position - 1];
}

int64_t
model_content(char stream, int id, int64_t position)
{
	return event_at(stream, id, position)->content;
}

bool
model_quiet(void)
{
	return !open_n && !jobs_n;
}

bool
model_covered(int user, int64_t since, const int64_t places[CONVERSATIONS], int64_t user_rev, char *why, size_t n)
{
	int64_t joined;

	for (int c = 1; c <= CONVERSATIONS; c++) {
		const struct stream *s = &conversations[c];

		if (!model_member(user, c, &joined) || s->events[joined - 1].xid >= since)
			continue;
		for (int64_t p = s->head; p > places[c - 1] && p >= joined; p--) {
			if (s->events[p - 1].xid < since) {
				snprintf(why, n, "c%d %lld is before it, and the device is at %lld", c, (long long)p,
				         (long long)places[c - 1]);
				return false;
			}
		}
	}
	for (int64_t p = people[user].head; p > user_rev; p--) {
		if (people[user].events[p - 1].xid < since) {
			snprintf(why, n, "u%d %lld is before it, and the device is at %lld", user, (long long)p,
			         (long long)user_rev);
			return false;
		}
	}
	return true;
}

/* --- writing --- */

static int64_t
append(struct stream *s, struct event e)
{
	CHECK(s->head < POSITIONS_MAX, "a stream is full");
	e.at_ms = sim_now_ms;
	e.content = ++contents;
	s->events[s->head++] = e;
	return s->head;
}

static void
add_job(char stream, int id, int64_t position, uint32_t whom)
{
	CHECK(jobs_n < JOBS_MAX, "too much waits to be published");
	jobs[jobs_n++] = (struct job){ stream,        id, position, sim_now_ms + sim_random(sim_chance(30) ? 700 : 20), whom,
		                       sim_chance(30) };
}

static uint32_t
members(int conversation, int64_t position)
{
	uint32_t bits = 0;
	int64_t joined;

	for (int u = 1; u <= USERS; u++)
		if (model_member(u, conversation, &joined) && joined <= position)
			bits |= 1u << u;
	return bits;
}

static void
commit_own(int64_t xid, int user, struct event e)
{
	e.xid = xid;
	add_job('u', user, append(&people[user], e), 1u << user);
}

static void
join(int user, int conversation, int64_t position)
{
	CHECK(intervals_n[user][conversation] < INTERVALS, "too much coming and going");
	intervals[user][conversation][intervals_n[user][conversation]++] = (struct interval){ position, 0 };
}

static void
commit(size_t i)
{
	int64_t xid = open_[i].xid, joined, position;
	int c = open_[i].conversation, who = open_[i].who;
	char kind = open_[i].kind;

	open_[i] = open_[--open_n];
	if (!c) {
		commit_own(xid, who, (struct event){ .kind = 'n' });
		return;
	}
	if (kind == 'a' && model_member(who, c, &joined))
		kind = 'm';
	if (kind == 'd' && !model_member(who, c, &joined))
		kind = 'm';
	position = append(&conversations[c], (struct event){ .xid = xid, .kind = kind, .who = who });
	if (kind == 'a')
		join(who, c, position);
	if (kind == 'd') {
		intervals[who][c][intervals_n[who][c] - 1].left = position;
		commit_own(xid, who, (struct event){ .kind = 'r', .conversation = c, .position = position });
	}
	add_job('c', c, position, members(c, position));
}

static void
begin(void)
{
	uint32_t dice = sim_random(100);

	open_[open_n].xid = next_xid++;
	open_[open_n].conversation = dice < 8 ? 0 : 1 + (int)sim_random(CONVERSATIONS);
	open_[open_n].who = 1 + (int)sim_random(USERS);
	open_[open_n++].kind = dice >= 96 ? 'd' : dice >= 90 ? 'a' : 'm';
}

void
model_write(void)
{
	int64_t full = 0;

	for (int c = 1; c <= CONVERSATIONS; c++)
		full = conversations[c].head > full ? conversations[c].head : full;
	if (open_n && (open_n == OPEN_MAX || sim_random(100) < 50))
		commit(sim_random(10) ? open_n - 1 : sim_random((uint32_t)open_n)); /* some are open for very long */
	else if (full < POSITIONS_MAX - 100)
		begin();
}

void
model_commit_all(void)
{
	while (open_n)
		commit(0);
}

void
model_init(void)
{
	for (int c = 1; c <= CONVERSATIONS; c++)
		conversations[c].events = calloc(POSITIONS_MAX, sizeof(struct event));
	for (int u = 1; u <= USERS; u++)
		people[u].events = calloc(POSITIONS_MAX, sizeof(struct event));
	for (int c = 1; c <= CONVERSATIONS; c++) {
		for (int u = 1; u <= USERS; u++) {
			if ((u + c) % 3 == 0)
				continue;
			join(u, c, append(&conversations[c], (struct event){ .xid = 1, .kind = 'a', .who = u }));
		}
		conversations[c].published = conversations[c].head;
	}
}

/* --- frames and records --- */

static void
write_frame(struct buf *b, char stream, int id, int64_t position, bool created)
{
	const struct event *e = event_at(stream, id, position);

	buf_printf(
	        b,
	        "{\"type\":\"ev\",\"s\":\"%c\",\"id\":%d,\"p\":%lld,\"k\":\"%c\",\"c\":%d,\"q\":%lld,\"x\":%lld,\"pad\":\"",
	        stream, id, (long long)position, created ? 'j' : e->kind, e->conversation, (long long)e->position,
	        (long long)e->content);
	for (int64_t i = e->content % 11 ? e->content % 40 : 300 + e->content % 600; i > 0; i--)
		buf_char(b, (char)('a' + (e->content * i) % 26));
	buf_str(b, STR("\"}"));
}

static bool
created_for(int user, char stream, int id, int64_t position)
{
	const struct event *e = event_at(stream, id, position);

	return stream == 'c' && e->kind == 'a' && e->who == user;
}

static void
write_record(struct buf *b, char stream, int id, int64_t position, bool created, const char *recipients)
{
	buf_printf(b, "d %c%d %lld %lld%s%s\n", stream, id, (long long)position, stream == 'c' ? (long long)position : 0ll,
	           recipients ? " " : "", recipients ? recipients : "");
	write_frame(b, stream, id, position, created);
}

/* --- publishing --- */

static void
ring(char stream, int id, int64_t position, uint32_t whom)
{
	struct stream *s = stream == 'c' ? &conversations[id] : &people[id];

	for (int u = 1; u <= USERS; u++) {
		char channel[16];
		struct buf b;

		if (!(whom & 1u << u))
			continue;
		buf_init(&b, 65536);
		write_record(&b, stream, id, position, created_for(u, stream, id, position), NULL);
		snprintf(channel, sizeof(channel), "u:%d", u);
		bell_publish(channel, buf_view(&b));
		buf_deinit(&b);
	}
	s->published = position > s->published ? position : s->published;
}

void
model_publish(void)
{
	for (size_t i = 0; i < jobs_n; i++) {
		struct job j = jobs[i];

		if (sim_now_ms < j.due_ms)
			continue;
		jobs[i] = jobs[--jobs_n];
		if (bell_up() && !(j.lost && !sim_calm)) {
			ring(j.stream, j.id, j.position, j.whom);
			if (sim_chance(30))
				ring(j.stream, j.id, j.position, j.whom);
		}
		return;
	}
}

static uint32_t
hearers(char stream, int id, int64_t position)
{
	return stream == 'c' ? members(id, position) : 1u << id;
}

static void
sweep_stream(char stream, int id, struct stream *s, int64_t *next)
{
	int64_t until = 0;

	for (int64_t p = s->head; p >= 1 && s->events[p - 1].at_ms > sim_now_ms - YOUNG_MS; p--)
		*next = s->events[p - 1].xid < *next ? s->events[p - 1].xid : *next;
	for (int64_t p = s->head; p >= 1 && !until; p--)
		until = s->events[p - 1].at_ms <= sim_now_ms - YOUNG_MS ? p : 0;
	for (int64_t p = s->published + 1; p <= until; p++)
		ring(stream, id, p, hearers(stream, id, p));
}

void
model_sweep(void)
{
	int64_t next = model_horizon();
	char text[32];

	if (!bell_up())
		return;
	for (int c = 1; c <= CONVERSATIONS; c++)
		sweep_stream('c', c, &conversations[c], &next);
	for (int u = 1; u <= USERS; u++)
		sweep_stream('u', u, &people[u], &next);
	swept_xid = next;
	snprintf(text, sizeof(text), "%lld", (long long)swept_xid);
	bell_publish("fence", str_c(text));
}

/* --- the feed door --- */

static int
number(const json_t *json, const char *key)
{
	const json_t *v = json_object_get(json, key);

	return json_is_string(v) ? atoi(json_string_value(v)) : (int)json_integer_value(v);
}

/* The last position that the horizon proves; what came before somebody was a member is not theirs. */
static int64_t
proven(const struct stream *s, int64_t since, int64_t joined)
{
	for (int64_t p = s->head; p >= joined; p--)
		if (s->events[p - 1].xid < since)
			return p;
	return joined - 1;
}

static void
feed_open(const json_t *in, struct buf *out)
{
	const char *since = json_string_value(json_object_get(in, "since"));
	const json_t *cursors = json_object_get(in, "cursors");
	int user = number(in, "user_id");
	struct buf plan, heads;
	int64_t joined, from;

	buf_init(&plan, 65536);
	buf_init(&heads, 65536);
	for (int c = 1; c <= CONVERSATIONS; c++) {
		const json_t *cursor;
		char key[8];

		if (!model_member(user, c, &joined))
			continue;
		buf_printf(&heads, "%s[%d,%lld]", heads.n ? "," : "", c, (long long)conversations[c].head);
		if (!since)
			continue;
		snprintf(key, sizeof(key), "%d", c);
		cursor = json_object_get(cursors, key);
		from = proven(&conversations[c], atoll(since), joined);
		if (cursor)
			from = number(cursor, "seq") + number(cursor, "rev") >= joined - 1
			               ? number(cursor, "seq") + number(cursor, "rev")
			               : joined - 1;
		if (from < conversations[c].head)
			buf_printf(&plan, "%s%d:%lld", plan.n ? "," : "", c, (long long)from);
	}
	from = since ? proven(&people[user], atoll(since), 1) : people[user].head;
	if (from < people[user].head)
		buf_printf(&plan, "%su:%lld", plan.n ? "," : "", (long long)from);
	buf_printf(out, "{\"mode\":\"%s\",\"since\":\"%lld\",\"plan\":\"%.*s\"}\n", since ? "resume" : "fresh",
	           (long long)model_horizon(), STR_ARG(buf_view(&plan)));
	buf_printf(out, "{\"type\":\"heads\",\"h\":[%.*s],\"u\":%lld}\n", STR_ARG(buf_view(&heads)),
	           (long long)people[user].head);
	buf_deinit(&plan);
	buf_deinit(&heads);
}

/* Writes records of one entry of a plan; returns where it got to, -1 when it is through. */
static int64_t
replay_entry(struct buf *records, int user, char stream, int id, int64_t from, size_t *n)
{
	const struct stream *s = stream == 'c' ? &conversations[id] : &people[user];
	int64_t joined = 1, p;

	if (stream == 'c' && (id < 1 || id > CONVERSATIONS || !model_member(user, id, &joined)))
		return -1;
	p = from < joined - 1 ? joined : from + 1;
	for (; p <= s->head; p++) {
		if (*n == PAGE_MAX || records->n > 20000)
			return p - 1;
		write_record(records, stream, stream == 'c' ? id : user, p,
		             created_for(user, stream, stream == 'c' ? id : user, p), NULL);
		buf_char(records, '\n');
		++*n;
	}
	return -1;
}

static void
feed_replay(const json_t *in, struct buf *out)
{
	struct str plan = str_c(json_string_value(json_object_get(in, "plan")));
	int user = number(in, "user_id");
	struct buf records, rest;
	size_t n = 0;

	buf_init(&records, 4 << 20);
	buf_init(&rest, 65536);
	while (str_present(plan) && plan.n) {
		struct str entry = str_cut(&plan, ','), name = str_cut(&entry, ':');
		bool own = str_eq(name, STR("u"));
		int64_t id = 0, from = 0, left;

		str_int64(entry, &from);
		if (!own)
			str_int64(name, &id);
		left = replay_entry(&records, user, own ? 'u' : 'c', (int)id, from, &n);
		if (left >= 0)
			buf_printf(&rest, "%s%.*s:%lld", rest.n ? "," : "", STR_ARG(name), (long long)left);
	}
	buf_printf(out, "{\"plan\":\"%.*s\"}\n%.*s", STR_ARG(buf_view(&rest)), STR_ARG(buf_view(&records)));
	buf_deinit(&records);
	buf_deinit(&rest);
}

static void
poll_one(struct buf *out, char stream, int id, int64_t p)
{
	uint32_t whom = hearers(stream, id, p), created = 0;
	struct buf list;

	for (int u = 1; u <= USERS; u++)
		if (whom & 1u << u && created_for(u, stream, id, p))
			created |= 1u << u;
	for (int k = 0; k < 2; k++) {
		uint32_t some = k ? created : whom & ~created;

		if (!some)
			continue;
		buf_init(&list, 256);
		for (int u = 1; u <= USERS; u++)
			if (some & 1u << u)
				buf_printf(&list, "%s%d", list.n ? "," : "", u);
		buf_char(&list, 0);
		write_record(out, stream, id, p, k, list.p);
		buf_char(out, '\n');
		buf_deinit(&list);
	}
}

static void
feed_poll(const json_t *in, struct buf *out)
{
	const char *since = json_string_value(json_object_get(in, "since"));
	int64_t from = since ? atoll(since) : INT64_MAX;

	buf_printf(out, "{\"since\":\"%lld\",\"more\":false}\n", (long long)model_horizon());
	for (int c = 1; since && c <= CONVERSATIONS; c++)
		for (int64_t p = 1; p <= conversations[c].head; p++)
			if (conversations[c].events[p - 1].xid >= from)
				poll_one(out, 'c', c, p);
	for (int u = 1; since && u <= USERS; u++)
		for (int64_t p = 1; p <= people[u].head; p++)
			if (people[u].events[p - 1].xid >= from)
				poll_one(out, 'u', u, p);
}

void
model_answer(const char *uri, struct str body, struct buf *out, int *ret_status)
{
	json_t *in = json_loadb(body.p, body.n, 0, NULL);

	*ret_status = 200;
	if (!strcmp(uri, "/feed/open"))
		feed_open(in, out);
	else if (!strcmp(uri, "/feed/replay"))
		feed_replay(in, out);
	else if (!strcmp(uri, "/feed/poll"))
		feed_poll(in, out);
	else
		*ret_status = 204;
	json_decref(in);
}
