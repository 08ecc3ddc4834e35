/* media/image/encode.c -- libwebp: still pictures with a budget, and animations. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <webp/encode.h>
#include <webp/mux.h>

#include "encode.h"

#define SEARCH_QUALITY_MIN  45
#define SEARCH_AIM          0.94   /* of the budget */
#define SEARCH_SLOPE        0.0203 /* by how much the logarithm of the bytes grows with a step (below), in photographs */
#define SAMPLE_TILE         64
#define SAMPLE_STEP         160 /* one tile of each square of this side is taken, a sixth of the picture */
#define SAMPLE_METHOD       2
#define SAMPLE_EXCESS       1.07 /* tiles have edges, which are bytes; of 24 photographs one in twenty was off by a tenth */
#define SAMPLE_NEAR         0.95 /* from this much of the budget on, what a lower quality saves is looked up as well */
#define SAMPLE_SURE         1.1  /* above this the quality that was wished is given up without having been tried */
#define ANIMATION_METHOD    2
#define KEY_FRAME_EVERY_MAX 9

/* Where libwebp's writer puts its bytes; more than there is room for is an error, not an overrun. */
struct sink {
	uint8_t *p;
	size_t n, room;
};

static int
sink_write(const uint8_t *data, size_t n, const WebPPicture *picture)
{
	struct sink *sink = picture->custom_ptr;

	if (n > sink->room - sink->n)
		return 0;
	memcpy(sink->p + sink->n, data, n);
	sink->n += n;
	return 1;
}

static size_t
encode_once(const struct pixels *px, const WebPConfig *config, uint8_t *out, size_t room)
{
	struct sink sink = { .p = out, .room = room };
	WebPPicture picture;
	bool ok;

	if (!WebPPictureInit(&picture))
		return 0;
	picture.width = (int)px->width;
	picture.height = (int)px->height;
	picture.use_argb = config->lossless || config->use_sharp_yuv;
	picture.writer = sink_write;
	picture.custom_ptr = &sink;
	ok = px->bands == 4 ? WebPPictureImportRGBA(&picture, px->p, (int)px->width * 4)
	                    : WebPPictureImportRGB(&picture, px->p, (int)px->width * 3);
	ok = ok && WebPEncode(config, &picture);
	WebPPictureFree(&picture);
	return ok ? sink.n : 0;
}

static bool
lossy_config(const struct encode_rule *rule, WebPConfig *config)
{
	if (!WebPConfigPreset(config, rule->photo ? WEBP_PRESET_PHOTO : WEBP_PRESET_DEFAULT, rule->quality))
		return false;
	config->method = rule->method;
	config->use_sharp_yuv = !rule->photo;
	if (rule->photo)
		config->alpha_quality = 80;
	return true;
}

/* One encoding on the way to the budget. */
struct trial {
	float quality;
	double bytes; /* the logarithm */
};

/* What libwebp makes of a quality: from 75 on a point counts three times as much. Along these steps the logarithm of the bytes
 * is a line. */
static double
steps_of(float quality)
{
	return quality < 75 ? quality * 2.0 / 3 : 2.0 * quality - 100;
}

static double
quality_of(double steps)
{
	return steps < 50 ? steps * 1.5 : (steps + 100) / 2;
}

/* The quality that meets the budget, on a line of this slope through a trial. */
static float
better_quality(const struct trial *t, double slope, size_t budget)
{
	double quality = quality_of(steps_of(t->quality) + (log(SEARCH_AIM * (double)budget) - t->bytes) / slope);

	return (float)fmin(t->quality - 1, fmax(quality, SEARCH_QUALITY_MIN));
}

static double
slope_between(const struct trial *a, const struct trial *b)
{
	double steps = steps_of(a->quality) - steps_of(b->quality);

	return fabs(steps) < 1 ? SEARCH_SLOPE : fmax(SEARCH_SLOPE / 4, (a->bytes - b->bytes) / steps);
}

/* n bytes at rule->quality, or at `quality` if that was a guess, are too many: lower ones are tried until the budget is met.
 * libwebp's own search always takes all the passes that it may, and begins from nothing. */
static size_t
encode_to_budget(const struct pixels *px, const struct encode_rule *rule, WebPConfig config, double slope, size_t n,
                 uint8_t *out, size_t room)
{
	struct trial last = { config.quality, log(n ? (double)n : 2 * (double)rule->budget) }, before = last;

	for (int i = 0; i < rule->passes && (!n || n > rule->budget) && last.quality > SEARCH_QUALITY_MIN; i++) {
		config.quality = better_quality(&last, i ? slope_between(&last, &before) : slope, rule->budget);
		n = encode_once(px, &config, out, room);
		before = last;
		last = (struct trial){ config.quality, log(n ? (double)n : 2 * (double)rule->budget) };
	}
	return n;
}

/* Tiles from all over the picture, each at another place of its square, so that nothing that repeats is always or never met. */
static bool
sample_of(const struct pixels *px, struct pixels *ret)
{
	unsigned across = px->width / SAMPLE_STEP, down = px->height / SAMPLE_STEP;
	unsigned step_x = px->width / across, step_y = px->height / down;
	size_t line = (size_t)SAMPLE_TILE * px->bands;
	uint8_t *p = malloc(across * down * SAMPLE_TILE * line + 1), *to = p;
	uint32_t any = 1;

	for (unsigned j = 0; p && j < down; j++, to += across * (SAMPLE_TILE - 1) * line)
		for (unsigned i = 0; i < across; i++, to += line) {
			unsigned x = i * step_x + (any >> 8 & 0xff) * (step_x - SAMPLE_TILE) / 255;
			unsigned y = j * step_y + (any >> 24) * (step_y - SAMPLE_TILE) / 255;

			for (unsigned k = 0; k < SAMPLE_TILE; k++)
				memcpy(to + k * across * line, px->p + ((size_t)(y + k) * px->width + x) * px->bands, line);
			any = any * 1664525 + 1013904223;
		}
	*ret = (struct pixels){ p, across * SAMPLE_TILE, down * SAMPLE_TILE, px->bands };
	return p;
}

