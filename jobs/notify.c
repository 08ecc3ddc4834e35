/*
 * notify.c -- tells people who are not looking: follows the log, and hands what is due to peal-egress.
 *
 * Nothing is waited for: answers are looked for at each turn. What is on its way is remembered here alone, and noted when the answer is
 * there; whoever dies in between sends it again, and the push service, or the browser, has one notification of a conversation all the
 * same. While nobody has registered anything it costs one short statement a second, and none where neither way is configured.
 */
#include "notify.h"

#include <stdlib.h>

#include "../lib/base/fail.h"
#include "../lib/base/log.h"
#include "../lib/wire/presence.h"
#include "duty.h"

#define LOOK_US       MS(250)
#define EMPTY_US      SECONDS(1)
#define FLYING_US     MS(20)
#define EVENTS        500
#define FLIGHTS_MOST  256
#define BACKOFF_FIRST 5 /* seconds; doubled each time */
#define BACKOFF_MOST  3600
#define CLEAN_US      SECONDS(3600)
#define GRACE_MS      5000 /* peal-egress gives up first */
#define TOKEN_FLIGHT  UINT64_MAX
#define AWAY_SECONDS  2

struct flight {
	bool busy;
	uint64_t id;
	struct notify_done done;
	enum notify_channel channel;
	enum notify_action action;
	int64_t attempts, began, expires_at;
};

struct notifier {
	struct vapid *vapid;
	struct fcm *fcm;
	struct egress *egress;
	struct flight flights[FLIGHTS_MOST];
	size_t n, most;
	uint64_t ids;
	int64_t look_at, clean_at; /* monotonic */
	bool due;                  /* something was, when it was looked for last */
};

/* What one turn has to note. */
struct noted {
	struct notify_done list[2 * FLIGHTS_MOST];
	size_t n;
	int64_t counts[NOTIFY_GONE + 1];
};

static bool
say_why(const char *event, const char *file, const char *why)
{
	LOG(ERROR, event, L_CSTR("file", file), L_CSTR("error", why));
	return false;
}

bool
notify_open(struct work *w)
{
	const struct conf *conf = w->conf;
	struct notifier *n = calloc(1, sizeof(*n));
	const char *why = NULL;

	if (!n)
		abort();
	w->notify.state = n;
	n->most = conf->egress_concurrency < FLIGHTS_MOST ? (size_t)conf->egress_concurrency : FLIGHTS_MOST;
	if (*conf->vapid_key_file && !(n->vapid = vapid_load(conf->vapid_key_file, conf->vapid_subject, &why)))
		return say_why("vapid_key", conf->vapid_key_file, why);
	if (*conf->fcm_service_account_file && !(n->fcm = fcm_load(conf->fcm_service_account_file, &why)))
		return say_why("fcm_service_account", conf->fcm_service_account_file, why);
	n->egress = egress_new(w->notify.socket);
	return true;
}

void
notify_close(struct work *w)
{
	struct notifier *n = w->notify.state;

	if (!n)
		return;
	vapid_free(n->vapid);
	fcm_free(n->fcm);
	egress_free(n->egress);
	free(n);
	w->notify.state = NULL;
}

static void
note(struct noted *to, const struct notify_done *done)
{
	to->list[to->n++] = *done;
	to->counts[done->outcome]++;
}

/* Longer each time, and not all at the same moment. */
static int64_t
backoff(int64_t attempts, int64_t asked_for)
{
	int64_t seconds = attempts < 10 ? (int64_t)BACKOFF_FIRST << attempts : BACKOFF_MOST;

	seconds = seconds < BACKOFF_MOST ? seconds : BACKOFF_MOST;
	seconds += seconds * (clock_mono_us() % 256) / 1024;
	return seconds > asked_for ? seconds : asked_for;
}

static struct flight *
find_flight(struct notifier *n, uint64_t id)
{
	for (size_t i = 0; i < n->most; i++)
		if (n->flights[i].busy && n->flights[i].id == id)
			return &n->flights[i];
	return NULL;
}

static void
land(struct notifier *n, struct flight *f, enum notify_outcome outcome, int64_t wait, struct noted *to)
{
	f->done.outcome = outcome;
	f->done.again = outcome == NOTIFY_AGAIN ? backoff(f->attempts, wait) : outcome == NOTIFY_TOLD ? f->expires_at : 0;
	note(to, &f->done);
	f->busy = false;
	n->n--;
}

static void
take_answer(struct notifier *n, const struct egress_answer *a, struct noted *to)
{
	struct flight *f = find_flight(n, a->id);
	enum notify_outcome outcome;
	int64_t wait;

	if (!f)
		return;
	outcome = notify_judge(&(struct notify_due){ .target.channel = f->channel, .action = f->action }, a, &wait);
	if (f->channel == NOTIFY_FCM && a->status == 401)
		fcm_forget(n->fcm, clock_wall_us(), 0);
	if (outcome == NOTIFY_DROPPED || outcome == NOTIFY_AGAIN)
		LOG(WARNING, "notify", L_CSTR("way", f->channel == NOTIFY_FCM ? "fcm" : "web_push"),
		    L_INT("target", f->done.target_id), L_INT("status", a->status), L_INT("attempt", f->attempts + 1));
	land(n, f, outcome, wait, to);
}

