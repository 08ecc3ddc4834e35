/* redis -- the connection, the breaker, and scripts by their digest. */
#include "redis.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "address.h"
#include "bytes.h"
#include "clock.h"
#include "err.h"
#include "log.h"

#define BREAKER_ERRORS    3
#define BREAKER_US        1000000
#define BREAKER_JITTER_US (BREAKER_US / 5)
#define SHA1_BYTES        20

struct redis {
	struct address address;
	char *password_file;
	struct timeval timeout;
	redisContext *connection;
	int errors;           /* in a row */
	int64_t closed_until; /* monotonic: calls before are refused, 0 when the breaker is shut */
};

struct redis *
redis_new(const char *address, const char *password_file, int64_t timeout_ms)
{
	struct redis *r = calloc(1, sizeof *r);

	if (!r || !(r->password_file = strdup(password_file)) || !address_parse(str_c(address), &r->address))
		abort();
	r->timeout = (struct timeval){ timeout_ms / 1000, timeout_ms % 1000 * 1000 };
	/* hiredis 0.14 writes with write(2): a connection that Redis closed must be an error, not the end of the process */
	signal(SIGPIPE, SIG_IGN);
	return r;
}

static void
drop(struct redis *r)
{
	if (r->connection)
		redisFree(r->connection);
	r->connection = NULL;
}

struct redis *
redis_free(struct redis *r)
{
	if (r) {
		drop(r);
		free(r->password_file);
		free(r);
	}
	return NULL;
}

static int
failed(struct redis *r, const char *why)
{
	uint32_t random;

	LOG(DEBUG, "redis_error", L_CSTR("why", why));
	drop(r);
	if (++r->errors >= BREAKER_ERRORS) {
		bytes_random(&random, sizeof random);
		r->closed_until = clock_mono_us() + BREAKER_US + random % BREAKER_JITTER_US;
	}
	return UNAVAILABLE;
}

static bool
breaker_open(const struct redis *r)
{
	return r->closed_until && clock_mono_us() < r->closed_until;
}

bool
redis_password(const char *file, char out[REDIS_PASSWORD_MAX])
{
	FILE *f = fopen(file, "re");
	bool good;

	if (!f)
		return false;
	good = fgets(out, REDIS_PASSWORD_MAX, f) != NULL;
	fclose(f);
	if (!good || strlen(out) == REDIS_PASSWORD_MAX - 1)
		return false;
	out[strcspn(out, "\r\n")] = '\0';
	return *out;
}

static redisContext *
dial(const struct redis *r)
{
	const struct address *a = &r->address;
	char host[INET6_ADDRSTRLEN];

	if (address_is_local(a))
		return redisConnectUnixWithTimeout(a->un.sun_path, r->timeout);
	if (a->any.sa_family == AF_INET6)
		return redisConnectWithTimeout(inet_ntop(AF_INET6, &a->in6.sin6_addr, host, sizeof host),
		                               ntohs(a->in6.sin6_port), r->timeout);
	return redisConnectWithTimeout(inet_ntop(AF_INET, &a->in.sin_addr, host, sizeof host), ntohs(a->in.sin_port),
	                               r->timeout);
}

static int
authenticate(struct redis *r)
{
	char password[REDIS_PASSWORD_MAX];
	redisReply *reply;
	bool good;

	if (!*r->password_file)
		return 0;
	if (!redis_password(r->password_file, password)) {
		LOG(ERROR, "redis_password", L_CSTR("file", r->password_file));
		return failed(r, "no password");
	}
	reply = redisCommand(r->connection, "AUTH %s", password);
	explicit_bzero(password, sizeof password);
	good = reply && reply->type != REDIS_REPLY_ERROR;
	if (reply && !good)
		LOG(ERROR, "redis_password", L_CSTR("error", reply->str));
	freeReplyObject(reply);
	return good ? 0 : failed(r, "not authenticated");
}

/* After an error a hiredis context is useless, so each connection is made anew. */
static int
connect_once(struct redis *r)
{
	redisContext *c = dial(r);

	r->connection = c;
	if (!c)
		return failed(r, "out of memory");
	if (c->err)
		return failed(r, c->errstr);
	fcntl(c->fd, F_SETFD, FD_CLOEXEC);
	if (redisSetTimeout(c, r->timeout) != REDIS_OK)
		return failed(r, "setting the time-out failed");
	return authenticate(r);
}

static bool
append(struct redis *r, struct arena *a, const struct redis_call *call)
{
	const char **texts = arena_alloc_array(a, call->argc, sizeof *texts);
	size_t *sizes = arena_alloc_array(a, call->argc, sizeof *sizes);

	for (size_t i = 0; i < call->argc; i++) {
		texts[i] = call->argv[i].p ? call->argv[i].p : "";
		sizes[i] = call->argv[i].n;
	}
	return redisAppendCommandArgv(r->connection, (int)call->argc, texts, sizes) == REDIS_OK;
}

