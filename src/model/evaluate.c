/* How well a model predicts rows: mean log density, coverage of its density regions, distance of its PIT from uniform. */
#include "data/dataset.h"
#include "math/blas.h"
#include "model/class_quality.h"
#include "model/pooled.h"
#include "model/row_mean.h"
#include "model/survey.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Draws that the density levels of the 50% and 90% regions are taken from, and their seed: a coverage near .5 has a Monte Carlo
 * error of about .005 from them. */
enum { COVERAGE_DRAWS = 10000, COVERAGE_SEED = 1 };

/* Up to so many values the Kolmogorov distance is exact, by sorting; above, values are counted in PIT_BINS equal bins (fewer for
 * more than 64 features, so that PIT_COUNTERS suffice), which misses it by at most one bin's width. The rule looks at the
 * size of the data alone, never at the memory at hand. */
enum { PIT_EXACT = 1 << 21, PIT_BINS = 1 << 16, PIT_COUNTERS = 1 << 22 };

/* Partial sums: moments of the finite log densities, weight of rows of density 0, weight of the rows without a missing value, the
 * first refused value, weights of complete rows inside the 50% and 90% regions, then the moments of each feature's PIT over them. */
enum { DENSITY, NOWHERE = LKI_POOLED, COMPLETE, BAD_ROW, BAD_COLUMN, BAD_INFINITE, INSIDE_50, INSIDE_90, PIT };

/* What one thread works with. */
typedef struct worker {
    lki_block block;
    lki_scratch density_scratch, cdf_scratch;
    double *x, *w, *density, *u; /* the block's rows of positive weight */
    int64_t *row;                /* their numbers */
} worker;

typedef struct evaluation {
    const lk_model *model;
    const lki_dataset *dataset;
    lki_question density, cdf;
    bool coverage, pit;
    double level_50, level_90; /* density levels of the regions */
    worker *workers;
    double *exact;   /* d x rows PIT values; NULL = counted */
    double *weights; /* of rows, 0 = not used; with exact */
    uint64_t *counts;/* d x bins, in units of 1 / scale */
    int64_t bins;
    double scale;
} evaluation;

static lk_status worker_reserve(lk_context *ctx, const evaluation *e, worker *w)
{
    size_t d = (size_t)e->model->d;
    if (w->x != NULL && w->u != NULL) {
        return LK_OK;
    }
    lki_release(ctx, w->x);
    w->x = NULL;
    LKI_TRY(lki_allocate(ctx, lki_product(LKI_BLOCK_ROWS, 2 * d + 3), sizeof(double), &w->x));
    w->u = w->x + LKI_BLOCK_ROWS * d;
    w->w = w->u + LKI_BLOCK_ROWS * d;
    w->density = w->w + LKI_BLOCK_ROWS;
    w->row = (int64_t *)(void *)(w->density + LKI_BLOCK_ROWS);
    return LK_OK;
}

/* Notes the first value that is refused: an infinite one, or a missing one where the model has no marginals. */
static void note_refused(const evaluation *e, const double *x, int64_t row, double *sums)
{
    for (int64_t j = 0; j < e->model->d && sums[BAD_ROW] == 0.0; j++) {
        if (isinf(x[j]) || (isnan(x[j]) && !e->density.marginals)) {
            sums[BAD_ROW] = (double)(row + 1);
            sums[BAD_COLUMN] = (double)j;
            sums[BAD_INFINITE] = isinf(x[j]) ? 1.0 : 0.0;
        }
    }
}

