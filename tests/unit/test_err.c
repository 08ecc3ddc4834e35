/* err: the list of outcomes and the trace of a fault. */
#include "unit.h"

#include <errno.h>

#include "base/buf.h"
#include "base/err.h"

static void
every_outcome_is_described_once(void **state)
{
	(void)state;
	for (int i = OUTCOME_OK + 1; i < OUTCOME_MAX; i++) {
		const struct outcome_info *o = outcome_info(i);
		size_t n = strlen(o->text);

		assert_true(o->status >= 400 && o->status < 600);
		assert_true(n > 10 && o->text[n - 1] == '.');
		assert_int_equal(strlen(o->code), strlen(o->name));
		for (int j = i + 1; j < OUTCOME_MAX; j++)
			assert_string_not_equal(o->code, outcome_info(j)->code);
	}
}

static void
faults_are_internal(void **state)
{
	(void)state;
	assert_string_equal(outcome_info(-EIO)->code, "internal");
	assert_string_equal(outcome_info(OUTCOME_MAX)->code, "internal");
	assert_string_equal(outcome_info(INT32_MIN)->code, "internal");
	assert_string_equal(outcome_info(NOT_FOUND)->code, "not_found");
	assert_int_equal(outcome_info(NOT_FOUND)->status, 404);
	assert_int_equal(outcome_info(OUTCOME_OK)->status, 200);
}

static void
a_trace_starts_at_the_fault(void **state)
{
	(void)state;
	err_clear();
	assert_string_equal(err_path(), "");
	assert_int_equal(err_trace(NOT_FOUND, "x.c", 1), NOT_FOUND);
	assert_string_equal(err_path(), "");
	assert_int_equal(err_origin(-EIO, "a.c", 1), -EIO);
	assert_int_equal(err_trace(-EIO, "b.c", 22), -EIO);
	assert_string_equal(err_path(), "a.c:1 < b.c:22");
	assert_int_equal(fault(-ENOENT), -ENOENT);
	assert_non_null(strstr(err_path(), "test_err.c:"));
	assert_null(strstr(err_path(), "a.c:1"));
}

static void
a_fault_is_never_success(void **state)
{
	(void)state;
	assert_int_equal(fault(0), -EIO);
	assert_int_equal(fault(5), -EIO);
}

static void
a_long_trace_is_cut_at_a_place(void **state)
{
	(void)state;
	err_origin(-EIO, "origin.c", 1);
	for (int i = 0; i < 1000; i++)
		err_trace(-EIO, "somewhere/deep/file.c", i);
	assert_true(strlen(err_path()) < 512);
	assert_memory_equal(err_path(), "origin.c:1 < ", 13);
	assert_null(strstr(err_path() + strlen(err_path()) - 2, "<"));
	err_clear();
}

static void
the_reference_names_every_code(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	err_write_reference(&b);
	buf_char(&b, '\0');
	assert_false(buf_failed(&b));
	for (int i = OUTCOME_OK + 1; i < OUTCOME_MAX; i++)
		assert_non_null(strstr(b.p, outcome_info(i)->code));
	buf_deinit(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_outcome_is_described_once), cmocka_unit_test(faults_are_internal),
		cmocka_unit_test(a_trace_starts_at_the_fault),     cmocka_unit_test(a_fault_is_never_success),
		cmocka_unit_test(a_long_trace_is_cut_at_a_place),  cmocka_unit_test(the_reference_names_every_code),
	};

	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
