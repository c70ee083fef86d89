/* The tilted mixture in closed form: a mixture of normal distributions times exp of a polynomial of degree 2 is one again. */
#include "score/tilt.h"

#include "data/json_text.h"
#include "math/cholesky.h"
#include "math/elementary.h"

#include <math.h>
#include <stdlib.h>

/* The component with precision P = C^-1, times exp(l' x + x' Q x / 2), has precision P - Q and mean (P - Q)^-1 (P m + l); its mass grows by
 *   (m'' (P - Q) m'' - m' P m + log det P - log det (P - Q)) / 2. */
typedef struct tilted {
    int64_t d;
    double *P, *W, *spare; /* d x d each; spare: 2 d x d */
    double *right;         /* 2 d */
} tilted;

/* C to its inverse by the inverse factor W; false where C is not positive definite. */
static bool invert(int64_t d, const double *C, double *W, double *out, double *log_det, double *spare)
{
    lki_spd spd;
    if (lki_spd_factor(d, C, W, NULL, &spd, spare) != 0) {
        return false;
    }
    for (int64_t i = 0; i < d; i++) {
        for (int64_t j = 0; j < d; j++) {
            double s = 0.0;
            for (int64_t a = i > j ? i : j; a < d; a++) {
                s += W[a * d + i] * W[a * d + j];
            }
            out[i * d + j] = s;
        }
    }
    *log_det = spd.log_determinant;
    return true;
}

static double form(int64_t d, const double *A, const double *x)
{
    double sum = 0.0;
    for (int64_t i = 0; i < d; i++) {
        for (int64_t j = 0; j < d; j++) {
            sum += x[i] * A[i * d + j] * x[j];
        }
    }
    return sum;
}

/* One component in place; its log mass is added to *log_weight. */
static lk_status tilt_component(lk_context *ctx, const lk_tilt *t, int64_t k, tilted *w, double *mean, double *C, double *log_weight)
{
    const int64_t d = t->d;
    double log_det, log_det_tilted;
    if (!invert(d, C, w->W, w->P, &log_det, w->spare)) {
        return lki_fail(ctx, LK_ERROR_NUMERIC, "the covariance of component %lld is not positive definite", (long long)k);
    }
    const double before = form(d, w->P, mean);
    for (int64_t i = 0; i < d; i++) {
        w->right[i] = t->linear[i];
        for (int64_t j = 0; j < d; j++) {
            w->right[i] += w->P[i * d + j] * mean[j];
        }
    }
    for (int64_t e = 0; e < d * d; e++) {
        w->P[e] -= t->square[e];
    }
    if (!invert(d, w->P, w->W, C, &log_det_tilted, w->spare)) {
        return lki_fail(ctx, LK_ERROR_NUMERIC, "the reward grows faster than component %lld falls: the tilted density has no finite integral", (long long)k);
    }
    for (int64_t i = 0; i < d; i++) {
        mean[i] = 0.0;
        for (int64_t j = 0; j < d; j++) {
            mean[i] += C[i * d + j] * w->right[j];
        }
    }
    *log_weight += t->constant + 0.5 * (form(d, w->P, mean) - before - log_det - log_det_tilted);
    return LK_OK;
}

static json_t *matrices_json(const lki_normal_set *n)
{
    json_t *all = json_array();
    for (int64_t k = 0; k < n->K; k++) {
        json_t *matrix = json_array();
        for (int64_t i = 0; i < n->d; i++) {
            json_array_append_new(matrix, lki_json_numbers(n->covariances + (k * n->d + i) * n->d, n->d));
        }
        json_array_append_new(all, matrix);
    }
    return all;
}

/* The parameters that the method gmm is built of. */
static lk_status write_json(lk_context *ctx, const lk_tilt *t, const lki_normal_set *n, char **out)
{
    json_t *object = json_object(), *means = json_array(), *names = json_array();
    for (int64_t k = 0; k < n->K; k++) {
        json_array_append_new(means, lki_json_numbers(n->means + k * n->d, n->d));
    }
    for (int64_t j = 0; j < n->d; j++) {
        json_array_append_new(names, json_string(t->model->names[j]));
    }
    json_object_set_new(object, "weights", lki_json_numbers(n->weights, n->K));
    json_object_set_new(object, "means", means);
    json_object_set_new(object, "covariances", matrices_json(n));
    json_object_set_new(object, "covariance", json_string("full"));
    json_object_set_new(object, "columns", names);
    char *text = json_dumps(object, JSON_REAL_PRECISION(17) | JSON_COMPACT);
    lk_status status = text == NULL ? lki_json_memory(ctx) : lki_copy_text(ctx, text, out);
    free(text);
    json_decref(object);
    return status;
}

lk_status lki_tilt_exact(lk_context *ctx, lk_tilt *t)
{
    const int64_t d = t->d;
    lki_normal_set n = {0};
    tilted w = {.d = d};
    bool is;
    lk_status status = LK_OK;
    LKI_TRY(lki_normal_set_new(ctx, t->model, &is, &n));
    if (!is) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "exact draws want a mixture of normal distributions in the units of the data; this %s model is none: "
                        "resample, smc and tree take any", t->model->method->public.name);
    }
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)d, 4 * (size_t)d + 2), sizeof *w.P, &w.P));
    w.W = w.P + d * d;
    w.spare = w.W + d * d;
    w.right = w.spare + 2 * d * d;
    for (int64_t k = 0; k < n.K; k++) {
        n.weights[k] = log(n.weights[k]);
        LKI_GOTO(status, done, tilt_component(ctx, t, k, &w, n.means + k * d, n.covariances + k * d * d, &n.weights[k]));
    }
    t->log_mean = lki_log_sum_exp(n.K, n.weights);
    if (!isfinite(t->log_mean)) {
        status = lki_fail(ctx, LK_ERROR_NUMERIC, "the integral of the tilted density is beyond the range of numbers");
        goto done;
    }
    for (int64_t k = 0; k < n.K; k++) {
        n.weights[k] = exp(n.weights[k] - t->log_mean);
    }
    LKI_GOTO(status, done, write_json(ctx, t, &n, &t->json));
    status = lk_model_build(ctx, "gmm", t->json, NULL, &t->exact);
done:
    lki_release(ctx, w.P);
    lki_release(ctx, n.weights);
    return status;
}
