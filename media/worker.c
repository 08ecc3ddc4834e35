/* media/worker.c -- the loop of a process: take a connection, serve one request, close. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/daemon.h"
#include "base/fail.h"
#include "base/io.h"
#include "base/log.h"
#include "export.h"
#include "finisher.h"
#include "keeper.h"
#include "upload.h"
#include "wire/problem.h"
#include "worker.h"

#define ARENA_MOST ((size_t)16 << 20)
#define OUT_MOST   ((size_t)1 << 20)
#define BODY_MOST  ((size_t)1 << 20) /* of the keeper's; uploads come as files */
#define SWEEP_US   INT64_C(3600000000)
#define NAP_MS     1000

struct worker {
	const struct worker_job *job;
	struct media_store store;
	struct queue queue, transcode;
	struct keeper keeper;
	int64_t next_sweep_us; /* monotonic */
	struct finisher finisher;
	struct upload upload;
	struct io io;
	struct arena *arena, *process;
	struct buf out, headers;
	struct str body;
	char request_id[REQUEST_ID_N + 1];
};

static volatile sig_atomic_t stop;

static void
stopped(int signal)
{
	(void)signal;
	stop = 1;
}

static int
init(struct worker *w, const struct worker_job *job)
{
	const struct conf *conf = job->conf;
	int r;

	io_init(&w->io, BODY_MOST);
	daemon_block_term(stopped);
	fail_init(conf->run_dir);
	w->job = job;
	w->arena = arena_new(ARENA_MOST);
	w->process = arena_new(ARENA_MOST);
	buf_init(&w->out, OUT_MOST);
	buf_init(&w->headers, OUT_MOST);
	r = store_open(w->process, conf, &w->store);
	if (!r)
		r = queue_open(conf->media_dir, "queue", conf->media_queue_most, job->bell, &w->queue);
	if (!r)
		r = queue_open(conf->media_dir, "transcode", conf->media_transcode_most, job->transcode_bell, &w->transcode);
	if (r)
		return trace(r);
	w->keeper = (struct keeper){ .store = &w->store,
		                     .queue = &w->queue,
		                     .transcode = &w->transcode,
		                     .door = conf_door(w->process, conf, "upload") };
	w->upload = (struct upload){ .conf = conf,
		                     .store = &w->store,
		                     .queue = &w->queue,
		                     .transcode = &w->transcode,
		                     .decoders = job->decoders,
		                     .door = w->keeper.door,
		                     .arena = w->arena };
	w->finisher = (struct finisher){ .upload = &w->upload, .transcoding = job->role == ROLE_TRANSCODE };
	return 0;
}

static void
deinit(struct worker *w)
{
	store_close(&w->store);
	queue_close(&w->queue);
	queue_close(&w->transcode);
	io_deinit(&w->io);
	buf_deinit(&w->out);
	buf_deinit(&w->headers);
	arena_free(w->arena);
	arena_free(w->process);
}

static void
take_request_id(struct worker *w)
{
	struct str id = upload_param(&w->upload, "PEAL_REQUEST_ID");
	unsigned char random[REQUEST_ID_N / 2];
	bool good = id.n == REQUEST_ID_N;

	for (size_t i = 0; good && i < id.n; i++)
		good = (id.p[i] >= '0' && id.p[i] <= '9') || (id.p[i] >= 'a' && id.p[i] <= 'f');
	if (!good) {
		bytes_random(random, sizeof(random));
		id = hex(w->arena, random, sizeof(random));
	}
	memcpy(w->request_id, id.p, REQUEST_ID_N);
	w->upload.request_id = str_n(w->request_id, REQUEST_ID_N);
}

/* Milliseconds since nginx had the whole body: it sends PEAL_START when it passes the request on. */
static int64_t
age_ms(const struct worker *w)
{
	struct str at = upload_param(&w->upload, "PEAL_START"), seconds = str_cut(&at, '.');
	int64_t s;

	if (!str_int64(seconds, &s) || at.n != 3 || s < 0 || s > INT32_MAX * INT64_C(100))
		return 0;
	return clock_wall_us() / 1000 - (s * 1000 + strtol(at.p, NULL, 10));
}

static int
export_(struct worker *w, struct str path)
{
	struct upload *u = &w->upload;
	int r = export_door(&w->store, w->job->conf, w->job->listener, w->arena, path, w->body, &u->report, &u->body);

	u->status = u->body.n ? 200 : 204;
	u->content_type = STR("application/json");
	return r ? trace(r) : 0;
}

static int
route(struct worker *w)
{
	struct str path = upload_param(&w->upload, "REQUEST_URI"), method = upload_param(&w->upload, "REQUEST_METHOD");
	bool keeper = w->job->role == ROLE_KEEPER;
	const struct upload_kind *kind;

	path = str_cut(&path, '?');
	if (keeper && str_has_prefix(path, STR("/export/")) && str_eq(method, STR("POST")))
		return export_(w, str_n(path.p + 8, path.n - 8));
	kind = keeper ? NULL : upload_kind_of(path);
	if (keeper ? !str_eq(path, STR("/remove")) : !kind)
		return NOT_FOUND;
	if (!str_eq(method, STR("POST")))
		return METHOD_NOT_ALLOWED;
	w->upload.status = 204;
	if (keeper)
		return keeper_remove(&w->keeper, w->arena, w->body, &w->upload.report);
	return age_ms(w) > w->job->conf->media_wait_seconds * 1000 ? BUSY : upload_take(&w->upload, kind);
}

