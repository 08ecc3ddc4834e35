/*
 * factor -- how somebody proves who they are beside the password: codes, recovery codes, passkeys. All functions: 0, the outcomes named,
 * UNAVAILABLE, UNCERTAIN, or a fault.
 *
 * Secrets come and go sealed, recovery codes as digests; a challenge as its digest, with the time until which it must not be used again.
 */
#ifndef PEAL_STORE_FACTOR_H
#define PEAL_STORE_FACTOR_H

#include "../wire/model.h"
#include "db.h"
#include "identity.h"

#define RECOVERY_HASH_BYTES 32

struct factors {
	struct user user;
	struct str password_hash;  /* absent: they have no password */
	struct str totp_secret;    /* sealed; absent: never set up */
	int64_t totp_confirmed_at; /* 0: not in use */
	int64_t totp_retry_at;     /* no code is looked at before; 0: at once */
	int64_t recovery_codes, passkeys;
};

struct used_challenge {
	struct str digest; /* absent: there was none */
	int64_t expires_at;
};

int factors_get(struct db *, struct arena *, int64_t user_id, struct factors *ret); /* NOT_FOUND, also when disabled */
/* Nothing asks for the code until it is confirmed; beginning again replaces what was not. CONFLICT: it is in use already. */
int totp_begin(struct db *, struct arena *, int64_t user_id, struct str sealed_secret);
/* NOT_FOUND: nothing waits to be confirmed. The hashes stand one behind the other. */
int totp_confirm(struct db *, struct arena *, int64_t user_id, int64_t step, struct str hashes);
int totp_remove(struct db *, struct arena *, int64_t user_id); /* idempotent; the recovery codes go as well */
int recovery_codes_replace(struct db *, struct arena *, int64_t user_id, struct str hashes);
/* Uses up the code of a step, or a recovery code when the hash is there. NOT_FOUND: used before, or none such; CONFLICT: the challenge was. */
int factor_use(struct db *, struct arena *, int64_t user_id, int64_t step, struct str hash, const struct used_challenge *);
int factor_failed(struct db *, struct arena *, int64_t user_id); /* a wrong code: the next ones may have to wait */

/* When the session's person last said who they are; UNAUTHENTICATED: it has ended. */
int session_proved_at(struct db *, struct arena *, struct str session_id, int64_t user_id, int64_t *ret);
int session_prove(struct db *, struct arena *, struct str session_id, int64_t user_id); /* now; UNAUTHENTICATED likewise */

struct passkey {
	int64_t id, user_id;
	struct str credential_id, public_key, handle, name, aaguid;
	struct str transports_json; /* ["internal", ...] */
	int64_t sign_count;
	bool backup_eligible, backed_up;
	int64_t created_at, last_used_at; /* 0: never */
};

int passkeys_of(struct db *, struct arena *, int64_t user_id, struct passkey **ret, size_t *ret_n); /* oldest first */
/* By its credential id; NOT_FOUND, also when its person is disabled. */
int passkey_find(struct db *, struct arena *, struct str credential_id, struct passkey *ret);
/* Fills in id and created_at. CONFLICT: the challenge was used, or somebody has it; TOO_MANY. */
int passkey_add(struct db *, struct arena *, struct passkey *, const struct used_challenge *, int64_t most);
/* CONFLICT: the counter did not grow, or the challenge was used. */
int passkey_use(struct db *, struct arena *, int64_t id, const struct used_challenge *, int64_t sign_count, bool backed_up);
int passkey_rename(struct db *, struct arena *, int64_t user_id, int64_t id, struct str name,
                   struct passkey *ret); /* NOT_FOUND */
/* NOT_FOUND, LAST_WAY_IN */
int passkey_remove(struct db *, struct arena *, int64_t user_id, int64_t id, const struct ways *);

/* Takes all factors and passkeys off; NOT_FOUND: nobody is called so. *ret_n: how many there were. */
int factors_reset(struct db *, struct arena *, struct str username, int64_t *ret_n);

#endif
