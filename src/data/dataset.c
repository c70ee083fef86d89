/* Reads row blocks of a table as a family wants them: features transformed, weights with the rows held out at zero. */
#include "dataset.h"

#include "core/philox.h"
#include "number.h"
#include "table_impl.h"
#include "transform.h"

#include <math.h>
#include <string.h>

void lki_block_free(lk_context *ctx, lki_block *block)
{
    lki_release(ctx, block->buffer);
    *block = (lki_block){0};
}

/* Whether a row takes part. Its draw depends on the seed and its number alone. */
static bool takes_part(const lki_mask *mask, int64_t row)
{
    lki_stream stream = lki_stream_new(mask->seed, LKI_STREAM_HOLDOUT, (uint64_t)row);
    double u = lki_random_uniform(&stream);
    int64_t group = mask->groups > 0 ? (int64_t)(u * (double)mask->groups) : u < mask->share;
    return mask->kind == 1 ? group != mask->group : group == mask->group;
}

/* The features as they lie in memory, where they are all columns in order. */
static const double *direct_rows(const lki_dataset *data, int64_t first_row)
{
    const double *rows = lki_table_direct(data->table);
    if (rows == NULL || lk_table_columns(data->table) != data->d) {
        return NULL;
    }
    for (int64_t j = 0; j < data->d; j++) {
        if (data->features[j] != j) {
            return NULL;
        }
    }
    return rows + first_row * data->d;
}

static lk_status fail_weight(lk_context *ctx, const lki_dataset *data, int64_t row, double w)
{
    char number[LKI_NUMBER_BYTES];
    lki_format_double(w, number);
    return lki_fail(ctx, LK_ERROR_DATA,
                    "row %lld of column '%s': the weight is %s; a weight is a finite number, 0 or more",
                    (long long)row + 1, lk_table_name(data->table, data->weight), isnan(w) ? "missing" : number);
}

/* Reads features and weights (may be NULL) with one visit of the table: gathers d + 1 columns, then parts them in
 * place. */
static lk_status gather(lk_context *ctx, const lki_dataset *data, const lki_block *block, double *x, double *w)
{
    int64_t d = data->d;
    if (data->weight < 0) {
        return lk_table_gather(ctx, data->table, block->first_row, block->rows, data->features, d, x);
    }
    if (lki_table_in_memory(data->table)) {
        LKI_TRY(lk_table_gather(ctx, data->table, block->first_row, block->rows, data->features, d, x));
        return lk_table_gather(ctx, data->table, block->first_row, block->rows, &data->weight, 1, w);
    }
    int64_t some[64], *columns = some;
    if (d + 1 > 64) {
        LKI_TRY(lki_allocate(ctx, (size_t)d + 1, sizeof *columns, &columns));
    }
    memcpy(columns, data->features, (size_t)d * sizeof *columns);
    columns[d] = data->weight;
    lk_status status = lk_table_gather(ctx, data->table, block->first_row, block->rows, columns, d + 1, x);
    if (columns != some) {
        lki_release(ctx, columns);
    }
    for (int64_t i = 0; status == LK_OK && i < block->rows; i++) {
        w[i] = x[i * (d + 1) + d];
        memmove(x + i * d, x + i * (d + 1), (size_t)d * sizeof *x);
    }
    return status;
}

static lk_status finish_weights(lk_context *ctx, const lki_dataset *data, const lki_block *block, double *w)
{
    for (int64_t i = 0; i < block->rows; i++) {
        int64_t row = block->first_row + i;
        if (data->weight < 0) {
            w[i] = data->weights != NULL ? data->weights[row] : 1.0;
        } else if (!(w[i] >= 0.0) || !isfinite(w[i])) {
            return fail_weight(ctx, data, row, w[i]);
        }
        if (data->mask.kind != 0 && !takes_part(&data->mask, row)) {
            w[i] = 0.0;
        }
    }
    return LK_OK;
}

/* A row without a label takes no part. `labels` is scratch of the block's rows. */
static lk_status drop_unlabelled(lk_context *ctx, const lki_dataset *data, const lki_block *block, double *labels, double *w)
{
    int64_t column = data->labelled - 1;
    LKI_TRY(lk_table_gather(ctx, data->table, block->first_row, block->rows, &column, 1, labels));
    for (int64_t i = 0; i < block->rows; i++) {
        w[i] = isnan(labels[i]) ? 0.0 : w[i];
    }
    return LK_OK;
}

static lk_status transform_rows(lk_context *ctx, const lki_dataset *data, const lki_block *block, const double *from,
                                double *to)
{
    int64_t bad = -1;
    lki_transform_apply(data->transform, from, block->rows, to, NULL, &bad);
    if (bad < 0) {
        return LK_OK;
    }
    int64_t row = block->first_row + bad / data->d, feature = bad % data->d;
    double value = 0.0;
    char number[LKI_NUMBER_BYTES];
    LKI_TRY(lk_table_gather(ctx, data->table, row, 1, &data->features[feature], 1, &value));
    lki_format_double(value, number);
    return lki_fail(ctx, LK_ERROR_DATA, "row %lld of column '%s': %s is outside the transform: %s", (long long)row + 1,
                    lk_table_name(data->table, data->features[feature]), number,
                    lki_transform_domain(data->transform, feature, value));
}

lk_status lki_dataset_block(lk_context *ctx, const lki_dataset *data, int64_t b, lki_block *block)
{
    int64_t d = data->d;
    block->first_row = b * LKI_BLOCK_ROWS;
    block->rows = data->rows - block->first_row < LKI_BLOCK_ROWS ? data->rows - block->first_row : LKI_BLOCK_ROWS;
    LKI_TRY(
        lki_grow(ctx, &block->buffer, &block->capacity, lki_product(LKI_BLOCK_ROWS, (size_t)d + 3), sizeof(double)));
    double *x = block->buffer, *w = block->buffer + LKI_BLOCK_ROWS * (d + 1);
    const double *direct = direct_rows(data, block->first_row);
    block->x = direct != NULL && data->transform == NULL ? direct : x;
    block->w = data->weight >= 0 || data->weights != NULL || data->labelled > 0 || data->mask.kind != 0 ? w : NULL;
    if (direct == NULL) {
        LKI_TRY(gather(ctx, data, block, x, w));
    } else if (data->weight >= 0) {
        LKI_TRY(lk_table_gather(ctx, data->table, block->first_row, block->rows, &data->weight, 1, w));
    }
    if (block->w != NULL) {
        LKI_TRY(finish_weights(ctx, data, block, w));
    }
    if (data->labelled > 0) {
        LKI_TRY(drop_unlabelled(ctx, data, block, w + LKI_BLOCK_ROWS, w));
    }
    if (data->transform != NULL) {
        LKI_TRY(transform_rows(ctx, data, block, direct != NULL ? direct : x, x));
    }
    return LK_OK;
}
