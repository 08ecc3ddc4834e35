/* query: query strings by a table of fields, and cookies. */
#include "base/err.h"
#include "fcgi/query.h"
#include "unit.h"

struct query {
	struct str q, kind;
	struct opt_int limit;
	struct opt_bool archived;
	int64_t user;
};

static const char *const kinds[] = { "a", "b", NULL };

static const struct field fields[] = { STR_FIELD(struct query, q, .min = 1, .max = 5),
	                               ENUM_FIELD(struct query, kind, .words = kinds),
	                               INT_FIELD(struct query, limit, .min = 1, .max = 100),
	                               BOOL_FIELD(struct query, archived),
	                               ID_FIELD(struct query, user),
	                               { 0 } };

static struct arena *arena;
static struct json_report report;

static int
fill(const char *text, struct query *q)
{
	*q = (struct query){ 0 };
	report = (struct json_report){ 0 };
	return query_fill(arena, str_c(text), fields, q, &report);
}

static void
fills(void **state)
{
	struct query q;

	(void)state;
	assert_int_equal(fill("q=a%20b%2B&limit=20&archived=true&user=7&kind=b", &q), 0);
	assert_str(q.q, "a b+");
	assert_true(q.limit.set && q.limit.v == 20);
	assert_true(q.archived.set && q.archived.v);
	assert_int_equal(q.user, 7);
	assert_str(q.kind, "b");
}

static void
absent_stays_absent(void **state)
{
	static const char *const empty[] = { NULL, "", "&", "&&&", "unknown=1", "unknown", "=", "=x", "%zz=1", "Limit=7" };
	struct query q;

	(void)state;
	for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
		assert_int_equal(fill(empty[i], &q), 0);
		assert_false(str_present(q.q) || q.limit.set || q.archived.set || q.user);
	}
}

static void
refuses(void **state)
{
	static const struct {
		const char *text, *path, *code;
	} bad[] = {
		{ "limit=0", "limit", "range" },
		{ "limit=101", "limit", "range" },
		{ "limit=", "limit", "type" },
		{ "limit", "limit", "type" },
		{ "limit=1e2", "limit", "type" },
		{ "limit=+1", "limit", "type" },
		{ "limit=%201", "limit", "type" },
		{ "limit=99999999999999999999", "limit", "type" },
		{ "limit=1&limit=1", "limit", "duplicate" },
		{ "limit=1&q=x&lim%69t=2", "limit", "duplicate" },
		{ "archived=yes", "archived", "type" },
		{ "archived=TRUE", "archived", "type" },
		{ "q=", "q", "too_short" },
		{ "q=abcdef", "q", "too_long" },
		{ "q=%", "q", "format" },
		{ "q=%00", "q", "format" },
		{ "q=%ff", "q", "type" },
		{ "kind=c", "kind", "word" },
	};
	struct query q;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (fill(bad[i].text, &q) != INVALID)
			fail_msg("\"%s\" was taken", bad[i].text);
		assert_str(report.path, bad[i].path);
		if (strcmp(report.code, bad[i].code))
			fail_msg("\"%s\": %s", bad[i].text, report.code);
	}
	assert_int_equal(fill("user=0", &q), INVALID);
	assert_int_equal(fill("user=x", &q), INVALID);
}

static void
counts_code_points(void **state)
{
	struct query q;

	(void)state;
	assert_int_equal(fill("q=%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4", &q), 0);
	assert_int_equal(str_code_points(q.q), 5);
}

static void
cookies(void **state)
{
	const struct str name = STR("peal_refresh");

	(void)state;
	assert_str(cookie_get(STR("peal_refresh=abc"), name), "abc");
	assert_str(cookie_get(STR("a=1; peal_refresh=a=b; c=3"), name), "a=b");
	assert_str(cookie_get(STR("a=1;peal_refresh="), name), "");
	assert_str(cookie_get(STR("peal_refresh=1; peal_refresh=2"), name), "1");
	assert_false(str_present(cookie_get(STR("peal_refresh"), name)));
	assert_false(str_present(cookie_get(STR("xpeal_refresh=1; peal_refreshx=2; PEAL_REFRESH=3"), name)));
	assert_false(str_present(cookie_get(STR(";;; ;=;"), name)));
	assert_false(str_present(cookie_get(STR_NONE, name)));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(fills),   cmocka_unit_test(absent_stays_absent), cmocka_unit_test(refuses),
		cmocka_unit_test(cookies), cmocka_unit_test(counts_code_points),
	};
	int failed;

	arena = arena_new(1 << 20);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(arena);
	return failed;
}
