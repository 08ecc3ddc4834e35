/* presence.c -- announcing, watching, and looking up who is here. */
#include "presence.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "feed.h"
#include "mem.h"
#include "notes.h"
#include "push.h"

#define ACTIVE_SECONDS "300"
#define ACTIVE_MS      300000
#define ASK_MS         10000

enum status { OFFLINE, AWAY, ONLINE };

static const char *const status_names[] = { "offline", "away", "online" };

struct watch {
	struct hub_node node; /* on p:<user> */
	struct watch *next;
};

/* Telling one connection (or every watcher) how some people are: waits for their channels, then asks Redis. */
struct look {
	struct look *next;
	struct conn *conn; /* referenced; NULL: every watcher */
	int64_t *ids;
	int64_t *last_seen; /* microseconds; 0: unknown */
	long long *subscribers;
	size_t n;
};

static struct look *looks; /* those that wait for Redis to confirm */

/* --- frames --- */

static void
write_frame(struct buf *b, int64_t user_id, enum status status, int64_t last_seen_us)
{
	struct json_out w;

	buf_clear(b);
	json_begin(&w, b);
	json_open_object(&w, NULL);
	json_cstr(&w, "type", "presence");
	json_open_object(&w, "data");
	json_id(&w, "user_id", user_id);
	json_cstr(&w, "status", status_names[status]);
	json_time(&w, "last_seen_at", status == OFFLINE ? last_seen_us : 0);
	json_close(&w);
	json_time(&w, "timestamp", clock_wall_us());
	json_close(&w);
	json_end(&w);
}

static void
announce(int64_t user_id, enum status status, int64_t last_seen_us)
{
	write_frame(&push.text, user_id, status, last_seen_us);
	feed_tell(user_id, buf_view(&push.text));
}

static struct str
away_key(int64_t user_id, char out[40])
{
	return str_n(out, (size_t)snprintf(out, 40, "away:%lld", (long long)user_id));
}

/* --- our own people --- */

/* The key was missing before: whoever watches believes the person away. */
static void
on_active_set(void *arg, const redisReply *reply)
{
	struct hub_channel *ch = hub_find(&push.hub, HUB_EVENTS, (int64_t)(intptr_t)arg);

	bool was_away = reply && reply->type == REDIS_REPLY_NIL;

	if (!ch || !ch->n || !ch->online)
		return;
	if (was_away || ch->away)
		announce(ch->user_id, ONLINE, 0);
	ch->away = false;
}

static void
set_active(struct hub_channel *ch, redis_reply_fn fn)
{
	char key[40];

	ch->active_until_ms = push_now() + ACTIVE_MS;
	feed_command(
	        REDIS_ARGV(STR("SET"), away_key(ch->user_id, key), STR("1"), STR("EX"), STR(ACTIVE_SECONDS), STR("GET")), fn,
	        (void *)(intptr_t)ch->user_id);
}

void
presence_joined(struct hub_channel *ch)
{
	if (ch->online)
		return;
	ch->online = true;
	ch->away = false;
	set_active(ch, NULL);
	announce(ch->user_id, ONLINE, 0);
}

void
presence_active(struct hub_channel *ch)
{
	set_active(ch, on_active_set);
}

/* Another device, perhaps at another process, may have been active since. */
static void
on_still_active(void *arg, const redisReply *reply)
{
	struct hub_channel *ch = hub_find(&push.hub, HUB_EVENTS, (int64_t)(intptr_t)arg);

	if (!reply || reply->type != REDIS_REPLY_INTEGER || !ch || !ch->n || !ch->online)
		return;
	if (reply->integer > 0) {
		ch->active_until_ms = push_now() + reply->integer;
	} else if (!ch->away) {
		ch->away = true;
		announce(ch->user_id, AWAY, 0);
	}
}

void
presence_sweep(struct hub_channel *ch)
{
	char key[40];

	if (ch->away || push_now() < ch->active_until_ms)
		return;
	feed_command(REDIS_ARGV(STR("PTTL"), away_key(ch->user_id, key)), on_still_active, (void *)(intptr_t)ch->user_id);
}

struct ended {
	int64_t user_id, left_wall_us;
};

