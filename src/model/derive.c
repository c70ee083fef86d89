/* Operations that a family left empty, from those it gave: a score from a log density, second derivatives from a score, distribution
 * functions from draws. */
#include "model/model_impl.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Draws that a feature's spread is taken from. */
enum { SCALE_DRAWS = 257 };
/* The seed of draws that derivations make for themselves. */
enum { DERIVED_SEED = 0x6c696b65 };

/* Halving steps of the extrapolation: from a quarter of the spread down, or over a wide range where the spread is not known. */
enum { LEVELS_KNOWN = 11, LEVELS_UNKNOWN = 26, LEVELS_MOST = LEVELS_UNKNOWN };

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* `count` draws of each feature, each feature's sorted: d x count. */
static lk_status sorted_draws(lk_context *ctx, const lk_model *model, int64_t count, double **out)
{
    lk_status status = LK_OK;
    int64_t d = model->d;
    double *rows = NULL, *sorted = NULL;
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)count, (size_t)d), sizeof *rows, &rows));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)count, (size_t)d), sizeof *sorted, &sorted));
    LKI_GOTO(status, done, lki_model_draw(ctx, model, DERIVED_SEED, 0, count, rows));
    for (int64_t j = 0; j < d; j++) {
        for (int64_t i = 0; i < count; i++) {
            sorted[j * count + i] = rows[i * d + j];
        }
        qsort(sorted + j * count, (size_t)count, sizeof *sorted, compare_doubles);
    }
    *out = sorted;
    sorted = NULL;
done:
    lki_release(ctx, rows);
    lki_release(ctx, sorted);
    return status;
}

lk_status lki_derive_prepare(lk_context *ctx, lki_question *q)
{
    const lk_model *model = q->model;
    if (q->operation == LK_OPERATION_CDF) {
        return sorted_draws(ctx, model, LKI_DERIVED_DRAWS, &q->draws);
    }
    if (lki_model_origin(model, LK_OPERATION_SAMPLE) == LKI_ORIGIN_NONE) {
        return LK_OK;
    }
    double *draws;
    LKI_TRY(sorted_draws(ctx, model, SCALE_DRAWS, &draws));
    lk_status status = lki_allocate(ctx, (size_t)model->d, sizeof *q->scale, &q->scale);
    for (int64_t j = 0; status == LK_OK && j < model->d; j++) {
        const double *v = draws + j * SCALE_DRAWS;
        q->scale[j] = v[SCALE_DRAWS * 3 / 4] - v[SCALE_DRAWS / 4];
    }
    lki_release(ctx, draws);
    return status;
}

