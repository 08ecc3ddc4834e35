/*
 * store -- files: bodies that nginx has received, which lie on disk, and what becomes of them, on disk or in an object store.
 *
 *     <media_dir>/incoming/<number>               nginx's (client_body_temp_path), removed by it when a request ends
 *     <media_dir>/ren/<aa>/<id>/std.webp ...      ours; aa is the beginning of the id, so that no folder grows too large
 *     <media_dir>/ren/<aa>/<id>/original          a file as it was sent; never by a link, only by a worker's leave
 *
 * In an object store (media_store = s3) the keys are the same, from "ren/" on. What is still on this disk from before is served and removed
 * all the same. A name never holds anything that came from outside: an id is 32 hexadecimal digits of our own making.
 */
#ifndef PEAL_MEDIA_STORE_H
#define PEAL_MEDIA_STORE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/conf.h"
#include "wire/link.h"

struct store_form;
struct media_store {
	const struct store_form *form; /* where new files go */
	int incoming, renditions;      /* folders */
	const char *incoming_path;
	int64_t min_free_bytes;
	const struct s3_account *account; /* NULL: there is no object store */
	struct s3 *s3;
};

/* Makes the folders when they are not there; reads the account of an object store, but does not ask it anything yet. */
int store_open(struct arena *, const struct conf *, struct media_store *ret);
void store_close(struct media_store *);

struct str store_new_id(struct arena *);

/* Opens the body that nginx names. What is opened stays readable when nginx removes the name. */
int store_body(const struct media_store *, struct arena *, struct str path, int *ret_fd, uint64_t *ret_size);
int store_room(const struct media_store *); /* NO_SPACE below the watermark */

/* A file without a name on the store's file system, size bytes of it reserved; gone when it is closed. NO_SPACE. */
int store_scratch(const struct media_store *, uint64_t size, int *ret_fd);

struct store_file {
	const char *name; /* a literal of ours, such as "std.webp" */
	struct str
	        bytes; /* absent: the first `size` bytes of `fd`, a file of store_scratch(), which is this one from then on */
	int fd;
	uint64_t size;
};
/* A new attachment's files; durable when it returns 0. NO_SPACE; UNAVAILABLE: the object store is away. */
int store_write(const struct media_store *, struct str id, const struct store_file *, size_t n);
/* Of a file that is kept as it came. */
struct store_source {
	int fd;
	uint64_t offset, size;
	bool whole;      /* they are all of the file, which gets another name then rather than being copied */
	struct str twin; /* an attachment whose original should be the same; absent: none is known */
};
bool store_shares(const struct media_store *); /* whether a twin is of use */
/* Shares the file of the twin where that is there and, byte for byte, the same. */
int store_original(const struct media_store *, struct str id, const struct store_source *);
int store_remove(const struct media_store *, struct str id); /* 0 also when there is nothing */
/* Calls fn with every attachment of this part (0 to STORE_PARTS - 1) that has been there for min_age_seconds, and may do so twice; what fn
 * returns but 0 ends it. */
#define STORE_PARTS 256
int store_walk(const struct media_store *, unsigned part, int64_t min_age_seconds, int (*fn)(void *arg, struct str id),
               void *arg);
/* What a file is, by its name; NULL: there are no files of this name. */
const char *store_mime(struct str name);

/* What the forms of the store do; see store_disk.c and store_s3.c. */
struct store_form {
	bool shares;
	int (*write)(const struct media_store *, struct str id, const struct store_file *, size_t n);
	int (*original)(const struct media_store *, struct str id, const struct store_source *);
	int (*remove)(const struct media_store *, struct str id);
	int (*walk)(const struct media_store *, unsigned part, int64_t min_age_seconds, int (*fn)(void *arg, struct str id),
	            void *arg);
};
extern const struct store_form store_disk, store_s3;

#endif
