/* media/av/memory.c -- libav's input and output without a file. */
#include "../sniff.h"
#include "av.h"

#define BUFFER_BYTES 32768

static int
memory_read(void *opaque, uint8_t *out, int n)
{
	struct memory *m = opaque;
	size_t left = m->at < m->n ? m->n - m->at : 0;

	if (!left)
		return AVERROR_EOF;
	if ((size_t)n > left)
		n = (int)left;
	memcpy(out, m->p + m->at, (size_t)n);
	m->at += (size_t)n;
	return n;
}

static int
memory_write(void *opaque, uint8_t *in, int n)
{
	struct memory *m = opaque;

	if ((size_t)n > m->room - m->at)
		return AVERROR(ENOSPC);
	memcpy(m->p + m->at, in, (size_t)n);
	m->at += (size_t)n;
	if (m->at > m->n)
		m->n = m->at;
	return n;
}

static int64_t
memory_seek(void *opaque, int64_t offset, int whence)
{
	struct memory *m = opaque;

	whence &= ~AVSEEK_FORCE;
	if (whence == AVSEEK_SIZE)
		return (int64_t)m->n;
	if (whence == SEEK_CUR)
		offset += (int64_t)m->at;
	else if (whence == SEEK_END)
		offset += (int64_t)m->n;
	if (offset < 0 || (uint64_t)offset > (m->room ? m->room : m->n))
		return AVERROR(EINVAL);
	m->at = (size_t)offset;
	return offset;
}

static AVIOContext *
memory_io(struct memory *m, bool writes)
{
	uint8_t *buffer = av_malloc(BUFFER_BYTES);

	return buffer ? avio_alloc_context(buffer, BUFFER_BYTES, writes, m, memory_read, writes ? memory_write : NULL,
	                                   memory_seek)
	              : NULL;
}

/* Whatever a file refers to stays where it is; only a muxer's own output is read again. */
static int
open_again(AVFormatContext *s, AVIOContext **ret, const char *url, int flags, AVDictionary **options)
{
	struct memory *again;

	(void)url, (void)options;
	if (!s->opaque || flags & AVIO_FLAG_WRITE)
		return AVERROR(EPERM);
	again = av_memdup(s->opaque, sizeof(*again));
	if (!again)
		return AVERROR(ENOMEM);
	again->at = 0;
	*ret = memory_io(again, false);
	return *ret ? 0 : AVERROR(ENOMEM);
}

static int
close_again(AVFormatContext *s, AVIOContext *io)
{
	(void)s;
	avio_context_free(&io);
	return 0;
}

AVFormatContext *
memory_muxer(const char *format, struct memory *m)
{
	AVFormatContext *s = NULL;

	if (avformat_alloc_output_context2(&s, NULL, format, NULL) < 0)
		return NULL;
	s->opaque = m;
	s->io_open = open_again;
	s->io_close2 = close_again;
	s->flags |= AVFMT_FLAG_BITEXACT | AVFMT_FLAG_CUSTOM_IO; /* BITEXACT: says neither who made it nor when */
	s->pb = memory_io(m, true);
	return s->pb ? s : NULL;
}

/* The demuxer is named by our own look at the first bytes, so that no other is asked. */
static const char *
demuxer_of(uint32_t sniffed)
{
	switch (sniffed) {
	case SNIFF_WEBM:
		return "matroska";
	case SNIFF_MP4:
		return "mov";
	case SNIFF_OGG:
		return "ogg";
	case SNIFF_MP3:
		return "mp3";
	case SNIFF_WAV:
		return "wav";
	default:
		return NULL;
	}
}

static const char decoders[] =
        "opus,libopus,vorbis,aac,mp3,mp3float,mp2,mp2float,alac,flac,pcm_u8,pcm_s16le,pcm_s24le,pcm_s32le,"
        "pcm_f32le,pcm_s16be,pcm_alaw,pcm_mulaw,amrnb,h264,hevc,vp8,vp9,libdav1d,mpeg4";

AVFormatContext *
input_open(const struct job *job, const uint8_t *bytes)
{
	static struct memory m;
	const char *name = demuxer_of(job->sniffed);
	AVFormatContext *s = name ? avformat_alloc_context() : NULL;
	AVDictionary *options = NULL;

	if (!s)
		return NULL;
	m = (struct memory){ .p = (uint8_t *)(uintptr_t)bytes, .n = job->size };
	s->pb = memory_io(&m, false);
	s->io_open = open_again;
	s->io_close2 = close_again;
	s->flags |= AVFMT_FLAG_CUSTOM_IO;
	av_dict_set(&options, "codec_whitelist", decoders, 0);
	av_dict_set(&options, "protocol_whitelist", "none", 0);
	av_dict_set(&options, "probesize", "1048576", 0);
	av_dict_set(&options, "analyzeduration", "2000000", 0);
	av_dict_set(&options, "max_streams", "16", 0);
	if (!s->pb || avformat_open_input(&s, NULL, av_find_input_format(name), &options) < 0 ||
	    avformat_find_stream_info(s, NULL) < 0)
		return NULL;
	return s;
}

AVStream *
input_stream(AVFormatContext *s, enum AVMediaType kind, AVCodecContext **ret)
{
	const AVCodec *codec = NULL;
	int best = av_find_best_stream(s, kind, -1, -1, &codec, 0);
	AVCodecContext *c = best < 0 || !codec ? NULL : avcodec_alloc_context3(codec);

	if (!c || avcodec_parameters_to_context(c, s->streams[best]->codecpar) < 0)
		return NULL;
	c->thread_count = 1;
	c->pkt_timebase = s->streams[best]->time_base;
	c->codec_whitelist = av_strdup(decoders);
	if (avcodec_open2(c, codec, NULL) < 0)
		return NULL;
	for (unsigned i = 0; i < s->nb_streams; i++)
		s->streams[i]->discard = (int)i == best ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
	*ret = c;
	return s->streams[best];
}
