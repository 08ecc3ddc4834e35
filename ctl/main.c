/* main.c -- pealctl: the sysadmin's tool. The list of verbs is below. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../lib/base/err.h"
#include "../lib/base/log.h"
#include "ctl.h"

static const struct verb *const verbs[] = {
	&migrate_verb,       &check_sql_verb,        &config_check_verb,   &config_origins_verb,
	&config_sample_verb, &config_reference_verb, &keys_generate_verb,  &keys_media_link_verb,
	&keys_rotate_verb,   &keys_factor_verb,      &user_add_verb,       &user_disable_verb,
	&user_enable_verb,   &user_password_verb,    &user_role_verb,      &user_factors_reset_verb,
	&audit_verb,         &media_verify_verb,     &search_rebuild_verb, &search_status_verb,
	&docs_errors_verb,   &keys_turn_verb,        &keys_vapid_verb,     &user_behind_verb,
	&user_erase_verb,
};
#define VERBS (sizeof(verbs) / sizeof(*verbs))

int
ctl_fail(const char *fmt, ...)
{
	va_list ap;

	fputs("pealctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return EXIT_FAILED;
}

struct str
ctl_read_file(struct arena *arena, const char *path, size_t most)
{
	int fd = !strcmp(path, "-") ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	char *p = arena_alloc(arena, most + 1);
	size_t n = 0;
	ssize_t got = 1;

	while (fd >= 0 && n <= most && (got = read(fd, p + n, most + 1 - n)) > 0)
		n += (size_t)got;
	if (fd >= 0)
		close(fd);
	if (fd < 0 || got < 0)
		return STR_NONE;
	if (n > most) {
		errno = EFBIG;
		return STR_NONE;
	}
	return str_n(p, n);
}

static void
take(int *argc, char **argv, int at, int n)
{
	for (int i = at; i + n <= *argc; i++)
		argv[i] = argv[i + n];
	*argc -= n;
}

const char *
ctl_option(int *argc, char **argv, const char *name)
{
	for (int i = 0; i + 1 < *argc; i++) {
		if (!strcmp(argv[i], name)) {
			const char *value = argv[i + 1];

			take(argc, argv, i, 2);
			return value;
		}
	}
	return NULL;
}

bool
ctl_flag(int *argc, char **argv, const char *name)
{
	for (int i = 0; i < *argc; i++) {
		if (!strcmp(argv[i], name)) {
			take(argc, argv, i, 1);
			return true;
		}
	}
	return false;
}

static int
usage(FILE *out, int status)
{
	fputs("pealctl [-c FILE] [--json] VERB ...\n\n", out);
	for (size_t i = 0; i < VERBS; i++)
		fprintf(out, "  %s %s\n      %s\n", verbs[i]->name, verbs[i]->usage, verbs[i]->help);
	fputs("\n-c FILE    the configuration, /etc/peal/peal.conf unless given\n", out);
	return status;
}

/* Does argv begin with the words of the verb? Returns how many there are, 0 when it does not. */
static int
matches(const struct verb *verb, int argc, char **argv)
{
	struct str rest = str_c(verb->name);
	int n = 0;

	while (str_present(rest)) {
		struct str word = str_cut(&rest, ' ');

		if (n == argc || !str_eq(word, str_c(argv[n])))
			return 0;
		n++;
	}
	return n;
}

static int
run(struct ctl *ctl, const struct verb *verb, int argc, char **argv)
{
	struct buf errors;
	int r = 0;

	buf_init(&errors, 1 << 20);
	if (verb->needs_conf)
		r = conf_load(ctl->arena, ctl->conf_path, &ctl->conf, &errors);
	if (r) {
		fprintf(stderr, "%.*s", STR_ARG(buf_view(&errors)));
		buf_deinit(&errors);
		return EXIT_FAILED;
	}
	buf_deinit(&errors);
	if (verb->audited && ctl_audit(ctl, verb, argc, argv) != EXIT_DONE)
		return EXIT_FAILED;
	return verb->fn(ctl, argc, argv);
}

int
main(int argc, char **argv)
{
	struct ctl ctl = { .conf_path = "/etc/peal/peal.conf" };
	const char *path;
	int status = EXIT_USAGE;

	log_open("pealctl", LOG_LEVEL_ERROR);
	argc--, argv++;
	path = ctl_option(&argc, argv, "-c");
	if (path)
		ctl.conf_path = path;
	ctl.json = ctl_flag(&argc, argv, "--json");
	if (!argc || !strcmp(argv[0], "--help") || !strcmp(argv[0], "help"))
		return usage(argc ? stdout : stderr, argc ? EXIT_DONE : EXIT_USAGE);

	ctl.arena = arena_new(64u << 20);
	for (size_t i = 0; i < VERBS; i++) {
		int words = matches(verbs[i], argc, argv);

		if (words) {
			status = run(&ctl, verbs[i], argc - words, argv + words);
			if (status == EXIT_USAGE)
				fprintf(stderr, "usage: pealctl [-c FILE] %s %s\n", verbs[i]->name, verbs[i]->usage);
			arena_free(ctl.arena);
			return status;
		}
	}
	arena_free(ctl.arena);
	fprintf(stderr, "pealctl: there is no verb `%s`\n\n", argv[0]);
	return usage(stderr, EXIT_USAGE);
}
