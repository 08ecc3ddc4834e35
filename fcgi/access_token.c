/* fcgi/access_token.c -- tokens of programs: their form, whom they speak for, and how far. */
#include "access_token.h"
#include "base/bytes.h"
#include "base/log.h"
#include "store/access.h"

#define RANDOM_BYTES    32
#define CHECKSUM_BYTES  4
#define CHECKSUM_CHARS  6
#define UUID_VERSION_AT 14
#define PREFIX          STR(ACCESS_TOKEN_PREFIX)

static const char *const scope_words[SCOPE_N] = {
#define X(name, word, text) [SCOPE_##name] = word,
	SCOPES(X)
#undef X
};

const char *
scope_word(enum scope scope)
{
	return scope_words[scope];
}

bool
scope_parse(struct str word, enum scope *ret)
{
	for (enum scope scope = SCOPE_SESSION + 1; scope < SCOPE_N; scope++) {
		if (str_eq(word, str_c(scope_words[scope]))) {
			*ret = scope;
			return true;
		}
	}
	return false;
}

bool
scope_listed(struct str list, enum scope scope)
{
	while (scope != SCOPE_SESSION && list.n)
		if (str_eq(str_cut(&list, ' '), str_c(scope_words[scope])))
			return true;
	return false;
}

bool
access_token_form(struct str token)
{
	return str_has_prefix(token, PREFIX);
}

static struct str
checksum(struct arena *arena, struct str text)
{
	unsigned char digest[SHA256_BYTES];

	bytes_sha256(text, digest);
	return base64url(arena, digest, CHECKSUM_BYTES);
}

static struct str
digest_of(struct arena *arena, struct str token)
{
	unsigned char *digest = arena_alloc(arena, SHA256_BYTES);

	bytes_sha256(token, digest);
	return str_n((char *)digest, SHA256_BYTES);
}

struct str
access_token_make(struct arena *arena, struct str *ret_hash)
{
	unsigned char random[RANDOM_BYTES];
	struct str text, sum, token;

	bytes_random(random, sizeof(random));
	text = base64url(arena, random, sizeof(random));
	text = arena_printf(arena, "%s%.*s", ACCESS_TOKEN_PREFIX, STR_ARG(text));
	sum = checksum(arena, text);
	token = arena_printf(arena, "%.*s%.*s", STR_ARG(text), STR_ARG(sum));
	*ret_hash = digest_of(arena, token);
	return token;
}

bool
access_token_hash(struct arena *arena, struct str token, struct str *ret_hash)
{
	struct str text, sum;

	if (token.n != ACCESS_TOKEN_BYTES || !str_has_prefix(token, PREFIX))
		return false;
	text = str_n(token.p, token.n - CHECKSUM_CHARS);
	sum = checksum(arena, text);
	if (!bytes_equal(sum.p, text.p + text.n, CHECKSUM_CHARS))
		return false;
	*ret_hash = digest_of(arena, token);
	return true;
}

/* That a use could not be noted refuses nobody. */
static void
note_use(struct req *req, const struct access_who *who)
{
	int r = who->unnoted ? access_used(req->db, req->arena, who->token_id) : 0;

	if (r < 0)
		log_fault("access_token_fault", r, (const struct log_field[]){ L_STR("id", req->id), { 0 } });
}

static int
accept(struct req *req, const struct access_who *who)
{
	if (who->expires_at && who->expires_at <= req->now)
		return TOKEN_EXPIRED;
	if (!scope_listed(who->scopes, req->endpoint->scope))
		return INSUFFICIENT_SCOPE;
	req->me = who->user_id;
	req->session = who->session_id;
	req->access_token = who->token_id;
	req->expires_at = who->expires_at;
	req->bot = who->bot;
	note_use(req, who);
	return 0;
}

int
access_token_who(struct req *req, struct str token)
{
	struct access_who who;
	struct str hash;
	int r;

	if (!access_token_hash(req->arena, token, &hash))
		return UNAUTHENTICATED;
	r = access_by_hash(req->db, req->arena, hash, &who);
	if (r)
		return r == NOT_FOUND ? UNAUTHENTICATED : trace(r);
	return accept(req, &who);
}

/* UUIDs of devices are of version 4, which is random; those of tokens are of version 8 (RFC 9562), which is ours to define. */
bool
access_token_session(struct str session)
{
	return uuid_valid(session) && session.p[UUID_VERSION_AT] == '8';
}

int
access_token_who_socket(struct req *req, struct str session, int64_t user_id)
{
	struct access_who who;
	int r = access_by_session(req->db, req->arena, session, user_id, &who);

	if (r)
		return r == NOT_FOUND ? UNAUTHENTICATED : trace(r);
	return accept(req, &who);
}
