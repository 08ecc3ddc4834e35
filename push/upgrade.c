/* upgrade.c -- the HTTP/1.1 request before the frames (RFC 6455 section 4.2), and who may make it. */
#include <openssl/evp.h>
#include <stdio.h>

#include "base/origin.h"
#include "codec.h"

#define WS_GUID       "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define WS_KEY_CHARS  24
#define ADDRESS_CHARS 45
/* Both at once, whatever was offered: what is compressed once for all sockets cannot refer to what one of them had before. */
#define DEFLATE_TAKEN "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover"

/* What the headers said, before it is judged. */
struct request {
	struct upgrade *up;
	bool upgrade, connection, version, length, host;
	int status; /* a refusal found on the way */
};

static bool
is_token_char(char c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* Is this word in a comma-separated list? */
static bool
list_has(struct str list, struct str word)
{
	while (list.p)
		if (str_eq_ascii_case(str_trim(str_cut(&list, ',')), word))
			return true;
	return false;
}

static void
take_protocols(struct request *rq, struct str list)
{
	while (list.p) {
		struct str word = str_trim(str_cut(&list, ','));

		if (str_eq(word, STR(WS_PROTOCOL)))
			rq->up->protocol = true;
		else if (str_has_prefix(word, STR("bearer.")) && !str_present(rq->up->token))
			rq->up->token = str_n(word.p + 7, word.n - 7);
	}
}

static void
take_authorization(struct request *rq, struct str value)
{
	struct str scheme = str_cut(&value, ' ');

	if (str_eq_ascii_case(scheme, STR("Bearer")) && value.p)
		rq->up->token = str_trim(value);
}

/* 16 bytes of base64 are 22 characters and two paddings. */
static bool
key_valid(struct str key)
{
	if (key.n != WS_KEY_CHARS || key.p[22] != '=' || key.p[23] != '=')
		return false;
	for (size_t i = 0; i < 22; i++)
		if (!(is_token_char(key.p[i]) || key.p[i] == '/') || strchr("!#$%&'*-.^_`|~", key.p[i]))
			return false;
	return strchr("AQgw", key.p[21]) != NULL;
}

/* A header that may stand once only: a second one is how requests are smuggled. */
static void
take_once(struct request *rq, struct str *member, struct str value)
{
	if (str_present(*member))
		rq->status = 400;
	*member = value;
}

static void
take_header(struct request *rq, struct str name, struct str value)
{
	if (str_eq_ascii_case(name, STR("Upgrade")))
		rq->upgrade |= list_has(value, STR("websocket"));
	else if (str_eq_ascii_case(name, STR("Connection")))
		rq->connection |= list_has(value, STR("upgrade"));
	else if (str_eq_ascii_case(name, STR("Sec-WebSocket-Key")))
		take_once(rq, &rq->up->key, value);
	else if (str_eq_ascii_case(name, STR("Sec-WebSocket-Version")))
		rq->version = str_eq(value, STR("13"));
	else if (str_eq_ascii_case(name, STR("Sec-WebSocket-Extensions")))
		rq->status = offers_take(value, rq->up) ? rq->status : 400;
	else if (str_eq_ascii_case(name, STR("Sec-WebSocket-Protocol")))
		take_protocols(rq, value);
	else if (str_eq_ascii_case(name, STR("Origin")))
		take_once(rq, &rq->up->origin, value);
	else if (str_eq_ascii_case(name, STR("Authorization")))
		take_authorization(rq, value);
	else if (str_eq_ascii_case(name, STR("X-Real-IP")) && value.n <= ADDRESS_CHARS)
		rq->up->address = value;
	else if (str_eq_ascii_case(name, STR("Host")))
		rq->host = true;
	else if (str_eq_ascii_case(name, STR("Transfer-Encoding")) ||
	         (str_eq_ascii_case(name, STR("Content-Length")) && !str_eq(value, STR("0"))))
		rq->length = true;
}

/* One line without its CRLF; false when malformed. */
static bool
take_line(struct request *rq, struct str line)
{
	struct str name = str_cut(&line, ':');

	if (!line.p || !name.n)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!is_token_char(name.p[i]))
			return false;
	for (size_t i = 0; i < line.n; i++)
		if ((unsigned char)line.p[i] < 32 && line.p[i] != '\t')
			return false;
	take_header(rq, name, str_trim(line));
	return true;
}

