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
#include "wire/presence.h"

#define ASK_MS 10000

/*
 * First the channel is heard, then the workers are asked: a block that comes in between is heard, and ends the watch; one that
 * came before is in the answer.
 */
struct watch {
	struct hub_node node; /* first: on p:<user> */
	struct watch *next;
	uint64_t look;    /* the first that asks about it: what earlier ones bring is not about this watch */
	uint32_t asked_s; /* push_seconds() */
	bool allowed;     /* the workers have said so */
};

/* Telling one connection (or every watcher) how some people are: waits for their channels, then asks the workers, then Redis. */
struct look {
	struct look *next;
	uint64_t number;
	struct conn *conn; /* referenced; NULL: every watcher */
	int64_t *ids;
	int64_t *last_seen; /* microseconds; 0: unknown */
	long long *subscribers;
	size_t n;
	bool again; /* only whether they still may */
};

static struct look *looks; /* those that wait for Redis to confirm */

/* --- frames --- */

static void
write_frame(int64_t user_id, enum presence_status status, int64_t last_seen_us)
{
	const struct presence p = { user_id, status, last_seen_us };

	buf_clear(&push.text);
	frame_presence(&push.text, &p, clock_wall_us());
}

static void
announce(int64_t user_id, enum presence_status status, int64_t last_seen_us)
{
	write_frame(user_id, status, last_seen_us);
	feed_tell(user_id, buf_view(&push.text));
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
		announce(ch->user_id, PRESENCE_ONLINE, 0);
	ch->away = false;
}

static void
set_active(struct hub_channel *ch, redis_reply_fn fn)
{
	char key[PRESENCE_KEY_MAX], seconds[24];

	snprintf(seconds, sizeof(seconds), "%lld", (long long)push.conf->push_away_seconds);
	ch->active_until_ms = push_now() + push.conf->push_away_seconds * 1000;
	feed_command(REDIS_ARGV(STR("SET"), presence_active_key(ch->user_id, key), STR("1"), STR("EX"), str_c(seconds),
	                        STR("GET")),
	             fn, (void *)(intptr_t)ch->user_id);
}

void
presence_joined(struct hub_channel *ch)
{
	if (ch->online)
		return;
	ch->online = true;
	ch->away = false;
	set_active(ch, NULL);
	announce(ch->user_id, PRESENCE_ONLINE, 0);
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
		ch->away = false;
		ch->active_until_ms = push_now() + reply->integer;
		return;
	}
	if (!ch->away)
		announce(ch->user_id, PRESENCE_AWAY, 0);
	ch->away = true;
	/* somebody elsewhere may be back, which that process announces, and go without a word: looked at before that time is over */
	ch->active_until_ms = push_now() + push.conf->push_away_seconds * 500;
}

void
presence_sweep(struct hub_channel *ch)
{
	char key[PRESENCE_KEY_MAX];

	if (push_now() < ch->active_until_ms)
		return;
	feed_command(REDIS_ARGV(STR("PTTL"), presence_active_key(ch->user_id, key)), on_still_active,
	             (void *)(intptr_t)ch->user_id);
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
		announce(e->user_id, PRESENCE_OFFLINE, e->left_wall_us);
	}
	free(e);
}

