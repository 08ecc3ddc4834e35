/* feed.c -- records between processes, and the frames of docs/asyncapi.yaml inside them. */
#include "feed.h"

#include <stdio.h>

#include "../base/err.h"
#include "attachment.h"
#include "view.h"

/* KEYS: position key or nothing. ARGV: position, payload, recipients' channels. */
static const char publish_lua[] = "local n = 0 "
                                  "for i = 3, #ARGV do n = n + redis.call('PUBLISH', ARGV[i], ARGV[2]) end "
                                  "if #KEYS > 0 then "
                                  "local old = tonumber(redis.call('GET', KEYS[1]) or '0') "
                                  "redis.call('SET', KEYS[1], math.max(old, tonumber(ARGV[1])), 'EX', 3600) end "
                                  "return n";

#define LETTERS_MOST 200 /* in one round trip: Redis serves nobody else meanwhile */

static bool
parse_stream(struct str word, struct feed_header *h)
{
	if (word.n < 2 || (word.p[0] != 'c' && word.p[0] != 'u'))
		return false;
	h->stream = word.p[0];
	return str_id(str_n(word.p + 1, word.n - 1), &h->id);
}

bool
feed_parse(struct str record, struct feed_header *ret)
{
	struct feed_header h = { 0 };
	struct str rest = record, line, kind, word;

	line = str_cut(&rest, '\n');
	if (!str_present(rest))
		return false;
	h.frame = rest;
	kind = str_cut(&line, ' ');
	if (kind.n != 1 || !strchr("dmewx", kind.p[0]))
		return false;
	h.kind = (enum feed_kind)kind.p[0];
	word = str_cut(&line, ' ');
	if (!parse_stream(word, &h))
		return false;
	word = str_cut(&line, ' ');
	if (!str_int64(word, &h.position) || h.position < 0)
		return false;
	word = str_cut(&line, ' ');
	if (!str_int64(word, &h.seq) || h.seq < 0)
		return false;
	h.recipients = line;
	*ret = h;
	return true;
}

void
feed_write_header(struct buf *out, const struct feed_header *h)
{
	buf_char(out, (char)h->kind);
	buf_char(out, ' ');
	buf_char(out, h->stream);
	buf_int(out, h->id);
	buf_char(out, ' ');
	buf_int(out, h->position);
	buf_char(out, ' ');
	buf_int(out, h->seq);
	if (str_present(h->recipients)) {
		buf_char(out, ' ');
		buf_str(out, h->recipients);
	}
	buf_char(out, '\n');
}

void
feed_write_ended(struct buf *out, enum feed_ended which, struct str session_id)
{
	if (!str_present(session_id)) {
		buf_char(out, '*');
		return;
	}
	if (which == FEED_ENDED_OTHERS)
		buf_char(out, '-');
	buf_str(out, session_id);
}

bool
feed_ended_means(struct str text, struct str session_id)
{
	if (str_eq(text, STR("*")))
		return true;
	if (str_has_prefix(text, STR("-")))
		return !str_eq(str_n(text.p + 1, text.n - 1), session_id);
	return str_eq(text, session_id);
}

static void
open_frame(struct json_out *w, struct buf *out, const char *type)
{
	json_begin(w, out);
	json_open_object(w, NULL);
	json_cstr(w, "type", type);
}

static void
close_frame(struct json_out *w, int64_t at)
{
	if (at)
		json_time(w, "timestamp", at);
	json_close(w);
	json_end(w);
}

static void
open_event(struct json_out *w, struct buf *out, const char *type, const struct event_place *at)
{
	open_frame(w, out, type);
	json_id(w, "conversation_id", at->conversation_id);
	json_int(w, "seq", at->seq);
	json_int(w, "rev", at->rev);
}

static void
open_data(struct json_out *w, struct buf *out, const char *type, const struct event_place *at)
{
	open_event(w, out, type, at);
	json_open_object(w, "data");
}

static void
close_data(struct json_out *w, int64_t at)
{
	json_close(w);
	close_frame(w, at);
}

static void
message_id(struct json_out *w, int64_t conversation_id, int64_t seq)
{
	char text[48];

	snprintf(text, sizeof(text), "%lld.%lld", (long long)conversation_id, (long long)seq);
	json_cstr(w, "message_id", text);
}

