/* presence.c -- the names in Redis, and the JSON of docs/openapi.yaml and docs/asyncapi.yaml. */
#include "presence.h"

#include <stdio.h>

enum presence_status
presence_status_of(int64_t subscribers, bool active)
{
	if (subscribers <= 0)
		return PRESENCE_OFFLINE;
	return active ? PRESENCE_ONLINE : PRESENCE_AWAY;
}

struct str
presence_channel(int64_t user_id, char out[PRESENCE_KEY_MAX])
{
	return str_n(out, (size_t)snprintf(out, PRESENCE_KEY_MAX, "u:%lld", (long long)user_id));
}

struct str
presence_active_key(int64_t user_id, char out[PRESENCE_KEY_MAX])
{
	return str_n(out, (size_t)snprintf(out, PRESENCE_KEY_MAX, "away:%lld", (long long)user_id));
}

void
view_presence(struct json_out *w, const char *key, const struct presence *p)
{
	static const char *const words[] = { "offline", "away", "online" };

	json_open_object(w, key);
	json_id(w, "user_id", p->user_id);
	json_cstr(w, "status", words[p->status]);
	json_time(w, "last_seen_at", p->status == PRESENCE_OFFLINE ? p->last_seen_at : 0);
	json_close(w);
}

void
frame_presence(struct buf *out, const struct presence *p, int64_t at)
{
	struct json_out w;

	json_begin(&w, out);
	json_open_object(&w, NULL);
	json_cstr(&w, "type", "presence");
	view_presence(&w, "data", p);
	json_time(&w, "timestamp", at);
	json_close(&w);
	json_end(&w);
}
