/*
 * upkeep -- what peal-jobs needs besides the log: leadership, how far each stream has come, partitions, and what goes with time.
 *
 * Everything that removes does so in small transactions: call again while there is more.
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

/* The place of a transaction in the log as it stands now, as clients keep it (log_place.h). */
int upkeep_place(struct db *, struct arena *, int64_t xid, struct str *ret);

/* Makes the partitions of today and the week to come, and drops what is older than that many days. */
int upkeep_partitions(struct db *, struct arena *, int64_t retention_days, int64_t *ret_made, int64_t *ret_dropped);
/* Removes sessions that ended or expired more than 30 days ago, and those that were tokens of other issuers a day after these have expired, no
 * earlier, since an ended one must stay known until then; at most a thousand. And that they ended, after so many seconds. */
int upkeep_sessions(struct db *, struct arena *, int64_t revoked_seconds, int64_t *ret_removed);
/* Removes keys and advances of marks that have lived long enough, at most `limit` of each kind. */
int upkeep_keys(struct db *, struct arena *, int64_t limit, int64_t *ret_removed, bool *ret_more);

struct upkeep_gone {
	int64_t emptied, removed; /* messages without content; rows */
	bool more;
};
/* Empties messages that expired so long ago, at most `limit`. */
int upkeep_expire(struct db *, struct arena *, int64_t grace_ms, int64_t limit, struct upkeep_gone *ret);
/* Looks at `limit` conversations after *at for some that have messages too old to be kept. *at moves on, to 0 at the end. */
int upkeep_ageing(struct db *, struct arena *, int64_t *at, int64_t limit, const int64_t **ret, size_t *ret_n);
/* Empties, or removes for good, the old messages of one of these, at most `limit` of either. */
int upkeep_age(struct db *, struct arena *, int64_t conversation_id, int64_t limit, struct upkeep_gone *ret);

/* For how many seconds the oldest piece of each kind has waited for somebody to do it; 0: none does. */
struct upkeep_waiting {
	int64_t search; /* what was written and is not indexed; the whole log does not count while it is indexed anew */
	int64_t notifications; /* what nobody has been told of who is to be */
	int64_t scheduled, erasures, exports;
};
/* ttl_seconds: for how long somebody is told of a message. */
int upkeep_waiting(struct db *, struct arena *, int64_t ttl_seconds, struct upkeep_waiting *ret);

#endif
