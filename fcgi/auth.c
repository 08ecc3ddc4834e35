/* fcgi/auth.c -- who is calling; refresh tokens, their cookie, and sessions opened and answered. */
#include <stdlib.h>

#include "access_token.h"
#include "auth.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/origin.h"
#include "base/password.h"
#include "base/password_rule.h"
#include "device.h"
#include "issuer.h"
#include "query.h"
#include "reply.h"
#include "store/account.h"

#define UUID_BYTES       16
#define GENERATION_BYTES 8
#define SIGNED_BYTES     (UUID_BYTES + GENERATION_BYTES)
#define FIRST_GENERATION 1 /* of a new row in `session` */
#define SECOND_US        INT64_C(1000000)
#define USER_AGENT_MOST  256
#define REMEMBER_SECONDS (TOKEN_LEEWAY_SECONDS + 60) /* how long an ended session is remembered after its last token's end */

const struct auth_cookie auth_refresh_cookie = { "refresh", "/api/v1/auth", "Strict" };

static struct str
bearer(struct str header)
{
	struct str token = header, scheme = str_cut(&token, ' ');

	return str_eq_ascii_case(scheme, STR("Bearer")) ? str_trim(token) : STR_NONE;
}

static int
learn(const struct service *service, int64_t now_us)
{
	struct revoked *t = service->revoked;
	int64_t until = now_us + (service->conf->access_token_seconds + REMEMBER_SECONDS) * SECOND_US;
	struct revocations news;
	int r = account_revoked(service->db, service->arena, atomic_load(&t->horizon), &news);

	if (r)
		return trace(r);
	for (size_t i = 0; i < news.n; i++)
		if (str_present(news.items[i].session_id)) /* who is disabled has each of theirs here */
			revoked_add(t, revoked_session(news.items[i].session_id), now_us, until);
	revoked_complete(t, news.horizon, now_us);
	return 0;
}

void
auth_keep_up(const struct service *service, int64_t now_us)
{
	int r;

	if (!revoked_due(service->revoked, now_us))
		return;
	r = learn(service, now_us);
	if (r < 0)
		log_fault("revocation_fault", r, (const struct log_field[]){ { 0 } });
}

struct ended {
	int64_t user_id;
	enum feed_ended which;
	struct str session_id;
};

/* The workers of this host know at once, the others when they ask next. */
static void
tell_ended(struct req *req, void *arg)
{
	const struct ended *e = arg;

	if (learn(req->service, clock_mono_us()) < 0)
		err_clear(); /* whoever asks next finds it */
	publish_ended(req, e->user_id, e->which, e->session_id);
}

void
auth_ended(struct req *req, int64_t user_id, enum feed_ended which, struct str session_id)
{
	struct ended *e = arena_alloc(req->arena, sizeof(*e));

	*e = (struct ended){ user_id, which, session_id };
	req_after_commit(req, tell_ended, e);
}

int
auth_session_lives(struct req *req, struct str session, int64_t user_id)
{
	switch (revoked_look(req->service->revoked, revoked_session(session), clock_mono_us())) {
	case REVOKED_NO:
		return 0;
	case REVOKED_YES:
		return UNAUTHENTICATED;
	case REVOKED_UNKNOWN:
		break;
	}
	return session_check(req->db, req->arena, session, user_id);
}

/* The push daemon says whose socket it is; whether that session still lives is asked each time. */
static int
who_by_socket(struct req *req)
{
	struct str session = req_param(req, "PEAL_SESSION");
	int64_t user;
	int r;

	if (!str_id(req_param(req, "PEAL_USER"), &user) || !uuid_valid(session))
		return UNAUTHENTICATED;
	if (access_token_session(session))
		return access_token_who_socket(req, session, user);
	r = auth_session_lives(req, session, user);
	if (r)
		return trace(r);
	req->me = user;
	req->session = session;
	return 0;
}

/* By a token of our own: a signature, its times, and a session that has not ended. */
static int
who_by_own_token(struct req *req, struct str token)
{
	struct token_claims claims;
	int r = token_verify(req->service->keys, req->arena, token, req->now / SECOND_US, &claims);

	if (!r)
		r = auth_session_lives(req, claims.session_id, claims.user_id);
	if (r)
		return trace(r);
	req->me = claims.user_id;
	req->session = claims.session_id;
	return 0;
}

int
auth_token(struct req *req, struct str token)
{
	int r;

	if (str_has_prefix(token, STR(ACCESS_TOKEN_PREFIX)))
		return access_token_who(req, token);
	r = who_by_own_token(req, token);
	return r == UNAUTHENTICATED ? issuer_who(req, token) : r;
}

int
auth_who(struct req *req)
{
	struct str token;

	if (req->door == DOOR_COMMAND)
		return who_by_socket(req);
	token = bearer(req_param(req, "HTTP_AUTHORIZATION"));
	return token.n ? auth_token(req, token) : UNAUTHENTICATED;
}

