/* fcgi/oidc.c -- signing in with a provider. */
#include <stdlib.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "fetch.h"
#include "issuer.h"
#include "oidc.h"

#define SECOND_US     INT64_C(1000000)
#define KEEP_US       (600 * SECOND_US)
#define KEYS_PAUSE_US (30 * SECOND_US) /* between two looks for a key that is not among those we have */
#define FETCH_MS      2500
#define SEED_BYTES    32
#define COOKIE_MOST   1024
#define ENDPOINT_MOST 1024

/* What a provider says about itself; of this process, whose issuers never change. */
struct provider {
	char *authorization, *token, *jwks, *userinfo; /* owned; userinfo NULL: it has none */
	int64_t fetched_us, keys_us;                   /* monotonic; 0: never */
	struct jwk_set *keys;
};

static struct provider providers[ISSUERS_MAX];

/* ---- what the browser carries ---- */

bool
oidc_path_ok(struct str path)
{
	if (!path.n || path.n > OIDC_RETURN_MOST || path.p[0] != '/' || (path.n > 1 && path.p[1] == '/'))
		return false;
	for (size_t i = 0; i < path.n; i++)
		if (path.p[i] <= ' ' || path.p[i] >= 0x7f || path.p[i] == '\\')
			return false;
	return true;
}

static struct str
mac_of(struct arena *arena, struct str key, const char *what, struct str text)
{
	unsigned char mac[SHA256_BYTES];

	bytes_hmac_sha256(key, arena_printf(arena, "oidc %s\n%.*s", what, STR_ARG(text)), mac);
	return base64url(arena, mac, sizeof(mac));
}

struct str
oidc_part(struct arena *arena, struct str key, struct str seed, const char *what)
{
	return mac_of(arena, key, what, base64url(arena, seed.p, seed.n));
}

struct str
oidc_challenge(struct arena *arena, struct str verifier)
{
	unsigned char digest[SHA256_BYTES];

	bytes_sha256(verifier, digest);
	return base64url(arena, digest, sizeof(digest));
}

/* <seed>.<expiry>.<path>.<session or nothing>.<mac of all before, and of the issuer> */
struct str
oidc_cookie_make(struct arena *arena, struct str key, const char *label, const struct oidc_trip *trip)
{
	struct str text =
	        arena_printf(arena, "%.*s.%lld.%.*s.%.*s", STR_ARG(base64url(arena, trip->seed.p, trip->seed.n)),
	                     (long long)trip->expires_at, STR_ARG(base64url(arena, trip->return_to.p, trip->return_to.n)),
	                     STR_ARG(trip->session));
	struct str mac = mac_of(arena, key, "cookie", arena_printf(arena, "%s\n%.*s", label, STR_ARG(text)));

	return arena_printf(arena, "%.*s.%.*s", STR_ARG(text), STR_ARG(mac));
}

bool
oidc_cookie_read(struct arena *arena, struct str key, const char *label, struct str cookie, int64_t now,
                 struct oidc_trip *ret)
{
	const char *dot = cookie.n && cookie.n <= COOKIE_MOST ? memrchr(cookie.p, '.', cookie.n) : NULL;
	struct str text, given, mac, path;

	if (!dot)
		return false;
	text = str_n(cookie.p, (size_t)(dot - cookie.p));
	given = str_n(dot + 1, cookie.n - text.n - 1);
	mac = mac_of(arena, key, "cookie", arena_printf(arena, "%s\n%.*s", label, STR_ARG(text)));
	if (given.n != mac.n || !bytes_equal(given.p, mac.p, mac.n))
		return false;
	if (!base64url_decode(arena, str_cut(&text, '.'), &ret->seed) || ret->seed.n != SEED_BYTES ||
	    !str_int64(str_cut(&text, '.'), &ret->expires_at) || ret->expires_at <= now)
		return false;
	path = str_cut(&text, '.');
	ret->session = text.n ? text : STR_NONE;
	return base64url_decode(arena, path, &ret->return_to) && oidc_path_ok(ret->return_to) &&
	       (!text.n || uuid_valid(text));
}

/* ---- what the provider says about itself ---- */

static struct provider *
provider_of(const struct req *req, const struct issuer *issuer)
{
	return &providers[issuer - req->service->issuers->all];
}

static struct str
without_slash(const char *url)
{
	struct str s = str_c(url);

	return s.n && s.p[s.n - 1] == '/' ? str_n(s.p, s.n - 1) : s;
}

