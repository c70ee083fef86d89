/* JSON values as text that R reads. */
#ifndef LIKELY_R_TEXT_H
#define LIKELY_R_TEXT_H

#include "data/text_builder.h"
#include <jansson.h>

/* Appends an object as list(name = value, ...) for R's dget(): numbers and texts as they are, a list of either as a vector, nested lists
 * of numbers of one shape as an array whose first dimension is the outermost list (columns first in memory, as R has it). */
lk_status lki_r_text(lk_context *ctx, const json_t *object, lki_builder *text) LK_NODISCARD;

#endif
