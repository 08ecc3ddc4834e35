/* fcgi/endpoint/upload_removals.c -- peal-media asks what is to be removed, what it has that nobody knows, what still waits for it, and
 * what it has already. */
#include <stdlib.h>

#include "fcgi/publish.h"
#include "fcgi/reply.h"
#include "store/attachment.h"

#define BATCH       200
#define STALE_HOURS 24 /* whoever had queued it has lost it */

struct body {
	json_t *ids;
};

static const struct field body_fields[] = { JSON_FIELD(struct body, ids, .required = 1), { 0 } };

static void
free_text(void *text)
{
	free(text);
}

/* The ids of the body, as JSON text. */
static int
read_ids(struct req *req, struct str *ret)
{
	struct body in = { 0 };
	json_t *id;
	char *text;
	size_t i;
	int r;

	r = req_body(req, body_fields, &in);
	if (r)
		return r;
	if (!json_is_array(in.ids))
		return req_invalid(req, "/ids", "type", "Ids are an array.");
	json_array_foreach(in.ids, i, id) if (!json_is_string(id)) return req_invalid(req, "/ids", "type",
	                                                                              "An id is a string.");
	text = json_dumps(in.ids, JSON_COMPACT);
	arena_defer(req->arena, free_text, text);
	*ret = str_c(text);
	return 0;
}

static int
reply_ids(struct req *req, struct str ids)
{
	struct json_out *w = reply_json(req, 200);

	json_open_object(w, NULL);
	json_raw(w, "ids", ids);
	json_close(w);
	return reply_end(req);
}

static int
give_up(struct req *req, struct str id)
{
	const struct attachment_new found = { .id = id };
	struct str json;
	int64_t at, owner;
	int r = attachment_finish(req->db, req->arena, &found, str_c(outcome_info(TOO_COMPLEX)->code), &json, &at, &owner);

	if (!r)
		publish_attachment(req, id, owner, json);
	return r == NOT_FOUND ? 0 : r;
}

/* What has waited for too long has failed: its disk was restored, or thrown away. */
static int
give_up_stale(struct req *req)
{
	struct json_report report;
	struct str ids;
	json_t *all, *id;
	size_t i;
	int r = attachment_stale(req->db, req->arena, STALE_HOURS, BATCH, &ids);

	if (r || str_eq(ids, STR("[]")))
		return r;
	r = json_parse(req->arena, ids, &all, &report);
	json_array_foreach(all, i, id) if (!r) r = give_up(req, str_n(json_string_value(id), json_string_length(id)));
	return r;
}

static int
upload_removals(struct req *req)
{
	struct str done, due;
	int r;

	r = read_ids(req, &done);
	if (!r)
		r = give_up_stale(req);
	if (r)
		return r;
	r = attachment_removals(req->db, req->arena, done, req->conf->media_unattached_hours, BATCH, &due);
	return r ? trace(r) : reply_ids(req, due);
}

static int
upload_unknown(struct req *req)
{
	struct str ids, unknown;
	int r;

	r = read_ids(req, &ids);
	if (r)
		return r;
	r = attachment_unknown(req->db, req->arena, ids, &unknown);
	return r ? trace(r) : reply_ids(req, unknown);
}

static int
upload_pending(struct req *req)
{
	struct str ids, pending;
	int r;

	r = read_ids(req, &ids);
	if (r)
		return r;
	r = attachment_pending(req->db, req->arena, ids, &pending);
	return r ? trace(r) : reply_ids(req, pending);
}

struct question {
	int64_t owner_id;
	struct str digest;
};

static const struct field question_fields[] = { ID_FIELD(struct question, owner_id, .required = 1),
	                                        STR_FIELD(struct question, digest, .max = 64, .required = 1),
	                                        { 0 } };

static int
upload_twin(struct req *req)
{
	struct question in = { 0 };
	struct str ids;
	int r;

	r = req_body(req, question_fields, &in);
	if (!r)
		r = attachment_twin(req->db, req->arena, in.owner_id, in.digest, &ids);
	return r ? trace(r) : reply_ids(req, ids);
}

const struct endpoint upload_removals_endpoint = {
	.method = "POST",
	.path = "/upload/removals",
	.who = WHO_DAEMON,
	.body = BODY_JSON,
	.rate = RATE_NONE,
	.fn = upload_removals,
	.doc = "Note which files have gone; name those that are to go.",
};

const struct endpoint upload_unknown_endpoint = {
	.method = "POST",
	.path = "/upload/unknown",
	.who = WHO_DAEMON,
	.body = BODY_JSON,
	.rate = RATE_NONE,
	.fn = upload_unknown,
	.doc = "Which of these ids no attachment has.",
};

const struct endpoint upload_pending_endpoint = {
	.method = "POST",
	.path = "/upload/pending",
	.who = WHO_DAEMON,
	.body = BODY_JSON,
	.rate = RATE_NONE,
	.fn = upload_pending,
	.doc = "Which of these ids still wait for what peal-media makes of them.",
};

const struct endpoint upload_twin_endpoint = {
	.method = "POST",
	.path = "/upload/twin",
	.who = WHO_DAEMON,
	.body = BODY_JSON,
	.rate = RATE_NONE,
	.fn = upload_twin,
	.doc = "An upload of the same person, and of the same bytes.",
};
