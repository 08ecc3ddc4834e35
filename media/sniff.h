/*
 * sniff -- what a file is, by its first bytes and nothing else: neither its name nor what the client says counts.
 *
 * A table of ours and not a library's: only what is in it reaches a decoder at all.
 */
#ifndef PEAL_MEDIA_SNIFF_H
#define PEAL_MEDIA_SNIFF_H

#include "base/str.h"

#define SNIFF_BYTES 64 /* looked at, at most */

enum sniffed {
	SNIFF_UNKNOWN,
	SNIFF_JPEG,
	SNIFF_PNG,
	SNIFF_GIF,
	SNIFF_WEBP,
	SNIFF_HEIF, /* HEIC and AVIF */
	SNIFF_WEBM, /* Matroska as well */
	SNIFF_MP4,  /* M4A, QuickTime, 3GP as well */
	SNIFF_OGG,
	SNIFF_MP3,
	SNIFF_WAV,
	SNIFF_PROBE /* in builds for tests: decoder/probe.h */
};

enum sniffed sniff(struct str head);
bool sniff_picture(enum sniffed);
bool sniff_sound(enum sniffed); /* what may hold sound */
bool sniff_film(enum sniffed);  /* ... moving pictures */

#endif