/* Packs the rows of positive weight behind the first `count`: those that lack nothing, or those that lack some values but not all. */
static int64_t pack_rows(const evaluation *e, worker *w, int64_t count, bool complete, double *sums)
{
    int64_t d = e->model->d;
    for (int64_t i = 0; i < w->block.rows; i++) {
        double weight = w->block.w != NULL ? w->block.w[i] : 1.0;
        const double *x = w->block.x + i * d;
        int64_t missing = 0;
        if (!(weight > 0.0)) {
            continue;
        }
        for (int64_t j = 0; j < d; j++) {
            missing += isnan(x[j]) ? 1 : 0;
        }
        note_refused(e, x, w->block.first_row + i, sums);
        if (complete ? missing > 0 : missing == 0 || missing == d) {
            continue;
        }
        memcpy(w->x + count * d, x, (size_t)d * sizeof *x);
        w->w[count] = weight;
        w->row[count++] = w->block.first_row + i;
    }
    return count;
}

/* Adds the log densities of `count` packed rows, of which the first `complete` lack nothing; those of density 0 are counted apart,
 * and packed out of `density`. */
static void density_sums(const evaluation *e, worker *w, int64_t complete, int64_t count, double *sums)
{
    double weights[LKI_BLOCK_ROWS];
    int64_t finite = 0;
    for (int64_t i = 0; i < count; i++) {
        double v = w->density[i];
        sums[COMPLETE] += i < complete ? w->w[i] : 0.0;
        sums[INSIDE_50] += i < complete && e->coverage && v >= e->level_50 ? w->w[i] : 0.0;
        sums[INSIDE_90] += i < complete && e->coverage && v >= e->level_90 ? w->w[i] : 0.0;
        if (v == -(double)INFINITY) {
            sums[NOWHERE] += w->w[i];
        } else {
            w->density[finite] = v;
            weights[finite++] = w->w[i];
        }
    }
    lki_pooled_of(sums + DENSITY, w->density, 1, weights, finite);
}

/* Keeps or counts the PIT values of `count` packed rows. Counters are integers: their sum has no order. */
static void pit_keep(const evaluation *e, const worker *w, int64_t count)
{
    int64_t d = e->model->d;
    for (int64_t i = 0; i < count; i++) {
        if (e->exact != NULL) {
            e->weights[w->row[i]] = w->w[i];
        }
        for (int64_t j = 0; j < d; j++) {
            double u = w->u[i * d + j];
            if (e->exact != NULL) {
                e->exact[j * e->dataset->rows + w->row[i]] = u;
                continue;
            }
            int64_t bin = u > 0.0 ? (int64_t)(u * (double)e->bins) : 0;
            bin = bin < e->bins ? bin : e->bins - 1;
            uint64_t units = (uint64_t)(w->w[i] * e->scale + 0.5);
            __atomic_fetch_add(&e->counts[j * e->bins + bin], units, __ATOMIC_RELAXED);
        }
    }
}

static lk_status evaluate_block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const evaluation *e = state;
    worker *w = &e->workers[thread];
    int64_t d = e->model->d;
    LKI_TRY(lki_cancelled(ctx));
    LKI_TRY(worker_reserve(ctx, e, w));
    LKI_TRY(lki_dataset_block(ctx, e->dataset, index, &w->block));
    int64_t complete = pack_rows(e, w, 0, true, sums), count = pack_rows(e, w, complete, false, sums);
    if (count == 0 || sums[BAD_ROW] > 0.0) {
        return LK_OK;
    }
    LKI_TRY(lki_question_block(ctx, &e->density, &w->density_scratch, w->x, count, w->density));
    density_sums(e, w, complete, count, sums);
    if (e->pit && complete > 0) {
        LKI_TRY(lki_question_block(ctx, &e->cdf, &w->cdf_scratch, w->x, complete, w->u));
        for (int64_t j = 0; j < d; j++) {
            lki_pooled_of(sums + PIT + j * LKI_POOLED, w->u + j, d, w->w, complete);
        }
        pit_keep(e, w, complete);
    }
    return LK_OK;
}

