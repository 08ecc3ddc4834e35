/*
 * cbor -- reading CBOR (RFC 8949), as much of it as passkeys speak: the canonical form of CTAP2, section 8.
 *
 * Integers, byte and text strings, arrays, maps, false, true, null and undefined; lengths are definite, and every number is written as
 * short as it can be. No tags, no floating point, no keys twice, at most 8 levels and 64 pairs in a map. The order of keys is not looked at.
 * Nothing is allocated: strings borrow from the input.
 */
#ifndef PEAL_BASE_CBOR_H
#define PEAL_BASE_CBOR_H

#include "str.h"

enum cbor_type { CBOR_UINT, CBOR_NEGATIVE, CBOR_BYTES, CBOR_TEXT, CBOR_ARRAY, CBOR_MAP, CBOR_SIMPLE };

struct cbor {
	enum cbor_type type;
	uint64_t n;       /* the value (of CBOR_NEGATIVE: -1 - value), the bytes, elements or pairs, or which simple value */
	struct str bytes; /* of a string: what it says; of an array or map: its elements as they are encoded */
	struct str whole; /* all of it as it is encoded */
};

/* The item that *s begins with, which is well-formed to its end; *s then begins behind it. */
bool cbor_next(struct str *s, struct cbor *ret);
/* The value of a key. False: the map has no such key, or the item is no map. */
bool cbor_by_text(const struct cbor *map, struct str key, struct cbor *ret);
bool cbor_by_int(const struct cbor *map, int64_t key, struct cbor *ret);
/* An integer that fits; false for anything else. */
bool cbor_int(const struct cbor *, int64_t *ret);

#endif
