/* issuers -- the folder of issuers, its keys, and what makes a token of theirs good. */
#include "issuers.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "bytes.h"
#include "clock.h"
#include "err.h"

#define ARENA_MOST      ((size_t)16 << 20)
#define SUFFIX          ".conf"
#define AUDIENCES_MAX   32
#define SECRET_FILE_MAX 4096
#define PATH_BYTES      4096
#define SECOND_US       INT64_C(1000000)
#define TICK_US         10000 /* times of files are those of the last tick of the kernel's clock */

#define KEY(t, m, def, ...)                                                                                                 \
	{                                                                                                                   \
		.name = #m, .type = (t), .value = (def), .offset = offsetof(struct issuer, m), __VA_ARGS__                  \
	}

/* clang-format off */
const struct conf_key issuer_keys[] = {
	KEY(CONF_WORD, algorithm, "RS256", .words = "HS256 RS256 ES256", .help = "The one algorithm of its tokens, ID tokens included."),
	KEY(CONF_STRING, audience, "", .help = "What `aud` of its access tokens must hold; must be set where there are keys."),
	KEY(CONF_STRING, client_id, "", .help = "OpenID Connect: what it knows us by. Where this is set, people may sign in with it."),
	KEY(CONF_STRING, client_secret_file, "", .help = "File with the client's secret; empty: a public client."),
	KEY(CONF_STRING, issuer, NULL, .help = "Exactly what `iss` of its tokens says."),
	KEY(CONF_STRING, jwks_file, "", .help = "File with its public keys as JWKS (RFC 7517), for RS256 and ES256."),
	KEY(CONF_INT, max_token_seconds, "86400", .min = 1, .max = 31536000, .help = "Access tokens that are issued for longer are refused."),
	KEY(CONF_STRING, name_claim, "name", .help = "The claim that becomes a new person's display name."),
	KEY(CONF_STRING, public_key_file, "", .help = "File with its one public key as PEM, for RS256 and ES256."),
	KEY(CONF_STRING, scopes, "openid profile", .help = "OpenID Connect: what is asked for; `openid` must be among it."),
	KEY(CONF_STRING, secret_file, "", .help = "File with the secret of HS256: 32 bytes at least, unreadable for others."),
	KEY(CONF_STRING, title, "", .help = "OpenID Connect: what the button says; the label when empty."),
	KEY(CONF_STRING, username_claim, "preferred_username", .help = "The claim that a new person's user name is made of: `<claim>@<label>`."),
	{ 0 }
};
/* clang-format on */

/* ---- files ---- */

/* The whole of a small file. 0, or a negated errno; -EFBIG beyond `most`, -EPERM when others may read what is secret. */
static int
read_file(struct arena *a, const char *path, size_t most, bool secret, struct str *ret)
{
	FILE *f = fopen(path, "re");
	char *text = arena_alloc(a, most + 1);
	struct stat st;
	size_t n;
	int r = 0;

	if (!f)
		return -errno;
	n = fread(text, 1, most + 1, f);
	if (ferror(f))
		r = -EIO;
	else if (n > most)
		r = -EFBIG;
	else if (secret && !fstat(fileno(f), &st) && st.st_mode & S_IRWXO)
		r = -EPERM;
	fclose(f);
	*ret = str_n(text, n);
	return r;
}

/* What a stamp is made of. */
struct stamp {
	EVP_MD_CTX *c;
	int64_t newest_us; /* when a file was changed last */
};

static void
stamp_file(struct stamp *s, const char *path)
{
	struct stat st;
	int64_t what[6] = { 0 };

	if (path[0] && !stat(path, &st)) {
		int64_t us = st.st_ctim.tv_sec * SECOND_US + st.st_ctim.tv_nsec / 1000;
		const int64_t found[] = { (int64_t)st.st_dev, (int64_t)st.st_ino, (int64_t)st.st_size,
			                  st.st_mtim.tv_sec,  st.st_mtim.tv_nsec, us };

		memcpy(what, found, sizeof(what));
		s->newest_us = us > s->newest_us ? us : s->newest_us;
	}
	EVP_DigestUpdate(s->c, path, strlen(path) + 1);
	EVP_DigestUpdate(s->c, what, sizeof(what));
}

