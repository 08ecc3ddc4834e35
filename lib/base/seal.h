/*
 * seal -- what the database keeps but must not be able to read: AES-256-GCM under a key that lies in a file.
 */
#ifndef PEAL_BASE_SEAL_H
#define PEAL_BASE_SEAL_H

#include "arena.h"
#include "str.h"

/* nonce (12 bytes, random) | ciphertext | tag (16). `context` is not in it, but the same must be said to open it: whose it is, so that
 * a row copied to somebody else's account is worth nothing. The key may have any length and must be secret. */
struct str seal(struct arena *, struct str key, struct str context, struct str plain);
/* False unless it was sealed by this key in this context. */
bool unseal(struct arena *, struct str key, struct str context, struct str sealed, struct str *ret);

#endif
