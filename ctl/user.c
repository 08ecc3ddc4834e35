/* user.c -- accounts from the command line: how the first ones come to a server whose registration is closed. */
#include <errno.h>
#include <stdio.h>

#include "../lib/base/password.h"
#include "../lib/store/account.h"
#include "ctl.h"

#define NAME_MIN 3
#define NAME_MAX 32

static bool
good_name(struct str name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

	if (name.n < NAME_MIN || name.n > NAME_MAX || !strchr(letters, name.p[0]))
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!strchr(letters, name.p[i]) && !strchr("._-", name.p[i]))
			return false;
	return true;
}

/* The first line of the file, without its newline. */
static int
read_password(struct ctl *ctl, const char *path, struct str *ret)
{
	struct str text = ctl_read_file(ctl->arena, path, 4096);
	struct str line;

	if (!text.p)
		return ctl_fail("%s: %s", path, strerror(errno));
	line = str_cut(&text, '\n');
	if (!str_utf8_valid(line) || str_code_points(line) < (size_t)ctl->conf.password_min_code_points ||
	    line.n > (size_t)ctl->conf.password_max_bytes)
		return ctl_fail("the password must have %lld to %lld characters of UTF-8",
		                (long long)ctl->conf.password_min_code_points, (long long)ctl->conf.password_max_bytes);
	*ret = line;
	return EXIT_DONE;
}

static int
create(struct ctl *ctl, struct str name, struct str display_name, struct str hash)
{
	struct db *db = db_new(ctl->conf.database, "pealctl user", ctl->conf.statement_timeout_ms);
	struct user user;
	int r = account_create(db, ctl->arena, name, display_name, hash, &user);
	int status = EXIT_DONE;

	if (r == USERNAME_TAKEN)
		status = ctl_fail("somebody is called %.*s already", STR_ARG(name));
	else if (r)
		status = ctl_fail("the account was not made: %s", r > 0 ? db_last_error(db) : strerror(-r));
	else if (ctl->json)
		printf("{\"id\":\"%lld\",\"username\":\"%.*s\"}\n", (long long)user.id, STR_ARG(user.username));
	else
		printf("%.*s is user %lld\n", STR_ARG(user.username), (long long)user.id);
	db_free(db);
	return status;
}

static int
user_add(struct ctl *ctl, int argc, char **argv)
{
	const char *display_name = ctl_option(&argc, argv, "--display-name");
	const char *file = ctl_option(&argc, argv, "--password-file");
	struct str password = STR_NONE, hash;
	int status;

	if (argc != 1 || !file)
		return EXIT_USAGE;
	if (!good_name(str_c(argv[0])))
		return ctl_fail("a user name has %d to %d letters, digits, dots, dashes or underscores, and begins with a "
		                "letter or digit",
		                NAME_MIN, NAME_MAX);
	status = read_password(ctl, file, &password);
	if (status != EXIT_DONE)
		return status;
	if (password_hash(ctl->arena, password, ctl->conf.argon2_memory_kib, ctl->conf.argon2_passes, &hash))
		return ctl_fail("no memory for the password's hash");
	return create(ctl, str_c(argv[0]), str_c(display_name ? display_name : argv[0]), hash);
}

const struct verb user_add_verb = {
	.name = "user add",
	.usage = "NAME --password-file FILE|- [--display-name TEXT]",
	.help = "Make an account; the password is the first line of FILE, or of standard input.",
	.fn = user_add,
	.needs_conf = true,
	.audited = true,
};
