/* media/make.c -- pictures, recordings, films and files: how each is decoded, under which names it is stored, what it is called. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/ask.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "decode.h"
#include "ids.h"
#include "metrics.h"
#include "make.h"
#include "scan.h"
#include "waveform.h"

#define MIB(n)          ((uint64_t)(n) << 20)
#define TOLD_MOST       ((size_t)64 * 1024)
#define CPU_PER_MINUTE  2 /* seconds, of sound */
#define BEHIND_NICE     10
#define POSTER_BYTES    ((uint64_t)8 << 20)
#define TRANSCODE_NICE  19
#define TRANSCODE_CPU   8 /* seconds, of a second of film */
#define TRANSCODE_WALL  32
#define TRANSCODE_BYTES ((uint64_t)400 << 10) /* of a second: more than the encoders make */
#define SHORTER_MS      1000
#define FILM_LEAST      ((uint64_t)1 << 16) /* of room, however small the film */
#define FILM_PER_SECOND ((uint64_t)8 << 20) /* bytes that are copied within a second at least */

static struct job
job_of(const struct making *m)
{
	const struct conf *conf = m->u->conf;

	return (struct job){ .magic = JOB_MAGIC,
		             .nice = m->behind ? BEHIND_NICE : 0,
		             .sniffed = m->in.sniffed,
		             .offset = m->in.offset,
		             .size = m->in.size,
		             .max_pixels = (uint64_t)conf->media_image_megapixels * 1000000,
		             .max_frames = (uint32_t)conf->media_image_frames,
		             .hd = m->in.hd,
		             .max_seconds = (uint32_t)conf->media_audio_minutes * 60,
		             .cpu_seconds = (uint32_t)conf->media_cpu_seconds,
		             .wall_seconds = (uint32_t)conf->media_wall_seconds,
		             .memory_bytes = MIB(conf->media_memory_mib),
		             .output_bytes = JOB_OUTPUT_BYTES };
}

/* What is in each attachment, whatever its kind. Numbers that a kind has not are 0. */
static void
describe(struct making *m, const char *mime, uint64_t size, uint32_t width, uint32_t height)
{
	json_cstr(&m->w, "mime", mime);
	json_int(&m->w, "size", (int64_t)size);
	json_int(&m->w, "width", width);
	json_int(&m->w, "height", height);
}

static void
write_rendition_of(struct making *m, const char *name, const char *mime, uint32_t width, uint32_t height, uint64_t size)
{
	json_open_object(&m->w, NULL);
	json_cstr(&m->w, "name", name);
	json_cstr(&m->w, "mime", mime);
	if (width) {
		json_int(&m->w, "width", width);
		json_int(&m->w, "height", height);
	} else {
		json_put_null(&m->w, "width");
		json_put_null(&m->w, "height");
	}
	json_int(&m->w, "size", (int64_t)size);
	json_close(&m->w);
	m->bytes += size;
}

static void
write_rendition(struct making *m, const char *name, const char *mime, const struct rendition *r)
{
	write_rendition_of(m, name, mime, r->width, r->height, r->bytes.n);
}

static uint64_t
inline_most(const struct conf *conf)
{
	return MIB(conf->media_inline_mib);
}

static uint64_t
image_most(const struct conf *conf)
{
	return MIB(conf->media_image_mib);
}

static void
describe_image(struct making *m, const struct picture *p)
{
	struct str color = arena_printf(m->u->arena, "#%02x%02x%02x", p->color[0], p->color[1], p->color[2]);

	describe(m, "image/webp", p->main.bytes.n, p->main.width, p->main.height);
	json_bool(&m->w, "animated", p->animated);
	json_str(&m->w, "thumbhash", base64(m->u->arena, p->thumbhash.p, p->thumbhash.n));
	json_str(&m->w, "color", color);
	json_open_array(&m->w, "renditions");
	write_rendition(m, m->in.hd ? "hd" : "std", "image/webp", &p->main);
	write_rendition(m, "thumb", "image/webp", &p->thumb);
	json_close(&m->w);
}

