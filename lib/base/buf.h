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
void buf_add(struct buf *, const void *, size_t n);
void buf_str(struct buf *, struct str);
void buf_char(struct buf *, char);
void buf_int(struct buf *, int64_t);
void buf_printf(struct buf *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Room for n more bytes to be written in place; NULL when the cap forbids it. Add them with buf_commit(). */
char *buf_reserve(struct buf *, size_t n);
void buf_commit(struct buf *, size_t n);
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
