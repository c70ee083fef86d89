/* Models tilted by a reward, p(x) exp(r(x)): the reward, the choice of the way, and the noise levels that the ways share. */
#include "score/tilt.h"

#include "core/philox.h"
#include "math/blas.h"

#include <math.h>
#include <string.h>

static const char *const method_names[] = {"exact", "resample", "smc", "tree", "pigdm", "moments"};
enum { METHODS = sizeof method_names / sizeof method_names[0], RHO = 7 };
#define SIGMA_MIN 0.002

/* ---- the reward ---- */

int64_t lki_tilt_work(const lk_tilt *t)
{
    return t->reward != NULL ? lki_expression_work(t->reward) : 1;
}

double lki_tilt_reward(const lk_tilt *t, const double *x, double *work)
{
    if (t->reward != NULL) {
        return lki_expression_value(t->reward, x, work);
    }
    double sum = t->constant;
    for (int64_t i = 0; i < t->d; i++) {
        double s = t->linear[i];
        for (int64_t j = 0; j < t->d; j++) {
            s += 0.5 * t->square[i * t->d + j] * x[j];
        }
        sum += s * x[i];
    }
    return sum;
}

/* r(x) = - sum_i ((a_i' x - value_i) / sd_i)^2 / 2. */
static lk_status observe(lk_context *ctx, lk_tilt *t, const lk_tilt_options *o)
{
    const int64_t d = t->d;
    for (int64_t i = 0; i < o->observations; i++) {
        const double *a = o->coefficients + i * d, v = 1.0 / (o->sds[i] * o->sds[i]);
        bool finite = isfinite(o->values[i]) && o->sds[i] > 0.0 && isfinite(v);
        for (int64_t j = 0; j < d; j++) {
            finite = finite && isfinite(a[j]);
        }
        if (!finite) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "observation %lld has a number that is missing or infinite, or an sd that is not above 0", (long long)i + 1);
        }
        t->constant -= 0.5 * v * o->values[i] * o->values[i];
        for (int64_t j = 0; j < d; j++) {
            t->linear[j] += v * o->values[i] * a[j];
            for (int64_t k = 0; k < d; k++) {
                t->square[j * d + k] -= v * a[j] * a[k];
            }
        }
    }
    t->quadratic = true;
    return LK_OK;
}

/* ---- noise levels: Karras et al. 2022, arXiv:2206.00364, equation 5 ---- */

double lki_tilt_noise(const lk_tilt *t, int64_t step)
{
    const double low = pow(SIGMA_MIN, 1.0 / RHO), high = pow(t->sigma_max, 1.0 / RHO);
    return step == 0 ? 0.0 : pow(low + (double)(step - 1) / (double)(t->steps - 1) * (high - low), RHO);
}

lk_status lki_tilt_denoise(lk_context *ctx, const lk_tilt *t, int64_t n, const double *x, int64_t rows, double *clean, double *z)
{
    const double s = lki_tilt_noise(t, n);
    LKI_TRY(lki_affine_score(ctx, &t->oracles[n - 1], &t->a, x, rows, z, clean));
    for (int64_t i = 0; i < rows * t->d; i++) {
        const double v = s * t->a.spread[i % t->d];
        clean[i] = x[i] + v * v * clean[i];
    }
    return LK_OK;
}

/* The noising chain's own law of the next state given x and x0, with x0 at its mean: noise s to s' < s. */
void lki_tilt_step(const lk_tilt *t, int64_t n, const double *clean, int64_t d, lki_stream *stream, double *x)
{
    const double s = lki_tilt_noise(t, n), below = lki_tilt_noise(t, n - 1), keep = below * below / (s * s), sd = below * sqrt(1.0 - keep);
    for (int64_t j = 0; j < d; j++) {
        const double z = n > 1 ? lki_random_normal(stream) : 0.0;
        x[j] = clean[j] + keep * (x[j] - clean[j]) + sd * t->a.spread[j] * z;
    }
}

void lki_tilt_start(const lk_tilt *t, lki_stream *stream, double *x)
{
    for (int64_t j = 0; j < t->d; j++) {
        x[j] = t->a.centre[j] + t->a.spread[j] * sqrt(1.0 + t->sigma_max * t->sigma_max) * lki_random_normal(stream);
    }
}

