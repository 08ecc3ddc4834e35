/* media/upload.c -- POST /messages/upload-image. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <fcgiapp.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/json_out.h"
#include "decode.h"
#include "base/ask.h"
#include "multipart.h"
#include "sniff.h"
#include "upload.h"

#define MIB(n)          ((uint64_t)(n) << 20)
#define DOOR_TIMEOUT_MS 5000
#define QUESTION_MOST   ((size_t)64 * 1024)
#define CHUNK           65536

/* What the client has sent, and where it is. */
struct incoming {
	bool hd;
	struct str name; /* as sent; the workers clean it */
	int fd;
	uint64_t offset, size; /* of the file within the body */
	enum sniffed sniffed;
};

struct str
upload_param(const struct upload *u, const char *name)
{
	struct str value = str_c(FCGX_GetParam(name, u->params));

	return value.n ? value : STR_NONE;
}

static int
invalid(struct upload *u, const char *path, const char *code, const char *message)
{
	u->report = (struct json_report){ .path = str_c(path), .code = code, .message = message };
	return INVALID;
}

static int
take_query(struct upload *u, struct str name, struct str value, struct incoming *in)
{
	struct str text;

	if (!str_percent_decode(u->arena, str_present(value) ? value : STR(""), true, &text) || !str_utf8_valid(text))
		return str_eq(name, STR("filename")) || str_eq(name, STR("quality"))
		               ? invalid(u, "?filename", "format", "This is not percent-encoded UTF-8.")
		               : 0;
	if (str_eq(name, STR("filename")))
		in->name = text;
	if (!str_eq(name, STR("quality")))
		return 0;
	in->hd = str_eq(text, STR("hd"));
	return in->hd || str_eq(text, STR("standard")) ? 0 : invalid(u, "?quality", "word", "Quality is standard or hd.");
}

static int
read_query(struct upload *u, struct incoming *in)
{
	struct str query = upload_param(u, "REQUEST_URI");

	str_cut(&query, '?');
	while (str_present(query)) {
		struct str value = str_cut(&query, '&'), name = str_cut(&value, '=');
		int r = take_query(u, name, value, in);

		if (r)
			return r;
	}
	return 0;
}

static void
close_fd(void *arg)
{
	close((int)(intptr_t)arg);
}

/* nginx makes no file for an empty body. */
static int
open_body(struct upload *u, struct incoming *in)
{
	struct str path = upload_param(u, "PEAL_BODY_FILE");
	int r;

	if (!str_present(path))
		return EMPTY;
	r = store_body(u->store, u->arena, path, &in->fd, &in->size);
	if (r)
		return trace(r);
	arena_defer(u->arena, close_fd, (void *)(intptr_t)in->fd);
	return in->size ? 0 : EMPTY;
}

/* The place of the part `file`; nothing is copied. */
static int
find_part(struct upload *u, struct incoming *in)
{
	struct multipart *m = arena_new_of(u->arena, struct multipart);
	char *bytes = arena_alloc(u->arena, CHUNK);
	uint64_t at = 0;
	ssize_t n;

	if (!multipart_begin(m, upload_param(u, "CONTENT_TYPE")))
		return BAD_REQUEST;
	while ((n = pread(in->fd, bytes, CHUNK, (off_t)at)) > 0 && multipart_feed(m, bytes, (size_t)n))
		at += (uint64_t)n;
	if (n < 0)
		return fault(-errno);
	if (at != in->size || !multipart_end(m))
		return m->found || at != in->size ? BAD_REQUEST : EMPTY;
	in->offset = m->offset;
	in->size = m->size;
	if (m->name_n && str_utf8_valid(str_n(m->name, m->name_n)))
		in->name = str_n(m->name, m->name_n);
	return m->size ? 0 : EMPTY;
}

static bool
is_form(struct str content_type)
{
	return str_eq_ascii_case(str_trim(str_cut(&content_type, ';')), STR("multipart/form-data"));
}

static int
look(struct upload *u, struct incoming *in)
{
	char head[SNIFF_BYTES];
	ssize_t n;

	if (in->size > MIB(u->conf->media_image_mib))
		return TOO_LARGE;
	n = pread(in->fd, head, in->size < sizeof(head) ? in->size : sizeof(head), (off_t)in->offset);
	if (n < 0)
		return fault(-errno);
	in->sniffed = sniff(str_n(head, (size_t)n));
	return in->sniffed == SNIFF_UNKNOWN ? UNSUPPORTED_TYPE : 0;
}

static int
receive(struct upload *u, struct incoming *in)
{
	int r;

	r = read_query(u, in);
	if (r)
		return r;
	r = open_body(u, in);
	if (r)
		return r;
	if (is_form(upload_param(u, "CONTENT_TYPE"))) {
		r = find_part(u, in);
		if (r)
			return r;
	}
	return look(u, in);
}

