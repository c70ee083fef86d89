/* The mixture's answers against direct formulas in long double, its two E-steps against one another on every instruction set. */
#include "gmm_check.h"
#include "math/elementary.h"

/* ---- the formulas, written down anew ---- */

/* Long-double Cholesky factor of component k's covariance, lower triangle of L. */
static void factor_of(const lki_mixture *m, int64_t k, long double *L)
{
    const int64_t d = m->d;
    double A[32 * 32];
    lki_mixture_covariance(m, k, A);
    for (int64_t i = 0; i < d; i++) {
        for (int64_t j = 0; j <= i; j++) {
            long double sum = (long double)A[i * d + j];
            for (int64_t c = 0; c < j; c++) {
                sum -= L[i * d + c] * L[j * d + c];
            }
            L[i * d + j] = i == j ? sqrtl(sum) : sum / L[j * d + j];
        }
    }
}

/* log w_k + log N(x; mean_k, C_k); the solution y of L y = x - mean and then L' u = y is C^-1 (x - mean). */
static long double component_log_density(const lki_mixture *m, int64_t k, const long double *L, const double *x, long double *u)
{
    const int64_t d = m->d;
    long double log_density = logl((long double)m->weights[k]) - (long double)d * logl(2 * acosl(-1.0L)) / 2;
    for (int64_t i = 0; i < d; i++) {
        long double sum = (long double)x[i] - (long double)m->means[k * d + i];
        for (int64_t c = 0; c < i; c++) {
            sum -= L[i * d + c] * u[c];
        }
        u[i] = sum / L[i * d + i];
        log_density -= logl(L[i * d + i]) + u[i] * u[i] / 2;
    }
    for (int64_t i = d - 1; i >= 0; i--) {
        for (int64_t c = i + 1; c < d; c++) {
            u[i] -= L[c * d + i] * u[c];
        }
        u[i] /= L[i * d + i];
    }
    return log_density;
}

typedef struct truth {
    long double log_density, r[16], score[32], cdf[32];
} truth;

static truth truth_at(const lki_mixture *m, const long double *factors, const double *x)
{
    static long double u[16][32];
    truth t = {.log_density = -(long double)INFINITY};
    const int64_t d = m->d;
    for (int64_t k = 0; k < m->K; k++) {
        t.r[k] = component_log_density(m, k, factors + k * d * d, x, u[k]);
        t.log_density = fmaxl(t.log_density, t.r[k]);
    }
    long double total = 0;
    for (int64_t k = 0; k < m->K; k++) {
        total += expl(t.r[k] - t.log_density);
    }
    t.log_density += logl(total);
    for (int64_t k = 0; k < m->K; k++) {
        double A[32 * 32];
        lki_mixture_covariance(m, k, A);
        t.r[k] = expl(t.r[k] - t.log_density);
        for (int64_t j = 0; j < d; j++) {
            const long double z = ((long double)x[j] - (long double)m->means[k * d + j]) / sqrtl((long double)A[j * d + j]);
            t.score[j] -= t.r[k] * u[k][j];
            t.cdf[j] += (long double)m->weights[k] * erfcl(-z / sqrtl(2.0L)) / 2;
        }
    }
    return t;
}

/* ---- the golden case ---- */

/* Exact rational arithmetic with the entries rounded to double gives 11.185270887249 (the case of a condition near 1e9). */
static void golden_ill_conditioned(void **state)
{
    lk_context *ctx = *state;
    const double zero[3] = {0, 0, 0};
    double out = 0;
    const char *const texts[] = {
        "{\"weights\":[1],\"means\":[[0,0,0]],\"covariances\":[[[32.00000007,35.99999993,8.00000001],"
        "[35.99999993,40.50000006,8.99999998],[8.00000001,8.99999998,2.00000008]]]}",
        "{\"weights\":[1],\"means\":[[0,0,0]],\"covariance\":\"tied\",\"covariances\":[[32.00000007,35.99999993,8.00000001],"
        "[35.99999993,40.50000006,8.99999998],[8.00000001,8.99999998,2.00000008]]}"};
    for (size_t i = 0; i < 2; i++) {
        lk_model *model = gmm_build(ctx, texts[i]);
        check_ok(ctx, lk_model_log_density(ctx, model, zero, 1, &out));
        check_near(out, 11.185270887249, 1e-9);
        lk_model_free(model);
    }
}

