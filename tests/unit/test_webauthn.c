/* webauthn and cbor: keys and signatures of another implementation, each wrong in one place as well; and CBOR that is none. */
#include "base/bytes.h"
#include "base/cbor.h"
#include "base/err.h"
#include "base/webauthn.h"
#include "passkey_vectors.h"
#include "unit.h"

#define N_VECTORS     (sizeof(vectors) / sizeof(*vectors))
#define FLAGS_AT      32
#define COUNTER_AT    33
#define AAGUID_AT     37
#define ID_LENGTH_AT  (AAGUID_AT + 16)
#define OTHER_ORIGINS STR("https://chat.example.evil http://chat.example https://chat.example:444")

static struct arena *arena;
static const struct webauthn_expected ours = { { "chat.example", 12 }, { "http://localhost https://chat.example", 37 } };

static struct str
bytes(const char *digits)
{
	struct str ret;

	assert_true(hex_decode(arena, str_c(digits), &ret));
	return ret;
}

static struct webauthn_client
client_of(const char *digits)
{
	struct webauthn_client client;
	const char *why;

	assert_int_equal(webauthn_client_read(arena, bytes(digits), &client, &why), 0);
	return client;
}

static int
registered(const struct webauthn_expected *expected, const struct vector *v, struct str object,
           struct webauthn_credential *ret)
{
	struct webauthn_client client = client_of(v->client);
	const char *why = NULL;
	int r = webauthn_registered(expected, &client, bytes(v->id), object, ret, &why);

	assert_true(r == 0 || (r == INVALID && why));
	return r;
}

static int
asserted(const struct webauthn_expected *expected, const struct vector *v, struct str key, struct str data,
         struct str signature)
{
	struct webauthn_client client = client_of(v->get_client);
	struct webauthn_known known = { key, true };
	struct webauthn_used used;
	const char *why = NULL;
	int r = webauthn_asserted(expected, &client, &known, data, signature, &used, &why);

	assert_true(r == 0 || (r == INVALID && why));
	if (!r)
		assert_true(used.sign_count == 2 && used.backed_up);
	return r;
}

static void
all_algorithms(void **state)
{
	struct webauthn_credential c;

	(void)state;
	for (size_t i = 0; i < N_VECTORS; i++) {
		const struct vector *v = &vectors[i];

		assert_int_equal(registered(&ours, v, bytes(v->packed), &c), 0);
		assert_int_equal(registered(&ours, v, bytes(v->attestation), &c), 0);
		assert_true(str_eq(c.id, bytes(v->id)) && c.sign_count == 1 && c.backup_eligible && c.backed_up &&
		            c.aaguid.n == 16);
		assert_int_equal(asserted(&ours, v, c.public_key, bytes(v->get_data), bytes(v->signature)), 0);
	}
}

static void
another_site(void **state)
{
	const struct webauthn_expected others[] = { { STR("chat.example"), OTHER_ORIGINS },
		                                    { STR("chat.example"), STR("") },
		                                    { STR("example"), ours.origins },
		                                    { STR("Chat.example"), ours.origins } };
	struct webauthn_credential c;

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		assert_int_equal(registered(&ours, &vectors[0], bytes(vectors[0].attestation), &c), 0);
		assert_int_equal(asserted(&others[i], &vectors[0], c.public_key, bytes(vectors[0].get_data),
		                          bytes(vectors[0].signature)),
		                 INVALID);
		assert_int_equal(registered(&others[i], &vectors[0], bytes(vectors[0].attestation), &c), INVALID);
	}
}

/* The key of the one does not verify what the other signed, whichever two algorithms they are of. */
static void
keys_of_others(void **state)
{
	struct webauthn_credential c;

	(void)state;
	for (size_t i = 0; i < N_VECTORS; i++) {
		assert_int_equal(registered(&ours, &vectors[i], bytes(vectors[i].attestation), &c), 0);
		for (size_t j = 0; j < N_VECTORS; j++)
			assert_int_equal(asserted(&ours, &vectors[j], c.public_key, bytes(vectors[j].get_data),
			                          bytes(vectors[j].signature)),
			                 i == j ? 0 : INVALID);
	}
}

