/* Fields of normal distributions in closed form. With noise a covariance C becomes C + sigma^2 I: in its eigenbasis,
 * found once, that is a sum of numbers, so that a level costs K d. A low-rank part plus a diagonal keeps its form too,
 * by Woodbury's identity: inverse(D + F F') = inverse(D) - B' B with B = inverse(L) F' inverse(D), L L' = I + F'
 * inverse(D) F. */
#include "math/cholesky.h"
#include "math/normal_score.h"
#include "score/field.h"

#include <math.h>
#include <string.h>

/* Beyond this ratio of eigenvalues the eigenbasis has lost digits that a model's own factors still have. */
#define CONDITION_MOST 1e8

/* Up to here a level has whole precisions: they cost d^3 to make and squares lose the digits of their condition, but rows need half the work. */
enum { PRECISION_FEATURES_MOST = 16 };
#define PRECISION_CONDITION_MOST 1e3

/* K normal distributions in u. Eigenbases: axes and values; `turn`, one basis for all, in which means and rows are
 * expressed, leaves no axes. Factors: loadings and diagonal. */
typedef struct normals {
    int64_t K, d, rank;
    double *log_weights; /* K */
    double *means;       /* K x d */
    double *axes;        /* K x d x d, or loadings K x rank x d; NULL = independent features */
    double *values;      /* K x d: eigenvalues, or the diagonal */
    double *turn;        /* d x d, rows are the axes; NULL = none */
    bool factors;
} normals;

/* What a level adds to it; terms point here and there. */
typedef struct level {
    lki_normal_terms terms;
    double *inverse; /* K x d: 1 / (value + sigma^2) */
    double *log_c, *trace, *axes, *along, *precision;
} level;

static void normals_free(const lki_memory *memory, void *state)
{
    normals *n = state;
    lki_memory_release(memory, n->log_weights);
    lki_memory_release(memory, n->means);
    lki_memory_release(memory, n->axes);
    lki_memory_release(memory, n->values);
    lki_memory_release(memory, n->turn);
    lki_memory_release(memory, n);
}

static void level_free(lk_context *ctx, void *state)
{
    level *l = state;
    lki_release(ctx, l->inverse);
    lki_release(ctx, l->axes);
    lki_release(ctx, l->along);
    lki_release(ctx, l->precision);
    lki_release(ctx, l);
}

#define LOG_TWO_PI 1.8378770664093454836

static void eigen_level(const normals *n, double v, level *l)
{
    for (int64_t k = 0; k < n->K; k++) {
        double log_det = 0.0, trace = 0.0;
        for (int64_t j = 0; j < n->d; j++) {
            const double variance = n->values[k * n->d + j] + v;
            l->inverse[k * n->d + j] = 1.0 / variance;
            log_det += log(variance);
            trace += 1.0 / variance;
        }
        l->log_c[k] = n->log_weights[k] - 0.5 * ((double)n->d * LOG_TWO_PI + log_det);
        l->trace[k] = trace;
    }
}

/* One component of Woodbury's identity. work: 3 rank x rank. Returns 0, or the minor that is not positive. */
static int64_t factor_component(const normals *n, int64_t k, level *l, double *work)
{
    const int64_t d = n->d, rank = n->rank;
    const double *F = n->axes + k * rank * d, *inverse = l->inverse + k * d;
    double *M = work, *W = work + rank * rank, *B = l->axes + k * rank * d;
    lki_spd spd;
    for (int64_t a = 0; a < rank; a++) {
        for (int64_t b = 0; b < rank; b++) {
            double sum = a == b ? 1.0 : 0.0;
            for (int64_t i = 0; i < d; i++) {
                sum += F[a * d + i] * inverse[i] * F[b * d + i];
            }
            M[a * rank + b] = sum;
        }
    }
    const int64_t minor = lki_spd_factor(rank, M, W, NULL, &spd, work + 2 * rank * rank);
    if (minor != 0) {
        return minor;
    }
    l->log_c[k] -= 0.5 * spd.log_determinant;
    for (int64_t a = 0; a < rank; a++) {
        for (int64_t i = 0; i < d; i++) {
            double sum = 0.0;
            for (int64_t b = 0; b <= a; b++) {
                sum += W[a * rank + b] * F[b * d + i];
            }
            B[a * d + i] = sum * inverse[i];
            l->trace[k] -= B[a * d + i] * B[a * d + i];
        }
        l->along[k * rank + a] = -1.0;
    }
    return 0;
}

