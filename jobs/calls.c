/*
 * calls.c -- ends calls that nobody has hung up: those that were not answered, and those whose people have gone.
 *
 * People talk without us, so whether a call goes on is known by their sockets alone: somebody is here as long as one is subscribed to what
 * they hear (NUMSUB, as presence has it). Sockets go and come back, with a push process too, so it takes a while to be gone.
 */
#include "../lib/base/fail.h"
#include "../lib/base/log.h"
#include "../lib/store/call.h"
#include "ring.h"

#define BATCH 200

/* How many of its people are connected; `counts` is NUMSUB's answer, from which `*at` is the next name. */
static size_t
connected(const struct call_going_on *call, const redisReply *counts, size_t *at)
{
	size_t n = 0;

	for (size_t i = 0; i < call->n; i++, *at += 2)
		n += *at + 1 < counts->elements && counts->element[*at + 1]->integer > 0;
	return n;
}

static int
ask(struct work *w, const struct call_going_on *calls, size_t n, redisReply **ret)
{
	struct str *argv;
	size_t all = 2, at = 2;

	for (size_t i = 0; i < n; i++)
		all += calls[i].n;
	argv = arena_alloc_array(w->arena, all, sizeof(*argv));
	argv[0] = STR("PUBSUB");
	argv[1] = STR("NUMSUB");
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < calls[i].n; k++)
			argv[at++] = arena_printf(w->arena, "u:%lld", (long long)calls[i].parties[k]);
	return redis_command(w->redis, w->arena, all, argv, ret);
}

static int
end(struct work *w, const struct call_going_on *call, struct str outcome)
{
	struct call_record record;
	int64_t last;
	int r = call_end(w->db, w->arena, call, outcome, &record);

	if (r)
		return trace(r);
	LOG(INFO, "call_ended", L_INT("conversation", call->conversation_id), L_STR("outcome", outcome),
	    L_INT("seq", record.seq));
	FAILPOINT("jobs.call_ended");
	if (record.seq && ring(w, 'c', call->conversation_id, record.seq + record.rev - 1, 0, 1, &last) < 0)
		err_clear(); /* the sweep finds it */
	return 0;
}

static int
look(struct work *w, const struct call_going_on *call, size_t here)
{
	int r = 0;

	if (!call->answered)
		r = call->age_us >= SECONDS(w->conf->call_ring_seconds) ? end(w, call, STR("missed")) : 0;
	else if (here >= 2)
		r = call->gone_us >= 0 ? call_gone(w->db, w->arena, call, false) : 0;
	else if (call->gone_us < 0)
		r = call_gone(w->db, w->arena, call, true);
	else if (call->gone_us >= SECONDS(w->conf->call_gone_seconds))
		r = end(w, call, STR("completed"));
	return r ? trace(r) : 0;
}

/* Goes round by the order of keys; what it remembers is where. */
int
calls_duty(struct work *w, int64_t *wait)
{
	struct call_going_on *calls;
	redisReply *counts;
	size_t n, at = 0;
	int r = call_list(w->db, w->arena, w->calls.conversation, str_c(w->calls.call), BATCH, &calls, &n);

	if (r)
		return trace(r);
	r = n ? ask(w, calls, n, &counts) : 0;
	for (size_t i = 0; !r && i < n; i++)
		r = look(w, &calls[i], connected(&calls[i], counts, &at));
	w->calls.conversation = 0;
	w->calls.call[0] = '\0';
	if (!r && n == BATCH) {
		w->calls.conversation = calls[n - 1].conversation_id;
		memcpy(w->calls.call, calls[n - 1].call_id.p, calls[n - 1].call_id.n);
		w->calls.call[calls[n - 1].call_id.n] = '\0';
		*wait = MS(10);
	}
	return r ? trace(r) : 0;
}
