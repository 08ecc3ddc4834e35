/*
 * sweep -- republishing what a dead worker did not.
 *
 * Compares the log with the positions that publishers noted in Redis (`pub:c<id>`, `pub:u<id>`), and rings the
 * doorbell again for the streams that fell behind. Publishing twice does no harm: sockets drop what they have. Where
 * the next look begins is kept in Redis too (`jobs:since`), so that a restart of peal-jobs, or another leader,
 * leaves nothing out.
 */
#ifndef PEAL_JOBS_SWEEP_H
#define PEAL_JOBS_SWEEP_H

#include "../lib/base/redis.h"
#include "../lib/store/db.h"

struct sweep {
	struct db *db;
	struct redis *redis;
	struct arena *arena; /* reset by the caller between sweeps */
	int64_t xid;         /* 0: not known yet */
	int64_t republished; /* records since the start */
};

/* One look. 0, UNAVAILABLE (PostgreSQL or Redis is away: the next look begins at the same place), or a fault. */
int sweep_once(struct sweep *);
/* Leadership was lost or won: forget where we were, and read it from Redis again. */
void sweep_forget(struct sweep *);

#endif
