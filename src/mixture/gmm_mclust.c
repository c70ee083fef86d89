/* The variance list of mclust (Scrucca, Fop, Murphy and Raftery 2016): covariances, their Cholesky factors, and the decomposition
 * Sigma_k = scale_k orientation_k diag(shape_k) orientation_k' with |shape_k| = 1 in the entries that each model's functions look at. */
#include "data/json_text.h"
#include "gmm_export.h"
#include "math/cholesky.h"
#include <math.h>
#include <string.h>

/* K matrices of d x d, component last: [i][j][k]. NULL if out of memory. */
static json_t *component_last(const double *values, int64_t K, int64_t d, double *row)
{
    json_t *array = json_array();
    for (int64_t i = 0; array != NULL && i < d; i++) {
        for (int64_t j = 0; j < d; j++) {
            for (int64_t k = 0; k < K; k++) {
                row[j * K + k] = values[(k * d + i) * d + j];
            }
        }
        if (json_array_append_new(array, lki_json_matrix(row, d, K)) != 0) {
            json_decref(array);
            array = NULL;
        }
    }
    return array;
}

/* The decomposition of all K covariances. */
typedef struct decomposition {
    double *scale;       /* K */
    double *shape;       /* d x K, descending for the first component */
    double *orientation; /* K x d x d, axes in columns */
    double *axes;        /* d x d: axes in rows */
    double *matrix;      /* d x d */
    double *values;      /* d */
} decomposition;

/* Axes of one matrix (destroyed) in the order of descending eigenvalues. */
static lk_status find_axes(lk_context *ctx, int64_t d, double *matrix, double *values, double *axes)
{
    if (lki_symmetric_eigen(d, matrix, values, 1) != 0) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "the axes of a %lld x %lld covariance cannot be found", (long long)d, (long long)d);
    }
    for (int64_t i = 0; i < d; i++) {
        memcpy(axes + i * d, matrix + (d - 1 - i) * d, (size_t)d * sizeof *axes);
    }
    return LK_OK;
}

/* A matrix with the axes that all components share: a generic combination of them, so that axes which are equally long in one
 * component are told apart by another. */
static void combine(const lki_mixture *m, const double *covariances, double *out)
{
    const int64_t dd = m->d * m->d;
    memset(out, 0, (size_t)dd * sizeof *out);
    for (int64_t k = 0; k < m->K; k++) {
        double trace = 0.0;
        for (int64_t j = 0; j < m->d; j++) {
            trace += covariances[k * dd + j * (m->d + 1)];
        }
        for (int64_t i = 0; i < dd; i++) {
            out[i] += covariances[k * dd + i] / (trace * (1.0 + 0.37 * (double)k));
        }
    }
}

/* Variances along the axes: a' C a. */
static double along(const double *C, const double *a, int64_t d)
{
    double sum = 0.0;
    for (int64_t i = 0; i < d; i++) {
        for (int64_t j = 0; j < d; j++) {
            sum += a[i] * C[i * d + j] * a[j];
        }
    }
    return sum;
}

static lk_status decompose(lk_context *ctx, const lki_mixture *m, const double *covariances, decomposition *s)
{
    const int64_t d = m->d, K = m->K;
    const char orientation = m->covariance->letters[2];
    for (int64_t k = 0; k < K; k++) {
        const double *C = covariances + k * d * d;
        if (orientation == 'V') {
            memcpy(s->matrix, C, (size_t)(d * d) * sizeof *C);
        } else if (k == 0) {
            combine(m, covariances, s->matrix);
        }
        if (orientation == 'V' || (orientation == 'E' && k == 0)) {
            LKI_TRY(find_axes(ctx, d, s->matrix, s->values, s->axes));
        }
        double log_det = 0.0;
        for (int64_t j = 0; j < d; j++) {
            s->values[j] = orientation == 'I' ? C[j * (d + 1)] : along(C, s->axes + j * d, d);
            log_det += log(s->values[j]);
        }
        s->scale[k] = exp(log_det / (double)d);
        for (int64_t j = 0; j < d; j++) {
            s->shape[j * K + k] = s->values[j] / s->scale[k];
            for (int64_t i = 0; i < d; i++) {
                s->orientation[(k * d + i) * d + j] = orientation == 'I' ? (i == j ? 1.0 : 0.0) : s->axes[j * d + i];
            }
        }
    }
    return LK_OK;
}

