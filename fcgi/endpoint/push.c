/*
 * fcgi/endpoint/push.c -- where notifications go: browsers, by Web Push, and apps, by FCM.
 *
 * A target belongs to the session that registers it and ends with it. peal-jobs decides what is told there (docs/notifications.md).
 */
#include "base/egress.h"
#include "base/bytes.h"
#include "base/webpush.h"
#include "fcgi/reply.h"
#include "store/notify.h"

#define TOKEN_MOST    2048
#define PLATFORM_MOST 32
#define KEY_TEXT_MOST 128

struct subscription {
	struct str endpoint;
	json_t *expirationTime, *keys;
};
static const struct field subscription_fields[] = { STR_FIELD(struct subscription, endpoint, .min = 1, .max = 2048,
	                                                      .required = 1),
	                                            JSON_FIELD(struct subscription, expirationTime, .nullable = 1),
	                                            JSON_FIELD(struct subscription, keys, .required = 1),
	                                            { 0 } };

struct keys {
	struct str p256dh, auth;
};
static const struct field key_fields[] = { STR_FIELD(struct keys, p256dh, .max = KEY_TEXT_MOST, .required = 1),
	                                   STR_FIELD(struct keys, auth, .max = KEY_TEXT_MOST, .required = 1),
	                                   { 0 } };

struct app {
	struct str deviceToken, platform;
};
static const struct field app_fields[] = { STR_FIELD(struct app, deviceToken, .min = 1, .max = TOKEN_MOST, .required = 1),
	                                   STR_FIELD(struct app, platform, .max = PLATFORM_MOST, .nullable = 1),
	                                   { 0 } };

static int
push_key_get(struct req *req)
{
	struct json_out *w;

	if (!str_present(req->service->vapid_public))
		return NOT_CONFIGURED;
	w = reply_json(req, 200);
	json_open_object(w, NULL);
	json_str(w, "public_key", req->service->vapid_public);
	json_close(w);
	return reply_end(req);
}

static int
read_keys(struct req *req, json_t *json, struct notify_target *ret)
{
	struct keys in = { 0 };

	if (!json_is_object(json))
		return req_invalid(req, "/keys", "type", "Must be an object.");
	if (json_fill(req->arena, json, key_fields, &in, "/keys", &req->report))
		return INVALID;
	if (!base64url_decode(req->arena, in.p256dh, &ret->p256dh) || !webpush_key_ok(ret->p256dh))
		return req_invalid(req, "/keys/p256dh", "format",
		                   "This is not the public key of a browser: base64url of a point on P-256.");
	if (!base64url_decode(req->arena, in.auth, &ret->auth) || ret->auth.n != WEBPUSH_AUTH_BYTES)
		return req_invalid(req, "/keys/auth", "format",
		                   "This is not the secret of a subscription: base64url of 16 bytes.");
	return 0;
}

static int
read_subscription(struct req *req, struct notify_target *ret)
{
	struct subscription in = { 0 };
	bool anywhere;
	int r = req_body(req, subscription_fields, &in);

	if (r)
		return r;
	if (!egress_allowed(in.endpoint, str_c(req->conf->egress_private_hosts), &anywhere))
		return req_invalid(req, "/endpoint", "format", "A push service has an https address at port 443.");
	*ret = (struct notify_target){ .channel = NOTIFY_WEB_PUSH,
		                       .address = in.endpoint,
		                       .key_id = req->service->vapid_public };
	return read_keys(req, in.keys, ret);
}

static int
push_subscription_post(struct req *req)
{
	struct notify_target target;
	struct json_out *w;
	bool created;
	int64_t id;
	int r;

	r = read_subscription(req, &target);
	if (!r && !str_present(req->service->vapid_public))
		r = NOT_CONFIGURED;
	if (!r)
		r = notify_register(req->db, req->arena, req->me, req->session, &target, req->conf->max_push_targets, &id,
		                    &created);
	if (r)
		return trace(r);
	w = reply_json(req, created ? 201 : 200);
	json_open_object(w, NULL);
	json_id(w, "id", id);
	json_close(w);
	return reply_end(req);
}

static int
push_subscription_delete(struct req *req)
{
	int r = notify_remove(req->db, req->arena, req->me, req->thing);

	return r ? trace(r) : reply_empty(req);
}

/* It goes to Google in JSON; the tokens that exist have letters, digits and a few signs. */
static int
read_app(struct req *req, struct app *ret)
{
	int r = req_body(req, app_fields, ret);

	if (r)
		return r;
	for (size_t i = 0; i < ret->deviceToken.n; i++)
		if (ret->deviceToken.p[i] <= ' ' || ret->deviceToken.p[i] >= 0x7f)
			return req_invalid(req, "/deviceToken", "format",
			                   "A token of FCM has no blanks and no letters beyond ASCII.");
	if (str_present(ret->platform) && !str_one_line(ret->platform))
		return req_invalid(req, "/platform", "format", "One line.");
	return 0;
}

static int
fcm_register(struct req *req)
{
	struct notify_target target = { .channel = NOTIFY_FCM };
	struct app in = { 0 };
	bool created;
	int64_t id;
	int r;

	r = read_app(req, &in);
	if (!r && !*req->conf->fcm_service_account_file)
		r = NOT_CONFIGURED;
	if (r)
		return r;
	target.address = in.deviceToken;
	target.platform = str_present(in.platform) ? in.platform : STR_NONE;
	r = notify_register(req->db, req->arena, req->me, req->session, &target, req->conf->max_push_targets, &id, &created);
	return r ? trace(r) : reply_empty(req);
}

static int
fcm_unregister(struct req *req)
{
	struct app in = { 0 };
	int r = read_app(req, &in);

	if (!r)
		r = notify_forget_token(req->db, req->arena, req->me, in.deviceToken);
	return r ? trace(r) : reply_empty(req);
}

const struct endpoint push_key_get_endpoint = {
	.method = "GET",
	.path = "/push/vapid-key",
	.who = WHO_USER,
	.rate = RATE_READ,
	.fn = push_key_get,
	.doc = "The public key that a browser subscribes with.",
};

const struct endpoint push_subscription_post_endpoint = {
	.method = "POST",
	.path = "/push/subscriptions",
	.who = WHO_USER,
	.body = BODY_JSON,
	.rate = RATE_MARK,
	.once = true,
	.fn = push_subscription_post,
	.doc = "Notify this browser, until this session ends.",
};

const struct endpoint push_subscription_delete_endpoint = {
	.method = "DELETE",
	.path = "/push/subscriptions/{subscription}",
	.who = WHO_USER,
	.rate = RATE_MARK,
	.fn = push_subscription_delete,
	.doc = "Notify this browser no longer.",
};

const struct endpoint fcm_register_endpoint = {
	.method = "POST",
	.path = "/users/fcm/register",
	.who = WHO_USER,
	.body = BODY_JSON,
	.rate = RATE_MARK,
	.fn = fcm_register,
	.doc = "Notify this app through Firebase, until this session ends.",
};

const struct endpoint fcm_unregister_endpoint = {
	.method = "POST",
	.path = "/users/fcm/unregister",
	.who = WHO_USER,
	.body = BODY_JSON,
	.rate = RATE_MARK,
	.fn = fcm_unregister,
	.doc = "Notify this app no longer.",
};
