/*
 * sweep.c -- republishing what a dead worker did not.
 *
 * Compares the log with the positions that publishers noted in Redis (`pub:c<id>`, `pub:u<id>`), and rings the
 * doorbell again for the streams that fell behind. Publishing twice does no harm: sockets drop what they have. Where
 * the next look begins is kept in Redis too (`jobs:since`), so that a restart of peal-jobs, or another leader,
 * leaves nothing out.
 */
#include "../lib/base/log.h"
#include "../lib/store/upkeep.h"
#include "../lib/wire/feed.h"
#include "ring.h"

#define AGE_MS           1000 /* a living worker has published by then */
#define STREAMS_PER_LOOK 500  /* keys per MGET */
#define EVENTS_PER_PAGE  100
#define SINCE_SECONDS    "3600"

/* `jobs:since` as <transaction>; 0 when there is none. */
static int
remembered(struct work *w, int64_t *ret)
{
	redisReply *reply;
	int r = redis_command(w->redis, w->arena, 2, (const struct str[]){ STR("GET"), STR("jobs:since") }, &reply);

	*ret = 0;
	if (!r && reply->type == REDIS_REPLY_STRING)
		(void)str_id(str_n(reply->str, reply->len), ret);
	return r;
}

static int
remember(struct work *w)
{
	struct str xid = arena_printf(w->arena, "%lld", (long long)w->sweep.xid);
	redisReply *reply;

	return redis_command(w->redis, w->arena, 5,
	                     (const struct str[]){ STR("SET"), STR("jobs:since"), xid, STR("EX"), STR(SINCE_SECONDS) },
	                     &reply);
}

/* A remembered place of another cluster may lie ahead of this one; the earlier of the two is always safe. */
static int
find_start(struct work *w)
{
	int64_t last, begin;
	int r;

	if (w->sweep.xid)
		return 0;
	r = remembered(w, &last);
	if (!r)
		r = upkeep_begin(w->db, w->arena, &begin);
	if (!r)
		w->sweep.xid = last && last < begin ? last : begin;
	return r;
}

/* published[i] is the noted position of heads[i], 0 when nothing is noted. */
static int
read_published(struct work *w, const struct stream_head *heads, size_t n, int64_t *published)
{
	struct str *argv = arena_alloc_array(w->arena, n + 1, sizeof(*argv));
	redisReply *reply;
	int r;

	argv[0] = STR("MGET");
	for (size_t i = 0; i < n; i++)
		argv[i + 1] = arena_printf(w->arena, "pub:%c%lld", heads[i].stream, (long long)heads[i].id);
	r = redis_command(w->redis, w->arena, n + 1, argv, &reply);
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

static int
republish(struct work *w, const struct stream_head *head, int64_t after)
{
	int64_t from, last = after;
	int r;

	LOG(NOTICE, "republish", L_STR("stream", arena_printf(w->arena, "%c%lld", head->stream, (long long)head->id)),
	    L_INT("published", after), L_INT("committed", head->position));
	do {
		from = last;
		r = ring(w, head->stream, head->id, from, w->sweep.xid, EVENTS_PER_PAGE, &last);
		w->sweep.republished += last - from;
	} while (!r && last > from && last < head->position);
	return r;
}

static int
look_at(struct work *w, const struct stream_head *heads, size_t n)
{
	int64_t *published = arena_alloc_array(w->arena, n, sizeof(*published));
	int r = read_published(w, heads, n, published);

	for (size_t i = 0; !r && i < n; i++) {
		if (published[i] < heads[i].position)
			r = republish(w, &heads[i], published[i]);
	}
	return r;
}

/*
 * Everything before this place of the log has been published, by whoever wrote it or by us. Redis hands out what it is given in
 * order: who hears this has heard all of that, as far as it was listening.
 */
static int
fence(struct work *w, struct str place)
{
	redisReply *reply;

	return redis_command(w->redis, w->arena, 3, (const struct str[]){ STR("PUBLISH"), STR(FEED_FENCE), place }, &reply);
}

int
sweep_duty(struct work *w, int64_t *wait)
{
	struct stream_head *heads;
	struct str place;
	int64_t next = 0;
	size_t n = 0;
	int r;

	*wait = MS(w->conf->sweep_ms);
	r = find_start(w);
	if (!r)
		r = upkeep_streams(w->db, w->arena, w->sweep.xid, AGE_MS, &heads, &n, &next);
	for (size_t i = 0; !r && i < n; i += STREAMS_PER_LOOK)
		r = look_at(w, heads + i, n - i < STREAMS_PER_LOOK ? n - i : STREAMS_PER_LOOK);
	if (r)
		return trace(r);
	w->sweep.xid = next;
	r = upkeep_place(w->db, w->arena, next, &place);
	if (!r)
		r = fence(w, place);
	return r ? trace(r) : remember(w);
}
