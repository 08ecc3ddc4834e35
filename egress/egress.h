/*
 * egress -- what the files of peal-egress share: its numbers.
 */
#ifndef PEAL_EGRESS_EGRESS_H
#define PEAL_EGRESS_EGRESS_H

#include "../lib/base/egress.h"

void metrics_answered(enum egress_end, int64_t status, double seconds);
/* Answers whoever asks for the numbers at this listener. Each waits for a moment at most: the question comes with the connection. */
void metrics_serve(int listener, size_t open);

#endif
