/* fcgi/endpoint/health_get.c -- alive: a worker took the request and answers. */
#include "fcgi/reply.h"

static int
health_get(struct req *req)
{
	struct json_out *w = reply_json(req, 200);

	json_open_object(w, NULL);
	json_cstr(w, "status", "ok");
	json_close(w);
	return reply_end(req);
}

const struct endpoint health_get_endpoint = {
	.method = "GET",
	.path = "/health",
	.who = WHO_ANYONE,
	.rate = RATE_NONE,
	.fn = health_get,
	.doc = "Alive.",
};
