/*
 * table -- a hash table from a pair of 64-bit numbers to one value.
 *
 * Open addressing, linear probing, no tombstones; grows at three quarters, allocates nothing while empty. `a` is never 0.
 * Slots move when anything is put or deleted: hold values, not slots.
 */
#ifndef PEAL_PUSH_TABLE_H
#define PEAL_PUSH_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_slot {
	int64_t a, b;
	union {
		int64_t i;
		void *p;
	};
};

struct table {
	struct table_slot *slots;
	size_t n, size; /* size is 0 or a power of two */
};

void table_deinit(struct table *);                                        /* empties it; it may be used again */
struct table_slot *table_get(const struct table *, int64_t a, int64_t b); /* NULL: not there */
struct table_slot *table_put(struct table *, int64_t a, int64_t b); /* the old slot, or a new one with a zeroed value */
bool table_del(struct table *, int64_t a, int64_t b);
/* Walks all slots in no order: begins with NULL, ends with NULL. Nothing may be put or deleted meanwhile. */
struct table_slot *table_next(const struct table *, const struct table_slot *);

#endif
