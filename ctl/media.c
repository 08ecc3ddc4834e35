/* media.c -- what is stored, on disk or in an object store: whether each file that a row promises is there, as long as it should be, and
 * unchanged. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/evp.h>

#include "../lib/base/bytes.h"
#include "../lib/base/err.h"
#include "../lib/s3/s3.h"
#include "../lib/store/attachment.h"
#include "../lib/wire/link.h"
#include "ctl.h"

#define BATCH      200
#define ARENA_MOST ((size_t)16 << 20)
#define FILES_MOST 16 /* of one attachment */

struct verifying {
	struct ctl *ctl;
	struct arena *arena; /* of one batch */
	struct s3 *s3;       /* NULL: everything is on disk */
	struct {
		struct str name;
		uint64_t size;
	} objects[FILES_MOST]; /* of the attachment that is looked at */
	size_t objects_n;
	int64_t attachments, files, bad;
	int64_t shared; /* originals that have their bytes in common with another upload of the same person */
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

	if (fd >= 0 && !fstat(fd, st) && S_ISREG(st->st_mode))
		return fd;
	complain(v, id, file, errno == EACCES ? "may not be read" : "is not there");
	if (fd >= 0)
		close(fd);
	return -1;
}

/* In the object store; NULL: not there, but it may be on disk, from before. */
static const uint64_t *
object_size(const struct verifying *v, const char *file)
{
	for (size_t i = 0; i < v->objects_n; i++)
		if (str_eq(v->objects[i].name, str_c(file)))
			return &v->objects[i].size;
	return NULL;
}

static void
check_size(struct verifying *v, struct str id, const char *file, uint64_t size)
{
	const uint64_t *stored = object_size(v, file);
	uint64_t found = stored ? *stored : 0;
	struct stat st;

	v->files++;
	if (!stored) {
		int fd = open_file(v, id, file, &st);

		if (fd < 0)
			return;
		close(fd);
		found = (uint64_t)st.st_size;
	}
	if (found != size)
		complain(v, id, file, "has another length than when it was stored");
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
digest_more(void *digest, struct str bytes)
{
	EVP_DigestUpdate(digest, bytes.p, bytes.n);
}

/* As the store sends it. */
static int
digest_object(struct verifying *v, struct str id, struct str *ret)
{
	struct str key = arena_printf(v->arena, "ren/%.2s/%.*s/original", id.p, STR_ARG(id));
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	unsigned char out[SHA256_BYTES];
	int r;

	if (!digest || !EVP_DigestInit_ex(digest, EVP_sha256(), NULL)) {
		EVP_MD_CTX_free(digest);
		return fault(-ENOMEM);
	}
	r = s3_get(v->s3, key, digest_more, digest);
	if (!r && EVP_DigestFinal_ex(digest, out, NULL))
		*ret = hex(v->arena, out, sizeof(out));
	EVP_MD_CTX_free(digest);
	return r;
}

static struct str
digest_file(struct verifying *v, struct str id)
{
	struct str digest = STR("");
	struct stat st;
	int fd = open_file(v, id, "original", &st);

	if (fd < 0)
		return STR_NONE;
	v->shared += st.st_nlink > 1;
	if (st.st_size)
		digest = digest_of(v->arena, fd, (size_t)st.st_size);
	close(fd);
	return digest;
}

static int
check_original(struct verifying *v, struct str id, struct str digest)
{
	struct str found = STR("");
	int r = 0;

	v->files++;
	if (object_size(v, "original"))
		r = digest_object(v, id, &found);
	else
		found = digest_file(v, id);
	if (!r && str_present(found) && !str_eq(found, digest))
		complain(v, id, "original", "is not what was stored");
	return r;
}

static int
note_object(void *arg, const struct s3_object *o)
{
	struct verifying *v = arg;
	struct str name = o->key;

	for (int i = 0; i < 3; i++)
		str_cut(&name, '/');
	if (v->objects_n == FILES_MOST || !str_present(name))
		return 0;
	v->objects[v->objects_n].name = arena_str(v->arena, name);
	v->objects[v->objects_n++].size = o->size;
	return 0;
}

static int
list_objects(struct verifying *v, struct str id)
{
	v->objects_n = 0;
	return v->s3 ? s3_list(v->s3, arena_printf(v->arena, "ren/%.2s/%.*s/", id.p, STR_ARG(id)), note_object, v) : 0;
}

static int
check(struct verifying *v, const struct attachment_stored *a)
{
	int r = list_objects(v, a->id);
	json_t *all, *one;
	size_t i;

	if (r)
		return r;
	v->attachments++;
	all = json_loadb(a->renditions_json.p, a->renditions_json.n, 0, NULL);
	json_array_foreach(all, i, one)
	{
		const char *name = json_string_value(json_object_get(one, "name"));

		if (name)
			check_size(v, a->id, arena_printf(v->arena, "%s.%s", name, link_extension(str_c(name))).p,
			           (uint64_t)json_integer_value(json_object_get(one, "size")));
	}
	json_decref(all);
	return str_present(a->digest) ? check_original(v, a->id, a->digest) : 0;
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
		for (size_t i = 0; i < n && !r; i++)
			r = check(v, &found[i]);
		if (r)
			return ctl_fail("the object store does not answer as it should");
		if (n)
			memcpy(last, found[n - 1].id.p, ATTACHMENT_ID_N);
	}
	return EXIT_DONE;
}

static int
open_store(struct verifying *v)
{
	const struct conf *conf = &v->ctl->conf;
	struct s3_account *account = arena_new_of(v->ctl->arena, struct s3_account);
	int r;

	if (strcmp(conf->media_store, "s3"))
		return EXIT_DONE;
	r = s3_account_open(v->ctl->arena, conf, account);
	if (r)
		return ctl_fail("%s: %s", conf->s3_key_file,
		                r < 0 ? strerror(-r) : "not an id in its first line and a secret in its second");
	v->s3 = s3_new(account, conf->s3_timeout_seconds, (uint64_t)conf->s3_part_mib << 20);
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
	if (open_store(&v) != EXIT_DONE)
		return EXIT_FAILED;
	v.arena = arena_new(ARENA_MOST);
	db = db_new(ctl->conf.database, "pealctl media", ctl->conf.statement_timeout_ms);
	r = check_all(&v, db);
	db_free(db);
	s3_free(v.s3);
	arena_free(v.arena);
	if (r)
		return r;
	if (ctl->json)
		printf("{\"attachments\":%lld,\"files\":%lld,\"shared\":%lld,\"bad\":%lld}\n", (long long)v.attachments,
		       (long long)v.files, (long long)v.shared, (long long)v.bad);
	else
		printf("%lld attachments, %lld files (%lld share their bytes), %lld of them missing or damaged\n",
		       (long long)v.attachments, (long long)v.files, (long long)v.shared, (long long)v.bad);
	return v.bad ? EXIT_FAILED : EXIT_DONE;
}

const struct verb media_verify_verb = {
	.name = "media verify",
	.usage = "",
	.help = "look for files of uploads that are missing, cut off or changed",
	.fn = media_verify,
	.needs_conf = true,
};
