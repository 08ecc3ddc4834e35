/*
 * media/av/transcode.c -- a film that browsers do not play becomes H.264 and AAC in MP4, of a size that a chat needs.
 *
 * One pass, one thread. What is turned stays turned the way it was: the matrix that says so goes along, and nothing else does.
 */
#include <math.h>

#include <libavutil/audio_fifo.h>
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>
#include <libswscale/swscale.h>

#include "av.h"
#include "film.h"

#define AREA         (1280.0 * 720)
#define SIDE_LEAST   16
#define CLOCK        90000 /* of the pictures, per second */
#define STEP_US      33333 /* 30 pictures a second at most */
#define EARLY_US     5000
#define KEY_EVERY    60
#define GAP_US       100000 /* of sound: what is missing for longer becomes silence */
#define CHANNELS_MAX 8
#define PICTURE_BITS ((int64_t)2500000)
#define CHANNEL_BITS 64000

struct coding {
	AVFormatContext *in, *out;
	AVStream *from[2], *to[2]; /* pictures, sound */
	AVCodecContext *decoder[2], *encoder[2];
	AVPacket *packet;
	AVFrame *frame, *small, *piece;
	struct SwsContext *sws;
	SwrContext *swr;
	AVChannelLayout layout; /* what swr expects */
	int rate, format;
	AVAudioFifo *fifo;
	int64_t begin_us, limit_us, next_us, last_pts, end_us;
	int64_t samples_in, samples_out;
	enum job_found found;
};

/* Always false. */
static bool
failed(struct coding *c, enum job_found found)
{
	c->found = found;
	return false;
}

static AVCodecContext *
new_encoder(struct coding *c, const char *name)
{
	const AVCodec *codec = avcodec_find_encoder_by_name(name);
	AVCodecContext *e = codec ? avcodec_alloc_context3(codec) : NULL;

	if (!e)
		return NULL;
	e->thread_count = 1;
	e->flags |= AV_CODEC_FLAG_BITEXACT | (c->out->oformat->flags & AVFMT_GLOBALHEADER ? AV_CODEC_FLAG_GLOBAL_HEADER : 0);
	return e;
}

static int
even(double side)
{
	return FFMAX(SIDE_LEAST, (int)(side / 2 + 0.5) * 2);
}

/* Colours are scaled, not converted: what they mean goes along. Of RGB swscale makes BT.601, which is what players take for granted. */
static void
same_colours(AVCodecContext *e, const AVCodecContext *d)
{
	if (d->colorspace == AVCOL_SPC_RGB)
		return;
	e->colorspace = d->colorspace;
	e->color_primaries = d->color_primaries;
	e->color_trc = d->color_trc;
}

static bool
open_pictures(struct coding *c)
{
	const AVCodecContext *d = c->decoder[0];
	AVRational aspect = c->from[0]->codecpar->sample_aspect_ratio;
	double width = d->width * (aspect.num > 0 && aspect.den > 0 ? av_q2d(aspect) : 1), height = d->height;
	double scale = FFMIN(1, sqrt(AREA / (width * height)));
	AVCodecContext *e = c->encoder[0] = new_encoder(c, "libx264");

	if (!e)
		return false;
	e->width = even(width * scale);
	e->height = even(height * scale);
	e->pix_fmt = AV_PIX_FMT_YUV420P;
	e->color_range = AVCOL_RANGE_MPEG;
	same_colours(e, d);
	e->time_base = (AVRational){ 1, CLOCK };
	e->framerate = (AVRational){ 30, 1 };
	e->gop_size = KEY_EVERY;
	e->rc_max_rate = PICTURE_BITS;
	e->rc_buffer_size = (int)(2 * PICTURE_BITS);
	av_opt_set(e->priv_data, "preset", "veryfast", 0);
	av_opt_set(e->priv_data, "crf", "24", 0);
	av_opt_set(e->priv_data, "profile", "high", 0);
	return avcodec_open2(e, e->codec, NULL) >= 0;
}

