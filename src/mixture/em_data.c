/* What EM knows of its rows before it starts: sum of weights, centre, scale and total scatter, by two passes. */
#include "core/reduce.h"
#include "em.h"
#include <math.h>
#include <string.h>

typedef struct passes {
    const lki_dataset *rows;
    lki_block *blocks;
    const double *centre;
} passes;

/* Sums: weight, rows of positive weight, sum w x_j over the values there are, sum w of those; then how many values are missing. */
static lk_status mean_block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const passes *p = state;
    lki_block *b = &p->blocks[thread];
    const int64_t d = p->rows->d;
    LKI_TRY(lki_dataset_block(ctx, p->rows, index, b));
    for (int64_t i = 0; i < b->rows; i++) {
        const double w = b->w == NULL ? 1.0 : b->w[i];
        int64_t missing = 0;
        for (int64_t j = 0; j < d; j++) {
            missing += isnan(b->x[i * d + j]);
        }
        sums[2 + 2 * d] += (double)missing;
        if (!(w > 0.0) || missing == d) {
            continue;
        }
        sums[0] += w;
        sums[1] += 1.0;
        for (int64_t j = 0; j < d; j++) {
            const double x = b->x[i * d + j];
            if (!isnan(x)) {
                sums[2 + j] += w * x;
                sums[2 + d + j] += w;
            }
        }
    }
    return LK_OK;
}

/* Sums: w (x - c)(x - c)', upper triangle, with c for a missing value; then w (x - c) and w |x - c|. */
static lk_status scatter_block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const passes *p = state;
    lki_block *b = &p->blocks[thread];
    const int64_t d = p->rows->d;
    LKI_TRY(lki_dataset_block(ctx, p->rows, index, b));
    for (int64_t i = 0; i < b->rows; i++) {
        const double w = b->w == NULL ? 1.0 : b->w[i];
        const double *x = b->x + i * d;
        if (!(w > 0.0)) {
            continue;
        }
        for (int64_t a = 0; a < d; a++) {
            if (isnan(x[a])) {
                continue;
            }
            const double v = w * (x[a] - p->centre[a]);
            sums[d * d + a] += v;
            sums[d * d + d + a] += fabs(v);
            for (int64_t c = a; c < d; c++) {
                const double u = x[c] - p->centre[c];
                sums[a * d + c] += isnan(u) ? 0.0 : v * u;
            }
        }
    }
    return LK_OK;
}

/* 2^-round(log2 sd): exact to multiply by. */
static double scale_of(double variance)
{
    int exponent;
    (void)frexp(sqrt(variance), &exponent);
    const double scale = ldexp(1.0, -exponent);
    return sqrt(variance) * scale < 0.70710678118654752 ? 2.0 * scale : scale;
}

/* The centre is a rounded mean, so that a constant column lies to one side of it, by some digits where there are many rows. Moves the
 * centre of such a column onto its value and takes its scatter for zero. `shift` and `spread` are the sums of w (x - c), w |x - c|. */
static int settle_constant(lki_em_data *out, int64_t j, double shift, double spread)
{
    const int64_t d = out->d;
    if (fabs(shift) < 0.999 * spread || !isfinite(spread)) {
        return 0;
    }
    out->centre[j] += shift / out->observed[j];
    for (int64_t i = 0; i < d; i++) {
        out->scatter[i * d + j] = out->scatter[j * d + i] = 0.0;
    }
    return 1;
}