/* Whatever peal-egress did with it: it is tried again. */
static void
take_losses(struct notifier *n, struct noted *to)
{
	int64_t long_ago = clock_mono_us() - SECONDS(60) - MS(GRACE_MS);
	bool lost = egress_lost(n->egress);

	if (lost && n->fcm)
		fcm_forget(n->fcm, clock_wall_us(), 0);
	for (size_t i = 0; i < n->most; i++)
		if (n->flights[i].busy && (lost || n->flights[i].began < long_ago))
			land(n, &n->flights[i], NOTIFY_AGAIN, AWAY_SECONDS, to);
}

static void
take_answers(struct work *w, struct noted *to)
{
	struct notifier *n = w->notify.state;
	struct egress_answer a;

	while (to->n < FLIGHTS_MOST && egress_next(n->egress, w->arena, &a)) {
		if (a.id == TOKEN_FLIGHT)
			fcm_answered(n->fcm, w->arena, &a, clock_wall_us());
		else
			take_answer(n, &a, to);
	}
	take_losses(n, to);
}

/* present[i]: somebody who is looking at a device of theirs right now. Nobody is, as far as is known, while Redis is away. */
static int
look_who_is_here(struct work *w, const struct notify_due *due, size_t n, bool *present)
{
	struct str *count = arena_alloc_array(w->arena, n + 2, sizeof(*count));
	struct str *active = arena_alloc_array(w->arena, n + 1, sizeof(*active));
	char(*names)[2][PRESENCE_KEY_MAX] = arena_alloc_array(w->arena, n + 1, sizeof(*names));
	const struct redis_call calls[] = { { n + 2, count }, { n + 1, active } };
	redisReply *replies[2];
	int r;

	count[0] = STR("PUBSUB");
	count[1] = STR("NUMSUB");
	active[0] = STR("MGET");
	for (size_t i = 0; i < n; i++) {
		count[i + 2] = presence_channel(due[i].user_id, names[i][0]);
		active[i + 1] = presence_active_key(due[i].user_id, names[i][1]);
	}
	r = redis_pipeline(w->redis, w->arena, calls, 2, replies);
	if (r)
		return r;
	for (size_t i = 0; i < n && replies[1]->elements == n; i++)
		for (size_t k = 0; k + 1 < replies[0]->elements; k += 2)
			if (str_eq(str_n(replies[0]->element[k]->str, replies[0]->element[k]->len), count[i + 2]))
				present[i] = presence_status_of(replies[0]->element[k + 1]->integer,
				                                replies[1]->element[i]->type != REDIS_REPLY_NIL) ==
				             PRESENCE_ONLINE;
	return 0;
}

static bool
flying(const struct notifier *n, const struct notify_due *d)
{
	for (size_t i = 0; i < n->most; i++)
		if (n->flights[i].busy && n->flights[i].done.target_id == d->target_id &&
		    n->flights[i].done.conversation_id == d->conversation_id)
			return true;
	return false;
}

enum fate { FATE_SEND, FATE_WAIT /* it stays due */, FATE_NOTE /* nothing is sent: *ret */ };

static enum fate
make_web_push(struct work *w, struct notify_due *d, struct egress_ask *ask, enum notify_outcome *ret)
{
	struct notifier *n = w->notify.state;

	*ret = NOTIFY_DROPPED;
	if (!n->vapid || !str_eq(d->target.key_id, vapid_public(n->vapid)))
		return FATE_NOTE;
	*ret = NOTIFY_GONE;
	return web_push_ask(w->arena, n->vapid, w->conf, d, clock_wall_us(), ask) ? FATE_SEND : FATE_NOTE;
}

static enum fate
make_fcm(struct work *w, struct notify_due *d, struct egress_ask *ask, enum notify_outcome *ret)
{
	struct notifier *n = w->notify.state;
	int64_t now = clock_wall_us();

	*ret = NOTIFY_DROPPED;
	if (!n->fcm)
		return FATE_NOTE;
	switch (fcm_state(n->fcm, w->arena, now, ask)) {
	case FCM_READY:
		fcm_ask(n->fcm, w->arena, w->conf, d, now, ask);
		return FATE_SEND;
	case FCM_ASK:
		ask->id = TOKEN_FLIGHT;
		ask->timeout_ms = w->conf->egress_timeout_ms;
		egress_send(n->egress, ask);
		break;
	case FCM_LATER: /* out of the way of those that can go */
		*ret = NOTIFY_AGAIN;
		return FATE_NOTE;
	case FCM_WAIT:
		break;
	}
	return FATE_WAIT;
}

