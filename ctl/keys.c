/* keys.c -- makes the keys that the configuration names: the pair for access tokens (EC P-256), the refresh key, the
 * key of second factors, the links' secret, the TURN servers'. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/base/bytes.h"
#include "ctl.h"

#define SECRET_BYTES      32
#define PUBLIC_BYTES_MOST 16384
#define LEEWAY_SECONDS    60 /* clocks that differ, and what was on its way */

/*
 * A new file, never one that exists: a lost key ends every session. Its mode is what we say, whatever root's umask is: the
 * group, inherited from the folder, must read it.
 */
static FILE *
create(const char *path, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd >= 0 && fchmod(fd, mode)) {
		close(fd);
		return NULL;
	}
	return fd < 0 ? NULL : fdopen(fd, "w");
}

static int
finish(FILE *f, const char *path, bool written)
{
	written = !fflush(f) && !fsync(fileno(f)) && written;
	if (fclose(f) || !written)
		return ctl_fail("%s: cannot be written", path);
	printf("made %s\n", path);
	return EXIT_DONE;
}

static int
write_pem(const char *path, EVP_PKEY *key, bool private)
{
	FILE *f = create(path, private ? 0640 : 0644);

	if (!f)
		return ctl_fail("%s: %s", path, strerror(errno));
	return finish(f, path,
	              private ? PEM_write_PKCS8PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) : PEM_write_PUBKEY(f, key));
}

static int
write_secret(const char *path)
{
	unsigned char secret[SECRET_BYTES];
	FILE *f = create(path, 0640);

	if (!f)
		return ctl_fail("%s: %s", path, strerror(errno));
	bytes_random(secret, sizeof(secret));
	return finish(f, path, fwrite(secret, 1, sizeof(secret), f) == sizeof(secret));
}

/* nginx includes this file, so it is in its language; lib/wire/link.c reads the same one. */
static int
write_link_secret(const char *path)
{
	unsigned char secret[SECRET_BYTES];
	struct arena *a = arena_new(4096);
	struct str text;
	FILE *f = create(path, 0640);
	int status;

	bytes_random(secret, sizeof(secret));
	text = base64url(a, secret, sizeof(secret));
	status = f ? finish(f, path, fprintf(f, "set $peal_link_secret \"%.*s\";\n", STR_ARG(text)) > 0)
	           : ctl_fail("%s: %s", path, strerror(errno));
	arena_free(a);
	return status;
}

static int
keys_media_link(struct ctl *ctl, int argc, char **argv)
{
	(void)argv;
	return argc ? EXIT_USAGE : write_link_secret(ctl->conf.media_link_secret_file);
}

static int
keys_turn(struct ctl *ctl, int argc, char **argv)
{
	const char *path = ctl->conf.call_turn_secret_file;
	unsigned char secret[SECRET_BYTES];
	struct str text;
	FILE *f;

	(void)argv;
	if (argc)
		return EXIT_USAGE;
	f = create(path, 0640);
	if (!f)
		return ctl_fail("%s: %s", path, strerror(errno));
	bytes_random(secret, sizeof(secret));
	text = base64url(ctl->arena, secret, sizeof(secret));
	return finish(f, path, fprintf(f, "%.*s\n", STR_ARG(text)) > 0);
}

static int
keys_vapid(struct ctl *ctl, int argc, char **argv)
{
	EVP_PKEY *key;
	int status;

	(void)argv;
	if (argc)
		return EXIT_USAGE;
	if (!*ctl->conf.vapid_key_file)
		return ctl_fail("%s does not say vapid_key_file", ctl->conf_path);
	key = EVP_EC_gen("P-256");
	if (!key)
		return ctl_fail("OpenSSL made no key");
	status = write_pem(ctl->conf.vapid_key_file, key, true);
	EVP_PKEY_free(key);
	return status;
}

static int
keys_factor(struct ctl *ctl, int argc, char **argv)
{
	(void)argv;
	return argc ? EXIT_USAGE : write_secret(ctl->conf.factor_key_file);
}

/* The new key waits beside the one that signs. */
static const char *
next_key(struct ctl *ctl)
{
	return arena_cstr(ctl->arena, arena_printf(ctl->arena, "%s.next", ctl->conf.token_private_key_file));
}

/* The public file anew, at once: what stays of it, and one more key or NULL. */
static int
replace_public(struct ctl *ctl, struct str keep, EVP_PKEY *more)
{
	const char *path = ctl->conf.token_public_key_file;
	const char *fresh = arena_cstr(ctl->arena, arena_printf(ctl->arena, "%s.new", path));
	FILE *f;
	int status;

	unlink(fresh);
	f = create(fresh, 0644);
	if (!f)
		return ctl_fail("%s: %s", fresh, strerror(errno));
	status = finish(f, fresh, fwrite(keep.p, 1, keep.n, f) == keep.n && (!more || PEM_write_PUBKEY(f, more)));
	if (status == EXIT_DONE && rename(fresh, path))
		return ctl_fail("%s: %s", path, strerror(errno));
	return status;
}

