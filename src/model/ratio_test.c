/* The number of components by likelihood-ratio tests whose law is found by drawing from the smaller model (McLachlan 1987). */
#include "core/philox.h"
#include "math/blas.h"
#include "model/parameters.h"
#include "model/replicate.h"
#include "model/survey.h"
#include <likely/uncertainty.h>

#include <math.h>
#include <stddef.h>
#include <string.h>

/* More rows, weights counted, are not drawn. */
static const double rows_most = 2147483647.0;

/* A fit of some number of components, to the rows or to drawn ones. */
typedef struct fitted {
    lki_values *values;
    void *state;
    lki_report report;
} fitted;

/* What one thread works with. */
typedef struct worker {
    lk_context *ctx;
    double *z; /* the drawn rows */
} worker;

/* One test. */
typedef struct testing {
    const lk_model *model; /* names and operations */
    const lki_rows *rows;
    int64_t n;               /* rows, weights counted */
    const int64_t *features; /* 0..d-1: of drawn tables */
    unsigned char *gaps;     /* n x d: which values are missing; NULL = none */
    const fitted *smaller, *larger;
    double statistic;
    uint64_t seed;
    int64_t draws, at_least, used, left_out, unconverged, done; /* the last five are atomic */
    worker *workers;
    char stage[64];
} testing;

static void fitted_free(lk_context *ctx, const lk_model *model, fitted *f)
{
    const lki_memory memory = lki_memory_of(ctx);
    if (f->state != NULL) {
        model->method->operations->free(&memory, f->state);
    }
    json_decref(f->report.extra);
    f->state = NULL;
    f->report.extra = NULL;
}

static lk_status fit(lk_context *ctx, const testing *t, const lki_dataset *data, const lki_values *values, const void *start, uint64_t seed,
                     fitted *out)
{
    const lki_fit_task task = {.data = data, .names = (const char *const *)t->model->names, .values = values, .start = start,
                               .refit = start != NULL ? LKI_REFIT_WARM : LKI_REFIT_NONE, .seed = seed};
    out->report = lki_report_unknown();
    return t->model->method->fit(ctx, &task, &out->state, &out->report);
}

static bool degenerate(const fitted *f)
{
    return f->report.degenerate[0] != '\0';
}

/* ---- one draw ---- */

static lk_status draw_table(const testing *t, worker *w, uint64_t seed, lk_table **out)
{
    const int64_t n = t->n, d = t->model->d;
    for (int64_t first = 0; first < n; first += LKI_BLOCK_ROWS) {
        const int64_t rows = n - first < LKI_BLOCK_ROWS ? n - first : LKI_BLOCK_ROWS;
        LKI_TRY(t->model->method->operations->sample(w->ctx, t->smaller->state, seed, first, rows, w->z + first * d));
    }
    for (int64_t i = 0; t->gaps != NULL && i < n * d; i++) {
        w->z[i] = t->gaps[i] ? (double)NAN : w->z[i];
    }
    return lk_table_from_array(w->ctx, w->z, n, d, NULL, out);
}

/* The smaller model is fitted twice, from a search like any other fit and from the truth, and the better counts: a search that
 * fell short would make the statistic too large. */
static lk_status fit_smaller(const testing *t, worker *w, const lki_dataset *data, uint64_t seed, fitted *out)
{
    fitted warm = {0}, sought = {0};
    lk_status status = LK_OK;
    LKI_GOTO(status, done, fit(w->ctx, t, data, t->smaller->values, t->smaller->state, seed, &warm));
    LKI_GOTO(status, done, fit(w->ctx, t, data, t->smaller->values, NULL, seed, &sought));
    const bool better = !degenerate(&sought) && (degenerate(&warm) || sought.report.log_likelihood > warm.report.log_likelihood);
    *out = better ? sought : warm;
    *(better ? &sought : &warm) = (fitted){0};
done:
    fitted_free(w->ctx, t->model, &warm);
    fitted_free(w->ctx, t->model, &sought);
    return status;
}

