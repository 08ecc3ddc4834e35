/* notify_ways.c -- the two ways of a notification, Web Push and FCM, and what their answers mean. */
#include <stdlib.h>

#include "../lib/base/clock.h"
#include "../lib/base/err.h"
#include "../lib/base/json_in.h"
#include "../lib/base/log.h"
#include "../lib/base/service_account.h"
#include "notify.h"

#define SECOND_US   INT64_C(1000000)
#define FCM_SCOPE   "https://www.googleapis.com/auth/firebase.messaging"
#define TOKEN_EARLY (120 * SECOND_US) /* a token is asked for anew before it ends */
#define TOKEN_AGAIN (60 * SECOND_US)
#define TOKEN_MOST  4096

bool
web_push_ask(struct arena *arena, struct vapid *vapid, const struct conf *conf, const struct notify_due *d, int64_t now_us,
             struct egress_ask *ret)
{
	struct str origin = egress_origin(arena, d->target.address), authorization;
	bool soon = d->action == NOTIFY_MESSAGE && (d->direct || d->mentions_me);

	if (!str_present(origin) ||
	    webpush_encrypt(arena, d->target.p256dh, d->target.auth, notify_payload(arena, conf, d), NULL, NULL, &ret->body))
		return false;
	authorization = vapid_authorization(vapid, arena, origin, now_us / SECOND_US);
	ret->url = d->target.address;
	ret->headers =
	        arena_printf(arena,
	                     "Authorization: %.*s\nContent-Encoding: aes128gcm\nContent-Type: application/octet-stream\n"
	                     "TTL: %lld\nTopic: %.*s\nUrgency: %s\n",
	                     STR_ARG(authorization), (long long)notify_ttl(conf, d, now_us), STR_ARG(notify_topic(arena, d)),
	                     soon ? "high" : "normal");
	return str_present(authorization);
}

struct fcm {
	struct arena *arena;
	struct service_account account;
	char token[TOKEN_MOST]; /* "": none */
	int64_t until, not_before;
	bool asked;
};

struct fcm *
fcm_load(const char *file, const char **ret_why)
{
	struct fcm *f = calloc(1, sizeof(*f));

	if (!f)
		abort();
	f->arena = arena_new(1 << 20);
	return service_account_load(f->arena, file, &f->account, ret_why) ? f : fcm_free(f);
}

struct fcm *
fcm_free(struct fcm *f)
{
	if (f)
		arena_free(f->arena);
	free(f);
	return NULL;
}

enum fcm_state
fcm_state(struct fcm *f, struct arena *arena, int64_t now_us, struct egress_ask *ret)
{
	if (*f->token && f->until - TOKEN_EARLY > now_us)
		return FCM_READY;
	if (f->asked)
		return FCM_WAIT;
	if (f->not_before > now_us)
		return FCM_LATER;
	f->asked = true;
	ret->url = f->account.token_uri;
	ret->headers = STR("Content-Type: application/x-www-form-urlencoded\nAccept: application/json\n");
	ret->body = service_account_form(arena, &f->account, STR(FCM_SCOPE), now_us / SECOND_US);
	return FCM_ASK;
}

void
fcm_forget(struct fcm *f, int64_t now_us, int64_t wait_us)
{
	f->token[0] = 0;
	f->asked = false;
	f->not_before = now_us + wait_us;
}

struct token_answer {
	struct str access_token;
	struct opt_int expires_in;
};

static const struct field token_fields[] = {
	STR_FIELD(struct token_answer, access_token, .min = 1, .max = TOKEN_MOST - 1, .required = 1),
	INT_FIELD(struct token_answer, expires_in, .min = 1, .max = 86400, .required = 1),
	{ 0 }
};

/* It goes into a header. */
static bool
plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
			return false;
	return s.n < TOKEN_MOST;
}

void
fcm_answered(struct fcm *f, struct arena *arena, const struct egress_answer *a, int64_t now_us)
{
	struct token_answer in = { 0 };
	struct json_report report = { 0 };
	json_t *json = NULL;

	fcm_forget(f, now_us, 0);
	if (a->end == EGRESS_ANSWERED && a->status == 200 && !json_parse(arena, a->body, &json, &report) &&
	    json_is_object(json) && !json_fill(arena, json, token_fields, &in, "", &report) && plain(in.access_token)) {
		memcpy(f->token, in.access_token.p, in.access_token.n);
		f->token[in.access_token.n] = 0;
		f->until = now_us + in.expires_in.v * SECOND_US;
		if (in.expires_in.v * SECOND_US <= TOKEN_EARLY)
			f->until = now_us + TOKEN_EARLY + in.expires_in.v * SECOND_US / 2;
		return;
	}
	LOG(WARNING, "fcm_token", L_INT("status", a->status));
	fcm_forget(f, now_us, TOKEN_AGAIN);
}

void
fcm_ask(struct fcm *f, struct arena *arena, const struct conf *conf, const struct notify_due *d, int64_t now_us,
        struct egress_ask *ret)
{
	ret->url = arena_printf(arena, "%s/v1/projects/%.*s/messages:send", conf->fcm_url,
	                        STR_ARG(str_percent_encode(arena, f->account.project_id)));
	ret->headers = arena_printf(arena, "Authorization: Bearer %s\nContent-Type: application/json\n", f->token);
	ret->body = notify_fcm_body(arena, conf, d, now_us);
}

/* FCM says in a detail of the error what is wrong with the token. */
static bool
says(struct str body, struct str word)
{
	return memmem(body.p, body.n, word.p, word.n);
}

enum notify_outcome
notify_judge(const struct notify_due *d, const struct egress_answer *a, int64_t *ret_wait)
{
	bool fcm = d->target.channel == NOTIFY_FCM;

	*ret_wait = a->retry_after_seconds;
	if (a->end == EGRESS_FORBIDDEN)
		return fcm ? NOTIFY_DROPPED : NOTIFY_GONE;
	if (a->end != EGRESS_ANSWERED || a->status == 429 || a->status >= 500 || (fcm && a->status == 401))
		return NOTIFY_AGAIN;
	if (a->status >= 200 && a->status < 300)
		return d->action == NOTIFY_MESSAGE ? NOTIFY_TOLD : NOTIFY_CLEARED;
	if (fcm ? says(a->body, STR("\"UNREGISTERED\"")) || says(a->body, STR("\"SENDER_ID_MISMATCH\""))
	        : a->status == 404 || a->status == 410)
		return NOTIFY_GONE;
	return NOTIFY_DROPPED;
}
