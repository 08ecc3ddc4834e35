/*
 * device -- a browser in which somebody has signed in before. What is tried there has an allowance of its own, so that whoever
 * guesses at their password elsewhere, and uses up what the account has, does not keep them out.
 *
 * The cookie is base64url(nonce, 16 bytes | HMAC-SHA256 of the user name and the nonce). It signs nobody in, and is nobody's but the
 * one's whose password was right there; nothing is stored.
 */
#ifndef PEAL_FCGI_DEVICE_H
#define PEAL_FCGI_DEVICE_H

#include "req.h"

/* Counts an attempt at this name's password: the browser's if it knows the name, otherwise the account's. RATE_LIMITED. */
int device_attempt(struct req *, struct str username);
/* They have signed in here. */
void device_remember(struct req *, struct str username);

#endif
