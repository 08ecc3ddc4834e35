/* media/zip.c -- headers in little endian, and deflate between them. */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "folder.h"
#include "zip.h"

#define LOCAL_N   30
#define CENTRAL_N 46
#define WIDE_N    20 /* of the extra field of a local header: id, length, two sizes */
#define VERSION   45 /* 4.5: sizes of 64 bits */
#define UTF8      0x0800
#define ALL_ONES  0xffffffffu
#define PIECE     ((size_t)64 * 1024)

struct bytes {
	unsigned char p[256];
	size_t n;
};

static void
put(struct bytes *b, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		b->p[b->n++] = (unsigned char)(v >> (8 * i));
}

static struct str
view(const struct bytes *b)
{
	return str_n((const char *)b->p, b->n);
}

static int
append(struct zip *z, struct str bytes)
{
	int r = write_whole(z->fd, bytes);

	z->at += bytes.n;
	return r;
}

static uint32_t
dos_time(int64_t now_us)
{
	time_t at = (time_t)(now_us / 1000000);
	struct tm t;

	gmtime_r(&at, &t);
	return (uint32_t)(t.tm_year - 80) << 25 | (uint32_t)(t.tm_mon + 1) << 21 | (uint32_t)t.tm_mday << 16 |
	       (uint32_t)t.tm_hour << 11 | (uint32_t)t.tm_min << 5 | (uint32_t)t.tm_sec / 2;
}