static lk_status draw_statistic(testing *t, worker *w, int64_t number)
{
    lki_stream stream = lki_stream_new(t->seed, LKI_STREAM_BOOTSTRAP, (uint64_t)number);
    const uint64_t draw_seed = lki_random_bits(&stream) >> 1, fit_seed = lki_random_bits(&stream) >> 1;
    lk_table *table = NULL;
    fitted smaller = {0}, larger = {0};
    lk_status status = LK_OK;
    LKI_GOTO(status, done, draw_table(t, w, draw_seed, &table));
    const lki_dataset data = {.table = table, .features = t->features, .d = t->model->d, .weight = -1, .rows = t->n,
                              .blocks = (t->n + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS};
    LKI_GOTO(status, done, fit_smaller(t, w, &data, fit_seed, &smaller));
    LKI_GOTO(status, done, fit(w->ctx, t, &data, t->larger->values, NULL, fit_seed, &larger));
    if (degenerate(&smaller) || degenerate(&larger)) {
        __atomic_fetch_add(&t->left_out, 1, __ATOMIC_RELAXED);
        goto done;
    }
    const double statistic = 2.0 * (larger.report.log_likelihood - smaller.report.log_likelihood);
    __atomic_fetch_add(&t->used, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&t->at_least, statistic >= t->statistic, __ATOMIC_RELAXED);
    __atomic_fetch_add(&t->unconverged, smaller.report.converged == 0 || larger.report.converged == 0, __ATOMIC_RELAXED);
done:
    fitted_free(w->ctx, t->model, &smaller);
    fitted_free(w->ctx, t->model, &larger);
    lk_table_free(table);
    return status;
}

static lk_status one_draw(lk_context *ctx, void *state, int thread, int64_t number)
{
    testing *t = state;
    worker *w = &t->workers[thread];
    if (w->ctx == NULL) {
        LKI_TRY(lki_context_worker(ctx, &w->ctx));
    }
    if (w->z == NULL) {
        LKI_TRY(lki_allocate(ctx, lki_product((size_t)t->n, (size_t)t->model->d), sizeof *w->z, &w->z));
    }
    lki_begin(w->ctx);
    lk_status status = draw_statistic(t, w, number);
    if (status == LK_ERROR_DATA || status == LK_ERROR_NUMERIC) {
        __atomic_fetch_add(&t->left_out, 1, __ATOMIC_RELAXED);
        status = LK_OK;
    }
    const int64_t done = __atomic_add_fetch(&t->done, 1, __ATOMIC_RELAXED);
    lki_progress(ctx, t->stage, (double)done, (double)t->draws, "");
    return lki_pass_on(ctx, w->ctx, status);
}

/* ---- one step ---- */

static lk_status run_step(lk_context *ctx, testing *t, lk_ratio_step *step)
{
    t->statistic = step->statistic;
    t->at_least = t->used = t->left_out = t->unconverged = t->done = 0;
    snprintf(t->stage, sizeof t->stage, "%lld against %lld components", (long long)step->components, (long long)step->alternative);
    LKI_TRY(lki_parallel(ctx, t->draws, one_draw, t));
    if (t->used == 0) {
        return lki_fail(ctx, LK_ERROR_NUMERIC, "%lld against %lld components: the fits to all %lld drawn data sets are degenerate or impossible",
                        (long long)step->components, (long long)step->alternative, (long long)t->draws);
    }
    step->p_value = (1.0 + (double)t->at_least) / (1.0 + (double)t->used);
    step->used = t->used;
    step->left_out = t->left_out;
    step->unconverged = t->unconverged;
    return LK_OK;
}

/* ---- preparation ---- */

/* The settings with components = `number` behind them, which is what counts. */
static lk_status settings_with(lk_context *ctx, const lk_setting *settings, const char *number, lk_setting **out)
{
    size_t count = 0;
    while (settings != NULL && settings[count].name != NULL) {
        count++;
    }
    LKI_TRY(lki_zeros(ctx, count + 2, sizeof **out, out));
    for (size_t i = 0; i < count; i++) {
        (*out)[i] = settings[i];
    }
    (*out)[count] = (lk_setting){"components", number};
    return LK_OK;
}

static lk_status values_of(lk_context *ctx, const lki_method *method, const lk_setting *settings, int64_t K, lki_values **out)
{
    lk_setting *list = NULL;
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)K);
    LKI_TRY(settings_with(ctx, settings, text, &list));
    lk_status status = lki_values_new(ctx, &method->public, list, out);
    lki_release(ctx, list);
    return status;
}

/* Which numbers of components are asked for. */
static lk_status components_of(lk_context *ctx, const lki_method *method, const lk_setting *settings, int64_t *first, int64_t *last)
{
    bool has = false;
    lki_values *values = NULL;
    int64_t count = 0;
    const lki_memory memory = lki_memory_of(ctx);
    for (int64_t i = 0; i < method->public.parameter_count; i++) {
        has = has || (strcmp(method->public.parameters[i].name, "components") == 0 && method->public.parameters[i].type == LK_PARAMETER_RANGE);
    }
    if (!has || method->operations->sample == NULL) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "the method %s %s: there is nothing to test", method->public.name,
                        has ? "draws no rows" : "has no number of components");
    }
    LKI_TRY(lki_values_new(ctx, &method->public, settings, &values));
    const int64_t *list = lki_value_list(values, "components", &count);
    *first = list[0];
    *last = list[count - 1];
    lki_values_free(&memory, values);
    if (count < 2 || *last - *first != count - 1) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "components must be a range of at least two numbers without gaps, such as 1..4: each is tested "
                                                "against the next");
    }
    return LK_OK;
}

