/*
 * issuers -- who else may say who somebody is: the files of `issuers_dir`, and tokens checked by them.
 *
 * Each file <label>.conf describes one issuer in the grammar of peal.conf (conf.h), by the table issuer_keys. One that has keys
 * (secret_file, public_key_file or jwks_file) issues access tokens; one with a client_id offers to sign in by OpenID Connect; one may do
 * both. All files and keys are read together: if one is bad nothing is loaded, and the reader keeps what it has.
 */
#ifndef PEAL_BASE_ISSUERS_H
#define PEAL_BASE_ISSUERS_H

#include "conf.h"
#include "jwk.h"

#define ISSUERS_MAX           32
#define ISSUER_LABEL_MAX      16  /* [a-z0-9-]: it is part of user names */
#define ISSUER_SUBJECT_MAX    255 /* bytes, OpenID Connect Core section 2 */
#define ISSUER_TOKEN_MAX      4096
#define ISSUER_ID_TOKEN_MAX   16384
#define ISSUER_LEEWAY_SECONDS 30

struct issuer {
	const char *label; /* the file's name without .conf */
	/* keys of the file */
	const char *issuer, *algorithm, *audience;
	const char *secret_file, *public_key_file, *jwks_file;
	const char *name_claim, *username_claim;
	int64_t max_token_seconds;
	const char *client_id, *client_secret_file, *title, *scopes;
	/* made of them */
	enum jws_alg alg;
	struct jwk_set *keys;     /* NULL: it issues no access tokens */
	struct str client_secret; /* absent: a public client */
};

struct issuers {
	struct arena *arena;
	struct issuer all[ISSUERS_MAX];
	size_t n;
	char *dir;
	unsigned char stamp[32]; /* of all files, as they were before they were read */
};

extern const struct conf_key issuer_keys[];

/* 0, without any when there is no such folder; INVALID with every mistake as a line of `errors`. own_issuer: our own `iss`. */
int issuers_load(const char *dir, const char *own_issuer, struct issuers **ret, struct buf *errors);
struct issuers *issuers_free(struct issuers *); /* NULL-safe; returns NULL */
/* Has a file come, gone or changed since? Then the stamp is of now: it is told once. */
bool issuers_changed(struct issuers *);

const struct issuer *issuers_by_label(const struct issuers *, struct str label); /* that offers signing in, or NULL */
/* The issuer that a token says it is of, if it is one with keys: nothing has been checked yet. */
const struct issuer *issuers_claimed(const struct issuers *, struct arena *, struct str token);

/* Strings live as the arena. */
struct issuer_claims {
	struct str subject;
	struct str name, username;      /* absent when the token has none */
	int64_t issued_at;              /* 0: it does not say */
	int64_t not_before, expires_at; /* seconds since 1970; not_before 0: any time */
	struct str signed_text;         /* what identifies the token: another signature of it is no other token */
};

/*
 * An access token: 0; UNAUTHENTICATED; TOKEN_EXPIRED when nothing else is wrong. Refused are tokens of more than 4 KiB, a `typ` other
 * than JWT and at+jwt, a signature, `iss`, `aud` or `sub` that is not right, times that are none, those without `exp`, and those that are
 * issued for longer than max_token_seconds. Header members that offer keys (jku, jwk, x5u, x5c) are not looked at.
 */
int issuer_verify(const struct issuer *, struct arena *, struct str token, int64_t now, struct issuer_claims *ret);
/* Are the times of claims that were right once still right? 0, UNAUTHENTICATED or TOKEN_EXPIRED. */
int issuer_in_time(const struct issuer_claims *, int64_t now);
/* An ID token (OpenID Connect Core section 3.1.3.7): for client_id, with this nonce, by the provider's own keys. */
int issuer_verify_id(const struct issuer *, const struct jwk_set *, struct arena *, struct str token, struct str nonce,
                     int64_t now, struct issuer_claims *ret);

void issuer_write_reference(struct buf *); /* the table of docs/configuration.md */

#endif
