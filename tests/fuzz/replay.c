/*
 * replay -- runs files, and the files of folders, through one fuzz target, without libFuzzer.
 *
 *     build/san/fuzz/fuzz_utf8 tests/fuzz/seed/utf8
 *
 * Each input lies in a block of exactly its size, so that AddressSanitizer sees the first byte read past it.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static int failures, inputs;

static void
run_file(const char *path, size_t size)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = malloc(size ? size : 1);

	if (!f || !data || fread(data, 1, size, f) != size) {
		fprintf(stderr, "%s: cannot read\n", path);
		failures++;
	} else {
		LLVMFuzzerTestOneInput(data, size);
		inputs++;
	}
	free(data);
	if (f)
		fclose(f);
}

static void run(const char *path);

static void
run_folder(const char *path)
{
	struct dirent **entries;
	int n = scandir(path, &entries, NULL, alphasort);
	char inner[4096];

	for (int i = 0; i < n; i++) {
		if (entries[i]->d_name[0] != '.') {
			snprintf(inner, sizeof inner, "%s/%s", path, entries[i]->d_name);
			run(inner);
		}
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

static void
run(const char *path)
{
	struct stat st;

	if (stat(path, &st)) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		failures++;
	} else if (S_ISDIR(st.st_mode)) {
		run_folder(path);
	} else {
		run_file(path, (size_t)st.st_size);
	}
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		run(argv[i]);
	printf("%d inputs\n", inputs);
	if (!inputs)
		fprintf(stderr, "%s: nothing to replay\n", argv[0]);
	return failures || !inputs;
}
