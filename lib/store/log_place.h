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

/*
 * From when on, in us since 1970, the log has to be looked into for whoever has everything below a horizon: nothing at or above it was
 * written by a transaction that began earlier. LOG_NOTHING for no horizon. Asked of the log at times only, since an earlier moment than
 * necessary is as true: see log_since.c.
 */
int log_since(struct db *, struct arena *, const struct log_place *, int64_t *ret_at);
void log_since_epoch(struct str epoch); /* the log's, as just read: what was known of another one is nothing */
#define PLAN_SINCE  "s"                 /* in front of a plan: log_since() of what follows */
#define LOG_ALL     INT64_C(1)
#define LOG_NOTHING INT64_C(253402300799000000) /* year 9999 */

extern const struct stmt event_replay_statement, event_poll_statement, event_user_poll_statement, event_again_statement,
        event_user_again_statement, event_horizon_statement, event_since_statement;

#endif
