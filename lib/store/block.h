/*
 * block -- whom I have blocked, and whose presence I may see.
 */
#ifndef PEAL_STORE_BLOCK_H
#define PEAL_STORE_BLOCK_H

#include "../wire/model.h"
#include "db.h"

/* NOT_FOUND: no such person. *ret_user_rev: of the event in my own stream; 0: it was so already. Blocking oneself is INVALID. */
int block_set(struct db *, struct arena *, int64_t me, int64_t other, bool blocked, int64_t *ret_user_rev);

struct block {
	struct user user;
	int64_t created_at;
};
/* A place in the list, newest first. Zeroed: the beginning. */
struct block_cursor {
	int64_t created_at, id;
};
/* At most `limit`; *ret_next is zeroed at the end. */
int block_list(struct db *, struct arena *, int64_t me, const struct block_cursor *, int64_t limit, struct block **ret,
               size_t *ret_n, struct block_cursor *ret_next);

/* Those of `ids` whose presence I may see: who share a conversation with me, with no block between us, and show it. */
int presence_visible(struct db *, struct arena *, int64_t me, const int64_t *ids, size_t n, struct user **ret,
                     size_t *ret_n);

#endif