/* All commands leave together; false when one reply is missing. */
static bool
send_once(struct redis *r, struct arena *a, const struct redis_call *calls, size_t n, redisReply **ret)
{
	for (size_t i = 0; i < n; i++)
		if (!append(r, a, &calls[i]))
			return false;
	for (size_t i = 0; i < n; i++) {
		void *reply = NULL;

		if (redisGetReply(r->connection, &reply) != REDIS_OK || !reply)
			return false;
		arena_defer(a, freeReplyObject, reply);
		ret[i] = reply;
	}
	return true;
}

/* Closed by the other side, not timed out: the command may be repeated on a new connection. */
static bool
was_closed(const redisContext *c)
{
	return c->err == REDIS_ERR_EOF || (c->err == REDIS_ERR_IO && (errno == EPIPE || errno == ECONNRESET));
}

/* A kept connection does not notice that Redis was restarted until it is used; that alone is not an error. */
static int
send_commands(struct redis *r, struct arena *a, const struct redis_call *calls, size_t n, redisReply **ret)
{
	bool kept = r->connection, sent;
	int failure = kept ? 0 : connect_once(r);

	if (failure)
		return failure;
	sent = send_once(r, a, calls, n, ret);
	if (!sent && kept && was_closed(r->connection)) {
		drop(r);
		failure = connect_once(r);
		if (failure)
			return failure;
		sent = send_once(r, a, calls, n, ret);
	}
	return sent ? 0 : failed(r, r->connection->errstr);
}

/* A Redis that is loading its data, or busy in a script, is away for us. */
static bool
is_away(const redisReply *reply)
{
	struct str s = str_n(reply->str, reply->len);

	return reply->type == REDIS_REPLY_ERROR && (str_has_prefix(s, STR("LOADING ")) || str_has_prefix(s, STR("BUSY ")));
}

/* Replies may be errors of Redis. */
static int
commands(struct redis *r, struct arena *a, const struct redis_call *calls, size_t n, redisReply **ret)
{
	int failure;

	if (breaker_open(r))
		return UNAVAILABLE;
	failure = send_commands(r, a, calls, n, ret);
	if (failure)
		return failure;
	for (size_t i = 0; i < n; i++)
		if (is_away(ret[i]))
			return failed(r, ret[i]->str);
	r->errors = 0;
	r->closed_until = 0;
	return 0;
}

static int
command(struct redis *r, struct arena *a, size_t argc, const struct str *argv, redisReply **ret)
{
	const struct redis_call call = { argc, argv };

	return commands(r, a, &call, 1, ret);
}

static int
refuse_errors(const redisReply *reply)
{
	if (reply->type != REDIS_REPLY_ERROR)
		return 0;
	LOG(DEBUG, "redis_refused", L_STR("why", str_n(reply->str, reply->len)));
	return fault(-EPROTO);
}

int
redis_command(struct redis *r, struct arena *a, size_t argc, const struct str *argv, redisReply **ret)
{
	redisReply *reply;
	int failure = command(r, a, argc, argv, &reply);

	if (!failure)
		failure = refuse_errors(reply);
	if (failure)
		return failure;
	*ret = reply;
	return 0;
}

int
redis_pipeline(struct redis *r, struct arena *a, const struct redis_call *calls, size_t n, redisReply **ret)
{
	int failure = commands(r, a, calls, n, ret);

	for (size_t i = 0; !failure && i < n; i++)
		failure = refuse_errors(ret[i]);
	return failure;
}

static struct str
digest(struct arena *a, struct str script)
{
	unsigned char sha1[SHA1_BYTES];

	if (!EVP_Digest(script.p, script.n, sha1, NULL, EVP_sha1(), NULL))
		abort();
	return hex(a, sha1, sizeof sha1);
}

int
redis_script(struct redis *r, struct arena *a, struct str script, size_t keys, size_t argc, const struct str *argv,
             redisReply **ret)
{
	struct str *all = arena_alloc_array(a, argc + 3, sizeof *all);
	redisReply *reply;
	int failure;

	all[0] = STR("EVALSHA");
	all[1] = digest(a, script);
	all[2] = arena_printf(a, "%zu", keys);
	for (size_t i = 0; i < argc; i++)
		all[3 + i] = argv[i];
	failure = command(r, a, argc + 3, all, &reply);
	if (!failure && reply->type == REDIS_REPLY_ERROR && str_has_prefix(str_n(reply->str, reply->len), STR("NOSCRIPT"))) {
		all[0] = STR("EVAL");
		all[1] = script;
		failure = command(r, a, argc + 3, all, &reply);
	}
	if (!failure)
		failure = refuse_errors(reply);
	if (failure)
		return failure;
	*ret = reply;
	return 0;
}

bool
redis_up(struct redis *r, struct arena *a)
{
	redisReply *reply;

	return !redis_command(r, a, 1, (const struct str[]){ STR("PING") }, &reply) && reply->type == REDIS_REPLY_STATUS &&
	       !strcmp(reply->str, "PONG");
}
