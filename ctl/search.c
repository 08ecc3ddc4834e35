/* search.c -- the search index: how it is, and making it anew while everything goes on. peal-jobs does the work. */
#include <stdio.h>
#include <unistd.h>

#include "../lib/store/search.h"
#include "ctl.h"

#define LOOK_MS    200
#define SILENCE_MS 20000 /* nothing has moved for so long: nobody works */

static int
failed(struct db *db, int r)
{
	return ctl_fail("the database: %s", r > 0 ? db_last_error(db) : "a fault");
}

static void
print_status(const struct ctl *ctl, const struct search_state *s)
{
	char at[CLOCK_RFC3339_MAX];
	struct str done = s->rebuilt_at ? clock_rfc3339(s->rebuilt_at, at) : STR("never");

	if (ctl->json)
		printf("{\"waiting\":%lld,\"slices\":%lld,\"rebuilding\":%s,\"rebuilt\":%lld,\"messages\":%lld}\n",
		       (long long)s->waiting, (long long)s->slices, s->rebuild_asked_at ? "true" : "false",
		       (long long)s->rebuilt, (long long)s->messages);
	else
		printf("%lld events wait to be indexed; %lld slices; about %lld messages; %s; last rebuild: %.*s\n",
		       (long long)s->waiting, (long long)s->slices, (long long)s->messages,
		       s->rebuild_asked_at ? "a rebuild is under way" : "no rebuild", STR_ARG(done));
}

static int
search_status(struct ctl *ctl, int argc, char **argv)
{
	struct search_state state;
	struct db *db;
	int r;

	(void)argv;
	if (argc)
		return EXIT_USAGE;
	db = db_new(ctl->conf.database, "pealctl search", ctl->conf.statement_timeout_ms);
	r = search_state(db, ctl->arena, &state);
	if (r)
		r = failed(db, r);
	else
		print_status(ctl, &state);
	db_free(db);
	return r;
}

/* Follows a rebuild to its end, a line per step; JSON: one line at the end. */
static int
watch(struct ctl *ctl, struct db *db)
{
	int64_t before = -1, moved = clock_mono_us();
	struct search_state s;

	for (;;) {
		int r = search_state(db, ctl->arena, &s);

		if (r)
			return failed(db, r);
		if (!s.rebuild_asked_at)
			break;
		if (s.rebuilt != before) {
			moved = clock_mono_us();
			if (!ctl->json && before >= 0)
				printf("%lld of about %lld messages\n", (long long)s.rebuilt, (long long)s.messages);
			fflush(stdout);
		} else if (clock_mono_us() - moved > SILENCE_MS * 1000) {
			return ctl_fail("the rebuild is asked for, but does not go on: does peal-jobs run?");
		}
		before = s.rebuilt;
		arena_reset(ctl->arena);
		usleep(LOOK_MS * 1000);
	}
	if (ctl->json)
		printf("{\"rebuilt\":%lld}\n", (long long)s.rebuilt);
	else
		printf("done: %lld messages\n", (long long)s.rebuilt);
	return EXIT_DONE;
}

static int
search_rebuild(struct ctl *ctl, int argc, char **argv)
{
	bool no_wait = ctl_flag(&argc, argv, "--no-wait");
	struct ctl own = *ctl; /* its arena is emptied between looks; the configuration lives in the other one */
	struct db *db;
	int r;

	if (argc)
		return EXIT_USAGE;
	own.arena = arena_new(16u << 20);
	db = db_new(ctl->conf.database, "pealctl search", 600000);
	r = search_rebuild_ask(db, own.arena, ctl->conf.search_slice_rows);
	if (r)
		r = failed(db, r);
	else if (!no_wait)
		r = watch(&own, db);
	db_free(db);
	arena_free(own.arena);
	return r;
}

const struct verb search_rebuild_verb = {
	.name = "search rebuild",
	.usage = "[--no-wait]",
	.help = "make the search index anew while everything goes on, and tell how far it is; peal-jobs does it",
	.fn = search_rebuild,
	.needs_conf = true,
	.audited = true,
};

const struct verb search_status_verb = {
	.name = "search status",
	.usage = "",
	.help = "how many events wait to be indexed, and whether a rebuild is under way",
	.fn = search_status,
	.needs_conf = true,
};
