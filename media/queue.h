/*
 * queue -- uploads that take long: kept on disk until somebody has made of them what they are to be.
 *
 * There are two: `queue`, and `transcode` for films that are to be transcoded, which takes so long that nothing else must wait for it.
 *
 *     <media_dir>/queue/<id>.body                    what was sent
 *     <media_dir>/queue/<id>.<owner>.<tries>.new     what it is; nobody takes it yet, since no attachment may stand for it
 *     <media_dir>/queue/<id>.<owner>.<tries>.job     the same, to be taken
 *
 * Who takes one holds a lock on its .job, which ends with the process: whoever is next finds the job again, with one try more. A
 * .new that has got old is taken as well: its process died between asking for the attachment and hearing that it is there.
 */
#ifndef PEAL_MEDIA_QUEUE_H
#define PEAL_MEDIA_QUEUE_H

#include "base/arena.h"
#include "sniff.h"

#define QUEUE_TRIES 3 /* who ended so many processes will end more */

struct queue {
	int folder;
	int64_t most; /* jobs; of these one person has a quarter at most */
	int bell;     /* an eventfd, which is rung for each new job */
};

/* What a job says. Strings live as the arena that it was read with. */
struct queued {
	struct str id, kind, name;
	int64_t owner;
	uint64_t offset, size; /* of the upload within its body */
	bool hd;
	enum sniffed sniffed;

	/* of one that is taken */
	int body;   /* -1: it is lost */
	bool whole; /* the upload is all of it */
	int lock;
	unsigned tries; /* this one included */
	int64_t waited_us;
};

/* Makes the folder when it is not there; `name` is one of the two. */
int queue_open(const char *media_dir, const char *name, int64_t most, int bell, struct queue *ret);
void queue_close(struct queue *);

size_t queue_depth(const struct queue *);            /* how many there are, those that somebody has included */
int queue_room(const struct queue *, int64_t owner); /* BUSY when there is none */
/* One that is taken goes over to another queue, its tries forgotten; queue_remove() from the first has to follow. */
int queue_hand(const struct queue *, const struct queue *to, const struct queued *);
/* Durable when it returns 0; `body` is linked, or copied where that is not possible. NO_SPACE. */
int queue_put(const struct queue *, const struct queued *, int body);
int queue_release(const struct queue *, const struct queued *); /* now it may be taken */

/* The oldest that nobody has; NOT_FOUND. What it opens lives as the arena. */
int queue_take(const struct queue *, struct arena *, struct queued *ret);
/* To be taken again as if it had not been, but after those that wait: what it lacks they may not need. */
void queue_give_back(const struct queue *, const struct queued *);
/* Whatever there is of it goes; also when nobody has put it there. */
int queue_remove(const struct queue *, struct str id);

#endif
