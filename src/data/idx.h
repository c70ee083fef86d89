/* The IDX format of the MNIST files: a magic number, the lengths of the dimensions, big-endian elements. */
#ifndef LIKELY_IDX_H
#define LIKELY_IDX_H

#include "data/array_rows.h"

/* Whether a file that begins so is taken for an IDX where no format is given. */
bool lki_idx_sniff(const unsigned char *bytes, size_t count);
/* The first dimension is the rows, the others together are the columns. Takes the source, whatever is returned. The size of a
 * regular file must agree with the header. */
lk_status lki_idx_open(lk_context *ctx, lki_source *source, lki_array **out) LK_NODISCARD;

#endif
