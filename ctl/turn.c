/* turn.c -- who is behind a name that a TURN server complains of. */
#include <errno.h>
#include <stdio.h>

#include "../lib/base/ice.h"
#include "../lib/store/account.h"
#include "ctl.h"

#define PAGE      10000
#define KEY_BYTES 4096

/* Nothing is kept that leads back, so everybody is asked. *ret: id 0 when it is nobody's. */
static int
find(struct db *db, struct str key, struct str alias, struct arena *page, struct account_name *ret)
{
	struct account_name *names;
	int64_t after = 0;
	size_t n = PAGE;
	int r = 0;

	while (!r && n == PAGE) {
		arena_reset(page);
		r = account_names(db, page, after, PAGE, &names, &n);
		for (size_t i = 0; !r && i < n; i++) {
			after = names[i].id;
			if (!str_eq(ice_alias(page, key, after), alias))
				continue;
			*ret = names[i];
			return 0;
		}
	}
	*ret = (struct account_name){ 0 };
	return r;
}

static int
report(struct ctl *ctl, const struct account_name *found, const char *alias)
{
	if (!found->id)
		return ctl_fail("nobody here has the name %s", alias);
	if (ctl->json)
		printf("{\"id\":\"%lld\",\"username\":\"%.*s\"}\n", (long long)found->id, STR_ARG(found->username));
	else
		printf("%.*s (user %lld)\n", STR_ARG(found->username), (long long)found->id);
	return EXIT_DONE;
}

static int
user_behind(struct ctl *ctl, int argc, char **argv)
{
	struct str key = ctl_read_file(ctl->arena, ctl->conf.refresh_key_file, KEY_BYTES), alias;
	struct account_name found;
	struct arena *page;
	struct db *db;
	int r, status;

	if (argc != 1)
		return EXIT_USAGE;
	if (!key.p)
		return ctl_fail("%s: %s", ctl->conf.refresh_key_file, strerror(errno));
	alias = str_c(argv[0]);
	if (memchr(alias.p, ':', alias.n))
		str_cut(&alias, ':');
	page = arena_new(64u << 20);
	db = db_new(ctl->conf.database, "pealctl user", ctl->conf.statement_timeout_ms);
	r = find(db, key, alias, page, &found);
	status = r ? ctl_fail("the database: %s", r > 0 ? db_last_error(db) : strerror(-r)) : report(ctl, &found, argv[0]);
	db_free(db);
	arena_free(page);
	return status;
}

const struct verb user_behind_verb = {
	.name = "user behind",
	.usage = "NAME",
	.help = "Say who it is that a TURN server's log calls so, with the time before the colon or without.",
	.fn = user_behind,
	.needs_conf = true,
	.audited = true,
};
