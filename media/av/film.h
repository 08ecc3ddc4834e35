/*
 * film -- what film.c and transcode.c share.
 */
#ifndef PEAL_MEDIA_FILM_H
#define PEAL_MEDIA_FILM_H

#include "av.h"

/* How the picture is to be turned, if it is. False: no memory. */
bool film_copy_matrix(AVStream *to, const AVStream *from);
/* Back to the beginning, with these streams only; b may be NULL. */
bool film_rewind(AVFormatContext *, const AVStream *a, const AVStream *b);

/*
 * H.264 and AAC in MP4 of what `decoder` (already used or not) and a decoder for the sound find; sets r's sides, as they are stored, and duration.
 * JOB_DONE; JOB_CORRUPT, JOB_TOO_COMPLEX, JOB_TOO_MANY_SAMPLES beyond limit_us.
 */
enum job_found film_transcode(AVFormatContext *, AVStream *video, AVCodecContext *decoder, int64_t limit_us,
                              struct job_result *r, struct memory *film);

#endif
