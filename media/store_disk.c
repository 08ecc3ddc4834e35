/* media/store_disk.c -- an attachment is a folder; every name is below a descriptor. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "folder.h"
#include "store.h"

#define AA_N     2
#define ORIGINAL "original"
#define PIECE    ((size_t)32 * 1024)

/* Reserved, since whoever writes to a mapping of it dies when the disk is full. Not every file system can. */
static int
reserve(int fd, uint64_t size)
{
	if (fallocate(fd, 0, 0, (off_t)size) && errno != EOPNOTSUPP)
		return disk_fault();
	return ftruncate(fd, (off_t)size) ? disk_fault() : 0;
}

int
store_scratch(const struct media_store *s, uint64_t size, int *ret_fd)
{
	int fd = openat(s->renditions, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0640), r;

	if (fd < 0)
		return disk_fault();
	r = reserve(fd, size);
	if (r)
		close(fd);
	else
		*ret_fd = fd;
	return r;
}

/* A name for a file that is open. */
static int
name_open(int fd, int folder, const char *name)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, folder, name, AT_SYMLINK_FOLLOW);
}

/* It gets its name, and what was reserved beyond its end is free again. */
static int
name_file(int folder, const struct store_file *f)
{
	if (ftruncate(f->fd, (off_t)f->size) || fdatasync(f->fd) || name_open(f->fd, folder, f->name))
		return disk_fault();
	return 0;
}

static int
write_file(int folder, const struct store_file *f)
{
	int fd, r;

	if (!str_present(f->bytes))
		return name_file(folder, f);
	fd = openat(folder, f->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0)
		return disk_fault();
	r = write_whole(fd, f->bytes);
	if (!r && fdatasync(fd))
		r = fault(-errno);
	close(fd);
	return r;
}

struct files {
	const struct store_file *all;
	size_t n;
};

static void
aa_of(struct str id, char aa[AA_N + 1])
{
	memcpy(aa, id.p, AA_N);
	aa[AA_N] = 0;
}

static int
write_files(int folder, void *arg)
{
	const struct files *files = arg;
	int r = 0;

	for (size_t i = 0; i < files->n && !r; i++)
		r = write_file(folder, &files->all[i]);
	return r;
}

static int
fill_folder(int outer, const char *name, int (*fill)(int folder, void *arg), void *arg)
{
	int folder = -1, r;

	r = folder_open(outer, name, &folder);
	if (r)
		return r;
	r = fill(folder, arg);
	if (!r && fsync(folder))
		r = fault(-errno);
	close(folder);
	return r;
}

/* The names are durable when the folders that hold them are: first the innermost. */
static int
new_folder(const struct media_store *s, struct str id, int (*fill)(int folder, void *arg), void *arg)
{
	char aa[AA_N + 1], name[ATTACHMENT_ID_N + 1];
	int outer = -1, r;

	aa_of(id, aa);
	memcpy(name, id.p, ATTACHMENT_ID_N);
	name[ATTACHMENT_ID_N] = 0;
	r = folder_open(s->renditions, aa, &outer);
	if (r)
		return trace(r);
	r = fill_folder(outer, name, fill, arg);
	if (!r && (fsync(outer) || fsync(s->renditions)))
		r = fault(-errno);
	close(outer);
	return r ? trace(r) : 0;
}

static int
disk_write(const struct media_store *s, struct str id, const struct store_file *files, size_t n)
{
	struct files all = { files, n };

	return new_folder(s, id, write_files, &all);
}

struct original {
	const struct media_store *store;
	const struct store_source *of;
};

