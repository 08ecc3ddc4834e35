/* bench/decode/image.c -- what decoding once is compared with: the picture decoded anew for each size that is needed of it. */
#include <vips/vips.h>

#include "decode.h"
#include "media/image/encode.h"
#include "media/image/thumbhash.h"

#define WIDTH   1600
#define THUMB   320
#define TINY    100
#define QUALITY 80
#define ROOM    (4u << 20)

const char other_name[] = "a decoding for each size";

static bool
shrunk(const struct job *job, const uint8_t *bytes, int width, int height, struct pixels *ret)
{
	VipsImage *image = NULL;
	size_t n;

	if (vips_thumbnail_buffer((void *)(uintptr_t)bytes, job->size, &image, width, "height", height, "size",
	                          VIPS_SIZE_DOWN, "option_string", "[fail_on=error]", NULL))
		return false;
	*ret = (struct pixels){ .p = vips_image_write_to_memory(image, &n),
		                .width = (unsigned)image->Xsize,
		                .height = (unsigned)image->Ysize,
		                .bands = (unsigned)image->Bands };
	g_object_unref(image);
	return ret->p && ret->bands == 3;
}

static bool
tiny_picture(const struct job *job, const uint8_t *bytes)
{
	uint8_t hash[THUMBHASH_BYTES_MAX], color[3], *rgba;
	struct pixels px;
	size_t n;

	if (!shrunk(job, bytes, TINY, TINY, &px))
		return false;
	n = (size_t)px.width * px.height;
	rgba = g_malloc(n * 4);
	for (size_t i = 0; i < n; i++) {
		memcpy(rgba + i * 4, px.p + i * 3, 3);
		rgba[i * 4 + 3] = 255;
	}
	thumbhash(rgba, px.width, px.height, hash);
	thumbhash_color(rgba, n, color);
	g_free(rgba);
	g_free((void *)(uintptr_t)px.p);
	return true;
}

bool
other_make(const struct job *job, const uint8_t *bytes, uint8_t *output)
{
	const struct encode_rule full = { .quality = QUALITY, .method = 4, .photo = true, .budget = 200000, .passes = 3 };
	const struct encode_rule small = { .quality = 72, .method = 4, .photo = true };
	struct pixels px, thumb;
	bool ok = shrunk(job, bytes, WIDTH, WIDTH, &px) && shrunk(job, bytes, THUMB, THUMB, &thumb) &&
	          tiny_picture(job, bytes) && encode_picture(&px, &full, output, ROOM) &&
	          encode_picture(&thumb, &small, output + ROOM, ROOM);

	if (ok) {
		g_free((void *)(uintptr_t)px.p);
		g_free((void *)(uintptr_t)thumb.p);
	}
	return ok;
}
