/*
 * pubkey -- public keys from their numbers, as JWK and COSE write them, for OpenSSL.
 */
#ifndef PEAL_BASE_PUBKEY_H
#define PEAL_BASE_PUBKEY_H

#include <openssl/types.h>

#include "str.h"

#define PUBKEY_COORDINATE_BYTES 32 /* of P-256 and of Ed25519 */

/* All big-endian. NULL when that is no such key; otherwise for EVP_PKEY_free(). */
EVP_PKEY *pubkey_p256(struct str x, struct str y); /* at full width, a point on the curve */
EVP_PKEY *pubkey_ed25519(struct str x);
/* An odd modulus of least to most bits, and an odd exponent above 1 of at most 32 bits. */
EVP_PKEY *pubkey_rsa(struct str n, struct str e, int least_bits, int most_bits);

#endif
