/* buf: growth, numbers, and failure that sticks until cleared. */
#include "unit.h"

#include "base/buf.h"

static void
grows_and_keeps_its_block(void **state)
{
	struct buf b;
	char *block;

	(void)state;
	buf_init(&b, 1 << 20);
	assert_str(buf_view(&b), "");
	for (int i = 0; i < 10000; i++)
		buf_str(&b, STR("0123456789"));
	assert_int_equal(buf_view(&b).n, 100000);
	assert_memory_equal(b.p + 99990, "0123456789", 10);
	block = b.p;
	buf_clear(&b);
	buf_str(&b, STR("x"));
	assert_ptr_equal(b.p, block);
	assert_str(buf_view(&b), "x");
	buf_deinit(&b);
	buf_deinit(&b);
}

static void
writes_numbers(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	buf_int(&b, 0);
	buf_char(&b, ' ');
	buf_int(&b, INT64_MAX);
	buf_char(&b, ' ');
	buf_int(&b, INT64_MIN);
	buf_char(&b, ' ');
	buf_int(&b, -7);
	assert_str(buf_view(&b), "0 9223372036854775807 -9223372036854775808 -7");
	buf_deinit(&b);
}

static void
fills_to_the_cap_and_no_further(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 10);
	buf_str(&b, STR("0123456789"));
	assert_false(buf_failed(&b));
	buf_str(&b, STR_NONE);
	assert_false(buf_failed(&b));
	buf_char(&b, 'x');
	assert_true(buf_failed(&b));
	assert_null(buf_reserve(&b, 1));
	assert_str(buf_view(&b), "0123456789");
	buf_clear(&b);
	assert_false(buf_failed(&b));
	buf_str(&b, STR("again"));
	assert_str(buf_view(&b), "again");
	buf_deinit(&b);
}

static void
a_failure_is_not_healed_by_something_smaller(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 10);
	buf_str(&b, STR("0123456789ab"));
	buf_str(&b, STR("fits"));
	assert_true(buf_failed(&b));
	assert_str(buf_view(&b), "");
	buf_deinit(&b);
}

static void
reserves_and_commits(void **state)
{
	struct buf b;
	char *to;

	(void)state;
	buf_init(&b, 1000);
	to = buf_reserve(&b, 500);
	assert_non_null(to);
	memcpy(to, "abc", 3);
	buf_commit(&b, 3);
	assert_str(buf_view(&b), "abc");
	assert_null(buf_reserve(&b, 998));
	buf_deinit(&b);
	buf_init(&b, 1000);
	assert_null(buf_reserve(&b, SIZE_MAX));
	buf_deinit(&b);
}

static void
commits_too_much(void)
{
	struct buf b;

	buf_init(&b, 1000);
	buf_reserve(&b, 10);
	buf_commit(&b, 1000);
}

static void
misuse_aborts(void **state)
{
	(void)state;
	assert_true(unit_aborts(commits_too_much));
}

/* The NUL that vsnprintf(3) adds must neither be counted nor written past the block. */
static void
prints_exactly_to_the_cap(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 10);
	buf_printf(&b, "%s", "0123456789");
	assert_false(buf_failed(&b));
	assert_str(buf_view(&b), "0123456789");
	buf_printf(&b, "%s", "");
	assert_false(buf_failed(&b));
	buf_printf(&b, "%d", 1);
	assert_true(buf_failed(&b));
	buf_deinit(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_and_keeps_its_block),
		cmocka_unit_test(writes_numbers),
		cmocka_unit_test(fills_to_the_cap_and_no_further),
		cmocka_unit_test(a_failure_is_not_healed_by_something_smaller),
		cmocka_unit_test(reserves_and_commits),
		cmocka_unit_test(misuse_aborts),
		cmocka_unit_test(prints_exactly_to_the_cap),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
