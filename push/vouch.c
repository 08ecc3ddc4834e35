/* vouch.c -- asking whose a token is, and remembering. */
#include "vouch.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "base/jws.h"
#include "base/log.h"
#include "mem.h"
#include "push.h"

#define SETS          2048 /* a power of two */
#define WAYS          4
#define ASK_MS        5000
#define ACCESS_PREFIX "peal_pat_" /* as in fcgi/access_token.h */
#define FOREVER       (INT64_MAX / 4)

struct known {
	unsigned char digest[SHA256_BYTES];
	int64_t user_id, expires_at;
	uint32_t used; /* when last, in uses of the table; 0: free */
	char session_id[SESSION_CHARS];
};

static struct {
	struct known sets[SETS][WAYS];
	uint32_t uses;
} table;

/* One question that is at the door. */
struct asking {
	struct asking *next;
	struct conn *conn;
	vouch_fn fn;
	char *hello;
	unsigned char digest[SHA256_BYTES];
};

static struct asking *all_asking;

bool
vouch_foreign(struct arena *arena, struct str token)
{
	struct jws jws;

	if (str_has_prefix(token, STR(ACCESS_PREFIX)))
		return true;
	return token.n <= TOKEN_MAX_BYTES && jws_parse(arena, token, &jws) && str_present(jws_str(jws.claims, "iss")) &&
	       !str_eq(jws_str(jws.claims, "iss"), str_c(push.conf->token_issuer));
}

static struct known *
set_of(const unsigned char *digest)
{
	return table.sets[(digest[0] | digest[1] << 8) % SETS];
}

bool
vouch_known(struct str token, int64_t now, struct token_claims *ret)
{
	unsigned char digest[SHA256_BYTES];
	struct known *set;

	bytes_sha256(token, digest);
	set = set_of(digest);
	for (int i = 0; i < WAYS; i++) {
		struct known *k = &set[i];

		if (!k->used || !bytes_equal(k->digest, digest, SHA256_BYTES) || k->expires_at + TOKEN_LEEWAY_SECONDS <= now)
			continue;
		k->used = ++table.uses;
		*ret = (struct token_claims){ .user_id = k->user_id,
			                      .session_id = str_n(k->session_id, SESSION_CHARS),
			                      .expires_at = k->expires_at };
		return true;
	}
	return false;
}

static void
remember(const unsigned char *digest, const struct token_claims *claims)
{
	struct known *set = set_of(digest), *to = set;

	for (int i = 0; i < WAYS; i++) {
		if (bytes_equal(set[i].digest, digest, SHA256_BYTES)) {
			to = &set[i];
			break;
		}
		if (set[i].used < to->used)
			to = &set[i];
	}
	*to = (struct known){ .user_id = claims->user_id, .expires_at = claims->expires_at, .used = ++table.uses };
	memcpy(to->digest, digest, SHA256_BYTES);
	memcpy(to->session_id, claims->session_id.p, SESSION_CHARS);
}

static struct asking **
find(const struct conn *c)
{
	struct asking **at = &all_asking;

	while (*at && (*at)->conn != c)
		at = &(*at)->next;
	return at;
}

bool
vouch_asking(const struct conn *c)
{
	return *find(c) != NULL;
}

bool
vouch_hold(struct conn *c, char *hello)
{
	struct asking *one = *find(c);

	if (!one || one->hello)
		return false;
	one->hello = hello;
	return true;
}

struct answer {
	int64_t user_id;
	struct str session_id;
	struct opt_int expires_at;
};

static const struct field answer_fields[] = { ID_FIELD(struct answer, user_id, .required = 1),
	                                      STR_FIELD(struct answer, session_id, .min = SESSION_CHARS,
	                                                .max = SESSION_CHARS, .required = 1),
	                                      INT_FIELD(struct answer, expires_at, .max = INT64_MAX / 4, .required = 1),
	                                      { 0 } };

static int
read_claims(struct str body, struct token_claims *ret)
{
	struct json_report report = { 0 };
	struct answer in = { 0 };
	json_t *json;

	if (json_parse(push.arena, str_cut(&body, '\n'), &json, &report) || !json_is_object(json) ||
	    json_fill(push.arena, json, answer_fields, &in, "", &report) || in.session_id.n != SESSION_CHARS) {
		LOG(ERROR, "feed_answer", L_CSTR("reason", report.message));
		return UNAVAILABLE;
	}
	*ret = (struct token_claims){ .user_id = in.user_id,
		                      .session_id = in.session_id,
		                      .expires_at = in.expires_at.v ? in.expires_at.v : FOREVER };
	return 0;
}

/* The code of a problem document tells an expired token from a bad one. */
static int
refusal(const struct cgi_answer *a)
{
	struct json_report report;
	json_t *json;

	if (a->status == 403)
		return FORBIDDEN;
	if (a->status != 401)
		return UNAVAILABLE;
	if (!json_parse(push.arena, a->body, &json, &report) &&
	    str_eq(jws_str(json, "code"), str_c(outcome_info(TOKEN_EXPIRED)->code)))
		return TOKEN_EXPIRED;
	return UNAUTHENTICATED;
}

static void
finish(struct asking *one, const struct cgi_answer *a)
{
	struct token_claims claims = { 0 };
	int r;

	if (conn_ended(one->conn))
		return;
	arena_reset(push.arena);
	if (!a)
		r = UNAVAILABLE;
	else
		r = a->status == 200 ? read_claims(a->body, &claims) : refusal(a);
	if (!r)
		remember(one->digest, &claims);
	one->fn(one->conn, r, &claims, one->hello);
}

static void
on_answer(void *arg, const struct cgi_answer *a)
{
	struct asking *one = arg;

	*find(one->conn) = one->next;
	finish(one, a);
	conn_unref(one->conn);
	free(one->hello);
	free(one);
}

void
vouch_ask(struct conn *c, struct str token, vouch_fn fn)
{
	struct door_question q = { .method = "POST", .uri = STR("/feed/who"), .timeout_ms = ASK_MS };
	struct asking *one = mem_zeroed(sizeof(*one));
	struct json_out w;

	*one = (struct asking){ .next = all_asking, .conn = c, .fn = fn };
	bytes_sha256(token, one->digest);
	all_asking = one;
	conn_ref(c);
	buf_clear(&push.text);
	json_begin(&w, &push.text);
	json_open_object(&w, NULL);
	json_str(&w, "token", token);
	json_close(&w);
	json_end(&w);
	q.body = buf_view(&push.text);
	if (door_ask(push.feed, &q, on_answer, one))
		on_answer(one, NULL);
}
