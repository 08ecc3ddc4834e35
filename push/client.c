/* client.c -- what clients say, checked by field tables, one function per frame. */
#include "client.h"

#include "base/clock.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "calls.h"
#include "delivery.h"
#include "feed.h"
#include "mem.h"
#include "metrics.h"
#include "presence.h"
#include "push.h"
#include "replay.h"
#include "vouch.h"

#define VIOLATIONS_MAX 3
#define MINUTE         60

struct frame_type {
	const char *type;
	int (*fn)(struct conn *, json_t *, struct json_report *);
	bool uncounted; /* not counted by the rate limit */
	bool early;     /* allowed before hello */
};

/* --- who --- */

/* asked: its session was checked just now. Otherwise it has to be the one that the connection was checked, and ends, with. */
static int
take_claims(struct conn *c, const struct token_claims *claims, bool asked)
{
	if (c->user_id && c->user_id != claims->user_id) {
		conn_close(c, WS_FORBIDDEN, "another user");
		return FORBIDDEN;
	}
	if (c->user_id && !asked && !str_eq(conn_session(c), claims->session_id)) {
		conn_close(c, WS_FORBIDDEN, "another session");
		return FORBIDDEN;
	}
	c->user_id = claims->user_id;
	c->expires_at = claims->expires_at + TOKEN_LEEWAY_SECONDS; /* the same grace as everywhere */
	memcpy(c->session_id, claims->session_id.p, SESSION_CHARS);
	conn_wake(c);
	return 0;
}

static int
refuse_token(struct conn *c, int r)
{
	err_clear();
	if (r == UNAVAILABLE && c->user_id)
		conn_error(c, UNAVAILABLE, -1, "The token cannot be checked just now; send it again.", -1);
	else if (r == UNAVAILABLE)
		conn_close(c, WS_OVERLOAD, "try again");
	else if (r == FORBIDDEN)
		conn_close(c, WS_FORBIDDEN, "not for sockets");
	else
		conn_close(c, WS_BAD_TOKEN, r == TOKEN_EXPIRED ? "token expired" : "bad token");
	return r;
}

static void greet_held(struct conn *, const char *hello);

static void
on_vouched(struct conn *c, int r, const struct token_claims *claims, const char *hello)
{
	if (r)
		refuse_token(c, r);
	else if (!take_claims(c, claims, true) && hello)
		greet_held(c, hello);
}

/* 0: the token is good, or somebody is asked whether it is (vouch_asking); otherwise the connection is being closed. */
static int
authenticate(struct conn *c, struct str token)
{
	int64_t now = clock_wall_us() / 1000000;
	struct token_claims claims = { 0 };
	int r;

	if (vouch_asking(c))
		return 0; /* one at a time */
	r = token_verify(push.keys, push.arena, token, now, &claims);
	if (!r && claims.session_id.n == SESSION_CHARS)
		return take_claims(c, &claims, false);
	if (r != UNAUTHENTICATED || !vouch_foreign(push.arena, token))
		return refuse_token(c, r ? r : UNAUTHENTICATED);
	if (vouch_known(token, now, &claims) && (!c->user_id || str_eq(conn_session(c), claims.session_id)))
		return take_claims(c, &claims, false);
	vouch_ask(c, token, on_vouched);
	return 0;
}

bool
client_authenticate(struct conn *c, struct str token)
{
	arena_reset(push.arena);
	return !authenticate(c, token);
}

/* --- hello --- */

struct hello {
	struct str device_id, token, since;
	json_t *cursors;
};

static const struct field hello_fields[] = { STR_FIELD(struct hello, device_id, .min = 1, .max = 64, .required = 1),
	                                     STR_FIELD(struct hello, token, .max = TOKEN_MAX_BYTES),
	                                     STR_FIELD(struct hello, since, .max = 128, .nullable = 1),
	                                     JSON_FIELD(struct hello, cursors),
	                                     { 0 } };

struct cursor {
	struct opt_int seq, rev;
};

static const struct field cursor_fields[] = { INT_FIELD(struct cursor, seq, .max = INT64_MAX / 2, .required = 1),
	                                      INT_FIELD(struct cursor, rev, .max = INT64_MAX / 2, .required = 1),
	                                      { 0 } };

static int
write_cursors(struct json_out *w, json_t *cursors, struct json_report *report)
{
	const char *key;
	json_t *value;

	json_open_object(w, "cursors");
	json_object_foreach(cursors, key, value)
	{
		struct cursor in = { 0 };
		int64_t id;

		if (!str_id(str_c(key), &id) || !json_is_object(value) ||
		    json_fill(push.arena, value, cursor_fields, &in, "/cursors", report)) {
			report->path = STR("/cursors");
			report->message = "A cursor is {seq, rev} under the id of a conversation.";
			return INVALID;
		}
		json_open_object(w, key);
		json_int(w, "seq", in.seq.v);
		json_int(w, "rev", in.rev.v);
		json_close(w);
	}
	json_close(w);
	return 0;
}

