/*
 * encode -- pixels to WebP by libwebp itself, within a budget of bytes. What it writes holds pixels and nothing else.
 */
#ifndef PEAL_MEDIA_ENCODE_H
#define PEAL_MEDIA_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 8-bit sRGB, three or four bytes per pixel, rows without gaps; borrowed. */
struct pixels {
	const uint8_t *p;
	unsigned width, height, bands;
};

struct encode_rule {
	float quality;
	int method;
	bool photo;    /* else drawings and screenshots: sharper colour edges, and lossless when that is smaller */
	size_t budget; /* bytes; above it lower qualities are tried. 0: none */
	int passes;
};

/* Bytes written, or 0: it did not fit into `room`, or memory ran out. */
size_t encode_picture(const struct pixels *, const struct encode_rule *, uint8_t *out, size_t room);

/* An animation, frame after frame of the same size. */
struct encode_animation;
struct encode_animation *encode_animation_new(unsigned width, unsigned height, int loops, float quality);
bool encode_animation_add(struct encode_animation *, const uint8_t *rgba, int at_ms);
/* Ends it (the last frame stays until end_ms), frees it, and returns the bytes written; 0 as above. */
size_t encode_animation_end(struct encode_animation *, int end_ms, uint8_t *out, size_t room);
void encode_animation_free(struct encode_animation *);

#endif
