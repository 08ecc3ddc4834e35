/*
 * buf -- bytes that grow, with sticky failure.
 *
 * Owns a heap block; append freely and check buf_failed() once, at the end. Growing past `cap` (bytes) is the only failure.
 * buf_clear() keeps the block, so that a worker writes its replies into the same memory all day.
 */
#ifndef PEAL_BASE_BUF_H
#define PEAL_BASE_BUF_H

#include "str.h"

struct buf {
	char *p;
	size_t n, size, cap;
	bool failed;
};

void buf_init(struct buf *, size_t cap);
void buf_deinit(struct buf *);
void buf_clear(struct buf *);
void buf_int(struct buf *, int64_t);
void buf_printf(struct buf *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *buf_grow(struct buf *, size_t n); /* buf_reserve()'s rare half */
void buf_commit(struct buf *, size_t n);
/* Room for n more bytes to be written in place; NULL when the cap forbids it. Add them with buf_commit(). */
static inline char *
buf_reserve(struct buf *b, size_t n)
{
	return b->failed || !b->p || n > b->size - b->n ? buf_grow(b, n) : b->p + b->n;
}
static inline void
buf_add(struct buf *b, const void *p, size_t n)
{
	char *to = n ? buf_reserve(b, n) : NULL;

	if (to) {
		memcpy(to, p, n);
		b->n += n;
	}
}
static inline void
buf_str(struct buf *b, struct str s)
{
	buf_add(b, s.p, s.n);
}
static inline void
buf_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}
static inline struct str
buf_view(const struct buf *b)
{
	return (struct str){ b->p ? b->p : "", b->n };
}
static inline bool
buf_failed(const struct buf *b)
{
	return b->failed;
}

#endif
