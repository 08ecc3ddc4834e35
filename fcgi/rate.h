/*
 * rate -- how much one person, account or address may ask per minute, by the class that a route names (enum rate in req.h).
 *
 * Writing, signing in and registering are counted in Redis, exactly, for all hosts together; the rest in the memory of the
 * master's workers. While Redis is away everything is counted there: never blocked, never free.
 */
#ifndef PEAL_FCGI_RATE_H
#define PEAL_FCGI_RATE_H

#include "req.h"

/* Each counts one and fills req->rate, from which the headers come. 0, or RATE_LIMITED with req->retry_after_ms. A request counts
 * once, however often it is tried. */

/* By dispatch: 0 for what only the handler can count, since it alone finds out for whom. */
int rate_arrived(struct req *);
/* By the handlers of such routes: for req->me (and, of a person, for the token by which they came); or an attempt to sign in, by what is
 * tried and whose it is said to be. Capitals are the same; what two kinds are called never is. */
int rate_user(struct req *);
int rate_attempt(struct req *, const char *what, struct str whose);

/* The address as it is counted: IPv4 whole, IPv6 by its first 64 bits, which is what one subscriber is given. What is no address
 * is "-". Lives in the arena. */
struct str rate_address(struct arena *, struct str address);

#endif