static bool
open_sound(struct coding *c)
{
	AVCodecContext *e = c->encoder[1] = new_encoder(c, "aac");
	bool mono = c->decoder[1]->ch_layout.nb_channels == 1;

	if (!e)
		return false;
	e->sample_fmt = AV_SAMPLE_FMT_FLTP;
	e->sample_rate = SOUND_RATE;
	e->ch_layout = mono ? (AVChannelLayout)AV_CHANNEL_LAYOUT_MONO : (AVChannelLayout)AV_CHANNEL_LAYOUT_STEREO;
	e->bit_rate = (int64_t)CHANNEL_BITS * e->ch_layout.nb_channels;
	e->time_base = (AVRational){ 1, SOUND_RATE };
	c->fifo = av_audio_fifo_alloc(e->sample_fmt, e->ch_layout.nb_channels, SOUND_RATE);
	return c->fifo && avcodec_open2(e, e->codec, NULL) >= 0;
}

static bool
add(struct coding *c, int i)
{
	AVStream *s = c->to[i] = avformat_new_stream(c->out, NULL);

	if (!s || avcodec_parameters_from_context(s->codecpar, c->encoder[i]) < 0)
		return false;
	s->time_base = c->encoder[i]->time_base;
	return i || film_copy_matrix(s, c->from[0]);
}

static AVFrame *
new_picture(const AVCodecContext *e)
{
	AVFrame *f = av_frame_alloc();

	if (!f)
		return NULL;
	f->format = e->pix_fmt;
	f->width = e->width;
	f->height = e->height;
	return av_frame_get_buffer(f, 0) < 0 ? NULL : f;
}

static bool
open_all(struct coding *c, struct memory *film)
{
	AVDictionary *options = NULL;

	c->out = memory_muxer("mp4", film);
	c->packet = av_packet_alloc();
	c->frame = av_frame_alloc();
	c->piece = av_frame_alloc();
	if (!c->out || !c->packet || !c->frame || !c->piece || !open_pictures(c) || !add(c, 0) ||
	    (c->from[1] && (!open_sound(c) || !add(c, 1))))
		return false;
	c->small = new_picture(c->encoder[0]);
	av_dict_set(&options, "movflags", "+faststart", 0);
	return c->small && avformat_write_header(c->out, &options) >= 0;
}

/* frame NULL: the end. */
static bool
encode(struct coding *c, int i, const AVFrame *frame)
{
	AVPacket *p = av_packet_alloc();
	bool ok = p && avcodec_send_frame(c->encoder[i], frame) >= 0;

	while (ok && avcodec_receive_packet(c->encoder[i], p) >= 0) {
		av_packet_rescale_ts(p, c->encoder[i]->time_base, c->to[i]->time_base);
		p->stream_index = c->to[i]->index;
		ok = av_interleaved_write_frame(c->out, p) >= 0;
	}
	av_packet_free(&p);
	return ok || failed(c, JOB_TOO_COMPLEX);
}

/* Since the film began; before that there is nothing to be seen or heard. */
static int64_t
time_of(const struct coding *c, int i, const AVFrame *f)
{
	int64_t at = f->best_effort_timestamp;

	return at == AV_NOPTS_VALUE ? -1 : av_rescale_q(at, c->from[i]->time_base, AV_TIME_BASE_Q) - c->begin_us;
}

/* Pictures that come faster than they are shown are left out. */
static bool
wanted(struct coding *c, int64_t at_us)
{
	if (at_us < 0 || at_us + EARLY_US < c->next_us)
		return false;
	c->next_us = at_us > c->next_us + STEP_US ? at_us + STEP_US : c->next_us + STEP_US;
	return true;
}

