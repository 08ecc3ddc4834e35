/*
 * fuzz -- the one function of every file fuzz_*.c. libFuzzer calls it (`make fuzz`), and so does replay.c, for the seeds and
 * for every input that once crashed (`make test`).
 *
 * It checks what must hold for any bytes and dies by abort(3) when something does not: finding no crash alone says little.
 */
#ifndef PEAL_TESTS_FUZZ_H
#define PEAL_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* As assert(3), in every kind of build. */
#define MUST(condition)                                                                                                     \
	((condition) ? (void)0 : (fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition), abort()))

#endif
