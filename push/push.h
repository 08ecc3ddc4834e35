/*
 * push -- the state of the one process, which every file of push/ but the pure ones shares. One loop, no threads.
 */
#ifndef PEAL_PUSH_PUSH_H
#define PEAL_PUSH_PUSH_H

#include <uv.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/conf.h"
#include "base/token.h"
#include "door.h"
#include "hub.h"
#include "inflate.h"

struct push {
	const struct conf *conf;
	uv_loop_t loop;
	struct token_keys *keys;
	struct inflater *inflater; /* of all who negotiated permessage-deflate */
	struct hub hub;
	struct door *command, *feed; /* for clients' wishes; for our own needs */
	struct arena *arena;         /* of one client frame, or one answer of a door */
	struct buf text;             /* scratch: a frame's or a request's JSON while it is being written */
	size_t connections;
	bool draining;
};

extern struct push push;

/* Milliseconds of the loop's clock, as of this turn. */
static inline int64_t
push_now(void)
{
	return (int64_t)uv_now(&push.loop);
}
static inline uint32_t
push_seconds(void)
{
	return (uint32_t)(uv_now(&push.loop) / 1000);
}
/* Random, in [0, most]. For jitter, not for secrets. */
int64_t push_random(int64_t most);

#endif
