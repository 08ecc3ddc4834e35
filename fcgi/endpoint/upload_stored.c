/*
 * fcgi/endpoint/upload_stored.c -- nginx has not found a file on its disk, and has checked already that it may be given out: it is sent to
 * the object store, with leave to read this one object, by a path that it serves to nobody else (snippets/peal-s3.conf).
 */
#include "fcgi/reply.h"
#include "fcgi/stored.h"
#include "wire/link.h"

#define LEAVE_SECONDS 60

/* "<aa>/<id>/<file>", as media/store.h has it. */
static bool
place_ok(struct str place)
{
	struct str aa = str_cut(&place, '/'), id = str_cut(&place, '/');

	if (!attachment_id_ok(id) || !str_eq(aa, str_n(id.p, 2)) || !place.n)
		return false;
	for (size_t i = 0; i < place.n; i++)
		if (!((place.p[i] >= 'a' && place.p[i] <= 'z') || (place.p[i] >= '0' && place.p[i] <= '9') ||
		      place.p[i] == '.'))
			return false;
	return true;
}

static const char *
type_of(struct str place)
{
	static const char *const types[][2] = {
		{ ".webp", "image/webp" }, { ".m4a", "audio/mp4" }, { ".webm", "audio/webm" }, { ".mp4", "video/mp4" }
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct str end = str_c(types[i][0]);

		if (place.n > end.n && str_eq(str_n(place.p + place.n - end.n, end.n), end))
			return types[i][1];
	}
	return "application/octet-stream";
}

static int
upload_stored(struct req *req)
{
	const struct s3_account *account = stored_account();
	struct str place = req_param(req, "PEAL_STORED"), key, leave;
	const char *method = str_eq(req_param(req, "PEAL_STORED_METHOD"), STR("HEAD")) ? "HEAD" : "GET";

	if (!account || !place_ok(place))
		return NOT_FOUND;
	key = arena_printf(req->arena, "ren/%.*s", STR_ARG(place));
	leave = s3_presign(req->arena, account, method, key, s3_date(req->arena, req->now), LEAVE_SECONDS);
	req->status = 200;
	req->content_type = type_of(place);
	buf_clear(&req->out);
	reply_header(req, "X-Accel-Redirect",
	             arena_printf(req->arena, "/_peal/s3/%s/%.*s%.*s", account->tls ? "https" : "http",
	                          STR_ARG(account->host), STR_ARG(leave)));
	return 0;
}

const struct endpoint upload_stored_endpoint = {
	.method = "GET",
	.path = "/upload/stored",
	.who = WHO_DAEMON,
	.rate = RATE_NONE,
	.fn = upload_stored,
	.doc = "Where nginx reads a file that is in an object store.",
};
