/* The rows of a table as a model sees them: columns found, weights summed. */
#include "model/replicate.h"
#include "model/survey.h"

#include <math.h>

typedef struct counting {
    const lki_dataset *data;
    lki_block *blocks;
    int gaps;
} counting;

/* Sums: weight of the rows that have a value; 1-based row and column of the first value that is refused, whether it is infinite. */
static lk_status count_block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const counting *c = state;
    lki_block *b = &c->blocks[thread];
    const int64_t d = c->data->d;
    LKI_TRY(lki_dataset_block(ctx, c->data, index, b));
    for (int64_t i = 0; i < b->rows; i++) {
        const double w = b->w != NULL ? b->w[i] : 1.0;
        int64_t there = 0;
        for (int64_t j = 0; j < d && w > 0.0; j++) {
            const double x = b->x[i * d + j];
            there += !isnan(x);
            if ((isinf(x) || (isnan(x) && !c->gaps)) && sums[1] == 0.0) {
                sums[1] = (double)(b->first_row + i + 1);
                sums[2] = (double)j;
                sums[3] = isinf(x) ? 1.0 : 0.0;
            }
        }
        sums[0] += there > 0 ? w : 0.0;
    }
    return LK_OK;
}

static void count_combine(void *state, double *left, const double *right)
{
    (void)state;
    left[0] += right[0];
    for (int i = 1; left[1] == 0.0 && i < 4; i++) {
        left[i] = right[i];
    }
}

static lk_status count_rows(lk_context *ctx, const lk_model *model, lki_rows *rows)
{
    counting c = {.data = &rows->data, .gaps = model->method->gaps};
    double sums[4] = {0};
    LKI_TRY(lki_blocks_new(ctx, &c.blocks));
    const lki_reduction reduction = {.blocks = rows->data.blocks, .length = 4, .block = count_block, .combine = count_combine, .state = &c};
    lk_status status = lki_reduce(ctx, &reduction, sums);
    lki_blocks_free(ctx, c.blocks);
    LKI_TRY(status);
    if (sums[1] > 0.0) {
        return lki_value_refused(ctx, model->names[(int64_t)sums[2]], (int64_t)sums[1] - 1, sums[3] > 0.0);
    }
    if (!(sums[0] > 0.0)) {
        return lki_fail(ctx, LK_ERROR_DATA, "%s", rows->data.rows == 0 ? "there are no rows" : "no row has a positive weight and a value");
    }
    rows->total = sums[0];
    return LK_OK;
}

lk_status lki_rows_open(lk_context *ctx, const lk_model *model, const lk_table *table, const char *weight, lki_rows *out)
{
    const int64_t rows = lk_table_rows(table);
    lki_rows fresh = {.data = {.table = table, .d = model->d, .weight = -1, .transform = model->transform, .rows = rows,
                               .blocks = (rows + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS}};
    lk_status status = LK_OK;
    LKI_GOTO(status, failed, lki_allocate(ctx, (size_t)model->d, sizeof *fresh.features, &fresh.features));
    LKI_GOTO(status, failed, lki_model_match(ctx, model, table, fresh.features));
    if (weight != NULL) {
        LKI_GOTO(status, failed, lk_table_find(ctx, table, weight, &fresh.data.weight));
    }
    fresh.data.features = fresh.features;
    LKI_GOTO(status, failed, count_rows(ctx, model, &fresh));
    *out = fresh;
    return LK_OK;
failed:
    lki_rows_close(ctx, &fresh);
    return status;
}

void lki_rows_close(lk_context *ctx, lki_rows *rows)
{
    lki_release(ctx, rows->features);
    *rows = (lki_rows){0};
}
