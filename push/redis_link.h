/*
 * redis_link -- one non-blocking connection to Redis in the loop, with hiredis' reader and reconnection of its own.
 *
 * Two are used: one that only subscribes, one for commands. A link pings itself: without an answer for 5 s it is lost.
 * (hiredis' own async layer is not used: in 0.14.1 it keeps a dictionary of subscriptions that a lost link leaves behind.)
 */
#ifndef PEAL_PUSH_REDIS_LINK_H
#define PEAL_PUSH_REDIS_LINK_H

#include <hiredis/hiredis.h>
#include <uv.h>

#include "base/str.h"

struct redis_link;

/* The reply lives during the call; NULL: the link was lost before it came. */
typedef void (*redis_reply_fn)(void *arg, const redisReply *);

struct redis_link_events {
	void (*up)(void);
	void (*down)(void);               /* also at start when Redis is away, once; then only after each up */
	void (*push)(const redisReply *); /* subscribed link: every reply. NULL: this is a link for commands */
};

/* `address` as in base/address.h; `password_file` empty: no password. */
struct redis_link *redis_link_new(uv_loop_t *, const char *address, const char *password_file,
                                  const struct redis_link_events *);
void redis_link_free(struct redis_link *);
bool redis_link_is_up(const struct redis_link *);
/* When it is down the command is dropped, and fn (may be NULL) is called with NULL before this returns. */
void redis_link_send(struct redis_link *, size_t argc, const struct str *argv, redis_reply_fn, void *arg);

#define REDIS_ARGV(...)                                                                                                     \
	(sizeof((const struct str[]){ __VA_ARGS__ }) / sizeof(struct str)), (const struct str[])                            \
	{                                                                                                                   \
		__VA_ARGS__                                                                                                 \
	}

#endif
