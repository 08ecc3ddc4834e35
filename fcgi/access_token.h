/*
 * access_token -- what programs say instead of a password: `peal_pat_`, 32 random bytes in base64url, and a checksum.
 *
 * The checksum, the first 4 bytes of SHA-256 of all before it, in base64url, lets a mistyped or invented token be refused without
 * asking the database, and lets those who look for lost secrets know one when they see it. Only SHA-256 of the whole is kept.
 * A token opens the routes whose scope (enum scope in req.h) it has, on every door, and no other.
 */
#ifndef PEAL_FCGI_ACCESS_TOKEN_H
#define PEAL_FCGI_ACCESS_TOKEN_H

#include "req.h"

#define ACCESS_TOKEN_PREFIX "peal_pat_"
#define ACCESS_TOKEN_BYTES  58 /* prefix 9, random 43, checksum 6 */

/* Does it want to be one? Whether it is says access_token_who(). */
bool access_token_form(struct str token);
/* A new one, and its hash (32 bytes); both live in the arena. */
struct str access_token_make(struct arena *, struct str *ret_hash);
/* False unless it is whole. */
bool access_token_hash(struct arena *, struct str token, struct str *ret_hash);

/*
 * Sets req->me, session, access_token, bot and expires_at (0: never). UNAUTHENTICATED; TOKEN_EXPIRED; INSUFFICIENT_SCOPE: it is
 * good, but not for req->endpoint.
 */
int access_token_who(struct req *, struct str token);
/* The same for a socket that a token opened, which is known by a session of its own kind. */
bool access_token_session(struct str session);
int access_token_who_socket(struct req *, struct str session, int64_t user_id);

const char *scope_word(enum scope);                 /* "messages:read" */
bool scope_parse(struct str word, enum scope *ret); /* false: there is none like it */
bool scope_listed(struct str list, enum scope);     /* words with blanks between them; SCOPE_SESSION is in none */

#endif
