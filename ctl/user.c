/* user.c -- accounts from the command line: how the first ones come to a server whose registration is closed. */
#include <errno.h>
#include <stdio.h>

#include "../lib/base/password.h"
#include "../lib/base/password_rule.h"
#include "../lib/store/account.h"
#include "../lib/store/erasure.h"
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

static int
check_password(struct ctl *ctl, struct str password, const struct str *own, size_t own_n)
{
	struct password_refusal why;
	int r;

	if (!str_utf8_valid(password))
		return ctl_fail("the password is not UTF-8");
	r = password_rule(ctl->arena, &ctl->conf, password, own, own_n, &why);
	if (r < 0)
		return ctl_fail("%s: %s", ctl->conf.breached_passwords_file, strerror(-r));
	return r ? ctl_fail("%s", why.message) : EXIT_DONE;
}

/* The hash of the password in the first line of the file, without its newline. */
static int
read_hash(struct ctl *ctl, const char *path, const struct str *own, size_t own_n, struct str *ret)
{
	struct str text = ctl_read_file(ctl->arena, path, 4096), line;
	int status;

	if (!text.p)
		return ctl_fail("%s: %s", path, strerror(errno));
	line = str_cut(&text, '\n');
	status = check_password(ctl, line, own, own_n);
	if (status != EXIT_DONE)
		return status;
	if (password_hash(ctl->arena, line, ctl->conf.argon2_memory_kib, ctl->conf.argon2_passes, ret))
		return ctl_fail("no memory for the password's hash");
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
	struct str own[2], hash = STR_NONE;
	int status;

	if (argc != 1 || !file)
		return EXIT_USAGE;
	if (!good_name(str_c(argv[0])))
		return ctl_fail("a user name has %d to %d letters, digits, dots, dashes or underscores, and begins with a "
		                "letter or digit",
		                NAME_MIN, NAME_MAX);
	own[0] = str_c(argv[0]);
	own[1] = str_c(display_name ? display_name : argv[0]);
	status = read_hash(ctl, file, own, 2, &hash);
	return status == EXIT_DONE ? create(ctl, own[0], own[1], hash) : status;
}

const struct verb user_add_verb = {
	.name = "user add",
	.usage = "NAME --password-file FILE|- [--display-name TEXT]",
	.help = "Make an account; the password is the first line of FILE, or of standard input.",
	.fn = user_add,
	.needs_conf = true,
	.audited = true,
};

static int
failed(struct db *db, int r, const char *name)
{
	return r == NOT_FOUND ? ctl_fail("nobody is called %s", name)
	                      : ctl_fail("the database: %s", r > 0 ? db_last_error(db) : strerror(-r));
}

static int
set_disabled(struct ctl *ctl, int argc, char **argv, bool disabled)
{
	struct db *db;
	int64_t id;
	int r;

	if (argc != 1)
		return EXIT_USAGE;
	db = db_new(ctl->conf.database, "pealctl user", ctl->conf.statement_timeout_ms);
	r = account_disable(db, ctl->arena, str_c(argv[0]), disabled, &id);
	if (r)
		failed(db, r, argv[0]);
	else if (ctl->json)
		printf("{\"id\":\"%lld\",\"disabled\":%s}\n", (long long)id, disabled ? "true" : "false");
	else
		printf("%s (user %lld) %s\n", argv[0], (long long)id,
		       disabled ? "is disabled and signed out everywhere" : "may sign in");
	db_free(db);
	return r ? EXIT_FAILED : EXIT_DONE;
}

static int
user_disable(struct ctl *ctl, int argc, char **argv)
{
	return set_disabled(ctl, argc, argv, true);
}

static int
user_enable(struct ctl *ctl, int argc, char **argv)
{
	return set_disabled(ctl, argc, argv, false);
}

static int
replace_password(struct ctl *ctl, struct db *db, const char *name, const char *file)
{
	struct str old_hash, hash = STR_NONE, own[2];
	struct user user;
	int status, r = account_password(db, ctl->arena, str_c(name), &user, &old_hash);

	if (r)
		return failed(db, r, name);
	if (!str_present(old_hash))
		return ctl_fail("%s has no password and signs in by other means", name);
	own[0] = user.username;
	own[1] = user.display_name;
	status = read_hash(ctl, file, own, 2, &hash);
	if (status != EXIT_DONE)
		return status;
	r = account_password_change(db, ctl->arena, user.id, old_hash, hash, STR_NONE);
	if (r)
		return r == CONFLICT ? ctl_fail("%s has another password since a moment ago; try again", name)
		                     : failed(db, r, name);
	if (!ctl->json)
		printf("%s has a new password and is signed out everywhere\n", name);
	return EXIT_DONE;
}

static int
user_password(struct ctl *ctl, int argc, char **argv)
{
	const char *file = ctl_option(&argc, argv, "--password-file");
	struct db *db;
	int status;

	if (argc != 1 || !file)
		return EXIT_USAGE;
	db = db_new(ctl->conf.database, "pealctl user", ctl->conf.statement_timeout_ms);
	status = replace_password(ctl, db, argv[0], file);
	db_free(db);
	return status;
}

const struct verb user_disable_verb = {
	.name = "user disable",
	.usage = "NAME",
	.help = "Nobody signs in as NAME any more, and whoever has is signed out within a second. What they said stays.",
	.fn = user_disable,
	.needs_conf = true,
	.audited = true,
};
const struct verb user_enable_verb = {
	.name = "user enable",
	.usage = "NAME",
	.help = "The opposite. Sessions that have ended stay so.",
	.fn = user_enable,
	.needs_conf = true,
	.audited = true,
};
const struct verb user_password_verb = {
	.name = "user password",
	.usage = "NAME --password-file FILE|-",
	.help = "Another password; all sessions end.",
	.fn = user_password,
	.needs_conf = true,
	.audited = true,
};

static int
user_erase(struct ctl *ctl, int argc, char **argv)
{
	const char *messages = ctl_option(&argc, argv, "--messages");
	struct db *db;
	int64_t id;
	int r;

	if (argc != 1 || !messages || (strcmp(messages, "keep") && strcmp(messages, "delete")))
		return EXIT_USAGE;
	db = db_new(ctl->conf.database, "pealctl user", ctl->conf.statement_timeout_ms);
	r = account_erase_named(db, ctl->arena, str_c(argv[0]), !strcmp(messages, "delete"), &id);
	if (r)
		failed(db, r, argv[0]);
	else if (ctl->json)
		printf("{\"id\":\"%lld\",\"messages\":\"%s\"}\n", (long long)id, messages);
	else
		printf("%s (user %lld) is signed out everywhere; peal-jobs takes away the rest\n", argv[0], (long long)id);
	db_free(db);
	return r ? EXIT_FAILED : EXIT_DONE;
}

const struct verb user_erase_verb = {
	.name = "user erase",
	.usage = "NAME --messages keep|delete",
	.help = "The account of NAME and those of their bots end for good, and nobody is called so again. What they said is "
	        "kept, or deleted for everyone.",
	.fn = user_erase,
	.needs_conf = true,
	.audited = true,
};
