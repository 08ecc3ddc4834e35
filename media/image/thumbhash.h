/*
 * thumbhash -- a picture in about 25 bytes, for the moment before it has arrived (the ThumbHash format), and its colour.
 *
 * Aspect, average, transparency and the lowest frequencies of a cosine transform. Pure: no I/O, no allocation that lives.
 */
#ifndef PEAL_MEDIA_THUMBHASH_H
#define PEAL_MEDIA_THUMBHASH_H

#include <stddef.h>
#include <stdint.h>

#define THUMBHASH_SIDE_MAX  100
#define THUMBHASH_BYTES_MAX 26

/* rgba: w * h pixels of four bytes, alpha not premultiplied; both sides 1..THUMBHASH_SIDE_MAX. Returns the bytes written. */
size_t thumbhash(const uint8_t *rgba, unsigned w, unsigned h, uint8_t out[THUMBHASH_BYTES_MAX]);

/* The colour that most of the picture has: the mean of the fullest of 4096 boxes of the colour cube; grey when transparent. */
void thumbhash_color(const uint8_t *rgba, size_t pixels, uint8_t out[3]);

#endif
