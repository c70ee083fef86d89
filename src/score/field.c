/* Fields at a noise level, and the two kinds of field that ask somebody else: a model's smoothed versions, and a
 * caller's function. */
#include "score/field.h"
#include "math/blas.h"

#include <math.h>
#include <string.h>

enum { SIGMA_MOST = 1000000 };

lk_status lki_field_new(lk_context *ctx, const lki_field_operations *operations, int64_t d, const double *centre,
                        const double *scale, lki_field **out)
{
    lki_field *f;
    LKI_TRY(lki_zeros(ctx, 1, sizeof *f, &f));
    f->operations = operations;
    f->d = d;
    lk_status status = lki_allocate(ctx, (size_t)d, 2 * sizeof(double), &f->centre);
    if (status != LK_OK) {
        lki_release(ctx, f);
        return status;
    }
    f->scale = f->centre + d;
    for (int64_t j = 0; j < d; j++) {
        f->centre[j] = centre != NULL ? centre[j] : 0.0;
        f->scale[j] = scale != NULL ? scale[j] : 1.0;
        f->log_scale += log(f->scale[j]);
    }
    *out = f;
    return LK_OK;
}

void lki_field_release(const lki_memory *memory, lki_field *f)
{
    if (f != NULL) {
        if (f->state != NULL) {
            f->operations->free(memory, f->state);
        }
        lki_memory_release(memory, f->centre);
        lki_memory_release(memory, f);
    }
}

void lki_field_free(lk_context *ctx, lki_field *f)
{
    const lki_memory memory = lki_memory_of(ctx);
    lki_field_release(&memory, f);
}

/* ---- levels ---- */

lk_status lki_level_open(lk_context *ctx, const lki_field *f, double sigma, lki_level *out)
{
    lki_level level = {.field = f, .sigma = sigma};
    if (!(sigma >= 0.0 && sigma <= SIGMA_MOST)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "a noise of %g; it must be from 0 to %d", sigma, SIGMA_MOST);
    }
    if (sigma > 0.0 ? !f->noisy : !f->clean) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "there is no score at a noise of %g: %s", sigma,
                        sigma > 0.0 ? "it has no noisy versions" : "it has a density under noise only");
    }
    LKI_TRY(f->operations->level(ctx, f, sigma, &level.state));
    *out = level;
    return LK_OK;
}

void lki_level_close(lk_context *ctx, lki_level *level)
{
    if (level->state != NULL) {
        level->field->operations->level_free(ctx, level->state);
    }
    *level = (lki_level){0};
}

/* A step whose square is the error that differences of numbers near 1 have. */
#define DIFFERENCE 1e-5

/* The trace of the score's derivative by central differences of the score along each axis. */
static lk_status divergence_by_differences(lk_context *ctx, const lki_level *level, const double *u, int64_t rows,
                                           double *divergence)
{
    const int64_t d = level->field->d;
    const double step = DIFFERENCE * fmax(level->sigma, 0.1);
    double *work;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)rows, (size_t)d), 3 * sizeof *work, &work));
    double *moved = work, *above = work + rows * d, *below = above + rows * d;
    lk_status status = LK_OK;
    for (int64_t j = 0; status == LK_OK && j < d; j++) {
        memcpy(moved, u, (size_t)(rows * d) * sizeof *u);
        for (int64_t i = 0; i < rows; i++) {
            moved[i * d + j] = u[i * d + j] + step;
        }
        status = level->field->operations->ask(ctx, level, moved, rows, NULL, above, NULL);
        for (int64_t i = 0; i < rows; i++) {
            moved[i * d + j] = u[i * d + j] - step;
        }
        if (status == LK_OK) {
            status = level->field->operations->ask(ctx, level, moved, rows, NULL, below, NULL);
        }
        for (int64_t i = 0; status == LK_OK && i < rows; i++) {
            const double slope = (above[i * d + j] - below[i * d + j]) / (2.0 * step);
            divergence[i] = (j > 0 ? divergence[i] : 0.0) + slope;
        }
    }
    lki_release(ctx, work);
    return status;
}

