/*
 * fcgi/endpoint/auth_oidc.c -- signing in with a provider, or being linked to one: to it, and back. Both are visited by a browser, not
 * fetched by a script; but a script asks for the address when somebody is to be linked, for only it can say who that is.
 */
#include "base/bytes.h"
#include "base/log.h"
#include "fcgi/auth.h"
#include "fcgi/factor.h"
#include "fcgi/oidc.h"
#include "fcgi/query.h"
#include "fcgi/reply.h"
#include "store/identity.h"

#define SECOND_US  INT64_C(1000000)
#define SEED_BYTES 32
#define CODE_MOST  2048

/* Lax: the provider's page sends the browser back here, which Strict would not let the cookie see. */
static const struct auth_cookie trip_cookie = { "oidc", "/api/v1/auth/oidc", "Lax" };

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
home(struct req *req, const struct oidc_trip *trip, const char *what)
{
	const char *way = trip && str_present(trip->session) ? "linked" : "sign_in";

	return redirect(req, arena_printf(req->arena, "%s/?%s=%s", req->conf->public_url, way, what));
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

/* The address at the provider, and what the browser carries there and back. */
static int
depart(struct req *req, const struct issuer *issuer, struct str return_to, struct str session, struct str *ret_url)
{
	unsigned char seed[SEED_BYTES];
	struct oidc_trip trip = {
		.seed = str_n((char *)seed, sizeof(seed)),
		.return_to = str_present(return_to) ? return_to : STR("/"),
		.session = session,
		.expires_at = req->now / SECOND_US + OIDC_COOKIE_SECONDS,
	};
	int r;

	bytes_random(seed, sizeof(seed));
	r = oidc_begin(req, issuer, &trip, ret_url);
	if (r)
		return trace(r);
	auth_cookie_set(req, &trip_cookie, oidc_cookie_make(req->arena, req->service->refresh_key, issuer->label, &trip),
	                OIDC_COOKIE_SECONDS);
	return 0;
}

static int
check_path(struct req *req, const char *place, struct str path)
{
	if (str_present(path) && !oidc_path_ok(path))
		return req_invalid(req, place, "format", "This is not a path of this server.");
	return 0;
}

static int
auth_oidc_begin(struct req *req)
{
	const struct issuer *issuer = named(req);
	struct begin in = { 0 };
	struct str url;
	int r;

	if (!issuer)
		return NOT_FOUND;
	r = req_query(req, begin_fields, &in);
	if (!r)
		r = check_path(req, "return_to", in.return_to);
	if (r)
		return r;
	r = depart(req, issuer, in.return_to, STR_NONE, &url);
	if (r)
		return r > 0 ? home(req, NULL, "unavailable") : trace(r);
	return redirect(req, url);
}

static int
auth_oidc_link(struct req *req)
{
	const struct issuer *issuer = named(req);
	struct begin in = { 0 };
	struct json_out *w;
	struct str url;
	int r;

	r = req_body(req, begin_fields, &in);
	if (!r && !issuer)
		r = NOT_FOUND;
	if (!r)
		r = check_path(req, "/return_to", in.return_to);
	if (!r)
		r = factor_proved(req);
	if (!r)
		r = depart(req, issuer, in.return_to, req->session, &url);
	if (r)
		return trace(r);
	w = reply_json(req, 200);
	json_open_object(w, NULL);
	json_str(w, "url", url);
	json_close(w);
	return reply_end(req);
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
	struct str cookie = auth_cookie_get(req, &trip_cookie);

	return oidc_cookie_read(req->arena, key, issuer->label, cookie, req->now / SECOND_US, ret) &&
	       str_present(in->state) && same(in->state, oidc_part(req->arena, key, ret->seed, "state")) &&
	       (!str_present(in->iss) || str_eq(in->iss, str_c(issuer->issuer)));
}

static int
sign_in(struct req *req, const struct identity *who)
{
	int64_t user_id;
	int r = identity_user(req->db, req->arena, who, &user_id);

	if (!r)
		r = auth_sign_in(req, user_id);
	return r ? trace(r) : 0;
}

static int
link_to(struct req *req, const struct oidc_trip *trip, const struct identity *who)
{
	bool is_new;
	int r = identity_link(req->db, req->arena, trip->session, who->issuer, who->subject, &is_new, &req->me);

	if (r)
		return trace(r);
	if (is_new)
		LOG(NOTICE, "linked", L_STR("id", req->id), L_INT("user", req->me), L_STR("issuer", who->label));
	return 0;
}

static const char *
said(int outcome)
{
	switch (outcome) {
	case UNAUTHENTICATED:
		return "failed";
	case BAD_CREDENTIALS:
		return "disabled";
	case NOT_FOUND:
		return "ended";
	case CONFLICT:
		return "taken";
	case TOO_MANY:
		return "another";
	default:
		return "unavailable";
	}
}

static int
arrive(struct req *req, const struct issuer *issuer, const struct oidc_trip *trip, struct str code)
{
	struct identity who;
	int r = oidc_end(req, issuer, trip, code, &who);

	if (!r)
		r = str_present(trip->session) ? link_to(req, trip, &who) : sign_in(req, &who);
	if (!r)
		return redirect(req, arena_printf(req->arena, "%s%.*s", req->conf->public_url, STR_ARG(trip->return_to)));
	if (r < 0)
		return trace(r);
	LOG(NOTICE, "oidc_refused", L_STR("id", req->id), L_CSTR("issuer", issuer->label),
	    L_CSTR("outcome", outcome_info(r)->code));
	return home(req, trip, said(r));
}

static int
auth_oidc_end(struct req *req)
{
	const struct issuer *issuer = named(req);
	struct oidc_trip trip = { 0 };
	struct end in = { 0 };
	int r;

	if (!issuer)
		return NOT_FOUND;
	r = req_query(req, end_fields, &in);
	if (r)
		return r;
	auth_cookie_set(req, &trip_cookie, STR(""), 0); /* whatever comes of it: once */
	if (!began(req, issuer, &in, &trip))
		return home(req, NULL, "stale");
	if (str_present(in.error))
		return home(req, &trip, str_eq(in.error, STR("access_denied")) ? "denied" : "failed");
	return in.code.n ? arrive(req, issuer, &trip, in.code) : home(req, &trip, "failed");
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
	.doc = "Back from a provider: signs in, or links, and sends the browser home.",
};

const struct endpoint auth_oidc_link_endpoint = {
	.method = "POST",
	.path = "/auth/oidc/{issuer}/link",
	.who = WHO_USER,
	.pool = POOL_SLOW,
	.body = BODY_JSON,
	.rate = RATE_MARK,
	.fn = auth_oidc_link,
	.doc = "Link me to whom a provider says I am: where to send the browser.",
};
