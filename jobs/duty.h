/*
 * duty -- what peal-jobs does again and again; one file each.
 *
 * A duty does a small batch and comes back, so that none waits long for another. It may die at any moment: whatever it has not
 * committed is found again by the next one. Only the leader works (main.c), and where two would, locks decide.
 */
#ifndef PEAL_JOBS_DUTY_H
#define PEAL_JOBS_DUTY_H

#include "../lib/base/conf.h"
#include "../lib/base/redis.h"
#include "../lib/store/db.h"

#define MS(n)      ((n)*INT64_C(1000))
#define SECONDS(n) ((n)*INT64_C(1000000))

struct work {
	const struct conf *conf;
	struct db *db;
	struct redis *redis;
	struct arena *arena; /* empty when a duty begins */
	/* what duties remember between their batches; a new leader begins without it */
	struct {
		int64_t xid; /* 0: not known yet */
		int64_t republished;
	} sweep;
	struct {
		int64_t messages;
	} expiry;
	struct {
		int64_t at, emptied, removed;
	} ageing;
	struct {
		int64_t removed;
	} keys;
	struct {
		int64_t steps;
	} erasure;
	struct {
		int64_t expire_at; /* monotonic microseconds */
	} export;
	struct {
		int64_t conversation; /* the call looked at last; 0: the next look begins anew */
		char call[256 + 1];   /* CALL_ID_MAX code points */
	} calls;
	struct {
		struct arena *scratch; /* of one message */
		int64_t batch;         /* messages in one; 0: not known yet */
		int64_t split_at;      /* monotonic microseconds: when to look again whether the newest slice is full */
	} search;
	struct {
		struct notifier *state; /* notify_open() */
		const char *socket;     /* of peal-egress */
	} notify;
};

/* Reads the keys of notifications. False: they cannot be used, as was logged. */
bool notify_open(struct work *);
void notify_close(struct work *);

/*
 * One batch. *wait: microseconds until the next one, which is the duty's interval unless it says otherwise. 0; RETRY, UNCERTAIN or
 * UNAVAILABLE (PostgreSQL or Redis is away: the next batch begins at the same place); or a fault.
 */
typedef int duty_fn(struct work *, int64_t *wait);
duty_fn partitions_duty; /* of the log: makes those to come, drops old ones */
duty_fn schedule_duty;   /* sends what is due */
duty_fn sweep_duty;      /* republishes what a dead worker did not */
duty_fn expiry_duty;     /* empties messages that have expired */
duty_fn ageing_duty;     /* retention, and rows that nobody sees any more */
duty_fn calls_duty;      /* ends calls that nobody has hung up */
duty_fn search_duty;     /* indexes what was said, edited, taken back */
duty_fn reports_duty;    /* closed reports that have been kept long enough */
duty_fn erasure_duty;    /* takes away what is left of accounts that were erased */
duty_fn notify_duty;     /* tells people who are not looking */
duty_fn export_duty;     /* gathers what people have asked for, all of theirs, and lets peal-media make archives of it */
duty_fn keys_duty;       /* sessions, keys, advances of marks and calls that have lived long enough */

#endif