static int
is_conf(const struct dirent *entry)
{
	struct str name = str_c(entry->d_name), suffix = STR(SUFFIX);

	return name.n > suffix.n && name.p[0] != '.' && str_eq(str_n(name.p + name.n - suffix.n, suffix.n), suffix);
}

/* Names of the files, sorted; owned by the caller with each of them. Negative: a negated errno. */
static int
list_files(const char *dir, struct dirent ***ret)
{
	int n = scandir(dir, ret, is_conf, alphasort);

	return n < 0 ? -errno : n;
}

static void
free_list(struct dirent **list, int n)
{
	for (int i = 0; i < n; i++)
		free(list[i]);
	if (n >= 0)
		free(list);
}

/* Of all files as they are now; when one was changed last. */
static int64_t
take_stamp(const struct issuers *all, unsigned char ret[32])
{
	struct stamp s = { .c = EVP_MD_CTX_new() };
	struct dirent **list;
	int n = list_files(all->dir, &list);

	if (!s.c || EVP_DigestInit_ex(s.c, EVP_sha256(), NULL) != 1)
		abort();
	for (int i = 0; i < n; i++) {
		char path[PATH_BYTES];

		snprintf(path, sizeof(path), "%s/%s", all->dir, list[i]->d_name);
		stamp_file(&s, path);
	}
	free_list(list, n);
	for (size_t i = 0; i < all->n; i++) {
		stamp_file(&s, all->all[i].secret_file);
		stamp_file(&s, all->all[i].public_key_file);
		stamp_file(&s, all->all[i].jwks_file);
		stamp_file(&s, all->all[i].client_secret_file);
	}
	EVP_DigestFinal_ex(s.c, ret, NULL);
	EVP_MD_CTX_free(s.c);
	return s.newest_us;
}

bool
issuers_changed(struct issuers *all)
{
	unsigned char now[sizeof(all->stamp)];
	bool changed;

	take_stamp(all, now);
	changed = memcmp(now, all->stamp, sizeof(now)) != 0;
	memcpy(all->stamp, now, sizeof(now));
	return changed;
}

/* ---- one file ---- */

/* What is known before the file is read: the keys' check has no other way to it. */
struct loading {
	struct issuer issuer; /* first: the keys' offsets are of this */
	struct arena *arena;
	const char *own_issuer;
};

static bool
load_file(struct conf_reader *r, struct loading *l, const char *key, const char *path, size_t most, bool secret,
          struct str *ret)
{
	int error;

	if (path[0] != '/') {
		conf_complain(r, key, "%s must be an absolute path", key);
		return false;
	}
	error = read_file(l->arena, path, most, secret, ret);
	if (error)
		conf_complain(r, key, "%s: %s %s", key, path,
		              error == -EPERM   ? "may be read by others: chmod o= it"
		              : error == -EFBIG ? "is too large"
		                                : strerrordesc_np(-error));
	return !error;
}

static void
load_keys(struct conf_reader *r, struct loading *l)
{
	struct issuer *i = &l->issuer;
	const char *key, *path, *why;
	struct str text;

	key = i->secret_file[0] ? "secret_file" : i->jwks_file[0] ? "jwks_file" : "public_key_file";
	path = i->secret_file[0] ? i->secret_file : i->jwks_file[0] ? i->jwks_file : i->public_key_file;
	if (!load_file(r, l, key, path, JWK_TEXT_MAX, i->secret_file[0], &text))
		return;
	if (i->secret_file[0])
		i->keys = jwk_read_secret(text, &why);
	else if (i->jwks_file[0])
		i->keys = jwk_read_jwks(i->alg, text, &why);
	else
		i->keys = jwk_read_pem(i->alg, text, &why);
	if (!i->keys)
		conf_complain(r, key, "%s: %s %s", key, path, why);
}

