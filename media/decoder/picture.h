/*
 * picture -- from the bytes somebody uploaded to what Peal keeps: two WebP files, a placeholder and a colour.
 *
 * Runs in a child process that ends afterwards, so nothing here is given back.
 */
#ifndef PEAL_MEDIA_PICTURE_H
#define PEAL_MEDIA_PICTURE_H

#include "../job.h"

/* Once per process, before any fork: starts libvips with four loaders and nothing else, and warms up its compiler. False
 * when it is not as it must be. */
bool picture_init(const char *program);

/* output: JOB_OUTPUT_BYTES, zeroed; gets the struct job_result and behind it the encoded bytes. */
void picture_make(const struct job *, const uint8_t *bytes, uint8_t *output);

#endif