static lk_status factor_level(lk_context *ctx, const normals *n, double sigma, level *l)
{
    const size_t rank = (size_t)n->rank;
    double *work;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)n->K, rank), (size_t)n->d * sizeof(double), &l->axes));
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)n->K, rank), sizeof(double), &l->along));
    LKI_TRY(lki_allocate(ctx, 4 * rank, rank * sizeof *work, &work));
    int64_t minor = 0, k = 0;
    for (; k < n->K && minor == 0; k++) {
        minor = factor_component(n, k, l, work);
    }
    lki_release(ctx, work);
    return minor == 0 ? LK_OK
                      : lki_fail(ctx, LK_ERROR_NUMERIC, "the covariance of component %lld cannot be factored at a noise of %g",
                                 (long long)k, sigma);
}

static bool precisions_suit(const normals *n, const level *l)
{
    for (int64_t k = 0; k < n->K && n->d <= PRECISION_FEATURES_MOST; k++) {
        double low = l->inverse[k * n->d], high = low;
        for (int64_t j = 1; j < n->d; j++) {
            low = fmin(low, l->inverse[k * n->d + j]);
            high = fmax(high, l->inverse[k * n->d + j]);
        }
        if (!(high <= PRECISION_CONDITION_MOST * low)) {
            return false;
        }
    }
    return n->d <= PRECISION_FEATURES_MOST;
}

/* P_k = sum_j axis_j axis_j' / (value_j + sigma^2). */
static lk_status precision_level(lk_context *ctx, const normals *n, level *l)
{
    const int64_t d = n->d;
    LKI_TRY(lki_zeros(ctx, lki_product((size_t)n->K, (size_t)d), (size_t)d * sizeof(double), &l->precision));
    for (int64_t k = 0; k < n->K; k++) {
        double *P = l->precision + k * d * d;
        for (int64_t j = 0; j < d; j++) {
            const double *axis = n->axes + (k * d + j) * d;
            for (int64_t a = 0; a < d; a++) {
                const double weight = l->inverse[k * d + j] * axis[a];
                for (int64_t b = 0; b < d; b++) {
                    P[a * d + b] += weight * axis[b];
                }
            }
        }
    }
    return LK_OK;
}

static lk_status normals_level(lk_context *ctx, const lki_field *f, double sigma, void **state)
{
    const normals *n = f->state;
    level *l;
    LKI_TRY(lki_zeros(ctx, 1, sizeof *l, &l));
    lk_status status = lki_allocate(ctx, (size_t)n->K, (size_t)(n->d + 2) * sizeof(double), &l->inverse);
    if (status == LK_OK) {
        l->log_c = l->inverse + n->K * n->d;
        l->trace = l->log_c + n->K;
        eigen_level(n, sigma * sigma, l);
        status = n->axes == NULL || n->rank == 0 ? LK_OK
                 : n->factors                    ? factor_level(ctx, n, sigma, l)
                 : precisions_suit(n, l)         ? precision_level(ctx, n, l)
                                                 : LK_OK;
    }
    if (status != LK_OK) {
        level_free(ctx, l);
        return status;
    }
    const bool along = n->axes != NULL && !n->factors;
    l->terms = (lki_normal_terms){.K = n->K, .d = n->d, .means = n->means, .log_c = l->log_c, .trace = l->trace,
                                  .rank = n->axes != NULL ? n->rank : 0, .axes = along ? n->axes : l->axes,
                                  .along = along ? l->inverse : l->along, .across = along ? NULL : l->inverse, .precision = l->precision};
    *state = l;
    return LK_OK;
}

/* out = turn in, or its transpose: d x d. */
static void rotate(const double *turn, int64_t d, bool back, const double *in, int64_t rows, double *out)
{
    for (int64_t i = 0; i < rows; i++) {
        const double *from = in + i * d;
        double *to = out + i * d;
        for (int64_t a = 0; !back && a < d; a++) {
            double sum = 0.0;
            for (int64_t b = 0; b < d; b++) {
                sum += turn[a * d + b] * from[b];
            }
            to[a] = sum;
        }
        for (int64_t a = 0; back && a < d; a++) {
            to[a] = 0.0;
        }
        for (int64_t b = 0; back && b < d; b++) {
            for (int64_t a = 0; a < d; a++) {
                to[a] += turn[b * d + a] * from[b];
            }
        }
    }
}