static void
int_or_null(struct json_out *w, const char *key, int64_t value)
{
	if (value)
		json_int(w, key, value);
	else
		json_put_null(w, key);
}

static void
word_or_null(struct json_out *w, const char *key, struct str word)
{
	if (str_present(word))
		json_str(w, key, word);
	else
		json_put_null(w, key);
}

static void
raw_or_null(struct json_out *w, const char *key, struct str json)
{
	if (str_present(json))
		json_raw(w, key, json);
	else
		json_put_null(w, key);
}

static const char *
message_frame_type(enum event_kind kind)
{
	switch (kind) {
	case EVENT_MESSAGE_DELETED:
		return "message_deleted";
	case EVENT_MESSAGE_EDITED:
		return "message_edited";
	case EVENT_MESSAGE_PINNED:
		return "message_pinned";
	case EVENT_MESSAGE_UNPINNED:
		return "message_unpinned";
	default:
		return "new_message";
	}
}

void
frame_message(struct buf *out, const struct event_place *at, enum event_kind kind, const struct message *m)
{
	struct json_out w;

	open_data(&w, out, message_frame_type(kind), at);
	view_message_shared(&w, "message", m);
	close_data(&w, at->at);
}

void
frame_conversation_created(struct buf *out, const struct event_place *at, const struct conversation *c, int64_t viewer_id)
{
	struct json_out w;

	open_data(&w, out, "conversation_created", at);
	view_conversation(&w, "conversation", c, viewer_id);
	close_data(&w, at->at);
}

void
frame_reaction(struct buf *out, const struct event_place *at, enum event_kind kind, const struct message *m, int64_t user_id,
               struct str emoji)
{
	struct json_out w;

	open_data(&w, out, kind == EVENT_REACTION_ADDED ? "reaction_added" : "reaction_removed", at);
	message_id(&w, m->conversation_id, m->seq);
	json_int(&w, "message_rev", m->rev);
	json_id(&w, "user_id", user_id);
	json_str(&w, "emoji", emoji);
	json_raw(&w, "reactions", str_present(m->reactions_json) && !m->deleted_at ? m->reactions_json : STR("[]"));
	close_data(&w, at->at);
}

void
frame_poll_voted(struct buf *out, const struct event_place *at, const struct message *m, int64_t user_id)
{
	struct json_out w;

	open_data(&w, out, "poll_voted", at);
	view_message_shared(&w, "message", m);
	json_id_or_null(&w, "user_id", user_id);
	close_data(&w, at->at);
}

void
frame_member_added(struct buf *out, const struct event_place *at, const struct member *m, int64_t by,
                   int64_t participant_count)
{
	struct json_out w;

	open_data(&w, out, "member_added", at);
	view_member(&w, "member", m);
	json_id(&w, "by", by);
	json_int(&w, "participant_count", participant_count);
	close_data(&w, at->at);
}

void
frame_member_removed(struct buf *out, const struct event_place *at, int64_t user_id, int64_t by, int64_t participant_count)
{
	struct json_out w;

	open_data(&w, out, "member_removed", at);
	json_id(&w, "user_id", user_id);
	json_id(&w, "by", by);
	json_int(&w, "participant_count", participant_count);
	close_data(&w, at->at);
}

static void
changed_names(struct json_out *w, struct str names)
{
	json_open_array(w, "changed");
	while (str_present(names) && names.n)
		json_str(w, NULL, str_cut(&names, ','));
	json_close(w);
}

void
frame_conversation_updated(struct buf *out, const struct event_place *at, const struct conversation *c, struct str changed,
                           const struct member *m)
{
	struct json_out w;

	open_data(&w, out, "conversation_updated", at);
	view_conversation_shared(&w, "conversation", c);
	changed_names(&w, changed);
	if (m) {
		json_open_object(&w, "member");
		json_id(&w, "user_id", m->user.id);
		json_cstr(&w, "role", view_role(m->role));
		json_close(&w);
	}
	close_data(&w, at->at);
}

void
frame_skipped(struct buf *out, const struct event_place *at)
{
	struct json_out w;

	open_event(&w, out, "skipped", at);
	close_frame(&w, 0);
}

