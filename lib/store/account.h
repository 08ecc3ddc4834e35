/*
 * account -- people and their sessions. All functions: 0, the outcomes named, UNAVAILABLE, UNCERTAIN, or a fault.
 */
#ifndef PEAL_STORE_ACCOUNT_H
#define PEAL_STORE_ACCOUNT_H

#include "../base/json_in.h"
#include "../wire/model.h"
#include "db.h"

struct session {
	struct str id; /* UUID text */
	int64_t user_id, generation, rotated_at, expires_at;
	struct str current_hash, previous_hash; /* SHA-256 of the refresh tokens of generation and generation - 1 */
};

/* USERNAME_TAKEN. Names are compared without case. The user's private stream begins at user_rev 0. */
int account_create(struct db *, struct arena *, struct str username, struct str display_name, struct str password_hash,
                   struct user *ret);
/* NOT_FOUND (also when disabled). The hash is what argon2 wrote. */
int account_password(struct db *, struct arena *, struct str username, struct user *ret, struct str *ret_hash);
int account_get(struct db *, struct arena *, int64_t user_id, struct user *ret); /* NOT_FOUND */
int account_me(struct db *, struct arena *, int64_t user_id, struct me *ret);    /* NOT_FOUND */

/* Absent: unchanged; null: cleared, and a display name then falls back to the user name. */
struct profile_change {
	struct str display_name, status_text, avatar_id;
	struct opt_bool read_receipts, last_seen;
};
struct profile_changed {
	struct me me;
	int64_t user_rev;        /* of the event in my own stream; 0: everything was so already */
	struct str removed_json; /* ["id", ...] whose files are to go now; absent: none */
};
/* NOT_FOUND; CONFLICT: the avatar is not an upload of mine that is a picture and that no message uses. */
int account_update(struct db *, struct arena *, int64_t user_id, const struct profile_change *, struct profile_changed *ret);

/* Prefix search over username and display name, by (username_key, id) after the cursor; people only, never myself
 * excluded. */
int account_search(struct db *, struct arena *, struct str prefix, struct str after_username, int64_t limit,
                   struct user **ret, size_t *ret_n);

int session_create(struct db *, struct arena *, struct str session_id, int64_t user_id, struct str refresh_hash,
                   struct str user_agent, int64_t expires_at);
int session_get(struct db *, struct arena *, struct str session_id,
                struct session *ret); /* NOT_FOUND: unknown, ended or expired */
/* Moves the session from generation n to n + 1 with the new hash; CONFLICT when somebody else did first (then read
 * again). */
int session_rotate(struct db *, struct arena *, struct str session_id, int64_t generation, struct str next_hash);
int session_end(struct db *, struct arena *, struct str session_id); /* idempotent */
/* Is this session alive, for this user? 0, or UNAUTHENTICATED. For sockets and the command door. */
int session_check(struct db *, struct arena *, struct str session_id, int64_t user_id);

#endif
