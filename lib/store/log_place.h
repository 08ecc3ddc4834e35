/*
 * log_place -- a place in the event log, and the statements of log.c. Private to lib/store.
 *
 * On the wire base64url of `<epoch>.<xid>`: all events of transactions below xid were handed out. Within a round of polling
 * `<epoch>.<xid>.<within>`: the round goes on at transaction `within`, and when it is through, everything below xid
 * was handed out. Within a round of /sync `<epoch>.<xid>.<from>.<conversation or u>.<position>`: the round began at the horizon
 * `from`, has handed out all conversations before this one, and this one up to the position.
 */
#ifndef PEAL_STORE_LOG_PLACE_H
#define PEAL_STORE_LOG_PLACE_H

#include "db.h"

struct log_place {
	struct str epoch;
	int64_t xid, within; /* within 0: between rounds */
};

struct sync_place {
	struct str epoch;
	int64_t xid, from;
	bool user;            /* the conversations are through: my own stream */
	int64_t conversation; /* the first that is not through */
	int64_t position;     /* handed out of it, or of my own stream */
};

struct str log_place_write(struct arena *, const struct log_place *);
bool log_place_read(struct arena *, struct str, struct log_place *ret);
struct str sync_place_write(struct arena *, const struct sync_place *);
bool sync_place_read(struct arena *, struct str, struct sync_place *ret);

extern const struct stmt event_replay_statement, event_poll_statement, event_user_poll_statement, event_again_statement,
        event_user_again_statement, event_horizon_statement;

#endif
