/* fcgi/endpoint/export.c -- everything of mine as one archive: asking for it, and how far it is. peal-jobs makes it. */
#include "base/bytes.h"
#include "fcgi/reply.h"
#include "store/export.h"
#include "wire/link.h"

static const char *const states[] = { [EXPORT_PENDING] = "pending",
	                              [EXPORT_RUNNING] = "running",
	                              [EXPORT_READY] = "ready",
	                              [EXPORT_FAILED] = "failed",
	                              [EXPORT_EXPIRED] = "expired" };

static int
reply_export(struct req *req, int status, const struct export *e)
{
	bool ready = e->state == EXPORT_READY;
	struct json_out *w = reply_json(req, status);

	json_open_object(w, NULL);
	json_str(w, "id", e->id);
	json_cstr(w, "state", states[e->state]);
	json_time(w, "created_at", e->created_at);
	json_time(w, "finished_at", e->finished_at);
	json_time(w, "expires_at", e->expires_at);
	json_int(w, "messages", e->messages);
	json_int(w, "messages_of", e->messages_of);
	json_str(w, "failure", e->failure);
	if (ready)
		json_int(w, "size", e->size);
	else
		json_put_null(w, "size");
	json_str(w, "sha256", ready ? e->digest : STR_NONE);
	json_str(w, "download_url", ready ? link_download(req->arena, e->id, req->me, req->now) : STR_NONE);
	json_close(w);
	return reply_end(req);
}

static int
show(struct req *req, int status, struct str id)
{
	struct export e;
	int r = export_get(req->db, req->arena, req->me, id, &e);

	return r ? trace(r) : reply_export(req, status, &e);
}

static int
export_again(struct req *req, struct str made)
{
	return show(req, 200, made);
}

static int
export_post(struct req *req)
{
	unsigned char random[ATTACHMENT_ID_N / 2];
	int64_t wait_ms;
	struct str id;
	bool is_new;
	int r;

	bytes_random(random, sizeof(random));
	id = hex(req->arena, random, sizeof(random));
	r = export_begin(req->db, req->arena, req->me, id, req->conf->export_pause_minutes, &id, &is_new, &wait_ms);
	if (r)
		return r == NOT_FOUND ? UNAUTHENTICATED : trace(r);
	if (wait_ms > 0) {
		req->retry_after_ms = wait_ms;
		return RATE_LIMITED;
	}
	req->made = id;
	return show(req, is_new ? 201 : 200, id);
}

static int
export_get_(struct req *req)
{
	return show(req, 200, req->attachment);
}

const struct endpoint export_post_endpoint = {
	.method = "POST",
	.path = "/me/export",
	.who = WHO_USER,
	.pool = POOL_SLOW,
	.rate = RATE_WRITE,
	.once = true,
	.fn = export_post,
	.again = export_again,
	.doc = "Ask for everything of mine as one archive. While one is being made, it is that one.",
};

const struct endpoint export_get_endpoint = {
	.method = "GET",
	.path = "/me/export/{export}",
	.who = WHO_USER,
	.pool = POOL_SLOW,
	.rate = RATE_READ,
	.fn = export_get_,
	.doc = "How far it is, and a link to download it.",
};
