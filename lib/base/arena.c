/*
 * arena -- a chain of blocks, filled from the front.
 *
 *     first block            next block (as large as needed, doubling)
 *     [header|piece|piece|..poisoned..] <- [header|piece|..poisoned..]
 *
 * Under AddressSanitizer everything but the pieces themselves is poisoned, with a gap after each piece, so that an arena
 * hides neither overruns nor uses after reset.
 */
#include "arena.h"

#include <stdio.h>
#include <stdlib.h>

#include "log.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   ASAN_POISON_MEMORY_REGION((p), (n))
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#define GAP            16
#else
#define POISON(p, n)   ((void)0)
#define UNPOISON(p, n) ((void)0)
#define GAP            0
#endif

#define ALIGN           ((size_t)16)
#define FIRST_BYTES     ((size_t)16 * 1024)
#define BLOCK_MAX_BYTES ((size_t)1024 * 1024)

struct block {
	struct block *before;
	size_t size, used;
	_Alignas(16) char bytes[];
};

struct deferred {
	struct deferred *before;
	void (*fn)(void *);
	void *arg;
};

struct arena {
	struct block *last;
	struct deferred *deferred;
	size_t used, cap;
};

static struct block *
block_new(struct block *before, size_t size)
{
	struct block *b = malloc(sizeof *b + size);

	if (!b) {
		LOG(ERROR, "out_of_memory", L_INT("bytes", (int64_t)size));
		abort();
	}
	*b = (struct block){ .before = before, .size = size };
	POISON(b->bytes, size);
	return b;
}

static struct block *
block_free(struct block *b)
{
	struct block *before = b->before;

	UNPOISON(b->bytes, b->size);
	free(b);
	return before;
}

struct arena *
arena_new(size_t cap_bytes)
{
	struct arena *a = calloc(1, sizeof *a);

	if (!a)
		abort();
	a->cap = cap_bytes;
	a->last = block_new(NULL, FIRST_BYTES);
	return a;
}

void
arena_reset(struct arena *a)
{
	while (a->deferred) {
		struct deferred d = *a->deferred;

		a->deferred = d.before;
		d.fn(d.arg);
	}
	while (a->last->before)
		a->last = block_free(a->last);
	a->last->used = 0;
	POISON(a->last->bytes, a->last->size);
	a->used = 0;
}

struct arena *
arena_free(struct arena *a)
{
	if (a) {
		arena_reset(a);
		block_free(a->last);
		free(a);
	}
	return NULL;
}

static _Noreturn void
over_cap(const struct arena *a, size_t bytes)
{
	LOG(ERROR, "arena_over_cap", L_INT("cap", (int64_t)a->cap), L_INT("used", (int64_t)a->used),
	    L_INT("wanted", (int64_t)bytes));
	abort();
}

void *
arena_alloc(struct arena *a, size_t bytes)
{
	size_t room;
	void *p;

	if (bytes > a->cap || a->used > a->cap - bytes)
		over_cap(a, bytes);
	room = (bytes + GAP + ALIGN - 1) & ~(ALIGN - 1);
	if (room > a->last->size - a->last->used) {
		size_t size = a->last->size * 2 < BLOCK_MAX_BYTES ? a->last->size * 2 : BLOCK_MAX_BYTES;

		a->last = block_new(a->last, size > room ? size : room);
	}
	p = a->last->bytes + a->last->used;
	a->last->used += room;
	a->used += bytes;
	UNPOISON(p, bytes);
	return memset(p, 0, bytes);
}

void *
arena_alloc_array(struct arena *a, size_t n, size_t bytes)
{
	size_t all;

	if (__builtin_mul_overflow(n, bytes, &all))
		over_cap(a, SIZE_MAX);
	return arena_alloc(a, all);
}

void
arena_defer(struct arena *a, void (*fn)(void *), void *arg)
{
	struct deferred *d = arena_new_of(a, struct deferred);

	*d = (struct deferred){ a->deferred, fn, arg };
	a->deferred = d;
}

size_t
arena_used(const struct arena *a)
{
	return a->used;
}

struct str
arena_str(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	return str_n(p, s.n);
}

const char *
arena_cstr(struct arena *a, struct str s)
{
	return arena_str(a, s).p;
}

struct str
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	p = arena_alloc(a, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return str_n(p, (size_t)n);
}
