/*
 * upkeep -- what peal-jobs needs besides the log: leadership, how far each stream has come, partitions, and cleaning up.
 */
#ifndef PEAL_STORE_UPKEEP_H
#define PEAL_STORE_UPKEEP_H

#include "db.h"

/* Takes the advisory lock of the one leader; it is held as long as this connection lives (db_generation()). */
int upkeep_lead(struct db *, struct arena *, bool *ret);

struct stream_head {
	char stream; /* 'c' or 'u' */
	int64_t id, position;
};
/* Where to begin without a memory: with the last thousand events. */
int upkeep_begin(struct db *, struct arena *, int64_t *ret_xid);
/*
 * The streams with events of transactions from `xid` on that are older than `age_ms`, and how far they came.
 * *ret_xid is where the next look begins: everything below it is in this answer, or was in one before.
 */
int upkeep_streams(struct db *, struct arena *, int64_t xid, int64_t age_ms, struct stream_head **ret, size_t *ret_n,
                   int64_t *ret_xid);

/* Makes the partitions of today and the week to come, and drops what is older than that many days. */
int upkeep_partitions(struct db *, struct arena *, int64_t retention_days, int64_t *ret_made, int64_t *ret_dropped);
/* Removes sessions that ended or expired more than 30 days ago, at most a thousand. */
int upkeep_sessions(struct db *, struct arena *, int64_t *ret_removed);

#endif
