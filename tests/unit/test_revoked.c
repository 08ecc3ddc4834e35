/* revoked: sessions that have ended, shared by processes that are killed as well. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "fcgi/revoked.h"
#include "unit.h"

#define SECOND INT64_C(1000000)
#define NOW    (1000 * SECOND)
#define UNTIL  (NOW + 600 * SECOND)

static struct revoked *table;

static int
set_up(void **state)
{
	(void)state;
	table = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return table == MAP_FAILED;
}

static int
tear_down(void **state)
{
	(void)state;
	munmap(table, sizeof(*table));
	return 0;
}

static uint64_t
nth(uint64_t n)
{
	char uuid[37];

	snprintf(uuid, sizeof(uuid), "%08x-7dec-4a1f-8000-00a0c91e6bf6", (unsigned)n);
	return revoked_session(str_c(uuid));
}

static void
until_somebody_has_asked_nothing_is_known(void **state)
{
	(void)state;
	assert_int_equal(revoked_look(table, nth(1), NOW), REVOKED_UNKNOWN);
	revoked_complete(table, 7, NOW);
	assert_int_equal(atomic_load(&table->horizon), 7);
	assert_int_equal(revoked_look(table, nth(1), NOW), REVOKED_NO);
	assert_int_equal(revoked_look(table, nth(1), NOW + REVOKED_STALE_US), REVOKED_NO);
	assert_int_equal(revoked_look(table, nth(1), NOW + REVOKED_STALE_US + 1), REVOKED_UNKNOWN);
}

static void
one_asks_at_a_time(void **state)
{
	(void)state;
	assert_true(revoked_due(table, NOW));
	assert_false(revoked_due(table, NOW));
	assert_false(revoked_due(table, NOW + REVOKED_EVERY_US - 1));
	assert_true(revoked_due(table, NOW + REVOKED_EVERY_US)); /* whoever has asked may be dead */
	assert_false(revoked_due(table, NOW + REVOKED_EVERY_US));
}

static void
what_has_ended_is_remembered_for_a_time(void **state)
{
	(void)state;
	revoked_complete(table, 1, UNTIL);
	revoked_add(table, nth(1), NOW, UNTIL);
	assert_int_equal(revoked_look(table, nth(1), NOW), REVOKED_YES);
	assert_int_equal(revoked_look(table, nth(2), UNTIL - 1), REVOKED_NO);
	assert_int_equal(revoked_look(table, nth(1), UNTIL - 1), REVOKED_YES);
	assert_int_equal(revoked_look(table, nth(1), UNTIL), REVOKED_NO);
	revoked_add(table, nth(1), NOW + SECOND, UNTIL + SECOND); /* told once more: a horizon goes back a little */
	assert_int_equal(revoked_look(table, nth(1), UNTIL), REVOKED_YES);
}

/* What is known to have ended stays so when nobody can ask. */
static void
a_stale_table_still_refuses(void **state)
{
	(void)state;
	revoked_add(table, nth(1), NOW, UNTIL);
	assert_int_equal(revoked_look(table, nth(1), NOW), REVOKED_YES);
	assert_int_equal(revoked_look(table, nth(2), NOW), REVOKED_UNKNOWN);
}

static void
places_are_used_again(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		int64_t now = NOW + round * 1000 * SECOND;

		for (uint64_t i = 1; i <= 10000; i++)
			revoked_add(table, nth(i + (uint64_t)round * 10000), now, now + 600 * SECOND);
		revoked_complete(table, 1, now);
		assert_int_equal(revoked_look(table, nth(1 + (uint64_t)round * 10000), now), REVOKED_YES);
		assert_int_equal(revoked_look(table, nth(0), now), REVOKED_NO);
	}
}

/* More than there are places for: then nobody is let through unasked, for as long as it would have been remembered. */
static void
an_overflow_makes_it_unreliable(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= REVOKED_SETS * REVOKED_WAYS * 2; i++)
		revoked_add(table, nth(i), NOW, UNTIL);
	revoked_complete(table, 1, NOW);
	for (uint64_t i = 1; i <= REVOKED_SETS * REVOKED_WAYS * 2; i += 1009)
		assert_int_not_equal(revoked_look(table, nth(i), NOW), REVOKED_NO);
	revoked_complete(table, 1, UNTIL);
	assert_int_equal(revoked_look(table, nth(1), UNTIL), REVOKED_NO);
}

static void
keys_of_sessions_differ(void **state)
{
	struct arena *arena = arena_new(1 << 24);
	uint64_t seen[2000];

	(void)state;
	for (size_t i = 0; i < 2000; i++) {
		seen[i] = revoked_session(uuid_new(arena));
		assert_int_not_equal(seen[i], 0);
		for (size_t j = 0; j < i; j++)
			assert_true(seen[i] != seen[j]);
	}
	assert_true(revoked_session(STR("0d9f0a4e-5b1c-4c7e-9a53-2f6b8d1e7c40")) !=
	            revoked_session(STR("0d9f0a4e-5b1c-4c7e-9a53-2f6b8d1e7c42")));
	arena_free(arena);
}

/* Adding all the time until killed, at any instruction: whatever one process said it had added is there for the others. */
static void
whoever_adds_may_be_killed(void **state)
{
	_Atomic uint64_t *done = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	(void)state;
	for (int round = 0; round < 20; round++) {
		pid_t pids[2];

		for (uint64_t p = 0; p < 2; p++) {
			pids[p] = fork();
			for (uint64_t i = atomic_load(&done[p]) + 1; !pids[p]; i++) {
				revoked_add(table, nth(i % 4000 + p * 1000000), NOW, UNTIL);
				atomic_store(&done[p], i);
			}
		}
		usleep(3000);
		for (int p = 0; p < 2; p++) {
			kill(pids[p], SIGKILL);
			waitpid(pids[p], NULL, 0);
		}
	}
	revoked_complete(table, 1, NOW);
	for (uint64_t p = 0; p < 2; p++)
		for (uint64_t i = 1; i <= atomic_load(&done[p]) && i < 4000; i++)
			assert_int_equal(revoked_look(table, nth(i + p * 1000000), NOW), REVOKED_YES);
	munmap((void *)done, 4096);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(until_somebody_has_asked_nothing_is_known),
		T(one_asks_at_a_time),
		T(what_has_ended_is_remembered_for_a_time),
		T(a_stale_table_still_refuses),
		T(places_are_used_again),
		T(an_overflow_makes_it_unreliable),
		T(keys_of_sessions_differ),
		T(whoever_adds_may_be_killed),
	};

	return cmocka_run_group_tests_name("revoked", tests, NULL, NULL);
}