/* Every bit of what is signed, and of the signature, counts. */
static void
every_bit_counts(void **state)
{
	struct webauthn_credential c;

	(void)state;
	for (size_t v = 0; v < N_VECTORS; v++) {
		struct str data = bytes(vectors[v].get_data), signature = bytes(vectors[v].signature);

		assert_int_equal(registered(&ours, &vectors[v], bytes(vectors[v].attestation), &c), 0);
		for (size_t bit = 0; bit < 8 * data.n; bit += 3) {
			char *spoilt = (char *)arena_cstr(arena, data);

			spoilt[bit / 8] ^= (char)(1 << bit % 8);
			assert_int_equal(asserted(&ours, &vectors[v], c.public_key, str_n(spoilt, data.n), signature),
			                 INVALID);
		}
		for (size_t bit = 0; bit < 8 * signature.n; bit += 13) {
			char *spoilt = (char *)arena_cstr(arena, signature);

			spoilt[bit / 8] ^= (char)(1 << bit % 8);
			assert_int_equal(asserted(&ours, &vectors[v], c.public_key, data, str_n(spoilt, signature.n)),
			                 INVALID);
		}
		for (size_t n = 0; n < data.n; n++)
			assert_int_equal(asserted(&ours, &vectors[v], c.public_key, str_n(data.p, n), signature), INVALID);
	}
}

static void
cut_off_anywhere(void **state)
{
	struct webauthn_credential c;

	(void)state;
	for (size_t v = 0; v < N_VECTORS; v++) {
		struct str object = bytes(vectors[v].attestation);

		for (size_t n = 0; n < object.n; n++)
			assert_int_equal(registered(&ours, &vectors[v], str_n(object.p, n), &c), INVALID);
		assert_int_equal(registered(&ours, &vectors[v], arena_printf(arena, "%.*s\xf6", STR_ARG(object)), &c),
		                 INVALID);
	}
}

/* Where the authenticator's data begins in the attestation object: behind the key "authData" and the length of the bytes. */
static char *
authenticator_in(struct str object)
{
	char *at = memmem(object.p, object.n, "authData", 8);

	assert_non_null(at);
	return at + 8 + (at[8] == 0x58 ? 2 : 3);
}

static void
flags(void **state)
{
	static const struct {
		unsigned char flags;
		int r;
	} cases[] = {
		{ 0x5d, 0 },       /* present, verified, eligible, backed up, attested */
		{ 0x4d, 0 },       /* not backed up yet */
		{ 0x45, 0 },       /* bound to its device */
		{ 0x5c, INVALID }, /* nobody present */
		{ 0x59, INVALID }, /* nobody verified */
		{ 0x55, INVALID }, /* backed up without being eligible */
		{ 0x1d, INVALID }, /* bytes of a credential, but none announced */
		{ 0xdd, INVALID }, /* extensions announced, but none there */
	};
	struct webauthn_credential c;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct str object = arena_str(arena, bytes(vectors[0].attestation));

		authenticator_in(object)[FLAGS_AT] = (char)cases[i].flags;
		assert_int_equal(registered(&ours, &vectors[0], object, &c), cases[i].r);
		if (!cases[i].r)
			assert_true(c.backed_up == ((cases[i].flags & 0x10) != 0) &&
			            c.backup_eligible == ((cases[i].flags & 8) != 0));
	}
}

static void
credentials_that_are_none(void **state)
{
	struct str object = arena_str(arena, bytes(vectors[0].attestation));
	struct webauthn_credential c;
	char *data = authenticator_in(object);

	(void)state;
	data[ID_LENGTH_AT + 2] ^= 1; /* another id than beside it */
	assert_int_equal(registered(&ours, &vectors[0], object, &c), INVALID);
	data[ID_LENGTH_AT + 2] ^= 1;
	data[ID_LENGTH_AT] = 4; /* 1024 and more bytes */
	assert_int_equal(registered(&ours, &vectors[0], object, &c), INVALID);
	data[ID_LENGTH_AT] = 0;
	data[ID_LENGTH_AT + 1] = 0; /* none */
	assert_int_equal(registered(&ours, &vectors[0], object, &c), INVALID);
	object = arena_str(arena, bytes(vectors[0].attestation));
	((char *)object.p)[object.n - 1] ^= 1; /* y: no longer on the curve */
	assert_int_equal(registered(&ours, &vectors[0], object, &c), INVALID);
}

