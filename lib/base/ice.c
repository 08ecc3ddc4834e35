/* ice -- addresses of STUN and TURN servers, and credentials for the latter. */
#include "ice.h"

#include <errno.h>
#include <stdio.h>

#include "bytes.h"
#include "err.h"

#define SECRET_MOST 1024
#define ALIAS_BYTES 16

static bool
made_of(struct str s, const char *allowed)
{
	for (size_t i = 0; i < s.n; i++)
		if (!s.p[i] || !strchr(allowed, s.p[i]))
			return false;
	return s.n > 0;
}

static bool
is_port(struct str s)
{
	int64_t port;

	return str_int64(s, &port) && port >= 1 && port <= 65535;
}

/* "host", "host:port", "[v6]", "[v6]:port" */
static bool
is_place(struct str s)
{
	struct str host = s;
	bool v6 = str_has_prefix(s, STR("["));

	if (v6) {
		s = str_n(s.p + 1, s.n - 1);
		host = str_cut(&s, ']');
		if (!s.p || (s.n && s.p[0] != ':'))
			return false;
		if (s.n)
			s = str_n(s.p + 1, s.n - 1);
		else
			s = STR_NONE;
	} else {
		s = host;
		host = str_cut(&s, ':');
	}
	return made_of(host, v6 ? "0123456789abcdefABCDEF:."
	                        : "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") &&
	       (!s.p || is_port(s));
}

enum ice_kind
ice_kind(struct str url)
{
	struct str rest = url, scheme = str_cut(&rest, ':'), query = rest, place;
	bool stun = str_eq(scheme, STR("stun")) || str_eq(scheme, STR("stuns"));
	bool turn = str_eq(scheme, STR("turn")) || str_eq(scheme, STR("turns"));

	if (!rest.p || (!stun && !turn))
		return ICE_NONE;
	place = str_cut(&query, '?');
	if (!is_place(place))
		return ICE_NONE;
	if (query.p && (stun || (!str_eq(query, STR("transport=udp")) && !str_eq(query, STR("transport=tcp")))))
		return ICE_NONE;
	return stun ? ICE_STUN : ICE_TURN;
}

int
ice_secret_load(struct arena *a, const char *path, struct str *ret)
{
	char *text = arena_alloc(a, SECRET_MOST);
	FILE *f = fopen(path, "re");
	struct str rest, line;

	if (!f)
		return -errno;
	rest = str_n(text, fread(text, 1, SECRET_MOST, f));
	fclose(f);
	line = str_trim(str_cut(&rest, '\n'));
	for (size_t i = 0; i < line.n; i++)
		if (line.p[i] <= ' ' || line.p[i] > '~')
			return INVALID;
	if (line.n < ICE_SECRET_LEAST)
		return INVALID;
	*ret = line;
	return 0;
}

struct ice_credentials
ice_credentials(struct arena *a, struct str secret, int64_t until_seconds, struct str who)
{
	struct str username = arena_printf(a, "%lld:%.*s", (long long)until_seconds, STR_ARG(who));
	unsigned char mac[SHA1_BYTES];

	bytes_hmac_sha1(secret, username, mac);
	return (struct ice_credentials){ username, base64(a, mac, sizeof(mac)) };
}

struct str
ice_alias(struct arena *a, struct str key, int64_t user_id)
{
	struct str id = arena_printf(a, "%lld", (long long)user_id);
	unsigned char mac[SHA256_BYTES];

	bytes_hmac_for(key, STR("peal turn"), id, mac);
	return base64url(a, mac, ALIAS_BYTES);
}
