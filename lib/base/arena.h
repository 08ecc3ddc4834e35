/*
 * arena -- memory that ends together.
 *
 * One per request (fcgi), per sweep (jobs), per command (ctl). Pieces are zeroed, 16-byte aligned, and stay valid until
 * arena_reset(); nothing is given back alone. Things owned by other libraries (PGresult, json_t, redisReply, fd) are tied
 * to it at birth with arena_defer() and let go in reverse order. Unused bytes are poisoned under AddressSanitizer.
 */
#ifndef PEAL_BASE_ARENA_H
#define PEAL_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include "str.h"

struct arena;

struct arena *arena_new(size_t cap_bytes);                       /* past the cap the process logs and aborts */
struct arena *arena_free(struct arena *);                        /* NULL-safe; returns NULL */
void arena_reset(struct arena *);                                /* runs what was deferred, keeps the first block */
void *arena_alloc(struct arena *, size_t bytes);                 /* never NULL */
void *arena_alloc_array(struct arena *, size_t n, size_t bytes); /* n * bytes, overflow-checked */
void arena_defer(struct arena *, void (*fn)(void *), void *arg);
size_t arena_used(const struct arena *); /* bytes handed out since the last reset */

struct str arena_str(struct arena *, struct str);   /* a copy, NUL-terminated past its end */
const char *arena_cstr(struct arena *, struct str); /* the same as a C string */
struct str arena_printf(struct arena *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define arena_new_of(a, type) ((type *)arena_alloc((a), sizeof(type)))

#endif
