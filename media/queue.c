/* media/queue.c -- a folder of links; every name in it begins with an id of ours. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "base/log.h"
#include "folder.h"
#include "queue.h"
#include "wire/link.h"

#define NAME_BYTES  96
#define JOB_MOST    ((size_t)16 * 1024)
#define LISTED_MOST 2048
#define NEW_SECONDS 60 /* longer than a question to the workers takes */

/* A .new or .job of the folder. */
struct entry {
	char name[NAME_BYTES];
	int64_t owner;
	unsigned tries;
	bool fresh; /* .new */
	struct timespec at;
};

int
queue_open(const char *media_dir, const char *folder, int64_t most, int bell, struct queue *ret)
{
	int dir = open(media_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	*ret = (struct queue){ .folder = -1, .most = most, .bell = bell };
	if (dir < 0)
		return fault(-errno);
	r = folder_open(dir, folder, &ret->folder);
	close(dir);
	return r;
}

void
queue_close(struct queue *q)
{
	close(q->folder);
}

/* "<id>.<owner>.<tries>.job"; false: something else. */
static bool
parse_name(const char *name, struct entry *ret)
{
	char id[ATTACHMENT_ID_N + 1], kind[4];
	long long owner;
	int end = 0;

	if (strlen(name) >= NAME_BYTES ||
	    sscanf(name, "%32[0-9a-f].%lld.%u.%3s%n", id, &owner, &ret->tries, kind, &end) != 4 || name[end] ||
	    strlen(id) != ATTACHMENT_ID_N || (strcmp(kind, "new") && strcmp(kind, "job")))
		return false;
	strcpy(ret->name, name);
	ret->owner = owner;
	ret->fresh = kind[0] == 'n';
	return true;
}

static void
write_name(char out[NAME_BYTES], struct str id, int64_t owner, unsigned tries, const char *kind)
{
	snprintf(out, NAME_BYTES, "%.32s.%lld.%u.%s", id.p, (long long)owner, tries, kind);
}

size_t
queue_depth(const struct queue *q)
{
	struct dirent *e;
	struct entry entry;
	DIR *d = folder_list(q->folder, ".");
	size_t n = 0;

	while (d && (e = readdir(d)))
		n += parse_name(e->d_name, &entry);
	if (d)
		closedir(d);
	return n;
}

int
queue_room(const struct queue *q, int64_t owner)
{
	int64_t all = 0, own = 0;
	struct dirent *e;
	struct entry entry;
	DIR *d = folder_list(q->folder, ".");

	if (!d)
		return fault(-errno);
	while ((e = readdir(d)))
		if (parse_name(e->d_name, &entry)) {
			all++;
			own += entry.owner == owner;
		}
	closedir(d);
	return all >= q->most || own >= (q->most + 3) / 4 ? BUSY : 0;
}

/* ---- putting ---- */

static int
copy_body(const struct queue *q, const char *name, int from)
{
	int to = openat(q->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640), r = 0;
	off_t at = 0;
	ssize_t n;

	if (to < 0)
		return disk_fault();
	while ((n = copy_file_range(from, &at, to, NULL, (size_t)1 << 30, 0)) > 0)
		;
	if (n < 0 || fdatasync(to))
		r = disk_fault();
	close(to);
	return r;
}

/* The bytes are nginx's file, which it is about to remove: by then they have our name. */
static int
keep_body(const struct queue *q, struct str id, int body)
{
	char path[32], name[NAME_BYTES];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", body);
	snprintf(name, sizeof(name), "%.32s.body", id.p);
	if (!linkat(AT_FDCWD, path, q->folder, name, AT_SYMLINK_FOLLOW))
		return fdatasync(body) ? disk_fault() : 0;
	return errno == EXDEV || errno == ENOENT || errno == EPERM ? copy_body(q, name, body) : disk_fault();
}

static void
write_job(struct buf *out, const struct queued *job)
{
	struct json_out w;

	json_begin(&w, out);
	json_open_object(&w, NULL);
	json_str(&w, "kind", job->kind);
	json_str(&w, "name", job->name);
	json_id(&w, "owner_id", job->owner);
	json_int(&w, "offset", (int64_t)job->offset);
	json_int(&w, "size", (int64_t)job->size);
	json_bool(&w, "hd", job->hd);
	json_int(&w, "sniffed", job->sniffed);
	json_close(&w);
	json_end(&w);
}

static int
write_file(const struct queue *q, const char *name, struct str text)
{
	int fd = openat(q->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640), r;

	if (fd < 0)
		return disk_fault();
	r = write_whole(fd, text);
	if (!r && fdatasync(fd))
		r = disk_fault();
	close(fd);
	return r;
}

int
queue_put(const struct queue *q, const struct queued *job, int body)
{
	char name[NAME_BYTES];
	struct buf text;
	int r;

	if (!attachment_id_ok(job->id))
		return fault(-EINVAL);
	buf_init(&text, JOB_MOST);
	write_job(&text, job);
	write_name(name, job->id, job->owner, 0, "new");
	r = buf_failed(&text) ? fault(-EMSGSIZE) : write_file(q, name, buf_view(&text));
	buf_deinit(&text);
	if (!r)
		r = keep_body(q, job->id, body);
	if (!r && fsync(q->folder))
		r = fault(-errno);
	if (r)
		(void)queue_remove(q, job->id);
	return r ? trace(r) : 0;
}

static int
move(const struct queue *q, const char *from, const char *to)
{
	return renameat(q->folder, from, q->folder, to) ? fault(-errno) : 0;
}

static void
ring(const struct queue *q)
{
	const uint64_t one = 1;

	if (write(q->bell, &one, sizeof(one)) < 0)
		LOG(NOTICE, "bell_not_rung", L_INT("errno", errno)); /* they look without being called, too */
}

int
queue_release(const struct queue *q, const struct queued *job)
{
	char from[NAME_BYTES], to[NAME_BYTES];
	int r;

	write_name(from, job->id, job->owner, 0, "new");
	write_name(to, job->id, job->owner, 0, "job");
	r = move(q, from, to);
	if (!r)
		ring(q);
	return r;
}

/* ---- taking ---- */

static int
older_first(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->at.tv_sec != y->at.tv_sec)
		return x->at.tv_sec < y->at.tv_sec ? -1 : 1;
	return (x->at.tv_nsec > y->at.tv_nsec) - (x->at.tv_nsec < y->at.tv_nsec);
}

