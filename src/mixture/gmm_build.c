/* A Gaussian mixture from parameters that the user writes down as JSON. */
#include "gmm.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Copies a (nested) list of numbers of the given shape, or with out = NULL only checks it; `name` and the position stand in errors. */
static lk_status read_numbers(lk_context *ctx, const json_t *json, const char *name, const int64_t *shape, int rank, double *out)
{
    if (rank == 0) {
        if (!json_is_number(json) || !isfinite(json_number_value(json))) {
            return lki_fail(ctx, LK_ERROR_FORMAT, "%s: a finite number is expected", name);
        }
        if (out != NULL) {
            *out = json_number_value(json);
        }
        return LK_OK;
    }
    if (!json_is_array(json) || (int64_t)json_array_size(json) != shape[0]) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: a list of %lld entries is expected", name, (long long)shape[0]);
    }
    int64_t size = 1;
    for (int i = 1; i < rank; i++) {
        size *= shape[i];
    }
    for (int64_t i = 0; i < shape[0]; i++) {
        char inner[160];
        snprintf(inner, sizeof inner, "%.100s[%lld]", name, (long long)i);
        LKI_TRY(read_numbers(ctx, json_array_get(json, (size_t)i), inner, shape + 1, rank - 1, out == NULL ? NULL : out + i * size));
    }
    return LK_OK;
}

/* How deep the lists go: 0 for a number. */
static int depth_of(const json_t *json)
{
    int depth = 0;
    while (json_is_array(json) && depth < 4) {
        json = json_array_get(json, 0);
        depth++;
    }
    return depth;
}

/* The family: named by the key or by the shape of the covariances. */
static lk_status find_family(lk_context *ctx, const json_t *json, const json_t *covariances, int64_t K, int64_t d,
                             const lki_covariance **out)
{
    const json_t *key = json_object_get(json, "covariance");
    const int depth = depth_of(covariances);
    const char *name = depth == 3 ? "full" : depth == 1 ? "spherical" : NULL;
    if (json_is_string(key)) {
        name = json_string_value(key);
    } else if (depth == 2) { /* a square matrix for other than K = d components can only be tied */
        const int64_t rows = (int64_t)json_array_size(covariances);
        name = rows == K && K != d ? "diag" : rows == d && K != d ? "tied" : NULL;
        if (name == NULL && rows == K) {
            return lki_fail(ctx, LK_ERROR_FORMAT, "covariances: %lld x %lld could be diag or tied; say which by \"covariance\"",
                            (long long)rows, (long long)d);
        }
    }
    *out = name == NULL ? NULL : lki_covariance_find(name);
    if (*out == NULL) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "covariance: %.100s; it must be full (K x d x d), tied (d x d), diag (K x d) or spherical (K), "
                                              "or three letters such as VEV",
                        name == NULL ? "the shape of covariances fits none" : name);
    }
    return LK_OK;
}

/* Takes the mean of the two triangles, which may differ by rounding in the text. */
static lk_status make_symmetric(lk_context *ctx, lki_mixture *m)
{
    const int64_t d = m->d;
    if (m->covariance->form != LKI_FORM_FULL && m->covariance->form != LKI_FORM_TIED) {
        return LK_OK;
    }
    for (int64_t k = 0; k < lki_mixture_matrices(m); k++) {
        double *C = m->covariances + k * d * d;
        for (int64_t i = 0; i < d; i++) {
            for (int64_t j = i + 1; j < d; j++) {
                if (fabs(C[i * d + j] - C[j * d + i]) > 1e-12 * (fabs(C[i * d + j]) + fabs(C[j * d + i]))) {
                    return lki_fail(ctx, LK_ERROR_DATA, "covariances[%lld] is not symmetric: entry %lld,%lld is %.17g, entry %lld,%lld is %.17g",
                                    (long long)k, (long long)i, (long long)j, C[i * d + j], (long long)j, (long long)i, C[j * d + i]);
                }
                C[i * d + j] = C[j * d + i] = 0.5 * C[i * d + j] + 0.5 * C[j * d + i];
            }
        }
    }
    return LK_OK;
}

