/*
 * sandbox -- the system calls that are left to whoever decodes: memory, time and locks; no files, no sockets, no processes.
 *
 * The list is made into a filter once, before any fork; a child only loads it. A call that is not in it kills the child.
 * Calls that libraries try and can do without fail instead. Code that is not there yet can never be run: PROT_EXEC is
 * refused, and what the child inherits executable is all there is.
 */
#ifndef PEAL_MEDIA_SANDBOX_H
#define PEAL_MEDIA_SANDBOX_H

#include <stdbool.h>

/* threads: whether children may start threads. False when the filter could not be made; nobody may be forked then. */
bool sandbox_prepare(bool threads);
/* In a child that has set no_new_privs: from here on. False when the kernel refuses. */
bool sandbox_enter(void);

#endif