/* "f81d4fae-7dec-..." as its 16 bytes. */
static bool
uuid_bytes(struct arena *arena, struct str uuid, struct str *ret)
{
	char digits[2 * UUID_BYTES];
	size_t n = 0;

	if (!uuid_valid(uuid))
		return false;
	for (size_t i = 0; i < uuid.n; i++)
		if (uuid.p[i] != '-')
			digits[n++] = uuid.p[i];
	return hex_decode(arena, str_n(digits, n), ret);
}

static struct str
uuid_text(struct arena *arena, const void *bytes)
{
	struct str h = hex(arena, bytes, UUID_BYTES);

	return arena_printf(arena, "%.8s-%.4s-%.4s-%.4s-%.12s", h.p, h.p + 8, h.p + 12, h.p + 16, h.p + 20);
}

struct str
refresh_make(struct arena *arena, struct str key, struct str session_id, int64_t generation)
{
	unsigned char token[REFRESH_BYTES];
	struct str id;

	if (!uuid_bytes(arena, session_id, &id))
		abort(); /* session ids are our own */
	memcpy(token, id.p, UUID_BYTES);
	for (int i = 0; i < GENERATION_BYTES; i++)
		token[UUID_BYTES + i] = (unsigned char)((uint64_t)generation >> (56 - 8 * i));
	bytes_hmac_sha256(key, str_n((char *)token, SIGNED_BYTES), token + SIGNED_BYTES);
	return base64url(arena, token, sizeof(token));
}

bool
refresh_parse(struct arena *arena, struct str key, struct str token, struct str *ret_session_id, int64_t *ret_generation)
{
	unsigned char mac[SHA256_BYTES];
	uint64_t generation = 0;
	struct str bytes, id;

	if (token.n > 2 * REFRESH_BYTES || !base64url_decode(arena, token, &bytes) || bytes.n != REFRESH_BYTES)
		return false;
	bytes_hmac_sha256(key, str_n(bytes.p, SIGNED_BYTES), mac);
	if (!bytes_equal(mac, bytes.p + SIGNED_BYTES, sizeof(mac)))
		return false;
	for (int i = 0; i < GENERATION_BYTES; i++)
		generation = generation << 8 | (unsigned char)bytes.p[UUID_BYTES + i];
	id = uuid_text(arena, bytes.p);
	if (!uuid_valid(id) || generation > INT64_MAX)
		return false;
	*ret_session_id = id;
	*ret_generation = (int64_t)generation;
	return true;
}

struct str
refresh_hash(struct arena *arena, struct str token)
{
	unsigned char digest[SHA256_BYTES];

	bytes_sha256(token, digest);
	return arena_str(arena, str_n((char *)digest, sizeof(digest)));
}

/*
 * Browsers that send Sec-Fetch-Site say themselves that the page is ours; the others, and pages on other listed origins, are
 * known by Origin. A request with neither comes from no browser that could be made to send a cookie, and has no business here.
 */
int
auth_same_site(struct req *req)
{
	if (str_eq(req_param(req, "HTTP_SEC_FETCH_SITE"), STR("same-origin")))
		return 0;
	return origin_listed(req->conf, req_param(req, "HTTP_ORIGIN")) ? 0 : CROSS_SITE;
}

static bool
by_tls(const struct req *req)
{
	return str_eq(req_param(req, "PEAL_HTTPS"), STR("on"));
}

static struct str
cookie_name(const struct req *req, const struct auth_cookie *cookie)
{
	return arena_printf(req->arena, "%speal_%s", by_tls(req) ? "__Secure-" : "", cookie->name);
}

struct str
auth_cookie_get(const struct req *req, const struct auth_cookie *cookie)
{
	return cookie_get(req_param(req, "HTTP_COOKIE"), cookie_name(req, cookie));
}

void
auth_cookie_set(struct req *req, const struct auth_cookie *cookie, struct str value, int64_t max_age_seconds)
{
	reply_header(req, "Set-Cookie",
	             arena_printf(req->arena, "%.*s=%.*s; Path=%s; Max-Age=%lld; HttpOnly; SameSite=%s%s",
	                          STR_ARG(cookie_name(req, cookie)), STR_ARG(value), cookie->path,
	                          (long long)max_age_seconds, cookie->same_site, by_tls(req) ? "; Secure" : ""));
}

int
auth_refresh_in(struct req *req, struct auth_refresh_in *ret)
{
	struct body {
		struct str refresh_token;
	} in = { 0 };
	static const struct field fields[] = { STR_FIELD(struct body, refresh_token, .min = 1, .max = 2 * REFRESH_BYTES),
		                               { 0 } };
	int r;

	if (req->body.n) {
		r = req_body(req, fields, &in);
		if (r)
			return trace(r);
	}
	*ret = (struct auth_refresh_in){ .token = in.refresh_token, .by_body = str_present(in.refresh_token) };
	if (ret->by_body)
		return 0;
	r = auth_same_site(req);
	if (r)
		return trace(r);
	ret->token = auth_cookie_get(req, &auth_refresh_cookie);
	return ret->token.n ? 0 : BAD_REFRESH_TOKEN;
}

int
auth_delivery(struct req *req, struct str token_delivery)
{
	int r = str_eq(token_delivery, STR("body")) ? 0 : auth_same_site(req);

	return r ? trace(r) : 0;
}

