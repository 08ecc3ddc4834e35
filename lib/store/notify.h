/*
 * notify -- where notifications go, and what is to be told there. What is decided when: sql/0031_notifications.sql.
 */
#ifndef PEAL_STORE_NOTIFY_H
#define PEAL_STORE_NOTIFY_H

#include "../wire/model.h"
#include "db.h"

enum notify_channel { NOTIFY_WEB_PUSH = 1, NOTIFY_FCM };

struct notify_target {
	enum notify_channel channel;
	struct str address; /* endpoint, or the token of an app */
	/* of Web Push: bytes; key_id says for which VAPID key */
	struct str p256dh, auth, key_id;
	struct str platform; /* of FCM; absent: not said */
};

/* Mine from now on, whoever had it before. *ret_created: it was not mine. UNAUTHENTICATED: the session has ended. */
int notify_register(struct db *, struct arena *, int64_t me, struct str session, const struct notify_target *, int64_t most,
                    int64_t *ret_id, bool *ret_created);
/* NOT_FOUND: I have no such target of Web Push. */
int notify_remove(struct db *, struct arena *, int64_t me, int64_t id);
/* A token that is not mine is left alone. */
int notify_forget_token(struct db *, struct arena *, int64_t me, struct str token);

struct notify_news {
	bool any;        /* somebody is to be notified of something at all */
	bool more;       /* of the log */
	int64_t next_us; /* until something is due; INT64_MAX: nothing is */
};
/* Looks at about `limit` events of the log. */
int notify_follow(struct db *, struct arena *, int64_t limit, int64_t ttl_seconds, struct notify_news *ret);

enum notify_action { NOTIFY_MESSAGE = 1, NOTIFY_CLEAR, NOTIFY_NOTHING };

/* Something that is due. Strings borrow from the result, which lives as the arena. */
struct notify_due {
	int64_t target_id, conversation_id, version, attempts, user_id;
	struct notify_target target;
	enum notify_action action;
	int64_t shown_seq;
	/* of a message */
	int64_t seq, created_at, expires_at;
	enum message_kind kind;
	bool direct, mentions_me;
	int64_t sender_id;
	struct str sender_name, conversation_name, text; /* text: at most NOTIFY_TEXT code points of it; absent: none */
};
#define NOTIFY_TEXT 200
/* At most `limit`, what has waited longest first. */
int notify_due(struct db *, struct arena *, int64_t limit, int64_t ttl_seconds, struct notify_due **ret, size_t *ret_n);

enum notify_outcome { NOTIFY_TOLD = 1, NOTIFY_CLEARED, NOTIFY_DROPPED, NOTIFY_AGAIN, NOTIFY_GONE };

struct notify_done {
	int64_t target_id, conversation_id, version;
	enum notify_outcome outcome;
	int64_t seq;   /* TOLD: what */
	int64_t again; /* AGAIN: after so many seconds; TOLD: when the message expires, microseconds since 1970, or 0 */
};
int notify_done(struct db *, struct arena *, const struct notify_done *, size_t n);
/* Removes targets that nobody has registered again in a month, and those that were made for another VAPID key than this one (STR_NONE: for
 * none, and they stay). */
int notify_clean(struct db *, struct arena *, struct str key_id, int64_t *ret_removed);

#endif
