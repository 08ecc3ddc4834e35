/*
 * media/image/picture.c -- libvips decodes once, upright and in sRGB; everything smaller is made from that in memory.
 *
 *     bytes -> header: how large, how many frames -> thumbnail (decoding and shrinking in one) -> std or hd -> WebP
 *                                                                                        `-> 320 -> WebP
 *                                                                                              `-> 100 -> ThumbHash, colour
 */
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gmodule.h>
#include <vips/vips.h>

#include "../decoder/craft.h"
#include "../sniff.h"
#include "encode.h"
#include "resize.h"
#include "thumbhash.h"

#define STD_AREA          (1600.0 * 1200)
#define STD_SIDE          4096
#define STD_BUDGET        200000
#define HD_AREA           (4096.0 * 3072)
#define HD_SIDE           16383 /* libwebp's */
#define HD_BUDGET         2000000
#define THUMB_SIDE        320
#define ANIMATION_SIDE    480
#define ANIMATION_SMALL   320
#define ANIMATION_BUDGET  2000000
#define ANIMATION_QUALITY 65
#define FRAME_MS          100 /* where a frame does not say */
#define FRAME_MIN_MS      20
#define DRAWING_COLORS    4096
#define OVER_BUDGET       1.3 /* above this much of the budget the picture is made smaller */
#define SHRINK            0.85
#define SHRINKS           2
#define STRIP             16   /* rows that are decoded at a time */
#define SPARE             1.25 /* what resize() is left with at least, since it does better than the JPEG decoder's blocks */
#define MAIN_ROOM         (JOB_OUTPUT_BYTES - JOB_RESULT_BYTES - THUMB_ROOM)
#define THUMB_ROOM        (1u << 20)

static const char *const loaders[] = { "VipsForeignLoadJpeg", "VipsForeignLoadPng", "VipsForeignLoadWebp",
	                               "VipsForeignLoadNsgif", "VipsForeignLoadHeif" };

/* Building one thumbnail makes liborc map the memory for its code, which children then have without asking for it. */
static bool
warm_up(void)
{
	VipsImage *black = NULL, *small = NULL;
	bool ok = !vips_black(&black, 64, 64, "bands", 4, NULL) && !vips_thumbnail_image(black, &small, 16, NULL);

	g_clear_object(&small);
	g_clear_object(&black);
	return ok;
}

/* What libvips has to say about somebody's picture goes nowhere: the outcome says it. */
static void
say_nothing(const char *domain, GLogLevelFlags level, const char *message, void *arg)
{
	(void)domain, (void)level, (void)message, (void)arg;
}

/* HEIC and AVIF. libvips would open every module that it finds, ImageMagick's among them, so it finds none. */
static bool
load_heif(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), VIPS_LIBDIR "/vips-modules-%d.%d/vips-heif.so", vips_version(0), vips_version(1));
	return g_module_open(path, G_MODULE_BIND_LAZY) && vips_type_find("VipsOperation", "heifload_buffer");
}

static bool
picture_init(const char *program)
{
	setenv("VIPSHOME", "/nonexistent", 1); /* where libvips looks for modules; the one that we want we load ourselves */
	g_log_set_default_handler(say_nothing, NULL);
	if (vips_init(program) || !load_heif())
		return false;
	vips_concurrency_set(1);
	vips_cache_set_max(0);
	vips_operation_block_set("VipsForeign", TRUE);
	for (size_t i = 0; i < G_N_ELEMENTS(loaders); i++)
		vips_operation_block_set(loaders[i], FALSE);
	vips_block_untrusted_set(TRUE);
	/* a loader that sniffs would see every byte before it is refused: those of ImageMagick must not be there at all */
	return !vips_type_find("VipsOperation", "magickload_buffer") && !vips_type_find("VipsOperation", "pdfload_buffer") &&
	       warm_up();
}

/* What is being made. */
struct work {
	const struct job *job;
	const uint8_t *bytes;
	uint8_t *output;
	struct job_result *result;
	int width, height; /* of the source, upright, one frame */
	int frames;
	int orientation;     /* as Exif has it */
	bool profiled, cmyk; /* colours that must be converted: what is sRGB already would come out of it worse */
};

static enum job_found
why(void)
{
	return strstr(vips_error_buffer(), "out of memory") ? JOB_TOO_COMPLEX : JOB_CORRUPT;
}

