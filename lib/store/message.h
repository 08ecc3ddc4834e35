/*
 * message -- sending and reading messages. Whoever is not a member gets NOT_FOUND.
 */
#ifndef PEAL_STORE_MESSAGE_H
#define PEAL_STORE_MESSAGE_H

#include "conversation.h"

struct message_draft {
	struct str client_id, content, mentions_json; /* mentions already checked by the endpoint; absent: none */
	struct str extra_json; /* of its kind, as it is kept; a poll may say closes_in_seconds instead */
	struct str
	        attachments_json; /* ["id", ...] of uploads of mine, of the right kind, that nothing uses: INVALID otherwise; absent: none */
	enum message_kind kind;                    /* 0: that of what is forwarded */
	int64_t reply_seq;                         /* 0: none; must exist and be visible: INVALID otherwise */
	int64_t forward_conversation, forward_seq; /* 0: nothing; DELETED, WRONG_KIND: what cannot be forwarded */
	int64_t expires_in;                        /* seconds; 0: as long as the conversation says */
	bool silent;                               /* moves no mark of its sender: a bot's */
	struct str request_hash;                   /* SHA-256 of the canonical body: tells a replay from a conflict */
};

struct message_sent {
	struct message message;
	bool replayed;          /* the same client_id and body came before: this is that message as it is now */
	struct advance advance; /* not when replayed */
	bool first; /* it made a direct conversation visible: hearers but the sender get conversation_created first */
};
/*
 * One PL/pgSQL call, durable when it returns 0. IDEMPOTENCY_CONFLICT: same client_id, other body. BLOCKED: the two of a direct
 * conversation. INVALID: db_last_error() says `<JSON Pointer> <code> <sentence>`; SLOW_MODE: it says how many milliseconds are left.
 */
int message_send(struct db *, struct arena *, int64_t me, int64_t conversation_id, const struct message_draft *,
                 struct message_sent *ret);

struct message_page {
	struct message *messages; /* oldest first */
	size_t n;
	bool has_before, has_after;
	int64_t as_of_rev;
};
enum page_from { PAGE_LAST, PAGE_BEFORE, PAGE_AFTER, PAGE_AROUND };
/* ONE statement, membership check inside. */
int message_page(struct db *, struct arena *, int64_t me, int64_t conversation_id, enum page_from, int64_t seq,
                 int64_t limit, struct message_page *ret);
int message_get(struct db *, struct arena *, int64_t me, int64_t conversation_id, int64_t seq, struct message *ret);

#endif
