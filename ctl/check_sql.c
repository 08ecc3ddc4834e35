/* check_sql.c -- prepares every statement of lib/store against the database and compares the types with the signatures. */
#include <stdio.h>

#include "../lib/store/db.h"
#include "ctl.h"

/* Signatures and text as they are, for whoever wants to run the very same statement: the benchmark does. */
static int
print_statement(const char *name)
{
	for (const struct stmt *const *const *file = store_statements; *file; file++) {
		for (const struct stmt *const *stmt = *file; *stmt; stmt++) {
			if (strcmp((*stmt)->name, name))
				continue;
			printf("%s\n%s\n%s\n", (*stmt)->params, (*stmt)->results, (*stmt)->text);
			return EXIT_DONE;
		}
	}
	return ctl_fail("there is no statement %s", name);
}

static int
check_all(struct ctl *ctl)
{
	struct db *db = db_new(ctl->conf.database, "pealctl check-sql", ctl->conf.statement_timeout_ms);
	struct buf report;
	size_t n = 0;
	int r;

	buf_init(&report, 1 << 20);
	r = db_check(db, &report, &n);
	if (r)
		fprintf(stderr, "%.*s", STR_ARG(buf_view(&report)));
	else
		printf("%zu statements agree with the schema\n", n);
	buf_deinit(&report);
	db_free(db);
	return r ? EXIT_FAILED : EXIT_DONE;
}

static int
check_sql(struct ctl *ctl, int argc, char **argv)
{
	const char *name = ctl_option(&argc, argv, "--print");

	if (argc)
		return EXIT_USAGE;
	return name ? print_statement(name) : check_all(ctl);
}

const struct verb check_sql_verb = {
	.name = "check-sql",
	.usage = "[--print NAME]",
	.help = "Prepare every statement against the database and compare its types, or print one.",
	.fn = check_sql,
	.needs_conf = true,
};