static lk_status normals_ask(lk_context *ctx, const lki_level *at, const double *u, int64_t rows, double *log_density,
                             double *score, double *divergence)
{
    const normals *n = at->field->state;
    const level *l = at->state;
    const size_t scratch = lki_normal_scratch(&l->terms), values = (size_t)(n->turn != NULL ? rows * n->d : 0);
    double *work;
    LKI_TRY(lki_allocate(ctx, scratch + 2 * values, sizeof *work, &work));
    if (n->turn == NULL) {
        lki_normal_score(&l->terms, u, rows, work, log_density, score, divergence);
    } else {
        double *turned = work + scratch, *slopes = turned + values;
        rotate(n->turn, n->d, false, u, rows, turned);
        lki_normal_score(&l->terms, turned, rows, work, log_density, score != NULL ? slopes : NULL, divergence);
        if (score != NULL) {
            rotate(n->turn, n->d, true, slopes, rows, score);
        }
    }
    lki_release(ctx, work);
    return LK_OK;
}

/* ---- from a model ---- */

static lk_status normals_new(lk_context *ctx, int64_t K, int64_t d, int64_t rank, normals **out)
{
    normals *n;
    lk_status status = LK_OK;
    LKI_TRY(lki_zeros(ctx, 1, sizeof *n, &n));
    n->d = d;
    n->rank = rank;
    LKI_GOTO(status, failed, lki_allocate(ctx, (size_t)K, sizeof(double), &n->log_weights));
    LKI_GOTO(status, failed, lki_allocate(ctx, lki_product((size_t)K, (size_t)d), sizeof(double), &n->means));
    LKI_GOTO(status, failed, lki_allocate(ctx, lki_product((size_t)K, (size_t)d), sizeof(double), &n->values));
    LKI_GOTO(status, failed,
             lki_allocate(ctx, lki_product((size_t)K, (size_t)rank), (size_t)d * sizeof(double), &n->axes));
    *out = n;
    return LK_OK;
failed:;
    const lki_memory memory = lki_memory_of(ctx);
    normals_free(&memory, n);
    return status;
}

/* Components of weight above 0, with their covariances where the axes will be. */
static void take_components(const lk_model *model, const lki_field *f, normals *n)
{
    const int64_t d = n->d, count = model->operations.normals(model->state);
    for (int64_t k = 0; k < count; k++) {
        double weight, *mean = n->means + n->K * d, *C = n->axes + n->K * d * d;
        model->operations.normal(model->state, k, &weight, mean, C);
        for (int64_t a = 0; a < d; a++) {
            mean[a] = (mean[a] - f->centre[a]) / f->scale[a];
            for (int64_t b = 0; b < d; b++) {
                C[a * d + b] /= f->scale[a] * f->scale[b];
            }
        }
        n->log_weights[n->K] = log(weight);
        n->K += weight > 0.0;
    }
}

static bool all_diagonal(const normals *n)
{
    for (int64_t i = 0; i < n->K * n->d * n->d; i++) {
        if (n->axes[i] != 0.0 && i / n->d % n->d != i % n->d) {
            return false;
        }
    }
    return true;
}

static bool all_equal(const normals *n)
{
    const size_t size = (size_t)(n->d * n->d);
    for (int64_t k = 1; k < n->K; k++) {
        if (memcmp(n->axes, n->axes + (size_t)k * size, size * sizeof(double)) != 0) {
            return false;
        }
    }
    return true;
}

static lk_status no_axes(lk_context *ctx, normals *n)
{
    lki_release(ctx, n->axes);
    n->axes = NULL;
    n->rank = 0;
    return LK_OK;
}

