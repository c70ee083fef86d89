/* A Gaussian mixture as C99 source, as the parameters that `fit --params` reads, and in scikit-learn's and mclust's layouts. */
#include "gmm_export.h"
#include "data/json_text.h"
#include "model/c_source.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static int is_diagonal(const lki_mixture *m)
{
    return m->covariance->form == LKI_FORM_DIAG || m->covariance->form == LKI_FORM_SPHERICAL;
}

/* ---- C ---- */

/* Lower triangles of `matrices` d x d matrices, row by row. */
static lk_status add_triangles(lk_context *ctx, lki_builder *text, const char *prefix, const char *name, int64_t matrices, int64_t d,
                               const double *values)
{
    double *packed;
    const int64_t length = d * (d + 1) / 2;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)matrices, (size_t)length), sizeof *packed, &packed));
    for (int64_t k = 0, at = 0; k < matrices; k++) {
        for (int64_t i = 0; i < d; i++) {
            memcpy(packed + at, values + (k * d + i) * d, (size_t)(i + 1) * sizeof *packed);
            at += i + 1;
        }
    }
    lk_status status = lki_c_table(ctx, text, prefix, name, matrices, length, packed);
    lki_release(ctx, packed);
    return status;
}

static lk_status gmm_code(lk_context *ctx, const void *state, const char *prefix, lki_builder *text)
{
    const lki_mixture *m = ((const lki_gmm *)state)->mixture;
    const int64_t K = m->K, d = m->d, matrices = lki_mixture_matrices(m);
    char line[64];
    double *values;
    if (m->noise) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "a mixture with noise is not exported as C; as JSON it is");
    }
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)K, (size_t)d), sizeof *values, &values));
    lk_status status = LK_OK;
    for (int64_t k = 0; k < K; k++) {
        values[k] = log(m->weights[k]);
    }
    LKI_GOTO(status, done, lki_c_table(ctx, text, prefix, "log_weight", 0, K, values));
    LKI_GOTO(status, done, lki_c_table(ctx, text, prefix, "log_c", 0, K, m->log_c));
    LKI_GOTO(status, done, lki_c_table(ctx, text, prefix, "mean", K, d, m->means));
    if (is_diagonal(m)) {
        for (int64_t i = 0; i < K * d; i++) {
            values[i] = m->covariance->form == LKI_FORM_DIAG ? m->W[i] : m->W[i / d];
        }
        LKI_GOTO(status, done, lki_c_table(ctx, text, prefix, "w", K, d, values));
        status = lki_c_paste(ctx, text, lki_export_diag, prefix);
        goto done;
    }
    snprintf(line, sizeof line, "enum { @_MATRICES = %lld };\n", (long long)matrices);
    LKI_GOTO(status, done, lki_c_paste(ctx, text, line, prefix));
    LKI_GOTO(status, done, add_triangles(ctx, text, prefix, "w", matrices, d, m->W));
    LKI_GOTO(status, done, add_triangles(ctx, text, prefix, "c", matrices, d, m->covariances));
    status = lki_c_paste(ctx, text, lki_export_full, prefix);
done:
    lki_release(ctx, values);
    return status;
}

static void gmm_sizes(const void *state, int64_t *terms, int64_t *work)
{
    const lki_mixture *m = ((const lki_gmm *)state)->mixture;
    *terms = m->K;
    *work = is_diagonal(m) ? 0 : 2 * m->d * m->d;
}

/* ---- parameters in the data's units ---- */

json_t *lki_json_matrix(const double *values, int64_t rows, int64_t columns)
{
    json_t *array = json_array();
    for (int64_t i = 0; array != NULL && i < rows; i++) {
        if (json_array_append_new(array, lki_json_numbers(values + i * columns, columns)) != 0) {
            json_decref(array);
            array = NULL;
        }
    }
    return array;
}

static json_t *matrices_json(const double *values, int64_t count, int64_t d)
{
    json_t *array = json_array();
    for (int64_t k = 0; array != NULL && k < count; k++) {
        if (json_array_append_new(array, lki_json_matrix(values + k * d * d, d, d)) != 0) {
            json_decref(array);
            array = NULL;
        }
    }
    return array;
}

