/*
 * service_account -- who we are to Google: the JSON file of a service account, and the assertion that its token server takes (RFC 7523).
 */
#ifndef PEAL_BASE_SERVICE_ACCOUNT_H
#define PEAL_BASE_SERVICE_ACCOUNT_H

#include <openssl/types.h>

#include "arena.h"
#include "str.h"

struct service_account {
	struct str project_id, client_email, key_id, token_uri; /* live as the arena */
	EVP_PKEY *key;                                          /* RSA; goes with the arena */
};

/* Others may not read the file. False with a static sentence in *ret_why. */
bool service_account_load(struct arena *, const char *file, struct service_account *ret, const char **ret_why);
/* The body of the request to token_uri, a form. `now`: seconds since 1970. STR_NONE when OpenSSL does not sign. */
struct str service_account_form(struct arena *, const struct service_account *, struct str scope, int64_t now);

#endif
