/*
 * view -- what users, messages and conversations look like in JSON, once, for REST, replay and push.
 *
 * Each writes one object under `key` (NULL inside arrays or as the whole document). The shared form of a message is the same
 * for every recipient: it lacks starred, status, reactions[].me and reply_to.excerpt (docs/openapi.yaml, MessageShared).
 */
#ifndef PEAL_WIRE_VIEW_H
#define PEAL_WIRE_VIEW_H

#include "../base/json_out.h"
#include "model.h"

void view_user(struct json_out *, const char *key, const struct user *);
void view_me(struct json_out *, const char *key, const struct me *);
void view_message(struct json_out *, const char *key, const struct message *, int64_t viewer_id);
void view_message_shared(struct json_out *, const char *key, const struct message *);
void view_conversation(struct json_out *, const char *key, const struct conversation *, int64_t viewer_id);
/* What all members share of it: no `my`, no counts, and in a direct conversation no name. */
void view_conversation_shared(struct json_out *, const char *key, const struct conversation *);
void view_member(struct json_out *, const char *key, const struct member *);
void view_settings(struct json_out *, const char *key, const struct conversation *); /* what I have set: notify, ... */
const char *view_role(enum member_role);                                             /* "member" */
struct str view_site_role(enum site_role);                                           /* "moderator"; absent: none */

const char *view_message_kind(enum message_kind); /* "text" */
bool view_message_kind_parse(struct str, enum message_kind *ret);

#endif
