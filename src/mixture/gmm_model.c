/* A Gaussian mixture's answers: log density, score, draws, responsibilities, distribution functions, marginals and info. */
#include "core/philox.h"
#include "gmm.h"
#include "gmm_condition.h"
#include "gmm_smooth.h"
#include "information.h"
#include "gmm_export.h"
#include "math/special.h"
#include <math.h>
#include <string.h>

/* lki_gmm_new() with upper bounds of the conditions, one a matrix; NULL = none is known. */
static lk_status gmm_new_within(lk_context *ctx, lki_mixture *mixture, const double *bounds, lki_gmm **out)
{
    const int64_t d = mixture->d, matrices = lki_mixture_matrices(mixture);
    const lki_mixture_kernel *kernel = lki_mixture_kernel_best();
    double *work = NULL;
    lki_gmm *g = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)(2 * d), (size_t)d * sizeof(double), &work));
    for (int64_t k = 0; k < matrices; k++) {
        const int64_t minor = lki_mixture_factor_within(mixture, k, bounds != NULL ? bounds[k] : __builtin_inf(), work);
        if (minor != 0) {
            status = lki_fail(ctx, LK_ERROR_DATA, "the covariance of component %lld is not positive definite: leading minor %lld "
                                                  "is not positive", (long long)k, (long long)minor);
            goto done;
        }
    }
    lki_mixture_normalize(mixture);
    LKI_GOTO(status, done, lki_zeros(ctx, 1, sizeof *g, &g));
    g->memory = lki_memory_of(ctx);
    g->plan = lki_mixture_factored_plan(mixture);
    status = lki_allocate(ctx, kernel->packed_length(&g->plan), sizeof(double), &g->plan.packed);
    if (status != LK_OK) {
        lki_release(ctx, g);
        goto done;
    }
    kernel->pack(&g->plan);
    g->mixture = mixture;
    mixture = NULL;
    *out = g;
done:
    lki_release(ctx, work);
    lki_mixture_free(mixture);
    return status;
}

lk_status lki_gmm_new(lk_context *ctx, lki_mixture *mixture, lki_gmm **out)
{
    return gmm_new_within(ctx, mixture, NULL, out);
}

void lki_gmm_free(const lki_memory *memory, void *state)
{
    lki_gmm *g = state;
    if (g != NULL) {
        lki_mixture_free(g->mixture);
        lki_memory_release(memory, g->plan.packed);
        lki_memory_release(memory, g);
    }
}

/* ---- densities ---- */

static lk_status ask_kernel(lk_context *ctx, const lki_gmm *g, const double *x, int64_t rows, double *log_density,
                            double *responsibilities)
{
    const lki_mixture_kernel *kernel = lki_mixture_kernel_best();
    double *scratch;
    LKI_TRY(lki_allocate(ctx, kernel->scratch_length(&g->plan, 0), sizeof(double), &scratch));
    kernel->block(&g->plan, x, NULL, rows, scratch, NULL, log_density, responsibilities);
    lki_release(ctx, scratch);
    return LK_OK;
}

static lk_status gmm_log_density(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    LKI_TRY(ask_kernel(ctx, state, x, rows, out, NULL));
    for (int64_t i = 0; i < rows; i++) {
        out[i] = out[i] <= -1e299 ? -__builtin_inf() : out[i]; /* the kernel's stand-in for an overflowing square */
    }
    return LK_OK;
}

static lk_status gmm_responsibilities(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    return ask_kernel(ctx, state, x, rows, NULL, out);
}

/* g -= r W'W (x - mean) with W lower triangular; y is scratch of d. */
static void subtract_precision(int64_t d, const double *W, const double *x, const double *mean, double r, double *y, double *gradient)
{
    for (int64_t i = 0; i < d; i++) {
        double sum = 0.0;
        for (int64_t j = 0; j <= i; j++) {
            sum += W[i * d + j] * (x[j] - mean[j]);
        }
        y[i] = r * sum;
    }
    for (int64_t i = 0; i < d; i++) {
        for (int64_t j = 0; j <= i; j++) {
            gradient[j] -= W[i * d + j] * y[i];
        }
    }
}

