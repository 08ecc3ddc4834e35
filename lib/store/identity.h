/*
 * identity -- people whom somebody else knows: by the pair of an issuer and its subject, never by a name or an address.
 */
#ifndef PEAL_STORE_IDENTITY_H
#define PEAL_STORE_IDENTITY_H

#include "../wire/model.h"
#include "db.h"

struct identity {
	struct str issuer, subject;
	struct str name, label,
	        display; /* of somebody new: the user name becomes <name>@<label>, or <name>.2@<label> and so on */
};

/* Who that is; somebody new is made. */
int identity_user(struct db *, struct arena *, const struct identity *, int64_t *ret_user_id);

struct identity_token {
	struct str session_id; /* UUID text, the same for the same token */
	struct str hash, user_agent;
	int64_t expires_at; /* microseconds since 1970: the session's */
};
/* The session that a token of an issuer is, begun when it is new. UNAUTHENTICATED: it was ended, or its person is disabled. */
int identity_session(struct db *, struct arena *, const struct identity *, const struct identity_token *,
                     int64_t *ret_user_id);

/* How else somebody may sign in, as the one who asks knows it: never is the last way taken away. */
struct ways {
	struct str issuers; /* those that are known here, one on a line */
	bool passkeys;      /* there are such here */
};

struct linked {
	int64_t id;
	struct str issuer;
	int64_t created_at;
};

/* Whom somebody else calls me, oldest first. */
int identity_list(struct db *, struct arena *, int64_t user_id, struct linked **ret, size_t *ret_n);
/* Links the person of a session to whom an issuer names. NOT_FOUND: the session has ended; CONFLICT: that is somebody else here; TOO_MANY: they
 * are linked to another subject of this issuer. */
int identity_link(struct db *, struct arena *, struct str session_id, struct str issuer, struct str subject, bool *ret_new,
                  int64_t *ret_user_id);
/* NOT_FOUND, LAST_WAY_IN. What tokens of that issuer had opened has ended. */
int identity_unlink(struct db *, struct arena *, int64_t user_id, int64_t id, const struct ways *);

#endif
