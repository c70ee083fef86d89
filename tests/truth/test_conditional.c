/* Conditional and marginal answers against closed forms in long double, against numerical integration of the joint density, and on Old
 * Faithful's eruptions with values taken away. */
#include "gmm_check.h"
#include "math/special.h"
#include "model/predict.h"

/* ---- the truth: the sweep operator (Dempster 1969) on [mean covariance], in long double ---- */

/* Mean and covariance of component k given x at the features with known[j], where known; log N(x_G) is returned. */
static long double sweep(const lki_mixture *m, int64_t k, const double *x, const int *known, long double *mean, long double *C)
{
    const int64_t d = m->d;
    double A[16 * 16];
    long double log_density = 0;
    assert_true(d <= 16);
    lki_mixture_covariance(m, k, A);
    for (int64_t i = 0; i < d * d; i++) {
        C[i] = (long double)A[i];
    }
    for (int64_t j = 0; j < d; j++) {
        mean[j] = (long double)m->means[k * d + j];
    }
    for (int64_t p = 0; p < d; p++) {
        if (!known[p]) {
            continue;
        }
        const long double pivot = C[p * d + p], shift = (long double)x[p] - mean[p];
        log_density -= 0.5L * (logl(2 * acosl(-1.0L) * pivot) + shift * shift / pivot);
        for (int64_t i = 0; i < d; i++) {
            if (i != p) {
                const long double slope = C[i * d + p] / pivot;
                mean[i] += slope * shift;
                for (int64_t j = 0; j < d; j++) {
                    C[i * d + j] -= j != p ? slope * C[p * d + j] : 0;
                }
            }
        }
        for (int64_t i = 0; i < d; i++) {
            C[i * d + p] = C[p * d + i] = 0;
        }
        mean[p] = (long double)x[p];
    }
    return log_density;
}

typedef struct law {
    long double weight[16], mean[16][16], C[16][256];
} law;

static law law_of(const lki_mixture *m, const double *x, const int *known)
{
    static law l;
    long double most = -(long double)INFINITY, total = 0;
    for (int64_t k = 0; k < m->K; k++) {
        l.weight[k] = logl((long double)m->weights[k]) + sweep(m, k, x, known, l.mean[k], l.C[k]);
        most = fmaxl(most, l.weight[k]);
    }
    for (int64_t k = 0; k < m->K; k++) {
        l.weight[k] = expl(l.weight[k] - most);
        total += l.weight[k];
    }
    for (int64_t k = 0; k < m->K; k++) {
        l.weight[k] /= total;
    }
    return l;
}

/* ---- closed forms ---- */

/* One Gaussian: E[y | x] = m_y + r s_y / s_x (x - m_x), sd = s_y sqrt(1 - r^2); quantiles are those of the normal distribution. */
static void one_gaussian(void **state)
{
    lk_context *ctx = *state;
    lk_model *model = gmm_build(ctx, "{\"weights\":[1],\"means\":[[1,-2]],\"covariances\":[[[4,3],[3,9]]],\"columns\":[\"x\",\"y\"]}");
    const double row[2] = {2.5, (double)NAN}, levels[3] = {0.05, 0.5, 0.975};
    const int64_t y = 1, x = 0;
    double out[5], mean[2], sd[2];
    check_ok(ctx, lk_model_predict(ctx, model, row, 1, &y, 1, levels, 3, out));
    const double m = -2 + 3.0 / 4 * 1.5, s = 3 * sqrt(1 - 0.25);
    check_near(out[0], m, 1e-13);
    check_near(out[1], s, 1e-13);
    check_near(out[2], m - 1.6448536269514722 * s, 1e-13);
    check_near(out[3], m, 1e-13);
    check_near(out[4], m + 1.959963984540054 * s, 1e-13);
    check_ok(ctx, lk_model_impute(ctx, model, row, 1, mean, sd));
    check_near(mean[0], 2.5, 0);
    check_near(sd[0], 0, 0);
    check_near(mean[1], m, 1e-13);
    check_near(sd[1], s, 1e-13);
    lk_model *part = NULL;
    check_ok(ctx, lk_model_condition(ctx, model, &x, row, 1, &part));
    assert_int_equal(lk_model_dimension(part), 1);
    assert_string_equal(lk_model_feature(part, 0), "y");
    check_near(gmm_mixture(part)->means[0], m, 1e-13);
    check_near(gmm_mixture(part)->covariances[0], s * s, 1e-12);
    assert_true(lk_model_operations(model) & LK_OPERATION_CONDITION);
    lk_model_free(part);
    lk_model_free(model);
}

