/* config.c -- the configuration file: checked, and written from its table. */
#include <stdio.h>

#include "../lib/base/breached.h"
#include "../lib/base/err.h"
#include "../lib/base/ice.h"
#include "../lib/base/issuers.h"
#include "../lib/base/service_account.h"
#include "../lib/base/webpush.h"
#include "ctl.h"

static int
check_turn_secret(struct ctl *ctl, struct buf *errors)
{
	const char *path = ctl->conf.call_turn_secret_file;
	struct str secret;
	int r = *ctl->conf.call_turn_urls ? ice_secret_load(ctl->arena, path, &secret) : 0;

	if (r)
		buf_printf(errors, "%s: %s\n", path, r < 0 ? strerror(-r) : ICE_SECRET_RULE);
	return r;
}

static int
check_notifications(struct ctl *ctl, struct buf *errors)
{
	const struct conf *conf = &ctl->conf;
	struct service_account account;
	const char *why = NULL;
	struct vapid *v = *conf->vapid_key_file ? vapid_load(conf->vapid_key_file, conf->vapid_subject, &why) : NULL;
	int r = *conf->vapid_key_file && !v ? INVALID : 0;

	if (r)
		buf_printf(errors, "%s: %s\n", conf->vapid_key_file, why);
	vapid_free(v);
	if (*conf->fcm_service_account_file &&
	    !service_account_load(ctl->arena, conf->fcm_service_account_file, &account, &why)) {
		buf_printf(errors, "%s: %s\n", conf->fcm_service_account_file, why);
		r = INVALID;
	}
	return r;
}

static int
config_check(struct ctl *ctl, int argc, char **argv)
{
	struct issuers *issuers = NULL;
	struct buf errors;
	int r;

	(void)argv;
	if (argc)
		return EXIT_USAGE;
	buf_init(&errors, 1 << 20);
	r = issuers_load(ctl->conf.issuers_dir, ctl->conf.token_issuer, &issuers, &errors);
	if (*ctl->conf.breached_passwords_file && breached_check(ctl->conf.breached_passwords_file, &errors))
		r = INVALID;
	if (check_turn_secret(ctl, &errors) || check_notifications(ctl, &errors))
		r = INVALID;
	if (r)
		fprintf(stderr, "%.*s", STR_ARG(buf_view(&errors)));
	else if (issuers->n)
		printf("%s and %zu issuers are good\n", ctl->conf_path, issuers->n);
	else
		printf("%s is good\n", ctl->conf_path); /* whoever comes here has loaded it */
	buf_deinit(&errors);
	issuers_free(issuers);
	return r ? EXIT_FAILED : EXIT_DONE;
}

static int
print(int argc, void (*write)(struct buf *))
{
	struct buf text;

	if (argc)
		return EXIT_USAGE;
	buf_init(&text, 1 << 20);
	write(&text);
	fwrite(text.p, 1, text.n, stdout);
	buf_deinit(&text);
	return EXIT_DONE;
}

static int
config_sample(struct ctl *ctl, int argc, char **argv)
{
	(void)ctl, (void)argv;
	return print(argc, conf_write_sample);
}

static void
write_reference(struct buf *b)
{
	conf_write_reference(b);
	issuer_write_reference(b);
}

static int
config_reference(struct ctl *ctl, int argc, char **argv)
{
	(void)ctl, (void)argv;
	return print(argc, write_reference);
}

static int
docs_errors(struct ctl *ctl, int argc, char **argv)
{
	(void)ctl, (void)argv;
	return print(argc, err_write_reference);
}

/* For a map of nginx by $http_origin: a listed origin leads to itself. */
static int
config_origins(struct ctl *ctl, int argc, char **argv)
{
	struct str list = str_c(ctl->conf.origins);

	(void)argv;
	if (argc)
		return EXIT_USAGE;
	printf("# Made by `pealctl config origins`: pages of these origins may read what nginx says by itself.\n");
	printf("\"%s\" \"%s\";\n", ctl->conf.public_url, ctl->conf.public_url);
	while (list.n) {
		struct str one = str_cut(&list, ' ');

		if (one.n && !str_eq(one, str_c(ctl->conf.public_url)))
			printf("\"%.*s\" \"%.*s\";\n", STR_ARG(one), STR_ARG(one));
	}
	return EXIT_DONE;
}

const struct verb config_check_verb = {
	.name = "config check",
	.usage = "",
	.help = "Read the configuration and name every mistake with its line.",
	.fn = config_check,
	.needs_conf = true,
};
const struct verb config_origins_verb = {
	.name = "config origins",
	.usage = "",
	.help = "Print the origins for nginx: goes to snippets/peal-origins.conf.",
	.fn = config_origins,
	.needs_conf = true,
};
const struct verb config_sample_verb = { .name = "config sample",
	                                 .usage = "",
	                                 .help = "Print a configuration file with every key explained.",
	                                 .fn = config_sample };
const struct verb config_reference_verb = {
	.name = "config reference", .usage = "", .help = "Print docs/configuration.md.", .fn = config_reference
};
const struct verb docs_errors_verb = {
	.name = "docs errors", .usage = "", .help = "Print docs/errors.md.", .fn = docs_errors
};
