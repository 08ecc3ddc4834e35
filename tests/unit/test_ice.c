/* ice: which addresses are some, whose secret is one, and credentials against what openssl(1) makes of them. */
#include "unit.h"

#include "base/err.h"
#include "base/ice.h"

static int
setup(void **state)
{
	*state = arena_new(1 << 16);
	return 0;
}

static int
teardown(void **state)
{
	arena_free(*state);
	return 0;
}

static void
addresses(void **state)
{
	static const struct {
		const char *url;
		enum ice_kind kind;
	} cases[] = {
		{ "stun:turn.example.org", ICE_STUN },
		{ "stun:turn.example.org:3478", ICE_STUN },
		{ "stuns:turn.example.org:5349", ICE_STUN },
		{ "turn:turn.example.org", ICE_TURN },
		{ "turn:192.0.2.7:3478?transport=udp", ICE_TURN },
		{ "turns:TURN.example.org:443?transport=tcp", ICE_TURN },
		{ "turn:[2001:db8::1]", ICE_TURN },
		{ "turns:[2001:db8::1]:65535?transport=tcp", ICE_TURN },
		{ "", ICE_NONE },
		{ "turn", ICE_NONE },
		{ "turn:", ICE_NONE },
		{ "TURN:a", ICE_NONE },
		{ "turn://a", ICE_NONE },
		{ "https://a", ICE_NONE },
		{ "turn:a:", ICE_NONE },
		{ "turn:a:0", ICE_NONE },
		{ "turn:a:65536", ICE_NONE },
		{ "turn:a:03478", ICE_NONE },
		{ "turn:a:b", ICE_NONE },
		{ "turn:user@a", ICE_NONE },
		{ "turn:a\"b", ICE_NONE },
		{ "turn:[", ICE_NONE },
		{ "turn:[]", ICE_NONE },
		{ "turn:[::1", ICE_NONE },
		{ "turn:[::1]x", ICE_NONE },
		{ "turn:[::1]:", ICE_NONE },
		{ "turn:[a.example]", ICE_NONE },
		{ "turn:a?transport=sctp", ICE_NONE },
		{ "turn:a?", ICE_NONE },
		{ "turn:a?transport=udp&x=y", ICE_NONE },
		{ "stun:a?transport=udp", ICE_NONE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (ice_kind(str_c(cases[i].url)) != cases[i].kind)
			fail_msg("%s", cases[i].url);
	assert_int_equal(ice_kind(str_n("turn:a\0b", 8)), ICE_NONE);
}

static void
secrets(void **state)
{
	char *folder = unit_folder(), path[128];
	struct str secret = STR_NONE;

	snprintf(path, sizeof(path), "%s/s", folder);
	assert_int_equal(ice_secret_load(*state, path, &secret), -2);
	unit_write_file(path, "  0123456789abcdef \nsomething else\n");
	assert_int_equal(ice_secret_load(*state, path, &secret), 0);
	assert_str(secret, "0123456789abcdef");
	for (size_t i = 0; i < 5; i++) {
		static const char *const bad[] = { "", "0123456789abcde", "0123456789 abcdef", "0123456789\tabcdef",
			                           "\n0123456789abcdef" };

		unit_write_file(path, bad[i]);
		assert_int_equal(ice_secret_load(*state, path, &secret), INVALID);
	}
	unit_folder_remove(folder);
}

static void
credentials(void **state)
{
	struct ice_credentials c = ice_credentials(*state, STR("north north north"), 1433895918, STR("ninefingers"));

	assert_str(c.username, "1433895918:ninefingers");
	assert_str(c.credential, "2PY28KbZX74nH5gZa10hQhON3jU=");
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(addresses), cmocka_unit_test(secrets),
		                            cmocka_unit_test(credentials) };

	return cmocka_run_group_tests_name("ice", tests, setup, teardown);
}
