/*
 * egress -- requests to servers elsewhere, handed to peal-egress, which has the network and nothing else.
 *
 * One connection to its socket, never waited for: what does not fit is written when it is asked next. Both sides are ours, on one
 * host; lengths are checked all the same. A request that was handed over is answered once, or the connection is lost and with it
 * everything that was not answered.
 */
#ifndef PEAL_BASE_EGRESS_H
#define PEAL_BASE_EGRESS_H

#include "arena.h"
#include "buf.h"

#define EGRESS_URL_MOST     ((size_t)2048)
#define EGRESS_HEADERS_MOST ((size_t)8192)
#define EGRESS_BODY_MOST    ((size_t)8192)
#define EGRESS_ANSWER_MOST  ((size_t)16384) /* of an answer's body; what comes after it is not kept */

enum egress_end {
	EGRESS_ANSWERED,
	EGRESS_FORBIDDEN, /* not https, another port, or it leads into a private network */
	EGRESS_FAILED,    /* no connection, no certificate that is good, no time left */
	EGRESS_ENDS
};

/* POST, always. headers: whole lines, each ended by '\n'. */
struct egress_ask {
	uint64_t id;
	int64_t timeout_ms;
	struct str url, headers, body;
};

struct egress_answer {
	uint64_t id;
	enum egress_end end;
	int64_t status, retry_after_seconds; /* 0: none */
	struct str body;
};

/* May this address be asked? https without a user, at port 443; or at a host and port that `private_hosts` lists ("10.0.0.5:8443
 * push.example:443"), which may then be anywhere: *ret_private. */
bool egress_allowed(struct str url, struct str private_hosts, bool *ret_private);
/* "https://host:port" of an address as it is written, without the port when that is 443; STR_NONE when it is none. */
struct str egress_origin(struct arena *, struct str url);

/* The form on the wire, for both sides. *_take: a whole one at the front of `in`, *ret_n bytes of it; 0 bytes when it has not come
 * whole yet; -EPROTO. What it gives borrows from `in`. */
void egress_put_ask(struct buf *, const struct egress_ask *);
int egress_take_ask(const struct buf *in, struct egress_ask *ret, size_t *ret_n);
void egress_put_answer(struct buf *, const struct egress_answer *);
int egress_take_answer(const struct buf *in, struct egress_answer *ret, size_t *ret_n);

struct egress;
struct egress *egress_new(const char *socket_path);
struct egress *egress_free(struct egress *);
/* Connects when needed. 0, or UNAVAILABLE. */
int egress_connect(struct egress *);
/* After egress_connect(): taken, and sent as far as the socket takes it. */
void egress_send(struct egress *, const struct egress_ask *);
/* The next answer, or false: none has come. The body is in the arena. When the connection is lost: egress_lost(), once. */
bool egress_next(struct egress *, struct arena *, struct egress_answer *ret);
bool egress_lost(struct egress *);

#endif
