/* media/av/write.c -- samples to AAC in MP4 and to Opus in WebM, both with their index in front so that players can seek. */
#include <libavutil/opt.h>

#include "av.h"

struct spec {
	const char *muxer, *encoder;
	enum AVSampleFormat format;
	int bits_per_second;
	const char *mux_options, *options;
};

/* What more work would make of a voice, nobody hears (docs/decisions.md, 80). Below 7 libopus no longer notices music. */
static const struct spec specs[] = {
	[SOUND_AAC] = { "mp4", "aac", AV_SAMPLE_FMT_FLTP, 64000, "movflags=+faststart", "aac_coder=fast" },
	[SOUND_OPUS] = { "webm", "libopus", AV_SAMPLE_FMT_FLT, 32000, "cues_to_front=1",
	                 "application=voip:frame_duration=20:compression_level=7" },
};

struct writing {
	AVFormatContext *out;
	AVCodecContext *encoder;
	AVStream *stream;
	AVPacket *packet;
};

static AVCodecContext *
open_encoder(const struct spec *spec, const AVFormatContext *out)
{
	const AVCodec *codec = avcodec_find_encoder_by_name(spec->encoder);
	AVCodecContext *c = codec ? avcodec_alloc_context3(codec) : NULL;
	AVDictionary *options = NULL;

	if (!c)
		return NULL;
	c->sample_fmt = spec->format;
	c->sample_rate = SOUND_RATE;
	c->ch_layout = (AVChannelLayout)AV_CHANNEL_LAYOUT_MONO;
	c->bit_rate = spec->bits_per_second;
	c->time_base = (AVRational){ 1, SOUND_RATE };
	c->thread_count = 1;
	c->flags |= AV_CODEC_FLAG_BITEXACT | (out->oformat->flags & AVFMT_GLOBALHEADER ? AV_CODEC_FLAG_GLOBAL_HEADER : 0);
	av_dict_parse_string(&options, spec->options, "=", ":", 0);
	return avcodec_open2(c, codec, &options) < 0 ? NULL : c;
}

static bool
open_all(struct writing *w, const struct spec *spec, struct memory *m)
{
	AVDictionary *options = NULL;

	*w = (struct writing){ .packet = av_packet_alloc(), .out = memory_muxer(spec->muxer, m) };
	w->encoder = w->out ? open_encoder(spec, w->out) : NULL;
	w->stream = w->encoder ? avformat_new_stream(w->out, NULL) : NULL;
	if (!w->packet || !w->stream || avcodec_parameters_from_context(w->stream->codecpar, w->encoder) < 0)
		return false;
	w->stream->time_base = w->encoder->time_base;
	av_dict_parse_string(&options, spec->mux_options, "=", ":", 0);
	return avformat_write_header(w->out, &options) >= 0;
}

/* frame NULL: the end. */
static bool
put(struct writing *w, const AVFrame *frame)
{
	if (avcodec_send_frame(w->encoder, frame) < 0)
		return false;
	while (avcodec_receive_packet(w->encoder, w->packet) >= 0) {
		av_packet_rescale_ts(w->packet, w->encoder->time_base, w->stream->time_base);
		w->packet->stream_index = w->stream->index;
		if (av_interleaved_write_frame(w->out, w->packet) < 0)
			return false;
	}
	return true;
}

static bool
put_all(struct writing *w, const struct sound *s)
{
	AVFrame *f = av_frame_alloc();
	size_t step = (size_t)w->encoder->frame_size;

	for (size_t at = 0; f && at < s->n; at += step) {
		f->nb_samples = (int)(s->n - at < step ? s->n - at : step);
		f->format = w->encoder->sample_fmt;
		f->sample_rate = SOUND_RATE;
		f->ch_layout = (AVChannelLayout)AV_CHANNEL_LAYOUT_MONO;
		f->pts = (int64_t)at;
		f->data[0] = (uint8_t *)(s->p + at);
		f->linesize[0] = f->nb_samples * (int)sizeof(float);
		if (!put(w, f))
			return false;
	}
	return f && put(w, NULL);
}

size_t
sound_write(const struct sound *s, enum sound_format format, uint8_t *out, size_t room)
{
	struct memory m = { .p = out, .room = room };
	struct writing w;

	if (!open_all(&w, &specs[format], &m) || !put_all(&w, s) || av_write_trailer(w.out) < 0)
		return 0;
	avio_flush(w.out->pb);
	return w.out->pb->error ? 0 : m.n;
}
