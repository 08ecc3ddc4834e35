/*
 * craft -- what a decoding program can do. Everything else in this folder is the same for all of them: peal-media-image has
 * libvips and libwebp (media/image/), peal-media-av has libav (media/av/), neither has both.
 */
#ifndef PEAL_MEDIA_CRAFT_H
#define PEAL_MEDIA_CRAFT_H

#include <stdbool.h>

#include "../job.h"

struct craft {
	const char *name; /* of the program */
	bool threads;     /* whether a job may start threads */

	/* Once, before any fork. False when the libraries are not as they must be; starts no thread. */
	bool (*init)(const char *program);
	/* In a child that ends afterwards, so nothing is given back. output: the job's output_bytes, zeroed; gets the struct
	 * job_result, and behind it the encoded bytes. film: the job's film_bytes; NULL: none. */
	void (*make)(const struct job *, const uint8_t *bytes, uint8_t *output, uint8_t *film);
};

extern const struct craft craft; /* each program has its own */

#endif
