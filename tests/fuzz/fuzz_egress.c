/* fuzz_egress: of what strangers give as an endpoint only https without a user is asked, at port 443 unless the host is listed, and curl sees it so,
 * too. And whatever comes over the socket is read as whole requests and answers, within its bounds. */
#include "base/egress.h"

#include <curl/curl.h>
#include <stdlib.h>

#include "base/err.h"
#include "fuzz.h"

static void
as_curl_sees_it(struct arena *arena, struct str url, bool listed)
{
	CURLU *u = curl_url();
	char *scheme = NULL, *user = NULL, *port = NULL, *host = NULL;

	if (curl_url_set(u, CURLUPART_URL, arena_cstr(arena, url), 0)) { /* not asked at all then */
		curl_url_cleanup(u);
		return;
	}
	curl_url_get(u, CURLUPART_SCHEME, &scheme, 0);
	curl_url_get(u, CURLUPART_HOST, &host, 0);
	curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
	MUST(scheme && !strcmp(scheme, "https"));
	MUST(host && *host);
	MUST(curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_NO_USER);
	MUST(listed || (port && !strcmp(port, "443")));
	curl_free(scheme);
	curl_free(user);
	curl_free(port);
	curl_free(host);
	curl_url_cleanup(u);
}

static void
endpoint(struct str url)
{
	struct arena *arena = arena_new(1 << 20);
	bool listed = false, again;

	if (!memchr(url.p, 0, url.n) && egress_allowed(url, STR("push.example:8443 [::1]:9 "), &listed)) {
		struct str origin = egress_origin(arena, url);

		MUST(str_present(origin) && str_has_prefix(origin, STR("https://")));
		MUST(egress_allowed(origin, STR("push.example:8443 [::1]:9"), &again) && again == listed);
		MUST(str_eq(egress_origin(arena, origin), origin));
		as_curl_sees_it(arena, url, listed);
	}
	arena_free(arena);
}

static void
frames(struct str bytes)
{
	struct buf in;
	struct egress_answer answer;
	struct egress_ask ask;
	size_t n = 0;

	buf_init(&in, 1 << 20);
	buf_str(&in, bytes);
	if (egress_take_ask(&in, &ask, &n))
		err_clear();
	else if (n)
		MUST(n <= in.n && ask.url.n && ask.body.p + ask.body.n == in.p + n);
	if (egress_take_answer(&in, &answer, &n))
		err_clear();
	else if (n)
		MUST(n <= in.n && answer.body.p + answer.body.n == in.p + n);
	buf_deinit(&in);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str bytes = str_n((const char *)data, n);

	endpoint(bytes);
	frames(bytes);
	return 0;
}
