/* How stable the partition into groups is: fits to replicates of the rows, and how well their partitions agree with the model's. */
#include "math/blas.h"
#include "model/agreement.h"
#include "model/replicate.h"
#include <likely/uncertainty.h>

#include <math.h>
#include <stddef.h>
#include <string.h>

/* A group is recovered in a draw where some group of the fit has a Jaccard coefficient of at least `recovered` with it, dissolved where none has
 * `dissolved` (Hennig 2007, section 3). */
static const double recovered_least = 0.75, dissolved_below = 0.5;

typedef struct watching {
    const lki_rows *rows;
    int64_t K, draws;
    int32_t *labels;       /* of every row under the model, -1 = without any value */
    double *base;          /* weights of the rows */
    double *rand;          /* one a draw */
    double *jaccard;       /* K x draws; NaN where no row of the group is in the draw */
    unsigned char *taken;  /* one a draw */
} watching;

/* The most probable group of every row: -1 where none of its values is there. Reads the rows in the model's own units. */
static lk_status label_rows(lk_context *ctx, const lk_model *model, const lki_rows *rows, int32_t *labels, double *weights)
{
    const int64_t K = lk_model_groups(model), d = model->d;
    lki_dataset raw = rows->data;
    lki_question question;
    lki_scratch scratch = {0};
    lki_block block = {0};
    double *r = NULL;
    raw.transform = NULL;
    LKI_TRY(lki_question_open(ctx, model, LK_OPERATION_RESPONSIBILITIES, &question));
    lk_status status = lki_allocate(ctx, lki_product(LKI_BLOCK_ROWS, (size_t)K), sizeof *r, &r);
    for (int64_t b = 0; b < raw.blocks && status == LK_OK; b++) {
        LKI_GOTO(status, done, lki_dataset_block(ctx, &raw, b, &block));
        LKI_GOTO(status, done, lki_question_block(ctx, &question, &scratch, block.x, block.rows, r));
        for (int64_t i = 0; i < block.rows; i++) {
            int32_t best = 0;
            bool there = false;
            for (int64_t j = 0; j < d; j++) {
                there = there || !isnan(block.x[i * d + j]);
            }
            for (int64_t k = 1; k < K; k++) {
                best = r[i * K + k] > r[i * K + best] ? (int32_t)k : best;
            }
            labels[block.first_row + i] = there ? best : -1;
            if (weights != NULL) {
                weights[block.first_row + i] = !there ? 0.0 : block.w != NULL ? block.w[i] : 1.0;
            }
        }
    }
done:
    lki_question_close(ctx, &question);
    lki_scratch_free(ctx, &scratch);
    lki_block_free(ctx, &block);
    lki_release(ctx, r);
    return status;
}

/* Of the rows that are in the replicate, each once with its own weight (Hennig 2007, section 2: copies of a row tell nothing new). */
static lk_status watch(lk_context *ctx, void *state, const lki_replicate *replicate)
{
    watching *s = state;
    const int64_t rows = s->rows->data.rows, K = s->K, L = lk_model_groups(replicate->fit);
    int32_t *labels = NULL;
    double *table = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, sizeof *labels, &labels));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)(K * L + K), sizeof *table, &table));
    LKI_GOTO(status, done, label_rows(ctx, replicate->fit, s->rows, labels, NULL));
    for (int64_t i = 0; i < rows; i++) {
        if (replicate->weights[i] > 0.0 && s->labels[i] >= 0) {
            table[s->labels[i] * L + labels[i]] += s->base[i];
        }
    }
    s->rand[replicate->number] = lki_adjusted_rand(table, K, L);
    lki_jaccard(table, K, L, table + K * L);
    for (int64_t k = 0; k < K; k++) {
        s->jaccard[k * s->draws + replicate->number] = table[K * L + k];
    }
    s->taken[replicate->number] = 1;
done:
    lki_release(ctx, labels);
    lki_release(ctx, table);
    return status;
}

static void summarize(const watching *s, lk_stability *out)
{
    int64_t n = 0;
    for (int64_t b = 0; b < s->draws; b++) {
        if (s->taken[b]) {
            s->rand[n++] = s->rand[b];
        }
    }
    for (int64_t b = 0; b < n; b++) {
        out->rand_mean += s->rand[b] / (double)n;
    }
    lki_sort_ascending(s->rand, n);
    out->rand_low = lki_sorted_quantile(s->rand, n, 0.05);
    out->rand_median = lki_sorted_quantile(s->rand, n, 0.5);
    out->rand_high = lki_sorted_quantile(s->rand, n, 0.95);
    for (int64_t k = 0; k < s->K; k++) {
        lk_group_stability *g = &out->groups[k];
        for (int64_t b = 0; b < s->draws; b++) {
            const double j = s->jaccard[k * s->draws + b];
            if (s->taken[b] && !isnan(j)) {
                g->draws++;
                g->jaccard += j;
                g->recovered += j >= recovered_least;
                g->dissolved += j < dissolved_below;
            }
        }
        g->jaccard = g->draws > 0 ? g->jaccard / (double)g->draws : (double)NAN;
    }
    for (int64_t i = 0; i < s->rows->data.rows; i++) {
        if (s->labels[i] >= 0) {
            out->groups[s->labels[i]].size += s->base[i];
        }
    }
}

