/*
 * decode -- what bench/media.py measures of the decoders: the same job in a sandboxed child, in this process, and done otherwise.
 */
#ifndef PEAL_BENCH_DECODE_H
#define PEAL_BENCH_DECODE_H

#include "media/decoder/craft.h"

/* Another way to do the job, to be compared with craft.make; each program has one. */
extern const char other_name[];
bool other_make(const struct job *, const uint8_t *bytes, uint8_t *output);

#endif
