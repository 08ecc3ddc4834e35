/* view.c -- users, messages and conversations as the contract shows them (docs/openapi.yaml). */
#include "view.h"

#include <jansson.h>
#include <stdlib.h>

#include "../base/clock.h"
#include "attachment.h"
#include "link.h"

/* index = enum message_kind */
static const char *const kind_words[] = { NULL,       "text", "image", "audio",  "video",    "file",
	                                  "location", "poll", "call",  "system", "encrypted" };

const char *
view_message_kind(enum message_kind kind)
{
	return kind >= MESSAGE_TEXT && kind <= MESSAGE_ENCRYPTED ? kind_words[kind] : "text";
}

bool
view_message_kind_parse(struct str word, enum message_kind *ret)
{
	for (int kind = MESSAGE_TEXT; kind <= MESSAGE_ENCRYPTED; kind++) {
		if (str_eq(word, str_c(kind_words[kind]))) {
			*ret = (enum message_kind)kind;
			return true;
		}
	}
	return false;
}

const char *
view_role(enum member_role role)
{
	return role == ROLE_OWNER ? "owner" : role == ROLE_ADMIN ? "admin" : "member";
}

struct str
view_site_role(enum site_role role)
{
	return role == SITE_ADMIN ? STR("admin") : role == SITE_MODERATOR ? STR("moderator") : STR_NONE;
}

static const char *
notify_word(int64_t notify)
{
	return notify == 2 ? "mentions" : notify == 3 ? "none" : "all";
}

static void
avatar(struct json_out *w, struct str avatar_id)
{
	char url[LINK_MAX];
	bool shown = str_present(avatar_id) && attachment_id_ok(avatar_id);

	json_str(w, "avatar_id", shown ? avatar_id : STR_NONE);
	json_str(w, "avatar_url", shown ? link_rendition(avatar_id, STR("thumb"), clock_wall_us(), url) : STR_NONE);
}

static void
user_members(struct json_out *w, const struct user *user)
{
	json_id(w, "id", user->id);
	json_str(w, "username", user->username);
	json_str(w, "display_name", user->display_name);
	avatar(w, user->avatar_id);
	json_str(w, "status_text", user->status_text);
	json_bool(w, "bot", user->bot);
	if (user->erased)
		json_bool(w, "deleted", true);
}

void
view_user(struct json_out *w, const char *key, const struct user *user)
{
	json_open_object(w, key);
	user_members(w, user);
	json_close(w);
}

void
view_me(struct json_out *w, const char *key, const struct me *me)
{
	json_open_object(w, key);
	user_members(w, &me->user);
	json_open_object(w, "privacy");
	json_bool(w, "read_receipts", me->read_receipts);
	json_bool(w, "last_seen", me->last_seen);
	json_close(w);
	json_str(w, "site_role", view_site_role(me->site_role));
	json_close(w);
}

/* A message's id is its place: "<conversation>.<seq>". */
static void
place(struct json_out *w, const char *key, int64_t conversation_id, int64_t seq)
{
	char text[2 * STR_INT64_MAX + 1], *to = str_put_int64(text, conversation_id);

	*to++ = '.';
	to = str_put_int64(to, seq);
	json_str(w, key, str_n(text, (size_t)(to - text)));
}

static void
reply_to(struct json_out *w, const struct message *m, bool excerpt)
{
	if (!m->reply_seq) {
		json_put_null(w, "reply_to");
		return;
	}
	json_open_object(w, "reply_to");
	place(w, "id", m->conversation_id, m->reply_seq);
	json_id_or_null(w, "sender_id", m->reply_sender_id);
	if (excerpt)
		json_str(w, "excerpt", m->reply_excerpt);
	json_close(w);
}

/* A poll as stored, and what the viewer has chosen of it. */
static void
poll(struct json_out *w, const struct message *m, bool mine)
{
	json_t *json = mine ? json_loadb(m->extra_json.p, m->extra_json.n, 0, NULL) : NULL, *votes = NULL;
	char *text = NULL;

	if (json) {
		if (str_present(m->my_votes_json))
			votes = json_loadb(m->my_votes_json.p, m->my_votes_json.n, 0, NULL);
		json_object_set_new(json, "my_votes", votes ? votes : json_array());
		text = json_dumps(json, JSON_COMPACT);
	}
	json_raw(w, "poll", text ? str_c(text) : m->extra_json);
	free(text);
	json_decref(json);
}

