/* A Gaussian mixture in a model file: weights, means, covariances, and where there is noise its weight and box. */
#include "gmm.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* The covariances as a tensor; its name and rank tell the family: covariances K x d x d (full), covariance d x d (tied), variances K x d
 * (diag) or K (spherical); the other families of these forms add their letters, as in covariances_VEV. */
static lki_tensor covariance_tensor(const lki_mixture *m)
{
    const lki_form form = m->covariance->form;
    lki_tensor t = {.rank = form == LKI_FORM_FULL ? 3 : form == LKI_FORM_SPHERICAL ? 1 : 2, .values = m->covariances};
    const char *stem = form == LKI_FORM_FULL ? "covariances" : form == LKI_FORM_TIED ? "covariance" : "variances";
    const int own = strcmp(m->covariance->name, m->covariance->letters) == 0;
    snprintf(t.name, sizeof t.name, "%s%s%s", stem, own ? "_" : "", own ? m->covariance->letters : "");
    t.shape[0] = form == LKI_FORM_TIED ? m->d : m->K;
    t.shape[1] = t.rank > 1 ? m->d : 0;
    t.shape[2] = t.rank > 2 ? m->d : 0;
    return t;
}

lk_status lki_gmm_save(lk_context *ctx, const void *state, lki_tensor *tensors, int *count)
{
    const lki_mixture *m = ((const lki_gmm *)state)->mixture;
    (void)ctx;
    tensors[0] = (lki_tensor){.name = "weights", .rank = 1, .shape = {m->K, 0, 0}, .values = m->weights};
    tensors[1] = (lki_tensor){.name = "means", .rank = 2, .shape = {m->K, m->d, 0}, .values = m->means};
    tensors[2] = covariance_tensor(m);
    *count = 3;
    if (m->noise) {
        tensors[3] = (lki_tensor){.name = "noise_weight", .rank = 1, .shape = {1, 0, 0}, .values = m->uniform};
        tensors[4] = (lki_tensor){.name = "noise_box", .rank = 2, .shape = {2, m->d, 0}, .values = m->low}; /* high stands behind it */
        *count = 5;
    }
    return LK_OK;
}

static const lki_tensor *tensor_named(const lki_tensor *tensors, int count, const char *name)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(tensors[i].name, name) == 0) {
            return &tensors[i];
        }
    }
    return NULL;
}

static lk_status expect_shape(lk_context *ctx, const lki_tensor *t, const lki_tensor *want)
{
    int same = t->rank == want->rank;
    for (int i = 0; same && i < want->rank; i++) {
        same = t->shape[i] == want->shape[i];
    }
    if (!same) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "tensor %s does not have the shape that K components over d features ask for", t->name);
    }
    const int64_t size = (want->rank > 0 ? want->shape[0] : 1) * (want->rank > 1 ? want->shape[1] : 1) *
                         (want->rank > 2 ? want->shape[2] : 1);
    for (int64_t i = 0; i < size; i++) {
        if (!isfinite(t->values[i])) {
            return lki_fail(ctx, LK_ERROR_FORMAT, "tensor %s holds a value that is not finite at position %lld", t->name, (long long)i);
        }
    }
    return LK_OK;
}

static lk_status expect_symmetric(lk_context *ctx, const lki_tensor *t, int64_t matrices, int64_t d)
{
    for (int64_t k = 0; k < matrices; k++) {
        const double *C = t->values + k * d * d;
        for (int64_t i = 0; i < d; i++) {
            for (int64_t j = 0; j < i; j++) {
                if (!(fabs(C[i * d + j] - C[j * d + i]) <= 1e-12 * (fabs(C[i * d + j]) + fabs(C[j * d + i])))) {
                    return lki_fail(ctx, LK_ERROR_FORMAT, "tensor %s: matrix %lld is not symmetric in row %lld, column %lld", t->name,
                                    (long long)k, (long long)i, (long long)j);
                }
            }
        }
    }
    return LK_OK;
}

static const lki_covariance *family_of(const lki_tensor *t)
{
    lki_mixture shape = {.K = 1, .d = 1};
    for (int i = 0; (shape.covariance = lki_covariance_at(i)) != NULL; i++) {
        const lki_tensor want = covariance_tensor(&shape);
        if (strcmp(t->name, want.name) == 0 && t->rank == want.rank) {
            return shape.covariance;
        }
    }
    return NULL;
}

