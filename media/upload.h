/*
 * upload -- what becomes of one upload: found in the body, decoded, stored, registered with the REST workers, answered. What takes
 * long is registered at once, answered, and made later (queue.h).
 *
 * nginx has asked the workers already whether this person may upload (PEAL_UPLOAD_USER); the workers ask again, with the
 * quota counted, when the picture is registered, and what they answer is what the client gets.
 */
#ifndef PEAL_MEDIA_UPLOAD_H
#define PEAL_MEDIA_UPLOAD_H

#include "base/conf.h"
#include "base/json_in.h"
#include "queue.h"
#include "store.h"

#define REQUEST_ID_N    32
#define DOOR_TIMEOUT_MS 5000 /* of a question to the workers */

struct upload {
	/* from the worker */
	const struct conf *conf;
	const struct media_store *store;
	const struct queue *queue, *transcode;
	const int *decoders; /* the jobs' sockets, by enum decoder */
	const char *door;    /* the workers' socket */
	struct arena *arena;
	char **params; /* FastCGI parameters */
	struct str request_id;

	/* to the worker: the reply */
	int status;
	bool replayed;                 /* it was uploaded before, with the same key */
	int64_t retry_after_seconds;   /* 0: as usual */
	struct str content_type, body; /* live as the arena */
	struct json_report report;     /* of INVALID */
};

/* The parameter, absent when not sent or empty. */
struct str upload_param(const struct upload *, const char *name);
struct upload_kind;
/* NULL: not a path of ours. */
const struct upload_kind *upload_kind_of(struct str path);
/* 0 with status and body set; an outcome, which the worker turns into problem+json; or a fault. */
int upload_take(struct upload *, const struct upload_kind *);

#endif