/* The body of /feed/open; owned by the caller. */
static int
open_body(struct conn *c, const struct hello *in, struct json_report *report, char **ret)
{
	struct json_out w;
	int r;

	buf_clear(&push.text);
	json_begin(&w, &push.text);
	json_open_object(&w, NULL);
	json_id(&w, "user_id", c->user_id);
	json_str(&w, "session_id", conn_session(c));
	json_str(&w, "device_id", in->device_id);
	json_str(&w, "since", in->since);
	r = write_cursors(&w, in->cursors, report);
	if (r)
		return r;
	json_close(&w);
	json_end(&w);
	*ret = mem_cstr(buf_view(&push.text));
	return 0;
}

/* One device too many: the one that came first goes. */
static void
limit_devices(struct hub_channel *ch)
{
	struct conn *oldest = NULL;
	int64_t n = 0;

	HUB_EACH (ch, node) {
		if (conn_ended(node->listener))
			continue;
		oldest = node->listener;
		n++;
	}
	if (n <= push.conf->push_devices_per_user)
		return;
	conn_bye(oldest, "forced", 0);
	conn_close(oldest, WS_FORCED, "too many devices");
}

/* Who it is is known. */
static int
greet(struct conn *c, const struct hello *in, struct json_report *report)
{
	char *body = NULL;
	int r = open_body(c, in, report, &body);

	if (r)
		return r;
	conn_move(c, CONN_JOINING);
	limit_devices(hub_join(&push.hub, HUB_EVENTS, c->user_id, &c->node, c));
	replay_prepare(c, body);
	feed_join(c);
	return 0;
}

static int
hold_hello(struct conn *c, json_t *json)
{
	char *hello = json_dumps(json, JSON_COMPACT);

	if (hello && vouch_hold(c, hello))
		return 0;
	free(hello);
	return CONFLICT;
}

static void refused(struct conn *, int r, const struct json_report *);

static int
on_hello(struct conn *c, json_t *json, struct json_report *report)
{
	struct hello in = { 0 };
	int r;

	if (c->state != CONN_GREETING)
		return CONFLICT;
	r = json_fill(push.arena, json, hello_fields, &in, "", report);
	if (r)
		return r;
	if (in.cursors && !json_is_object(in.cursors)) {
		report->path = STR("/cursors");
		report->message = "Cursors are an object.";
		return INVALID;
	}
	if (str_present(in.token) && authenticate(c, in.token))
		return 0;
	if (vouch_asking(c))
		return hold_hello(c, json);
	if (!c->user_id) {
		conn_close(c, WS_BAD_TOKEN, "no token");
		return 0;
	}
	return greet(c, &in, report);
}

/* It was kept because it was whole. */
static void
greet_held(struct conn *c, const char *hello)
{
	struct json_report report = { 0 };
	struct hello in = { 0 };
	json_t *json;
	int r;

	r = json_parse(push.arena, str_c(hello), &json, &report);
	if (!r)
		r = json_fill(push.arena, json, hello_fields, &in, "", &report);
	if (!r)
		r = greet(c, &in, &report);
	if (r)
		refused(c, r, &report);
}

/* --- the small ones --- */

struct ack {
	struct opt_int count;
};

static const struct field ack_fields[] = { INT_FIELD(struct ack, count, .max = INT64_MAX, .required = 1), { 0 } };

static int
on_ack(struct conn *c, json_t *json, struct json_report *report)
{
	struct ack in = { 0 };
	int r = json_fill(push.arena, json, ack_fields, &in, "", report);

	if (!r && delivery_ack(c, in.count.v)) {
		report->path = STR("/count");
		report->message = "More than was sent.";
		return INVALID;
	}
	return r;
}

struct sync {
	int64_t conversation_id;
	struct opt_int seq, rev;
};

static const struct field sync_fields[] = { ID_FIELD(struct sync, conversation_id, .required = 1),
	                                    INT_FIELD(struct sync, seq, .max = INT64_MAX / 4, .required = 1),
	                                    INT_FIELD(struct sync, rev, .max = INT64_MAX / 4, .required = 1),
	                                    { 0 } };

static int
on_sync(struct conn *c, json_t *json, struct json_report *report)
{
	struct sync in = { 0 };
	int r = json_fill(push.arena, json, sync_fields, &in, "", report);

	if (!r)
		replay_sync(c, in.conversation_id, in.seq.v + in.rev.v);
	return r;
}

struct receipt {
	struct str message_id;
};