/* ---- answers of random mixtures ---- */

enum { ROWS = 40 };

/* Compares everything at rows drawn from the mixture and some farther away. */
static void compare(lk_context *ctx, lki_stream *s, const char *family, int64_t K, int64_t d, double condition)
{
    lki_mixture *m = gmm_random_mixture(ctx, s, family, K, d, condition, 2);
    lk_model *model = gmm_model_of(ctx, m);
    long double *factors = malloc((size_t)(K * d * d) * sizeof *factors);
    double x[ROWS * 32], density[ROWS], r[ROWS * 16], score[ROWS * 32], cdf[ROWS * 32];
    assert_non_null(factors);
    for (int64_t k = 0; k < K; k++) {
        factor_of(m, k, factors + k * d * d);
    }
    check_ok(ctx, lk_model_sample(ctx, model, 7, 0, ROWS, x));
    for (int64_t i = 0; i < 8 * d; i++) {
        x[i] += 0.3 * lki_random_normal(s) / sqrt(condition); /* somewhat off the mixture */
    }
    check_ok(ctx, lk_model_log_density(ctx, model, x, ROWS, density));
    check_ok(ctx, lk_model_responsibilities(ctx, model, x, ROWS, r));
    check_ok(ctx, lk_model_score(ctx, model, x, ROWS, score));
    check_ok(ctx, lk_model_cdf(ctx, model, x, ROWS, cdf));
    for (int64_t i = 0; i < ROWS; i++) {
        const truth t = truth_at(m, factors, x + i * d);
        double sum = 0;
        check_near(density[i], (double)t.log_density, 1e-9 * fmax(1, fabs((double)t.log_density) / 100));
        for (int64_t k = 0; k < K; k++) {
            check_near(r[i * K + k], (double)t.r[k], 1e-9);
            sum += r[i * K + k];
        }
        check_near(sum, 1, 1e-12);
        double size = 0;
        for (int64_t j = 0; j < d; j++) {
            size = fmax(size, fabs((double)t.score[j]));
        }
        for (int64_t j = 0; j < d; j++) {
            check_near(score[i * d + j], (double)t.score[j], 1e-8 * (1 + size));
            check_near(cdf[i * d + j], (double)t.cdf[j], 1e-12);
        }
    }
    free(factors);
    lk_model_free(model);
    lki_mixture_free(m);
}

static void random_mixtures(void **state)
{
    const double conditions[] = {1, 50, 1e4, 1e8};
    const int64_t rounds = check_scaled(60, 12);
    for (int64_t round = 0; round < rounds; round++) {
        lki_stream s = gmm_stream((uint64_t)round);
        const int64_t d = 1 + lki_random_below(&s, 20), K = 1 + lki_random_below(&s, 12);
        for (int f = 0; f < 4; f++) {
            compare(*state, &s, gmm_families[f], K, d, conditions[round % 4]);
        }
    }
}

