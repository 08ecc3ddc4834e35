/* test_waveform.c -- what a recording looks like. */
#include <math.h>
#include <stdlib.h>

#include "unit.h"

#include "media/waveform.h"

#define RATE 48000

static float *
tone(size_t n, float level)
{
	float *p = malloc((n ? n : 1) * sizeof(*p));

	for (size_t i = 0; i < n; i++)
		p[i] = level * sinf((float)i * 0.05f);
	return p;
}

static void
test_lengths(void **state)
{
	static const struct {
		size_t samples, bytes;
	} cases[] = { { 0, 0 },     { 1, 1 },           { RATE / 10, 1 },   { RATE / 10 + 1, 2 },
		      { RATE, 10 }, { RATE * 25, 250 }, { RATE * 26, 256 }, { RATE * 900, 256 } };
	uint8_t out[WAVEFORM_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		float *p = tone(cases[i].samples, 0.5f);

		assert_int_equal(waveform(p, cases[i].samples, RATE, out), cases[i].bytes);
		free(p);
	}
}

/* Half as loud is 0.7 as high, however loud the whole is. */
static void
test_heights(void **state)
{
	static const float levels[] = { 1, 0.1f, 0.001f };
	uint8_t out[WAVEFORM_MAX];

	(void)state;
	for (size_t l = 0; l < 3; l++) {
		float *p = tone(RATE * 4, levels[l]);

		for (size_t i = RATE * 2; i < RATE * 4; i++)
			p[i] /= 2;
		assert_int_equal(waveform(p, RATE * 4, RATE, out), 40);
		for (size_t i = 0; i < 20; i++)
			assert_in_range(out[i], 250, 255);
		for (size_t i = 20; i < 40; i++)
			assert_in_range(out[i], 175, 185);
		free(p);
	}
}

static void
test_silence(void **state)
{
	float *p = calloc(RATE, sizeof(*p));
	uint8_t out[WAVEFORM_MAX], bars[WAVEFORM_BARS];

	(void)state;
	assert_int_equal(waveform(p, RATE, RATE, out), 10);
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(out[i], 0);
	waveform_bars(out, 10, bars);
	waveform_bars(out, 0, bars);
	for (size_t i = 0; i < WAVEFORM_BARS; i++)
		assert_int_equal(bars[i], 0);
	free(p);
}

/* No peak is lost, and each bar is the highest of its part. */
static void
test_bars(void **state)
{
	uint8_t in[WAVEFORM_MAX] = { 0 }, bars[WAVEFORM_BARS];

	(void)state;
	in[7] = 255;
	in[255] = 51;
	waveform_bars(in, 256, bars);
	for (size_t i = 0; i < WAVEFORM_BARS; i++)
		assert_int_equal(bars[i], i == 1 ? 100 : i == 63 ? 20 : 0);
	in[0] = 255;
	in[1] = 0;
	waveform_bars(in, 2, bars);
	for (size_t i = 0; i < WAVEFORM_BARS; i++)
		assert_int_equal(bars[i], i < 32 ? 100 : 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_lengths), cmocka_unit_test(test_heights),
		                            cmocka_unit_test(test_silence), cmocka_unit_test(test_bars) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
