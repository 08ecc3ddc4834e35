/*
 * fuzz_s3_listing.c -- an answer of an object store: what is found in it lies within it, comes in order, and comes to an end.
 */
#include "fuzz.h"

#include "s3/listing.h"

static void
within(struct str part, struct str whole)
{
	MUST(part.p >= whole.p && part.n <= whole.n && (size_t)(part.p - whole.p) <= whole.n - part.n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct str all = str_n((const char *)data, n);
	struct str rest = all, text;
	struct s3_object object;

	if (s3_element(all, STR("IsTruncated"), &text))
		within(text, all);
	if (s3_element(all, STR("Code"), &text))
		within(text, all);
	while (s3_listing_next(&rest, &object)) {
		within(object.key, all);
		within(rest, all);
		MUST(object.key.p < rest.p || !rest.n);
	}
	return 0;
}
