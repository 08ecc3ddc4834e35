/* fuzz_conf: any file is read whole, refused with lines of text or accepted with every value in its range. */
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/conf.h"
#include "base/err.h"

static void
check_values(const struct conf *conf)
{
	for (const struct conf_key *k = conf_keys; k->name; k++) {
		const char *at = (const char *)conf + k->offset;

		if (k->type == CONF_INT)
			MUST(*(const int64_t *)at >= k->min && *(const int64_t *)at <= k->max);
		else
			MUST(*(const char *const *)at != NULL && str_utf8_valid(str_c(*(const char *const *)at)));
		MUST(k->type != CONF_PATH || strchr("/", (*(const char *const *)at)[0])); /* or nothing */
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *a = arena_new(64 << 20);
	int fd = memfd_create("conf", MFD_CLOEXEC), r;
	struct buf errors;
	struct conf conf;
	char path[32];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	MUST(fd >= 0 && write(fd, data, n) == (ssize_t)n);
	buf_init(&errors, 256 << 20);
	r = conf_load(a, path, &conf, &errors);
	MUST(r == 0 || r == INVALID);
	MUST((r == 0) == (errors.n == 0));
	if (!r)
		check_values(&conf);
	else
		MUST(errors.p[errors.n - 1] == '\n' && str_utf8_valid(buf_view(&errors)));
	buf_deinit(&errors);
	arena_free(a);
	close(fd);
	return 0;
}
