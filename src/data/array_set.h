/* Arrays side by side as the columns of one table: the one of an NPY or IDX, or several of an NPZ. */
#ifndef LIKELY_ARRAY_SET_H
#define LIKELY_ARRAY_SET_H

#include "data/array_rows.h"
#include "data/table_impl.h"
#include "data/zip.h"

typedef struct lki_array_set {
    lki_memory memory;
    lki_zip *zip;       /* owned, NULL = none: what the arrays lie in */
    lki_array **arrays; /* owned, as many rows each */
    char **names;       /* an array's one column is called so; NULL = x1, x2, ... by position */
    size_t count;
    const char *name;   /* of the file, as in error texts */
    int64_t rows, columns, next_row;
    char *raw;          /* scratch of a block: bytes, */
    size_t raw_capacity;
    int64_t fetched;    /* rows in it, of a single array */
    double *part;       /* and the rows of one of several arrays */
    size_t part_capacity;
} lki_array_set;

/* A set with room for `count` arrays and none in it yet. */
lk_status lki_array_set_new(lk_context *ctx, size_t count, lki_array_set **out) LK_NODISCARD;
/* Adds an array, and takes it whatever is returned; name[0..length) may be NULL. Rows and columns become those of all. */
lk_status lki_array_set_add(lk_context *ctx, lki_array_set *set, lki_array *array, const char *name, size_t length) LK_NODISCARD;
void lki_array_set_free(lki_array_set *set);
/* A table without rows that has the set's columns: real, and named. */
lk_status lki_array_set_columns(lk_context *ctx, const lki_array_set *set, lk_table **out) LK_NODISCARD;
/* How many rows come at once, if so many are left. */
int64_t lki_array_set_step(const lki_array_set *set);
/* Makes sure that the next `rows` rows are there before memory for them is taken: of a stream they are read. */
lk_status lki_array_set_fetch(lk_context *ctx, lki_array_set *set, int64_t rows) LK_NODISCARD;
/* The next `rows` rows (there must be as many), row-major. */
lk_status lki_array_set_next(lk_context *ctx, lki_array_set *set, int64_t rows, double *out) LK_NODISCARD;
/* After the last row: the data must end there. */
lk_status lki_array_set_end(lk_context *ctx, lki_array_set *set) LK_NODISCARD;

#endif
