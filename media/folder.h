/*
 * folder -- folders of media_dir by descriptor, and what a disk says when it is full.
 */
#ifndef PEAL_MEDIA_FOLDER_H
#define PEAL_MEDIA_FOLDER_H

#include <dirent.h>
#include <fcntl.h>

#include "base/str.h"

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Opens the folder `name` in `at`, made when it is not there. 0, NO_SPACE or a fault. The caller closes *ret. */
int folder_open(int at, const char *name, int *ret);
/* Its entries, to be closed by closedir(3); NULL with errno when there is no such folder. */
DIR *folder_list(int at, const char *name);
/* All of them, at the end of what is there. 0, NO_SPACE or a fault; some may have been written then. */
int write_whole(int fd, struct str bytes);
/* What errno says of a write: NO_SPACE when the disk or a quota is full, else a fault. */
int disk_fault(void);

#endif
