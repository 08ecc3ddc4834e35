/*
 * draft -- what people may say: the checks of a message that is sent, kept for later, or edited.
 *
 * Paths of refusals are those of the body of POST /messages. What a check returns lives as the request.
 */
#ifndef PEAL_FCGI_DRAFT_H
#define PEAL_FCGI_DRAFT_H

#include "limits.h"
#include "req.h"
#include "store/message.h"

#define CLIENT_ID_MAX 64

/* The body of a message that is sent. Begin a struct of more members with it, and a table of fields with DRAFT_FIELDS. */
struct draft_body {
	struct str client_id, message_type, content, reply_to, forward_of;
	json_t *mentions, *attachment_ids, *location, *poll, *call, *encrypted;
	struct opt_int expires_in_seconds;
};

#define DRAFT_FIELDS                                                                                                        \
	STR_FIELD(struct draft_body, client_id, .min = 1, .max = CLIENT_ID_MAX),                                            \
	        ENUM_FIELD(struct draft_body, message_type, .words = draft_types, .nullable = 1),                           \
	        STR_FIELD(struct draft_body, content, .max = INT32_MAX, .nullable = 1),                                     \
	        STR_FIELD(struct draft_body, reply_to, .max = CLIENT_ID_MAX, .nullable = 1),                                \
	        STR_FIELD(struct draft_body, forward_of, .max = CLIENT_ID_MAX, .nullable = 1),                              \
	        JSON_FIELD(struct draft_body, mentions, .nullable = 1),                                                     \
	        JSON_FIELD(struct draft_body, attachment_ids, .nullable = 1),                                               \
	        JSON_FIELD(struct draft_body, location, .nullable = 1), JSON_FIELD(struct draft_body, poll, .nullable = 1), \
	        JSON_FIELD(struct draft_body, call, .nullable = 1),                                                         \
	        JSON_FIELD(struct draft_body, encrypted, .nullable = 1),                                                    \
	        INT_FIELD(struct draft_body, expires_in_seconds, .min = 1, .max = LIMIT_EXPIRES, .nullable = 1)

extern const char *const draft_types[]; /* what a client may send: every kind but system messages */

/* All that can be told without looking at the conversation. INVALID with the place. */
int draft_make(struct req *, struct draft_body *, struct message_draft *ret);
/* A text: present, not blank, not too long. Absent and null are good unless it is needed. */
int draft_content(struct req *, struct str content, bool needed);
/* Mentions in one form, whatever the order and spacing of what was sent; absent when there are none. */
int draft_mentions(struct req *, json_t *mentions, struct str content, struct str *ret);
/* What message_send_draft() of sql/ takes. */
struct str draft_json(struct req *, const struct message_draft *);
/* Passes on what message_send() refused, with the place in the body, or how long slow mode makes one wait. */
int draft_refused(struct req *, int r);

#endif
