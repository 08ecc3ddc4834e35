/*
 * header -- what the header fields of tus 1.0.0 say (https://tus.io/protocols/resumable-upload), without I/O.
 */
#ifndef PEAL_MEDIA_TUS_HEADER_H
#define PEAL_MEDIA_TUS_HEADER_H

#include "base/arena.h"

#define TUS_SPOKEN       "1.0.0"
#define TUS_CHECKSUM_MAX 32
#define TUS_NAME_MAX     1024 /* bytes of a file name */

/* Upload-Length, Upload-Offset: a decimal number of bytes. */
bool tus_number(struct str, uint64_t *ret);

/* Upload-Metadata, as far as it means anything to us; whatever else stands in it is kept for its owner and not understood. */
struct tus_metadata {
	struct str name; /* `filename`; absent when there is none */
	struct str kind; /* `kind`: image, audio, video or file, which is what there is without one */
	bool hd;         /* `quality` hd, of pictures */
};
/* NULL, or what is wrong with it. Lives as the arena. */
const char *tus_metadata(struct arena *, struct str, struct tus_metadata *ret);

/* Upload-Checksum: an algorithm, a blank, and the digest in base64. */
struct tus_checksum {
	const char *algorithm; /* as OpenSSL calls it: SHA1, SHA256 */
	unsigned char digest[TUS_CHECKSUM_MAX];
	size_t n;
};
bool tus_checksum(struct arena *, struct str, struct tus_checksum *ret);

/* The path of an upload: true with its id, or with an absent one where uploads are made. */
bool tus_path(struct str path, struct str *ret_id);

#endif
