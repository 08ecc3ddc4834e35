/*
 * metrics -- what all processes of peal-media count together, in memory that they share; told by the process of tus on
 * stat-media.sock (tus/tell.c).
 *
 * The counters begin with the master, so a process that is replaced takes none along. Numbers are added to atomically, and are right one by
 * one: nobody promises that two of them are of the same moment.
 */
#ifndef PEAL_MEDIA_METRICS_H
#define PEAL_MEDIA_METRICS_H

#include "base/err.h"
#include "base/prom.h"
#include "job.h"

enum metrics_kind { METRICS_IMAGE, METRICS_AUDIO, METRICS_VIDEO, METRICS_FILE, METRICS_KINDS };

/* A histogram of seconds; the bounds are those of metrics.c. */
struct metrics_seconds {
	uint64_t counts[HISTOGRAM_MAX + 1], sum_us;
};

struct media_metrics {
	uint64_t jobs[METRICS_KINDS][OUTCOME_MAX + 1]; /* by outcome; the last: faults */
	struct metrics_seconds job_seconds[METRICS_KINDS];
	uint64_t received_bytes[METRICS_KINDS], stored_bytes[METRICS_KINDS];
	uint64_t behind, given_back; /* jobs that were queued; that were taken and left for another time */
	struct metrics_seconds queue_wait;
	uint64_t transcoded[OUTCOME_MAX + 1]; /* by outcome */
	struct metrics_seconds transcode_seconds;
	uint64_t children[JOB_ENDS];     /* by how they ended */
	uint64_t scans[OUTCOME_MAX + 1]; /* by outcome */
	struct metrics_seconds scan_seconds;
	uint64_t tus_begun, tus_whole, tus_bytes;
	uint64_t processes_lost;
};

extern struct media_metrics *metrics;

/* Before the first fork. False: there is no memory for it. */
bool metrics_init(void);
void metrics_add(uint64_t *, uint64_t);
void metrics_took(struct metrics_seconds *, int64_t us);
/* r: 0, an outcome or a fault. */
void metrics_outcome(uint64_t counts[OUTCOME_MAX + 1], int r);
/* One job of this kind ("image"), after so long; stored: bytes that came of it. */
void metrics_job(const char *kind, int r, int64_t us, uint64_t received, uint64_t stored);
/* All that is counted here. */
void metrics_write(struct buf *);

#endif
