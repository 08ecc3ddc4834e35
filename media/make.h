/*
 * make -- what each kind of upload becomes: decoded, stored, and described as the workers are told.
 */
#ifndef PEAL_MEDIA_MAKE_H
#define PEAL_MEDIA_MAKE_H

#include "base/json_out.h"
#include "incoming.h"

#define MAKE_ANY_TYPE "application/octet-stream"

/* One upload on its way to become an attachment. */
struct making {
	struct upload *u;
	struct incoming in;
	struct str id;
	int64_t owner;
	bool transcoding;  /* a film is transcoded here and now, if it has to be */
	bool as_it_is;     /* and in no case */
	bool later;        /* said by make_told(): nothing was made, since the film is to be transcoded */
	bool behind;       /* nobody waits for the answer: it may take its time, and gives way to those who do */
	struct json_out w; /* what the workers are told: open, until everything is in it */
	uint64_t bytes;    /* on disk */
};

/* One kind of upload. `make` stores the files and tells of them in m->w. */
struct upload_kind {
	const char *name, *path;
	const char *mime; /* while it is not known */
	uint64_t (*most)(const struct conf *);
	/* What is larger is answered before it is decoded. */
	uint64_t (*inline_most)(const struct conf *);
	bool (*accepts)(enum sniffed);
	bool scanned; /* it may be given out as it came, so a scanner is asked first */
	int (*make)(struct making *);
};

const struct upload_kind *make_kind(struct str name); /* NULL: there is none */
/* *ret: what the workers are to be told, begun with `open` and ended with m->bytes; lives as the arena. */
int make_told(struct making *, const struct upload_kind *, void (*open)(struct making *, const void *arg), const void *arg,
              struct str *ret);

#endif
