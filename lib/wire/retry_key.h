/*
 * retry_key -- Idempotency-Key: what a client calls a request that it may send again.
 */
#ifndef PEAL_WIRE_RETRY_KEY_H
#define PEAL_WIRE_RETRY_KEY_H

#include "../base/str.h"

#define RETRY_KEY_MAX  64 /* code points */
#define RETRY_KEY_RULE "The key is one line of at most 64 characters."

bool retry_key_ok(struct str); /* of any bytes */

#endif
