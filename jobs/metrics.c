/* jobs/metrics.c -- the numbers, and their names. */
#include "metrics.h"

#include <stdio.h>

#include "../lib/base/stat.h"
#include "../lib/store/upkeep.h"

static const double bounds[] = { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 };
static const char *const kinds[] = { "search", "notifications", "scheduled", "erasures", "exports" };
#define KINDS (sizeof(kinds) / sizeof(*kinds))

static struct {
	const char *names[METRICS_DUTIES];
	uint64_t undone[METRICS_DUTIES];
	struct histogram seconds[METRICS_DUTIES];
	/* while somebody is answered */
	bool leader, known;
	struct upkeep_waiting waiting;
} m;

void
metrics_batch(size_t duty, const char *name, double seconds, bool done)
{
	if (!m.names[duty])
		m.seconds[duty] = (struct histogram)HISTOGRAM(bounds);
	m.names[duty] = name;
	m.undone[duty] += !done;
	prom_observe(&m.seconds[duty], seconds);
}

static void
write_seconds(struct buf *b)
{
	char label[64];

	prom_head(b, "peal_jobs_batch_seconds", "histogram", "What a batch of each duty took.");
	for (size_t i = 0; i < METRICS_DUTIES; i++) {
		if (!m.names[i])
			continue;
		snprintf(label, sizeof(label), "duty=\"%s\"", m.names[i]);
		prom_histogram(b, "peal_jobs_batch_seconds", label, &m.seconds[i]);
	}
}

static void
write_waiting(struct buf *b)
{
	const struct upkeep_waiting *w = &m.waiting;
	const uint64_t seconds[KINDS] = { (uint64_t)w->search, (uint64_t)w->notifications, (uint64_t)w->scheduled,
		                          (uint64_t)w->erasures, (uint64_t)w->exports };

	prom_head(b, "peal_jobs_waiting_seconds", "gauge",
	          "For how long the oldest piece of work of each kind has waited; 0: none does.");
	prom_labelled(b, "peal_jobs_waiting_seconds", "work", kinds, seconds, KINDS);
}

static void
write_all(struct buf *b)
{
	prom_one(b, "peal_jobs_leader", "gauge", "1: this process does the work. 0: it waits for another one to go.",
	         m.leader);
	prom_head(b, "peal_jobs_undone_total", "counter",
	          "Batches of each duty that could not be done: somebody was away, or held what they need.");
	prom_labelled(b, "peal_jobs_undone_total", "duty", m.names, m.undone, METRICS_DUTIES);
	write_seconds(b);
	if (m.known)
		write_waiting(b);
}

void
metrics_serve(int listener, struct work *w, bool leader)
{
	m.leader = leader;
	m.known = leader && !upkeep_waiting(w->db, w->arena, w->conf->notify_ttl_seconds, &m.waiting);
	if (!*w->conf->vapid_key_file && !*w->conf->fcm_service_account_file)
		m.waiting.notifications = 0; /* of devices that were registered when there was a way to them */
	stat_serve(listener, write_all);
	arena_reset(w->arena);
}
