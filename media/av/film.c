/*
 * media/av/film.c -- a frame to show before a film plays, and the film itself without what its camera has written into it.
 *
 * H.264 and AAC are copied packet by packet into a new file. Everything else is left to be downloaded, or transcoded (transcode.c)
 * when the job says so.
 */
#include <libavutil/display.h>
#include <libavutil/imgutils.h>
#include <libswscale/swscale.h>

#include "av.h"
#include "film.h"

#define POSTER_SIDE  1280
#define SIDE_MAX     8192
#define POSTER_AT_US 1000000 /* the first second is often black */
#define POSTER_TRIES 600     /* packets, until a frame comes */
#define DURATION_MAX (24 * 3600 * INT64_C(1000))

/* Quarter turns clockwise that the picture is to be shown with. */
static int
turns(const AVStream *stream)
{
	const uint8_t *matrix = av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, NULL);
	double angle = matrix ? av_display_rotation_get((const int32_t *)matrix) : 0;

	return angle != angle ? 0 : ((int)(-angle / 90 + (angle > 0 ? -0.5 : 0.5)) % 4 + 4) % 4;
}

static AVFrame *
new_frame(enum AVPixelFormat format, int width, int height)
{
	AVFrame *f = av_frame_alloc();

	if (!f)
		return NULL;
	f->format = format;
	f->width = width;
	f->height = height;
	return av_frame_get_buffer(f, 0) < 0 ? NULL : f;
}

/* RGB, at most POSTER_SIDE on either side, pixels square. */
static AVFrame *
scaled(const AVFrame *in, AVRational aspect)
{
	double width = in->width * (aspect.num > 0 && aspect.den > 0 ? av_q2d(aspect) : 1),
	       longest = FFMAX(width, in->height);
	double scale = longest > POSTER_SIDE ? POSTER_SIDE / longest : 1;
	AVFrame *out = new_frame(AV_PIX_FMT_RGB24, FFMAX(1, (int)(width * scale)), FFMAX(1, (int)(in->height * scale)));
	struct SwsContext *sws = out ? sws_getContext(in->width, in->height, in->format, out->width, out->height,
	                                              out->format, SWS_AREA, NULL, NULL, NULL)
	                             : NULL;

	return sws && sws_scale(sws, (const uint8_t *const *)in->data, in->linesize, 0, in->height, out->data,
	                        out->linesize) > 0
	               ? out
	               : NULL;
}

static AVFrame *
turned(const AVFrame *in, int quarter_turns)
{
	bool swap = quarter_turns & 1;
	AVFrame *out = new_frame(AV_PIX_FMT_RGB24, swap ? in->height : in->width, swap ? in->width : in->height);

	for (int y = 0; out && y < in->height; y++)
		for (int x = 0; x < in->width; x++) {
			int tx = quarter_turns == 0   ? x
			         : quarter_turns == 1 ? in->height - 1 - y
			         : quarter_turns == 2 ? in->width - 1 - x
			                              : y;
			int ty = quarter_turns == 0   ? y
			         : quarter_turns == 1 ? x
			         : quarter_turns == 2 ? in->height - 1 - y
			                              : in->width - 1 - x;

			memcpy(out->data[0] + ty * out->linesize[0] + tx * 3, in->data[0] + y * in->linesize[0] + x * 3, 3);
		}
	return out;
}

/* Bytes written, 0 when there is no room. */
static size_t
write_png(const AVFrame *frame, uint8_t *out, size_t room)
{
	const AVCodec *codec = avcodec_find_encoder_by_name("png");
	AVCodecContext *c = codec ? avcodec_alloc_context3(codec) : NULL;
	AVPacket *packet = av_packet_alloc();

	if (!c || !packet)
		return 0;
	c->width = frame->width;
	c->height = frame->height;
	c->pix_fmt = AV_PIX_FMT_RGB24;
	c->time_base = (AVRational){ 1, 1 };
	c->thread_count = 1;
	c->compression_level = 1;
	if (avcodec_open2(c, codec, NULL) < 0 || avcodec_send_frame(c, frame) < 0 || avcodec_receive_packet(c, packet) < 0 ||
	    (size_t)packet->size > room)
		return 0;
	memcpy(out, packet->data, (size_t)packet->size);
	return (size_t)packet->size;
}

