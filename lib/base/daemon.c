/* daemon -- the rim of every process: sockets, readiness, signals. */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"

#define BACKLOG 4096

static void
free_names(char **names)
{
	for (char **n = names; n && *n; n++)
		free(*n);
	free(names);
}

int
daemon_inherited(const char *name)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(0, &names), fd = -1;

	for (int i = 0; i < n && fd < 0; i++)
		if (!strcmp(names[i], name))
			fd = SD_LISTEN_FDS_START + i;
	free_names(names);
	if (fd >= 0)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	return fd;
}

static int
new_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* A socket file that nobody listens on refuses connections; a full backlog (EAGAIN) belongs to somebody alive. */
static bool
stale(const struct sockaddr_un *address)
{
	struct stat st;
	bool refused;
	int fd;

	if (lstat(address->sun_path, &st) || !S_ISSOCK(st.st_mode))
		return false;
	fd = new_socket();
	if (fd < 0)
		return false;
	refused = connect(fd, (const struct sockaddr *)address, sizeof *address) && errno == ECONNREFUSED;
	close(fd);
	return refused;
}

static int
bind_mode_0660(int fd, const struct sockaddr_un *address)
{
	mode_t before = umask(0117);
	int r = bind(fd, (const struct sockaddr *)address, sizeof *address) ? -errno : 0;

	umask(before);
	return r;
}

/* Between looking at a stale file and replacing it, another process may do the same: the lock on the folder prevents that. */
static int
bind_replacing_stale(int fd, const struct sockaddr_un *address)
{
	char folder[sizeof address->sun_path];
	char *slash;
	int lock, r;

	memcpy(folder, address->sun_path, sizeof folder);
	slash = strrchr(folder, '/');
	if (!slash)
		return -EINVAL;
	slash[slash == folder] = '\0';
	lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock < 0 || flock(lock, LOCK_EX)) {
		r = -errno;
		if (lock >= 0)
			close(lock);
		return r;
	}
	r = bind_mode_0660(fd, address);
	if (r == -EADDRINUSE && stale(address) && !unlink(address->sun_path))
		r = bind_mode_0660(fd, address);
	/* listening before the lock goes, or the next process would find the new file refusing connections */
	if (!r && listen(fd, BACKLOG))
		r = -errno;
	close(lock);
	return r;
}

int
daemon_listen(const char *name, const char *path, int *ret_fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = daemon_inherited(name), r;

	if (fd >= 0) {
		*ret_fd = fd;
		return 0;
	}
	if (strlen(path) >= sizeof address.sun_path)
		return fault(-ENAMETOOLONG);
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = new_socket();
	if (fd < 0)
		return fault(-errno);
	r = bind_replacing_stale(fd, &address);
	if (r) {
		close(fd);
		return fault(r);
	}
	*ret_fd = fd;
	return 0;
}

void
daemon_ready(void)
{
	sd_notify(0, "READY=1");
}

void
daemon_reloading(void)
{
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_mono_us());
}

void
daemon_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

void
daemon_watchdog(void)
{
	if (sd_watchdog_enabled(0, NULL) > 0)
		sd_notify(0, "WATCHDOG=1");
}

int
daemon_signal_fd(void)
{
	sigset_t taken;
	int fd;

	sigemptyset(&taken);
	sigaddset(&taken, SIGTERM);
	sigaddset(&taken, SIGINT);
	sigaddset(&taken, SIGHUP);
	sigaddset(&taken, SIGUSR2);
	sigaddset(&taken, SIGCHLD);
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || sigprocmask(SIG_BLOCK, &taken, NULL))
		return fault(-errno);
	fd = signalfd(-1, &taken, SFD_NONBLOCK | SFD_CLOEXEC);
	return fd < 0 ? fault(-errno) : fd;
}

void
daemon_block_term(void (*asked)(int signal))
{
	struct sigaction term = { .sa_handler = asked };
	sigset_t blocked;

	sigaction(SIGTERM, &term, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
}
