/* Log densities of held-out rows, kept with the model in ascending order. */
#include "model/calibration.h"

#include "data/json_text.h"
#include "model/model_impl.h"
#include "model/pooled.h"
#include "model/survey.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct calibrating {
    const lki_dataset *held;
    lki_question question;
    lki_block *blocks;
    lki_scratch *scratch; /* one a thread */
    double *density;      /* of each row; NaN = takes no part, or is incomplete */
} calibrating;

static lk_status density_block(lk_context *ctx, void *state, int thread, int64_t index)
{
    const calibrating *c = state;
    lki_block *block = &c->blocks[thread];
    int64_t d = c->held->d;
    LKI_TRY(lki_cancelled(ctx));
    LKI_TRY(lki_dataset_block(ctx, c->held, index, block));
    double *density = c->density + block->first_row;
    LKI_TRY(lki_question_block(ctx, &c->question, &c->scratch[thread], block->x, block->rows, density));
    for (int64_t i = 0; i < block->rows; i++) {
        bool used = block->w == NULL || block->w[i] > 0.0;
        for (int64_t j = 0; j < d; j++) {
            used = used && !isnan(block->x[i * d + j]);
        }
        density[i] = used ? density[i] : (double)NAN;
    }
    return LK_OK;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Parts the rows with a density from those without, and orders them. */
static lk_status collect(lk_context *ctx, const double *density, int64_t rows, lki_calibration **out, double *moments)
{
    lki_calibration *made;
    size_t head = (sizeof *made + sizeof(double) - 1) / sizeof(double);
    LKI_TRY(lki_allocate(ctx, (size_t)rows + head, sizeof(double), &made));
    *made = (lki_calibration){0};
    for (int64_t i = 0; i < rows; i++) {
        made->outside += density[i] == -(double)INFINITY ? 1 : 0;
        if (isfinite(density[i])) {
            made->values[made->count++] = density[i];
        }
    }
    if (made->count == 0) {
        lki_release(ctx, made);
        return lki_fail(ctx, LK_ERROR_DATA, "no row to calibrate by: none of the rows held out has all features and a density; "
                                            "take a larger share");
    }
    qsort(made->values, (size_t)made->count, sizeof(double), compare_doubles);
    lki_pooled_of(moments, made->values, 1, NULL, made->count);
    *out = made;
    return LK_OK;
}

lk_status lki_calibration_new(lk_context *ctx, const lk_model *model, const lki_dataset *held, lki_calibration **out, double *moments)
{
    calibrating c = {.held = held};
    lk_status status = LK_OK;
    int threads = lki_threads(ctx);
    LKI_GOTO(status, done, lki_question_open(ctx, model, LK_OPERATION_LOG_DENSITY, &c.question));
    LKI_GOTO(status, done, lki_blocks_new(ctx, &c.blocks));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)threads, sizeof *c.scratch, &c.scratch));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)held->rows, sizeof *c.density, &c.density));
    LKI_GOTO(status, done, lki_parallel(ctx, held->blocks, density_block, &c));
    status = collect(ctx, c.density, held->rows, out, moments);
done:
    for (int i = 0; c.scratch != NULL && i < threads; i++) {
        lki_scratch_free(ctx, &c.scratch[i]);
    }
    lki_release(ctx, c.scratch);
    lki_blocks_free(ctx, c.blocks);
    lki_release(ctx, c.density);
    lki_question_close(ctx, &c.question);
    return status;
}

/* ---- the model file ---- */

json_t *lki_calibration_json(const lki_calibration *c)
{
    return json_pack("{s:f, s:I, s:I}", "share", c->share, "rows", (json_int_t)(c->count + c->outside), "outside",
                     (json_int_t)c->outside);
}

lki_tensor lki_calibration_tensor(const lki_calibration *c)
{
    return (lki_tensor){.name = LKI_CALIBRATION_TENSOR, .rank = 1, .shape = {c->count}, .values = (double *)c->values};
}

bool lki_calibration_right(const json_t *json, const lki_tensor *tensor)
{
    const json_t *share = json_object_get(json, "share"), *rows = json_object_get(json, "rows");
    const json_t *outside = json_object_get(json, "outside");
    bool right = json_object_size(json) == 3 && json_is_number(share) && json_number_value(share) > 0.0 &&
                 json_number_value(share) < 1.0 && json_is_integer(rows) && json_is_integer(outside) && tensor->rank == 1 &&
                 tensor->shape[0] > 0 && json_integer_value(outside) >= 0 && json_integer_value(rows) >= tensor->shape[0] &&
                 json_integer_value(rows) - tensor->shape[0] == json_integer_value(outside);
    for (int64_t i = 1; right && i < tensor->shape[0]; i++) {
        right = tensor->values[i - 1] <= tensor->values[i];
    }
    return right && json_integer_value(rows) < INT64_C(1) << 53;
}

lk_status lki_calibration_read(lk_context *ctx, const json_t *json, const lki_tensor *tensor, lki_calibration **out)
{
    lki_calibration *made;
    size_t head = (sizeof *made + sizeof(double) - 1) / sizeof(double), count = (size_t)tensor->shape[0];
    LKI_TRY(lki_allocate(ctx, count + head, sizeof(double), &made));
    made->share = json_number_value(json_object_get(json, "share"));
    made->outside = (int64_t)json_integer_value(json_object_get(json, "outside"));
    made->count = (int64_t)count;
    memcpy(made->values, tensor->values, count * sizeof(double));
    *out = made;
    return LK_OK;
}
