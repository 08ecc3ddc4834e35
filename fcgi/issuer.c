/* fcgi/issuer.c -- callers with a token of another issuer. */
#include <stdlib.h>

#include "auth.h"
#include "base/bytes.h"
#include "issuer.h"
#include "limits.h"
#include "text.h"

#define REMEMBERED      4096             /* tokens per worker; a power of two */
#define LOOK_AGAIN_US   (60 * SECOND_US) /* less than what auth_session_lives() remembers */
#define SECOND_US       INT64_C(1000000)
#define UUID_TEXT_BYTES 36
#define NAME_MOST       32
#define USER_AGENT_MOST 256

/* A token that was good but for the time, and whose session was there when it was looked for last. */
struct known {
	unsigned char digest[SHA256_BYTES];
	int64_t user_id, issued_at, not_before, expires_at, looked_us;
	char session_id[UUID_TEXT_BYTES];
};

static struct known *known; /* by digest; of this process, which has the keys of one generation */

static struct known *
place_of(const unsigned char digest[SHA256_BYTES])
{
	if (!known)
		known = calloc(REMEMBERED, sizeof(*known));
	if (!known)
		abort();
	return &known[(digest[0] | digest[1] << 8) % REMEMBERED];
}

static bool
name_char(char c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '.' || c == '_' || c == '-';
}

struct str
issuer_name(struct arena *arena, struct str claim)
{
	char *out = arena_alloc(arena, NAME_MOST);
	size_t n = 0;

	for (size_t i = 0; i < claim.n && claim.p[i] != '@' && n < NAME_MOST; i++)
		if (name_char(claim.p[i]) && (n || !strchr("._-", claim.p[i])))
			out[n++] = claim.p[i];
	return n ? str_n(out, n) : STR("user");
}

struct str
issuer_display(struct arena *arena, struct str claim, struct str name)
{
	struct str one = str_present(claim) ? str_trim(str_code_point_prefix(claim, LIMIT_DISPLAY_NAME)) : STR_NONE;

	return one.n && !text_blank(one) && str_one_line(one) ? arena_str(arena, one) : name;
}

struct identity
issuer_identity(struct arena *arena, const struct issuer *issuer, const struct issuer_claims *claims)
{
	struct str name = issuer_name(arena, str_present(claims->username) ? claims->username : claims->name);

	return (struct identity){
		.issuer = str_c(issuer->issuer),
		.subject = claims->subject,
		.name = name,
		.label = str_c(issuer->label),
		.display = issuer_display(arena, claims->name, name),
	};
}

/* Of what was signed, in the form of a random one. */
static void
session_of(struct arena *arena, const struct issuer_claims *claims, char ret[UUID_TEXT_BYTES])
{
	unsigned char digest[SHA256_BYTES];
	struct str h;

	bytes_sha256(claims->signed_text, digest);
	digest[6] = (unsigned char)(digest[6] & 0x0f) | 0x40;
	digest[8] = (unsigned char)(digest[8] & 0x3f) | 0x80;
	h = hex(arena, digest, 16);
	h = arena_printf(arena, "%.8s-%.4s-%.4s-%.4s-%.12s", h.p, h.p + 8, h.p + 12, h.p + 16, h.p + 20);
	memcpy(ret, h.p, UUID_TEXT_BYTES);
}

/* The times alone: the rest of a known token never changes. */
static int
in_time(const struct known *k, int64_t now)
{
	const struct issuer_claims times = { .issued_at = k->issued_at,
		                             .not_before = k->not_before,
		                             .expires_at = k->expires_at };

	return issuer_in_time(&times, now);
}

/* Checks everything, and looks for the session or begins it. */
static int
look(struct req *req, struct str token, struct known *k)
{
	const struct issuer *issuer = issuers_claimed(req->service->issuers, req->arena, token);
	struct str agent = req_param(req, "HTTP_USER_AGENT");
	struct issuer_claims claims;
	struct identity who;
	int r = issuer ? issuer_verify(issuer, req->arena, token, req->now / SECOND_US, &claims) : UNAUTHENTICATED;

	if (r)
		return r;
	session_of(req->arena, &claims, k->session_id);
	k->issued_at = claims.issued_at;
	k->not_before = claims.not_before;
	k->expires_at = claims.expires_at;
	who = issuer_identity(req->arena, issuer, &claims);
	r = identity_session(
	        req->db, req->arena, &who,
	        &(struct identity_token){
	                .session_id = str_n(k->session_id, UUID_TEXT_BYTES),
	                .hash = str_n((char *)k->digest, SHA256_BYTES),
	                .user_agent = str_utf8_valid(agent) ? str_code_point_prefix(agent, USER_AGENT_MOST) : STR_NONE,
	                .expires_at = (claims.expires_at + 2 * ISSUER_LEEWAY_SECONDS) * SECOND_US,
	        },
	        &k->user_id);
	k->looked_us = req->now;
	return r ? trace(r) : 0;
}

int
issuer_who(struct req *req, struct str token)
{
	struct known fresh = { 0 }, *k;
	int r;

	if (!req->service->issuers || !req->service->issuers->n || token.n > ISSUER_TOKEN_MAX)
		return UNAUTHENTICATED;
	bytes_sha256(token, fresh.digest);
	k = place_of(fresh.digest);
	if (bytes_equal(k->digest, fresh.digest, SHA256_BYTES) && req->now - k->looked_us < LOOK_AGAIN_US) {
		r = in_time(k, req->now / SECOND_US);
		if (!r)
			r = auth_session_lives(req, str_n(k->session_id, UUID_TEXT_BYTES), k->user_id);
	} else {
		r = look(req, token, &fresh);
		if (!r)
			*k = fresh;
	}
	if (r)
		return trace(r);
	req->me = k->user_id;
	req->session = arena_str(req->arena, str_n(k->session_id, UUID_TEXT_BYTES));
	req->expires_at = k->expires_at * SECOND_US;
	return 0;
}
