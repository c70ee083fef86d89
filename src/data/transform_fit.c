/* Makes transforms from text: "log,standardize:age", with the means and standard deviations that the data gives. */
#include "dataset.h"
#include "transform_impl.h"

#include <math.h>
#include <string.h>

/* ---- means and standard deviations ----------------------------------------------------------------------------- */

/* Pass 1 leaves for each feature: sum of weights, mean, least, largest. Pass 2: sums of w u and w u^2, u = (x - mean) / scale. */
enum { EXTENT = 4, MOMENTS = 2 };

typedef struct moments_pass {
    const lki_dataset *data;
    const double *extent; /* of pass 1; NULL while it runs */
    const double *scale;  /* powers of two, so that squares neither overflow nor lose bits */
    lki_block *blocks;    /* one a thread */
} moments_pass;

static lk_status extent_block(lk_context *ctx, void *state, int thread, int64_t b, double *sums)
{
    moments_pass *pass = state;
    lki_block *block = &pass->blocks[thread];
    int64_t d = pass->data->d;
    LKI_TRY(lki_dataset_block(ctx, pass->data, b, block));
    for (int64_t j = 0; j < d; j++) {
        double *e = sums + j * EXTENT;
        e[2] = (double)INFINITY;
        e[3] = -(double)INFINITY;
        for (int64_t i = 0; i < block->rows; i++) {
            double w = block->w == NULL ? 1.0 : block->w[i], x = block->x[i * d + j];
            if (w > 0.0 && !isnan(x)) {
                e[0] += w;
                e[1] += (x - e[1]) * (w / e[0]); /* a running mean cannot overflow where a sum would */
                e[2] = fmin(e[2], x);
                e[3] = fmax(e[3], x);
            }
        }
    }
    return LK_OK;
}

static void extent_combine(void *state, double *left, const double *right)
{
    const moments_pass *pass = state;
    for (int64_t j = 0; j < pass->data->d; j++, left += EXTENT, right += EXTENT) {
        double total = left[0] + right[0];
        if (right[0] > 0.0) {
            left[1] += (right[1] - left[1]) * (right[0] / total);
            left[2] = left[0] > 0.0 ? fmin(left[2], right[2]) : right[2];
            left[3] = left[0] > 0.0 ? fmax(left[3], right[3]) : right[3];
            left[0] = total;
        }
    }
}

static lk_status moments_block(lk_context *ctx, void *state, int thread, int64_t b, double *sums)
{
    moments_pass *pass = state;
    lki_block *block = &pass->blocks[thread];
    int64_t d = pass->data->d;
    LKI_TRY(lki_dataset_block(ctx, pass->data, b, block));
    for (int64_t j = 0; j < d; j++) {
        double mean = pass->extent[j * EXTENT + 1], scale = pass->scale[j];
        for (int64_t i = 0; i < block->rows; i++) {
            double w = block->w == NULL ? 1.0 : block->w[i], u = (block->x[i * d + j] - mean) / scale;
            if (w > 0.0 && !isnan(u)) {
                sums[j * MOMENTS] += w * u;
                sums[j * MOMENTS + 1] += w * u * u;
            }
        }
    }
    return LK_OK;
}

/* The power of two at or below the largest distance from the mean; 1 for a constant. */
static double power_scale(const double *extent)
{
    double reach = fmax(extent[3] - extent[1], extent[1] - extent[2]);
    if (!(extent[0] > 0.0) || !(reach > 0.0) || !isfinite(reach)) {
        return 1.0;
    }
    return exp2(floor(log2(reach)));
}

/* Weighted mean and standard deviation of each feature: a mean first, then moments around it, which also correct it. Whatever
 * the offset, both keep full precision. */
static lk_status feature_moments(lk_context *ctx, const lki_dataset *data, double *mean, double *sd)
{
    int64_t d = data->d;
    int threads = lki_threads(ctx);
    moments_pass pass = {.data = data};
    double *extent = NULL, *scale = NULL, *sums = NULL;
    lk_status status;
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)threads, sizeof *pass.blocks, &pass.blocks));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)d * EXTENT, sizeof *extent, &extent));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)d * MOMENTS, sizeof *sums, &sums));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)d, sizeof *scale, &scale));
    lki_reduction reduction = {.blocks = data->blocks, .length = (size_t)d * EXTENT, .block = extent_block,
                               .combine = extent_combine, .state = &pass};
    LKI_GOTO(status, done, lki_reduce(ctx, &reduction, extent));
    for (int64_t j = 0; j < d; j++) {
        scale[j] = power_scale(extent + j * EXTENT);
    }
    pass.extent = extent;
    pass.scale = scale;
    reduction.length = (size_t)d * MOMENTS;
    reduction.block = moments_block;
    reduction.combine = NULL;
    LKI_GOTO(status, done, lki_reduce(ctx, &reduction, sums));
    for (int64_t j = 0; j < d; j++) {
        const double *e = extent + j * EXTENT;
        double n = e[0] > 0.0 ? e[0] : 1.0, shift = sums[j * MOMENTS] / n;
        double variance = sums[j * MOMENTS + 1] / n - shift * shift;
        bool spread = e[0] > 0.0 && e[3] > e[2] && variance > 0.0 && isfinite(variance);
        mean[j] = e[0] > 0.0 ? (spread ? e[1] + shift * scale[j] : e[2]) : 0.0;
        sd[j] = spread ? sqrt(variance) * scale[j] : 0.0;
    }
