/* ended.c -- closing the sockets of sessions that have ended. */
#include "ended.h"

#include <stdlib.h>

#include "base/json_in.h"
#include "base/json_out.h"
#include "base/log.h"
#include "conn.h"
#include "mem.h"
#include "push.h"

#define EVERY_MS 400 /* with a tick's and an answer's time well below a second */
#define ASK_MS   2000

static struct {
	char *since; /* where the next question goes on; NULL: none was answered yet */
	bool asking;
	int64_t due_ms;
} ended;

static void
end(struct conn *c)
{
	conn_bye(c, "forced", 0);
	conn_close(c, WS_FORCED, "signed out");
}

void
ended_record(const struct feed_header *h)
{
	struct hub_channel *ch = hub_find(&push.hub, HUB_EVENTS, h->id);

	if (!ch)
		return;
	HUB_EACH (ch, node) {
		struct conn *c = node->listener;

		if (!conn_ended(c) && feed_ended_means(h->frame, conn_session(c)))
			end(c);
	}
}

struct control {
	struct str since;
};

static const struct field control_fields[] = { STR_FIELD(struct control, since, .required = 1), { 0 } };

static bool
take_control(struct str line)
{
	struct json_report report = { 0 };
	struct control in = { 0 };
	json_t *json;

	arena_reset(push.arena);
	if (json_parse(push.arena, line, &json, &report) || json_fill(push.arena, json, control_fields, &in, "", &report))
		return false;
	free(ended.since);
	ended.since = mem_cstr(in.since);
	return true;
}

static void
take_records(struct str rest)
{
	while (rest.n) {
		struct str from = rest, text;
		struct feed_header h;

		str_cut(&rest, '\n');
		text = str_cut(&rest, '\n');
		if (!text.n || !feed_parse(str_n(from.p, (size_t)(text.p + text.n - from.p)), &h) || h.kind != FEED_ENDED) {
			LOG(ERROR, "bad_record", L_CSTR("from", "ended"));
			return;
		}
		ended_record(&h);
	}
}

/* Nobody answered: the same is asked again. */
static void
on_answer(void *arg, const struct cgi_answer *a)
{
	struct str rest;

	(void)arg;
	ended.asking = false;
	ended.due_ms = push_now() + EVERY_MS;
	if (!a || a->status != 200)
		return;
	rest = a->body;
	if (take_control(str_cut(&rest, '\n')))
		take_records(rest);
}

static void
ask(void)
{
	struct door_question q = { .method = "POST", .uri = STR("/feed/ended"), .timeout_ms = ASK_MS };
	struct json_out w;

	buf_clear(&push.text);
	json_begin(&w, &push.text);
	json_open_object(&w, NULL);
	json_cstr(&w, "since", ended.since);
	json_close(&w);
	json_end(&w);
	q.body = buf_view(&push.text);
	ended.asking = !door_ask(push.feed, &q, on_answer, NULL);
	ended.due_ms = push_now() + EVERY_MS;
}

void
ended_tick(int64_t now)
{
	if (!ended.asking && now >= ended.due_ms)
		ask();
}

void
ended_stop(void)
{
	free(ended.since);
	ended.since = NULL;
}
