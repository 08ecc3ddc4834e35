/*
 * door -- asks the REST workers, over a Unix socket of theirs or over TCP on other hosts, without waiting.
 *
 * One request per connection; at most `most_open` at a time, the others wait in line (at most `most_waiting`). What could
 * not even be connected (socket missing, backlog full, host away) is tried again with jitter until its time is over, because
 * nothing was sent; what was sent is never sent twice. Of several addresses each takes its turn; one that could not be connected
 * is left alone for a second while there are others. Every accepted question is answered exactly once, in the loop, never from
 * within door_ask(); after door_free() the open ones are answered with NULL.
 */
#ifndef PEAL_PUSH_DOOR_H
#define PEAL_PUSH_DOOR_H

#include <uv.h>

#include "base/fastcgi.h"

struct door;

struct door_question {
	const char *method;
	struct str uri;  /* raw, with query */
	struct str body; /* JSON; absent: none */
	int64_t user_id; /* command door: who the socket belongs to; 0: nobody */
	struct str session_id, address;
	struct str key;     /* Idempotency-Key; absent: none */
	int64_t timeout_ms; /* from now, waiting included */
	bool patient;       /* waits for its turn behind all others, for as long as that takes; then the time begins */
};

/* NULL: no answer (away, timed out, malformed). The answer lives during the call. */
typedef void (*door_fn)(void *arg, const struct cgi_answer *);

/* `addresses` as in base/address.h, separated by blanks. */
struct door *door_new(uv_loop_t *, const char *addresses, size_t most_open, size_t most_waiting);
void door_free(struct door *);
size_t door_open(const struct door *);    /* questions at the workers */
size_t door_waiting(const struct door *); /* questions in line */
/* 0: fn will be called; OVERLOADED: the line is full, fn is not called. Copies what it needs. */
int door_ask(struct door *, const struct door_question *, door_fn, void *arg);

#endif
