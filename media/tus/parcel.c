/* media/tus/parcel.c -- folders by descriptor, names of our own making only. */
#include "parcel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "base/log.h"
#include "media/folder.h"

#define NAME_MOST     64
#define RECORD_MOST   ((size_t)64 * 1024)
#define OVER_US       (INT64_C(86400) * 1000000) /* what became of it is told for so long, as of all that was made with a key */
#define STRAY_US      (INT64_C(3600) * 1000000) /* what belongs to nothing may be about to: not after this */
#define WRITE_BACK    ((uint64_t)8 << 20)
#define OFFERED       "tus-"
#define OPEN_SUFFIX   ".open"
#define OVER_SUFFIX   ".over"
#define SUFFIX_N      (sizeof(OPEN_SUFFIX) - 1)
#define BESIDE_PREFIX ".beside-"

static void
close_fd(void *arg)
{
	close((int)(intptr_t)arg);
}

int
parcels_open(struct arena *a, const char *media_dir, int64_t min_free_bytes, int64_t lives_us, struct parcels *ret)
{
	struct parcels s = { .root = -1, .incoming = -1, .min_free_bytes = min_free_bytes, .lives_us = lives_us };
	int dir = open(media_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	if (dir < 0)
		return fault(-errno);
	s.incoming_path = arena_printf(a, "%s/incoming/", media_dir).p;
	r = folder_open(dir, "tus", &s.root);
	if (!r)
		r = folder_open(dir, "incoming", &s.incoming);
	close(dir);
	*ret = s;
	return r ? trace(r) : 0;
}

void
parcels_close(struct parcels *s)
{
	close(s->root);
	close(s->incoming);
}

int
parcels_room(const struct parcels *s, uint64_t bytes)
{
	struct statvfs fs;

	if (fstatvfs(s->root, &fs))
		return fault(-errno);
	return (uint64_t)fs.f_bavail * fs.f_frsize < (uint64_t)s->min_free_bytes + bytes ? NO_SPACE : 0;
}

/* <owner>/<id><suffix>, below the root. */
static void
name_of(char name[NAME_MOST], int64_t owner, struct str id, const char *suffix)
{
	snprintf(name, NAME_MOST, "%lld/%.*s%s", (long long)owner, STR_ARG(id), suffix);
}

static int
own_folder(const struct parcels *s, int64_t owner, int *ret)
{
	char name[NAME_MOST];

	snprintf(name, sizeof(name), "%lld", (long long)owner);
	return folder_open(s->root, name, ret);
}

static void
buf_free(void *buf)
{
	buf_deinit(buf);
}

static struct buf *
new_buf(struct arena *a)
{
	struct buf *b = arena_new_of(a, struct buf);

	buf_init(b, RECORD_MOST);
	arena_defer(a, buf_free, b);
	return b;
}

/* Under another name first, so that nobody ever finds half of it. */
static int
write_record(const struct parcels *s, const struct parcel *p, const char *suffix, struct str text)
{
	char name[NAME_MOST], draft[NAME_MOST];
	int fd, r;

	name_of(name, p->owner, p->id, suffix);
	name_of(draft, p->owner, p->id, ".new");
	fd = openat(s->root, draft, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return disk_fault();
	r = write_whole(fd, text);
	close(fd);
	if (!r && renameat(s->root, draft, s->root, name))
		r = fault(-errno);
	if (r)
		unlinkat(s->root, draft, 0);
	return r;
}

struct record {
	struct opt_int length;
	struct opt_bool hd;
	struct str kind, name, metadata, attachment, refusal;
};

static const struct field record_fields[] = {
	INT_FIELD(struct record, length, .required = 1),   BOOL_FIELD(struct record, hd, .required = 1),
	STR_FIELD(struct record, kind, .required = 1),     STR_FIELD(struct record, name, .nullable = 1),
	STR_FIELD(struct record, metadata, .nullable = 1), STR_FIELD(struct record, attachment, .nullable = 1),
	STR_FIELD(struct record, refusal, .nullable = 1),  { 0 }
};

static struct str
record_text(struct arena *a, const struct parcel *p, struct str attachment, struct str refusal)
{
	struct buf *b = new_buf(a);
	struct json_out w;

	json_begin(&w, b);
	json_open_object(&w, NULL);
	json_int(&w, "length", (int64_t)p->length);
	json_str(&w, "kind", p->kind);
	json_bool(&w, "hd", p->hd);
	json_str(&w, "name", p->name);
	json_str(&w, "metadata", p->metadata);
	json_str(&w, "attachment", attachment);
	json_str(&w, "refusal", refusal);
	json_close(&w);
	json_end(&w);
	return buf_view(b);
}

static struct str
present(struct str s)
{
	return str_present(s) ? s : STR_NONE;
}

/* NOT_FOUND when there is no such file. What we find there we wrote ourselves; anything else is a fault. */
static int
read_record(const struct parcels *s, struct arena *a, const char *suffix, struct parcel *p, struct stat *ret_st)
{
	struct json_report report = { 0 };
	struct record in = { 0 };
	char name[NAME_MOST], *text = NULL;
	json_t *json;
	ssize_t n;
	int fd, r;

	name_of(name, p->owner, p->id, suffix);
	fd = openat(s->root, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? NOT_FOUND : fault(-errno);
	n = fstat(fd, ret_st) ? -1 : ret_st->st_size;
	if (n >= 0 && n <= (ssize_t)RECORD_MOST) {
		text = arena_alloc(a, (size_t)n + 1);
		n = read(fd, text, (size_t)n);
	}
	close(fd);
	if (n < 0 || !text)
		return fault(n < 0 ? -errno : -EMSGSIZE);
	r = json_parse(a, str_n(text, (size_t)n), &json, &report);
	if (!r)
		r = json_is_object(json) ? json_fill(a, json, record_fields, &in, "", &report) : INVALID;
	if (r)
		return r < 0 ? trace(r) : fault(-EBADMSG);
	p->length = (uint64_t)in.length.v;
	p->hd = in.hd.v;
	p->kind = in.kind;
	p->name = present(in.name);
	p->metadata = present(in.metadata);
	p->attachment = present(in.attachment);
	p->refusal = present(in.refusal);
	return 0;
}

static int64_t
time_us(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

struct str
parcel_id_of_key(struct arena *a, int64_t owner, struct str key)
{
	unsigned char digest[SHA256_BYTES];

	bytes_sha256(arena_printf(a, "upload %lld %.*s", (long long)owner, STR_ARG(key)), digest);
	return hex(a, digest, ATTACHMENT_ID_N / 2);
}

static struct str
random_id(struct arena *a)
{
	unsigned char random[ATTACHMENT_ID_N / 2];

	bytes_random(random, sizeof(random));
	return hex(a, random, sizeof(random));
}

int
parcel_new(const struct parcels *s, struct arena *a, struct parcel *p)
{
	char name[NAME_MOST];
	int folder, r;

	if (!str_present(p->id))
		p->id = random_id(a);
	r = own_folder(s, p->owner, &folder);
	if (r)
		return trace(r);
	close(folder);
	name_of(name, p->owner, p->id, "");
	p->fd = openat(s->root, name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (p->fd < 0)
		return disk_fault();
	arena_defer(a, close_fd, (void *)(intptr_t)p->fd);
	r = write_record(s, p, OPEN_SUFFIX, record_text(a, p, STR_NONE, STR_NONE));
	if (r)
		unlinkat(s->root, name, 0);
	parcel_renew(s, p, clock_wall_us());
	return r ? trace(r) : 0;
}

void
parcel_renew(const struct parcels *s, struct parcel *p, int64_t now_us)
{
	p->expires_us = now_us + s->lives_us;
}

static int
find_over(const struct parcels *s, struct arena *a, int64_t now_us, struct parcel *p)
{
	struct stat st;
	int r = read_record(s, a, OVER_SUFFIX, p, &st);

	if (r)
		return trace(r);
	p->over = true;
	p->offset = p->length;
	p->expires_us = time_us(st.st_mtim) + OVER_US;
	return p->expires_us <= now_us ? GONE : 0;
}

int
parcel_find(const struct parcels *s, struct arena *a, int64_t owner, struct str id, int64_t now_us, struct parcel *ret)
{
	struct parcel p = { .owner = owner, .id = arena_str(a, id), .fd = -1 };
	char name[NAME_MOST];
	struct stat st;
	int r = find_over(s, a, now_us, &p);

	if (r != NOT_FOUND) {
		*ret = p;
		return r ? trace(r) : 0;
	}
	r = read_record(s, a, OPEN_SUFFIX, &p, &st);
	if (r)
		return trace(r);
	name_of(name, owner, id, "");
	p.fd = openat(s->root, name, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
	if (p.fd < 0)
		return errno == ENOENT ? NOT_FOUND : fault(-errno);
	arena_defer(a, close_fd, (void *)(intptr_t)p.fd);
	if (fstat(p.fd, &st))
		return fault(-errno);
	p.offset = (uint64_t)st.st_size;
	parcel_renew(s, &p, time_us(st.st_mtim));
	*ret = p;
	return p.expires_us <= now_us ? GONE : 0;
}

/* Written back as it comes, or making it durable at the end would take long and all at once. */
static void
write_back(const struct parcel *p, uint64_t from)
{
	if (from / WRITE_BACK != p->offset / WRITE_BACK)
		(void)sync_file_range(p->fd, (off64_t)(from / WRITE_BACK * WRITE_BACK), (off64_t)WRITE_BACK,
		                      SYNC_FILE_RANGE_WRITE);
}

int
parcel_append(struct parcel *p, struct str bytes)
{
	int r = write_whole(p->fd, bytes);

	if (r)
		return trace(r);
	p->offset += bytes.n;
	write_back(p, p->offset - bytes.n);
	return 0;
}

/* Not O_TMPFILE, which not every file system has. */
int
parcel_beside(const struct parcels *s, struct arena *a, const struct parcel *p, int *ret_fd)
{
	char name[NAME_MOST];
	int fd;

	snprintf(name, sizeof(name), "%lld/" BESIDE_PREFIX "%.*s", (long long)p->owner, STR_ARG(p->id));
	unlinkat(s->root, name, 0);
	fd = openat(s->root, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return disk_fault();
	arena_defer(a, close_fd, (void *)(intptr_t)fd);
	unlinkat(s->root, name, 0);
	*ret_fd = fd;
	return 0;
}

int
parcel_join(struct parcel *p, int fd, uint64_t bytes)
{
	static char piece[1 << 16];
	off_t at = 0;
	int r = 0;

	while (!r && (uint64_t)at < bytes) {
		ssize_t n = pread(fd, piece, sizeof(piece), at);

		if (n <= 0)
			return fault(n ? -errno : -EIO);
		r = parcel_append(p, str_n(piece, (size_t)n));
		at += n;
	}
	return r;
}

int
parcel_offer(const struct parcels *s, struct arena *a, const struct parcel *p, struct str *ret_path)
{
	char name[NAME_MOST], offered[NAME_MOST];

	name_of(name, p->owner, p->id, "");
	snprintf(offered, sizeof(offered), OFFERED "%.*s", STR_ARG(p->id));
	if (linkat(s->root, name, s->incoming, offered, 0) && errno != EEXIST)
		return disk_fault();
	*ret_path = arena_printf(a, "%s%s", s->incoming_path, offered);
	return 0;
}

void
parcel_take_back(const struct parcels *s, struct str id)
{
	char offered[NAME_MOST];

	snprintf(offered, sizeof(offered), OFFERED "%.*s", STR_ARG(id));
	unlinkat(s->incoming, offered, 0);
}

static int
unlink_one(const struct parcels *s, int64_t owner, struct str id, const char *suffix)
{
	char name[NAME_MOST];

	name_of(name, owner, id, suffix);
	return unlinkat(s->root, name, 0) && errno != ENOENT ? fault(-errno) : 0;
}

/* The bytes go: what an attachment has of them has a name of its own. */
static int
remove_open(const struct parcels *s, int64_t owner, struct str id)
{
	int r = unlink_one(s, owner, id, OPEN_SUFFIX);

	return r ? trace(r) : unlink_one(s, owner, id, "");
}

int
parcel_end(const struct parcels *s, struct arena *a, const struct parcel *p, struct str attachment, struct str refusal)
{
	int r = write_record(s, p, OVER_SUFFIX, record_text(a, p, attachment, refusal));

	return r ? trace(r) : remove_open(s, p->owner, p->id);
}

int
parcel_remove(const struct parcels *s, int64_t owner, struct str id)
{
	int r = unlink_one(s, owner, id, OVER_SUFFIX);

	return r ? trace(r) : remove_open(s, owner, id);
}

static DIR *
list_own(const struct parcels *s, int64_t owner)
{
	char name[NAME_MOST];

	snprintf(name, sizeof(name), "%lld", (long long)owner);
	return folder_list(s->root, name);
}

static bool
suffixed(const char *name, const char *suffix)
{
	return strlen(name) == ATTACHMENT_ID_N + SUFFIX_N && !strcmp(name + ATTACHMENT_ID_N, suffix) &&
	       attachment_id_ok(str_n(name, ATTACHMENT_ID_N));
}

int
parcels_of(const struct parcels *s, struct arena *a, int64_t owner, size_t *ret_n, uint64_t *ret_bytes)
{
	DIR *d = list_own(s, owner);
	struct dirent *e;
	struct stat st;
	int r = 0;

	*ret_n = 0;
	*ret_bytes = 0;
	while (d && !r && (e = readdir(d))) {
		struct parcel p = { .owner = owner, .id = str_n(e->d_name, ATTACHMENT_ID_N) };

		if (!suffixed(e->d_name, OPEN_SUFFIX))
			continue;
		r = read_record(s, a, OPEN_SUFFIX, &p, &st);
		*ret_n += !r;
		*ret_bytes += r ? 0 : p.length;
		if (r == NOT_FOUND)
			r = 0;
	}
	if (d)
		closedir(d);
	return r ? trace(r) : 0;
}

static size_t
count_open(DIR *d)
{
	struct dirent *e;
	size_t n = 0;

	while ((e = readdir(d)))
		n += suffixed(e->d_name, OPEN_SUFFIX);
	closedir(d);
	return n;
}

size_t
parcels_open_n(const struct parcels *s)
{
	DIR *root = folder_list(s->root, "."), *d;
	struct dirent *e;
	size_t n = 0;

	while (root && (e = readdir(root)))
		if (*e->d_name != '.' && (d = folder_list(s->root, e->d_name)))
			n += count_open(d);
	if (root)
		closedir(root);
	return n;
}

/* What belongs to nothing goes when it is old: bytes without a record, drafts, what a dead process was writing beside. */
static bool
due(const struct parcels *s, int folder, const char *name, int64_t now_us)
{
	bool open = suffixed(name, OPEN_SUFFIX);
	char other[NAME_MOST];
	struct stat st;

	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW))
		return false;
	if (suffixed(name, OVER_SUFFIX))
		return time_us(st.st_mtim) + OVER_US <= now_us;
	snprintf(other, sizeof(other), "%.*s%s", ATTACHMENT_ID_N, name, open ? "" : OPEN_SUFFIX);
	if (open)
		return fstatat(folder, other, &st, AT_SYMLINK_NOFOLLOW) || time_us(st.st_mtim) + s->lives_us <= now_us;
	return time_us(st.st_mtim) + STRAY_US <= now_us &&
	       (strlen(name) != ATTACHMENT_ID_N || faccessat(folder, other, F_OK, AT_SYMLINK_NOFOLLOW));
}

static bool
dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

static size_t
sweep_folder(const struct parcels *s, DIR *d, int64_t now_us)
{
	struct dirent *e;
	size_t n = 0;

	while ((e = readdir(d))) {
		if (dots(e->d_name) || !due(s, dirfd(d), e->d_name, now_us))
			continue;
		n += !unlinkat(dirfd(d), e->d_name, 0);
		if (suffixed(e->d_name, OPEN_SUFFIX)) {
			e->d_name[ATTACHMENT_ID_N] = 0;
			unlinkat(dirfd(d), e->d_name, 0);
		}
	}
	return n;
}

/* A worker is long done with it, or dead. */
static void
sweep_offered(const struct parcels *s, int64_t now_us)
{
	DIR *d = folder_list(s->incoming, ".");
	struct dirent *e;
	struct stat st;

	while (d && (e = readdir(d)))
		if (str_has_prefix(str_c(e->d_name), STR(OFFERED)) &&
		    !fstatat(s->incoming, e->d_name, &st, AT_SYMLINK_NOFOLLOW) && time_us(st.st_ctim) + STRAY_US <= now_us)
			unlinkat(s->incoming, e->d_name, 0);
	if (d)
		closedir(d);
}

void
parcels_sweep(const struct parcels *s, int64_t now_us)
{
	DIR *root = folder_list(s->root, "."), *d;
	struct dirent *e;
	size_t n = 0;

	while (root && (e = readdir(root))) {
		d = dots(e->d_name) ? NULL : folder_list(s->root, e->d_name);
		if (!d)
			continue;
		n += sweep_folder(s, d, now_us);
		closedir(d);
		unlinkat(s->root, e->d_name, AT_REMOVEDIR); /* stays while there is anything in it */
	}
	if (root)
		closedir(root);
	sweep_offered(s, now_us);
	if (n)
		LOG(INFO, "uploads_expired", L_INT("files", (int64_t)n));
}