/* Both tensors of the noise or none; *uniform = its weight, 0 where there is none. */
static lk_status check_noise(lk_context *ctx, const lki_tensor *weight, const lki_tensor *box, int64_t d, double *uniform)
{
    const lki_tensor want_weight = {.rank = 1, .shape = {1, 0, 0}}, want_box = {.rank = 2, .shape = {2, d, 0}};
    *uniform = 0.0;
    if (weight == NULL || box == NULL) {
        return LK_OK;
    }
    LKI_TRY(expect_shape(ctx, weight, &want_weight));
    LKI_TRY(expect_shape(ctx, box, &want_box));
    *uniform = weight->values[0];
    if (*uniform < 0.0) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "the weight of the noise is negative");
    }
    for (int64_t j = 0; j < d; j++) {
        const double range = box->values[d + j] - box->values[j];
        if (!(range > 0.0) || !isfinite(range)) {
            return lki_fail(ctx, LK_ERROR_FORMAT, "tensor noise_box: the range of feature %lld is not above 0", (long long)j + 1);
        }
    }
    return LK_OK;
}

lk_status lki_gmm_load(lk_context *ctx, const lki_values *values, int64_t d, const lki_tensor *tensors, int count, void **out)
{
    const lki_tensor *weights = tensor_named(tensors, count, "weights"), *means = tensor_named(tensors, count, "means"),
                     *noise = tensor_named(tensors, count, "noise_weight"), *box = tensor_named(tensors, count, "noise_box"),
                     *covariances = NULL;
    const lki_covariance *family = NULL;
    (void)values;
    for (int i = 0; i < count && family == NULL; i++) {
        family = family_of(&tensors[i]);
        covariances = &tensors[i];
    }
    if (weights == NULL || means == NULL || family == NULL || count != (noise != NULL && box != NULL ? 5 : 3)) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "a gmm needs the tensors weights, means and one of covariances (K x d x d), "
                                              "covariance (d x d), variances (K x d or K), or one of these "
                                              "with a family's letters such as covariances_VEV, at most noise_weight (1) and noise_box "
                                              "(2 x d) beside them, and no other");
    }
    const int64_t K = weights->rank == 1 ? weights->shape[0] : 0;
    if (K < 1) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "tensor weights must be a list of at least one weight");
    }
    const lki_tensor want_means = {.rank = 2, .shape = {K, d, 0}}, want_weights = {.rank = 1, .shape = {K, 0, 0}};
    lki_mixture shape = {.K = K, .d = d, .covariance = family};
    const lki_tensor want = covariance_tensor(&shape);
    LKI_TRY(expect_shape(ctx, weights, &want_weights));
    LKI_TRY(expect_shape(ctx, means, &want_means));
    LKI_TRY(expect_shape(ctx, covariances, &want));
    if (family->form == LKI_FORM_FULL || family->form == LKI_FORM_TIED) {
        LKI_TRY(expect_symmetric(ctx, covariances, family->form == LKI_FORM_FULL ? K : 1, d));
    }
    double uniform;
    LKI_TRY(check_noise(ctx, noise, box, d, &uniform));
    double sum = uniform;
    for (int64_t k = 0; k < K; k++) {
        if (weights->values[k] < 0.0) {
            return lki_fail(ctx, LK_ERROR_FORMAT, "the weight of component %lld is negative", (long long)k);
        }
        sum += weights->values[k];
    }
    if (!(fabs(sum - 1.0) < 1e-6)) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "the weights sum to %.9g, not to 1", sum);
    }
    lki_mixture *m;
    lki_gmm *g;
    LKI_TRY(lki_mixture_new(ctx, K, d, family, &m));
    memcpy(m->weights, weights->values, (size_t)K * sizeof(double));
    memcpy(m->means, means->values, (size_t)(K * d) * sizeof(double));
    memcpy(m->covariances, covariances->values, (size_t)family->length(K, d) * sizeof(double));
    if (box != NULL) {
        lki_mixture_set_noise(m, uniform, box->values, box->values + d);
    }
    LKI_TRY(lki_gmm_new(ctx, m, &g));
    *out = g;
    return LK_OK;
}
