/* NumPy's NPZ format: a zip archive of NPY files, one an array. */
#ifndef LIKELY_NPZ_H
#define LIKELY_NPZ_H

#include "data/array_set.h"

/* Whether a file that begins so is a zip archive. */
bool lki_npz_sniff(const unsigned char *bytes, size_t count);
/* The array called `member`; where that is NULL the only matrix, or the one called X, beside every vector of its length; where
 * there is no matrix, all vectors, if they are of one length. A matrix has columns x1, x2, ...; a vector is a column of its own
 * name. What else there is stays out, with a remark. Takes the source, whatever is returned. */
lk_status lki_npz_open(lk_context *ctx, lki_source *source, const char *member, lki_array_set **out) LK_NODISCARD;

#endif