static bool
put_picture(struct coding *c, const AVFrame *f)
{
	int64_t at_us = time_of(c, 0, f), pts = av_rescale(at_us, CLOCK, AV_TIME_BASE);

	if (!wanted(c, at_us))
		return true;
	if (at_us > c->limit_us)
		return failed(c, JOB_TOO_MANY_SAMPLES);
	c->sws = sws_getCachedContext(c->sws, f->width, f->height, f->format, c->small->width, c->small->height,
	                              c->small->format, SWS_BICUBIC, NULL, NULL, NULL);
	if (!c->sws || av_frame_make_writable(c->small) < 0 ||
	    sws_scale(c->sws, (const uint8_t *const *)f->data, f->linesize, 0, f->height, c->small->data,
	              c->small->linesize) <= 0)
		return failed(c, JOB_CORRUPT);
	c->small->pts = c->last_pts = FFMAX(pts, c->last_pts + 1);
	c->end_us = FFMAX(c->end_us, at_us + STEP_US);
	return encode(c, 0, c->small);
}

/* As many samples as the encoder takes at a time; at the end, what is left. */
static bool
put_pieces(struct coding *c, bool last)
{
	AVCodecContext *e = c->encoder[1];
	int n;

	while ((n = av_audio_fifo_size(c->fifo)) >= e->frame_size || (last && n)) {
		AVFrame *f = c->piece;
		bool ok;

		f->nb_samples = FFMIN(n, e->frame_size);
		f->format = e->sample_fmt;
		f->sample_rate = e->sample_rate;
		if (av_channel_layout_copy(&f->ch_layout, &e->ch_layout) < 0 || av_frame_get_buffer(f, 0) < 0 ||
		    av_audio_fifo_read(c->fifo, (void **)f->data, f->nb_samples) < f->nb_samples)
			return failed(c, JOB_TOO_COMPLEX);
		f->pts = c->samples_out;
		c->samples_out += f->nb_samples;
		ok = encode(c, 1, f);
		av_frame_unref(f);
		if (!ok)
			return false;
	}
	return true;
}

/* p NULL: silence. */
static bool
put_samples(struct coding *c, uint8_t **p, int n)
{
	static float silence[SOUND_RATE];
	uint8_t *none[2] = { (uint8_t *)silence, (uint8_t *)silence };

	c->samples_in += n;
	if (av_rescale(c->samples_in - n, AV_TIME_BASE, SOUND_RATE) > c->limit_us)
		return failed(c, JOB_TOO_MANY_SAMPLES); /* whatever its timestamps say */
	return av_audio_fifo_write(c->fifo, (void **)(p ? p : none), n) >= n ? put_pieces(c, false)
	                                                                     : failed(c, JOB_TOO_COMPLEX);
}

static bool
fill_gap(struct coding *c, int64_t at_us)
{
	int64_t missing = av_rescale(at_us, SOUND_RATE, AV_TIME_BASE) - c->samples_in;

	if (at_us > c->limit_us)
		return failed(c, JOB_TOO_MANY_SAMPLES);
	if (missing < av_rescale(GAP_US, SOUND_RATE, AV_TIME_BASE))
		return true;
	for (; missing > 0; missing -= SOUND_RATE)
		if (!put_samples(c, NULL, (int)FFMIN(missing, SOUND_RATE)))
			return false;
	return true;
}

/* The sound may change its rate on the way. */
static bool
prepare(struct coding *c, AVFrame *f)
{
	AVCodecContext *e = c->encoder[1];

	if (f->nb_samples <= 0 || f->ch_layout.nb_channels <= 0 || f->ch_layout.nb_channels > CHANNELS_MAX ||
	    f->sample_rate <= 0)
		return false;
	if (f->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC)
		av_channel_layout_default(&f->ch_layout, f->ch_layout.nb_channels);
	if (c->swr && c->rate == f->sample_rate && c->format == f->format &&
	    !av_channel_layout_compare(&c->layout, &f->ch_layout))
		return true;
	swr_free(&c->swr);
	c->rate = f->sample_rate;
	c->format = f->format;
	return av_channel_layout_copy(&c->layout, &f->ch_layout) >= 0 &&
	       swr_alloc_set_opts2(&c->swr, &e->ch_layout, e->sample_fmt, e->sample_rate, &c->layout, f->format, c->rate, 0,
	                           NULL) >= 0 &&
	       swr_init(c->swr) >= 0;
}

