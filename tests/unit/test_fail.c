/* fail: one file is one death, or one wait. */
#include "unit.h"

#include <signal.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fail.h"

static char *folder, file[128];

static int
setup(void **state)
{
	char fail[128];

	(void)state;
	folder = unit_folder();
	snprintf(fail, sizeof fail, "%s/fail", folder);
	snprintf(file, sizeof file, "%s/fail/here", folder);
	fail_init(folder);
	return mkdir(fail, 0755);
}

static int
teardown(void **state)
{
	(void)state;
	unit_folder_remove(folder);
	return 0;
}

#ifdef PEAL_FAILPOINTS
/* How many of n children that reach the place are killed by SIGKILL. */
static int
deaths(int n)
{
	int killed = 0, status;

	fflush(NULL);
	for (int i = 0; i < n; i++)
		if (!fork()) {
			if (!freopen("/dev/null", "w", stderr))
				_exit(2);
			FAILPOINT("here");
			_exit(0);
		}
	for (int i = 0; i < n; i++)
		if (wait(&status) > 0)
			killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	return killed;
}

static void
nothing_happens_without_a_file(void **state)
{
	(void)state;
	assert_int_equal(deaths(3), 0);
	fail_init("/nonexistent");
	assert_int_equal(deaths(1), 0);
}

static void
one_file_is_one_death(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		unit_write_file(file, "");
		assert_int_equal(deaths(8), 1);
		assert_int_equal(access(file, F_OK), -1);
	}
	assert_int_equal(deaths(3), 0);
}

static void
another_place_is_not_meant(void **state)
{
	char other[140];

	(void)state;
	snprintf(other, sizeof other, "%s.else", file);
	unit_write_file(other, "");
	assert_int_equal(deaths(3), 0);
	assert_int_equal(access(other, F_OK), 0);
}

static void
a_wait_is_a_wait(void **state)
{
	int64_t from;

	(void)state;
	unit_write_file(file, "sleep 400\n");
	from = clock_mono_us();
	FAILPOINT("here");
	assert_true(clock_mono_us() - from >= 400000);
	from = clock_mono_us();
	FAILPOINT("here");
	assert_true(clock_mono_us() - from < 300000);
}
#else
static void
they_are_not_compiled_in(void **state)
{
	(void)state;
	unit_write_file(file, "");
	FAILPOINT("here");
	assert_int_equal(access(file, F_OK), 0);
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef PEAL_FAILPOINTS
		cmocka_unit_test_setup_teardown(nothing_happens_without_a_file, setup, teardown),
		cmocka_unit_test_setup_teardown(one_file_is_one_death, setup, teardown),
		cmocka_unit_test_setup_teardown(another_place_is_not_meant, setup, teardown),
		cmocka_unit_test_setup_teardown(a_wait_is_a_wait, setup, teardown),
#else
		cmocka_unit_test_setup_teardown(they_are_not_compiled_in, setup, teardown),
#endif
	};

	return cmocka_run_group_tests_name("fail", tests, NULL, NULL);
}
