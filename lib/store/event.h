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

struct ack_in {
	int64_t user_id, conversation_id, seq;
};
struct mark_moved {
	int64_t user_id, conversation_id, seq, at;
	struct hearers hearers;
};

struct event_open {
	bool fresh;               /* no since, another epoch, or older than the log is kept */
	struct str since, plan;   /* docs/architecture.md */
	struct str heads;         /* the ready `heads` frame */
	struct mark_moved *moved; /* delivered marks that since and cursors moved, to be published */
	size_t moved_n;
};
/* UNAUTHENTICATED when the session has ended. Moves delivered marks to what since and cursors prove. */
int event_open(struct db *, struct arena *, const struct conf *, int64_t user_id, struct str session_id, struct str since,
               const struct cursor_in *, size_t n, struct event_open *ret);

struct event_sync {
	bool fresh, more;
	struct str since;         /* where the next call goes on; while `more`, good for nothing else */
	struct str heads;         /* {conversations, removed, user}, ready JSON; absent in the middle of a round */
	struct mark_moved *moved; /* as in event_open */
	size_t moved_n;
};
/* Heads and events of one person, page by page, records appended to `out`: about `most`, of about `most_bytes`. INVALID:
 * `since` is not a place. UNAUTHENTICATED as in event_open. docs/architecture.md has why a page misses nothing. */
int event_sync(struct db *, struct arena *, const struct conf *, int64_t user_id, struct str session_id, struct str since,
               size_t most, size_t most_bytes, struct buf *out, struct event_sync *ret);

/* The next page of a plan: records appended to `out` (at most `most` events or about `most_bytes`), the rest of the
 * plan in *ret_plan ("" at the end). */
int event_replay(struct db *, struct arena *, int64_t user_id, struct str plan, size_t most, size_t most_bytes,
                 struct buf *out, size_t *ret_events, struct str *ret_plan);

/* Everything in the log at or after `since`, as records with recipients; since STR_NONE: only the horizon. While
 * *ret_more is set, *ret_since is a place within this round: good for the next call, not for a client. At least the
 * events of one transaction come, so a page may exceed `most`. CONFLICT: another epoch, or older than the log is
 * kept: whoever listens must begin afresh. */
int event_poll(struct db *, struct arena *, struct str since, size_t most, struct buf *out, struct str *ret_since,
               bool *ret_more);

/* Moves delivered_seq forward, with synchronous_commit off; returns the marks that moved and who may see them. */
int event_acks(struct db *, struct arena *, const struct ack_in *, size_t n, int64_t marks_max_members,
               struct mark_moved **ret, size_t *ret_n);
int event_seen(struct db *, struct arena *, const int64_t *user_ids, const int64_t *at, size_t n);

/* Where records go to: `recipients` hear it on their own channels, or watch no longer (FEED_UNWATCH). Non-zero ends the walk and
 * comes back. */
typedef int event_sink(void *arg, const struct feed_header *, struct str frame, const int64_t *recipients, size_t n);
/* Events of one stream after a position, in order, at most `most`: for publishing. Of transactions from `xid` on, or with 0 those of the
 * last hour: for whoever has just committed them. */
int event_again(struct db *, struct arena *, char stream, int64_t id, int64_t after, int64_t xid, size_t most, event_sink *,
                void *arg);

#endif
