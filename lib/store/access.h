/*
 * access -- access tokens, and the bots that have nothing else. All functions: 0, the outcomes named, UNAVAILABLE, UNCERTAIN, or a
 * fault.
 *
 * A token speaks for its user as far as its scopes go; only SHA-256 of it is kept. One that is revoked, or whose user or whose
 * user's owner is disabled, is none from that statement on.
 */
#ifndef PEAL_STORE_ACCESS_H
#define PEAL_STORE_ACCESS_H

#include "../wire/model.h"
#include "db.h"

struct access_token {
	int64_t id, user_id;
	struct str name, scopes;                      /* words with blanks between them */
	int64_t created_at, expires_at, last_used_at; /* 0: never */
};

/* Who comes with a token. */
struct access_who {
	int64_t token_id, user_id, expires_at;
	struct str scopes, session_id; /* the UUID by which sockets that it opened are known */
	bool bot;
	bool unnoted; /* its last use was noted a minute ago, or never */
};

/* NOT_FOUND. Expired ones are found. */
int access_by_hash(struct db *, struct arena *, struct str hash, struct access_who *ret);
int access_by_session(struct db *, struct arena *, struct str session_id, int64_t user_id, struct access_who *ret);
int access_used(struct db *, struct arena *, int64_t token_id);

struct access_new {
	int64_t user_id; /* me, or a bot of mine: NOT_FOUND otherwise */
	struct str name, hash, scopes;
	int64_t days; /* 0: it does not expire: INVALID but for a bot */
	int64_t most; /* TOO_MANY */
};
/* FORBIDDEN: scopes beyond the role of its user. */
int access_create(struct db *, struct arena *, int64_t me, const struct access_new *, struct access_token *ret);
int access_get(struct db *, struct arena *, int64_t me, int64_t token_id, struct access_token *ret); /* NOT_FOUND */
/* Mine and those of my bots, newest first, that are not revoked; before: an id, 0 for the first page. */
int access_list(struct db *, struct arena *, int64_t me, int64_t before, int64_t limit, struct access_token **ret,
                size_t *ret_n);
int access_revoke(struct db *, struct arena *, int64_t me, int64_t token_id); /* NOT_FOUND */

/* USERNAME_TAKEN; TOO_MANY; FORBIDDEN: bots make no bots. */
int bot_create(struct db *, struct arena *, int64_t me, struct str username, struct str display_name, int64_t most,
               struct user *ret);
int bot_list(struct db *, struct arena *, int64_t me, int64_t after, int64_t limit, struct user **ret, size_t *ret_n);
int bot_get(struct db *, struct arena *, int64_t me, int64_t bot_id, struct user *ret); /* NOT_FOUND */
/* It cannot do anything any more; what it said stays. NOT_FOUND. */
int bot_remove(struct db *, struct arena *, int64_t me, int64_t bot_id);

#endif
