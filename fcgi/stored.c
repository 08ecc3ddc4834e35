/* fcgi/stored.c -- one account per process. */
#include "base/err.h"
#include "stored.h"

#define ARENA_MOST ((size_t)64 * 1024)

static struct {
	struct arena *arena;
	struct s3_account account;
} stored;

int
stored_open(const struct conf *conf)
{
	struct arena *a = NULL;
	struct s3_account account = { 0 };
	int r = 0;

	if (!strcmp(conf->media_store, "s3")) {
		a = arena_new(ARENA_MOST);
		r = s3_account_open(a, conf, &account);
	}
	if (r) {
		arena_free(a);
		return trace(r);
	}
	arena_free(stored.arena);
	stored.arena = a;
	stored.account = account;
	return 0;
}

const struct s3_account *
stored_account(void)
{
	return stored.arena ? &stored.account : NULL;
}