double lki_tilt_resample(const double *log_weights, int64_t rows, double uniform, int64_t *parents, double *effective)
{
    double most = -(double)INFINITY, sum = 0.0, squares = 0.0, reached = 0.0;
    for (int64_t i = 0; i < rows; i++) {
        most = fmax(most, log_weights[i]);
    }
    if (!isfinite(most)) {
        return -(double)INFINITY;
    }
    for (int64_t i = 0; i < rows; i++) {
        const double w = exp(log_weights[i] - most);
        sum += w;
        squares += w * w;
    }
    *effective = sum * sum / squares;
    for (int64_t i = 0, k = 0; parents != NULL && i < rows; i++) {
        const double at = ((double)i + uniform) / (double)rows * sum;
        while (k < rows - 1 && reached + exp(log_weights[k] - most) <= at) {
            reached += exp(log_weights[k++] - most);
        }
        parents[i] = k;
    }
    return most + log(sum / (double)rows);
}

/* ---- made ready ---- */

static lk_status check_options(lk_context *ctx, const lk_tilt_options *o)
{
    if (o == NULL || o->size < sizeof *o) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "lk_tilt_options.size is %zu; set it to sizeof(lk_tilt_options)", o == NULL ? (size_t)0 : o->size);
    }
    if ((o->reward != NULL) == (o->observations > 0)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "either a reward tilts the model, or observations do: give one of them");
    }
    if (o->seed < 0 || !(o->steps == 0 || (o->steps >= 2 && o->steps <= 100000)) || o->rollouts < 0 || o->rollouts > 1000000000) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "seed %lld, %lld steps, %lld rollouts: the seed must be at least 0, steps from 2 to 100000, rollouts at "
                        "most 1e9", (long long)o->seed, (long long)o->steps, (long long)o->rollouts);
    }
    if (!(o->sigma_max == 0.0 || (o->sigma_max >= 0.1 && o->sigma_max <= 1e4))) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "sigma_max is %g; it must be from .1 to 1e4", o->sigma_max);
    }
    return LK_OK;
}

static lk_status choose(lk_context *ctx, lk_tilt *t, const char *name)
{
    int m = 0;
    while (name != NULL && m < METHODS && strcmp(name, method_names[m]) != 0) {
        m++;
    }
    if (m == METHODS) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "there is no way to draw called \"%.100s\"; there are: exact, resample, smc, tree, pigdm, moments", name);
    }
    t->method = (lki_tilting)m;
    if (name == NULL) {
        const bool mixture = t->model->operations.normals != NULL && t->model->operations.normals(t->model->state) > 0 &&
                             (t->model->transform == NULL || lki_transform_affine(t->model->transform));
        t->method = mixture && t->quadratic ? LKI_TILT_EXACT : LKI_TILT_SMC;
    }
    if (!t->quadratic && (t->method == LKI_TILT_EXACT || t->method >= LKI_TILT_PIGDM)) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "%s wants a reward that is a polynomial of degree at most 2, or observations; resample, smc and tree take "
                        "any", method_names[t->method]);
    }
    return LK_OK;
}

static lk_status open_levels(lk_context *ctx, lk_tilt *t)
{
    LKI_TRY(lki_model_supports(ctx, t->model, LK_OPERATION_SCORE));
    LKI_TRY(lki_model_supports(ctx, t->model, LK_OPERATION_SMOOTH));
    LKI_TRY(lki_zeros(ctx, (size_t)t->steps, sizeof *t->oracles, &t->oracles));
    for (int64_t n = 0; n < t->steps; n++) {
        LKI_TRY(lki_affine_oracle(ctx, t->model, &t->a, lki_tilt_noise(t, n + 1), t->a.spread, &t->oracles[n]));
    }
    return LK_OK;
}

