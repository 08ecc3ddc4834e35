/*
 * schedule -- messages that are sent later: kept by whoever writes them, sent by peal-jobs.
 *
 * What is shown of one is ready JSON (scheduled_json() of sql/), the same in REST and in its owner's stream.
 */
#ifndef PEAL_STORE_SCHEDULE_H
#define PEAL_STORE_SCHEDULE_H

#include "message.h"

struct schedule_new {
	struct str client_id, request_hash;
	struct str draft_json; /* what message_send_draft() of sql/ is to be told */
	int64_t send_at;
	bool in_range; /* is send_at far enough ahead, and not too far? A retry may come later than its time */
	int64_t most;  /* of one person */
};

struct schedule_taken {
	bool replayed;
	int64_t seq; /* replayed, and sent meanwhile: the message; otherwise 0 */
	int64_t id, send_at;
	int64_t user_rev; /* of my own stream; not when replayed */
};
/* Keeps a message for later. INVALID with db_last_error() as message_send(); RANGE: ret->id 0, nothing was taken. BLOCKED; TOO_MANY;
 * IDEMPOTENCY_CONFLICT; DELETED: it was scheduled by this key, and taken back. */
int schedule_add(struct db *, struct arena *, int64_t me, int64_t conversation_id, const struct schedule_new *,
                 struct schedule_taken *ret);
/* Mine, soonest first, failed ones too, after the one with this time and id (0, 0: from the beginning). One more than `limit` may come:
 * then there is a next page. */
struct scheduled {
	int64_t id, send_at;
	struct str json;
};
int schedule_list(struct db *, struct arena *, int64_t me, int64_t send_at, int64_t id, int64_t limit,
                  struct scheduled **ret, size_t *ret_n);
/* Takes one of mine back; its uploads are free again. NOT_FOUND: not mine, or sent already. */
int schedule_remove(struct db *, struct arena *, int64_t me, int64_t id, int64_t *ret_user_rev);

/* ---- for peal-jobs ---- */

struct schedule_due {
	int64_t id, conversation_id;
	int64_t left_us; /* until it is due; not positive: now */
};
/* The next ones to be sent, soonest first. */
int schedule_next(struct db *, struct arena *, int64_t limit, struct schedule_due **ret, size_t *ret_n);
struct schedule_sent {
	int64_t user_id, user_rev; /* user_id 0: somebody else has done it, or it was taken back */
	int64_t conversation_id, seq, rev;
};
/* Sends one that is due, in one transaction with its removal. Any other outcome but RETRY, UNAVAILABLE and UNCERTAIN is a refusal. */
int schedule_send(struct db *, struct arena *, int64_t id, struct schedule_sent *ret);
/* Keeps one that was refused, with the code of the outcome. *ret_user_id 0: it was taken back meanwhile. */
int schedule_fail(struct db *, struct arena *, int64_t id, struct str code, int64_t *ret_user_id, int64_t *ret_user_rev);
/* After SLOW_MODE: it is due again when its owner may speak. *ret_user_id 0: it was taken back meanwhile. */
int schedule_defer(struct db *, struct arena *, int64_t id, int64_t *ret_user_id, int64_t *ret_user_rev);

#endif
