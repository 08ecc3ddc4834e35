/*
 * link -- signed links to what nginx serves from disk (its module secure_link), and to downloads through a worker.
 *
 *     /m/<expiry>/<signature>/<aa>/<id>/<name>.<ext>    signature = base64url(MD5("<expiry>/<id> <secret>"))
 *     /api/v1/media/<id>/original?token=<user>.<expiry>.<HMAC-SHA256>
 *
 * The expiry of the first kind is a day's boundary, staggered by attachment, 24 to 48 hours ahead: all people get the same
 * link all day, so that it is cached, and no moment comes at which all links change. The second kind is one person's.
 */
#ifndef PEAL_WIRE_LINK_H
#define PEAL_WIRE_LINK_H

#include "../base/arena.h"
#include "../base/str.h"

#define LINK_MAX              192
#define LINK_DOWNLOAD_SECONDS 300
#define ATTACHMENT_ID_N       32

/* Once per process: reads the secret from the file that nginx includes. 0, INVALID (its form) or a fault. */
int link_open(const char *secret_file);
/* The secret itself; for tests. Copied; at most 128 bytes. */
void link_secret(struct str);

const char *link_extension(struct str name); /* of the file that a rendition is */
bool attachment_id_ok(struct str);           /* 32 lower-case hexadecimal digits */
/* id must be one; name is a rendition's. Returns the view of out. Aborts when there is no secret. */
struct str link_rendition(struct str id, struct str name, int64_t now_us, char out[LINK_MAX]);
struct str link_download(struct arena *, struct str id, int64_t user_id, int64_t now_us);
/* Whose download link this is: 0, or NOT_FOUND (not ours), GONE (expired). */
int link_download_user(struct arena *, struct str id, struct str token, int64_t now_us, int64_t *ret_user_id);

#endif