static int
make_image(struct making *m)
{
	const struct job job = job_of(m);
	struct picture p;
	int r;

	r = decode_picture(m->u->arena, m->u->decoders[DECODER_IMAGE], &job, m->in.fd, m->u->conf->media_wait_seconds, &p);
	if (r)
		return trace(r);
	describe_image(m, &p);
	return store_write(m->u->store, m->id,
	                   (const struct store_file[]){ { .name = m->in.hd ? "hd.webp" : "std.webp", .bytes = p.main.bytes },
	                                                { .name = "thumb.webp", .bytes = p.thumb.bytes } },
	                   2);
}

static uint64_t
audio_most(const struct conf *conf)
{
	return MIB(conf->media_audio_mib);
}

static uint64_t
audio_inline_most(const struct conf *conf)
{
	return (uint64_t)conf->media_inline_audio_kib << 10;
}

/* What only sound has. */
static void
write_sound_facts(struct making *m, const struct sound *s)
{
	uint8_t bars[WAVEFORM_BARS];

	json_open_object(&m->w, "facts");
	json_int(&m->w, "duration_ms", s->duration_ms);
	json_str(&m->w, "waveform", base64(m->u->arena, s->waveform.p, s->waveform.n));
	waveform_bars((const uint8_t *)s->waveform.p, s->waveform.n, bars);
	json_open_array(&m->w, "bars");
	for (size_t i = 0; i < WAVEFORM_BARS; i++)
		json_int(&m->w, NULL, bars[i]);
	json_close(&m->w);
	if (s->loudness == JOB_SILENT)
		json_put_null(&m->w, "loudness_lufs");
	else
		json_raw(&m->w, "loudness_lufs", arena_printf(m->u->arena, "%.1f", s->loudness / 100.0));
	json_close(&m->w);
}

static void
describe_audio(struct making *m, const struct sound *s)
{
	describe(m, "audio/mp4", s->aac.bytes.n, 0, 0);
	json_bool(&m->w, "animated", false);
	json_open_array(&m->w, "renditions");
	write_rendition(m, "aac", "audio/mp4", &s->aac);
	write_rendition(m, "opus", "audio/webm; codecs=opus", &s->opus);
	json_close(&m->w);
	write_sound_facts(m, s);
}

static int
make_audio(struct making *m)
{
	struct job job = job_of(m);
	struct sound s;
	int r;

	job.cpu_seconds += (uint32_t)m->u->conf->media_audio_minutes * CPU_PER_MINUTE;
	if (m->behind)
		job.wall_seconds += job.wall_seconds * (job.cpu_seconds / (uint32_t)m->u->conf->media_cpu_seconds);
	r = decode_sound(m->u->arena, m->u->decoders[DECODER_AV], &job, m->in.fd, m->u->conf->media_wait_seconds, &s);
	if (r)
		return trace(r);
	describe_audio(m, &s);
	return store_write(m->u->store, m->id,
	                   (const struct store_file[]){ { .name = "aac.m4a", .bytes = s.aac.bytes },
	                                                { .name = "opus.webm", .bytes = s.opus.bytes } },
	                   2);
}

static uint64_t
video_most(const struct conf *conf)
{
	return MIB(conf->media_video_mib);
}

/* The frame goes the way of all pictures: through the other decoder, which makes what is shown. */
static int
make_poster(struct making *m, const struct film *f, struct picture *ret)
{
	struct job job = job_of(m);

	job.sniffed = SNIFF_PNG;
	job.offset = f->poster_offset;
	job.size = f->poster.bytes.n;
	return decode_picture(m->u->arena, m->u->decoders[DECODER_IMAGE], &job, f->output, m->u->conf->media_wait_seconds,
	                      ret);
}

static void
describe_video(struct making *m, const struct film *f, const struct picture *poster)
{
	struct str color = arena_printf(m->u->arena, "#%02x%02x%02x", poster->color[0], poster->color[1], poster->color[2]);

	describe(m, f->size ? "video/mp4" : MAKE_ANY_TYPE, f->size ? f->size : m->in.size, f->width, f->height);
	json_bool(&m->w, "animated", false);
	json_str(&m->w, "thumbhash", base64(m->u->arena, poster->thumbhash.p, poster->thumbhash.n));
	json_str(&m->w, "color", color);
	json_open_array(&m->w, "renditions");
	if (f->size)
		write_rendition_of(m, "video", "video/mp4", f->width, f->height, f->size);
	write_rendition(m, "poster", "image/webp", &poster->main);
	write_rendition(m, "thumb", "image/webp", &poster->thumb);
	json_close(&m->w);
	json_open_object(&m->w, "facts");
	json_int(&m->w, "duration_ms", f->duration_ms);
	json_close(&m->w);
}

