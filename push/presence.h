/*
 * presence -- who is here, and who is told. Online is a subscription to u:<user>; changes travel on p:<user>.
 */
#ifndef PEAL_PUSH_PRESENCE_H
#define PEAL_PUSH_PRESENCE_H

#include "conn.h"
#include "wire/feed.h"

void presence_joined(struct hub_channel *); /* a connection of this user has come */
void presence_active(struct hub_channel *); /* the person is at the keyboard */
void presence_sweep(struct hub_channel *);  /* now and then: has the person gone away? */
/* The last connection left, at this time, and our own subscription has ended: tell, unless another process has the user. */
void presence_ended(int64_t user_id, int64_t left_wall_us);
void presence_again(void);                        /* Redis is back: tell and ask everything anew */
void presence_heard(void);                        /* a p: channel was confirmed, or Redis is away */
void presence_record(const struct feed_header *); /* of p:<user>, or FEED_UNWATCH from the poll */

/* 0, or INVALID past push_watch_max. Unknown people, strangers and who is hidden from the watcher are silently not watched. */
int presence_watch(struct conn *, const int64_t *ids, size_t n);
void presence_recheck(struct conn *); /* now and then */
void presence_unwatch(struct conn *, int64_t user_id);
void presence_free(struct conn *);

#endif
