/* fcgi/rate_table.c -- debts of many callers, shared by workers without locks. */
#include <stddef.h>

#include "rate_table.h"

/* The finalizer of SplitMix64: every bit of the input moves half of the bits of the output. */
static uint64_t
mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

uint64_t
rate_table_key(const struct rate_table *t, uint64_t kind, uint64_t who)
{
	uint64_t key = mix(mix(t->seed ^ kind) ^ who);

	return key ? key : 1;
}

static struct rate_place *
find(struct rate_table *t, uint64_t key)
{
	struct rate_place *set = t->sets[key % RATE_SETS];

	for (size_t i = 0; i < RATE_WAYS; i++)
		if (atomic_load_explicit(&set[i].key, memory_order_acquire) == key)
			return &set[i];
	return NULL;
}

/*
 * Takes the place of whoever owes least; empty places owe nothing. The debt that lay there is forgiven only after the place
 * has changed hands, and only if nobody has added to it since, who would be a worker that found the new key.
 */
static struct rate_place *
settle(struct rate_table *t, uint64_t key)
{
	struct rate_place *set = t->sets[key % RATE_SETS], *least = &set[0];
	uint64_t whose = atomic_load(&least->key);
	int64_t owed = atomic_load(&least->paid_us);

	for (size_t i = 1; i < RATE_WAYS; i++) {
		int64_t paid = atomic_load(&set[i].paid_us);

		if (paid >= owed)
			continue;
		least = &set[i];
		whose = atomic_load(&least->key);
		owed = paid;
	}
	if (!atomic_compare_exchange_strong(&least->key, &whose, key))
		return NULL;
	atomic_compare_exchange_strong(&least->paid_us, &owed, 0);
	return least;
}

/* Two workers may bring the same caller at the same moment: who comes second finds what the first one has made. */
static struct rate_place *
place_of(struct rate_table *t, uint64_t key)
{
	struct rate_place *place = find(t, key);

	while (!place) {
		place = settle(t, key);
		if (!place)
			place = find(t, key);
	}
	return place;
}

void
rate_table_take(struct rate_table *t, uint64_t key, const struct gcra *g, int64_t now_us, struct gcra_answer *ret)
{
	struct rate_place *place = place_of(t, key);
	int64_t paid = atomic_load(&place->paid_us), next;

	do
		next = gcra_take(g, paid, now_us, ret);
	while (ret->taken && !atomic_compare_exchange_weak(&place->paid_us, &paid, next));
}

int64_t
rate_table_debt(struct rate_table *t, uint64_t key, int64_t now_us)
{
	struct rate_place *place = find(t, key);
	int64_t paid = place ? atomic_load(&place->paid_us) : 0;

	return paid > now_us ? paid - now_us : 0;
}

void
rate_table_raise(struct rate_table *t, uint64_t key, int64_t paid_us)
{
	struct rate_place *place = place_of(t, key);
	int64_t paid = atomic_load(&place->paid_us);

	while (paid < paid_us && !atomic_compare_exchange_weak(&place->paid_us, &paid, paid_us))
		;
}