static void
check_keys(struct conf_reader *r, struct loading *l)
{
	struct issuer *i = &l->issuer;
	int files = !!i->secret_file[0] + !!i->public_key_file[0] + !!i->jwks_file[0];

	if (!files && !i->client_id[0])
		conf_complain(r, NULL, "an issuer has secret_file, public_key_file, jwks_file or client_id");
	if (files > 1)
		conf_complain(r, NULL, "only one of secret_file, public_key_file and jwks_file may be set");
	if (files != 1)
		return;
	if ((i->alg == JWS_HS256) != !!i->secret_file[0])
		conf_complain(r, "algorithm", "%s",
		              i->alg == JWS_HS256 ? "HS256 takes a secret_file and no public key"
		                                  : "a secret_file is for HS256 only");
	else if (!i->audience[0])
		conf_complain(r, NULL, "audience must be set: without it, tokens for any other service would do");
	else if (!strcmp(i->audience, i->client_id))
		conf_complain(r, "audience", "audience must differ from client_id, or ID tokens would be access tokens");
	else
		load_keys(r, l);
}

static bool
has_word(const char *words, struct str word)
{
	for (struct str rest = str_c(words); rest.p;)
		if (str_eq(str_cut(&rest, ' '), word))
			return true;
	return false;
}

/* Where a provider may be: https, or this very host for trying things out. */
static bool
is_provider(struct str url)
{
	static const char *const local[] = { "http://localhost", "http://127.0.0.1", "http://[::1]", NULL };

	for (size_t i = 0; i < url.n; i++)
		if (url.p[i] <= ' ' || url.p[i] >= 0x7f || strchr("@?#\\\"<>", url.p[i]))
			return false;
	for (const char *const *one = local; *one; one++)
		if (str_has_prefix(url, str_c(*one)) && (url.n == strlen(*one) || strchr(":/", url.p[strlen(*one)])))
			return true;
	return str_has_prefix(url, STR("https://")) && url.n > 8 && url.p[8] != '/';
}

static void
check_login(struct conf_reader *r, struct loading *l)
{
	struct issuer *i = &l->issuer;
	struct str text;

	if (!i->client_id[0])
		return;
	if (i->alg == JWS_HS256)
		conf_complain(r, "algorithm", "signing in takes RS256 or ES256");
	if (!is_provider(str_c(i->issuer)))
		conf_complain(r, "issuer", "to sign in with, issuer must be an https:// address without ? and #");
	if (!has_word(i->scopes, STR("openid")))
		conf_complain(r, "scopes", "scopes must hold openid");
	if (!i->client_secret_file[0])
		return;
	if (!load_file(r, l, "client_secret_file", i->client_secret_file, SECRET_FILE_MAX, true, &text))
		return;
	i->client_secret = str_trim(text);
	if (!i->client_secret.n)
		conf_complain(r, "client_secret_file", "client_secret_file: %s is empty", i->client_secret_file);
}

static void
check_issuer(struct conf_reader *r, void *out)
{
	struct loading *l = out;

	while (strcmp(l->issuer.algorithm, jws_alg_names[l->issuer.alg]))
		l->issuer.alg++;
	if (!l->issuer.issuer[0])
		conf_complain(r, "issuer", "issuer must not be empty");
	if (!strcmp(l->issuer.issuer, l->own_issuer))
		conf_complain(r, "issuer", "\"%s\" is token_issuer of peal.conf: that is ourselves", l->own_issuer);
	check_keys(r, l);
	check_login(r, l);
}

/* ---- all files ---- */

static bool
label_ok(struct str label)
{
	if (!label.n || label.n > ISSUER_LABEL_MAX)
		return false;
	for (size_t i = 0; i < label.n; i++)
		if (!label.p[i] || !strchr("abcdefghijklmnopqrstuvwxyz0123456789-", label.p[i]))
			return false;
	return true;
}

static bool
known_issuer(const struct issuers *all, const char *issuer)
{
	for (size_t i = 0; i < all->n; i++)
		if (!strcmp(all->all[i].issuer, issuer))
			return true;
	return false;
}

