/* fcgi/rate.c -- counting requests against the limits of their class. */
#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "rate.h"

#define MS_US         1000
#define ACCOUNT_BYTES 16  /* of the digest that stands for a name */
#define TOKEN_LETTER  256 /* beside the letter of a class: of tokens */

enum by { BY_NOBODY, BY_USER, BY_ADDRESS, BY_ACCOUNT };

static const struct class
{
	enum by by;
	size_t limit; /* where in struct conf */
	bool shared;  /* exact over all hosts */
	char letter;  /* in keys of Redis */
} classes[RATE_N] = {
	[RATE_WRITE] = { BY_USER, offsetof(struct conf, rate_write_per_minute), true, 'w' },
	[RATE_MARK] = { BY_USER, offsetof(struct conf, rate_mark_per_minute), false, 'm' },
	[RATE_TYPING] = { BY_USER, offsetof(struct conf, rate_typing_per_minute), false, 't' },
	[RATE_READ] = { BY_USER, offsetof(struct conf, rate_read_per_minute), false, 'r' },
	[RATE_UPLOAD] = { BY_USER, offsetof(struct conf, rate_upload_per_minute), false, 'u' },
	[RATE_SESSION] = { BY_ADDRESS, offsetof(struct conf, rate_session_per_minute), false, 's' },
	[RATE_REGISTER] = { BY_ADDRESS, offsetof(struct conf, rate_register_per_minute), true, 'g' },
	[RATE_LOGIN] = { BY_ACCOUNT, offsetof(struct conf, rate_login_per_minute), true, 'l' },
};

/*
 * KEYS: the caller's. ARGV: interval, window, and a debt that the caller is known to have at least, in microseconds. Redis' own clock
 * counts, so all hosts agree. The answer: taken (1) or not, and the debt.
 */
static const char take_lua[] = "local t = redis.call('TIME') local now = t[1] * 1000000 + t[2] "
                               "local interval, window = tonumber(ARGV[1]), tonumber(ARGV[2]) "
                               "local paid = tonumber(redis.call('GET', KEYS[1]) or '0') or 0 "
                               "local debt = math.min(math.max(paid - now, tonumber(ARGV[3]), 0), window) "
                               "if debt + interval > window then return {0, debt} end "
                               "debt = debt + interval "
                               "redis.call('SET', KEYS[1], string.format('%.0f', now + debt), 'PX', math.ceil(debt / 1000)) "
                               "return {1, debt}";

struct caller {
	const struct class *class;
	struct gcra gcra;
	struct str name; /* in Redis */
	uint64_t key;    /* in the table */
};

static int
ask_redis(struct req *req, const struct caller *c, int64_t known_debt, struct gcra_answer *ret)
{
	const struct str argv[] = {
		arena_printf(req->arena, "rate:%c:%.*s", c->class->letter, STR_ARG(c->name)),
		arena_printf(req->arena, "%lld", (long long)c->gcra.interval_us),
		arena_printf(req->arena, "%lld", (long long)c->gcra.window_us),
		arena_printf(req->arena, "%lld", (long long)known_debt),
	};
	redisReply *reply;
	int r = redis_script(req->redis, req->arena, str_n(take_lua, sizeof(take_lua) - 1), 1, sizeof(argv) / sizeof(*argv),
	                     argv, &reply);

	if (r)
		return trace(r);
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
		return fault(-EPROTO);
	*ret = gcra_answer(&c->gcra, reply->element[0]->integer, reply->element[1]->integer);
	return 0;
}

/*
 * What Redis says is noted in the table, and what the table knows is told to Redis: neither the death of Redis nor its coming
 * back empty gives anybody a new allowance. What is told is less than what is known by the longest that an answer may be on its
 * way, so that it never adds to what Redis knows itself.
 */
