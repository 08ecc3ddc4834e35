/* route: the list holds no contradictions, and each path finds the one route it means. */
#include "fcgi/route.h"
#include "unit.h"

static struct arena *arena;
static const char *allow;

static int
find(enum door door, const char *method, const char *path, struct route_match *m)
{
	*m = (struct route_match){ 0 };
	allow = NULL;
	return route_find(arena, door, str_c(method), str_c(path), m, &allow);
}

/* The pattern that a request finds, or NULL. */
static const char *
pattern(enum door door, const char *method, const char *path)
{
	struct route_match m;

	return find(door, method, path, &m) ? NULL : m.endpoint->path;
}

static void
no_two_overlap(void **state)
{
	(void)state;
	for (size_t i = 0; routes[i]; i++)
		for (size_t j = 0; j < i; j++)
			if (route_overlaps(routes[i], routes[j]))
				fail_msg("%s %s and %s", routes[i]->method, routes[i]->path, routes[j]->path);
}

static void
overlap_is_noticed(void **state)
{
	static const struct endpoint a = { .method = "GET", .path = "/a/{conversation}/b" },
	                             b = { .method = "GET", .path = "/a/{user}/b" },
	                             c = { .method = "GET", .path = "/a/x/b" },
	                             d = { .method = "PUT", .path = "/a/{user}/b" };

	(void)state;
	assert_true(route_overlaps(&a, &b));
	assert_true(route_overlaps(&c, &c));
	assert_false(route_overlaps(&a, &c)); /* a literal beats a parameter */
	assert_false(route_overlaps(&a, &d));
}

static void
every_route_is_described(void **state)
{
	(void)state;
	for (size_t i = 0; routes[i]; i++) {
		const struct endpoint *e = routes[i];

		assert_non_null(e->method);
		assert_non_null(e->fn);
		if (e->rate == RATE_UNSET)
			fail_msg("%s %s does not say what it counts as (.rate)", e->method, e->path);
		if (e->who != WHO_ANYONE && e->who != WHO_DAEMON)
			assert_true((e->rate >= RATE_WRITE && e->rate <= RATE_UPLOAD) ||
			            e->rate == RATE_LOGIN); /* guesses */
		if (!e->doc || strlen(e->doc) < 5 || e->doc[strlen(e->doc) - 1] != '.')
			fail_msg("%s has no sentence", e->path);
		assert_true((e->who == WHO_DAEMON) == (!strncmp(e->path, "/feed/", 6) || !strncmp(e->path, "/upload/", 8)));
		assert_true((e->pool == POOL_FEED) == !strncmp(e->path, "/feed/", 6));
		if (e->who == WHO_MEMBER && strcmp(e->path, "/messages"))
			assert_true(strstr(e->path, "{conversation}") || strstr(e->path, "{message}") ||
			            strstr(e->path, "{attachment}"));
		if (!strcmp(e->method, "GET"))
			assert_int_equal(e->body, BODY_NONE);
	}
}

static void
finds_ids(void **state)
{
	struct route_match m;

	(void)state;
	assert_int_equal(find(DOOR_FAST, "GET", "/conversations/12/messages", &m), 0);
	assert_string_equal(m.endpoint->path, "/conversations/{conversation}/messages");
	assert_int_equal(m.n, 1);
	assert_str(m.ids[0], "12");
	assert_int_equal(find(DOOR_FAST, "GET", "/messages/12.17", &m), 0);
	assert_str(m.ids[0], "12.17");
	assert_int_equal(find(DOOR_FAST, "GET", "/me", &m), 0);
	assert_int_equal(m.n, 0);
}

static void
literal_beats_parameter(void **state)
{
	(void)state;
	assert_string_equal(pattern(DOOR_FAST, "GET", "/conversations/unread-count"), "/conversations/unread-count");
	assert_string_equal(pattern(DOOR_FAST, "GET", "/conversations/7"), "/conversations/{conversation}");
	assert_string_equal(pattern(DOOR_FAST, "POST", "/conversations/7"), "/conversations/{user}");
}

static void
other_methods_are_named(void **state)
{
	struct route_match m;

	(void)state;
	assert_int_equal(find(DOOR_FAST, "PUT", "/conversations/7", &m), METHOD_NOT_ALLOWED);
	assert_non_null(strstr(allow, "GET"));
	assert_non_null(strstr(allow, "POST"));
	assert_int_equal(find(DOOR_FAST, "get", "/me", &m), METHOD_NOT_ALLOWED);
	assert_int_equal(find(DOOR_FAST, "", "/me", &m), METHOD_NOT_ALLOWED);
	/* The literal path is the better fit, though only the parameter's has this method. */
	assert_int_equal(find(DOOR_FAST, "POST", "/conversations/unread-count", &m), METHOD_NOT_ALLOWED);
	assert_string_equal(allow, "GET");
}

static void
odd_paths_are_nothing(void **state)
{
	static const char *const odd[] = { "",
		                           "/",
		                           "//",
		                           "/me/",
		                           "//me",
		                           "/me//",
		                           "me",
		                           "/Me",
		                           "/conversations//messages",
		                           "/conversations/",
		                           "/conversations/7/",
		                           "/conversations/7/messages/1",
		                           "/messages/../me",
		                           "/%6de",
		                           "/feed/open" };
	struct route_match m;

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		if (find(DOOR_FAST, "GET", odd[i], &m) != NOT_FOUND)
			fail_msg("\"%s\" was found", odd[i]);
}

static void
doors_decide_what_exists(void **state)
{
	(void)state;
	assert_non_null(pattern(DOOR_AUTH, "POST", "/auth/login"));
	assert_null(pattern(DOOR_FAST, "POST", "/auth/login"));
	assert_null(pattern(DOOR_COMMAND, "POST", "/auth/login"));
	assert_non_null(pattern(DOOR_FAST, "POST", "/auth/refresh"));
	assert_null(pattern(DOOR_COMMAND, "POST", "/auth/refresh"));
	assert_null(pattern(DOOR_COMMAND, "POST", "/auth/logout"));
	assert_non_null(pattern(DOOR_COMMAND, "POST", "/conversations/7/messages"));
	assert_non_null(pattern(DOOR_FEED, "POST", "/feed/open"));
	assert_null(pattern(DOOR_FEED, "GET", "/me"));
	for (enum door door = 0; door < DOOR_N; door++)
		if (door != DOOR_FEED)
			assert_null(pattern(door, "POST", "/feed/open"));
	assert_non_null(pattern(DOOR_UPLOAD, "GET", "/upload/permit"));
	assert_non_null(pattern(DOOR_UPLOAD, "GET", "/upload/stored"));
	assert_null(pattern(DOOR_UPLOAD, "GET", "/me"));
	for (enum door door = 0; door < DOOR_N; door++)
		if (door != DOOR_UPLOAD)
			assert_null(pattern(door, "GET", "/upload/permit"));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_two_overlap),           cmocka_unit_test(overlap_is_noticed),
		cmocka_unit_test(every_route_is_described), cmocka_unit_test(finds_ids),
		cmocka_unit_test(literal_beats_parameter),  cmocka_unit_test(other_methods_are_named),
		cmocka_unit_test(odd_paths_are_nothing),    cmocka_unit_test(doors_decide_what_exists),
	};
	int failed;

	arena = arena_new(1 << 20);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(arena);
	return failed;
}
