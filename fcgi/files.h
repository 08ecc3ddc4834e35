/*
 * files -- peal-media is asked to remove files that nobody wants any more, so that links to them die now.
 */
#ifndef PEAL_FCGI_FILES_H
#define PEAL_FCGI_FILES_H

#include "req.h"

/* After commit. ids: a JSON array of attachments, or absent. Should peal-media be away, it finds the rows when it is back. */
void files_remove(struct req *, struct str ids);

#endif