static void evaluate_combine(void *state, double *left, const double *right)
{
    const evaluation *e = state;
    lki_pooled_merge(left + DENSITY, right + DENSITY);
    left[NOWHERE] += right[NOWHERE];
    left[COMPLETE] += right[COMPLETE];
    if (left[BAD_ROW] == 0.0) {
        memcpy(left + BAD_ROW, right + BAD_ROW, 3 * sizeof *left);
    }
    left[INSIDE_50] += right[INSIDE_50];
    left[INSIDE_90] += right[INSIDE_90];
    for (int64_t j = 0; e->pit && j < e->model->d; j++) {
        lki_pooled_merge(left + PIT + j * LKI_POOLED, right + PIT + j * LKI_POOLED);
    }
}

/* Runs the pass; `sums` has PIT + LKI_POOLED d doubles with pit, else PIT. Workers are made and freed here. */
static lk_status evaluate_pass(lk_context *ctx, evaluation *e, double *sums)
{
    int threads = lki_threads(ctx);
    size_t length = PIT + (e->pit ? LKI_POOLED * (size_t)e->model->d : 0);
    LKI_TRY(lki_zeros(ctx, (size_t)threads, sizeof *e->workers, &e->workers));
    lki_reduction reduction = {.blocks = e->dataset->blocks, .length = length, .block = evaluate_block,
                               .combine = evaluate_combine, .state = e};
    lk_status status = lki_reduce(ctx, &reduction, sums);
    if (status == LK_OK && sums[BAD_ROW] > 0.0) {
        status = lki_value_refused(ctx, e->model->names[(int64_t)sums[BAD_COLUMN]], (int64_t)sums[BAD_ROW] - 1,
                                   sums[BAD_INFINITE] > 0.0);
    }
    for (int i = 0; i < threads; i++) {
        worker *w = &e->workers[i];
        lki_block_free(ctx, &w->block);
        lki_scratch_free(ctx, &w->density_scratch);
        lki_scratch_free(ctx, &w->cdf_scratch);
        lki_release(ctx, w->x);
    }
    lki_release(ctx, e->workers);
    e->workers = NULL;
    return status;
}

static lki_row_mean mean_of(const double *sums)
{
    bool nowhere = sums[NOWHERE] > 0.0;
    return (lki_row_mean){.rows = sums[DENSITY + LKI_POOLED_WEIGHT] + sums[NOWHERE],
                          .mean_log_density = nowhere ? -(double)INFINITY : sums[DENSITY + LKI_POOLED_MEAN],
                          .standard_error = nowhere ? (double)NAN : lki_pooled_error(sums + DENSITY)};
}

lk_status lki_row_mean_of(lk_context *ctx, const lk_model *model, const lki_dataset *dataset, lki_row_mean *out)
{
    evaluation e = {.model = model, .dataset = dataset};
    double sums[PIT];
    LKI_TRY(lki_question_open(ctx, model, LK_OPERATION_LOG_DENSITY, &e.density));
    lk_status status = evaluate_pass(ctx, &e, sums);
    lki_question_close(ctx, &e.density);
    if (status == LK_OK) {
        *out = mean_of(sums);
    }
    return status;
}

/* ---- coverage ---- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct levels {
    const evaluation *e;
    double *density; /* COVERAGE_DRAWS */
} levels;

static lk_status levels_block(lk_context *ctx, void *state, int thread, int64_t index)
{
    const levels *l = state;
    const lk_model *model = l->e->model;
    int64_t first = index * LKI_BLOCK_ROWS, rows = COVERAGE_DRAWS - first;
    lki_scratch scratch = {0};
    double *x;
    (void)thread;
    rows = rows < LKI_BLOCK_ROWS ? rows : LKI_BLOCK_ROWS;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)rows, (size_t)model->d), sizeof *x, &x));
    lk_status status = lki_model_draw_block(ctx, model, COVERAGE_SEED, first, rows, x);
    if (status == LK_OK) {
        status = lki_question_block(ctx, &l->e->density, &scratch, x, rows, l->density + first);
    }
    lki_scratch_free(ctx, &scratch);
    lki_release(ctx, x);
    return status;
}

