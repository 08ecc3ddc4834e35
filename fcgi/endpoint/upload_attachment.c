/*
 * fcgi/endpoint/upload_attachment.c -- peal-media has stored something, or will: this makes it an attachment, or refuses. What takes
 * long is one already while it waits (state `processing`), and a second call says what came of it.
 */
#include <errno.h>
#include <stdlib.h>

#include "fcgi/once.h"
#include "fcgi/publish.h"
#include "fcgi/text.h"
#include "upload.h"
#include "wire/attachment.h"
#include "wire/link.h"

struct body {
	struct str id, kind, state, name, mime, thumbhash, color, digest, failure, idempotency_key, request_hash;
	int64_t owner_id;
	struct opt_int size, width, height, bytes;
	struct opt_bool animated;
	json_t *renditions, *facts;
};

static const char *const kinds[] = { "image", "audio", "video", "file", NULL };
static const enum message_kind message_kinds[] = { MESSAGE_IMAGE, MESSAGE_AUDIO, MESSAGE_VIDEO, MESSAGE_FILE };
static const char *const states[] = { "ready", "processing", NULL };

/* What peal-media finds out about an upload. */
/* clang-format off */
#define FOUND_FIELDS(needed)                                                                                   \
	STR_FIELD(struct body, id, .required = 1),            STR_FIELD(struct body, mime, .required = (needed)),     \
	STR_FIELD(struct body, thumbhash, .nullable = 1),     STR_FIELD(struct body, color, .nullable = 1),           \
	INT_FIELD(struct body, size, .required = (needed)),   INT_FIELD(struct body, width, .required = (needed)),    \
	INT_FIELD(struct body, height, .required = (needed)), INT_FIELD(struct body, bytes, .required = (needed)),    \
	BOOL_FIELD(struct body, animated, .required = (needed)), JSON_FIELD(struct body, renditions, .required = (needed)), \
	JSON_FIELD(struct body, facts),                       STR_FIELD(struct body, digest, .max = 64)
/* clang-format on */

static const struct field body_fields[] = { FOUND_FIELDS(1),
	                                    ENUM_FIELD(struct body, kind, .words = kinds, .required = 1),
	                                    ENUM_FIELD(struct body, state, .words = states),
	                                    STR_FIELD(struct body, name, .nullable = 1),
	                                    ID_FIELD(struct body, owner_id, .required = 1),
	                                    STR_FIELD(struct body, idempotency_key, .max = 1024),
	                                    STR_FIELD(struct body, request_hash, .max = 64),
	                                    { 0 } };
static const struct field finished_fields[] = { FOUND_FIELDS(0), STR_FIELD(struct body, failure, .max = 64), { 0 } };

static void
free_text(void *text)
{
	free(text);
}

static struct str
dump(struct req *req, const json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);

	arena_defer(req->arena, free_text, text);
	return str_c(text);
}

static enum message_kind
kind_of(struct str name)
{
	size_t i = 0;

	while (!str_eq(name, str_c(kinds[i])))
		i++;
	return message_kinds[i];
}

static int
read_body(struct req *req, const struct field *fields, struct body *in)
{
	int r = req_body(req, fields, in);

	if (r)
		return r;
	if (!attachment_id_ok(in->id) || (in->renditions && !json_is_array(in->renditions)))
		return req_invalid(req, "/id", "format", "This is not an attachment.");
	return 0;
}

static struct attachment_new
found_of(struct req *req, const struct body *in)
{
	return (struct attachment_new){ .id = in->id,
		                        .mime = in->mime,
		                        .thumbhash = in->thumbhash,
		                        .color = in->color,
		                        .size = in->size.v,
		                        .width = in->width.v,
		                        .height = in->height.v,
		                        .bytes = in->bytes.v,
		                        .animated = in->animated.v,
		                        .renditions_json = in->renditions ? dump(req, in->renditions) : STR_NONE,
		                        .facts_json = in->facts ? dump(req, in->facts) : STR_NONE,
		                        .digest = in->digest };
}

static int
reply_attachment(struct req *req, int status, struct str json, int64_t at)
{
	struct json_out *w = reply_json(req, status);

	if (!view_attachment_open(w, NULL, json, req->now))
		return fault(-EBADMSG);
	json_time(w, "created_at", at);
	json_close(w);
	return reply_end(req);
}

static int
enter(struct req *req)
{
	const struct attachment_quota quota = upload_quota(req->conf);
	const struct body *in = req->in;
	struct attachment_new new = found_of(req, in);
	struct str json;
	int64_t at;
	int r;

	new.owner_id = in->owner_id;
	new.kind = kind_of(in->kind);
	new.name = text_file_name(req->arena, in->name);
	if (str_eq(in->state, STR("processing")))
		r = attachment_begin(req->db, req->arena, &new, &quota, &json, &at);
	else
		r = attachment_register(req->db, req->arena, &new, &quota, &json, &at);
	req->made = in->id;
	return r ? upload_refused(req, trace(r)) : reply_attachment(req, 201, json, at);
}

/* As it is now. Whoever uploads the same again hears of the first; what was stored for the second goes. */
static int
again(struct req *req, struct str id)
{
	const struct body *in = req->in;
	struct attachment a;
	int r = attachment_get(req->db, req->arena, in->owner_id, id, &a);

	if (r == NOT_FOUND) {
		req->detail = "This was uploaded before, and has been removed since.";
		return CONFLICT;
	}
	return r ? trace(r) : reply_attachment(req, 200, a.json, a.created_at);
}

static int
upload_attachment(struct req *req)
{
	static const struct once_steps steps = { enter, again };
	struct body in = { 0 };
	struct request_key key;
	int r = read_body(req, body_fields, &in);

	if (r)
		return r;
	req->in = &in;
	if (!str_present(in.idempotency_key))
		return enter(req);
	key = (struct request_key){ .user_id = in.owner_id,
		                    .route = arena_printf(req->arena, "/messages/upload-%.*s", STR_ARG(in.kind)),
		                    .key = in.idempotency_key,
		                    .hash = in.request_hash };
	return once_for(req, &key, &steps);
}

static int
upload_finished(struct req *req)
{
	struct attachment_new found;
	struct body in = { 0 };
	struct str json;
	int64_t at, owner;
	int r;

	r = read_body(req, finished_fields, &in);
	if (r)
		return r;
	if (!str_present(in.failure) && !in.renditions)
		return req_invalid(req, "/renditions", "required", "It has failed, or there is something.");
	found = found_of(req, &in);
	r = attachment_finish(req->db, req->arena, &found, in.failure, &json, &at, &owner);
	if (r)
		return trace(r);
	publish_attachment(req, in.id, owner, json);
	return reply_attachment(req, 200, json, at);
}

const struct endpoint upload_attachment_endpoint = {
	.method = "POST",
	.path = "/upload/attachment",
	.who = WHO_DAEMON,
	.body = BODY_JSON,
	.rate = RATE_NONE,
	.fn = upload_attachment,
	.doc = "Register what peal-media has stored, or has queued.",
};

const struct endpoint upload_finished_endpoint = {
	.method = "POST",
	.path = "/upload/finished",
	.who = WHO_DAEMON,
	.body = BODY_JSON,
	.rate = RATE_NONE,
	.fn = upload_finished,
	.doc = "What came of an upload that was queued.",
};
