/* What rows were before noise was added to them: Tweedie's formula and its second order, for any model with a smoothed
 * score. With x = x0 + sigma z, E[x0 | x] = x + sigma^2 s(x) and Cov[x0 | x] = sigma^2 (I + sigma^2 H(x)) with s and H
 * the first and second derivatives of the log density of the noisy x (Robbins 1956, Proc. 3rd Berkeley Symp. 1,
 * 157-163; Efron 2011, J. Am. Stat. Assoc. 106, 1602-1614). */
#include "math/blas.h"
#include "model/oracle.h"

#include <likely/derived.h>
#include <math.h>
#include <string.h>

typedef struct denoising {
    const lk_model *model;
    const double *sigma;
    lki_oracle oracle;
    const double *x;
    int64_t rows;
    double *mean, *sd;
} denoising;

/* Whole rows inside the support, transformed, one behind the other; kept[i] is the row that the i-th was. */
static int64_t gather(const denoising *g, const double *x, int64_t rows, double *z, int64_t *kept)
{
    int64_t d = g->model->d, count = 0;
    for (int64_t i = 0; i < rows; i++) {
        double *to = z + count * d;
        if (g->model->transform != NULL) {
            lki_transform_apply(g->model->transform, x + i * d, 1, to, NULL, NULL);
        } else {
            memcpy(to, x + i * d, (size_t)d * sizeof *to);
        }
        bool finite = true;
        for (int64_t j = 0; j < d; j++) {
            finite = finite && isfinite(to[j]);
        }
        if (finite) {
            kept[count++] = i;
        }
    }
    return count;
}

/* Variances of a piece of rows, to sds. A noise so small or large that rounding leaves a negative variance leaves none.
 */
static lk_status spread(lk_context *ctx, const denoising *g, const double *z, int64_t rows, double *hessian,
                        double *sds)
{
    int64_t d = g->model->d;
    LKI_TRY(lki_oracle_hessian(ctx, &g->oracle, z, rows, hessian));
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < d; j++) {
            double v = g->sigma[j] * g->sigma[j];
            sds[i * d + j] = sqrt(fmax(v * (1.0 + v * hessian[(i * d + j) * d + j]), 0.0));
        }
    }
    return LK_OK;
}

/* Rows of second derivatives that are held at a time. */
static int64_t hessian_rows(int64_t d)
{
    int64_t rows = (1 << 18) / (d * d);
    return rows < 1 ? 1 : rows > LKI_BLOCK_ROWS ? LKI_BLOCK_ROWS : rows;
}

static lk_status answer(lk_context *ctx, const denoising *g, double *z, int64_t count, double *score, double *sds)
{
    int64_t d = g->model->d, piece = hessian_rows(d);
    double *hessian = NULL;
    LKI_TRY(lki_oracle_score(ctx, &g->oracle, z, count, score));
    if (sds != NULL) {
        LKI_TRY(lki_allocate(ctx, lki_product((size_t)piece, (size_t)(d * d)), sizeof *hessian, &hessian));
    }
    lk_status status = LK_OK;
    for (int64_t first = 0; sds != NULL && status == LK_OK && first < count; first += piece) {
        int64_t rows = count - first < piece ? count - first : piece;
        status = spread(ctx, g, z + first * d, rows, hessian, sds + first * d);
    }
    lki_release(ctx, hessian);
    for (int64_t i = 0; i < count * d; i++) {
        z[i] += g->sigma[i % d] * g->sigma[i % d] * score[i];
    }
    return status;
}

/* Back to the units of the data: means by the inverse, sds by the slope of the transform there. */
static void restore(const denoising *g, double *z, int64_t count, double *slopes, double *sds)
{
    int64_t d = g->model->d;
    if (g->model->transform == NULL) {
        return;
    }
    lki_transform_invert(g->model->transform, z, count, z);
    if (sds != NULL) {
        lki_transform_log_slopes(g->model->transform, z, count, slopes);
    }
    for (int64_t i = 0; sds != NULL && i < count * d; i++) {
        sds[i] *= exp(-slopes[i]);
    }
}

static lk_status denoise_block(lk_context *ctx, void *state, int thread, int64_t index)
{
    const denoising *g = state;
    int64_t d = g->model->d, first = index * LKI_BLOCK_ROWS, rows = g->rows - first, *kept = NULL;
    rows = rows < LKI_BLOCK_ROWS ? rows : LKI_BLOCK_ROWS;
    size_t values = lki_product((size_t)rows, (size_t)d);
    double *mean = g->mean + first * d, *sd = g->sd != NULL ? g->sd + first * d : NULL, *z = NULL, *work = NULL,
           *sds = NULL;
    lk_status status = LK_OK;
    (void)thread;
    LKI_TRY(lki_cancelled(ctx));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, sizeof *kept, &kept));
    LKI_GOTO(status, done, lki_allocate(ctx, values, sizeof *z, &z));
    LKI_GOTO(status, done, lki_allocate(ctx, values, sizeof *work, &work));
    if (sd != NULL) {
        LKI_GOTO(status, done, lki_allocate(ctx, values, sizeof *sds, &sds));
    }
    int64_t count = gather(g, g->x + first * d, rows, z, kept);
    if (count > 0) {
        LKI_GOTO(status, done, answer(ctx, g, z, count, work, sds));
        restore(g, z, count, work, sds);
    }
    for (int64_t i = 0; i < rows * d; i++) {
        mean[i] = (double)NAN;
        if (sd != NULL) {
            sd[i] = (double)NAN;
        }
    }
    for (int64_t i = 0; i < count; i++) {
        memcpy(mean + kept[i] * d, z + i * d, (size_t)d * sizeof *mean);
        if (sd != NULL) {
            memcpy(sd + kept[i] * d, sds + i * d, (size_t)d * sizeof *sd);
        }
    }
done:
    lki_release(ctx, kept);
    lki_release(ctx, z);
    lki_release(ctx, work);
    lki_release(ctx, sds);
    return status;
}

lk_status lk_model_denoise(lk_context *ctx, const lk_model *model, const double *sigma, const double *x, int64_t rows,
                           double *mean, double *sd)
{
    denoising g = {.model = model, .sigma = sigma, .x = x, .rows = rows, .mean = mean, .sd = sd};
    lki_begin(ctx);
    if (rows < 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "rows is %lld; it must be at least 0", (long long)rows);
    }
    LKI_TRY(lki_sigma_check(ctx, model, sigma));
    LKI_TRY(lki_model_supports(ctx, model, LK_OPERATION_SMOOTH));
    lki_blas_enter();
    lk_status status = lki_oracle_open(ctx, model, sigma, &g.oracle);
    if (status == LK_OK) {
        status = lki_parallel(ctx, (rows + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS, denoise_block, &g);
    }
    lki_oracle_close(ctx, &g.oracle);
    lki_blas_leave();
    return status;
}