/* The first frame that can be decoded from there on. */
static AVFrame *
frame_near(AVFormatContext *s, const AVStream *stream, AVCodecContext *c, int64_t at_us)
{
	AVPacket *packet = av_packet_alloc();
	AVFrame *frame = av_frame_alloc();

	if (!packet || !frame)
		return NULL;
	if (at_us > 0 && av_seek_frame(s, -1, at_us, AVSEEK_FLAG_BACKWARD) < 0)
		at_us = 0;
	for (int tries = 0; tries < POSTER_TRIES; tries++) {
		bool end = av_read_frame(s, packet) < 0;

		if (end || packet->stream_index == stream->index)
			avcodec_send_packet(c, end ? NULL : packet);
		av_packet_unref(packet);
		if (avcodec_receive_frame(c, frame) >= 0)
			return frame;
		if (end)
			return NULL;
	}
	return NULL;
}

static size_t
make_poster(AVFormatContext *s, AVStream *stream, AVCodecContext *c, uint8_t *out, size_t room)
{
	int64_t tenth = s->duration > 0 ? s->duration / 10 : 0;
	AVFrame *frame = frame_near(s, stream, c, FFMIN(POSTER_AT_US, tenth)), *small;

	if (!frame || frame->width > SIDE_MAX || frame->height > SIDE_MAX)
		return 0;
	small = scaled(frame, frame->sample_aspect_ratio);
	if (small)
		small = turned(small, turns(stream));
	return small ? write_png(small, out, room) : 0;
}

/* A film that every browser plays. */
static bool
plays(const AVStream *video, const AVStream *sound)
{
	const AVCodecParameters *v = video->codecpar;

	return v->codec_id == AV_CODEC_ID_H264 && (v->format == AV_PIX_FMT_YUV420P || v->format == AV_PIX_FMT_YUVJ420P) &&
	       (!sound || sound->codecpar->codec_id == AV_CODEC_ID_AAC);
}

bool
film_copy_matrix(AVStream *to, const AVStream *from)
{
	size_t n;
	const uint8_t *matrix = av_stream_get_side_data(from, AV_PKT_DATA_DISPLAYMATRIX, &n);
	uint8_t *copy = matrix ? av_stream_new_side_data(to, AV_PKT_DATA_DISPLAYMATRIX, n) : NULL;

	if (copy)
		memcpy(copy, matrix, n);
	return copy || !matrix;
}

static AVStream *
add_stream(AVFormatContext *out, const AVStream *in)
{
	AVStream *s = avformat_new_stream(out, NULL);

	if (!s || avcodec_parameters_copy(s->codecpar, in->codecpar) < 0)
		return NULL;
	s->codecpar->codec_tag = 0;
	s->time_base = in->time_base;
	s->sample_aspect_ratio = in->sample_aspect_ratio;
	return film_copy_matrix(s, in) ? s : NULL;
}

/* One packet after the other, and where the last one ends. */
struct copying {
	AVFormatContext *out;
	const AVStream *from[2];
	AVStream *to[2];
	int64_t begin_us, end_us;
};

static bool
copy_packet(struct copying *c, AVPacket *p)
{
	for (int i = 0; i < 2; i++) {
		const AVStream *from = c->from[i];
		int64_t at;

		if (!from || p->stream_index != from->index)
			continue;
		if (p->pts != AV_NOPTS_VALUE) {
			at = av_rescale_q(p->pts, from->time_base, AV_TIME_BASE_Q);
			c->begin_us = FFMIN(c->begin_us, at);
			c->end_us = FFMAX(c->end_us, at + av_rescale_q(p->duration, from->time_base, AV_TIME_BASE_Q));
		}
		if (!c->out)
			return true;
		av_packet_rescale_ts(p, from->time_base, c->to[i]->time_base);
		p->stream_index = c->to[i]->index;
		p->pos = -1;
		return av_interleaved_write_frame(c->out, p) >= 0;
	}
	return true;
}

