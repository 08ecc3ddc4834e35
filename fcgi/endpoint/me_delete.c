/* fcgi/endpoint/me_delete.c -- erase my account. It has ended when this is answered; peal-jobs takes away what is left of it. */
#include "base/log.h"
#include "fcgi/auth.h"
#include "fcgi/factor.h"
#include "fcgi/files.h"
#include "fcgi/publish.h"
#include "fcgi/reply.h"
#include "store/erasure.h"

struct query {
	struct str messages;
};

static const char *const choices[] = { "keep", "delete", NULL };

static const struct field query_fields[] = { ENUM_FIELD(struct query, messages, .words = choices), { 0 } };

/* Devices of the person and of their bots are told, and then closed; whoever watches them learns that there is nothing to see. */
static void
announce(struct req *req, void *arg)
{
	const struct erasure_ended *ended = arg;

	for (size_t i = 0; i < ended->n; i++) {
		publish_log(req, 'u', ended->users[i], ended->revs[i] - 1, 1);
		publish_ended(req, ended->users[i], FEED_ENDED_ONE, STR_NONE);
	}
	files_remove(req, ended->removed_json);
}

static int
me_delete(struct req *req)
{
	struct erasure_ended *ended = arena_new_of(req->arena, struct erasure_ended);
	struct query in = { 0 };
	int r;

	r = req_query(req, query_fields, &in);
	if (!r)
		r = factor_proved(req);
	if (!r)
		r = account_erase(req->db, req->arena, req->me, str_eq(in.messages, STR("delete")), false, ended);
	if (r)
		return r == NOT_FOUND ? UNAUTHENTICATED : trace(r);
	req_after_commit(req, announce, ended);
	LOG(NOTICE, "account_erased", L_STR("id", req->id), L_INT("user", req->me), L_INT("accounts", (int64_t)ended->n));
	auth_cookie_set(req, &auth_refresh_cookie, STR(""), 0);
	return reply_empty(req);
}

const struct endpoint me_delete_endpoint = {
	.method = "DELETE",
	.path = "/me",
	.who = WHO_USER,
	.rate = RATE_WRITE,
	.fn = me_delete,
	.doc = "Erase my account, and those of my bots.",
};