done:
    for (int i = 0; pass.blocks != NULL && i < threads; i++) {
        lki_block_free(ctx, &pass.blocks[i]);
    }
    lki_release(ctx, pass.blocks);
    lki_release(ctx, extent);
    lki_release(ctx, sums);
    lki_release(ctx, scale);
    return status;
}

/* ---- the text -------------------------------------------------------------------------------------------------- */

static lk_status add_step(lk_context *ctx, lki_transform *t, int64_t j, const char *name, lki_step step)
{
    lki_chain *c = &t->chains[j];
    if (step.kind == LKI_STEP_IDENTITY) {
        return LK_OK;
    }
    if (c->count == LKI_TRANSFORM_STEPS) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "transform: '%s' has more than %d steps", name, (int)LKI_TRANSFORM_STEPS);
    }
    c->steps[c->count++] = step;
    return LK_OK;
}

/* Adds a step to features first..last. */
static lk_status add_steps(lk_context *ctx, lki_transform *t, const char *const *names, const lki_dataset *dataset,
                           lki_step_kind kind, int64_t first, int64_t last)
{
    lki_dataset before = *dataset;
    double *mean = NULL, *sd = NULL;
    lk_status status = LK_OK;
    if (kind == LKI_STEP_STANDARDIZE) {
        before.transform = t;
        LKI_GOTO(status, done, lki_zeros(ctx, (size_t)t->d, sizeof *mean, &mean));
        LKI_GOTO(status, done, lki_zeros(ctx, (size_t)t->d, sizeof *sd, &sd));
        LKI_GOTO(status, done, feature_moments(ctx, &before, mean, sd));
    }
    for (int64_t j = first; j <= last; j++) {
        lki_step step = {.kind = kind};
        if (kind == LKI_STEP_STANDARDIZE) {
            step.a = mean[j];
            step.b = sd[j] > 0.0 ? sd[j] : 1.0;
            if (!(sd[j] > 0.0)) {
                lki_message(ctx, "standardize: column '%s' is constant; only its mean is taken away", names[j]);
            }
        }
        LKI_GOTO(status, done, add_step(ctx, t, j, names[j], step));
    }
done:
    lki_release(ctx, mean);
    lki_release(ctx, sd);
    return status;
}

static lk_status add_token(lk_context *ctx, lki_transform *t, const char *const *names, const lki_dataset *dataset,
                           const char *token, size_t length)
{
    const char *colon = memchr(token, ':', length);
    size_t word = colon == NULL ? length : (size_t)(colon - token);
    int kind = lki_step_find(token, word);
    if (kind < 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "transform: '%.*s' is not known; it is one of %s",
                        word > 100 ? 100 : (int)word, token, "standardize, log, logit, sqrt, asinh, identity");
    }
    if (colon == NULL) {
        return add_steps(ctx, t, names, dataset, (lki_step_kind)kind, 0, t->d - 1);
    }
    size_t rest = length - word - 1;
    for (int64_t j = 0; j < t->d; j++) {
        if (strlen(names[j]) == rest && memcmp(names[j], colon + 1, rest) == 0) {
            return add_steps(ctx, t, names, dataset, (lki_step_kind)kind, j, j);
        }
    }
    return lki_fail(ctx, LK_ERROR_ARGUMENT, "transform: no feature is called '%.*s'; the first of %lld is '%s'",
                    rest > 100 ? 100 : (int)rest, colon + 1, (long long)t->d, names[0]);
}

lk_status lki_transform_new(lk_context *ctx, const char *text, const char *const *names, const lki_dataset *dataset,
                            lki_transform **out)
{
    lki_transform *t = NULL;
    lk_status status = LK_OK;
    LKI_TRY(lki_transform_identity(ctx, dataset->d, &t));
    for (const char *p = text;; p++) {
        size_t length = strcspn(p, ",");
        LKI_GOTO(status, fail, add_token(ctx, t, names, dataset, p, length));
        p += length;
        if (*p == '\0') {
            break;
        }
    }
    *out = t;
    return LK_OK;
fail:
    lki_transform_free(t);
    return status;
}
