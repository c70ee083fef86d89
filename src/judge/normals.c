/* Mixtures of normal distributions side by side: divergences, overlaps and distances of all pairs of components. */
#include "judge/normals.h"

#include "core/reduce.h"
#include "math/cholesky.h"
#include "math/special.h"

#include <math.h>
#include <string.h>

const double lki_chernoff_powers[LKI_CHERNOFF_POWERS] = {0.5, 0.25, 0.125, 0.0625};

static const char *const no_mixture = "the models are not both mixtures of normal distributions";
static const char *const curved = "a model was fitted through a transform that is not linear";
static const char *const too_many = "the models have more than 512 components together";

void lki_normals_free(lk_context *ctx, lki_normals *n)
{
    if (n != NULL) {
        lki_release(ctx, n->weights);
        lki_release(ctx, n);
    }
}

static lk_status allocate(lk_context *ctx, int64_t Ka, int64_t Kb, int64_t d, lki_normals **out)
{
    lki_normals *n;
    size_t N = (size_t)(Ka + Kb), square = lki_product((size_t)d, (size_t)d);
    LKI_TRY(lki_zeros(ctx, 1, sizeof *n, &n));
    *n = (lki_normals){.d = d, .Ka = Ka, .Kb = Kb, .N = Ka + Kb};
    lk_status status = lki_allocate(ctx, lki_product(N, lki_product(3, square) + (size_t)d + 3), sizeof(double), &n->weights);
    if (status != LK_OK) {
        lki_release(ctx, n);
        return status;
    }
    n->log_det = n->weights + N;
    n->condition = n->log_det + N;
    n->means = n->condition + N;
    n->covariances = n->means + N * (size_t)d;
    n->L = n->covariances + N * square;
    n->W = n->L + N * square;
    *out = n;
    return LK_OK;
}

/* Component k of a model in data units, its features reordered; scratch: d + d d. x_j = shift_j + scale_j z_j. */
static void component(const lk_model *model, int64_t k, const int64_t *order, const double *shift, const double *scale, double *scratch,
                      double *weight, double *mean, double *covariance)
{
    int64_t d = model->d;
    double *z = scratch, *C = scratch + d;
    model->operations.normal(model->state, k, weight, z, C);
    for (int64_t i = 0; i < d; i++) {
        int64_t from = order[i];
        mean[i] = shift[from] + scale[from] * z[from];
        for (int64_t j = 0; j < d; j++) {
            covariance[i * d + j] = scale[from] * scale[order[j]] * C[from * d + order[j]];
        }
    }
}

static lk_status fill(lk_context *ctx, const lk_model *model, const int64_t *order, int64_t first, int64_t count, lki_normals *n)
{
    int64_t d = n->d;
    double *work, total = 0.0;
    LKI_TRY(lki_zeros(ctx, lki_product((size_t)d, 2 * (size_t)d + 4), sizeof *work, &work));
    double *shift = work + 2 * d * d, *scale = shift + d, *scratch = work;
    for (int64_t j = 0; j < d; j++) {
        scale[j] = 1.0;
    }
    if (model->transform != NULL) { /* affine: its value at 0, and its slope, which is the same everywhere */
        lki_transform_invert(model->transform, shift, 1, shift);
        lki_transform_log_slopes(model->transform, shift, 1, scale);
        for (int64_t j = 0; j < d; j++) {
            scale[j] = exp(-scale[j]);
        }
    }
    lk_status status = LK_OK;
    for (int64_t k = 0; k < count && status == LK_OK; k++) {
        int64_t at = first + k;
        double *C = n->covariances + at * d * d;
        lki_spd spd = {0};
        component(model, k, order, shift, scale, scratch, &n->weights[at], n->means + at * d, C);
        if (lki_spd_factor(d, C, n->W + at * d * d, n->L + at * d * d, &spd, scratch) != 0) {
            status = lki_fail(ctx, LK_ERROR_NUMERIC, "the covariance of component %lld is not positive definite in the units of the data",
                              (long long)k);
        }
        n->log_det[at] = spd.log_determinant;
        n->condition[at] = spd.condition;
        total += n->weights[at];
    }
    for (int64_t k = 0; k < count; k++) {
        n->weights[first + k] /= total;
    }
    lki_release(ctx, work);
    return status;
}

static int64_t count_of(const lk_model *model)
{
    return model->operations.normals != NULL ? model->operations.normals(model->state) : 0;
}

static bool straight(const lk_model *model)
{
    return model->transform == NULL || lki_transform_affine(model->transform);
}

