/* media/image/encode.c -- libwebp: still pictures with a budget, and animations. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <webp/encode.h>
#include <webp/mux.h>

#include "encode.h"

#define SEARCH_QUALITY_MIN  45
#define SEARCH_AIM          0.94  /* of the budget */
#define SEARCH_SLOPE        0.017 /* by how much the logarithm of the bytes grows with a point of quality, in photographs */
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

/* The quality that meets the budget, on the line through two trials; with one, on the line that photographs have. */
static float
better_quality(const struct trial *last, const struct trial *before, size_t budget)
{
	double slope = SEARCH_SLOPE, quality;

	if (before && fabsf(last->quality - before->quality) >= 1)
		slope = fmax(SEARCH_SLOPE / 4, (last->bytes - before->bytes) / (double)(last->quality - before->quality));
	quality = last->quality + (log(SEARCH_AIM * (double)budget) - last->bytes) / slope;
	return (float)fmin(last->quality - 1, fmax(quality, SEARCH_QUALITY_MIN));
}

/* n bytes at rule->quality are too many: lower qualities are tried until the budget is met. libwebp's own search always takes all
 * the passes that it may, and begins from nothing. */
static size_t
encode_to_budget(const struct pixels *px, const struct encode_rule *rule, WebPConfig config, size_t n, uint8_t *out,
                 size_t room)
{
	struct trial last = { rule->quality, log(n ? (double)n : 2 * (double)rule->budget) }, before = last;

	for (int i = 0; i < rule->passes && (!n || n > rule->budget) && last.quality > SEARCH_QUALITY_MIN; i++) {
		config.quality = better_quality(&last, i ? &before : NULL, rule->budget);
		n = encode_once(px, &config, out, room);
		before = last;
		last = (struct trial){ config.quality, log(n ? (double)n : 2 * (double)rule->budget) };
	}
	return n;
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
	WebPConfig config;
	size_t n;

	if (!lossy_config(rule, &config))
		return 0;
	n = encode_once(px, &config, out, room);
	if (!rule->photo)
		n = try_lossless(px, out, n, room);
	if (rule->budget && (!n || n > rule->budget))
		n = encode_to_budget(px, rule, config, n, out, room);
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