static lk_status scale_all(lk_context *ctx, const char *const *names, const double *shift, const double *spread, lki_em_data *out)
{
    const int64_t d = out->d;
    for (int64_t j = 0; j < d; j++) {
        out->scale[j] = 1.0;
        if (settle_constant(out, j, shift[j], spread[j])) {
            continue;
        }
        const double variance = out->scatter[j * d + j] / out->observed[j];
        if (!(variance >= 1e-280 && variance <= 1e280)) { /* its squares overflow or vanish */
            return lki_fail(ctx, LK_ERROR_DATA,
                            "column %s: its variance %g is beyond the range of numbers; divide the column by a power of ten, or use "
                            "--transform standardize",
                            names[j], variance);
        }
        out->scale[j] = scale_of(variance);
        out->log_jacobian += out->observed[j] * log(out->scale[j]);
    }
    /* Missing values stood at the mean: the square roots restore the variances and keep the matrix positive semidefinite. */
    for (int64_t a = 0; a < d; a++) {
        for (int64_t c = a; c < d; c++) {
            const double restore = out->gaps ? out->total / sqrt(out->observed[a] * out->observed[c]) : 1.0;
            out->scatter[a * d + c] *= out->scale[a] * out->scale[c] * restore;
            out->scatter[c * d + a] = out->scatter[a * d + c];
        }
    }
    return LK_OK;
}

lk_status lki_em_data_new(lk_context *ctx, const lki_dataset *rows, const char *const *names, lki_em_data *out)
{
    const int64_t d = rows->d;
    const int threads = lki_threads(ctx);
    lk_status status = LK_OK;
    lki_block *blocks = NULL;
    double *sums = NULL;
    memset(out, 0, sizeof *out);
    out->rows = rows;
    out->d = d;
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)threads, sizeof *blocks, &blocks));
    LKI_GOTO(status, done, lki_zeros(ctx, 2 * (size_t)d + 3, sizeof(double), &sums));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)d, sizeof(double), &out->observed));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)d, sizeof(double), &out->centre));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)d, sizeof(double), &out->scale));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)d, (size_t)(d + 2) * sizeof(double), &out->scatter));
    passes p = {rows, blocks, out->centre};
    const lki_reduction mean = {.blocks = rows->blocks, .length = 2 * (size_t)d + 3, .block = mean_block, .state = &p};
    LKI_GOTO(status, done, lki_reduce(ctx, &mean, sums));
    out->total = sums[0];
    out->positive = sums[1];
    out->gaps = sums[2 + 2 * d] > 0.0;
    if (!(out->positive >= 1.0)) {
        status = lki_fail(ctx, LK_ERROR_DATA, "no row has a positive weight and a value; at least two are needed");
        goto done;
    }
    for (int64_t j = 0; j < d; j++) {
        out->observed[j] = sums[2 + d + j];
        if (!(out->observed[j] > 0.0)) {
            status = lki_fail(ctx, LK_ERROR_DATA, "column %s has no value in any row of positive weight; leave it out by --ignore", names[j]);
            goto done;
        }
        out->centre[j] = sums[2 + j] / out->observed[j];
        if (!isfinite(out->centre[j])) {
            status = lki_fail(ctx, LK_ERROR_DATA, "column %s: its mean is beyond the range of numbers; divide the column by a power of ten",
                              names[j]);
            goto done;
        }
    }
    const lki_reduction scatter = {.blocks = rows->blocks, .length = (size_t)(d * (d + 2)), .block = scatter_block, .state = &p};
    LKI_GOTO(status, done, lki_reduce(ctx, &scatter, out->scatter));
    status = scale_all(ctx, names, out->scatter + d * d, out->scatter + d * d + d, out);
done:
    for (int t = 0; blocks != NULL && t < threads; t++) {
        lki_block_free(ctx, &blocks[t]);
    }
    lki_release(ctx, blocks);
    lki_release(ctx, sums);
    if (status != LK_OK) {
        lki_em_data_free(ctx, out);
    }
    return status;
}

void lki_em_data_free(lk_context *ctx, lki_em_data *data)
{
    lki_release(ctx, data->centre);
    lki_release(ctx, data->scale);
    lki_release(ctx, data->scatter);
    lki_release(ctx, data->observed);
    lki_release(ctx, data->box);
    data->box = NULL;
    data->centre = data->scale = data->scatter = data->observed = NULL;
}
