/* fcgi/dispatch.c -- the way of every request: all checks that are not an endpoint's own business, once. */
#include <errno.h>

#include "auth.h"
#include "base/bytes.h"
#include "base/log.h"
#include "base/password.h"
#include "cors.h"
#include "dispatch.h"
#include "once.h"
#include "rate.h"
#include "reply.h"
#include "route.h"
#include "site.h"
#include "wire/link.h"

#define KIB(n)   ((size_t)(n)*1024)
#define ATTEMPTS 2 /* of a handler whose transaction collided with another */

void
dispatch_begin(struct req *req)
{
	struct str id = req_param(req, "PEAL_REQUEST_ID");
	bool good = id.n == REQUEST_ID_N;
	unsigned char random[REQUEST_ID_N / 2];

	for (size_t i = 0; good && i < id.n; i++)
		good = (id.p[i] >= '0' && id.p[i] <= '9') || (id.p[i] >= 'a' && id.p[i] <= 'f');
	if (!good) {
		bytes_random(random, sizeof(random));
		id = hex(req->arena, random, sizeof(random));
	}
	memcpy(req->id_text, id.p, REQUEST_ID_N);
	req->id_text[REQUEST_ID_N] = 0;
	req->id = str_n(req->id_text, REQUEST_ID_N);
	req->endpoint = NULL;
	req->me = 0;
	req->rate = (struct rate_standing){ 0 };
	req->head = false;
}

/* Everything that an earlier request, or an earlier attempt of this one, has left behind. */
static void
forget(struct req *req)
{
	arena_reset(req->arena);
	req->method = req_param(req, "REQUEST_METHOD");
	req->path = req->query = STR_NONE;
	req->endpoint = NULL;
	req->allow = req->detail = req->content_type = NULL;
	req->me = req->conversation = req->seq = req->user = req->scheduled = req->thing = 0;
	req->access_token = req->expires_at = 0;
	req->bot = false;
	req->session = req->session_named = req->attachment = req->issuer = req->made = STR_NONE;
	req->retry_after_ms = 0;
	req->challenge = STR_NONE;
	req->report = (struct json_report){ 0 };
	req->effects = NULL;
	req->effects_end = &req->effects;
	req->status = 0;
	buf_clear(&req->headers);
	buf_clear(&req->out);
	req->now = clock_wall_us();
	db_caller(req->db, DB_CALLER_NOBODY);
}

static int
find_route(struct req *req, struct route_match *match)
{
	struct str uri = req_param(req, "REQUEST_URI");
	int r;

	req->path = str_cut(&uri, '?');
	req->query = uri;
	req->head = str_eq(req->method, STR("HEAD"));
	if (req->head)
		req->method = STR("GET");
	if (!route_internal(req->door) && str_has_prefix(req->path, STR(API_PREFIX "/"))) {
		req->path = str_n(req->path.p + sizeof(API_PREFIX) - 1, req->path.n - sizeof(API_PREFIX) + 1);
		if (route_whole(req->path))
			return NOT_FOUND;
	} else if (!route_internal(req->door) && !route_whole(req->path)) {
		return NOT_FOUND;
	}
	r = route_find(req->arena, req->door, req->method, req->path, match, &req->allow);
	req->endpoint = match->endpoint;
	return r ? trace(r) : 0;
}

static size_t
body_most(const struct conf *conf, enum body_kind kind)
{
	switch (kind) {
	case BODY_MESSAGE:
		return KIB(conf->max_message_body_kib);
	case BODY_FEED:
		return KIB(conf->push_max_frame_kib + conf->max_body_kib);
	case BODY_NONE:
	case BODY_JSON:
		break;
	}
	return KIB(conf->max_body_kib);
}

static int
check_body(struct req *req)
{
	struct str type = req_param(req, "CONTENT_TYPE");

	if (req->body_cut || req->body.n > body_most(req->conf, req->endpoint->body))
		return TOO_LARGE;
	if (req->endpoint->body == BODY_NONE)
		return 0;
	return str_eq_ascii_case(str_trim(str_cut(&type, ';')), STR("application/json")) ? 0 : UNSUPPORTED_MEDIA_TYPE;
}

