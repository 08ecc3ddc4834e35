/* arena: zeroed, aligned, tied lifetimes, and death past the cap. */
#include "unit.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

static char order[16];

static void
note(void *arg)
{
	strcat(order, arg);
}

static void
pieces_are_zeroed_aligned_and_apart(void **state)
{
	struct arena *a = arena_new(1 << 20);

	(void)state;
	for (int round = 0; round < 3; round++) {
		char *before = NULL;

		for (size_t n = 0; n < 300; n++) {
			char *p = arena_alloc(a, n);

			assert_int_equal((uintptr_t)p % 16, 0);
			for (size_t i = 0; i < n; i++)
				assert_int_equal(p[i], 0);
			memset(p, 0x5A, n);
			if (before && n > 1)
				assert_int_equal(before[n - 2], 0x5A);
			before = p;
		}
		assert_int_equal(arena_used(a), 299 * 300 / 2);
		arena_reset(a);
		assert_int_equal(arena_used(a), 0);
	}
	assert_null(arena_free(a));
	assert_null(arena_free(NULL));
}

static void
pieces_larger_than_a_block(void **state)
{
	struct arena *a = arena_new(64 << 20);
	char *big = arena_alloc(a, 5 << 20), *small = arena_alloc(a, 10);

	(void)state;
	memset(big, 1, 5 << 20);
	assert_int_equal(small[0], 0);
	arena_reset(a);
	assert_non_null(arena_alloc(a, 3 << 20));
	arena_free(a);
}

static void
deferred_run_in_reverse_and_once(void **state)
{
	struct arena *a = arena_new(1 << 16);

	(void)state;
	order[0] = '\0';
	arena_defer(a, note, "a");
	arena_defer(a, note, "b");
	arena_defer(a, note, "c");
	arena_reset(a);
	assert_string_equal(order, "cba");
	arena_reset(a);
	assert_string_equal(order, "cba");
	arena_defer(a, note, "d");
	arena_free(a);
	assert_string_equal(order, "cbad");
}

static void
past_cap(void)
{
	struct arena *a = arena_new(1000);

	arena_alloc(a, 1000);
	arena_alloc(a, 1);
}

static void
overflowing_array(void)
{
	arena_alloc_array(arena_new(SIZE_MAX), SIZE_MAX / 2, 3);
}

static void
cap_and_overflow_abort(void **state)
{
	struct arena *a = arena_new(1000);

	(void)state;
	assert_non_null(arena_alloc(a, 1000));
	arena_reset(a);
	assert_non_null(arena_alloc(a, 1000));
	arena_free(a);
	assert_true(unit_aborts(past_cap));
	assert_true(unit_aborts(overflowing_array));
}

static void
texts_are_terminated(void **state)
{
	struct arena *a = arena_new(1 << 20);
	struct str long_text = arena_printf(a, "%070000d", 7);

	(void)state;
	assert_str(arena_str(a, str_n("abcdef", 3)), "abc");
	assert_string_equal(arena_cstr(a, str_n("abcdef", 3)), "abc");
	assert_string_equal(arena_cstr(a, STR_NONE), "");
	assert_str(arena_printf(a, "%d-%s", 12, "x"), "12-x");
	assert_str(arena_printf(a, "%s", ""), "");
	assert_int_equal(long_text.n, 70000);
	assert_int_equal(long_text.p[70000], 0);
	arena_free(a);
}

static void
what_is_not_a_piece_is_poisoned(void **state)
{
	(void)state;
#ifdef __SANITIZE_ADDRESS__
	struct arena *a = arena_new(1 << 16);
	char *p = arena_alloc(a, 16), *q = arena_alloc(a, 3);

	assert_false(__asan_address_is_poisoned(p + 15));
	assert_true(__asan_address_is_poisoned(p + 16));
	assert_false(__asan_address_is_poisoned(q + 2));
	assert_true(__asan_address_is_poisoned(q + 3));
	arena_reset(a);
	assert_true(__asan_address_is_poisoned(p));
	arena_free(a);
#else
	skip();
#endif
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_zeroed_aligned_and_apart),
		cmocka_unit_test(pieces_larger_than_a_block),
		cmocka_unit_test(deferred_run_in_reverse_and_once),
		cmocka_unit_test(cap_and_overflow_abort),
		cmocka_unit_test(texts_are_terminated),
		cmocka_unit_test(what_is_not_a_piece_is_poisoned),
	};

	return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
