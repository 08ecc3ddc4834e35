/* test_resize.c -- against the same filter written down as it is defined, weight for weight, in double precision. */
#include <math.h>
#include <stdlib.h>

#include "unit.h"

#include "media/image/resize.h"

#define SIDE_MAX 200

static uint8_t source[SIDE_MAX * SIDE_MAX * 3], got[SIDE_MAX * SIDE_MAX * 3];

struct reader {
	unsigned width, y, most;
};

static const uint8_t *
next_row(void *arg)
{
	struct reader *r = arg;

	return r->y < r->most ? source + (size_t)r->y++ * r->width * 3 : NULL;
}

static bool
run(unsigned width, unsigned height, unsigned to_width, unsigned to_height, unsigned rows_there)
{
	struct reader reader = { width, 0, rows_there };
	const struct rows rows = { width, height, next_row, &reader };

	memset(got, 77, sizeof(got));
	return resize(&rows, to_width, to_height, got);
}

static double
weight(double x)
{
	if (x == 0)
		return 1;
	return fabs(x) < 3 ? 3 * sin(M_PI * x) * sin(M_PI * x / 3) / (M_PI * M_PI * x * x) : 0;
}

static double
plain(unsigned width, unsigned height, unsigned to_width, unsigned to_height, unsigned x, unsigned y, unsigned band)
{
	double sx = (double)width / to_width, sy = (double)height / to_height, sum = 0, all = 0;

	for (unsigned j = 0; j < height; j++) {
		double wy = weight((j + 0.5 - (y + 0.5) * sy) / sy);

		for (unsigned i = 0; wy != 0 && i < width; i++) {
			double w = wy * weight((i + 0.5 - (x + 0.5) * sx) / sx);

			sum += w * source[(j * width + i) * 3 + band];
			all += w;
		}
	}
	return fmin(255, fmax(0, sum / all));
}

static void
noise(unsigned seed)
{
	for (size_t i = 0; i < sizeof(source); i++)
		source[i] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
}

static void
test_is_the_filter(void **state)
{
	static const unsigned sizes[][4] = { { 131, 97, 100, 74 }, { 160, 120, 32, 24 }, { 67, 200, 66, 3 },
		                             { 200, 3, 1, 1 },     { 1, 1, 1, 1 },       { 5, 4, 5, 2 },
		                             { 33, 31, 33, 31 } };

	(void)state;
	noise(7);
	for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
		const unsigned *n = sizes[s];

		assert_true(run(n[0], n[1], n[2], n[3], n[1]));
		for (unsigned y = 0; y < n[3]; y++)
			for (unsigned x = 0; x < n[2]; x++)
				for (unsigned c = 0; c < 3; c++)
					assert_true(fabs(plain(n[0], n[1], n[2], n[3], x, y, c) -
					                 got[(y * n[2] + x) * 3 + c]) < 0.51);
		assert_int_equal(got[(size_t)n[2] * n[3] * 3], 77); /* and nothing behind it */
	}
}

static void
test_same_size_is_the_same(void **state)
{
	(void)state;
	noise(11);
	assert_true(run(120, 90, 120, 90, 90));
	assert_memory_equal(got, source, 120 * 90 * 3);
}

static void
test_one_color_stays(void **state)
{
	(void)state;
	for (unsigned value = 0; value < 256; value += 51) {
		memset(source, (int)value, sizeof(source));
		assert_true(run(199, 173, 64, 41, 173));
		for (size_t i = 0; i < 64 * 41 * 3; i++)
			assert_int_equal(got[i], value);
	}
}

/* A picture that ends before its last row, as a damaged one does. */
static void
test_rows_that_are_missing(void **state)
{
	(void)state;
	noise(13);
	for (unsigned there = 0; there < 90; there++)
		assert_false(run(120, 90, 40, 30, there));
	assert_true(run(120, 90, 40, 30, 90));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_the_filter),
		cmocka_unit_test(test_same_size_is_the_same),
		cmocka_unit_test(test_one_color_stays),
		cmocka_unit_test(test_rows_that_are_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
