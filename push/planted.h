/*
 * planted -- faults that the simulator must find (tests/sim). Only builds with failpoints have them, and only the simulator plants
 * one; in a release PLANTED() is 0.
 */
#ifndef PEAL_PUSH_PLANTED_H
#define PEAL_PUSH_PLANTED_H

enum planted {
	PLANTED_NOTHING,
	PLANTED_NO_CATCHING,  /* live again as soon as Redis is, without a last look at the log */
	PLANTED_EARLY_OPEN,   /* heads before Redis has confirmed the subscription */
	PLANTED_FORGET_FIRST, /* the event that found a slow socket's queue full is not read again */
	PLANTED_KEPT_CURSOR,  /* a cursor stays in a queue whose events are taken back */
	PLANTED_EVERYBODY,    /* what the log says is given to everybody, whoever it is for */
	PLANTED_DROP_ASIDE,   /* what was set aside during a replay is taken for sent */
	PLANTED_KEPT_LIVE,    /* `live` stays in a queue whose batches are taken back */
	PLANTED_FAULTS
};

#ifdef PEAL_FAILPOINTS
extern enum planted planted;
#define PLANTED(fault) (planted == PLANTED_##fault)
#else
#define PLANTED(fault) 0
#endif

#endif
