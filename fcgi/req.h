/*
 * req -- one request, from the first byte to the reply, and the endpoint that serves it.
 *
 * A worker owns one struct req and uses it again for each request. Everything a handler allocates or is given lives in
 * req->arena, until the reply is written. Handlers return `int r` (lib/base/err.h); dispatch turns outcomes and faults into
 * problem+json, so a handler writes a reply only when it succeeds.
 */
#ifndef PEAL_FCGI_REQ_H
#define PEAL_FCGI_REQ_H

#include "base/conf.h"
#include "base/err.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "base/redis.h"
#include "base/token.h"
#include "store/db.h"
#include "board.h"

/* The socket a request came in by: it says what the request may be trusted with. */
enum door { DOOR_FAST, DOOR_SLOW, DOOR_AUTH, DOOR_COMMAND, DOOR_FEED, DOOR_UPLOAD, DOOR_N };

enum who {
	WHO_ANYONE,
	WHO_USER,      /* an access token, or a socket whose session lives */
	WHO_MODERATOR, /* the same, with this role on the whole server or a higher one (site.h): FORBIDDEN otherwise */
	WHO_ADMIN,
	WHO_MEMBER, /* a user, and the statement answers NOT_FOUND to whoever is not a member */
	WHO_DAEMON, /* peal-push on the feed door; nginx and peal-media on the upload door */
};

/* What a request is counted as (rate.h). Limits are configuration keys. */
enum rate {
	RATE_UNSET,    /* every route says what it is: a test looks */
	RATE_NONE,     /* for our own processes, or answered without asking anybody */
	RATE_WRITE,    /* changes what others see; by user */
	RATE_MARK,     /* changes what is mine: marks, stars, drafts, settings; by user */
	RATE_TYPING,   /* by user */
	RATE_READ,     /* by user */
	RATE_UPLOAD,   /* by user */
	RATE_SESSION,  /* refresh and sign out; by address */
	RATE_REGISTER, /* by address */
	RATE_LOGIN,    /* by account, be there one or not */
	RATE_N
};

/*
 * What an access token must allow before it opens a route (access_token.h). SCOPE_SESSION, which is what a route has that says
 * nothing: no token opens it, only somebody who is signed in.
 */
#define SCOPES(X)                                                                                                           \
	X(PROFILE_READ, "profile:read", "Read my profile, the directory, presence and blocks.")                             \
	X(PROFILE_WRITE, "profile:write", "Change my profile; block people.")                                               \
	X(CONVERSATIONS_READ, "conversations:read", "List and read conversations and who is in them.")                      \
	X(CONVERSATIONS_WRITE, "conversations:write", "Start and change conversations, and who is in them.")                \
	X(MESSAGES_READ, "messages:read", "Read and search messages, download files, open a socket.")                       \
	X(MESSAGES_WRITE, "messages:write", "Send, edit, delete and mark messages; react, type, report.")                   \
	X(MEDIA_WRITE, "media:write", "Upload files.")                                                                      \
	X(ADMIN_READ, "admin:read", "Read reports, people and the audit log, as far as one's role goes.")                   \
	X(ADMIN_WRITE, "admin:write", "Act on reports and people, as far as one's role goes.")

enum scope {
	SCOPE_SESSION,
#define X(name, word, text) SCOPE_##name,
	SCOPES(X)
#undef X
	        SCOPE_N
};

/* What a route does with a body. Sizes are configuration keys. */
enum body_kind {
	BODY_NONE,    /* whatever comes is read and ignored */
	BODY_JSON,    /* application/json up to max_body_kib */
	BODY_MESSAGE, /* application/json up to max_message_body_kib */
	BODY_FEED,    /* from the push daemon: a client's largest frame, and room around it */
};

struct req;

struct endpoint {
	/* below /api/v1 unless it begins with /api/, or below / on the feed door; {conversation} {message} {user} are ids */
	const char *method, *path;
	enum who who;
	enum pool pool; /* nginx sends it there; POOL_AUTH routes exist nowhere else */
	enum body_kind body;
	enum rate rate;
	enum scope scope;
	bool etag; /* a conditional read: ETag, If-None-Match */
	bool once; /* a POST that creates something: Idempotency-Key (once.h) */
	int (*fn)(struct req *);
	int (*again)(struct req *,
	             struct str made); /* of once: the answer to a replay, where it is not the one first given */
	const char *doc;
};

