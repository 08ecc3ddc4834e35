/*
 * metrics -- what peal-jobs counts, and what waits for it.
 */
#ifndef PEAL_JOBS_METRICS_H
#define PEAL_JOBS_METRICS_H

#include "duty.h"

#define METRICS_DUTIES 16

/* A batch of a duty, by its place among them: how long it took, and whether it could be done. */
void metrics_batch(size_t duty, const char *name, double seconds, bool done);
/* Answers whoever waits at this listener. The leader asks the database what waits; without it these lines are missing. */
void metrics_serve(int listener, struct work *, bool leader);

#endif
