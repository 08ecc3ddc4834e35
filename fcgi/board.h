/*
 * board -- what the workers are doing, in memory that they share with the master.
 *
 * One slot per worker process. The worker writes its slot and the master reads it; only `stop` and `stopping` go the other
 * way. Everything is an atomic, so neither ever waits for the other. What callers owe, and which sessions have ended, lies here as well,
 * so that all workers, and both generations while they change, count and know together.
 */
#ifndef PEAL_FCGI_BOARD_H
#define PEAL_FCGI_BOARD_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/str.h"
#include "rate_table.h"
#include "revoked.h"

#define BOARD_SLOTS  10240 /* two generations of the most workers there may be, and some that drain */
#define REQUEST_ID_N 32    /* hex digits */

enum pool { POOL_FAST, POOL_SLOW, POOL_AUTH, POOL_FEED, POOL_N };
enum worker_state { WORKER_NONE, WORKER_STARTING, WORKER_IDLE, WORKER_BUSY };

struct slot {
	_Atomic int state;
	_Atomic int stop;              /* the master wants this worker gone; SIGTERM comes with it, to wake it */
	_Atomic int64_t busy_since_us; /* monotonic */
	_Atomic int64_t served;
	char request_id[REQUEST_ID_N + 1]; /* of the request being served; for the log, so a torn read does no harm */
};

struct board {
	_Atomic int stopping; /* the service ends and the sockets are gone: serve what is queued, then exit */
	struct slot slots[BOARD_SLOTS];
	struct rate_table rates;
	struct revoked revoked;
};

extern const char *const pool_names[POOL_N];

struct board *board_new(void); /* shared by fork(2); NULL when there is no memory */
void slot_clear(struct slot *);
void slot_idle(struct slot *);
void slot_busy(struct slot *, int64_t mono_us);
void slot_request(struct slot *, struct str id);
/* Microseconds that the worker has been busy with one request; 0 when it is not. */
int64_t slot_busy_us(const struct slot *, int64_t mono_us);

#endif
