/* gcra -- a rate as one time per caller. */
#include "gcra.h"

#define MINUTE_US INT64_C(60000000)

struct gcra
gcra_of(int64_t per_minute)
{
	int64_t interval = MINUTE_US / per_minute;

	/* the window is made of intervals, so that exactly `limit` fit into it */
	return (struct gcra){ per_minute, interval, interval * per_minute };
}

struct gcra_answer
gcra_answer(const struct gcra *g, bool taken, int64_t debt_us)
{
	return (struct gcra_answer){
		.taken = taken,
		.remaining = (g->window_us - debt_us) / g->interval_us,
		.debt_us = debt_us,
		.retry_us = taken ? 0 : debt_us + g->interval_us - g->window_us,
	};
}

int64_t
gcra_take(const struct gcra *g, int64_t paid_us, int64_t now_us, struct gcra_answer *ret)
{
	int64_t debt = paid_us > now_us ? paid_us - now_us : 0;
	bool taken;

	if (debt > g->window_us) /* of a limit that was lower, or a clock that went back */
		debt = g->window_us;
	taken = debt + g->interval_us <= g->window_us;
	if (taken)
		debt += g->interval_us;
	*ret = gcra_answer(g, taken, debt);
	return taken ? now_us + debt : paid_us;
}
