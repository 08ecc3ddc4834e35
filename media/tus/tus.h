/*
 * tus -- the process of peal-media that takes uploads in pieces (tus 1.0.0): one loop for all of them, so that a slow line costs a
 * connection and not a process. What is whole goes to the processes of worker.h, over the socket and in the form in which nginx
 * brings them an upload, and becomes an attachment there.
 *
 *     nginx --(body as it comes)--> tus ---> media_dir/tus/<owner>/<id>
 *                                    `---(its path, when it is whole)--> media.sock
 */
#ifndef PEAL_MEDIA_TUS_TUS_H
#define PEAL_MEDIA_TUS_TUS_H

#include "media/worker.h"

/* In a fresh process. Returns its exit status after SIGTERM, or when the master has gone. */
int tus_run(const struct worker_job *);

#endif
