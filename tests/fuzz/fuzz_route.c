/* fuzz_route -- "METHOD path" against the list: what is found has ids that are parts of the path, and belongs behind the door. */
#include "fcgi/route.h"
#include "fuzz.h"

static void
check(enum door door, struct str path, const struct route_match *m)
{
	MUST((m->endpoint->who == WHO_DAEMON) == (door == DOOR_FEED || door == DOOR_UPLOAD));
	MUST(m->endpoint->pool != POOL_AUTH || door == DOOR_AUTH);
	MUST(m->n <= ROUTE_IDS_MAX);
	for (size_t i = 0; i < m->n; i++) {
		MUST(m->ids[i].n && m->ids[i].p >= path.p && m->ids[i].p + m->ids[i].n <= path.p + path.n);
		MUST(!memchr(m->ids[i].p, '/', m->ids[i].n));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *arena = arena_new((size_t)1 << 24);
	struct str path = str_n((const char *)data, n), method = str_cut(&path, ' ');

	for (enum door door = 0; door < DOOR_N; door++) {
		struct route_match m = { 0 };
		const char *allow = NULL;
		int r = route_find(arena, door, method, path, &m, &allow);

		MUST(r == 0 || r == NOT_FOUND || r == METHOD_NOT_ALLOWED);
		MUST((r == METHOD_NOT_ALLOWED) == (allow != NULL));
		if (!r)
			check(door, path, &m);
	}
	arena_free(arena);
	return 0;
}
