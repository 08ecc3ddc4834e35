/* media/finisher.c -- take a job, ask whether it is still wanted, make it, tell. */
#include <stdlib.h>
#include <unistd.h>

#include "base/ask.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/log.h"
#include "finisher.h"
#include "make.h"
#include "metrics.h"

#define SECOND_US INT64_C(1000000)
#define REST_US   SECOND_US
#define TELLINGS  5 /* before what was made is made anew another time */

/* Whose bytes are to blame, so that another time would bring nothing else. */
static bool
final(int r)
{
	return r > 0 && (outcome_info(r)->status == 422 || r == UNSUPPORTED_TYPE || r == TOO_LARGE);
}

struct result {
	struct str id;
	int failure; /* 0: none */
};

static void
open_result(struct making *m, const void *arg)
{
	const struct result *result = arg;

	json_str(&m->w, "id", result->id);
	if (result->failure)
		json_cstr(&m->w, "failure", outcome_info(result->failure)->code);
}

/* Whether its attachment still waits for it: 0, CONFLICT, or it could not be asked. */
static int
wanted(struct finisher *f, const struct queued *job)
{
	struct upload *u = f->upload;
	struct cgi_answer answer;
	struct str body = arena_printf(u->arena, "{\"ids\":[\"%.*s\"]}", STR_ARG(job->id));
	int r = ask_post(u->arena, u->door, "/upload/pending", job->id, body, DOOR_TIMEOUT_MS, &answer);

	if (!r && answer.status != 200)
		r = UNAVAILABLE;
	if (r)
		return r;
	return memmem(answer.body.p, answer.body.n, job->id.p, job->id.n) ? 0 : CONFLICT;
}

/* Says it until it is heard. NOT_FOUND: nobody wants it any more. */
static int
tell(struct upload *u, struct str id, struct str body)
{
	struct cgi_answer answer;
	int r = UNAVAILABLE;

	for (int i = 0; i < TELLINGS; i++) {
		if (i)
			sleep(1);
		r = ask_post(u->arena, u->door, "/upload/finished", id, body, DOOR_TIMEOUT_MS, &answer);
		if (!r && answer.status == 200)
			return 0;
		if (!r && answer.status == 404)
			return NOT_FOUND;
		r = r ? r : UNAVAILABLE;
		if (r < 0)
			break;
	}
	return r;
}

static int
fail(struct making *m, int failure)
{
	const struct result result = { m->id, failure };
	struct str body;
	int r = make_told(m, NULL, open_result, &result, &body);

	return r ? trace(r) : tell(m->u, m->id, body);
}

static int
finish(struct making *m, const struct upload_kind *kind, const struct queued *job)
{
	const struct result result = { .id = m->id };
	struct str body;
	int r;

	r = make_told(m, kind, open_result, &result, &body);
	if (r)
		return trace(r);
	if (m->later) {
		FAILPOINT("media.handing");
		return queue_hand(m->u->queue, m->u->transcode, job);
	}
	FAILPOINT("media.made");
	r = tell(m->u, m->id, body);
	FAILPOINT("media.told");
	return r;
}

/* 0: it is over, either way. What is left of an earlier try is nobody's yet, so it may go. */
static int
work(struct making *m, const struct queued *job)
{
	const struct upload_kind *kind = make_kind(job->kind);
	unsigned most = m->transcoding ? 2 * QUEUE_TRIES : QUEUE_TRIES; /* the second half without transcoding */
	int r = store_remove(m->u->store, m->id);

	if (r)
		return trace(r);
	m->as_it_is = m->transcoding && job->tries > QUEUE_TRIES;
	if (job->body < 0 || !kind)
		r = CORRUPT;
	else if (job->tries > most)
		r = TOO_COMPLEX;
	else
		r = finish(m, kind, job);
	if (!final(r))
		return r;
	(void)store_remove(m->u->store, m->id);
	m->bytes = 0;
	return fail(m, r);
}

static void
note(const struct queued *job, int r, int64_t us)
{
	LOG(INFO, "queued", L_STR("id", job->id), L_STR("kind", job->kind), L_INT("bytes", (int64_t)job->size),
	    L_INT("tries", job->tries), L_INT("us", us), L_CSTR("outcome", r ? outcome_info(r)->code : "ok"));
}

/* CONFLICT: an earlier try was heard after all, so the files that are there are those of an attachment. */
static void
end(struct finisher *f, const struct queued *job, int r)
{
	int left;

	if (r == NOT_FOUND)
		(void)store_remove(f->upload->store, job->id);
	if (r && r != NOT_FOUND && r != CONFLICT) {
		queue_give_back(f->queue, job);
		metrics_add(&metrics->given_back, 1);
		f->rest_until_us = clock_mono_us() + REST_US;
		return;
	}
	left = queue_remove(f->queue, job->id);
	if (!left && f->transcoding)
		left = queue_remove(f->upload->queue, job->id); /* what is left there of one that was handed over */
	if (left)
		log_fault("queue_remove", left, NULL);
}

static int
process(struct finisher *f, const struct queued *job)
{
	struct making m = {
		.u = f->upload, .id = job->id, .owner = job->owner, .behind = true, .transcoding = f->transcoding
	};
	int r;

	r = store_room(f->upload->store);
	if (!r)
		r = wanted(f, job);
	if (r)
		return r;
	m.in = (struct incoming){ .hd = job->hd,
		                  .name = job->name,
		                  .fd = job->body,
		                  .whole = job->whole,
		                  .offset = job->offset,
		                  .size = job->size,
		                  .sniffed = job->sniffed };
	return work(&m, job);
}

/* Where nobody transcodes any more, what still waits for it is made as it came. */
static int
take(struct finisher *f, struct queued *ret)
{
	struct upload *u = f->upload;
	int r = NOT_FOUND;

	f->queue = u->queue;
	if (!f->transcoding)
		r = queue_take(u->queue, u->arena, ret);
	if (r == NOT_FOUND && (f->transcoding || !u->conf->media_transcode_workers)) {
		f->queue = u->transcode;
		r = queue_take(u->transcode, u->arena, ret);
	}
	return r;
}

bool
finisher_turn(struct finisher *f, int64_t now_us)
{
	struct queued job;
	int r;

	if (now_us < f->rest_until_us)
		return false;
	arena_reset(f->upload->arena);
	r = take(f, &job);
	if (r == NOT_FOUND)
		return false;
	if (r) {
		log_fault("queue_take", r, NULL);
		f->rest_until_us = now_us + REST_US;
		return false;
	}
	metrics_took(&metrics->queue_wait, job.waited_us);
	FAILPOINT("media.taken");
	r = process(f, &job);
	if (r < 0)
		log_fault("queued_fault", r, (const struct log_field[]){ L_STR("id", job.id), { 0 } });
	note(&job, r, clock_mono_us() - now_us);
	end(f, &job, r);
	return true;
}