/* The family of x = location + scale z: one that asks for common units becomes diag or full where the scales differ. */
static const lki_covariance *family_in_units(const lki_mixture *m, const double *scale)
{
    int equal = 1;
    for (int64_t j = 1; j < m->d; j++) {
        equal = equal && scale[j] == scale[0];
    }
    return equal || !m->covariance->common_scale ? m->covariance
                                                 : lki_covariance_find(m->covariance->form == LKI_FORM_SPHERICAL ? "diag" : "full");
}

/* The mixture of x = location + scale z, with the factors L and W of z's scaled along, which a new factorization would only round. */
static lk_status in_units(lk_context *ctx, const lki_mixture *m, const double *location, const double *scale, lki_mixture **out)
{
    const int64_t K = m->K, d = m->d;
    const lki_form form = m->covariance->form;
    lki_mixture *x;
    LKI_TRY(lki_mixture_new(ctx, K, d, family_in_units(m, scale), &x));
    memcpy(x->weights, m->weights, (size_t)K * sizeof(double));
    for (int64_t i = 0; i < K * d; i++) {
        x->means[i] = location[i % d] + scale[i % d] * m->means[i];
    }
    if (is_diagonal(m)) {
        const int64_t columns = x->covariance->form == LKI_FORM_DIAG ? d : 1;
        for (int64_t i = 0; i < K * columns; i++) {
            const int64_t from = form == LKI_FORM_DIAG ? i : i / columns;
            const double s = scale[i % columns];
            x->covariances[i] = s * s * m->covariances[from];
            x->L[i] = s * m->L[from];
            x->W[i] = m->W[from] / s;
        }
    } else {
        for (int64_t i = 0; i < lki_mixture_matrices(m) * d * d; i++) {
            const double row = scale[i / d % d], column = scale[i % d];
            x->covariances[i] = m->covariances[i] * (row * column);
            x->L[i] = row * m->L[i];
            x->W[i] = m->W[i] / column;
        }
    }
    if (m->noise) {
        lki_mixture_set_noise(x, *m->uniform, m->low, m->high);
        for (int64_t j = 0; j < d; j++) {
            x->low[j] = location[j] + scale[j] * m->low[j];
            x->high[j] = location[j] + scale[j] * m->high[j];
            x->log_range[j] = log(scale[j]) + m->log_range[j];
        }
    }
    *out = x;
    return LK_OK;
}

static json_t *covariances_json(const lki_mixture *m, const double *values)
{
    switch (m->covariance->form) {
    case LKI_FORM_FULL:
        return matrices_json(values, m->K, m->d);
    case LKI_FORM_TIED:
        return lki_json_matrix(values, m->d, m->d);
    case LKI_FORM_DIAG:
        return lki_json_matrix(values, m->K, m->d);
    default:
        return lki_json_numbers(values, m->K);
    }
}

static lk_status plain_layout(lk_context *ctx, const lki_mixture *m, json_t *object)
{
    LKI_TRY(lki_json_set(ctx, object, "covariance", json_string(m->covariance->name)));
    LKI_TRY(lki_json_set(ctx, object, "weights", lki_json_numbers(m->weights, m->K)));
    LKI_TRY(lki_json_set(ctx, object, "means", lki_json_matrix(m->means, m->K, m->d)));
    if (m->noise) {
        json_t *noise = json_object();
        LKI_TRY(lki_json_set(ctx, object, "noise", noise)); /* object owns it now */
        LKI_TRY(lki_json_set(ctx, noise, "weight", lki_json_number(*m->uniform)));
        LKI_TRY(lki_json_set(ctx, noise, "low", lki_json_numbers(m->low, m->d)));
        LKI_TRY(lki_json_set(ctx, noise, "high", lki_json_numbers(m->high, m->d)));
    }
    return lki_json_set(ctx, object, "covariances", covariances_json(m, m->covariances));
}