static bool
query_has(struct str query, struct str pair)
{
	while (str_present(query))
		if (str_eq(str_cut(&query, '&'), pair))
			return true;
	return false;
}

static int
take_request_line(struct upgrade *up, struct str line)
{
	struct str method = str_cut(&line, ' '), path, query;

	up->target = str_cut(&line, ' ');
	if (!str_present(up->target) || !str_eq(line, STR("HTTP/1.1")))
		return 400;
	if (!str_eq(method, STR("GET")))
		return 405;
	query = up->target;
	path = str_cut(&query, '?');
	up->gzip = query_has(query, STR("gzip=1"));
	return str_eq(path, STR("/ws")) ? 0 : 404;
}

/* Cuts the next line off; its CR is required. */
static bool
next_line(struct str *rest, struct str *ret)
{
	*ret = str_cut(rest, '\n');
	if (!ret->n || ret->p[ret->n - 1] != '\r')
		return false;
	ret->n--;
	return !memchr(ret->p, '\r', ret->n) && !memchr(ret->p, 0, ret->n);
}

static int
judge(const struct request *rq)
{
	if (rq->status)
		return rq->status;
	if (!rq->host || rq->length)
		return 400;
	if (!rq->upgrade || !rq->connection || !rq->version)
		return 426;
	return str_present(rq->up->key) && key_valid(rq->up->key) ? 101 : 400;
}

int
upgrade_parse(struct str bytes, struct upgrade *ret)
{
	struct request rq = { .up = ret };
	const char *end = memmem(bytes.p, bytes.n, "\r\n\r\n", 4);
	struct str rest, line;

	*ret = (struct upgrade){ 0 };
	if (!end)
		return bytes.n < UPGRADE_MAX ? 0 : 431;
	ret->n = (size_t)(end - bytes.p) + 4;
	if (ret->n > UPGRADE_MAX)
		return 431;
	rest = str_n(bytes.p, ret->n - 2);
	if (!next_line(&rest, &line))
		return 400;
	rq.status = take_request_line(ret, line);
	while (rest.n)
		if (!next_line(&rest, &line) || !take_line(&rq, line))
			return 400;
	ret->deflate &= !ret->gzip; /* never both */
	return judge(&rq);
}

bool
upgrade_origin_allowed(const struct upgrade *up, const struct conf *conf)
{
	return str_present(up->origin) ? origin_listed(conf, up->origin) : str_present(up->token);
}

static void
accept_key(struct str key, char out[WS_ACCEPT_CHARS + 1])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	char text[WS_KEY_CHARS + sizeof(WS_GUID)];
	int n = snprintf(text, sizeof(text), "%.*s" WS_GUID, STR_ARG(key));

	EVP_Digest(text, (size_t)n, digest, NULL, EVP_sha1(), NULL);
	EVP_EncodeBlock((unsigned char *)out, digest, 20);
}

static const char *
reason_phrase(int status)
{
	switch (status) {
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed\r\nAllow: GET";
	case 426:
		return "Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13";
	case 431:
		return "Request Header Fields Too Large";
	case 503:
		return "Service Unavailable\r\nRetry-After: 5";
	default:
		return "Bad Request";
	}
}

size_t
upgrade_write(int status, const struct upgrade *up, char *out, size_t size)
{
	char accept[WS_ACCEPT_CHARS + 1];

	if (status != 101)
		return (size_t)snprintf(out, size, "HTTP/1.1 %d %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
		                        status, reason_phrase(status));
	accept_key(up->key, accept);
	return (size_t)snprintf(out, size,
	                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	                        "Sec-WebSocket-Accept: %s\r\n%s%s\r\n",
	                        accept, up->protocol ? "Sec-WebSocket-Protocol: " WS_PROTOCOL "\r\n" : "",
	                        !up->deflate         ? ""
	                        : up->deflate_window ? DEFLATE_TAKEN "; server_max_window_bits=15\r\n"
	                                             : DEFLATE_TAKEN "\r\n");
}