/* The density level that half (nine tenths) of the model's own draws reach: R. J. Hyndman, Am. Stat. 50, 1996, 120-126. */
static lk_status coverage_levels(lk_context *ctx, evaluation *e)
{
    levels l = {.e = e};
    LKI_TRY(lki_allocate(ctx, COVERAGE_DRAWS, sizeof *l.density, &l.density));
    lk_status status = lki_parallel(ctx, (COVERAGE_DRAWS + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS, levels_block, &l);
    if (status == LK_OK) {
        qsort(l.density, COVERAGE_DRAWS, sizeof *l.density, compare_doubles);
        e->level_50 = l.density[COVERAGE_DRAWS / 2];
        e->level_90 = l.density[COVERAGE_DRAWS / 10];
        e->coverage = true;
    }
    lki_release(ctx, l.density);
    return status;
}

/* ---- the Kolmogorov distance ---- */

/* Sum of weights, for the unit of the counters. */
typedef struct weighing {
    const lki_dataset *dataset;
    lki_block *blocks;
} weighing;

static lk_status weight_block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const weighing *s = state;
    lki_block *block = &s->blocks[thread];
    LKI_TRY(lki_dataset_block(ctx, s->dataset, index, block));
    for (int64_t i = 0; i < block->rows; i++) {
        sums[0] += block->w[i];
    }
    return LK_OK;
}

static lk_status counter_scale(lk_context *ctx, evaluation *e)
{
    double total = 0.0;
    e->scale = 1.0;
    if (e->dataset->weight < 0) {
        return LK_OK;
    }
    weighing s = {.dataset = e->dataset};
    LKI_TRY(lki_blocks_new(ctx, &s.blocks));
    lki_reduction reduction = {.blocks = e->dataset->blocks, .length = 1, .block = weight_block, .state = &s};
    lk_status status = lki_reduce(ctx, &reduction, &total);
    lki_blocks_free(ctx, s.blocks);
    e->scale = total > 0.0 ? ldexp(1.0, 61 - ilogb(total)) : 1.0; /* the sum of all counters stays below 2^63 */
    return status;
}

static lk_status pit_open(lk_context *ctx, evaluation *e)
{
    size_t d = (size_t)e->model->d, rows = (size_t)e->dataset->rows;
    LKI_TRY(lki_question_open(ctx, e->model, LK_OPERATION_CDF, &e->cdf));
    e->pit = true;
    if (lki_product(d, rows) <= PIT_EXACT) {
        LKI_TRY(lki_zeros(ctx, rows, sizeof *e->weights, &e->weights));
        return lki_allocate(ctx, lki_product(d, rows), sizeof *e->exact, &e->exact);
    }
    e->bins = PIT_BINS;
    while (e->bins > 1024 && e->bins * e->model->d > PIT_COUNTERS) {
        e->bins /= 2;
    }
    LKI_TRY(counter_scale(ctx, e));
    return lki_zeros(ctx, lki_product(d, (size_t)e->bins), sizeof *e->counts, &e->counts);
}

typedef struct weighted {
    double u, w;
} weighted;

/* sup_u |F(u) - u| of `count` sorted values: beside each value F jumps. */
static double kolmogorov_sorted(const weighted *v, int64_t count, double total)
{
    double below = 0.0, most = 0.0;
    for (int64_t i = 0; i < count;) {
        double u = v[i].u, through = below;
        for (; i < count && v[i].u == u; i++) {
            through += v[i].w;
        }
        most = fmax(most, fmax(fabs(below / total - u), fabs(through / total - u)));
        below = through;
    }
    return most;
}

static lk_status kolmogorov_exact(lk_context *ctx, const evaluation *e, double total, double *out)
{
    int64_t rows = e->dataset->rows;
    weighted *v;
    LKI_TRY(lki_allocate(ctx, (size_t)rows, sizeof *v, &v));
    for (int64_t j = 0; j < e->model->d; j++) {
        int64_t count = 0;
        for (int64_t i = 0; i < rows; i++) {
            if (e->weights[i] > 0.0) {
                v[count++] = (weighted){e->exact[j * rows + i], e->weights[i]};
            }
        }
        qsort(v, (size_t)count, sizeof *v, compare_doubles); /* by u, the first member */
        out[j] = kolmogorov_sorted(v, count, total);
    }
    lki_release(ctx, v);
    return LK_OK;
}