static void
on_counted(void *arg, const redisReply *reply)
{
	struct ended *e = arg;
	struct hub_channel *ch = hub_find(&push.hub, HUB_EVENTS, e->user_id);
	bool counted = reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
	               reply->element[1]->type == REDIS_REPLY_INTEGER;

	if (!(ch && ch->n) && !(counted && reply->element[1]->integer)) {
		notes_seen(e->user_id, e->left_wall_us);
		announce(e->user_id, OFFLINE, e->left_wall_us);
	}
	free(e);
}

void
presence_ended(int64_t user_id, int64_t left_wall_us)
{
	struct ended *e = mem_zeroed(sizeof(*e));
	char channel[32];
	int n = snprintf(channel, sizeof(channel), "u:%lld", (long long)user_id);

	*e = (struct ended){ user_id, left_wall_us };
	feed_command(REDIS_ARGV(STR("PUBSUB"), STR("NUMSUB"), str_n(channel, (size_t)n)), on_counted, e);
}

/* --- looking --- */

static void
look_free(struct look *l)
{
	if (l->conn)
		conn_unref(l->conn);
	free(l->ids);
	free(l->last_seen);
	free(l->subscribers);
	free(l);
}

static bool
watches(const struct conn *c, int64_t user_id)
{
	for (struct watch *w = c->watches; w; w = w->next)
		if (w->node.channel->user_id == user_id)
			return true;
	return false;
}

static void
tell_one(const struct look *l, int64_t user_id)
{
	struct hub_channel *ch;
	struct frame *f = frame_text(FRAME_EPHEMERAL, buf_view(&push.text));

	if (l->conn && !conn_ended(l->conn) && watches(l->conn, user_id))
		conn_send(l->conn, frame_ref(f));
	ch = l->conn ? NULL : hub_find(&push.hub, HUB_PRESENCE, user_id);
	if (ch)
		HUB_EACH (ch, node)
			conn_send(node->listener, frame_ref(f));
	frame_unref(f);
}

static void
on_away(void *arg, const redisReply *reply)
{
	struct look *l = arg;

	for (size_t i = 0; reply && reply->type == REDIS_REPLY_ARRAY && i < l->n && i < reply->elements; i++) {
		bool active = reply->element[i]->type != REDIS_REPLY_NIL;

		write_frame(&push.text, l->ids[i], !l->subscribers[i] ? OFFLINE : active ? ONLINE : AWAY, l->last_seen[i]);
		tell_one(l, l->ids[i]);
	}
	look_free(l);
}

static void
on_numsub(void *arg, const redisReply *reply)
{
	struct look *l = arg;

	for (size_t i = 0; reply && reply->type == REDIS_REPLY_ARRAY && i < l->n && 2 * i + 1 < reply->elements; i++)
		l->subscribers[i] = reply->element[2 * i + 1]->integer;
}

/* Both commands leave together and are answered in order; only the second answer ends the look. */
static void
ask_redis(struct look *l)
{
	struct str *argv = mem_array(NULL, l->n + 2, sizeof(*argv));
	char(*names)[40] = mem_array(NULL, l->n, sizeof(*names));

	argv[0] = STR("PUBSUB");
	argv[1] = STR("NUMSUB");
	for (size_t i = 0; i < l->n; i++)
		argv[i + 2] = str_n(names[i], (size_t)snprintf(names[i], 40, "u:%lld", (long long)l->ids[i]));
	feed_command(l->n + 2, argv, on_numsub, l);
	argv[0] = STR("MGET");
	for (size_t i = 0; i < l->n; i++)
		argv[i + 1] = away_key(l->ids[i], names[i]);
	feed_command(l->n + 1, argv, on_away, l);
	free(argv);
	free(names);
}

static bool
confirmed(const struct look *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct hub_channel *ch = hub_find(&push.hub, HUB_PRESENCE, l->ids[i]);

		if (ch && ch->heard != HEARD_YES)
			return false;
	}
	return true;
}

void
presence_heard(void)
{
	struct look **at = &looks, *l;

	while ((l = *at)) {
		if (feed_live() && !confirmed(l)) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		ask_redis(l);
	}
}

static struct look *
look_new(struct conn *c, size_t n)
{
	struct look *l = mem_zeroed(sizeof(*l));

	l->ids = mem_array(NULL, n + 1, sizeof(*l->ids));
	l->last_seen = mem_zeroed((n + 1) * sizeof(*l->last_seen));
	l->subscribers = mem_zeroed((n + 1) * sizeof(*l->subscribers));
	l->conn = c;
	if (c)
		conn_ref(c);
	return l;
}

