/* media/tus/request.c -- tus 1.0.0: core, creation, creation-with-upload, expiration, checksum, termination. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "loop.h"
#include "media/metrics.h"
#include "media/folder.h"
#include "wire/problem.h"
#include "wire/retry_key.h"

#define MIB(n)         ((uint64_t)(n) << 20)
#define ROOM_STEP      ((uint64_t)8 << 20) /* so often the disk is looked at */
#define METADATA_MOST  4096
#define PER_USER_MOST  8 /* bodies of one person at a time */
#define DAY_SECONDS    86400
#define HTTP_DATE_SIZE 32
#define UNKNOWN        UINT64_MAX
#define OCTETS         "application/offset+octet-stream"

static struct str
param(const struct conn *c, const char *name)
{
	return fastcgi_param(&c->in, str_c(name));
}

static int
invalid(struct conn *c, const char *path, const char *code, const char *message)
{
	c->report = (struct json_report){ .path = str_c(path), .code = code, .message = message };
	return INVALID;
}

static void
add_offset(struct conn *c)
{
	char date[HTTP_DATE_SIZE];
	time_t at = (time_t)(c->parcel.expires_us / 1000000);
	struct tm tm;

	gmtime_r(&at, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	buf_printf(&c->headers, "Upload-Offset: %llu\r\nUpload-Expires: %s\r\n", (unsigned long long)c->parcel.offset, date);
	if (c->parcel.attachment.n)
		buf_printf(&c->headers, "Peal-Attachment: %.*s\r\n", STR_ARG(c->parcel.attachment));
}

/* The answer to what has been done, whatever it was. */
static void
done(struct conn *c)
{
	bool head = str_eq(c->method, STR("HEAD"));

	add_offset(c);
	if (c->creating)
		buf_printf(&c->headers, "Location: /api/v1/uploads/%.*s\r\n", STR_ARG(c->parcel.id));
	if (c->replayed)
		buf_str(&c->headers, STR("Idempotency-Replayed: true\r\n"));
	if (head) {
		buf_printf(&c->headers, "Upload-Length: %llu\r\n", (unsigned long long)c->parcel.length);
		if (c->parcel.metadata.n)
			buf_printf(&c->headers, "Upload-Metadata: %.*s\r\n", STR_ARG(c->parcel.metadata));
	}
	conn_reply(c, c->replayed || head ? 200 : c->creating ? 201 : 204, STR_NONE, STR_NONE);
}

static void
done_or_refused(struct conn *c, int r)
{
	if (r)
		conn_refuse(c, r);
	else
		done(c);
}

void
request_finished(struct conn *c, int r, struct str attachment, int64_t retry_after_seconds)
{
	c->parcel.attachment = r ? STR_NONE : arena_str(c->arena, attachment);
	c->retry_after_seconds = retry_after_seconds;
	done_or_refused(c, r);
}

/* All that there is has come: make something of it, or say what was made of it. */
static void
settle(struct conn *c)
{
	struct parcel *p = &c->parcel;

	if (p->over) {
		done_or_refused(c, p->attachment.n ? 0 : problem_outcome(p->refusal));
	} else if (p->offset < p->length) {
		done(c);
	} else {
		metrics_add(&metrics->tus_whole, 1);
		finish_begin(c);
	}
}

/* The newest wins: an older request may be one whose end nobody has noticed yet, and its bytes may not follow ours. */
static void
end_older(struct conn *c)
{
	for (struct conn *o = c->tus->conns; o; o = o->next)
		if (o != c && o->state == CONN_RECEIVING && o->owner == c->owner && str_eq(o->parcel.id, c->parcel.id))
			conn_refuse(o, CONFLICT);
}

static int
find(struct conn *c)
{
	end_older(c);
	return parcel_find(&c->tus->parcels, c->arena, c->owner, c->parcel.id, clock_wall_us(), &c->parcel);
}

static uint64_t
most_of(const struct conf *conf, struct str kind)
{
	return MIB(str_eq(kind, STR("image"))   ? conf->media_image_mib
	           : str_eq(kind, STR("audio")) ? conf->media_audio_mib
	           : str_eq(kind, STR("video")) ? conf->media_video_mib
	                                        : conf->media_file_mib);
}

static bool
octets(struct str type)
{
	return str_eq_ascii_case(str_trim(str_cut(&type, ';')), STR(OCTETS));
}

/* How much is still to come of this body, if it is said; and whether that fits. */
static int
announce(struct conn *c)
{
	struct str length = param(c, "CONTENT_LENGTH");

	c->announced = UNKNOWN;
	if (str_present(length) && !tus_number(length, &c->announced))
		return BAD_REQUEST;
	return c->announced != UNKNOWN && c->announced > c->parcel.length - c->parcel.offset ? TOO_LARGE : 0;
}

static bool
too_many_bodies(const struct conn *c)
{
	size_t n = 0;

	for (const struct conn *o = c->tus->conns; o; o = o->next)
		n += o->state == CONN_RECEIVING && o->owner == c->owner;
	return n >= PER_USER_MOST;
}

/* A chunk that has a checksum waits beside until it is known to be right. */
static int
begin_checksum(struct conn *c)
{
	struct str text = param(c, "HTTP_UPLOAD_CHECKSUM");

	if (!str_present(text))
		return 0;
	if (!tus_checksum(c->arena, text, &c->checksum))
		return invalid(c, "Upload-Checksum", "format", "A checksum is sha1 or sha256, a blank, and base64.");
	c->digest = EVP_MD_CTX_new();
	if (!c->digest || !EVP_DigestInit_ex(c->digest, EVP_get_digestbyname(c->checksum.algorithm), NULL))
		return fault(-ENOMEM);
	return parcel_beside(&c->tus->parcels, c->arena, &c->parcel, &c->beside);
}

/* From here on the body is taken. */
static int
receive(struct conn *c)
{
	int r = announce(c);

	if (!r && too_many_bodies(c))
		r = RATE_LIMITED;
	if (!r)
		r = begin_checksum(c);
	if (!r)
		c->state = CONN_RECEIVING;
	return r;
}

/* What the worker who let them in says is left to them; what they have begun already is counted as if it were there. */
static int
check_quota(struct conn *c)
{
	struct tus *t = c->tus;
	uint64_t room = UNKNOWN, today = UNKNOWN, begun;
	size_t n;
	int r;

	r = parcels_of(&t->parcels, c->arena, c->owner, &n, &begun);
	if (r)
		return trace(r);
	if (n >= (size_t)t->conf->media_tus_per_user)
		return TOO_MANY;
	(void)tus_number(param(c, "PEAL_UPLOAD_ROOM"), &room);
	(void)tus_number(param(c, "PEAL_UPLOAD_TODAY"), &today);
	begun += c->parcel.length;
	if (begun > room)
		return NO_SPACE;
	if (begun > today) {
		c->retry_after_seconds = DAY_SECONDS - clock_wall_us() / 1000000 % DAY_SECONDS;
		return RATE_LIMITED;
	}
	return parcels_room(&t->parcels, begun);
}

static int
read_creation(struct conn *c)
{
	struct str metadata = param(c, "HTTP_UPLOAD_METADATA");
	struct tus_metadata m;
	const char *wrong;

	if (str_present(param(c, "HTTP_UPLOAD_DEFER_LENGTH")) || str_present(param(c, "HTTP_UPLOAD_CONCAT")))
		return invalid(c, "Upload-Length", "required", "Deferred lengths and concatenation are not spoken here.");
	if (!tus_number(param(c, "HTTP_UPLOAD_LENGTH"), &c->parcel.length))
		return invalid(c, "Upload-Length", "required", "A number of bytes.");
	wrong = metadata.n > METADATA_MOST ? "Upload-Metadata is longer than 4096 bytes."
	                                   : tus_metadata(c->arena, metadata, &m);
	if (wrong)
		return invalid(c, "Upload-Metadata", "format", wrong);
	c->parcel.kind = m.kind;
	c->parcel.name = m.name;
	c->parcel.hd = m.hd;
	c->parcel.metadata = metadata;
	if (!c->parcel.length)
		return EMPTY;
	return c->parcel.length > most_of(c->tus->conf, m.kind) ? TOO_LARGE : 0;
}

static int
begin_new(struct conn *c)
{
	struct str type = param(c, "CONTENT_TYPE");
	int r = announce(c);

	if (!r && c->announced && c->announced != UNKNOWN && !octets(type))
		r = UNSUPPORTED_MEDIA_TYPE;
	if (!r)
		r = check_quota(c);
	if (!r)
		r = parcel_new(&c->tus->parcels, c->arena, &c->parcel);
	if (r)
		return trace(r);
	metrics_add(&metrics->tus_begun, 1);
	if (!octets(type)) {
		done(c);
		return 0;
	}
	r = receive(c);
	if (r)
		(void)parcel_remove(&c->tus->parcels, c->owner, c->parcel.id); /* nobody will learn its name */
	return r;
}

/*
 * The key names the upload, so what it has begun is found where everything else about it is. Bytes that came with a retry are not
 * looked at: the answer says how many are there, and the client goes on behind them.
 */
static int
begin_by_key(struct conn *c, struct str key)
{
	const struct parcels *parcels = &c->tus->parcels;
	struct parcel asked = c->parcel;
	int r;

	if (!retry_key_ok(key))
		return invalid(c, "Idempotency-Key", "format", RETRY_KEY_RULE);
	c->parcel.id = asked.id = parcel_id_of_key(c->arena, c->owner, key);
	r = find(c);
	if (r == NOT_FOUND || r == GONE) {
		c->parcel = asked;
		r = parcel_remove(parcels, c->owner,
		                  c->parcel.id); /* what is left of one that has expired, or was begun by halves */
		return r ? trace(r) : begin_new(c);
	}
	if (r)
		return trace(r);
	if (c->parcel.length != asked.length || !str_eq(c->parcel.metadata, asked.metadata))
		return IDEMPOTENCY_CONFLICT;
	c->replayed = true;
	settle(c);
	return 0;
}

static int
create(struct conn *c)
{
	struct str key = param(c, "HTTP_IDEMPOTENCY_KEY");
	int r;

	c->creating = true;
	r = read_creation(c);
	if (r)
		return trace(r);
	return str_present(key) ? begin_by_key(c, key) : begin_new(c);
}

static int
patch(struct conn *c)
{
	uint64_t offset;
	int r;

	if (!octets(param(c, "CONTENT_TYPE")))
		return UNSUPPORTED_MEDIA_TYPE;
	if (!tus_number(param(c, "HTTP_UPLOAD_OFFSET"), &offset))
		return invalid(c, "Upload-Offset", "required", "The number of bytes that the server has.");
	r = find(c);
	if (r)
		return trace(r);
	if (offset != c->parcel.offset) {
		add_offset(c);
		return OFFSET_CONFLICT;
	}
	return receive(c);
}

static int
head(struct conn *c)
{
	int r = find(c);

	if (r)
		return trace(r);
	settle(c);
	return 0;
}

/* What an attachment was made of stays one. */
static int
terminate(struct conn *c)
{
	int r = find(c);

	if (r)
		return trace(r);
	finish_drop(c->tus, c->owner, c->parcel.id);
	r = parcel_remove(&c->tus->parcels, c->owner, c->parcel.id);
	if (r)
		return trace(r);
	conn_reply(c, 204, STR_NONE, STR_NONE);
	return 0;
}

typedef int method_fn(struct conn *);

/* What the method does, to an upload or where they are made; NULL for nothing. */
static method_fn *
method_of(struct conn *c, bool made)
{
	static const struct {
		const char *name;
		bool made; /* on an upload; otherwise where they are made */
		method_fn *fn;
	} methods[] = {
		{ "POST", false, create }, { "HEAD", true, head }, { "PATCH", true, patch }, { "DELETE", true, terminate }
	};

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (methods[i].made == made && str_eq(c->method, str_c(methods[i].name)))
			return methods[i].fn;
	return NULL;
}

static int
begin(struct conn *c)
{
	struct str uri = param(c, "REQUEST_URI"), path = str_cut(&uri, '?'), id;
	struct str instead = param(c, "HTTP_X_HTTP_METHOD_OVERRIDE");
	method_fn *method;

	c->method = str_present(instead) ? instead : param(c, "REQUEST_METHOD");
	if (!str_id(param(c, "PEAL_UPLOAD_USER"), &c->owner))
		return UNAUTHENTICATED;
	if (!tus_path(path, &id))
		return NOT_FOUND;
	method = method_of(c, str_present(id));
	if (!method) {
		buf_printf(&c->headers, "Allow: %s\r\n", str_present(id) ? "HEAD, PATCH, DELETE" : "OPTIONS, POST");
		return METHOD_NOT_ALLOWED;
	}
	if (!str_eq(param(c, "HTTP_TUS_RESUMABLE"), STR(TUS_SPOKEN))) {
		buf_str(&c->headers, STR("Tus-Version: " TUS_SPOKEN "\r\n"));
		return TUS_VERSION;
	}
	c->parcel = (struct parcel){ .owner = c->owner, .id = id, .fd = -1 };
	return method(c);
}

static void
take_request_id(struct conn *c)
{
	unsigned char random[ATTACHMENT_ID_N / 2];

	c->request_id = param(c, "PEAL_REQUEST_ID");
	if (attachment_id_ok(c->request_id)) /* the same form */
		return;
	bytes_random(random, sizeof(random));
	c->request_id = hex(c->arena, random, sizeof(random));
}

void
request_begin(struct conn *c)
{
	int r;

	take_request_id(c);
	r = begin(c);
	if (r)
		conn_refuse(c, r);
}

static int
keep(struct conn *c, struct str piece)
{
	uint64_t before = c->got;
	int r = 0;

	c->got += piece.n;
	metrics_add(&metrics->tus_bytes, piece.n);
	if (c->got > c->announced || c->got + (c->digest ? c->parcel.offset : c->parcel.offset - before) > c->parcel.length)
		return TOO_LARGE;
	if (before / ROOM_STEP != c->got / ROOM_STEP)
		r = parcels_room(&c->tus->parcels, 0);
	if (r)
		return trace(r);
	parcel_renew(&c->tus->parcels, &c->parcel, clock_wall_us());
	if (!c->digest)
		return parcel_append(&c->parcel, piece);
	return EVP_DigestUpdate(c->digest, piece.p, piece.n) ? write_whole(c->beside, piece) : fault(-EIO);
}

void
request_body(struct conn *c, struct str piece)
{
	int r = keep(c, piece);

	if (r)
		conn_refuse(c, r);
}

static int
check_chunk(struct conn *c)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (!c->digest)
		return 0;
	if (!EVP_DigestFinal_ex(c->digest, digest, &n))
		return fault(-EIO);
	if (n != c->checksum.n || !bytes_equal(digest, c->checksum.digest, n))
		return CHECKSUM_MISMATCH;
	return parcel_join(&c->parcel, c->beside, c->got);
}

void
request_end(struct conn *c)
{
	int r;

	if (c->announced != UNKNOWN && c->got != c->announced)
		return conn_end(c);
	r = check_chunk(c);
	if (r)
		conn_refuse(c, r);
	else
		settle(c);
}
