/*
 * media/image/thumbhash.c -- the encoder.
 *
 *     bits  24: luminance 6, yellow-blue 6, red-green 6, luminance scale 5, transparent 1
 *           16: coefficients across 3, yellow-blue scale 6, red-green scale 6, landscape 1
 *            8: alpha 4, alpha scale 4 (when transparent)
 *           then 4 for each coefficient: luminance, yellow-blue, red-green, alpha
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "thumbhash.h"

#define PIXELS_MAX       (THUMBHASH_SIDE_MAX * THUMBHASH_SIDE_MAX)
#define COEFFICIENTS_MAX 27 /* of a 7 by 7 triangle, without the first */

enum { LUMINANCE, YELLOW_BLUE, RED_GREEN, ALPHA, PLANES };

struct plane {
	float at[PIXELS_MAX];
	float mean, scale;
	float coefficient[COEFFICIENTS_MAX];
	size_t n;
};

static unsigned
rounded(float f, unsigned most)
{
	long v = lroundf(f);

	return v < 0 ? 0 : v > (long)most ? most : (unsigned)v;
}

/* The mean colour, weighted by alpha, and the sum of alpha (0..pixels). */
static float
average(const uint8_t *rgba, size_t pixels, float mean[3])
{
	double sum[3] = { 0 }, alpha = 0;

	for (size_t i = 0; i < pixels; i++, rgba += 4) {
		double a = rgba[3] / 255.0;

		alpha += a;
		for (int c = 0; c < 3; c++)
			sum[c] += a * rgba[c] / 255.0;
	}
	for (int c = 0; c < 3; c++)
		mean[c] = alpha > 0 ? (float)(sum[c] / alpha) : 0;
	return (float)alpha;
}

/* What is transparent takes the mean colour, so that nothing hidden is drawn. */
static void
split(const uint8_t *rgba, size_t pixels, const float mean[3], struct plane *planes)
{
	for (size_t i = 0; i < pixels; i++, rgba += 4) {
		float a = rgba[3] / 255.0f, c[3];

		for (int k = 0; k < 3; k++)
			c[k] = mean[k] * (1 - a) + a * rgba[k] / 255.0f;
		planes[LUMINANCE].at[i] = (c[0] + c[1] + c[2]) / 3;
		planes[YELLOW_BLUE].at[i] = (c[0] + c[1]) / 2 - c[2];
		planes[RED_GREEN].at[i] = c[0] - c[1];
		planes[ALPHA].at[i] = a;
	}
}

static float
coefficient(const float *at, unsigned w, unsigned h, unsigned cx, unsigned cy)
{
	float fx[THUMBHASH_SIDE_MAX];
	double sum = 0;

	for (unsigned x = 0; x < w; x++)
		fx[x] = cosf((float)M_PI / (float)w * (float)cx * ((float)x + 0.5f));
	for (unsigned y = 0; y < h; y++) {
		float row = 0, fy = cosf((float)M_PI / (float)h * (float)cy * ((float)y + 0.5f));

		for (unsigned x = 0; x < w; x++)
			row += at[y * w + x] * fx[x];
		sum += (double)row * fy;
	}
	return (float)(sum / (w * h));
}

/* The triangle of the nx by ny lowest frequencies, scaled to 0..1 around one half. */
static void
transform(struct plane *p, unsigned w, unsigned h, unsigned nx, unsigned ny)
{
	for (unsigned cy = 0; cy < ny; cy++)
		for (unsigned cx = 0; cx * ny < nx * (ny - cy); cx++) {
			float f = coefficient(p->at, w, h, cx, cy);

			if (!cx && !cy) {
				p->mean = f;
				continue;
			}
			p->coefficient[p->n++] = f;
			p->scale = fmaxf(p->scale, fabsf(f));
		}
	for (size_t i = 0; p->scale > 0 && i < p->n; i++)
		p->coefficient[i] = 0.5f + 0.5f / p->scale * p->coefficient[i];
}

