/* Ends of features as a text: x=0:,y=0:1. */
#ifndef LIKELY_FEATURE_BOUNDS_H
#define LIKELY_FEATURE_BOUNDS_H

#include "core/core.h"

/* NAME=LOW:HIGH, either of which may be left out (infinite then), comma-separated; LOW:HIGH alone is for every feature. low, high: d; features that are
 * not named get infinite ends. NULL or "" = none. Errors: LK_ERROR_ARGUMENT. */
lk_status lki_bounds_parse(lk_context *ctx, const char *text, const char *const *names, int64_t d, double *low, double *high) LK_NODISCARD;

#endif
