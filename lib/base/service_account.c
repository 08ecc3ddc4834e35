/* service_account.c -- RS256 by OpenSSL, JSON by jansson. */
#include "service_account.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "bytes.h"
#include "json_in.h"
#include "json_out.h"

#define FILE_MOST         ((size_t)65536)
#define ASSERTION_SECONDS 3600
#define BITS_LEAST        2048

struct account_file {
	struct str type, project_id, client_email, private_key_id, private_key, token_uri;
};

static const struct field fields[] = { STR_FIELD(struct account_file, type, .required = 1),
	                               STR_FIELD(struct account_file, project_id, .min = 1, .max = 200, .required = 1),
	                               STR_FIELD(struct account_file, client_email, .min = 1, .max = 500, .required = 1),
	                               STR_FIELD(struct account_file, private_key_id, .max = 200),
	                               STR_FIELD(struct account_file, private_key, .min = 1, .max = 16384, .required = 1),
	                               STR_FIELD(struct account_file, token_uri, .min = 9, .max = 500, .required = 1),
	                               { 0 } };

static void
free_key(void *key)
{
	EVP_PKEY_free(key);
}

static EVP_PKEY *
read_key(struct arena *arena, struct str pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	ERR_clear_error();
	if (key)
		arena_defer(arena, free_key, key);
	return key && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) >= BITS_LEAST ? key : NULL;
}

static bool
read_text(struct arena *arena, const char *file, struct str *ret, const char **ret_why)
{
	FILE *f = fopen(file, "re");
	char *p = arena_alloc(arena, FILE_MOST);
	struct stat st;

	*ret_why = "cannot be opened";
	if (!f)
		return false;
	*ret_why =
	        fstat(fileno(f), &st) || (st.st_mode & 07) ? "others may read it" : "not the JSON file of a service account";
	*ret = str_n(p, fread(p, 1, FILE_MOST, f));
	fclose(f);
	return !(st.st_mode & 07);
}

bool
service_account_load(struct arena *arena, const char *file, struct service_account *ret, const char **ret_why)
{
	struct account_file in = { 0 };
	struct json_report report = { 0 };
	struct str text;
	json_t *json;

	if (!read_text(arena, file, &text, ret_why))
		return false;
	if (json_parse(arena, text, &json, &report) || !json_is_object(json) ||
	    json_fill(arena, json, fields, &in, "", &report) || !str_eq(in.type, STR("service_account")))
		return false;
	*ret = (struct service_account){ in.project_id, in.client_email, in.private_key_id, in.token_uri,
		                         read_key(arena, in.private_key) };
	if (!ret->key)
		*ret_why = "its private_key is no RSA key of at least 2048 bits";
	return ret->key;
}

static struct str
segment(struct arena *arena, void (*write)(struct json_out *, const struct service_account *, struct str, int64_t),
        const struct service_account *a, struct str scope, int64_t now)
{
	struct json_out w;
	struct str out;
	struct buf b;

	buf_init(&b, 8192);
	json_begin(&w, &b);
	json_open_object(&w, NULL);
	write(&w, a, scope, now);
	json_close(&w);
	json_end(&w);
	out = base64url(arena, b.p, b.n);
	buf_deinit(&b);
	return out;
}

static void
write_header(struct json_out *w, const struct service_account *a, struct str scope, int64_t now)
{
	(void)scope;
	(void)now;
	json_cstr(w, "alg", "RS256");
	json_cstr(w, "typ", "JWT");
	if (str_present(a->key_id))
		json_str(w, "kid", a->key_id);
}

static void
write_claims(struct json_out *w, const struct service_account *a, struct str scope, int64_t now)
{
	json_str(w, "iss", a->client_email);
	json_str(w, "scope", scope);
	json_str(w, "aud", a->token_uri);
	json_int(w, "iat", now);
	json_int(w, "exp", now + ASSERTION_SECONDS);
}

struct str
service_account_form(struct arena *arena, const struct service_account *a, struct str scope, int64_t now)
{
	struct str text = arena_printf(arena, "%.*s.%.*s", STR_ARG(segment(arena, write_header, a, scope, now)),
	                               STR_ARG(segment(arena, write_claims, a, scope, now)));
	size_t n = (size_t)EVP_PKEY_get_size(a->key);
	unsigned char *signature = arena_alloc(arena, n);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = c && EVP_DigestSignInit(c, NULL, EVP_sha256(), NULL, a->key) == 1 &&
	          EVP_DigestSign(c, signature, &n, (const unsigned char *)text.p, text.n) == 1;

	EVP_MD_CTX_free(c);
	ERR_clear_error();
	return ok ? arena_printf(arena,
	                         "grant_type=urn%%3Aietf%%3Aparams%%3Aoauth%%3Agrant-type%%3Ajwt-bearer&assertion=%.*s.%.*s",
	                         STR_ARG(text), STR_ARG(base64url(arena, signature, n)))
	          : STR_NONE;
}
