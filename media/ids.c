/* media/ids.c -- {"ids": [...]}. */
#include "ids.h"

#include "base/err.h"

struct ids {
	json_t *ids;
};

static const struct field ids_fields[] = { JSON_FIELD(struct ids, ids, .required = 1), { 0 } };

int
ids_parse(struct arena *a, struct str text, struct json_report *report, json_t **ret)
{
	struct ids in = { 0 };
	json_t *json;
	int r;

	r = json_parse(a, text, &json, report);
	if (!r && !json_is_object(json))
		r = INVALID;
	if (!r)
		r = json_fill(a, json, ids_fields, &in, "", report);
	if (!r && !json_is_array(in.ids))
		r = INVALID;
	*ret = in.ids;
	return r;
}
