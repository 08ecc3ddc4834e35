/* media/store.c -- bodies, and the front of both forms of the store. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/err.h"
#include "folder.h"
#include "s3/s3.h"
#include "store.h"

#define MIB(n) ((int64_t)(n) << 20)

static int
open_account(struct arena *a, const struct conf *conf, struct media_store *s)
{
	struct s3_account *account = arena_new_of(a, struct s3_account);
	int r;

	if (strcmp(conf->media_store, "s3"))
		return 0;
	r = s3_account_open(a, conf, account);
	if (r)
		return trace(r);
	s->account = account;
	s->s3 = s3_new(account, conf->s3_timeout_seconds, (uint64_t)MIB(conf->s3_part_mib));
	s->form = &store_s3;
	return 0;
}

int
store_open(struct arena *a, const struct conf *conf, struct media_store *ret)
{
	struct media_store s = {
		.form = &store_disk, .incoming = -1, .renditions = -1, .min_free_bytes = MIB(conf->media_min_free_mib)
	};
	int dir = open(conf->media_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	if (dir < 0)
		return fault(-errno);
	s.incoming_path = arena_printf(a, "%s/incoming/", conf->media_dir).p;
	r = folder_open(dir, "incoming", &s.incoming);
	if (!r)
		r = folder_open(dir, "ren", &s.renditions);
	close(dir);
	if (!r)
		r = open_account(a, conf, &s);
	*ret = s;
	return r ? trace(r) : 0;
}

void
store_close(struct media_store *s)
{
	close(s->incoming);
	close(s->renditions);
	s->s3 = s3_free(s->s3);
}

struct str
store_new_id(struct arena *a)
{
	unsigned char random[ATTACHMENT_ID_N / 2];

	bytes_random(random, sizeof(random));
	return hex(a, random, sizeof(random));
}

int
store_body(const struct media_store *s, struct arena *a, struct str path, int *ret_fd, uint64_t *ret_size)
{
	struct str folder = str_c(s->incoming_path), name;
	struct stat st;
	int fd;

	if (!str_has_prefix(path, folder) || path.n == folder.n)
		return fault(-EINVAL);
	name = str_n(path.p + folder.n, path.n - folder.n);
	if (memchr(name.p, '/', name.n) || name.p[0] == '.')
		return fault(-EINVAL);
	fd = openat(s->incoming, arena_cstr(a, name), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fault(-errno);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return fault(-EINVAL);
	}
	*ret_fd = fd;
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

int
store_room(const struct media_store *s)
{
	struct statvfs fs;

	if (fstatvfs(s->incoming, &fs))
		return fault(-errno);
	return (uint64_t)fs.f_bavail * fs.f_frsize < (uint64_t)s->min_free_bytes ? NO_SPACE : 0;
}

int
store_write(const struct media_store *s, struct str id, const struct store_file *files, size_t n)
{
	int r = attachment_id_ok(id) ? s->form->write(s, id, files, n) : fault(-EINVAL);

	return r ? trace(r) : 0;
}

int
store_original(const struct media_store *s, struct str id, const struct store_source *from)
{
	bool good = attachment_id_ok(id) && (!str_present(from->twin) || attachment_id_ok(from->twin));
	int r = good ? s->form->original(s, id, from) : fault(-EINVAL);

	return r ? trace(r) : 0;
}

bool
store_shares(const struct media_store *s)
{
	return s->form->shares;
}

/* Before there was an object store there was the disk. */
int
store_remove(const struct media_store *s, struct str id)
{
	int r = attachment_id_ok(id) ? store_disk.remove(s, id) : fault(-EINVAL);

	if (!r && s->form != &store_disk)
		r = s->form->remove(s, id);
	return r ? trace(r) : 0;
}

int
store_walk(const struct media_store *s, unsigned part, int64_t min_age_seconds, int (*fn)(void *, struct str), void *arg)
{
	int r = store_disk.walk(s, part, min_age_seconds, fn, arg);

	if (!r && s->form != &store_disk)
		r = s->form->walk(s, part, min_age_seconds, fn, arg);
	return r ? trace(r) : 0;
}

const char *
store_mime(struct str name)
{
	static const char *const known[][2] = {
		{ "std.webp", "image/webp" },   { "hd.webp", "image/webp" },
		{ "thumb.webp", "image/webp" }, { "poster.webp", "image/webp" },
		{ "aac.m4a", "audio/mp4" },     { "opus.webm", "audio/webm" },
		{ "video.mp4", "video/mp4" },   { "original", "application/octet-stream" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (str_eq(name, str_c(known[i][0])))
			return known[i][1];
	return NULL;
}