/* AS 241's own accuracy: Phi(quantile(p)) = p in both tails, and its published check value at .975. */
static void normal_quantiles(void **state)
{
    (void)state;
    check_near(lki_normal_quantile(0.975), 1.959963984540054, 1e-14);
    check_near(lki_normal_quantile(0.25), -0.6744897501960817, 1e-15);
    check_near(lki_normal_quantile(1e-20), -9.262340089798408, 1e-13);
    for (double p = 1e-300; p < 0.5; p = p * 3.7) {
        const double x = lki_normal_quantile(p);
        check_near(lki_normal_cdf(x) / p, 1, 1e-14 * (2 + x * x));
        if (p > 1e-10) {
            check_near(lki_normal_quantile(1 - p), -x, 1e-15 / p + 1e-14);
        }
    }
    assert_true(isinf(lki_normal_quantile(0)) && isinf(lki_normal_quantile(1)) && isnan(lki_normal_quantile(1.5)));
}

/* ---- random mixtures ---- */

static void compare(lk_context *ctx, lki_stream *s, const char *family, int64_t K, int64_t d, double condition)
{
    lki_mixture *m = gmm_random_mixture(ctx, s, family, K, d, condition, 2);
    lk_model *model = gmm_model_of(ctx, m);
    double x[16], gaps[16], mean[16], sd[16], density[3];
    check_ok(ctx, lk_model_sample(ctx, model, (int64_t)(lki_random_bits(s) >> 12), 0, 1, x));
    int known[16], G = 0;
    int64_t features[16];
    double given[16], rest[16];
    int64_t count = 1 + lki_random_below(s, d - 1), left = 0;
    for (int64_t j = 0; j < d; j++) { /* exactly `count` of d, at random places */
        known[j] = lki_random_below(s, d - j) < count - G;
        if (known[j]) {
            features[G] = j;
            given[G++] = x[j];
        } else {
            rest[left++] = x[j];
        }
        gaps[j] = known[j] ? x[j] : (double)NAN;
    }
    const law l = law_of(m, x, known);
    check_ok(ctx, lk_model_impute(ctx, model, gaps, 1, mean, sd));
    lk_model *part = NULL;
    check_ok(ctx, lk_model_condition(ctx, model, features, given, G, &part));
    const lki_mixture *c = gmm_mixture(part);
    assert_string_equal(c->covariance->name, family);
    for (int64_t j = 0, t = 0; j < d; j++) {
        long double centre = 0, variance = 0;
        for (int64_t k = 0; k < K; k++) {
            centre += l.weight[k] * l.mean[k][j];
        }
        for (int64_t k = 0; k < K; k++) {
            variance += l.weight[k] * (l.C[k][j * d + j] + (l.mean[k][j] - centre) * (l.mean[k][j] - centre));
        }
        check_near(mean[j], (double)centre, 1e-9 * (1 + fabs((double)centre)));
        check_near(sd[j], sqrt((double)variance), 1e-9);
        if (!known[j]) {
            double C[256];
            for (int64_t k = 0; k < K; k++) {
                lki_mixture_covariance(c, k, C);
                check_near(c->weights[k], (double)l.weight[k], 1e-9);
                check_near(c->means[k * c->d + t], (double)l.mean[k][j], 1e-8 * (1 + fabs((double)l.mean[k][j])));
                for (int64_t i = 0, r = 0; i < d; i++) {
                    if (!known[i]) {
                        check_near(C[t * c->d + r++], (double)l.C[k][j * d + i], 1e-9);
                    }
                }
            }
            t++;
        }
    }
    /* p(x) = p(x_G) p(x_M | x_G) */
    check_ok(ctx, lk_model_log_density(ctx, model, x, 1, &density[0]));
    check_ok(ctx, lk_model_log_density(ctx, model, gaps, 1, &density[1]));
    check_ok(ctx, lk_model_log_density(ctx, part, rest, 1, &density[2]));
    check_near(density[0], density[1] + density[2], 1e-9 * fmax(1, fabs(density[0]) / 100));
    lk_model_free(part);
    lk_model_free(model);
    lki_mixture_free(m);
}

