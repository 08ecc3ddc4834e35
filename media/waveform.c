/* media/waveform.c -- pure: no I/O, no allocation. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "waveform.h"

#define PER_SECOND 10

static float
loudness(const float *samples, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)samples[i] * samples[i];
	return n ? (float)sqrt(sqrt(sum / (double)n)) : 0;
}

static int
ascending(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static float
percentile_95(const float *values, size_t n)
{
	float sorted[WAVEFORM_MAX];

	memcpy(sorted, values, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), ascending);
	return sorted[(n - 1) * 95 / 100];
}

size_t
waveform(const float *samples, size_t n, unsigned rate, uint8_t out[WAVEFORM_MAX])
{
	size_t step = rate / PER_SECOND, bins = (n + step - 1) / step;
	float values[WAVEFORM_MAX], full;

	if (bins > WAVEFORM_MAX)
		bins = WAVEFORM_MAX;
	for (size_t i = 0; i < bins; i++) {
		size_t from = (size_t)((uint64_t)n * i / bins), to = (size_t)((uint64_t)n * (i + 1) / bins);

		values[i] = loudness(samples + from, to - from);
	}
	full = bins ? percentile_95(values, bins) : 0;
	for (size_t i = 0; i < bins; i++)
		out[i] = full > 0 ? (uint8_t)lrintf(fminf(1, values[i] / full) * 255) : 0;
	return bins;
}

void
waveform_bars(const uint8_t *bytes, size_t n, uint8_t out[WAVEFORM_BARS])
{
	for (size_t i = 0; i < WAVEFORM_BARS; i++) {
		size_t from = i * n / WAVEFORM_BARS, to = (i + 1) * n / WAVEFORM_BARS;
		unsigned highest = 0;

		for (size_t k = from; n && (k == from || k < to); k++)
			if (bytes[k] > highest)
				highest = bytes[k];
		out[i] = (uint8_t)((highest * 100 + 127) / 255);
	}
}
