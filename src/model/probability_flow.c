/* Draws along the probability flow: noise is taken away by the ordinary differential equation dz/dt = -t S^2 score(z, t
 * S), whose solution at noise t is distributed as the model with that noise (Song et al. 2021, arXiv:2011.13456,
 * section 4.3), by Heun's method on the noise levels of Karras et al. 2022, arXiv:2206.00364, equation 5 and
 * algorithm 1. S holds the features' spreads. */
#include "core/philox.h"
#include "model/sampler.h"

#include <math.h>
#include <string.h>

/* The exponent of the noise levels, and how many rows tell the error of the steps. */
enum { RHO = 7, CHECKED_ROWS = 1000 };

/* One run of `steps` steps over rows in memory. */
typedef struct flow {
    const lk_sampler *sampler;
    int64_t steps, rows;
    double from, to; /* noise of the present step */
    const lki_oracle *at, *next;
    double *z; /* rows x d */
} flow;

/* Noise after step i of n: sigma_max at 0, sigma_min at n - 1, none at n. */
static double noise_level(const lk_sampler *s, double least, int64_t i, int64_t n)
{
    double high = pow(s->sigma_max, 1.0 / RHO), low = pow(least, 1.0 / RHO);
    return i == n ? 0.0 : pow(high + (double)i / (double)(n - 1) * (low - high), RHO);
}

static lk_status flow_block(lk_context *ctx, void *state, int thread, int64_t index)
{
    const flow *f = state;
    const lk_sampler *s = f->sampler;
    int64_t d = s->d, first = index * LKI_BLOCK_ROWS, rows = f->rows - first;
    rows = rows < LKI_BLOCK_ROWS ? rows : LKI_BLOCK_ROWS;
    double *z = f->z + first * d, *one = NULL, h = f->to - f->from;
    lk_status status = LK_OK;
    (void)thread;
    LKI_TRY(lki_cancelled(ctx));
    LKI_TRY(lki_allocate(ctx, 3, lki_product((size_t)rows, (size_t)d) * sizeof *one, &one));
    double *two = one + rows * d, *trial = two + rows * d;
    LKI_GOTO(status, done, lki_oracle_score(ctx, f->at, z, rows, one));
    for (int64_t i = 0; i < rows * d; i++) {
        one[i] *= -f->from * s->scale[i % d] * s->scale[i % d];
        trial[i] = z[i] + h * one[i];
    }
    LKI_GOTO(status, done, lki_oracle_score(ctx, f->next, trial, rows, two));
    for (int64_t i = 0; i < rows * d; i++) {
        two[i] *= -f->to * s->scale[i % d] * s->scale[i % d];
        z[i] += 0.5 * h * (one[i] + two[i]);
        if (!isfinite(z[i])) {
            status = lki_fail(ctx, LK_ERROR_NUMERIC,
                              "the probability flow left the range of numbers at noise %g; more steps may help", f->to);
            goto done;
        }
    }
done:
    lki_release(ctx, one);
    return status;
}

/* Starts are normal with the model's mean and, feature by feature, its variance and the noise's. */
static void start(const lk_sampler *s, int64_t first_row, int64_t rows, double *z)
{
    for (int64_t i = 0; i < rows; i++) {
        lki_stream stream = lki_stream_new(s->seed, LKI_STREAM_FLOW, (uint64_t)(first_row + i));
        for (int64_t j = 0; j < s->d; j++) {
            z[i * s->d + j] =
                s->centre[j] + s->scale[j] * sqrt(1.0 + s->sigma_max * s->sigma_max) * lki_random_normal(&stream);
        }
    }
}

/* Down all noise levels. At one time two levels of the model are held. */
static lk_status descend(lk_context *ctx, const lk_sampler *s, int64_t steps, double least, int64_t rows, double *z)
{
    flow f = {.sampler = s, .steps = steps, .rows = rows, .z = z};
    lki_oracle at = {0}, next = {0};
    lk_status status = lki_sampler_oracle(ctx, s, s->sigma_max, &at);
    for (int64_t i = 0; i < steps && status == LK_OK; i++) {
        f.from = noise_level(s, least, i, steps);
        f.to = noise_level(s, least, i + 1, steps);
        status = lki_sampler_oracle(ctx, s, f.to, &next);
        if (status == LK_OK) {
            f.at = &at;
            f.next = &next;
            status = lki_parallel(ctx, (rows + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS, flow_block, &f);
        }
        lki_oracle_close(ctx, &at);
        at = next;
        next = (lki_oracle){0};
        lki_progress(ctx, "probability flow", (double)(i + 1), (double)steps, "");
    }
    lki_oracle_close(ctx, &at);
    return status;
}

/* The same starts with half the steps and twice the least noise: how far the first rows move tells what the steps are
 * worth. */
static lk_status measure(lk_context *ctx, lk_sampler *s, int64_t first_row, int64_t rows, const double *z)
{
    int64_t d = s->d, count = first_row >= CHECKED_ROWS ? 0 : CHECKED_ROWS - first_row;
    count = count < rows ? count : rows;
    if (count == 0) {
        return LK_OK;
    }
    double *coarse;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)count, (size_t)d), sizeof *coarse, &coarse));
    start(s, first_row, count, coarse);
    lk_status status = descend(ctx, s, s->steps / 2, fmin(2.0 * s->sigma_min, 0.9 * s->sigma_max), count, coarse);
    for (int64_t i = 0; status == LK_OK && i < count * d; i++) {
        double moved = fabs(coarse[i] - z[i]) / s->scale[i % d];
        s->error_squares += moved * moved;
        s->error_count += 1.0;
        s->error_most = fmax(s->error_most, moved);
    }
    lki_release(ctx, coarse);
    return status;
}

lk_status lki_flow_rows(lk_context *ctx, lk_sampler *s, int64_t first_row, int64_t rows, double *z)
{
    start(s, first_row, rows, z);
    LKI_TRY(descend(ctx, s, s->steps, s->sigma_min, rows, z));
    return measure(ctx, s, first_row, rows, z);
}
