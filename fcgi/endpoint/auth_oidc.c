/* fcgi/endpoint/auth_oidc.c -- signing in with a provider: to it, and back. Both are visited by a browser, not fetched by a script. */
#include "base/bytes.h"
#include "base/log.h"
#include "fcgi/auth.h"
#include "fcgi/oidc.h"
#include "fcgi/query.h"
#include "fcgi/reply.h"

#define SECOND_US    INT64_C(1000000)
#define SEED_BYTES   32
#define COOKIE_TLS   "__Secure-peal_oidc"
#define COOKIE_PLAIN "peal_oidc"
#define CODE_MOST    2048

static const char *
cookie_name(const struct req *req)
{
	return str_eq(req_param(req, "PEAL_HTTPS"), STR("on")) ? COOKIE_TLS : COOKIE_PLAIN;
}

/* Lax: the provider's page sends the browser back here, which Strict would not let the cookie see. */
static void
set_cookie(struct req *req, struct str value, int seconds)
{
	const char *name = cookie_name(req);

	reply_header(req, "Set-Cookie",
	             arena_printf(req->arena, "%s=%.*s; Path=/api/v1/auth/oidc; Max-Age=%d; HttpOnly; SameSite=Lax%s", name,
	                          STR_ARG(value), seconds, str_eq(str_c(name), STR(COOKIE_TLS)) ? "; Secure" : ""));
}

static int
redirect(struct req *req, struct str url)
{
	reply_empty(req);
	req->status = 303;
	reply_header(req, "Location", url);
	return 0;
}

/* The web client says what that means. */
static int
home(struct req *req, const char *what)
{
	return redirect(req, arena_printf(req->arena, "%s/?sign_in=%s", req->conf->public_url, what));
}

static const struct issuer *
named(const struct req *req)
{
	return req->service->issuers ? issuers_by_label(req->service->issuers, req->issuer) : NULL;
}

/* ---- to the provider ---- */

struct begin {
	struct str return_to;
};

static const struct field begin_fields[] = { STR_FIELD(struct begin, return_to, .min = 1, .max = OIDC_RETURN_MOST), { 0 } };

static int
auth_oidc_begin(struct req *req)
{
	const struct issuer *issuer = named(req);
	unsigned char seed[SEED_BYTES];
	struct begin in = { 0 };
	struct oidc_trip trip;
	struct str url;
	int r;

	if (!issuer)
		return NOT_FOUND;
	r = req_query(req, begin_fields, &in);
	if (r)
		return r;
	if (str_present(in.return_to) && !oidc_path_ok(in.return_to))
		return req_invalid(req, "return_to", "format", "This is not a path of this server.");
	bytes_random(seed, sizeof(seed));
	trip = (struct oidc_trip){
		.seed = str_n((char *)seed, sizeof(seed)),
		.return_to = str_present(in.return_to) ? in.return_to : STR("/"),
		.expires_at = req->now / SECOND_US + OIDC_COOKIE_SECONDS,
	};
	r = oidc_begin(req, issuer, &trip, &url);
	if (r)
		return r > 0 ? home(req, "unavailable") : trace(r);
	set_cookie(req, oidc_cookie_make(req->arena, req->service->refresh_key, issuer->label, &trip), OIDC_COOKIE_SECONDS);
	return redirect(req, url);
}

/* ---- and back ---- */

struct end {
	struct str code, state, iss, error;
};

static const struct field end_fields[] = { STR_FIELD(struct end, code, .max = CODE_MOST),
	                                   STR_FIELD(struct end, state, .max = 256),
	                                   STR_FIELD(struct end, iss, .max = 1024),
	                                   STR_FIELD(struct end, error, .max = 256),
	                                   { 0 } };

static bool
same(struct str a, struct str b)
{
	return a.n && a.n == b.n && bytes_equal(a.p, b.p, a.n);
}

/* Did this browser begin it, with this provider (RFC 9207: `iss`), and not too long ago? */
static bool
began(struct req *req, const struct issuer *issuer, const struct end *in, struct oidc_trip *ret)
{
	struct str key = req->service->refresh_key;
	struct str cookie = cookie_get(req_param(req, "HTTP_COOKIE"), str_c(cookie_name(req)));

	return oidc_cookie_read(req->arena, key, issuer->label, cookie, req->now / SECOND_US, ret) &&
	       str_present(in->state) && same(in->state, oidc_part(req->arena, key, ret->seed, "state")) &&
	       (!str_present(in->iss) || str_eq(in->iss, str_c(issuer->issuer)));
}

static int
sign_in(struct req *req, const struct issuer *issuer, const struct oidc_trip *trip, struct str code)
{
	int64_t user_id;
	int r = oidc_end(req, issuer, trip, code, &user_id);

	if (!r)
		r = auth_sign_in(req, user_id);
	if (!r)
		return redirect(req, arena_printf(req->arena, "%s%.*s", req->conf->public_url, STR_ARG(trip->return_to)));
	if (r < 0)
		return trace(r);
	LOG(NOTICE, "oidc_refused", L_STR("id", req->id), L_CSTR("issuer", issuer->label),
	    L_CSTR("outcome", outcome_info(r)->code));
	return home(req, r == UNAUTHENTICATED ? "failed" : r == BAD_CREDENTIALS ? "disabled" : "unavailable");
}

static int
auth_oidc_end(struct req *req)
{
	const struct issuer *issuer = named(req);
	struct oidc_trip trip;
	struct end in = { 0 };
	int r;

	if (!issuer)
		return NOT_FOUND;
	r = req_query(req, end_fields, &in);
	if (r)
		return r;
	set_cookie(req, STR(""), 0); /* whatever comes of it: once */
	if (!began(req, issuer, &in, &trip))
		return home(req, "stale");
	if (str_present(in.error))
		return home(req, str_eq(in.error, STR("access_denied")) ? "denied" : "failed");
	return in.code.n ? sign_in(req, issuer, &trip, in.code) : home(req, "failed");
}

const struct endpoint auth_oidc_begin_endpoint = {
	.method = "GET",
	.path = "/auth/oidc/{issuer}",
	.who = WHO_ANYONE,
	.pool = POOL_SLOW,
	.rate = RATE_SESSION,
	.fn = auth_oidc_begin,
	.doc = "Sign in with a provider: sends the browser there.",
};

const struct endpoint auth_oidc_end_endpoint = {
	.method = "GET",
	.path = "/auth/oidc/{issuer}/callback",
	.who = WHO_ANYONE,
	.pool = POOL_SLOW,
	.rate = RATE_REGISTER,
	.fn = auth_oidc_end,
	.doc = "Back from a provider: signs in and sends the browser home.",
};