static int
load_one(struct issuers *all, const char *name, const char *own_issuer, struct buf *errors)
{
	struct loading l = { .arena = all->arena, .own_issuer = own_issuer };
	struct str label = str_n(name, strlen(name) - strlen(SUFFIX));
	const char *path = arena_printf(all->arena, "%s/%s", all->dir, name).p;
	int r = 0;

	if (!label_ok(label))
		buf_printf(errors, "%s: the name may have 1 to %d of a-z, 0-9 and - before %s\n", path, ISSUER_LABEL_MAX,
		           SUFFIX);
	else if (all->n == ISSUERS_MAX)
		buf_printf(errors, "%s: there may be no more than %d issuers\n", path, ISSUERS_MAX);
	else
		r = conf_read(all->arena, path, issuer_keys, &l, check_issuer, errors);
	if (!r && l.issuer.issuer && known_issuer(all, l.issuer.issuer)) {
		buf_printf(errors, "%s: another file has the same issuer\n", path);
		r = INVALID;
	}
	if (r || !l.issuer.issuer) {
		jwk_free(l.issuer.keys);
		return INVALID;
	}
	l.issuer.label = arena_cstr(all->arena, label);
	all->all[all->n++] = l.issuer;
	return 0;
}

static int
load_all(struct issuers *all, const char *own_issuer, struct buf *errors)
{
	struct dirent **list;
	int n = list_files(all->dir, &list), r = 0;

	if (n == -ENOENT)
		return 0;
	if (n < 0) {
		buf_printf(errors, "%s: %s\n", all->dir, strerrordesc_np(-n));
		return INVALID;
	}
	for (int i = 0; i < n; i++)
		if (load_one(all, list[i]->d_name, own_issuer, errors))
			r = INVALID;
	free_list(list, n);
	return r;
}

int
issuers_load(const char *dir, const char *own_issuer, struct issuers **ret, struct buf *errors)
{
	struct issuers *all = calloc(1, sizeof(*all));
	int64_t began = clock_wall_us();
	int r;

	if (!all || !(all->dir = strdup(dir)))
		abort();
	all->arena = arena_new(ARENA_MOST);
	r = load_all(all, own_issuer, errors);
	if (r) {
		issuers_free(all);
		return r;
	}
	/* What was changed while it was being read may have been read before: then it counts as changed. */
	if (take_stamp(all, all->stamp) >= began - TICK_US)
		memset(all->stamp, 0, sizeof(all->stamp));
	*ret = all;
	return 0;
}

struct issuers *
issuers_free(struct issuers *all)
{
	if (!all)
		return NULL;
	for (size_t i = 0; i < all->n; i++)
		jwk_free(all->all[i].keys);
	arena_free(all->arena);
	free(all->dir);
	free(all);
	return NULL;
}

const struct issuer *
issuers_by_label(const struct issuers *all, struct str label)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->all[i].client_id[0] && str_eq(str_c(all->all[i].label), label))
			return &all->all[i];
	return NULL;
}

const struct issuer *
issuers_claimed(const struct issuers *all, struct arena *a, struct str token)
{
	struct jws jws;
	struct str iss;

	if (!all || !all->n || token.n > ISSUER_TOKEN_MAX || !jws_parse(a, token, &jws))
		return NULL;
	iss = jws_str(jws.claims, "iss");
	for (size_t i = 0; i < all->n; i++)
		if (all->all[i].keys && str_present(iss) && str_eq(iss, str_c(all->all[i].issuer)))
			return &all->all[i];
	return NULL;
}

/* ---- tokens ---- */

/* RFC 8725 section 3.11: a token that says it is something else is something else. */
static bool
typ_ok(json_t *header)
{
	struct str typ = jws_str(header, "typ");

	if (!json_object_get(header, "typ"))
		return true;
	if (typ.n > 12 && str_eq_ascii_case(str_n(typ.p, 12), STR("application/")))
		typ = str_n(typ.p + 12, typ.n - 12);
	return str_eq_ascii_case(typ, STR("JWT")) || str_eq_ascii_case(typ, STR("at+jwt"));
}

/* A string, or strings of which one is this. */
static bool
audience_ok(json_t *claims, const char *audience)
{
	json_t *aud = json_object_get(claims, "aud");
	bool found = false;

	if (json_is_string(aud))
		return str_eq(jws_str(claims, "aud"), str_c(audience));
	if (!json_is_array(aud) || json_array_size(aud) > AUDIENCES_MAX)
		return false;
	for (size_t i = 0; i < json_array_size(aud); i++) {
		json_t *one = json_array_get(aud, i);

		if (!json_is_string(one))
			return false;
		found |= str_eq(str_n(json_string_value(one), json_string_length(one)), str_c(audience));
	}
	return found;
}

