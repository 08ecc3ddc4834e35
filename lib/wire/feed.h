/*
 * feed -- the form in which events travel between processes, and the frames inside it.
 *
 * A record is a routing header, a newline, and one ready JSON frame without newlines:
 *
 *     <kind> <stream> <position> <seq>[ <recipients>]\n<frame>
 *
 *     kind        d durable, m mark, e ephemeral
 *     stream      c<conversation> or u<user>
 *     position    d: seq + rev after the event (c), user_rev (u); otherwise 0
 *     seq         d of a conversation: its last_seq after the event (what an ack moves delivered_seq to); otherwise 0
 *     recipients  user ids joined by commas; only in answers of /feed/poll, where Redis did not choose the channel
 *
 * The push daemon reads the header and never parses the frame.
 */
#ifndef PEAL_WIRE_FEED_H
#define PEAL_WIRE_FEED_H

#include "../base/buf.h"
#include "../base/redis.h"
#include "model.h"

enum event_kind { EVENT_NEW_MESSAGE = 1, EVENT_CONVERSATION_CREATED, EVENT_MESSAGE_DELETED };
enum mark_kind { MARK_READ, MARK_DELIVERED };

enum feed_kind { FEED_DURABLE = 'd', FEED_MARK = 'm', FEED_EPHEMERAL = 'e' };

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

/* Frames of realtime.md, as JSON without newline. `at`: the event's time. */
void frame_new_message(struct buf *, const struct message *, int64_t seq, int64_t rev, int64_t at);
void frame_conversation_created(struct buf *, const struct conversation *, int64_t viewer_id, int64_t seq, int64_t rev,
                                int64_t at);
void frame_message_deleted(struct buf *, const struct message *, int64_t seq, int64_t rev, int64_t at);
void frame_mark(struct buf *, enum mark_kind, int64_t conversation_id, int64_t user_id, int64_t seq, int64_t at);
void frame_typing(struct buf *, int64_t conversation_id, int64_t user_id, bool is_typing, struct str kind, int64_t at);
void frame_user_read(struct buf *, int64_t user_rev, const struct conversation *, int64_t at); /* user_changed kind read */
void frame_skipped(struct buf *, int64_t conversation_id, int64_t seq, int64_t rev);

/*
 * Rings the doorbell: one Lua call publishes the record to `u:<id>` of every recipient and, when it is durable, raises the
 * published position `pub:<stream><id>` (kept one hour), which peal-jobs compares with the log. 0, or UNAVAILABLE.
 */
int feed_publish(struct redis *, struct arena *, const struct feed_header *, struct str frame, const int64_t *recipients,
                 size_t n);

#endif
