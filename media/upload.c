/* media/upload.c -- POST /messages/upload-image, -audio, -video, -file: now, or behind. */
#include <errno.h>

#include "base/ask.h"
#include "base/err.h"
#include "base/fail.h"
#include "make.h"

#define DOOR_TIMEOUT_MS 5000

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
	u->retry_after_seconds = answer.retry_after_seconds > 0 ? answer.retry_after_seconds : 0;
	u->content_type = answer.content_type;
	u->body = answer.body;
	return 0;
}

struct told {
	const struct upload_kind *kind;
	int64_t owner;
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

static int
make_now(struct making *m, const struct told *told)
{
	struct str body;
	int r;

	r = make_told(m, told->kind, open_told, told, &body);
	if (!r)
		r = register_with_workers(m->u, body);
	/* when it is unknown whether it was registered, the sweep will know */
	if ((r && r != UNCERTAIN) || (!r && m->u->status != 201))
		(void)store_remove(m->u->store, m->id);
	return r;
}

/* The bytes are kept first, then there is an attachment, then somebody may begin: whoever dies in between leaves nothing behind that
 * is not found. */
static int
make_later(struct making *m, const struct told *told)
{
	const struct queue *queue = m->u->queue;
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
	FAILPOINT("media.registered");
	return queue_release(queue, &job);
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
	if (r)
		return trace(r);
	m.id = store_new_id(u->arena);
	told.later = m.in.size > kind->inline_most(u->conf);
	return told.later ? make_later(&m, &told) : make_now(&m, &told);
}