static int
rotate_begin(struct ctl *ctl)
{
	struct str old = ctl_read_file(ctl->arena, ctl->conf.token_public_key_file, PUBLIC_BYTES_MOST);
	EVP_PKEY *key;
	int status;

	if (!old.p)
		return ctl_fail("%s: %s", ctl->conf.token_public_key_file, strerror(errno));
	key = EVP_EC_gen("P-256");
	if (!key)
		return ctl_fail("OpenSSL made no key");
	status = write_pem(next_key(ctl), key, true);
	if (status == EXIT_DONE)
		status = replace_public(ctl, old, key);
	EVP_PKEY_free(key);
	if (status == EXIT_DONE)
		printf("now reload peal-fcgi and peal-push everywhere, so that they take what the new key signs; then `keys "
		       "rotate "
		       "switch`\n");
	return status;
}

static int
rotate_switch(struct ctl *ctl)
{
	if (rename(next_key(ctl), ctl->conf.token_private_key_file))
		return ctl_fail("%s: %s", next_key(ctl), strerror(errno));
	printf("now reload peal-fcgi everywhere, so that it signs with the new key; after %lld s `keys rotate finish`\n",
	       (long long)ctl->conf.access_token_seconds + LEEWAY_SECONDS);
	return EXIT_DONE;
}

static int
rotate_finish(struct ctl *ctl)
{
	FILE *f = fopen(ctl->conf.token_private_key_file, "re");
	EVP_PKEY *key = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;
	int status;

	if (f)
		fclose(f);
	if (!key)
		return ctl_fail("%s: not to be read", ctl->conf.token_private_key_file);
	if (!access(next_key(ctl), F_OK))
		status = ctl_fail("%s still waits for `keys rotate switch`", next_key(ctl));
	else
		status = replace_public(ctl, STR(""), key);
	EVP_PKEY_free(key);
	if (status == EXIT_DONE)
		printf("now reload peal-fcgi and peal-push everywhere: what the old key signed is refused\n");
	return status;
}

static int
keys_rotate(struct ctl *ctl, int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*fn)(struct ctl *);
	} steps[] = { { "begin", rotate_begin }, { "switch", rotate_switch }, { "finish", rotate_finish } };

	for (size_t i = 0; argc == 1 && i < sizeof(steps) / sizeof(*steps); i++)
		if (!strcmp(argv[0], steps[i].name))
			return steps[i].fn(ctl);
	return EXIT_USAGE;
}

static int
keys_generate(struct ctl *ctl, int argc, char **argv)
{
	const struct conf *conf = &ctl->conf;
	const char *const paths[] = { conf->token_private_key_file, conf->token_public_key_file, conf->refresh_key_file };
	EVP_PKEY *key;
	int status;

	(void)argv;
	if (argc)
		return EXIT_USAGE;
	for (size_t i = 0; i < 3; i++)
		if (!access(paths[i], F_OK))
			return ctl_fail("%s exists: remove it yourself if every session shall end", paths[i]);
	key = EVP_EC_gen("P-256");
	if (!key)
		return ctl_fail("OpenSSL made no key");
	status = write_pem(paths[0], key, true);
	if (status == EXIT_DONE)
		status = write_pem(paths[1], key, false);
	EVP_PKEY_free(key);
	if (status == EXIT_DONE)
		status = write_secret(paths[2]);
	if (status == EXIT_DONE && access(conf->factor_key_file, F_OK))
		status = write_secret(conf->factor_key_file);
	if (status == EXIT_DONE && access(conf->media_link_secret_file, F_OK))
		status = write_link_secret(conf->media_link_secret_file);
	return status;
}

const struct verb keys_generate_verb = {
	.name = "keys generate",
	.usage = "",
	.help = "Make the key files that the configuration names; never overwrites one.",
	.fn = keys_generate,
	.needs_conf = true,
};

const struct verb keys_media_link_verb = {
	.name = "keys media-link",
	.usage = "",
	.help = "Make the file with the secret of links to pictures, which nginx includes; never overwrites it.",
	.fn = keys_media_link,
	.needs_conf = true,
};

const struct verb keys_factor_verb = {
	.name = "keys factor",
	.usage = "",
	.help = "Make the file with the key that seals second factors; never overwrites it.",
	.fn = keys_factor,
	.needs_conf = true,
};

const struct verb keys_turn_verb = {
	.name = "keys turn",
	.usage = "",
	.help = "Make the file with the secret that TURN servers share with peal-fcgi; never overwrites it.",
	.fn = keys_turn,
	.needs_conf = true,
};

const struct verb keys_vapid_verb = {
	.name = "keys vapid",
	.usage = "",
	.help = "Make the file with the key that push services of browsers know this server by; never overwrites it.",
	.fn = keys_vapid,
	.needs_conf = true,
};

const struct verb keys_rotate_verb = {
	.name = "keys rotate",
	.usage = "begin|switch|finish",
	.help = "Exchange the key that signs access tokens, in three steps with reloads between them; nobody is signed out.",
	.fn = keys_rotate,
	.needs_conf = true,
};