static size_t
write_head(const struct plane *p, bool transparent, bool landscape, unsigned across, uint8_t *out)
{
	unsigned head = rounded(63 * p[LUMINANCE].mean, 63) | rounded(31.5f + 31.5f * p[YELLOW_BLUE].mean, 63) << 6 |
	                rounded(31.5f + 31.5f * p[RED_GREEN].mean, 63) << 12 | rounded(31 * p[LUMINANCE].scale, 31) << 18 |
	                (unsigned)transparent << 23;
	unsigned more = across | rounded(63 * p[YELLOW_BLUE].scale, 63) << 3 | rounded(63 * p[RED_GREEN].scale, 63) << 9 |
	                (unsigned)landscape << 15;

	out[0] = (uint8_t)head;
	out[1] = (uint8_t)(head >> 8);
	out[2] = (uint8_t)(head >> 16);
	out[3] = (uint8_t)more;
	out[4] = (uint8_t)(more >> 8);
	if (!transparent)
		return 5;
	out[5] = (uint8_t)(rounded(15 * p[ALPHA].mean, 15) | rounded(15 * p[ALPHA].scale, 15) << 4);
	return 6;
}

static unsigned
share(unsigned limit, unsigned side, unsigned longest)
{
	unsigned n = rounded((float)limit * (float)side / (float)longest, limit);

	return n ? n : 1;
}

static unsigned
at_least_3(unsigned n)
{
	return n < 3 ? 3 : n;
}

size_t
thumbhash(const uint8_t *rgba, unsigned w, unsigned h, uint8_t out[THUMBHASH_BYTES_MAX])
{
	static _Thread_local struct plane planes[PLANES];
	unsigned longest = w > h ? w : h, limit, lx, ly;
	bool transparent;
	float mean[3];
	size_t n, half = 0;

	memset(planes, 0, sizeof(planes));
	memset(out, 0, THUMBHASH_BYTES_MAX);
	transparent = average(rgba, (size_t)w * h, mean) < (float)(w * h) - 0.001f;
	split(rgba, (size_t)w * h, mean, planes);
	limit = transparent ? 5 : 7;
	lx = share(limit, w, longest);
	ly = share(limit, h, longest);
	transform(&planes[LUMINANCE], w, h, at_least_3(lx), at_least_3(ly));
	transform(&planes[YELLOW_BLUE], w, h, 3, 3);
	transform(&planes[RED_GREEN], w, h, 3, 3);
	if (transparent)
		transform(&planes[ALPHA], w, h, 5, 5);
	n = write_head(planes, transparent, w > h, w > h ? ly : lx, out);
	for (int c = 0; c < PLANES; c++)
		for (size_t i = 0; i < planes[c].n; i++, half++)
			out[n + half / 2] |= (uint8_t)(rounded(15 * planes[c].coefficient[i], 15) << (half & 1) * 4);
	return n + (half + 1) / 2;
}

void
thumbhash_color(const uint8_t *rgba, size_t pixels, uint8_t out[3])
{
	static _Thread_local struct {
		uint32_t n, sum[3];
	} boxes[4096];
	size_t fullest = 0;

	memset(boxes, 0, sizeof(boxes));
	for (size_t i = 0; i < pixels; i++, rgba += 4) {
		size_t box = (size_t)(rgba[0] >> 4) << 8 | (size_t)(rgba[1] >> 4) << 4 | rgba[2] >> 4;

		if (rgba[3] < 128)
			continue;
		boxes[box].n++;
		for (int c = 0; c < 3; c++)
			boxes[box].sum[c] += rgba[c];
		if (boxes[box].n > boxes[fullest].n)
			fullest = box;
	}
	for (int c = 0; c < 3; c++)
		out[c] = boxes[fullest].n ? (uint8_t)(boxes[fullest].sum[c] / boxes[fullest].n) : 128;
}
