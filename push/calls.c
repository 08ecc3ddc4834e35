/* calls.c -- questions of one connection at the command door, 8 at a time. */
#include "calls.h"

#include <stdio.h>

#include "base/json_in.h"
#include "base/json_out.h"
#include "mem.h"
#include "push.h"

#define OPEN_MAX    8
#define WAITING_MAX 32
#define ASK_MS      10000

/* What must be heard in the order in which it was said: one of each at a time. */
enum lane { LANE_NONE, LANE_SIGNAL, LANE_TYPING, LANE_N };

struct call {
	struct call *next;
	enum lane lane;
	struct conn *conn; /* referenced */
	int64_t id;        /* -1: the client gave none, and hears of errors only */
	const char *method;
	char *uri, *body, *key; /* body NULL: none; likewise key */
};

struct calls {
	size_t open, waiting;
	bool busy[LANE_N];
	struct call *first, **last;
};

static void start_next(struct conn *);

static void
call_free(struct call *call)
{
	free(call->uri);
	free(call->body);
	free(call->key);
	free(call);
}

void
calls_free(struct conn *c)
{
	struct call *call;

	while (c->calls && (call = c->calls->first)) {
		c->calls->first = call->next;
		call_free(call);
	}
	free(c->calls);
	c->calls = NULL;
}

/* --- answers --- */

static bool
is_json(struct str content_type)
{
	struct str type = str_trim(str_cut(&content_type, ';'));

	return str_eq(type, STR("application/json")) || str_eq(type, STR("application/problem+json"));
}

static void
respond(struct conn *c, int64_t id, const struct cgi_answer *a)
{
	struct str body = str_trim(a->body);
	struct json_out w;

	if (body.n && !is_json(a->content_type)) {
		conn_error(c, UNSUPPORTED_MEDIA_TYPE, id, "The answer is not JSON; ask over HTTP.", -1);
		return;
	}
	buf_clear(&push.text);
	json_begin(&w, &push.text);
	json_open_object(&w, NULL);
	json_cstr(&w, "type", "response");
	json_int(&w, "id", id);
	json_int(&w, "status", a->status);
	if (body.n)
		json_raw(&w, "body", body);
	else
		json_put_null(&w, "body");
	json_close(&w);
	json_end(&w);
	if (buf_failed(&push.text))
		conn_error(c, TOO_LARGE, id, "The answer is too large for the socket; ask over HTTP.", -1);
	else
		conn_send_text(c, buf_view(&push.text));
}

struct problem {
	struct str code, detail, title;
	struct opt_int retry_after_ms;
};

static const struct field problem_fields[] = { STR_FIELD(struct problem, code, .required = 1),
	                                       STR_FIELD(struct problem, detail),
	                                       STR_FIELD(struct problem, title),
	                                       INT_FIELD(struct problem, retry_after_ms),
	                                       { 0 } };

/* An error of a frame that has no answer of its own: problem+json becomes an error frame. */
static void
complain(struct conn *c, const struct cgi_answer *a)
{
	struct json_report report = { 0 };
	struct problem in = { 0 };
	struct json_out w;
	json_t *json;

	arena_reset(push.arena);
	if (json_parse(push.arena, a->body, &json, &report) ||
	    json_fill(push.arena, json, problem_fields, &in, "", &report)) {
		conn_error(c, INTERNAL, -1, NULL, -1);
		return;
	}
	buf_clear(&push.text);
	json_begin(&w, &push.text);
	json_open_object(&w, NULL);
	json_cstr(&w, "type", "error");
	json_str(&w, "code", in.code);
	json_str(&w, "message", str_present(in.detail) ? in.detail : str_present(in.title) ? in.title : STR("Refused."));
	if (in.retry_after_ms.v > 0)
		json_int(&w, "retry_after_ms", in.retry_after_ms.v);
	json_close(&w);
	json_end(&w);
	conn_send_text(c, buf_view(&push.text));
}

static void
on_answer(void *arg, const struct cgi_answer *a)
{
	struct call *call = arg;
	struct conn *c = call->conn;

	if (!conn_ended(c)) {
		c->calls->open--;
		c->calls->busy[call->lane] = false;
		if (!a)
			conn_error(c, UNAVAILABLE, call->id, NULL, -1);
		else if (call->id >= 0)
			respond(c, call->id, a);
		else if (a->status >= 400)
			complain(c, a);
		start_next(c);
	}
	call_free(call);
	conn_unref(c);
}

/* --- asking --- */