struct session_life
auth_session_life(const struct conf *conf)
{
	return (struct session_life){ conf->refresh_token_days * 86400, conf->session_idle_minutes * 60 };
}

/* Opens a session; its first refresh token goes into a cookie unless by_body. */
static int
open_session(struct req *req, int64_t user_id, struct str password_hash, bool by_body, struct str *ret_refresh_token)
{
	const struct session_life life = auth_session_life(req->conf);
	bool idle = life.idle_seconds && life.idle_seconds < life.most_seconds;
	int64_t seconds = idle ? life.idle_seconds : life.most_seconds;
	struct str agent = req_param(req, "HTTP_USER_AGENT");
	struct str id = uuid_new(req->arena);
	struct str token = refresh_make(req->arena, req->service->refresh_key, id, FIRST_GENERATION);
	const struct session_start start = {
		.id = id,
		.user_id = user_id,
		.password_hash = password_hash,
		.refresh_hash = refresh_hash(req->arena, token),
		.user_agent = str_utf8_valid(agent) ? str_code_point_prefix(agent, USER_AGENT_MOST) : STR_NONE,
		.expires_at = req->now + seconds * SECOND_US,
	};
	int r = session_begin(req->db, req->arena, &start);

	if (r)
		return trace(r);
	req->me = user_id;
	req->session = id;
	if (!by_body)
		auth_cookie_set(req, &auth_refresh_cookie, token, seconds);
	*ret_refresh_token = by_body ? token : STR_NONE;
	return 0;
}

int
auth_write_tokens(struct req *req, struct json_out *w, int64_t user_id, struct str session_id, struct str refresh_token)
{
	int64_t now = req->now / SECOND_US;
	struct token_claims claims = {
		.user_id = user_id,
		.session_id = session_id,
		.issued_at = now,
		.expires_at = now + req->conf->access_token_seconds,
	};
	struct str token;
	int r;

	r = token_issue(req->service->keys, req->arena, &claims, &token);
	if (r)
		return trace(r);
	json_str(w, "access_token", token);
	json_int(w, "expires_in", req->conf->access_token_seconds);
	if (str_present(refresh_token))
		json_str(w, "refresh_token", refresh_token);
	return 0;
}

int
auth_sign_in(struct req *req, int64_t user_id)
{
	struct str token;
	int r = open_session(req, user_id, STR_NONE, false, &token);

	return r ? trace(r) : 0;
}

/* {user, access_token, expires_in, refresh_token?} */
static int
write_signed_in(struct req *req, int status, const struct user *user, struct str refresh_token)
{
	struct json_out *w = reply_json(req, status);
	int r;

	json_open_object(w, NULL);
	view_user(w, "user", user);
	r = auth_write_tokens(req, w, user->id, req->session, refresh_token);
	if (r)
		return trace(r);
	json_close(w);
	return reply_end(req);
}

int
auth_reply_signed_in(struct req *req, int status, const struct user *user, struct str password_hash, bool by_body)
{
	struct str token;
	int r;

	if (!by_body && str_present(password_hash))
		device_remember(req, user->username);
	r = open_session(req, user->id, password_hash, by_body, &token);
	return r ? trace(r) : write_signed_in(req, status, user, token);
}

/* Whose first token has been replaced had the answer, or somebody else had it. */
int
auth_reply_again(struct req *req, struct str session_id, bool by_body)
{
	struct str token = refresh_make(req->arena, req->service->refresh_key, session_id, FIRST_GENERATION);
	struct session session;
	struct user user;
	int r = session_get(req->db, req->arena, session_id, &session);

	if (r == NOT_FOUND || (!r && session.generation != FIRST_GENERATION)) {
		req->detail = "This was done, and the session that it began has been used since, or is over: sign in.";
		return CONFLICT;
	}
	if (!r)
		r = account_get(req->db, req->arena, session.user_id, &user);
	if (r)
		return trace(r);
	req->me = user.id;
	req->session = session_id;
	if (!by_body)
		auth_cookie_set(req, &auth_refresh_cookie, token, (session.expires_at - req->now) / SECOND_US);
	return write_signed_in(req, 200, &user, by_body ? token : STR_NONE);
}

int
auth_password_rule(struct req *req, const char *path, struct str password, struct str username, struct str display_name)
{
	const struct str own[] = { username, display_name };
	struct password_refusal why;
	int r = password_rule(req->arena, req->conf, password, own, 2, &why);

	return r == INVALID ? req_invalid(req, path, why.code, why.message) : r ? trace(r) : 0;
}

int
auth_hash(struct req *req, struct str password, struct str *ret)
{
	return password_hash(req->arena, password, req->conf->argon2_memory_kib, req->conf->argon2_passes, ret);
}

bool
auth_password_right(struct req *req, struct str hash, struct str password)
{
	if (str_present(hash))
		return password_verify(req->arena, hash, password);
	password_verify_nobody(req->arena, password, req->conf->argon2_memory_kib, req->conf->argon2_passes);
	return false;
}