static void
take_off(struct work *w, struct notify_due *d, struct egress_ask *ask)
{
	struct notifier *n = w->notify.state;
	size_t i = 0;

	while (n->flights[i].busy)
		i++;
	n->flights[i] = (struct flight){ .busy = true,
		                         .id = ++n->ids,
		                         .done = { .target_id = d->target_id,
		                                   .conversation_id = d->conversation_id,
		                                   .version = d->version,
		                                   .seq = d->seq },
		                         .channel = d->target.channel,
		                         .action = d->action,
		                         .attempts = d->attempts,
		                         .began = clock_mono_us(),
		                         .expires_at = d->expires_at };
	n->n++;
	ask->id = n->ids;
	ask->timeout_ms = w->conf->egress_timeout_ms;
	egress_send(n->egress, ask);
}

static void
send_one(struct work *w, struct notify_due *d, bool present, struct noted *to)
{
	struct notify_done done = { d->target_id, d->conversation_id, d->version, NOTIFY_DROPPED, 0, 0 };
	struct egress_ask ask = { 0 };

	if (d->action == NOTIFY_NOTHING || (d->action == NOTIFY_MESSAGE && present)) {
		note(to, &done);
		return;
	}
	switch ((d->target.channel == NOTIFY_FCM ? make_fcm : make_web_push)(w, d, &ask, &done.outcome)) {
	case FATE_SEND:
		take_off(w, d, &ask);
		break;
	case FATE_NOTE:
		done.again = done.outcome == NOTIFY_AGAIN ? backoff(d->attempts, 0) : 0;
		note(to, &done);
		break;
	case FATE_WAIT:
		break;
	}
}

static int
send_due(struct work *w, struct noted *to)
{
	struct notifier *n = w->notify.state;
	size_t room = n->most - n->n, found, sent = 0;
	struct notify_due *due;
	bool *present;
	int r = room ? egress_connect(n->egress) : 0;

	if (r || !room)
		return r;
	r = notify_due(w->db, w->arena, (int64_t)n->most, w->conf->notify_ttl_seconds, &due, &found);
	if (r)
		return trace(r);
	n->due = found == n->most;
	present = arena_alloc_array(w->arena, found + 1, sizeof(*present));
	r = found ? look_who_is_here(w, due, found, present) : 0;
	if (r < 0)
		log_fault("notify_presence", r, (const struct log_field[]){ { 0 } });
	for (size_t i = 0; i < found && sent < room; i++) {
		if (flying(n, &due[i]))
			continue;
		send_one(w, &due[i], present[i], to);
		sent++;
	}
	return 0;
}

/* Old ones go; hours may pass before somebody looks whether the key is another one, but nothing is sent to those in between. */
static int
clean(struct work *w)
{
	struct notifier *n = w->notify.state;
	int64_t removed;
	int r = notify_clean(w->db, w->arena, n->vapid ? vapid_public(n->vapid) : STR_NONE, &removed);

	if (r)
		return trace(r);
	if (removed)
		LOG(NOTICE, "notify_targets_removed", L_INT("n", removed));
	n->clean_at = clock_mono_us() + CLEAN_US;
	return 0;
}

static int
look(struct work *w, struct noted *to)
{
	struct notifier *n = w->notify.state;
	struct notify_news news;
	int r;

	if (n->look_at > clock_mono_us() && !n->due)
		return 0;
	r = n->clean_at <= clock_mono_us() ? clean(w) : 0;
	if (!r)
		r = notify_follow(w->db, w->arena, EVENTS, w->conf->notify_ttl_seconds, &news);
	if (r)
		return trace(r);
	n->look_at = clock_mono_us() + (news.more ? 0 : news.any ? LOOK_US : EMPTY_US);
	n->due = false;
	return news.next_us <= 0 ? send_due(w, to) : 0;
}

static int
write_down(struct work *w, const struct noted *done)
{
	const int64_t *c = done->counts;
	int r;

	if (!done->n)
		return 0;
	FAILPOINT("jobs.before_notified");
	r = notify_done(w->db, w->arena, done->list, done->n);
	if (!r && c[NOTIFY_TOLD] + c[NOTIFY_CLEARED] + c[NOTIFY_AGAIN] + c[NOTIFY_GONE])
		LOG(INFO, "notified", L_INT("told", c[NOTIFY_TOLD]), L_INT("cleared", c[NOTIFY_CLEARED]),
		    L_INT("again", c[NOTIFY_AGAIN]), L_INT("gone", c[NOTIFY_GONE]), L_INT("dropped", c[NOTIFY_DROPPED]));
	return r ? trace(r) : 0;
}

int
notify_duty(struct work *w, int64_t *wait)
{
	struct notifier *n = w->notify.state;
	struct noted answered = { 0 }, decided = { 0 };
	int r;

	if (!n->vapid && !n->fcm) {
		*wait = SECONDS(3600);
		return 0;
	}
	take_answers(w, &answered);
	r = write_down(w, &answered); /* before what is due is looked for again */
	if (!r)
		r = look(w, &decided);
	if (!r)
		r = write_down(w, &decided);
	*wait = n->look_at - clock_mono_us();
	if (n->n || n->due)
		*wait = *wait < FLYING_US ? *wait : FLYING_US;
	if (*wait < 0)
		*wait = 0;
	return r ? trace(r) : 0;
}
