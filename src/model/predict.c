/* What rows tell about the features that they lack: means, standard deviations, quantiles and draws of the conditional distribution, by
 * patterns of missing values. */
#include "core/reduce.h"
#include "math/blas.h"
#include "math/count_law.h"
#include "math/special.h"
#include "model/model_impl.h"
#include "model/patterns.h"
#include "model/predict.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Rows that are asked at once: means of their terms are held for all wanted features. */
enum { PIECE = 32 };

/* What a pattern's rows are asked with. Of the pattern's features the first `given` are there; wanted are the targets, or the rest. */
typedef struct ready {
    lki_memory memory;
    const lki_conditional_operations *operations;
    void *conditional;
    lki_transform *given, *wanted; /* NULL = none */
} ready;

/* One thread's. */
typedef struct worker {
    lki_patterns patterns;
    double *values;       /* PIECE x d: the given values, transformed */
    double *weights;      /* PIECE x terms */
    double *means, *sds;  /* PIECE x terms x wanted, terms x wanted (PIECE times, where sds differ from row to row) */
    double *moments;      /* 2 x terms, in the data's units */
    double *draws;        /* PIECE x draws of one call x d */
    double *quantiles;    /* levels x wanted */
    int64_t *row, *number; /* PIECE: which rows, and their numbers in all */
} worker;

/* A call: a prediction of targets, an imputation, or its draws. */
typedef struct filling {
    const lk_model *model;
    const double *x;
    int64_t rows, terms, uniform, wanted_most;
    const int64_t *targets; /* NULL = whatever is missing */
    int64_t target_count;
    bool sds_by_row, counts;
    const unsigned char *hidden;
    const double *levels;
    int64_t level_count;
    bool below; /* instead of quantiles, the share below the row's own value of the one target */
    uint64_t seed;
    int64_t first_row, draws; /* 0 = moments */
    double *out, *sd;
    worker *workers;
} filling;

static void ready_free(lk_context *ctx, void *answer)
{
    ready *r = answer;
    if (r->conditional != NULL) {
        r->operations->free(&r->memory, r->conditional);
    }
    lki_transform_free(r->given);
    lki_transform_free(r->wanted);
    lki_release(ctx, r);
}

static lk_status ready_new(lk_context *ctx, const filling *f, const lki_pattern *pattern, const int64_t *wanted, int64_t count,
                           ready **out)
{
    const lk_model *model = f->model;
    ready *r;
    LKI_TRY(lki_zeros(ctx, 1, sizeof *r, &r));
    lk_status status = LK_OK;
    r->memory = lki_memory_of(ctx);
    r->operations = model->operations.conditional;
    if (model->transform != NULL && pattern->known > 0) {
        LKI_GOTO(status, failed, lki_transform_select(ctx, model->transform, pattern->features, pattern->known, &r->given));
    }
    if (model->transform != NULL) {
        LKI_GOTO(status, failed, lki_transform_select(ctx, model->transform, wanted, count, &r->wanted));
    }
    LKI_GOTO(status, failed,
             r->operations->new (ctx, model->state, pattern->features, pattern->known, wanted, count, &r->conditional));
    *out = r;
    return LK_OK;
failed:
    ready_free(ctx, r);
    return status;
}

static void worker_free(lk_context *ctx, worker *w)
{
    lki_patterns_free(ctx, &w->patterns);
    lki_release(ctx, w->values);
    lki_release(ctx, w->weights);
    lki_release(ctx, w->means);
    lki_release(ctx, w->sds);
    lki_release(ctx, w->moments);
    lki_release(ctx, w->draws);
    lki_release(ctx, w->quantiles);
    lki_release(ctx, w->row);
    lki_release(ctx, w->number);
}

static lk_status worker_prepare(lk_context *ctx, const filling *f, worker *w)
{
    size_t d = (size_t)f->model->d, terms = (size_t)f->terms, wanted = (size_t)f->wanted_most;
    if (w->number != NULL) {
        return LK_OK;
    }
    w->patterns.d = f->model->d;
    w->patterns.release = ready_free;
    w->patterns.bytes = 16.0 * (double)terms * (double)d * (double)(d + 4);
    LKI_TRY(lki_allocate(ctx, lki_product(PIECE, d), sizeof(double), &w->values));
    LKI_TRY(lki_allocate(ctx, lki_product(PIECE, terms), sizeof(double), &w->weights));
    LKI_TRY(lki_allocate(ctx, lki_product(lki_product(PIECE, terms), wanted), sizeof(double), &w->means));
    LKI_TRY(lki_allocate(ctx, lki_product(lki_product(f->sds_by_row ? PIECE : 1, terms), wanted), sizeof(double), &w->sds));
    LKI_TRY(lki_allocate(ctx, lki_product(2, terms), sizeof(double), &w->moments));
    LKI_TRY(lki_allocate(ctx, lki_product(lki_product(PIECE, (size_t)f->draws), d), sizeof(double), &w->draws));
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)f->level_count, wanted), sizeof(double), &w->quantiles));
    LKI_TRY(lki_allocate(ctx, PIECE, sizeof *w->row, &w->row));
    return lki_allocate(ctx, PIECE, sizeof *w->number, &w->number);
}

