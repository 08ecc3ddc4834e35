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
	int64_t user_id, generation, expires_at;
	int64_t rotated_us_ago;                 /* by the database's clock: that of a worker may be another */
	struct str current_hash, previous_hash; /* SHA-256 of the refresh tokens of generation and generation - 1 */
	/* session_list() only, which gives none of the above but id, user_id and expires_at */
	int64_t created_at, last_used_at;
	struct str user_agent;
};

/* USERNAME_TAKEN. Names are compared without case. The user's private stream begins at user_rev 0. */
int account_create(struct db *, struct arena *, struct str username, struct str display_name, struct str password_hash,
                   struct user *ret);
/* NOT_FOUND (also when disabled). The hash is what argon2 wrote; absent: they sign in by other means only. */
int account_password(struct db *, struct arena *, struct str username, struct user *ret, struct str *ret_hash);
int account_my_password(struct db *, struct arena *, int64_t user_id, struct user *ret, struct str *ret_hash);
/* Ends all sessions but one (absent: all). CONFLICT: the password is another one by now, or the person is disabled. */
int account_password_change(struct db *, struct arena *, int64_t user_id, struct str old_hash, struct str new_hash,
                            struct str keep_session);
/* The same password, hashed at another cost. */
int account_rehash(struct db *, struct arena *, int64_t user_id, struct str old_hash, struct str new_hash);
/* Disabling ends all their sessions and is told to everybody (revocation, below). NOT_FOUND. Idempotent. */
int account_disable(struct db *, struct arena *, struct str username, bool disabled, int64_t *ret_user_id);
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

/* A place in the order of the directory; all zero: before everybody. */
struct directory_place {
	int64_t far, user_id; /* far 0: shares a conversation with me; 1: nobody I know */
	struct str word;      /* theirs that was found */
};
/*
 * People of whom each word of `typed` begins a word of the display name or a part of the user name; case and accents do not count.
 * Those who share a conversation with me come first. Nobody who is disabled; I am among them.
 */
int directory_search(struct db *, struct arena *, int64_t me, struct str typed, const struct directory_place *after,
                     int64_t limit, struct user **ret, struct directory_place **ret_places, size_t *ret_n);

struct session_start {
	struct str id; /* UUID text */
	int64_t user_id;
	struct str
	        password_hash; /* by which they have signed in, so that it must still be the one; absent: by other means */
	struct str refresh_hash, user_agent;
	int64_t expires_at;
};
int session_begin(struct db *, struct arena *,
                  const struct session_start *); /* BAD_CREDENTIALS: disabled, or another password */
int session_get(struct db *, struct arena *, struct str session_id,
                struct session *ret); /* NOT_FOUND: unknown, ended or expired */
/* How long a session lives: from its beginning, and from its last renewal (0: that does not matter). */
struct session_life {
	int64_t most_seconds, idle_seconds;
};
/* Moves the session from generation n to n + 1 with the new hash; CONFLICT when somebody else did first (then read
 * again). */
int session_rotate(struct db *, struct arena *, struct str session_id, int64_t generation, struct str next_hash,
                   const struct session_life *, int64_t *ret_expires_at);
/* Idempotent. ret_user_id: whose it was; 0: there is none, or it had ended. */
int session_end(struct db *, struct arena *, struct str session_id, int64_t *ret_user_id);
/* Is this session alive, for this user? 0, or UNAUTHENTICATED. For sockets and the command door. */
int session_check(struct db *, struct arena *, struct str session_id, int64_t user_id);
/* Those that live, newest first, after (before, before_id) unless before is 0. */
int session_list(struct db *, struct arena *, int64_t user_id, int64_t before, struct str before_id, int64_t limit,
                 struct session **ret, size_t *ret_n);
int session_end_mine(struct db *, struct arena *, struct str session_id, int64_t user_id); /* NOT_FOUND: not mine, or over */
int session_end_others(struct db *, struct arena *, int64_t user_id, struct str keep_session);

/*
 * What was ended. Whoever writes session.ended_at or users.disabled_at writes it, by a trigger. Ask with the horizon of the last answer
 * (0: none yet): everything that was committed since is in the answer, some of it once more.
 */
struct revocation {
	int64_t user_id;
	struct str session_id; /* absent: everything that acts for this person */
};
struct revocations {
	int64_t horizon;
	struct revocation *items;
	size_t n;
};
int account_revoked(struct db *, struct arena *, int64_t horizon, struct revocations *ret);

/* Everybody, by id. */
struct account_name {
	int64_t id;
	struct str username;
};
int account_names(struct db *, struct arena *, int64_t after_id, size_t limit, struct account_name **ret, size_t *ret_n);

#endif