int
zip_init(struct zip *z, int fd, int central, int64_t now_us)
{
	*z = (struct zip){ .fd = fd, .central = central, .time = dos_time(now_us) };
	if (deflateInit2(&z->z, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return fault(-ENOMEM);
	return 0;
}

void
zip_deinit(struct zip *z)
{
	deflateEnd(&z->z);
}

/* What both headers of an entry have in common. Sizes stand in the extra field. */
static void
put_common(const struct zip *z, struct bytes *b, size_t extra)
{
	put(b, VERSION, 2);
	put(b, UTF8, 2);
	put(b, z->entry.packed ? Z_DEFLATED : 0, 2);
	put(b, z->time, 4);
	put(b, z->entry.crc, 4);
	put(b, ALL_ONES, 4);
	put(b, ALL_ONES, 4);
	put(b, z->entry.name_n, 2);
	put(b, extra, 2);
}

static void
put_sizes(const struct zip *z, struct bytes *b, size_t n)
{
	put(b, 1, 2);
	put(b, n, 2);
	put(b, z->entry.size, 8);
	put(b, z->entry.stored, 8);
}

/* Twice: before the bytes, and over it when they are known. */
static struct bytes
local_header(const struct zip *z)
{
	struct bytes b = { 0 };

	put(&b, 0x04034b50, 4);
	put_common(z, &b, WIDE_N);
	return b;
}

int
zip_begin(struct zip *z, struct str name, bool packed)
{
	struct bytes head, sizes = { 0 };
	int r;

	z->entry.at = z->at;
	z->entry.size = z->entry.stored = 0;
	z->entry.crc = (uint32_t)crc32(0, NULL, 0);
	z->entry.packed = packed;
	z->entry.name_n = name.n < ZIP_NAME_MOST ? name.n : ZIP_NAME_MOST;
	memcpy(z->entry.name, name.p, z->entry.name_n);
	deflateReset(&z->z);
	head = local_header(z);
	put_sizes(z, &sizes, 16);
	r = append(z, view(&head));
	if (!r)
		r = append(z, str_n(z->entry.name, z->entry.name_n));
	return r ? r : append(z, view(&sizes));
}

static int
deflate_on(struct zip *z, struct str bytes, int flush)
{
	char out[PIECE];
	int done, r = 0;

	z->z.next_in = (unsigned char *)(uintptr_t)bytes.p;
	z->z.avail_in = (unsigned)bytes.n;
	do {
		z->z.next_out = (unsigned char *)out;
		z->z.avail_out = sizeof(out);
		done = deflate(&z->z, flush);
		r = append(z, str_n(out, sizeof(out) - z->z.avail_out));
	} while (!r && done == Z_OK && (!z->z.avail_out || flush == Z_FINISH));
	return r;
}

int
zip_data(struct zip *z, struct str bytes)
{
	int r = 0;

	while (bytes.n && !r) {
		struct str piece = str_n(bytes.p, bytes.n < PIECE ? bytes.n : PIECE);

		z->entry.crc = (uint32_t)crc32(z->entry.crc, (const unsigned char *)piece.p, (unsigned)piece.n);
		z->entry.size += piece.n;
		r = z->entry.packed ? deflate_on(z, piece, Z_NO_FLUSH) : append(z, piece);
		bytes = str_n(bytes.p + piece.n, bytes.n - piece.n);
	}
	return r;
}

static int
over(struct zip *z, const struct bytes *b, uint64_t at)
{
	return pwrite(z->fd, b->p, b->n, (off_t)at) == (ssize_t)b->n ? 0 : disk_fault();
}

/* What the end of the archive says of the entry. */
static int
note(struct zip *z)
{
	struct bytes b = { 0 }, wide = { 0 };
	int r;

	put(&b, 0x02014b50, 4);
	put(&b, 3 << 8 | VERSION, 2);
	put_common(z, &b, WIDE_N + 8);
	put(&b, 0, 6); /* comment, disk, attributes of those in here */
	put(&b, UINT32_C(0100644) << 16, 4);
	put(&b, ALL_ONES, 4);
	put_sizes(z, &wide, 24);
	put(&wide, z->entry.at, 8);
	r = write_whole(z->central, view(&b));
	if (!r)
		r = write_whole(z->central, str_n(z->entry.name, z->entry.name_n));
	if (!r)
		r = write_whole(z->central, view(&wide));
	z->central_n += b.n + z->entry.name_n + wide.n;
	z->entries++;
	return r;
}

int
zip_end(struct zip *z)
{
	uint64_t data = z->entry.at + LOCAL_N + z->entry.name_n + WIDE_N;
	struct bytes head, sizes = { 0 };
	int r = z->entry.packed ? deflate_on(z, STR(""), Z_FINISH) : 0;

	if (r)
		return r;
	z->entry.stored = z->at - data;
	head = local_header(z);
	put_sizes(z, &sizes, 16);
	r = over(z, &head, z->entry.at);
	if (!r)
		r = over(z, &sizes, data - WIDE_N);
	return r ? r : note(z);
}

int
zip_cancel(struct zip *z)
{
	z->at = z->entry.at;
	if (ftruncate(z->fd, (off_t)z->at) || lseek(z->fd, (off_t)z->at, SEEK_SET) < 0)
		return fault(-errno);
	return 0;
}

static int
copy_central(struct zip *z)
{
	char piece[PIECE];
	uint64_t at = 0;
	int r = 0;

	while (!r && at < z->central_n) {
		ssize_t n = pread(z->central, piece, sizeof(piece), (off_t)at);

		if (n <= 0)
			return fault(n ? -errno : -EIO);
		r = append(z, str_n(piece, (size_t)n));
		at += (uint64_t)n;
	}
	return r;
}

int
zip_finish(struct zip *z)
{
	uint64_t central = z->at, end;
	struct bytes b = { 0 };
	int r = copy_central(z);

	end = z->at;
	put(&b, 0x06064b50, 4);
	put(&b, 44, 8);
	put(&b, VERSION, 2);
	put(&b, VERSION, 2);
	put(&b, 0, 8);
	put(&b, z->entries, 8);
	put(&b, z->entries, 8);
	put(&b, z->central_n, 8);
	put(&b, central, 8);
	put(&b, 0x07064b50, 4);
	put(&b, 0, 4);
	put(&b, end, 8);
	put(&b, 1, 4);
	put(&b, 0x06054b50, 4);
	put(&b, 0, 4);
	put(&b, ALL_ONES, 4);
	put(&b, ALL_ONES, 4);
	put(&b, ALL_ONES, 4);
	put(&b, 0, 2);
	return r ? r : append(z, view(&b));
}