static void random_mixtures(void **state)
{
    const double conditions[] = {1, 50, 1e4};
    const int64_t rounds = check_scaled(150, 30);
    for (int64_t round = 0; round < rounds; round++) {
        lki_stream s = gmm_stream(5000 + (uint64_t)round);
        const int64_t d = 2 + lki_random_below(&s, 9), K = 1 + lki_random_below(&s, 6);
        for (int f = 0; f < 4; f++) {
            compare(*state, &s, gmm_families[f], K, d, conditions[round % 3]);
        }
    }
}

/* ---- transforms: integration of the joint density over the target ---- */

static const char *const transforms[] = {NULL, "standardize", "log", "log,standardize", "standardize,asinh", "logit,standardize", "sqrt", "logit,asinh"};
enum { TRANSFORMS = sizeof transforms / sizeof *transforms };

/* A substitution y(s) under which the density of y is smooth over the whole line. */
static double substitute(const char *transform, double s, double *slope)
{
    if (transform != NULL && strncmp(transform, "logit", 5) == 0) {
        const double y = 1 / (1 + exp(-s));
        *slope = y / (1 + exp(s));
        return y;
    }
    if (transform != NULL && strncmp(transform, "log", 3) == 0) {
        return *slope = exp(s);
    }
    if (transform != NULL && strcmp(transform, "standardize,asinh") == 0) {
        *slope = 0.2 * cosh(s);
        return 0.5 + 0.2 * sinh(s);
    }
    if (transform != NULL && strcmp(transform, "sqrt") == 0) {
        *slope = 2 * fabs(s);
        return s * fabs(s);
    }
    *slope = 1;
    return s;
}

static lk_model *transformed_model(lk_context *ctx, const char *transform, const char *covariance)
{
    enum { N = 400 };
    double x[N * 3];
    lki_stream s = gmm_stream(77);
    for (int i = 0; i < N; i++) {
        const double common = lki_random_normal(&s), group = i % 3 == 0 ? 1 : -0.5;
        for (int j = 0; j < 3; j++) {
            x[i * 3 + j] = 1 / (1 + exp(-(0.5 * group * (j + 1) + 0.3 * common + 0.3 * lki_random_normal(&s))));
        }
    }
    lk_table *table = gmm_table(ctx, x, N, 3);
    lk_setting settings[] = {{"components", "2"}, {"covariance", covariance}, {NULL, NULL}};
    lk_fit_options options = {.size = sizeof options, .settings = settings, .transform = transform, .seed = 1};
    lk_model *model = NULL;
    check_ok(ctx, lk_model_fit(ctx, "gmm", table, &options, &model));
    lk_table_free(table);
    return model;
}

/* Integrals over y of the joint density, by the trapezoidal rule; x has NaN where a feature is unknown. */
static void integrate(lk_context *ctx, const lk_model *model, const char *transform, const double *x, int64_t target, const double *levels,
                      int64_t level_count, const double *predicted)
{
    enum { N = 24001 };
    static double rows[N * 3], density[N], mass[N], y[N];
    const double low = transform != NULL && (strncmp(transform, "log", 3) == 0 || strstr(transform, "asinh") != NULL) ? -12 : -3;
    const double h = -2 * low / (N - 1);
    for (int i = 0; i < N; i++) {
        memcpy(rows + i * 3, x, 3 * sizeof *x);
        rows[i * 3 + target] = y[i] = substitute(transform, low + i * h, &mass[i]);
    }
    check_ok(ctx, lk_model_log_density(ctx, model, rows, N, density));
    double total = 0, mean = 0, variance = 0;
    for (int i = 0; i < N; i++) {
        mass[i] *= isfinite(density[i]) ? exp(density[i]) : 0;
        total += mass[i];
        mean += mass[i] * y[i];
    }
    mean /= total;
    for (int i = 0; i < N; i++) {
        variance += mass[i] * (y[i] - mean) * (y[i] - mean) / total;
    }
    check_near(predicted[0], mean, 2e-7 * (1 + fabs(mean)));
    check_near(predicted[1], sqrt(variance), 2e-7 * (1 + sqrt(variance)));
    for (int64_t q = 0; q < level_count; q++) {
        double below = 0, at = predicted[2 + q];
        for (int i = 0; i < N; i++) { /* the share of the cell that lies below, linearly: its error is h^2 */
            double slope;
            const double right = substitute(transform, low + (i + 0.5) * h, &slope), left = substitute(transform, low + (i - 0.5) * h, &slope);
            below += right <= at ? mass[i] : left < at ? mass[i] * (at - left) / (right - left) : 0;
        }
        check_near(below / total, levels[q], 5e-6);
    }
}

