/*
 * feed -- Redis in, frames out; and the log instead while Redis is away.
 *
 *     DOWN -> RESUBSCRIBING -> CATCHING -> LIVE -> DOWN ...
 *
 * In DOWN and RESUBSCRIBING the log is polled from a safe horizon, and new connections need not wait for Redis. CATCHING is
 * one more poll after every subscription was confirmed.
 */
#ifndef PEAL_PUSH_FEED_H
#define PEAL_PUSH_FEED_H

#include "conn.h"
#include "redis_link.h"

void feed_start(void (*settled)(void)); /* settled: live, or declared degraded; once */
void feed_stop(void);
void feed_tick(int64_t now_ms); /* every CONN_TICK_MS */

/* A connection waits for its user's channel: replay_open() is called when it may go on, perhaps at once. */
void feed_join(struct conn *);
void feed_left(struct hub_channel *); /* a listener has left u: or p: */
void feed_hear(struct hub_channel *); /* subscribe, unless it is */
/* A frame with the newest place before which everything has been heard; borrowed. NULL: there is none. */
struct frame *feed_cursor(void);
/* How old the place is that could be given to clients now; -1: there is none. */
int64_t feed_fence_age_ms(void);
bool feed_live(void); /* Redis can be asked and everything is subscribed */

/* A command on the other link: dropped (fn called with NULL) while Redis is away. */
void feed_command(size_t argc, const struct str *argv, redis_reply_fn, void *arg);
void feed_tell(int64_t user_id, struct str frame); /* PUBLISH p:<user>, an ephemeral record */

#endif
