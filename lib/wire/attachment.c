/* attachment.c -- stored JSON read, contract JSON written. */
#include "attachment.h"

#include <jansson.h>
#include <stdlib.h>

#include "link.h"

static struct str
text(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);

	return json_is_string(v) ? str_n(json_string_value(v), json_string_length(v)) : STR_NULL;
}

static void
copy_int(struct json_out *w, const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);

	if (json_is_integer(v))
		json_int(w, key, json_integer_value(v));
	else
		json_put_null(w, key);
}

/* Text, numbers and arrays are as they were stored; absent is null. */
static void
copy(struct json_out *w, const json_t *object, const char *key)
{
	char *dumped = json_dumps(json_object_get(object, key), JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));

	if (dumped)
		json_raw(w, key, str_c(dumped));
	else
		json_put_null(w, key);
	free(dumped);
}

static void
write_rendition(struct json_out *w, struct str id, const json_t *r, int64_t now_us)
{
	struct str name = text(r, "name");
	char url[LINK_MAX];

	json_open_object(w, NULL);
	json_str(w, "name", name);
	json_str(w, "mime", text(r, "mime"));
	json_str(w, "url", link_rendition(id, name, now_us, url));
	copy_int(w, r, "width");
	copy_int(w, r, "height");
	copy_int(w, r, "size");
	json_close(w);
}

static bool
open_one(struct json_out *w, const char *key, const json_t *a, int64_t now_us)
{
	static const char *const words[] = { "mime", "thumbhash", "color" };
	const json_t *r;
	size_t i;

	if (!attachment_id_ok(text(a, "id")))
		return false;
	json_open_object(w, key);
	json_str(w, "id", text(a, "id"));
	json_str(w, "kind", text(a, "kind"));
	json_str(w, "state", text(a, "state"));
	json_str(w, "name", text(a, "name"));
	for (i = 0; i < sizeof(words) / sizeof(*words); i++)
		json_str(w, words[i], text(a, words[i]));
	copy_int(w, a, "size");
	copy_int(w, a, "width");
	copy_int(w, a, "height");
	json_bool(w, "animated", json_is_true(json_object_get(a, "animated")));
	copy_int(w, a, "duration_ms");
	json_str(w, "waveform", text(a, "waveform"));
	copy(w, a, "bars");
	copy(w, a, "loudness_lufs");
	json_str(w, "failure", text(a, "failure"));
	json_open_array(w, "renditions");
	json_array_foreach(json_object_get(a, "renditions"), i, r) write_rendition(w, text(a, "id"), r, now_us);
	json_close(w);
	return true;
}

void
view_attachments(struct json_out *w, const char *key, struct str stored, int64_t now_us)
{
	json_t *all, *one;
	size_t i;

	if (!str_present(stored)) {
		json_raw(w, key, STR("[]"));
		return;
	}
	all = json_loadb(stored.p, stored.n, 0, NULL);
	json_open_array(w, key);
	json_array_foreach(all, i, one) if (open_one(w, NULL, one, now_us)) json_close(w);
	json_close(w);
	json_decref(all);
}

bool
view_attachment_open(struct json_out *w, const char *key, struct str stored, int64_t now_us)
{
	json_t *one = json_loadb(stored.p, stored.n, 0, NULL);
	bool ok = one && open_one(w, key, one, now_us);

	json_decref(one);
	return ok;
}
