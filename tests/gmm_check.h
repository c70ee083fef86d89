/* What the tests of the Gaussian mixture share: random mixtures and rows, fits by settings, answers from the info text, and the
 * inner state of a model. */
#ifndef LIKELY_GMM_CHECK_H
#define LIKELY_GMM_CHECK_H

#include "check.h"

#include "core/philox.h"
#include "mixture/gmm.h"
#include "model/model_impl.h"
#include <jansson.h>
#include <likely/likely.h>

/* ---- fits ---- */

/* Splits "name=value;name=value" into settings, in storage that the next call takes over. */
CHECK_UNUSED static const lk_setting *gmm_settings(const char *text)
{
    static char copy[512];
    static lk_setting settings[16];
    int count = 0;
    snprintf(copy, sizeof copy, "%s", text);
    for (char *at = strtok(copy, ";"); at != NULL && count < 15; at = strtok(NULL, ";")) {
        char *equals = strchr(at, '=');
        assert_non_null(equals);
        *equals = '\0';
        settings[count++] = (lk_setting){at, equals + 1};
    }
    settings[count] = (lk_setting){NULL, NULL};
    return settings;
}

/* lk_model_fit of the gmm with settings as text; `features` and `weight` are role texts or NULL. */
CHECK_UNUSED static lk_status gmm_try(lk_context *ctx, const lk_table *table, const char *settings, const char *features,
                                      const char *weight, const lk_model *start, lk_model **out)
{
    lk_roles roles = {.size = sizeof roles, .features = features, .weight = weight};
    lk_fit_options options = {
        .size = sizeof options, .settings = gmm_settings(settings), .roles = &roles, .start = start, .seed = 1};
    return lk_model_fit(ctx, "gmm", table, &options, out);
}

CHECK_UNUSED static lk_model *gmm_fit(lk_context *ctx, const lk_table *table, const char *settings, const char *features,
                                      const char *weight, const lk_model *start)
{
    lk_model *model = NULL;
    check_ok(ctx, gmm_try(ctx, table, settings, features, weight, start, &model));
    return model;
}

CHECK_UNUSED static lk_table *gmm_table(lk_context *ctx, const double *values, int64_t rows, int64_t columns)
{
    lk_table *table = NULL;
    check_ok(ctx, lk_table_from_array(ctx, values, rows, columns, NULL, &table));
    return table;
}

CHECK_UNUSED static lk_model *gmm_build(lk_context *ctx, const char *json)
{
    lk_model *model = NULL;
    check_ok(ctx, lk_model_build(ctx, "gmm", json, NULL, &model));
    return model;
}

/* ---- answers ---- */

/* The parsed info of a model; the caller gives it back by json_decref(). */
CHECK_UNUSED static json_t *gmm_info(lk_context *ctx, const lk_model *model)
{
    char *text = NULL;
    json_error_t error;
    check_ok(ctx, lk_model_info(ctx, model, &text));
    json_t *info = json_loads(text, 0, &error);
    lk_free(ctx, text);
    assert_non_null(info);
    return info;
}

CHECK_UNUSED static double gmm_number(lk_context *ctx, const lk_model *model, const char *key)
{
    json_t *info = gmm_info(ctx, model);
    const json_t *value = json_object_get(info, key);
    if (!json_is_number(value)) {
        fail_msg("info has no number %s", key);
    }
    const double number = json_number_value(value);
    json_decref(info);
    return number;
}

CHECK_UNUSED static const lki_mixture *gmm_mixture(const lk_model *model)
{
    return ((const lki_gmm *)model->state)->mixture;
}

CHECK_UNUSED static int64_t gmm_covariance_length(const lki_mixture *m)
{
    return m->covariance->length(m->K, m->d);
}

/* Every parameter of a model is finite, weights sum to one. */
CHECK_UNUSED static void gmm_assert_finite(const lk_model *model)
{
    const lki_mixture *m = gmm_mixture(model);
    double sum = *m->uniform;
    for (int64_t k = 0; k < m->K; k++) {
        assert_true(isfinite(m->weights[k]) && m->weights[k] >= 0);
        sum += m->weights[k];
    }
    check_near(sum, 1, 1e-9);
    for (int64_t i = 0; i < m->K * m->d; i++) {
        assert_true(isfinite(m->means[i]));
    }
    for (int64_t i = 0; i < gmm_covariance_length(m); i++) {
        assert_true(isfinite(m->covariances[i]));
    }
}