/* The score is the gradient of the log density: central differences with step h err by h^2 / 6 third derivatives and eps / h. */
static void score_is_the_gradient(void **state)
{
    lk_context *ctx = *state;
    const double h = 1e-5;
    for (int f = 0; f < 4; f++) {
        lki_stream s = gmm_stream(1000 + (uint64_t)f);
        const int64_t d = 4;
        lki_mixture *m = gmm_random_mixture(ctx, &s, gmm_families[f], 5, d, 10, 1);
        lk_model *model = gmm_model_of(ctx, m);
        double x[20 * 4], score[20 * 4], up, down;
        check_ok(ctx, lk_model_sample(ctx, model, 3, 0, 20, x));
        check_ok(ctx, lk_model_score(ctx, model, x, 20, score));
        for (int64_t i = 0; i < 20 * d; i++) {
            double *row = x + i / d * d;
            const double kept = x[i];
            x[i] = kept + h;
            check_ok(ctx, lk_model_log_density(ctx, model, row, 1, &up));
            x[i] = kept - h;
            check_ok(ctx, lk_model_log_density(ctx, model, row, 1, &down));
            x[i] = kept;
            check_near(score[i], (up - down) / (2 * h), 1e-6 * (1 + fabs(score[i])));
        }
        lk_model_free(model);
        lki_mixture_free(m);
    }
}

/* The marginal over features S has the weights, the means' and the covariances' parts, whatever the order of S. */
static void marginals(void **state)
{
    lk_context *ctx = *state;
    const int64_t d = 6, features[3] = {4, 0, 3};
    for (int f = 0; f < 4; f++) {
        lki_stream s = gmm_stream(2000 + (uint64_t)f);
        lki_mixture *m = gmm_random_mixture(ctx, &s, gmm_families[f], 4, d, 100, 2), *part = NULL;
        lk_model *model = gmm_model_of(ctx, m), *marginal = NULL;
        check_ok(ctx, lk_model_marginal(ctx, model, features, 3, &marginal));
        check_ok(ctx, lki_mixture_new(ctx, 4, 3, lki_covariance_find("full"), &part));
        memcpy(part->weights, m->weights, 4 * sizeof(double));
        for (int64_t k = 0; k < 4; k++) {
            double A[36];
            lki_mixture_covariance(m, k, A);
            for (int64_t a = 0; a < 3; a++) {
                part->means[k * 3 + a] = m->means[k * d + features[a]];
                for (int64_t b = 0; b < 3; b++) {
                    part->covariances[k * 9 + a * 3 + b] = A[features[a] * d + features[b]];
                }
            }
        }
        long double factors[4 * 9];
        for (int64_t k = 0; k < 4; k++) {
            factor_of(part, k, factors + k * 9);
        }
        double x[30 * 3], density[30];
        check_ok(ctx, lk_model_sample(ctx, marginal, 5, 0, 30, x));
        check_ok(ctx, lk_model_log_density(ctx, marginal, x, 30, density));
        for (int64_t i = 0; i < 30; i++) {
            check_near(density[i], (double)truth_at(part, factors, x + 3 * i).log_density, 1e-9);
        }
        assert_string_equal(lk_model_feature(marginal, 0), "x5");
        lk_model_free(marginal);
        lk_model_free(model);
        lki_mixture_free(part);
        lki_mixture_free(m);
    }
}

/* Rows without bound: -inf or a finite number, never NaN; responsibilities sum to one; scores are no NaN where they stay within the
 * range of numbers. */
static void far_rows(void **state)
{
    lk_context *ctx = *state;
    const double far[] = {1e10, -1e100, 1e154, 1e200, -1e300, 1.7e308};
    for (int f = 0; f < 4; f++) {
        for (int scale = 0; scale < 3; scale++) {
            lki_stream s = gmm_stream(3000 + (uint64_t)f);
            lki_mixture *m = gmm_random_mixture(ctx, &s, gmm_families[f], 3, 3, 10, 2);
            for (int64_t i = 0; i < gmm_covariance_length(m); i++) {
                m->covariances[i] *= scale == 0 ? 1 : scale == 1 ? 1e-200 : 1e200;
            }
            lk_model *model = gmm_model_of(ctx, m);
            for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
                const double x[6] = {far[i], far[i], far[i], 0.1, -far[i], far[i]};
                double density[2], r[6], score[6];
                check_ok(ctx, lk_model_log_density(ctx, model, x, 2, density));
                check_ok(ctx, lk_model_responsibilities(ctx, model, x, 2, r));
                check_ok(ctx, lk_model_score(ctx, model, x, 2, score));
                for (int row = 0; row < 2; row++) {
                    assert_true(!isnan(density[row]));
                    assert_true(density[row] < 1000);
                    check_near(r[3 * row] + r[3 * row + 1] + r[3 * row + 2], 1, 1e-12);
                }
                for (int j = 0; j < 6; j++) {
                    if (scale != 1 && fabs(far[i]) < 1e305 && isnan(score[j])) {
                        fail_msg("score of %s at %g, scale %d is NaN", gmm_families[f], far[i], scale);
                    }
                }
            }
            lk_model_free(model);
            lki_mixture_free(m);
        }
    }
}

