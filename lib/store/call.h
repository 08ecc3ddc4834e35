/*
 * call -- calls that go on, as their signals tell, and the record that one leaves when it ends. All functions: 0, the outcomes named,
 * RETRY, UNAVAILABLE, UNCERTAIN, or a fault.
 */
#ifndef PEAL_STORE_CALL_H
#define PEAL_STORE_CALL_H

#include "db.h"

#define CALL_ID_MAX 64 /* code points */

struct call_signal {
	struct str call_id, kind; /* "offer", "answer", "hangup" */
	struct str reason;        /* of a hangup: "busy", "failed", or absent */
	bool video;
	int64_t to; /* 0: everybody */
};

/* Where the record is; seq 0: there is none. */
struct call_record {
	int64_t seq, rev;
};

/* CONFLICT: an offer that would begin a call in a direct conversation, where the other side has begun one within ten seconds. */
int call_signal(struct db *, struct arena *, int64_t me, int64_t conversation_id, const struct call_signal *,
                struct call_record *ret);
/* CONFLICT: the server itself says, or has said, what became of this call in a conversation of mine. */
int call_ours(struct db *, struct arena *, int64_t me, int64_t conversation_id, struct str call_id);

/* ---- for peal-jobs ---- */

struct call_going_on {
	int64_t conversation_id;
	struct str call_id;
	bool answered;
	int64_t age_us, gone_us; /* since it began; since fewer than two were connected, -1: they are */
	const int64_t *parties;  /* who still may be in it */
	size_t n;
};
/* At most `limit`, in the order of their keys, after this one (0 and absent: from the beginning). */
int call_list(struct db *, struct arena *, int64_t after_conversation, struct str after_call, int64_t limit,
              struct call_going_on **ret, size_t *ret_n);
int call_gone(struct db *, struct arena *, const struct call_going_on *, bool gone);
/* At the time since which nobody was there, or now. */
int call_end(struct db *, struct arena *, const struct call_going_on *, struct str outcome, struct call_record *ret);
/* Those that ended a day ago, at most `limit`. */
int call_forget(struct db *, struct arena *, int64_t limit, int64_t *ret_removed);

#endif
