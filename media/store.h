/*
 * store -- files on disk: bodies that nginx has received, and the renditions that it serves.
 *
 *     <media_dir>/incoming/<number>               nginx's (client_body_temp_path), removed by it when a request ends
 *     <media_dir>/ren/<aa>/<id>/std.webp ...      ours; aa is the beginning of the id, so that no folder grows too large
 *     <media_dir>/ren/<aa>/<id>/original          a file as it was sent; never by a link, only by a worker's leave
 *
 * A name on disk never holds anything that came from outside: an id is 32 hexadecimal digits of our own making.
 */
#ifndef PEAL_MEDIA_STORE_H
#define PEAL_MEDIA_STORE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "wire/link.h"

struct media_store {
	int incoming, renditions; /* folders */
	const char *incoming_path;
	int64_t min_free_bytes;
};

/* Makes the folders when they are not there. */
int store_open(struct arena *, const char *media_dir, int64_t min_free_bytes, struct media_store *ret);
void store_close(struct media_store *);

struct str store_new_id(struct arena *);

/* Opens the body that nginx names. What is opened stays readable when nginx removes the name. */
int store_body(const struct media_store *, struct arena *, struct str path, int *ret_fd, uint64_t *ret_size);
int store_room(const struct media_store *); /* NO_SPACE below the watermark */

/* A file without a name on the store's file system, size bytes of it reserved; gone when it is closed. NO_SPACE. */
int store_scratch(const struct media_store *, uint64_t size, int *ret_fd);

struct store_file {
	const char *name; /* a literal of ours, such as "std.webp" */
	struct str bytes; /* absent: it is the file of store_scratch() below, and is cut to `size` */
	int fd;
	uint64_t size;
};
/* A new attachment's files; durable when it returns 0. NO_SPACE. */
int store_write(const struct media_store *, struct str id, const struct store_file *, size_t n);
/* The same of a file that is kept as it came: size bytes of fd at offset. path: where nginx has put just these bytes, which are
 * linked then and not copied; absent: copied. ret_digest: their SHA-256. */
int store_original(const struct media_store *, struct str id, int fd, struct str path, uint64_t offset, uint64_t size,
                   unsigned char ret_digest[SHA256_BYTES]);
int store_remove(const struct media_store *, struct str id); /* 0 also when there is nothing */
/* Calls fn with every attachment that has been there for min_age_seconds; what fn returns but 0 ends it. */
int store_walk(const struct media_store *, int64_t min_age_seconds, int (*fn)(void *arg, struct str id), void *arg);

#endif