/* One component's squares overflow to inf - inf beside another's finite density: the row has the other's. */
static void overflow_of_one_component(void **state)
{
    lk_context *ctx = *state;
    for (int order = 0; order < 2; order++) {
        const char *wide = "[[1e300,0],[0,1e300]]", *narrow = "[[1e-120,9e-121],[9e-121,1e-120]]";
        char json[300];
        snprintf(json, sizeof json, "{\"weights\":[0.25,0.5,0.25],\"means\":[[0,0],[0,0],[0,0]],\"covariances\":[%s,%s,%s]}",
                 order == 0 ? wide : narrow, order == 0 ? narrow : wide, order == 0 ? wide : narrow);
        lk_model *model = gmm_build(ctx, json);
        const double x[2] = {1e250, 1e250};
        double density, r[3];
        check_ok(ctx, lk_model_log_density(ctx, model, x, 1, &density));
        check_ok(ctx, lk_model_responsibilities(ctx, model, x, 1, r));
        check_near(density / -1e200, 1, 1e-12); /* -(2 x^2) / (2 1e300) */
        check_near(r[1], order == 0 ? 0 : 1, 1e-12);
        lk_model_free(model);
    }
}

/* ---- the kernels ---- */

static const lki_mixture_kernel *kernel_at(int level)
{
#if defined(__x86_64__)
    return level == 2 ? &lki_mixture_kernel_avx512 : level == 1 ? &lki_mixture_kernel_avx2 : &lki_mixture_kernel_portable;
#else
    (void)level;
    return &lki_mixture_kernel_portable;
#endif
}

/* theta of component k for phi = [1, z, ...], from the inverse covariance by long-double arithmetic. */
static void theta_of(const lki_mixture *m, int64_t k, double *theta)
{
    const int64_t d = m->d;
    long double L[32 * 32] = {0}, u[32], P[32 * 32], quadratic = 0;
    double e[32];
    lki_mixture one = *m;
    double zero[32] = {0};
    one.means = zero;
    one.weights = (double[]){1};
    factor_of(m, k, L);
    for (int64_t j = 0; j < d; j++) { /* column j of the inverse */
        memset(e, 0, sizeof e);
        e[j] = 1;
        lki_mixture unit = one;
        unit.K = 1;
        (void)component_log_density(&unit, 0, L, e, u);
        for (int64_t i = 0; i < d; i++) {
            P[i * d + j] = u[i];
        }
    }
    double *out = theta + 1 + d;
    for (int64_t i = 0; i < d; i++) {
        long double b = 0;
        for (int64_t j = 0; j < d; j++) {
            b += P[i * d + j] * (long double)m->means[k * d + j];
        }
        theta[1 + i] = (double)b;
        quadratic += b * (long double)m->means[k * d + i];
        if (m->covariance->form == LKI_FORM_FULL) {
            for (int64_t j = i; j < d; j++) {
                *out++ = (double)(i == j ? -P[i * d + i] / 2 : -P[i * d + j]);
            }
        } else if (m->covariance->form == LKI_FORM_DIAG) {
            *out++ = (double)(-P[i * d + i] / 2);
        }
    }
    if (m->covariance->form == LKI_FORM_SPHERICAL) {
        *out = (double)(-P[0] / 2);
    } else if (m->covariance->form == LKI_FORM_TIED) {
        *out = -0.5;
    }
    theta[0] = (double)((long double)m->log_c[k] - quadratic / 2);
}

