/* fcgi/fetch.c -- one request at a time over libcurl. */
#include <curl/curl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/address.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json_in.h"
#include "base/log.h"
#include "fetch.h"

#define ANSWER_MOST ((size_t)256 * 1024)

/* What a request carries through libcurl. */
struct call {
	const struct fetch *in;
	struct buf answer;
	bool private; /* it would have led into a private network */
};

/* Scheme, host and port of an address without user and fragment. */
static struct str
origin_of(struct str url)
{
	const char *slashes = memmem(url.p, url.n, "://", 3);
	size_t from = slashes ? (size_t)(slashes - url.p) + 3 : 0, n = from;

	if (!slashes)
		return STR_NONE;
	while (n < url.n && !strchr("/?#", url.p[n]))
		n++;
	return n > from && !memchr(url.p + from, '@', n - from) ? str_n(url.p, n) : STR_NONE;
}

bool
fetch_same_host(struct str a, struct str b)
{
	struct str one = origin_of(a), other = origin_of(b);

	return one.n && str_eq_ascii_case(one, other);
}

bool
fetch_allowed(struct str url, struct str provider)
{
	for (size_t i = 0; i < url.n; i++)
		if (url.p[i] <= ' ' || url.p[i] >= 0x7f || url.p[i] == '\\')
			return false;
	if (!origin_of(url).n)
		return false;
	return str_has_prefix(url, STR("https://")) ||
	       (str_has_prefix(url, STR("http://")) && fetch_same_host(url, provider));
}

static size_t
take(char *p, size_t size, size_t n, void *arg)
{
	struct call *call = arg;

	buf_add(&call->answer, p, size * n);
	return buf_failed(&call->answer) ? 0 : size * n;
}

static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct call *call = arg;

	(void)purpose;
	if (!fetch_same_host(call->in->url, call->in->provider) && address_private(&to->addr)) {
		call->private = true;
		return CURL_SOCKET_BAD;
	}
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

/* Kept by the process: connections stay open between requests. NULL when libcurl does not start. */
static CURL *
handle(void)
{
	static CURL *curl;

	if (!curl && !curl_global_init(CURL_GLOBAL_DEFAULT))
		curl = curl_easy_init();
	if (curl)
		curl_easy_reset(curl);
	return curl;
}

static struct curl_slist *
headers(struct arena *arena, const struct fetch *in)
{
	struct curl_slist *list = curl_slist_append(NULL, "Accept: application/json");

	if (str_present(in->bearer))
		list = curl_slist_append(list, arena_printf(arena, "Authorization: Bearer %.*s", STR_ARG(in->bearer)).p);
	return list;
}

static void
set_up(CURL *curl, struct arena *arena, struct call *call)
{
	const struct fetch *in = call->in;

	curl_easy_setopt(curl, CURLOPT_URL, arena_cstr(arena, in->url));
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, str_has_prefix(in->url, STR("http://")) ? "http" : "https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)in->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_MAXFILESIZE, (long)ANSWER_MOST);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "Peal");
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, call);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, call);
	if (str_present(in->form)) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)in->form.n);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, in->form.p);
	}
	if (str_present(in->username)) {
		curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
		curl_easy_setopt(curl, CURLOPT_USERNAME, arena_cstr(arena, in->username));
		curl_easy_setopt(curl, CURLOPT_PASSWORD, arena_cstr(arena, in->password));
	}
}

static int
read_answer(struct arena *arena, const struct call *call, long status, json_t **ret)
{
	struct str text = arena_str(arena, buf_view(&call->answer));
	struct json_report report;

	if (status >= 500 || status == 429)
		return UNAVAILABLE;
	return status == 200 && !json_parse(arena, text, ret, &report) && json_is_object(*ret) ? 0 : UNAUTHENTICATED;
}

/* What libcurl says is about addresses and protocols, not about what was sent. */
static void
complain(const struct call *call, CURLcode code, long status)
{
	LOG(WARNING, "fetch", L_STR("origin", origin_of(call->in->url)), L_INT("status", status),
	    L_CSTR("error", call->private ? "leads into a private network" : curl_easy_strerror(code)));
}

int
fetch_json(struct arena *arena, const struct fetch *in, json_t **ret)
{
	struct call call = { .in = in };
	CURL *curl = fetch_allowed(in->url, in->provider) && in->timeout_ms > 0 ? handle() : NULL;
	struct curl_slist *list;
	CURLcode code;
	long status = 0;
	int r = UNAVAILABLE;

	if (!curl)
		return UNAVAILABLE;
	buf_init(&call.answer, ANSWER_MOST);
	set_up(curl, arena, &call);
	list = headers(arena, in);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (!code)
		r = read_answer(arena, &call, status, ret);
	if (r)
		complain(&call, code, status);
	curl_slist_free_all(list);
	buf_deinit(&call.answer);
	return r;
}
