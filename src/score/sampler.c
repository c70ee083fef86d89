/* Samplers as objects: exact draws where a family has them, and draws by the score for any model. */
#include "score/kinetic.h"
#include "score/sampler.h"
#include "data/text_builder.h"
#include "math/blas.h"

#include <math.h>
#include <string.h>

/* Draws that tell where the model is and how wide; their seed. */
enum { PLACE_DRAWS = 4096, PLACE_SEED = 0x6c696b66, STEPS_LEAST = 6, STEPS_MOST = 100000000 };

lk_status lki_sampler_units(lk_context *ctx, const lk_model *model, double *centre, double *scale)
{
    const int64_t d = model->d;
    double *draws;
    for (int64_t j = 0; j < d; j++) {
        centre[j] = 0.0;
        scale[j] = 1.0;
    }
    if (model->operations.sample == NULL) {
        return LK_OK;
    }
    LKI_TRY(lki_allocate(ctx, lki_product(PLACE_DRAWS, (size_t)d), sizeof *draws, &draws));
    lk_status status = lki_model_draw(ctx, model, PLACE_SEED, 0, PLACE_DRAWS, draws);
    for (int64_t j = 0; status == LK_OK && j < d; j++) {
        double m[LKI_POOLED];
        lki_pooled_of(m, draws + j, d, NULL, PLACE_DRAWS);
        centre[j] = m[LKI_POOLED_MEAN];
        const double sd = sqrt(m[LKI_POOLED_SQUARES] / (PLACE_DRAWS - 1));
        scale[j] = sd > 0.0 && isfinite(sd) ? sd : 1.0;
    }
    lki_release(ctx, draws);
    return status;
}

static lk_status find_kind(lk_context *ctx, const char *name, const lki_sampler_kind **out)
{
    lki_builder names = {0};
    lk_status status = LK_OK;
    for (int i = 0; lki_sampler_kind_at(i) != NULL && status == LK_OK; i++) {
        const lki_sampler_kind *kind = lki_sampler_kind_at(i);
        if (strcmp(kind->public.name, name) == 0) {
            *out = kind;
            lki_release(ctx, names.text);
            return LK_OK;
        }
        status = lki_builder_add(ctx, &names, i > 0 ? ", " : "");
        status = status == LK_OK ? lki_builder_add(ctx, &names, kind->public.name) : status;
    }
    if (status == LK_OK) {
        status = lki_fail(ctx, LK_ERROR_ARGUMENT, "there is no sampler \"%.100s\"; there are: %s", name, names.text);
    }
    lki_release(ctx, names.text);
    return status;
}

/* What is asked for, else the first of exact, heun, mala, langevin that the model can. */
static lk_status choose(lk_context *ctx, const lk_model *model, const char *name, const lki_sampler_kind **out)
{
    const bool exact = lki_model_origin(model, LK_OPERATION_SAMPLE) != LKI_ORIGIN_NONE,
               noisy = lki_model_origin(model, LK_OPERATION_SMOOTH) != LKI_ORIGIN_NONE,
               score = lki_model_origin(model, LK_OPERATION_SCORE) != LKI_ORIGIN_NONE,
               density = lki_model_origin(model, LK_OPERATION_LOG_DENSITY) != LKI_ORIGIN_NONE;
    LKI_TRY(find_kind(ctx, name != NULL ? name : exact || !score ? "exact" : noisy ? "heun" : density ? "mala" : "langevin", out));
    for (unsigned bit = 1; bit != 0; bit <<= 1) {
        if (((*out)->public.needs & bit) != 0) {
            LKI_TRY(lki_model_supports(ctx, model, bit));
        }
    }
    return LK_OK;
}

