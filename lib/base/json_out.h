/*
 * json_out -- JSON straight into a buffer: a writer with a scope stack, no tree.
 *
 *     json_begin(&w, &buf);
 *     json_open_object(&w, NULL);
 *         json_id(&w, "id", 12);
 *         json_open_array(&w, "items"); json_int(&w, NULL, 1); json_close(&w);
 *     json_close(&w);
 *     json_end(&w);
 *
 * A key inside an array, a bare value inside an object and an unbalanced end are mistakes of ours and abort. Strings are
 * valid UTF-8 already (the database's encoding); control characters, `"` and `\` are escaped, so the output has no newline.
 */
#ifndef PEAL_BASE_JSON_OUT_H
#define PEAL_BASE_JSON_OUT_H

#include "buf.h"

#define JSON_OUT_DEPTH_MAX 24

struct json_out {
	struct buf *buf;
	int depth;
	uint8_t kind[JSON_OUT_DEPTH_MAX]; /* object or array */
	bool comma;
};

void json_begin(struct json_out *, struct buf *);
void json_open_object(struct json_out *, const char *key); /* key NULL: inside an array, or the whole document */
void json_open_array(struct json_out *, const char *key);
void json_close(struct json_out *);
void json_end(struct json_out *);

void json_str(struct json_out *, const char *key, struct str);    /* not str_present(): null */
void json_cstr(struct json_out *, const char *key, const char *); /* NULL: null */
void json_int(struct json_out *, const char *key, int64_t);
void json_id(struct json_out *, const char *key, int64_t);         /* "12": 64-bit ids travel as strings */
void json_id_or_null(struct json_out *, const char *key, int64_t); /* 0: null */
void json_bool(struct json_out *, const char *key, bool);
void json_put_null(struct json_out *, const char *key);
void json_time(struct json_out *, const char *key, int64_t wall_us); /* RFC 3339; 0: null */
void json_raw(struct json_out *, const char *key, struct str);       /* ready JSON, spliced as it is */

#endif
