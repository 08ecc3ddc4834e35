/* fcgi/cors.c -- the Fetch standard's CORS protocol, for a list of origins. */
#include "base/origin.h"
#include "cors.h"
#include "reply.h"
#include "route.h"

#define METHODS "GET, HEAD, POST, PUT, PATCH, DELETE"
#define HEADERS                                                                                                             \
	"Authorization, Content-Type, Idempotency-Key, If-None-Match, Tus-Resumable, Upload-Length, Upload-Offset, "        \
	"Upload-Metadata, Upload-Checksum, X-HTTP-Method-Override"
#define EXPOSED                                                                                                             \
	"X-Request-Id, ETag, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, Idempotency-Replayed, "    \
	"Peal-Ignored, Peal-Attachment, Location, Upload-Offset, Upload-Length, Upload-Metadata, Upload-Expires, "          \
	"Tus-Resumable, Tus-Version, Tus-Max-Size, Tus-Extension, Tus-Checksum-Algorithm"
#define MAX_AGE "7200" /* seconds that a browser need not ask again; no browser believes more */

bool
cors_is_preflight(const struct req *req)
{
	return !route_internal(req->door) && req->door != DOOR_COMMAND && str_eq(req->method, STR("OPTIONS")) &&
	       req_param(req, "HTTP_ORIGIN").n && req_param(req, "HTTP_ACCESS_CONTROL_REQUEST_METHOD").n;
}

int
cors_preflight(struct req *req)
{
	if (origin_listed(req->conf, req_param(req, "HTTP_ORIGIN"))) {
		reply_header(req, "Access-Control-Allow-Methods", STR(METHODS));
		reply_header(req, "Access-Control-Allow-Headers", STR(HEADERS));
		reply_header(req, "Access-Control-Max-Age", STR(MAX_AGE));
	}
	return reply_empty(req);
}

/* Vary also where there is no Origin: a cache must not give that answer to a page elsewhere. */
void
cors_headers(struct req *req)
{
	struct str origin = req_param(req, "HTTP_ORIGIN");

	if (req->door == DOOR_FEED || req->door == DOOR_COMMAND)
		return;
	reply_header(req, "Vary", STR("Origin"));
	if (!origin_listed(req->conf, origin))
		return;
	reply_header(req, "Access-Control-Allow-Origin", origin);
	reply_header(req, "Access-Control-Allow-Credentials", STR("true"));
	if (!cors_is_preflight(req))
		reply_header(req, "Access-Control-Expose-Headers", STR(EXPOSED));
}