static lk_status check_numbers(lk_context *ctx, const lk_sampler_options *o, const lk_sampler *s)
{
    if (s->steps != 0 && (s->steps < STEPS_LEAST || s->steps > STEPS_MOST)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "%lld steps; there must be from %d to %d", (long long)s->steps, STEPS_LEAST, STEPS_MOST);
    }
    if (!(s->sigma_max >= 1e-6 && s->sigma_max <= 1e6) || !(s->sigma_min >= 1e-9 && s->sigma_min < s->sigma_max)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT,
                        "sigma from %g down to %g; the first must be from 1e-6 to 1e6, the second from 1e-9 to below the first",
                        s->sigma_max, s->sigma_min);
    }
    if (!(o->step_size >= 0.0 && o->step_size <= 1e3)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "a step size of %g; it must be above 0 and at most 1000, or 0 for one that is found",
                        o->step_size);
    }
    if (!(s->churn > 0.0 && s->churn <= 1e3)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "a churn of %g; it must be above 0 and at most 1000 (ddim is the sde without)", s->churn);
    }
    if (s->order < 1 || s->order > 3) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "order %lld; it must be from 1 to 3", (long long)s->order);
    }
    if (!(s->tolerance >= 1e-12 && s->tolerance <= 1.0)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "a tolerance of %g; it must be from 1e-12 to 1", s->tolerance);
    }
    return o->seed >= 0 ? LK_OK : lki_fail(ctx, LK_ERROR_ARGUMENT, "seed is %lld; it must be at least 0", (long long)o->seed);
}

static lk_status read_options(lk_context *ctx, const lk_sampler_options *o, lk_sampler *s)
{
    s->steps = o->steps != 0 ? o->steps : s->kind->public.steps;
    s->sigma_max = o->sigma_max != 0.0 ? o->sigma_max : s->kind->sigma_max;
    s->sigma_min = o->sigma_min != 0.0 ? o->sigma_min : s->kind->sigma_min;
    s->step_size = o->step_size;
    s->churn = o->churn != 0.0 ? o->churn : 1.0;
    s->order = o->order != 0 ? o->order : 3;
    s->tolerance = o->tolerance != 0.0 ? o->tolerance : 1e-4;
    s->seed = (uint64_t)o->seed;
    LKI_TRY(check_numbers(ctx, o, s));
    s->schedule = (lki_schedule){.sigma_min = s->sigma_min, .sigma_max = s->sigma_max};
    return lki_schedule_find(ctx, o->schedule, &s->schedule.kind);
}

/* The path of least kinetic energy for this model, where it is asked for. */
static lk_status find_kinetic(lk_context *ctx, lk_sampler *s)
{
    if (!s->schedule.kind->from_data) {
        return LK_OK;
    }
    if (s->model == NULL) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "the schedule %s wants a model with draws of its own", s->schedule.kind->public.name);
    }
    LKI_TRY(lki_kinetic_of_model(ctx, s->model, s->field, &s->kinetic));
    s->schedule.kinetic = s->kinetic;
    return LK_OK;
}

/* The weak model's field, in the units of the other's. */
static lk_status open_weak(lk_context *ctx, const lk_model *weak, lk_sampler *s)
{
    if ((s->kind->public.takes & LK_SAMPLER_WEAK) == 0) {
        return LK_OK;
    }
    if (weak == NULL) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "%s wants a weaker model beside the one drawn from", s->kind->public.name);
    }
    if (weak->d != s->d || s->model == NULL || (weak->transform == NULL) != (s->model->transform == NULL)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "the weak model has %lld features; it must have the same %lld, transformed alike",
                        (long long)weak->d, (long long)s->d);
    }
    for (int64_t j = 0; j < s->d; j++) {
        if (strcmp(weak->names[j], s->model->names[j]) != 0) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "feature %lld of the weak model is %s; it must be %s", (long long)j + 1, weak->names[j],
                            s->model->names[j]);
        }
    }
    LKI_TRY(lki_model_supports(ctx, weak, LK_OPERATION_SMOOTH));
    return lki_field_of_model(ctx, weak, s->field->centre, s->field->scale, &s->weak);
}

static lk_status sampler_begin(lk_context *ctx, const lki_sampler_kind *kind, int64_t d, lk_sampler **out)
{
    lk_sampler *s;
    LKI_TRY(lki_zeros(ctx, 1, sizeof *s, &s));
    s->memory = lki_memory_of(ctx);
    s->kind = kind;
    s->d = d;
    *out = s;
    return LK_OK;
}

