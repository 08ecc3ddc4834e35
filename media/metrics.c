/* media/metrics.c -- the counters, their names, and what they are called in the text. */
#include "metrics.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static const double bounds[] = { 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900 };
static const char *const kinds[METRICS_KINDS] = { "image", "audio", "video", "file" };

struct media_metrics *metrics;

bool
metrics_init(void)
{
	void *p = mmap(NULL, sizeof(*metrics), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	metrics = p == MAP_FAILED ? NULL : p;
	return metrics;
}

void
metrics_add(uint64_t *counter, uint64_t n)
{
	__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

void
metrics_took(struct metrics_seconds *s, int64_t us)
{
	const struct histogram h = HISTOGRAM(bounds);

	metrics_add(&s->counts[prom_place(&h, (double)us / 1e6)], 1);
	metrics_add(&s->sum_us, us > 0 ? (uint64_t)us : 0);
}

void
metrics_outcome(uint64_t counts[OUTCOME_MAX + 1], int r)
{
	metrics_add(&counts[r < 0 || r >= OUTCOME_MAX ? OUTCOME_MAX : r], 1);
}

void
metrics_job(const char *kind, int r, int64_t us, uint64_t received, uint64_t stored)
{
	size_t i = 0;

	while (i < METRICS_KINDS - 1 && strcmp(kinds[i], kind))
		i++;
	metrics_outcome(metrics->jobs[i], r);
	metrics_took(&metrics->job_seconds[i], us);
	metrics_add(&metrics->received_bytes[i], received);
	metrics_add(&metrics->stored_bytes[i], r ? 0 : stored);
}

/* --- the text --- */

#define head(b, name, type, help)   prom_head(b, "peal_media_" name, type, help)
#define one(b, name, type, help, v) prom_one(b, "peal_media_" name, type, help, v)
#define labelled(b, name, label, words, v)                                                                                  \
	prom_labelled(b, "peal_media_" name, label, words, v, sizeof(words) / sizeof(*(words)))

static void
write_seconds(struct buf *b, const char *name, const char *labels, const struct metrics_seconds *s)
{
	struct histogram h = HISTOGRAM(bounds);

	memcpy(h.counts, s->counts, sizeof(h.counts));
	h.sum = (double)s->sum_us / 1e6;
	prom_histogram(b, name, labels, &h);
}

static const char *
word_of(int outcome)
{
	return !outcome ? "ok" : outcome == OUTCOME_MAX ? "fault" : outcome_info(outcome)->code;
}

/* Those that have happened: an outcome that no upload can have need not be told of. */
static void
write_outcomes(struct buf *b, const char *name, const char *labels, const uint64_t counts[OUTCOME_MAX + 1])
{
	for (int i = 0; i <= OUTCOME_MAX; i++)
		if (counts[i] || !i)
			buf_printf(b, "peal_media_%s{%soutcome=\"%s\"} %llu\n", name, labels, word_of(i),
			           (unsigned long long)counts[i]);
}

static void
write_jobs(struct buf *b)
{
	char labels[32];

	head(b, "jobs_total", "counter",
	     "Uploads that were looked at, by what became of them: ok, a refusal of errors.md, fault.");
	for (size_t i = 0; i < METRICS_KINDS; i++) {
		snprintf(labels, sizeof(labels), "kind=\"%s\",", kinds[i]);
		write_outcomes(b, "jobs_total", labels, metrics->jobs[i]);
	}
	head(b, "job_seconds", "histogram", "What each of them took, from the first look to the last file.");
	for (size_t i = 0; i < METRICS_KINDS; i++) {
		snprintf(labels, sizeof(labels), "kind=\"%s\"", kinds[i]);
		write_seconds(b, "peal_media_job_seconds", labels, &metrics->job_seconds[i]);
	}
	head(b, "received_bytes_total", "counter", "Bytes of these uploads.");
	labelled(b, "received_bytes_total", "kind", kinds, metrics->received_bytes);
	head(b, "stored_bytes_total", "counter", "Bytes of what was stored of them.");
	labelled(b, "stored_bytes_total", "kind", kinds, metrics->stored_bytes);
}

static void
write_queue(struct buf *b)
{
	one(b, "queued_total", "counter", "Uploads that were answered before they were looked at.", metrics->behind);
	one(b, "given_back_total", "counter",
	    "Jobs of the queue that were left for another time, since somebody who is needed was away.",
	    metrics->given_back);
	head(b, "queue_wait_seconds", "histogram", "How long a job was in the queue before it was taken.");
	write_seconds(b, "peal_media_queue_wait_seconds", "", &metrics->queue_wait);
	head(b, "transcoded_total", "counter",
	     "Films that were to be transcoded, by what came of it; those of which nothing came are kept as they were.");
	write_outcomes(b, "transcoded_total", "", metrics->transcoded);
	head(b, "transcode_seconds", "histogram", "How long that took.");
	write_seconds(b, "peal_media_transcode_seconds", "", &metrics->transcode_seconds);
}

static void
write_children(struct buf *b)
{
	static const char *const ends[JOB_ENDS] = { [JOB_EXITED] = "exited",
		                                    [JOB_CRASHED] = "crashed",
		                                    [JOB_FORBIDDEN] = "forbidden",
		                                    [JOB_TOO_LONG] = "too_long",
		                                    [JOB_BUSY] = "not_started" };

	head(b, "children_total", "counter", "Sandboxed decoders, by how they ended; too_long: killed.");
	labelled(b, "children_total", "end", ends, metrics->children);
	one(b, "processes_lost_total", "counter", "Processes of peal-media that ended without having been asked to.",
	    metrics->processes_lost);
}

static void
write_scans(struct buf *b)
{
	head(b, "scans_total", "counter", "Questions to clamd, by what came of them.");
	write_outcomes(b, "scans_total", "", metrics->scans);
	head(b, "scan_seconds", "histogram", "How long clamd took.");
	write_seconds(b, "peal_media_scan_seconds", "", &metrics->scan_seconds);
}

void
metrics_write(struct buf *b)
{
	write_jobs(b);
	write_queue(b);
	write_children(b);
	write_scans(b);
	one(b, "tus_begun_total", "counter", "Uploads in pieces that were begun.", metrics->tus_begun);
	one(b, "tus_whole_total", "counter",
	    "Uploads in pieces that were whole and given to a worker; again when it could not take them.",
	    metrics->tus_whole);
	one(b, "tus_bytes_total", "counter", "Bytes of their pieces.", metrics->tus_bytes);
}