static lk_status check_shared(lk_context *ctx, const lki_mixture *m)
{
    int conforms = 0;
    if (strcmp(m->covariance->name, m->covariance->letters) != 0) {
        return LK_OK; /* what full, tied, diag and spherical share is in their layout */
    }
    LKI_TRY(lki_covariance_conforms(ctx, m->covariance, m->K, m->d, m->covariances, &conforms));
    if (!conforms) {
        return lki_fail(ctx, LK_ERROR_DATA, "covariances do not share what the family %s shares; correct them, or say \"covariance\": \"%s\"",
                        m->covariance->name,
                        m->covariance->form == LKI_FORM_FULL ? "full" : m->covariance->form == LKI_FORM_DIAG ? "diag" : "spherical");
    }
    return LK_OK;
}

static lk_status check_weights(lk_context *ctx, lki_mixture *m)
{
    double sum = *m->uniform;
    for (int64_t k = 0; k < m->K; k++) {
        if (m->weights[k] < 0.0) {
            return lki_fail(ctx, LK_ERROR_DATA, "weights[%lld] is %g; weights are not negative", (long long)k, m->weights[k]);
        }
        sum += m->weights[k];
    }
    if (!(fabs(sum - 1.0) <= 1e-6)) {
        return lki_fail(ctx, LK_ERROR_DATA, "weights%s sum to %.9g; they must sum to 1", m->noise ? " and noise.weight" : "", sum);
    }
    *m->uniform /= sum;
    for (int64_t k = 0; k < m->K; k++) {
        m->weights[k] /= sum;
    }
    return LK_OK;
}

/* "noise": {"weight": w, "low": [d numbers], "high": [d numbers]}, or nothing. */
static lk_status read_noise(lk_context *ctx, const json_t *json, lki_mixture *m)
{
    const json_t *noise = json_object_get(json, "noise");
    const int64_t d = m->d;
    double weight = 0.0, *box;
    if (noise == NULL) {
        return LK_OK;
    }
    if (!json_is_object(noise) || json_object_size(noise) != 3) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "noise: an object with weight, low and high is expected");
    }
    LKI_TRY(read_numbers(ctx, json_object_get(noise, "weight"), "noise.weight", NULL, 0, &weight));
    LKI_TRY(lki_allocate(ctx, 2 * (size_t)d, sizeof(double), &box));
    lk_status status = LK_OK;
    LKI_GOTO(status, done, read_numbers(ctx, json_object_get(noise, "low"), "noise.low", &d, 1, box));
    LKI_GOTO(status, done, read_numbers(ctx, json_object_get(noise, "high"), "noise.high", &d, 1, box + d));
    if (weight < 0.0) {
        status = lki_fail(ctx, LK_ERROR_DATA, "noise.weight is %g; weights are not negative", weight);
        goto done;
    }
    for (int64_t j = 0; j < d; j++) {
        if (!(box[d + j] > box[j]) || !isfinite(box[d + j] - box[j])) {
            status = lki_fail(ctx, LK_ERROR_DATA, "noise.high[%lld] is %g; it must be above noise.low[%lld], %g", (long long)j, box[d + j],
                              (long long)j, box[j]);
            goto done;
        }
    }
    lki_mixture_set_noise(m, weight, box, box + d);
done:
    lki_release(ctx, box);
    return status;
}

static void free_names(lk_context *ctx, char **names, int64_t d)
{
    for (int64_t j = 0; names != NULL && j < d; j++) {
        lki_release(ctx, names[j]);
    }
    lki_release(ctx, names);
}

static lk_status read_names(lk_context *ctx, const json_t *json, int64_t d, char ***out)
{
    const json_t *columns = json_object_get(json, "columns");
    char **names = NULL;
    lk_status status = LK_OK;
    *out = NULL;
    if (columns == NULL) {
        return LK_OK;
    }
    if (!json_is_array(columns) || (int64_t)json_array_size(columns) != d) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "columns: a list of %lld names is expected", (long long)d);
    }
    LKI_GOTO(status, fail, lki_zeros(ctx, (size_t)d, sizeof *names, &names));
    for (int64_t j = 0; j < d; j++) {
        const json_t *name = json_array_get(columns, (size_t)j);
        if (!json_is_string(name)) {
            status = lki_fail(ctx, LK_ERROR_FORMAT, "columns[%lld]: a text is expected", (long long)j);
            goto fail;
        }
        LKI_GOTO(status, fail, lki_copy_text(ctx, json_string_value(name), &names[j]));
    }
    *out = names;
    return LK_OK;
fail:
    free_names(ctx, names, d);
    return status;
}