/* Whole weights become rows: how many, and which values they lack. */
static lk_status count_rows(lk_context *ctx, testing *t)
{
    const lki_dataset *data = &t->rows->data;
    const int64_t d = data->d;
    lki_block block = {0};
    bool missing = false;
    lk_status status = LK_OK;
    if (!(t->rows->total <= rows_most)) {
        return lki_fail(ctx, LK_ERROR_DATA, "the weights sum to %g; at most %.0f rows can be drawn", t->rows->total, rows_most);
    }
    t->n = llround(t->rows->total);
    LKI_TRY(lki_zeros(ctx, lki_product((size_t)t->n, (size_t)d), 1, &t->gaps));
    for (int64_t b = 0, at = 0; b < data->blocks; b++) {
        LKI_GOTO(status, done, lki_dataset_block(ctx, data, b, &block));
        for (int64_t i = 0; i < block.rows; i++) {
            const double *x = block.x + i * d, w = block.w != NULL ? block.w[i] : 1.0;
            int64_t there = 0;
            if (w != floor(w)) {
                status = lki_fail(ctx, LK_ERROR_DATA, "row %lld: the weight is %g; rows are drawn whole, so that weights must be whole numbers here",
                                  (long long)(block.first_row + i) + 1, w);
                goto done;
            }
            for (int64_t j = 0; j < d; j++) {
                there += !isnan(x[j]);
            }
            for (int64_t turn = 0; there > 0 && turn < (int64_t)w; turn++, at++) {
                for (int64_t j = 0; j < d; j++) {
                    t->gaps[at * d + j] = (unsigned char)(isnan(x[j]) ? 1 : 0);
                    missing = missing || isnan(x[j]);
                }
            }
        }
    }
    if (!missing) {
        lki_release(ctx, t->gaps);
        t->gaps = NULL;
    }
done:
    lki_block_free(ctx, &block);
    return status;
}

static lk_status prepare(lk_context *ctx, testing *t)
{
    int64_t *features;
    LKI_TRY(count_rows(ctx, t));
    LKI_TRY(lki_zeros(ctx, (size_t)lki_threads(ctx), sizeof *t->workers, &t->workers));
    LKI_TRY(lki_allocate(ctx, (size_t)t->model->d, sizeof *features, &features));
    for (int64_t j = 0; j < t->model->d; j++) {
        features[j] = j;
    }
    t->features = features;
    return LK_OK;
}

static void release(lk_context *ctx, testing *t)
{
    for (int i = 0; t->workers != NULL && i < lki_threads(ctx); i++) {
        lki_release(ctx, t->workers[i].z);
        lk_context_free(t->workers[i].ctx);
    }
    lki_release(ctx, t->workers);
    lki_release(ctx, t->gaps);
    lki_release(ctx, (void *)t->features);
}

/* ---- the sequence ---- */

/* What a fit chose among is in its selection: then the two models of a step might be of two kinds. */
static lk_status one_kind(lk_context *ctx, const lk_model *model)
{
    if (json_array_size(json_object_get(model->report.extra, "selection")) > 1) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "a likelihood-ratio test compares models of one kind: name one covariance family, not several");
    }
    return LK_OK;
}

static lk_status climb(lk_context *ctx, testing *t, const lk_fit_options *o, int64_t first, int64_t last, double alpha, lk_ratio_test *result)
{
    /* The state and values of the model at hand; the first one's belong to t->model. */
    fitted fits[2] = {{.values = t->model->values, .state = t->model->state, .report = t->model->report}, {0}};
    const lki_memory memory = lki_memory_of(ctx);
    double log_jacobian = 0.0; /* from log-likelihoods as transformed, which the fits give, to those in the data's units */
    lk_status status = LK_OK;
    result->components = first;
    if (t->model->transform != NULL) {
        lki_dataset raw = t->rows->data;
        raw.transform = NULL;
        LKI_TRY(lki_survey_jacobian(ctx, &raw, t->model->transform, &log_jacobian));
        fits[0].report.log_likelihood -= log_jacobian;
    }
    for (int64_t K = first; K < last && !result->ended; K++) {
        lk_ratio_step *step = &result->steps[result->count];
        *step = (lk_ratio_step){.components = K, .alternative = K + 1, .statistic = (double)NAN, .p_value = (double)NAN};
        LKI_GOTO(status, done, values_of(ctx, t->model->method, o->settings, K + 1, &fits[1].values));
        LKI_GOTO(status, done, fit(ctx, t, &t->rows->data, fits[1].values, NULL, (uint64_t)o->seed, &fits[1]));
        result->count++;
        step->log_likelihood = fits[0].report.log_likelihood + log_jacobian;
        step->log_likelihood_alternative = fits[1].report.log_likelihood + log_jacobian;
        step->statistic = 2.0 * (fits[1].report.log_likelihood - fits[0].report.log_likelihood);
        result->trusted = result->trusted && !degenerate(&fits[0]) && !degenerate(&fits[1]) && fits[0].report.converged != 0 &&
                          fits[1].report.converged != 0;
        if (degenerate(&fits[0]) || degenerate(&fits[1])) {
            break;
        }
        t->smaller = &fits[0];
        t->larger = &fits[1];
        t->seed = (uint64_t)o->seed + ((uint64_t)K << 32);
        LKI_GOTO(status, done, run_step(ctx, t, step));
        result->ended = step->p_value > alpha;
        result->components = result->ended ? K : K + 1;
        if (fits[0].values != t->model->values) {
            fitted_free(ctx, t->model, &fits[0]);
            lki_values_free(&memory, fits[0].values);
        }
        fits[0] = fits[1];
        fits[1] = (fitted){0};
    }
done:
    for (int i = 0; i < 2; i++) {
        if (fits[i].values != t->model->values) {
            fitted_free(ctx, t->model, &fits[i]);
            lki_values_free(&memory, fits[i].values);
        }
    }
    return status;
}

