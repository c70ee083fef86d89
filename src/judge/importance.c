/* Permutation importance: how much worse a model tells an outcome where the values of one feature are exchanged among the rows (Breiman 2001,
 * Machine Learning 45, section 10; Fisher, Rudin and Dominici 2019, arXiv:1801.01489). Worse is measured by log p(outcome | features). */
#include "core/philox.h"
#include "data/labels.h"
#include "math/blas.h"
#include "model/model_impl.h"
#include <likely/judge.h>

#include <math.h>
#include <stddef.h>
#include <string.h>

enum { LKI_STREAM_IMPORTANCE = 208 };

typedef struct weighing {
    const lk_model *model;
    int64_t d, n, target; /* target: a feature, -1 = the class */
    double *x;            /* n x d */
    double *w;            /* n */
    double *class;        /* n, the number of the row's class; NULL = none */
    double *trial;        /* n x d: with one column exchanged */
    double *base, *drop;  /* n: log p as they are; the mean loss of it over the repeats */
    double *rest;         /* n: log p of the features without the target; NULL where the model tells the target alone */
    double *answers;      /* n x answer columns */
    int64_t *order;
    lki_question question;
} weighing;

/* ---- the rows ---- */

/* Rows of positive weight with every feature, and a class where one is told. */
static lk_status read_rows(lk_context *ctx, weighing *g, const lki_dataset *data, const lki_labels *labels)
{
    lki_block block = {0};
    double *label = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)data->rows, (size_t)g->d), sizeof(double), &g->x));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)data->rows, sizeof(double), &g->w));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)data->rows, sizeof(double), &g->class));
    LKI_GOTO(status, done, lki_allocate(ctx, LKI_BLOCK_ROWS, sizeof *label, &label));
    for (int64_t b = 0; b < data->blocks; b++) {
        LKI_GOTO(status, done, lki_cancelled(ctx));
        LKI_GOTO(status, done, lki_dataset_block(ctx, data, b, &block));
        if (labels != NULL) {
            LKI_GOTO(status, done, lk_table_gather(ctx, data->table, block.first_row, block.rows, &labels->column, 1, label));
        }
        for (int64_t i = 0; i < block.rows; i++) {
            const double *v = block.x + i * g->d, w = block.w != NULL ? block.w[i] : 1.0;
            const int64_t class = labels != NULL ? lki_labels_class(labels, label[i]) : 0;
            bool whole = w > 0.0 && class >= 0;
            for (int64_t j = 0; j < g->d; j++) {
                whole = whole && isfinite(v[j]);
            }
            if (class == -2 && w > 0.0) {
                status = lki_fail(ctx, LK_ERROR_DATA, "row %lld, column %s: its class is none of the model's",
                                  (long long)(block.first_row + i) + 1, lk_table_name(data->table, labels->column));
                goto done;
            }
            if (whole) {
                memcpy(g->x + g->n * g->d, v, (size_t)g->d * sizeof *v);
                g->w[g->n] = w;
                g->class[g->n++] = (double)class;
            }
        }
    }
    if (g->n < 2) {
        status = lki_fail(ctx, LK_ERROR_DATA, "%lld rows have every feature%s: at least 2 are needed", (long long)g->n,
                          labels != NULL ? " and a class" : "");
    }
done:
    lki_block_free(ctx, &block);
    lki_release(ctx, label);
    return status;
}

/* ---- log p(outcome | features) ---- */

typedef struct asking {
    const weighing *g;
    const double *x;
} asking;

static lk_status ask_block(lk_context *ctx, void *state, int thread, int64_t index)
{
    const asking *a = state;
    const weighing *g = a->g;
    const int64_t first = index * LKI_BLOCK_ROWS, rows = g->n - first < LKI_BLOCK_ROWS ? g->n - first : LKI_BLOCK_ROWS;
    lki_scratch scratch = {0};
    (void)thread;
    LKI_TRY(lki_cancelled(ctx));
    lk_status status = lki_question_block(ctx, &g->question, &scratch, a->x + first * g->d, rows, g->answers + first * g->question.columns);
    lki_scratch_free(ctx, &scratch);
    return status;
}

