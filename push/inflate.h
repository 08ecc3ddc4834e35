/*
 * inflate -- what clients compressed (RFC 7692), one message at a time: nothing is remembered from one to the next.
 *
 * One inflater serves all connections of the process; that is what client_no_context_takeover is for.
 */
#ifndef PEAL_PUSH_INFLATE_H
#define PEAL_PUSH_INFLATE_H

#include "base/str.h"

struct inflater;

struct inflater *inflater_new(void);
void inflater_free(struct inflater *); /* NULL-safe */

/*
 * The message that n compressed bytes stand for; it lives until the next call. 0; WS_TOO_BIG when it would be larger than
 * `most`, found out after that many bytes however much would follow; WS_BAD_UTF8 (inconsistent data) when it is damaged or cut.
 */
int inflate_message(struct inflater *, const unsigned char *p, size_t n, size_t most, struct str *ret);

#endif
