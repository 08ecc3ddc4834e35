/* audit.c -- the log of what administrators did: what the command line adds to it, and reading it. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../lib/base/json_out.h"
#include "../lib/store/moderation.h"
#include "ctl.h"

#define LINES_DEFAULT 50
#define LINES_MAX     1000

/* The system's user, and on whose behalf when sudo says so. */
static struct str
actor(struct arena *arena)
{
	const struct passwd *pw = getpwuid(getuid());
	const char *behind = getenv("SUDO_USER");
	struct str name = pw ? arena_str(arena, str_c(pw->pw_name)) : arena_printf(arena, "uid %u", (unsigned)getuid());

	if (behind && *behind && str_utf8_valid(str_c(behind)))
		name = arena_printf(arena, "%s as %.*s", behind, STR_ARG(name));
	return name;
}

static void
write_arguments(struct buf *buf, int argc, char **argv)
{
	struct json_out w;

	json_begin(&w, buf);
	json_open_object(&w, NULL);
	json_open_array(&w, "arguments");
	for (int i = 0; i < argc; i++)
		json_str(&w, NULL, str_utf8_valid(str_c(argv[i])) ? str_c(argv[i]) : STR("?"));
	json_close(&w);
	json_close(&w);
	json_end(&w);
}

int
ctl_audit(struct ctl *ctl, const struct verb *verb, int argc, char **argv)
{
	struct db *db = db_new(ctl->conf.database, "pealctl audit", ctl->conf.statement_timeout_ms);
	struct str target = argc && str_utf8_valid(str_c(argv[0])) && argv[0][0] != '-' ? str_c(argv[0]) : STR_NONE;
	char *act = memcpy(arena_alloc(ctl->arena, strlen(verb->name) + 1), verb->name, strlen(verb->name) + 1);
	struct buf detail;
	int r;

	for (char *p = act; *p; p++)
		if (*p == ' ')
			*p = '.';
	buf_init(&detail, 1 << 16);
	write_arguments(&detail, argc, argv);
	r = audit_add(db, ctl->arena, actor(ctl->arena), str_c(act), target, buf_view(&detail));
	if (r)
		ctl_fail("nothing was done, since it could not be noted in the audit log: %s",
		         r > 0 ? db_last_error(db) : strerror(-r));
	buf_deinit(&detail);
	db_free(db);
	return r ? EXIT_FAILED : EXIT_DONE;
}

static void
write_row(struct json_out *w, const struct audit_row *a)
{
	json_open_object(w, NULL);
	json_id(w, "id", a->id);
	json_time(w, "at", a->at);
	json_id_or_null(w, "actor_id", a->actor_id);
	json_str(w, "actor", a->actor);
	json_str(w, "act", a->act);
	json_str(w, "target_kind", a->target_kind);
	json_str(w, "target_id", a->target_id);
	json_str(w, "target", a->target);
	json_str(w, "address", a->address);
	json_str(w, "request_id", a->request_id);
	json_raw(w, "detail", str_present(a->detail_json) ? a->detail_json : STR("null"));
	json_close(w);
}

static void
print_json(const struct audit_row *a)
{
	struct json_out w;
	struct buf buf;

	buf_init(&buf, 1 << 20);
	json_begin(&w, &buf);
	write_row(&w, a);
	json_end(&w);
	printf("%.*s\n", STR_ARG(buf_view(&buf)));
	buf_deinit(&buf);
}

static void
print_line(const struct audit_row *a)
{
	char at[CLOCK_RFC3339_MAX];
	struct str when = clock_rfc3339(a->at, at);
	struct str whom = str_present(a->target) ? a->target : str_present(a->target_id) ? a->target_id : STR("-");
	struct str where = str_present(a->address) ? a->address : STR("pealctl");

	printf("%.*s  %.*s  %.*s  %.*s  %.*s  %.*s\n", STR_ARG(when), STR_ARG(a->actor), STR_ARG(where), STR_ARG(a->act),
	       STR_ARG(whom), STR_ARG(a->detail_json));
}

static int
audit(struct ctl *ctl, int argc, char **argv)
{
	const char *lines = ctl_option(&argc, argv, "--lines"), *act = ctl_option(&argc, argv, "--act");
	struct audit_filter filter = { .act = act ? str_c(act) : STR_NONE };
	int64_t limit = LINES_DEFAULT;
	struct audit_row *rows;
	struct db *db;
	size_t n;
	int r;

	if (argc || (lines && (!str_int64(str_c(lines), &limit) || limit < 1 || limit > LINES_MAX)))
		return EXIT_USAGE;
	db = db_new(ctl->conf.database, "pealctl audit", ctl->conf.statement_timeout_ms);
	r = audit_list(db, ctl->arena, &filter, limit, &rows, &n);
	if (r)
		ctl_fail("the database: %s", r > 0 ? db_last_error(db) : strerror(-r));
	for (size_t i = r ? 0 : n; i > 0; i--) {
		if (ctl->json)
			print_json(&rows[i - 1]);
		else
			print_line(&rows[i - 1]);
	}
	db_free(db);
	return r ? EXIT_FAILED : EXIT_DONE;
}

const struct verb audit_verb = {
	.name = "audit",
	.usage = "[--lines N] [--act ACT]",
	.help = "What administrators and moderators did, here and over the API; the newest last. --json: a line of JSON for "
	        "each.",
	.fn = audit,
	.needs_conf = true,
};
