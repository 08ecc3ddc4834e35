/* fcgi/endpoint/capabilities_get.c -- what this server can do, and how much of it. */
#include "base/issuers.h"
#include "fcgi/draft.h"
#include "fcgi/factor.h"
#include "fcgi/limits.h"
#include "fcgi/reply.h"
#include "store/group.h"

#define API_LEVEL 1

/* What no configuration changes: the constants that the routes themselves go by. */
static const struct {
	const char *name;
	int64_t value;
} fixed[] = {
	{ "max_attachments", LIMIT_ATTACHMENTS },
	{ "max_mentions", LIMIT_MENTIONS },
	{ "max_poll_options", LIMIT_POLL_OPTIONS },
	{ "max_poll_question_code_points", LIMIT_QUESTION },
	{ "max_poll_option_code_points", LIMIT_OPTION },
	{ "max_poll_seconds", LIMIT_POLL_SECONDS },
	{ "max_expires_in_seconds", LIMIT_EXPIRES },
	{ "max_ciphertext_code_points", LIMIT_CIPHERTEXT },
	{ "max_call_seconds", LIMIT_CALL_SECONDS },
	{ "max_reactions", LIMIT_REACTIONS },
	{ "max_my_reactions", LIMIT_MY_REACTIONS },
	{ "max_pins", LIMIT_PINS },
	{ "max_pinned_conversations", PINNED_MAX },
	{ "max_group_members", GROUP_MEMBERS_MAX },
	{ "max_group_name_code_points", GROUP_NAME_MAX },
	{ "max_people_per_request", GROUP_BRING_MAX },
	{ "max_ttl_seconds", LIMIT_TTL_SECONDS },
	{ "max_retention_days", LIMIT_RETENTION_DAYS },
	{ "max_slow_mode_seconds", LIMIT_SLOW_SECONDS },
	{ "max_presence_ids", LIMIT_PRESENCE_IDS },
	{ "max_display_name_code_points", LIMIT_DISPLAY_NAME },
	{ "max_status_text_code_points", LIMIT_STATUS_TEXT },
};

static const char *const features[] = { "direct_conversations",
	                                "groups",
	                                "group_roles",
	                                "replies",
	                                "forwarding",
	                                "mentions",
	                                "editing",
	                                "deleting_for_me",
	                                "receipts",
	                                "reactions",
	                                "stars",
	                                "pins",
	                                "polls",
	                                "drafts",
	                                "mark_unread",
	                                "expiring_messages",
	                                "scheduled_messages",
	                                "slow_mode",
	                                "blocks",
	                                "privacy",
	                                "avatars",
	                                "resumable_uploads",
	                                "search",
	                                "calls",
	                                "reports",
	                                "access_tokens",
	                                "typing",
	                                "presence",
	                                "sync",
	                                "second_factor",
	                                "socket",
	                                NULL };

static void
write_limits(struct json_out *w, const struct conf *conf)
{
	json_open_object(w, "limits");
	json_int(w, "max_body_bytes", conf->max_body_kib * 1024);
	json_int(w, "max_message_body_bytes", conf->max_message_body_kib * 1024);
	json_int(w, "max_content_code_points", conf->max_content_code_points);
	json_int(w, "max_content_bytes", conf->max_content_kib * 1024);
	json_int(w, "max_page", conf->max_page);
	json_int(w, "max_frame_bytes", conf->push_max_frame_kib * 1024);
	json_int(w, "max_devices", conf->push_devices_per_user);
	json_int(w, "max_presence_watches", conf->push_watch_max);
	json_int(w, "typing_max_members", conf->typing_max_members);
	json_int(w, "marks_max_members", conf->marks_max_members);
	json_int(w, "max_scheduled", conf->max_scheduled);
	json_int(w, "schedule_ahead_seconds", conf->schedule_ahead_seconds);
	json_int(w, "max_image_bytes", conf->media_image_mib << 20);
	json_int(w, "max_image_pixels", conf->media_image_megapixels * 1000000);
	json_int(w, "max_image_frames", conf->media_image_frames);
	json_int(w, "max_audio_bytes", conf->media_audio_mib << 20);
	json_int(w, "max_audio_seconds", conf->media_audio_minutes * 60);
	json_int(w, "max_video_bytes", conf->media_video_mib << 20);
	json_int(w, "max_file_bytes", conf->media_file_mib << 20);
	json_int(w, "password_min_code_points", conf->password_min_code_points);
	json_int(w, "password_max_bytes", conf->password_max_bytes);
	for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++)
		json_int(w, fixed[i].name, fixed[i].value);
	json_close(w);
}

static struct str
message_types(struct req *req)
{
	struct buf *buf = req_scratch(req);

	for (const char *const *type = draft_types; *type; type++)
		buf_printf(buf, "%s%s", buf->n ? " " : "", *type);
	return buf_view(buf);
}

/* Whom one may sign in with. */
static void
write_providers(struct json_out *w, const struct issuers *issuers)
{
	json_open_array(w, "providers");
	for (size_t i = 0; i < issuers->n; i++) {
		const struct issuer *one = &issuers->all[i];

		if (!one->client_id[0])
			continue;
		json_open_object(w, NULL);
		json_cstr(w, "id", one->label);
		json_cstr(w, "title", one->title[0] ? one->title : one->label);
		json_close(w);
	}
	json_close(w);
}

static int
capabilities_get(struct req *req)
{
	struct json_out *w = reply_json(req, 200);

	json_open_object(w, NULL);
	json_int(w, "api_level", API_LEVEL);
	json_time(w, "server_time", req->now);
	write_limits(w, req->conf);
	json_open_object(w, "features");
	json_cstr(w, "registration", req->conf->registration);
	json_str(w, "message_types", message_types(req));
	json_cstr(w, "uploads", "image audio video file");
	for (const char *const *feature = features; *feature; feature++)
		json_bool(w, *feature, true);
	json_bool(w, "call_relay", *req->conf->call_turn_urls);
	json_bool(w, "web_push", str_present(req->service->vapid_public));
	json_bool(w, "fcm", *req->conf->fcm_service_account_file);
	json_bool(w, "bots", req->conf->max_bots > 0);
	json_bool(w, "passkeys", str_present(factor_rp_id(req->conf)));
	json_close(w);
	write_providers(w, req->service->issuers);
	json_close(w);
	return reply_end(req);
}

const struct endpoint capabilities_get_endpoint = {
	.method = "GET",
	.path = "/capabilities",
	.who = WHO_ANYONE,
	.rate = RATE_NONE,
	.fn = capabilities_get,
	.doc = "Limits, features and the server's clock.",
};
