/*
 * conn -- one WebSocket: its bytes, its state, its end.
 *
 * A connection owns its fd and is kept alive by references: one for the open fd, one per question at a door. Ending it is
 * one function (conn_close, conn_drop); what it holds is let go at the end of the loop turn, so nobody who walks the hub is
 * surprised. Idle, it is this struct and nothing else: no buffers, no timers, no queue.
 */
#ifndef PEAL_PUSH_CONN_H
#define PEAL_PUSH_CONN_H

#include <netinet/in.h>

#include "base/err.h"
#include "codec.h"
#include "frame.h"
#include "hub.h"

#define SESSION_CHARS 36

enum conn_state {
	CONN_REQUEST,   /* reading the HTTP request */
	CONN_GREETING,  /* upgraded; waiting for hello */
	CONN_JOINING,   /* known; waiting until Redis confirms the subscription */
	CONN_OPENING,   /* waiting for heads */
	CONN_REPLAYING, /* catching up, live events set aside */
	CONN_LIVE,
	CONN_CLOSING, /* close frame on its way, or waiting for the peer's end */
	CONN_GONE,    /* fd closed */
	CONN_STATES
};

struct held;    /* conn.c: bytes of a request that is not complete */
struct out;     /* conn.c: frames waiting for the socket */
struct unacked; /* delivery.c: durable events the client has not acknowledged */
struct replay;  /* replay.c: a replay in progress */
struct calls;   /* calls.c: requests at the command door */
struct watch;   /* presence.c: whom it watches */

struct conn {
	struct conn *next, **at;           /* its phase bucket */
	struct conn *busy_next, **busy_at; /* those that every tick looks at */
	struct conn *turn_next;            /* to be flushed or retired at the end of this turn */
	struct hub_node node;              /* on u:<user_id> */
	struct ws ws;
	struct out *out;
	struct unacked *unacked;
	struct replay *replay;
	struct calls *calls;
	struct watch *watches;
	union {
		struct held *held;       /* in CONN_REQUEST: what of the request is there */
		struct in6_addr address; /* later: the client's; zero: unknown */
	};
	int64_t user_id;           /* 0: not known yet */
	int64_t expires_at;        /* of the token, with leeway: seconds since 1970 */
	int64_t due_ms;            /* what the state waits for ends then, or the drain's patience */
	uint32_t written, acked;   /* durable events, numbered as first written */
	uint32_t heard_s, moved_s; /* last byte in; last byte out or queue begun: push_seconds() */
	uint32_t opened_s, rate_from_s;
	uint32_t cursor_s; /* when it was last told a place to resume from */
	uint32_t frames_in;
	uint16_t rate_n, watch_n;
	int fd;
	uint32_t refs;
	uint16_t code; /* why it ended */
	uint8_t state, rate_over;
	uint8_t encoding; /* enum encoding */
	bool in_turn : 1, draining : 1, wants_write : 1, retired : 1, reading_stopped : 1, peer_closed : 1,
	        told_unavailable : 1;
	bool upgraded; /* there is an address, and nothing held */
	char session_id[SESSION_CHARS];
};

void conn_accept(int fd); /* takes the fd */
void conn_ref(struct conn *);
void conn_unref(struct conn *);
static inline bool
conn_ended(const struct conn *c)
{
	return c->state >= CONN_CLOSING;
}

void conn_move(struct conn *,
               enum conn_state); /* the one place where the state changes; aborts on a move that is not allowed */
void conn_send(struct conn *, struct frame *);       /* takes the reference; ended connections drop it */
void conn_send_text(struct conn *, struct str json); /* FRAME_ANSWER */
/* Sends {"type":"error"}; id -1: none. retry_after_ms -1: none. */
void conn_error(struct conn *, int outcome, int64_t id, const char *message, int64_t retry_after_ms);
void conn_bye(struct conn *, const char *reason, int64_t reconnect_in_ms);
/* The way to end a connection: sends a close frame behind what must still go out. Idempotent. */
void conn_close(struct conn *, int code, const char *reason);
void conn_drop(struct conn *, int code); /* without a word: the peer is gone */

/* Is there room for one more event of n bytes, or is this socket too slow to be pushed to? */
bool conn_has_room(const struct conn *, size_t n);
bool conn_queue_empty(const struct conn *);
/*
 * Takes durable and ephemeral frames back that were not begun; returns the number of durable events among them. *ret_live: a `live`
 * that was among them, with its reference, or NULL: it says that what came before it was written, so it goes, too.
 */
size_t conn_unqueue(struct conn *, struct frame **ret_live);

void conn_drain(struct conn *); /* it ends at a moment of its own within push_drain_seconds */
void conn_wake(struct conn *);  /* look at it every tick until it is idle again */
struct str conn_session(const struct conn *);
#define ADDRESS_MAX INET6_ADDRSTRLEN
struct str conn_address(const struct conn *, char out[ADDRESS_MAX]); /* "": unknown */

/* server.c calls these. */
void conn_init(void);
void conn_tick(void);                      /* every CONN_TICK_MS */
void conn_excuse(int64_t gone_ms);         /* we were stopped for so long: nobody is to be blamed for it */
void conn_sweep(void);                     /* every second: one phase bucket */
void conn_end_turn(void);                  /* before the loop sleeps: write and reclaim */
void conn_each(void (*fn)(struct conn *)); /* fn may close */
#define CONN_TICK_MS 250

#endif
