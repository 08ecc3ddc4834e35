/* fuzz_cbor -- what is read lies in the input, begins where it says, and reads the same again by itself. */
#include "base/cbor.h"
#include "fuzz.h"

static void
check(struct str input, const struct cbor *item)
{
	struct str again = item->whole, rest;
	struct cbor copy;
	int64_t v;

	MUST(item->whole.p >= input.p && item->whole.p + item->whole.n <= input.p + input.n && item->whole.n);
	MUST(cbor_next(&again, &copy) && !again.n && copy.type == item->type && copy.n == item->n);
	if (item->type == CBOR_BYTES || item->type == CBOR_TEXT)
		MUST(item->bytes.n == item->n && item->bytes.p + item->bytes.n == item->whole.p + item->whole.n);
	if (item->type == CBOR_TEXT)
		MUST(str_utf8_valid(item->bytes));
	if (cbor_int(item, &v))
		MUST(v >= 0 ? (uint64_t)v == item->n : (uint64_t)(-1 - v) == item->n);
	for (rest = item->bytes; (item->type == CBOR_ARRAY || item->type == CBOR_MAP) && rest.n;) {
		MUST(cbor_next(&rest, &copy));
		check(input, &copy);
	}
}

/* Each key of a map finds the value that stands behind it: there is no second one. */
static void
check_keys(const struct cbor *map)
{
	struct str rest = map->bytes;
	struct cbor key, value, found;
	int64_t v;

	while (map->type == CBOR_MAP && rest.n) {
		MUST(cbor_next(&rest, &key) && cbor_next(&rest, &value));
		if (cbor_int(&key, &v))
			MUST(cbor_by_int(map, v, &found) && found.whole.p == value.whole.p);
		else if (key.type == CBOR_TEXT)
			MUST(cbor_by_text(map, key.bytes, &found) && found.whole.p == value.whole.p);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str input = str_n((const char *)data, n), rest = input;
	struct cbor item;

	while (cbor_next(&rest, &item)) {
		check(input, &item);
		check_keys(&item);
	}
	return 0;
}
