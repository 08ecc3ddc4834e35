/*
 * revoked -- which sessions have ended while their access tokens still live, in memory that the workers of one master share.
 *
 * An access token is good for minutes and is checked without the database. So that it ends with its session, the workers keep
 * the sessions that ended since the oldest token that may be about was issued. Whoever serves a request when nobody has asked for
 * REVOKED_EVERY_US asks the database for what is new, before it looks at the token; when nobody got an answer for REVOKED_STALE_US the
 * database is asked about the one session instead. No channel has to work for that, and without requests nothing is asked.
 *
 * Fixed in size and without locks, like rate_table: a worker may be killed at any instruction. What finds no place in its set
 * makes the table unreliable for as long as it would have stayed there.
 */
#ifndef PEAL_FCGI_REVOKED_H
#define PEAL_FCGI_REVOKED_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/str.h"

#define REVOKED_SETS     8192
#define REVOKED_WAYS     8
#define REVOKED_EVERY_US INT64_C(250000)
#define REVOKED_STALE_US INT64_C(800000)

struct revoked_place {
	_Atomic uint64_t key;
	_Atomic int64_t until_us; /* free from then on */
};

/* All zero: nothing is known. Times are monotonic. */
struct revoked {
	_Atomic int64_t asked_us;      /* when somebody last set out to ask; 0: nobody did */
	_Atomic int64_t fresh_us;      /* what was committed before is here; 0: nothing is */
	_Atomic int64_t incomplete_us; /* until then something is missing */
	_Atomic int64_t horizon;       /* where to ask from */
	struct revoked_place sets[REVOKED_SETS][REVOKED_WAYS];
};

enum revoked_answer { REVOKED_NO, REVOKED_YES, REVOKED_UNKNOWN };

uint64_t revoked_session(struct str session_id); /* the key of a session, from the random bits of its UUID */

/* Is it time to ask? True for one of those who want to know. */
bool revoked_due(struct revoked *, int64_t now_us);
void revoked_add(struct revoked *, uint64_t key, int64_t now_us, int64_t until_us);
/* Everything up to this horizon was added; the question was asked at asked_us. */
void revoked_complete(struct revoked *, int64_t horizon, int64_t asked_us);
enum revoked_answer revoked_look(struct revoked *, uint64_t key, int64_t now_us);

#endif
