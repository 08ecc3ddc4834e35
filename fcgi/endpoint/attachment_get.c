/* fcgi/endpoint/attachment_get.c -- one attachment, with fresh links. */
#include <errno.h>

#include "fcgi/reply.h"
#include "store/attachment.h"
#include "wire/attachment.h"
#include "wire/link.h"

static int
attachment_get_(struct req *req)
{
	struct attachment a;
	struct json_out *w;
	int r;

	r = attachment_get(req->db, req->arena, req->me, req->attachment, &a);
	if (r)
		return trace(r);
	w = reply_json(req, 200);
	if (!view_attachment_open(w, NULL, a.json, req->now))
		return fault(-EBADMSG);
	json_time(w, "created_at", a.created_at);
	json_str(w, "download_url", link_download(req->arena, req->attachment, req->me, req->now));
	json_close(w);
	return reply_end(req);
}

const struct endpoint attachment_get_endpoint = {
	.method = "GET",
	.path = "/attachments/{attachment}",
	.who = WHO_MEMBER,
	.rate = RATE_READ,
	.scope = SCOPE_MESSAGES_READ,
	.fn = attachment_get_,
	.doc = "An attachment: what it is, fresh links to its renditions, and a link to download it.",
};
