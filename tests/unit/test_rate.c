/* rate: the table that workers share, counted by processes that are killed as well, and addresses as they are counted. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fcgi/rate.h"
#include "unit.h"

#define SECOND INT64_C(1000000)

static struct rate_table *table;
static struct arena *arena;

static int
set_up(void **state)
{
	(void)state;
	table = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	table->seed = 42;
	arena = arena_new(1 << 20);
	return table == MAP_FAILED;
}

static int
tear_down(void **state)
{
	(void)state;
	munmap(table, sizeof(*table));
	arena_free(arena);
	return 0;
}

static bool
take(uint64_t key, int64_t limit, int64_t now)
{
	const struct gcra g = gcra_of(limit);
	struct gcra_answer a;

	rate_table_take(table, key, &g, now, &a);
	return a.taken;
}

static void
everybody_has_their_own(void **state)
{
	(void)state;
	for (uint64_t who = 1; who <= 1000; who++)
		for (int i = 0; i < 4; i++)
			assert_int_equal(take(rate_table_key(table, 'r', who), 3, SECOND), i < 3);
	assert_true(take(rate_table_key(table, 'm', 1), 3, SECOND));
	assert_int_equal(rate_table_debt(table, rate_table_key(table, 'r', 1), SECOND), 60 * SECOND);
	assert_int_equal(rate_table_debt(table, rate_table_key(table, 'r', 1001), SECOND), 0);
}

static void
a_debt_is_raised_and_never_lowered(void **state)
{
	uint64_t key = rate_table_key(table, 'w', 7);

	(void)state;
	rate_table_raise(table, key, 31 * SECOND);
	rate_table_raise(table, key, 11 * SECOND);
	assert_int_equal(rate_table_debt(table, key, SECOND), 30 * SECOND);
	assert_int_equal(rate_table_debt(table, key, 40 * SECOND), 0);
}

/* Keys of one set: the low bits choose it. */
static void
who_owes_least_goes_first(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= RATE_WAYS; i++)
		for (uint64_t n = 0; n <= i; n++)
			assert_true(take(i * RATE_SETS, 60, SECOND));
	assert_true(take(100 * RATE_SETS, 60, SECOND));
	assert_int_equal(rate_table_debt(table, 100 * RATE_SETS, SECOND), SECOND); /* and inherits nothing */
	assert_int_equal(rate_table_debt(table, 1 * RATE_SETS, SECOND), 0);
	for (uint64_t i = 2; i <= RATE_WAYS; i++)
		assert_int_equal(rate_table_debt(table, i * RATE_SETS, SECOND), (int64_t)(i + 1) * SECOND);
}

static void
work(int64_t *taken, uint64_t people, int64_t limit)
{
	int64_t n = 0;

	for (int64_t i = 0; i < limit; i++)
		for (uint64_t who = 1; who <= people; who++)
			n += take(rate_table_key(table, 'r', who), limit, SECOND);
	*taken = n;
}

/* Four processes ask for everything there is at the same moment of the clock: exactly that is given. */
static void
exact_among_processes(void **state)
{
	enum { N = 4, PEOPLE = 50, LIMIT = 1000 };
	int64_t *taken = mmap(NULL, N * sizeof(*taken), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), sum = 0;
	pid_t pids[N];

	(void)state;
	for (int i = 0; i < N; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			work(&taken[i], PEOPLE, LIMIT);
			_exit(0);
		}
	}
	for (int i = 0; i < N; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
		sum += taken[i];
	}
	assert_int_equal(sum, PEOPLE * LIMIT);
}

/* A worker that dies somewhere in the middle leaves nothing locked, and at most one count too few or too many. */
static void
a_killed_worker_blocks_nobody(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		pid_t pid = fork();
		uint64_t who = 0;

		if (!pid)
			for (;;)
				take(rate_table_key(table, 'r', ++who % 100), 1000000, SECOND);
		usleep(2000);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	for (int i = 0; i < 10; i++)
		assert_true(take(rate_table_key(table, 'x', 1), 10, SECOND));
	assert_false(take(rate_table_key(table, 'x', 1), 10, SECOND));
}

static void
addresses(void **state)
{
	static const struct {
		const char *address, *counted;
	} cases[] = {
		{ "192.0.2.7", "192.0.2.7" },
		{ "::ffff:192.0.2.7", "192.0.2.7" },
		{ "2001:db8:1:2::1", "20010db800010002" },
		{ "2001:DB8:1:2:ffff:ffff:ffff:ffff", "20010db800010002" },
		{ "2001:db8:1:3::1", "20010db800010003" },
		{ "::1", "0000000000000000" },
		{ "", "-" },
		{ "unix:", "-" },
		{ "192.0.2.7, 192.0.2.8", "-" },
		{ "192.0.2.007", "-" },
		{ "fe80::1%eth0", "-" },
		{ "2001:db8::/64", "-" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_str(rate_address(arena, str_c(cases[i].address)), cases[i].counted);
	assert_str(rate_address(arena, STR_NONE), "-");
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(everybody_has_their_own), T(a_debt_is_raised_and_never_lowered), T(who_owes_least_goes_first),
		T(exact_among_processes),   T(a_killed_worker_blocks_nobody),      T(addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
