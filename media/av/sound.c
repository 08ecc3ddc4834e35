/* media/av/sound.c -- a recording becomes samples: every frame decoded, mixed to mono, brought to one rate. */
#include <math.h>

#include <libswresample/swresample.h>

#include "av.h"

#define CHANNELS_MAX 8
#define RATE_MAX     384000
#define LEVEL_MAX    8 /* times full scale; what is beyond is noise of a broken file */
#define FIRST_ROOM   ((size_t)SOUND_RATE * 60)

struct reading {
	struct sound *out;
	size_t most;
	SwrContext *swr;
	AVChannelLayout layout; /* what swr expects */
	int rate, format;
	size_t frames, errors;
};

static bool
frame_ok(const AVFrame *f)
{
	return f->nb_samples > 0 && f->ch_layout.nb_channels > 0 && f->ch_layout.nb_channels <= CHANNELS_MAX &&
	       f->sample_rate > 0 && f->sample_rate <= RATE_MAX;
}

/* A recording may change its rate on the way. */
static bool
prepare(struct reading *r, AVFrame *f)
{
	AVChannelLayout mono = AV_CHANNEL_LAYOUT_MONO;

	if (f->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC)
		av_channel_layout_default(&f->ch_layout, f->ch_layout.nb_channels);
	if (r->swr && r->rate == f->sample_rate && r->format == f->format &&
	    !av_channel_layout_compare(&r->layout, &f->ch_layout))
		return true;
	swr_free(&r->swr);
	r->rate = f->sample_rate;
	r->format = f->format;
	return !av_channel_layout_copy(&r->layout, &f->ch_layout) &&
	       !swr_alloc_set_opts2(&r->swr, &mono, AV_SAMPLE_FMT_FLT, SOUND_RATE, &r->layout, f->format, r->rate, 0,
	                            NULL) &&
	       swr_init(r->swr) >= 0;
}

static bool
make_room(struct sound *s, size_t n)
{
	size_t room = s->room ? s->room : FIRST_ROOM;
	float *p;

	if (s->room - s->n >= n)
		return true;
	while (room - s->n < n)
		room += room / 2;
	p = realloc(s->p, room * sizeof(float));
	if (!p)
		return false;
	s->p = p;
	s->room = room;
	return true;
}

/* f NULL: what the resampler still holds. */
static enum job_found
convert(struct reading *r, const AVFrame *f)
{
	int in = f ? f->nb_samples : 0, n = swr_get_out_samples(r->swr, in);

	if (n < 0 || !make_room(r->out, (size_t)n))
		return JOB_TOO_COMPLEX;
	n = swr_convert(r->swr, (uint8_t *[]){ (uint8_t *)(r->out->p + r->out->n) }, n,
	                f ? (const uint8_t **)f->extended_data : NULL, in);
	if (n < 0)
		return JOB_CORRUPT;
	for (int i = 0; i < n; i++) {
		float *v = &r->out->p[r->out->n + (size_t)i];

		*v = isfinite(*v) ? fmaxf(-LEVEL_MAX, fminf(LEVEL_MAX, *v)) : 0;
	}
	r->out->n += (size_t)n;
	return r->out->n > r->most ? JOB_TOO_MANY_SAMPLES : JOB_DONE;
}

/* packet NULL: the end. Damaged frames are left out, as players do. */
static enum job_found
decode(struct reading *r, AVCodecContext *c, const AVPacket *packet, AVFrame *frame)
{
	enum job_found found = JOB_DONE;

	r->errors += avcodec_send_packet(c, packet) < 0 && packet;
	while (found == JOB_DONE && avcodec_receive_frame(c, frame) >= 0) {
		found = frame_ok(frame) && prepare(r, frame) ? convert(r, frame) : JOB_CORRUPT;
		r->frames++;
		av_frame_unref(frame);
	}
	return found;
}

enum job_found
sound_read(AVFormatContext *s, size_t most, struct sound *ret)
{
	struct reading r = { .out = ret, .most = most };
	AVPacket *packet = av_packet_alloc();
	AVFrame *frame = av_frame_alloc();
	enum job_found found = JOB_DONE;
	AVCodecContext *c;
	AVStream *stream = input_stream(s, AVMEDIA_TYPE_AUDIO, &c);

	if (!stream || !packet || !frame)
		return JOB_CORRUPT;
	while (found == JOB_DONE && av_read_frame(s, packet) >= 0) {
		if (packet->stream_index == stream->index)
			found = decode(&r, c, packet, frame);
		av_packet_unref(packet);
	}
	if (found == JOB_DONE)
		found = decode(&r, c, NULL, frame);
	if (found == JOB_DONE && r.swr)
		found = convert(&r, NULL);
	return found == JOB_DONE && (!ret->n || r.errors > r.frames) ? JOB_CORRUPT : found;
}