/* An upload of the same person, with the same bytes; absent: there is none, or nobody to ask. Of others nobody learns anything. */
static struct str
find_twin(const struct making *m, struct str digest)
{
	struct str question = arena_printf(m->u->arena, "{\"owner_id\":\"%lld\",\"digest\":\"%.*s\"}", (long long)m->owner,
	                                   STR_ARG(digest));
	struct json_report report = { 0 };
	struct cgi_answer answer;
	json_t *ids;

	if (!store_shares(m->u->store) ||
	    ask_post(m->u->arena, m->u->door, "/upload/twin", m->u->request_id, question, DOOR_TIMEOUT_MS, &answer) ||
	    answer.status != 200 || ids_parse(m->u->arena, answer.body, &report, &ids))
		return STR_NONE;
	return str_c(json_string_value(json_array_get(ids, 0)));
}

static int
keep_original(struct making *m)
{
	struct store_source from = { m->in.fd, m->in.offset, m->in.size, m->in.whole, STR_NONE };
	unsigned char raw[SHA256_BYTES];
	struct str digest;
	int r;

	if (!bytes_sha256_file(from.fd, from.offset, from.size, raw))
		return fault(-errno);
	digest = hex(m->u->arena, raw, sizeof(raw));
	from.twin = find_twin(m, digest);
	r = store_original(m->u->store, m->id, &from);
	if (r)
		return trace(r);
	m->bytes += m->in.size;
	json_str(&m->w, "digest", digest);
	return 0;
}

static void
close_fd(void *arg)
{
	close((int)(intptr_t)arg);
}

static int
new_scratch(struct making *m, uint64_t bytes, int *ret)
{
	int r = store_scratch(m->u->store, bytes, ret);

	if (!r)
		arena_defer(m->u->arena, close_fd, (void *)(intptr_t)*ret);
	return r;
}

static bool
to_transcode(const struct making *m, const struct film *f)
{
	const struct conf *conf = m->u->conf;

	return !f->size && conf->media_transcode_workers && !m->as_it_is &&
	       f->duration_ms <= (uint64_t)conf->media_transcode_minutes * 60000 &&
	       (m->transcoding || !queue_room(m->u->transcode, m->owner));
}

/* Whatever is wrong with it, the film is kept as it came: only who may help another time is waited for. */
static int
transcode(struct making *m, struct film *f, int *fd)
{
	const int64_t began_us = clock_mono_us();
	uint32_t seconds = f->duration_ms / 1000 + 2;
	struct job job = job_of(m);
	struct film made = { 0 };
	int r;

	job.transcode = 1;
	job.nice = TRANSCODE_NICE;
	job.max_seconds = seconds;
	job.cpu_seconds += seconds * TRANSCODE_CPU;
	job.wall_seconds += seconds * TRANSCODE_WALL;
	job.output_bytes = JOB_RESULT_BYTES + POSTER_BYTES;
	job.film_bytes = FILM_LEAST + seconds * TRANSCODE_BYTES;
	r = new_scratch(m, job.film_bytes, fd);
	if (r)
		return trace(r);
	r = decode_film(m->u->arena, m->u->decoders[DECODER_AV], &job, m->in.fd, *fd, m->u->conf->media_wait_seconds, &made);
	/* one of which the rest could not be decoded is better kept for players that can */
	if (!r && (!made.size || made.duration_ms + SHORTER_MS < f->duration_ms / 10 * 9))
		r = CORRUPT;
	metrics_outcome(metrics->transcoded, r);
	metrics_took(&metrics->transcode_seconds, clock_mono_us() - began_us);
	LOG(INFO, "transcoded", L_STR("id", m->id), L_INT("bytes", (int64_t)m->in.size), L_INT("made", (int64_t)made.size),
	    L_INT("ms", (clock_mono_us() - began_us) / 1000), L_CSTR("outcome", r ? outcome_info(r)->code : "ok"));
	if (!r)
		*f = made;
	return r > 0 && outcome_info(r)->status == 422 ? 0 : r;
}