static lk_status stability(lk_context *ctx, const lk_model *model, const lk_table *table, const lk_stability_options *o, lk_stability *out)
{
    lki_rows rows = {0};
    watching s = {.rows = &rows, .K = lk_model_groups(model), .draws = o->draws};
    lk_stability result = {.size = out->size, .count = s.K};
    lki_replicated counts = {0};
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_rows_open(ctx, model, table, o->weight, &rows));
    const size_t n = (size_t)rows.data.rows, draws = (size_t)o->draws;
    LKI_GOTO(status, done, lki_allocate(ctx, n, sizeof *s.labels, &s.labels));
    LKI_GOTO(status, done, lki_allocate(ctx, n, sizeof *s.base, &s.base));
    LKI_GOTO(status, done, lki_allocate(ctx, draws, sizeof *s.rand, &s.rand));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)s.K, draws), sizeof *s.jaccard, &s.jaccard));
    LKI_GOTO(status, done, lki_zeros(ctx, draws, 1, &s.taken));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)s.K, sizeof *result.groups, &result.groups));
    LKI_GOTO(status, done, label_rows(ctx, model, &rows, s.labels, s.base));
    const lki_replication replication = {.model = model, .rows = &rows, .refit = LKI_REFIT_SEARCH, .draws = o->draws, .seed = (uint64_t)o->seed,
                                         .resampling = o->share > 0.0 ? LKI_RESAMPLE_PART : LKI_RESAMPLE_ROWS, .share = o->share,
                                         .stage = "stability", .take = watch, .state = &s};
    LKI_GOTO(status, done, lki_replicate_fits(ctx, &replication, &counts));
    if (counts.used == 0) {
        status = lki_fail(ctx, LK_ERROR_NUMERIC, "all %lld fits are degenerate or impossible: the rows are too few for this model",
                          (long long)o->draws);
        goto done;
    }
    summarize(&s, &result);
    result.used = counts.used;
    result.unconverged = counts.unconverged;
    result.left_out = counts.left_out;
    *out = result;
    result.groups = NULL;
done:
    lki_rows_close(ctx, &rows);
    lki_release(ctx, s.labels);
    lki_release(ctx, s.base);
    lki_release(ctx, s.rand);
    lki_release(ctx, s.jaccard);
    lki_release(ctx, s.taken);
    lki_release(ctx, result.groups);
    return status;
}

static lk_status options_check(lk_context *ctx, const lk_stability_options *given, lk_stability_options *o)
{
    if (given != NULL) {
        if (given->size < offsetof(lk_stability_options, weight) + sizeof given->weight) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "lk_stability_options.size is %zu; set it to sizeof(lk_stability_options)", given->size);
        }
        memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
    }
    o->draws = o->draws != 0 ? o->draws : 100;
    if (o->draws < 1 || o->draws > 10000000) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "draws is %lld; it must be from 1 to 10000000", (long long)o->draws);
    }
    if (!(o->share >= 0.0 && o->share < 1.0)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "share is %g; it must be above 0 and below 1, or 0 for rows drawn with replacement", o->share);
    }
    if (o->seed < 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "seed is %lld; it must be at least 0", (long long)o->seed);
    }
    return LK_OK;
}

lk_status lk_model_stability(lk_context *ctx, const lk_model *model, const lk_table *table, const lk_stability_options *options, lk_stability *out)
{
    lk_stability_options o = {0};
    lki_begin(ctx);
    LKI_TRY(options_check(ctx, options, &o));
    if (out->size < sizeof *out) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "lk_stability.size is %zu; set it to sizeof(lk_stability)", out->size);
    }
    LKI_TRY(lki_model_supports(ctx, model, LK_OPERATION_RESPONSIBILITIES));
    if (lk_model_groups(model) < 2) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "the model has one group: its partition is that of all rows, and always the same");
    }
    lki_blas_enter();
    lk_status status = stability(ctx, model, table, &o, out);
    lki_blas_leave();
    return status;
}
