/*
 * fuzz_ws.c -- bytes from the whole internet: the HTTP upgrade, then frames.
 *
 * The first byte says how the rest is cut, and whether permessage-deflate was negotiated. Whatever the cuts, the events must be the same as in one piece; that, and the
 * sanitizers, is the oracle.
 */
#include "fuzz.h"

#include <string.h>

#include "base/conf.h"
#include "push/codec.h"

#define MAX_MESSAGE 4096

static uint64_t
fold(uint64_t h, const void *bytes, size_t n)
{
	for (const unsigned char *p = bytes; n--; p++)
		h = (h ^ *p) * 0x100000001b3u;
	return h;
}

/* Everything that comes out, as one number. */
static uint64_t
decode(const uint8_t *data, size_t n, size_t piece, struct inflater *inflater)
{
	struct ws ws = { .max_message = MAX_MESSAGE, .inflater = inflater };
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t at = 0; at < n; at += piece) {
		size_t take = n - at < piece ? n - at : piece;
		unsigned char *copy = malloc(take);
		struct ws_input in = { memcpy(copy, data + at, take), take };
		enum ws_event event;
		struct str payload;
		int code = 0;

		while ((event = ws_next(&ws, &in, &payload, &code)) != WS_MORE) {
			h = fold(h, &event, sizeof(event));
			if (event == WS_CLOSE || event == WS_ERROR)
				h = fold(h, &code, sizeof(code));
			if (event == WS_ERROR)
				continue;
			h = fold(h, payload.p, payload.n);
			MUST(payload.n <= MAX_MESSAGE && (event != WS_TEXT || str_utf8_valid(payload)));
		}
		free(copy);
		MUST(ws_held(&ws) <= 2 * MAX_MESSAGE + 512);
	}
	ws_deinit(&ws);
	return h;
}

static void
upgrade(const uint8_t *data, size_t n)
{
	char *copy = malloc(n ? n : 1), out[UPGRADE_ANSWER_MAX];
	const struct conf conf = { .origins = "https://a.example https://b.example", .public_url = "https://c.example" };
	struct upgrade up;
	int status;

	if (n)
		memcpy(copy, data, n);
	status = upgrade_parse(str_n(copy, n), &up);
	MUST(status != 101 || (up.n <= n && up.key.n == 24));
	MUST(!status || upgrade_write(status, &up, out, sizeof(out)) < sizeof(out));
	upgrade_origin_allowed(&up, &conf);
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct inflater *shared; /* one for all, as in the daemon: nothing of one input may be seen by the next */
	struct inflater *inflater;
	size_t piece;

	if (!n)
		return 0;
	if (!shared)
		shared = inflater_new();
	inflater = data[0] & 0x80 ? shared : NULL;
	piece = (size_t)(data[0] & 0x7f) % 61 + 1;
	upgrade(data + 1, n - 1);
	MUST(decode(data + 1, n - 1, piece, inflater) == decode(data + 1, n - 1, n, inflater));
	return 0;
}
