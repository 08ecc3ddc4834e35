/* test_hub.c -- who hears what, the table under it, and what was heard lately; against plain arrays where it matters. */
#include "unit.h"

#include "push/hub.h"
#include "push/recent.h"

#define KEYS  500
#define STEPS 200000

/* --- table: random operations against an array --- */

static void
check_all(const struct table *t, const int64_t *model)
{
	size_t n = 0, walked = 0;

	for (int64_t k = 0; k < KEYS; k++) {
		struct table_slot *s = table_get(t, k / 10 + 1, k % 10);

		assert_int_equal(s ? s->i : 0, model[k]);
		n += model[k] != 0;
	}
	for (struct table_slot *s = table_next(t, NULL); s; s = table_next(t, s))
		walked++;
	assert_int_equal(n, t->n);
	assert_int_equal(walked, n);
}

static void
test_table_is_a_map(void **state)
{
	int64_t model[KEYS] = { 0 };
	struct table t = { 0 };

	(void)state;
	srand(7);
	for (int i = 0; i < STEPS; i++) {
		int64_t k = rand() % KEYS;

		if (rand() % 3) {
			model[k] = i + 1;
			table_put(&t, k / 10 + 1, k % 10)->i = i + 1;
		} else {
			assert_int_equal(table_del(&t, k / 10 + 1, k % 10), model[k] != 0);
			model[k] = 0;
		}
		if (i % 10000 == 0)
			check_all(&t, model);
	}
	check_all(&t, model);
	table_deinit(&t);
	assert_null(table_next(&t, NULL));
}

static void
test_table_empty(void **state)
{
	struct table t = { 0 };

	(void)state;
	assert_null(table_get(&t, 1, 1));
	assert_false(table_del(&t, 1, 1));
	assert_null(t.slots);
	table_put(&t, 1, 2)->i = 5;
	assert_null(table_get(&t, 2, 1));
	assert_int_equal(table_put(&t, 1, 2)->i, 5);
	table_deinit(&t);
}

/* --- hub --- */

static void
test_join_and_leave(void **state)
{
	struct hub hub = { 0 };
	struct hub_node a, b, c;
	struct hub_channel *ch;
	int who[3];

	(void)state;
	assert_null(hub_find(&hub, HUB_EVENTS, 7));
	ch = hub_join(&hub, HUB_EVENTS, 7, &a, &who[0]);
	assert_ptr_equal(hub_join(&hub, HUB_EVENTS, 7, &b, &who[1]), ch);
	assert_ptr_not_equal(hub_join(&hub, HUB_EVENTS, 8, &c, &who[2]), ch);
	assert_int_equal(ch->n, 2);
	assert_ptr_equal(ch->first->listener, &who[1]);
	assert_ptr_equal(hub_leave(&b), ch);
	assert_null(hub_leave(&b));
	assert_int_equal(ch->n, 1);
	assert_ptr_equal(hub_leave(&a), ch);
	assert_ptr_equal(hub_find(&hub, HUB_EVENTS, 7), ch);
	hub_forget(&hub, ch);
	assert_null(hub_find(&hub, HUB_EVENTS, 7));
	hub_deinit(&hub);
}

static void
test_kinds_are_apart(void **state)
{
	struct hub hub = { 0 };
	struct hub_node hears, watches;
	struct hub_channel *u = hub_join(&hub, HUB_EVENTS, 7, &hears, NULL);
	struct hub_channel *p = hub_join(&hub, HUB_PRESENCE, 7, &watches, NULL);

	(void)state;
	assert_ptr_not_equal(u, p);
	hub_leave(&hears);
	hub_forget(&hub, u);
	assert_ptr_equal(hub_find(&hub, HUB_PRESENCE, 7), p);
	assert_int_equal(p->n, 1);
	hub_deinit(&hub);
}

static void
test_each_may_leave(void **state)
{
	struct hub_node nodes[10];
	struct hub_channel *ch = NULL;
	struct hub hub = { 0 };
	int seen = 0;

	(void)state;
	for (int i = 0; i < 10; i++)
		ch = hub_join(&hub, HUB_EVENTS, 1, &nodes[i], NULL);
	HUB_EACH (ch, node) {
		seen++;
		if (seen % 2)
			hub_leave(node);
	}
	assert_int_equal(seen, 10);
	assert_int_equal(ch->n, 5);
	HUB_EACH (ch, node)
		seen--;
	assert_int_equal(seen, 5);
	hub_deinit(&hub);
}

/* Random joins and leaves: every channel's list is exactly those who are on it. */
static void
test_random_lists(void **state)
{
	enum { NODES = 300, USERS = 20 };
	static struct hub_node nodes[NODES];
	static int on[NODES];
	struct hub hub = { 0 };

	(void)state;
	srand(11);
	for (int i = 0; i < 50000; i++) {
		int k = rand() % NODES;

		if (on[k]) {
			hub_leave(&nodes[k]);
			on[k] = 0;
		} else {
			on[k] = 1 + rand() % USERS;
			hub_join(&hub, HUB_EVENTS, on[k], &nodes[k], &on[k]);
		}
	}
	for (int user = 1; user <= USERS; user++) {
		struct hub_channel *ch = hub_find(&hub, HUB_EVENTS, user);
		size_t n = 0, listed = 0;

		for (int k = 0; k < NODES; k++)
			n += on[k] == user;
		HUB_EACH (ch, node) {
			assert_int_equal(*(int *)node->listener, user);
			listed++;
		}
		assert_int_equal(listed, n);
		assert_int_equal(ch->n, n);
	}
	hub_deinit(&hub);
}

/* --- recent --- */

static void
test_recent_tells_apart(void **state)
{
	struct recent r = { 0 };

	(void)state;
	assert_true(recent_add(&r, 12, 'c', 5, 7));
	assert_false(recent_add(&r, 12, 'c', 5, 7));
	assert_true(recent_add(&r, 12, 'c', 5, 8));
	assert_true(recent_add(&r, 12, 'c', 6, 7));
	assert_true(recent_add(&r, 12, 'u', 5, 7));
	assert_true(recent_add(&r, 7, 'c', 5, 12));
	recent_deinit(&r);
}

static void
test_recent_forgets_after_two_periods(void **state)
{
	struct recent r = { 0 };

	(void)state;
	recent_age(&r, 1000, 100);
	assert_true(recent_add(&r, 1, 'c', 1, 1));
	recent_age(&r, 1099, 100);
	recent_age(&r, 1100, 100);
	assert_false(recent_add(&r, 1, 'c', 1, 1));
	recent_age(&r, 1200, 100);
	assert_true(recent_add(&r, 1, 'c', 1, 1));
	recent_deinit(&r);
}

static void
test_recent_is_bounded(void **state)
{
	struct recent r = { 0 };

	(void)state;
	for (int64_t i = 1; i <= 3 * RECENT_MAX; i++)
		assert_true(recent_add(&r, 1, 'c', i, 1));
	assert_true(r.now.n <= RECENT_MAX && r.before.n <= RECENT_MAX);
	assert_false(recent_add(&r, 1, 'c', 3 * RECENT_MAX - 10, 1));
	recent_deinit(&r);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table_is_a_map),     cmocka_unit_test(test_table_empty),
		cmocka_unit_test(test_join_and_leave),     cmocka_unit_test(test_kinds_are_apart),
		cmocka_unit_test(test_each_may_leave),     cmocka_unit_test(test_random_lists),
		cmocka_unit_test(test_recent_tells_apart), cmocka_unit_test(test_recent_forgets_after_two_periods),
		cmocka_unit_test(test_recent_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