/* What browsers play is kept without what its camera wrote into it; anything else as it came, to be downloaded, or transcoded. */
static int
make_video(struct making *m)
{
	struct job job = job_of(m);
	struct picture poster;
	struct film f;
	int fd, r;

	job.output_bytes = JOB_RESULT_BYTES + POSTER_BYTES;
	job.film_bytes = m->in.size + m->in.size / 8 + FILM_LEAST;
	job.wall_seconds += (uint32_t)(m->in.size / FILM_PER_SECOND);
	r = new_scratch(m, job.film_bytes, &fd);
	if (!r)
		r = decode_film(m->u->arena, m->u->decoders[DECODER_AV], &job, m->in.fd, fd, m->u->conf->media_wait_seconds,
		                &f);
	m->later = !r && to_transcode(m, &f) && !m->transcoding;
	if (m->later)
		return 0;
	if (!r && to_transcode(m, &f))
		r = transcode(m, &f, &fd);
	if (!r)
		r = make_poster(m, &f, &poster);
	if (r)
		return trace(r);
	describe_video(m, &f, &poster);
	r = store_write(m->u->store, m->id,
	                (const struct store_file[]){ { .name = "poster.webp", .bytes = poster.main.bytes },
	                                             { .name = "thumb.webp", .bytes = poster.thumb.bytes },
	                                             { .name = "video.mp4", .bytes = STR_NONE, .fd = fd, .size = f.size } },
	                f.size ? 3 : 2);
	return r || f.size ? r : keep_original(m);
}

static uint64_t
file_most(const struct conf *conf)
{
	return MIB(conf->media_file_mib);
}

/* There is nothing to wait for but a scanner. */
static uint64_t
file_inline_most(const struct conf *conf)
{
	return *conf->clamd_address ? inline_most(conf) : UINT64_MAX;
}

static bool
anything(enum sniffed sniffed)
{
	(void)sniffed;
	return true;
}

/* Kept byte for byte, and never looked into. */
static int
make_file(struct making *m)
{
	describe(m, MAKE_ANY_TYPE, m->in.size, 0, 0);
	json_bool(&m->w, "animated", false);
	json_open_array(&m->w, "renditions");
	json_close(&m->w);
	return keep_original(m);
}

static const struct upload_kind kinds[] = {
	{ "image", "/api/v1/messages/upload-image", "image/webp", image_most, inline_most, sniff_picture, false,
	  make_image },
	{ "audio", "/api/v1/messages/upload-audio", "audio/mp4", audio_most, audio_inline_most, sniff_sound, false,
	  make_audio },
	{ "video", "/api/v1/messages/upload-video", "video/mp4", video_most, inline_most, sniff_film, true, make_video },
	{ "file", "/api/v1/messages/upload-file", MAKE_ANY_TYPE, file_most, file_inline_most, anything, true, make_file },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

const struct upload_kind *
upload_kind_of(struct str path)
{
	for (size_t i = 0; i < KINDS; i++)
		if (str_eq(path, str_c(kinds[i].path)))
			return &kinds[i];
	return NULL;
}

const struct upload_kind *
make_kind(struct str name)
{
	for (size_t i = 0; i < KINDS; i++)
		if (str_eq(name, str_c(kinds[i].name)))
			return &kinds[i];
	return NULL;
}

static void
buf_free(void *buf)
{
	buf_deinit(buf);
}

static int
make_of_kind(struct making *m, const struct upload_kind *kind)
{
	int64_t began_us = clock_mono_us();
	int r = kind->scanned ? scan(m) : 0;

	if (!r)
		r = kind->make(m);
	if (m->later)
		return 0;
	metrics_job(kind->name, r, clock_mono_us() - began_us, m->in.size, m->bytes);
	return r;
}

int
make_told(struct making *m, const struct upload_kind *kind, void (*open)(struct making *, const void *), const void *arg,
          struct str *ret)
{
	struct buf *b = arena_new_of(m->u->arena, struct buf);
	int r = 0;

	buf_init(b, TOLD_MOST);
	arena_defer(m->u->arena, buf_free, b);
	json_begin(&m->w, b);
	json_open_object(&m->w, NULL);
	open(m, arg);
	if (kind)
		r = make_of_kind(m, kind);
	if (r)
		return trace(r);
	json_int(&m->w, "bytes", (int64_t)m->bytes);
	json_close(&m->w);
	json_end(&m->w);
	*ret = buf_view(b);
	return 0;
}