static int
check_who(struct req *req)
{
	int r;

	if (req->endpoint->who == WHO_DAEMON)
		db_caller(req->db, DB_CALLER_SYSTEM); /* until the handler says for whom: req_act_for() */
	if (req->endpoint->who == WHO_ANYONE || req->endpoint->who == WHO_DAEMON)
		return 0;
	r = auth_who(req);
	if (r)
		return trace(r);
	req_act_for(req, req->me);
	if (req->endpoint->who == WHO_MODERATOR || req->endpoint->who == WHO_ADMIN)
		return site_enter(req, req->endpoint->who == WHO_ADMIN ? SITE_ADMIN : SITE_MODERATOR);
	return 0;
}

/* A malformed id names nothing: 404, like an id that nothing has. */
static int
parse_ids(struct req *req, const struct route_match *match)
{
	for (size_t i = 0; i < match->n; i++) {
		struct str name = str_c(match->names[i]);
		bool ok;

		if (str_has_prefix(name, STR("{message}")))
			ok = message_id_parse(match->ids[i], &req->conversation, &req->seq);
		else if (str_has_prefix(name, STR("{conversation}")))
			ok = str_id(match->ids[i], &req->conversation);
		else if (str_has_prefix(name, STR("{attachment}")) || str_has_prefix(name, STR("{export}")))
			ok = attachment_id_ok(req->attachment = match->ids[i]);
		else if (str_has_prefix(name, STR("{session}")))
			ok = uuid_valid(req->session_named = match->ids[i]);
		else if (str_has_prefix(name, STR("{issuer}")))
			ok = (req->issuer = match->ids[i]).n > 0;
		else if (str_has_prefix(name, STR("{scheduled}")))
			ok = str_id(match->ids[i], &req->scheduled);
		else if (str_has_prefix(name, STR("{token}")) || str_has_prefix(name, STR("{report}")) ||
		         str_has_prefix(name, STR("{passkey}")) || str_has_prefix(name, STR("{identity}")) ||
		         str_has_prefix(name, STR("{subscription}")))
			ok = str_id(match->ids[i], &req->thing);
		else
			ok = str_id(match->ids[i], &req->user);
		if (!ok)
			return NOT_FOUND;
	}
	return 0;
}

static int
serve(struct req *req)
{
	struct route_match match = { 0 };
	int r;

	if (cors_is_preflight(req))
		return cors_preflight(req);
	r = find_route(req, &match);
	if (r)
		return r;
	r = check_body(req);
	if (r)
		return r;
	r = check_who(req);
	if (r)
		return r;
	r = rate_arrived(req);
	if (r)
		return r;
	r = parse_ids(req, &match);
	if (r)
		return r;
	r = req->endpoint->once ? once_run(req) : req->endpoint->fn(req);
	if (!r && buf_failed(&req->out))
		return fault(-EMSGSIZE);
	return r;
}

static void
finish(struct req *req, int r)
{
	if (r)
		reply_problem(req, r);
	reply_finish(req);
	if (req->head)
		buf_clear(&req->out);
}

int
dispatch(struct req *req)
{
	int r = RETRY;

	for (int attempt = 0; r == RETRY && attempt < ATTEMPTS; attempt++) {
		forget(req);
		r = serve(req);
		db_caller(req->db, DB_CALLER_SYSTEM);
		for (struct effect *effect = req->effects; effect; effect = effect->next)
			effect->fn(req, effect->arg); /* committed, whatever became of the request afterwards */
	}
	if (r < 0)
		log_fault("request_fault", r, (const struct log_field[]){ L_STR("id", req->id), { 0 } });
	finish(req, r);
	return r;
}

int
dispatch_refuse(struct req *req, int r)
{
	forget(req);
	finish(req, r);
	return r;
}

/* Password hashes since the last request of this worker: who is known must not cost another number than who is not. */
static int64_t
hashes(void)
{
	static int64_t told;
	int64_t before = told;

	told = password_computed();
	return told - before;
}

void
dispatch_log(const struct req *req, int r, int64_t us, int64_t statements, bool written)
{
	LOG(INFO, "request", L_STR("id", req->id), L_STR("method", req->method),
	    L_CSTR("route", req->endpoint ? req->endpoint->path : "-"), L_INT("status", req->status), L_INT("user", req->me),
	    L_INT("us", us), L_INT("statements", statements), L_INT("hashes", hashes()), L_INT("bytes", (int64_t)req->out.n),
	    L_CSTR("outcome", !written ? "peer_gone"
	                      : r      ? outcome_info(r)->code
	                               : "ok"));
}
