/* fcgi/endpoint/messages_search_get.c -- what was said, found by its words. */
#include <stdlib.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "fcgi/cursor.h"
#include "fcgi/reply.h"
#include "fcgi/search.h"

#define WINDOW     500 /* matches that are ranked together */
#define BATCH_MOST 200
#define Q_MOST     512
#define SOCKET_MS  50 /* by the command door a search is among messages that are being sent */
/* Numbers of a cursor: which order; where the window begins and ends; how many of its matches were shown. Places are kept plus one. */
#define CURSOR_N 8

struct query {
	struct str q, cursor, sort;
	int64_t conversation_id;
	struct opt_int limit;
};

static const char *const sorts[] = { "newest", "relevance", NULL };
static const struct field query_fields[] = { STR_FIELD(struct query, q, .min = 1, .max = Q_MOST, .required = 1),
	                                     STR_FIELD(struct query, cursor, .min = 1, .max = 512),
	                                     ENUM_FIELD(struct query, sort, .words = sorts),
	                                     ID_FIELD(struct query, conversation_id),
	                                     INT_FIELD(struct query, limit),
	                                     { 0 } };

/* One search under way. */
struct run {
	struct req *req;
	struct search search;
	struct search_scope scope;
	struct str terms;
	bool ranked;
	struct search_place at,
	        end; /* the next place to look at; of a page of a window: where the window ends, at 0 otherwise */
	struct search_place begin; /* of the window */
	size_t shown, limit;
	int64_t until; /* monotonic */
	struct search_hit *hits;
	size_t n, most;
	bool done, partial;
};

static int
read_cursor(struct run *run, struct str cursor)
{
	int64_t c[CURSOR_N] = { 0 };
	int r = cursor_read(run->req, cursor, c, CURSOR_N);

	if (r || !c[0])
		return r;
	if ((c[0] == 2) != run->ranked)
		return req_invalid(run->req, "cursor", "format", "The cursor is one of another order.");
	run->at = run->begin = (struct search_place){ c[1], c[2] - 1, c[3] - 1 };
	run->end = (struct search_place){ c[4] - 1, c[5] - 1, c[6] - 1 };
	run->shown = (size_t)c[7] - 1;
	return 0;
}

static struct str
write_cursor(struct run *run, const struct search_place *from, const struct search_place *end, size_t shown)
{
	const int64_t c[CURSOR_N] = { run->ranked ? 2 : 1, from->at,          from->conversation_id + 1,
		                      from->seq + 1,       end->at + 1,       end->conversation_id + 1,
		                      end->seq + 1,        (int64_t)shown + 1 };

	return cursor_write(run->req, c, CURSOR_N);
}

static int
resolve(struct run *run, int64_t conversation_id)
{
	struct req *req = run->req;
	struct search *s = &run->search;
	int r = search_scope(req->db, req->arena, req->me, conversation_id, s->in, s->from, &run->scope);

	if (r)
		return trace(r);
	if (!run->scope.n && conversation_id && !str_present(s->in))
		return NOT_FOUND;
	if (!run->scope.n && str_present(s->in))
		return req_invalid(req, "q", "unknown", "in: names no conversation of yours.");
	if (str_present(s->from) && !run->scope.from)
		return req_invalid(req, "q", "unknown", "from: names nobody.");
	s->from_id = run->scope.from;
	return 0;
}

/* A page of places that may match. */
static int
look(struct run *run, struct search_places *ret)
{
	struct req *req = run->req;
	const struct search *s = &run->search;
	int64_t left = (run->until - clock_mono_us()) / 1000;
	int64_t batch = (int64_t)(run->most - run->n) + 8;

	batch = batch < BATCH_MOST ? batch : BATCH_MOST;
	if (s->starred || s->pinned)
		return search_marked(req->db, req->arena, req->me, &run->scope, s->starred ? SEARCH_STARRED : SEARCH_PINNED,
		                     s->after, &run->at, batch, ret);
	return search_places(req->db, req->arena, &run->scope, run->terms, s->after, &run->at, batch, left > 1 ? left : 1,
	                     ret);
}

static bool
before_end(const struct search_place *a, const struct search_place *end)
{
	if (a->at != end->at)
		return a->at > end->at;
	return a->conversation_id != end->conversation_id ? a->conversation_id > end->conversation_id : a->seq >= end->seq;
}

static int
keep_matches(struct run *run, const struct search_places *places)
{
	struct req *req = run->req;
	struct search_text *texts;
	size_t n;
	int r = search_texts(req->db, req->arena, req->me, places->list, places->n, &texts, &n);

	for (size_t i = 0; !r && i < n && run->n < run->most; i++) {
		run->n += search_match(req, &run->search, &texts[i], &run->hits[run->n]);
		if (run->n && run->end.at && !before_end(&run->hits[run->n - 1].place, &run->end))
			run->n--;
	}
	return r;
}

/* Until there is enough, or nothing more, or no time. */
static int
gather(struct run *run)
{
	int r = 0;

	while (!r && !run->done && run->n < run->most) {
		struct search_places places;

		if (run->partial)
			break;
		r = look(run, &places);
		if (!r && places.n)
			r = keep_matches(run, &places);
		if (r)
			return trace(r);
		run->at = places.next;
		run->done = !places.next.at || (run->end.at && !before_end(&places.next, &run->end));
		run->partial = !run->done && run->n < run->most && clock_mono_us() >= run->until;
	}
	return r;
}