void
presence_ended(int64_t user_id, int64_t left_wall_us)
{
	struct ended *e = mem_zeroed(sizeof(*e));
	char channel[PRESENCE_KEY_MAX];

	*e = (struct ended){ user_id, left_wall_us };
	feed_command(REDIS_ARGV(STR("PUBSUB"), STR("NUMSUB"), presence_channel(user_id, channel)), on_counted, e);
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

static struct watch *
watch_of(const struct conn *c, int64_t user_id)
{
	for (struct watch *w = c->watches; w; w = w->next)
		if (w->node.channel->user_id == user_id)
			return w;
	return NULL;
}

static void
tell(const struct watch *w, struct frame *f)
{
	struct conn *c = w->node.listener;

	if (w->allowed && (c->state == CONN_REPLAYING || c->state == CONN_LIVE))
		conn_send(c, frame_ref(f));
}

static void
tell_watchers(int64_t user_id, struct frame *f)
{
	struct hub_channel *ch = hub_find(&push.hub, HUB_PRESENCE, user_id);

	if (ch)
		HUB_EACH (ch, node)
			tell((const struct watch *)node, f);
}

static void
tell_one(const struct look *l, int64_t user_id)
{
	struct frame *f = frame_text(FRAME_EPHEMERAL, buf_view(&push.text));
	const struct watch *w = l->conn ? watch_of(l->conn, user_id) : NULL;

	if (w)
		tell(w, f);
	else if (!l->conn)
		tell_watchers(user_id, f);
	frame_unref(f);
}

static void
on_away(void *arg, const redisReply *reply)
{
	struct look *l = arg;

	for (size_t i = 0; reply && reply->type == REDIS_REPLY_ARRAY && i < l->n && i < reply->elements; i++) {
		bool active = reply->element[i]->type != REDIS_REPLY_NIL;

		write_frame(l->ids[i], presence_status_of(l->subscribers[i], active), l->last_seen[i]);
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
	char(*names)[PRESENCE_KEY_MAX] = mem_array(NULL, l->n, sizeof(*names));

	argv[0] = STR("PUBSUB");
	argv[1] = STR("NUMSUB");
	for (size_t i = 0; i < l->n; i++)
		argv[i + 2] = presence_channel(l->ids[i], names[i]);
	feed_command(l->n + 2, argv, on_numsub, l);
	argv[0] = STR("MGET");
	for (size_t i = 0; i < l->n; i++)
		argv[i + 1] = presence_active_key(l->ids[i], names[i]);
	feed_command(l->n + 1, argv, on_away, l);
	free(argv);
	free(names);
}

static void ask_workers(struct look *);

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
		if (l->conn)
			ask_workers(l);
		else
			ask_redis(l);
	}
}

static struct look *
look_new(struct conn *c, size_t n)
{
	static uint64_t number;
	struct look *l = mem_zeroed(sizeof(*l));

	l->number = ++number;
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
			announce(ch->user_id, ch->away ? PRESENCE_AWAY : PRESENCE_ONLINE, 0);
	}
	look_start(l);
}

/* --- watching --- */

static struct watch *
add_watch(struct conn *c, int64_t user_id, uint64_t look)
{
	struct watch *w = watch_of(c, user_id);

	if (w || c->watch_n >= push.conf->push_watch_max)
		return w;
	w = mem_zeroed(sizeof(*w));
	w->look = look;
	w->next = c->watches;
	c->watches = w;
	c->watch_n++;
	feed_hear(hub_join(&push.hub, HUB_PRESENCE, user_id, &w->node, c));
	return w;
}

static void
look_add(struct look *l, struct watch *w)
{
	w->asked_s = push_seconds();
	l->ids[l->n++] = w->node.channel->user_id;
}

int
presence_watch(struct conn *c, const int64_t *ids, size_t n)
{
	struct look *l;

	if (c->watch_n + n > (size_t)push.conf->push_watch_max)
		return INVALID;
	l = look_new(c, n);
	for (size_t i = 0; i < n; i++) {
		struct watch *w = add_watch(c, ids[i], l->number);

		if (w)
			look_add(l, w);
	}
	look_start(l);
	return 0;
}

