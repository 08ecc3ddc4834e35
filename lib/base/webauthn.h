/*
 * webauthn -- what a server checks of passkeys (Web Authentication level 3, sections 7.1 and 7.2). No I/O, no state: who a credential
 * belongs to, whether a challenge was used and what the counter was are the caller's to know.
 *
 * Passkeys only: user verification is always required. Attestation is not asked for, so nothing is learned from it: "none", or "packed"
 * signed by the new key itself, whose signature must then be right.
 */
#ifndef PEAL_BASE_WEBAUTHN_H
#define PEAL_BASE_WEBAUTHN_H

#include "arena.h"
#include "str.h"

#define WEBAUTHN_ID_MAX_BYTES 1023 /* of a credential id, level 3 section 4 */

/* COSE algorithms (RFC 8152, 8812): those that are accepted, the preferred one first. Ends with 0. */
#define WEBAUTHN_ES256 (-7)
#define WEBAUTHN_EDDSA (-8)
#define WEBAUTHN_RS256 (-257)
extern const int64_t webauthn_algorithms[];

/* What a browser signed on behalf of a page. Borrows from the arena. */
struct webauthn_client {
	struct str type, challenge, origin; /* the challenge as base64url, as it is in the text */
	bool cross_origin;                  /* by a frame of another site */
	struct str text;                    /* clientDataJSON itself */
};

struct webauthn_expected {
	struct str rp_id;
	struct str origins; /* separated by blanks */
};

/* A new credential. */
struct webauthn_credential {
	struct str id, public_key; /* the key as COSE */
	struct str aaguid;         /* 16 bytes: the model of the authenticator, all zero when it does not say */
	int64_t sign_count;
	bool backup_eligible, backed_up;
};

/* What is known of a credential that somebody uses. */
struct webauthn_known {
	struct str public_key;
	bool backup_eligible;
};
struct webauthn_used {
	int64_t sign_count;
	bool backed_up;
};

/* All return 0, or INVALID with *ret_why: a few words for the log. */
int webauthn_client_read(struct arena *, struct str client_data_json, struct webauthn_client *ret, const char **ret_why);
/* The answer to navigator.credentials.create(): the attestation object, and the id that came beside it. */
int webauthn_registered(const struct webauthn_expected *, const struct webauthn_client *, struct str id,
                        struct str attestation_object, struct webauthn_credential *ret, const char **ret_why);
/* The answer to navigator.credentials.get(). */
int webauthn_asserted(const struct webauthn_expected *, const struct webauthn_client *, const struct webauthn_known *,
                      struct str authenticator_data, struct str signature, struct webauthn_used *ret, const char **ret_why);

/* Pieces of the above, for the tests that hand them any bytes. */
struct webauthn_authenticator {
	struct str rp_id_hash;
	bool present, verified, backup_eligible, backed_up, attested;
	int64_t sign_count;
	struct str aaguid, id, public_key; /* when attested */
};
bool webauthn_authenticator_read(struct str, struct webauthn_authenticator *ret);
/* Is this a COSE key that can be used? */
bool webauthn_key_ok(struct str cose);

#endif
