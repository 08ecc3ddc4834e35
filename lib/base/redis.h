/*
 * redis -- the doorbell: one blocking hiredis connection with short time-outs and a breaker.
 *
 * Owned by one process, connected at first use. After an error the connection is dropped; three errors in a row open the
 * breaker for 1 s (plus up to 20 % jitter), in which every call returns UNAVAILABLE at once. Nothing durable depends on it.
 */
#ifndef PEAL_BASE_REDIS_H
#define PEAL_BASE_REDIS_H

#include <hiredis/hiredis.h>

#include "arena.h"

struct redis;

#define REDIS_PASSWORD_MAX 512

/* `address` as in address.h; `password_file` empty: no password. The file is read at each connection. */
struct redis *redis_new(const char *address, const char *password_file, int64_t timeout_ms);
/* The first line of the file; false when there is none, or more than fits. */
bool redis_password(const char *file, char out[REDIS_PASSWORD_MAX]);
struct redis *redis_free(struct redis *);
/* 0 with the reply tied to the arena, UNAVAILABLE, or a fault when Redis answers with an error. Arguments are binary-safe. */
int redis_command(struct redis *, struct arena *, size_t argc, const struct str *argv, redisReply **ret);

struct redis_call {
	size_t argc;
	const struct str *argv;
};
/* Several commands in one round trip; ret[i] answers calls[i]. As redis_command(), a fault when any of them is refused. */
int redis_pipeline(struct redis *, struct arena *, const struct redis_call *, size_t n, redisReply **ret);
/* EVALSHA with the fallback EVAL: the script is sent whole only when the server does not know it. */
int redis_script(struct redis *, struct arena *, struct str script, size_t keys, size_t argc, const struct str *argv,
                 redisReply **ret);
bool redis_up(struct redis *, struct arena *); /* PING answered */

#endif