/* Who left a conversation that two people shared is not announced: once in a while everybody's right to watch is looked at. */
void
presence_recheck(struct conn *c)
{
	struct look *l;

	if (!c->watches || push_seconds() - c->watches->asked_s < push.conf->push_watch_check_seconds)
		return;
	l = look_new(c, c->watch_n);
	l->again = true;
	for (struct watch *w = c->watches; w; w = w->next)
		look_add(l, w);
	look_start(l);
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

/* --- what the workers say --- */

struct watchable {
	json_t *allowed, *last_seen;
};

static const struct field watchable_fields[] = { JSON_FIELD(struct watchable, allowed, .required = 1),
	                                         JSON_FIELD(struct watchable, last_seen, .required = 1),
	                                         { 0 } };

static bool
lists(const json_t *ids, const char *id)
{
	for (size_t i = 0; i < json_array_size(ids); i++)
		if (!strcmp(json_string_value(json_array_get(ids, i)), id))
			return true;
	return false;
}

/* Of somebody who was shown before: the watcher is left with what says nothing. */
static void
refuse(struct conn *c, struct watch *w)
{
	int64_t user_id = w->node.channel->user_id;
	struct frame *f;

	write_frame(user_id, PRESENCE_OFFLINE, 0);
	f = frame_text(FRAME_EPHEMERAL, buf_view(&push.text));
	tell(w, f);
	frame_unref(f);
	presence_unwatch(c, user_id);
}

/* False: not to be shown, or watched no longer. */
static bool
take_one(struct look *l, size_t i, const struct watchable *in)
{
	struct watch *w = watch_of(l->conn, l->ids[i]);
	char id[PRESENCE_KEY_MAX];
	const char *seen;

	if (!w || w->look > l->number)
		return false;
	snprintf(id, sizeof(id), "%lld", (long long)l->ids[i]);
	if (!lists(in->allowed, id)) {
		refuse(l->conn, w);
		return false;
	}
	w->allowed = true;
	seen = json_string_value(json_object_get(in->last_seen, id));
	l->last_seen[i] = 0;
	if (seen)
		clock_rfc3339_parse(str_c(seen), &l->last_seen[i]);
	return true;
}

static void
take_watchable(struct look *l, const struct watchable *in)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (!take_one(l, i, in))
			continue;
		l->ids[n] = l->ids[i];
		l->last_seen[n++] = l->last_seen[i];
	}
	l->n = n;
	if (n && !l->again)
		ask_redis(l);
	else
		look_free(l);
}

/* Nothing is shown that nobody has allowed. Those who were allowed before stay so: the next time tells. */
static void
drop_unanswered(struct look *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct watch *w = watch_of(l->conn, l->ids[i]);

		if (w && w->look <= l->number && !w->allowed)
			presence_unwatch(l->conn, l->ids[i]);
	}
	if (!l->again)
		conn_error(l->conn, UNAVAILABLE, -1, "Presence is not known just now; watch again later.", -1);
	look_free(l);
}

static void
on_watchable(void *arg, const struct cgi_answer *a)
{
	struct look *l = arg;
	struct json_report report = { 0 };
	struct watchable in = { 0 };
	struct str rest, line;
	json_t *json;

	if (conn_ended(l->conn)) {
		look_free(l);
		return;
	}
	rest = a ? a->body : STR("");
	line = str_cut(&rest, '\n');
	arena_reset(push.arena);
	if (!a || a->status != 200 || json_parse(push.arena, line, &json, &report) ||
	    json_fill(push.arena, json, watchable_fields, &in, "", &report))
		drop_unanswered(l);
	else
		take_watchable(l, &in);
}

static void
ask_workers(struct look *l)
{
	struct door_question q = { .method = "POST", .uri = STR("/feed/watch"), .timeout_ms = ASK_MS };
	struct json_out w;

	buf_clear(&push.text);
	json_begin(&w, &push.text);
	json_open_object(&w, NULL);
	json_id(&w, "user_id", l->conn->user_id);
	json_open_array(&w, "ids");
	for (size_t i = 0; i < l->n; i++)
		json_id(&w, NULL, l->ids[i]);
	json_close(&w);
	json_close(&w);
	json_end(&w);
	q.body = buf_view(&push.text);
	if (door_ask(push.feed, &q, on_watchable, l))
		on_watchable(l, NULL);
}

/* --- what others say --- */

static bool
means(struct str recipients, int64_t user_id)
{
	int64_t id;

	if (!recipients.n)
		return true;
	while (str_present(recipients))
		if (str_id(str_cut(&recipients, ','), &id) && id == user_id)
			return true;
	return false;
}

static void
end_watching(const struct feed_header *h, struct frame *f)
{
	struct hub_channel *ch = hub_find(&push.hub, HUB_PRESENCE, h->id);

	if (!ch)
		return;
	HUB_EACH (ch, node) {
		struct conn *c = node->listener;

		if (!means(h->recipients, c->user_id))
			continue;
		tell((const struct watch *)node, f);
		presence_unwatch(c, h->id);
	}
}

void
presence_record(const struct feed_header *h)
{
	struct frame *f = frame_text(FRAME_EPHEMERAL, h->frame);

	if (h->kind == FEED_UNWATCH)
		end_watching(h, f);
	else
		tell_watchers(h->id, f);
	frame_unref(f);
}
