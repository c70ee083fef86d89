/* An energy model as a model: monomials and their derivatives, density, score, second derivatives, the model file. */
#include "score/energy.h"

#include "data/json_text.h"
#include "model/model_impl.h"

#include <math.h>
#include <string.h>

/* ---- monomials ---- */

int64_t lki_energy_terms(int64_t d, int64_t degree)
{
    double count = 1.0;
    for (int64_t k = 1; k <= degree; k++) {
        count *= (double)(d + k) / (double)k;
    }
    return count - 1.0 <= LKI_ENERGY_TERMS ? (int64_t)(count - 0.5) : -1;
}

/* All products of variables from `from` on, times what stands in `now`. */
static void list_monomials(lki_energy *e, lki_monomial now, int64_t from, int64_t left)
{
    for (int64_t j = from; j < e->d && left > 0; j++) {
        lki_monomial m = now;
        if (m.count > 0 && m.var[m.count - 1] == j) {
            m.power[m.count - 1]++;
        } else {
            m.var[m.count] = j;
            m.power[m.count++] = 1;
        }
        m.degree++;
        e->monomials[e->terms++] = m;
        list_monomials(e, m, j, left - 1);
    }
}

lk_status lki_energy_new(lk_context *ctx, int64_t d, int64_t degree, lki_energy **out)
{
    const int64_t terms = lki_energy_terms(d, degree);
    lki_energy *e = NULL;
    if (terms < 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "monomials of degree up to %lld over %lld features are more than %d", (long long)degree, (long long)d,
                        (int)LKI_ENERGY_TERMS);
    }
    lk_status status = LK_OK;
    LKI_TRY(lki_zeros(ctx, 1, sizeof *e, &e));
    *e = (lki_energy){.d = d, .degree = degree, .memory = lki_memory_of(ctx)};
    LKI_GOTO(status, failed, lki_zeros(ctx, (size_t)terms, sizeof *e->monomials, &e->monomials));
    LKI_GOTO(status, failed, lki_zeros(ctx, (size_t)(terms + 2 * d + 1), sizeof *e->theta, &e->theta));
    e->centre = e->theta + terms;
    e->scale = e->centre + d;
    e->log_z = e->scale + d;
    list_monomials(e, (lki_monomial){0}, 0, degree);
    *out = e;
    return LK_OK;
failed:
    lki_energy_free(&e->memory, e);
    return status;
}

void lki_energy_free(const lki_memory *memory, void *state)
{
    lki_energy *e = state;
    if (e != NULL) {
        lki_memory_release(memory, e->monomials);
        lki_memory_release(memory, e->theta);
        lki_memory_release(memory, e);
    }
}

/* u ^ p by products. */
static double power(double u, int p)
{
    double out = 1.0;
    for (int i = 0; i < p; i++) {
        out *= u;
    }
    return out;
}

/* The derivative of a monomial by the variables at places a and b of it (-1 = none; a = b = by one twice). */
static double derivative(const lki_monomial *m, const double *u, int a, int b)
{
    double out = 1.0;
    for (int i = 0; i < m->count; i++) {
        const int times = (i == a) + (i == b), p = m->power[i];
        if (times > p) {
            return 0.0;
        }
        out *= (times > 0 ? p : 1) * (times > 1 ? p - 1 : 1) * power(u[m->var[i]], p - times);
    }
    return out;
}

void lki_energy_features(const lki_energy *e, const double *u, double *f, double *gradients, const double *v, double *curvatures)
{
    const int64_t d = e->d;
    if (gradients != NULL) {
        memset(gradients, 0, (size_t)(e->terms * d) * sizeof *gradients);
    }
    for (int64_t t = 0; t < e->terms; t++) {
        const lki_monomial *m = &e->monomials[t];
        if (f != NULL) {
            f[t] = derivative(m, u, -1, -1);
        }
        for (int a = 0; gradients != NULL && a < m->count; a++) {
            gradients[t * d + m->var[a]] = derivative(m, u, a, -1);
        }
        double sum = 0.0;
        for (int a = 0; curvatures != NULL && a < m->count; a++) {
            for (int b = 0; b < m->count; b++) {
                if (v != NULL || a == b) {
                    sum += (v != NULL ? v[m->var[a]] * v[m->var[b]] : 1.0) * derivative(m, u, a, b);
                }
            }
        }
        if (curvatures != NULL) {
            curvatures[t] = sum;
        }
    }
}

/* ---- operations ---- */

static void standardized(const lki_energy *e, const double *x, double *u)
{
    for (int64_t j = 0; j < e->d; j++) {
        u[j] = (x[j] - e->centre[j]) / e->scale[j];
    }
}

