/* inflate.c -- one zlib stream, one buffer that grows up to the largest message. */
#include "inflate.h"

#include <zlib.h>

#include "codec.h"
#include "mem.h"

#define FIRST_BYTES 8192

struct inflater {
	z_stream z;
	unsigned char *out;
	size_t size;
	bool boundary; /* the last byte read ended a block */
};

/* Senders leave these off (RFC 7692 section 7.2.1). */
static const unsigned char tail[] = { 0, 0, 0xff, 0xff };

struct inflater *
inflater_new(void)
{
	struct inflater *in = mem_zeroed(sizeof(*in));

	if (inflateInit2(&in->z, -MAX_WBITS) != Z_OK)
		abort();
	in->size = FIRST_BYTES;
	in->out = mem_array(NULL, in->size, 1);
	return in;
}

void
inflater_free(struct inflater *in)
{
	if (!in)
		return;
	inflateEnd(&in->z);
	free(in->out);
	free(in);
}

/* One byte more than what is allowed is room enough to see that there is more. */
static void
make_room(struct inflater *in, size_t used, size_t most)
{
	if (used == in->size) {
		in->size = in->size * 2 < most + 1 ? in->size * 2 : most + 1;
		in->out = mem_array(in->out, in->size, 1);
	}
	in->z.next_out = in->out + used;
	in->z.avail_out = (unsigned)((in->size < most + 1 ? in->size : most + 1) - used);
}

static int
take(struct inflater *in, const unsigned char *p, size_t n, size_t most, size_t *used)
{
	int r = Z_OK;

	in->z.next_in = (unsigned char *)p;
	in->z.avail_in = (unsigned)n;
	do {
		make_room(in, *used, most);
		r = inflate(&in->z, Z_SYNC_FLUSH);
		*used = (size_t)(in->z.next_out - in->out);
		if (*used > most)
			return WS_TOO_BIG;
		if (r == Z_STREAM_END) /* a last block; what pads it is another stream (section 7.2.3.5) */
			inflateReset(&in->z);
		else if (r != Z_OK && r != Z_BUF_ERROR)
			return WS_BAD_UTF8;
		if (r != Z_BUF_ERROR)
			in->boundary = r == Z_STREAM_END || in->z.data_type & 128;
	} while (in->z.avail_in || !in->z.avail_out);
	return 0;
}

int
inflate_message(struct inflater *in, const unsigned char *p, size_t n, size_t most, struct str *ret)
{
	size_t used = 0;
	int r;

	inflateReset(&in->z);
	in->boundary = true;
	r = take(in, p, n, most, &used);
	if (!r)
		r = take(in, tail, sizeof(tail), most, &used);
	if (!r && !in->boundary)
		r = WS_BAD_UTF8;
	*ret = r ? STR("") : str_n((char *)in->out, used);
	return r;
}
