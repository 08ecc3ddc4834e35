/* test_thumbhash.c -- against hashes that the format's reference implementation gave for the same pixels. */
#include "unit.h"

#include "base/arena.h"
#include "base/bytes.h"
#include "media/image/thumbhash.h"

#define SIDE THUMBHASH_SIDE_MAX

typedef void (*painter)(unsigned x, unsigned y, uint8_t out[4]);

static void
gradient(unsigned x, unsigned y, uint8_t out[4])
{
	out[0] = (uint8_t)(x * 2);
	out[1] = (uint8_t)(y * 3);
	out[2] = (uint8_t)(x + y);
	out[3] = 255;
}

static void
tall(unsigned x, unsigned y, uint8_t out[4])
{
	out[0] = (uint8_t)(255 - x * 8);
	out[1] = (uint8_t)(y * 2);
	out[2] = (uint8_t)(x * y);
	out[3] = 255;
}

static void
clear(unsigned x, unsigned y, uint8_t out[4])
{
	out[0] = 200;
	out[1] = (uint8_t)(x * 4);
	out[2] = (uint8_t)(y * 4);
	out[3] = (uint8_t)(x * 4);
}

static void
flat(unsigned x, unsigned y, uint8_t out[4])
{
	(void)x, (void)y;
	out[0] = 30;
	out[1] = 60;
	out[2] = 90;
	out[3] = 255;
}

static void
checks(unsigned x, unsigned y, uint8_t out[4])
{
	bool white = ((x >> 4) + (y >> 4)) & 1;

	out[0] = white ? 255 : 10;
	out[1] = white ? 255 : 0;
	out[2] = white ? 255 : 120;
	out[3] = 255;
}

static size_t
paint(painter p, unsigned w, unsigned h, uint8_t *rgba)
{
	for (unsigned y = 0; y < h; y++)
		for (unsigned x = 0; x < w; x++)
			p(x, y, rgba + (y * w + x) * 4);
	return (size_t)w * h;
}

static uint8_t rgba[SIDE * SIDE * 4];

/* The head exactly; a coefficient of nearly nothing lies between two steps, and may fall to either side. */
static void
check(painter p, unsigned w, unsigned h, size_t head, const char *want_hex)
{
	struct arena *a = arena_new(65536);
	uint8_t out[THUMBHASH_BYTES_MAX];
	struct str want;
	size_t n;

	paint(p, w, h, rgba);
	n = thumbhash(rgba, w, h, out);
	assert_true(hex_decode(a, str_c(want_hex), &want));
	assert_int_equal(n, want.n);
	assert_memory_equal(out, want.p, head);
	for (size_t i = head; i < n; i++) {
		uint8_t other = (uint8_t)want.p[i];

		assert_in_range((out[i] & 15) - (other & 15) + 1, 0, 2);
		assert_in_range((out[i] >> 4) - (other >> 4) + 1, 0, 2);
	}
	arena_free(a);
}

static void
test_reference(void **state)
{
	(void)state;
	check(gradient, 100, 75, 5, "98e80915968087877087887888788787878018f887");
	check(tall, 30, 100, 5, "1d480a42186e7077777677779f85f9e878");
	check(clear, 64, 64, 6, "e93986350837b387b088877778954ff8727870778888888878");
	check(checks, 80, 50, 5, "23060a0c804808d78787768382862787808df8");
}

/* A single colour has no frequencies; only the head means anything. */
static void
test_flat(void **state)
{
	static const uint8_t head[] = { 0x8f, 0xc6, 0x01, 0x07, 0x00 };
	uint8_t out[THUMBHASH_BYTES_MAX];

	(void)state;
	paint(flat, 10, 10, rgba);
	assert_true(thumbhash(rgba, 10, 10, out) > sizeof(head));
	assert_memory_equal(out, head, sizeof(head));
}

static void
test_smallest_and_largest(void **state)
{
	uint8_t out[THUMBHASH_BYTES_MAX];

	(void)state;
	for (unsigned w = 1; w <= SIDE; w += 33)
		for (unsigned h = 1; h <= SIDE; h += 33) {
			paint(clear, w, h, rgba);
			assert_in_range(thumbhash(rgba, w, h, out), 6, THUMBHASH_BYTES_MAX);
			paint(tall, w, h, rgba);
			assert_in_range(thumbhash(rgba, w, h, out), 5, THUMBHASH_BYTES_MAX);
		}
}

static void
test_color(void **state)
{
	static const uint8_t dark[] = { 30, 60, 90 }, grey[] = { 128, 128, 128 };
	uint8_t out[3];
	size_t n;

	(void)state;
	n = paint(flat, 20, 20, rgba);
	for (size_t i = 0; i < n / 3; i++) /* a third is something else, and not the fullest */
		rgba[i * 4 + 1] = (uint8_t)(100 + i % 100);
	thumbhash_color(rgba, n, out);
	assert_memory_equal(out, dark, 3);
	memset(rgba, 0, n * 4);
	thumbhash_color(rgba, n, out);
	assert_memory_equal(out, grey, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reference),
		cmocka_unit_test(test_flat),
		cmocka_unit_test(test_smallest_and_largest),
		cmocka_unit_test(test_color),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
