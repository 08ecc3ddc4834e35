/*
 * feed -- the form in which events travel between processes, and the frames inside it.
 *
 * A record is a routing header, a newline, and one ready JSON frame without newlines:
 *
 *     <kind> <stream> <position> <seq>[ <recipients>]\n<frame>
 *
 *     kind        d durable, m mark, e ephemeral, w presence no longer shown, x sessions have ended
 *     stream      c<conversation> or u<user>
 *     position    d: seq + rev after the event (c), user_rev (u); otherwise 0
 *     seq         d of a conversation: its last_seq after the event (what an ack moves delivered_seq to); otherwise 0
 *     recipients  user ids joined by commas; only in answers of /feed/poll, where Redis did not choose the channel, and of
 *                 w: who watches u<user> no longer, none for everybody; the frame is the last one they get
 *
 * Of x there is no frame: which sessions of u<user> have ended stands in its place (feed_write_ended).
 *
 * The push daemon reads the header and never parses the frame.
 */
#ifndef PEAL_WIRE_FEED_H
#define PEAL_WIRE_FEED_H

#include "../base/buf.h"
#include "../base/redis.h"
#include "model.h"

/* What the log calls an event of a conversation; the numbers are in its rows. */
enum event_kind {
	EVENT_NEW_MESSAGE = 1,
	EVENT_CONVERSATION_CREATED,
	EVENT_MESSAGE_DELETED,
	EVENT_MESSAGE_EDITED,
	EVENT_MESSAGE_PINNED,
	EVENT_MESSAGE_UNPINNED,
	EVENT_REACTION_ADDED,
	EVENT_REACTION_REMOVED,
	EVENT_POLL_VOTED,
	EVENT_MEMBER_ADDED,
	EVENT_MEMBER_REMOVED,
	EVENT_CONVERSATION_UPDATED
};
/* Likewise in a person's own stream. */
enum user_event_kind {
	USER_EVENT_READ = 1,
	USER_EVENT_STAR,
	USER_EVENT_HIDDEN,
	USER_EVENT_DRAFT,
	USER_EVENT_SCHEDULED,
	USER_EVENT_SETTINGS,
	USER_EVENT_BLOCK,
	USER_EVENT_PROFILE,
	USER_EVENT_REMOVED
};
enum mark_kind { MARK_READ, MARK_DELIVERED };

enum feed_kind { FEED_DURABLE = 'd', FEED_MARK = 'm', FEED_EPHEMERAL = 'e', FEED_UNWATCH = 'w', FEED_ENDED = 'x' };

/*
 * The channel on which peal-jobs says how far the log has been published: a place as clients keep it (`since`). Whoever hears it
 * has heard every event before that place on the channels that it was listening to.
 */
#define FEED_FENCE "fence"

struct feed_header {
	enum feed_kind kind;
	char stream; /* 'c' or 'u' */
	int64_t id;  /* conversation or user */
	int64_t position, seq;
	struct str recipients; /* absent unless given */
	struct str frame;
};

/* Splits one record; false when malformed. Everything borrows from `record`. */
bool feed_parse(struct str record, struct feed_header *ret);
void feed_write_header(struct buf *, const struct feed_header *); /* with the newline, without the frame */

/* Which sessions a record of FEED_ENDED means: one (its UUID), all but one (the UUID after a hyphen), or all (an asterisk, also when the session
 * is absent). */
enum feed_ended { FEED_ENDED_ONE, FEED_ENDED_OTHERS };
void feed_write_ended(struct buf *, enum feed_ended, struct str session_id);
bool feed_ended_means(struct str text, struct str session_id);

/*
 * Frames of realtime.md, as JSON without newline.
 *
 * `at` and event_place.at are the event's time. What they say is how things are now: counts are absolute, and what was deleted
 * since is a tombstone. An event of a conversation is the same for everybody who hears it, but conversation_created.
 */
struct event_place {
	int64_t conversation_id, seq, rev, at; /* both counters after the event */
};

/* new_message, message_edited, _deleted, _pinned and _unpinned, by its kind */
void frame_message(struct buf *, const struct event_place *, enum event_kind, const struct message *);
void frame_conversation_created(struct buf *, const struct event_place *, const struct conversation *, int64_t viewer_id);
void frame_reaction(struct buf *, const struct event_place *, enum event_kind, const struct message *, int64_t user_id,
                    struct str emoji);
void frame_poll_voted(struct buf *, const struct event_place *, const struct message *, int64_t user_id); /* 0: anonymous */
void frame_member_added(struct buf *, const struct event_place *, const struct member *, int64_t by,
                        int64_t participant_count);
void frame_member_removed(struct buf *, const struct event_place *, int64_t user_id, int64_t by, int64_t participant_count);
/* changed: names joined by commas; member: whose role changed, or NULL. Of the conversation only what all members share. */
void frame_conversation_updated(struct buf *, const struct event_place *, const struct conversation *, struct str changed,
                                const struct member *);
void frame_skipped(struct buf *, const struct event_place *); /* to whoever may not see what it is about */

void frame_mark(struct buf *, enum mark_kind, int64_t conversation_id, int64_t user_id, int64_t seq, int64_t at);
void frame_typing(struct buf *, int64_t conversation_id, int64_t user_id, bool is_typing, struct str kind, int64_t at);

/* WebRTC signalling, passed on as it came. */
struct signal {
	struct str call_id, kind, media, reason; /* the last two may be absent */
	int64_t to;                              /* one person; 0: everybody */
	struct str payload_json;                 /* an object */
};
void frame_signal(struct buf *, int64_t conversation_id, int64_t user_id, const struct signal *, int64_t at);

/* What became of an upload that took long, as attachment_json() of sql/ has it: to those who see a message that uses it (seq 0: no
 * message does, and it is its owner's news alone). */
void frame_attachment_ready(struct buf *, int64_t conversation_id, int64_t seq, struct str attachment_json, int64_t at);

/* A change in a person's own stream, as things stand now. Which members are used depends on the kind. */
struct user_change {
	enum user_event_kind kind;
	int64_t user_rev, at;
	int64_t conversation_id, seq; /* star, hidden: the message; removed: with rev, after the removal; 0: long gone */
	int64_t rev;
	const struct conversation *conversation; /* read, settings: `my` and the counts; NULL: not a member any more */
	struct str draft_json;                   /* draft: ready JSON; absent: none */
	bool on;                                 /* star: starred; block: blocked */
	int64_t target_id;                       /* block: who; scheduled: which */
	struct str scheduled_json;               /* scheduled: ready JSON; absent: sent, or removed */
	const struct me *me;                     /* profile */
};
void frame_user_changed(struct buf *, const struct user_change *);

/*
 * Rings the doorbell: one Lua call publishes the record to `u:<id>` of every recipient and, when it is durable, raises the
 * published position `pub:<stream><id>` (kept one hour), which peal-jobs compares with the log. FEED_UNWATCH goes to `p:<id>`.
 * 0, or UNAVAILABLE.
 */
int feed_publish(struct redis *, struct arena *, const struct feed_header *, struct str frame, const int64_t *recipients,
                 size_t n);

/* What is not durable, many at a time: whole records, each to one person, in as few round trips as may be. 0, or UNAVAILABLE. */
struct feed_letter {
	int64_t to;
	struct str record;
};
int feed_publish_letters(struct redis *, struct arena *, const struct feed_letter *, size_t n);

#endif