lk_status lki_normals_new(lk_context *ctx, const lk_model *a, const lk_model *b, const int64_t *order, lki_normals **out,
                          const char **reason)
{
    int64_t Ka = count_of(a), Kb = count_of(b), *plain = NULL;
    *reason = Ka == 0 || Kb == 0                ? no_mixture
              : !straight(a) || !straight(b)    ? curved
              : Ka + Kb > LKI_NORMALS_MOST      ? too_many
                                                : NULL;
    if (*reason != NULL) {
        return LK_OK;
    }
    lk_status status = LK_OK;
    lki_normals *n = NULL;
    LKI_GOTO(status, done, allocate(ctx, Ka, Kb, a->d, &n));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)a->d, sizeof *plain, &plain));
    for (int64_t j = 0; j < a->d; j++) {
        plain[j] = j;
    }
    LKI_GOTO(status, done, fill(ctx, a, plain, 0, Ka, n));
    LKI_GOTO(status, done, fill(ctx, b, order, Ka, Kb, n));
    *out = n;
    n = NULL;
done:
    lki_release(ctx, plain);
    lki_normals_free(ctx, n);
    return status;
}

/* ---- pairs ---- */

/* |W v|^2 with W lower triangular. */
static double square_of(int64_t d, const double *W, const double *v)
{
    double sum = 0.0;
    for (int64_t i = 0; i < d; i++) {
        double y = 0.0;
        for (int64_t j = 0; j <= i; j++) {
            y += W[i * d + j] * v[j];
        }
        sum += y * y;
    }
    return sum;
}

/* KL(i || j) = (sum (M_rr^2 - 1 - log M_rr^2) + sum of the other M_rc^2 + |W_j (mean_i - mean_j)|^2) / 2 with M = W_j L_i: tr(C_j^-1 C_i)
 * = |M|^2, and every term is at least 0. */
static double divergence(const lki_normals *n, int64_t i, int64_t j, const double *step)
{
    int64_t d = n->d;
    const double *W = n->W + j * d * d, *L = n->L + i * d * d;
    double sum = square_of(d, W, step);
    for (int64_t r = 0; r < d; r++) {
        for (int64_t c = 0; c <= r; c++) {
            double m = 0.0;
            for (int64_t s = c; s <= r; s++) {
                m += W[r * d + s] * L[s * d + c];
            }
            sum += r == c ? m * m - 1.0 - 2.0 * log(m) : m * m;
        }
    }
    return fmax(0.5 * sum, 0.0);
}

/* log det S and step' inverse(S) step for S = p C_i + q C_j; scratch: 4 d d. NaN where S cannot be factored. */
static void blend(const lki_normals *n, int64_t i, int64_t j, double p, double q, const double *step, double *scratch, double *log_det,
                  double *square)
{
    int64_t d = n->d;
    double *S = scratch, *W = scratch + d * d;
    const double *A = n->covariances + i * d * d, *B = n->covariances + j * d * d;
    lki_spd spd = {(double)NAN, (double)NAN};
    for (int64_t e = 0; e < d * d; e++) {
        S[e] = p * A[e] + q * B[e];
    }
    /* (a + b) / (c + e) <= max(a / c, b / e): the condition of a sum is at most the greater one. */
    int64_t minor = lki_spd_factor_within(d, S, fmax(n->condition[i], n->condition[j]), W, NULL, &spd, scratch + 2 * d * d);
    *log_det = minor == 0 ? spd.log_determinant : (double)NAN;
    *square = minor == 0 ? square_of(d, W, step) : (double)NAN;
}

/* |m_i - m_j|^2 + tr(C_i + C_j - 2 (C_i^1/2 C_j C_i^1/2)^1/2): the trace of the root is the sum of the roots of the eigenvalues of
 * L_i' C_j L_i. scratch: 2 d d + d. */
