/* media/av/av.c -- peal-media-av: what a job of sound or film leaves in its output. */
#include "../decoder/craft.h"
#include "../waveform.h"
#include "av.h"

/* What a child needs is there, or nobody is forked. */
static bool
av_init(const char *program)
{
	(void)program;
	av_log_set_level(AV_LOG_QUIET);
	return avcodec_find_encoder_by_name("aac") && avcodec_find_encoder_by_name("libopus") &&
	       avcodec_find_encoder_by_name("png") && avcodec_find_encoder_by_name("libx264") &&
	       av_find_input_format("matroska") && av_guess_format("webm", NULL, NULL);
}

struct work {
	const struct job *job;
	uint8_t *output;
	struct job_result *result;
	size_t used; /* bytes of the output */
};

static enum job_found
put(struct work *w, int which, const struct sound *s, enum sound_format format)
{
	size_t n = sound_write(s, format, w->output + w->used, w->job->output_bytes - w->used);

	w->result->renditions[which] = (struct job_rendition){ .offset = (uint32_t)w->used, .size = (uint32_t)n };
	w->used += n;
	return n ? JOB_DONE : JOB_TOO_COMPLEX;
}

static enum job_found
make_sound(struct work *w, const uint8_t *bytes)
{
	AVFormatContext *in = input_open(w->job, bytes);
	struct sound s = { 0 };
	enum job_found found;

	if (!in)
		return JOB_CORRUPT;
	found = sound_read(in, (size_t)w->job->max_seconds * SOUND_RATE, &s);
	if (found != JOB_DONE)
		return found;
	w->result->duration_ms = (uint32_t)((s.n * 1000 + SOUND_RATE / 2) / SOUND_RATE);
	sound_level(&s, &w->result->loudness, &w->result->gain);
	w->result->waveform_n = (uint32_t)waveform(s.p, s.n, SOUND_RATE, w->result->waveform);
	found = put(w, JOB_AAC, &s, SOUND_AAC);
	return found == JOB_DONE ? put(w, JOB_OPUS, &s, SOUND_OPUS) : found;
}

static enum job_found
make_film(struct work *w, const uint8_t *bytes, uint8_t *out)
{
	AVFormatContext *in = input_open(w->job, bytes);
	struct memory film = { .p = out, .room = w->job->film_bytes };
	size_t poster = 0;
	enum job_found found =
	        in ? film_make(in, w->job, w->result, w->output + w->used, w->job->output_bytes - w->used, &poster, &film)
	           : JOB_CORRUPT;

	w->result->renditions[JOB_POSTER] = (struct job_rendition){ .offset = (uint32_t)w->used, .size = (uint32_t)poster };
	w->result->renditions[JOB_FILM] = (struct job_rendition){ .size = (uint32_t)film.n };
	return found;
}

static void
av_make(const struct job *job, const uint8_t *bytes, uint8_t *output, uint8_t *film)
{
	struct work w = { .job = job, .output = output, .result = (struct job_result *)output, .used = JOB_RESULT_BYTES };
	enum job_found found;

	w.result->magic = JOB_MAGIC;
	found = film ? make_film(&w, bytes, film) : make_sound(&w, bytes);
	/* last, so that a child that dies on the way has found nothing */
	__atomic_store_n(&w.result->found, (uint32_t)found, __ATOMIC_RELEASE);
}

const struct craft craft = { .name = "peal-media-av", .init = av_init, .make = av_make };
