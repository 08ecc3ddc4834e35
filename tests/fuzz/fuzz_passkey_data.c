/*
 * fuzz_passkey_data -- what an authenticator says, whatever it says: pieces lie within it and add up to it. As the data of a ceremony it
 * is only good when somebody was verified at our site, and as an assertion only when the key has signed it, which nothing here has.
 */
#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/webauthn.h"
#include "fuzz.h"

#define HEAD_BYTES 37

static const struct webauthn_expected ours = { { "chat.example", 12 }, { "https://chat.example", 20 } };

static bool
within(struct str whole, struct str part)
{
	return part.p >= whole.p && part.p + part.n <= whole.p + whole.n;
}

static void
check_read(struct str input)
{
	struct webauthn_authenticator a;

	if (!webauthn_authenticator_read(input, &a))
		return;
	MUST(input.n >= HEAD_BYTES && a.sign_count >= 0 && a.sign_count <= UINT32_MAX && within(input, a.rp_id_hash));
	MUST(a.attested == (a.id.n > 0));
	if (a.attested)
		MUST(a.aaguid.n == 16 && a.id.n <= WEBAUTHN_ID_MAX_BYTES && within(input, a.id) &&
		     within(input, a.public_key));
	if (a.attested)
		(void)webauthn_key_ok(a.public_key);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str input = str_n((const char *)data, n);
	struct webauthn_client made = { STR("webauthn.create"), STR("YQ"), STR("https://chat.example"), false, STR("{}") },
	                       got = made;
	struct webauthn_credential c;
	struct webauthn_used used;
	const char *why = NULL;
	int r;

	got.type = STR("webauthn.get");
	check_read(input);
	(void)webauthn_key_ok(input);
	r = webauthn_registered(&ours, &made, STR("id"), input, &c, &why);
	MUST((!r && str_eq(c.id, STR("id")) && webauthn_key_ok(c.public_key)) || (r == INVALID && why));
	r = webauthn_asserted(&ours, &got, &(struct webauthn_known){ input, false }, input, input, &used, &why);
	MUST(r == INVALID && why);
	return 0;
}
