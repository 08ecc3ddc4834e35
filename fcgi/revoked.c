/* fcgi/revoked.c -- sessions that have ended, shared by workers without locks. */
#include "revoked.h"

#define UUID_CHARS 36

/* The finalizer of SplitMix64, as in rate_table.c: neighbouring ids fall into sets far apart. */
static uint64_t
spread(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static uint64_t
digit(char c)
{
	return (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

uint64_t
revoked_session(struct str session_id)
{
	uint64_t key = 0;

	for (size_t i = 0; i < session_id.n && i < UUID_CHARS; i++)
		if (session_id.p[i] != '-')
			key = (key << 4 | key >> 60) ^ digit(session_id.p[i]);
	return key | 1;
}

static struct revoked_place *
set_of(struct revoked *t, uint64_t key)
{
	return t->sets[spread(key) % REVOKED_SETS];
}

bool
revoked_due(struct revoked *t, int64_t now_us)
{
	int64_t asked = atomic_load_explicit(&t->asked_us, memory_order_relaxed);

	return (!asked || now_us - asked >= REVOKED_EVERY_US) &&
	       atomic_compare_exchange_strong(&t->asked_us, &asked, now_us);
}

static void
raise(_Atomic int64_t *at, int64_t value)
{
	int64_t old = atomic_load(at);

	while (old < value && !atomic_compare_exchange_weak(at, &old, value))
		;
}

/* Takes a place whose time is over: by its time, which no two can change from the same value, and by the key after that. */
static bool
settle(struct revoked_place *place, uint64_t key, int64_t now_us, int64_t until_us)
{
	int64_t old = atomic_load(&place->until_us);

	if (old > now_us || !atomic_compare_exchange_strong(&place->until_us, &old, until_us))
		return false;
	atomic_store(&place->key, key);
	return true;
}

/* Two workers may add the same at the same moment: then it lies in two places, which does no harm. */
void
revoked_add(struct revoked *t, uint64_t key, int64_t now_us, int64_t until_us)
{
	struct revoked_place *set = set_of(t, key);

	for (size_t i = 0; i < REVOKED_WAYS; i++) {
		if (atomic_load(&set[i].key) != key || atomic_load(&set[i].until_us) <= now_us)
			continue;
		raise(&set[i].until_us, until_us);
		return;
	}
	for (size_t i = 0; i < REVOKED_WAYS; i++)
		if (settle(&set[i], key, now_us, until_us))
			return;
	raise(&t->incomplete_us, until_us);
}

/* Of two who asked at the same time either may come last: its horizon is the lower one at worst, and asked from again. */
void
revoked_complete(struct revoked *t, int64_t horizon, int64_t asked_us)
{
	atomic_store(&t->horizon, horizon);
	raise(&t->fresh_us, asked_us);
}

enum revoked_answer
revoked_look(struct revoked *t, uint64_t key, int64_t now_us)
{
	int64_t fresh = atomic_load_explicit(&t->fresh_us, memory_order_acquire);
	struct revoked_place *set = set_of(t, key);

	for (size_t i = 0; i < REVOKED_WAYS; i++)
		if (atomic_load_explicit(&set[i].key, memory_order_acquire) == key && atomic_load(&set[i].until_us) > now_us)
			return REVOKED_YES;
	if (!fresh || now_us - fresh > REVOKED_STALE_US || atomic_load(&t->incomplete_us) > now_us)
		return REVOKED_UNKNOWN;
	return REVOKED_NO;
}
