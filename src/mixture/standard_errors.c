/* What a Gaussian mixture is described by, number by number, and the standard errors of these from the observed information. */
#include "gmm.h"
#include "information.h"
#include "math/blas.h"
#include "math/cholesky.h"
#include <math.h>
#include <string.h>

/* ---- the numbers ---- */

static int along_axes(const lki_mixture *m)
{
    return m->covariance->form == LKI_FORM_DIAG || m->covariance->form == LKI_FORM_SPHERICAL;
}

/* Components that have a covariance of their own: 1 where all of it is shared. */
static int64_t covariances_of(const lki_mixture *m)
{
    const char *l = m->covariance->letters;
    return m->K > 1 && l[0] != 'V' && l[1] != 'V' && l[2] != 'V' ? 1 : m->K;
}

static void put(lki_quantity *out, int64_t *count, lki_quantity q)
{
    if (out != NULL) {
        out[*count] = q;
    }
    (*count)++;
}

int64_t lki_gmm_quantities(const void *state, lki_quantity *out)
{
    const lki_mixture *m = ((const lki_gmm *)state)->mixture;
    const int64_t K = m->K, d = m->d, covariances = covariances_of(m);
    int64_t count = 0;
    for (int64_t k = 0; K + m->noise > 1 && k < K; k++) {
        put(out, &count, (lki_quantity){.name = "weight", .group = k, .row = -1, .column = -1, .scale = LKI_SCALE_SHARE});
    }
    if (m->noise) {
        put(out, &count, (lki_quantity){.name = "noise", .group = -1, .row = -1, .column = -1, .scale = LKI_SCALE_SHARE});
    }
    for (int64_t i = 0; i < K * d; i++) {
        put(out, &count, (lki_quantity){.name = "mean", .group = i / d, .row = i % d, .column = -1, .scale = LKI_SCALE_REAL});
    }
    for (int64_t k = 0; k < covariances; k++) {
        const int64_t group = covariances < K ? -1 : k;
        if (m->covariance->form == LKI_FORM_SPHERICAL) {
            put(out, &count, (lki_quantity){.name = "variance", .group = group, .row = -1, .column = -1, .scale = LKI_SCALE_POSITIVE});
            continue;
        }
        for (int64_t i = 0; i < d; i++) {
            for (int64_t j = i; j < (along_axes(m) ? i + 1 : d); j++) {
                put(out, &count, (lki_quantity){.name = i == j ? "variance" : "covariance", .group = group, .row = i, .column = j,
                                                .scale = i == j ? LKI_SCALE_POSITIVE : LKI_SCALE_REAL});
            }
        }
    }
    return count;
}

double lki_gmm_quantity(const void *state, const lki_quantity *q)
{
    const lki_mixture *m = ((const lki_gmm *)state)->mixture;
    const int64_t d = m->d, k = q->group < 0 ? 0 : q->group;
    if (strcmp(q->name, "weight") == 0) {
        return m->weights[k];
    }
    if (strcmp(q->name, "noise") == 0) {
        return *m->uniform;
    }
    if (strcmp(q->name, "mean") == 0) {
        return m->means[k * d + q->row];
    }
    return m->covariance->form == LKI_FORM_SPHERICAL ? m->covariances[k]
           : m->covariance->form == LKI_FORM_DIAG    ? m->covariances[k * d + q->row]
                                                     : m->covariances[(lki_mixture_matrix(m, k) * d + q->row) * d + q->column];
}

/* The coordinate that a number is. */
static int64_t coordinate_of(const lki_mixture *m, const lki_quantity *q)
{
    const int64_t d = m->d, base = (q->group < 0 ? 0 : q->group) * (1 + d + lki_mixture_pairs(m));
    if (q->scale == LKI_SCALE_SHARE) {
        return base;
    }
    if (strcmp(q->name, "mean") == 0) {
        return base + 1 + q->row;
    }
    const int64_t i = q->row < 0 ? 0 : q->row;
    return base + 1 + d + (along_axes(m) ? i : i * d - i * (i - 1) / 2 + q->column - i);
}

/* ---- their errors ---- */

/* out (p x p) = -(J' H J + curvature), gradient (p) = J' g. work: P x p. */
static void information_of(const lki_free_parameters *f, const double *g, const double *H, double *out, double *gradient, double *work)
{
    const int64_t P = f->P, p = f->p;
    memset(work, 0, (size_t)(P * p) * sizeof(double));
    memset(gradient, 0, (size_t)p * sizeof(double));
    for (int64_t b = 0; b < P; b++) {
        for (int64_t t = 0; t < p; t++) {
            const double j = f->jacobian[b * p + t];
            gradient[t] += j * g[b];
            for (int64_t a = 0; j != 0.0 && a < P; a++) {
                work[t * P + a] += j * H[b * P + a];
            }
        }
    }
    for (int64_t i = 0; i < p * p; i++) {
        out[i] = -f->curvature[i];
    }
    for (int64_t a = 0; a < P; a++) {
        for (int64_t s = 0; s < p; s++) {
            const double j = f->jacobian[a * p + s];
            for (int64_t t = 0; j != 0.0 && t < p; t++) {
                out[s * p + t] -= j * work[t * P + a];
            }
        }
    }
}

