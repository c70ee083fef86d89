/* Weighted means, standard deviations and extremes of a dataset's features, in two passes. */
#include "moments.h"

#include <math.h>

/* Pass 1 leaves for each feature: sum of weights, mean, least, largest. Pass 2: sums of w u and w u^2, u = (x -
 * mean) / scale. */
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

/* A mean first, then moments around it, which also correct it. */
lk_status lki_dataset_moments(lk_context *ctx, const lki_dataset *data, lki_moments *out)
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
    lki_reduction reduction = {.blocks = data->blocks,
                               .length = (size_t)d * EXTENT,
                               .block = extent_block,
                               .combine = extent_combine,
                               .state = &pass};
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
        bool any = e[0] > 0.0;
        out[j].weight = e[0];
        out[j].mean = any ? (spread ? e[1] + shift * scale[j] : e[2]) : 0.0;
        out[j].sd = spread ? sqrt(variance) * scale[j] : 0.0;
        out[j].least = any ? e[2] : (double)NAN;
        out[j].largest = any ? e[3] : (double)NAN;
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