static void
start(struct conn *c, struct call *call)
{
	char address[ADDRESS_MAX];
	struct door_question q = { .method = call->method,
		                   .uri = str_c(call->uri),
		                   .body = str_c(call->body),
		                   .key = str_c(call->key),
		                   .user_id = c->user_id,
		                   .session_id = conn_session(c),
		                   .address = conn_address(c, address),
		                   .timeout_ms = ASK_MS };

	c->calls->open++;
	c->calls->busy[call->lane] = call->lane != LANE_NONE;
	conn_ref(c);
	if (!door_ask(push.command, &q, on_answer, call))
		return;
	c->calls->open--;
	c->calls->busy[call->lane] = false;
	conn_error(c, OVERLOADED, call->id, NULL, -1);
	call_free(call);
	conn_unref(c);
}

/* Takes out the first one that need not wait for another; NULL: none. */
static struct call *
take_next(struct calls *calls)
{
	struct call **at = &calls->first, *call;

	while ((call = *at) && calls->busy[call->lane])
		at = &call->next;
	if (!call)
		return NULL;
	*at = call->next;
	if (!*at)
		calls->last = at;
	calls->waiting--;
	return call;
}

static void
start_next(struct conn *c)
{
	struct calls *calls = c->calls;
	struct call *call;

	while (calls->open < OPEN_MAX && (call = take_next(calls)))
		start(c, call);
	if (!calls->open && !calls->first)
		calls_free(c);
}

static int
add(struct conn *c, enum lane lane, int64_t id, const char *method, char *uri, char *body, char *key)
{
	struct call *call = mem_zeroed(sizeof(*call));

	*call = (struct call){ .conn = c, .lane = lane, .id = id, .method = method, .uri = uri, .body = body, .key = key };
	if (!c->calls) {
		c->calls = mem_zeroed(sizeof(*c->calls));
		c->calls->last = &c->calls->first;
	}
	if (c->calls->waiting >= WAITING_MAX) {
		call_free(call);
		return OVERLOADED;
	}
	*c->calls->last = call;
	c->calls->last = &call->next;
	c->calls->waiting++;
	start_next(c);
	return 0;
}

static bool
clean(struct str s, const char *refused)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || strchr(refused, s.p[i]))
			return false;
	return true;
}

static bool
below(struct str path, struct str folder)
{
	return str_has_prefix(path, folder) && (path.n == folder.n || path.p[folder.n] == '/');
}

int
calls_path(struct str path)
{
	struct str rest = path, head = str_cut(&rest, '?');

	if (!str_has_prefix(head, STR("/api/v1/")) || !clean(head, "%\\#") || (rest.n && !clean(rest, "#")))
		return INVALID;
	if (memmem(head.p, head.n, "..", 2) || memmem(head.p, head.n, "//", 2))
		return INVALID;
	if (below(head, STR("/api/v1/auth")) || below(head, STR("/api/v1/uploads")) ||
	    str_has_prefix(head, STR("/api/v1/messages/upload-")))
		return FORBIDDEN;
	return 0;
}

static const char *
method_of(struct str name)
{
	static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (str_eq(name, str_c(methods[i])))
			return methods[i];
	return NULL;
}

int
calls_request(struct conn *c, const struct call_request *in)
{
	const char *known = method_of(in->method);
	int r = known ? calls_path(in->path) : INVALID;

	if (r)
		return r;
	return add(c, LANE_NONE, in->id, known, mem_cstr(in->path),
	           in->body && !json_is_null(in->body) ? mem_need(json_dumps(in->body, JSON_COMPACT)) : NULL,
	           str_present(in->key) ? mem_cstr(in->key) : NULL);
}

static char *
uri_of(int64_t conversation_id, const char *what)
{
	char uri[80];

	snprintf(uri, sizeof(uri), "/api/v1/conversations/%lld/%s", (long long)conversation_id, what);
	return mem_cstr(str_c(uri));
}

int
calls_typing(struct conn *c, int64_t conversation_id, bool is_typing, struct str kind)
{
	char body[64];

	snprintf(body, sizeof(body), "{\"is_typing\":%s,\"kind\":\"%.*s\"}", is_typing ? "true" : "false",
	         STR_ARG(str_present(kind) ? kind : STR("text")));
	return add(c, LANE_TYPING, -1, "POST", uri_of(conversation_id, "typing"), mem_cstr(str_c(body)), NULL);
}

int
calls_signal(struct conn *c, int64_t id, int64_t conversation_id, const json_t *body)
{
	return add(c, LANE_SIGNAL, id, "POST", uri_of(conversation_id, "signals"), mem_need(json_dumps(body, JSON_COMPACT)),
	           NULL);
}

int
calls_read(struct conn *c, int64_t conversation_id, int64_t seq)
{
	char body[48];

	snprintf(body, sizeof(body), "{\"seq\":%lld}", (long long)seq);
	return add(c, LANE_NONE, -1, "PATCH", uri_of(conversation_id, "read"), mem_cstr(str_c(body)), NULL);
}
