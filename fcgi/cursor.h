/*
 * cursor -- where a page of a list ended, as an opaque text: numbers of the list's order, joined and in base64url.
 */
#ifndef PEAL_FCGI_CURSOR_H
#define PEAL_FCGI_CURSOR_H

#include "req.h"

/* Positive numbers. Lives as the request. */
struct str cursor_write(struct req *, const int64_t *place, size_t n);
/* Absent: 0 and *place untouched. INVALID when it is not one of `n` positive numbers. */
int cursor_read(struct req *, struct str cursor, int64_t *place, size_t n);

#endif