static enum job_found
look(struct work *w)
{
	const struct job *job = w->job;
	VipsImage *header =
	        vips_image_new_from_buffer(w->bytes, job->size, "[fail_on=error]", "access", VIPS_ACCESS_SEQUENTIAL, NULL);
	bool swap;

	if (!header)
		return why();
	w->orientation = vips_image_get_orientation(header);
	swap = vips_image_get_orientation_swap(header);
	w->width = swap ? vips_image_get_height(header) : vips_image_get_width(header);
	w->height = swap ? vips_image_get_width(header) : vips_image_get_height(header);
	/* the pictures of a HEIF file are no film; that which is its primary one is decoded */
	w->frames = job->sniffed == SNIFF_HEIF ? 1 : vips_image_get_n_pages(header);
	w->cmyk = vips_image_get_interpretation(header) == VIPS_INTERPRETATION_CMYK;
	w->profiled = w->cmyk || vips_image_get_typeof(header, VIPS_META_ICC_NAME);
	g_object_unref(header);
	w->result->source_width = (uint32_t)w->width;
	w->result->source_height = (uint32_t)w->height;
	w->result->source_frames = (uint32_t)w->frames;
	if ((uint64_t)w->frames > job->max_frames)
		return JOB_TOO_MANY_FRAMES;
	if ((uint64_t)w->width * (uint64_t)w->height * (uint64_t)w->frames > job->max_pixels)
		return JOB_TOO_MANY_PIXELS;
	return JOB_DONE;
}

/* 8-bit sRGB, with a fourth band where there is transparency. */
static VipsImage *
plain(VipsImage *in)
{
	VipsImage *srgb = NULL, *bytes = NULL, *bands = NULL;

	if (vips_colourspace(in, &srgb, VIPS_INTERPRETATION_sRGB, NULL) ||
	    vips_cast(srgb, &bytes, VIPS_FORMAT_UCHAR, NULL) || vips_image_get_bands(bytes) < 3 ||
	    vips_extract_band(bytes, &bands, 0, "n", vips_image_get_bands(bytes) > 4 ? 4 : vips_image_get_bands(bytes),
	                      NULL))
		return NULL;
	return bands;
}

/* The options are the loader's: what libvips 8.14 is told by `fail_on` beside them it forgets when it opens the file again. */
static VipsImage *
decode(struct work *w, int width, int height, bool all)
{
	const char *options = all ? "[n=-1,fail_on=error]" : "[fail_on=error]";
	VipsImage *small = NULL;

	if (vips_thumbnail_buffer((void *)(uintptr_t)w->bytes, w->job->size, &small, width, "height", height, "size",
	                          VIPS_SIZE_DOWN, "option_string", options, "export_profile", w->profiled ? "srgb" : NULL,
	                          "import_profile", w->cmyk ? "cmyk" : NULL, "intent", VIPS_INTENT_PERCEPTUAL, NULL))
		return NULL;
	return plain(small);
}

static bool
opaque(const uint8_t *p, size_t pixels)
{
	for (size_t i = 0; i < pixels; i++)
		if (p[i * 4 + 3] != 255)
			return false;
	return true;
}

static void
drop_alpha(uint8_t *p, size_t pixels)
{
	for (size_t i = 0; i < pixels; i++)
		memmove(p + i * 3, p + i * 4, 3);
}

static bool
to_pixels(VipsImage *image, struct pixels *ret)
{
	uint8_t *p;
	size_t n, pixels;

	if (!image)
		return false;
	*ret = (struct pixels){ .width = (unsigned)vips_image_get_width(image),
		                .height = (unsigned)vips_image_get_height(image),
		                .bands = (unsigned)vips_image_get_bands(image) };
	p = vips_image_write_to_memory(image, &n);
	if (!p)
		return false;
	pixels = (size_t)ret->width * ret->height;
	if (ret->bands == 4 && opaque(p, pixels)) {
		drop_alpha(p, pixels);
		ret->bands = 3;
	}
	ret->p = p;
	return true;
}

static VipsImage *
as_image(const struct pixels *px)
{
	VipsImage *image = vips_image_new_from_memory(px->p, (size_t)px->width * px->height * px->bands, (int)px->width,
	                                              (int)px->height, (int)px->bands, VIPS_FORMAT_UCHAR);

	if (image)
		image->Type = VIPS_INTERPRETATION_sRGB;
	return image;
}

/* The rows of a picture in memory, and those of one that is being decoded. */
struct from_memory {
	const struct pixels *px;
	unsigned y;
};

static const uint8_t *
next_of_memory(void *arg)
{
	struct from_memory *m = arg;

	return m->px->p + (size_t)m->y++ * m->px->width * m->px->bands;
}

struct from_decoder {
	VipsRegion *region;
	int y, width, height;
};