static struct trial
try_sample(const struct pixels *px, const struct pixels *sample, WebPConfig config, float quality, uint8_t *out, size_t room)
{
	double share = ((double)sample->width * sample->height) / ((double)px->width * px->height);
	size_t n;

	config.quality = quality;
	config.method = SAMPLE_METHOD;
	n = encode_once(sample, &config, out, room);
	return (struct trial){ quality, log((double)(n ? n : room) / (share * SAMPLE_EXCESS)) };
}

/* The quality to begin with: the one that is wished, unless a sample says that it will be too much. To encode the whole for
 * nothing would cost as much as all the rest of the work. */
static float
first_quality(const struct pixels *px, const struct encode_rule *rule, const WebPConfig *config, double *slope, uint8_t *out,
              size_t room)
{
	struct trial wished, guessed;
	struct pixels sample;
	float quality = rule->quality;

	if (!sample_of(px, &sample))
		return quality;
	wished = try_sample(px, &sample, *config, quality, out, room);
	if (wished.bytes > log(SAMPLE_NEAR * (double)rule->budget)) {
		guessed = try_sample(px, &sample, *config, better_quality(&wished, *slope, rule->budget), out, room);
		*slope = slope_between(&wished, &guessed);
		if (wished.bytes > log(SAMPLE_SURE * (double)rule->budget))
			quality = better_quality(&wished, *slope, rule->budget);
	}
	free((void *)(uintptr_t)sample.p);
	return quality;
}

/* Drawings are often smaller without loss; `best` is what the lossy way has made of them. */
static size_t
try_lossless(const struct pixels *px, uint8_t *out, size_t best, size_t room)
{
	size_t limit = best ? best : room, n;
	uint8_t *other = malloc(limit);
	WebPConfig config;

	if (!other)
		return best;
	n = WebPConfigPreset(&config, WEBP_PRESET_DEFAULT, 70) ? limit : 0;
	config.lossless = 1;
	config.method = 2;
	if (n)
		n = encode_once(px, &config, other, limit);
	if (n)
		memcpy(out, other, n);
	free(other);
	return n ? n : best;
}

size_t
encode_picture(const struct pixels *px, const struct encode_rule *rule, uint8_t *out, size_t room)
{
	bool sampled = rule->photo && rule->budget && px->width >= SAMPLE_STEP && px->height >= SAMPLE_STEP &&
	               (size_t)px->width * px->height > 2 * rule->budget;
	double slope = SEARCH_SLOPE;
	WebPConfig config;
	size_t n;

	if (!lossy_config(rule, &config))
		return 0;
	if (sampled)
		config.quality = first_quality(px, rule, &config, &slope, out, room);
	n = encode_once(px, &config, out, room);
	if (!rule->photo)
		n = try_lossless(px, out, n, room);
	if (rule->budget && (!n || n > rule->budget))
		n = encode_to_budget(px, rule, config, slope, n, out, room);
	return n;
}

struct encode_animation {
	WebPAnimEncoder *encoder;
	WebPConfig config;
	unsigned width, height;
};

struct encode_animation *
encode_animation_new(unsigned width, unsigned height, int loops, float quality)
{
	struct encode_animation *a = calloc(1, sizeof(*a));
	WebPAnimEncoderOptions options;

	if (!a || !WebPAnimEncoderOptionsInit(&options) || !WebPConfigPreset(&a->config, WEBP_PRESET_DEFAULT, quality))
		goto failed;
	a->width = width;
	a->height = height;
	a->config.method = ANIMATION_METHOD;
	options.anim_params.loop_count = loops;
	options.kmax = KEY_FRAME_EVERY_MAX;
	options.kmin = KEY_FRAME_EVERY_MAX / 3;
	a->encoder = WebPAnimEncoderNew((int)width, (int)height, &options);
	if (a->encoder)
		return a;
failed:
	free(a);
	return NULL;
}

bool
encode_animation_add(struct encode_animation *a, const uint8_t *rgba, int at_ms)
{
	WebPPicture picture;
	bool ok;

	if (!WebPPictureInit(&picture))
		return false;
	picture.width = (int)a->width;
	picture.height = (int)a->height;
	picture.use_argb = 1;
	ok = WebPPictureImportRGBA(&picture, rgba, (int)a->width * 4) &&
	     WebPAnimEncoderAdd(a->encoder, &picture, at_ms, &a->config);
	WebPPictureFree(&picture);
	return ok;
}

size_t
encode_animation_end(struct encode_animation *a, int end_ms, uint8_t *out, size_t room)
{
	WebPData data;
	size_t n = 0;

	WebPDataInit(&data);
	if (WebPAnimEncoderAdd(a->encoder, NULL, end_ms, NULL) && WebPAnimEncoderAssemble(a->encoder, &data) &&
	    data.size <= room) {
		memcpy(out, data.bytes, data.size);
		n = data.size;
	}
	WebPDataClear(&data);
	encode_animation_free(a);
	return n;
}

void
encode_animation_free(struct encode_animation *a)
{
	WebPAnimEncoderDelete(a->encoder);
	free(a);
}
