/* daemon: listening sockets own or passed, stale files against live ones, notifications, signals. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/daemon.h"
#include "base/err.h"

static char *folder, path[128];

static int
setup(void **state)
{
	(void)state;
	folder = unit_folder();
	snprintf(path, sizeof path, "%s/x.sock", folder);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	unit_folder_remove(folder);
	err_clear();
	return 0;
}

static int
connects(const char *to)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), r;

	strcpy(a.sun_path, to);
	r = connect(fd, (struct sockaddr *)&a, sizeof a) ? -errno : 0;
	close(fd);
	return r;
}

static void
listens_with_mode_0660(void **state)
{
	mode_t before = umask(0), after;
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(daemon_listen("x.sock", path, &fd), 0);
	after = umask(before);
	assert_int_equal(after, 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(connects(path), 0);
	close(fd);
}

static void
a_stale_file_is_replaced_a_live_one_never(void **state)
{
	int first, second = -1;

	(void)state;
	assert_int_equal(daemon_listen("x.sock", path, &first), 0);
	assert_int_equal(daemon_listen("x.sock", path, &second), -EADDRINUSE);
	assert_int_equal(second, -1);
	assert_int_equal(connects(path), 0);
	close(first);
	assert_int_equal(connects(path), -ECONNREFUSED);
	assert_int_equal(daemon_listen("x.sock", path, &second), 0);
	assert_int_equal(connects(path), 0);
	close(second);
}

static void
a_live_socket_with_a_full_backlog_is_not_stale(void **state)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int live = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), waiting[8], fd;

	(void)state;
	strcpy(a.sun_path, path);
	assert_int_equal(bind(live, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(live, 0), 0);
	for (int i = 0; i < 8; i++) {
		waiting[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(waiting[i], (struct sockaddr *)&a, sizeof a);
	}
	assert_int_equal(daemon_listen("x.sock", path, &fd), -EADDRINUSE);
	for (int i = 0; i < 8; i++)
		close(waiting[i]);
	close(live);
}

static void
other_files_are_never_removed(void **state)
{
	char target[160];
	int fd;

	(void)state;
	unit_write_file(path, "precious");
	assert_int_equal(daemon_listen("x.sock", path, &fd), -EADDRINUSE);
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);
	snprintf(target, sizeof target, "%s/target", folder);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(daemon_listen("x.sock", path, &fd), -EADDRINUSE);
}

static void
impossible_paths_are_faults(void **state)
{
	char longest[200];
	int fd;

	(void)state;
	memset(longest, 'x', sizeof longest - 1);
	longest[0] = '/';
	longest[sizeof longest - 1] = '\0';
	assert_int_equal(daemon_listen("x.sock", longest, &fd), -ENAMETOOLONG);
	assert_int_equal(daemon_listen("x.sock", "/nonexistent/x.sock", &fd), -ENOENT);
	assert_int_equal(daemon_listen("x.sock", "relative.sock", &fd), -EINVAL);
}

/* In a child, since systemd passes descriptors from 3 on: exit status 0 when all was as it should be. */
static int
as_if_passed(void)
{
	char pid[16];
	int a = socket(AF_UNIX, SOCK_STREAM, 0), b = socket(AF_UNIX, SOCK_STREAM, 0), fd;

	a = fcntl(a, F_DUPFD, 10);
	b = fcntl(b, F_DUPFD, 10);
	dup2(a, 3);
	dup2(b, 4);
	snprintf(pid, sizeof pid, "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "2", 1);
	setenv("LISTEN_FDNAMES", "fast.sock:x.sock", 1);
	if (daemon_listen("x.sock", path, &fd) || fd != 4 || !(fcntl(4, F_GETFL) & O_NONBLOCK) ||
	    !(fcntl(4, F_GETFD) & FD_CLOEXEC))
		return 1;
	if (daemon_listen("fast.sock", path, &fd) || fd != 3)
		return 2;
	if (!access(path, F_OK))
		return 3;
	if (daemon_listen("other.sock", path, &fd) || fd <= 4 || access(path, F_OK))
		return 4;
	return 0;
}

static void
sockets_of_systemd_are_taken_by_name(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	fflush(NULL);
	pid = fork();
	if (!pid)
		_exit(as_if_passed());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void
systemd_is_told(void **state)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	char pid[16], text[200];
	ssize_t n;

	(void)state;
	snprintf(a.sun_path, sizeof a.sun_path, "%s/notify", folder);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	setenv("NOTIFY_SOCKET", a.sun_path, 1);
	daemon_ready();
	assert_int_equal(recv(fd, text, sizeof text, 0), 7);
	assert_memory_equal(text, "READY=1", 7);
	daemon_reloading();
	n = recv(fd, text, sizeof text - 1, 0);
	assert_true(n > 0);
	text[n] = '\0';
	assert_memory_equal(text, "RELOADING=1\nMONOTONIC_USEC=", 27);
	daemon_stopping();
	assert_int_equal(recv(fd, text, sizeof text, 0), 10);
	daemon_watchdog();
	assert_int_equal(recv(fd, text, sizeof text, 0), -1);
	snprintf(pid, sizeof pid, "%d", (int)getpid());
	setenv("WATCHDOG_USEC", "1000000", 1);
	setenv("WATCHDOG_PID", pid, 1);
	daemon_watchdog();
	assert_int_equal(recv(fd, text, sizeof text, 0), 10);
	assert_memory_equal(text, "WATCHDOG=1", 10);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	daemon_ready();
	close(fd);
}

static void
signals_come_by_descriptor(void **state)
{
	static const int taken[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };
	struct signalfd_siginfo info;
	int fd = daemon_signal_fd(), ends[2];
	sigset_t none;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(read(fd, &info, sizeof info), -1);
	assert_int_equal(errno, EAGAIN);
	for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
		kill(getpid(), taken[i]);
		assert_int_equal(read(fd, &info, sizeof info), sizeof info);
		assert_int_equal(info.ssi_signo, taken[i]);
	}
	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	assert_int_equal(write(ends[1], "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	close(ends[1]);
	close(fd);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(listens_with_mode_0660),
		T(a_stale_file_is_replaced_a_live_one_never),
		T(a_live_socket_with_a_full_backlog_is_not_stale),
		T(other_files_are_never_removed),
		T(impossible_paths_are_faults),
		T(sockets_of_systemd_are_taken_by_name),
		T(systemd_is_told),
		T(signals_come_by_descriptor),
	};

	return cmocka_run_group_tests_name("daemon", tests, NULL, NULL);
}