static const uint8_t *
next_of_decoder(void *arg)
{
	struct from_decoder *d = arg;
	const VipsRect strip = { 0, d->y, d->width, VIPS_MIN(STRIP, d->height - d->y) };

	if (d->y % STRIP == 0 && vips_region_prepare(d->region, &strip))
		return NULL;
	return VIPS_REGION_ADDR(d->region, 0, d->y++);
}

static bool
resized(const struct rows *rows, unsigned width, unsigned height, struct pixels *ret)
{
	uint8_t *p = g_try_malloc((gsize)width * height * 3);

	if (!p || !resize(rows, width, height, p)) {
		g_free(p);
		return false;
	}
	*ret = (struct pixels){ .p = p, .width = width, .height = height, .bands = 3 };
	return true;
}

/* Within width by height. */
static bool
smaller(const struct pixels *px, unsigned width, unsigned height, struct pixels *ret)
{
	double scale = VIPS_MIN(1, VIPS_MIN((double)width / px->width, (double)height / px->height));
	struct from_memory memory = { .px = px };
	const struct rows rows = { px->width, px->height, next_of_memory, &memory };
	VipsImage *image, *small = NULL;

	if (px->bands == 3)
		return resized(&rows, VIPS_MAX(1, (unsigned)rint(px->width * scale)),
		               VIPS_MAX(1, (unsigned)rint(px->height * scale)), ret);
	image = as_image(px);
	if (!image || vips_thumbnail_image(image, &small, (int)width, "height", (int)height, "size", VIPS_SIZE_DOWN, NULL))
		return false;
	return to_pixels(plain(small), ret);
}

/* The picture as small as the JPEG decoder makes it for less work than the whole, and still larger than it is to be. */
static VipsImage *
open_shrunk(const struct work *w, int width, int height)
{
	double factor = VIPS_MIN((double)w->width / width, (double)w->height / height);
	char options[48] = "[fail_on=error]";
	int shrink = 8;

	while (shrink > 1 && shrink * SPARE > factor)
		shrink /= 2;
	if (w->job->sniffed == SNIFF_JPEG)
		snprintf(options, sizeof(options), "[fail_on=error,shrink=%d]", shrink);
	return vips_image_new_from_buffer(w->bytes, w->job->size, options, "access", VIPS_ACCESS_SEQUENTIAL, NULL);
}

/* Bytes of red, green and blue, which is what resize() takes; a WebP is made smaller by its own decoder. */
static bool
is_simple(const struct work *w, const VipsImage *image)
{
	return w->job->sniffed != SNIFF_WEBP && !w->cmyk && image->Bands == 3 && image->BandFmt == VIPS_FORMAT_UCHAR &&
	       image->Coding == VIPS_CODING_NONE && image->Type == VIPS_INTERPRETATION_sRGB;
}

static bool
read_small(VipsImage *image, unsigned width, unsigned height, struct pixels *ret)
{
	struct from_decoder decoder = { .region = vips_region_new(image), .width = image->Xsize, .height = image->Ysize };
	const struct rows rows = { (unsigned)image->Xsize, (unsigned)image->Ysize, next_of_decoder, &decoder };
	bool ok = decoder.region && resized(&rows, width, height, ret);

	g_clear_object(&decoder.region);
	return ok;
}

/* Upright, and its colours converted, which is cheaper of what has become small. */
static bool
finish(const struct work *w, VipsImage *source, const struct pixels *px, int width, int height, struct pixels *ret)
{
	VipsImage *image = as_image(px), *done = NULL;
	const void *profile;
	size_t n;

	if (!image)
		return false;
	if (w->profiled) {
		if (vips_image_get_blob(source, VIPS_META_ICC_NAME, &profile, &n))
			return false;
		vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, profile, n);
	}
	vips_image_set_int(image, VIPS_META_ORIENTATION, w->orientation);
	if (vips_thumbnail_image(image, &done, width, "height", height, "size", VIPS_SIZE_DOWN, "export_profile",
	                         w->profiled ? "srgb" : NULL, "intent", VIPS_INTENT_PERCEPTUAL, NULL))
		return false;
	return to_pixels(plain(done), ret);
}

/* One picture, upright, of this size. */
static bool
decode_still(struct work *w, int width, int height, struct pixels *ret)
{
	VipsImage *image = open_shrunk(w, width, height);
	bool swap = w->orientation > 4, ok = image;

	if (ok && !is_simple(w, image))
		ok = to_pixels(decode(w, width, height, false), ret);
	else if (ok)
		ok = read_small(image, (unsigned)(swap ? height : width), (unsigned)(swap ? width : height), ret) &&
		     ((w->orientation <= 1 && !w->profiled) || finish(w, image, ret, width, height, ret));
	g_clear_object(&image);
	return ok;
}