static bool
begin_copy(struct copying *c, struct memory *m)
{
	AVDictionary *options = NULL;

	c->out = memory_muxer("mp4", m);
	for (int i = 0; c->out && i < 2; i++)
		if (c->from[i] && !(c->to[i] = add_stream(c->out, c->from[i])))
			return false;
	av_dict_set(&options, "movflags", "+faststart", 0);
	return c->out && avformat_write_header(c->out, &options) >= 0;
}

bool
film_rewind(AVFormatContext *s, const AVStream *a, const AVStream *b)
{
	for (unsigned i = 0; i < s->nb_streams; i++)
		s->streams[i]->discard = s->streams[i] == a || s->streams[i] == b ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
	return avformat_seek_file(s, -1, INT64_MIN, 0, INT64_MAX, 0) >= 0 ||
	       av_seek_frame(s, -1, 0, AVSEEK_FLAG_BACKWARD) >= 0;
}

static bool
copy_all(AVFormatContext *s, struct copying *c)
{
	AVPacket *packet = av_packet_alloc();
	bool ok = packet && film_rewind(s, c->from[0], c->from[1]);

	while (ok && av_read_frame(s, packet) >= 0) {
		ok = copy_packet(c, packet);
		av_packet_unref(packet);
	}
	return ok && (!c->out || (av_write_trailer(c->out) >= 0 && !c->out->pb->error));
}

static enum job_found
transcode(AVFormatContext *s, const struct job *job, AVStream *video, AVCodecContext *decoder, struct job_result *r,
          struct memory *film)
{
	enum job_found found = film_transcode(s, video, decoder, job->max_seconds * (int64_t)AV_TIME_BASE, r, film);
	uint32_t stored = r->source_width;

	if (turns(video) & 1) {
		r->source_width = r->source_height;
		r->source_height = stored;
	}
	return found;
}

enum job_found
film_make(AVFormatContext *s, const struct job *job, struct job_result *r, uint8_t *out, size_t room, size_t *ret_poster_n,
          struct memory *film)
{
	AVCodecContext *decoder;
	AVStream *video = input_stream(s, AVMEDIA_TYPE_VIDEO, &decoder);
	int sound = av_find_best_stream(s, AVMEDIA_TYPE_AUDIO, -1, -1, NULL, 0);
	struct copying c = { .begin_us = INT64_MAX, .end_us = INT64_MIN };
	bool swap;

	if (!video || decoder->width <= 0 || decoder->height <= 0 || decoder->width > SIDE_MAX || decoder->height > SIDE_MAX)
		return JOB_CORRUPT;
	swap = turns(video) & 1;
	r->source_width = (uint32_t)(swap ? decoder->height : decoder->width);
	r->source_height = (uint32_t)(swap ? decoder->width : decoder->height);
	*ret_poster_n = make_poster(s, video, decoder, out, room);
	if (!*ret_poster_n)
		return JOB_CORRUPT;
	if (job->transcode)
		return transcode(s, job, video, decoder, r, film);
	c.from[0] = video;
	c.from[1] = sound < 0 ? NULL : s->streams[sound];
	if (plays(video, c.from[1]) && !begin_copy(&c, film))
		return JOB_CORRUPT;
	if (!copy_all(s, &c) || c.end_us <= c.begin_us || (c.end_us - c.begin_us) / 1000 > DURATION_MAX)
		return JOB_CORRUPT;
	r->duration_ms = (uint32_t)((c.end_us - c.begin_us + 500) / 1000);
	return JOB_DONE;
}
