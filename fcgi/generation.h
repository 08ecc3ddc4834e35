/*
 * generation -- one reading of the configuration, and what the workers started under it share.
 *
 * Made by the master before it forks, so that a bad file, a missing key or a bad one is found by the master, which then keeps the
 * generation that it has.
 */
#ifndef PEAL_FCGI_GENERATION_H
#define PEAL_FCGI_GENERATION_H

#include "base/conf.h"
#include "base/issuers.h"
#include "base/token.h"
#include "board.h"

struct generation {
	int number;
	struct arena *arena;
	struct conf conf;
	struct token_keys *keys;
	struct issuers *issuers;
	struct str refresh_key, factor_key;
	struct str turn_secret;  /* absent: there are no TURN servers */
	struct str vapid_public; /* absent: there is no Web Push */
};

/* 0; INVALID or a fault, with the reasons logged. */
int generation_load(const char *conf_path, int number, struct generation **ret);
struct generation *generation_free(struct generation *); /* NULL-safe */
int64_t generation_workers(const struct generation *, enum pool);

#endif