/* ---- a person's own stream ---- */

/* What is no longer mine is told as removed, whatever the event was about. */
static enum user_event_kind
kind_now(const struct user_change *u)
{
	bool of_membership = u->kind == USER_EVENT_READ || u->kind == USER_EVENT_SETTINGS || u->kind == USER_EVENT_DRAFT;

	return of_membership && !u->conversation ? USER_EVENT_REMOVED : u->kind;
}

static const char *
user_kind_word(enum user_event_kind kind)
{
	static const char *const words[] = { NULL,        "read",     "star",  "hidden",  "draft",
		                             "scheduled", "settings", "block", "profile", "removed" };

	return words[kind];
}

static void
read_data(struct json_out *w, const struct user_change *u)
{
	const struct conversation *c = u->conversation;

	json_id(w, "conversation_id", u->conversation_id);
	json_int(w, "read_seq", c->my.read_seq);
	int_or_null(w, "unread_from", c->my.unread_from);
	json_int(w, "unread_count", c->unread_count);
	json_int(w, "mention_count", c->mention_count);
}

static void
settings_data(struct json_out *w, const struct user_change *u)
{
	json_id(w, "conversation_id", u->conversation_id);
	view_settings(w, "my", u->conversation);
}

static void
removed_data(struct json_out *w, const struct user_change *u)
{
	bool told = u->kind == USER_EVENT_REMOVED;

	json_id(w, "conversation_id", u->conversation_id);
	json_int(w, "seq", told ? u->seq : 0);
	json_int(w, "rev", told ? u->rev : 0);
}

static void
user_data(struct json_out *w, enum user_event_kind kind, const struct user_change *u)
{
	switch (kind) {
	case USER_EVENT_READ:
		read_data(w, u);
		return;
	case USER_EVENT_STAR:
		message_id(w, u->conversation_id, u->seq);
		json_bool(w, "starred", u->on);
		return;
	case USER_EVENT_HIDDEN:
		message_id(w, u->conversation_id, u->seq);
		return;
	case USER_EVENT_DRAFT:
		json_id(w, "conversation_id", u->conversation_id);
		raw_or_null(w, "draft", u->draft_json);
		return;
	case USER_EVENT_SCHEDULED:
		json_id(w, "scheduled_id", u->target_id);
		raw_or_null(w, "scheduled", u->scheduled_json);
		return;
	case USER_EVENT_SETTINGS:
		settings_data(w, u);
		return;
	case USER_EVENT_BLOCK:
		json_id(w, "user_id", u->target_id);
		json_bool(w, "blocked", u->on);
		return;
	case USER_EVENT_PROFILE:
		view_me(w, "user", u->me);
		return;
	case USER_EVENT_REMOVED:
		removed_data(w, u);
		return;
	}
}

void
frame_user_changed(struct buf *out, const struct user_change *u)
{
	enum user_event_kind kind = kind_now(u);
	struct json_out w;

	open_frame(&w, out, "user_changed");
	json_int(&w, "user_rev", u->user_rev);
	json_cstr(&w, "kind", user_kind_word(kind));
	json_open_object(&w, "data");
	user_data(&w, kind, u);
	close_data(&w, u->at);
}

/* ---- what is not counted ---- */

void
frame_mark(struct buf *out, enum mark_kind kind, int64_t conversation_id, int64_t user_id, int64_t seq, int64_t at)
{
	struct json_out w;

	open_frame(&w, out, kind == MARK_READ ? "message_read" : "message_delivered");
	json_id(&w, "conversation_id", conversation_id);
	json_open_object(&w, "data");
	json_id(&w, "user_id", user_id);
	json_int(&w, "seq", seq);
	json_close(&w);
	close_frame(&w, at);
}

void
frame_typing(struct buf *out, int64_t conversation_id, int64_t user_id, bool is_typing, struct str kind, int64_t at)
{
	struct json_out w;

	open_frame(&w, out, "typing");
	json_id(&w, "conversation_id", conversation_id);
	json_open_object(&w, "data");
	json_id(&w, "user_id", user_id);
	json_bool(&w, "is_typing", is_typing);
	json_str(&w, "kind", str_present(kind) ? kind : STR("text"));
	json_close(&w);
	close_frame(&w, at);
}

