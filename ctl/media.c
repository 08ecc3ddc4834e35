/* media.c -- what is stored: whether each file that a row promises is there, as long as it should be, and unchanged. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "../lib/base/bytes.h"
#include "../lib/store/attachment.h"
#include "../lib/wire/link.h"
#include "ctl.h"

#define BATCH      200
#define ARENA_MOST ((size_t)16 << 20)

struct verifying {
	struct ctl *ctl;
	struct arena *arena; /* of one batch */
	int64_t attachments, files, bad;
};

static void
complain(struct verifying *v, struct str id, const char *file, const char *what)
{
	v->bad++;
	if (!v->ctl->json)
		printf("%.*s/%s: %s\n", STR_ARG(id), file, what);
}

static int
open_file(struct verifying *v, struct str id, const char *file, struct stat *st)
{
	const char *path = arena_printf(v->arena, "%s/ren/%.2s/%.*s/%s", v->ctl->conf.media_dir, id.p, STR_ARG(id), file).p;
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	v->files++;
	if (fd >= 0 && !fstat(fd, st) && S_ISREG(st->st_mode))
		return fd;
	complain(v, id, file, errno == EACCES ? "may not be read" : "is not there");
	if (fd >= 0)
		close(fd);
	return -1;
}

static void
check_size(struct verifying *v, struct str id, const char *file, int64_t size)
{
	struct stat st;
	int fd = open_file(v, id, file, &st);

	if (fd < 0)
		return;
	if (st.st_size != size)
		complain(v, id, file, "has another length than when it was stored");
	close(fd);
}

static struct str
digest_of(struct arena *a, int fd, size_t n)
{
	unsigned char digest[SHA256_BYTES];
	void *p = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);

	if (p == MAP_FAILED)
		return STR_NONE;
	bytes_sha256(str_n(p, n), digest);
	munmap(p, n);
	return hex(a, digest, sizeof(digest));
}

static void
check_original(struct verifying *v, struct str id, struct str digest)
{
	struct stat st;
	int fd = open_file(v, id, "original", &st);

	if (fd < 0)
		return;
	if (!st.st_size || !str_eq(digest_of(v->arena, fd, (size_t)st.st_size), digest))
		complain(v, id, "original", "is not what was stored");
	close(fd);
}

static void
check(struct verifying *v, const struct attachment_stored *a)
{
	json_t *all = json_loadb(a->renditions_json.p, a->renditions_json.n, 0, NULL), *one;
	size_t i;

	v->attachments++;
	json_array_foreach(all, i, one)
	{
		const char *name = json_string_value(json_object_get(one, "name"));

		if (name)
			check_size(v, a->id, arena_printf(v->arena, "%s.%s", name, link_extension(str_c(name))).p,
			           json_integer_value(json_object_get(one, "size")));
	}
	json_decref(all);
	if (str_present(a->digest))
		check_original(v, a->id, a->digest);
}

/* All of them, in the order of their ids, a batch at a time. */
static int
check_all(struct verifying *v, struct db *db)
{
	char last[ATTACHMENT_ID_N + 1] = "";
	struct attachment_stored *found;
	size_t n = BATCH;

	while (n == BATCH) {
		int r;

		arena_reset(v->arena);
		r = attachment_stored(db, v->arena, str_c(last), BATCH, &found, &n);
		if (r)
			return ctl_fail("the database: %s", r > 0 ? db_last_error(db) : "a fault");
		for (size_t i = 0; i < n; i++)
			check(v, &found[i]);
		if (n)
			memcpy(last, found[n - 1].id.p, ATTACHMENT_ID_N);
	}
	return EXIT_DONE;
}

static int
media_verify(struct ctl *ctl, int argc, char **argv)
{
	struct verifying v = { .ctl = ctl };
	struct db *db;
	int r;

	(void)argv;
	if (argc)
		return EXIT_USAGE;
	v.arena = arena_new(ARENA_MOST);
	db = db_new(ctl->conf.database, "pealctl media", ctl->conf.statement_timeout_ms);
	r = check_all(&v, db);
	db_free(db);
	arena_free(v.arena);
	if (r)
		return r;
	if (ctl->json)
		printf("{\"attachments\":%lld,\"files\":%lld,\"bad\":%lld}\n", (long long)v.attachments, (long long)v.files,
		       (long long)v.bad);
	else
		printf("%lld attachments, %lld files, %lld of them missing or damaged\n", (long long)v.attachments,
		       (long long)v.files, (long long)v.bad);
	return v.bad ? EXIT_FAILED : EXIT_DONE;
}

const struct verb media_verify_verb = {
	.name = "media verify",
	.usage = "",
	.help = "look for files of uploads that are missing, cut off or changed",
	.fn = media_verify,
	.needs_conf = true,
};