/* A drawing or a screenshot rather than a photograph: few colours, in a format without loss. */
static bool
drawing(const struct job *job, const struct pixels *thumb)
{
	uint8_t *seen;
	size_t colors = 0;

	if (job->sniffed != SNIFF_PNG && job->sniffed != SNIFF_GIF)
		return false;
	seen = g_malloc0((1 << 24) / 8);
	for (size_t i = 0; i < (size_t)thumb->width * thumb->height && colors <= DRAWING_COLORS; i++) {
		const uint8_t *p = thumb->p + i * thumb->bands;
		unsigned c = (unsigned)p[0] << 16 | (unsigned)p[1] << 8 | p[2];

		colors += !(seen[c / 8] & 1 << c % 8);
		seen[c / 8] |= (uint8_t)(1 << c % 8);
	}
	g_free(seen);
	return colors <= DRAWING_COLORS;
}

static void
note(struct work *w, int which, uint32_t offset, size_t n, unsigned width, unsigned height)
{
	w->result->renditions[which] = (struct job_rendition){ offset, (uint32_t)n, width, height };
}

static enum job_found
write_thumb(struct work *w, const struct pixels *thumb, bool drawn)
{
	const struct encode_rule rule = { .quality = 72, .method = 4, .photo = !drawn };
	uint32_t offset = JOB_OUTPUT_BYTES - THUMB_ROOM;
	size_t n = encode_picture(thumb, &rule, w->output + offset, THUMB_ROOM);

	note(w, JOB_THUMB, offset, n, thumb->width, thumb->height);
	return n ? JOB_DONE : JOB_TOO_COMPLEX;
}

static enum job_found
write_still(struct work *w, const struct pixels *full, bool drawn)
{
	struct encode_rule rule = { .quality = 80, .method = 4, .photo = !drawn, .budget = STD_BUDGET, .passes = 3 };
	struct pixels px = *full;
	size_t n;

	if (w->job->hd)
		rule = (struct encode_rule){ .quality = 84, .method = 2, .photo = !drawn, .budget = HD_BUDGET, .passes = 2 };
	n = encode_picture(&px, &rule, w->output + JOB_RESULT_BYTES, MAIN_ROOM);
	for (int i = 0; i < SHRINKS && (!n || (double)n > OVER_BUDGET * (double)rule.budget); i++) {
		if (!smaller(&px, (unsigned)(px.width * SHRINK) + 1, (unsigned)(px.height * SHRINK) + 1, &px))
			return why();
		n = encode_picture(&px, &rule, w->output + JOB_RESULT_BYTES, MAIN_ROOM);
	}
	note(w, JOB_MAIN, JOB_RESULT_BYTES, n, px.width, px.height);
	return n ? JOB_DONE : JOB_TOO_COMPLEX;
}

static bool
write_placeholder(struct work *w, const struct pixels *thumb)
{
	VipsImage *image = as_image(thumb), *small = NULL, *plain_small, *rgba = NULL;
	uint8_t *p;
	size_t n;

	if (!image || vips_thumbnail_image(image, &small, THUMBHASH_SIDE_MAX, "height", THUMBHASH_SIDE_MAX, "size",
	                                   VIPS_SIZE_DOWN, NULL))
		return false;
	plain_small = plain(small);
	if (!plain_small || (vips_image_get_bands(plain_small) == 3 ? vips_addalpha(plain_small, &rgba, NULL)
	                                                            : vips_copy(plain_small, &rgba, NULL)))
		return false;
	p = vips_image_write_to_memory(rgba, &n);
	if (!p)
		return false;
	w->result->thumbhash_n = (uint32_t)thumbhash(p, (unsigned)rgba->Xsize, (unsigned)rgba->Ysize, w->result->thumbhash);
	thumbhash_color(p, n / 4, w->result->color);
	return true;
}

/* The box within which a picture keeps its proportions and has at most this area. */
static void
box_of(const struct work *w, int *ret_width, int *ret_height)
{
	double area = w->job->hd ? HD_AREA : STD_AREA, side = w->job->hd ? HD_SIDE : STD_SIDE;
	double scale = sqrt(area / ((double)w->width * w->height));

	if (scale * VIPS_MAX(w->width, w->height) > side)
		scale = side / VIPS_MAX(w->width, w->height);
	if (scale > 1)
		scale = 1;
	*ret_width = VIPS_MAX(1, (int)rint(w->width * scale));
	*ret_height = VIPS_MAX(1, (int)rint(w->height * scale));
}

