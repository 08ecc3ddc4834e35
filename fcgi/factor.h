/*
 * factor -- second factors and passkeys as the routes need them: what is checked, used up and asked for again.
 */
#ifndef PEAL_FCGI_FACTOR_H
#define PEAL_FCGI_FACTOR_H

#include "base/webauthn.h"
#include "challenge.h"

#define RECOVERY_CODES       10
#define FACTOR_PROOF_SECONDS 600 /* how long somebody who has proved who they are may change how they sign in */
#define FACTOR_CODE_MAX      64  /* code points of what somebody types as one */
#define PASSKEYS_MAX         20
#define PASSKEY_NAME_MAX     64 /* code points */

/* After the password, before the session: 0, or SECOND_FACTOR_REQUIRED with req->challenge. */
int factor_after_password(struct req *, int64_t user_id, struct str password_hash);

/* A code as a body has it: one of them. */
struct factor_code {
	struct str code, recovery_code;
};
/* INVALID unless exactly one is there. */
int factor_code_given(struct req *, const struct factor_code *);
/* Checks it for the person and uses it up, together with the challenge (NULL: there is none): 0, BAD_CODE, BAD_CHALLENGE, RATE_LIMITED. */
int factor_code_use(struct req *, const struct factors *, const struct factor_code *, const struct challenge *);
/* Recovery codes that replace all others: their digests, and {"recovery_codes": [...]} as the reply. */
struct str factor_codes_make(struct req *, int64_t user_id, struct str codes[RECOVERY_CODES]);
int factor_codes_reply(struct req *, const struct str codes[RECOVERY_CODES]);

/* May req->me change how they sign in? FORBIDDEN: not signed in here; PROOF_REQUIRED: POST /auth/proof first. *ret_until may be NULL. */
int factor_proved(struct req *);
int factor_proved_until(struct req *, int64_t *ret_us);

/* How people may sign in on this server but by their password. */
struct ways factor_ways(struct req *);

/* What authenticator apps and passkeys call this server: its host. */
struct str factor_issuer(const struct conf *);
/* The domain that passkeys are for; absent when it is an address, for which browsers have none. */
struct str factor_rp_id(const struct conf *);
/* NOT_FOUND when there are no passkeys here. */
int factor_expected(struct req *, struct webauthn_expected *ret);
/* A PublicKeyCredential as browsers write it (toJSON()) at this place of the body, as far as it is one. INVALID with the place. */
struct factor_credential {
	struct str id, client, attestation_object, authenticator_data, signature, handle; /* bytes */
	struct str transports_json;                                                       /* ["internal"] */
};
int factor_credential_read(struct req *, json_t *, const char *prefix, bool is_new, struct factor_credential *ret);
/* Whose passkey has signed this challenge: BAD_PASSKEY with a line in the log, BAD_CHALLENGE. It is noted that it was used. */
int factor_passkey_check(struct req *, const struct factor_credential *, struct passkey *ret);
int factor_refused(struct req *, const char *why); /* BAD_PASSKEY, and the line */

#endif
