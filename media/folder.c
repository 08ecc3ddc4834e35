/* media/folder.c -- folders by descriptor: nothing is followed, and nobody may have put a link in the way. */
#include "folder.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"

int
disk_fault(void)
{
	return errno == ENOSPC || errno == EDQUOT ? NO_SPACE : fault(-errno);
}

int
folder_open(int at, const char *name, int *ret)
{
	if (mkdirat(at, name, 0750) && errno != EEXIST)
		return disk_fault();
	*ret = openat(at, name, FOLDER_FLAGS);
	return *ret < 0 ? fault(-errno) : 0;
}

DIR *
folder_list(int at, const char *name)
{
	int fd = openat(at, name, FOLDER_FLAGS);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d && fd >= 0)
		close(fd);
	return d;
}

int
write_whole(int fd, struct str bytes)
{
	while (bytes.n) {
		ssize_t n = write(fd, bytes.p, bytes.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return disk_fault();
		bytes = str_n(bytes.p + n, bytes.n - (size_t)n);
	}
	return 0;
}
