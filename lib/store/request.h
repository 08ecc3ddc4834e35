/*
 * request -- keys of requests that create something, kept for 24 hours: fcgi/once.h.
 */
#ifndef PEAL_STORE_REQUEST_H
#define PEAL_STORE_REQUEST_H

#include "db.h"

struct request_key {
	int64_t user_id;
	struct str route, key, hash; /* hash: of everything that makes two requests the same, SHA256_BYTES */
};

/* What came of the request when the key was used before. */
struct request_result {
	struct str made, reply; /* at most one of them is there */
};

/* Within a transaction, at whose end the key is taken. *ret_new false: it was used for this request, and *ret says what came of it.
 * IDEMPOTENCY_CONFLICT: for another one. RETRY: by a transaction that goes on for longer than one waits. */
int request_take(struct db *, struct arena *, const struct request_key *, bool *ret_new, struct request_result *ret);
int request_keep(struct db *, struct arena *, const struct request_key *, const struct request_result *);

#endif