/* ---- one law: a mixture of normals, and of uniforms behind them, in transformed units ---- */

typedef struct law {
    const double *weights, *means, *sds; /* of the terms, at these strides */
    int64_t terms, stride;
    int64_t normal; /* terms from this one on are uniform */
    bool counts;    /* all terms are laws of counts */
} law;

/* A uniform term's ends. */
static void law_ends(const law *l, int64_t k, double *low, double *high)
{
    double half = sqrt(3.0) * l->sds[k * l->stride];
    *low = l->means[k * l->stride] - half;
    *high = l->means[k * l->stride] + half;
}

/* Mean and standard deviation in the data's units. */
static void law_moments(const law *l, const lki_transform *t, int64_t feature, double *scratch, double *mean, double *sd)
{
    double sum = 0.0, variance = 0.0;
    for (int64_t k = 0; k < l->terms; k++) {
        double m = l->means[k * l->stride], s = l->sds[k * l->stride], v = s * s;
        if (t != NULL && l->weights[k] > 0.0 && k < l->normal) {
            lki_transform_moments(t, feature, m, s, &m, &v);
        } else if (t != NULL && l->weights[k] > 0.0) {
            double low, high;
            law_ends(l, k, &low, &high);
            lki_transform_uniform_moments(t, feature, low, high, &m, &v);
        }
        scratch[2 * k] = m;
        scratch[2 * k + 1] = v;
        sum += l->weights[k] > 0.0 ? l->weights[k] * m : 0.0;
    }
    for (int64_t k = 0; k < l->terms; k++) {
        double shift = scratch[2 * k] - sum;
        variance += l->weights[k] > 0.0 ? l->weights[k] * (scratch[2 * k + 1] + shift * shift) : 0.0;
    }
    *mean = sum;
    *sd = isfinite(sum) ? sqrt(variance) : fabs(sum);
}

/* F(z) - level, from the side where it does not cancel, and the density. */
static double law_excess(const law *l, double z, double level, double *density)
{
    double share = 0.0, side = level <= 0.5 ? 1.0 : -1.0;
    *density = 0.0;
    for (int64_t k = 0; k < l->normal; k++) {
        double w = l->weights[k], u = (z - l->means[k * l->stride]) / l->sds[k * l->stride];
        if (w > 0.0) {
            share += w * lki_normal_cdf(side * u);
            *density += w / l->sds[k * l->stride] * exp(-0.5 * (u * u + LKI_LOG_2PI));
        }
    }
    for (int64_t k = l->normal; k < l->terms; k++) {
        double low, high;
        law_ends(l, k, &low, &high);
        double part = (side > 0.0 ? z - low : high - z) / (high - low);
        share += l->weights[k] * fmin(fmax(part, 0.0), 1.0);
        *density += part > 0.0 && part < 1.0 ? l->weights[k] / (high - low) : 0.0;
    }
    return level <= 0.5 ? share - level : (1.0 - level) - share;
}

/* The least count whose distribution function reaches the level: between the least and the greatest of the terms' own. */
static double count_quantile(const law *l, double level)
{
    double low = (double)INFINITY, high = 0.0;
    for (int64_t k = 0; k < l->terms; k++) {
        if (isnan(l->means[k * l->stride])) {
            return (double)NAN;
        }
        double q = lki_count_quantile(level, l->means[k * l->stride], l->sds[k * l->stride]);
        low = fmin(low, q);
        high = fmax(high, q);
    }
    for (low -= 1.0; high - low > 1.0;) {
        double middle = floor(low + 0.5 * (high - low)), share = 0.0;
        if (middle <= low || middle >= high) {
            break; /* beyond 2^53 whole numbers are further apart than 1 */
        }
        for (int64_t k = 0; k < l->terms; k++) {
            share += l->weights[k] * lki_count_cdf(middle, l->means[k * l->stride], l->sds[k * l->stride]);
        }
        *(share < level ? &low : &high) = middle;
    }
    return high;
}