static lk_status ask(lk_context *ctx, const weighing *g, const double *x)
{
    asking a = {g, x};
    return lki_parallel(ctx, (g->n + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS, ask_block, &a);
}

/* log p(class | x), or the log density of the rows: of the target given the others, or of everything. */
static lk_status log_outcome(lk_context *ctx, const weighing *g, const double *x, double *out)
{
    LKI_TRY(ask(ctx, g, x));
    for (int64_t i = 0; i < g->n; i++) {
        const double p = g->answers[i * g->question.columns + (g->target < 0 ? (int64_t)g->class[i] : 0)];
        out[i] = g->target < 0 ? log(fmax(p, 1e-300)) : p;
    }
    return LK_OK;
}

/* A model of everything tells log p(target | others) = log p(all) - log p(others): the marginal of a row that lacks the target. */
static lk_status log_conditional(lk_context *ctx, const weighing *g, double *x, double *out)
{
    LKI_TRY(log_outcome(ctx, g, x, out));
    if (g->rest == NULL) {
        return LK_OK;
    }
    for (int64_t i = 0; i < g->n; i++) {
        x[i * g->d + g->target] = (double)NAN;
    }
    LKI_TRY(log_outcome(ctx, g, x, g->rest));
    for (int64_t i = 0; i < g->n; i++) {
        out[i] -= g->rest[i];
        x[i * g->d + g->target] = g->x[i * g->d + g->target];
    }
    return LK_OK;
}

/* ---- one feature ---- */

static void exchange(weighing *g, int64_t feature, int64_t repeat, int64_t seed)
{
    lki_stream s = lki_stream_new((uint64_t)seed, LKI_STREAM_IMPORTANCE, ((uint64_t)feature << 32) + (uint64_t)repeat);
    lki_random_permutation(&s, g->order, g->n);
    for (int64_t i = 0; i < g->n; i++) {
        g->trial[i * g->d + feature] = g->x[g->order[i] * g->d + feature];
    }
}

static lk_status weigh(lk_context *ctx, weighing *g, int64_t feature, const lk_importance_options *o, lk_importance *out)
{
    double *told = g->answers + g->n * g->question.columns; /* room for n behind the answers */
    double total = 0.0, mean = 0.0, squares = 0.0;
    memset(g->drop, 0, (size_t)g->n * sizeof *g->drop);
    memcpy(g->trial, g->x, (size_t)(g->n * g->d) * sizeof *g->x);
    for (int64_t r = 0; r < o->repeats; r++) {
        exchange(g, feature, r, o->seed);
        LKI_TRY(log_conditional(ctx, g, g->trial, told));
        for (int64_t i = 0; i < g->n; i++) {
            g->drop[i] += (g->base[i] - told[i]) / (double)o->repeats;
        }
    }
    for (int64_t i = 0; i < g->n; i++) {
        total += g->w[i];
        mean += g->w[i] * g->drop[i];
    }
    mean /= total;
    for (int64_t i = 0; i < g->n; i++) {
        squares += g->w[i] * (g->drop[i] - mean) * (g->drop[i] - mean);
    }
    *out = (lk_importance){.feature = feature, .drop = mean, .standard_error = total > 1.0 ? sqrt(squares / (total - 1.0) / total) : (double)NAN};
    return LK_OK;
}

/* ---- the call ---- */

/* What is told: the class, the model's own target, or the feature asked for. */
static lk_status find_target(lk_context *ctx, const lk_model *model, const lk_importance_options *o, int64_t *target)
{
    const int64_t own = lk_model_target(model);
    *target = -1;
    if (o->target == NULL) {
        *target = own;
        return model->classes != NULL || own >= 0
                   ? LK_OK
                   : lki_fail(ctx, LK_ERROR_ARGUMENT, "this %s model has no class and no target of its own: say which feature is told",
                              model->method->public.name);
    }
    if (model->classes != NULL && strcmp(o->target, lk_table_name(model->classes, 0)) == 0) {
        return LK_OK;
    }
    for (int64_t j = 0; j < model->d && *target < 0; j++) {
        *target = strcmp(model->names[j], o->target) == 0 ? j : -1;
    }
    if (*target < 0 || (own >= 0 && *target != own)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "%.200s is not what this %s model can tell%s%s", o->target, model->method->public.name,
                        own >= 0 ? ": it tells " : "", own >= 0 ? model->names[own] : "");
    }
    return LK_OK;
}

