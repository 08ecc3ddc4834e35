/* sweep.c -- the log against the published positions. */
#include "../lib/base/fail.h"
#include "../lib/base/log.h"
#include "../lib/store/event.h"
#include "../lib/store/upkeep.h"
#include "sweep.h"

#define AGE_MS           1000 /* a living worker has published by then */
#define STREAMS_PER_LOOK 500  /* keys per MGET */
#define EVENTS_PER_PAGE  100
#define SINCE_SECONDS    "3600"

void
sweep_forget(struct sweep *s)
{
	s->xid = 0;
}

/* `jobs:since` as <transaction>; 0 when there is none. */
static int
remembered(struct sweep *s, int64_t *ret)
{
	redisReply *reply;
	int r = redis_command(s->redis, s->arena, 2, (const struct str[]){ STR("GET"), STR("jobs:since") }, &reply);

	*ret = 0;
	if (!r && reply->type == REDIS_REPLY_STRING)
		(void)str_id(str_n(reply->str, reply->len), ret);
	return r;
}

static int
remember(struct sweep *s)
{
	struct str xid = arena_printf(s->arena, "%lld", (long long)s->xid);
	redisReply *reply;

	return redis_command(s->redis, s->arena, 5,
	                     (const struct str[]){ STR("SET"), STR("jobs:since"), xid, STR("EX"), STR(SINCE_SECONDS) },
	                     &reply);
}

/* A remembered place of another cluster may lie ahead of this one; the earlier of the two is always safe. */
static int
find_start(struct sweep *s)
{
	int64_t last, begin;
	int r;

	if (s->xid)
		return 0;
	r = remembered(s, &last);
	if (!r)
		r = upkeep_begin(s->db, s->arena, &begin);
	if (!r)
		s->xid = last && last < begin ? last : begin;
	return r;
}

/* published[i] is the noted position of heads[i], 0 when nothing is noted. */
static int
read_published(struct sweep *s, const struct stream_head *heads, size_t n, int64_t *published)
{
	struct str *argv = arena_alloc_array(s->arena, n + 1, sizeof(*argv));
	redisReply *reply;
	int r;

	argv[0] = STR("MGET");
	for (size_t i = 0; i < n; i++)
		argv[i + 1] = arena_printf(s->arena, "pub:%c%lld", heads[i].stream, (long long)heads[i].id);
	r = redis_command(s->redis, s->arena, n + 1, argv, &reply);
	if (r)
		return trace(r);
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != n)
		return UNAVAILABLE;
	for (size_t i = 0; i < n; i++) {
		const redisReply *one = reply->element[i];

		published[i] = 0;
		if (one->type == REDIS_REPLY_STRING)
			(void)str_int64(str_n(one->str, one->len), &published[i]);
	}
	return 0;
}

struct walk {
	struct sweep *sweep;
	int64_t last;
};

static int
publish(void *arg, const struct feed_header *h, struct str frame, const int64_t *recipients, size_t n)
{
	struct walk *walk = arg;
	int r;

	FAILPOINT("jobs.before_publish");
	r = feed_publish(walk->sweep->redis, walk->sweep->arena, h, frame, recipients, n);
	FAILPOINT("jobs.after_publish");
	if (r)
		return r;
	walk->last = h->position > walk->last ? h->position : walk->last;
	walk->sweep->republished++;
	return 0;
}

static int
republish(struct sweep *s, const struct stream_head *head, int64_t after)
{
	struct walk walk = { s, after };
	int64_t from;
	int r;

	LOG(NOTICE, "republish", L_STR("stream", arena_printf(s->arena, "%c%lld", head->stream, (long long)head->id)),
	    L_INT("published", after), L_INT("committed", head->position));
	do {
		from = walk.last;
		r = event_again(s->db, s->arena, head->stream, head->id, from, s->xid, EVENTS_PER_PAGE, publish, &walk);
	} while (!r && walk.last > from && walk.last < head->position);
	return r;
}

static int
look_at(struct sweep *s, const struct stream_head *heads, size_t n)
{
	int64_t *published = arena_alloc_array(s->arena, n, sizeof(*published));
	int r = read_published(s, heads, n, published);

	for (size_t i = 0; !r && i < n; i++) {
		if (published[i] < heads[i].position)
			r = republish(s, &heads[i], published[i]);
	}
	return r;
}

int
sweep_once(struct sweep *s)
{
	struct stream_head *heads;
	int64_t next = 0;
	size_t n = 0;
	int r = find_start(s);

	if (!r)
		r = upkeep_streams(s->db, s->arena, s->xid, AGE_MS, &heads, &n, &next);
	for (size_t i = 0; !r && i < n; i += STREAMS_PER_LOOK)
		r = look_at(s, heads + i, n - i < STREAMS_PER_LOOK ? n - i : STREAMS_PER_LOOK);
	if (r)
		return trace(r);
	s->xid = next;
	return remember(s);
}
