/*
 * origin -- which web pages may use the server: one comparison for answers of the workers, for sockets and for passkeys.
 *
 * Browsers write an origin in lower case and without a default port, the configuration takes nothing else (conf.c), so bytes are compared.
 */
#ifndef PEAL_BASE_ORIGIN_H
#define PEAL_BASE_ORIGIN_H

#include "conf.h"
#include "str.h"

/* Is this one of a list that is separated by blanks? Nothing is never in it. */
bool origin_in(struct str origin, struct str list);
/* Is it public_url or one of `origins`? */
bool origin_listed(const struct conf *, struct str origin);

#endif
