/*
 * zip -- an archive that is written from its beginning to its end: ZIP with 64-bit sizes (APPNOTE.TXT 4.3.9, 4.5.3), names in UTF-8.
 *
 * In memory there is one entry's state and nothing of those before: what the end of the archive says of them waits in a file without a name.
 * 0, NO_SPACE or a fault.
 */
#ifndef PEAL_MEDIA_ZIP_H
#define PEAL_MEDIA_ZIP_H

#include <zlib.h>

#include "base/str.h"

#define ZIP_NAME_MOST 1024 /* bytes of a name */

struct zip {
	int fd, central;
	uint64_t at, central_n, entries; /* bytes written, and entries */
	uint32_t time;                   /* of all entries, as DOS has it */
	struct {
		uint64_t at, size, stored;
		uint32_t crc;
		bool packed;
		char name[ZIP_NAME_MOST];
		size_t name_n;
	} entry;
	z_stream z;
};

/* Both files are empty, and the caller's. */
int zip_init(struct zip *, int fd, int central, int64_t now_us);
/* packed: text, which is worth it. A name that is too long is cut. */
int zip_begin(struct zip *, struct str name, bool packed);
int zip_data(struct zip *, struct str bytes);
int zip_end(struct zip *);
int zip_cancel(struct zip *); /* there is no such entry after all */
int zip_finish(struct zip *);
void zip_deinit(struct zip *); /* whenever; the entry that was begun, if any, is given up */

#endif
