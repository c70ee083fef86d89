/* Questions about the path of a schedule: what a model predicts at a point of it, and the schedule itself as a table. */
#include "core/reduce.h"
#include "math/blas.h"
#include "score/kinetic.h"
#include "score/sampler.h"

#include <math.h>
#include <string.h>

typedef struct predicting {
    const lki_level *level;
    lki_path_point point;
    lki_prediction kind;
    const double *x;
    int64_t rows;
    double *out;
} predicting;

static lk_status predict_block(lk_context *ctx, void *state, int thread, int64_t index)
{
    const predicting *p = state;
    const int64_t d = p->level->field->d, first = index * LKI_BLOCK_ROWS,
                  rows = p->rows - first < LKI_BLOCK_ROWS ? p->rows - first : LKI_BLOCK_ROWS;
    const double *x = p->x + first * d, a = p->point.alpha;
    double *out = p->out + first * d, *y;
    (void)thread;
    LKI_TRY(lki_cancelled(ctx));
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)rows, (size_t)d), sizeof *y, &y));
    for (int64_t i = 0; i < rows * d; i++) {
        y[i] = x[i] / a;
    }
    for (int64_t i = 0; i < rows; i++) { /* the field sees finite rows only */
        for (int64_t j = 0; j < d; j++) {
            if (!isfinite(y[i * d + j])) {
                memset(y + i * d, 0, (size_t)d * sizeof *y);
            }
        }
    }
    lk_status status = lki_level_ask(ctx, p->level, y, rows, NULL, out, NULL);
    for (int64_t i = 0; status == LK_OK && i < rows * d; i++) {
        out[i] /= a; /* p_t(x) = p_r(x / alpha) / alpha^d */
    }
    status = status == LK_OK ? lki_predict_as(ctx, p->point, LKI_PREDICT_SCORE, p->kind, x, out, rows * d, out) : status;
    for (int64_t i = 0; status == LK_OK && i < rows; i++) {
        bool finite = true;
        for (int64_t j = 0; j < d; j++) {
            finite = finite && isfinite(x[i * d + j]);
        }
        for (int64_t j = 0; j < d && !finite; j++) {
            out[i * d + j] = (double)NAN;
        }
    }
    lki_release(ctx, y);
    return status;
}

static lk_status find_prediction(lk_context *ctx, const char *name, lki_prediction *out)
{
    for (int i = 0; i < LKI_PREDICTIONS; i++) {
        if (strcmp(name, lki_prediction_names[i]) == 0) {
            *out = (lki_prediction)i;
            return LK_OK;
        }
    }
    return lki_fail(ctx, LK_ERROR_ARGUMENT, "there is no prediction of \"%.100s\"; there are: noise, data, score, velocity, v, edm", name);
}

static lk_status check_noise(lk_context *ctx, double sigma_max, double sigma_min)
{
    if (!(sigma_max >= 1e-6 && sigma_max <= 1e6) || !(sigma_min >= 1e-9 && sigma_min < sigma_max)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "sigma from %g down to %g; the first must be from 1e-6 to 1e6, the second from 1e-9 to below it",
                        sigma_max, sigma_min);
    }
    return LK_OK;
}

lk_status lk_model_path_prediction(lk_context *ctx, const lk_model *model, const lk_path_options *o, const char *kind, const double *x,
                                   int64_t rows, double *out)
{
    lki_schedule s;
    lki_field *field = NULL;
    lki_kinetic *kinetic = NULL;
    lki_level level = {0};
    predicting p = {.level = &level, .x = x, .rows = rows, .out = out};
    lk_status status = LK_OK;
    lki_begin(ctx);
    if (o->size < sizeof *o || rows < 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "lk_path_options.size must be sizeof(lk_path_options), rows at least 0");
    }
    s = (lki_schedule){.sigma_max = o->sigma_max != 0.0 ? o->sigma_max : 50.0, .sigma_min = o->sigma_min != 0.0 ? o->sigma_min : 0.002};
    LKI_TRY(check_noise(ctx, s.sigma_max, s.sigma_min));
    LKI_TRY(lki_schedule_find(ctx, o->schedule, &s.kind));
    LKI_TRY(find_prediction(ctx, kind, &p.kind));
    if (!(o->time > 0.0 && o->time < 1.0)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "time %g; it must lie between 0 (data) and 1 (noise)", o->time);
    }
    if (model->transform != NULL) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "predictions on a path are in the units that noise is added in, and this model transforms its features");
    }
    LKI_TRY(lki_model_supports(ctx, model, LK_OPERATION_SMOOTH));
    lki_blas_enter();
    LKI_GOTO(status, done, lki_field_of_model(ctx, model, NULL, NULL, &field));
    if (s.kind->from_data) {
        LKI_GOTO(status, done, lki_kinetic_of_model(ctx, model, field, &kinetic));
        s.kinetic = kinetic;
    }
    const lki_node node = lki_schedule_node(&s, o->time);
    p.point = node.point;
    LKI_GOTO(status, done, lki_level_open(ctx, field, node.ratio, &level));
    status = lki_parallel(ctx, (rows + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS, predict_block, &p);
done:
    if (level.field != NULL) {
        lki_level_close(ctx, &level);
    }
    if (kinetic != NULL) {
        const lki_memory memory = lki_memory_of(ctx);
        lki_kinetic_free(&memory, kinetic);
    }
    lki_field_free(ctx, field);
    lki_blas_leave();
    return status;
}

lk_status lk_model_schedule(lk_context *ctx, const lk_model *model, const char *name, double sigma_max, double sigma_min, int64_t steps,
                            lk_schedule_node *nodes, double *energy)
{
    lki_schedule s = {.sigma_max = sigma_max != 0.0 ? sigma_max : 50.0, .sigma_min = sigma_min != 0.0 ? sigma_min : 0.002};
    lki_field *field = NULL;
    lki_kinetic *kinetic = NULL;
    lki_node *grid = NULL;
    double *units = NULL;
    lk_status status = LK_OK;
    lki_begin(ctx);
    if (steps < 2 || steps > 1000000) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "%lld steps; there must be from 2 to 1000000", (long long)steps);
    }
    LKI_TRY(check_noise(ctx, s.sigma_max, s.sigma_min));
    LKI_TRY(lki_schedule_find(ctx, name, &s.kind));
    LKI_TRY(lki_model_supports(ctx, model, LK_OPERATION_SMOOTH));
    lki_blas_enter();
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)model->d, 2 * sizeof *units, &units));
    LKI_GOTO(status, done, lki_sampler_units(ctx, model, units, units + model->d));
    LKI_GOTO(status, done, lki_field_of_model(ctx, model, units, units + model->d, &field));
    LKI_GOTO(status, done, lki_kinetic_of_model(ctx, model, field, &kinetic));
    s.kinetic = kinetic;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)steps + 1, sizeof *grid, &grid));
    lki_schedule_grid(&s, steps, grid);
    for (int64_t i = 0; i < steps; i++) {
        nodes[i] = (lk_schedule_node){grid[i].t, grid[i].point.alpha, grid[i].point.sigma, grid[i].ratio,
                                      lki_kinetic_separation(kinetic, grid[i].ratio)};
    }
    *energy = s.kind->from_data ? lki_kinetic_energy(kinetic) : lki_kinetic_energy_of(kinetic, &s);
done:
    lki_release(ctx, grid);
    lki_release(ctx, units);
    if (kinetic != NULL) {
        const lki_memory memory = lki_memory_of(ctx);
        lki_kinetic_free(&memory, kinetic);
    }
    lki_field_free(ctx, field);
    lki_blas_leave();
    return status;
}
