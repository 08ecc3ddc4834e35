/*
 * keeper -- removes files: at once when a REST worker asks, and again whatever they say is to be removed.
 *
 * The rows are the truth. A worker that deletes a message asks here after its commit, so that links die at once; should it
 * or we die in between, the row still waits, and keeper_turn() finds it within seconds. Once a day the store is compared
 * with the rows, for what was written and never registered.
 */
#ifndef PEAL_MEDIA_KEEPER_H
#define PEAL_MEDIA_KEEPER_H

#include "base/arena.h"
#include "base/json_in.h"
#include "queue.h"
#include "store.h"

struct keeper {
	const struct media_store *store;
	const struct queue *queue, *transcode;
	const char *door;                   /* the workers' socket */
	int64_t next_turn_us, next_walk_us; /* monotonic */
	unsigned part;                      /* of the store, that the walk is at */
};

/* POST /remove {ids: []}: 0, INVALID or BAD_JSON with the report, or a fault. */
int keeper_remove(struct keeper *, struct arena *, struct str body, struct json_report *);
/* What is due now; resets the arena as it goes. */
void keeper_turn(struct keeper *, struct arena *, int64_t now_us);

#endif