/* The quantile of the mixture lies between the least and the greatest of its terms' quantiles; Newton's steps, halving where one leaves
 * the bracket or shrinks it too little. */
static double law_quantile(const law *l, double level)
{
    if (l->counts) {
        return count_quantile(l, level);
    }
    double q = lki_normal_quantile(level), low = (double)INFINITY, high = -(double)INFINITY, density;
    for (int64_t k = 0; k < l->terms; k++) {
        double z = l->means[k * l->stride] + l->sds[k * l->stride] * (k < l->normal ? q : sqrt(12.0) * (level - 0.5));
        low = l->weights[k] > 0.0 ? fmin(low, z) : low;
        high = l->weights[k] > 0.0 ? fmax(high, z) : high;
    }
    double z = 0.5 * (low + high), before = high - low;
    for (int step = 0; step < 200 && high - low > 4.0 * DBL_EPSILON * fmax(fabs(low), fabs(high)); step++) {
        double excess = law_excess(l, z, level, &density);
        low = excess <= 0.0 ? z : low;
        high = excess >= 0.0 ? z : high;
        double newton = z - excess / density;
        bool slow = step % 3 == 2 && high - low > 0.5 * before;
        before = step % 3 == 2 ? high - low : before;
        if (excess == 0.0) {
            break;
        }
        if (!slow && newton > low && newton < high) {
            if (fabs(newton - z) <= 2.0 * DBL_EPSILON * fabs(z)) {
                return newton;
            }
            z = newton;
        } else {
            z = low + 0.5 * (high - low);
        }
    }
    return z;
}

/* P(Y < z): for laws of counts without what z itself has. */
static double law_below(const law *l, double z)
{
    double share = 0.0, density;
    if (!l->counts) {
        return law_excess(l, z, 0.0, &density);
    }
    for (int64_t k = 0; k < l->terms; k++) {
        share += l->weights[k] * lki_count_cdf(ceil(z) - 1.0, l->means[k * l->stride], l->sds[k * l->stride]);
    }
    return share;
}

/* ---- rows of one pattern ---- */

/* Gathers up to PIECE rows from *from on, leaving out those outside the support; returns how many there are. */
static int64_t gather(const filling *f, const lki_pattern *pattern, const ready *r, worker *w, int64_t first, int64_t *from)
{
    int64_t count = 0, d = f->model->d, known = pattern->known;
    for (; *from < pattern->count && count < PIECE; ++*from) {
        int64_t row = first + pattern->rows[*from];
        double *values = w->values + count * known;
        bool inside = true;
        for (int64_t j = 0; j < known; j++) {
            values[j] = f->x[row * d + pattern->features[j]];
        }
        if (r->given != NULL) {
            int64_t bad;
            lki_transform_apply(r->given, values, 1, values, NULL, &bad);
            inside = bad < 0;
        }
        for (int64_t j = 0; j < known; j++) {
            inside = inside && isfinite(values[j]);
        }
        if (inside) {
            w->row[count] = row;
            w->number[count++] = f->first_row + row;
        }
    }
    return count;
}

static void write_prediction(const filling *f, const ready *r, worker *w, const law *l, int64_t row, int64_t target)
{
    int64_t width = 2 + f->level_count + (f->below ? 1 : 0);
    double *out = f->out + (row * f->target_count + target) * width;
    law_moments(l, r->wanted, target, w->moments, &out[0], &out[1]);
    if (f->below) {
        double z = f->x[row * f->model->d + f->targets[target]];
        if (r->wanted != NULL) {
            lki_transform_apply(r->wanted, &z, 1, &z, NULL, NULL);
        }
        out[2] = isnan(z) ? z : law_below(l, z);
    }
    for (int64_t q = 0; q < f->level_count; q++) {
        out[2 + q] = law_quantile(l, f->levels[q]);
    }
}

/* Quantiles pass through the transforms, which increase. */
static void invert_quantiles(const filling *f, const ready *r, worker *w, int64_t row)
{
    int64_t width = 2 + f->level_count, targets = f->target_count;
    double *out = f->out + row * targets * width;
    for (int64_t i = 0; i < targets * f->level_count; i++) {
        w->quantiles[i] = out[i % targets * width + 2 + i / targets];
    }
    lki_transform_invert(r->wanted, w->quantiles, f->level_count, w->quantiles);
    for (int64_t i = 0; i < targets * f->level_count; i++) {
        out[i % targets * width + 2 + i / targets] = w->quantiles[i];
    }
}