/* One member per kind that has more than content; a client may rely on all being there. */
static void
kinds(struct json_out *w, const struct message *m, bool mine)
{
	static const enum message_kind with[] = { MESSAGE_LOCATION, MESSAGE_POLL, MESSAGE_CALL, MESSAGE_SYSTEM,
		                                  MESSAGE_ENCRYPTED };

	for (size_t i = 0; i < sizeof(with) / sizeof(*with); i++) {
		if (m->kind != with[i] || m->deleted_at || !str_present(m->extra_json))
			json_put_null(w, kind_words[with[i]]);
		else if (m->kind == MESSAGE_POLL)
			poll(w, m, mine);
		else
			json_raw(w, kind_words[with[i]], m->extra_json);
	}
	json_put_null(w, "link_preview");
}

static bool
holds(const json_t *words, const json_t *word)
{
	const json_t *one;
	size_t i;

	json_array_foreach(words, i, one) if (json_equal(one, word)) return true;
	return false;
}

/* The stored counts, and for each whether the viewer is among those. */
static void
my_reactions(struct json_out *w, const struct message *m)
{
	json_t *all = json_loadb(m->reactions_json.p, m->reactions_json.n, 0, NULL), *one, *mine = NULL;
	size_t i;

	if (str_present(m->my_reactions_json))
		mine = json_loadb(m->my_reactions_json.p, m->my_reactions_json.n, 0, NULL);
	json_open_array(w, "reactions");
	json_array_foreach(all, i, one)
	{
		json_open_object(w, NULL);
		json_cstr(w, "emoji", json_string_value(json_object_get(one, "emoji")));
		json_int(w, "count", json_integer_value(json_object_get(one, "count")));
		json_bool(w, "me", holds(mine, json_object_get(one, "emoji")));
		json_close(w);
	}
	json_close(w);
	json_decref(mine);
	json_decref(all);
}

static void
reactions(struct json_out *w, const struct message *m, bool mine)
{
	if (m->deleted_at || !str_present(m->reactions_json))
		json_raw(w, "reactions", STR("[]"));
	else if (mine)
		my_reactions(w, m);
	else
		json_raw(w, "reactions", m->reactions_json);
}

static const char *
status_word(const struct message *m)
{
	if (m->member_count > 0 && m->read_count >= m->member_count)
		return "read";
	return m->member_count > 0 && m->delivered_count >= m->member_count ? "delivered" : "sent";
}

/* viewer_id 0: the shared form. */
static void
write_message(struct json_out *w, const char *key, const struct message *m, int64_t viewer_id)
{
	json_open_object(w, key);
	place(w, "id", m->conversation_id, m->seq);
	json_id(w, "conversation_id", m->conversation_id);
	json_int(w, "seq", m->seq);
	json_int(w, "rev", m->rev);
	json_int(w, "version", m->version);
	json_id(w, "sender_id", m->sender_id);
	json_str(w, "client_id", m->client_id);
	json_cstr(w, "message_type", view_message_kind(m->kind));
	json_str(w, "content", m->deleted_at ? STR_NONE : m->content);
	kinds(w, m, viewer_id != 0);
	reply_to(w, m, viewer_id != 0);
	json_raw(w, "mentions", str_present(m->mentions_json) && !m->deleted_at ? m->mentions_json : STR("[]"));
	view_attachments(w, "attachments", m->deleted_at ? STR_NONE : m->attachments_json, clock_wall_us());
	reactions(w, m, viewer_id != 0);
	if (viewer_id)
		json_bool(w, "starred", m->starred);
	json_bool(w, "pinned", m->pinned && !m->deleted_at);
	if (viewer_id && viewer_id == m->sender_id)
		json_cstr(w, "status", status_word(m));
	json_int(w, "read_count", m->read_count);
	json_int(w, "delivered_count", m->delivered_count);
	if (str_present(m->forward_json) && !m->deleted_at)
		json_raw(w, "forward_of", m->forward_json);
	else
		json_put_null(w, "forward_of");
	json_time(w, "created_at", m->created_at);
	json_time(w, "edited_at", m->edited_at);
	json_time(w, "deleted_at", m->deleted_at);
	json_time(w, "expires_at", m->expires_at);
	json_close(w);
}

