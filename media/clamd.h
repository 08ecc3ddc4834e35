/*
 * clamd -- asks ClamAV's daemon about bytes of a file, by its command INSTREAM: it is sent what was uploaded and nothing else, neither
 * a name nor a descriptor, over a Unix socket or a port.
 */
#ifndef PEAL_MEDIA_CLAMD_H
#define PEAL_MEDIA_CLAMD_H

#include "base/arena.h"

#define CLAMD_ANSWER_MOST 1024

/*
 * `where`: addresses as in base/dial.h. 0: it knows nothing against these bytes; INFECTED, with the name of what it has found, which lives as
 * the arena; TOO_LARGE: it takes no more in one stream (StreamMaxLength); UNAVAILABLE: away, too slow, or it has said something else; or a fault.
 */
int clamd_scan(struct arena *, const char *where, int64_t timeout_ms, int fd, uint64_t offset, uint64_t size,
               struct str *ret_name);
/* The same of what it has answered; ret_name is a part of that. */
int clamd_verdict(struct str answer, struct str *ret_name);

#endif
