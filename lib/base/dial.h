/*
 * dial -- a blocking connection to another process, whose waits have an end.
 */
#ifndef PEAL_BASE_DIAL_H
#define PEAL_BASE_DIAL_H

#include "arena.h"

/*
 * To one of the addresses in `where` (address.h), separated by blanks: the first that takes it, from anywhere on, so that all are used.
 * Each has its share of the time. Closed with the arena. UNAVAILABLE when nobody is there; a fault when these are no addresses.
 */
int dial(struct arena *, const char *where, int64_t timeout_ms, int *ret);
void dial_limit(int fd, int64_t timeout_ms); /* of each wait from now on; at least 1 */
bool dial_send(int fd, struct str);          /* all of it, or false */

#endif
