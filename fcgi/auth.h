/*
 * auth -- who is calling, and the refresh tokens and cookies by which browsers and apps stay signed in.
 *
 * A refresh token is base64url(session UUID, 16 bytes | generation, 8 bytes big-endian | HMAC-SHA256(refresh key, both)). It
 * is computed, never stored, so that the retry of a lost answer can be given the same successor again; the database holds
 * SHA-256 hashes only.
 */
#ifndef PEAL_FCGI_AUTH_H
#define PEAL_FCGI_AUTH_H

#include "publish.h"
#include "store/account.h"

#define REFRESH_BYTES 56

/* Sets req->me, and req->session unless the caller has none. UNAUTHENTICATED, TOKEN_EXPIRED, UNAVAILABLE. */
int auth_who(struct req *);
/* What begins with our prefix is looked up. A JWT is our own, or else an external issuer's: each is judged by its own keys. */
int auth_token(struct req *, struct str token);

/* Before a request is served: learns which sessions have ended, when it is time to. Never fails: see revoked.h. */
void auth_keep_up(const struct service *, int64_t now_us);
/* Has it not ended, for longer than REVOKED_STALE_US? 0, UNAUTHENTICATED, UNAVAILABLE. A session that never was is not noticed. */
int auth_session_lives(struct req *, struct str session, int64_t user_id);
/* Something has just been ended that may have sockets: once it is committed everybody is told. Nothing depends on it but how soon. */
void auth_ended(struct req *, int64_t user_id, enum feed_ended, struct str session_id);

/* May they choose this password? 0, or INVALID with this place of the body. */
int auth_password_rule(struct req *, const char *path, struct str password, struct str username, struct str display_name);
/* At the cost that is configured. */
int auth_hash(struct req *, struct str password, struct str *ret);
/* Absent hash: there is no such password, which takes as long to find out as that it is wrong. */
bool auth_password_right(struct req *, struct str hash, struct str password);

/* As configured. */
struct session_life auth_session_life(const struct conf *);
struct str refresh_make(struct arena *, struct str key, struct str session_id, int64_t generation);
/* False unless key made it. */
bool refresh_parse(struct arena *, struct str key, struct str token, struct str *ret_session_id, int64_t *ret_generation);
/* SHA-256 of the token's text, 32 bytes, as the session row keeps it. */
struct str refresh_hash(struct arena *, struct str token);

/* May this request use cookies? 0, or CROSS_SITE. */
int auth_same_site(struct req *);
/* peal_<name>, and __Secure-peal_<name> under TLS. */
struct auth_cookie {
	const char *name, *path, *same_site;
};
extern const struct auth_cookie auth_refresh_cookie;
struct str auth_cookie_get(const struct req *, const struct auth_cookie *); /* absent: it did not come */
void auth_cookie_set(struct req *, const struct auth_cookie *, struct str value,
                     int64_t max_age_seconds); /* max_age 0: forget it */

/* The refresh token of a request, from the cookie or from {refresh_token}. */
struct auth_refresh_in {
	struct str token;
	bool by_body;
};
int auth_refresh_in(struct req *, struct auth_refresh_in *ret); /* BAD_REFRESH_TOKEN when there is none */

/* May tokens be delivered in this way ("body", otherwise by cookie)? 0, or CROSS_SITE. */
int auth_delivery(struct req *, struct str token_delivery);
/* Opens a session of somebody whom somebody else vouches for; its refresh token goes into the cookie. BAD_CREDENTIALS: disabled. */
int auth_sign_in(struct req *, int64_t user_id);
/* Opens a session and answers {user, access_token, expires_in, refresh_token?}. password_hash: the one by which they have signed in; absent:
 * by other means. BAD_CREDENTIALS when it is another one by now, or they are disabled. */
int auth_reply_signed_in(struct req *, int status, const struct user *, struct str password_hash, bool by_body);
/* The same tokens once more, 200, for somebody whose answer was lost. CONFLICT: the session has been used since, or is over. */
int auth_reply_again(struct req *, struct str session_id, bool by_body);
/* Writes access_token, expires_in and, when present, refresh_token into the open object. */
int auth_write_tokens(struct req *, struct json_out *, int64_t user_id, struct str session_id, struct str refresh_token);

#endif
