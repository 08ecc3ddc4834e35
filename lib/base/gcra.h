/*
 * gcra -- the generic cell rate algorithm: so many per minute, all of them at once if need be.
 *
 * One number per caller: the time at which everything taken so far will be paid. Each taking moves it one interval further, from
 * now on if it has passed; it is refused where that would lead more than a minute ahead. What lies ahead is the debt.
 *
 *      now          now + debt                 now + window
 *       |--taken------|--remaining--------------|
 */
#ifndef PEAL_BASE_GCRA_H
#define PEAL_BASE_GCRA_H

#include <stdbool.h>
#include <stdint.h>

struct gcra {
	int64_t limit; /* per minute, and at once */
	int64_t interval_us, window_us;
};

struct gcra_answer {
	bool taken;
	int64_t remaining; /* that may be taken now */
	int64_t debt_us;   /* until all are free again */
	int64_t retry_us;  /* until one is free; 0 when taken */
};

struct gcra gcra_of(int64_t per_minute); /* 1 to 60,000,000 */
/* What a debt means, be it after a taking or at a refusal. */
struct gcra_answer gcra_answer(const struct gcra *, bool taken, int64_t debt_us);
/* Takes one if it may. Returns when all will be paid; the same `paid_us` as before when nothing was taken. */
int64_t gcra_take(const struct gcra *, int64_t paid_us, int64_t now_us, struct gcra_answer *ret);

#endif
