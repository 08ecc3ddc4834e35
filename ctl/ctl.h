/*
 * ctl -- pealctl's verbs. Each is a row {name, usage, fn}; a verb gets its arguments without its own name and returns the exit
 * status: 0 done, 1 refused or failed (said on stderr), 2 wrong usage.
 */
#ifndef PEAL_CTL_CTL_H
#define PEAL_CTL_CTL_H

#include "../lib/base/arena.h"
#include "../lib/base/conf.h"

#define EXIT_DONE   0
#define EXIT_FAILED 1
#define EXIT_USAGE  2

struct ctl {
	struct arena *arena;
	const char *conf_path;
	struct conf conf; /* loaded when the verb says needs_conf */
	bool json;
};

struct verb {
	const char *name;  /* one or two words */
	const char *usage; /* what follows the name */
	const char *help;
	int (*fn)(struct ctl *, int argc, char **argv);
	bool needs_conf;
	bool audited; /* it changes something: noted in the audit log before it is done, with its arguments */
};

extern const struct verb migrate_verb, check_sql_verb, config_check_verb, config_origins_verb, config_sample_verb,
        config_reference_verb, keys_generate_verb, keys_media_link_verb, media_verify_verb, keys_rotate_verb,
        keys_factor_verb, keys_turn_verb, keys_vapid_verb, user_add_verb, user_behind_verb, user_disable_verb,
        user_enable_verb, user_password_verb, user_role_verb, user_factors_reset_verb, user_erase_verb, audit_verb,
        search_rebuild_verb, search_status_verb, docs_errors_verb;

/* Notes that a verb is about to be done. EXIT_DONE, or EXIT_FAILED (said on stderr). */
int ctl_audit(struct ctl *, const struct verb *, int argc, char **argv);
/* "pealctl: ..." on stderr; returns EXIT_FAILED. */
int ctl_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The whole of a file (or of standard input: "-") in the arena; STR_NONE with errno set. */
struct str ctl_read_file(struct arena *, const char *path, size_t most);
/* Takes "--name VALUE" out of argv; NULL when absent. Takes "--name" as a flag likewise. */
const char *ctl_option(int *argc, char **argv, const char *name);
bool ctl_flag(int *argc, char **argv, const char *name);

#endif
