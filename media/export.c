/* media/export.c -- pages that come, and the process that makes an archive of them. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/log.h"
#include "export.h"
#include "folder.h"
#include "s3/s3.h"
#include "zip.h"

#define PARTS_MOST  99999999
#define PART_MOST   ((size_t)2 << 20)
#define PIECE       ((size_t)256 * 1024)
#define FILES       "@files"
#define STALE_AFTER (24 * 3600) /* seconds */
#define NICENESS    10

static int
open_exports(const struct conf *conf, int *ret)
{
	int dir = open(conf->media_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	if (dir < 0)
		return fault(-errno);
	r = folder_open(dir, "export", ret);
	close(dir);
	return r ? trace(r) : 0;
}

static int
open_one(const struct conf *conf, struct arena *a, struct str id, int *ret)
{
	int exports, r = open_exports(conf, &exports);

	if (r)
		return r;
	r = folder_open(exports, arena_cstr(a, id), ret);
	close(exports);
	return r ? trace(r) : 0;
}

/* Whole, or not at all. */
static int
write_named(int folder, const char *name, struct str bytes)
{
	int fd = openat(folder, ".new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640), r;

	if (fd < 0)
		return disk_fault();
	r = write_whole(fd, bytes);
	if (!r && fdatasync(fd))
		r = disk_fault();
	close(fd);
	if (!r && renameat(folder, ".new", folder, name))
		r = disk_fault();
	return r;
}

static bool
read_named(struct arena *a, int folder, const char *name, struct str *ret)
{
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char *p = fd < 0 ? NULL : arena_alloc(a, PART_MOST);
	size_t n = 0;
	ssize_t got = 0;

	while (p && n < PART_MOST && (got = read(fd, p + n, PART_MOST - n)) > 0)
		n += (size_t)got;
	if (fd >= 0)
		close(fd);
	*ret = str_n(p, n);
	return p && !got;
}

static void
part_name(int64_t n, char out[16])
{
	snprintf(out, 16, "%08lld", (long long)n);
}

static void
remove_folder(int exports, const char *id)
{
	DIR *d = folder_list(exports, id);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	unlinkat(exports, id, AT_REMOVEDIR);
}

/* ---- the process that makes one ---- */

struct build {
	const struct media_store *store;
	struct arena *arena; /* of one page */
	int folder;
	struct str id;
	int64_t parts, missing;
	struct zip zip;
	int r; /* of what a callback did */
};

struct part {
	struct str name, bytes;
};

static int
read_part(struct build *b, int64_t n, struct part *ret)
{
	char file[16];
	struct str text;

	arena_reset(b->arena);
	part_name(n, file);
	if (!read_named(b->arena, b->folder, file, &text))
		return NOT_FOUND;
	ret->name = str_cut(&text, '\n');
	ret->bytes = text;
	return str_present(ret->name) ? 0 : NOT_FOUND;
}

/* Pages with one name, one behind the other, are one entry. */
static int
write_pages(struct build *b)
{
	char open_name[ZIP_NAME_MOST] = "";
	bool open = false;
	struct part part;
	int r = 0;

	for (int64_t n = 1; !r && n <= b->parts; n++) {
		r = read_part(b, n, &part);
		if (r || str_eq(part.name, STR(FILES)))
			continue;
		if (part.name.n >= sizeof(open_name))
			return fault(-ENAMETOOLONG);
		if (open && !str_eq(part.name, str_c(open_name)))
			r = zip_end(&b->zip);
		if (!r && (!open || !str_eq(part.name, str_c(open_name))))
			r = zip_begin(&b->zip, part.name, true);
		open = true;
		memcpy(open_name, part.name.p, part.name.n);
		open_name[part.name.n] = 0;
		if (!r)
			r = zip_data(&b->zip, part.bytes);
	}
	return r || !open ? r : zip_end(&b->zip);
}

static int
copy_file(struct build *b, int fd)
{
	char *piece = malloc(PIECE);
	ssize_t n = 0;
	int r = piece ? 0 : fault(-ENOMEM);

	while (!r && (n = read(fd, piece, PIECE)) > 0)
		r = zip_data(&b->zip, str_n(piece, (size_t)n));
	free(piece);
	return r ? r : n < 0 ? fault(-errno) : 0;
}

static void
take(void *arg, struct str bytes)
{
	struct build *b = arg;

	if (!b->r)
		b->r = zip_data(&b->zip, bytes);
}

/* On disk, where files of before an object store may be; then there. NOT_FOUND: nowhere. */
static int
copy_stored(struct build *b, const char *path)
{
	int fd = openat(b->store->renditions, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), r;

	if (fd >= 0) {
		r = copy_file(b, fd);
		close(fd);
		return r;
	}
	if (errno != ENOENT)
		return fault(-errno);
	if (!b->store->s3)
		return NOT_FOUND;
	b->r = 0;
	r = s3_get(b->store->s3, arena_printf(b->arena, "ren/%s", path), take, b);
	return r ? r : b->r;
}

/* `<attachment>/<file>\t<name>`. What has gone since it was listed is left out, and counted. */
static int
add_file(struct build *b, struct str line)
{
	struct str file = str_cut(&line, '\t'), whole = file, id = str_cut(&file, '/');
	int r;

	if (!attachment_id_ok(id) || !store_mime(file) || !str_present(line))
		return fault(-EBADMSG);
	r = zip_begin(&b->zip, line, false);
	if (!r)
		r = copy_stored(b, arena_printf(b->arena, "%.2s/%.*s", id.p, STR_ARG(whole)).p);
	if (!r)
		return zip_end(&b->zip);
	if (r != NOT_FOUND)
		return r;
	b->missing++;
	return zip_cancel(&b->zip);
}

static int
write_files(struct build *b)
{
	struct part part;
	int r = 0;

	for (int64_t n = 1; !r && n <= b->parts; n++) {
		r = read_part(b, n, &part);
		while (!r && str_eq(part.name, STR(FILES)) && part.bytes.n)
			r = add_file(b, str_cut(&part.bytes, '\n'));
	}
	return r;
}

static int
digest_of(int fd, struct arena *a, struct str *ret)
{
	unsigned char out[SHA256_BYTES];
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	char *piece = malloc(PIECE);
	bool ok = digest && piece && EVP_DigestInit_ex(digest, EVP_sha256(), NULL);
	off_t at = 0;
	ssize_t n = 0;

	while (ok && (n = pread(fd, piece, PIECE, at)) > 0) {
		ok = EVP_DigestUpdate(digest, piece, (size_t)n);
		at += n;
	}
	ok = ok && !n && EVP_DigestFinal_ex(digest, out, NULL);
	EVP_MD_CTX_free(digest);
	free(piece);
	if (ok)
		*ret = hex(a, out, sizeof(out));
	return ok ? 0 : fault(-EIO);
}

/* It gets its place, from where it is downloaded. A process that died there before may have left one. */
static int
keep(struct build *b, int fd)
{
	struct store_source source = { .fd = fd, .size = b->zip.at, .whole = true };
	struct str digest = STR_NONE;
	int r;

	arena_reset(b->arena);
	if (fdatasync(fd))
		return disk_fault();
	r = digest_of(fd, b->arena, &digest);
	if (!r)
		r = store_remove(b->store, b->id);
	if (!r)
		r = store_original(b->store, b->id, &source);
	FAILPOINT("media.export_kept");
	if (r)
		return r;
	return write_named(b->folder, "done",
	                   arena_printf(b->arena, "{\"state\":\"done\",\"size\":%llu,\"sha256\":\"%.*s\",\"missing\":%lld}",
	                                (unsigned long long)b->zip.at, STR_ARG(digest), (long long)b->missing));
}

static int
make(struct build *b)
{
	int fd = openat(b->folder, "archive", O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640),
	    central = openat(b->folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), r;

	r = fd < 0 || central < 0 ? disk_fault() : zip_init(&b->zip, fd, central, clock_wall_us());
	if (!r) {
		r = write_pages(b);
		if (!r)
			r = write_files(b);
		if (!r)
			r = zip_finish(&b->zip);
		if (!r)
			r = store_room(b->store);
		if (!r)
			r = keep(b, fd);
		zip_deinit(&b->zip);
	}
	if (fd >= 0)
		close(fd);
	if (central >= 0)
		close(central);
	unlinkat(b->folder, "archive", 0);
	return r ? trace(r) : 0;
}

/* An object store that is away is asked again by whoever asks for this next. */
static _Noreturn void
become_maker(struct build *b, int listener)
{
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(listener);
	setpriority(PRIO_PROCESS, 0, NICENESS);
	b->arena = arena_new(16u << 20);
	FAILPOINT("media.export_began");
	r = make(b);
	if (r < 0)
		log_fault("export", r, (const struct log_field[]){ L_STR("export", b->id), { 0 } });
	if (r && r != UNAVAILABLE)
		write_named(b->folder, "failed",
		            arena_printf(b->arena, "{\"state\":\"failed\",\"failure\":\"%s\"}", outcome_info(r)->code));
	LOG(INFO, "export", L_STR("export", b->id), L_INT("bytes", (int64_t)b->zip.at), L_INT("missing", b->missing),
	    L_CSTR("outcome", r ? outcome_info(r)->code : "ok"));
	_exit(r ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* ---- the door ---- */

struct order {
	struct opt_int parts;
};

static const struct field order_fields[] = { INT_FIELD(struct order, parts, .min = 1, .max = PARTS_MOST, .required = 1),
	                                     { 0 } };

static int
begin(const struct media_store *s, int listener, int folder, struct str id, int64_t parts)
{
	struct build b = { .store = s, .folder = folder, .id = id, .parts = parts };
	pid_t pid;

	signal(SIGCHLD, SIG_IGN); /* nobody asks how it ended: what it leaves says so */
	pid = fork();
	if (!pid)
		become_maker(&b, listener);
	return pid < 0 ? fault(-errno) : 0;
}

/* With the lock, or one that has just ended would be made once more. */
static int
ended_or_begun(const struct media_store *s, int listener, struct arena *a, int folder, struct str id, int64_t parts,
               struct str *ret)
{
	if (read_named(a, folder, "done", ret))
		return 0;
	if (read_named(a, folder, "failed", ret)) {
		unlinkat(folder, "failed", 0);
		return 0;
	}
	*ret = STR("{\"state\":\"running\"}");
	return begin(s, listener, folder, id, parts);
}

static int
build(const struct media_store *s, int listener, struct arena *a, int folder, struct str id, struct str body,
      struct json_report *report, struct str *ret)
{
	struct order in = { 0 };
	json_t *json;
	int lock, r = json_parse(a, body, &json, report);

	if (!r)
		r = json_is_object(json) ? json_fill(a, json, order_fields, &in, "", report) : INVALID;
	if (r)
		return r;
	lock = openat(folder, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (lock < 0)
		return disk_fault();
	if (flock(lock, LOCK_EX | LOCK_NB)) /* the child has it too, and holds it for as long as it lives */
		*ret = STR("{\"state\":\"running\"}");
	else
		r = ended_or_begun(s, listener, a, folder, id, in.parts.v, ret);
	close(lock);
	return r;
}

static int
end(const struct conf *conf, struct arena *a, struct str id)
{
	int exports, r = open_exports(conf, &exports);

	if (r)
		return r;
	remove_folder(exports, arena_cstr(a, id));
	close(exports);
	return 0;
}

int
export_door(const struct media_store *s, const struct conf *conf, int listener, struct arena *a, struct str path,
            struct str body, struct json_report *report, struct str *ret_body)
{
	struct str id = str_cut(&path, '/');
	char file[16];
	int64_t n;
	int folder, r;

	*ret_body = STR_NONE;
	if (!attachment_id_ok(id))
		return NOT_FOUND;
	if (str_eq(path, STR("end")))
		return end(conf, a, id);
	if (!str_eq(path, STR("build")) && (!str_id(path, &n) || n > PARTS_MOST))
		return NOT_FOUND;
	r = store_room(s);
	if (!r)
		r = open_one(conf, a, id, &folder);
	if (r)
		return r;
	if (str_eq(path, STR("build"))) {
		r = build(s, listener, a, folder, id, body, report, ret_body);
	} else {
		part_name(n, file);
		r = write_named(folder, file, body);
	}
	close(folder);
	return r;
}

void
export_sweep(const struct conf *conf, struct arena *a)
{
	int exports;
	struct dirent *e;
	struct stat st;
	DIR *d;

	if (open_exports(conf, &exports))
		return;
	d = folder_list(exports, ".");
	while (d && (e = readdir(d))) {
		struct str id = arena_str(a, str_c(e->d_name));

		if (attachment_id_ok(id) && !fstatat(exports, e->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
		    st.st_mtime < time(NULL) - STALE_AFTER)
			remove_folder(exports, arena_cstr(a, id));
	}
	if (d)
		closedir(d);
	close(exports);
}