static const struct field receipt_fields[] = { STR_FIELD(struct receipt, message_id, .max = 40, .required = 1), { 0 } };

static int
on_read_receipt(struct conn *c, json_t *json, struct json_report *report)
{
	struct receipt in = { 0 };
	int64_t conversation_id, seq;
	struct str rest;
	int r = json_fill(push.arena, json, receipt_fields, &in, "", report);

	if (r)
		return r;
	rest = in.message_id;
	if (!str_id(str_cut(&rest, '.'), &conversation_id) || !str_id(rest, &seq)) {
		report->path = STR("/message_id");
		report->message = "This is not the id of a message.";
		return INVALID;
	}
	return calls_read(c, conversation_id, seq);
}

struct typing {
	int64_t conversation_id;
	struct opt_bool is_typing;
	struct str kind;
};

static const char *const typing_kinds[] = { "text", "audio", NULL };
static const struct field typing_fields[] = { ID_FIELD(struct typing, conversation_id, .required = 1),
	                                      BOOL_FIELD(struct typing, is_typing, .required = 1),
	                                      ENUM_FIELD(struct typing, kind, .words = typing_kinds),
	                                      { 0 } };

/* Nobody misses it: a full line is no error. */
static int
on_typing(struct conn *c, json_t *json, struct json_report *report)
{
	struct typing in = { 0 };
	int r = json_fill(push.arena, json, typing_fields, &in, "", report);

	if (!r)
		calls_typing(c, in.conversation_id, in.is_typing.v, in.kind);
	return r;
}

struct signal_frame {
	struct opt_int id; /* its answer bears it */
	int64_t conversation_id, to;
	struct str call_id, kind;
	json_t *payload;
};

static const struct field signal_fields[] = { INT_FIELD(struct signal_frame, id, .max = INT64_MAX),
	                                      ID_FIELD(struct signal_frame, conversation_id, .required = 1),
	                                      ID_FIELD(struct signal_frame, to),
	                                      STR_FIELD(struct signal_frame, call_id, .required = 1),
	                                      STR_FIELD(struct signal_frame, kind, .required = 1),
	                                      JSON_FIELD(struct signal_frame, payload, .required = 1),
	                                      { 0 } };

/* Passed on as it came: the workers judge it, and say who hears it. */
static int
on_signal(struct conn *c, json_t *json, struct json_report *report)
{
	struct signal_frame in = { 0 };
	int r = json_fill(push.arena, json, signal_fields, &in, "", report);

	if (r)
		return r;
	metrics.signals++;
	r = calls_signal(c, in.id.set ? in.id.v : -1, in.conversation_id, json);
	if (r && in.id.set) {
		conn_error(c, r, in.id.v, NULL, -1);
		return 0;
	}
	return r;
}

struct presence_change {
	json_t *add, *remove;
};

static const struct field presence_fields[] = { JSON_FIELD(struct presence_change, add),
	                                        JSON_FIELD(struct presence_change, remove),
	                                        { 0 } };

static int
read_ids(json_t *json, const char *path, int64_t **ret, size_t *ret_n, struct json_report *report)
{
	size_t n = json_array_size(json);

	*ret = arena_alloc_array(push.arena, n + 1, sizeof(**ret));
	*ret_n = n;
	report->path = str_c(path);
	report->message = "An array of user ids.";
	if (json && !json_is_array(json))
		return INVALID;
	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_array_get(json, i));

		if (!text || !str_id(str_c(text), &(*ret)[i]))
			return INVALID;
	}
	return 0;
}

static int
on_presence_watch(struct conn *c, json_t *json, struct json_report *report)
{
	struct presence_change in = { 0 };
	int64_t *add, *remove;
	size_t add_n, remove_n;
	int r = json_fill(push.arena, json, presence_fields, &in, "", report);

	if (!r)
		r = read_ids(in.remove, "/remove", &remove, &remove_n, report);
	if (!r)
		r = read_ids(in.add, "/add", &add, &add_n, report);
	if (r)
		return r;
	for (size_t i = 0; i < remove_n; i++)
		presence_unwatch(c, remove[i]);
	report->message = "Too many people to watch.";
	return add_n ? presence_watch(c, add, add_n) : 0;
}

#define KEY_MOST 256 /* code points: the workers know better what a key is */

struct request {
	struct opt_int id;
	struct str method, path, idempotency_key;
	json_t *body;
};

static const struct field request_fields[] = { INT_FIELD(struct request, id, .max = INT64_MAX, .required = 1),
	                                       STR_FIELD(struct request, method, .required = 1),
	                                       STR_FIELD(struct request, path, .max = 4096, .required = 1),
	                                       STR_FIELD(struct request, idempotency_key, .min = 1, .max = KEY_MOST),
	                                       JSON_FIELD(struct request, body, .nullable = 1),
	                                       { 0 } };