static lk_status answer_moments(lk_context *ctx, const filling *f, const ready *r, worker *w, const int64_t *wanted, int64_t count,
                                int64_t rows)
{
    LKI_TRY(r->operations->laws(ctx, r->conditional, w->values, rows, w->weights, w->means, w->sds));
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t t = 0; t < count; t++) {
            const double *sds = w->sds + (f->sds_by_row ? i * f->terms * count : 0) + t;
            law l = {w->weights + i * f->terms, w->means + i * f->terms * count + t, sds, f->terms, count, f->terms - f->uniform, f->counts};
            if (f->targets != NULL) {
                write_prediction(f, r, w, &l, w->row[i], t);
            } else {
                double mean, sd;
                int64_t at = w->row[i] * f->model->d + wanted[t];
                law_moments(&l, r->wanted, t, w->moments, &mean, &sd);
                f->out[at] = mean;
                if (f->sd != NULL) {
                    f->sd[at] = sd;
                }
            }
        }
        if (f->targets != NULL && f->level_count > 0 && r->wanted != NULL) {
            invert_quantiles(f, r, w, w->row[i]);
        }
    }
    return LK_OK;
}

static lk_status answer_draws(lk_context *ctx, const filling *f, const ready *r, worker *w, const int64_t *wanted, int64_t count,
                              int64_t rows)
{
    int64_t d = f->model->d;
    LKI_TRY(r->operations->draw(ctx, r->conditional, w->values, rows, f->seed, w->number, f->draws, w->draws));
    if (r->wanted != NULL) {
        lki_transform_invert(r->wanted, w->draws, rows * f->draws, w->draws);
    }
    for (int64_t i = 0; i < rows * f->draws; i++) {
        for (int64_t t = 0; t < count; t++) {
            f->out[(w->row[i / f->draws] * f->draws + i % f->draws) * d + wanted[t]] = w->draws[i * count + t];
        }
    }
    return LK_OK;
}

static lk_status answer_pattern(lk_context *ctx, const filling *f, worker *w, lki_pattern *pattern, int64_t first)
{
    const int64_t *wanted = f->targets != NULL ? f->targets : pattern->features + pattern->known;
    int64_t count = f->targets != NULL ? f->target_count : f->model->d - pattern->known, from = 0;
    ready *r = pattern->answer;
    if (r == NULL) {
        LKI_TRY(ready_new(ctx, f, pattern, wanted, count, &r));
        lki_patterns_keep(ctx, &w->patterns, pattern, r);
    }
    while (from < pattern->count) {
        int64_t rows = gather(f, pattern, r, w, first, &from);
        if (rows > 0) {
            LKI_TRY(f->draws > 0 ? answer_draws(ctx, f, r, w, wanted, count, rows)
                                 : answer_moments(ctx, f, r, w, wanted, count, rows));
        }
    }
    return LK_OK;
}

/* What every row has before its pattern is asked: the values that are there, NaN elsewhere. */
static void fill_plain(const filling *f, int64_t first, int64_t rows)
{
    int64_t d = f->model->d;
    if (f->targets != NULL) {
        int64_t width = f->target_count * (2 + f->level_count + (f->below ? 1 : 0));
        for (int64_t i = first * width; i < (first + rows) * width; i++) {
            f->out[i] = (double)NAN;
        }
        return;
    }
    for (int64_t i = first; i < first + rows; i++) {
        const double *x = f->x + i * d;
        for (int64_t j = 0; f->sd != NULL && j < d; j++) {
            f->sd[i * d + j] = isnan(x[j]) ? (double)NAN : 0.0;
        }
        for (int64_t m = 0; m < (f->draws > 0 ? f->draws : 1); m++) {
            double *out = f->out + (f->draws > 0 ? i * f->draws + m : i) * d;
            memmove(out, x, (size_t)d * sizeof *x);
        }
    }
}

