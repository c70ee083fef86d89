/* Tweedie's formula for noise of exponential families, from a model of the noisy rows. */
#include "model/model_impl.h"

#include <likely/transfer.h>

#include <math.h>
#include <string.h>

typedef enum noise_kind { NOISE_NORMAL, NOISE_POISSON, NOISE_GAMMA } noise_kind;

static lk_status check(lk_context *ctx, const lk_model *model, const char *name, const double *parameter, noise_kind *out)
{
    static const char *const names[] = {"normal", "poisson", "gamma"};
    int k = 0;
    while (k < 3 && strcmp(name, names[k]) != 0) {
        k++;
    }
    if (k == 3) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "there is no noise called \"%.100s\"; there are: normal, poisson, gamma", name);
    }
    for (int64_t j = 0; j < model->d; j++) {
        const double least = k == NOISE_GAMMA ? 1.0 : 0.0;
        if (!(parameter[j] > least) || !isfinite(parameter[j])) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "the %s of feature %s is %g; it must be above %g", k == NOISE_NORMAL ? "sd" : k == NOISE_POISSON ? "gain" : "shape",
                            model->names[j], parameter[j], least);
        }
    }
    if (model->transform != NULL && !lki_transform_affine(model->transform)) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "noise is told in the units of the data, and this model was fitted through a curved transform");
    }
    *out = (noise_kind)k;
    return lki_model_supports(ctx, model, k == NOISE_POISSON ? LK_OPERATION_LOG_DENSITY : LK_OPERATION_SCORE);
}

/* (x_j + g) p(x + g e_j) / p(x): the next count against this one (Robbins). */
static lk_status poisson(lk_context *ctx, const lk_model *model, const double *gain, const double *x, int64_t rows, double *out)
{
    const int64_t d = model->d;
    double *next;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)rows, (size_t)d + 2), sizeof *next, &next));
    double *here = next + rows * d, *there = here + rows;
    lk_status status = lk_model_log_density(ctx, model, x, rows, here);
    for (int64_t j = 0; j < d && status == LK_OK; j++) {
        memcpy(next, x, (size_t)(rows * d) * sizeof *next);
        for (int64_t i = 0; i < rows; i++) {
            next[i * d + j] += gain[j];
        }
        status = lk_model_log_density(ctx, model, next, rows, there);
        for (int64_t i = 0; i < rows && status == LK_OK; i++) {
            out[i * d + j] = (x[i * d + j] + gain[j]) * exp(there[i] - here[i]);
        }
    }
    lki_release(ctx, next);
    return status;
}

lk_status lk_model_denoise_marginal(lk_context *ctx, const lk_model *model, const char *noise, const double *parameter, const double *x, int64_t rows,
                                    double *out)
{
    const int64_t d = model->d;
    noise_kind kind = NOISE_NORMAL;
    lki_begin(ctx);
    if (rows < 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "rows is %lld; it must be at least 0", (long long)rows);
    }
    LKI_TRY(check(ctx, model, noise, parameter, &kind));
    LKI_TRY(kind == NOISE_POISSON ? poisson(ctx, model, parameter, x, rows, out) : lk_model_score(ctx, model, x, rows, out));
    for (int64_t i = 0; i < rows; i++) {
        bool whole = true;
        for (int64_t j = 0; j < d; j++) {
            whole = whole && isfinite(x[i * d + j]);
        }
        for (int64_t j = 0; j < d; j++) {
            const double a = parameter[j], v = x[i * d + j];
            double *o = &out[i * d + j];
            if (kind == NOISE_NORMAL) {
                *o = v + a * a * *o;
            } else if (kind == NOISE_GAMMA) {
                const double rest = a - 1.0 - v * *o;
                *o = rest > 0.0 ? a * v / rest : (double)NAN;
            }
            *o = whole ? *o : (double)NAN;
        }
    }
    return LK_OK;
}
