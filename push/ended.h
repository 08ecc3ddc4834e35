/*
 * ended -- sockets end with their session.
 *
 * Whoever ends one says so by Redis, to the channel of the person. That may be lost, or never said by a worker that died, so the REST
 * workers are asked as well, whether Redis is there or not. A socket that says hello later is checked by /feed/open.
 */
#ifndef PEAL_PUSH_ENDED_H
#define PEAL_PUSH_ENDED_H

#include "wire/feed.h"

void ended_record(const struct feed_header *); /* FEED_ENDED: closes whom it concerns, with 4409 */
void ended_tick(int64_t now_ms);               /* every CONN_TICK_MS */
void ended_stop(void);

#endif
