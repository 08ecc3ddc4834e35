/*
 * err -- outcomes and faults.
 *
 * Every function that can fail returns `int r`:
 *     0    done
 *   > 0    an outcome from the list below: expected, and the caller must handle it or pass it on
 *   < 0    a fault, a negated errno value: nobody handles it locally, it is passed up unchanged and
 *          logged once, at the rim (dispatch, or main)
 *
 * The one list below yields the C enum, the HTTP status, the `code` of problem+json (RFC 9457), the page
 * docs/errors.md and the TypeScript union in web/sdk/errors.ts. Only fcgi/reply.c reads the status.
 */
#ifndef PEAL_BASE_ERR_H
#define PEAL_BASE_ERR_H

#include <stddef.h>

/* name, HTTP status, code, retryable as it stands, sentence for docs and for `detail` */
#define OUTCOMES(X)                                                                                                         \
	X(INVALID, 400, "invalid", 0, "A member of the request is missing or malformed; errors[] names it.")                \
	X(BAD_JSON, 400, "bad_json", 0, "The body is not the JSON this route accepts.")                                     \
	X(EMPTY, 400, "empty", 0, "The body is empty, or the form has no part `file` with anything in it.")                 \
	X(BAD_REQUEST, 400, "bad_request", 0, "This is not a request that HTTP allows.")                                    \
	X(UNAUTHENTICATED, 401, "unauthenticated", 0, "No valid access token came with the request.")                       \
	X(TOKEN_EXPIRED, 401, "token_expired", 0, "The access token has expired; refresh it.")                              \
	X(BAD_CREDENTIALS, 401, "bad_credentials", 0, "The user name or the password is wrong.")                            \
	X(SECOND_FACTOR_REQUIRED, 401, "second_factor_required", 0, "The password is right; a code is needed as well.")     \
	X(BAD_REFRESH_TOKEN, 401, "bad_refresh_token", 0, "The refresh token is unknown, used or expired; sign in.")        \
	X(FORBIDDEN, 403, "forbidden", 0, "This is beyond your role.")                                                      \
	X(INSUFFICIENT_SCOPE, 403, "insufficient_scope", 0, "The access token is not for this; see its scopes.")            \
	X(PROOF_REQUIRED, 403, "proof_required", 0, "Say again who you are, at /auth/proof: this changes how you sign in.") \
	X(BAD_CODE, 403, "bad_code", 0, "The code is wrong, was used before, or is not of this minute.")                    \
	X(BAD_CHALLENGE, 403, "bad_challenge", 0, "The challenge is not ours, was used, or has expired: begin again.")      \
	X(BAD_PASSKEY, 403, "bad_passkey", 0, "This is no answer of a passkey that this server knows or accepts.")          \
	X(BLOCKED, 403, "blocked", 0, "One of you has blocked the other.")                                                  \
	X(REGISTRATION_CLOSED, 403, "registration_closed", 0, "This server does not accept registrations.")                 \
	X(CROSS_SITE, 403, "cross_site", 0, "Cookie routes accept requests from listed origins only.")                      \
	X(NOT_FOUND, 404, "not_found", 0, "There is no such thing, or it is not yours to see.")                             \
	X(NOT_CONFIGURED, 404, "not_configured", 0,                                                                         \
	  "This server is not set up for that; /capabilities says what there is.")                                          \
	X(METHOD_NOT_ALLOWED, 405, "method_not_allowed", 0, "The path exists, but not with this method.")                   \
	X(GONE, 410, "gone", 0, "This link has expired; ask for a fresh one.")                                              \
	X(CONFLICT, 409, "conflict", 0, "The state has changed meanwhile.")                                                 \
	X(USERNAME_TAKEN, 409, "username_taken", 0, "Somebody else has this user name.")                                    \
	X(IDEMPOTENCY_CONFLICT, 409, "idempotency_conflict", 0, "This key was used before with another body.")              \
	X(STALE_VERSION, 409, "stale_version", 0, "The message was edited since the version that if_version names.")        \
	X(DELETED, 409, "deleted", 0, "The message was deleted for everyone.")                                              \
	X(WRONG_KIND, 409, "wrong_kind", 0, "Not for this kind of conversation or message.")                                \
	X(POLL_CLOSED, 409, "poll_closed", 0, "Nobody votes in this poll any more.")                                        \
	X(TOO_MANY, 409, "too_many", 0, "There are as many of these already as there may be.")                              \
	X(GROUP_FULL, 409, "group_full", 0, "The group has as many members as a group may have.")                           \
	X(LAST_OWNER, 409, "last_owner", 0, "A group keeps at least one owner.")                                            \
	X(LAST_ADMIN, 409, "last_admin", 0, "A server keeps an administrator: somebody else has to become one before.")     \
	X(LAST_WAY_IN, 409, "last_way_in", 0, "You could not sign in any more: add a passkey or another provider before.")  \
	X(OFFSET_CONFLICT, 409, "offset_conflict", 0, "The upload goes on from another place; ask for its Upload-Offset.")  \
	X(PRECONDITION_FAILED, 412, "precondition_failed", 0, "If-Match or If-Unmodified-Since does not hold.")             \
	X(TUS_VERSION, 412, "tus_version", 0, "Tus-Resumable names no version that this server speaks.")                    \
	X(TOO_LARGE, 413, "too_large", 0, "The body is larger than this route accepts.")                                    \
	X(URI_TOO_LONG, 414, "uri_too_long", 0, "The path and query are longer than this server reads.")                    \
	X(UNSUPPORTED_MEDIA_TYPE, 415, "unsupported_media_type", 0,                                                         \
	  "Send application/json; to uploads in pieces application/offset+octet-stream.")                                   \
	X(UNSUPPORTED_TYPE, 415, "unsupported_type", 0, "These bytes are not of a type that this route accepts.")           \
	X(CORRUPT, 422, "corrupt", 0, "The file is damaged, cut off, or not what its first bytes say.")                     \
	X(TOO_MANY_PIXELS, 422, "too_many_pixels", 0, "The picture has more pixels than this server decodes.")              \
	X(TOO_MANY_FRAMES, 422, "too_many_frames", 0, "The animation has more frames than this server decodes.")            \
	X(TOO_LONG, 422, "too_long", 0, "The recording takes longer than this server accepts.")                             \
	X(TOO_COMPLEX, 422, "too_complex", 0, "Decoding the file takes more time or memory than one file may.")             \
	X(INFECTED, 422, "infected", 0, "The scanner of this server has found something harmful in the file.")              \
	X(RATE_LIMITED, 429, "rate_limited", 1, "Too many requests; see Retry-After.")                                      \
	X(SLOW_MODE, 429, "slow_mode", 1, "The group is in slow mode; see Retry-After.")                                    \
	X(HEADERS_TOO_LARGE, 431, "headers_too_large", 0, "The header fields are larger than this server reads.")           \
	X(CHECKSUM_MISMATCH, 460, "checksum_mismatch", 0,                                                                   \
	  "The bytes that came are not those of Upload-Checksum; none is kept.")                                            \
	X(INTERNAL, 500, "internal", 0, "A fault on our side; the request id leads to it in the log.")                      \
	X(NOT_IMPLEMENTED, 501, "not_implemented", 0, "This server does not know that transfer coding.")                    \
	X(BAD_GATEWAY, 502, "bad_gateway", 1, "The worker went away before it answered: send the same request again.")      \
	X(UNAVAILABLE, 503, "unavailable", 1, "A service behind this one is away; try again.")                              \
	X(BUSY, 503, "busy", 1, "All decoders have work for longer than an upload waits; try again.")                       \
	X(OVERLOADED, 503, "overloaded", 1, "The request waited too long to be worth starting; try again.")                 \
	X(UNCERTAIN, 503, "uncertain", 1,                                                                                   \
	  "The answer to COMMIT was lost: send the same request, with the same key, again.")                                \
	X(RETRY, 503, "retry", 1, "Concurrent changes collided; try again.")                                                \
	X(GATEWAY_TIMEOUT, 504, "gateway_timeout", 1, "The worker did not answer in time: send the same request again.")    \
	X(NO_SPACE, 507, "no_space", 0, "Your storage quota, or the server's disk, is full.")

enum outcome {
	OUTCOME_OK = 0,
#define X(name, status, code, retryable, text) name,
	OUTCOMES(X)
#undef X
	        OUTCOME_MAX
};

struct outcome_info {
	const char *name, *code, *text;
	int status, retryable;
};

/* Never NULL: faults and unknown values are described as INTERNAL. */
const struct outcome_info *outcome_info(int r);

/* Makes a fault at this place: `return fault(-EIO);`. The argument is negative. */
#define fault(r) err_origin((r), __FILE__, __LINE__)
/* Passes r up; when it is a fault, notes this place in its trace: `if (r) return trace(r);`. */
#define trace(r) err_trace((r), __FILE__, __LINE__)

int err_origin(int r, const char *file, int line);
int err_trace(int r, const char *file, int line);
/* "file:line < file:line ..." of the last fault of this process; "" when there was none. Valid until the next fault. */
const char *err_path(void);
void err_clear(void);

struct buf;
void err_write_reference(struct buf *); /* docs/errors.md */

#endif
