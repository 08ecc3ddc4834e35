/* table.c -- open addressing with backward-shift deletion. */
#include "table.h"

#include "mem.h"

#define TABLE_FIRST 8

static size_t
hash(int64_t a, int64_t b)
{
	uint64_t x = (uint64_t)a * 0x9e3779b97f4a7c15u ^ ((uint64_t)b + 0x7f4a7c159e3779b9u);

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return (size_t)(x ^ (x >> 31));
}

void
table_deinit(struct table *t)
{
	free(t->slots);
	*t = (struct table){ 0 };
}

/* The slot of the pair, or the empty one where it would go. */
static struct table_slot *
probe(const struct table *t, int64_t a, int64_t b)
{
	size_t i = hash(a, b) & (t->size - 1);

	while (t->slots[i].a && (t->slots[i].a != a || t->slots[i].b != b))
		i = (i + 1) & (t->size - 1);
	return &t->slots[i];
}

static void
grow(struct table *t)
{
	struct table old = *t;

	t->size = old.size ? old.size * 2 : TABLE_FIRST;
	t->slots = mem_zeroed(t->size * sizeof(*t->slots));
	for (size_t i = 0; i < old.size; i++)
		if (old.slots[i].a)
			*probe(t, old.slots[i].a, old.slots[i].b) = old.slots[i];
	free(old.slots);
}

struct table_slot *
table_get(const struct table *t, int64_t a, int64_t b)
{
	struct table_slot *slot;

	if (!t->n)
		return NULL;
	slot = probe(t, a, b);
	return slot->a ? slot : NULL;
}

struct table_slot *
table_put(struct table *t, int64_t a, int64_t b)
{
	struct table_slot *slot = table_get(t, a, b);

	if (slot)
		return slot;
	if (t->n + 1 > t->size / 4 * 3)
		grow(t);
	slot = probe(t, a, b);
	slot->a = a;
	slot->b = b;
	t->n++;
	return slot;
}

bool
table_del(struct table *t, int64_t a, int64_t b)
{
	struct table_slot *slot = table_get(t, a, b);
	size_t hole, mask = t->size - 1;

	if (!slot)
		return false;
	hole = (size_t)(slot - t->slots);
	for (size_t i = (hole + 1) & mask; t->slots[i].a; i = (i + 1) & mask) {
		size_t home = hash(t->slots[i].a, t->slots[i].b) & mask;

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			t->slots[hole] = t->slots[i];
			hole = i;
		}
	}
	t->slots[hole] = (struct table_slot){ 0 };
	t->n--;
	return true;
}

struct table_slot *
table_next(const struct table *t, const struct table_slot *slot)
{
	size_t i = slot ? (size_t)(slot - t->slots) + 1 : 0;

	while (i < t->size && !t->slots[i].a)
		i++;
	return i < t->size ? &t->slots[i] : NULL;
}