static lk_status check_keys(lk_context *ctx, const json_t *json)
{
    static const char *const known[] = {"weights", "means", "covariances", "columns", "covariance", "noise"};
    const char *key;
    json_t *value;
    if (!json_is_object(json)) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "a JSON object with weights, means and covariances is expected");
    }
    json_object_foreach((json_t *)(uintptr_t)json, key, value)
    {
        size_t i = 0;
        while (i < sizeof known / sizeof *known && strcmp(key, known[i]) != 0) {
            i++;
        }
        if (i == sizeof known / sizeof *known) {
            return lki_fail(ctx, LK_ERROR_FORMAT, "key %s is not known; those there are: weights, means, covariances, columns, covariance, noise",
                            key);
        }
    }
    return LK_OK;
}

/* Settings must agree with what stands there, and those of a fit have no say: nothing is fitted. */
static lk_status check_settings(lk_context *ctx, const lki_values *values, int64_t K, const lki_covariance *family)
{
    int64_t count, agrees = 0;
    const int64_t *components = lki_value_list(values, "components", &count);
    for (int64_t i = 0; i < count; i++) {
        agrees = agrees || components[i] == K;
    }
    if (lki_value_is_set(values, "components") && !agrees) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "weights has %lld entries, and components = %s is asked for; leave --components out",
                        (long long)K, lki_value_text(values, "components"));
    }
    if (lki_value_is_set(values, "covariance") && !lki_value_has(values, "covariance", family->name) &&
        !lki_value_has(values, "covariance", family->letters) && !lki_value_has(values, "covariance", "all")) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "the covariances are of the family %s, and %s is asked for; leave --covariance out",
                        family->name, lki_value_text(values, "covariance"));
    }
    const lk_method *method = &lki_method_gmm.public;
    for (int64_t i = 0; i < method->parameter_count; i++) {
        const char *name = method->parameters[i].name;
        if (lki_value_is_set(values, name) && strcmp(name, "components") != 0 && strcmp(name, "covariance") != 0) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "%s = %s is a setting of a fit, and nothing is fitted; leave it out", name,
                            lki_value_text(values, name));
        }
    }
    return LK_OK;
}

lk_status lki_gmm_build(lk_context *ctx, const json_t *json, const lki_values *values, void **state, int64_t *d_out, char ***names)
{
    lki_mixture *m = NULL;
    lki_gmm *g;
    char **columns = NULL;
    lk_status status = LK_OK;
    LKI_TRY(check_keys(ctx, json));
    const json_t *weights = json_object_get(json, "weights"), *means = json_object_get(json, "means"),
                 *covariances = json_object_get(json, "covariances");
    const int64_t K = (int64_t)json_array_size(weights), d = (int64_t)json_array_size(json_array_get(means, 0));
    if (K < 1 || d < 1 || covariances == NULL) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "weights (K), means (K x d) and covariances are needed");
    }
    const lki_covariance *family;
    LKI_TRY(find_family(ctx, json, covariances, K, d, &family));
    LKI_TRY(check_settings(ctx, values, K, family));
    const int64_t shape_full[3] = {K, d, d}, shape_tied[2] = {d, d};
    const int64_t *shape = family->form == LKI_FORM_TIED ? shape_tied : shape_full;
    const int rank = family->form == LKI_FORM_FULL ? 3 : family->form == LKI_FORM_SPHERICAL ? 1 : 2;
    LKI_TRY(read_numbers(ctx, covariances, "covariances", shape, rank, NULL)); /* before room is made for d x d numbers */
    LKI_TRY(lki_mixture_new(ctx, K, d, family, &m));
    LKI_GOTO(status, fail, read_numbers(ctx, weights, "weights", shape_full, 1, m->weights));
    LKI_GOTO(status, fail, read_numbers(ctx, means, "means", shape_full, 2, m->means));
    LKI_GOTO(status, fail, read_numbers(ctx, covariances, "covariances", shape, rank, m->covariances));
    LKI_GOTO(status, fail, read_noise(ctx, json, m));
    LKI_GOTO(status, fail, check_weights(ctx, m));
    LKI_GOTO(status, fail, make_symmetric(ctx, m));
    LKI_GOTO(status, fail, check_shared(ctx, m));
    LKI_GOTO(status, fail, read_names(ctx, json, d, &columns));
    status = lki_gmm_new(ctx, m, &g);
    if (status != LK_OK) {
        free_names(ctx, columns, d);
        return status;
    }
    *state = g;
    *d_out = d;
    *names = columns;
    return LK_OK;
fail:
    lki_mixture_free(m);
    return status;
}