void
frame_signal(struct buf *out, int64_t conversation_id, int64_t user_id, const struct signal *s, int64_t at)
{
	struct json_out w;

	open_frame(&w, out, "signal");
	json_id(&w, "conversation_id", conversation_id);
	json_open_object(&w, "data");
	json_id(&w, "user_id", user_id);
	json_str(&w, "call_id", s->call_id);
	json_str(&w, "kind", s->kind);
	if (s->to)
		json_id(&w, "to", s->to);
	else
		json_put_null(&w, "to");
	word_or_null(&w, "media", s->media);
	word_or_null(&w, "reason", s->reason);
	json_raw(&w, "payload", s->payload_json);
	json_close(&w);
	close_frame(&w, at);
}

void
frame_attachment_ready(struct buf *out, int64_t conversation_id, int64_t seq, struct str attachment_json, int64_t at)
{
	struct json_out w;

	open_frame(&w, out, "attachment_ready");
	json_id_or_null(&w, "conversation_id", conversation_id);
	json_open_object(&w, "data");
	if (seq)
		message_id(&w, conversation_id, seq);
	else
		json_put_null(&w, "message_id");
	if (view_attachment_open(&w, "attachment", attachment_json, at))
		json_close(&w);
	json_close(&w);
	close_frame(&w, at);
}

/* What is for those who watch somebody goes to them all, and says itself whom it means. */
static struct feed_header
addressed(struct arena *arena, const struct feed_header *h, const int64_t *recipients, size_t n)
{
	struct feed_header head = *h;

	for (size_t i = 0; h->kind == FEED_UNWATCH && i < n; i++)
		head.recipients =
		        arena_printf(arena, "%.*s%s%lld", STR_ARG(head.recipients), i ? "," : "", (long long)recipients[i]);
	return head;
}

int
feed_publish(struct redis *redis, struct arena *arena, const struct feed_header *h, struct str frame,
             const int64_t *recipients, size_t n)
{
	const struct feed_header head = addressed(arena, h, recipients, n);
	struct str *argv, key = arena_printf(arena, "pub:%c%lld", h->stream, (long long)h->id);
	bool durable = h->kind == FEED_DURABLE, watchers = h->kind == FEED_UNWATCH;
	struct buf payload;
	redisReply *reply;
	int r;

	if (watchers)
		n = 1;
	if (!n && !durable)
		return 0;
	buf_init(&payload, frame.n + head.recipients.n + 128);
	feed_write_header(&payload, &head);
	buf_str(&payload, frame);

	argv = arena_alloc_array(arena, n + 3, sizeof(*argv));
	argv[0] = key;
	argv[durable] = arena_printf(arena, "%lld", (long long)h->position);
	argv[durable + 1] = buf_view(&payload);
	for (size_t i = 0; i < n; i++)
		argv[durable + 2 + i] =
		        arena_printf(arena, "%c:%lld", watchers ? 'p' : 'u', (long long)(watchers ? h->id : recipients[i]));
	r = redis_script(redis, arena, str_n(publish_lua, sizeof(publish_lua) - 1), durable, n + 2 + durable, argv, &reply);
	buf_deinit(&payload);
	return r;
}

int
feed_publish_letters(struct redis *redis, struct arena *arena, const struct feed_letter *letters, size_t n)
{
	struct redis_call calls[LETTERS_MOST];
	redisReply *replies[LETTERS_MOST];
	int r = 0;

	for (size_t at = 0, some; !r && at < n; at += some) {
		some = n - at < LETTERS_MOST ? n - at : LETTERS_MOST;
		for (size_t i = 0; i < some; i++) {
			struct str *argv = arena_alloc_array(arena, 3, sizeof(*argv));

			argv[0] = STR("PUBLISH");
			argv[1] = arena_printf(arena, "u:%lld", (long long)letters[at + i].to);
			argv[2] = letters[at + i].record;
			calls[i] = (struct redis_call){ 3, argv };
		}
		r = redis_pipeline(redis, arena, calls, some, replies);
	}
	return r;
}
