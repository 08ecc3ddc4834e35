/* seal.c -- AES-256-GCM by OpenSSL. */
#include "seal.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "bytes.h"

#define NONCE_BYTES 12
#define TAG_BYTES   16

/* A context with the key and the nonce set, and the additional data given. Fails only when memory does. */
static EVP_CIPHER_CTX *
begin(struct str key, const unsigned char *nonce, struct str context, int encrypt)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	unsigned char derived[SHA256_BYTES];
	int n;

	bytes_hmac_sha256(key, STR("peal seal"), derived);
	if (!c || EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, derived, nonce, encrypt) != 1 ||
	    EVP_CipherUpdate(c, NULL, &n, (const unsigned char *)context.p, (int)context.n) != 1)
		abort();
	return c;
}

struct str
seal(struct arena *arena, struct str key, struct str context, struct str plain)
{
	unsigned char *out = arena_alloc(arena, NONCE_BYTES + plain.n + TAG_BYTES);
	EVP_CIPHER_CTX *c;
	int n;

	bytes_random(out, NONCE_BYTES);
	c = begin(key, out, context, 1);
	if (EVP_CipherUpdate(c, out + NONCE_BYTES, &n, (const unsigned char *)plain.p, (int)plain.n) != 1 ||
	    EVP_CipherFinal_ex(c, out + NONCE_BYTES + n, &n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, out + NONCE_BYTES + plain.n) != 1)
		abort();
	EVP_CIPHER_CTX_free(c);
	return str_n((char *)out, NONCE_BYTES + plain.n + TAG_BYTES);
}

bool
unseal(struct arena *arena, struct str key, struct str context, struct str sealed, struct str *ret)
{
	size_t n = sealed.n - NONCE_BYTES - TAG_BYTES;
	unsigned char *out, tag[TAG_BYTES];
	EVP_CIPHER_CTX *c;
	int done;
	bool ok;

	if (sealed.n < NONCE_BYTES + TAG_BYTES)
		return false;
	out = arena_alloc(arena, n + 1);
	memcpy(tag, sealed.p + NONCE_BYTES + n, TAG_BYTES);
	c = begin(key, (const unsigned char *)sealed.p, context, 0);
	ok = EVP_CipherUpdate(c, out, &done, (const unsigned char *)sealed.p + NONCE_BYTES, (int)n) == 1 &&
	     EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) == 1 &&
	     EVP_CipherFinal_ex(c, out + done, &done) == 1;
	EVP_CIPHER_CTX_free(c);
	if (ok)
		*ret = str_n((char *)out, n);
	return ok;
}
