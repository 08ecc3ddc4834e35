/* fcgi/endpoint/upload_attachment.c -- peal-media has stored something; this makes it an attachment, or refuses. */
#include <errno.h>
#include <stdlib.h>

#include "fcgi/text.h"
#include "upload.h"
#include "wire/attachment.h"
#include "wire/link.h"

struct body {
	struct str id, kind, name, mime, thumbhash, color, digest;
	int64_t owner_id;
	struct opt_int size, width, height, bytes;
	struct opt_bool animated;
	json_t *renditions, *facts;
};

static const char *const kinds[] = { "image", "audio", "video", "file", NULL };
static const enum message_kind message_kinds[] = { MESSAGE_IMAGE, MESSAGE_AUDIO, MESSAGE_VIDEO, MESSAGE_FILE };

static const struct field body_fields[] = {
	STR_FIELD(struct body, id, .required = 1),          ENUM_FIELD(struct body, kind, .words = kinds, .required = 1),
	STR_FIELD(struct body, name, .nullable = 1),        STR_FIELD(struct body, mime, .required = 1),
	STR_FIELD(struct body, thumbhash, .nullable = 1),   STR_FIELD(struct body, color, .nullable = 1),
	ID_FIELD(struct body, owner_id, .required = 1),     INT_FIELD(struct body, size, .required = 1),
	INT_FIELD(struct body, width, .required = 1),       INT_FIELD(struct body, height, .required = 1),
	INT_FIELD(struct body, bytes, .required = 1),       BOOL_FIELD(struct body, animated, .required = 1),
	JSON_FIELD(struct body, renditions, .required = 1), JSON_FIELD(struct body, facts),
	STR_FIELD(struct body, digest, .max = 64),          { 0 }
};

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
upload_attachment(struct req *req)
{
	const struct attachment_quota quota = upload_quota(req->conf);
	struct attachment_new new;
	struct body in = { 0 };
	struct json_out *w;
	struct str json;
	int64_t at;
	int r;

	r = req_body(req, body_fields, &in);
	if (r)
		return r;
	if (!attachment_id_ok(in.id) || !json_is_array(in.renditions))
		return req_invalid(req, "/id", "format", "This is not an attachment.");
	new = (struct attachment_new){ .id = in.id,
		                       .owner_id = in.owner_id,
		                       .kind = kind_of(in.kind),
		                       .name = text_file_name(req->arena, in.name),
		                       .mime = in.mime,
		                       .thumbhash = in.thumbhash,
		                       .color = in.color,
		                       .size = in.size.v,
		                       .width = in.width.v,
		                       .height = in.height.v,
		                       .bytes = in.bytes.v,
		                       .animated = in.animated.v,
		                       .renditions_json = dump(req, in.renditions),
		                       .facts_json = in.facts ? dump(req, in.facts) : STR_NONE,
		                       .digest = in.digest };
	r = attachment_register(req->db, req->arena, &new, &quota, &json, &at);
	if (r)
		return upload_refused(req, trace(r));
	w = reply_json(req, 201);
	if (!view_attachment_open(w, NULL, json, req->now))
		return fault(-EBADMSG);
	json_time(w, "created_at", at);
	json_close(w);
	return reply_end(req);
}

const struct endpoint upload_attachment_endpoint = {
	.method = "POST",
	.path = "/upload/attachment",
	.who = WHO_DAEMON,
	.body = BODY_JSON,
	.rate = RATE_NONE,
	.fn = upload_attachment,
	.doc = "Register what peal-media has stored.",
};
