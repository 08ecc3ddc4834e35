/* gcra: exactly so many at once, then one per interval, and nothing that is out of range ever adds up. */
#include "base/gcra.h"
#include "unit.h"

#define SECOND INT64_C(1000000)

static void
all_at_once_then_one_by_one(void **state)
{
	static const int64_t limits[] = { 1, 2, 7, 100, 600, 59999, 1000000 };

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		const struct gcra g = gcra_of(limits[i]);
		int64_t now = 5 * SECOND, paid = 0;
		struct gcra_answer a;

		for (int64_t n = 1; n <= limits[i]; n++) {
			paid = gcra_take(&g, paid, now, &a);
			assert_true(a.taken);
			assert_int_equal(a.remaining, limits[i] - n);
			assert_int_equal(a.retry_us, 0);
		}
		assert_int_equal(gcra_take(&g, paid, now, &a), paid);
		assert_false(a.taken);
		assert_int_equal(a.remaining, 0);
		assert_int_equal(a.retry_us, g.interval_us);
		assert_int_equal(a.debt_us, g.window_us);
		/* one microsecond too early, and in time */
		gcra_take(&g, paid, now + g.interval_us - 1, &a);
		assert_false(a.taken);
		assert_int_equal(a.retry_us, 1);
		paid = gcra_take(&g, paid, now + g.interval_us, &a);
		assert_true(a.taken);
		gcra_take(&g, paid, now + g.interval_us, &a);
		assert_false(a.taken);
	}
}

static void
a_minute_gives_everything_back(void **state)
{
	const struct gcra g = gcra_of(100);
	struct gcra_answer a;
	int64_t paid = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		paid = gcra_take(&g, paid, SECOND, &a);
	gcra_take(&g, paid, 61 * SECOND, &a);
	assert_int_equal(a.remaining, 99);
	gcra_take(&g, paid, 31 * SECOND, &a);
	assert_int_equal(a.remaining, 49);
	/* nobody saves up more than a minute's */
	gcra_take(&g, paid, 3600 * SECOND, &a);
	assert_int_equal(a.remaining, 99);
}

/* However the moments fall: in no stretch of a minute more than the limit and what the minute gave back. */
static void
never_more_than_allowed(void **state)
{
	const struct gcra g = gcra_of(13);
	int64_t now = SECOND, paid = 0, taken = 0;
	struct gcra_answer a;
	uint64_t x = 88172645463325252u;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		now += (int64_t)(x % (uint64_t)g.interval_us);
		paid = gcra_take(&g, paid, now, &a);
		taken += a.taken;
		assert_true(taken <= 13 + (now - SECOND) / g.interval_us);
		assert_in_range(a.remaining, 0, 12);
	}
	assert_true(taken > 40000);
}

static void
a_strange_debt_is_at_most_a_minute(void **state)
{
	const struct gcra g = gcra_of(60);
	struct gcra_answer a;

	(void)state;
	gcra_take(&g, INT64_MAX, SECOND, &a);
	assert_false(a.taken);
	assert_int_equal(a.retry_us, SECOND);
	gcra_take(&g, INT64_MIN / 2, SECOND, &a);
	assert_true(a.taken);
	assert_int_equal(a.remaining, 59);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_at_once_then_one_by_one),
		cmocka_unit_test(a_minute_gives_everything_back),
		cmocka_unit_test(never_more_than_allowed),
		cmocka_unit_test(a_strange_debt_is_at_most_a_minute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
