/*
 * s3 -- talks to an object store: puts, lists, reads and deletes, one request at a time.
 *
 * A request that failed for a reason that may pass (no connection, 5xx, 429) is repeated, twice at most and not after timeout_seconds;
 * all of them may be. A store that says nothing for timeout_seconds is given up. Every reason is logged, without keys and without what was
 * sent. UNAVAILABLE: it cannot be reached, is in trouble, or refuses us; NO_SPACE: it says that it is full.
 */
#ifndef PEAL_S3_S3_H
#define PEAL_S3_S3_H

#include "listing.h"
#include "sign.h"

struct s3;

/* The account must outlive it. Objects larger than part_bytes are put in parts of that size. */
struct s3 *s3_new(const struct s3_account *, int64_t timeout_seconds, uint64_t part_bytes);
struct s3 *s3_free(struct s3 *); /* NULL-safe; returns NULL */

/* Durable at the store, and what was sent (its SHA-256 goes with it), when it returns 0. Parts of what failed are taken back. */
int s3_put(struct s3 *, struct str key, const char *mime, struct str bytes);
int s3_delete(struct s3 *, struct str key); /* 0 also when there is none */
/* Calls fn with every object whose key begins so, in the order of their keys; what fn returns but 0 ends it. fn may ask the store. */
int s3_list(struct s3 *, struct str prefix, int (*fn)(void *arg, const struct s3_object *), void *arg);
/* Calls fn with the bytes as they come; fn must not ask the store. NOT_FOUND. */
int s3_get(struct s3 *, struct str key, void (*fn)(void *arg, struct str bytes), void *arg);

#endif
