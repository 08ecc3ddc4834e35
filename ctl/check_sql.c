/* check_sql.c -- prepares every statement of lib/store against the database and compares the types with the signatures. */
#include <stdio.h>

#include "../lib/store/db.h"
#include "ctl.h"

static int
check_sql(struct ctl *ctl, int argc, char **argv)
{
	struct db *db = db_new(ctl->conf.database, "pealctl check-sql", ctl->conf.statement_timeout_ms);
	struct buf report;
	size_t n = 0;
	int r;

	(void)argv;
	if (argc) {
		db_free(db);
		return EXIT_USAGE;
	}
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

const struct verb check_sql_verb = {
	.name = "check-sql",
	.usage = "",
	.help = "Prepare every statement against the database and compare its types.",
	.fn = check_sql,
	.needs_conf = true,
};