/* The largest difference of two models' parameters, each relative to `scale` or, above it, to its own size. */
CHECK_UNUSED static double gmm_distance(const lk_model *a, const lk_model *b, double scale)
{
    const lki_mixture *p = gmm_mixture(a), *q = gmm_mixture(b);
    assert_int_equal(p->K, q->K);
    assert_int_equal(p->d, q->d);
    assert_ptr_equal(p->covariance, q->covariance);
    const double *lists[3][2] = {{p->weights, q->weights}, {p->means, q->means}, {p->covariances, q->covariances}};
    const int64_t lengths[3] = {p->K, p->K * p->d, gmm_covariance_length(p)};
    double worst = 0;
    for (int l = 0; l < 3; l++) {
        for (int64_t i = 0; i < lengths[l]; i++) {
            const double x = lists[l][0][i], y = lists[l][1][i];
            const double difference = fabs(x - y) / fmax(scale, fmax(fabs(x), fabs(y)));
            worst = difference <= worst ? worst : difference; /* a NaN stays */
        }
    }
    return worst;
}

/* ---- labels ---- */

enum { GMM_LABELS_MOST = 128 };

CHECK_UNUSED static double gmm_pairs(double n)
{
    return n * (n - 1) / 2;
}

/* The adjusted Rand index (Hubert and Arabie 1985) of two labellings, 0-based and below GMM_LABELS_MOST. */
CHECK_UNUSED static double gmm_rand_index(const int *a, const int *b, int64_t n)
{
    static double table[GMM_LABELS_MOST][GMM_LABELS_MOST], rows[GMM_LABELS_MOST], columns[GMM_LABELS_MOST];
    double both = 0, by_a = 0, by_b = 0;
    memset(table, 0, sizeof table);
    memset(rows, 0, sizeof rows);
    memset(columns, 0, sizeof columns);
    for (int64_t i = 0; i < n; i++) {
        table[a[i]][b[i]]++;
        rows[a[i]]++;
        columns[b[i]]++;
    }
    for (int i = 0; i < GMM_LABELS_MOST; i++) {
        by_a += gmm_pairs(rows[i]);
        by_b += gmm_pairs(columns[i]);
        for (int j = 0; j < GMM_LABELS_MOST; j++) {
            both += gmm_pairs(table[i][j]);
        }
    }
    const double expected = by_a * by_b / gmm_pairs((double)n);
    return (both - expected) / ((by_a + by_b) / 2 - expected);
}

/* ---- random mixtures and rows ---- */

CHECK_UNUSED static const char *const gmm_families[] = {"full", "tied", "diag", "spherical"};

CHECK_UNUSED static lki_stream gmm_stream(uint64_t number)
{
    return lki_stream_new(20240607, LKI_STREAM_TEST, number);
}

/* A symmetric positive definite d x d matrix with the given condition: A = Q diag(geometric from 1 to 1 / condition) Q', with Q a
 * product of d random reflections. */
CHECK_UNUSED static void gmm_random_spd(lki_stream *s, int64_t d, double condition, double *A)
{
    double v[64];
    assert_true(d <= 64);
    for (int64_t i = 0; i < d; i++) {
        for (int64_t j = 0; j < d; j++) {
            A[i * d + j] = i != j ? 0 : pow(condition, d > 1 ? -(double)i / (double)(d - 1) : 0);
        }
    }
    for (int64_t turn = 0; turn < (d > 1 ? d : 0); turn++) {
        double square = 0;
        for (int64_t i = 0; i < d; i++) {
            v[i] = lki_random_normal(s);
            square += v[i] * v[i];
        }
        for (int side = 0; side < 2; side++) { /* A (I - 2 v v' / v'v), then the transpose's */
            for (int64_t i = 0; i < d; i++) {
                double along = 0;
                for (int64_t j = 0; j < d; j++) {
                    along += (side == 0 ? A[i * d + j] : A[j * d + i]) * v[j];
                }
                for (int64_t j = 0; j < d; j++) {
                    *(side == 0 ? &A[i * d + j] : &A[j * d + i]) -= 2 * along / square * v[j];
                }
            }
        }
    }
    for (int64_t i = 0; i < d; i++) {
        for (int64_t j = 0; j < i; j++) {
            A[i * d + j] = A[j * d + i] = 0.5 * (A[i * d + j] + A[j * d + i]);
        }
    }
}

