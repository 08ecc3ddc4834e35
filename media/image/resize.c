/*
 * media/image/resize.c -- first the columns, then the row that has come of it.
 *
 *     rows of the source -> ring of as many as one row of the result is made of -> one row of floats -> a row of the result
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "resize.h"

#define LOBES        3
#define WEIGHT_LEAST 1e-6
#define LANES        8
#define BANDS        3

/* On processors that have them, the wider registers make this twice as fast. */
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(__clang__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif

typedef float floats __attribute__((vector_size(LANES * 4)));
typedef float pixel __attribute__((vector_size(16)));
typedef int32_t pixel_int __attribute__((vector_size(16)));

/* What each row (or column) of the result is made of: n of the source, beginning with `from`. */
struct window {
	unsigned from, n;
	float *weight;
};

struct windows {
	struct window *at;
	unsigned most; /* the largest n */
};

static double
sinc(double x)
{
	return x == 0 ? 1 : sin(M_PI * x) / (M_PI * x);
}

static double
lanczos(double x)
{
	return fabs(x) < LOBES ? sinc(x) * sinc(x / LOBES) : 0;
}

/* The weights around `center`, of which the sum is one; those that are nothing are left away. */
static void
fill(struct window *w, double center, double scale, unsigned source)
{
	double sum = 0, support = LOBES * scale;
	unsigned first = (unsigned)fmax(0, floor(center - support)), end = (unsigned)fmin(source, ceil(center + support));

	while (first + 1 < end && fabs(lanczos((first + 0.5 - center) / scale)) < WEIGHT_LEAST)
		first++;
	while (first + 1 < end && fabs(lanczos((end - 0.5 - center) / scale)) < WEIGHT_LEAST)
		end--;
	w->from = first;
	w->n = end - first;
	for (unsigned i = first; i < end; i++)
		sum += lanczos((i + 0.5 - center) / scale);
	for (unsigned i = first; i < end; i++)
		w->weight[i - first] = (float)(lanczos((i + 0.5 - center) / scale) / sum);
}

static bool
make_windows(unsigned source, unsigned size, struct windows *ret)
{
	double scale = (double)source / size;
	unsigned room = 2 * (unsigned)ceil(LOBES * scale) + 1;
	size_t head = size * sizeof(struct window);
	float *weight;

	ret->at = malloc(head + (size_t)size * room * sizeof(float));
	if (!ret->at)
		return false;
	weight = (float *)(void *)((char *)ret->at + head);
	ret->most = 0;
	for (unsigned i = 0; i < size; i++) {
		ret->at[i].weight = weight + (size_t)i * room;
		fill(&ret->at[i], (i + 0.5) * scale, scale, source);
		ret->most = ret->at[i].n > ret->most ? ret->at[i].n : ret->most;
	}
	return true;
}

FOR_EACH_PROCESSOR static void
to_floats(const uint8_t *row, size_t n, float *out)
{
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		for (size_t k = 0; k < LANES; k++)
			out[i + k] = row[i + k];
	for (; i < n; i++)
		out[i] = row[i];
}

/* The weighted sum of rows; n is a multiple of LANES, and so much may be read and written. */
FOR_EACH_PROCESSOR static void
sum_rows(const float *const *rows, const struct window *w, size_t n, float *out)
{
	for (size_t i = 0; i < n; i += LANES) {
		floats sum = { 0 };

		for (unsigned k = 0; k < w->n; k++) {
			floats f;

			memcpy(&f, rows[k] + i, sizeof(f));
			sum += w->weight[k] * f;
		}
		memcpy(out + i, &sum, sizeof(sum));
	}
}

/* One row of the result. Three floats are read as four, so one more than there are must be there. */
FOR_EACH_PROCESSOR static void
sum_columns(const float *row, const struct windows *columns, unsigned width, uint8_t *out)
{
	for (unsigned x = 0; x < width; x++, out += BANDS) {
		const struct window *w = &columns->at[x];
		const float *p = row + (size_t)w->from * BANDS;
		pixel sum = { 0.5f, 0.5f, 0.5f, 0.5f };
		pixel_int whole;

		for (unsigned k = 0; k < w->n; k++, p += BANDS) {
			pixel f;

			memcpy(&f, p, sizeof(f));
			sum += w->weight[k] * f;
		}
		whole = __builtin_convertvector(sum, pixel_int);
		whole &= ~(whole >> 31);      /* not below 0 */
		whole |= (255 - whole) >> 31; /* nor above 255 */
		for (unsigned c = 0; c < BANDS; c++)
			out[c] = (uint8_t)whole[c];
	}
}

/* The work and its memory. */
struct resizing {
	struct windows down, across;
	float *ring;       /* of down.most rows */
	const float **row; /* those of the window, in order */
	float *line;
	size_t room; /* of a row, in elements */
	unsigned taken;
};

static bool
prepare(struct resizing *r, const struct rows *in, unsigned width, unsigned height)
{
	r->room = ((size_t)in->width * BANDS + LANES) / LANES * LANES;
	if (!make_windows(in->height, height, &r->down) || !make_windows(in->width, width, &r->across))
		return false;
	r->ring = calloc(r->down.most, r->room * sizeof(*r->ring));
	r->row = calloc(r->down.most, sizeof(*r->row));
	r->line = calloc(r->room, sizeof(*r->line));
	return r->ring && r->row && r->line;
}

/* The rows of this window, as far as they are not in the ring. */
static bool
take_rows(struct resizing *r, const struct rows *in, const struct window *w)
{
	for (; r->taken < w->from + w->n; r->taken++) {
		const uint8_t *p = in->next(in->arg);

		if (!p)
			return false;
		to_floats(p, (size_t)in->width * BANDS, r->ring + r->taken % r->down.most * r->room);
	}
	for (unsigned k = 0; k < w->n; k++)
		r->row[k] = r->ring + (w->from + k) % r->down.most * r->room;
	return true;
}

bool
resize(const struct rows *in, unsigned width, unsigned height, uint8_t *out)
{
	struct resizing r = { 0 };
	bool ok = prepare(&r, in, width, height);

	for (unsigned y = 0; ok && y < height; y++) {
		ok = take_rows(&r, in, &r.down.at[y]);
		if (!ok)
			break;
		sum_rows(r.row, &r.down.at[y], r.room, r.line);
		sum_columns(r.line, &r.across, width, out + (size_t)y * width * BANDS);
	}
	free(r.down.at);
	free(r.across.at);
	free(r.ring);
	free(r.row);
	free(r.line);
	return ok;
}
