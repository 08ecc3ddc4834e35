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

#endif
