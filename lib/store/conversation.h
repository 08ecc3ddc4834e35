/*
 * conversation -- conversations as their members see them. Whoever is not a member gets NOT_FOUND.
 */
#ifndef PEAL_STORE_CONVERSATION_H
#define PEAL_STORE_CONVERSATION_H

#include "../wire/model.h"
#include "db.h"

/* Who hears an event, read under the conversation's row lock. */
struct hearers {
	const int64_t *ids;
	size_t n;
};

/* What a durable event advanced; all values after it. */
struct advance {
	int64_t seq, rev, at;
	struct hearers hearers;
};

/* Starts or finds the direct conversation of two people (or of one with oneself). NOT_FOUND: no such person. It is hidden
 * from the peer until the first message, or until they start it too. *ret_created: it is new. *ret_advance.at 0: no event. */
int conversation_start_direct(struct db *, struct arena *, int64_t me, int64_t peer, struct conversation *ret,
                              bool *ret_created, struct advance *ret_advance);
int conversation_get(struct db *, struct arena *, int64_t me, int64_t conversation_id,
                     struct conversation *ret); /* with participants */
int conversation_listed(struct db *, struct arena *, int64_t me, int64_t conversation_id,
                        struct conversation *ret); /* without, as in the list */
/* The same as each of several people sees it, for conversation_created events; also where it is hidden from them. Two
 * statements, however many people. Whoever is not a member is left out. */
struct viewed {
	int64_t viewer;
	struct conversation conversation;
};
int conversation_get_for(struct db *, struct arena *, int64_t conversation_id, const int64_t *viewers, size_t n,
                         struct viewed **ret, size_t *ret_n);

/* A place in the list: pinned first, then newest activity, then id. Zeroed: the beginning. */
struct conversation_cursor {
	bool given, pinned;
	int64_t updated_at, id;
};
/* ONE statement. At most `limit` conversations; *ret_next.given says whether there are more, and from where. */
int conversation_list(struct db *, struct arena *, int64_t me, const struct conversation_cursor *, int64_t limit,
                      bool archived, struct conversation **ret, size_t *ret_n, struct conversation_cursor *ret_next);

struct read_mark {
	bool moved;                       /* false: the mark stood there or further already; nothing to publish */
	int64_t seq;                      /* receipt_seq after it */
	int64_t user_rev, at;             /* of my own stream: user_changed kind read */
	struct hearers hearers;           /* members who may see the receipt; empty above marks_max_members */
	struct conversation conversation; /* my.read_seq, unread_count after it */
};
/* Monotone; seq above last_seq is INVALID. Clears unread_from. Private reading moves read_seq, not receipt_seq. */
int conversation_read(struct db *, struct arena *, int64_t me, int64_t conversation_id, int64_t seq, bool private_reading,
                      int64_t marks_max_members, struct read_mark *ret);
/* Members who hear typing (never me); none above `max`. NOT_FOUND. */
int conversation_typing_hearers(struct db *, struct arena *, int64_t me, int64_t conversation_id, int64_t max,
                                struct hearers *ret);

struct unread_total {
	int64_t total, mentions;
	struct {
		int64_t id, unread, mentions;
	} * items;
	size_t n;
};
int conversation_unread(struct db *, struct arena *, int64_t me, struct unread_total *ret);

#endif
