/*
 * rate_table -- what many callers owe (lib/base/gcra.h), in memory that the workers of one master share.
 *
 * Fixed in size and without locks: a worker may be killed at any instruction. A key has one of the places of its set; who comes
 * new takes the place of whoever owes least there, as a rule somebody who has paid long ago. Counts are exact as long as no set
 * holds more debtors than places; beyond that the one who owes least is forgiven.
 */
#ifndef PEAL_FCGI_RATE_TABLE_H
#define PEAL_FCGI_RATE_TABLE_H

#include <stdatomic.h>

#include "base/gcra.h"

#define RATE_SETS 8192
#define RATE_WAYS 8

struct rate_place {
	_Atomic uint64_t key; /* 0: nobody's yet */
	_Atomic int64_t paid_us;
};

/* All zero: nobody owes anything. Times are monotonic. */
struct rate_table {
	uint64_t seed; /* set before anybody shares it: nobody can choose who is in whose set */
	struct rate_place sets[RATE_SETS][RATE_WAYS];
};

/* The key of a caller; never 0. */
uint64_t rate_table_key(const struct rate_table *, uint64_t kind, uint64_t who);
void rate_table_take(struct rate_table *, uint64_t key, const struct gcra *, int64_t now_us, struct gcra_answer *ret);
/* What is known to be owed; 0 when nothing is. Takes no place. */
int64_t rate_table_debt(struct rate_table *, uint64_t key, int64_t now_us);
/* Somebody who knows better says that all will be paid no earlier than this. */
void rate_table_raise(struct rate_table *, uint64_t key, int64_t paid_us);

#endif