static void predictions(void **state)
{
    lk_context *ctx = *state;
    const double levels[4] = {0.01, 0.25, 0.5, 0.95}, nan = (double)NAN;
    const double rows[5][3] = {{0.3, 0.6, 0.4}, {0.9, nan, 0.5}, {nan, nan, 0.7}, {nan, nan, nan}, {0.05, 0.95, 0.5}};
    for (int t = 0; t < TRANSFORMS; t++) {
        for (int f = 0; f < 4; f++) {
            lk_model *model = transformed_model(ctx, transforms[t], gmm_families[f]);
            double out[5 * 2 * 6];
            const int64_t targets[2] = {2, 0};
            check_ok(ctx, lk_model_predict(ctx, model, rows[0], 5, targets, 2, levels, 4, out));
            for (int i = 0; i < 5; i++) {
                for (int k = 0; k < 2; k++) {
                    double x[3] = {nan, rows[i][1], nan};
                    integrate(ctx, model, transforms[t], x, targets[k], levels, 4, out + (i * 2 + k) * 6);
                }
            }
            lk_model_free(model);
        }
    }
}

/* Where a value lies: of a normal law Phi((y - m) / s); through every chain the quantile of a level lies at that level; without a value nowhere. */
static void places(void **state)
{
    lk_context *ctx = *state;
    const double levels[4] = {0.01, 0.25, 0.5, 0.95};
    const double rows[2][2] = {{2.5, -4}, {2.5, (double)NAN}};
    double placed[4 * 3], predicted[6];
    lk_model *model = gmm_build(ctx, "{\"weights\":[1],\"means\":[[1,-2]],\"covariances\":[[[4,3],[3,9]]],\"columns\":[\"x\",\"y\"]}");
    check_ok(ctx, lki_model_place(ctx, model, rows[0], 2, 1, placed));
    check_near(placed[0], -0.875, 1e-13);
    check_near(placed[2], 0.5 * erfc(3.125 / sqrt(6.75) / sqrt(2)), 1e-14);
    assert_true(isnan(placed[5]));
    lk_model_free(model);
    for (int t = 0; t < TRANSFORMS; t++) {
        for (int f = 0; f < 4; f++) {
            const int64_t target = 2;
            double x[4][3];
            model = transformed_model(ctx, transforms[t], gmm_families[f]);
            for (int l = 0; l < 4; l++) {
                x[l][0] = 0.3;
                x[l][1] = 0.6;
            }
            check_ok(ctx, lk_model_predict(ctx, model, x[0], 1, &target, 1, levels, 4, predicted));
            for (int l = 0; l < 4; l++) {
                x[l][2] = predicted[2 + l];
            }
            check_ok(ctx, lki_model_place(ctx, model, x[0], 4, target, placed));
            for (int l = 0; l < 4; l++) {
                check_near(placed[3 * l], predicted[0], 0);
                check_near(placed[3 * l + 1], predicted[1], 0);
                check_near(placed[3 * l + 2], levels[l], 1e-11);
            }
            lk_model_free(model);
        }
    }
}

/* Moments through one chain where z is normal: log-normal and SU closed forms (Johnson 1949); sinh(log y) has none, but a law so narrow
 * that its tail begins beyond 38 standard deviations is answered without it. */
