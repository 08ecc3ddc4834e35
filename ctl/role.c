/* role.c -- who moderates the server and who runs it. */
#include <errno.h>
#include <stdio.h>

#include "../lib/store/moderation.h"
#include "ctl.h"

static bool
parse(const char *word, enum site_role *ret)
{
	static const char *const words[] = {
		[SITE_NOBODY] = "none", [SITE_MODERATOR] = "moderator", [SITE_ADMIN] = "admin"
	};

	for (enum site_role role = SITE_NOBODY; role <= SITE_ADMIN; role++) {
		if (!strcmp(word, words[role])) {
			*ret = role;
			return true;
		}
	}
	return false;
}

static int
user_role(struct ctl *ctl, int argc, char **argv)
{
	enum site_role role;
	struct db *db;
	int r;

	if (argc != 2 || !parse(argv[1], &role))
		return EXIT_USAGE;
	db = db_new(ctl->conf.database, "pealctl user", ctl->conf.statement_timeout_ms);
	r = site_role_set(db, ctl->arena, str_c(argv[0]), role);
	if (r == NOT_FOUND)
		ctl_fail("no person is called %s", argv[0]);
	else if (r)
		ctl_fail("the database: %s", r > 0 ? db_last_error(db) : strerror(-r));
	else if (!ctl->json)
		printf("%s: %s\n", argv[0], argv[1]);
	db_free(db);
	return r ? EXIT_FAILED : EXIT_DONE;
}

const struct verb user_role_verb = {
	.name = "user role",
	.usage = "NAME admin|moderator|none",
	.help = "What somebody may do on the whole server: moderators handle reports; admins that, people and the audit "
	        "log.",
	.fn = user_role,
	.needs_conf = true,
	.audited = true,
};
