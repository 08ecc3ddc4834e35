/*
 * recent -- which event reached which user lately, so that nothing is brought twice: the poll reads again
 * what Redis has told, and peal-jobs rings again when it cannot know.
 *
 * Two generations of a set: what is older than one to two periods is forgotten. A repeated event is harmless (clients drop
 * it), and so is a collision of the 64 bits that stand for stream and user (they see the hole and fill it).
 */
#ifndef PEAL_PUSH_RECENT_H
#define PEAL_PUSH_RECENT_H

#include "table.h"

#define RECENT_MAX 100000 /* of one generation; then the older one goes early */

struct recent {
	struct table now, before;
	int64_t turned_ms;
};

/* False when it was there already. */
bool recent_add(struct recent *, int64_t id, char stream, int64_t position, int64_t user_id);
void recent_age(struct recent *, int64_t now_ms, int64_t period_ms);
void recent_deinit(struct recent *);

#endif