static void moments(void **state)
{
    lk_context *ctx = *state;
    const struct {
        const char *json;
        double mean, sd, m, v;
    } cases[] = {
        {"[[\"log\"]]", 1, 0.5, 3.0802168489180315, 2.694758124344948},
        {"[[\"asinh\"]]", 0, 1, 0, 3.194528049465325},       /* (e^2 - 1) / 2 */
        {"[[\"sqrt\"]]", 0, 1, 0, 3},                        /* E z^4 */
        {"[[\"sqrt\"]]", 100, 1, 10001, 40002},              /* m^2 + 1, 4 m^2 + 2 */
        {"[[\"logit\"]]", 0, 1, 0.5, 0.04337903585809297}, /* E tanh^2(z / 2) / 4, numpy by steps of .05 */
        {"[[\"log\", \"asinh\"]]", 0, 2, (double)INFINITY, (double)INFINITY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lki_transform *t = NULL;
        double m, v;
        check_ok(ctx, lki_transform_parse(ctx, cases[i].json, 1, &t));
        lki_transform_moments(t, 0, cases[i].mean, cases[i].sd, &m, &v);
        if (isinf(cases[i].m)) {
            assert_true(isinf(m) && isinf(v));
        } else {
            check_near(m, cases[i].m, 1e-10 * (1 + cases[i].m));
            check_near(v, cases[i].v, 1e-10 * (1 + cases[i].v));
        }
        lki_transform_free(t);
    }
}

/* Through a transform: the identity p(x) = p(x_G) p(x_M | x_G), and the remaining features keep theirs. */
static void transformed_identity(void **state)
{
    lk_context *ctx = *state;
    for (int t = 0; t < TRANSFORMS; t++) {
        for (int f = 0; f < 4; f++) {
            lk_model *model = transformed_model(ctx, transforms[t], gmm_families[f]), *part = NULL;
            const double x[3] = {0.4, 0.35, 0.7}, gaps[3] = {0.4, (double)NAN, 0.7}, given[2] = {0.7, 0.4};
            const int64_t features[2] = {2, 0};
            double whole, known, rest;
            check_ok(ctx, lk_model_condition(ctx, model, features, given, 2, &part));
            check_ok(ctx, lk_model_log_density(ctx, model, x, 1, &whole));
            check_ok(ctx, lk_model_log_density(ctx, model, gaps, 1, &known));
            check_ok(ctx, lk_model_log_density(ctx, part, x + 1, 1, &rest));
            check_near(whole, known + rest, 1e-9);
            lk_model_free(part);
            lk_model_free(model);
        }
    }
}

/* ---- incomplete rows ---- */

static void incomplete_rows(void **state)
{
    lk_context *ctx = *state;
    const double nan = (double)NAN, h = 1e-5;
    for (int f = 0; f < 4; f++) {
        lki_stream s = gmm_stream(6000 + (uint64_t)f);
        lki_mixture *m = gmm_random_mixture(ctx, &s, gmm_families[f], 3, 4, 20, 2);
        lk_model *model = gmm_model_of(ctx, m), *marginal = NULL;
        const double x[4] = {0.3, nan, -0.7, nan}, none[4] = {nan, nan, nan, nan};
        const int64_t features[2] = {0, 2};
        double part[2] = {0.3, -0.7}, a, b, score[4], r[3], want[3];
        check_ok(ctx, lk_model_marginal(ctx, model, features, 2, &marginal));
        check_ok(ctx, lk_model_log_density(ctx, model, x, 1, &a));
        check_ok(ctx, lk_model_log_density(ctx, marginal, part, 1, &b));
        assert_memory_equal(&a, &b, sizeof a);
        check_ok(ctx, lk_model_responsibilities(ctx, model, x, 1, r));
        check_ok(ctx, lk_model_responsibilities(ctx, marginal, part, 1, want));
        assert_memory_equal(r, want, sizeof r);
        check_ok(ctx, lk_model_score(ctx, model, x, 1, score));
        assert_true(isnan(score[1]) && isnan(score[3]));
        for (int j = 0; j < 2; j++) {
            double up = 0, down = 0;
            part[j] += h;
            check_ok(ctx, lk_model_log_density(ctx, marginal, part, 1, &up));
            part[j] -= 2 * h;
            check_ok(ctx, lk_model_log_density(ctx, marginal, part, 1, &down));
            part[j] += h;
            check_near(score[2 * j], (up - down) / (2 * h), 1e-7 * (1 + fabs(score[2 * j])));
        }
        check_ok(ctx, lk_model_log_density(ctx, model, none, 1, &a));
        check_near(a, 0, 0);
        check_ok(ctx, lk_model_responsibilities(ctx, model, none, 1, r));
        check_near(r[1], m->weights[1], 1e-15);
        lk_model_free(marginal);
        lk_model_free(model);
        lki_mixture_free(m);
    }
}

/* Given values so far away that every component's density there is 0 in double: weights follow the logarithms. */
static void far_away(void **state)
{
    lk_context *ctx = *state;
    lk_model *model = gmm_build(ctx, "{\"weights\":[0.5,0.5],\"means\":[[0,0],[1e-3,5]],\"covariances\":[[[1,0.5],[0.5,1]],[[1,0],[0,1]]]}");
    const int64_t x = 0;
    const double given[4] = {1e3, -1e3, 1e6, 1e200};
    for (int i = 0; i < 4; i++) {
        lk_model *part = NULL;
        check_ok(ctx, lk_model_condition(ctx, model, &x, &given[i], 1, &part));
        const lki_mixture *c = gmm_mixture(part);
        const double log_odds = 1e-3 * given[i] - 0.5e-6, second = 1 / (1 + exp(-log_odds));
        if (i < 3) {
            check_near(c->weights[1], second, 1e-9);
        }
        check_near(c->weights[0] + c->weights[1], 1, 1e-15);
        check_near(c->means[0] / (0.5 * given[i]), 1, 1e-12);
        check_near(c->means[1], 5, 0);
        check_near(c->covariances[0], 0.75, 1e-14);
        double row[2] = {given[i], (double)NAN}, mean[2], sd[2], density;
        check_ok(ctx, lk_model_impute(ctx, model, row, 1, mean, sd));
        assert_true(isfinite(mean[1]) && isfinite(sd[1]));
        check_ok(ctx, lk_model_log_density(ctx, part, &mean[1], 1, &density)); /* a weight of exactly 0 does no harm */
        assert_true(isfinite(density));
        lk_model_free(part);
    }
    lk_model_free(model);
}

/* ---- Old Faithful with 30% of its values taken away ---- */

static void faithful(void **state)
{
    lk_context *ctx = *state;
    enum { N = 272 };
    const char *path = check_data("tables/faithful.csv");
    check_skip_without(path, "tables/faithful.csv");
    static double x[N * 2], gaps[N * 2], mean[N * 2], sd[N * 2];
    const int64_t columns[2] = {0, 1};
    lk_table *table = NULL;
    check_ok(ctx, lk_table_read(ctx, path, NULL, &table));
    assert_int_equal(lk_table_rows(table), N);
    check_ok(ctx, lk_table_gather(ctx, table, 0, N, columns, 2, x));
    lk_model *model = gmm_fit(ctx, table, "components=2", NULL, NULL, NULL);
    lki_stream s = gmm_stream(99);
    double sums[2] = {0, 0}, counts[2] = {0, 0}, ours = 0, theirs = 0, missing = 0, inside = 0;
    for (int i = 0; i < N * 2; i++) {
        gaps[i] = lki_random_uniform(&s) < 0.3 ? (double)NAN : x[i];
        sums[i % 2] += isnan(gaps[i]) ? 0 : x[i];
        counts[i % 2] += isnan(gaps[i]) ? 0 : 1;
    }
    check_ok(ctx, lk_model_impute(ctx, model, gaps, N, mean, sd));
    const double unit[2] = {1.14, 13.6}; /* the features' standard deviations */
    for (int i = 0; i < N; i++) {
        const int known[2] = {!isnan(gaps[2 * i]), !isnan(gaps[2 * i + 1])};
        const law l = law_of(gmm_mixture(model), gaps + 2 * i, known);
        for (int j = 0; j < 2; j++) {
            const int at = 2 * i + j;
            if (known[j]) {
                assert_memory_equal(&mean[at], &x[at], sizeof(double));
                continue;
            }
            check_near(mean[at], (double)(l.weight[0] * l.mean[0][j] + l.weight[1] * l.mean[1][j]), 1e-9);
            missing++;
            inside += fabs(x[at] - mean[at]) < 2 * sd[at];
            ours += pow((x[at] - mean[at]) / unit[j], 2);
            theirs += pow((x[at] - sums[j] / counts[j]) / unit[j], 2);
        }
    }
    print_message("%.0f values taken away: rms error %.4f standard deviations, by the column's mean %.4f; %.1f%% within 2 sd\n", missing,
                  sqrt(ours / missing), sqrt(theirs / missing), 100 * inside / missing);
    assert_true(ours < 0.6 * theirs);
    assert_true(inside / missing > 0.9);
    lk_model_free(model);
    lk_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_gaussian),    cmocka_unit_test(normal_quantiles),     cmocka_unit_test(random_mixtures),
        cmocka_unit_test(predictions),     cmocka_unit_test(places), cmocka_unit_test(transformed_identity), cmocka_unit_test(incomplete_rows),
        cmocka_unit_test(far_away),        cmocka_unit_test(faithful),             cmocka_unit_test(moments),
    };
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