static bool
optional_time(json_t *claims, const char *name, int64_t *ret)
{
	*ret = 0;
	return !json_object_get(claims, name) || jws_time(claims, name, ret);
}

static bool
subject_ok(struct str subject)
{
	if (!subject.n || subject.n > ISSUER_SUBJECT_MAX)
		return false;
	for (size_t i = 0; i < subject.n; i++)
		if ((unsigned char)subject.p[i] < ' ' || subject.p[i] == 0x7f)
			return false;
	return true;
}

static bool
take_claims(const struct issuer *i, struct arena *a, const struct jws *jws, const char *audience, struct issuer_claims *ret)
{
	json_t *claims = jws->claims;

	*ret = (struct issuer_claims){ .subject = jws_str(claims, "sub"), .signed_text = arena_str(a, jws->signed_text) };
	ret->name = jws_str(claims, i->name_claim);
	ret->username = jws_str(claims, i->username_claim);
	return str_present(jws_str(claims, "iss")) && str_eq(jws_str(claims, "iss"), str_c(i->issuer)) &&
	       audience_ok(claims, audience) && subject_ok(ret->subject) && jws_time(claims, "exp", &ret->expires_at) &&
	       optional_time(claims, "nbf", &ret->not_before) && optional_time(claims, "iat", &ret->issued_at);
}

int
issuer_in_time(const struct issuer_claims *c, int64_t now)
{
	if (c->issued_at > now + ISSUER_LEEWAY_SECONDS || c->not_before > now + ISSUER_LEEWAY_SECONDS)
		return UNAUTHENTICATED;
	return c->expires_at <= now - ISSUER_LEEWAY_SECONDS ? TOKEN_EXPIRED : 0;
}

int
issuer_verify(const struct issuer *i, struct arena *a, struct str token, int64_t now, struct issuer_claims *ret)
{
	struct jws jws;

	if (!i->keys || token.n > ISSUER_TOKEN_MAX || !jws_parse(a, token, &jws) || !typ_ok(jws.header) ||
	    !jwk_check(i->keys, &jws) || !take_claims(i, a, &jws, i->audience, ret))
		return UNAUTHENTICATED;
	if (ret->expires_at - (ret->issued_at ? ret->issued_at : now) > i->max_token_seconds)
		return UNAUTHENTICATED;
	return issuer_in_time(ret, now);
}

int
issuer_verify_id(const struct issuer *i, const struct jwk_set *keys, struct arena *a, struct str token, struct str nonce,
                 int64_t now, struct issuer_claims *ret)
{
	struct str given, party;
	struct jws jws;

	if (token.n > ISSUER_ID_TOKEN_MAX || !jws_parse(a, token, &jws) || !jwk_check(keys, &jws) ||
	    !take_claims(i, a, &jws, i->client_id, ret) || !ret->issued_at)
		return UNAUTHENTICATED;
	given = jws_str(jws.claims, "nonce");
	party = jws_str(jws.claims, "azp");
	if (!given.n || given.n != nonce.n || !bytes_equal(given.p, nonce.p, nonce.n))
		return UNAUTHENTICATED;
	if (json_object_get(jws.claims, "azp") ? !str_eq(party, str_c(i->client_id))
	                                       : json_array_size(json_object_get(jws.claims, "aud")) > 1)
		return UNAUTHENTICATED; /* it is for several, and somebody else may have asked for it */
	return issuer_in_time(ret, now);
}

void
issuer_write_reference(struct buf *b)
{
	buf_str(b, STR("\n## Issuers\n\n"
	               "Each file `<label>.conf` in `issuers_dir` is one issuer of tokens or provider to sign in with, in "
	               "the same\n"
	               "grammar. The label has 1 to 16 of `a-z`, `0-9` and `-`, and ends the user names of its people: "
	               "`ann@label`.\n"
	               "[issuers.md](issuers.md) has examples.\n\n"));
	conf_write_table(b, issuer_keys);
}
