/* fcgi/generation.c -- configuration and keys, read together. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/ice.h"
#include "base/log.h"
#include "base/webpush.h"
#include "generation.h"
#include "stored.h"
#include "wire/link.h"

#define CONF_ARENA_MOST ((size_t)16 << 20)
#define ERRORS_MOST     ((size_t)1 << 20)
#define KEY_LEAST       32
#define KEY_MOST        4096

static void
log_lines(struct str text)
{
	while (text.n) {
		struct str line = str_cut(&text, '\n');

		if (line.n)
			LOG(ERROR, "configuration", L_STR("error", line));
	}
}

static int
load_conf(struct generation *g, const char *path)
{
	struct buf errors;
	int r;

	buf_init(&errors, ERRORS_MOST);
	r = conf_load(g->arena, path, &g->conf, &errors);
	log_lines(buf_view(&errors));
	buf_deinit(&errors);
	return r ? trace(r) : 0;
}

/* 32 random bytes or more. */
static int
load_key(struct generation *g, const char *path, struct str *ret)
{
	char *key = arena_alloc(g->arena, KEY_MOST);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, key, KEY_MOST);
	int error = errno;

	if (fd >= 0)
		close(fd);
	if (n >= KEY_LEAST) {
		*ret = str_n(key, (size_t)n);
		return 0;
	}
	LOG(ERROR, "key", L_CSTR("file", path), L_CSTR("error", n < 0 ? strerror(error) : "fewer than 32 bytes"));
	return INVALID;
}

static int
load_turn_secret(struct generation *g)
{
	int r = *g->conf.call_turn_urls ? ice_secret_load(g->arena, g->conf.call_turn_secret_file, &g->turn_secret) : 0;

	if (r)
		LOG(ERROR, "turn_secret", L_CSTR("file", g->conf.call_turn_secret_file),
		    L_CSTR("error", r < 0 ? strerror(-r) : ICE_SECRET_RULE));
	return r;
}

/* The workers tell browsers the public half, and have no other use for it. */
static int
load_vapid(struct generation *g)
{
	const char *why = NULL;
	struct vapid *v;

	if (!*g->conf.vapid_key_file)
		return 0;
	v = vapid_load(g->conf.vapid_key_file, g->conf.vapid_subject, &why);
	if (!v) {
		LOG(ERROR, "vapid_key", L_CSTR("file", g->conf.vapid_key_file), L_CSTR("error", why));
		return INVALID;
	}
	g->vapid_public = arena_str(g->arena, vapid_public(v));
	vapid_free(v);
	return 0;
}

static int
load_issuers(struct generation *g)
{
	struct buf errors;
	int r;

	buf_init(&errors, ERRORS_MOST);
	r = issuers_load(g->conf.issuers_dir, g->conf.token_issuer, &g->issuers, &errors);
	log_lines(buf_view(&errors));
	buf_deinit(&errors);
	return r;
}

static int
load_link_secret(struct generation *g)
{
	int r = link_open(g->conf.media_link_secret_file);

	if (r)
		LOG(ERROR, "media_link_secret", L_CSTR("file", g->conf.media_link_secret_file),
		    L_CSTR("error", r < 0 ? strerror(-r) : "not `set $peal_link_secret \"...\";`"));
	return r;
}

static int
load_account(struct generation *g)
{
	int r = stored_open(&g->conf);

	if (r)
		LOG(ERROR, "s3_key", L_CSTR("file", g->conf.s3_key_file),
		    L_CSTR("error", r < 0 ? strerror(-r) : "not an id in its first line and a secret in its second"));
	return r;
}

static int
load(struct generation *g, const char *path)
{
	int r;

	r = load_conf(g, path);
	if (r)
		return r;
	r = token_keys_load(g->conf.token_private_key_file, g->conf.token_public_key_file, g->conf.token_issuer,
	                    g->conf.token_audience, &g->keys);
	if (r) {
		log_fault("token_keys", r, (const struct log_field[]){ { 0 } });
		return trace(r);
	}
	r = load_key(g, g->conf.refresh_key_file, &g->refresh_key);
	if (!r)
		r = load_key(g, g->conf.factor_key_file, &g->factor_key);
	if (!r)
		r = load_turn_secret(g);
	if (!r)
		r = load_vapid(g);
	if (!r)
		r = load_link_secret(g);
	return r ? r : load_account(g);
}

int
generation_load(const char *conf_path, int number, struct generation **ret)
{
	struct generation *g = calloc(1, sizeof(*g));
	int r;

	if (!g)
		return fault(-ENOMEM);
	g->number = number;
	g->arena = arena_new(CONF_ARENA_MOST);
	r = load(g, conf_path);
	if (!r)
		r = load_issuers(g);
	if (r)
		g = generation_free(g);
	else
		*ret = g;
	return r;
}

struct generation *
generation_free(struct generation *g)
{
	if (!g)
		return NULL;
	token_keys_free(g->keys);
	issuers_free(g->issuers);
	arena_free(g->arena);
	free(g);
	return NULL;
}

int64_t
generation_workers(const struct generation *g, enum pool pool)
{
	const int64_t n[POOL_N] = { g->conf.workers_fast, g->conf.workers_slow, g->conf.workers_auth, g->conf.workers_feed };

	return n[pool];
}
