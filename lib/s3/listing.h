/*
 * listing -- what an object store answers, as far as we read it: elements without attributes whose text has no entities in it. Everything
 * returned is a view of the answer. Whatever is not of that form is not found.
 */
#ifndef PEAL_S3_LISTING_H
#define PEAL_S3_LISTING_H

#include "../base/str.h"

struct s3_object {
	struct str key;
	uint64_t size;
	int64_t modified_us; /* since 1970 */
};

/* The text of the first element of this name; false when there is none that ends. */
bool s3_element(struct str xml, struct str name, struct str *ret);
/* Takes the next object off a ListObjectsV2 answer; false at the end, or when it is not complete. */
bool s3_listing_next(struct str *xml, struct s3_object *ret);

#endif
