/*
 * scan -- whether an upload may be kept as far as a virus scanner is concerned, where there is one (clamd.h), and what to do without its word.
 */
#ifndef PEAL_MEDIA_SCAN_H
#define PEAL_MEDIA_SCAN_H

#include "make.h"

/* 0: it may; INFECTED; BUSY: too many wait for the scanner already; UNAVAILABLE, TOO_LARGE: nobody could say, and that is not enough (clamd_failure); or a fault. */
int scan(const struct making *);

#endif
