/*
 * media/av/level.c -- every voice equally loud: loudness by EBU R 128, one gain for all of it, and peaks bent before they clip.
 *
 *       gain --------.        .-------  one, but where a peak would pass the ceiling: down to what keeps it below, within
 *                     \      /          5 ms before it, and up again within 100 ms
 *                      `----'
 */
#include <math.h>
#include <stdlib.h>

#include <ebur128.h>

#include "av.h"

#define TARGET_LUFS -18.0
#define GAIN_MIN    -12.0 /* dB */
#define GAIN_MAX    12.0
#define QUIET_LUFS  -60.0 /* below that there is nothing to hear, and nothing to make louder */
#define CEILING     0.79f /* -2 dB: leaves half a dB for what lies between two samples */
#define ATTACK_S    0.005f
#define RELEASE_S   0.1f
#define CHUNK       ((size_t)SOUND_RATE)

static double
loudness(const struct sound *s)
{
	ebur128_state *state = ebur128_init(1, SOUND_RATE, EBUR128_MODE_I);
	double lufs = -HUGE_VAL;

	if (!state)
		return lufs;
	for (size_t at = 0; at < s->n; at += CHUNK)
		ebur128_add_frames_float(state, s->p + at, s->n - at < CHUNK ? s->n - at : CHUNK);
	if (ebur128_loudness_global(state, &lufs) != EBUR128_SUCCESS)
		lufs = -HUGE_VAL;
	ebur128_destroy(&state);
	return lufs;
}

/* What keeps each sample below the ceiling, moving no faster than release and attack allow. NULL: no peak, or no memory. */
static float *
envelope(const struct sound *s, float gain)
{
	const float up = powf(10, 1 / (RELEASE_S * SOUND_RATE)), down = powf(10, 1 / (ATTACK_S * SOUND_RATE));
	float *g = malloc(s->n * sizeof(*g)), before = 1;
	bool any = false;

	for (size_t i = 0; g && i < s->n; i++) {
		float peak = fabsf(s->p[i]) * gain, need = peak > CEILING ? CEILING / peak : 1;

		any |= need < 1;
		before = fminf(need, before * up);
		g[i] = before;
	}
	before = 1;
	for (size_t i = s->n; any && i-- > 0;) {
		before = fminf(g[i], before * down);
		g[i] = before;
	}
	if (!any) {
		free(g);
		return NULL;
	}
	return g;
}

static void
apply(struct sound *s, float gain)
{
	float *g = envelope(s, gain);

	for (size_t i = 0; i < s->n; i++)
		s->p[i] *= gain * (g ? g[i] : 1);
	free(g);
}

void
sound_level(struct sound *s, int32_t *ret_loudness, int32_t *ret_gain)
{
	double lufs = loudness(s), gain;

	*ret_loudness = JOB_SILENT;
	*ret_gain = 0;
	if (!(lufs > QUIET_LUFS))
		return;
	gain = fmin(GAIN_MAX, fmax(GAIN_MIN, TARGET_LUFS - lufs));
	apply(s, (float)pow(10, gain / 20));
	*ret_loudness = (int32_t)lrint(lufs * 100);
	*ret_gain = (int32_t)lrint(gain * 100);
}