static double bures_wasserstein(const lki_normals *n, int64_t i, int64_t j, const double *step, double *scratch)
{
    int64_t d = n->d;
    const double *A = n->covariances + i * d * d, *B = n->covariances + j * d * d, *L = n->L + i * d * d;
    double *product = scratch, *inner = scratch + d * d, *values = inner + d * d, shift = 0.0, traces = 0.0;
    for (int64_t r = 0; r < d; r++) {
        shift += step[r] * step[r];
        traces += A[r * d + r] + B[r * d + r];
    }
    if (memcmp(A, B, (size_t)(d * d) * sizeof *A) == 0) {
        return shift; /* no rounding where there is nothing to round */
    }
    for (int64_t r = 0; r < d; r++) {
        for (int64_t c = 0; c < d; c++) { /* C_j L_i */
            double sum = 0.0;
            for (int64_t s = c; s < d; s++) {
                sum += B[r * d + s] * L[s * d + c];
            }
            product[r * d + c] = sum;
        }
    }
    for (int64_t r = 0; r < d; r++) {
        for (int64_t c = 0; c < d; c++) {
            double sum = 0.0;
            for (int64_t s = r; s < d; s++) {
                sum += L[s * d + r] * product[s * d + c];
            }
            inner[r * d + c] = sum;
        }
    }
    if (lki_symmetric_eigen(d, inner, values, 0) != 0) {
        return (double)NAN;
    }
    for (int64_t r = 0; r < d; r++) {
        traces -= 2.0 * sqrt(fmax(values[r], 0.0));
    }
    return shift + fmax(traces, 0.0);
}

typedef struct pairing {
    const lki_normals *n;
    lki_pairs *pairs;
    double *scratch; /* one piece a thread */
    size_t length;
} pairing;

/* All pairs of component i with the others. */
static lk_status pair_row(lk_context *ctx, void *state, int thread, int64_t i)
{
    const pairing *p = state;
    const lki_normals *n = p->n;
    int64_t d = n->d, N = n->N;
    double *scratch = p->scratch + (size_t)thread * p->length, *step = scratch + 4 * d * d + d;
    LKI_TRY(lki_cancelled(ctx));
    lki_progress(ctx, "pairs of components", (double)i, (double)N, "");
    for (int64_t j = 0; j < N; j++) {
        int64_t at = i * N + j;
        double log_det, square;
        for (int64_t c = 0; c < d; c++) {
            step[c] = n->means[i * d + c] - n->means[j * d + c];
        }
        p->pairs->kl[at] = i == j ? 0.0 : divergence(n, i, j, step);
        blend(n, i, j, 1.0, 1.0, step, scratch, &log_det, &square);
        p->pairs->overlap[at] = -0.5 * ((double)d * LKI_LOG_2PI + log_det + square);
        for (int r = 0; r < LKI_CHERNOFF_POWERS; r++) {
            double power = lki_chernoff_powers[r];
            blend(n, i, j, power, 1.0 - power, step, scratch, &log_det, &square);
            double c = 0.5 * (power * (1.0 - power) * square + log_det - power * n->log_det[i] - (1.0 - power) * n->log_det[j]);
            p->pairs->chernoff[r][at] = i == j ? 0.0 : c > 0.0 ? c : c * 0.0; /* a NaN stays */
        }
        if (i < n->Ka && j >= n->Ka) {
            p->pairs->distance[i * n->Kb + j - n->Ka] = bures_wasserstein(n, i, j, step, scratch);
        }
    }
    return LK_OK;
}

void lki_pairs_free(lk_context *ctx, lki_pairs *pairs)
{
    lki_release(ctx, pairs->kl);
    lki_release(ctx, pairs->distance);
    *pairs = (lki_pairs){0};
}

lk_status lki_pairs_new(lk_context *ctx, const lki_normals *n, lki_pairs *pairs, bool *finite)
{
    size_t square = (size_t)(n->N * n->N), d = (size_t)n->d, threads = (size_t)lki_threads(ctx);
    pairing p = {.n = n, .pairs = pairs, .length = 4 * d * d + 2 * d};
    lk_status status = LK_OK;
    *pairs = (lki_pairs){0};
    LKI_GOTO(status, done, lki_allocate(ctx, square * (2 + LKI_CHERNOFF_POWERS), sizeof(double), &pairs->kl));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)(n->Ka * n->Kb), sizeof(double), &pairs->distance));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product(threads, p.length), sizeof(double), &p.scratch));
    pairs->overlap = pairs->kl + square;
    for (int r = 0; r < LKI_CHERNOFF_POWERS; r++) {
        pairs->chernoff[r] = pairs->overlap + (size_t)(r + 1) * square;
    }
    LKI_GOTO(status, done, lki_parallel(ctx, n->N, pair_row, &p));
    *finite = true;
    for (size_t e = 0; e < square * (2 + LKI_CHERNOFF_POWERS); e++) {
        *finite = *finite && isfinite(pairs->kl[e]);
    }
    for (int64_t e = 0; e < n->Ka * n->Kb; e++) {
        *finite = *finite && isfinite(pairs->distance[e]);
    }
done:
    lki_release(ctx, p.scratch);
    if (status != LK_OK) {
        lki_pairs_free(ctx, pairs);
    }
    return status;
}
