/* main.c -- peal-push -c peal.conf -i 0: the WebSocket daemon, process number 0. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/daemon.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/log.h"
#include "push.h"
#include "server.h"

#define ARENA_CAP       (256u << 20)
#define TEXT_CAP        (16u << 20)
#define COMMAND_OPEN    32
#define COMMAND_WAITING 4096
#define FEED_PER_WORKER 2
#define FEED_WAITING    65536

struct options {
	const char *conf;
	int64_t index;
};

static bool
parse_options(int argc, char **argv, struct options *ret)
{
	int c;

	*ret = (struct options){ 0 };
	while ((c = getopt(argc, argv, "c:i:")) != -1) {
		if (c == 'c')
			ret->conf = optarg;
		else if (c != 'i' || !str_int64(str_c(optarg), &ret->index) || ret->index < 0 || ret->index > 63)
			return false;
	}
	return ret->conf && optind == argc;
}

static enum log_level
level_of(const char *word)
{
	static const char *const words[] = { "error", "warning", "notice", "info", "debug" };

	for (int i = 0; i < 5; i++)
		if (!strcmp(word, words[i]))
			return (enum log_level)(LOG_LEVEL_ERROR + i);
	return LOG_LEVEL_INFO;
}

/* A socket is a descriptor: ask for as many as we may have. */
static void
raise_limits(void)
{
	struct rlimit l;

	if (!getrlimit(RLIMIT_NOFILE, &l)) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
	}
}

static int
open_everything(struct arena *arena, const struct conf *conf, int64_t index, int *ret_fd, const char **ret_path)
{
	char name[16];
	unsigned seed;
	int r;

	snprintf(name, sizeof(name), "push-%lld", (long long)index);
	bytes_random(&seed, sizeof(seed));
	srand(seed);
	raise_limits();
	fail_init(conf->run_dir);
	r = token_keys_load(NULL, conf->token_public_key_file, conf->token_issuer, conf->token_audience, &push.keys);
	if (r)
		return trace(r);
	/* a socket that systemd passed is systemd's to unlink */
	*ret_path = getenv("LISTEN_FDS") ? NULL : conf_socket(arena, conf, name);
	r = daemon_listen(name, conf_socket(arena, conf, name), ret_fd);
	if (r)
		return trace(r);
	push.conf = conf;
	push.arena = arena_new(ARENA_CAP);
	buf_init(&push.text, TEXT_CAP);
	uv_loop_init(&push.loop);
	push.command = door_new(&push.loop, conf_socket(arena, conf, "command"), COMMAND_OPEN, COMMAND_WAITING);
	push.feed = door_new(&push.loop, conf_socket(arena, conf, "feed"), (size_t)conf->workers_feed * FEED_PER_WORKER,
	                     FEED_WAITING);
	return 0;
}

int
main(int argc, char **argv)
{
	struct arena *arena = arena_new(1u << 20);
	struct options o;
	struct conf conf;
	struct buf errors;
	const char *path = NULL;
	int fd, signal_fd, r;

	buf_init(&errors, 65536);
	if (!parse_options(argc, argv, &o)) {
		fprintf(stderr, "usage: peal-push -c peal.conf [-i number]\n");
		return 2;
	}
	if (conf_load(arena, o.conf, &conf, &errors)) {
		fprintf(stderr, "%.*s", STR_ARG(buf_view(&errors)));
		return 2;
	}
	log_open("peal-push", level_of(conf.log_level));
	signal_fd = daemon_signal_fd();
	r = open_everything(arena, &conf, o.index, &fd, &path);
	if (r) {
		log_fault("start", r, NULL);
		return 1;
	}
	LOG(NOTICE, "listening", L_CSTR("socket", path ? path : "systemd"));
	r = server_run(fd, signal_fd, path);
	token_keys_free(push.keys);
	arena_free(push.arena);
	buf_deinit(&push.text);
	buf_deinit(&errors);
	arena_free(arena);
	return r;
}
