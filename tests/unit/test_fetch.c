/* fetch and oidc: which addresses may be asked, and what goes into them. */
#include "unit.h"

#include <arpa/inet.h>

#include "base/address.h"
#include "fcgi/fetch.h"
#include "fcgi/oidc.h"

static bool
is_private(const char *text)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return address_private((struct sockaddr *)&v4);
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	return address_private((struct sockaddr *)&v6);
}

static void
private_addresses(void **state)
{
	static const char *const all[] = { "0.0.0.0",
		                           "0.1.2.3",
		                           "10.0.0.1",
		                           "10.255.255.255",
		                           "100.64.0.1",
		                           "100.127.255.255",
		                           "127.0.0.1",
		                           "127.255.255.254",
		                           "169.254.169.254",
		                           "172.16.0.1",
		                           "172.31.255.255",
		                           "192.0.0.1",
		                           "192.0.2.1",
		                           "192.168.0.1",
		                           "198.18.0.1",
		                           "198.19.255.255",
		                           "198.51.100.7",
		                           "203.0.113.7",
		                           "224.0.0.1",
		                           "240.0.0.1",
		                           "255.255.255.255",
		                           "::",
		                           "::1",
		                           "fe80::1",
		                           "fc00::1",
		                           "fd12::1",
		                           "ff02::1",
		                           "::ffff:10.0.0.1",
		                           "::ffff:127.0.0.1",
		                           "64:ff9b::a00:1",
		                           "2002:a00:1::",
		                           "2001::1",
		                           "2001:db8::1",
		                           "100::1",
		                           NULL };

	(void)state;
	for (const char *const *one = all; *one; one++)
		if (!is_private(*one))
			fail_msg("%s counts as public", *one);
}

static void
public_addresses(void **state)
{
	static const char *const all[] = { "1.1.1.1",      "9.255.255.255",  "11.0.0.1",        "100.63.255.255",
		                           "100.128.0.1",  "126.1.1.1",      "128.0.0.1",       "169.253.0.1",
		                           "172.15.0.1",   "172.32.0.1",     "192.167.1.1",     "192.169.0.1",
		                           "198.17.0.1",   "198.20.0.1",     "223.255.255.255", "2606:4700::1111",
		                           "2a00:1450::1", "::ffff:8.8.8.8", "2001:4860::8888", NULL };

	(void)state;
	for (const char *const *one = all; *one; one++)
		if (is_private(*one))
			fail_msg("%s counts as private", *one);
}

static void
other_families_are_private(void **state)
{
	const struct sockaddr other = { .sa_family = AF_UNIX };

	(void)state;
	assert_true(address_private(&other));
}

static void
what_may_be_asked(void **state)
{
	struct str https = STR("https://sso.example/realm"), local = STR("http://127.0.0.1:8080");

	(void)state;
	assert_true(fetch_allowed(STR("https://sso.example/token"), https));
	assert_true(fetch_allowed(STR("https://other.example:8443/token?a=b"), https));
	assert_true(fetch_allowed(STR("http://127.0.0.1:8080/token"), local));
	assert_false(fetch_allowed(STR("http://sso.example/token"), https));
	assert_false(fetch_allowed(STR("http://127.0.0.1:8081/token"), local));
	assert_false(fetch_allowed(STR("http://127.0.0.1:8080@evil.example/"), local));
	assert_false(fetch_allowed(STR("https://a@evil.example/"), https));
	assert_false(fetch_allowed(STR("https:///token"), https));
	assert_false(fetch_allowed(STR("https://a b/"), https));
	assert_false(fetch_allowed(STR("https://a\\b/"), https));
	assert_false(fetch_allowed(STR("ftp://sso.example/"), https));
	assert_false(fetch_allowed(STR(""), https));
}

static void
same_host_is_scheme_host_and_port(void **state)
{
	(void)state;
	assert_true(fetch_same_host(STR("https://A.example/x"), STR("https://a.example")));
	assert_true(fetch_same_host(STR("https://a.example?x"), STR("https://a.example#y")));
	assert_false(fetch_same_host(STR("https://a.example:443/"), STR("https://a.example")));
	assert_false(fetch_same_host(STR("https://a.example.evil/"), STR("https://a.example")));
	assert_false(fetch_same_host(STR("a.example"), STR("a.example")));
}

static void
encoding(void **state)
{
	struct arena *arena = arena_new(1 << 20);

	(void)state;
	assert_str(str_percent_encode(arena, STR("aZ09-._~")), "aZ09-._~");
	assert_str(str_percent_encode(arena, STR("a b&c=d+e/%\xc3\xa9")), "a%20b%26c%3Dd%2Be%2F%25%C3%A9");
	assert_str(str_percent_encode(arena, str_n("\0", 1)), "%00");
	arena_free(arena);
}

static void
the_challenge_is_that_of_rfc_7636(void **state)
{
	struct arena *arena = arena_new(1 << 20);

	(void)state;
	assert_str(oidc_challenge(arena, STR("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")),
	           "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
	arena_free(arena);
}

static void
parts_differ_and_repeat(void **state)
{
	struct str seed = STR("12345678901234567890123456789012"), key = STR("k");
	struct arena *arena = arena_new(1 << 20);
	struct str a = oidc_part(arena, key, seed, "state"), b = oidc_part(arena, key, seed, "nonce");

	(void)state;
	assert_int_equal(a.n, 43);
	assert_false(str_eq(a, b));
	assert_true(str_eq(a, oidc_part(arena, key, seed, "state")));
	assert_false(str_eq(a, oidc_part(arena, STR("l"), seed, "state")));
	arena_free(arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(private_addresses),
		cmocka_unit_test(public_addresses),
		cmocka_unit_test(other_families_are_private),
		cmocka_unit_test(what_may_be_asked),
		cmocka_unit_test(same_host_is_scheme_host_and_port),
		cmocka_unit_test(encoding),
		cmocka_unit_test(the_challenge_is_that_of_rfc_7636),
		cmocka_unit_test(parts_differ_and_repeat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
