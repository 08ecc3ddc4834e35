/*
 * erasure -- ending an account for good, and what is left to be taken away afterwards. The rules are in sql/0030_erasure.sql.
 */
#ifndef PEAL_STORE_ERASURE_H
#define PEAL_STORE_ERASURE_H

#include "db.h"

/* Whose accounts have ended: the person's and their bots'. n 0: they had ended before. */
struct erasure_ended {
	const int64_t *users, *revs; /* revs: where in their own stream it is said */
	size_t n;
	struct str removed_json; /* ["id", ...] whose files are to go now; absent: none */
};
/* messages: what they said goes as well. last: also when it is the last administrator. NOT_FOUND (also a bot), LAST_ADMIN. Idempotent. */
int account_erase(struct db *, struct arena *, int64_t user_id, bool messages, bool last, struct erasure_ended *ret);
/* By the name, for the command line; the same outcomes. */
int account_erase_named(struct db *, struct arena *, struct str username, bool messages, int64_t *ret_user_id);

/* A small piece of what is left. user_id 0: there is none, for now. */
struct erasure_step {
	int64_t user_id;
	int64_t conversation_id, position; /* `events` of it end there */
	size_t events;
	bool done; /* with this person */
};
int erasure_step(struct db *, struct arena *, int64_t limit, int64_t grace_ms, struct erasure_step *ret);

#endif
