/*
 * members -- what the endpoints of groups and of members' own settings share.
 */
#ifndef PEAL_FCGI_MEMBERS_H
#define PEAL_FCGI_MEMBERS_H

#include "req.h"
#include "store/group.h"

/* Rings, after commit, for what was written into the log of the conversation, and into somebody's own stream (0: nothing). */
void members_ring(struct req *, int64_t conversation_id, const struct logged *);
void members_ring_user(struct req *, int64_t user_id, int64_t user_rev);

/* An array of user ids, at most GROUP_BRING_MAX. `path` is its place in the body. INVALID. */
int members_ids(struct req *, const char *path, const json_t *array, const int64_t **ret, size_t *ret_n);
/* A group's name as it is kept, and an avatar that is an attachment's id or null. INVALID. */
int members_name(struct req *, struct str *name);
int members_avatar(struct req *, struct str avatar_id);
/* Says what a refusal is about: the people, if the body names some (otherwise NULL), or the avatar. */
int members_refused(struct req *, int r, const char *people_path);

/* The conversation as it is now, to me. */
int members_reply(struct req *, int status, int64_t conversation_id);
/* The same as the answer to a replay: `again` of an endpoint that made a conversation. */
int members_again(struct req *, struct str made);

#endif
