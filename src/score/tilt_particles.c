/* A tilted model by weights: draws of the model weighed once, or particles that are weighed and resampled while they are denoised. */
#include "score/tilt.h"

#include <math.h>
#include <string.h>

static lk_status weightless(lk_context *ctx)
{
    return lki_fail(ctx, LK_ERROR_NUMERIC, "no draw has any weight, or one has more than a number holds: the reward is infinite or NaN where the model draws");
}

/* Rows by parents, in place of a copy. */
static void gather(const double *from, const int64_t *parents, int64_t rows, int64_t d, double *to)
{
    for (int64_t i = 0; i < rows; i++) {
        memcpy(to + i * d, from + parents[i] * d, (size_t)d * sizeof *to);
    }
}

typedef struct weighing {
    const lk_tilt *t;
    const double *x;
    int64_t rows;
    double *out;
} weighing;

static lk_status weigh_block(lk_context *ctx, void *state, int thread, int64_t index)
{
    const weighing *w = state;
    const int64_t first = index * LKI_BLOCK_ROWS, end = first + LKI_BLOCK_ROWS < w->rows ? first + LKI_BLOCK_ROWS : w->rows;
    double *work;
    (void)thread;
    LKI_TRY(lki_cancelled(ctx));
    LKI_TRY(lki_allocate(ctx, (size_t)lki_tilt_work(w->t), sizeof *work, &work));
    for (int64_t i = first; i < end; i++) {
        const double r = lki_tilt_reward(w->t, w->x + i * w->t->d, work);
        w->out[i] = isnan(r) ? -(double)INFINITY : r;
    }
    lki_release(ctx, work);
    return LK_OK;
}

static lk_status weigh(lk_context *ctx, const lk_tilt *t, const double *x, int64_t rows, double *out)
{
    weighing w = {.t = t, .x = x, .rows = rows, .out = out};
    return lki_parallel(ctx, (rows + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS, weigh_block, &w);
}

/* Sampling and importance resampling: biased as 1 / effective sample size. */
lk_status lki_tilt_weighted(lk_context *ctx, lk_tilt *t, int64_t rows, double *out)
{
    const size_t values = lki_product((size_t)rows, (size_t)t->d);
    double *x;
    int64_t *parents = NULL;
    lk_status status = LK_OK;
    LKI_TRY(lki_allocate(ctx, values + (size_t)rows, sizeof *x, &x));
    double *weights = x + values;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, sizeof *parents, &parents));
    LKI_GOTO(status, done, lki_model_draw(ctx, t->model, t->seed, 0, rows, x));
    if (t->model->transform != NULL) {
        lki_transform_invert(t->model->transform, x, rows, x);
    }
    LKI_GOTO(status, done, weigh(ctx, t, x, rows, weights));
    lki_stream s = lki_stream_new(t->seed, LKI_STREAM_TILT, 0);
    t->log_mean = lki_tilt_resample(weights, rows, lki_random_uniform(&s), parents, &t->effective);
    if (!isfinite(t->log_mean)) {
        status = weightless(ctx);
        goto done;
    }
    gather(x, parents, rows, t->d, out);
done:
    lki_release(ctx, parents);
    lki_release(ctx, x);
    return status;
}

/* ---- particles ---- */

typedef struct swarm {
    const lk_tilt *t;
    int64_t rows, n; /* n: the step that is taken */
    double *x, *clean;
} swarm;

static lk_status denoise_block(lk_context *ctx, void *state, int thread, int64_t index)
{
    const swarm *w = state;
    const int64_t d = w->t->d, first = index * LKI_BLOCK_ROWS, left = w->rows - first, rows = left < LKI_BLOCK_ROWS ? left : LKI_BLOCK_ROWS;
    double *z;
    (void)thread;
    LKI_TRY(lki_cancelled(ctx));
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)rows, (size_t)d), sizeof *z, &z));
    lk_status status = lki_tilt_denoise(ctx, w->t, w->n, w->x + first * d, rows, w->clean + first * d, z);
    lki_release(ctx, z);
    return status;
}

