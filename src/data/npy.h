/* NumPy's NPY format, versions 1.0, 2.0 and 3.0. */
#ifndef LIKELY_NPY_H
#define LIKELY_NPY_H

#include "data/array_rows.h"

/* What a header tells beside what an lki_array_file holds. */
typedef struct lki_npy_kind {
    int dimensions;  /* 1 or 2 */
    bool unsuitable; /* the error is that it tells of no table of numbers: another type, no dimension or more than two */
} lki_npy_kind;

/* Reads the header into file (shape, element, order, offset) and kind. */
lk_status lki_npy_header(lk_context *ctx, lki_source *source, lki_array_file *file, lki_npy_kind *kind) LK_NODISCARD;
/* Takes the source, whatever is returned. The size of a regular file must agree with the header. */
lk_status lki_npy_open(lk_context *ctx, lki_source *source, lki_array **out) LK_NODISCARD;

#endif
