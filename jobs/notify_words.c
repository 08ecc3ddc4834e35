/* notify_words.c -- what a notification says. */
#include "../lib/base/bytes.h"
#include "../lib/base/json_out.h"
#include "../lib/wire/view.h"
#include "notify.h"

#define TEXT_CAP  ((size_t)16384)
#define FCM_MOST  ((size_t)4000) /* of what FCM takes, besides the token */
#define TOPIC_MAC 16
#define WORDS_OFF "ids"

/* Of a message without text. Apps that draw their own notifications take `message_type`. */
static const char *const kinds[] = { [MESSAGE_TEXT] = "Message",   [MESSAGE_IMAGE] = "Picture",
	                             [MESSAGE_AUDIO] = "Audio",    [MESSAGE_VIDEO] = "Video",
	                             [MESSAGE_FILE] = "File",      [MESSAGE_LOCATION] = "Location",
	                             [MESSAGE_POLL] = "Poll",      [MESSAGE_CALL] = "Call",
	                             [MESSAGE_SYSTEM] = "Message", [MESSAGE_ENCRYPTED] = "Encrypted message" };

static bool
worded(const struct conf *conf)
{
	return strcmp(conf->notify_content, WORDS_OFF) != 0;
}

struct str
notify_topic(struct arena *arena, const struct notify_due *d)
{
	unsigned char mac[SHA256_BYTES];

	bytes_hmac_for(str_present(d->target.auth) ? d->target.auth : d->target.address, STR("peal topic"),
	               arena_printf(arena, "%lld", (long long)d->conversation_id), mac);
	return base64url(arena, mac, TOPIC_MAC);
}

int64_t
notify_ttl(const struct conf *conf, const struct notify_due *d, int64_t now_us)
{
	int64_t until = d->created_at + conf->notify_ttl_seconds * 1000000;

	if (d->action != NOTIFY_MESSAGE)
		return conf->notify_ttl_seconds;
	if (d->expires_at && d->expires_at < until)
		until = d->expires_at;
	return until > now_us ? (until - now_us) / 1000000 : 0;
}

/* Strings only, as FCM wants them; the service worker gets the same. */
static void
write_members(struct json_out *w, struct arena *arena, const struct notify_due *d, bool words)
{
	bool message = d->action == NOTIFY_MESSAGE;

	json_cstr(w, "type", message ? "message" : "clear");
	json_id(w, "conversation_id", d->conversation_id);
	json_str(w, "message_id",
	         arena_printf(arena, "%lld.%lld", (long long)d->conversation_id,
	                      (long long)(message ? d->seq : d->shown_seq)));
	if (!message || !words)
		return;
	json_cstr(w, "message_type", view_message_kind(d->kind));
	json_cstr(w, "conversation_type", d->direct ? "direct" : "group");
	json_cstr(w, "mention", d->mentions_me ? "true" : "false");
	json_id(w, "sender_id", d->sender_id);
	json_str(w, "sender_name", str_present(d->sender_name) ? d->sender_name : STR(""));
	if (str_present(d->conversation_name) && !d->direct)
		json_str(w, "conversation_name", d->conversation_name);
	if (str_present(d->text) && d->text.n)
		json_str(w, "text", d->text);
	json_time(w, "created_at", d->created_at);
}

static struct str
payload(struct arena *arena, const struct notify_due *d, bool words)
{
	struct json_out w;
	struct str out;
	struct buf b;

	buf_init(&b, TEXT_CAP);
	json_begin(&w, &b);
	json_open_object(&w, NULL);
	write_members(&w, arena, d, words);
	json_close(&w);
	json_end(&w);
	out = arena_str(arena, buf_view(&b));
	buf_deinit(&b);
	return out;
}

struct str
notify_payload(struct arena *arena, const struct conf *conf, const struct notify_due *d)
{
	struct str whole = payload(arena, d, worded(conf));

	return whole.n <= WEB_PUSH_TEXT_MOST ? whole : payload(arena, d, false);
}

static void
write_notification(struct json_out *w, struct arena *arena, const struct notify_due *d)
{
	struct str text = str_present(d->text) && d->text.n ? d->text : str_c(kinds[d->kind]);
	bool group = !d->direct && str_present(d->conversation_name);

	json_open_object(w, "notification");
	json_str(w, "title", group ? d->conversation_name : d->sender_name);
	json_str(w, "body", group ? arena_printf(arena, "%.*s: %.*s", STR_ARG(d->sender_name), STR_ARG(text)) : text);
	json_close(w);
}

static void
write_platforms(struct json_out *w, struct arena *arena, const struct conf *conf, const struct notify_due *d, bool shown,
                int64_t now_us)
{
	int64_t ttl = notify_ttl(conf, d, now_us);
	struct str name = arena_printf(arena, "c%lld", (long long)d->conversation_id);

	json_open_object(w, "android");
	json_str(w, "collapse_key", name);
	json_cstr(w, "priority", d->action == NOTIFY_MESSAGE ? "high" : "normal");
	json_str(w, "ttl", arena_printf(arena, "%llds", (long long)ttl));
	if (shown) {
		json_open_object(w, "notification");
		json_str(w, "tag", name);
		json_close(w);
	}
	json_close(w);
	json_open_object(w, "apns");
	json_open_object(w, "headers");
	json_str(w, "apns-collapse-id", name);
	json_str(w, "apns-expiration", arena_printf(arena, "%lld", (long long)(now_us / 1000000 + ttl)));
	json_cstr(w, "apns-priority", shown ? "10" : "5");
	json_close(w);
	json_open_object(w, "payload");
	json_open_object(w, "aps");
	json_str(w, "thread-id", name);
	if (!shown)
		json_int(w, "content-available", 1);
	json_close(w);
	json_close(w);
	json_close(w);
}

static struct str
fcm_body(struct arena *arena, const struct conf *conf, const struct notify_due *d, bool words, int64_t now_us)
{
	bool shown = words && d->action == NOTIFY_MESSAGE;
	struct json_out w;
	struct str out;
	struct buf b;

	buf_init(&b, TEXT_CAP);
	json_begin(&w, &b);
	json_open_object(&w, NULL);
	json_open_object(&w, "message");
	json_str(&w, "token", d->target.address);
	json_open_object(&w, "data");
	write_members(&w, arena, d, words);
	json_close(&w);
	if (shown)
		write_notification(&w, arena, d);
	write_platforms(&w, arena, conf, d, shown, now_us);
	json_close(&w);
	json_close(&w);
	json_end(&w);
	out = arena_str(arena, buf_view(&b));
	buf_deinit(&b);
	return out;
}

struct str
notify_fcm_body(struct arena *arena, const struct conf *conf, const struct notify_due *d, int64_t now_us)
{
	struct str whole = fcm_body(arena, conf, d, worded(conf), now_us);

	return whole.n - d->target.address.n <= FCM_MOST ? whole : fcm_body(arena, conf, d, false, now_us);
}