/* What follows once the field stands. */
static lk_status sampler_finish(lk_context *ctx, const lk_sampler_options *o, lk_sampler *s)
{
    const size_t d = (size_t)s->d;
    LKI_TRY(read_options(ctx, o, s));
    if (s->field == NULL) {
        return LK_OK;
    }
    LKI_TRY(open_weak(ctx, o->weak, s));
    LKI_TRY(find_kinetic(ctx, s));
    LKI_TRY(lki_zeros(ctx, d, LKI_POOLED * sizeof(double), &s->halves));
    LKI_TRY(lki_zeros(ctx, d, LKI_POOLED * sizeof(double), &s->chains));
    LKI_TRY(lki_zeros(ctx, d, sizeof(double), &s->within));
    return s->kind->prepare != NULL ? s->kind->prepare(ctx, s) : LK_OK;
}

static lk_status check_size(lk_context *ctx, const lk_sampler_options *o)
{
    return o->size >= sizeof *o ? LK_OK
                                : lki_fail(ctx, LK_ERROR_ARGUMENT, "lk_sampler_options.size is %zu; set it to sizeof(lk_sampler_options)",
                                           o->size);
}

lk_status lk_sampler_new(lk_context *ctx, const lk_model *model, const lk_sampler_options *options, lk_sampler **out)
{
    const lk_sampler_options none = {.size = sizeof none}, *o = options != NULL ? options : &none;
    const lki_sampler_kind *kind;
    double *units = NULL;
    lk_sampler *s = NULL;
    lk_status status = LK_OK;
    lki_begin(ctx);
    LKI_TRY(check_size(ctx, o));
    lki_blas_enter();
    LKI_GOTO(status, done, choose(ctx, model, o->method, &kind));
    LKI_GOTO(status, done, sampler_begin(ctx, kind, model->d, &s));
    s->model = model;
    if (kind->rows != NULL) {
        LKI_GOTO(status, done, lki_allocate(ctx, (size_t)model->d, 2 * sizeof *units, &units));
        LKI_GOTO(status, done, lki_sampler_units(ctx, model, units, units + model->d));
        LKI_GOTO(status, done, lki_field_of_model(ctx, model, units, units + model->d, &s->field));
    }
    LKI_GOTO(status, done, sampler_finish(ctx, o, s));
    *out = s;
    s = NULL;
done:
    lki_blas_leave();
    lki_release(ctx, units);
    lk_sampler_free(s);
    return status;
}

lk_status lk_sampler_of_score(lk_context *ctx, const lk_score_function *function, const double *scale, const lk_sampler_options *options,
                              lk_sampler **out)
{
    const lk_sampler_options none = {.size = sizeof none}, *o = options != NULL ? options : &none;
    const lki_sampler_kind *kind = NULL;
    lk_sampler *s = NULL;
    lk_status status = LK_OK;
    lki_begin(ctx);
    LKI_TRY(check_size(ctx, o));
    LKI_TRY(find_kind(ctx, o->method != NULL ? o->method : function->noisy ? "heun" : function->density ? "mala" : "langevin", &kind));
    const unsigned offered = LK_OPERATION_SCORE | (function->noisy ? LK_OPERATION_SMOOTH : 0) |
                             (function->density ? LK_OPERATION_LOG_DENSITY : 0);
    if ((kind->public.needs & ~offered) != 0) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "%s wants what the caller's score does not offer", kind->public.name);
    }
    lki_blas_enter();
    LKI_GOTO(status, done, sampler_begin(ctx, kind, function->features, &s));
    LKI_GOTO(status, done, lki_field_of_function(ctx, function, NULL, scale, &s->field));
    LKI_GOTO(status, done, sampler_finish(ctx, o, s));
    *out = s;
    s = NULL;
done:
    lki_blas_leave();
    lk_sampler_free(s);
    return status;
}

