/*
 * export -- archives of everything of somebody's: peal-jobs sends the pages, and asks for the archive when all are here.
 *
 *     <media_dir>/export/<id>/00000001 ...    pages: a line that is the name in the archive, then what comes there. Those that follow each
 *                                              other and have one name are one entry. Named @files: lines `<attachment>/<file>\t<name>`
 *     <media_dir>/export/<id>/lock, archive    of the process that makes it
 *     <media_dir>/export/<id>/done, failed     what became of it, as it is answered
 *
 * The archive is then what the upload of this id is (store.h). Nobody waits for it: it is made by a process of its own, which may die at any
 * moment; whoever asks next begins anew.
 */
#ifndef PEAL_MEDIA_EXPORT_H
#define PEAL_MEDIA_EXPORT_H

#include "base/arena.h"
#include "base/json_in.h"
#include "store.h"

/*
 * POST /export/<id>/<n>: keeps page n. /export/<id>/build {parts}: makes it, or says how far that is. /export/<id>/end: all of it goes, but for the archive.
 * 0 with *ret_body (absent: nothing to say); NOT_FOUND, INVALID, NO_SPACE, or a fault. path is what follows "/export/".
 */
int export_door(const struct media_store *, const struct conf *, int listener, struct arena *, struct str path,
                struct str body, struct json_report *, struct str *ret_body);
/* Removes what nobody has touched for a day. */
void export_sweep(const struct conf *, struct arena *);

#endif
