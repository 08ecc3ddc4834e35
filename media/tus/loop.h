/*
 * loop -- what the files of this folder share: the loop, its connections, and the uploads that are being finished.
 *
 * Everything here belongs to the one process and its one thread. A connection is freed at the end of the turn in which it ended.
 */
#ifndef PEAL_MEDIA_TUS_LOOP_H
#define PEAL_MEDIA_TUS_LOOP_H

#include <openssl/evp.h>

#include "base/conf.h"
#include "base/err.h"
#include "base/fastcgi_serve.h"
#include "base/json_in.h"
#include "header.h"
#include "media/queue.h"
#include "parcel.h"

#define TUS_CONNS_MOST 1024

struct tus;

/* What the loop waits for. */
struct source {
	void (*ready)(struct tus *, struct source *, uint32_t events);
};

/*
 *     HEAD --> RECEIVING --> FINISHING --> REPLYING --> over
 *       |          `--------------------------^
 *       `-------------------------------------'
 */
enum conn_state {
	CONN_HEAD,      /* parameters come */
	CONN_RECEIVING, /* the body comes, and is kept */
	CONN_FINISHING, /* a worker makes an attachment of it */
	CONN_REPLYING,  /* what still comes is read and thrown away: closing on it would lose our reply */
	CONN_OVER,
};

struct conn {
	struct source source;
	struct tus *tus;
	int fd;
	enum conn_state state;
	int64_t began_us, deadline_us; /* monotonic */
	struct arena *arena;
	struct fastcgi_request in;
	struct buf headers, out;
	size_t sent;
	struct conn *next;

	/* the request */
	struct str request_id, method;
	int64_t owner;
	bool creating, replayed; /* replayed: the same key has begun it before */
	struct parcel parcel;
	uint64_t got, announced; /* bytes of the body; announced UINT64_MAX: unknown */
	struct tus_checksum checksum;
	EVP_MD_CTX *digest; /* NULL: the chunk has no checksum */
	int beside;         /* where such a chunk waits */
	struct json_report report;
	int64_t retry_after_seconds; /* 0: as usual */
	int status;
};

/* One upload with a worker. */
struct finish {
	struct source source;
	struct tus *tus;
	int fd;
	int64_t deadline_us;
	struct arena *arena;
	struct parcel parcel; /* no descriptor */
	bool dropped;         /* its owner does not want it any more */
	struct buf out;
	size_t sent;
	struct fastcgi_reader in;
	struct finish *next;
};

struct tus {
	const struct conf *conf;
	int epoll, listener;
	bool listening;
	struct parcels parcels;
	struct queue queue, transcode; /* are only counted here */
	const char *workers;           /* socket of those who make attachments */
	struct conn *conns;
	size_t conns_n;
	struct finish *finishes;
	struct arena *process;
	int64_t sweep_us;
};

/* tus.c */
bool loop_add(struct tus *, int fd, struct source *, uint32_t events);
void loop_change(struct tus *, int fd, struct source *, uint32_t events);

/* conn.c: connections and their replies */
void conn_accept(struct tus *);
void conn_end(struct conn *);
/* The reply: what stands in c->headers, and this. Not for a connection that has one already. */
void conn_reply(struct conn *, int status, struct str content_type, struct str body);
void conn_refuse(struct conn *, int r); /* an outcome, or a fault, which is logged */

/* request.c: the protocol */
void request_begin(struct conn *); /* all parameters are there */
void request_body(struct conn *, struct str piece);
void request_end(struct conn *); /* the body is whole */
/* What has become of c->parcel: 0 with an attachment, or why it has not become one. */
void request_finished(struct conn *, int r, struct str attachment, int64_t retry_after_seconds);

/* finish.c: from bytes to an attachment. Answers by request_finished(), at once or later. */
void finish_begin(struct conn *);
bool finish_running(const struct tus *, int64_t owner, struct str id);
void finish_drop(struct tus *, int64_t owner, struct str id);
void finish_free_ended(struct tus *, int64_t now_us);

/* tell.c: the metrics of peal-media; fd -1: nobody can ask */
void tell_open(struct tus *, int fd);
void tell_end_late(int64_t now_us);

#endif