/* scale, shape and orientation, each once where all components share it. */
static lk_status add_decomposition(lk_context *ctx, const lki_mixture *m, const decomposition *s, double *row, json_t *variance)
{
    const int64_t d = m->d, K = m->K;
    const char *letters = m->covariance->letters;
    LKI_TRY(lki_json_set(ctx, variance, "scale", letters[0] == 'V' ? lki_json_numbers(s->scale, K) : lki_json_number(s->scale[0])));
    if (letters[1] == 'E') {
        for (int64_t j = 0; j < d; j++) {
            row[j] = s->shape[j * K];
        }
        LKI_TRY(lki_json_set(ctx, variance, "shape", lki_json_numbers(row, d)));
    } else if (letters[1] == 'V') {
        LKI_TRY(lki_json_set(ctx, variance, "shape", lki_json_matrix(s->shape, d, K)));
    }
    if (letters[2] == 'I') {
        return LK_OK;
    }
    return lki_json_set(ctx, variance, "orientation",
                        letters[2] == 'E' ? lki_json_matrix(s->orientation, d, d) : component_last(s->orientation, K, d, row));
}

static lk_status add_factors(lk_context *ctx, const lki_mixture *m, double *factors, double *row, json_t *variance)
{
    const int64_t d = m->d, matrices = lki_mixture_matrices(m);
    for (int64_t i = 0; i < matrices * d * d; i++) { /* R = L', Sigma = R' R */
        factors[i] = m->L[i / (d * d) * d * d + i % d * d + i / d % d];
    }
    if (m->covariance->form == LKI_FORM_TIED) {
        LKI_TRY(lki_json_set(ctx, variance, "Sigma", lki_json_matrix(m->covariances, d, d)));
        return lki_json_set(ctx, variance, "cholSigma", lki_json_matrix(factors, d, d));
    }
    return lki_json_set(ctx, variance, "cholsigma", component_last(factors, m->K, d, row));
}

static lk_status one_feature(lk_context *ctx, const lki_mixture *m, json_t *variance)
{
    const int common = m->covariance->letters[0] == 'E';
    return lki_json_set(ctx, variance, "sigmasq", common ? lki_json_number(m->covariances[0]) : lki_json_numbers(m->covariances, m->K));
}

lk_status lki_gmm_mclust(lk_context *ctx, const lki_mixture *m, json_t *variance)
{
    const int64_t d = m->d, K = m->K;
    const size_t dd = (size_t)(d * d), all = lki_product((size_t)K, dd);
    const char *letters = m->covariance->letters;
    const char name[2] = {letters[0], '\0'};
    double *covariances = NULL;
    lk_status status = LK_OK;
    LKI_TRY(lki_json_set(ctx, variance, "modelName", json_string(d == 1 ? name : letters)));
    LKI_TRY(lki_json_set(ctx, variance, "d", json_integer((json_int_t)d)));
    LKI_TRY(lki_json_set(ctx, variance, "G", json_integer((json_int_t)K)));
    if (d == 1) {
        return one_feature(ctx, m, variance);
    }
    LKI_TRY(lki_allocate(ctx, 2 * all + 2 * dd + (size_t)(K + 2 * K * d + d), sizeof *covariances, &covariances));
    decomposition s = {.orientation = covariances + all};
    s.axes = s.orientation + all;
    s.matrix = s.axes + dd;
    s.scale = s.matrix + dd;
    s.shape = s.scale + K;
    s.values = s.shape + K * d;
    double *row = s.values + d;
    for (int64_t k = 0; k < K; k++) {
        lki_mixture_covariance(m, k, covariances + k * d * d);
    }
    LKI_GOTO(status, done, lki_json_set(ctx, variance, "sigma", component_last(covariances, K, d, row)));
    if (letters[1] == 'I') {
        LKI_GOTO(status, done, one_feature(ctx, m, variance)); /* round: one variance each */
    }
    if (strcmp(letters, "EEE") == 0 || strcmp(letters, "VVV") == 0) {
        status = add_factors(ctx, m, covariances, row, variance);
        goto done;
    }
    LKI_GOTO(status, done, decompose(ctx, m, covariances, &s));
    status = add_decomposition(ctx, m, &s, row, variance);
done:
    lki_release(ctx, covariances);
    return status;
}