/* precisions_cholesky_ is the transposed inverse factor: precision = U U' with U = W'. */
static lk_status sklearn_layout(lk_context *ctx, const lki_mixture *m, json_t *object)
{
    const lki_form form = m->covariance->form;
    const int64_t d = m->d, length = m->covariance->length(m->K, d);
    double *precisions;
    if (m->noise) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "scikit-learn's mixture has no noise; export this model as JSON or for mclust");
    }
    LKI_TRY(lki_json_set(ctx, object, "covariance_type", json_string(form == LKI_FORM_FULL    ? "full"
                                                                     : form == LKI_FORM_TIED  ? "tied"
                                                                     : form == LKI_FORM_DIAG  ? "diag"
                                                                                              : "spherical")));
    LKI_TRY(lki_json_set(ctx, object, "n_components", json_integer((json_int_t)m->K)));
    LKI_TRY(lki_json_set(ctx, object, "n_features_in_", json_integer((json_int_t)d)));
    LKI_TRY(lki_json_set(ctx, object, "weights_", lki_json_numbers(m->weights, m->K)));
    LKI_TRY(lki_json_set(ctx, object, "means_", lki_json_matrix(m->means, m->K, d)));
    LKI_TRY(lki_json_set(ctx, object, "covariances_", covariances_json(m, m->covariances)));
    LKI_TRY(lki_allocate(ctx, 2 * (size_t)length, sizeof *precisions, &precisions));
    double *factors = precisions + length;
    for (int64_t i = 0; i < length; i++) {
        if (is_diagonal(m)) {
            precisions[i] = m->W[i] * m->W[i];
            factors[i] = m->W[i];
            continue;
        }
        const double *W = m->W + i / (d * d) * d * d;
        const int64_t row = i / d % d, column = i % d;
        factors[i] = W[column * d + row];
        precisions[i] = 0.0;
        for (int64_t r = row > column ? row : column; r < d; r++) {
            precisions[i] += W[r * d + row] * W[r * d + column];
        }
    }
    lk_status status = lki_json_set(ctx, object, "precisions_", covariances_json(m, precisions));
    status = status == LK_OK ? lki_json_set(ctx, object, "precisions_cholesky_", covariances_json(m, factors)) : status;
    lki_release(ctx, precisions);
    return status;
}

/* mean is d x K; of one feature a vector, as mclust has it. */
static lk_status mclust_layout(lk_context *ctx, const lki_mixture *m, json_t *object)
{
    const int64_t K = m->K, d = m->d;
    const char *letters = m->covariance->letters;
    const char name[2] = {letters[0], '\0'};
    json_t *parameters = json_object(), *variance;
    LKI_TRY(lki_json_set(ctx, object, "modelName", json_string(d == 1 ? name : letters)));
    LKI_TRY(lki_json_set(ctx, object, "d", json_integer((json_int_t)d)));
    LKI_TRY(lki_json_set(ctx, object, "G", json_integer((json_int_t)K)));
    LKI_TRY(lki_json_set(ctx, object, "parameters", parameters));
    json_t *shares = lki_json_numbers(m->weights, K);
    if (m->noise && shares != NULL && json_array_append_new(shares, json_real(*m->uniform)) != 0) {
        json_decref(shares);
        shares = NULL;
    }
    LKI_TRY(lki_json_set(ctx, parameters, "pro", shares));
    if (m->noise) { /* the reciprocal of the volume; there the noise has no end */
        double log_volume = 0.0;
        for (int64_t j = 0; j < d; j++) {
            log_volume += m->log_range[j];
        }
        LKI_TRY(lki_json_set(ctx, parameters, "Vinv", lki_json_number(exp(-log_volume))));
    }
    double *means;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)K, (size_t)d), sizeof *means, &means));
    for (int64_t i = 0; i < K * d; i++) {
        means[i] = m->means[i % K * d + i / K];
    }
    lk_status status = lki_json_set(ctx, parameters, "mean", d == 1 ? lki_json_numbers(means, K) : lki_json_matrix(means, d, K));
    lki_release(ctx, means);
    LKI_TRY(status);
    variance = json_object();
    LKI_TRY(lki_json_set(ctx, parameters, "variance", variance));
    return lki_gmm_mclust(ctx, m, variance);
}

static lk_status gmm_layout(lk_context *ctx, const void *state, lk_export_format format, const double *location, const double *scale,
                            json_t *object)
{
    lki_mixture *m;
    LKI_TRY(in_units(ctx, ((const lki_gmm *)state)->mixture, location, scale, &m));
    lk_status status = format == LK_EXPORT_JSON                                                 ? plain_layout(ctx, m, object)
                       : format == LK_EXPORT_SKLEARN_JSON || format == LK_EXPORT_SKLEARN_NPZ ? sklearn_layout(ctx, m, object)
                                                                                                : mclust_layout(ctx, m, object);
    lki_mixture_free(m);
    return status;
}

const lki_export_operations lki_gmm_export = {.code = gmm_code, .sizes = gmm_sizes, .layout = gmm_layout};
