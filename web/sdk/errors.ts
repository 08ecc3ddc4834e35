// What the server can answer but success. Made from lib/base/err.h by `npm run errors`.

export const ERRORS = {
	/** A member of the request is missing or malformed; errors[] names it. */
	invalid: { status: 400, retryable: false },
	/** The body is not the JSON this route accepts. */
	bad_json: { status: 400, retryable: false },
	/** The body is empty, or the form has no part `file` with anything in it. */
	empty: { status: 400, retryable: false },
	/** This is not a request that HTTP allows. */
	bad_request: { status: 400, retryable: false },
	/** No valid access token came with the request. */
	unauthenticated: { status: 401, retryable: false },
	/** The access token has expired; refresh it. */
	token_expired: { status: 401, retryable: false },
	/** The user name or the password is wrong. */
	bad_credentials: { status: 401, retryable: false },
	/** The password is right; a code is needed as well. */
	second_factor_required: { status: 401, retryable: false },
	/** The refresh token is unknown, used or expired; sign in. */
	bad_refresh_token: { status: 401, retryable: false },
	/** This is beyond your role. */
	forbidden: { status: 403, retryable: false },
	/** The access token is not for this; see its scopes. */
	insufficient_scope: { status: 403, retryable: false },
	/** Say again who you are, at /auth/proof: this changes how you sign in. */
	proof_required: { status: 403, retryable: false },
	/** The code is wrong, was used before, or is not of this minute. */
	bad_code: { status: 403, retryable: false },
	/** The challenge is not ours, was used, or has expired: begin again. */
	bad_challenge: { status: 403, retryable: false },
	/** This is no answer of a passkey that this server knows or accepts. */
	bad_passkey: { status: 403, retryable: false },
	/** One of you has blocked the other. */
	blocked: { status: 403, retryable: false },
	/** This server does not accept registrations. */
	registration_closed: { status: 403, retryable: false },
	/** Cookie routes accept requests from listed origins only. */
	cross_site: { status: 403, retryable: false },
	/** There is no such thing, or it is not yours to see. */
	not_found: { status: 404, retryable: false },
	/** This server is not set up for that; /capabilities says what there is. */
	not_configured: { status: 404, retryable: false },
	/** The path exists, but not with this method. */
	method_not_allowed: { status: 405, retryable: false },
	/** This link has expired; ask for a fresh one. */
	gone: { status: 410, retryable: false },
	/** The state has changed meanwhile. */
	conflict: { status: 409, retryable: false },
	/** Somebody else has this user name. */
	username_taken: { status: 409, retryable: false },
	/** This key was used before with another body. */
	idempotency_conflict: { status: 409, retryable: false },
	/** The message was edited since the version that if_version names. */
	stale_version: { status: 409, retryable: false },
	/** The message was deleted for everyone. */
	deleted: { status: 409, retryable: false },
	/** Not for this kind of conversation or message. */
	wrong_kind: { status: 409, retryable: false },
	/** Nobody votes in this poll any more. */
	poll_closed: { status: 409, retryable: false },
	/** There are as many of these already as there may be. */
	too_many: { status: 409, retryable: false },
	/** The group has as many members as a group may have. */
	group_full: { status: 409, retryable: false },
	/** A group keeps at least one owner. */
	last_owner: { status: 409, retryable: false },
	/** A server keeps an administrator: somebody else has to become one before. */
	last_admin: { status: 409, retryable: false },
	/** You could not sign in any more: add a passkey or another provider before. */
	last_way_in: { status: 409, retryable: false },
	/** The upload goes on from another place; ask for its Upload-Offset. */
	offset_conflict: { status: 409, retryable: false },
	/** If-Match or If-Unmodified-Since does not hold. */
	precondition_failed: { status: 412, retryable: false },
	/** Tus-Resumable names no version that this server speaks. */
	tus_version: { status: 412, retryable: false },
	/** The body is larger than this route accepts. */
	too_large: { status: 413, retryable: false },
	/** The path and query are longer than this server reads. */
	uri_too_long: { status: 414, retryable: false },
	/** Send application/json; to uploads in pieces application/offset+octet-stream. */
	unsupported_media_type: { status: 415, retryable: false },
	/** These bytes are not of a type that this route accepts. */
	unsupported_type: { status: 415, retryable: false },
	/** The file is damaged, cut off, or not what its first bytes say. */
	corrupt: { status: 422, retryable: false },
	/** The picture has more pixels than this server decodes. */
	too_many_pixels: { status: 422, retryable: false },
	/** The animation has more frames than this server decodes. */
	too_many_frames: { status: 422, retryable: false },
	/** The recording takes longer than this server accepts. */
	too_long: { status: 422, retryable: false },
	/** Decoding the file takes more time or memory than one file may. */
	too_complex: { status: 422, retryable: false },
	/** The scanner of this server has found something harmful in the file. */
	infected: { status: 422, retryable: false },
	/** Too many requests; see Retry-After. */
	rate_limited: { status: 429, retryable: true },
	/** The group is in slow mode; see Retry-After. */
	slow_mode: { status: 429, retryable: true },
	/** The header fields are larger than this server reads. */
	headers_too_large: { status: 431, retryable: false },
	/** The bytes that came are not those of Upload-Checksum; none is kept. */
	checksum_mismatch: { status: 460, retryable: false },
	/** A fault on our side; the request id leads to it in the log. */
	internal: { status: 500, retryable: false },
	/** This server does not know that transfer coding. */
	not_implemented: { status: 501, retryable: false },
	/** The worker went away before it answered: send the same request again. */
	bad_gateway: { status: 502, retryable: true },
	/** A service behind this one is away; try again. */
	unavailable: { status: 503, retryable: true },
	/** All decoders have work for longer than an upload waits; try again. */
	busy: { status: 503, retryable: true },
	/** The request waited too long to be worth starting; try again. */
	overloaded: { status: 503, retryable: true },
	/** The answer to COMMIT was lost: send the same request, with the same key, again. */
	uncertain: { status: 503, retryable: true },
	/** Concurrent changes collided; try again. */
	retry: { status: 503, retryable: true },
	/** The worker did not answer in time: send the same request again. */
	gateway_timeout: { status: 504, retryable: true },
	/** Your storage quota, or the server's disk, is full. */
	no_space: { status: 507, retryable: false },
} as const;

export type ErrorCode = keyof typeof ERRORS;