typedef struct asked {
    double *sums, *density, *r;
} asked;

static asked ask(const lki_mixture_kernel *kernel, lki_mixture_plan *plan, const double *x, const double *w, int64_t rows)
{
    const size_t length = LKI_SUM_HEAD + (size_t)(plan->K * plan->statistics);
    asked a = {calloc(length, sizeof(double)), malloc((size_t)rows * sizeof(double)), malloc((size_t)(rows * plan->K) * sizeof(double))};
    void *scratch = NULL;
    plan->packed = malloc(kernel->packed_length(plan) * sizeof(double));
    assert_int_equal(posix_memalign(&scratch, 64, kernel->scratch_length(plan, rows) * sizeof(double)), 0);
    assert_true(a.sums != NULL && a.density != NULL && a.r != NULL && plan->packed != NULL);
    kernel->pack(plan);
    kernel->block(plan, x, w, rows, scratch, a.sums, a.density, NULL);
    kernel->block(plan, x, w, rows, scratch, NULL, NULL, a.r);
    free(scratch);
    free(plan->packed);
    return a;
}

static void asked_free(asked *a)
{
    free(a->sums);
    free(a->density);
    free(a->r);
}

/* The factored statistics of component k about its mean, carried over to sums about zero: n; m1 + n mean; pairs. */
static void about_zero(const lki_mixture *m, int64_t k, const double *S, double *out)
{
    const int64_t d = m->d;
    const double *mean = m->means + k * d, n = S[0];
    out[0] = n;
    double total = 0;
    for (int64_t i = 0, at = 1 + d; i < d; i++) {
        out[1 + i] = S[1 + i] + n * mean[i];
        total += 2 * S[1 + i] * mean[i] + n * mean[i] * mean[i];
        if (m->covariance->form == LKI_FORM_DIAG) {
            out[1 + d + i] = S[1 + d + i] + 2 * S[1 + i] * mean[i] + n * mean[i] * mean[i];
        } else if (m->covariance->form == LKI_FORM_FULL) {
            for (int64_t j = i; j < d; j++, at++) {
                out[at] = S[at] + S[1 + i] * mean[j] + mean[i] * S[1 + j] + n * mean[i] * mean[j];
            }
        }
    }
    if (m->covariance->form == LKI_FORM_SPHERICAL) {
        out[1 + d] = S[1 + d] + total;
    }
}

