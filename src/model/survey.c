/* One cheap pass over the features before a fit: what cannot be used is refused, what is odd is remarked. */
#include "model/survey.h"

#include <math.h>
#include <string.h>

lk_status lki_blocks_new(lk_context *ctx, lki_block **out)
{
    return lki_zeros(ctx, (size_t)lki_threads(ctx), sizeof **out, out);
}

void lki_blocks_free(lk_context *ctx, lki_block *blocks)
{
    for (int i = 0; blocks != NULL && i < lki_threads(ctx); i++) {
        lki_block_free(ctx, &blocks[i]);
    }
    lki_release(ctx, blocks);
}

lk_status lki_value_refused(lk_context *ctx, const char *name, int64_t row, bool infinite)
{
    if (infinite) {
        return lki_fail(ctx, LK_ERROR_DATA, "row %lld, column %s is infinite; values must be finite", (long long)row + 1, name);
    }
    return lki_fail(ctx, LK_ERROR_DATA, "row %lld, column %s is missing; drop or impute such rows", (long long)row + 1, name);
}

/* Partial sums: these, then for each feature its minimum, its maximum and the bits of a hash of its values with their rows. */
enum { ROWS, MISSING, INCOMPLETE, EMPTY, BAD_ROW, BAD_COLUMN, BAD_INFINITE, FEATURES };
enum { MINIMUM, MAXIMUM, HASH, PER_FEATURE };

typedef struct survey {
    const lki_dataset *dataset;
    int gaps; /* missing values are fine */
    lki_block *blocks;
} survey;

/* A hash whose sum over rows tells columns apart but not the order of summing (finalizer of Stafford's Mix13). */
static uint64_t value_hash(double v, int64_t row)
{
    uint64_t h;
    v += 0.0; /* -0 is 0 */
    memcpy(&h, &v, sizeof h);
    h ^= (uint64_t)row * UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
    return h ^ h >> 31;
}

static void hash_add(double *slot, uint64_t h)
{
    uint64_t sum;
    memcpy(&sum, slot, sizeof sum);
    sum += h;
    memcpy(slot, &sum, sizeof sum);
}

static void survey_row(const double *x, int64_t d, int64_t row, bool first, double *sums)
{
    for (int64_t j = 0; j < d; j++) {
        double *f = sums + FEATURES + j * PER_FEATURE;
        /* A missing value is no extreme: NaN stands until there is one. */
        f[MINIMUM] = first || !(f[MINIMUM] <= x[j] || isnan(x[j])) ? x[j] : f[MINIMUM];
        f[MAXIMUM] = first || !(f[MAXIMUM] >= x[j] || isnan(x[j])) ? x[j] : f[MAXIMUM];
        hash_add(&f[HASH], value_hash(x[j], row));
    }
}

static void count_missing(const double *x, int64_t d, double *sums)
{
    int64_t missing = 0;
    for (int64_t j = 0; j < d; j++) {
        missing += isnan(x[j]);
    }
    sums[MISSING] += (double)missing;
    sums[INCOMPLETE] += missing > 0 ? 1.0 : 0.0;
    sums[EMPTY] += missing == d ? 1.0 : 0.0;
}

static lk_status survey_block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const survey *s = state;
    lki_block *block = &s->blocks[thread];
    int64_t d = s->dataset->d;
    LKI_TRY(lki_dataset_block(ctx, s->dataset, index, block));
    for (int64_t i = 0; i < block->rows; i++) {
        const double *x = block->x + i * d;
        for (int64_t j = 0; j < d && sums[BAD_ROW] == 0.0; j++) {
            if (!isfinite(x[j]) && !(s->gaps && isnan(x[j]))) {
                sums[BAD_ROW] = (double)(block->first_row + i + 1);
                sums[BAD_COLUMN] = (double)j;
                sums[BAD_INFINITE] = isinf(x[j]) ? 1.0 : 0.0;
            }
        }
        if (block->w == NULL || block->w[i] > 0.0) {
            survey_row(x, d, block->first_row + i, sums[ROWS] == 0.0, sums);
            sums[ROWS] += 1.0;
            if (s->gaps) {
                count_missing(x, d, sums);
            }
        }
    }
    return LK_OK;
}

static void survey_combine(void *state, double *left, const double *right)
{
    const survey *s = state;
    if (left[BAD_ROW] == 0.0) {
        memcpy(left + BAD_ROW, right + BAD_ROW, (FEATURES - BAD_ROW) * sizeof *left);
    }
    for (int64_t j = 0; right[ROWS] > 0.0 && j < s->dataset->d; j++) {
        double *a = left + FEATURES + j * PER_FEATURE;
        const double *b = right + FEATURES + j * PER_FEATURE;
        uint64_t h;
        memcpy(&h, &b[HASH], sizeof h);
        hash_add(&a[HASH], h);
        a[MINIMUM] = left[ROWS] > 0.0 ? fmin(a[MINIMUM], b[MINIMUM]) : b[MINIMUM];
        a[MAXIMUM] = left[ROWS] > 0.0 ? fmax(a[MAXIMUM], b[MAXIMUM]) : b[MAXIMUM];
    }
    for (int i = ROWS; i < BAD_ROW; i++) {
        left[i] += right[i];
    }
}

static bool is_constant(const double *f)
{
    return f[MINIMUM] == f[MAXIMUM];
}

static bool is_same(const double *f, const double *g)
{
    return f[MINIMUM] == g[MINIMUM] && f[MAXIMUM] == g[MAXIMUM] && memcmp(&f[HASH], &g[HASH], sizeof f[HASH]) == 0;
}

