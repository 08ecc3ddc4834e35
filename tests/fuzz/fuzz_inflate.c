/*
 * fuzz_inflate.c -- what clients deflated: damaged streams, bombs, and every stream that deflate itself makes.
 *
 * The first two bytes are the bound. Whatever comes out is within it and comes out again; and what encoding.c makes of any bytes
 * is these bytes again.
 */
#include "fuzz.h"

#include <string.h>

#include "push/codec.h"
#include "push/encoding.h"

static void
damaged(struct inflater *in, const uint8_t *data, size_t n, size_t most)
{
	struct str first, second;
	char *copy;
	int r = inflate_message(in, data, n, most, &first);

	MUST(!r || r == WS_TOO_BIG || r == WS_BAD_UTF8);
	MUST(first.n <= most && (!r || !first.n));
	copy = malloc(first.n + 1);
	memcpy(copy, first.p, first.n);
	first.p = copy;
	MUST(inflate_message(in, data, n, most, &second) == r && str_eq(first, second));
	free(copy);
}

static void
there_and_back(struct inflater *in, struct str text)
{
	struct frame *f = frame_text(FRAME_ANSWER, text), *made = encoding_of(f, ENCODING_DEFLATE);
	struct str out;

	MUST((made == f) == !(made->bytes[0] & WS_COMPRESSED));
	if (made != f) {
		MUST(made->n < f->n && encoding_of(f, ENCODING_DEFLATE) == made);
		MUST(!inflate_message(in, (const unsigned char *)frame_view(made).p, frame_view(made).n, text.n, &out));
		MUST(str_eq(out, text));
		MUST(inflate_message(in, (const unsigned char *)frame_view(made).p, frame_view(made).n, text.n - 1, &out) ==
		     WS_TOO_BIG);
	}
	frame_unref(f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct inflater *in;

	if (n < 2)
		return 0;
	if (!in)
		in = inflater_new();
	damaged(in, data + 2, n - 2, (size_t)data[0] << 8 | data[1]);
	there_and_back(in, str_n((const char *)data, n));
	return 0;
}