lk_status lki_level_ask(lk_context *ctx, const lki_level *level, const double *u, int64_t rows, double *log_density,
                        double *score, double *divergence)
{
    const lki_field *f = level->field;
    if (log_density != NULL && !f->density) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "there is a score, but no log density");
    }
    LKI_TRY(f->operations->ask(ctx, level, u, rows, log_density, score, f->divergence ? divergence : NULL));
    return divergence == NULL || f->divergence ? LK_OK : divergence_by_differences(ctx, level, u, rows, divergence);
}

lk_status lki_level_denoise(lk_context *ctx, const lki_level *level, const double *u, int64_t rows, double *denoised)
{
    const int64_t values = rows * level->field->d;
    const double v = level->sigma * level->sigma;
    double *score;
    LKI_TRY(lki_allocate(ctx, (size_t)values, sizeof *score, &score));
    lk_status status = lki_level_ask(ctx, level, u, rows, NULL, score, NULL);
    for (int64_t i = 0; status == LK_OK && i < values; i++) {
        denoised[i] = u[i] + v * score[i];
    }
    lki_release(ctx, score);
    return status;
}

/* ---- a model by its smoothed versions ---- */

lk_status lki_oracle_level(lk_context *ctx, const lk_model *model, const lki_field *f, double sigma, const bool *noisy, void **state)
{
    lki_oracle *oracle = NULL;
    double *noise = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_zeros(ctx, 1, sizeof *oracle, &oracle));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)f->d, sizeof *noise, &noise));
    for (int64_t j = 0; j < f->d; j++) {
        noise[j] = noisy == NULL || noisy[j] ? sigma * f->scale[j] : 0.0;
    }
    LKI_GOTO(status, done, lki_oracle_open(ctx, model, noise, oracle));
    *state = oracle;
    oracle = NULL;
done:
    lki_release(ctx, noise);
    lki_release(ctx, oracle);
    return status;
}

void lki_oracle_level_free(lk_context *ctx, void *level)
{
    lki_oracle_close(ctx, level);
    lki_release(ctx, level);
}

static lk_status model_level(lk_context *ctx, const lki_field *f, double sigma, void **state)
{
    return lki_oracle_level(ctx, f->state, f, sigma, NULL, state);
}

static void to_units(const lki_field *f, const double *u, int64_t rows, double *z)
{
    for (int64_t i = 0; i < rows * f->d; i++) {
        z[i] = f->centre[i % f->d] + f->scale[i % f->d] * u[i];
    }
}

static lk_status model_divergence(lk_context *ctx, const lki_level *level, const double *z, int64_t rows, double *out)
{
    const lki_field *f = level->field;
    const int64_t d = f->d, piece = 1 + (1 << 18) / (d * d);
    double *hessian;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)piece, (size_t)(d * d)), sizeof *hessian, &hessian));
    lk_status status = LK_OK;
    for (int64_t first = 0; status == LK_OK && first < rows; first += piece) {
        const int64_t count = rows - first < piece ? rows - first : piece;
        status = lki_oracle_hessian(ctx, level->state, z + first * d, count, hessian);
        for (int64_t i = 0; status == LK_OK && i < count; i++) {
            double sum = 0.0;
            for (int64_t j = 0; j < d; j++) {
                sum += f->scale[j] * f->scale[j] * hessian[(i * d + j) * d + j];
            }
            out[first + i] = sum;
        }
    }
    lki_release(ctx, hessian);
    return status;
}

static lk_status model_ask(lk_context *ctx, const lki_level *level, const double *u, int64_t rows, double *log_density,
                           double *score, double *divergence)
{
    const lki_field *f = level->field;
    double *z;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)rows, (size_t)f->d), sizeof *z, &z));
    lk_status status = LK_OK;
    to_units(f, u, rows, z);
    if (log_density != NULL) {
        LKI_GOTO(status, done, lki_oracle_log_density(ctx, level->state, z, rows, log_density));
        for (int64_t i = 0; i < rows; i++) {
            log_density[i] += f->log_scale;
        }
    }
    if (divergence != NULL) {
        LKI_GOTO(status, done, model_divergence(ctx, level, z, rows, divergence));
    }
    if (score != NULL) {
        LKI_GOTO(status, done, lki_oracle_score(ctx, level->state, z, rows, score));
        for (int64_t i = 0; i < rows * f->d; i++) {
            score[i] *= f->scale[i % f->d];
        }
    }
