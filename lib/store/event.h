/*
 * event -- the log: replay for one user, polling for all, and what peal-jobs needs of it. Frames are made here, by lib/wire.
 */
#ifndef PEAL_STORE_EVENT_H
#define PEAL_STORE_EVENT_H

#include "../base/conf.h"
#include "../wire/feed.h"
#include "conversation.h"
#include "db.h"

struct cursor_in {
	int64_t conversation_id, seq, rev;
};

struct event_open {
	bool fresh;                          /* no since, another epoch, or older than the log is kept */
	struct str since, plan;              /* docs/architecture.md */
	struct str heads;                    /* the ready `heads` frame */
};
/* UNAUTHENTICATED when the session has ended. Moves delivered marks to what since and cursors prove. */
int event_open(struct db *, struct arena *, const struct conf *, int64_t user_id, struct str session_id, struct str since, const struct cursor_in *, size_t n, struct event_open *ret);

/* The next page of a plan: records appended to `out` (at most `most` events or about `most_bytes`), the rest of the plan in *ret_plan ("" at the end). */
int event_replay(struct db *, struct arena *, int64_t user_id, struct str plan, size_t most, size_t most_bytes, struct buf *out, size_t *ret_events, struct str *ret_plan);

/* Everything in the log at or after `since`, as records with recipients; since STR_NONE: only the horizon. */
int event_poll(struct db *, struct arena *, struct str since, size_t most, struct buf *out, struct str *ret_since, bool *ret_more);

struct ack_in {
	int64_t user_id, conversation_id, seq;
};
struct mark_moved {
	int64_t user_id, conversation_id, seq, at;
	struct hearers hearers;
};
/* Moves delivered_seq forward, with synchronous_commit off; returns the marks that moved and who may see them. */
int event_acks(struct db *, struct arena *, const struct ack_in *, size_t n, int64_t marks_max_members, struct mark_moved **ret, size_t *ret_n);
/* Those of `ids` who share a conversation with the user. */
int event_watchable(struct db *, struct arena *, int64_t user_id, const int64_t *ids, size_t n, struct user **ret, size_t *ret_n);
int event_seen(struct db *, struct arena *, const int64_t *user_ids, const int64_t *at, size_t n);

#endif
