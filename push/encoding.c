/* encoding.c -- two zlib streams and one buffer for all. */
#include "encoding.h"

#include <zlib.h>

#include "mem.h"
#include "metrics.h"

#define LEVEL        6
#define MEM_LEVEL    8
#define GZIP_WRAPPER 16
#define SYNC_BYTES   4 /* 00 00 ff ff, which receivers add themselves */

static struct {
	z_stream z[ENCODINGS];
	bool open[ENCODINGS];
	unsigned char *out;
	size_t size;
} squeeze;

static z_stream *
stream(enum encoding e)
{
	z_stream *z = &squeeze.z[e];

	if (squeeze.open[e])
		return z;
	if (deflateInit2(z, LEVEL, Z_DEFLATED, e == ENCODING_GZIP ? MAX_WBITS + GZIP_WRAPPER : -MAX_WBITS, MEM_LEVEL,
	                 Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
	squeeze.open[e] = true;
	return z;
}

/* The payload, compressed by itself, in the shared buffer. */
static struct str
compress_payload(struct str payload, enum encoding e)
{
	z_stream *z = stream(e);
	size_t most = deflateBound(z, payload.n) + 16; /* and the empty block of a flush */

	if (most > squeeze.size) {
		squeeze.out = mem_array(squeeze.out, most, 1);
		squeeze.size = most;
	}
	z->next_in = (unsigned char *)payload.p;
	z->avail_in = (unsigned)payload.n;
	z->next_out = squeeze.out;
	z->avail_out = (unsigned)most;
	deflate(z, e == ENCODING_GZIP ? Z_FINISH : Z_SYNC_FLUSH);
	if (z->avail_in || !z->avail_out)
		abort();
	deflateReset(z);
	return str_n((char *)squeeze.out, (size_t)(z->next_out - squeeze.out) - (e == ENCODING_GZIP ? 0 : SYNC_BYTES));
}

static struct frame *
make(struct frame *f, enum encoding e)
{
	struct str plain = frame_view(f), small = compress_payload(plain, e);
	struct frame *made;

	/* gzip is what the client was promised, be it smaller or not */
	if (e == ENCODING_DEFLATE && small.n >= plain.n)
		return NULL;
	made = frame_new(f->class, e == ENCODING_GZIP ? WS_OP_BINARY : WS_OP_TEXT, small);
	if (e == ENCODING_DEFLATE)
		made->bytes[0] |= WS_COMPRESSED;
	made->events = f->events;
	made->place = f->place;
	made->at_us = f->at_us;
	metrics.encoded_in[e] += plain.n;
	metrics.encoded_out[e] += small.n;
	metrics.encoded[e]++;
	return made;
}

struct frame *
encoding_of(struct frame *f, enum encoding e)
{
	if (e == ENCODING_PLAIN || f->class == FRAME_CONTROL || f->n - f->head <= ENCODING_LEAST)
		return f;
	if (f->encoded[e])
		metrics.encoded_shared[e]++;
	else if (e == ENCODING_GZIP || !f->stubborn)
		f->encoded[e] = make(f, e);
	f->stubborn |= !f->encoded[e];
	return f->encoded[e] ? f->encoded[e] : f;
}

void
encoding_deinit(void)
{
	for (int e = 0; e < ENCODINGS; e++)
		if (squeeze.open[e])
			deflateEnd(&squeeze.z[e]);
	free(squeeze.out);
	memset(&squeeze, 0, sizeof(squeeze));
}