/* score = sum_k r_k(x) inverse(C_k) (mean_k - x); noise is flat, but takes its share of r. */
static lk_status gmm_score(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    const lki_gmm *g = state;
    const lki_mixture *m = g->mixture;
    const int64_t d = m->d, K = m->K, groups = lki_mixture_groups(m);
    double *r;
    LKI_TRY(lki_allocate(ctx, (size_t)(rows * groups + d), sizeof(double), &r));
    lk_status status = ask_kernel(ctx, g, x, rows, NULL, r);
    for (int64_t i = 0; status == LK_OK && i < rows; i++) {
        double *gradient = out + i * d;
        memset(gradient, 0, (size_t)d * sizeof(double));
        for (int64_t k = 0; k < K; k++) {
            const double rk = r[i * groups + k], *mean = m->means + k * d, *row = x + i * d;
            if (rk < 1e-300) {
                continue;
            }
            switch (m->covariance->form) {
            case LKI_FORM_FULL:
            case LKI_FORM_TIED:
                subtract_precision(d, m->W + lki_mixture_matrix(m, k) * d * d, row, mean, rk, r + rows * groups, gradient);
                break;
            default:
                for (int64_t j = 0; j < d; j++) {
                    const double w = m->covariance->form == LKI_FORM_DIAG ? m->W[k * d + j] : m->W[k];
                    gradient[j] -= rk * w * w * (row[j] - mean[j]);
                }
                break;
            }
        }
    }
    lki_release(ctx, r);
    return status;
}

static double component_sd(const lki_mixture *m, int64_t k, int64_t j)
{
    const int64_t d = m->d;
    switch (m->covariance->form) {
    case LKI_FORM_FULL:
    case LKI_FORM_TIED:
        return sqrt(m->covariances[lki_mixture_matrix(m, k) * d * d + j * (d + 1)]);
    case LKI_FORM_DIAG:
        return sqrt(m->covariances[k * d + j]);
    default:
        return sqrt(m->covariances[k]);
    }
}

static lk_status gmm_cdf(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    const lki_mixture *m = ((const lki_gmm *)state)->mixture;
    const int64_t d = m->d;
    (void)ctx;
    memset(out, 0, (size_t)(rows * d) * sizeof(double));
    for (int64_t k = 0; k < m->K; k++) {
        for (int64_t j = 0; j < d; j++) {
            const double inverse = 1.0 / component_sd(m, k, j);
            for (int64_t i = 0; i < rows; i++) {
                out[i * d + j] += m->weights[k] * lki_normal_cdf((x[i * d + j] - m->means[k * d + j]) * inverse);
            }
        }
    }
    for (int64_t i = 0; i < rows * d; i++) {
        if (m->noise) {
            const double low = m->low[i % d], share = (x[i] - low) / (m->high[i % d] - low);
            out[i] += *m->uniform * (share > 1.0 ? 1.0 : share > 0.0 ? share : 0.0);
        }
        out[i] = out[i] > 1.0 ? 1.0 : out[i];
    }
    return LK_OK;
}

/* ---- draws ---- */

static void draw_uniform(const lki_mixture *m, lki_stream *s, double *x)
{
    for (int64_t j = 0; j < m->d; j++) {
        const double v = m->low[j] + (m->high[j] - m->low[j]) * lki_random_uniform(s);
        x[j] = v < m->high[j] ? v : m->high[j];
    }
}

