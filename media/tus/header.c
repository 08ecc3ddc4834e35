/* media/tus/header.c -- strict: what does not read as the protocol has it is refused, and never guessed at. */
#include "header.h"

#include "base/bytes.h"
#include "wire/link.h"

#define PATH "/api/v1/uploads"

bool
tus_number(struct str s, uint64_t *ret)
{
	int64_t n;

	if (!str_int64(s, &n) || n < 0)
		return false;
	*ret = (uint64_t)n;
	return true;
}

/* Without blanks at its ends; not those that would end a line of a header. */
static struct str
trim(struct str s)
{
	while (s.n && s.p[0] == ' ')
		s = str_n(s.p + 1, s.n - 1);
	while (s.n && s.p[s.n - 1] == ' ')
		s.n--;
	return s;
}

/* Printable ASCII but blanks and commas. */
static bool
key_ok(struct str key)
{
	for (size_t i = 0; i < key.n; i++)
		if (key.p[i] <= ' ' || key.p[i] > '~' || key.p[i] == ',')
			return false;
	return key.n > 0;
}

static bool
seen_before(struct str all, struct str key)
{
	while (all.p && all.p < key.p) {
		struct str pair = str_cut(&all, ','), other = trim(pair);

		other = str_cut(&other, ' ');
		if (other.p < key.p && str_eq(other, key))
			return true;
	}
	return false;
}

static const char *
take_pair(struct str key, struct str value, struct tus_metadata *m)
{
	if (str_eq(key, STR("filename"))) {
		if (!str_utf8_valid(value) || value.n > TUS_NAME_MAX || memchr(value.p, 0, value.n))
			return "A filename is UTF-8, and not longer than 1024 bytes.";
		m->name = value.n ? value : STR_NONE;
	} else if (str_eq(key, STR("kind"))) {
		if (!str_eq(value, STR("image")) && !str_eq(value, STR("audio")) && !str_eq(value, STR("video")) &&
		    !str_eq(value, STR("file")))
			return "A kind is image, audio, video or file.";
		m->kind = value;
	} else if (str_eq(key, STR("quality"))) {
		m->hd = str_eq(value, STR("hd"));
		if (!m->hd && !str_eq(value, STR("standard")))
			return "Quality is standard or hd.";
	}
	return NULL;
}

const char *
tus_metadata(struct arena *a, struct str raw, struct tus_metadata *ret)
{
	struct str rest = raw;
	const char *wrong = NULL;

	*ret = (struct tus_metadata){ .name = STR_NONE, .kind = STR("file") };
	while (rest.p && !wrong) {
		struct str value = trim(str_cut(&rest, ',')), key = str_cut(&value, ' '), bytes;

		if (!key_ok(key) || seen_before(raw, key))
			return "Upload-Metadata is pairs of a key and base64, each key once.";
		if (!base64_decode(a, value.p ? value : STR(""), &bytes))
			return "Upload-Metadata has a value that is not base64.";
		wrong = take_pair(key, bytes, ret);
	}
	return wrong;
}

bool
tus_checksum(struct arena *a, struct str s, struct tus_checksum *ret)
{
	static const struct {
		const char *name, *algorithm;
		size_t n;
	} known[] = { { "sha1", "SHA1", 20 }, { "sha256", "SHA256", 32 } };
	struct str name = str_cut(&s, ' '), digest;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!str_eq(name, str_c(known[i].name)))
			continue;
		if (!s.p || !base64_decode(a, s, &digest) || digest.n != known[i].n)
			return false;
		*ret = (struct tus_checksum){ .algorithm = known[i].algorithm, .n = digest.n };
		memcpy(ret->digest, digest.p, digest.n);
		return true;
	}
	return false;
}

bool
tus_path(struct str path, struct str *ret_id)
{
	if (!str_has_prefix(path, STR(PATH)))
		return false;
	path = str_n(path.p + sizeof(PATH) - 1, path.n - sizeof(PATH) + 1);
	*ret_id = STR_NONE;
	if (!path.n)
		return true;
	*ret_id = str_n(path.p + 1, path.n - 1);
	return path.p[0] == '/' && attachment_id_ok(*ret_id);
}