/* Only what the key itself has signed; chains of makers are neither asked for nor looked at. */
static void
attestations(void **state)
{
	struct str object = arena_str(arena, bytes(vectors[0].packed));
	struct webauthn_credential c;
	char *sig = memmem(object.p, object.n, "csig", 4), *format = memmem(object.p, object.n, "packed", 6);

	(void)state;
	assert_non_null(sig);
	assert_non_null(format);
	sig[20] ^= 1;
	assert_int_equal(registered(&ours, &vectors[0], object, &c), INVALID);
	sig[20] ^= 1;
	memcpy(format, "tpm..1", 6);
	assert_int_equal(registered(&ours, &vectors[0], object, &c), INVALID);
	memcpy(format, "packed", 6);
	memcpy(memmem(object.p, object.n, "calg", 4), "cx5c", 4);
	assert_int_equal(registered(&ours, &vectors[0], object, &c), INVALID);
	object = arena_str(arena, bytes(vectors[0].attestation));
	memcpy(memmem(object.p, object.n, "none", 4), "nine", 4);
	assert_int_equal(registered(&ours, &vectors[0], object, &c), INVALID);
}

static int
key(const char *digits)
{
	return webauthn_key_ok(bytes(digits));
}

#define X32 "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296" /* the generator of P-256 */
#define Y32 "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"

static void
keys_that_are_none(void **state)
{
	(void)state;
	assert_true(key("a5010203262001215820" X32 "225820" Y32));
	assert_false(key("a5010203262001215820" Y32 "225820" X32)); /* not on the curve */
	assert_false(key("a5010203262002215820" X32 "225820" Y32)); /* of another curve */
	assert_false(key("a5010203272001215820" X32 "225820" Y32)); /* EdDSA, with the type of EC */
	assert_false(key("a501020339010020012158"
	                 "20" X32 "225820" Y32)); /* RS256, likewise */
	assert_false(key("a5010203382420012158"
	                 "20" X32 "225820" Y32));      /* an algorithm that nobody offered */
	assert_false(key("a4010203262001215820" X32)); /* no y */
	assert_false(key("a40102032620012158"
	                 "1f"
	                 "17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"));
	assert_false(key("a5010203262001215820" X32 "22f5"));            /* only its sign */
	assert_false(key("a5010203262001215820" X32 "225820" Y32 "00")); /* and something behind it */
	assert_false(key("a4010103272006215820" X32 "00"));
	assert_true(key("a4010103272006215820" X32));
	assert_false(key("a401010327200721"
	                 "5820" X32));                   /* Ed448 */
	assert_false(key("a4010303390100204101214103")); /* RSA of one byte */
	assert_false(key("80"));
	assert_false(key(""));
}

static int
client(const char *text, struct webauthn_client *ret)
{
	const char *why = NULL;
	int r = webauthn_client_read(arena, str_c(text), ret, &why);

	assert_true(!r || why);
	return r;
}

static void
clients(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"null",
		"{}",
		"{\"type\":\"webauthn.get\",\"challenge\":\"YQ\"}",
		"{\"type\":1,\"challenge\":\"YQ\",\"origin\":\"https://a\"}",
		"{\"type\":\"webauthn.get\",\"type\":\"webauthn.get\",\"challenge\":\"YQ\",\"origin\":\"https://a\"}",
		"{\"type\":\"webauthn.get\",\"challenge\":\"YQ\",\"origin\":\"https://a\",\"crossOrigin\":\"no\"}",
		"{\"type\":\"webauthn.get\",\"challenge\":\"YQ\",\"origin\":\"https://a\"} {}",
	};
	struct webauthn_client c;

	(void)state;
	assert_int_equal(
	        client("{\"type\":\"webauthn.get\",\"challenge\":\"YQ\",\"origin\":\"https://a\",\"other\":{}}", &c), 0);
	assert_str(c.type, "webauthn.get");
	assert_str(c.challenge, "YQ");
	assert_str(c.origin, "https://a");
	assert_false(c.cross_origin);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(client(bad[i], &c), INVALID);
}

/* In a frame, or asked for as the other ceremony: refused although all else is right. */
static void
other_ceremonies(void **state)
{
	struct webauthn_client made = client_of(vectors[0].client), got = client_of(vectors[0].get_client), framed = made;
	struct webauthn_credential c;
	struct webauthn_used used;
	const char *why;

	(void)state;
	framed.cross_origin = true;
	assert_int_equal(webauthn_registered(&ours, &made, bytes(vectors[0].id), bytes(vectors[0].attestation), &c, &why),
	                 0);
	assert_int_equal(webauthn_registered(&ours, &framed, bytes(vectors[0].id), bytes(vectors[0].attestation), &c, &why),
	                 INVALID);
	assert_int_equal(webauthn_registered(&ours, &got, bytes(vectors[0].id), bytes(vectors[0].attestation), &c, &why),
	                 INVALID);
	assert_int_equal(webauthn_asserted(&ours, &made, &(struct webauthn_known){ c.public_key, true },
	                                   bytes(vectors[0].get_data), bytes(vectors[0].signature), &used, &why),
	                 INVALID);
	/* a credential that could not be copied has become one that can */
	assert_int_equal(webauthn_asserted(&ours, &got, &(struct webauthn_known){ c.public_key, false },
	                                   bytes(vectors[0].get_data), bytes(vectors[0].signature), &used, &why),
	                 INVALID);
	assert_int_equal(webauthn_asserted(&ours, &got, &(struct webauthn_known){ c.public_key, true },
	                                   bytes(vectors[0].get_data), bytes(vectors[0].signature), &used, &why),
	                 0);
}