/* Factors the information with its diagonal scaled to one: out->W = inverse factor, scale_i = 1 / sqrt(diagonal_i). work: 2 p x p. */
static lk_status factor(lk_context *ctx, int64_t p, double *information, double *scale, double *W, double *work, double *condition)
{
    static const char *const text = "the observed information is not positive definite: the rows do not determine all %lld parameters, or the "
                                    "model is not at a maximum of their likelihood; fit fewer components or a simpler covariance to these rows, or "
                                    "ask for bootstrap intervals";
    lki_spd spd;
    for (int64_t i = 0; i < p; i++) {
        const double v = information[i * p + i];
        if (!(v > 0.0) || !isfinite(v)) {
            return lki_fail(ctx, LK_ERROR_NUMERIC, text, (long long)p);
        }
        scale[i] = 1.0 / sqrt(v);
    }
    for (int64_t i = 0; i < p; i++) {
        for (int64_t j = 0; j <= i; j++) {
            const double v = 0.5 * (information[i * p + j] + information[j * p + i]) * scale[i] * scale[j];
            information[i * p + j] = information[j * p + i] = i == j ? 1.0 : v;
        }
    }
    if (lki_spd_factor(p, information, W, NULL, &spd, work) != 0 || !(spd.condition < 1e14)) {
        return lki_fail(ctx, LK_ERROR_NUMERIC, text, (long long)p);
    }
    *condition = spd.condition;
    return LK_OK;
}

/* |W diag(scale) j|. */
static double length_of(int64_t p, const double *W, const double *scale, const double *j)
{
    double square = 0.0;
    for (int64_t r = 0; r < p; r++) {
        double sum = 0.0;
        for (int64_t i = 0; i <= r; i++) {
            sum += W[r * p + i] * scale[i] * j[i];
        }
        square += sum * sum;
    }
    return sqrt(square);
}

static lk_status check(lk_context *ctx, const lki_mixture *m)
{
    const int64_t P = lki_mixture_coordinates(m);
    if (m->noise) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "standard errors by the observed information are not given for a mixture with noise; "
                                                  "ask for bootstrap intervals");
    }
    if (P > LKI_COORDINATES_MAX) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "%lld parameters: the information of more than %d is not made; ask for bootstrap intervals",
                        (long long)P, (int)LKI_COORDINATES_MAX);
    }
    for (int64_t k = 0; k < m->K; k++) {
        if (!(m->weights[k] > 0.0)) {
            return lki_fail(ctx, LK_ERROR_NUMERIC, "component %lld has weight 0: the rows tell nothing about it; leave it out", (long long)k);
        }
    }
    return LK_OK;
}

lk_status lki_gmm_information(lk_context *ctx, const void *state, const lki_dataset *data, lki_information *out)
{
    const lki_mixture *m = ((const lki_gmm *)state)->mixture;
    lki_free_parameters f = {0};
    double *block = NULL, *square = NULL, log_likelihood;
    lki_quantity *list = NULL;
    lk_status status = LK_OK;
    LKI_TRY(check(ctx, m));
    const int64_t P = lki_mixture_coordinates(m), count = lki_gmm_quantities(state, NULL);
    lki_blas_enter();
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)(P + P * P), sizeof(double), &block));
    double *gradient = block, *hessian = gradient + P;
    LKI_GOTO(status, done, lki_mixture_second_order(ctx, m, data, &log_likelihood, gradient, hessian));
    LKI_GOTO(status, done, lki_free_parameters_new(ctx, m, gradient, &f));
    const int64_t p = f.p;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)(P * p + 4 * p * p + 2 * p), sizeof(double), &square));
    double *W = square + p * p, *work = W + p * p, *scale = work + 2 * p * p + P * p, *slope = scale + p;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)count, sizeof *list, &list));
    information_of(&f, gradient, hessian, square, slope, work);
    LKI_GOTO(status, done, factor(ctx, p, square, scale, W, work, &out->condition));
    lki_gmm_quantities(state, list);
    for (int64_t i = 0; i < count; i++) {
        out->standard_errors[i] = length_of(p, W, scale, f.jacobian + coordinate_of(m, &list[i]) * p);
    }
    out->distance = length_of(p, W, scale, slope);
    out->parameters = p;
done:
    lki_blas_leave();
    lki_free_parameters_free(ctx, &f);
    lki_release(ctx, list);
    lki_release(ctx, square);
    lki_release(ctx, block);
    return status;
}
