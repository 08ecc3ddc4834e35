/*
 * detail -- what there is to know of a message besides the message: what it said before, who reacted, who has got and read it; and
 * the lists of messages that I starred, or that a conversation pinned. Each is one statement, the membership checked inside it.
 *
 * Lists take at most `limit` things after a place, and say with *ret_more whether there are more. NOT_FOUND when I do not see the
 * message, or am not a member.
 */
#ifndef PEAL_STORE_DETAIL_H
#define PEAL_STORE_DETAIL_H

#include "change.h"

struct revision {
	int64_t version, created_at;
	struct str content, mentions_json; /* absent: null, none */
};
/* What it said before, newest first; before 0: from the newest. */
int detail_revisions(struct db *, struct arena *, const struct place *, int64_t before_version, int64_t limit,
                     struct revision **ret, size_t *ret_n, bool *ret_more);

struct reactor {
	struct user user;
	struct str emojis_json; /* ["..."], in the order they were given */
	int64_t reacted_at;     /* the last of them */
};
/* By user id; `emoji` absent: any. */
int detail_reactions(struct db *, struct arena *, const struct place *, struct str emoji, int64_t after_user, int64_t limit,
                     struct reactor **ret, size_t *ret_n, bool *ret_more);

struct receipt {
	int64_t user_id, delivered_at, read_at; /* times 0: not so, or not known any more */
	bool read;
};
/* Members other than the sender who have it, by user id. */
int detail_receipts(struct db *, struct arena *, const struct place *, int64_t after_user, int64_t limit,
                    struct receipt **ret, size_t *ret_n, bool *ret_more);

/* A place in the list of stars; zeroed: the beginning. */
struct star_cursor {
	int64_t starred_at, conversation_id, seq;
};
/* Newest star first; only messages that I still see. *ret_next zeroed: that is all. */
int detail_starred(struct db *, struct arena *, int64_t me, const struct star_cursor *, int64_t limit, struct message **ret,
                   size_t *ret_n, struct star_cursor *ret_next);
/* Newest pin first. */
int detail_pins(struct db *, struct arena *, int64_t me, int64_t conversation_id, int64_t limit, struct message **ret,
                size_t *ret_n);

#endif