static lk_status ratio_test(lk_context *ctx, const lki_method *method, const lk_table *table, const lk_fit_options *o,
                            const lk_ratio_options *ratio, lk_ratio_test *out)
{
    lk_ratio_test result = {.size = out->size, .trusted = 1};
    lk_fit_options smallest = *o;
    lk_setting *list = NULL;
    lk_model *model = NULL;
    lki_rows rows = {0};
    testing t = {.rows = &rows, .draws = ratio->draws};
    char text[32];
    int64_t first = 0, last = 0;
    lk_status status = LK_OK;
    LKI_TRY(components_of(ctx, method, o->settings, &first, &last));
    snprintf(text, sizeof text, "%lld", (long long)first);
    LKI_TRY(settings_with(ctx, o->settings, text, &list));
    smallest.settings = list;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)(last - first), sizeof *result.steps, &result.steps));
    LKI_GOTO(status, done, lk_model_fit(ctx, method->public.name, table, &smallest, &model));
    LKI_GOTO(status, done, one_kind(ctx, model));
    t.model = model;
    LKI_GOTO(status, done, lki_rows_open(ctx, model, table, o->roles != NULL ? o->roles->weight : NULL, &rows));
    LKI_GOTO(status, done, prepare(ctx, &t));
    LKI_GOTO(status, done, climb(ctx, &t, o, first, last, ratio->alpha, &result));
    *out = result;
    result.steps = NULL;
done:
    release(ctx, &t);
    lki_rows_close(ctx, &rows);
    lk_model_free(model);
    lki_release(ctx, result.steps);
    lki_release(ctx, list);
    return status;
}

static lk_status options_check(lk_context *ctx, const lk_fit_options *fit_given, const lk_ratio_options *given, lk_fit_options *o, lk_ratio_options *r)
{
    if (fit_given != NULL) {
        memcpy(o, fit_given, fit_given->size < sizeof *o ? fit_given->size : sizeof *o);
    }
    o->size = sizeof *o;
    if (given != NULL) {
        memcpy(r, given, given->size < sizeof *r ? given->size : sizeof *r);
    }
    if (o->start != NULL || o->holdout != 0.0 || o->folds != 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "start, holdout and folds have no part in a likelihood-ratio test; leave them out");
    }
    if (o->roles != NULL && o->roles->label != NULL) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "label %.200s: the components of classes are not tested; ignore the column, or test the rows of one "
                                                "class", o->roles->label);
    }
    r->draws = r->draws != 0 ? r->draws : 999;
    r->alpha = r->alpha != 0.0 ? r->alpha : 0.05;
    if (r->draws < 1 || r->draws > 10000000) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "draws is %lld; it must be from 1 to 10000000", (long long)r->draws);
    }
    if (!(r->alpha > 0.0 && r->alpha < 1.0)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "alpha is %g; it must be above 0 and below 1", r->alpha);
    }
    return LK_OK;
}

lk_status lk_model_ratio_test(lk_context *ctx, const char *method, const lk_table *table, const lk_fit_options *fit_options,
                              const lk_ratio_options *options, lk_ratio_test *out)
{
    const lki_method *found = NULL;
    lk_fit_options o = {.size = sizeof o};
    lk_ratio_options r = {.size = sizeof r};
    lki_begin(ctx);
    if (out->size < sizeof *out) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "lk_ratio_test.size is %zu; set it to sizeof(lk_ratio_test)", out->size);
    }
    LKI_TRY(lki_method_get(ctx, method, &found));
    LKI_TRY(options_check(ctx, fit_options, options, &o, &r));
    lki_blas_enter();
    lk_status status = ratio_test(ctx, found, table, &o, &r, out);
    lki_blas_leave();
    return status;
}
