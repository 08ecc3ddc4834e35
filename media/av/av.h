/*
 * av -- sound and moving pictures by libav, over memory: no names, no protocols, one thread, and nobody guesses formats.
 *
 * Runs in a child process that ends afterwards, so nothing here is given back.
 */
#ifndef PEAL_MEDIA_AV_H
#define PEAL_MEDIA_AV_H

#include <stdbool.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

#include "../job.h"

#define SOUND_RATE 48000

/* Mono, SOUND_RATE samples a second, -1 to 1 but for peaks. */
struct sound {
	float *p;
	size_t n, room;
};

/* A file in memory, for libav to read or to write. */
struct memory {
	uint8_t *p;
	size_t at, n, room;
};
/* Writes to it, and reads again what it has written: muxers move an index to the front that way. NULL: no memory. */
AVFormatContext *memory_muxer(const char *format, struct memory *);

/* The file as what its first bytes say; NULL when it is not. */
AVFormatContext *input_open(const struct job *, const uint8_t *bytes);
/* The best stream of that kind, and its decoder opened; all others are passed over. NULL: there is none that we decode. */
AVStream *input_stream(AVFormatContext *, enum AVMediaType, AVCodecContext **ret);

/* JOB_DONE; JOB_CORRUPT, JOB_TOO_MANY_SAMPLES, JOB_TOO_COMPLEX. */
enum job_found sound_read(AVFormatContext *, size_t most, struct sound *ret);
/* How loud it is (hundredths of LUFS; JOB_SILENT), and by how much it was made louder (hundredths of dB). In place. */
void sound_level(struct sound *, int32_t *ret_loudness, int32_t *ret_gain);

enum sound_format { SOUND_AAC, SOUND_OPUS };
/* Bytes written, 0 when there is no room. */
size_t sound_write(const struct sound *, enum sound_format, uint8_t *out, size_t room);

/*
 * A film; of the job, whether it is to be transcoded. *ret_poster_n: bytes of a PNG of one of its first frames, upright; 0 when none can be decoded. film->n: bytes of
 * the film as MP4 with its index in front and nothing in it but H.264 and AAC, as they were or transcoded; 0 when it was not that.
 */
enum job_found film_make(AVFormatContext *, const struct job *, struct job_result *, uint8_t *out, size_t room,
                         size_t *ret_poster_n, struct memory *film);

#endif
