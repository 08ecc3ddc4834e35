/* media/upload.c -- POST /messages/upload-image, -audio, -video, -file: now, or behind. */
#include <errno.h>
#include <openssl/evp.h>
#include <unistd.h>

#include "base/ask.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/fail.h"
#include "make.h"
#include "metrics.h"
#include "wire/retry_key.h"

#define CHUNK 65536

/* The workers' answer is the client's: the attachment with its links, or the refusal. */
static int
register_with_workers(struct upload *u, struct str body)
{
	struct cgi_answer answer;
	int r;

	r = ask_post(u->arena, u->door, "/upload/attachment", u->request_id, body, DOOR_TIMEOUT_MS, &answer);
	if (r)
		return trace(r);
	u->status = answer.status;
	u->replayed = answer.status == 200;
	u->retry_after_seconds = answer.retry_after_seconds > 0 ? answer.retry_after_seconds : 0;
	u->content_type = answer.content_type;
	u->body = answer.body;
	return 0;
}

struct told {
	const struct upload_kind *kind;
	int64_t owner;
	struct str key, hash; /* Idempotency-Key, and what it stands for; absent: none */
	bool later;
};

/* What it is; and of what is made later as much as is known now. */
static void
open_told(struct making *m, const void *arg)
{
	const struct told *t = arg;

	json_str(&m->w, "id", m->id);
	json_id(&m->w, "owner_id", t->owner);
	json_cstr(&m->w, "kind", t->kind->name);
	json_str(&m->w, "name", m->in.name);
	if (str_present(t->key)) {
		json_str(&m->w, "idempotency_key", t->key);
		json_str(&m->w, "request_hash", t->hash);
	}
	if (!t->later)
		return;
	json_cstr(&m->w, "state", "processing");
	json_cstr(&m->w, "mime", t->kind->mime);
	json_int(&m->w, "size", (int64_t)m->in.size);
	json_int(&m->w, "width", 0);
	json_int(&m->w, "height", 0);
	json_bool(&m->w, "animated", false);
	json_open_array(&m->w, "renditions");
	json_close(&m->w);
}

/* The bytes are kept first, then there is an attachment, then somebody may begin: whoever dies in between leaves nothing behind that
 * is not found. */
static int
make_later(struct making *m, struct told *told, const struct queue *queue)
{
	const struct queued job = { .id = m->id,
		                    .kind = str_c(told->kind->name),
		                    .name = m->in.name,
		                    .owner = told->owner,
		                    .offset = m->in.offset,
		                    .size = m->in.size,
		                    .hd = m->in.hd,
		                    .sniffed = m->in.sniffed };
	struct str body;
	int r;

	told->later = true;
	m->bytes = m->in.size;
	r = queue_room(queue, told->owner);
	if (!r)
		r = queue_put(queue, &job, m->in.fd);
	if (!r)
		r = make_told(m, NULL, open_told, told, &body);
	if (r)
		return trace(r);
	FAILPOINT("media.queued");
	r = register_with_workers(m->u, body);
	if (r == UNCERTAIN)
		return r;
	if (r || m->u->status != 201) {
		(void)queue_remove(queue, m->id);
		return r;
	}
	metrics_add(&metrics->behind, 1);
	FAILPOINT("media.registered");
	return queue_release(queue, &job);
}

static int
make_now(struct making *m, struct told *told)
{
	struct str body;
	int r;

	r = make_told(m, told->kind, open_told, told, &body);
	if (!r && m->later)
		return make_later(m, told, m->u->transcode);
	if (!r)
		r = register_with_workers(m->u, body);
	/* when it is unknown whether it was registered, the sweep will know */
	if ((r && r != UNCERTAIN) || (!r && m->u->status != 201))
		(void)store_remove(m->u->store, m->id);
	return r;
}

/* What makes two uploads the same: their bytes, what they are called, and what is to be made of them. Forms differ in their boundary. */
static int
hash_upload(struct upload *u, const struct incoming *in, EVP_MD_CTX *ctx, struct str *ret)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	char *bytes = arena_alloc(u->arena, CHUNK);
	uint64_t at = 0;
	ssize_t n = 1;

	EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
	EVP_DigestUpdate(ctx, in->hd ? "hd" : "  ", 2);
	EVP_DigestUpdate(ctx, in->name.p, in->name.n);
	EVP_DigestUpdate(ctx, "", 1);
	for (; at < in->size && n > 0; at += (uint64_t)n) {
		n = pread(in->fd, bytes, in->size - at < CHUNK ? in->size - at : CHUNK, (off_t)(in->offset + at));
		if (n > 0)
			EVP_DigestUpdate(ctx, bytes, (size_t)n);
	}
	if (n <= 0)
		return fault(n ? -errno : -EIO);
	EVP_DigestFinal_ex(ctx, digest, NULL);
	*ret = hex(u->arena, digest, SHA256_BYTES);
	return 0;
}

static int
take_key(struct upload *u, const struct incoming *in, struct told *told)
{
	EVP_MD_CTX *ctx;
	int r;

	told->key = upload_param(u, "HTTP_IDEMPOTENCY_KEY");
	if (!str_present(told->key))
		return 0;
	if (!retry_key_ok(told->key)) {
		u->report =
		        (struct json_report){ .path = STR("Idempotency-Key"), .code = "format", .message = RETRY_KEY_RULE };
		return INVALID;
	}
	ctx = EVP_MD_CTX_new();
	if (!ctx)
		return fault(-ENOMEM);
	r = hash_upload(u, in, ctx, &told->hash);
	EVP_MD_CTX_free(ctx);
	return r;
}

int
upload_take(struct upload *u, const struct upload_kind *kind)
{
	struct told told = { .kind = kind };
	struct making m = { .u = u };
	int r;

	if (!str_id(upload_param(u, "PEAL_UPLOAD_USER"), &told.owner))
		return UNAUTHENTICATED;
	r = store_room(u->store);
	if (r)
		return trace(r);
	r = incoming_read(u, kind->most(u->conf), &m.in);
	if (!r && !kind->accepts(m.in.sniffed))
		r = UNSUPPORTED_TYPE;
	if (!r)
		r = take_key(u, &m.in, &told);
	if (r)
		return trace(r);
	m.id = store_new_id(u->arena);
	m.owner = told.owner;
	return m.in.size > kind->inline_most(u->conf) ? make_later(&m, &told, u->queue) : make_now(&m, &told);
}
