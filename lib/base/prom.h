/*
 * prom -- numbers in the text format that Prometheus reads, and the answer to the one question about them. No I/O.
 *
 * Names come whole ("peal_push_connections"). Buffers are those of buf.h: writing to one that is full is remembered there.
 */
#ifndef PEAL_BASE_PROM_H
#define PEAL_BASE_PROM_H

#include "buf.h"

#define HISTOGRAM_MAX 16

/* Counts what is at most bounds[i], cumulated when it is told. */
struct histogram {
	const double *bounds;
	size_t n;
	uint64_t counts[HISTOGRAM_MAX + 1];
	double sum;
};

#define HISTOGRAM(list)                                                                                                     \
	{                                                                                                                   \
		.bounds = (list), .n = sizeof(list) / sizeof((list)[0])                                                     \
	}

/* Where in counts a value belongs. */
size_t prom_place(const struct histogram *, double);
void prom_observe(struct histogram *, double);

/* What goes before all lines of one name; type: counter, gauge, histogram. */
void prom_head(struct buf *, const char *name, const char *type, const char *help);
/* With its head. */
void prom_one(struct buf *, const char *name, const char *type, const char *help, uint64_t);
/* A line for each word that is not NULL. */
void prom_labelled(struct buf *, const char *name, const char *label, const char *const *words, const uint64_t *values,
                   size_t n);
/* The lines, without head; labels: `kind="image"`, or "" for none. */
void prom_histogram(struct buf *, const char *name, const char *labels, const struct histogram *);

/* Whether a request has come to its end, and the whole answer to it: what `write` has to say to GET /metrics. */
bool prom_asked(struct str request);
void prom_answer(struct buf *out, struct str request, void (*write)(struct buf *));

#endif