static void move(const swarm *w)
{
    const int64_t d = w->t->d;
    for (int64_t i = 0; i < w->rows; i++) {
        lki_stream s = lki_stream_new(w->t->seed, LKI_STREAM_TILT, (uint64_t)(1 + i) + ((uint64_t)w->n << 40));
        lki_tilt_step(w->t, w->n, w->clean + i * d, d, &s, w->x + i * d);
    }
}

/* Weights change by exp(a r(E[x0 | x]) - the same one step before), so that together they are exp r(x0). The more noise, the less the mean says of x0: a = 1 /
 * (1 + noise^2) keeps weights even. */
static lk_status reweigh(lk_context *ctx, lk_tilt *t, int64_t n, const double *clean, int64_t rows, double *rewards, double *fresh, double *weights)
{
    const double noise = lki_tilt_noise(t, n), a = 1.0 / (1.0 + noise * noise);
    LKI_TRY(weigh(ctx, t, clean, rows, fresh));
    for (int64_t i = 0; i < rows; i++) {
        fresh[i] *= a;
        weights[i] = isfinite(rewards[i]) ? weights[i] + fresh[i] - rewards[i] : -(double)INFINITY;
        rewards[i] = fresh[i];
    }
    return LK_OK;
}

static lk_status resample(lk_context *ctx, lk_tilt *t, swarm *w, bool always, int64_t number, double *weights, double *rewards, int64_t *parents, double *spare)
{
    const int64_t d = t->d, rows = w->rows;
    double effective;
    lki_stream s = lki_stream_new(t->seed, LKI_STREAM_TILT, (uint64_t)number << 40);
    const double log_mean = lki_tilt_resample(weights, rows, lki_random_uniform(&s), parents, &effective);
    if (!isfinite(log_mean)) {
        return weightless(ctx);
    }
    t->effective = fmin(t->effective, effective);
    if (!always && effective >= 0.5 * (double)rows) {
        return LK_OK;
    }
    t->log_mean += log_mean;
    gather(w->x, parents, rows, d, spare);
    memcpy(w->x, spare, (size_t)(rows * d) * sizeof *spare);
    gather(w->clean, parents, rows, d, spare);
    memcpy(w->clean, spare, (size_t)(rows * d) * sizeof *spare);
    gather(rewards, parents, rows, 1, spare);
    memcpy(rewards, spare, (size_t)rows * sizeof *spare);
    memset(weights, 0, (size_t)rows * sizeof *weights);
    return LK_OK;
}

lk_status lki_tilt_particles(lk_context *ctx, lk_tilt *t, int64_t rows, double *out)
{
    const int64_t d = t->d;
    const size_t values = lki_product((size_t)rows, (size_t)d);
    double *work;
    int64_t *parents = NULL;
    lk_status status = LK_OK;
    LKI_TRY(lki_zeros(ctx, 2 * values + 3 * (size_t)rows, sizeof *work, &work));
    double *spare = work + values, *weights = spare + values, *rewards = weights + rows, *fresh = rewards + rows;
    swarm w = {.t = t, .rows = rows, .x = out, .clean = work};
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, sizeof *parents, &parents));
    for (int64_t i = 0; i < rows; i++) {
        lki_stream s = lki_stream_new(t->seed, LKI_STREAM_TILT, (uint64_t)(1 + i));
        lki_tilt_start(t, &s, out + i * d);
    }
    t->log_mean = 0.0;
    t->effective = (double)rows;
    for (w.n = t->steps; w.n > 0; w.n--) {
        LKI_GOTO(status, done, lki_parallel(ctx, (rows + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS, denoise_block, &w));
        LKI_GOTO(status, done, reweigh(ctx, t, w.n, w.clean, rows, rewards, fresh, weights));
        LKI_GOTO(status, done, resample(ctx, t, &w, false, w.n + 1, weights, rewards, parents, spare));
        move(&w);
        lki_progress(ctx, "smc", (double)(t->steps - w.n + 1), (double)t->steps, "");
    }
    LKI_GOTO(status, done, reweigh(ctx, t, 0, out, rows, rewards, fresh, weights));
    status = resample(ctx, t, &w, true, 1, weights, rewards, parents, spare);
done:
    lki_release(ctx, parents);
    lki_release(ctx, work);
    return status;
}
