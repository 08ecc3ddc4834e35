/*
 * report -- what those who report and those who moderate have in common.
 */
#ifndef PEAL_FCGI_ENDPOINT_REPORT_H
#define PEAL_FCGI_ENDPOINT_REPORT_H

#include "store/moderation.h"

extern const char *const report_reasons[]; /* ends with NULL */

#endif
