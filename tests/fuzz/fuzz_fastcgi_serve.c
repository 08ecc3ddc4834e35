/* fuzz_fastcgi_serve.c -- what nginx sends: records. The first byte says how it is cut; the cuts must not matter. */
#include "fuzz.h"

#include <string.h>

#include "base/err.h"
#include "base/fastcgi_serve.h"

struct heard {
	struct buf body;
	int last; /* what was found last */
	unsigned heads, ends;
};

static void
take_all(struct fastcgi_request *q, struct heard *h, const uint8_t *data, size_t n)
{
	char *copy = malloc(n);
	struct str bytes, piece;

	memcpy(copy, data, n);
	bytes = str_n(copy, n);
	do {
		h->last = fastcgi_take(q, &bytes, &piece);
		if (h->last == FASTCGI_BODY) {
			MUST(piece.n && piece.p >= copy && piece.p + piece.n <= copy + n);
			buf_str(&h->body, piece);
		}
		h->heads += h->last == FASTCGI_HEAD;
		h->ends += h->last == FASTCGI_END;
	} while (h->last > FASTCGI_MORE && h->last != FASTCGI_END);
	free(copy);
}

static void
hear(struct fastcgi_request *q, struct heard *h, const uint8_t *data, size_t n, size_t piece)
{
	*h = (struct heard){ .last = FASTCGI_MORE };
	buf_init(&h->body, 1 << 20);
	fastcgi_request_init(q, 65536);
	for (size_t at = 0; at < n && h->last >= 0 && !h->ends; at += piece)
		take_all(q, h, data + at, n - at < piece ? n - at : piece);
	err_clear();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fastcgi_request whole, cut;
	struct heard once, often;
	struct str one, other;

	if (!n)
		return 0;
	hear(&whole, &once, data + 1, n - 1, n);
	hear(&cut, &often, data + 1, n - 1, (size_t)data[0] % 61 + 1);
	MUST((once.last < 0) == (often.last < 0) && once.heads == often.heads && once.ends == often.ends);
	MUST(once.heads <= 1 && once.ends <= 1 && once.ends <= once.heads && (once.heads || !once.body.n));
	MUST(str_eq(buf_view(&once.body), buf_view(&often.body)));
	one = fastcgi_param(&whole, STR("REQUEST_METHOD"));
	other = fastcgi_param(&cut, STR("REQUEST_METHOD"));
	MUST(str_eq(one, other) && (!one.p || one.n));
	fastcgi_request_deinit(&whole);
	fastcgi_request_deinit(&cut);
	buf_deinit(&once.body);
	buf_deinit(&often.body);
	return 0;
}
