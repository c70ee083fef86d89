/* NumPy's NPY format, versions 1.0, 2.0 and 3.0: the header, and rows in order from any source. */
#ifndef LIKELY_NPY_H
#define LIKELY_NPY_H

#include "data/array_file.h"
#include "data/stream.h"

typedef struct lki_npy {
    lki_memory memory;
    lki_source *source;  /* owned */
    lki_array_file file; /* its descriptor is -1 where rows come from the source in order */
    int64_t next_row;
    bool spooled; /* the descriptor is a temporary file of ours */
} lki_npy;

/* Reads the header; takes the source, whatever is returned. The size of a regular file must agree with it. */
lk_status lki_npy_open(lk_context *ctx, lki_source *source, lki_npy **out) LK_NODISCARD;
void lki_npy_free(lki_npy *npy);
/* The next `rows` rows (there must be as many), all columns. `buffer` is scratch of rows * columns * element_bytes. */
lk_status lki_npy_next(lk_context *ctx, lki_npy *npy, int64_t rows, void *buffer, double *out) LK_NODISCARD;
/* After the last row: the data must end there. */
lk_status lki_npy_end(lk_context *ctx, lki_npy *npy) LK_NODISCARD;

#endif
