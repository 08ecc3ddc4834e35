/* media/store_s3.c -- an attachment is the objects whose keys begin with its id; nothing of it is kept on this disk. */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "s3/s3.h"
#include "store.h"

#define KEY_MOST  64 /* ren/<aa>/<id>/<name> */
#define FOLDER    "ren/%.2s/%.32s/"
#define SECOND_US INT64_C(1000000)

static struct str
key_of(char out[KEY_MOST], struct str id, const char *name)
{
	int n = snprintf(out, KEY_MOST, FOLDER "%s", id.p, id.p, name);

	return str_n(out, (size_t)n);
}

struct present {
	size_t objects;
	uint64_t bytes;
};

static int
count(void *arg, const struct s3_object *o)
{
	struct present *p = arg;

	p->objects++;
	p->bytes += o->size;
	return 0;
}

/* Nobody is told that something is stored before the store shows it, as long as it is. */
static int
check(const struct media_store *s, struct str id, size_t objects, uint64_t bytes)
{
	struct present p = { 0 };
	char key[KEY_MOST];
	int r = s3_list(s->s3, key_of(key, id, ""), count, &p);

	return r || (p.objects == objects && p.bytes == bytes) ? r : UNAVAILABLE;
}

static int
put(const struct media_store *s, struct str id, const char *name, struct str bytes)
{
	char key[KEY_MOST];

	return s3_put(s->s3, key_of(key, id, name), store_mime(str_c(name)), bytes);
}

/* The file is mapped and not read: pages that were sent can go. */
static int
put_mapped(const struct media_store *s, struct str id, const char *name, int fd, uint64_t offset, uint64_t size)
{
	char *p = mmap(NULL, offset + size, PROT_READ, MAP_SHARED, fd, 0);
	int r;

	if (p == MAP_FAILED)
		return fault(-errno);
	r = put(s, id, name, str_n(p + offset, size));
	munmap(p, offset + size);
	return r;
}

static int
put_all(const struct media_store *s, struct str id, const struct store_file *files, size_t n)
{
	uint64_t bytes = 0;
	int r = 0;

	for (size_t i = 0; i < n && !r; i++) {
		const struct store_file *f = &files[i];

		if (str_present(f->bytes))
			r = put(s, id, f->name, f->bytes);
		else
			r = put_mapped(s, id, f->name, f->fd, 0, f->size);
		bytes += str_present(f->bytes) ? f->bytes.n : f->size;
	}
	return r ? r : check(s, id, n, bytes);
}

static int
put_original(const struct media_store *s, struct str id, const struct store_source *o)
{
	int r = put_mapped(s, id, "original", o->fd, o->offset, o->size);

	return r ? r : check(s, id, 1, o->size);
}

static int
remove_object(void *arg, const struct s3_object *o)
{
	const struct media_store *s = arg;

	return s3_delete(s->s3, o->key);
}

static int
remove_all(const struct media_store *s, struct str id)
{
	char key[KEY_MOST];

	return s3_list(s->s3, key_of(key, id, ""), remove_object, (void *)(uintptr_t)s);
}

/* Objects come in the order of their keys, those of one attachment together. */
struct walk {
	int (*fn)(void *, struct str);
	void *arg;
	int64_t before_us;
	char id[ATTACHMENT_ID_N + 1];
	bool young; /* one of its objects is */
};

static int
walk_ends(struct walk *w)
{
	return *w->id && !w->young ? w->fn(w->arg, str_n(w->id, ATTACHMENT_ID_N)) : 0;
}

static int
walk_object(void *arg, const struct s3_object *o)
{
	struct str rest = o->key, id;
	struct walk *w = arg;
	int r = 0;

	str_cut(&rest, '/');
	str_cut(&rest, '/');
	id = str_cut(&rest, '/');
	if (!attachment_id_ok(id))
		return 0;
	if (memcmp(w->id, id.p, id.n)) {
		r = walk_ends(w);
		memcpy(w->id, id.p, id.n);
		w->young = false;
	}
	w->young = w->young || o->modified_us > w->before_us;
	return r;
}

static int
walk_part(const struct media_store *s, unsigned part, int64_t min_age_seconds, int (*fn)(void *, struct str), void *arg)
{
	struct walk w = { .fn = fn, .arg = arg, .before_us = clock_wall_us() - min_age_seconds * SECOND_US };
	char prefix[16];
	int n = snprintf(prefix, sizeof(prefix), "ren/%02x/", part & 0xff);
	int r = s3_list(s->s3, str_n(prefix, (size_t)n), walk_object, &w);

	return r ? r : walk_ends(&w);
}

const struct store_form store_s3 = { false, put_all, put_original, remove_all, walk_part };
