/*
 * waveform -- what a recording looks like beside its button: one byte for each tenth of a second, 256 at most.
 *
 * The loudness of each part, its square root so that quiet speech can be seen, scaled so that the loudest twentieth is full.
 */
#ifndef PEAL_MEDIA_WAVEFORM_H
#define PEAL_MEDIA_WAVEFORM_H

#include <stddef.h>
#include <stdint.h>

#define WAVEFORM_MAX  256
#define WAVEFORM_BARS 64

/* Returns the bytes written: 1 to WAVEFORM_MAX, 0 without samples. */
size_t waveform(const float *samples, size_t n, unsigned rate, uint8_t out[WAVEFORM_MAX]);
/* Always so many bars, 0 to 100, each the highest of its part of a waveform. */
void waveform_bars(const uint8_t *bytes, size_t n, uint8_t out[WAVEFORM_BARS]);

#endif