/* One basis for all: rows and means go there, and no axes are left. */
static lk_status share_basis(lk_context *ctx, normals *n)
{
    const int64_t d = n->d;
    double *means;
    LKI_TRY(lki_allocate(ctx, (size_t)(n->K * d), sizeof *means, &means));
    lk_status status = lki_allocate(ctx, (size_t)d, (size_t)d * sizeof *means, &n->turn);
    if (status != LK_OK) {
        lki_release(ctx, means);
        return status;
    }
    memcpy(n->turn, n->axes, (size_t)(d * d) * sizeof *means);
    rotate(n->turn, d, false, n->means, n->K, means);
    lki_release(ctx, n->means);
    n->means = means;
    for (int64_t k = 1; k < n->K; k++) {
        memcpy(n->values + k * d, n->values, (size_t)d * sizeof *means);
    }
    return no_axes(ctx, n);
}

/* Eigenbases of the covariances. *usable: all are conditioned well enough. */
static lk_status diagonalize(lk_context *ctx, normals *n, bool *usable)
{
    const int64_t d = n->d;
    const bool shared = all_equal(n), diagonal = all_diagonal(n);
    *usable = true;
    for (int64_t k = 0; k < n->K && *usable; k++) {
        double *values = n->values + k * d, low, high;
        if (diagonal) {
            low = high = n->axes[k * d * d];
            for (int64_t j = 0; j < d; j++) {
                values[j] = n->axes[(k * d + j) * d + j];
                low = fmin(low, values[j]);
                high = fmax(high, values[j]);
            }
            *usable = low > 0.0;
        } else if (k == 0 || !shared) {
            LKI_TRY(lki_cancelled(ctx));
            *usable = lki_symmetric_eigen(d, n->axes + k * d * d, values, 1) == 0 && values[0] > 0.0 &&
                      values[d - 1] <= CONDITION_MOST * values[0];
        }
    }
    if (!*usable) {
        return LK_OK;
    }
    return diagonal ? no_axes(ctx, n) : shared ? share_basis(ctx, n) : LK_OK;
}

static const lki_field_operations operations = {normals_level, normals_ask, level_free, normals_free};

lk_status lki_field_of_normals(lk_context *ctx, const lk_model *model, const double *centre, const double *scale,
                               lki_field **out)
{
    const int64_t K = model->operations.normals != NULL ? model->operations.normals(model->state) : 0, d = model->d;
    lki_field *f = NULL;
    normals *n = NULL;
    bool usable = false;
    lk_status status = LK_OK;
    *out = NULL;
    if (K == 0 || d > LKI_EIGEN_MAX) {
        return LK_OK;
    }
    LKI_TRY(lki_field_new(ctx, &operations, d, centre, scale, &f));
    LKI_GOTO(status, done, normals_new(ctx, K, d, d, &n));
    f->state = n;
    take_components(model, f, n);
    LKI_GOTO(status, done, diagonalize(ctx, n, &usable));
    f->noisy = f->clean = f->density = f->divergence = true;
    if (usable) {
        *out = f;
        f = NULL;
    }
done:
    lki_field_free(ctx, f);
    return status;
}

/* ---- from factors ---- */

lk_status lki_field_of_factors(lk_context *ctx, int64_t K, int64_t d, int64_t rank, const double *weights,
                               const double *means, const double *loadings, const double *diagonal, const double *centre,
                               const double *scale, lki_field **out)
{
    lki_field *f = NULL;
    normals *n;
    LKI_TRY(lki_field_new(ctx, &operations, d, centre, scale, &f));
    lk_status status = normals_new(ctx, K, d, rank, &n);
    if (status != LK_OK) {
        lki_field_free(ctx, f);
        return status;
    }
    f->state = n;
    f->noisy = f->clean = f->density = f->divergence = true;
    n->factors = true;
    for (int64_t k = 0; k < K; k++) {
        if (!(weights[k] > 0.0)) {
            continue;
        }
        n->log_weights[n->K] = log(weights[k]);
        for (int64_t j = 0; j < d; j++) {
            n->means[n->K * d + j] = (means[k * d + j] - f->centre[j]) / f->scale[j];
            n->values[n->K * d + j] = diagonal[k * d + j] / (f->scale[j] * f->scale[j]);
            f->clean = f->clean && diagonal[k * d + j] > 0.0;
            for (int64_t a = 0; a < rank; a++) {
                n->axes[(n->K * rank + a) * d + j] = loadings[(k * d + j) * rank + a] / f->scale[j];
            }
        }
        n->K++;
    }
    *out = f;
    return LK_OK;
}
