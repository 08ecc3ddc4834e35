/*
 * webpush -- what a push service is given: a message that only the browser can read (RFC 8291, RFC 8188), and who sends it (VAPID,
 * RFC 8292). No I/O but reading the key.
 */
#ifndef PEAL_BASE_WEBPUSH_H
#define PEAL_BASE_WEBPUSH_H

#include <openssl/types.h>

#include "arena.h"
#include "str.h"

#define WEBPUSH_POINT_BYTES 65 /* of P-256, uncompressed */
#define WEBPUSH_AUTH_BYTES  16
#define WEBPUSH_SALT_BYTES  16
#define WEBPUSH_BODY_MOST   4096 /* every push service takes so much */
/* What of it is for the text: without the header (86), the delimiter and the tag. */
#define WEBPUSH_TEXT_MOST (WEBPUSH_BODY_MOST - 86 - 1 - 16)
#define WEBPUSH_PAD       512 /* texts are padded to a multiple, so that their length tells little */

/* Is this the public key of a browser: a point on P-256? */
bool webpush_key_ok(struct str p256dh);
/*
 * The body of a push message, one record. `ours` and `salt` are made for each message; NULL: here. p256dh and auth come from the
 * subscription. INVALID: the key is none, or the text is too long.
 */
int webpush_encrypt(struct arena *, struct str p256dh, struct str auth, struct str text, EVP_PKEY *ours,
                    const unsigned char *salt, struct str *ret);

struct vapid;
/* The file is a private key on P-256, PEM, which others may not read. NULL, with a static sentence in *ret_why. */
struct vapid *vapid_load(const char *file, const char *subject, const char **ret_why);
struct vapid *vapid_free(struct vapid *); /* NULL-safe; returns NULL */
/* The public half, base64url: what browsers call applicationServerKey. Lives as the key. */
struct str vapid_public(const struct vapid *);
/* The value of Authorization for a push service of this origin; signed anew when less than an hour is left of it. `now`: seconds
 * since 1970. In the arena. STR_NONE when OpenSSL does not sign. */
struct str vapid_authorization(struct vapid *, struct arena *, struct str origin, int64_t now);

#endif