static enum job_found
make_still(struct work *w)
{
	struct pixels full, thumb;
	enum job_found found;
	int width, height;
	bool drawn;

	box_of(w, &width, &height);
	if (!decode_still(w, width, height, &full) || !smaller(&full, THUMB_SIDE, THUMB_SIDE, &thumb))
		return why();
	w->result->transparent = full.bands == 4;
	drawn = drawing(w->job, &thumb);
	if (!write_placeholder(w, &thumb))
		return why();
	found = write_thumb(w, &thumb, drawn);
	return found == JOB_DONE ? write_still(w, &full, drawn) : found;
}

/* All frames of an animation below each other, as libvips has them. */
struct film {
	uint8_t *p;
	unsigned width, height, frames; /* of one frame */
	const int *delays;
	int delays_n, loops;
};

static int
delay_of(const struct film *f, unsigned i)
{
	int ms = (int)i < f->delays_n ? f->delays[i] : FRAME_MS;

	/* what browsers do with frames that say they last no time */
	return ms <= 10 ? FRAME_MS : ms < FRAME_MIN_MS ? FRAME_MIN_MS : VIPS_MIN(ms, 60000);
}

static bool
decode_film(struct work *w, int side, struct film *ret)
{
	VipsImage *image = decode(w, side, side, true), *rgba = NULL;
	int *delays = NULL;
	size_t n;

	if (!image || (vips_image_get_bands(image) == 3 ? vips_addalpha(image, &rgba, NULL) : vips_copy(image, &rgba, NULL)))
		return false;
	*ret = (struct film){ .width = (unsigned)rgba->Xsize, .height = (unsigned)vips_image_get_page_height(rgba) };
	ret->frames = (unsigned)rgba->Ysize / ret->height;
	if (vips_image_get_typeof(image, "loop") && vips_image_get_int(image, "loop", &ret->loops))
		return false;
	if (vips_image_get_typeof(image, "delay") && vips_image_get_array_int(image, "delay", &delays, &ret->delays_n))
		return false;
	ret->delays = delays;
	ret->p = vips_image_write_to_memory(rgba, &n);
	return ret->p;
}

static size_t
encode_film(struct work *w, const struct film *f, float quality)
{
	struct encode_animation *a = encode_animation_new(f->width, f->height, VIPS_CLIP(0, f->loops, 65535), quality);
	int at = 0;

	for (unsigned i = 0; a && i < f->frames; at += delay_of(f, i++))
		if (!encode_animation_add(a, f->p + (size_t)i * f->width * f->height * 4, at)) {
			encode_animation_free(a);
			return 0;
		}
	return a ? encode_animation_end(a, at, w->output + JOB_RESULT_BYTES, MAIN_ROOM) : 0;
}

static enum job_found
make_animation(struct work *w)
{
	struct pixels first, thumb;
	struct film film;
	size_t n;

	if (!decode_film(w, ANIMATION_SIDE, &film) || !to_pixels(decode(w, ANIMATION_SIDE, ANIMATION_SIDE, false), &first) ||
	    !smaller(&first, THUMB_SIDE, THUMB_SIDE, &thumb) || !write_placeholder(w, &thumb))
		return why();
	n = encode_film(w, &film, ANIMATION_QUALITY);
	if (n > ANIMATION_BUDGET) {
		if (!decode_film(w, ANIMATION_SMALL, &film))
			return why();
		n = encode_film(w, &film, SHRINK * ANIMATION_QUALITY);
	}
	note(w, JOB_MAIN, JOB_RESULT_BYTES, n, film.width, film.height);
	w->result->animated = 1;
	w->result->transparent = first.bands == 4;
	return n ? write_thumb(w, &thumb, drawing(w->job, &thumb)) : JOB_TOO_COMPLEX;
}

static void
picture_make(const struct job *job, const uint8_t *bytes, uint8_t *output, uint8_t *film)
{
	struct work w = { .job = job, .bytes = bytes, .output = output, .result = (struct job_result *)output };
	enum job_found found = look(&w);

	(void)film;
	w.result->magic = JOB_MAGIC;
	if (found == JOB_DONE)
		found = w.frames > 1 ? make_animation(&w) : make_still(&w);
	/* last, so that a child that dies on the way has found nothing */
	__atomic_store_n(&w.result->found, (uint32_t)found, __ATOMIC_RELEASE);
}

const struct craft craft = { .name = "peal-media-image", .threads = true, .init = picture_init, .make = picture_make };
