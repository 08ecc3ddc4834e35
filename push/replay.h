/*
 * replay -- from hello to live, back from pull to push, and the answers to `sync`: pages of /feed/replay as batch frames.
 *
 * Live events are set aside meanwhile (at most 256; past that only the lowest place of each stream is remembered, and the
 * log is read again from there). At most two batches are unacknowledged. What the plan means is known to the workers only.
 */
#ifndef PEAL_PUSH_REPLAY_H
#define PEAL_PUSH_REPLAY_H

#include "conn.h"

/* After hello: `body` of /feed/open (owned from here). Waits for feed.c to call replay_open(). */
void replay_prepare(struct conn *, char *body);
void replay_open(struct conn *);                       /* subscribed (or polling): ask for heads */
void replay_hold(struct conn *, struct frame *);       /* an event came meanwhile; borrows */
void replay_miss(struct conn *, const struct place *); /* this event was not written: read it from the log */
/* From push to pull: what was missed, then live again, which is said then if `live` (a reference; or NULL) was not written yet. */
void replay_pull(struct conn *, struct frame *live);
void replay_sync(struct conn *, int64_t conversation_id, int64_t position); /* everything after position */
void replay_go(struct conn *);                                              /* an ack may have made room */
bool replay_tick(struct conn *, int64_t now_ms);
void replay_free(struct conn *);

#endif
