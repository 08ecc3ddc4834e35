/*
 * attachment -- what attachments look like in JSON: the lasting part as PostgreSQL keeps it, with links made at this moment.
 */
#ifndef PEAL_WIRE_ATTACHMENT_H
#define PEAL_WIRE_ATTACHMENT_H

#include "../base/json_out.h"

/* An array under `key`, of what a message's row holds (attachment_json() of sql/, in an array; absent: none). */
void view_attachments(struct json_out *, const char *key, struct str stored, int64_t now_us);
/* One, open for more members: close it with json_close(). False, with nothing written, when it is not what we store. */
bool view_attachment_open(struct json_out *, const char *key, struct str stored, int64_t now_us);

#endif