/* What a worker process has; the same for all its requests. */
struct service {
	const struct conf *conf;
	struct token_keys *keys;
	const struct issuers *issuers; /* others whose tokens are good here */
	struct str refresh_key, factor_key;
	struct str turn_secret;  /* absent: there are no TURN servers */
	struct str vapid_public; /* absent: there is no Web Push */
	struct db *db;
	struct redis *redis;
	struct rate_table *rates; /* shared by all workers of the master */
	struct revoked *revoked;  /* likewise */
	struct arena *arena;
};

/* Where the caller stands with the limit of this class, for the headers. */
struct rate_standing {
	bool counted; /* otherwise nothing is known */
	int64_t limit, remaining, reset_us;
};

struct effect {
	void (*fn)(struct req *, void *arg);
	void *arg;
	struct effect *next;
};

struct req {
	/* from the worker */
	const struct service *service;
	const struct conf *conf;
	struct db *db;
	struct redis *redis;
	struct arena *arena;
	enum door door;
	char **params;   /* FastCGI parameters; live until the reply is written */
	struct str body; /* likewise */
	bool body_cut;   /* larger than any route accepts; not kept */
	char id_text[REQUEST_ID_N + 1];
	struct str id; /* 32 hex digits, ours when nginx sent none */

	/* from dispatch */
	struct str method, path, query;
	bool head;   /* HEAD: the GET route, without its body */
	int64_t now; /* microseconds since 1970 */
	const struct endpoint *endpoint;
	const char *allow; /* 405: the methods that the path has */
	struct rate_standing rate;
	int64_t me;
	struct str session;   /* a UUID; access_token_session(): of a token; absent: by an external issuer's token */
	int64_t access_token; /* 0: somebody who is signed in */
	int64_t expires_at;   /* of that token; 0: never */
	bool bot;             /* I am one */
	struct str attachment, session_named;       /* from the path */
	struct str issuer;                          /* likewise: its label */
	int64_t conversation, seq, user, scheduled; /* from the path */
	int64_t thing;                              /* likewise: a token, a report */

	/* from the handler */
	struct json_report report; /* INVALID and BAD_JSON: where and why; ignored members otherwise */
	const char *detail;        /* instead of the outcome's own sentence */
	struct str challenge;      /* of SECOND_FACTOR_REQUIRED: what to come back with, and for how long it is good */
	int64_t challenge_seconds;
	int64_t retry_after_ms; /* of an outcome that may be tried again; 0: PROBLEM_RETRY_AFTER_MS */
	struct str made;        /* of an endpoint with `again`: what it will ask for */
	const void *in;         /* of one with once_steps: what it has read of the body, for them */
	struct effect *effects, **effects_end;
	int status;
	const char *content_type;
	struct buf headers, out; /* kept between requests */
	struct json_out json;
};

/* A FastCGI parameter; absent when not sent or empty. */
struct str req_param(const struct req *, const char *name);

/* Fills a struct from the JSON body, or from the query string (unknown names are ignored). INVALID or BAD_JSON with the place. */
int req_body(struct req *, const struct field *, void *out);
int req_query(struct req *, const struct field *, void *out);
/* `limit` of a list: 1..max_page, 50 when absent. INVALID. */
int req_limit(struct req *, struct opt_int, int64_t *ret);
/* INVALID, with this place: a JSON Pointer into the body, or the name of a query parameter. code and message as in json_report. */
int req_invalid(struct req *, const char *path, const char *code, const char *message);
/* The same when r is INVALID because a write function said which place is wrong: "<path> <code> <sentence>". Any other r stays. */
int req_refused(struct req *, int r);

/* The person whom the rest of the request is for: dispatch says it, or a daemon. */
void req_act_for(struct req *, int64_t user_id);

/* "<conversation>.<seq>", strictly. */
bool message_id_parse(struct str, int64_t *ret_conversation, int64_t *ret_seq);

/* An empty buffer of up to 16 MiB that ends with the request. */
struct buf *req_scratch(struct req *);

/* Call when something is committed: runs after the handler, in order, and before the reply. */
void req_after_commit(struct req *, void (*fn)(struct req *, void *), void *arg);

#endif
