/* main.c -- peal-push -c peal.conf -i 0: the WebSocket daemon, process number 0. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/daemon.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/log.h"
#include "metrics.h"
#include "push.h"
#include "server.h"
#include "successor.h"

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

/* On the loopback only, and by its numbers: a scraper on this machine. */
static int
listen_loopback(int64_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		                       .sin_port = htons((uint16_t)port),
		                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || !bind(fd, (const struct sockaddr *)&address, sizeof(address)))
		return fd;
	close(fd);
	return -1;
}

static const char *
numbered(const char *word, int64_t index, char out[16])
{
	snprintf(out, 16, "%s-%lld", word, (long long)index);
	return out;
}

/* A port, unless it was given to us. */
static int
listen_port(const char *name, int64_t port)
{
	int fd = daemon_inherited(name);

	return fd < 0 ? listen_loopback(port) : fd;
}

static void
show_metrics(const char *name, int fd)
{
	successor_gives(name, fd);
	metrics_listen(fd);
}

/* Nobody is to be without his messages because the numbers cannot be shown: without a listener there are none. */
static void
listen_metrics(struct arena *arena, const struct conf *conf, int64_t index)
{
	char name[16];
	int fd, r;

	numbered("stat", index, name);
	r = daemon_listen(name, conf_socket(arena, conf, name), &fd);
	if (r)
		log_fault("metrics", r, NULL);
	else
		show_metrics(name, fd);
	err_clear();
	if (!conf->push_metrics_port)
		return;
	numbered("port", index, name);
	fd = listen_port(name, conf->push_metrics_port + index);
	if (fd < 0)
		LOG(ERROR, "metrics", L_CSTR("error", strerror(errno)), L_INT("port", conf->push_metrics_port + index));
	else
		show_metrics(name, fd);
}

static int
open_everything(struct arena *arena, const struct conf *conf, int64_t index, int *ret_fd, const char **ret_path)
{
	char name[16];
	unsigned seed;
	int r;

	numbered("push", index, name);
	bytes_random(&seed, sizeof(seed));
	srand(seed);
	raise_limits();
	fail_init(conf->run_dir);
	r = token_keys_load(NULL, conf->token_public_key_file, conf->token_issuer, conf->token_audience, &push.keys);
	if (r)
		return trace(r);
	/* a socket that systemd passed is systemd's to unlink */
	*ret_path = successor_owns() ? conf_socket(arena, conf, name) : NULL;
	r = daemon_listen(name, conf_socket(arena, conf, name), ret_fd);
	if (r)
		return trace(r);
	successor_gives(name, *ret_fd);
	push.conf = conf;
	push.arena = arena_new(ARENA_CAP);
	buf_init(&push.text, TEXT_CAP);
	push.inflater = inflater_new();
	uv_loop_init(&push.loop);
	uv_loop_configure(&push.loop, UV_METRICS_IDLE_TIME);
	push.command = door_new(&push.loop, conf_door(arena, conf, "command"), COMMAND_OPEN, COMMAND_WAITING);
	push.feed = door_new(&push.loop, conf_door(arena, conf, "feed"), (size_t)conf->workers_feed * FEED_PER_WORKER,
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
	char name[16];
	bool handed_over;
	int fd, signal_fd, r;

	successor_init(argv);
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
	listen_metrics(arena, &conf, o.index);
	handed_over = server_run(fd, signal_fd, path);
	if (path && !handed_over)
		unlink(conf_socket(arena, &conf, numbered("stat", o.index, name)));
	inflater_free(push.inflater);
	token_keys_free(push.keys);
	arena_free(push.arena);
	buf_deinit(&push.text);
	buf_deinit(&errors);
	arena_free(arena);
	return 0;
}
