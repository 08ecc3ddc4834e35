/* factor.c -- for people who have lost what they sign in with. */
#include <errno.h>
#include <stdio.h>

#include "../lib/store/factor.h"
#include "ctl.h"

static int
factors_reset_run(struct ctl *ctl, int argc, char **argv)
{
	struct db *db;
	int64_t n;
	int r;

	if (argc != 1)
		return EXIT_USAGE;
	db = db_new(ctl->conf.database, "pealctl user", ctl->conf.statement_timeout_ms);
	r = factors_reset(db, ctl->arena, str_c(argv[0]), &n);
	if (r == NOT_FOUND)
		ctl_fail("no person is called %s", argv[0]);
	else if (r)
		ctl_fail("the database: %s", r > 0 ? db_last_error(db) : strerror(-r));
	else if (!ctl->json)
		printf("%s: %lld taken off\n", argv[0], (long long)n);
	db_free(db);
	return r ? EXIT_FAILED : EXIT_DONE;
}

const struct verb user_factors_reset_verb = {
	.name = "user factors-reset",
	.usage = "NAME",
	.help = "Take off somebody's second factor and passkeys; their password stays.",
	.fn = factors_reset_run,
	.needs_conf = true,
	.audited = true,
};
