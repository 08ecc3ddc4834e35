/*
 * ageing.c -- what conversations do not keep: messages older than retention_days, and rows below first_seq once their keys have lived
 * long enough. It walks over the conversations that this concerns, some at a time.
 */
#include "../lib/base/fail.h"
#include "../lib/base/log.h"
#include "../lib/store/upkeep.h"
#include "duty.h"

#define LOOK    500 /* conversations at a time */
#define BATCH   100 /* messages per transaction */
#define BATCHES 20  /* before others have their turn */

/* Goes on until there is nothing more to do, or it is others' turn: *left says how many batches are left. */
static int
age(struct work *w, int64_t conversation_id, int *left)
{
	struct upkeep_gone gone = { .more = true };
	int r = 0;

	while (!r && gone.more && *left > 0) {
		FAILPOINT("jobs.before_age");
		r = upkeep_age(w->db, w->arena, conversation_id, BATCH, &gone);
		if (r)
			break;
		w->ageing.emptied += gone.emptied;
		w->ageing.removed += gone.removed;
		--*left;
	}
	return r;
}

static void
finish(struct work *w)
{
	if (w->ageing.emptied || w->ageing.removed)
		LOG(INFO, "aged", L_INT("messages", w->ageing.emptied), L_INT("rows", w->ageing.removed));
	w->ageing.emptied = w->ageing.removed = 0;
}

int
ageing_duty(struct work *w, int64_t *wait)
{
	int64_t at = w->ageing.at;
	const int64_t *due;
	int left = BATCHES;
	size_t n, i = 0;
	int r = upkeep_ageing(w->db, w->arena, &at, LOOK, &due, &n);

	for (; !r && i < n && left > 0; i++)
		r = age(w, due[i], &left);
	if (r)
		return trace(r);
	w->ageing.at = left > 0 ? at : due[i - 1] - 1;
	if (w->ageing.at)
		*wait = MS(10);
	else
		finish(w);
	return 0;
}
