/* fuzz_fastcgi.c -- what a worker answers: records, then CGI headers. The first byte says how it is cut; the cuts must not matter. */
#include "fuzz.h"

#include <string.h>

#include "base/err.h"
#include "base/fastcgi.h"

static int
read_all(struct fastcgi_reader *r, const uint8_t *data, size_t n, size_t piece)
{
	int status = 0;

	*r = (struct fastcgi_reader){ 0 };
	buf_init(&r->out, 65536);
	for (size_t at = 0; !status && at < n; at += piece) {
		size_t take = n - at < piece ? n - at : piece;
		uint8_t *copy = malloc(take);

		memcpy(copy, data + at, take);
		status = fastcgi_read(r, copy, take);
		free(copy);
	}
	err_clear();
	return status;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fastcgi_reader whole, cut;
	struct cgi_answer a;

	if (!n)
		return 0;
	MUST(read_all(&whole, data + 1, n - 1, n) == read_all(&cut, data + 1, n - 1, (size_t)data[0] % 61 + 1));
	MUST(str_eq(buf_view(&whole.out), buf_view(&cut.out)));
	MUST(!cgi_split(buf_view(&whole.out), &a) || a.body.n <= whole.out.n);
	cgi_split(str_n((const char *)data, n), &a);
	buf_deinit(&whole.out);
	buf_deinit(&cut.out);
	return 0;
}