/* At the bins' edges F is known; within a bin |F(u) - u| exceeds that of an edge by at most the bin's width. */
static void kolmogorov_counted(const evaluation *e, double *out)
{
    for (int64_t j = 0; j < e->model->d; j++) {
        const uint64_t *counts = e->counts + j * e->bins;
        uint64_t total = 0, below = 0;
        out[j] = 0.0;
        for (int64_t b = 0; b < e->bins; b++) {
            total += counts[b];
        }
        for (int64_t b = 0; b < e->bins; b++) {
            below += counts[b];
            out[j] = fmax(out[j], fabs((double)below / (double)total - (double)(b + 1) / (double)e->bins));
        }
    }
}

static lk_status pit_result(lk_context *ctx, const evaluation *e, const double *sums, lk_evaluation *out)
{
    int64_t d = e->model->d;
    LKI_TRY(lki_allocate(ctx, (size_t)d, sizeof *out->pit_ks, &out->pit_ks));
    LKI_TRY(lki_allocate(ctx, (size_t)d, sizeof *out->pit_mean, &out->pit_mean));
    LKI_TRY(lki_allocate(ctx, (size_t)d, sizeof *out->pit_sd, &out->pit_sd));
    for (int64_t j = 0; j < d; j++) {
        const double *m = sums + PIT + j * LKI_POOLED;
        out->pit_mean[j] = m[LKI_POOLED_MEAN];
        out->pit_sd[j] = m[LKI_POOLED_WEIGHT] > 1.0 ? sqrt(m[LKI_POOLED_SQUARES] / (m[LKI_POOLED_WEIGHT] - 1.0)) : (double)NAN;
    }
    if (e->exact != NULL) {
        return kolmogorov_exact(ctx, e, sums[PIT + LKI_POOLED_WEIGHT], out->pit_ks);
    }
    kolmogorov_counted(e, out->pit_ks);
    return LK_OK;
}

static lk_status evaluate(lk_context *ctx, evaluation *e, lk_evaluation *out)
{
    double *sums = NULL;
    lk_status status = LK_OK;
    lk_evaluation result = {.size = out->size, .coverage_50 = (double)NAN, .coverage_90 = (double)NAN};
    LKI_GOTO(status, done, lki_question_open(ctx, e->model, LK_OPERATION_LOG_DENSITY, &e->density));
    if (lki_model_origin(e->model, LK_OPERATION_SAMPLE) != LKI_ORIGIN_NONE) {
        LKI_GOTO(status, done, coverage_levels(ctx, e));
    }
    if (lki_model_origin(e->model, LK_OPERATION_CDF) == LKI_ORIGIN_OWN) {
        LKI_GOTO(status, done, pit_open(ctx, e));
    }
    LKI_GOTO(status, done, lki_allocate(ctx, PIT + LKI_POOLED * (size_t)e->model->d, sizeof *sums, &sums));
    LKI_GOTO(status, done, evaluate_pass(ctx, e, sums));
    lki_row_mean mean = mean_of(sums);
    if (!(mean.rows > 0.0)) {
        status = lki_fail(ctx, LK_ERROR_DATA, "%s", e->dataset->rows == 0 ? "there are no rows" : "no row has a positive weight and a value");
        goto done;
    }
    result.rows = mean.rows;
    result.mean_log_density = mean.mean_log_density;
    result.standard_error = mean.standard_error;
    result.complete = sums[COMPLETE];
    if (e->coverage && result.complete > 0.0) {
        result.coverage_50 = sums[INSIDE_50] / result.complete;
        result.coverage_90 = sums[INSIDE_90] / result.complete;
    }
    if (e->pit && result.complete > 0.0) {
        LKI_GOTO(status, done, pit_result(ctx, e, sums, &result));
    }
    *out = result;
    result = (lk_evaluation){0};
done:
    lki_release(ctx, result.pit_ks);
    lki_release(ctx, result.pit_mean);
    lki_release(ctx, result.pit_sd);
    lki_release(ctx, sums);
    return status;
}

