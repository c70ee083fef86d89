/* A model of some features given values of the others. */
#include "data/json_text.h"
#include "data/number.h"
#include "data/text_builder.h"
#include "math/blas.h"
#include "model/model_impl.h"

#include <math.h>
#include <string.h>

/* Transformed values of the given features; refuses what is missing, infinite or outside the support. */
static lk_status given_values(lk_context *ctx, const lk_model *model, const int64_t *features, const double *values, int64_t count,
                              double *z)
{
    lki_transform *transform = NULL;
    int64_t bad = -1;
    for (int64_t j = 0; j < count; j++) {
        if (!isfinite(values[j])) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "the value given for %s is %s; it must be a finite number",
                            model->names[features[j]], isnan(values[j]) ? "missing" : "infinite");
        }
        z[j] = values[j];
    }
    if (model->transform == NULL) {
        return LK_OK;
    }
    LKI_TRY(lki_transform_select(ctx, model->transform, features, count, &transform));
    lk_status status = LK_OK;
    lki_transform_apply(transform, values, 1, z, NULL, &bad);
    if (bad >= 0) {
        char text[LKI_NUMBER_BYTES];
        lki_format_double(values[bad], text);
        status = lki_fail(ctx, LK_ERROR_ARGUMENT, "%s = %s is given; %s", model->names[features[bad]], text,
                          lki_transform_domain(transform, bad, values[bad]));
    }
    lki_transform_free(transform);
    return status;
}

/* The features that are not given, in their order. */
static void others(int64_t d, const int64_t *given, int64_t count, int64_t *out)
{
    for (int64_t j = 0, last = 0; j < d; j++) {
        int64_t k = 0;
        while (k < count && given[k] != j) {
            k++;
        }
        if (k == count) {
            out[last++] = j;
        }
    }
}

/* What the model is conditioned on stays with it. */
static lk_status remark(lk_context *ctx, const lk_model *model, const int64_t *features, const double *values, int64_t count,
                        lk_model *part)
{
    lki_builder text = {0};
    lk_status status = lki_builder_add(ctx, &text, "given ");
    for (int64_t j = 0; j < count && status == LK_OK; j++) {
        char number[LKI_NUMBER_BYTES];
        lki_format_double(values[j], number);
        status = lki_builder_add(ctx, &text, j > 0 ? ", " : "");
        status = status == LK_OK ? lki_builder_add(ctx, &text, model->names[features[j]]) : status;
        status = status == LK_OK ? lki_builder_add(ctx, &text, " = ") : status;
        status = status == LK_OK ? lki_builder_add(ctx, &text, number) : status;
    }
    if (status == LK_OK) {
        status = lki_json_append(ctx, part->remarks, json_string(text.text));
    }
    lki_release(ctx, text.text);
    return status;
}

lk_status lk_model_condition(lk_context *ctx, const lk_model *model, const int64_t *features, const double *values, int64_t count,
                             lk_model **out)
{
    lk_model *part = NULL;
    int64_t *rest = NULL;
    double *z = NULL;
    lk_status status = LK_OK;
    lki_begin(ctx);
    LKI_TRY(lki_model_supports(ctx, model, LK_OPERATION_CONDITION));
    LKI_TRY(lki_features_check(ctx, model, features, count, model->d - 1));
    lki_blas_enter();
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)count, sizeof *z, &z));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)(model->d - count), sizeof *rest, &rest));
    LKI_GOTO(status, done, given_values(ctx, model, features, values, count, z));
    others(model->d, features, count, rest);
    LKI_GOTO(status, done, lki_model_part(ctx, model, rest, model->d - count, &part));
    part->report.n = (double)NAN; /* no rows were fitted under this condition */
    LKI_GOTO(status, done, remark(ctx, model, features, values, count, part));
    LKI_GOTO(status, done, model->operations.condition(ctx, model->state, features, z, count, &part->state));
    *out = part;
    part = NULL;
done:
    lki_blas_leave();
    lk_model_free(part);
    lki_release(ctx, rest);
    lki_release(ctx, z);
    return status;
}
