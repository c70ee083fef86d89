/* JSON values as a NumPy archive. */
#ifndef LIKELY_NPZ_WRITE_H
#define LIKELY_NPZ_WRITE_H

#include "data/text_builder.h"
#include <jansson.h>

/* Appends the archive (stored, not packed) of an object: each member an array of the key's name. Numbers, and nested lists of them of one
 * shape, are float64 or int64; texts and lists of them are Unicode. At most 4 GB, as the format without extensions has it. */
lk_status lki_npz_text(lk_context *ctx, const json_t *object, lki_builder *text) LK_NODISCARD;

#endif
