/* recent.c -- two generations of hashes. */
#include "recent.h"

static void
turn(struct recent *r)
{
	table_deinit(&r->before);
	r->before = r->now;
	r->now = (struct table){ 0 };
}

static uint64_t
mix(uint64_t x)
{
	x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdu;
	x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53u;
	return x ^ (x >> 33);
}

/* The stream and the place are kept as they are; only who heard it is folded in. */
bool
recent_add(struct recent *r, int64_t id, char stream, int64_t position, int64_t user_id)
{
	int64_t a = (int64_t)(mix((uint64_t)id * 2 + (stream == 'u')) ^ mix((uint64_t)user_id * 0x9e3779b97f4a7c15u));
	int64_t b = position;

	if (!a)
		a = 1;
	if (table_get(&r->now, a, b) || table_get(&r->before, a, b))
		return false;
	if (r->now.n >= RECENT_MAX)
		turn(r);
	table_put(&r->now, a, b)->i = 1;
	return true;
}

void
recent_age(struct recent *r, int64_t now_ms, int64_t period_ms)
{
	if (now_ms - r->turned_ms < period_ms)
		return;
	turn(r);
	r->turned_ms = now_ms;
}

void
recent_deinit(struct recent *r)
{
	table_deinit(&r->now);
	table_deinit(&r->before);
}
