/*
 * fcgi/endpoint/upload_permit.c -- may this person upload this much? nginx asks (auth_request) before it reads the body.
 *
 * nginx understands 2xx and 403 here; the real refusal travels in a header, and upload_refusal.c tells it to the client.
 */
#include "fcgi/auth.h"
#include "upload.h"

#define FORM_BYTES (INT64_C(1) << 20) /* what a form may add to its file */

static int
permit(struct req *req)
{
	const struct attachment_quota quota = upload_quota(req->conf);
	int64_t length;
	int r;

	r = auth_who(req);
	if (r)
		return trace(r);
	if (str_int64(req_param(req, "PEAL_UPLOAD_LENGTH"), &length) &&
	    length > (req->conf->media_image_mib << 20) + FORM_BYTES)
		return TOO_LARGE;
	r = attachment_room(req->db, req->arena, req->me, &quota);
	return r == NOT_FOUND ? UNAUTHENTICATED : r;
}

static int
upload_permit(struct req *req)
{
	int r = permit(req);

	if (r < 0)
		return trace(r);
	reply_empty(req);
	if (r) {
		req->status = 403;
		reply_header(req, "Peal-Refusal", str_c(outcome_info(r)->code));
	} else {
		reply_header(req, "Peal-User", arena_printf(req->arena, "%lld", (long long)req->me));
	}
	return 0;
}

const struct endpoint upload_permit_endpoint = {
	.method = "GET",
	.path = "/upload/permit",
	.who = WHO_DAEMON,
	.fn = upload_permit,
	.doc = "Whether nginx may read the body of an upload.",
};
