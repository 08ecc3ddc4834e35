/*
 * fcgi/endpoint/upload_permit.c -- may this person upload this much, or go on with an upload in pieces? nginx asks (auth_request)
 * before it reads the body.
 *
 * nginx understands 2xx and 403 here. The real refusal travels in headers: its status, by which nginx chooses a location,
 * and the whole problem document, which it sends. Asking us for that document would make nginx read the body first.
 */
#include "fcgi/auth.h"
#include "fcgi/rate.h"
#include "upload.h"

#define FORM_BYTES (INT64_C(1) << 20) /* what a form may add to its file */

/* What nginx says by the location that it is in. */
static int64_t
most(struct req *req)
{
	const struct conf *conf = req->conf;
	struct str kind = req_param(req, "PEAL_UPLOAD_KIND");

	return (str_eq(kind, STR("file"))    ? conf->media_file_mib
	        : str_eq(kind, STR("audio")) ? conf->media_audio_mib
	        : str_eq(kind, STR("video")) ? conf->media_video_mib
	                                     : conf->media_image_mib)
	       << 20;
}

/* Who, and whether not too often. */
static int
resume(struct req *req)
{
	int r = auth_who(req);

	return r ? trace(r) : rate_user(req);
}

static int
permit(struct req *req)
{
	const struct attachment_quota quota = upload_quota(req->conf);
	struct attachment_quota left;
	int64_t length;
	int r;

	r = resume(req);
	if (r)
		return trace(r);
	if (str_int64(req_param(req, "PEAL_UPLOAD_LENGTH"), &length) && length > most(req) + FORM_BYTES)
		return TOO_LARGE;
	r = attachment_room(req->db, req->arena, req->me, &quota, &left);
	if (r)
		return r == NOT_FOUND ? UNAUTHENTICATED : upload_refused(req, r);
	reply_header(req, "Peal-Room", arena_printf(req->arena, "%lld", (long long)left.bytes));
	reply_header(req, "Peal-Today", arena_printf(req->arena, "%lld", (long long)left.day_bytes));
	return 0;
}

static int
allow(struct req *req)
{
	reply_header(req, "Peal-User", arena_printf(req->arena, "%lld", (long long)req->me));
	return reply_empty(req);
}

/* reply_problem() makes the document and the headers that go with it; nginx passes those on that it is told to. */
static int
refuse(struct req *req, int r)
{
	struct str problem;

	reply_problem(req, r);
	problem = arena_str(req->arena, buf_view(&req->out));
	reply_header(req, "Peal-Problem", problem);
	reply_header(req, "Peal-Refusal", arena_printf(req->arena, "%d", outcome_info(r)->status));
	reply_empty(req);
	req->status = 403;
	return 0;
}

static int
allow_or_refuse(struct req *req, int r)
{
	if (r < 0)
		return trace(r);
	return r ? refuse(req, r) : allow(req);
}

static int
upload_permit(struct req *req)
{
	return allow_or_refuse(req, permit(req));
}

static int
upload_resume(struct req *req)
{
	return allow_or_refuse(req, resume(req));
}

const struct endpoint upload_permit_endpoint = {
	.method = "GET",
	.path = "/upload/permit",
	.who = WHO_DAEMON,
	.rate = RATE_UPLOAD,
	.scope = SCOPE_MEDIA_WRITE,
	.fn = upload_permit,
	.doc = "Whether nginx may read the body of an upload, or let one in pieces begin.",
};

const struct endpoint upload_resume_endpoint = {
	.method = "GET",
	.path = "/upload/resume",
	.who = WHO_DAEMON,
	.rate = RATE_READ,
	.scope = SCOPE_MEDIA_WRITE,
	.fn = upload_resume,
	.doc = "Whose an upload in pieces is that somebody goes on with.",
};
