/*
 * fail -- named failpoints: places where a test makes the process die.
 *
 *     FAILPOINT("send.committed");
 *
 * Compiled only with -DPEAL_FAILPOINTS (build/test, build/san); a release binary holds neither the calls nor their names
 * (tests/unit checks it with nm and strings). When the file `<run_dir>/fail/<name>` exists, the first process that reaches
 * the place removes it and kills itself with SIGKILL: removing is atomic, so one file is one death. A file that holds
 * `sleep <ms>` makes that process wait instead, one that holds `wait` until there is a file `<name>.go`; such a file is renamed into place, or it would be found empty.
 */
#ifndef PEAL_BASE_FAIL_H
#define PEAL_BASE_FAIL_H

#ifdef PEAL_FAILPOINTS
void fail_init(const char *run_dir);
void fail_point(const char *name);
#define FAILPOINT(name) fail_point(name)
#else
static inline void
fail_init(const char *run_dir)
{
	(void)run_dir;
}
#define FAILPOINT(name) ((void)0)
#endif

#endif