static void
take_shared(struct req *req, const struct caller *c, struct gcra_answer *ret)
{
	struct rate_table *table = req->service->rates;
	int64_t now = clock_mono_us();
	int64_t known = rate_table_debt(table, c->key, now) - req->conf->redis_timeout_ms * MS_US;
	int r = ask_redis(req, c, known > 0 ? known : 0, ret);

	if (!r) {
		rate_table_raise(table, c->key, now + ret->debt_us);
		return;
	}
	if (r < 0)
		log_fault("rate_fault", r, (const struct log_field[]){ L_STR("id", req->id), { 0 } });
	rate_table_take(table, c->key, &c->gcra, clock_mono_us(), ret);
}

/* What was counted before is shown when it leaves less. */
static int
count(struct req *req, const struct caller *c)
{
	struct gcra_answer answer;

	if (c->class->shared)
		take_shared(req, c, &answer);
	else
		rate_table_take(req->service->rates, c->key, &c->gcra, clock_mono_us(), &answer);
	if (!req->rate.counted || answer.remaining < req->rate.remaining || !answer.taken)
		req->rate = (struct rate_standing){ true, c->gcra.limit, answer.remaining, answer.debt_us };
	if (answer.taken)
		return 0;
	req->retry_after_ms = (answer.retry_us + MS_US - 1) / MS_US;
	return RATE_LIMITED;
}

static int64_t
class_limit(const struct req *req, const struct class *class)
{
	return *(const int64_t *)((const char *)req->conf + class->limit);
}

static int
take(struct req *req, struct str name, uint64_t who)
{
	const struct class *class = &classes[req->endpoint->rate];
	struct caller c = { .class = class, .name = name, .gcra = gcra_of(class_limit(req, class)) };

	c.key = rate_table_key(req->service->rates, (uint64_t) class->letter, who);
	return count(req, &c);
}

/* One token of a person may take half of what the person may, so that a program that runs wild leaves the other half to them. */
static int
take_token(struct req *req)
{
	const struct class *class = &classes[req->endpoint->rate];
	struct caller c = { .class = class, .gcra = gcra_of((class_limit(req, class) + 1) / 2) };

	c.name = arena_printf(req->arena, "t%lld", (long long)req->access_token);
	c.key = rate_table_key(req->service->rates, (uint64_t) class->letter | TOKEN_LETTER, (uint64_t)req->access_token);
	return count(req, &c);
}

int
rate_user(struct req *req)
{
	int r = 0;

	if (req->rate.counted)
		return 0;
	if (req->access_token && !req->bot)
		r = take_token(req);
	if (r)
		return r;
	return take(req, arena_printf(req->arena, "%lld", (long long)req->me), (uint64_t)req->me);
}

/* By a digest, so that a name has one length and no name is found in Redis. */
static int
take_digest(struct req *req, struct str text)
{
	unsigned char digest[SHA256_BYTES];
	uint64_t who;

	if (req->rate.counted)
		return 0;
	bytes_sha256(text, digest);
	memcpy(&who, digest, sizeof(who));
	return take(req, hex(req->arena, digest, ACCOUNT_BYTES), who);
}

int
rate_attempt(struct req *req, const char *what, struct str whose)
{
	return take_digest(req, arena_printf(req->arena, "%s %.*s", what, STR_ARG(str_lower(req->arena, whose))));
}

struct str
rate_address(struct arena *arena, struct str address)
{
	const char *text = arena_cstr(arena, address);
	unsigned char ip[16];

	if (inet_pton(AF_INET, text, ip) == 1)
		return address;
	if (inet_pton(AF_INET6, text, ip) != 1)
		return STR("-");
	if (IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)ip))
		return arena_printf(arena, "%d.%d.%d.%d", ip[12], ip[13], ip[14], ip[15]);
	return hex(arena, ip, 8);
}

int
rate_arrived(struct req *req)
{
	switch (classes[req->endpoint->rate].by) {
	case BY_USER:
		return req->me ? rate_user(req) : 0;
	case BY_ADDRESS:
		return take_digest(req, rate_address(req->arena, req_param(req, "PEAL_ADDRESS")));
	case BY_ACCOUNT:
	case BY_NOBODY:
		break;
	}
	return 0;
}
