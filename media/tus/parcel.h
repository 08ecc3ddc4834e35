/*
 * parcel -- an upload that comes in pieces, on disk until it is whole and has become an attachment.
 *
 *     <media_dir>/tus/<owner>/<id>         its bytes so far; their number is the offset
 *     <media_dir>/tus/<owner>/<id>.open    what was said when it was begun; the last thing made, the first removed
 *     <media_dir>/tus/<owner>/<id>.over    in place of both: what became of it, for whoever missed the answer
 *     <media_dir>/incoming/tus-<id>        a second name of the bytes while a worker makes an attachment of them
 *
 * Nobody but the process that has this folder writes there. A power failure may cost what has not been written back yet: the
 * offset says so, and the client goes on from there. What is made an attachment is durable, by the worker's hand.
 */
#ifndef PEAL_MEDIA_TUS_PARCEL_H
#define PEAL_MEDIA_TUS_PARCEL_H

#include "base/arena.h"
#include "wire/link.h"

struct parcels {
	int root, incoming; /* folders */
	const char *incoming_path;
	int64_t min_free_bytes, lives_us;
};

struct parcel {
	int64_t owner;
	struct str id; /* 32 hexadecimal digits */
	uint64_t length, offset;
	struct str kind, name, metadata; /* metadata as it was sent */
	bool hd;
	int64_t expires_us; /* wall clock; moves on as bytes come */
	int fd;             /* of an open one; closed with the arena */

	/* when it is over */
	bool over;
	struct str attachment; /* what it has become; absent: */
	struct str refusal;    /* the code of an outcome (lib/base/err.h) */
};

/* Makes the folders when they are not there. */
int parcels_open(struct arena *, const char *media_dir, int64_t min_free_bytes, int64_t lives_us, struct parcels *ret);
void parcels_close(struct parcels *);
/* How many this person has begun, and the length of all of them. */
int parcels_of(const struct parcels *, struct arena *, int64_t owner, size_t *ret_n, uint64_t *ret_bytes);
/* How many everybody has begun. */
size_t parcels_open_n(const struct parcels *);
/* Is there room for so many bytes more? 0, or NO_SPACE below the watermark. */
int parcels_room(const struct parcels *, uint64_t bytes);
/* Removes what nobody came back for. */
void parcels_sweep(const struct parcels *, int64_t now_us);

/* A name that whoever begins an upload can find again; nobody is let in by knowing it. */
struct str parcel_id_of_key(struct arena *, int64_t owner, struct str key);
/* Begins one: owner, length, kind, name, metadata and hd are given, and an id or none. NO_SPACE. */
int parcel_new(const struct parcels *, struct arena *, struct parcel *);
/* NOT_FOUND, or GONE when it has expired. */
int parcel_find(const struct parcels *, struct arena *, int64_t owner, struct str id, int64_t now_us, struct parcel *ret);
/* Behind what is there. NO_SPACE: some of it may have been written. */
int parcel_append(struct parcel *, struct str bytes);
/* An unnamed file beside it, for a chunk that counts only when all of it has come and is right; closed with the arena. */
int parcel_beside(const struct parcels *, struct arena *, const struct parcel *, int *ret_fd);
/* Puts that file's bytes behind what is there. NO_SPACE. */
int parcel_join(struct parcel *, int fd, uint64_t bytes);
/* Expires from now on. */
void parcel_renew(const struct parcels *, struct parcel *, int64_t now_us);
/* The second name; *ret_path lives as the arena. NO_SPACE. */
int parcel_offer(const struct parcels *, struct arena *, const struct parcel *, struct str *ret_path);
void parcel_take_back(const struct parcels *, struct str id);
/* It has become an attachment, or never will: one of the two is present. */
int parcel_end(const struct parcels *, struct arena *, const struct parcel *, struct str attachment, struct str refusal);
int parcel_remove(const struct parcels *, int64_t owner, struct str id); /* 0 also when there is none */

#endif