/* Against the direct sums over rows in long double; both ways, centred and scaled rows, weights. */
static void kernel_case(lk_context *ctx, lki_stream *s, int level, const char *family, int64_t K, int64_t d, int64_t rows, int weighted)
{
    const lki_mixture_kernel *kernel = kernel_at(level);
    lki_mixture *m = gmm_random_mixture(ctx, s, family, K, d, 20, 1);
    double *work = malloc((size_t)(2 * d * d) * sizeof *work), *x = malloc((size_t)(rows * d) * sizeof *x);
    double *w = malloc((size_t)rows * sizeof *w), centre[32], scale[32];
    for (int64_t k = 0; k < lki_mixture_matrices(m); k++) {
        assert_int_equal(lki_mixture_factor_one(m, k, work), 0);
    }
    lki_mixture_normalize(m);
    for (int64_t j = 0; j < d; j++) {
        centre[j] = 3 * lki_random_normal(s);
        scale[j] = ldexp(1, (int)lki_random_below(s, 5) - 2);
    }
    for (int64_t i = 0; i < rows * d; i++) {
        x[i] = centre[i % d] + 1.5 * lki_random_normal(s) / scale[i % d];
    }
    for (int64_t i = 0; i < rows; i++) {
        w[i] = (double)lki_random_below(s, 4);
    }
    lki_mixture_plan factored = lki_mixture_factored_plan(m), expanded = factored;
    factored.centre = expanded.centre = centre;
    factored.scale = expanded.scale = scale;
    expanded.factored = 0;
    expanded.statistics = lki_statistics(expanded.form, 0, d);
    double *theta = malloc((size_t)(K * expanded.terms) * sizeof *theta);
    for (int64_t k = 0; k < K; k++) {
        theta_of(m, k, theta + k * expanded.terms);
    }
    expanded.theta = theta;
    asked f = ask(kernel, &factored, x, weighted ? w : NULL, rows), e = ask(kernel, &expanded, x, weighted ? w : NULL, rows);
    long double objective = 0, weight = 0, entropy = 0, *factors = calloc((size_t)(K * d * d), sizeof *factors);
    for (int64_t k = 0; k < K; k++) {
        factor_of(m, k, factors + k * d * d);
    }
    for (int64_t i = 0; i < rows; i++) {
        double z[32];
        for (int64_t j = 0; j < d; j++) {
            z[j] = (x[i * d + j] - centre[j]) * scale[j];
        }
        const truth t = truth_at(m, factors, z);
        const double tolerance = 1e-9 * (1 + fabs((double)t.log_density));
        check_near(f.density[i], (double)t.log_density, tolerance);
        check_near(e.density[i], (double)t.log_density, tolerance);
        const long double wi = weighted ? (long double)w[i] : 1;
        objective += wi * t.log_density;
        weight += wi;
        for (int64_t k = 0; k < K; k++) {
            entropy -= t.r[k] > 0 ? wi * t.r[k] * logl(t.r[k]) : 0;
            check_near(f.r[i * K + k], (double)t.r[k], 1e-9);
            check_near(e.r[i * K + k], (double)t.r[k], 1e-9);
        }
    }
    const asked *both[2] = {&f, &e};
    for (int way = 0; way < 2; way++) {
        check_near(both[way]->sums[LKI_SUM_OBJECTIVE], (double)objective, 1e-9 * (1 + fabs((double)objective)));
        check_near(both[way]->sums[LKI_SUM_ENTROPY], (double)entropy, 1e-8 * (1 + (double)weight));
        check_near(both[way]->sums[LKI_SUM_WEIGHT], (double)weight, 1e-9);
    }
    for (int64_t k = 0; k < K; k++) {
        double moved[1 + 32 + 32 * 33 / 2];
        const double *Se = e.sums + LKI_SUM_HEAD + k * expanded.statistics, *Sf = f.sums + LKI_SUM_HEAD + k * factored.statistics;
        about_zero(m, k, Sf, moved);
        for (int64_t p = 0; p < expanded.statistics; p++) {
            check_near(Se[p], moved[p], 1e-9 * (1 + fabs(Se[p]) + Se[0] * 30));
        }
    }
    asked_free(&f);
    asked_free(&e);
    free(factors);
    free(theta);
    free(work);
    free(x);
    free(w);
    lki_mixture_free(m);
}

static void kernels_agree(void **state)
{
    const int64_t dimensions[] = {1, 2, 3, 5, 8, 13, 20}, most = check_effort() >= 1 ? 70 : 40;
    for (int level = 0; level <= lki_isa_level(); level++) {
        for (int f = 0; f < 4; f++) {
            for (int64_t rows = 1; rows <= most; rows++) {
                lki_stream s = gmm_stream(5000 + (uint64_t)(rows * 4 + f));
                kernel_case(*state, &s, level, gmm_families[f], 1 + rows % 12, dimensions[rows % 7], rows, rows % 2 == 0);
            }
            for (int64_t K = 1; K <= 12; K += 3) {
                lki_stream s = gmm_stream(6000 + (uint64_t)(K * 4 + f));
                kernel_case(*state, &s, level, gmm_families[f], K, dimensions[(K + f) % 7], 1024, 1);
            }
        }
    }
}

