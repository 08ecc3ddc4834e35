/* expiry.c -- empties messages that have expired. Nobody sees them since they did: every statement compares with the clock. */
#include "../lib/base/fail.h"
#include "../lib/base/log.h"
#include "../lib/store/upkeep.h"
#include "duty.h"

#define BATCH 50

/* Whatever statement saw a message before it expired has ended by then, and so adds nothing to it afterwards. */
#define GRACE_MOST_MS 15000

static int64_t
grace_ms(const struct conf *conf)
{
	int64_t ms = conf->statement_timeout_ms + 1000;

	return ms < GRACE_MOST_MS ? ms : GRACE_MOST_MS;
}

int
expiry_duty(struct work *w, int64_t *wait)
{
	struct upkeep_gone gone;
	int r;

	*wait = SECONDS(w->conf->expiry_seconds);
	FAILPOINT("jobs.before_expire");
	r = upkeep_expire(w->db, w->arena, grace_ms(w->conf), BATCH, &gone);
	FAILPOINT("jobs.after_expire");
	if (r)
		return trace(r);
	w->expiry.messages += gone.emptied;
	if (gone.more) {
		*wait = gone.emptied ? 0 : MS(50); /* nothing: all of them are in conversations that somebody holds */
		return 0;
	}
	if (w->expiry.messages)
		LOG(INFO, "expired", L_INT("messages", w->expiry.messages));
	w->expiry.messages = 0;
	return 0;
}