void
view_message(struct json_out *w, const char *key, const struct message *m, int64_t viewer_id)
{
	write_message(w, key, m, viewer_id);
}

void
view_message_shared(struct json_out *w, const char *key, const struct message *m)
{
	write_message(w, key, m, 0);
}

static void
settings(struct json_out *w, const struct conversation *c)
{
	json_cstr(w, "notify", notify_word(c->my.notify));
	json_time(w, "muted_until", c->my.muted_until);
	json_bool(w, "archived", c->my.archived);
	json_bool(w, "pinned", c->my.pinned);
}

void
view_settings(struct json_out *w, const char *key, const struct conversation *c)
{
	json_open_object(w, key);
	settings(w, c);
	json_close(w);
}

static void
my(struct json_out *w, const struct conversation *c)
{
	json_open_object(w, "my");
	json_int(w, "read_seq", c->my.read_seq);
	if (c->my.unread_from)
		json_int(w, "unread_from", c->my.unread_from);
	else
		json_put_null(w, "unread_from");
	json_cstr(w, "role", view_role(c->my.role));
	settings(w, c);
	if (str_present(c->my.draft_json))
		json_raw(w, "draft", c->my.draft_json);
	else
		json_put_null(w, "draft");
	json_close(w);
}

void
view_member(struct json_out *w, const char *key, const struct member *m)
{
	json_open_object(w, key);
	view_user(w, "user", &m->user);
	json_cstr(w, "role", view_role(m->role));
	json_int(w, "receipt_seq", m->receipt_seq);
	json_int(w, "delivered_seq", m->delivered_seq);
	json_close(w);
}

static void
participants(struct json_out *w, const struct conversation *c)
{
	json_open_array(w, "participants");
	for (size_t i = 0; i < c->participants_n; i++)
		view_member(w, NULL, &c->participants[i]);
	json_close(w);
}

static void
positive_or_null(struct json_out *w, const char *key, int64_t value)
{
	if (value > 0)
		json_int(w, key, value);
	else
		json_put_null(w, key);
}

static void
conversation_settings(struct json_out *w, const struct conversation *c)
{
	json_cstr(w, "history", c->history_all ? "all" : "joined");
	positive_or_null(w, "ttl_seconds", c->ttl_seconds);
	positive_or_null(w, "retention_days", c->retention_days);
	positive_or_null(w, "slow_mode_seconds", c->slow_mode_seconds);
}

void
view_conversation_shared(struct json_out *w, const char *key, const struct conversation *c)
{
	bool direct = c->kind == CONVERSATION_DIRECT;

	json_open_object(w, key);
	json_id(w, "id", c->id);
	json_cstr(w, "type", direct ? "direct" : "group");
	json_str(w, "name", direct ? STR_NONE : c->name);
	avatar(w, direct ? STR_NONE : c->avatar_id);
	conversation_settings(w, c);
	json_int(w, "participant_count", c->participant_count);
	json_int(w, "first_seq", c->first_seq);
	json_time(w, "updated_at", c->updated_at);
	json_close(w);
}

void
view_conversation(struct json_out *w, const char *key, const struct conversation *c, int64_t viewer_id)
{
	bool direct = c->kind == CONVERSATION_DIRECT;

	json_open_object(w, key);
	json_id(w, "id", c->id);
	json_cstr(w, "type", direct ? "direct" : "group");
	json_str(w, "name", c->name);
	avatar(w, c->avatar_id);
	if (direct)
		view_user(w, "peer", &c->peer);
	else
		json_put_null(w, "peer");
	json_time(w, "created_at", c->created_at);
	json_time(w, "updated_at", c->updated_at);
	json_int(w, "first_seq", c->first_seq);
	json_int(w, "last_seq", c->last_seq);
	json_int(w, "last_rev", c->last_rev);
	json_int(w, "participant_count", c->participant_count);
	conversation_settings(w, c);
	if (c->has_last_message)
		view_message(w, "last_message", &c->last_message, viewer_id);
	else
		json_put_null(w, "last_message");
	json_int(w, "unread_count", c->unread_count);
	json_int(w, "mention_count", c->mention_count);
	my(w, c);
	if (c->participants)
		participants(w, c);
	json_close(w);
}
