/*
 * ring -- publishing from the log.
 */
#ifndef PEAL_JOBS_RING_H
#define PEAL_JOBS_RING_H

#include "duty.h"

/*
 * Rings for at most `most` events of a stream ('c' or 'u') after a position, of transactions from `xid` on. *ret_last is the last one's
 * position, `after` when there was none. 0, UNAVAILABLE, or a fault.
 */
int ring(struct work *, char stream, int64_t id, int64_t after, int64_t xid, size_t most, int64_t *ret_last);

#endif
