/* pubkey.c -- EVP_PKEY_fromdata(), and what it does not check. */
#include "pubkey.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdlib.h>

#define EXPONENT_BITS 32

static EVP_PKEY *
from_params(const char *type, OSSL_PARAM *params)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;

	if (!c || !params)
		abort();
	if (EVP_PKEY_fromdata_init(c) != 1 || EVP_PKEY_fromdata(c, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(c);
	ERR_clear_error();
	return key;
}

/* OpenSSL refuses a point that is not on the curve. */
EVP_PKEY *
pubkey_p256(struct str x, struct str y)
{
	unsigned char point[1 + 2 * PUBKEY_COORDINATE_BYTES] = { 4 /* uncompressed */ };
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char[]){ "P-256" }, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
		OSSL_PARAM_construct_end(),
	};

	if (x.n != PUBKEY_COORDINATE_BYTES || y.n != PUBKEY_COORDINATE_BYTES)
		return NULL;
	memcpy(point + 1, x.p, x.n);
	memcpy(point + 1 + x.n, y.p, y.n);
	return from_params("EC", params);
}

EVP_PKEY *
pubkey_ed25519(struct str x)
{
	EVP_PKEY *key = x.n == PUBKEY_COORDINATE_BYTES
	                        ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)x.p, x.n)
	                        : NULL;

	ERR_clear_error();
	return key;
}

static EVP_PKEY *
rsa_of(const BIGNUM *n, const BIGNUM *e)
{
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params;
	EVP_PKEY *key;

	if (!build || OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) != 1 ||
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) != 1)
		abort();
	params = OSSL_PARAM_BLD_to_param(build);
	key = from_params("RSA", params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	return key;
}

static bool
rsa_ok(const BIGNUM *n, const BIGNUM *e, int least, int most)
{
	return BN_num_bits(n) >= least && BN_num_bits(n) <= most && BN_is_odd(n) && BN_is_odd(e) && !BN_is_one(e) &&
	       BN_num_bits(e) <= EXPONENT_BITS;
}

EVP_PKEY *
pubkey_rsa(struct str n, struct str e, int least_bits, int most_bits)
{
	BIGNUM *modulus, *exponent;
	EVP_PKEY *key = NULL;

	if (n.n > (size_t)most_bits / 8 + 1 || e.n > EXPONENT_BITS / 8 + 1)
		return NULL;
	modulus = BN_bin2bn((const unsigned char *)n.p, (int)n.n, NULL);
	exponent = BN_bin2bn((const unsigned char *)e.p, (int)e.n, NULL);
	if (!modulus || !exponent)
		abort();
	if (rsa_ok(modulus, exponent, least_bits, most_bits))
		key = rsa_of(modulus, exponent);
	BN_free(modulus);
	BN_free(exponent);
	return key;
}