static lk_status fill_block(lk_context *ctx, void *state, int thread, int64_t index)
{
    filling *f = state;
    worker *w = &f->workers[thread];
    int64_t first = index * LKI_BLOCK_ROWS, rows = f->rows - first;
    rows = rows < LKI_BLOCK_ROWS ? rows : LKI_BLOCK_ROWS;
    LKI_TRY(lki_cancelled(ctx));
    LKI_TRY(worker_prepare(ctx, f, w));
    LKI_TRY(lki_patterns_group(ctx, &w->patterns, f->x + first * f->model->d, rows, f->hidden, f->targets == NULL));
    fill_plain(f, first, rows);
    for (int64_t m = 0; m < w->patterns.met_count; m++) {
        LKI_TRY(answer_pattern(ctx, f, w, w->patterns.met[m], first));
    }
    return LK_OK;
}

static lk_status fill(lk_context *ctx, filling *f)
{
    lk_status status = LK_OK;
    int threads = lki_threads(ctx);
    if (f->rows < 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "rows is %lld; it must be at least 0", (long long)f->rows);
    }
    LKI_TRY(lki_model_supports(ctx, f->model, LK_OPERATION_CONDITION));
    f->terms = f->model->operations.conditional->terms(f->model->state);
    f->sds_by_row = f->model->operations.conditional->sds_by_row;
    f->counts = f->model->operations.conditional->counts != NULL && f->model->operations.conditional->counts(f->model->state);
    if (f->model->operations.conditional->uniform != NULL) {
        f->uniform = f->model->operations.conditional->uniform(f->model->state);
    }
    f->wanted_most = f->targets != NULL ? f->target_count : f->model->d;
    lki_blas_enter();
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)threads, sizeof *f->workers, &f->workers));
    status = lki_parallel(ctx, (f->rows + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS, fill_block, f);
done:
    for (int i = 0; f->workers != NULL && i < threads; i++) {
        worker_free(ctx, &f->workers[i]);
    }
    lki_release(ctx, f->workers);
    lki_blas_leave();
    return status;
}

lk_status lk_model_predict(lk_context *ctx, const lk_model *model, const double *x, int64_t rows, const int64_t *targets,
                           int64_t target_count, const double *levels, int64_t level_count, double *out)
{
    unsigned char *hidden;
    lki_begin(ctx);
    LKI_TRY(lki_features_check(ctx, model, targets, target_count, model->d));
    if (level_count < 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "%lld quantiles are asked for; there must be at least 0", (long long)level_count);
    }
    for (int64_t q = 0; q < level_count; q++) {
        if (!(levels[q] > 0.0 && levels[q] < 1.0)) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "the quantile of level %g is asked for; a level lies above 0 and below 1", levels[q]);
        }
    }
    LKI_TRY(lki_zeros(ctx, (size_t)model->d, 1, &hidden));
    for (int64_t t = 0; t < target_count; t++) {
        hidden[targets[t]] = 1;
    }
    filling f = {.model = model, .x = x, .rows = rows, .targets = targets, .target_count = target_count, .hidden = hidden,
                 .levels = levels, .level_count = level_count, .out = out};
    lk_status status = fill(ctx, &f);
    lki_release(ctx, hidden);
    return status;
}

lk_status lki_model_place(lk_context *ctx, const lk_model *model, const double *x, int64_t rows, int64_t target, double *out)
{
    unsigned char *hidden;
    LKI_TRY(lki_features_check(ctx, model, &target, 1, model->d));
    LKI_TRY(lki_zeros(ctx, (size_t)model->d, 1, &hidden));
    hidden[target] = 1;
    filling f = {.model = model, .x = x, .rows = rows, .targets = &target, .target_count = 1, .hidden = hidden, .below = true, .out = out};
    lk_status status = fill(ctx, &f);
    lki_release(ctx, hidden);
    return status;
}

lk_status lk_model_impute(lk_context *ctx, const lk_model *model, const double *x, int64_t rows, double *mean, double *sd)
{
    filling f = {.model = model, .x = x, .rows = rows, .out = mean, .sd = sd};
    lki_begin(ctx);
    return fill(ctx, &f);
}

lk_status lk_model_impute_draws(lk_context *ctx, const lk_model *model, const double *x, int64_t rows, int64_t seed,
                                int64_t first_row, int64_t draws, double *out)
{
    lki_begin(ctx);
    if (rows < 0 || first_row < 0 || seed < 0 || rows > INT64_MAX - first_row) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "seed %lld, first row %lld, %lld rows: each must be at least 0", (long long)seed,
                        (long long)first_row, (long long)rows);
    }
    if (draws < 1) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "%lld draws a row are asked for; there must be at least 1", (long long)draws);
    }
    filling f = {.model = model, .x = x, .rows = rows, .seed = (uint64_t)seed, .first_row = first_row, .draws = draws, .out = out};
    return fill(ctx, &f);
}
