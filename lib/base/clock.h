/*
 * clock -- the time, in microseconds. Code that decides by time takes `now` as a parameter; only the rim asks here.
 */
#ifndef PEAL_BASE_CLOCK_H
#define PEAL_BASE_CLOCK_H

#include <stdint.h>

#include "str.h"

int64_t clock_wall_us(void); /* since 1970-01-01T00:00:00Z */
int64_t clock_mono_us(void); /* CLOCK_MONOTONIC */

#define CLOCK_RFC3339_MAX 32
/* "2026-01-02T03:04:05.678Z" (RFC 3339, UTC, milliseconds, cut not rounded) into out; returns its view. */
struct str clock_rfc3339(int64_t wall_us, char out[CLOCK_RFC3339_MAX]);
/* The same form read back, any fraction of 1..9 digits or none, `Z` or a numeric offset. */
bool clock_rfc3339_parse(struct str, int64_t *ret_wall_us);

#endif