static int
compare_hits(const void *a, const void *b)
{
	const struct search_hit *x = a, *y = b;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return before_end(&x->place, &y->place) ? -1 : 1;
}

/* The page of what was gathered, and the cursor behind it; absent: that is all. */
static struct str
page_newest(struct run *run, size_t *ret_n)
{
	const struct search_place none = { 0 };

	*ret_n = run->n > run->limit ? run->limit : run->n;
	if (run->n > run->limit)
		return write_cursor(run, &run->hits[run->limit - 1].place, &none, 0);
	return run->done ? STR_NONE : write_cursor(run, &run->at, &none, 0);
}

/* A window that is not full ends where nothing more is, or where the time was over; its pages end there, too. */
static struct str
page_ranked(struct run *run, size_t *ret_first, size_t *ret_n)
{
	const struct search_place none = { 0 };
	bool known = run->end.at != 0;
	struct search_place end = run->done && !known ? (struct search_place){ .at = 1 } : run->at;
	size_t first, left;

	if (!known && run->n == run->most)
		end = run->hits[run->n - 1].place;
	if (known)
		end = run->end;
	if (run->n)
		qsort(run->hits, run->n, sizeof(*run->hits), compare_hits);
	first = run->shown < run->n ? run->shown : run->n;
	left = run->n - first;
	*ret_first = first;
	*ret_n = left > run->limit ? run->limit : left;
	if (left > run->limit)
		return write_cursor(run, &run->begin, &end, first + run->limit);
	return end.at == 1 ? STR_NONE : write_cursor(run, &end, &none, 0);
}

static const struct search_hit *
hit_of(const struct search_hit *hits, size_t n, const struct message *m)
{
	for (size_t i = 0; i < n; i++)
		if (hits[i].place.conversation_id == m->conversation_id && hits[i].place.seq == m->seq)
			return &hits[i];
	return NULL;
}

static void
write_item(struct json_out *w, const struct message *m, const struct search_hit *hit, int64_t me)
{
	json_open_object(w, NULL);
	view_message(w, "message", m, me);
	json_open_array(w, "highlights");
	for (size_t i = 0; hit && i < hit->highlights_n; i++) {
		json_open_array(w, NULL);
		json_int(w, NULL, hit->highlights[i][0]);
		json_int(w, NULL, hit->highlights[i][1]);
		json_close(w);
	}
	json_close(w);
	json_close(w);
}

static int
reply_page(struct run *run, const struct search_hit *hits, size_t n, struct str next)
{
	struct req *req = run->req;
	struct search_place *places = arena_alloc_array(req->arena, n + 1, sizeof(*places));
	struct message *items = NULL;
	struct json_out *w;
	size_t found = 0;
	int r = 0;

	for (size_t i = 0; i < n; i++)
		places[i] = hits[i].place;
	if (n)
		r = search_messages(req->db, req->arena, req->me, places, n, &items, &found);
	if (r)
		return trace(r);
	w = reply_json(req, 200);
	json_open_object(w, NULL);
	json_open_array(w, "items");
	for (size_t i = 0; i < found; i++)
		write_item(w, &items[i], hit_of(hits, n, &items[i]), req->me);
	json_close(w);
	json_str(w, "next_cursor", next);
	json_bool(w, "partial", run->partial);
	json_close(w);
	return reply_end(req);
}

static int64_t
budget_ms(const struct req *req)
{
	int64_t ms = req->conf->search_budget_ms;

	return req->door == DOOR_COMMAND && ms > SOCKET_MS ? SOCKET_MS : ms;
}

static int
answer(struct run *run)
{
	size_t first = 0, n;
	struct str next;
	int r;

	run->most = run->ranked ? WINDOW : run->limit + 1;
	run->hits = arena_alloc_array(run->req->arena, run->most + 1, sizeof(*run->hits));
	run->until = clock_mono_us() + budget_ms(run->req) * 1000;
	run->terms = search_terms(run->req, &run->search, &run->scope);
	run->done = !run->scope.n;
	r = gather(run);
	if (r)
		return r;
	next = run->ranked ? page_ranked(run, &first, &n) : page_newest(run, &n);
	return reply_page(run, run->hits + first, n, next);
}

static int
messages_search_get(struct req *req)
{
	struct run *run = arena_new_of(req->arena, struct run);
	struct query in = { 0 };
	int64_t limit;
	int r;

	run->req = req;
	r = req_query(req, query_fields, &in);
	if (!r)
		r = req_limit(req, in.limit, &limit);
	if (!r)
		r = search_parse(req, in.q, &run->search);
	if (r)
		return r;
	run->ranked = str_eq(in.sort, STR("relevance"));
	run->limit = (size_t)limit;
	run->at = run->begin = (struct search_place){ .at = run->search.before };
	r = read_cursor(run, in.cursor);
	if (!r)
		r = resolve(run, in.conversation_id);
	return r ? r : answer(run);
}

const struct endpoint messages_search_get_endpoint = {
	.method = "GET",
	.path = "/messages/search",
	.who = WHO_USER,
	.pool = POOL_SLOW,
	.rate = RATE_READ,
	.scope = SCOPE_MESSAGES_READ,
	.fn = messages_search_get,
	.doc = "Messages that I see, by what they say: newest first, or most relevant first.",
};