/* RFC 8949, appendix A, as far as it is canonical and of these kinds. */
static void
cbor_of_the_rfc(void **state)
{
	static const struct {
		const char *digits;
		enum cbor_type type;
		uint64_t n;
	} good[] = {
		{ "00", CBOR_UINT, 0 },
		{ "17", CBOR_UINT, 23 },
		{ "1818", CBOR_UINT, 24 },
		{ "1903e8", CBOR_UINT, 1000 },
		{ "1a000f4240", CBOR_UINT, 1000000 },
		{ "1bffffffffffffffff", CBOR_UINT, UINT64_MAX },
		{ "20", CBOR_NEGATIVE, 0 },
		{ "3903e7", CBOR_NEGATIVE, 999 },
		{ "f4", CBOR_SIMPLE, 20 },
		{ "f6", CBOR_SIMPLE, 22 },
		{ "40", CBOR_BYTES, 0 },
		{ "4401020304", CBOR_BYTES, 4 },
		{ "62c3bc", CBOR_TEXT, 2 },
		{ "83010203", CBOR_ARRAY, 3 },
		{ "8301820203820405", CBOR_ARRAY, 3 },
		{ "a0", CBOR_MAP, 0 },
		{ "a26161016162820203", CBOR_MAP, 2 },
	};
	static const char *const bad[] = { "",           "18",
		                           "1817",       "190017",
		                           "1a0000ffff", "1b00000000ffffffff",
		                           "1c",         "1f",
		                           "f90000",     "fb3ff0000000000000",
		                           "f818",       "ff",
		                           "c000",       "5f4101ff",
		                           "9fff",       "bfff",
		                           "41",         "62c328",
		                           "81",         "a101",
		                           "a201010102", "8181818181818181818100" };
	struct cbor item;
	struct str s;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		s = bytes(good[i].digits);
		assert_true(cbor_next(&s, &item));
		assert_true(item.type == good[i].type && item.n == good[i].n && !s.n);
		assert_true(str_eq(item.whole, bytes(good[i].digits)));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		s = bytes(bad[i]);
		if (cbor_next(&s, &item))
			fail_msg("%s was read", bad[i]);
	}
}

static void
cbor_maps(void **state)
{
	struct str s = bytes("a4616101206162016163f5");
	struct cbor map, value;
	int64_t v;

	(void)state;
	assert_false(cbor_next(&s, &map));
	s = bytes("a361610120616201f5");
	assert_true(cbor_next(&s, &map));
	assert_true(cbor_by_text(&map, STR("a"), &value) && cbor_int(&value, &v) && v == 1);
	assert_true(cbor_by_int(&map, -1, &value) && str_eq(value.bytes, STR("b")));
	assert_true(cbor_by_int(&map, 1, &value) && value.type == CBOR_SIMPLE && !cbor_int(&value, &v));
	assert_false(cbor_by_int(&map, 0, &value) || cbor_by_text(&map, STR("b"), &value) ||
	             cbor_by_text(&value, STR("a"), &value));
	s = bytes("3b8000000000000000");
	assert_true(cbor_next(&s, &value));
	assert_false(cbor_int(&value, &v));
	s = bytes("3b7fffffffffffffff");
	assert_true(cbor_next(&s, &value));
	assert_true(cbor_int(&value, &v) && v == INT64_MIN);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_algorithms),   cmocka_unit_test(another_site),
		cmocka_unit_test(keys_of_others),   cmocka_unit_test(every_bit_counts),
		cmocka_unit_test(cut_off_anywhere), cmocka_unit_test(flags),
		cmocka_unit_test(attestations),     cmocka_unit_test(credentials_that_are_none),
		cmocka_unit_test(clients),          cmocka_unit_test(keys_that_are_none),
		cmocka_unit_test(other_ceremonies), cmocka_unit_test(cbor_of_the_rfc),
		cmocka_unit_test(cbor_maps),
	};
	int failed;

	arena = arena_new(1 << 28);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(arena);
	return failed;
}
