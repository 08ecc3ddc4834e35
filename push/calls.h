/*
 * calls -- what clients ask of the REST workers over the socket: `request`, `typing`, `read_receipt`.
 *
 * At most 8 of a connection are at the command door, at most 32 wait behind them. 10 s without an answer is `unavailable`.
 * Signals of one connection reach their hearers in the order in which they came, and so do its notices of typing.
 */
#ifndef PEAL_PUSH_CALLS_H
#define PEAL_PUSH_CALLS_H

#include <jansson.h>

#include "conn.h"

/* What a `request` frame asks; borrowed. */
struct call_request {
	int64_t id;
	struct str method, path, key; /* key absent: none */
	json_t *body;                 /* NULL: none */
};

/* All: 0, INVALID, FORBIDDEN (auth and uploads do not go over the socket), OVERLOADED. */
int calls_request(struct conn *, const struct call_request *);
int calls_typing(struct conn *, int64_t conversation_id, bool is_typing, struct str kind);
int calls_signal(struct conn *, int64_t id, int64_t conversation_id, const json_t *body); /* id -1: errors only are told */
int calls_read(struct conn *, int64_t conversation_id, int64_t seq);
void calls_free(struct conn *); /* open ones finish by themselves, unheard */

/* Is this a path a client may ask for? 0, INVALID, FORBIDDEN. */
int calls_path(struct str path);

#endif
