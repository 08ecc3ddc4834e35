/*
 * presence -- whether somebody is here: what Redis knows, as a word, as JSON and as the frame.
 *
 * Somebody is online while a subscription to `u:<user>` exists, and away when the key `away:<user>` is gone (docs/architecture.md).
 */
#ifndef PEAL_WIRE_PRESENCE_H
#define PEAL_WIRE_PRESENCE_H

#include "../base/json_out.h"

enum presence_status { PRESENCE_OFFLINE, PRESENCE_AWAY, PRESENCE_ONLINE };

struct presence {
	int64_t user_id;
	enum presence_status status;
	int64_t last_seen_at; /* microseconds; shown of people who are offline */
};

enum presence_status presence_status_of(int64_t subscribers, bool active);

#define PRESENCE_KEY_MAX 32
struct str presence_channel(int64_t user_id, char out[PRESENCE_KEY_MAX]);    /* u:<user> */
struct str presence_active_key(int64_t user_id, char out[PRESENCE_KEY_MAX]); /* away:<user> */

void view_presence(struct json_out *, const char *key, const struct presence *);
void frame_presence(struct buf *, const struct presence *, int64_t at);

#endif
