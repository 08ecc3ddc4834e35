/*
 * egress -- what the files of peal-egress share: its numbers.
 */
#ifndef PEAL_EGRESS_EGRESS_H
#define PEAL_EGRESS_EGRESS_H

#include "../lib/base/egress.h"

void metrics_answered(enum egress_end, int64_t status, double seconds);
/* As stat_serve(); open: requests that have no answer yet. */
void metrics_serve(int listener, size_t open);

#endif
