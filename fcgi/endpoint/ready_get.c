/* fcgi/endpoint/ready_get.c -- able to serve, or which dependency is missing. */
#include "fcgi/reply.h"

/* Connecting prepares every statement, so a database without our schema, or with an older one, is not ready either. */
static int
ready_get(struct req *req)
{
	bool database = !db_connect(req->db);
	struct json_out *w = reply_json(req, database ? 200 : 503);

	if (!database)
		reply_header(req, "Retry-After", STR("1"));
	json_open_object(w, NULL);
	json_cstr(w, "status", database ? "ready" : "unavailable");
	json_bool(w, "database", database);
	json_bool(w, "redis", redis_up(req->redis, req->arena));
	json_close(w);
	return reply_end(req);
}

const struct endpoint ready_get_endpoint = {
	.method = "GET",
	.path = "/ready",
	.who = WHO_ANYONE,
	.rate = RATE_NONE,
	.fn = ready_get,
	.doc = "Able to serve; says which dependency is missing. Redis may be.",
};