static int
on_request(struct conn *c, json_t *json, struct json_report *report)
{
	struct request in = { 0 };
	int r = json_fill(push.arena, json, request_fields, &in, "", report);

	if (r)
		return r;
	if (in.body && !json_is_object(in.body) && !json_is_null(in.body))
		r = INVALID;
	else
		r = calls_request(c, &(struct call_request){ .id = in.id.v,
		                                             .method = in.method,
		                                             .path = in.path,
		                                             .key = in.idempotency_key,
		                                             .body = in.body });
	if (r)
		conn_error(c, r, in.id.v,
		           r == INVALID     ? "Method, path or body is not one of the REST contract's."
		           : r == FORBIDDEN ? "Signing in and uploading go over HTTP."
		                            : NULL,
		           -1);
	return 0;
}

static int
on_active(struct conn *c, json_t *json, struct json_report *report)
{
	(void)json;
	(void)report;
	presence_active(c->node.channel);
	return 0;
}

struct auth {
	struct str token;
};

static const struct field auth_fields[] = { STR_FIELD(struct auth, token, .max = TOKEN_MAX_BYTES, .required = 1), { 0 } };

static int
on_auth(struct conn *c, json_t *json, struct json_report *report)
{
	struct auth in = { 0 };
	int r = json_fill(push.arena, json, auth_fields, &in, "", report);

	if (!r)
		authenticate(c, in.token); /* a refusal closes by itself */
	return r;
}

static int
on_ping(struct conn *c, json_t *json, struct json_report *report)
{
	(void)json;
	(void)report;
	conn_send_text(c, STR("{\"type\":\"pong\"}"));
	return 0;
}

static const struct frame_type types[] = {
	{ .type = "ack", .fn = on_ack, .uncounted = true },
	{ .type = "active", .fn = on_active },
	{ .type = "auth", .fn = on_auth, .uncounted = true },
	{ .type = "hello", .fn = on_hello, .early = true },
	{ .type = "ping", .fn = on_ping, .uncounted = true, .early = true },
	{ .type = "presence_watch", .fn = on_presence_watch },
	{ .type = "read_receipt", .fn = on_read_receipt },
	{ .type = "request", .fn = on_request },
	{ .type = "signal", .fn = on_signal },
	{ .type = "sync", .fn = on_sync },
	{ .type = "typing", .fn = on_typing },
};

/* --- all of them --- */

/* A window of a minute per connection; true: this frame is over the limit. What repeats that is closed. */
static bool
over_rate(struct conn *c, int64_t id)
{
	uint32_t now = push_seconds();

	if (!c->rate_from_s || now - c->rate_from_s >= MINUTE) {
		c->rate_from_s = now;
		c->rate_n = c->rate_over = 0;
	}
	if (c->rate_n < push.conf->push_frames_per_minute) {
		c->rate_n++;
		return false;
	}
	conn_error(c, RATE_LIMITED, id, NULL, (int64_t)(c->rate_from_s + MINUTE - now) * 1000);
	if (++c->rate_over >= VIOLATIONS_MAX)
		conn_close(c, WS_RATE, "rate limit");
	return true;
}

static const struct frame_type *
find_type(const char *name)
{
	for (size_t i = 0; name && i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(types[i].type, name))
			return &types[i];
	return NULL;
}

static void
refused(struct conn *c, int r, const struct json_report *report)
{
	struct str message = STR_NONE;

	if (r < 0) {
		conn_close(c, WS_INTERNAL, "internal error");
		return;
	}
	if ((r == INVALID || r == BAD_JSON) && report->message)
		message = report->path.n ? arena_printf(push.arena, "%.*s: %s", STR_ARG(report->path), report->message)
		                         : str_c(report->message);
	conn_error(c, r, -1, message.n ? arena_cstr(push.arena, message) : NULL, -1);
}

void
client_frame(struct conn *c, struct str text)
{
	struct json_report report = { 0 };
	const struct frame_type *type;
	json_t *json, *id;
	int r;

	arena_reset(push.arena);
	r = json_parse(push.arena, text, &json, &report);
	type = r ? NULL : find_type(json_string_value(json_object_get(json, "type")));
	id = r ? NULL : json_object_get(json, "id");
	if (!(type && type->uncounted) && over_rate(c, id && json_is_integer(id) ? json_integer_value(id) : -1))
		return;
	if (!r && !type) {
		report.message = "There is no such frame.";
		r = INVALID;
	} else if (!r && c->state == CONN_GREETING && !type->early) {
		report.message = "Say hello first.";
		r = INVALID;
	} else if (!r) {
		r = type->fn(c, json, &report);
	}
	if (r)
		refused(c, r, &report);
}