/* Empirical distribution functions of the draws, halfway at ties. */
void lki_derive_cdf(const lki_question *q, const double *z, int64_t rows, double *out)
{
    int64_t d = q->model->d, n = LKI_DERIVED_DRAWS;
    for (int64_t i = 0; i < rows * d; i++) {
        const double *draws = q->draws + i % d * n;
        int64_t low = 0, high = n;
        while (low < high) { /* draws[0..low) <= z < draws[low..n) */
            int64_t middle = low + (high - low) / 2;
            if (draws[middle] <= z[i]) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        out[i] = (double)low / (double)n;
    }
}

/* Ridders' extrapolation of central differences to step 0 (C. J. F. Ridders, Adv. Eng. Software 4, 1982, 75-76) with steps that
 * halve: estimate[k] holds the Neville row of step k; of all entries the one with the least error estimate is taken. A
 * difference that is not finite starts the table anew. `noise` is the error of the values themselves, beside their rounding. */
static double extrapolate(const double *plus, const double *minus, const double *width, int levels, double noise)
{
    double row[LEVELS_MOST], previous[LEVELS_MOST], best = (double)NAN, least = (double)INFINITY;
    int start = 0;
    for (int k = 0; k < levels; k++) {
        double difference = (plus[k] - minus[k]) / width[k];
        if (!isfinite(difference)) {
            start = k + 1;
            continue;
        }
        row[0] = difference;
        double power = 4.0;
        for (int m = 1; m <= k - start; m++, power *= 4.0) {
            row[m] = (power * row[m - 1] - previous[m - 1]) / (power - 1.0);
            double error = fmax(fabs(row[m] - row[m - 1]), fabs(row[m] - previous[m - 1]));
            /* Rounding of the values themselves bounds what any entry can be worth. */
            error += (DBL_EPSILON * (fabs(plus[k]) + fabs(minus[k])) + noise) / width[k];
            if (error < least) {
                least = error;
                best = row[m];
            }
        }
        if (k == start && isnan(best)) {
            best = difference;
        }
        memcpy(previous, row, sizeof row);
    }
    return best;
}

/* Fills 2 x levels copies of a row whose feature j is moved up, then down, by steps that halve. Returns levels. */
static int shift_rows(const lki_question *q, const double *z, int64_t j, double *shifted, double *width)
{
    int64_t d = q->model->d;
    bool known = q->scale != NULL && q->scale[j] > 0.0;
    int levels = known ? LEVELS_KNOWN : LEVELS_UNKNOWN;
    double step = known ? 0.25 * q->scale[j] : fmax(fabs(z[j]), 1.0);
    for (int k = 0; k < levels; k++, step *= 0.5) {
        double *plus = shifted + k * d, *minus = shifted + (levels + k) * d;
        memcpy(plus, z, (size_t)d * sizeof *z);
        memcpy(minus, z, (size_t)d * sizeof *z);
        plus[j] += step;
        minus[j] -= step;
        width[k] = plus[j] - minus[j]; /* the step that was really made */
    }
    return levels;
}

static lk_status score_feature(lk_context *ctx, const lki_question *q, const double *z, int64_t j, double *shifted,
                               double *densities, double *out)
{
    double width[LEVELS_MOST];
    int levels = shift_rows(q, z, j, shifted, width);
    LKI_TRY(q->model->operations.log_density(ctx, q->model->state, shifted, 2 * levels, densities));
    *out = extrapolate(densities, densities + levels, width, levels, 0.0);
    return LK_OK;
}

lk_status lki_derive_score(lk_context *ctx, const lki_question *q, const double *z, int64_t rows, double *out)
{
    int64_t d = q->model->d;
    double *shifted = NULL, densities[2 * LEVELS_MOST];
    LKI_TRY(lki_allocate(ctx, lki_product(2 * LEVELS_MOST, (size_t)d), sizeof *shifted, &shifted));
    lk_status status = LK_OK;
    for (int64_t i = 0; i < rows && status == LK_OK; i++) {
        for (int64_t j = 0; j < d && status == LK_OK; j++) {
            status = score_feature(ctx, q, z + i * d, j, shifted, densities, &out[i * d + j]);
        }
    }
    lki_release(ctx, shifted);
    return status;
}

/* What a score by differences is off by, as a share of 1 / spread. */
#define DERIVED_SCORE_ERROR 1e-9

lk_status lki_derive_hessian(lk_context *ctx, const lki_question *q, lki_gradient gradient, void *state, const double *z, int64_t rows,
                             double *out)
{
    int64_t d = q->model->d;
    bool derived = q->model->operations.score == NULL;
    double *shifted = NULL, *scores = NULL, width[LEVELS_MOST], plus[LEVELS_MOST], minus[LEVELS_MOST];
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product(2 * LEVELS_MOST, (size_t)d), sizeof *shifted, &shifted));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product(2 * LEVELS_MOST, (size_t)d), sizeof *scores, &scores));
    for (int64_t i = 0; i < rows; i++) {
        double *H = out + i * d * d;
        for (int64_t j = 0; j < d; j++) {
            int levels = shift_rows(q, z + i * d, j, shifted, width);
            LKI_GOTO(status, done, gradient(ctx, state, shifted, 2 * levels, scores));
            for (int64_t a = 0; a < d; a++) {
                for (int k = 0; k < levels; k++) {
                    plus[k] = scores[k * d + a];
                    minus[k] = scores[(levels + k) * d + a];
                }
                bool known = derived && q->scale != NULL && q->scale[a] > 0.0;
                H[a * d + j] = extrapolate(plus, minus, width, levels, known ? DERIVED_SCORE_ERROR / q->scale[a] : 0.0);
            }
        }
        for (int64_t a = 0; a < d; a++) {
            for (int64_t b = 0; b < a; b++) {
                H[a * d + b] = H[b * d + a] = 0.5 * (H[a * d + b] + H[b * d + a]);
            }
        }
    }
done:
    lki_release(ctx, shifted);
    lki_release(ctx, scores);
    return status;
}
