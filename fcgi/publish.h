/*
 * publish -- ringing the doorbell, after commit: events, marks and ephemeral records to the sockets of those who hear them.
 *
 * Nothing durable depends on it: what Redis did not take is found in the log by peal-jobs, or by polling.
 */
#ifndef PEAL_FCGI_PUBLISH_H
#define PEAL_FCGI_PUBLISH_H

#include "req.h"
#include "store/conversation.h"
#include "store/event.h"
#include "store/message.h"
#include "wire/feed.h"

/*
 * Publishes the `n` events of a stream (c: conversation, u: user) that follow a position, as the log has them: what everything
 * does that was just committed, but sending, which knows its message. A fault is logged; the request goes on.
 */
void publish_log(struct req *, char stream, int64_t id, int64_t after_position, size_t n);

/* Each of these is one record to all hearers. What they are given must live until the reply is written (in req->arena). */
void publish_new_message(struct req *, const struct message *, const struct advance *);
void publish_mark(struct req *, enum mark_kind, int64_t conversation_id, int64_t user_id, int64_t seq, int64_t at,
                  struct hearers);
/* Delivered marks, once what moved them is committed. */
void publish_delivered_later(struct req *, const struct mark_moved *, size_t n);
void publish_typing(struct req *, bool is_typing, struct str kind, struct hearers);
void publish_signal(struct req *, const struct signal *, struct hearers);
/* What became of an upload that took long: one record for each message that has it; its owner alone hears it when none has. */
void publish_attachment(struct req *, struct str id, int64_t owner_id, struct str attachment_json);

/* Sessions of somebody have ended: their sockets are to be closed. */
void publish_ended(struct req *, int64_t user_id, enum feed_ended, struct str session_id);

#endif
