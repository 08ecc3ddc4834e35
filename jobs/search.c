/*
 * search.c -- keeps the index of what was said. The only writer of it: what it reads of a message and what it then writes cannot be
 * overtaken by anybody, and a later change is in the log, or among what has gone, for the next batch.
 *
 * One turn is a batch of the log, then one of a rebuild if one is asked for, so that a rebuild holds up nothing.
 */
#include <jansson.h>
#include <stdlib.h>

#include "../lib/base/log.h"
#include "../lib/base/terms.h"
#include "../lib/store/search.h"
#include "duty.h"

#define BATCH_LEAST   100
#define BATCH_MOST    2000
#define BATCH_US      MS(100) /* a batch should take about so long: senders wait for the same disk, other duties for us */
#define GONE_BATCH    500
#define IDLE_XIDS     10000 /* the place in the log is written down at least so often */
#define SPLIT_SECONDS 5
#define TERMS_BYTES   900000 /* a tsvector holds 1 MiB */

static int
compare_terms(const void *a, const void *b)
{
	const struct term *x = a, *y = b;

	return str_cmp(x->text, y->text);
}

static void
put_mentions(struct buf *buf, struct str mentions_json)
{
	json_t *all = str_present(mentions_json) ? json_loadb(mentions_json.p, mentions_json.n, 0, NULL) : NULL;
	json_t *one;
	size_t i;

	json_array_foreach(all, i, one)
	{
		const char *id = json_string_value(json_object_get(one, "user_id"));

		buf_printf(buf, " '@m%s'", id ? id : "");
	}
	json_decref(all);
}

/* Words are left out of a text that has more of them than an index row holds. */
static void
put_words(struct buf *buf, struct terms *terms)
{
	if (terms->n)
		qsort(terms->list, terms->n, sizeof(*terms->list), compare_terms);
	for (size_t i = 0; i < terms->n && buf->n < TERMS_BYTES; i++) {
		if (i && str_eq(terms->list[i].text, terms->list[i - 1].text))
			continue;
		buf_char(buf, ' ');
		search_quote(buf, terms->list[i].text);
	}
}

/* All terms of a message, as a tsvector is written. In the scratch arena but for the result. */
static struct str
terms_of_message(struct work *w, const struct search_text *text)
{
	struct terms terms = { 0 };
	struct folded folded;
	struct str out;
	struct buf buf;

	if (!text->kind)
		return STR_NONE;
	fold_text(w->search.scratch, text->content, &folded);
	terms_of(w->search.scratch, &folded, &terms);
	fold_text(w->search.scratch, text->names, &folded);
	terms_of(w->search.scratch, &folded, &terms);
	buf_init(&buf, (size_t)4 << 20);
	buf_printf(&buf, "'#%lld' '@%lld'", (long long)text->conversation_id, (long long)text->sender_id);
	if (text->kind >= MESSAGE_IMAGE && text->kind <= MESSAGE_FILE)
		buf_printf(&buf, " '!%s'", search_kinds[text->kind]);
	if (terms_link(text->content))
		buf_str(&buf, STR(" '!link'"));
	put_mentions(&buf, text->mentions_json);
	put_words(&buf, &terms);
	out = arena_str(w->arena, buf_view(&buf));
	buf_deinit(&buf);
	arena_reset(w->search.scratch);
	return out;
}

/* Batches as large as time allows: of short messages there are many in one, of long ones few. */
static void
fit_batch(struct work *w, const struct search_batch *batch, int64_t took)
{
	int64_t *size = &w->search.batch;

	if (took > 2 * BATCH_US && *size > BATCH_LEAST)
		*size /= 2;
	else if (took < BATCH_US && batch->more && *size < BATCH_MOST)
		*size *= 2;
}

static int
index_batch(struct work *w, const struct search_batch *batch, int64_t began)
{
	struct str *terms = arena_alloc_array(w->arena, batch->n + 1, sizeof(*terms));
	int r;

	for (size_t i = 0; i < batch->n; i++)
		terms[i] = terms_of_message(w, &batch->texts[i]);
	r = search_write(w->db, w->arena, batch, terms);
	if (!r)
		fit_batch(w, batch, clock_mono_us() - began);
	return r;
}

static int
follow_log(struct work *w, bool *ret_more, bool *ret_rebuild)
{
	struct search_batch batch;
	int64_t gone = 0, began = clock_mono_us();
	int r = search_pending(w->db, w->arena, w->search.batch, &batch);

	if (!r && batch.lost)
		LOG(WARNING, "search_rebuild", L_CSTR("why", "the log begins later than the index ends"));
	if (!r && (batch.n || batch.lost || batch.to - batch.from > IDLE_XIDS))
		r = index_batch(w, &batch, began);
	if (!r && batch.gone)
		r = search_forget(w->db, w->arena, GONE_BATCH, &gone);
	if (r)
		return r;
	*ret_more = batch.more || gone == GONE_BATCH;
	*ret_rebuild = batch.rebuild;
	return 0;
}

static int
rebuild(struct work *w, bool *ret_more)
{
	struct search_batch batch;
	int64_t began = clock_mono_us();
	int r = search_rebuild_next(w->db, w->arena, w->search.batch, &batch);

	if (r || !batch.rebuild)
		return r;
	*ret_more = batch.n > 0;
	if (!batch.n)
		LOG(NOTICE, "search_rebuilt");
	return index_batch(w, &batch, began);
}

int
search_duty(struct work *w, int64_t *wait)
{
	bool more = false, asked = false;
	int r;

	if (!w->search.batch)
		w->search.batch = BATCH_LEAST;
	r = follow_log(w, &more, &asked);
	if (!r && asked)
		r = rebuild(w, &more);
	if (!r && w->search.split_at < clock_mono_us()) {
		r = search_split(w->db, w->arena, w->conf->search_slice_rows);
		w->search.split_at = clock_mono_us() + SECONDS(SPLIT_SECONDS);
	}
	if (!r && more)
		*wait = 0;
	if (r)
		w->search.batch = BATCH_LEAST; /* it may have been too large for the time that a statement has */
	return r ? trace(r) : 0;
}
