/*
 * stat -- a listening socket at which somebody may ask for metrics (prom.h), for a process that does other things.
 */
#ifndef PEAL_BASE_STAT_H
#define PEAL_BASE_STAT_H

#include "prom.h"

/* Answers whoever waits there, if anybody does. Takes a moment at most: the question comes with the connection. */
void stat_serve(int listener, void (*write)(struct buf *));

#endif
