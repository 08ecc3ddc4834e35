/*
 * fuzz_breached -- a file that is to be a list, whatever is in it: the search ends, and what it finds is there. A line of the input,
 * hashed, is what is looked for, so that some are found.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "base/breached.h"
#include "base/err.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_n((const char *)data, size), rest = text, word = str_cut(&rest, '\n');
	char path[64];
	struct buf errors;
	bool found = false;
	int fd = memfd_create("list", MFD_CLOEXEC);

	MUST(fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	buf_init(&errors, 4096);
	if (breached_find(path, word, &found) < 0) {
		err_clear();
		MUST(!found);
	}
	MUST(!found || size >= 40);
	MUST(!breached_check(path, &errors) || errors.n);
	buf_deinit(&errors);
	close(fd);
	return 0;
}