static lk_status gmm_sample(lk_context *ctx, const void *state, uint64_t seed, int64_t first_row, int64_t rows, double *out)
{
    const lki_mixture *m = ((const lki_gmm *)state)->mixture;
    const int64_t d = m->d, K = m->K, groups = lki_mixture_groups(m);
    double *cumulative;
    LKI_TRY(lki_allocate(ctx, (size_t)(groups + d), sizeof(double), &cumulative));
    double *z = cumulative + groups, total = 0.0;
    for (int64_t k = 0; k < groups; k++) {
        total += k < K ? m->weights[k] : *m->uniform;
        cumulative[k] = total;
    }
    for (int64_t i = 0; i < rows; i++) {
        lki_stream s = lki_stream_new(seed, LKI_STREAM_SAMPLE, (uint64_t)(first_row + i));
        const int64_t k = lki_random_categorical(&s, cumulative, groups);
        const double *L = m->L;
        double *x = out + i * d;
        if (k == K) {
            draw_uniform(m, &s, x);
            continue;
        }
        if (m->covariance->form == LKI_FORM_FULL) {
            L += k * d * d;
        }
        for (int64_t j = 0; j < d; j++) {
            z[j] = lki_random_normal(&s);
        }
        for (int64_t j = 0; j < d; j++) {
            x[j] = m->means[k * d + j];
            switch (m->covariance->form) {
            case LKI_FORM_FULL:
            case LKI_FORM_TIED:
                for (int64_t c = 0; c <= j; c++) {
                    x[j] += L[j * d + c] * z[c];
                }
                break;
            case LKI_FORM_DIAG:
                x[j] += m->L[k * d + j] * z[j];
                break;
            default:
                x[j] += m->L[k] * z[j];
                break;
            }
        }
    }
    lki_release(ctx, cumulative);
    return LK_OK;
}

/* ---- marginals ---- */

static lk_status gmm_marginal(lk_context *ctx, const void *state, const int64_t *features, int64_t count, void **out)
{
    const lki_mixture *m = ((const lki_gmm *)state)->mixture;
    const int64_t d = m->d, matrices = lki_mixture_matrices(m);
    lki_mixture *part;
    lki_gmm *g;
    LKI_TRY(lki_mixture_new(ctx, m->K, count, lki_covariance_marginal(m->covariance), &part));
    memcpy(part->weights, m->weights, (size_t)m->K * sizeof(double));
    for (int64_t k = 0; k < m->K; k++) {
        for (int64_t a = 0; a < count; a++) {
            part->means[k * count + a] = m->means[k * d + features[a]];
        }
    }
    for (int64_t k = 0; k < matrices; k++) {
        for (int64_t a = 0; a < count; a++) {
            switch (m->covariance->form) {
            case LKI_FORM_FULL:
            case LKI_FORM_TIED:
                for (int64_t b = 0; b < count; b++) {
                    part->covariances[(k * count + a) * count + b] = m->covariances[(k * d + features[a]) * d + features[b]];
                }
                break;
            case LKI_FORM_DIAG:
                part->covariances[k * count + a] = m->covariances[k * d + features[a]];
                break;
            default:
                part->covariances[k] = m->covariances[k];
                break;
            }
        }
    }
    if (m->noise) { /* of a box, the box of the features */
        lki_mixture_set_noise(part, *m->uniform, m->low, m->high);
        for (int64_t a = 0; a < count; a++) {
            part->low[a] = m->low[features[a]];
            part->high[a] = m->high[features[a]];
            part->log_range[a] = m->log_range[features[a]];
        }
    }
    LKI_TRY(gmm_new_within(ctx, part, m->condition, &g)); /* parts of a matrix have no greater condition */
    *out = g;
    return LK_OK;
}

static void gmm_prior(const void *state, double *out)
{
    const lki_mixture *m = ((const lki_gmm *)state)->mixture;
    memcpy(out, m->weights, (size_t)m->K * sizeof(double));
    if (m->noise) {
        out[m->K] = *m->uniform;
    }
}

static void gmm_centres(const void *state, double *out)
{
    const lki_mixture *m = ((const lki_gmm *)state)->mixture;
    memcpy(out, m->means, (size_t)(m->K * m->d) * sizeof(double));
}

static int64_t gmm_groups(const void *state)
{
    return lki_mixture_groups(((const lki_gmm *)state)->mixture);
}

static int64_t gmm_noise_group(const void *state)
{
    const lki_mixture *m = ((const lki_gmm *)state)->mixture;
    return m->noise ? m->K : -1;
}

