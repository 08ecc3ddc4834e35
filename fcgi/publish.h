/*
 * publish -- ringing the doorbell, after commit: events, marks and ephemeral records to the sockets of those who hear them.
 *
 * Nothing durable depends on it: what Redis did not take is found in the log by peal-jobs, or by polling.
 */
#ifndef PEAL_FCGI_PUBLISH_H
#define PEAL_FCGI_PUBLISH_H

#include "req.h"
#include "store/conversation.h"
#include "store/message.h"
#include "wire/feed.h"

/* Each of these is one record to all hearers. What they are given must live until the reply is written (in req->arena). */
void publish_new_message(struct req *, const struct message *, const struct advance *);
/* As `viewer` sees it, to that person alone; the event advanced the conversation to seq and rev. */
void publish_conversation_created(struct req *, const struct conversation *, int64_t viewer, int64_t seq, int64_t rev,
                                  int64_t at);
void publish_message_deleted(struct req *, const struct message *, const struct advance *);
void publish_mark(struct req *, enum mark_kind, int64_t conversation_id, int64_t user_id, int64_t seq, int64_t at,
                  struct hearers);
void publish_user_read(struct req *, int64_t user_rev, const struct conversation *, int64_t at); /* to me */
void publish_typing(struct req *, bool is_typing, struct str kind, struct hearers);

#endif
