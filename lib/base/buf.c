/* buf -- growing bytes; the block doubles until the cap. */
#include "buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "log.h"

#define BUF_FIRST_BYTES 256

void
buf_init(struct buf *b, size_t cap)
{
	*b = (struct buf){ .cap = cap };
}

void
buf_deinit(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ .cap = b->cap };
}

void
buf_clear(struct buf *b)
{
	b->n = 0;
	b->failed = false;
}

/* The cap is the only failure callers see: a process without memory is replaced, not repaired. */
char *
buf_grow(struct buf *b, size_t n)
{
	size_t size = b->size ? b->size : BUF_FIRST_BYTES;
	char *p;

	if (!n)
		n = 1;
	if (b->failed || n > b->cap || b->n > b->cap - n) {
		b->failed = true;
		return NULL;
	}
	while (size < b->n + n)
		size *= 2;
	if (size > b->cap)
		size = b->cap;
	p = realloc(b->p, size);
	if (!p) {
		LOG(ERROR, "out_of_memory", L_INT("bytes", (int64_t)size));
		abort();
	}
	b->p = p;
	b->size = size;
	return b->p + b->n;
}

void
buf_commit(struct buf *b, size_t n)
{
	if (n > b->size - b->n)
		abort();
	b->n += n;
}

void
buf_int(struct buf *b, int64_t v)
{
	char digits[STR_INT64_MAX];

	buf_add(b, digits, (size_t)(str_put_int64(digits, v) - digits));
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	char *to;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	/* vsnprintf() ends with a NUL, for which the cap must not count: print short texts beside the buffer */
	to = buf_reserve(b, (size_t)n);
	if (!to || !n)
		return;
	va_start(ap, fmt);
	if (b->size - b->n > (size_t)n) {
		vsnprintf(to, (size_t)n + 1, fmt, ap);
	} else {
		char *whole = NULL;

		if (vasprintf(&whole, fmt, ap) != n)
			abort();
		memcpy(to, whole, (size_t)n);
		free(whole);
	}
	va_end(ap);
	b->n += (size_t)n;
}
