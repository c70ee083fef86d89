/* How similar rows are to the data that a model stands for. */
#include "core/reduce.h"
#include "math/blas.h"
#include "model/model_impl.h"

#include <likely/derived.h>
#include <math.h>
#include <string.h>

typedef struct asking {
    const lk_model *model;
    const double *x;
    int64_t rows;
    double *out;
} asking;

/* Rows that are not finite are told nothing; the others are asked together. */
static lk_status ask_block(lk_context *ctx, void *state, int thread, int64_t index)
{
    const asking *a = state;
    const int64_t d = a->model->d, first = index * LKI_BLOCK_ROWS, rows = a->rows - first < LKI_BLOCK_ROWS ? a->rows - first : LKI_BLOCK_ROWS;
    double *z = NULL, *told;
    int64_t *kept = NULL, count = 0;
    lk_status status = LK_OK;
    (void)thread;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, (size_t)(d + 2) * sizeof *z, &z));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, sizeof *kept, &kept));
    told = z + rows * d;
    for (int64_t i = 0; i < rows; i++) {
        bool finite = true;
        memcpy(z + count * d, a->x + (first + i) * d, (size_t)d * sizeof *z);
        if (a->model->transform != NULL) {
            lki_transform_apply(a->model->transform, z + count * d, 1, z + count * d, NULL, NULL);
        }
        for (int64_t j = 0; j < d; j++) {
            finite = finite && isfinite(z[count * d + j]);
        }
        a->out[2 * (first + i)] = a->out[2 * (first + i) + 1] = (double)NAN;
        kept[count] = first + i;
        count += finite ? 1 : 0;
    }
    LKI_GOTO(status, done, a->model->operations.similarity(ctx, a->model->state, z, count, told));
    for (int64_t i = 0; i < count; i++) {
        memcpy(a->out + 2 * kept[i], told + 2 * i, 2 * sizeof *told);
    }
done:
    lki_release(ctx, z);
    lki_release(ctx, kept);
    return status;
}

lk_status lk_model_similarity(lk_context *ctx, const lk_model *model, const double *x, int64_t rows, double *out)
{
    asking a = {model, x, rows, out};
    lki_begin(ctx);
    if (rows < 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "rows is %lld; it must be at least 0", (long long)rows);
    }
    if (model->operations.similarity == NULL) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "this %s model%s cannot tell the similarity of rows to its data; kde and private without classes can",
                        model->method->public.name, model->classes != NULL ? " with classes" : "");
    }
    lki_blas_enter();
    const lk_status status = lki_parallel(ctx, (rows + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS, ask_block, &a);
    lki_blas_leave();
    return status;
}
