/* What a family sees of a table: row blocks of features and weights, in any order, whatever holds them. */
#ifndef LIKELY_DATASET_H
#define LIKELY_DATASET_H

#include "core/core.h"
#include "core/reduce.h"
#include <likely/table.h>

/* A transform of each feature with its Jacobian (see transform.h). */
struct lki_transform;

/* Which rows take part: all; or those (not) held out, chosen by a stream of the seed. A row that takes no part has
 * weight 0. */
typedef struct lki_mask {
    int kind;       /* 0 all, 1 rows whose group differs from `group`, 2 rows whose group is `group` */
    double share;   /* with groups = 0: a row belongs to group 1 with this probability, else to 0 */
    int64_t groups; /* number of folds, 0 = by share */
    int64_t group;
    uint64_t seed;
} lki_mask;

typedef struct lki_dataset {
    const lk_table *table;   /* borrowed */
    const int64_t *features; /* d positions, borrowed */
    int64_t d;
    int64_t weight;                        /* position of the weight column, -1 = none */
    const double *weights;                 /* of every row, instead of a column (weight = -1); borrowed, NULL = none */
    int64_t labelled;                      /* 1 + position of a column: a row without a value there takes no part; 0 = none */
    const struct lki_transform *transform; /* borrowed, NULL = none */
    lki_mask mask;
    int64_t rows;
    int64_t blocks; /* ceil(rows / LKI_BLOCK_ROWS) */
} lki_dataset;

/* Scratch of one thread for reading blocks; lki_block_free is fine on a zeroed one. */
typedef struct lki_block {
    int64_t rows; /* of this block, at most LKI_BLOCK_ROWS */
    int64_t first_row;
    const double *x; /* rows x d, row-major, in transformed units */
    const double *w; /* rows weights, NULL = all one */
    double *buffer;
    size_t capacity;
} lki_block;

/* Reads block b. A missing value stays NaN. Errors: LK_ERROR_DATA for a negative, infinite or missing weight or a
 * value outside a transform's domain (row and column named), LK_ERROR_IO, LK_ERROR_MEMORY. Thread-safe on distinct
 * `block`s. */
lk_status lki_dataset_block(lk_context *ctx, const lki_dataset *dataset, int64_t b, lki_block *block) LK_NODISCARD;
void lki_block_free(lk_context *ctx, lki_block *block);

#endif
