/* Models in the units of the data, where their transforms only shift and scale. */
#include "score/affine.h"
#include "model/pooled.h"

#include <math.h>
#include <string.h>

/* Draws that tell how wide a model is; their seed. */
enum { PLACE_DRAWS = 4096, PLACE_SEED = 0x6c696b66 };

static lk_status units(lk_context *ctx, const lk_model *model, const char *what, lki_affine *a)
{
    for (int64_t j = 0; j < model->d; j++) {
        a->shift[j] = 0.0;
        a->scale[j] = 1.0;
        if (model->transform != NULL && !lki_transform_units(model->transform, j, &a->shift[j], &a->scale[j])) {
            return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "%s works in the units of the data, and feature %s was fitted through a curved transform; fit "
                            "without it, or with standardize alone", what, model->names[j]);
        }
        a->log_scale += log(fabs(a->scale[j]));
        a->spread[j] = fabs(a->scale[j]);
        a->centre[j] = a->shift[j];
    }
    return LK_OK;
}

static lk_status measure(lk_context *ctx, const lk_model *model, lki_affine *a)
{
    const int64_t d = model->d;
    double *draws;
    LKI_TRY(lki_allocate(ctx, lki_product(PLACE_DRAWS, (size_t)d), sizeof *draws, &draws));
    lk_status status = lki_model_draw(ctx, model, PLACE_SEED, 0, PLACE_DRAWS, draws);
    for (int64_t j = 0; status == LK_OK && j < d; j++) {
        double m[LKI_POOLED];
        lki_pooled_of(m, draws + j, d, NULL, PLACE_DRAWS);
        const double sd = sqrt(m[LKI_POOLED_SQUARES] / (PLACE_DRAWS - 1)) * fabs(a->scale[j]);
        a->centre[j] = a->shift[j] + a->scale[j] * m[LKI_POOLED_MEAN];
        a->spread[j] = sd > 0.0 && isfinite(sd) ? sd : a->spread[j];
    }
    lki_release(ctx, draws);
    return status;
}

lk_status lki_affine_new(lk_context *ctx, const lk_model *model, const char *what, lki_affine *out)
{
    const size_t d = (size_t)model->d;
    lki_affine a = {0};
    LKI_TRY(lki_allocate(ctx, 4, d * sizeof *a.shift, &a.shift));
    a.scale = a.shift + d;
    a.centre = a.scale + d;
    a.spread = a.centre + d;
    lk_status status = units(ctx, model, what, &a);
    if (status == LK_OK && model->operations.sample != NULL) {
        status = measure(ctx, model, &a);
    }
    if (status != LK_OK) {
        lki_release(ctx, a.shift);
        return status;
    }
    *out = a;
    return LK_OK;
}

void lki_affine_free(lk_context *ctx, lki_affine *a)
{
    lki_release(ctx, a->shift);
    *a = (lki_affine){0};
}

lk_status lki_affine_oracle(lk_context *ctx, const lk_model *model, const lki_affine *a, double t, const double *spread, lki_oracle *out)
{
    double *sigma;
    LKI_TRY(lki_allocate(ctx, (size_t)model->d, sizeof *sigma, &sigma));
    for (int64_t j = 0; j < model->d; j++) {
        sigma[j] = t * spread[j] / fabs(a->scale[j]);
    }
    lk_status status = lki_oracle_open(ctx, model, sigma, out);
    lki_release(ctx, sigma);
    return status;
}

void lki_affine_release_oracle(const lki_memory *memory, lki_oracle *o)
{
    lki_memory_release(memory, o->question.inner);
    lki_memory_release(memory, o->question.scale);
    lki_memory_release(memory, o->question.draws);
    lk_model_free(o->own);
}

lk_status lki_affine_score(lk_context *ctx, const lki_oracle *o, const lki_affine *a, const double *x, int64_t rows, double *z, double *out)
{
    const int64_t d = o->model->d;
    for (int64_t i = 0; i < rows * d; i++) {
        z[i] = (x[i] - a->shift[i % d]) / a->scale[i % d];
    }
    LKI_TRY(lki_oracle_score(ctx, o, z, rows, out));
    for (int64_t i = 0; i < rows * d; i++) {
        out[i] /= a->scale[i % d];
    }
    return LK_OK;
}

lk_status lki_normal_set_new(lk_context *ctx, const lk_model *model, bool *is, lki_normal_set *out)
{
    const int64_t d = model->d, K = model->operations.normals != NULL ? model->operations.normals(model->state) : 0;
    lki_normal_set n = {.K = K, .d = d};
    double total = 0.0, shift = 0.0, *scale;
    *is = K > 0 && (model->transform == NULL || lki_transform_affine(model->transform));
    if (!*is) {
        return LK_OK;
    }
    LKI_TRY(lki_allocate(ctx, (size_t)d, sizeof *scale, &scale));
    lk_status status = lki_allocate(ctx, lki_product((size_t)K, 1 + (size_t)d + (size_t)(d * d)), sizeof *n.weights, &n.weights);
    if (status != LK_OK) {
        lki_release(ctx, scale);
        return status;
    }
    n.means = n.weights + K;
    n.covariances = n.means + K * d;
    for (int64_t k = 0; k < K; k++) {
        double *mean = n.means + k * d, *C = n.covariances + k * d * d;
        model->operations.normal(model->state, k, &n.weights[k], mean, C);
        total += n.weights[k];
        for (int64_t j = 0; j < d; j++) {
            scale[j] = 1.0;
            shift = 0.0;
            if (model->transform != NULL) {
                lki_transform_units(model->transform, j, &shift, &scale[j]);
            }
            mean[j] = shift + scale[j] * mean[j];
        }
        for (int64_t e = 0; e < d * d; e++) {
            C[e] *= scale[e / d] * scale[e % d];
        }
    }
    for (int64_t k = 0; k < K; k++) {
        n.weights[k] /= total;
    }
    lki_release(ctx, scale);
    *out = n;
    return LK_OK;
}