static void
look_start(struct look *l)
{
	if (!l->n) {
		look_free(l);
		return;
	}
	l->next = looks;
	looks = l;
	presence_heard();
}

void
presence_again(void)
{
	struct look *l = look_new(NULL, push.hub.channels.n);

	for (struct table_slot *s = table_next(&push.hub.channels, NULL); s; s = table_next(&push.hub.channels, s)) {
		struct hub_channel *ch = s->p;

		if (ch->kind == HUB_PRESENCE)
			l->ids[l->n++] = ch->user_id;
		else if (ch->online && ch->n && !ch->away)
			set_active(ch, NULL);
		if (ch->kind == HUB_EVENTS && ch->online && ch->n)
			announce(ch->user_id, ch->away ? AWAY : ONLINE, 0);
	}
	look_start(l);
}

/* --- watching --- */

struct watchable {
	json_t *allowed, *last_seen;
};

static const struct field watchable_fields[] = { JSON_FIELD(struct watchable, allowed, .required = 1),
	                                         JSON_FIELD(struct watchable, last_seen, .required = 1),
	                                         { 0 } };

static bool
add_watch(struct conn *c, int64_t user_id)
{
	struct watch *w;

	if (watches(c, user_id) || c->watch_n >= push.conf->push_watch_max)
		return watches(c, user_id);
	w = mem_zeroed(sizeof(*w));
	w->next = c->watches;
	c->watches = w;
	c->watch_n++;
	feed_hear(hub_join(&push.hub, HUB_PRESENCE, user_id, &w->node, c));
	return true;
}

static void
take_allowed(struct conn *c, const struct watchable *in)
{
	struct look *l = look_new(c, json_array_size(in->allowed));

	for (size_t i = 0; i < json_array_size(in->allowed); i++) {
		const char *text = json_string_value(json_array_get(in->allowed, i));
		int64_t id;

		if (!text || !str_id(str_c(text), &id) || !add_watch(c, id))
			continue;
		if (json_object_get(in->last_seen, text))
			clock_rfc3339_parse(str_c(json_string_value(json_object_get(in->last_seen, text))),
			                    &l->last_seen[l->n]);
		l->ids[l->n++] = id;
	}
	look_start(l);
}

static void
on_watchable(void *arg, const struct cgi_answer *a)
{
	struct conn *c = arg;
	struct json_report report = { 0 };
	struct watchable in = { 0 };
	struct str rest, line;
	json_t *json;

	if (conn_ended(c)) {
		conn_unref(c);
		return;
	}
	rest = a ? a->body : STR("");
	line = str_cut(&rest, '\n');
	arena_reset(push.arena);
	if (!a || a->status != 200 || json_parse(push.arena, line, &json, &report) ||
	    json_fill(push.arena, json, watchable_fields, &in, "", &report))
		conn_error(c, UNAVAILABLE, -1, "Presence is not known just now; watch again later.", -1);
	else
		take_allowed(c, &in);
	conn_unref(c);
}

int
presence_watch(struct conn *c, const int64_t *ids, size_t n)
{
	struct door_question q = { .method = "POST", .uri = STR("/feed/watch"), .timeout_ms = ASK_MS };
	struct json_out w;

	if (c->watch_n + n > (size_t)push.conf->push_watch_max)
		return INVALID;
	buf_clear(&push.text);
	json_begin(&w, &push.text);
	json_open_object(&w, NULL);
	json_id(&w, "user_id", c->user_id);
	json_open_array(&w, "ids");
	for (size_t i = 0; i < n; i++)
		json_id(&w, NULL, ids[i]);
	json_close(&w);
	json_close(&w);
	json_end(&w);
	q.body = buf_view(&push.text);
	conn_ref(c);
	if (!door_ask(push.feed, &q, on_watchable, c))
		return 0;
	conn_unref(c);
	return OVERLOADED;
}

static void
end_watch(struct watch *w)
{
	feed_left(hub_leave(&w->node));
	free(w);
}

void
presence_unwatch(struct conn *c, int64_t user_id)
{
	for (struct watch **at = &c->watches, *w; (w = *at); at = &w->next) {
		if (w->node.channel->user_id != user_id)
			continue;
		*at = w->next;
		c->watch_n--;
		end_watch(w);
		return;
	}
}

void
presence_free(struct conn *c)
{
	struct watch *w;

	while ((w = c->watches)) {
		c->watches = w->next;
		end_watch(w);
	}
	c->watch_n = 0;
}