static lk_status prepare(lk_context *ctx, weighing *g)
{
    const size_t n = (size_t)g->n, cells = lki_product(n, (size_t)g->d);
    LKI_TRY(lki_question_open(ctx, g->model, g->target < 0 ? LK_OPERATION_RESPONSIBILITIES : LK_OPERATION_LOG_DENSITY, &g->question));
    if (g->target >= 0 && lk_model_target(g->model) < 0) {
        LKI_TRY(lki_model_supports(ctx, g->model, LK_OPERATION_MARGINAL));
        LKI_TRY(lki_allocate(ctx, n, sizeof(double), &g->rest));
    }
    LKI_TRY(lki_allocate(ctx, lki_product(n, (size_t)g->question.columns + 1), sizeof(double), &g->answers));
    LKI_TRY(lki_allocate(ctx, cells, sizeof(double), &g->trial));
    LKI_TRY(lki_allocate(ctx, n, sizeof(double), &g->base));
    LKI_TRY(lki_allocate(ctx, n, sizeof(double), &g->drop));
    LKI_TRY(lki_allocate(ctx, n, sizeof *g->order, &g->order));
    memcpy(g->trial, g->x, cells * sizeof *g->x);
    return log_conditional(ctx, g, g->trial, g->base);
}

static lk_status importance(lk_context *ctx, weighing *g, const lki_dataset *data, const lki_labels *labels, const lk_importance_options *o,
                            lk_importance *out)
{
    int64_t k = 0;
    LKI_TRY(read_rows(ctx, g, data, labels));
    LKI_TRY(prepare(ctx, g));
    for (int64_t j = 0; j < g->d; j++) {
        lki_progress(ctx, "importance", (double)j, (double)g->d, g->model->names[j]);
        if (j != g->target) {
            LKI_TRY(weigh(ctx, g, j, o, &out[k++]));
        }
    }
    return LK_OK;
}

static void weighing_free(lk_context *ctx, weighing *g)
{
    lki_question_close(ctx, &g->question);
    void *const blocks[] = {g->x, g->w, g->class, g->trial, g->base, g->drop, g->rest, g->answers, g->order};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        lki_release(ctx, blocks[i]);
    }
}

lk_status lk_model_importance(lk_context *ctx, const lk_model *model, const lk_table *table, const lk_importance_options *options,
                              lk_importance **out, int64_t *count)
{
    lk_importance_options o = {.repeats = 10};
    lki_begin(ctx);
    if (options != NULL && options->size < sizeof *options) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "lk_importance_options.size is %zu; set it to sizeof(lk_importance_options)", options->size);
    }
    if (options != NULL) {
        o = *options;
        o.repeats = o.repeats == 0 ? 10 : o.repeats;
    }
    if (o.repeats < 1 || o.repeats > 1000000 || o.seed < 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "repeats is %lld, which lies within 1 and 1e6; seed is %lld, which is at least 0", (long long)o.repeats,
                        (long long)o.seed);
    }
    weighing g = {.model = model, .d = model->d};
    LKI_TRY(find_target(ctx, model, &o, &g.target));
    const int64_t rows = lk_table_rows(table), told = g.target >= 0 ? 1 : 0;
    int64_t *features = NULL, column;
    lki_labels labels = {0};
    lk_importance *result = NULL;
    lk_status status = LK_OK;
    if (model->d - told < 1) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "the model has no feature beside its target");
    }
    lki_blas_enter();
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)model->d, sizeof *features, &features));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)(model->d - told), sizeof *result, &result));
    LKI_GOTO(status, done, lki_model_match(ctx, model, table, features));
    lki_dataset data = {.table = table, .features = features, .d = model->d, .weight = -1, .rows = rows,
                        .blocks = (rows + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS};
    if (o.weight != NULL) {
        LKI_GOTO(status, done, lk_table_find(ctx, table, o.weight, &data.weight));
    }
    if (g.target < 0) {
        LKI_GOTO(status, done, lk_table_find(ctx, table, lk_table_name(model->classes, 0), &column));
        LKI_GOTO(status, done, lki_labels_match(ctx, table, column, model->classes, &labels));
    }
    LKI_GOTO(status, done, importance(ctx, &g, &data, g.target < 0 ? &labels : NULL, &o, result));
    *out = result;
    *count = model->d - told;
    result = NULL;
done:
    lki_blas_leave();
    weighing_free(ctx, &g);
    lki_labels_free(ctx, &labels);
    lki_release(ctx, features);
    lki_release(ctx, result);
    return status;
}
