/*
 * fuzz_multipart.c -- a Content-Type, LF, a body. However the body is cut, the same is found; and what is found lies within it, after
 * an empty line and before a delimiter.
 */
#include "fuzz.h"

#include <string.h>

#include "media/multipart.h"

static bool
parse(struct multipart *m, struct str type, struct str body, size_t piece)
{
	if (!multipart_begin(m, type))
		return false;
	for (size_t at = 0; at < body.n; at += piece)
		if (!multipart_feed(m, body.p + at, body.n - at < piece ? body.n - at : piece))
			return false;
	return multipart_end(m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str body = str_n((const char *)data, n), type = str_cut(&body, '\n');
	struct multipart whole, cut;
	bool ok;

	if (!body.p)
		return 0;
	ok = parse(&whole, type, body, body.n + 1);
	MUST(parse(&cut, type, body, n % 13 + 1) == ok);
	if (!ok)
		return 0;
	MUST(whole.offset == cut.offset && whole.size == cut.size && whole.name_n == cut.name_n);
	MUST(!memcmp(whole.name, cut.name, whole.name_n));
	MUST(whole.offset >= 4 && whole.offset <= body.n && whole.size <= body.n - whole.offset);
	MUST(!memcmp(body.p + whole.offset - 4, "\r\n\r\n", 4));
	MUST(!whole.size || !memcmp(body.p + whole.offset + whole.size, whole.delimiter, whole.delimiter_n));
	return 0;
}
