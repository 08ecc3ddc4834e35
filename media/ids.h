/*
 * ids -- what peal-media and the REST workers mostly say to each other: a JSON object with an array `ids`.
 */
#ifndef PEAL_MEDIA_IDS_H
#define PEAL_MEDIA_IDS_H

#include "base/json_in.h"

/* Its array, which lives as the arena. BAD_JSON, INVALID. */
int ids_parse(struct arena *, struct str text, struct json_report *, json_t **ret);

#endif