/* No question may take what all of them together have not: a worker is killed when its request takes too long. */
static int64_t
patience_ms(const struct req *req)
{
	int64_t spent = clock_wall_us() - req->now, all = req->conf->request_timeout_seconds * 800;
	int64_t left = all - spent / 1000;

	return left < FETCH_MS ? left : FETCH_MS;
}

static char *
copy(struct str s)
{
	char *p = strndup(s.p, s.n);

	if (!p)
		abort();
	return p;
}

static bool
endpoint_ok(const struct issuer *issuer, struct str url)
{
	return url.n && url.n <= ENDPOINT_MOST && fetch_allowed(url, str_c(issuer->issuer)) && !memchr(url.p, '#', url.n);
}

static int
take_metadata(struct provider *p, const struct issuer *issuer, json_t *json)
{
	struct str authorization = jws_str(json, "authorization_endpoint"), token = jws_str(json, "token_endpoint");
	struct str jwks = jws_str(json, "jwks_uri"), userinfo = jws_str(json, "userinfo_endpoint");

	if (!str_present(jws_str(json, "issuer")) || !str_eq(jws_str(json, "issuer"), str_c(issuer->issuer)) ||
	    !endpoint_ok(issuer, authorization) || !endpoint_ok(issuer, token) || !endpoint_ok(issuer, jwks)) {
		LOG(WARNING, "oidc_metadata", L_CSTR("issuer", issuer->label),
		    L_CSTR("error", "another issuer, or no usable addresses"));
		return UNAVAILABLE;
	}
	free(p->authorization), free(p->token), free(p->jwks), free(p->userinfo);
	p->authorization = copy(authorization);
	p->token = copy(token);
	p->jwks = copy(jwks);
	p->userinfo = endpoint_ok(issuer, userinfo) ? copy(userinfo) : NULL;
	p->fetched_us = clock_mono_us();
	return 0;
}

/* OpenID Connect Discovery section 4. What is known already does when the provider does not answer. */
static int
discover(struct req *req, const struct issuer *issuer, struct provider *p)
{
	struct str base = without_slash(issuer->issuer);
	struct fetch in = { .provider = str_c(issuer->issuer), .timeout_ms = patience_ms(req) };
	json_t *json;

	if (p->fetched_us && clock_mono_us() - p->fetched_us < KEEP_US)
		return 0;
	in.url = arena_printf(req->arena, "%.*s/.well-known/openid-configuration", STR_ARG(base));
	if (!fetch_json(req->arena, &in, &json) && !take_metadata(p, issuer, json))
		return 0;
	return p->fetched_us ? 0 : UNAVAILABLE;
}

static int
fetch_keys(struct req *req, const struct issuer *issuer, struct provider *p)
{
	struct fetch in = { .url = str_c(p->jwks), .provider = str_c(issuer->issuer), .timeout_ms = patience_ms(req) };
	const char *why = NULL;
	struct jwk_set *keys;
	json_t *json;
	char *text;
	int r = fetch_json(req->arena, &in, &json);

	if (r)
		return r;
	text = json_dumps(json, JSON_COMPACT);
	keys = jwk_read_jwks(issuer->alg, str_c(text), &why);
	free(text);
	if (!keys) {
		LOG(WARNING, "oidc_keys", L_CSTR("issuer", issuer->label), L_CSTR("error", why));
		return UNAVAILABLE;
	}
	jwk_free(p->keys);
	p->keys = keys;
	return 0;
}

/* Keys by which this token may be checked. */
static int
need_keys(struct req *req, const struct issuer *issuer, struct provider *p, struct str token)
{
	int64_t now = clock_mono_us();
	struct jws jws;

	if (token.n > ISSUER_ID_TOKEN_MAX || !jws_parse(req->arena, token, &jws))
		return UNAUTHENTICATED;
	if (p->keys && (jwk_knows(p->keys, &jws) ? now - p->keys_us < KEEP_US : now - p->keys_us < KEYS_PAUSE_US))
		return 0;
	p->keys_us = now;
	return fetch_keys(req, issuer, p) && !p->keys ? UNAVAILABLE : 0;
}

/* ---- there and back ---- */

static struct str
redirect_uri(struct req *req, const struct issuer *issuer)
{
	return arena_printf(req->arena, "%s/api/v1/auth/oidc/%s/callback", req->conf->public_url, issuer->label);
}

