/*
 * fuzz_tus.c -- the first byte says what the rest is: Upload-Metadata, Upload-Checksum, Upload-Length, or a path. What is accepted holds what
 * it promises.
 */
#include "fuzz.h"

#include <string.h>

#include "base/bytes.h"
#include "media/tus/header.h"
#include "wire/link.h"

static void
metadata(struct arena *a, struct str text)
{
	struct tus_metadata m;
	const char *wrong = tus_metadata(a, text, &m);

	if (wrong) {
		MUST(*wrong);
		return;
	}
	MUST(!m.name.p || (m.name.n && m.name.n <= TUS_NAME_MAX && str_utf8_valid(m.name)));
	MUST(!m.name.p || !memchr(m.name.p, 0, m.name.n));
	MUST(str_eq(m.kind, STR("image")) || str_eq(m.kind, STR("audio")) || str_eq(m.kind, STR("video")) ||
	     str_eq(m.kind, STR("file")));
	for (size_t i = 0; i < text.n; i++)
		MUST(text.p[i] != '\r' && text.p[i] != '\n' && text.p[i] != 0); /* it is said again in a header */
}

static void
checksum(struct arena *a, struct str text)
{
	struct tus_checksum c;
	struct str name = str_cut(&(struct str){ text.p, text.n }, ' ');

	if (!tus_checksum(a, text, &c))
		return;
	MUST(c.n == (str_eq(name, STR("sha1")) ? 20 : 32));
	MUST(str_eq(base64(a, c.digest, c.n), str_n(text.p + name.n + 1, text.n - name.n - 1)));
}

static void
number(struct arena *a, struct str text)
{
	uint64_t n;

	if (tus_number(text, &n))
		MUST(str_eq(arena_printf(a, "%llu", (unsigned long long)n), text));
}

static void
path(struct str text)
{
	struct str id;

	if (tus_path(text, &id))
		MUST(!id.p || (attachment_id_ok(id) && text.n == sizeof("/api/v1/uploads/") - 1 + ATTACHMENT_ID_N));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str text = str_n((const char *)data + 1, n - 1);
	struct arena *a;

	if (!n)
		return 0;
	a = arena_new(1 << 20);
	switch (data[0]) {
	case 'm':
		metadata(a, text);
		break;
	case 'c':
		checksum(a, text);
		break;
	case 'n':
		number(a, text);
		break;
	default:
		path(text);
	}
	arena_free(a);
	return 0;
}
