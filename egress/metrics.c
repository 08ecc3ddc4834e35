/* metrics.c -- what peal-egress counts. */
#include "../lib/base/stat.h"
#include "egress.h"

enum outcome_kind {
	KIND_OK,
	KIND_GONE,
	KIND_RATE,
	KIND_REFUSED,
	KIND_TROUBLE,
	KIND_REDIRECT,
	KIND_FORBIDDEN,
	KIND_FAILED,
	KINDS
};
static const char *const kinds[KINDS] = { "ok",      "gone",     "rate_limited", "refused",
	                                  "trouble", "redirect", "forbidden",    "failed" };
static const double bounds[] = { 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 };

static struct {
	uint64_t requests[KINDS];
	struct histogram seconds;
	size_t open;
} m = { .seconds = HISTOGRAM(bounds) };

static enum outcome_kind
kind_of(enum egress_end end, int64_t status)
{
	if (end != EGRESS_ANSWERED)
		return end == EGRESS_FORBIDDEN ? KIND_FORBIDDEN : KIND_FAILED;
	if (status == 404 || status == 410)
		return KIND_GONE;
	if (status == 429)
		return KIND_RATE;
	return status >= 500 ? KIND_TROUBLE : status >= 400 ? KIND_REFUSED : status >= 300 ? KIND_REDIRECT : KIND_OK;
}

void
metrics_answered(enum egress_end end, int64_t status, double seconds)
{
	m.requests[kind_of(end, status)]++;
	prom_observe(&m.seconds, seconds);
}

static void
write_all(struct buf *b)
{
	prom_head(b, "peal_egress_requests_total", "counter", "Requests to servers elsewhere, by what came of them.");
	prom_labelled(b, "peal_egress_requests_total", "outcome", kinds, m.requests, KINDS);
	prom_head(b, "peal_egress_request_seconds", "histogram", "What each of them took.");
	prom_histogram(b, "peal_egress_request_seconds", "", &m.seconds);
	prom_one(b, "peal_egress_open", "gauge", "Requests that have no answer yet.", m.open);
}

void
metrics_serve(int listener, size_t open)
{
	m.open = open;
	stat_serve(listener, write_all);
}