/* "column a is constant", or with `other` "column b is a duplicate of column a". */
static lk_status remark_column(lk_context *ctx, lk_model *model, const char *name, const char *other)
{
    char *text = NULL;
    LKI_TRY(lki_format_text(ctx, &text, other != NULL ? "column %s is a duplicate of column %s" : "column %s is constant%s", name,
                            other != NULL ? other : ""));
    lk_status status = lki_model_remark(ctx, model, text);
    lki_release(ctx, text);
    return status;
}

static lk_status remark_missing(lk_context *ctx, lk_model *model, const double *sums)
{
    char *text = NULL;
    LKI_TRY(lki_format_text(ctx, &text, "missing values: %.0f, in %.0f of %.0f rows; the fit uses those there are", sums[MISSING],
                            sums[INCOMPLETE], sums[ROWS]));
    lk_status status = lki_model_remark(ctx, model, text);
    lki_release(ctx, text);
    if (status != LK_OK || !(sums[EMPTY] > 0.0)) {
        return status;
    }
    LKI_TRY(lki_format_text(ctx, &text, "rows without any value, left out: %.0f", sums[EMPTY]));
    status = lki_model_remark(ctx, model, text);
    lki_release(ctx, text);
    return status;
}

static lk_status survey_remarks(lk_context *ctx, const double *sums, const char *const *names, lk_model *model)
{
    const double *features = sums + FEATURES;
    if (sums[ROWS] < 2.0) {
        return lki_model_remark(ctx, model, "there is only one row");
    }
    if (sums[MISSING] > 0.0 && model->method->gaps == 1) {
        LKI_TRY(remark_missing(ctx, model, sums));
    }
    for (int64_t j = 0; j < model->d; j++) {
        const double *f = features + j * PER_FEATURE;
        if (is_constant(f)) {
            LKI_TRY(remark_column(ctx, model, names[j], NULL));
            continue;
        }
        for (int64_t k = 0; k < j; k++) {
            if (is_same(f, features + k * PER_FEATURE)) {
                LKI_TRY(remark_column(ctx, model, names[j], names[k]));
                break;
            }
        }
    }
    return LK_OK;
}

lk_status lki_survey(lk_context *ctx, const lki_dataset *dataset, const char *const *names, lk_model *model)
{
    survey s = {.dataset = dataset, .gaps = model->method->gaps};
    double *sums = NULL;
    size_t length = FEATURES + PER_FEATURE * (size_t)dataset->d;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_blocks_new(ctx, &s.blocks));
    LKI_GOTO(status, done, lki_allocate(ctx, length, sizeof *sums, &sums));
    lki_reduction reduction = {.blocks = dataset->blocks, .length = length, .block = survey_block, .combine = survey_combine,
                               .state = &s};
    LKI_GOTO(status, done, lki_reduce(ctx, &reduction, sums));
    if (sums[BAD_ROW] > 0.0) {
        status = lki_value_refused(ctx, names[(int64_t)sums[BAD_COLUMN]], (int64_t)sums[BAD_ROW] - 1, sums[BAD_INFINITE] > 0.0);
    } else if (sums[ROWS] == 0.0) {
        status = lki_fail(ctx, LK_ERROR_DATA, "%s", dataset->rows == 0 ? "there are no rows" : "no row has a positive weight");
    } else if (!model->method->guarded) {
        status = survey_remarks(ctx, sums, names, model);
    }
done:
    lki_blocks_free(ctx, s.blocks);
    lki_release(ctx, sums);
    return status;
}

/* ---- the Jacobian ---- */

typedef struct jacobian {
    const lki_dataset *dataset;
    const lki_transform *transform;
    lki_block *blocks;
    double *z;            /* one block a thread */
    double *log_jacobian;
} jacobian;

static lk_status jacobian_block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const jacobian *s = state;
    lki_block *block = &s->blocks[thread];
    double *log_jacobian = s->log_jacobian + (int64_t)thread * LKI_BLOCK_ROWS;
    LKI_TRY(lki_dataset_block(ctx, s->dataset, index, block));
    lki_transform_apply(s->transform, block->x, block->rows, s->z + (int64_t)thread * LKI_BLOCK_ROWS * s->dataset->d,
                        log_jacobian, NULL);
    for (int64_t i = 0; i < block->rows; i++) {
        double w = block->w != NULL ? block->w[i] : 1.0;
        sums[0] += w > 0.0 ? w * log_jacobian[i] : 0.0;
    }
    return LK_OK;
}

lk_status lki_survey_jacobian(lk_context *ctx, const lki_dataset *dataset, const lki_transform *t, double *out)
{
    jacobian s = {.dataset = dataset, .transform = t};
    lk_status status = LK_OK;
    size_t rows = lki_product((size_t)lki_threads(ctx), LKI_BLOCK_ROWS);
    LKI_GOTO(status, done, lki_blocks_new(ctx, &s.blocks));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product(rows, (size_t)dataset->d), sizeof *s.z, &s.z));
    LKI_GOTO(status, done, lki_allocate(ctx, rows, sizeof *s.log_jacobian, &s.log_jacobian));
    lki_reduction reduction = {.blocks = dataset->blocks, .length = 1, .block = jacobian_block, .state = &s};
    status = lki_reduce(ctx, &reduction, out);
done:
    lki_blocks_free(ctx, s.blocks);
    lki_release(ctx, s.z);
    lki_release(ctx, s.log_jacobian);
    return status;
}