static int
copy_bytes(int to, int from, uint64_t offset, uint64_t left)
{
	while (left) {
		off_t at = (off_t)offset;
		ssize_t n = copy_file_range(from, &at, to, NULL, left, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 && (errno == ENOSPC || errno == EDQUOT) ? NO_SPACE : fault(n ? -errno : -EIO);
		offset += (uint64_t)n;
		left -= (uint64_t)n;
	}
	return fdatasync(to) ? fault(-errno) : 0;
}

static int
copy_original(int folder, const struct store_source *o)
{
	int to = openat(folder, ORIGINAL, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640), r;

	if (to < 0)
		return disk_fault();
	r = copy_bytes(to, o->fd, o->offset, o->size);
	close(to);
	return r;
}

static bool
read_all(int fd, char *to, size_t n, uint64_t offset)
{
	while (n) {
		ssize_t got = pread(fd, to, n, (off_t)offset);

		if (got <= 0)
			return false;
		to += got;
		n -= (size_t)got;
		offset += (uint64_t)got;
	}
	return true;
}

/* Whether this file is just the source. */
static bool
same_bytes(int fd, const struct store_source *o)
{
	char a[PIECE], b[PIECE];
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != o->size)
		return false;
	for (uint64_t at = 0; at < o->size; at += PIECE) {
		size_t n = o->size - at < PIECE ? (size_t)(o->size - at) : PIECE;

		if (!read_all(fd, a, n, at) || !read_all(o->fd, b, n, o->offset + at) || memcmp(a, b, n))
			return false;
	}
	return true;
}

/* An older file of the same bytes gets one name more; how many it has is counted by the file system. A digest that was right when that file was
 * stored says nothing about what it is now, so the bytes are compared. Whatever is in the way, there is another way. */
static bool
share_twin(int folder, const struct original *o)
{
	char path[AA_N + 1 + ATTACHMENT_ID_N + sizeof("/" ORIGINAL)];
	bool shared;
	int fd;

	if (!str_present(o->of->twin))
		return false;
	snprintf(path, sizeof(path), "%.2s/%.32s/" ORIGINAL, o->of->twin.p, o->of->twin.p);
	fd = openat(o->store->renditions, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return false;
	shared = same_bytes(fd, o->of) && !name_open(fd, folder, ORIGINAL);
	close(fd);
	return shared;
}

static int
fill_original(int folder, void *arg)
{
	const struct original *o = arg;

	if (share_twin(folder, o))
		return 0;
	if (!o->of->whole || name_open(o->of->fd, folder, ORIGINAL))
		return copy_original(folder, o->of);
	return fdatasync(o->of->fd) ? fault(-errno) : 0;
}

static int
disk_original(const struct media_store *s, struct str id, const struct store_source *of)
{
	struct original o = { s, of };

	return new_folder(s, id, fill_original, &o);
}

static int
remove_files(int folder)
{
	int copy = dup(folder), r = 0;
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;

	if (!d)
		return fault(-errno);
	while (!r && (e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && unlinkat(folder, e->d_name, 0) && errno != ENOENT)
			r = fault(-errno);
	closedir(d);
	return r;
}

static int
disk_remove(const struct media_store *s, struct str id)
{
	char path[AA_N + 1 + ATTACHMENT_ID_N + 1];
	int folder, r;

	snprintf(path, sizeof(path), "%.2s/%.32s", id.p, id.p);
	folder = openat(s->renditions, path, FOLDER_FLAGS);
	if (folder < 0)
		return errno == ENOENT ? 0 : fault(-errno);
	r = remove_files(folder);
	close(folder);
	if (!r && unlinkat(s->renditions, path, AT_REMOVEDIR) && errno != ENOENT && errno != ENOTEMPTY)
		r = fault(-errno);
	return r;
}

static int
walk_folder(DIR *d, time_t before, int (*fn)(void *, struct str), void *arg)
{
	struct dirent *e;
	struct stat st;
	int r = 0;

	while (!r && (e = readdir(d)))
		if (attachment_id_ok(str_c(e->d_name)) && !fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
		    st.st_mtime <= before)
			r = fn(arg, str_c(e->d_name));
	return r;
}

static int
disk_walk(const struct media_store *s, unsigned part, int64_t min_age_seconds, int (*fn)(void *, struct str), void *arg)
{
	time_t before = time(NULL) - (time_t)min_age_seconds;
	char aa[AA_N + 1];
	DIR *d;
	int r;

	snprintf(aa, sizeof(aa), "%02x", part & 0xff);
	d = folder_list(s->renditions, aa);
	if (!d)
		return 0;
	r = walk_folder(d, before, fn, arg);
	closedir(d);
	return r;
}

const struct store_form store_disk = { true, disk_write, disk_original, disk_remove, disk_walk };