/* A row's density and responsibilities are the same bits alone, at any position, and however many stand beside it. */
static void row_alone(void **state)
{
    lk_context *ctx = *state;
    enum { N = 75, D = 7, K = 5 };
    for (int level = 0; level <= lki_isa_level(); level++) {
        const lki_mixture_kernel *kernel = kernel_at(level);
        for (int f = 0; f < 4; f++) {
            lki_stream s = gmm_stream(7000 + (uint64_t)f);
            lki_mixture *m = gmm_random_mixture(ctx, &s, gmm_families[f], K, D, 50, 1);
            double work[2 * D * D], x[N * D], shifted[N * D], theta[K * 64];
            for (int64_t k = 0; k < lki_mixture_matrices(m); k++) {
                assert_int_equal(lki_mixture_factor_one(m, k, work), 0);
            }
            lki_mixture_normalize(m);
            for (int i = 0; i < N * D; i++) {
                x[i] = 2 * lki_random_normal(&s);
            }
            for (int way = 0; way < 2; way++) {
                lki_mixture_plan plan = lki_mixture_factored_plan(m);
                plan.factored = way;
                plan.statistics = lki_statistics(plan.form, way, D);
                for (int64_t k = 0; k < K; k++) {
                    theta_of(m, k, theta + k * plan.terms);
                }
                plan.theta = theta;
                asked all = ask(kernel, &plan, x, NULL, N);
                for (int start = 0; start < N; start += 1 + start / 9) {
                    const int rows = N - start;
                    memcpy(shifted, x + start * D, (size_t)(rows * D) * sizeof(double));
                    asked some = ask(kernel, &plan, shifted, NULL, rows), one = ask(kernel, &plan, shifted, NULL, 1);
                    assert_memory_equal(some.density, all.density + start, (size_t)rows * sizeof(double));
                    assert_memory_equal(some.r, all.r + start * K, (size_t)(rows * K) * sizeof(double));
                    assert_memory_equal(one.density, all.density + start, sizeof(double));
                    assert_memory_equal(one.r, all.r + start * K, K * sizeof(double));
                    asked_free(&some);
                    asked_free(&one);
                }
                asked_free(&all);
            }
            lki_mixture_free(m);
        }
    }
}

/* The same through the public face, across its blocks of rows and on any number of threads. */
static void row_alone_in_model(void **state)
{
    enum { N = 2500, D = 3 };
    lk_context *ctx = *state, *other = check_context(3);
    static double x[N * D], all[N], again[N];
    lki_stream s = gmm_stream(8000);
    lki_mixture *m = gmm_random_mixture(ctx, &s, "full", 4, D, 10, 2);
    lk_model *model = gmm_model_of(ctx, m);
    check_ok(ctx, lk_model_sample(ctx, model, 1, 0, N, x));
    check_ok(ctx, lk_model_log_density(ctx, model, x, N, all));
    check_ok(other, lk_model_log_density(other, model, x + 100 * D, N - 100, again));
    assert_memory_equal(again, all + 100, (N - 100) * sizeof(double));
    for (int i = 0; i < N; i += 97) {
        double one;
        check_ok(ctx, lk_model_log_density(ctx, model, x + i * D, 1, &one));
        assert_memory_equal(&one, all + i, sizeof one);
    }
    lk_model_free(model);
    lki_mixture_free(m);
    lk_context_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_ill_conditioned), cmocka_unit_test(random_mixtures), cmocka_unit_test(score_is_the_gradient),
        cmocka_unit_test(marginals),              cmocka_unit_test(far_rows),        cmocka_unit_test(kernels_agree), cmocka_unit_test(overflow_of_one_component),
        cmocka_unit_test(row_alone),              cmocka_unit_test(row_alone_in_model),
    };
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
