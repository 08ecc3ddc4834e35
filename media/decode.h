/*
 * decode -- asks a decoder (job.h) about one upload, waits, and believes nothing of what its child left behind.
 */
#ifndef PEAL_MEDIA_DECODE_H
#define PEAL_MEDIA_DECODE_H

#include "base/arena.h"
#include "job.h"

struct rendition {
	struct str bytes;
	uint32_t width, height; /* 0: sound */
};

struct picture {
	bool animated, transparent;
	uint32_t source_width, source_height, source_frames;
	struct str thumbhash; /* raw bytes */
	uint8_t color[3];
	struct rendition main, thumb;
};

struct sound {
	uint32_t duration_ms;
	int32_t loudness, gain; /* hundredths of LUFS (or JOB_SILENT), of dB */
	struct str waveform;    /* raw bytes */
	struct rendition aac, opus;
};

struct film {
	uint32_t width, height, duration_ms;
	struct rendition poster; /* a PNG of our own making, to become a picture */
	uint64_t poster_offset;  /* where it lies in `output` */
	int output;              /* lives as the arena */
	uint64_t size;           /* of the MP4 in the file that was given; 0: it is not one that browsers play */
};

/*
 * `decoders` is peal-media's end of the jobs' socket. The result lives as the arena. CORRUPT, TOO_MANY_PIXELS,
 * TOO_MANY_FRAMES, TOO_LONG, TOO_COMPLEX; BUSY when no decoder was free for wait_seconds beyond the job's own; UNAVAILABLE when the
 * decoder died; or a fault.
 */
int decode_picture(struct arena *, int decoders, const struct job *, int input, int64_t wait_seconds, struct picture *ret);
int decode_sound(struct arena *, int decoders, const struct job *, int input, int64_t wait_seconds, struct sound *ret);
/* film: an empty file of the job's film_bytes. */
int decode_film(struct arena *, int decoders, const struct job *, int input, int film, int64_t wait_seconds,
                struct film *ret);

#endif