/* A random mixture of a family: means with standard deviation `spread`, covariances of the given condition (1 for spherical). */
CHECK_UNUSED static lki_mixture *gmm_random_mixture(lk_context *ctx, lki_stream *s, const char *family, int64_t K, int64_t d,
                                                    double condition, double spread)
{
    lki_mixture *m = NULL;
    check_ok(ctx, lki_mixture_new(ctx, K, d, lki_covariance_find(family), &m));
    double total = 0;
    for (int64_t k = 0; k < K; k++) {
        m->weights[k] = 0.2 + lki_random_uniform(s);
        total += m->weights[k];
    }
    for (int64_t k = 0; k < K; k++) {
        m->weights[k] /= total;
    }
    for (int64_t i = 0; i < K * d; i++) {
        m->means[i] = spread * lki_random_normal(s);
    }
    for (int64_t k = 0; k < lki_mixture_matrices(m); k++) {
        switch (m->covariance->form) {
        case LKI_FORM_FULL:
        case LKI_FORM_TIED:
            gmm_random_spd(s, d, condition, m->covariances + k * d * d);
            break;
        case LKI_FORM_DIAG:
            for (int64_t j = 0; j < d; j++) {
                m->covariances[k * d + j] = pow(condition, -lki_random_uniform(s));
            }
            break;
        default:
            m->covariances[k] = 0.2 + 2 * lki_random_uniform(s);
            break;
        }
    }
    return m;
}

/* The mixture as the JSON that lk_model_build() takes. The caller frees the text. */
CHECK_UNUSED static char *gmm_json(const lki_mixture *m)
{
    json_t *weights = json_array(), *means = json_array(), *covariances = json_array();
    const int64_t d = m->d;
    for (int64_t k = 0; k < m->K; k++) {
        json_t *mean = json_array();
        json_array_append_new(weights, json_real(m->weights[k]));
        for (int64_t j = 0; j < d; j++) {
            json_array_append_new(mean, json_real(m->means[k * d + j]));
        }
        json_array_append_new(means, mean);
    }
    const int full = m->covariance->form == LKI_FORM_FULL, tied = m->covariance->form == LKI_FORM_TIED;
    for (int64_t k = 0; k < lki_mixture_matrices(m); k++) {
        json_t *matrix = json_array();
        if (full || tied) {
            for (int64_t i = 0; i < d; i++) {
                json_t *row = json_array();
                for (int64_t j = 0; j < d; j++) {
                    json_array_append_new(row, json_real(m->covariances[(k * d + i) * d + j]));
                }
                json_array_append_new(tied ? covariances : matrix, row);
            }
        } else if (m->covariance->form == LKI_FORM_DIAG) {
            for (int64_t j = 0; j < d; j++) {
                json_array_append_new(matrix, json_real(m->covariances[k * d + j]));
            }
        } else {
            json_array_append_new(covariances, json_real(m->covariances[k]));
        }
        if (full || m->covariance->form == LKI_FORM_DIAG) {
            json_array_append(covariances, matrix);
        }
        json_decref(matrix);
    }
    json_t *object = json_pack("{s:o, s:o, s:o, s:s}", "weights", weights, "means", means, "covariances", covariances, "covariance",
                               m->covariance->name);
    char *text = json_dumps(object, JSON_REAL_PRECISION(17));
    json_decref(object);
    assert_non_null(text);
    return text;
}

CHECK_UNUSED static lk_model *gmm_model_of(lk_context *ctx, const lki_mixture *m)
{
    char *text = gmm_json(m);
    lk_model *model = gmm_build(ctx, text);
    free(text);
    return model;
}

/* rows x d values from K round groups whose centres lie `spread` apart, the groups' standard deviations being within [.5, 1.5]; the
 * caller frees them. */
CHECK_UNUSED static double *gmm_random_rows(lki_stream *s, int64_t rows, int64_t d, int64_t K, double spread)
{
    double *centres = malloc((size_t)(K * d) * sizeof *centres), *x = malloc((size_t)(rows * d) * sizeof *x);
    assert_true(centres != NULL && x != NULL);
    for (int64_t i = 0; i < K * d; i++) {
        centres[i] = spread * lki_random_normal(s);
    }
    for (int64_t i = 0; i < rows; i++) {
        const int64_t k = lki_random_below(s, K);
        for (int64_t j = 0; j < d; j++) {
            x[i * d + j] = centres[k * d + j] + (0.5 + (double)((k + j) % 3) * 0.5) * lki_random_normal(s);
        }
    }
    free(centres);
    return x;
}

#endif
