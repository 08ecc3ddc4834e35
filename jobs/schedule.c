/* schedule.c -- sends scheduled messages when they are due, each exactly once. */
#include "../lib/base/fail.h"
#include "../lib/base/log.h"
#include "../lib/store/schedule.h"
#include "ring.h"

#define BATCH 50

struct tally {
	int64_t sent, failed, deferred;
	int64_t held; /* a conversation that somebody holds for long: what else is due there waits too */
};

/* Whoever hears it hears it at once; what Redis does not take now, the sweep finds. */
static void
tell(struct work *w, char stream, int64_t id, int64_t position)
{
	int64_t last;
	int r = ring(w, stream, id, position - 1, 0, 1, &last);

	if (r < 0)
		log_fault("schedule_ring", r, (const struct log_field[]){ { 0 } });
}

/* The refusal is kept for its owner: nothing is tried twice that was refused once. */
static int
refuse(struct work *w, int64_t id, int refusal, struct tally *t)
{
	int64_t user_id, user_rev;
	int r;

	if (refusal < 0)
		log_fault("schedule_send", refusal, (const struct log_field[]){ L_INT("scheduled", id), { 0 } });
	FAILPOINT("jobs.before_refuse");
	r = schedule_fail(w->db, w->arena, id, str_c(outcome_info(refusal)->code), &user_id, &user_rev);
	if (r || !user_id)
		return trace(r);
	t->failed++;
	tell(w, 'u', user_id, user_rev);
	return 0;
}

/* Slow mode is no refusal: one of mine went out a moment ago. */
static int
defer(struct work *w, int64_t id, struct tally *t)
{
	int64_t user_id, user_rev;
	int r = schedule_defer(w->db, w->arena, id, &user_id, &user_rev);

	if (r || !user_id)
		return trace(r);
	t->deferred++;
	tell(w, 'u', user_id, user_rev);
	return 0;
}

static int
send_one(struct work *w, const struct schedule_due *due, struct tally *t)
{
	struct schedule_sent sent;
	int r;

	if (t->held == due->conversation_id)
		return 0;
	FAILPOINT("jobs.before_send");
	r = schedule_send(w->db, w->arena, due->id, &sent);
	FAILPOINT("jobs.after_send");
	if (r == RETRY) {
		t->held = due->conversation_id;
		return 0;
	}
	if (r == UNAVAILABLE || r == UNCERTAIN)
		return r;
	if (r == SLOW_MODE)
		return defer(w, due->id, t);
	if (r)
		return refuse(w, due->id, r, t);
	if (sent.user_id) {
		t->sent++;
		tell(w, 'c', sent.conversation_id, sent.seq + sent.rev);
		tell(w, 'u', sent.user_id, sent.user_rev);
	}
	return 0;
}

/* The next batch begins with the next message that is due, which is known by now unless it is scheduled within the interval. */
int
schedule_duty(struct work *w, int64_t *wait)
{
	int64_t asked = clock_mono_us(), left;
	struct schedule_due *due;
	struct tally t = { 0 };
	size_t n, i = 0;
	int r = schedule_next(w->db, w->arena, BATCH, &due, &n);

	for (; !r && i < n && due[i].left_us <= 0; i++)
		r = send_one(w, &due[i], &t);
	if (t.sent || t.failed || t.deferred)
		LOG(INFO, "scheduled", L_INT("sent", t.sent), L_INT("failed", t.failed), L_INT("deferred", t.deferred));
	if (r)
		return trace(r);
	if (t.held)
		*wait = MS(100);
	else if (n == BATCH && i == n)
		*wait = 0;
	else if (i < n) {
		left = due[i].left_us - (clock_mono_us() - asked) + MS(1);
		*wait = left < *wait ? left : *wait;
	}
	return 0;
}