/* in NULL: what the resampler still holds. */
static bool
resample(struct coding *c, const uint8_t **in, int n)
{
	uint8_t *p[2] = { NULL };
	int room = swr_get_out_samples(c->swr, n);
	bool ok;

	if (room < 0 || av_samples_alloc(p, NULL, c->encoder[1]->ch_layout.nb_channels, room + 1, AV_SAMPLE_FMT_FLTP, 0) < 0)
		return failed(c, JOB_TOO_COMPLEX);
	n = swr_convert(c->swr, p, room, in, n);
	ok = n >= 0 ? put_samples(c, p, n) : failed(c, JOB_CORRUPT);
	av_freep(&p[0]);
	return ok;
}

static bool
put_sound(struct coding *c, AVFrame *f)
{
	int64_t at_us = time_of(c, 1, f);

	if (!prepare(c, f))
		return failed(c, JOB_CORRUPT);
	if (at_us >= 0 && !fill_gap(c, at_us))
		return false;
	return resample(c, (const uint8_t **)f->extended_data, f->nb_samples);
}

/* packet NULL: the end. Damaged frames are left out, as players do. */
static bool
decode(struct coding *c, int i, const AVPacket *packet)
{
	bool ok = true;

	avcodec_send_packet(c->decoder[i], packet);
	while (ok && avcodec_receive_frame(c->decoder[i], c->frame) >= 0) {
		ok = i ? put_sound(c, c->frame) : put_picture(c, c->frame);
		av_frame_unref(c->frame);
	}
	return ok;
}

static bool
end_sound(struct coding *c)
{
	return decode(c, 1, NULL) && (!c->swr || resample(c, NULL, 0)) && put_pieces(c, true) && encode(c, 1, NULL);
}

static bool
run(struct coding *c)
{
	bool ok = true;

	while (ok && av_read_frame(c->in, c->packet) >= 0) {
		for (int i = 0; ok && i < 2; i++)
			if (c->from[i] && c->packet->stream_index == c->from[i]->index)
				ok = decode(c, i, c->packet);
		av_packet_unref(c->packet);
	}
	if (!ok || !decode(c, 0, NULL) || !encode(c, 0, NULL) || (c->from[1] && !end_sound(c)))
		return false;
	if (av_write_trailer(c->out) < 0 || c->out->pb->error)
		return failed(c, JOB_TOO_COMPLEX);
	return c->end_us > 0 || failed(c, JOB_CORRUPT);
}

enum job_found
film_transcode(AVFormatContext *s, AVStream *video, AVCodecContext *decoder, int64_t limit_us, struct job_result *r,
               struct memory *film)
{
	struct coding c = { .in = s, .found = JOB_TOO_COMPLEX, .limit_us = limit_us, .last_pts = -1 };

	c.from[0] = video;
	c.decoder[0] = decoder;
	if (av_find_best_stream(s, AVMEDIA_TYPE_AUDIO, -1, -1, NULL, 0) >= 0) {
		c.from[1] = input_stream(s, AVMEDIA_TYPE_AUDIO, &c.decoder[1]);
		if (!c.from[1])
			return JOB_CORRUPT; /* nobody wants it without its sound */
	}
	c.begin_us = s->start_time == AV_NOPTS_VALUE ? 0 : s->start_time;
	avcodec_flush_buffers(decoder);
	if (!film_rewind(s, c.from[0], c.from[1]) || !open_all(&c, film) || !run(&c))
		return c.found;
	r->source_width = (uint32_t)c.encoder[0]->width;
	r->source_height = (uint32_t)c.encoder[0]->height;
	r->duration_ms = (uint32_t)(FFMAX(c.end_us, av_rescale(c.samples_out, AV_TIME_BASE, SOUND_RATE)) / 1000);
	return JOB_DONE;
}
