/* upkeep.c -- partitions of the log, and what is kept for a time only. */
#include "../lib/base/log.h"
#include "../lib/store/call.h"
#include "../lib/store/moderation.h"
#include "../lib/store/upkeep.h"
#include "duty.h"

#define BATCH           1000
#define REVOKED_SECONDS 3600 /* after its last access token, what an ended session was is nobody's concern any more */

int
partitions_duty(struct work *w, int64_t *wait)
{
	int64_t made, dropped;
	int r = upkeep_partitions(w->db, w->arena, w->conf->event_retention_days, &made, &dropped);

	(void)wait;
	if (r)
		return trace(r);
	if (made || dropped)
		LOG(INFO, "partitions", L_INT("made", made), L_INT("dropped", dropped));
	return 0;
}

int
keys_duty(struct work *w, int64_t *wait)
{
	int64_t sessions, keys = 0, calls = 0;
	bool more = false;
	int r = upkeep_sessions(w->db, w->arena, w->conf->access_token_seconds + REVOKED_SECONDS, &sessions);

	if (!r)
		r = upkeep_keys(w->db, w->arena, BATCH, &keys, &more);
	if (!r)
		r = call_forget(w->db, w->arena, BATCH, &calls);
	if (r)
		return trace(r);
	w->keys.removed += sessions + keys + calls;
	if (more || sessions == BATCH || calls == BATCH) {
		*wait = MS(10);
		return 0;
	}
	if (w->keys.removed)
		LOG(INFO, "keys", L_INT("removed", w->keys.removed));
	w->keys.removed = 0;
	return 0;
}

int
reports_duty(struct work *w, int64_t *wait)
{
	int64_t removed = 0;
	int r = 0;

	if (w->conf->report_retention_days)
		r = report_forget(w->db, w->arena, w->conf->report_retention_days, BATCH, &removed);
	if (r)
		return trace(r);
	if (removed)
		LOG(INFO, "reports", L_INT("removed", removed));
	if (removed == BATCH)
		*wait = MS(10);
	return 0;
}