static lk_status prepare(lk_context *ctx, lk_tilt *t, const lk_tilt_options *o)
{
    const size_t d = (size_t)t->d;
    LKI_TRY(lki_zeros(ctx, d, (1 + d) * sizeof *t->linear, &t->linear));
    t->square = t->linear + d;
    if (o->reward != NULL) {
        LKI_TRY(lki_expression_new(ctx, o->reward, (const char *const *)t->model->names, t->d, &t->reward));
        LKI_TRY(lki_expression_quadratic(ctx, t->reward, &t->quadratic, &t->constant, t->linear, t->square));
    } else {
        LKI_TRY(observe(ctx, t, o));
    }
    LKI_TRY(choose(ctx, t, o->method));
    t->sigma_max = o->sigma_max > 0.0 ? o->sigma_max : t->method == LKI_TILT_TREE ? 5.0 : 20.0;
    t->steps = o->steps > 0 ? o->steps : t->method == LKI_TILT_TREE ? 20 : 100;
    if (t->method == LKI_TILT_EXACT) {
        return lki_tilt_exact(ctx, t);
    }
    if (t->method == LKI_TILT_RESAMPLE) {
        return lki_model_supports(ctx, t->model, LK_OPERATION_SAMPLE);
    }
    LKI_TRY(lki_affine_new(ctx, t->model, "a tilt", &t->a));
    return open_levels(ctx, t);
}

lk_status lk_tilt_new(lk_context *ctx, const lk_model *model, const lk_tilt_options *options, lk_tilt **out)
{
    lk_tilt *t = NULL;
    lki_begin(ctx);
    LKI_TRY(check_options(ctx, options));
    LKI_TRY(lki_zeros(ctx, 1, sizeof *t, &t));
    lki_blas_enter();
    *t = (lk_tilt){.memory = lki_memory_of(ctx), .model = model, .d = model->d, .rollouts = options->rollouts, .seed = (uint64_t)options->seed,
                   .sigma_max = options->sigma_max, .log_mean = (double)NAN, .effective = (double)NAN};
    lk_status status = prepare(ctx, t, options);
    lki_blas_leave();
    if (status != LK_OK) {
        lk_tilt_free(t);
        return status;
    }
    *out = t;
    return LK_OK;
}

void lk_tilt_free(lk_tilt *t)
{
    if (t == NULL) {
        return;
    }
    lki_memory memory = t->memory;
    for (int64_t n = 0; t->oracles != NULL && n < t->steps; n++) {
        lki_affine_release_oracle(&memory, &t->oracles[n]);
    }
    lki_memory_release(&memory, t->oracles);
    lki_memory_release(&memory, t->a.shift);
    lki_memory_release(&memory, t->linear);
    lki_expression_free(&memory, t->reward);
    lki_memory_release(&memory, t->json);
    lk_model_free(t->exact);
    lki_memory_release(&memory, t);
}

/* ---- rows ---- */

lk_status lk_tilt_rows(lk_context *ctx, lk_tilt *t, int64_t rows, double *out)
{
    lki_begin(ctx);
    if (rows < 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "rows is %lld; it must be at least 0", (long long)rows);
    }
    lki_blas_enter();
    lk_status status = rows == 0                        ? LK_OK
                       : t->method == LKI_TILT_EXACT    ? lki_model_draw(ctx, t->exact, t->seed, 0, rows, out)
                       : t->method == LKI_TILT_RESAMPLE ? lki_tilt_weighted(ctx, t, rows, out)
                       : t->method == LKI_TILT_SMC      ? lki_tilt_particles(ctx, t, rows, out)
                       : t->method == LKI_TILT_TREE     ? lki_tilt_tree(ctx, t, rows, out)
                                                        : lki_tilt_guided(ctx, t, rows, out);
    lki_blas_leave();
    t->rows = status == LK_OK ? rows : t->rows;
    return status;
}

lk_status lk_tilt_model(lk_context *ctx, const lk_tilt *t, lk_model **out)
{
    lki_begin(ctx);
    if (t->exact == NULL) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "only the method exact gives a model; this is %s", method_names[t->method]);
    }
    return lk_model_build(ctx, "gmm", t->json, NULL, out);
}

void lk_tilt_tell(const lk_tilt *t, lk_tilt_report *out)
{
    const size_t size = out->size;
    lk_tilt_report r = {.size = size, .method = method_names[t->method], .rows = t->rows, .log_mean = t->log_mean, .effective = t->effective};
    memcpy(out, &r, size < sizeof r ? size : sizeof r);
}
