/*
 * group -- groups and their members; and what a member keeps for themselves: settings, where unread begins, a draft.
 *
 * Whoever is not a member gets NOT_FOUND. WRONG_KIND: not for a direct conversation. FORBIDDEN: beyond my role.
 */
#ifndef PEAL_STORE_GROUP_H
#define PEAL_STORE_GROUP_H

#include "conversation.h"

#define GROUP_MEMBERS_MAX 5000
#define GROUP_NAME_MAX    100 /* code points */
#define GROUP_BRING_MAX   100 /* people that one call brings into a group */
#define PINNED_MAX        100 /* conversations that one person pins */

/* What a change wrote into the conversation's log: `n` events, the last of them at seq + rev. */
struct logged {
	int64_t seq, rev;
	size_t n;
};

struct group_new {
	struct str name, avatar_id; /* avatar absent: none */
	bool history_all;
	const int64_t *users; /* in any order, I may be among them */
	size_t users_n;
};
/*
 * INVALID: somebody does not exist. BLOCKED: somebody and I. CONFLICT: the avatar is not a picture of mine that no
 * message uses.
 */
int group_create(struct db *, struct arena *, int64_t me, const struct group_new *, int64_t *ret_id, struct logged *ret);

/*
 * `changes`: an object with any of name, avatar_id, history, ttl_seconds, retention_days, slow_mode_seconds, checked already;
 * null takes away. CONFLICT: the avatar, as above. BLOCKED: the other person of a direct conversation and I. *ret_removed: ids
 * of attachments whose files are to go now, a JSON array; absent: none.
 */
int conversation_update(struct db *, struct arena *, int64_t me, int64_t conversation_id, struct str changes,
                        struct logged *ret, struct str *ret_removed);

/* INVALID, BLOCKED as above; GROUP_FULL. *ret_added: those who were not members before. */
int member_add(struct db *, struct arena *, int64_t me, int64_t conversation_id, const int64_t *users, size_t n,
               struct logged *ret, struct hearers *ret_added, int64_t *ret_count);
/* LAST_OWNER. *ret_member: as they are now. */
int member_role(struct db *, struct arena *, int64_t me, int64_t conversation_id, int64_t user_id, enum member_role,
                struct logged *ret, struct member *ret_member);
/* Removes, or leaves when it is me. *ret_user_rev: of the stream of who is gone. */
int member_remove(struct db *, struct arena *, int64_t me, int64_t conversation_id, int64_t user_id, struct logged *ret,
                  int64_t *ret_user_rev);

/* A place in the list of members, who stand in the order in which they came. Zeroed: the beginning. */
struct member_cursor {
	bool given;
	int64_t position, user_id;
};
int member_list(struct db *, struct arena *, int64_t me, int64_t conversation_id, const struct member_cursor *,
                int64_t limit, struct member **ret, size_t *ret_n, struct member_cursor *ret_next);

/* What is one member's own; *ret_user_rev is 0 when it was so already. */

/* `changes`: an object with any of notify (1..3), muted_until, archived, pinned. TOO_MANY: pinned already. */
int member_settings(struct db *, struct arena *, int64_t me, int64_t conversation_id, struct str changes,
                    int64_t *ret_user_rev);
/* INVALID: seq is not one that I see. */
int member_unread(struct db *, struct arena *, int64_t me, int64_t conversation_id, int64_t seq, int64_t *ret_user_rev);
/* Absent content forgets the draft. INVALID: I do not see what it replies to. */
int member_draft(struct db *, struct arena *, int64_t me, int64_t conversation_id, struct str content, int64_t reply_seq,
                 int64_t *ret_user_rev);

#endif