/* Noise is uniform. */
static int64_t gmm_normals(const void *state)
{
    const lki_mixture *m = ((const lki_gmm *)state)->mixture;
    return m->noise ? 0 : m->K;
}

static void gmm_normal(const void *state, int64_t k, double *weight, double *mean, double *covariance)
{
    const lki_mixture *m = ((const lki_gmm *)state)->mixture;
    *weight = m->weights[k];
    memcpy(mean, m->means + k * m->d, (size_t)m->d * sizeof *mean);
    lki_mixture_covariance(m, k, covariance);
}

/* ---- info ---- */

static json_t *reals(const double *values, int64_t count)
{
    json_t *array = json_array();
    for (int64_t i = 0; array != NULL && i < count; i++) {
        if (json_array_append_new(array, json_real(values[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *real_rows(const double *values, int64_t rows, int64_t columns)
{
    json_t *array = json_array();
    for (int64_t i = 0; array != NULL && i < rows; i++) {
        if (json_array_append_new(array, reals(values + i * columns, columns)) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

/* The mixture with each feature divided by its overall standard deviation: conditions then do not depend on units. Returns the
 * conditions; scale holds d, covariance d x d. */
static lk_status standardized_conditions(lk_context *ctx, const lki_mixture *m, double *conditions)
{
    const int64_t d = m->d, matrices = lki_mixture_matrices(m);
    lki_mixture *unit = NULL;
    double *scale = NULL;
    lk_status status = LK_OK;
    const lki_covariance *full = lki_covariance_find("full");
    LKI_GOTO(status, done, lki_mixture_new(ctx, 1, d, full, &unit));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)(d + 2 * d * d), sizeof(double), &scale));
    for (int64_t j = 0; j < d; j++) {
        const double middle = 0.5 * (m->low[j] + m->high[j]), range = m->high[j] - m->low[j], uniform = *m->uniform;
        double mean = uniform * middle;
        for (int64_t k = 0; k < m->K; k++) {
            mean += m->weights[k] * m->means[k * d + j];
        }
        double variance = uniform * (range * range / 12.0 + (middle - mean) * (middle - mean));
        for (int64_t k = 0; k < m->K; k++) {
            const double shift = m->means[k * d + j] - mean, sd = component_sd(m, k, j);
            variance += m->weights[k] * (sd * sd + shift * shift);
        }
        scale[j] = 1.0 / sqrt(variance);
    }
    for (int64_t k = 0; k < m->K; k++) {
        if (k < matrices) {
            lki_mixture_covariance(m, k, unit->covariances);
            for (int64_t i = 0; i < d * d; i++) {
                unit->covariances[i] *= scale[i / d] * scale[i % d];
            }
            conditions[k] = lki_mixture_factor_one(unit, 0, scale + d) == 0 ? unit->condition[0] : __builtin_inf();
        } else {
            conditions[k] = conditions[0];
        }
    }
done:
    lki_mixture_free(unit);
    lki_release(ctx, scale);
    return status;
}

static json_t *component_info(const lki_mixture *m, int64_t k, double n, double condition, double *matrix)
{
    json_t *component = json_object();
    lki_mixture_covariance(m, k, matrix);
    int failed = component == NULL;
    failed = failed || json_object_set_new(component, "weight", json_real(m->weights[k])) != 0;
    failed = failed || json_object_set_new(component, "effective_size",
                                           n > 0.0 ? json_real(m->weights[k] * n) : json_null()) != 0;
    failed = failed || json_object_set_new(component, "mean", reals(m->means + k * m->d, m->d)) != 0;
    failed = failed || json_object_set_new(component, "covariance", real_rows(matrix, m->d, m->d)) != 0;
    failed = failed || json_object_set_new(component, "condition",
                                           isfinite(condition) ? json_real(condition) : json_null()) != 0;
    if (failed) {
        json_decref(component);
        return NULL;
    }
    return component;
}

static json_t *noise_info(const lki_mixture *m, double n)
{
    double log_volume = 0.0;
    json_t *noise = json_object();
    for (int64_t j = 0; j < m->d; j++) {
        log_volume += m->log_range[j];
    }
    int failed = noise == NULL;
    failed = failed || json_object_set_new(noise, "weight", json_real(*m->uniform)) != 0;
    failed = failed || json_object_set_new(noise, "effective_size", n > 0.0 ? json_real(*m->uniform * n) : json_null()) != 0;
    failed = failed || json_object_set_new(noise, "low", reals(m->low, m->d)) != 0;
    failed = failed || json_object_set_new(noise, "high", reals(m->high, m->d)) != 0;
    failed = failed || json_object_set_new(noise, "log_volume", json_real(log_volume)) != 0;
    if (failed) {
        json_decref(noise);
        return NULL;
    }
    return noise;
}

static lk_status gmm_info(lk_context *ctx, const void *state, json_t *info)
{
    const lki_mixture *m = ((const lki_gmm *)state)->mixture;
    const int64_t d = m->d;
    const json_t *rows = json_object_get(info, "n");
    const double n = json_is_number(rows) ? json_number_value(rows) : 0.0;
    double *conditions = NULL;
    json_t *components = json_array();
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)(m->K + d * d), sizeof(double), &conditions));
    LKI_GOTO(status, done, standardized_conditions(ctx, m, conditions));
    for (int64_t k = 0; k < m->K; k++) {
        if (components == NULL ||
            json_array_append_new(components, component_info(m, k, n, conditions[k], conditions + m->K)) != 0) {
            status = lki_fail(ctx, LK_ERROR_MEMORY, "out of memory while describing component %lld", (long long)k);
            goto done;
        }
    }
    if (json_object_set_new(info, "covariance", json_string(m->covariance->name)) != 0 ||
        json_object_set(info, "components", components) != 0 ||
        (m->noise && json_object_set_new(info, "noise", noise_info(m, n)) != 0)) {
        status = lki_fail(ctx, LK_ERROR_MEMORY, "out of memory while describing the mixture");
    }
done:
    json_decref(components);
    lki_release(ctx, conditions);
    return status;
}

const lki_operations lki_gmm_operations = {
    .log_density = gmm_log_density,
    .score = gmm_score,
    .sample = gmm_sample,
    .responsibilities = gmm_responsibilities,
    .cdf = gmm_cdf,
    .marginal = gmm_marginal,
    .groups = gmm_groups,
    .noise_group = gmm_noise_group,
    .prior = gmm_prior,
    .centres = gmm_centres,
    .condition = lki_gmm_condition,
    .conditional = &lki_gmm_conditional,
    .smooth = lki_gmm_smooth,
    .hessian = lki_gmm_hessian,
    .quantities = lki_gmm_quantities,
    .quantity = lki_gmm_quantity,
    .information = lki_gmm_information,
    .export = &lki_gmm_export,
    .normals = gmm_normals,
    .normal = gmm_normal,
    .info = gmm_info,
    .save = lki_gmm_save,
    .load = lki_gmm_load,
    .free = lki_gmm_free,
};

/* A mixture whose rows belong to the nearest centre; what rests on the likelihood's maximum, or on soft groups, is left out. */
const lki_operations lki_kmeans_operations = {
    .log_density = gmm_log_density,
    .score = gmm_score,
    .sample = gmm_sample,
    .responsibilities = lki_kmeans_responsibilities,
    .cdf = gmm_cdf,
    .marginal = gmm_marginal,
    .groups = gmm_groups,
    .prior = gmm_prior,
    .centres = gmm_centres,
    .condition = lki_gmm_condition,
    .conditional = &lki_gmm_conditional,
    .smooth = lki_gmm_smooth,
    .hessian = lki_gmm_hessian,
    .normals = gmm_normals,
    .normal = gmm_normal,
    .info = gmm_info,
    .save = lki_gmm_save,
    .load = lki_kmeans_load,
    .free = lki_gmm_free,
};
