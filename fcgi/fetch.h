/*
 * fetch -- asks a server elsewhere over HTTPS, with limits on everything: what peal-fcgi needs of a provider that people sign in with.
 *
 * TLS is verified, redirects are not followed, no proxy of the environment is used, and no more than 256 KiB are read. A name that is not
 * the provider's own may not lead into a private network: an address there is refused when the socket is to be opened, so a name that
 * changes its mind gains nothing.
 */
#ifndef PEAL_FCGI_FETCH_H
#define PEAL_FCGI_FETCH_H

#include <jansson.h>

#include "base/arena.h"
#include "base/str.h"

struct fetch {
	struct str url;                /* https://; http:// only if provider is */
	struct str provider;           /* the address whose host may be anywhere */
	struct str form;               /* application/x-www-form-urlencoded, to be POSTed; absent: GET */
	struct str username, password; /* of HTTP Basic; absent: none */
	struct str bearer;             /* absent: none */
	int64_t timeout_ms;
};

/* 0 with a JSON object of status 200, which lives as the arena. UNAVAILABLE: no answer, or the server is in trouble (5xx, 429).
 * UNAUTHENTICATED: it refuses, or answers something else. The reason is logged, without what was said. */
int fetch_json(struct arena *, const struct fetch *, json_t **ret);

/* Do two addresses have the same scheme, host and port? */
bool fetch_same_host(struct str a, struct str b);
/* May this address be asked? https, or http when the provider itself is http. */
bool fetch_allowed(struct str url, struct str provider);

#endif
