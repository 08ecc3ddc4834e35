/*
 * erasure.c -- takes away what is left of accounts that were erased: their places in conversations, what they did and, if they wished so,
 * what they said. One small transaction after the other, of one conversation each; where it was is in the row of the erasure.
 */
#include "../lib/base/fail.h"
#include "../lib/base/log.h"
#include "../lib/store/erasure.h"
#include "ring.h"

#define BATCH 100 /* messages per transaction */
#define STEPS 4   /* before others have their turn */

/* Requests that were under way when the account ended have ended by then. */
static int64_t
grace_ms(const struct conf *conf)
{
	int64_t request = conf->request_timeout_seconds * 1000;

	return (conf->statement_timeout_ms > request ? conf->statement_timeout_ms : request) + 1000;
}

/* Whoever hears it hears it at once; what Redis does not take now, the sweep finds. */
static void
tell(struct work *w, const struct erasure_step *s)
{
	int64_t last;
	int r = s->events ? ring(w, 'c', s->conversation_id, s->position - (int64_t)s->events, 0, s->events, &last) : 0;

	if (r < 0)
		log_fault("erasure_ring", r, (const struct log_field[]){ L_INT("conversation", s->conversation_id), { 0 } });
}

int
erasure_duty(struct work *w, int64_t *wait)
{
	struct erasure_step step = { .user_id = 1 };
	int r = 0;

	for (int i = 0; !r && step.user_id && i < STEPS; i++) {
		FAILPOINT("jobs.before_erase");
		r = erasure_step(w->db, w->arena, BATCH, grace_ms(w->conf), &step);
		FAILPOINT("jobs.after_erase");
		if (r)
			break;
		tell(w, &step);
		w->erasure.steps += step.user_id != 0;
		if (step.done)
			LOG(NOTICE, "erased", L_INT("user", step.user_id), L_INT("steps", w->erasure.steps));
	}
	if (r)
		return trace(r);
	if (step.user_id)
		*wait = MS(10);
	else
		w->erasure.steps = 0;
	return 0;
}
