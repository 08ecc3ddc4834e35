/*
 * older -- what only older clients ask: conversations by the other person, and everything since a time.
 */
#ifndef PEAL_STORE_OLDER_H
#define PEAL_STORE_OLDER_H

#include "../wire/model.h"
#include "db.h"

/* NOT_FOUND: no such person. *ret: the direct conversation as far as I can see it, otherwise 0. */
int direct_find(struct db *, struct arena *, int64_t me, int64_t other, int64_t *ret);

/*
 * A place in the order of everything that was said: by time, and within a conversation always by seq. A message that says an earlier
 * time than the one before it, because its transaction began before and ended after, counts as said at that one's time. So the
 * order of what is there never changes, and what comes later to a conversation comes later in this order.
 */
struct since {
	int64_t at, conversation_id, seq; /* after these; 0 for the ids: from that time on */
};
/* Messages visible to me, at most `limit`; *ret_next.at is 0 at the end. */
int message_since(struct db *, struct arena *, int64_t me, const struct since *, int64_t limit, struct message **ret,
                  size_t *ret_n, struct since *ret_next);

#endif
