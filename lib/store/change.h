/*
 * change -- what becomes of a message after it was sent. Whoever does not see the message gets NOT_FOUND.
 *
 * Every change is one PL/pgSQL call, durable when it returns 0, and idempotent: what is so already changes nothing and takes no
 * number. A change of the conversation takes one rev, one of my own one user_rev. In a direct conversation of two of whom one
 * blocks the other, BLOCKED, but for what is mine alone, and deleting. INVALID: db_last_error() says where (req_refused()).
 */
#ifndef PEAL_STORE_CHANGE_H
#define PEAL_STORE_CHANGE_H

#include "../wire/model.h"
#include "db.h"

/* A message, by its place, and who asks. */
struct place {
	int64_t me, conversation_id, seq;
};

/* The event is at `position` of the conversation, or of my own stream. */
struct change {
	bool changed;
	int64_t position;
};

struct edit {
	struct str content,
	        mentions_json; /* absent: none. The mentions' form is checked already, that they are members here */
	int64_t if_version;    /* 0: whatever it is */
};
/* FORBIDDEN: not the sender; DELETED; WRONG_KIND: nobody edits it; STALE_VERSION; INVALID. */
int change_edit(struct db *, struct arena *, const struct place *, const struct edit *, struct change *ret);
/* For everyone, by the sender or an admin of the group: FORBIDDEN otherwise. *ret_attachments_json: ["id", ...] whose files are
 * to go now; absent: none. */
int change_delete(struct db *, struct arena *, const struct place *, struct change *ret, struct str *ret_attachments_json);
/* For me alone. Idempotent: deleted already is 0. */
int change_hide(struct db *, struct arena *, const struct place *, struct change *ret);
int change_star(struct db *, struct arena *, const struct place *, bool on, struct change *ret);
/* `emoji` as emoji_parse() wrote it. DELETED; TOO_MANY: `mine_max` different ones of one person, `all_max` on one message. */
int change_react(struct db *, struct arena *, const struct place *, struct str emoji, bool on, int64_t mine_max,
                 int64_t all_max, struct change *ret);
/* FORBIDDEN: a plain member of a group; DELETED; TOO_MANY: `most` in the conversation. */
int change_pin(struct db *, struct arena *, const struct place *, bool on, int64_t most, struct change *ret);
/* The options I choose, from 0, each once; none withdraws my vote. DELETED; WRONG_KIND: not a poll; POLL_CLOSED; INVALID. */
int change_vote(struct db *, struct arena *, const struct place *, const int64_t *options, size_t n, struct change *ret);

#endif