/* Where the table has the label of a model with classes: how well the model tells them. */
static lk_status evaluate_classes(lk_context *ctx, const lk_model *model, const lki_dataset *dataset, lk_evaluation *out)
{
    lki_labels labels = {0};
    lki_class_quality quality;
    int64_t columns = lk_table_columns(dataset->table), column = 0;
    const char *label = lk_table_name(model->classes, 0);
    while (column < columns && strcmp(lk_table_name(dataset->table, column), label) != 0) {
        column++;
    }
    if (column == columns) {
        return LK_OK;
    }
    LKI_TRY(lki_labels_match(ctx, dataset->table, column, model->classes, &labels));
    lk_status status = lki_class_quality_of(ctx, model, dataset, &labels, &quality);
    lki_labels_free(ctx, &labels);
    if (status == LK_OK && quality.rows > 0.0) {
        out->labelled = quality.rows;
        out->accuracy = quality.accuracy;
        out->log_loss = quality.log_loss;
        out->brier = quality.brier;
        out->standard_error = quality.standard_error;
    }
    return status;
}

/* A discriminative model has no density of the rows: what it gives is the mean log p(class | features) of those with a label. */
static lk_status evaluate_told(lk_context *ctx, const lk_evaluation *classes, lk_evaluation *out)
{
    if (!(classes->labelled > 0.0)) {
        return lki_fail(ctx, LK_ERROR_DATA, "this model tells the class of a row: there is nothing to evaluate without labelled rows");
    }
    *out = (lk_evaluation){.size = out->size, .coverage_50 = (double)NAN, .coverage_90 = (double)NAN, .rows = classes->labelled,
                           .mean_log_density = -classes->log_loss, .standard_error = classes->standard_error, .complete = classes->labelled};
    return LK_OK;
}

lk_status lk_model_evaluate(lk_context *ctx, const lk_model *model, const lk_table *table, const char *weight, lk_evaluation *out)
{
    lki_begin(ctx);
    int64_t rows = lk_table_rows(table), *features = NULL;
    lki_dataset dataset = {.table = table, .d = model->d, .weight = -1, .rows = rows,
                           .blocks = (rows + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS};
    evaluation e = {.model = model, .dataset = &dataset};
    lk_evaluation classes = {.accuracy = (double)NAN, .log_loss = (double)NAN, .brier = (double)NAN};
    if (out->size < sizeof *out) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "lk_evaluation.size is %zu; set it to sizeof(lk_evaluation)", out->size);
    }
    lk_status status = LK_OK;
    lki_blas_enter();
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)model->d, sizeof *features, &features));
    LKI_GOTO(status, done, lki_model_match(ctx, model, table, features));
    if (weight != NULL) {
        LKI_GOTO(status, done, lk_table_find(ctx, table, weight, &dataset.weight));
    }
    dataset.features = features;
    if (model->classes != NULL) {
        LKI_GOTO(status, done, evaluate_classes(ctx, model, &dataset, &classes));
    }
    if (model->classes != NULL && !lki_model_by_class(model)) {
        LKI_GOTO(status, done, evaluate_told(ctx, &classes, out));
    } else {
        LKI_GOTO(status, done, evaluate(ctx, &e, out));
    }
    out->labelled = classes.labelled;
    out->accuracy = classes.accuracy;
    out->log_loss = classes.log_loss;
    out->brier = classes.brier;
done:
    lki_question_close(ctx, &e.density);
    lki_question_close(ctx, &e.cdf);
    lki_release(ctx, e.exact);
    lki_release(ctx, e.weights);
    lki_release(ctx, e.counts);
    lki_release(ctx, features);
    lki_blas_leave();
    return status;
}