/* All that may be taken, the oldest first. */
static int
waiting(const struct queue *q, struct arena *a, struct entry **ret, size_t *ret_n)
{
	struct entry *all = arena_alloc_array(a, LISTED_MOST, sizeof(*all));
	time_t old = time(NULL) - NEW_SECONDS;
	struct dirent *e;
	struct stat st;
	DIR *d = folder_list(q->folder, ".");
	size_t n = 0;

	if (!d)
		return fault(-errno);
	while (n < LISTED_MOST && (e = readdir(d)))
		if (parse_name(e->d_name, &all[n]) && !fstatat(q->folder, e->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
		    (!all[n].fresh || st.st_mtime < old))
			all[n++].at = st.st_mtim;
	closedir(d);
	if (n)
		qsort(all, n, sizeof(*all), older_first);
	*ret = all;
	*ret_n = n;
	return 0;
}

static void
close_fd(void *arg)
{
	close((int)(intptr_t)arg);
}

struct said {
	struct str kind, name;
	int64_t owner_id;
	struct opt_int offset, size, sniffed;
	struct opt_bool hd;
};

static const struct field said_fields[] = { STR_FIELD(struct said, kind, .required = 1),
	                                    STR_FIELD(struct said, name, .nullable = 1),
	                                    ID_FIELD(struct said, owner_id, .required = 1),
	                                    INT_FIELD(struct said, offset, .min = 0, .max = INT64_MAX, .required = 1),
	                                    INT_FIELD(struct said, size, .required = 1),
	                                    INT_FIELD(struct said, sniffed, .required = 1),
	                                    BOOL_FIELD(struct said, hd, .required = 1),
	                                    { 0 } };

static int
read_job(struct arena *a, int fd, struct queued *ret)
{
	char *text = arena_alloc(a, JOB_MOST);
	ssize_t n = pread(fd, text, JOB_MOST, 0);
	struct json_report report = { 0 };
	struct said in = { 0 };
	json_t *json;

	if (n < 0)
		return fault(-errno);
	if (json_parse(a, str_n(text, (size_t)n), &json, &report) || !json_is_object(json) ||
	    json_fill(a, json, said_fields, &in, "", &report))
		return fault(-EBADMSG);
	ret->kind = in.kind;
	ret->name = in.name;
	ret->owner = in.owner_id;
	ret->offset = (uint64_t)in.offset.v;
	ret->size = (uint64_t)in.size.v;
	ret->sniffed = (enum sniffed)in.sniffed.v;
	ret->hd = in.hd.v;
	return 0;
}

/* The lock, and the name as it was when we looked: who had it before us may have ended it meanwhile. */
static int
lock(const struct queue *q, const struct entry *e)
{
	int fd = openat(q->folder, e->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat at, st;

	if (fd < 0)
		return -1;
	if (!flock(fd, LOCK_EX | LOCK_NB) && !fstat(fd, &st) && !fstatat(q->folder, e->name, &at, AT_SYMLINK_NOFOLLOW) &&
	    at.st_ino == st.st_ino)
		return fd;
	close(fd);
	return -1;
}

static void
open_body(const struct queue *q, struct arena *a, struct queued *job)
{
	char name[NAME_BYTES];
	struct stat st;

	snprintf(name, sizeof(name), "%.32s.body", job->id.p);
	job->body = openat(q->folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (job->body < 0)
		return;
	arena_defer(a, close_fd, (void *)(intptr_t)job->body);
	if (fstat(job->body, &st) || job->offset > (uint64_t)st.st_size || job->size > (uint64_t)st.st_size - job->offset)
		job->body = -1;
	job->whole = !job->offset && job->body >= 0 && job->size == (uint64_t)st.st_size;
}

/* Counted before it begins, so that one who dies of it has counted. */
static int
begin(const struct queue *q, struct arena *a, const struct entry *e, int fd, struct queued *ret)
{
	char name[NAME_BYTES];
	int r;

	*ret = (struct queued){ .body = -1,
		                .lock = fd,
		                .tries = e->tries + 1,
		                .owner = e->owner,
		                .id = arena_str(a, str_n(e->name, ATTACHMENT_ID_N)) };
	ret->waited_us = clock_wall_us() - (e->at.tv_sec * INT64_C(1000000) + e->at.tv_nsec / 1000);
	arena_defer(a, close_fd, (void *)(intptr_t)fd);
	write_name(name, ret->id, e->owner, ret->tries, "job");
	r = move(q, e->name, name);
	if (r)
		return trace(r);
	r = read_job(a, fd, ret);
	if (r)
		log_fault("job_unreadable", r, (const struct log_field[]){ L_STR("id", ret->id), { 0 } });
	else
		open_body(q, a, ret);
	return 0;
}

int
queue_take(const struct queue *q, struct arena *a, struct queued *ret)
{
	struct entry *all;
	size_t n = 0;
	int r;

	r = waiting(q, a, &all, &n);
	if (r)
		return trace(r);
	for (size_t i = 0; i < n; i++) {
		int fd = lock(q, &all[i]);

		if (fd >= 0)
			return begin(q, a, &all[i], fd, ret);
	}
	return NOT_FOUND;
}

void
queue_give_back(const struct queue *q, const struct queued *job)
{
	char from[NAME_BYTES], to[NAME_BYTES];

	write_name(from, job->id, job->owner, job->tries, "job");
	write_name(to, job->id, job->owner, job->tries - 1, "job");
	if (move(q, from, to) < 0 || utimensat(q->folder, to, NULL, 0))
		LOG(NOTICE, "job_not_given_back", L_STR("id", job->id));
}

/* First the body, by a second name: wherever the job is meanwhile, it has one. */
int
queue_hand(const struct queue *q, const struct queue *to, const struct queued *job)
{
	char from[NAME_BYTES], name[NAME_BYTES];

	snprintf(name, sizeof(name), "%.32s.body", job->id.p);
	if (linkat(q->folder, name, to->folder, name, 0) && errno != EEXIST)
		return disk_fault();
	write_name(from, job->id, job->owner, job->tries, "job");
	write_name(name, job->id, job->owner, 0, "job");
	if (fsync(to->folder) || renameat(q->folder, from, to->folder, name) || fsync(to->folder))
		return fault(-errno);
	ring(to);
	return 0;
}

/* First the body: a job without one is found, and a body without a job never. */
int
queue_remove(const struct queue *q, struct str id)
{
	char name[NAME_BYTES];
	struct dirent *e;
	DIR *d;
	int r = 0;

	if (!attachment_id_ok(id))
		return fault(-EINVAL);
	snprintf(name, sizeof(name), "%.32s.body", id.p);
	if (unlinkat(q->folder, name, 0) && errno != ENOENT)
		return fault(-errno);
	d = folder_list(q->folder, ".");
	if (!d)
		return fault(-errno);
	while ((e = readdir(d)))
		if (!strncmp(e->d_name, id.p, ATTACHMENT_ID_N) && unlinkat(q->folder, e->d_name, 0) && errno != ENOENT)
			r = fault(-errno);
	closedir(d);
	return r;
}
