/*
 * job -- what peal-media and its decoders say to each other: one upload, one child process.
 *
 * peal-media sends a struct job over a SEQPACKET socket together with three descriptors: the input (read only), the output (a
 * memfd of output_bytes, sealed against changing its size) and a socket; and with a fourth when the job is a film: a file on
 * disk of film_bytes, since memory is no place for a film. The decoder forks a child, which maps them all, closes everything, and leaves a struct job_result and the encoded bytes in the output. When the child has ended the
 * decoder sends one struct job_verdict over that socket. Nothing in the output may be trusted: the child has parsed
 * what somebody uploaded. peal-media checks every number before it uses it.
 */
#ifndef PEAL_MEDIA_JOB_H
#define PEAL_MEDIA_JOB_H

#include <stdint.h>

#define JOB_MAGIC        0x4a4c4150
#define JOB_RESULT_BYTES 4096u        /* the encoded bytes begin here */
#define JOB_OUTPUT_BYTES (24u << 20)  /* output_bytes of pictures and sound */
#define JOB_PROBE        "PEALPROBE " /* in builds for tests: what a probe begins with (decoder/probe.h) */

/* The programs, each with a socket of its own. */
enum decoder { DECODER_IMAGE, DECODER_AV, DECODERS };

enum job_fd { JOB_FD_INPUT, JOB_FD_OUTPUT, JOB_FD_REPLY, JOB_FD_FILM, JOB_FDS };

struct job {
	uint32_t magic;
	uint32_t sniffed;      /* enum sniffed */
	uint64_t offset, size; /* of the upload within the input */
	uint64_t max_pixels;   /* of all frames together */
	uint32_t max_frames;
	uint32_t hd;
	uint32_t max_seconds; /* of sound; of a film that is transcoded */
	uint32_t cpu_seconds, wall_seconds;
	uint32_t nice;         /* 0 to 19 */
	uint64_t memory_bytes; /* of address space */
	uint64_t output_bytes;
	uint32_t transcode;  /* of a film: H.264 and AAC, whatever it was; its sound and its pictures are encoded anew */
	uint64_t film_bytes; /* moving pictures rather than sound, if not 0 */
};

/* What became of a child; the decoder says this, so it can be believed. */
enum job_end {
	JOB_EXITED,
	JOB_CRASHED,
	JOB_FORBIDDEN, /* it tried a system call that it may not use */
	JOB_TOO_LONG,
	JOB_BUSY,
	JOB_ENDS
};

struct job_verdict {
	uint32_t magic;
	uint32_t end;  /* enum job_end */
	uint32_t code; /* exit status or signal */
};

/* What the child found; zero means that it has not written a result. */
enum job_found {
	JOB_NOTHING,
	JOB_DONE,
	JOB_CORRUPT,
	JOB_TOO_MANY_PIXELS,
	JOB_TOO_MANY_FRAMES,
	JOB_TOO_MANY_SAMPLES,
	JOB_TOO_COMPLEX
};

/* Of a picture; of sound; of a film: a frame of it as PNG, and, in its file, the film itself when browsers play it. */
enum { JOB_MAIN, JOB_THUMB, JOB_AAC = 0, JOB_OPUS, JOB_POSTER = 0, JOB_FILM, JOB_RENDITIONS };

#define JOB_SILENT (-100000) /* a loudness */

struct job_rendition {
	uint32_t offset, size, width, height;
};

struct job_result {
	uint32_t magic;
	uint32_t found; /* enum job_found */
	uint32_t source_width, source_height, source_frames;
	uint32_t animated, transparent;
	uint32_t thumbhash_n;
	uint8_t thumbhash[32];
	uint8_t color[4];
	uint32_t duration_ms;
	int32_t loudness, gain; /* hundredths of LUFS (or JOB_SILENT), of dB */
	uint32_t waveform_n;
	uint8_t waveform[256];
	struct job_rendition renditions[JOB_RENDITIONS];
};

#endif
