/* media/keeper.c -- what is to be removed, from whom we learn it, and when we ask. */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/ask.h"
#include "ids.h"
#include "keeper.h"

#define SECOND_US        INT64_C(1000000)
#define TURN_US          (5 * SECOND_US)
#define WALK_US          (24 * 3600 * SECOND_US)
#define WALK_FIRST_US    (5 * SECOND_US)
#define WALK_SLICE_US    (SECOND_US / 10)
#define WALK_AGAIN_US    (60 * SECOND_US) /* when somebody was away */
#define WALK_AGE_SECONDS (24 * 3600)      /* what is younger may be about to be registered */
#define BATCH            200
#define TIMEOUT_MS       5000
#define QUESTION_MOST    ((size_t)64 * 1024)

static int
remove_one(const struct keeper *k, struct str id)
{
	int r = queue_remove(k->queue, id);

	if (!r)
		r = queue_remove(k->transcode, id);
	return r ? r : store_remove(k->store, id);
}

/* Ids that are none of ours are left alone: nobody but a mistake sends them. */
static int
remove_all(struct keeper *k, json_t *ids)
{
	json_t *id;
	size_t i;
	int r = 0;

	json_array_foreach(ids, i, id)
	{
		struct str text = json_is_string(id) ? str_n(json_string_value(id), json_string_length(id)) : STR_NONE;

		if (attachment_id_ok(text) && !r)
			r = remove_one(k, text);
	}
	return r;
}

int
keeper_remove(struct keeper *k, struct arena *a, struct str body, struct json_report *report)
{
	json_t *ids;
	int r;

	r = ids_parse(a, body, report, &ids);
	if (!r)
		r = remove_all(k, ids);
	return r ? trace(r) : 0;
}

static void
buf_free(void *buf)
{
	buf_deinit(buf);
}

/* Asks the workers, with ids or without; NULL and a line in the log when they do not answer. */
static json_t *
ask(struct keeper *k, struct arena *a, const char *uri, json_t *ids)
{
	struct json_report report = { 0 };
	struct buf *b = arena_new_of(a, struct buf);
	struct cgi_answer answer;
	char *text = json_dumps(ids, JSON_COMPACT);
	json_t *ret = NULL;
	int r;

	buf_init(b, QUESTION_MOST);
	arena_defer(a, buf_free, b);
	buf_printf(b, "{\"ids\":%s}", text ? text : "[]");
	free(text);
	r = ask_post(a, k->door, uri, STR(""), buf_view(b), TIMEOUT_MS, &answer);
	if (!r && answer.status != 200)
		r = UNAVAILABLE;
	if (!r)
		r = ids_parse(a, answer.body, &report, &ret);
	if (r)
		LOG(NOTICE, "keeper_not_answered", L_CSTR("uri", uri), L_CSTR("outcome", outcome_info(r)->code));
	return r ? NULL : ret;
}

/* Removes what the workers name, tells them with the next question, until there is nothing left. */
static void
remove_due(struct keeper *k, struct arena *a)
{
	json_t *done = json_array(), *due;

	while ((due = ask(k, a, "/upload/removals", done))) {
		int r = remove_all(k, due);

		if (r < 0)
			log_fault("remove", r, NULL);
		if (r)
			break; /* an object store that is away has said so already */
		if (!json_array_size(due) && !json_array_size(done))
			break;
		json_array_clear(done);
		json_array_extend(done, due);
		arena_reset(a);
	}
	json_decref(done);
	arena_reset(a); /* of the last question, too: nobody else may come for days */
}

struct walk {
	struct keeper *keeper;
	struct arena *arena;
	json_t *ids;
};

static int
remove_unknown(struct walk *w)
{
	json_t *unknown = ask(w->keeper, w->arena, "/upload/unknown", w->ids);
	int r = unknown ? remove_all(w->keeper, unknown) : UNAVAILABLE;

	if (unknown && json_array_size(unknown))
		LOG(NOTICE, "leftovers_removed", L_INT("n", (int64_t)json_array_size(unknown)));
	json_array_clear(w->ids);
	arena_reset(w->arena);
	return r;
}

static int
walk_one(void *arg, struct str id)
{
	struct walk *w = arg;

	json_array_append_new(w->ids, json_stringn(id.p, id.n));
	return json_array_size(w->ids) < BATCH ? 0 : remove_unknown(w);
}

/* One part of the store; false when it could not be looked at. */
static bool
walk(struct keeper *k, struct arena *a)
{
	struct walk w = { k, a, json_array() };
	int r = store_walk(k->store, k->part, WALK_AGE_SECONDS, walk_one, &w);

	if (!r && json_array_size(w.ids))
		r = remove_unknown(&w);
	if (r < 0)
		log_fault("walk", r, NULL);
	json_decref(w.ids);
	return !r;
}

/* Somebody may be waiting for links to die: of a walk no more is done at a time than takes a moment. */
static void
walk_on(struct keeper *k, struct arena *a, int64_t now_us)
{
	int64_t until_us = now_us + WALK_SLICE_US;

	while (now_us < until_us) {
		if (!walk(k, a)) {
			k->next_walk_us = now_us + WALK_AGAIN_US;
			return;
		}
		now_us = clock_mono_us();
		if (++k->part == STORE_PARTS) {
			k->part = 0;
			k->next_walk_us = now_us + WALK_US;
			return;
		}
	}
}

void
keeper_turn(struct keeper *k, struct arena *a, int64_t now_us)
{
	if (now_us >= k->next_turn_us) {
		remove_due(k, a);
		k->next_turn_us = now_us + TURN_US;
	}
	if (!k->next_walk_us)
		k->next_walk_us = now_us + WALK_FIRST_US;
	if (now_us >= k->next_walk_us)
		walk_on(k, a, now_us);
}