void lk_sampler_free(lk_sampler *s)
{
    if (s != NULL) {
        const lki_memory memory = s->memory;
        lki_field_release(&memory, s->field);
        lki_field_release(&memory, s->weak);
        lki_kinetic_free(&memory, s->kinetic);
        lki_memory_release(&memory, s->nodes);
        lki_memory_release(&memory, s->gaussian);
        lki_memory_release(&memory, s->halves);
        lki_memory_release(&memory, s->chains);
        lki_memory_release(&memory, s->within);
        lki_memory_release(&memory, s);
    }
}

lk_status lk_sampler_rows(lk_context *ctx, lk_sampler *s, int64_t first_row, int64_t rows, double *out)
{
    lki_begin(ctx);
    if (rows < 0 || first_row < 0 || rows > INT64_MAX - first_row) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "first row %lld, %lld rows: each must be at least 0",
                        (long long)first_row, (long long)rows);
    }
    lki_blas_enter();
    lk_status status = s->field == NULL ? lki_model_draw(ctx, s->model, s->seed, first_row, rows, out)
                                        : s->kind->rows(ctx, s, first_row, rows, out);
    lki_blas_leave();
    for (int64_t i = 0; status == LK_OK && s->field != NULL && i < rows * s->d; i++) {
        out[i] = s->field->centre[i % s->d] + s->field->scale[i % s->d] * out[i];
    }
    if (status == LK_OK && s->model != NULL && s->model->transform != NULL) {
        lki_transform_invert(s->model->transform, out, rows, out);
    }
    s->rows += status == LK_OK ? rows : 0;
    return status;
}

/* Split R-hat (Gelman et al. 2013, Bayesian Data Analysis, 3rd ed., section 11.4), and how many independent states a
 * chain went through: the variance of the model over that of the chains' means. The worst feature counts. */
static void chains_report(const lk_sampler *s, lk_sampler_report *out)
{
    int64_t half = (s->steps - s->steps / 2) / 2;
    out->r_hat = 1.0;
    out->effective = (double)INFINITY;
    for (int64_t j = 0; j < s->d; j++) {
        const double *h = s->halves + j * LKI_POOLED, *c = s->chains + j * LKI_POOLED;
        if (!(c[LKI_POOLED_WEIGHT] > 1.0)) { /* one chain alone has nothing to compare with */
            out->r_hat = out->effective = (double)NAN;
            return;
        }
        double within = s->within[j] / h[LKI_POOLED_WEIGHT],
               between = h[LKI_POOLED_SQUARES] / (h[LKI_POOLED_WEIGHT] - 1.0);
        double total = within * (double)(half - 1) / (double)half + between;
        out->r_hat = fmax(out->r_hat, within > 0.0 ? sqrt(total / within) : (double)INFINITY);
        out->effective = fmin(out->effective, total / (c[LKI_POOLED_SQUARES] / (c[LKI_POOLED_WEIGHT] - 1.0)));
    }
}

void lk_sampler_tell(const lk_sampler *s, lk_sampler_report *out)
{
    const bool chain = s->levels > 0;
    const size_t size = out->size;
    lk_sampler_report r = {.size = size, .method = s->kind->public.name, .rows = s->rows, .steps_saved = s->steps_saved};
    r.steps = s->nodes != NULL ? s->nodes_steps : s->steps;
    r.evaluations = s->evaluations;
    r.sigma_max = s->field != NULL ? s->sigma_max : (double)NAN;
    r.sigma_min = s->field != NULL ? s->sigma_min : (double)NAN;
    r.step_size = chain ? sqrt(s->squares[s->levels - 1]) : (double)NAN;
    r.acceptance = s->proposed > 0.0 ? s->accepted / s->proposed : (double)NAN;
    r.start = s->start > 0.0 ? s->start : (double)NAN;
    r.r_hat = r.effective = (double)NAN;
    if (chain) {
        chains_report(s, &r);
    }
    r.step_error = s->error_count > 0.0 ? sqrt(s->error_squares / s->error_count) : (double)NAN;
    r.step_error_most = s->error_count > 0.0 ? s->error_most : (double)NAN;
    memcpy(out, &r, size < sizeof r ? size : sizeof r);
}
