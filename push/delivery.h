/*
 * delivery -- durable events on one socket: numbered as first written, kept until acknowledged, sent again, or pulled.
 *
 * A live event is written and remembered. When the socket is too slow or 256 are unacknowledged, what was not begun is taken
 * back and the connection turns from push to pull: a replay from the lowest place that was not written.
 */
#ifndef PEAL_PUSH_DELIVERY_H
#define PEAL_PUSH_DELIVERY_H

#include "conn.h"

#define UNACKED_MAX 256

/* An event for this connection, by whatever way it came; borrows the frame. */
void delivery_event(struct conn *, struct frame *);
/* Remembers one event inside a frame that is being written: n bytes at offset of its payload. */
void delivery_wrote(struct conn *, struct frame *, size_t offset, size_t n, const struct place *);
size_t delivery_unacked(const struct conn *);
/* The client has handled `count` events so far. 0 or INVALID. */
int delivery_ack(struct conn *, int64_t count);
bool delivery_tick(struct conn *, int64_t now_ms); /* retries; is there anything to wait for? */
void delivery_free(struct conn *);

#endif