static int
decode(struct upload *u, const struct incoming *in, struct picture *ret)
{
	const struct conf *conf = u->conf;
	const struct job job = { .magic = JOB_MAGIC,
		                 .sniffed = in->sniffed,
		                 .offset = in->offset,
		                 .size = in->size,
		                 .max_pixels = (uint64_t)conf->media_image_megapixels * 1000000,
		                 .max_frames = (uint32_t)conf->media_image_frames,
		                 .hd = in->hd,
		                 .cpu_seconds = (uint32_t)conf->media_cpu_seconds,
		                 .wall_seconds = (uint32_t)conf->media_wall_seconds,
		                 .memory_bytes = MIB(conf->media_memory_mib),
		                 .output_bytes = JOB_OUTPUT_BYTES };

	return decode_picture(u->arena, u->decoders, &job, in->fd, conf->media_wait_seconds, ret);
}

static int
keep(struct upload *u, const struct incoming *in, struct str id, const struct picture *p)
{
	const struct store_file files[] = { { in->hd ? "hd.webp" : "std.webp", p->main.bytes },
		                            { "thumb.webp", p->thumb.bytes } };

	return store_write(u->store, id, files, sizeof(files) / sizeof(files[0]));
}

static void
write_rendition(struct json_out *w, const char *name, const struct rendition *r)
{
	json_open_object(w, NULL);
	json_cstr(w, "name", name);
	json_cstr(w, "mime", "image/webp");
	json_int(w, "width", r->width);
	json_int(w, "height", r->height);
	json_int(w, "size", (int64_t)r->bytes.n);
	json_close(w);
}

/* Standard base64 (RFC 4648 section 4), which is how ThumbHash travels. */
static struct str
base64(struct arena *a, struct str s)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *out = arena_alloc(a, (s.n + 2) / 3 * 4 + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i += 3) {
		unsigned char in[3] = { (unsigned char)s.p[i], i + 1 < s.n ? (unsigned char)s.p[i + 1] : 0,
			                i + 2 < s.n ? (unsigned char)s.p[i + 2] : 0 };

		out[n++] = digits[in[0] >> 2];
		out[n++] = digits[(in[0] & 3) << 4 | in[1] >> 4];
		out[n++] = i + 1 < s.n ? digits[(in[1] & 15) << 2 | in[2] >> 6] : '=';
		out[n++] = i + 2 < s.n ? digits[in[2] & 63] : '=';
	}
	return str_n(out, n);
}

static void
buf_free(void *buf)
{
	buf_deinit(buf);
}

/* What the workers are told about it. */
static struct str
registration(struct upload *u, const struct incoming *in, struct str id, int64_t owner, const struct picture *p)
{
	struct buf *b = arena_new_of(u->arena, struct buf);
	struct json_out w;

	buf_init(b, QUESTION_MOST);
	arena_defer(u->arena, buf_free, b);
	json_begin(&w, b);
	json_open_object(&w, NULL);
	json_str(&w, "id", id);
	json_id(&w, "owner_id", owner);
	json_cstr(&w, "kind", "image");
	json_str(&w, "name", in->name);
	json_int(&w, "size", (int64_t)p->main.bytes.n);
	json_cstr(&w, "mime", "image/webp");
	json_int(&w, "width", p->main.width);
	json_int(&w, "height", p->main.height);
	json_bool(&w, "animated", p->animated);
	json_str(&w, "thumbhash", base64(u->arena, p->thumbhash));
	json_str(&w, "color", arena_printf(u->arena, "#%02x%02x%02x", p->color[0], p->color[1], p->color[2]));
	json_open_array(&w, "renditions");
	write_rendition(&w, in->hd ? "hd" : "std", &p->main);
	write_rendition(&w, "thumb", &p->thumb);
	json_close(&w);
	json_int(&w, "bytes", (int64_t)(p->main.bytes.n + p->thumb.bytes.n));
	json_close(&w);
	json_end(&w);
	return buf_view(b);
}

/* The workers' answer is the client's: the attachment with its links, or the refusal. */
static int
register_with_workers(struct upload *u, struct str body)
{
	struct cgi_answer answer;
	int r;

	r = ask_post(u->arena, u->door, "/upload/attachment", u->request_id, body, DOOR_TIMEOUT_MS, &answer);
	if (r)
		return trace(r);
	u->status = answer.status;
	u->retry_after_seconds = answer.retry_after_seconds > 0 ? answer.retry_after_seconds : 0;
	u->content_type = answer.content_type;
	u->body = answer.body;
	return 0;
}

static int
store_and_register(struct upload *u, const struct incoming *in, int64_t owner, const struct picture *p)
{
	struct str id = store_new_id(u->arena);
	int r;

	r = keep(u, in, id, p);
	if (!r)
		r = register_with_workers(u, registration(u, in, id, owner, p));
	/* when it is unknown whether it was registered, the sweep will know */
	if ((r && r != UNCERTAIN) || (!r && u->status != 201))
		(void)store_remove(u->store, id);
	return r;
}

int
upload_image(struct upload *u)
{
	struct incoming in = { .name = STR_NONE, .fd = -1 };
	struct picture picture;
	int64_t owner;
	int r;

	if (!str_id(upload_param(u, "PEAL_UPLOAD_USER"), &owner))
		return UNAUTHENTICATED;
	r = store_room(u->store);
	if (r)
		return trace(r);
	r = receive(u, &in);
	if (r)
		return trace(r);
	r = decode(u, &in, &picture);
	if (r)
		return trace(r);
	return store_and_register(u, &in, owner, &picture);
}
