/*
 * mem -- heap memory that is never NULL: a push process that cannot get a few bytes has nothing better to do than to die and
 * be restarted, because every connection resumes without loss.
 */
#ifndef PEAL_PUSH_MEM_H
#define PEAL_PUSH_MEM_H

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static inline void *
mem_need(void *p)
{
	if (!p)
		abort();
	return p;
}

static inline void *
mem_zeroed(size_t bytes)
{
	return mem_need(calloc(1, bytes));
}

static inline void *
mem_array(void *old, size_t n, size_t bytes)
{
	return mem_need(reallocarray(old, n, bytes));
}

/* A NUL-terminated copy. */
static inline char *
mem_cstr(struct str s)
{
	char *p = mem_need(malloc(s.n + 1));

	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = 0;
	return p;
}

#endif