static struct str
part(struct req *req, const struct oidc_trip *trip, const char *what)
{
	return oidc_part(req->arena, req->service->refresh_key, trip->seed, what);
}

int
oidc_begin(struct req *req, const struct issuer *issuer, const struct oidc_trip *trip, struct str *ret_url)
{
	struct provider *p = provider_of(req, issuer);
	struct str challenge;
	int r = discover(req, issuer, p);

	if (r)
		return r;
	challenge = oidc_challenge(req->arena, part(req, trip, "verifier"));
	*ret_url = arena_printf(req->arena,
	                        "%s%sresponse_type=code&client_id=%.*s&redirect_uri=%.*s&scope=%.*s&state=%.*s&nonce=%.*s&"
	                        "code_challenge=%.*s&code_challenge_method=S256",
	                        p->authorization, strchr(p->authorization, '?') ? "&" : "?",
	                        STR_ARG(str_percent_encode(req->arena, str_c(issuer->client_id))),
	                        STR_ARG(str_percent_encode(req->arena, redirect_uri(req, issuer))),
	                        STR_ARG(str_percent_encode(req->arena, str_c(issuer->scopes))),
	                        STR_ARG(part(req, trip, "state")), STR_ARG(part(req, trip, "nonce")), STR_ARG(challenge));
	return 0;
}

/* RFC 6749 sections 4.1.3 and 2.3.1: a public client names itself in the form. */
static int
exchange(struct req *req, const struct issuer *issuer, const struct provider *p, const struct oidc_trip *trip,
         struct str code, json_t **ret)
{
	struct fetch in = { .url = str_c(p->token), .provider = str_c(issuer->issuer), .timeout_ms = patience_ms(req) };
	struct str id = str_percent_encode(req->arena, str_c(issuer->client_id));

	in.form = arena_printf(req->arena, "grant_type=authorization_code&code=%.*s&redirect_uri=%.*s&code_verifier=%.*s",
	                       STR_ARG(str_percent_encode(req->arena, code)),
	                       STR_ARG(str_percent_encode(req->arena, redirect_uri(req, issuer))),
	                       STR_ARG(part(req, trip, "verifier")));
	if (issuer->client_secret.n) {
		in.username = id;
		in.password = str_percent_encode(req->arena, issuer->client_secret);
	} else {
		in.form = arena_printf(req->arena, "%.*s&client_id=%.*s", STR_ARG(in.form), STR_ARG(id));
	}
	return fetch_json(req->arena, &in, ret);
}

/* Many providers tell names here only. Nobody is refused because it does not answer. */
static void
ask_for_names(struct req *req, const struct issuer *issuer, const struct provider *p, struct str access,
              struct issuer_claims *claims)
{
	struct fetch in = { .url = str_c(p->userinfo), .provider = str_c(issuer->issuer), .bearer = access };
	json_t *json;

	in.timeout_ms = patience_ms(req);
	if (!p->userinfo || !access.n || memchr(access.p, '\r', access.n) || memchr(access.p, '\n', access.n) ||
	    fetch_json(req->arena, &in, &json))
		return;
	if (!str_present(jws_str(json, "sub")) || !str_eq(jws_str(json, "sub"), claims->subject))
		return; /* OpenID Connect Core section 5.3.4 */
	claims->name = jws_str(json, issuer->name_claim);
	claims->username = jws_str(json, issuer->username_claim);
}

int
oidc_end(struct req *req, const struct issuer *issuer, const struct oidc_trip *trip, struct str code, struct identity *ret)
{
	struct provider *p = provider_of(req, issuer);
	struct issuer_claims claims;
	struct str token;
	json_t *json;
	int r = discover(req, issuer, p);

	if (!r)
		r = exchange(req, issuer, p, trip, code, &json);
	if (r)
		return r;
	token = jws_str(json, "id_token");
	r = token.n ? need_keys(req, issuer, p, token) : UNAUTHENTICATED;
	if (!r)
		r = issuer_verify_id(issuer, p->keys, req->arena, token, part(req, trip, "nonce"),
		                     clock_wall_us() / SECOND_US, &claims);
	if (r)
		return r == TOKEN_EXPIRED ? UNAUTHENTICATED : r;
	if (!str_present(claims.name) && !str_present(claims.username))
		ask_for_names(req, issuer, p, jws_str(json, "access_token"), &claims);
	*ret = issuer_identity(req->arena, issuer, &claims);
	return 0;
}