static void
refuse(struct worker *w, int r)
{
	const struct outcome_info *info = outcome_info(r);
	struct json_out out;

	buf_clear(&w->out);
	json_begin(&out, &w->out);
	problem_write(&out, r, w->upload.request_id, NULL, 0, &w->upload.report);
	json_end(&out);
	w->upload.status = info->status;
	w->upload.content_type = STR("application/problem+json");
	w->upload.body = buf_view(&w->out);
	if (r == METHOD_NOT_ALLOWED)
		buf_str(&w->headers, STR("Allow: POST\r\n"));
}

static bool
try_again(int status)
{
	return status == 429 || status == 503;
}

static bool
reply(struct worker *w)
{
	struct upload *u = &w->upload;
	int64_t seconds = u->retry_after_seconds ? u->retry_after_seconds : PROBLEM_RETRY_AFTER_MS / 1000;

	buf_printf(&w->headers, "X-Request-Id: %.*s\r\nCache-Control: no-store\r\n", STR_ARG(u->request_id));
	if (u->replayed)
		buf_str(&w->headers, STR("Idempotency-Replayed: true\r\n"));
	if (try_again(u->status))
		buf_printf(&w->headers, "Retry-After: %lld\r\n", (long long)seconds);
	if (u->body.n)
		buf_printf(&w->headers, "Content-Type: %.*s\r\nContent-Length: %zu\r\n", STR_ARG(u->content_type),
		           u->body.n);
	return io_write(&w->io, u->status, problem_title(u->status), buf_view(&w->headers), u->body);
}

static void
note(const struct worker *w, int r, int64_t us, bool written)
{
	LOG(INFO, "request", L_STR("id", w->upload.request_id),
	    L_CSTR("role", w->job->role == ROLE_KEEPER ? "keeper" : "upload"), L_INT("status", w->upload.status),
	    L_STR("user", upload_param(&w->upload, "PEAL_UPLOAD_USER")), L_INT("us", us),
	    L_CSTR("outcome", !written ? "peer_gone"
	                      : r      ? outcome_info(r)->code
	                               : "ok"));
}

static void
answer(struct worker *w, bool cut)
{
	int64_t began = clock_mono_us();
	struct upload *u = &w->upload;
	int r;

	arena_reset(w->arena);
	buf_clear(&w->headers);
	u->params = w->io.fcgi.envp;
	u->report = (struct json_report){ 0 };
	u->content_type = u->body = STR_NONE;
	u->replayed = false;
	u->retry_after_seconds = 0;
	take_request_id(w);
	r = cut ? TOO_LARGE : route(w);
	if (r < 0)
		log_fault("request_fault", r, (const struct log_field[]){ L_STR("id", u->request_id), { 0 } });
	if (r)
		refuse(w, r);
	note(w, r, clock_mono_us() - began, reply(w));
}

static bool
serve_waiting(struct worker *w)
{
	bool cut;
	int fd = io_accept(w->job->listener);

	if (fd < 0)
		return false;
	if (io_read(&w->io, fd, &w->body, &cut)) {
		answer(w, cut);
		io_close(&w->io);
	}
	return true;
}

static void
nap(struct worker *w)
{
	const struct timespec limit = { NAP_MS / 1000, NAP_MS % 1000 * 1000000 };
	struct pollfd p = { .fd = w->job->listener, .events = POLLIN };
	sigset_t none;

	sigemptyset(&none);
	ppoll(&p, 1, &limit, &none);
}

static void
loop_queue(struct worker *w)
{
	uint64_t rung;

	while (!stop && getppid() == w->job->master)
		if (!finisher_turn(&w->finisher, clock_mono_us())) {
			nap(w);
			while (read(w->job->listener, &rung, sizeof(rung)) > 0)
				;
		}
}

static void
keep(struct worker *w, int64_t now_us)
{
	keeper_turn(&w->keeper, w->arena, now_us);
	if (now_us < w->next_sweep_us)
		return;
	export_sweep(w->job->conf, w->arena);
	arena_reset(w->arena);
	w->next_sweep_us = now_us + SWEEP_US;
}

static void
loop(struct worker *w)
{
	while (!stop && getppid() == w->job->master) {
		if (!serve_waiting(w))
			nap(w);
		if (w->job->role == ROLE_KEEPER)
			keep(w, clock_mono_us());
	}
}

int
worker_run(const struct worker_job *job)
{
	struct worker *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		abort();
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	r = init(w, job);
	if (r)
		log_fault("start", r, NULL);
	else if (job->role >= ROLE_QUEUE)
		loop_queue(w);
	else
		loop(w);
	if (!r)
		deinit(w);
	free(w);
	return r ? EXIT_FAILURE : EXIT_SUCCESS;
}
