/* view.c -- users, messages and conversations as the contract shows them (docs/openapi.yaml). */
#include "view.h"

#include <stdio.h>

#include "../base/clock.h"
#include "attachment.h"

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

static const char *
role_word(enum member_role role)
{
	return role == ROLE_OWNER ? "owner" : role == ROLE_ADMIN ? "admin" : "member";
}

static const char *
notify_word(int64_t notify)
{
	return notify == 2 ? "mentions" : notify == 3 ? "none" : "all";
}

static void
avatar(struct json_out *w, struct str avatar_id)
{
	char url[96];

	json_str(w, "avatar_id", avatar_id);
	if (str_present(avatar_id) && avatar_id.n <= 64) {
		snprintf(url, sizeof(url), "/media/%.*s/thumb.webp", STR_ARG(avatar_id));
		json_cstr(w, "avatar_url", url);
	} else {
		json_put_null(w, "avatar_url");
	}
}

void
view_user(struct json_out *w, const char *key, const struct user *user)
{
	json_open_object(w, key);
	json_id(w, "id", user->id);
	json_str(w, "username", user->username);
	json_str(w, "display_name", user->display_name);
	avatar(w, user->avatar_id);
	json_str(w, "status_text", user->status_text);
	json_close(w);
}

/* A message's id is its place: "<conversation>.<seq>". */
static void
place(struct json_out *w, const char *key, int64_t conversation_id, int64_t seq)
{
	char text[48];

	snprintf(text, sizeof(text), "%lld.%lld", (long long)conversation_id, (long long)seq);
	json_cstr(w, key, text);
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

/* Members that a kind or a later part of the product fills; a client may rely on their being there. */
static void
kinds(struct json_out *w)
{
	static const char *const empty[] = { "location", "poll", "call", "system", "encrypted", "link_preview" };

	for (size_t i = 0; i < sizeof(empty) / sizeof(*empty); i++)
		json_put_null(w, empty[i]);
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
	kinds(w);
	reply_to(w, m, viewer_id != 0);
	json_raw(w, "mentions", str_present(m->mentions_json) && !m->deleted_at ? m->mentions_json : STR("[]"));
	view_attachments(w, "attachments", m->deleted_at ? STR_NONE : m->attachments_json, clock_wall_us());
	json_raw(w, "reactions", STR("[]"));
	if (viewer_id)
		json_bool(w, "starred", false);
	json_bool(w, "pinned", false);
	if (viewer_id && viewer_id == m->sender_id)
		json_cstr(w, "status", status_word(m));
	json_int(w, "read_count", m->read_count);
	json_int(w, "delivered_count", m->delivered_count);
	json_put_null(w, "forward_of");
	json_time(w, "created_at", m->created_at);
	json_time(w, "edited_at", m->edited_at);
	json_time(w, "deleted_at", m->deleted_at);
	json_put_null(w, "expires_at");
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
my(struct json_out *w, const struct conversation *c)
{
	json_open_object(w, "my");
	json_int(w, "read_seq", c->my.read_seq);
	if (c->my.unread_from)
		json_int(w, "unread_from", c->my.unread_from);
	else
		json_put_null(w, "unread_from");
	json_cstr(w, "role", role_word(c->my.role));
	json_cstr(w, "notify", notify_word(c->my.notify));
	json_time(w, "muted_until", c->my.muted_until);
	json_bool(w, "archived", c->my.archived);
	json_bool(w, "pinned", c->my.pinned);
	json_put_null(w, "draft");
	json_close(w);
}

static void
participants(struct json_out *w, const struct conversation *c)
{
	json_open_array(w, "participants");
	for (size_t i = 0; i < c->participants_n; i++) {
		const struct member *m = &c->participants[i];

		json_open_object(w, NULL);
		view_user(w, "user", &m->user);
		json_cstr(w, "role", role_word(m->role));
		json_int(w, "receipt_seq", m->receipt_seq);
		json_int(w, "delivered_seq", m->delivered_seq);
		json_close(w);
	}
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