done:
    lki_release(ctx, z);
    return status;
}

static void model_free(const lki_memory *memory, void *state)
{
    (void)memory;
    (void)state; /* borrowed */
}

/* Whether this very model has noisy versions: a family may have them for some of its models only. */
static lk_status has_noise(lk_context *ctx, const lki_field *f, bool *out)
{
    void *level = NULL;
    *out = false;
    if (lki_model_origin(f->state, LK_OPERATION_SMOOTH) == LKI_ORIGIN_NONE) {
        return LK_OK;
    }
    lk_status status = model_level(ctx, f, 1.0, &level);
    if (status == LK_OK) {
        lki_oracle_level_free(ctx, level);
        *out = true;
    } else if (status == LK_ERROR_UNSUPPORTED) {
        lki_begin(ctx); /* not the caller's error */
        status = LK_OK;
    }
    return status;
}

lk_status lki_field_of_model(lk_context *ctx, const lk_model *model, const double *centre, const double *scale,
                             lki_field **out)
{
    static const lki_field_operations operations = {model_level, model_ask, lki_oracle_level_free, model_free};
    lki_field *f = NULL;
    LKI_TRY(lki_model_supports(ctx, model, LK_OPERATION_SCORE));
    LKI_TRY(lki_field_of_normals(ctx, model, centre, scale, &f));
    if (f == NULL) {
        LKI_TRY(lki_field_new(ctx, &operations, model->d, centre, scale, &f));
        f->state = (void *)model;
        f->clean = f->divergence = true;
        f->density = model->operations.log_density != NULL;
        lk_status status = has_noise(ctx, f, &f->noisy);
        if (status != LK_OK) {
            lki_field_free(ctx, f);
            return status;
        }
    }
    *out = f;
    return LK_OK;
}

/* ---- a caller's function ---- */

static lk_status function_level(lk_context *ctx, const lki_field *f, double sigma, void **state)
{
    (void)ctx;
    (void)f;
    (void)sigma;
    *state = NULL;
    return LK_OK;
}

static lk_status function_ask(lk_context *ctx, const lki_level *level, const double *u, int64_t rows,
                              double *log_density, double *score, double *divergence)
{
    const lki_field *f = level->field;
    const lk_score_function *g = f->state;
    const int64_t d = f->d;
    double *z, *noise;
    (void)divergence;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)rows + 1, (size_t)d), sizeof *z, &z));
    noise = z + rows * d;
    to_units(f, u, rows, z);
    for (int64_t j = 0; j < d; j++) {
        noise[j] = level->sigma * f->scale[j];
    }
    lk_status status = LK_OK;
    if (g->ask(g->state, noise, z, rows, log_density, score) != 0) {
        status = lki_fail(ctx, LK_ERROR_NUMERIC, "the caller's score failed at a noise of %g", level->sigma);
    }
    for (int64_t i = 0; status == LK_OK && log_density != NULL && i < rows; i++) {
        log_density[i] += f->log_scale;
    }
    for (int64_t i = 0; status == LK_OK && score != NULL && i < rows * d; i++) {
        score[i] *= f->scale[i % d];
    }
    lki_release(ctx, z);
    return status;
}

static void function_level_free(lk_context *ctx, void *level)
{
    (void)ctx;
    (void)level;
}

lk_status lki_field_of_function(lk_context *ctx, const lk_score_function *function, const double *centre,
                                const double *scale, lki_field **out)
{
    static const lki_field_operations operations = {function_level, function_ask, function_level_free, lki_memory_release};
    lki_field *f;
    if (function->size < sizeof *function || function->ask == NULL || function->features < 1) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT,
                        "lk_score_function: size must be sizeof(lk_score_function), ask a function, features at least 1");
    }
    LKI_TRY(lki_field_new(ctx, &operations, function->features, centre, scale, &f));
    lk_status status = lki_allocate(ctx, 1, sizeof *function, &f->state);
    if (status != LK_OK) {
        lki_field_free(ctx, f);
        return status;
    }
    memcpy(f->state, function, sizeof *function);
    f->noisy = function->noisy != 0;
    f->clean = true;
    f->density = function->density != 0;
    *out = f;
    return LK_OK;
}