static lk_status energy_log_density(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    const lki_energy *e = state;
    double *work;
    LKI_TRY(lki_allocate(ctx, (size_t)(e->d + e->terms), sizeof *work, &work));
    double *f = work + e->d;
    for (int64_t i = 0; i < rows; i++) {
        double sum = -e->log_z[0];
        standardized(e, x + i * e->d, work);
        lki_energy_features(e, work, f, NULL, NULL, NULL);
        for (int64_t t = 0; t < e->terms; t++) {
            sum += e->theta[t] * f[t];
        }
        out[i] = sum;
    }
    lki_release(ctx, work);
    return LK_OK;
}

static lk_status energy_score(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    const lki_energy *e = state;
    const int64_t d = e->d;
    double *u;
    LKI_TRY(lki_allocate(ctx, (size_t)d, sizeof *u, &u));
    for (int64_t i = 0; i < rows; i++) {
        double *s = out + i * d;
        standardized(e, x + i * d, u);
        memset(s, 0, (size_t)d * sizeof *s);
        for (int64_t t = 0; t < e->terms; t++) {
            const lki_monomial *m = &e->monomials[t];
            for (int a = 0; a < m->count; a++) {
                s[m->var[a]] += e->theta[t] * derivative(m, u, a, -1);
            }
        }
        for (int64_t j = 0; j < d; j++) {
            s[j] /= e->scale[j];
        }
    }
    lki_release(ctx, u);
    return LK_OK;
}

static lk_status energy_hessian(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    const lki_energy *e = state;
    const int64_t d = e->d;
    double *u;
    LKI_TRY(lki_allocate(ctx, (size_t)d, sizeof *u, &u));
    memset(out, 0, (size_t)(rows * d * d) * sizeof *out);
    for (int64_t i = 0; i < rows; i++) {
        double *H = out + i * d * d;
        standardized(e, x + i * d, u);
        for (int64_t t = 0; t < e->terms; t++) {
            const lki_monomial *m = &e->monomials[t];
            for (int a = 0; a < m->count; a++) {
                for (int b = 0; b < m->count; b++) {
                    H[m->var[a] * d + m->var[b]] += e->theta[t] * derivative(m, u, a, b);
                }
            }
        }
        for (int64_t c = 0; c < d * d; c++) {
            H[c] /= e->scale[c / d] * e->scale[c % d];
        }
    }
    lki_release(ctx, u);
    return LK_OK;
}

/* ---- the model file and info ---- */

static lk_status energy_info(lk_context *ctx, const void *state, json_t *info)
{
    const lki_energy *e = state;
    LKI_TRY(lki_json_set(ctx, info, "terms", json_integer((json_int_t)e->terms)));
    return lki_json_set(ctx, info, "log_normalizer", lki_json_number(e->log_z[0]));
}

static lk_status energy_save(lk_context *ctx, const void *state, lki_tensor *tensors, int *count)
{
    const lki_energy *e = state;
    (void)ctx;
    tensors[0] = (lki_tensor){.name = "centre", .rank = 1, .shape = {e->d}, .values = e->centre};
    tensors[1] = (lki_tensor){.name = "log_normalizer", .rank = 1, .shape = {1}, .values = e->log_z};
    tensors[2] = (lki_tensor){.name = "scale", .rank = 1, .shape = {e->d}, .values = e->scale};
    tensors[3] = (lki_tensor){.name = "theta", .rank = 1, .shape = {e->terms}, .values = e->theta};
    *count = 4;
    return LK_OK;
}

static lk_status energy_load(lk_context *ctx, const lki_values *values, int64_t d, const lki_tensor *tensors, int count, void **out)
{
    static const char *const names[] = {"centre", "log_normalizer", "scale", "theta"};
    const int64_t degree = strcmp(lki_value_text(values, "degree"), "2") == 0 ? 2 : 4, terms = lki_energy_terms(d, degree);
    const int64_t lengths[] = {d, 1, d, terms};
    lki_energy *e;
    bool right = count == 4 && terms > 0;
    for (int i = 0; right && i < 4; i++) {
        right = strcmp(tensors[i].name, names[i]) == 0 && tensors[i].rank == 1 && tensors[i].shape[0] == lengths[i];
    }
    if (!right) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "there must be the tensors centre and scale of %lld values, log_normalizer of 1 and theta of %lld", (long long)d,
                        (long long)terms);
    }
    for (int64_t j = 0; j < d; j++) {
        if (!(tensors[2].values[j] > 0.0)) {
            return lki_fail(ctx, LK_ERROR_FORMAT, "scale %lld is not above 0", (long long)j + 1);
        }
    }
    LKI_TRY(lki_energy_new(ctx, d, degree, &e));
    double *const places[] = {e->centre, e->log_z, e->scale, e->theta};
    for (int i = 0; i < 4; i++) {
        memcpy(places[i], tensors[i].values, (size_t)lengths[i] * sizeof(double));
    }
    *out = e;
    return LK_OK;
}

const lki_operations lki_energy_operations = {
    .log_density = energy_log_density, .score = energy_score, .hessian = energy_hessian, .info = energy_info, .save = energy_save, .load = energy_load,
    .free = lki_energy_free,
};
