/*
 * resize -- smaller pictures by Lanczos' window of three lobes, in one pass over the rows of the source.
 *
 * Three bytes per pixel; as libvips and Pillow do it, without their detours: docs/figures.md has what it saves. Pure.
 */
#ifndef PEAL_MEDIA_RESIZE_H
#define PEAL_MEDIA_RESIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the rows of the source come from: from the first to the last, each asked for once. */
struct rows {
	unsigned width, height;
	const uint8_t *(*next)(void *arg); /* valid until the next call; NULL: there are no more, which ends it all */
	void *arg;
};

/* out: width * height * 3 bytes, sides of 1 to those of the source. False: memory ran out, or the rows did. */
bool resize(const struct rows *, unsigned width, unsigned height, uint8_t *out);

#endif
