/* Comparisons of models: Gaussian closed forms, quadrature, brute force over matchings, bounds against long Monte Carlo runs, and what must
 * be zero, symmetric or unavailable. */
#include "gmm_check.h"
#include "judge/normals.h"

static lk_comparison compare_with(lk_context *ctx, const lk_model *a, const lk_model *b, int64_t draws, int64_t seed)
{
    lk_comparison c = {.size = sizeof c};
    lk_compare_options options = {.size = sizeof options, .draws = draws, .seed = seed};
    check_ok(ctx, lk_model_compare(ctx, a, b, &options, &c));
    return c;
}

static void release(lk_context *ctx, lk_comparison *c)
{
    lk_free(ctx, c->plan);
    lk_free(ctx, c->distances);
}

/* ---- two normal distributions ---- */

typedef struct pair {
    double mean[2], c[3]; /* c: variances and covariance: xx, xy, yy */
} pair;

static lk_model *normal_of(lk_context *ctx, const pair *p)
{
    char json[400];
    snprintf(json, sizeof json, "{\"weights\":[1],\"means\":[[%.17g,%.17g]],\"covariances\":[[[%.17g,%.17g],[%.17g,%.17g]]]}", p->mean[0],
             p->mean[1], p->c[0], p->c[1], p->c[1], p->c[2]);
    return gmm_build(ctx, json);
}

static double determinant(const pair *p)
{
    return p->c[0] * p->c[2] - p->c[1] * p->c[1];
}

/* KL(p || q) = (tr(Q^-1 P) + s' Q^-1 s - 2 + log det Q / det P) / 2, by the adjugate of Q. */
static double kl_formula(const pair *p, const pair *q)
{
    const double det = determinant(q), x = q->mean[0] - p->mean[0], y = q->mean[1] - p->mean[1];
    const double trace = (q->c[2] * p->c[0] - 2 * q->c[1] * p->c[1] + q->c[0] * p->c[2]) / det;
    const double square = (q->c[2] * x * x - 2 * q->c[1] * x * y + q->c[0] * y * y) / det;
    return 0.5 * (trace + square - 2 + log(det / determinant(p)));
}

/* tr (P Q)^1/2 of two by two matrices: its square is tr(P Q) + 2 (det P det Q)^1/2. */
static double w2_formula(const pair *p, const pair *q)
{
    const double product = p->c[0] * q->c[0] + 2 * p->c[1] * q->c[1] + p->c[2] * q->c[2];
    const double root = sqrt(product + 2 * sqrt(determinant(p) * determinant(q)));
    const double x = q->mean[0] - p->mean[0], y = q->mean[1] - p->mean[1];
    return sqrt(x * x + y * y + p->c[0] + p->c[2] + q->c[0] + q->c[2] - 2 * root);
}

/* |p - q|^2 = 1 / (4 pi det P^1/2) + 1 / (4 pi det Q^1/2) - 2 N(s; 0, P + Q). */
static double l2_formula(const pair *p, const pair *q)
{
    const pair sum = {{0, 0}, {p->c[0] + q->c[0], p->c[1] + q->c[1], p->c[2] + q->c[2]}};
    const double pi = acos(-1), det = determinant(&sum), x = q->mean[0] - p->mean[0], y = q->mean[1] - p->mean[1];
    const double square = (sum.c[2] * x * x - 2 * sum.c[1] * x * y + sum.c[0] * y * y) / det;
    const double both = exp(-square / 2) / (2 * pi * sqrt(det));
    return sqrt(1 / (4 * pi * sqrt(determinant(p))) + 1 / (4 * pi * sqrt(determinant(q))) - 2 * both);
}

/* Monte Carlo within 4.5 standard errors: 30 x 2 comparisons give a false alarm in fewer than 1 of 2000 seeds. */
static void two_normals(void **state)
{
    lk_context *ctx = *state;
    lki_stream s = gmm_stream(7800);
    for (int turn = 0; turn < 30; turn++) {
        pair p[2];
        for (int i = 0; i < 2; i++) {
            const double r = 1.8 * lki_random_uniform(&s) - 0.9, u = 0.3 + lki_random_uniform(&s), v = 0.3 + lki_random_uniform(&s);
            p[i] = (pair){{lki_random_normal(&s), lki_random_normal(&s)}, {u * u, r * u * v, v * v}};
        }
        lk_model *a = normal_of(ctx, &p[0]), *b = normal_of(ctx, &p[1]);
        lk_comparison c = compare_with(ctx, a, b, 20000, turn);
        assert_null(c.unavailable);
        const double forth = kl_formula(&p[0], &p[1]), back = kl_formula(&p[1], &p[0]);
        check_near(c.kl.lower, forth, 1e-11 * (1 + forth));
        check_near(c.kl.upper, forth, 1e-11 * (1 + forth));
        check_near(c.kl_reverse.lower, back, 1e-11 * (1 + back));
        assert_true(c.kl_reverse.lower == c.kl_reverse.upper);
        check_near(c.kl.estimate, forth, 4.5 * c.kl.error);
        check_near(c.kl_reverse.estimate, back, 4.5 * c.kl_reverse.error);
        assert_true(c.kl.error < 0.1 * (1 + forth));
        check_near(c.wasserstein, w2_formula(&p[0], &p[1]), 1e-9);
        check_near(c.distances[0], c.wasserstein, 1e-15);
        assert_true(c.plan[0] == 1);
        check_near(c.l2, l2_formula(&p[0], &p[1]), 1e-10);
        release(ctx, &c);
        lk_model_free(a);
        lk_model_free(b);
    }
}

/* ---- quadrature ---- */

static void l2_quadrature_1d(void **state)
{
    lk_context *ctx = *state;
    enum { N = 8001 };
    static double x[N], p[N], q[N];
    for (int turn = 0; turn < 10; turn++) {
        lki_stream s = gmm_stream(7900 + (uint64_t)turn);
        lki_mixture *ma = gmm_random_mixture(ctx, &s, "spherical", 1 + turn % 4, 1, 1, 2);
        lki_mixture *mb = gmm_random_mixture(ctx, &s, "spherical", 3, 1, 1, 2);
        lk_model *a = gmm_model_of(ctx, ma), *b = gmm_model_of(ctx, mb);
        double square = 0, own = 0, js = 0, kl = 0;
        for (int i = 0; i < N; i++) {
            x[i] = -20 + 40.0 * i / (N - 1);
        }
        check_ok(ctx, lk_model_log_density(ctx, a, x, N, p));
        check_ok(ctx, lk_model_log_density(ctx, b, x, N, q));
        for (int i = 0; i < N; i++) { /* the trapezoidal rule converges geometrically */
            const double f = exp(p[i]), g = exp(q[i]), h = 40.0 / (N - 1);
            square += h * (f - g) * (f - g);
            own += h * (f * f + g * g);
            kl += h * f * (p[i] - q[i]);
            js += h * 0.5 * (f * (p[i] - log(0.5 * (f + g))) + g * (q[i] - log(0.5 * (f + g))));
        }
        lk_comparison c = compare_with(ctx, a, b, 20000, turn);
        check_near(c.l2, sqrt(square), 1e-10);
        check_near(c.l2_relative, sqrt(square / own), 1e-10);
        check_near(c.kl.estimate, kl, 4.5 * c.kl.error); /* one false alarm in 7000 seeds a set of ten */
        check_near(c.js.estimate, js, 4.5 * c.js.error);
        assert_true(c.kl.lower <= kl + 1e-9 && kl <= c.kl.upper + 1e-9);
        assert_true(c.js.lower <= js + 1e-9 && js <= c.js.upper + 1e-9);
        release(ctx, &c);
        lk_model_free(a);
        lk_model_free(b);
        lki_mixture_free(ma);
        lki_mixture_free(mb);
    }
}

static void l2_quadrature_2d(void **state)
{
    lk_context *ctx = *state;
    enum { N = 321 };
    static double x[N * N * 2], p[N * N], q[N * N];
    lki_stream s = gmm_stream(7950);
    lki_mixture *ma = gmm_random_mixture(ctx, &s, "full", 3, 2, 5, 2), *mb = gmm_random_mixture(ctx, &s, "diag", 2, 2, 5, 2);
    lk_model *a = gmm_model_of(ctx, ma), *b = gmm_model_of(ctx, mb);
    double square = 0;
    for (int i = 0; i < N * N; i++) {
        x[2 * i] = -16 + 0.1 * (i / N);
        x[2 * i + 1] = -16 + 0.1 * (i % N);
    }
    check_ok(ctx, lk_model_log_density(ctx, a, x, N * N, p));
    check_ok(ctx, lk_model_log_density(ctx, b, x, N * N, q));
    for (int i = 0; i < N * N; i++) {
        square += 0.01 * pow(exp(p[i]) - exp(q[i]), 2);
    }
    lk_comparison c = compare_with(ctx, a, b, 2, 0);
    check_near(c.l2, sqrt(square), 1e-9);
    release(ctx, &c);
    lk_model_free(a);
    lk_model_free(b);
    lki_mixture_free(ma);
    lki_mixture_free(mb);
}

/* Chernoff coefficients, overlaps and divergences of components, that all bounds are made of, by the trapezoidal rule. */
static void pairs_quadrature(void **state)
{
    lk_context *ctx = *state;
    enum { STEPS = 40000, N = 4 };
    const double mean[N] = {0, 2, -1, 0.5}, sd[N] = {1, 0.5, 3, 0.2};
    const int64_t order[1] = {0};
    lk_model *a = gmm_build(ctx, "{\"weights\":[0.5,0.5],\"means\":[[0],[2]],\"covariances\":[1,0.25],\"covariance\":\"spherical\"}");
    lk_model *b = gmm_build(ctx, "{\"weights\":[0.5,0.5],\"means\":[[-1],[0.5]],\"covariances\":[9,0.04],\"covariance\":\"spherical\"}");
    lki_normals *n = NULL;
    lki_pairs pairs;
    bool finite = false;
    const char *reason;
    check_ok(ctx, lki_normals_new(ctx, a, b, order, &n, &reason));
    check_ok(ctx, lki_pairs_new(ctx, n, &pairs, &finite));
    assert_true(reason == NULL && finite);
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            double sums[2 + LKI_CHERNOFF_POWERS] = {0};
            for (int step = 0; step <= STEPS; step++) {
                const double x = -40 + 80.0 * step / STEPS, h = 80.0 / STEPS, half = 0.5 * log(2 * acos(-1));
                const double p = -0.5 * pow((x - mean[i]) / sd[i], 2) - log(sd[i]) - half, q = -0.5 * pow((x - mean[j]) / sd[j], 2) - log(sd[j]) - half;
                sums[0] += h * exp(p) * (p - q);
                sums[1] += h * exp(p + q);
                for (int r = 0; r < LKI_CHERNOFF_POWERS; r++) {
                    sums[2 + r] += h * exp((1 - lki_chernoff_powers[r]) * p + lki_chernoff_powers[r] * q);
                }
            }
            check_near(pairs.kl[i * N + j], sums[0], 1e-10 * (1 + sums[0]));
            check_near(pairs.overlap[i * N + j], log(sums[1]), 1e-10);
            for (int r = 0; r < LKI_CHERNOFF_POWERS; r++) {
                check_near(pairs.chernoff[r][i * N + j], -log(sums[2 + r]), 1e-10);
            }
        }
    }
    lki_pairs_free(ctx, &pairs);
    lki_normals_free(ctx, n);
    lk_model_free(a);
    lk_model_free(b);
}

/* ---- bounds ---- */

/* 200 pairs, near and far, of 1 to 4 components in 1 to 5 features: each bound against 15 000 draws with 4.5 standard errors. Of the 1200
 * comparisons a false alarm comes in fewer than 1 of 200 seeds. */
static void bounds_hold(void **state)
{
    lk_context *ctx = *state;
    double tightest = (double)INFINITY, ratio = 0;
    int informative = 0;
    const int64_t turns = check_scaled(200, 40);
    for (int64_t turn = 0; turn < turns; turn++) {
        lki_stream s = gmm_stream(10000 + (uint64_t)turn);
        const int64_t d = 1 + turn % 5, Ka = 1 + lki_random_below(&s, 4), Kb = 1 + lki_random_below(&s, 4);
        const double spread = turn % 3 == 0 ? 0.5 : turn % 3 == 1 ? 1.5 : 4;
        lki_mixture *ma = gmm_random_mixture(ctx, &s, "full", Ka, d, 8, spread);
        lki_mixture *mb = gmm_random_mixture(ctx, &s, "full", turn % 4 == 0 ? Ka : Kb, d, 8, spread);
        for (int64_t i = 0; turn % 4 == 0 && i < Ka * d; i++) { /* a disturbed copy */
            mb->means[i] = ma->means[i] + 0.3 * lki_random_normal(&s);
        }
        for (int64_t i = 0; i < Ka * d * d; i++) { /* volumes differ */
            ma->covariances[i] *= exp(2 * sin((double)(turn + i / (d * d))));
        }
        lk_model *a = gmm_model_of(ctx, ma), *b = gmm_model_of(ctx, mb);
        lk_comparison c = compare_with(ctx, a, b, 15000, turn);
        const lk_divergence all[3] = {c.kl, c.kl_reverse, c.js};
        for (int i = 0; i < 3; i++) {
            assert_true(all[i].lower >= 0 && all[i].lower <= all[i].upper);
            if (all[i].estimate < all[i].lower - 4.5 * all[i].error - 1e-12 || all[i].estimate > all[i].upper + 4.5 * all[i].error + 1e-12) {
                fail_msg("pair %lld, divergence %d: %g +- %g is not within [%g, %g]", (long long)turn, i, all[i].estimate, all[i].error,
                         all[i].lower, all[i].upper);
            }
            informative += all[i].lower > 0.5 * all[i].estimate;
            tightest = all[i].upper > 0 ? fmin(tightest, (all[i].upper - all[i].lower) / all[i].upper) : tightest;
        }
        ratio += c.kl.upper / fmax(c.kl.estimate, 1e-3);
        assert_true(c.js.upper <= log(2.0));
        release(ctx, &c);
        lk_model_free(a);
        lk_model_free(b);
        lki_mixture_free(ma);
        lki_mixture_free(mb);
    }
    print_message("lower bound above half the divergence in %d of %d; upper bound %.2f times the estimate on average\n", informative,
                  (int)(3 * turns), ratio / (double)turns);
    assert_true(informative > turns);
}

/* ---- what must be so ---- */

static void itself(void **state)
{
    lk_context *ctx = *state;
    lki_stream s = gmm_stream(8000);
    lki_mixture *m = gmm_random_mixture(ctx, &s, "full", 4, 3, 10, 2);
    lk_model *a = gmm_model_of(ctx, m);
    lk_comparison c = compare_with(ctx, a, a, 5000, 1);
    assert_true(c.kl.estimate == 0 && c.kl.error == 0 && c.kl_reverse.estimate == 0 && c.js.estimate == 0);
    assert_true(c.kl.lower == 0 && c.kl.upper < 1e-12 && c.js.lower == 0 && c.js.upper < 1e-12);
    assert_true(c.l2 == 0 && c.l2_relative == 0 && c.wasserstein == 0);
    for (int i = 0; i < 16; i++) {
        check_near(c.plan[i], i % 5 == 0 ? m->weights[i / 4] : 0, 1e-14);
    }
    release(ctx, &c);
    lk_model_free(a);
    lki_mixture_free(m);
}

/* Swapped operands, and features in another order, give the same closed forms. */
static void symmetric(void **state)
{
    lk_context *ctx = *state;
    const char *const forth = "{\"weights\":[0.3,0.7],\"means\":[[0,1],[2,-1]],\"covariances\":[[[1,0.5],[0.5,2]],[[3,-1],[-1,1]]],"
                              "\"columns\":[\"u\",\"v\"]}";
    const char *const other = "{\"weights\":[0.2,0.5,0.3],\"means\":[[0,0],[3,1],[-1,1]],\"covariances\":[[[1,0],[0,1]],[[2,1],[1,2]],"
                              "[[0.5,0.1],[0.1,0.4]]],\"columns\":[\"u\",\"v\"]}";
    const char *const turned = "{\"weights\":[0.2,0.5,0.3],\"means\":[[0,0],[1,3],[1,-1]],\"covariances\":[[[1,0],[0,1]],[[2,1],[1,2]],"
                               "[[0.4,0.1],[0.1,0.5]]],\"columns\":[\"v\",\"u\"]}";
    lk_model *a = gmm_build(ctx, forth), *b = gmm_build(ctx, other), *t = gmm_build(ctx, turned);
    lk_comparison ab = compare_with(ctx, a, b, 3000, 1), ba = compare_with(ctx, b, a, 3000, 1), at = compare_with(ctx, a, t, 3000, 1),
                  bt = compare_with(ctx, b, t, 3000, 1);
    check_near(ab.kl.lower, ba.kl_reverse.lower, 1e-12);
    check_near(ab.kl.upper, ba.kl_reverse.upper, 1e-12);
    check_near(ab.js.lower, ba.js.lower, 1e-12);
    check_near(ab.js.upper, ba.js.upper, 1e-12);
    check_near(ab.l2, ba.l2, 1e-14);
    check_near(ab.wasserstein, ba.wasserstein, 1e-13);
    assert_int_equal(ba.components_a, 3);
    for (int i = 0; i < 6; i++) {
        check_near(ab.distances[i], ba.distances[i % 3 * 2 + i / 3], 1e-13);
        check_near(ab.distances[i], at.distances[i], 1e-13);
    }
    check_near(at.kl.estimate, ab.kl.estimate, 1e-12);
    check_near(at.kl.upper, ab.kl.upper, 1e-10);
    check_near(at.l2, ab.l2, 1e-12);
    check_near(at.wasserstein, ab.wasserstein, 1e-12);
    check_near(bt.kl.estimate, 0, 1e-12);
    check_near(bt.wasserstein, 0, 1e-6); /* the root of a difference of traces */
    check_near(bt.l2_relative, 0, 1e-6);
    lk_comparison all[4] = {ab, ba, at, bt};
    for (int i = 0; i < 4; i++) {
        release(ctx, &all[i]);
    }
    lk_model_free(a);
    lk_model_free(b);
    lk_model_free(t);
}

static double permuted(int K, const double *cost, int row, unsigned used)
{
    double best = row == K ? 0 : (double)INFINITY;
    for (int j = 0; row < K && j < K; j++) {
        if ((used >> j & 1u) == 0) {
            best = fmin(best, cost[row * K + j] + permuted(K, cost, row + 1, used | 1u << j));
        }
    }
    return best;
}

/* Components of equal weight are matched one to one (Birkhoff): the best of all K! matchings of closed 2 x 2 distances. */
static void matchings(void **state)
{
    lk_context *ctx = *state;
    for (int K = 2; K <= 6; K++) {
        lki_stream s = gmm_stream(8100 + (uint64_t)K);
        lki_mixture *m[2];
        lk_model *models[2];
        double cost[36];
        pair p[2][6];
        for (int i = 0; i < 2; i++) {
            m[i] = gmm_random_mixture(ctx, &s, "full", K, 2, 10, 1);
            for (int k = 0; k < K; k++) {
                const double *C = m[i]->covariances + k * 4, *mean = m[i]->means + 2 * k;
                m[i]->weights[k] = 1.0 / K;
                p[i][k] = (pair){{mean[0], mean[1]}, {C[0], C[1], C[3]}};
            }
            models[i] = gmm_model_of(ctx, m[i]);
        }
        lk_comparison c = compare_with(ctx, models[0], models[1], 2, 1);
        for (int e = 0; e < K * K; e++) {
            cost[e] = pow(w2_formula(&p[0][e / K], &p[1][e % K]), 2);
            check_near(c.distances[e], sqrt(cost[e]), 1e-9);
        }
        check_near(c.wasserstein, sqrt(permuted(K, cost, 0, 0) / K), 1e-9);
        release(ctx, &c);
        for (int i = 0; i < 2; i++) {
            lk_model_free(models[i]);
            lki_mixture_free(m[i]);
        }
    }
}

/* ---- transforms ---- */

static lk_model *fit_through(lk_context *ctx, const lk_table *table, const char *transform)
{
    const lk_setting settings[] = {{"components", "1"}, {"covariance", "full"}, {NULL, NULL}};
    lk_fit_options options = {.size = sizeof options, .settings = settings, .transform = transform};
    lk_model *model = NULL;
    check_ok(ctx, lk_model_fit(ctx, "gmm", table, &options, &model));
    return model;
}

/* Standardized fits in data units; logarithms leave Monte Carlo, whose truth is the divergence of the normal distributions behind: no one-to-one
 * map changes it. A density above 0 on the whole line is infinitely far from one on half of it. */
static void transforms(void **state)
{
    lk_context *ctx = *state;
    enum { N = 200 };
    double x[N], y[N], logs[N][2], m[2] = {0, 0}, v[2] = {0, 0};
    lki_stream s = gmm_stream(8200);
    for (int i = 0; i < N; i++) {
        logs[i][0] = 0.5 * lki_random_normal(&s);
        logs[i][1] = 0.3 + 0.7 * lki_random_normal(&s);
        x[i] = exp(logs[i][0]);
        y[i] = exp(logs[i][1]);
        m[0] += logs[i][0] / N;
        m[1] += logs[i][1] / N;
    }
    for (int i = 0; i < N; i++) {
        v[0] += pow(logs[i][0] - m[0], 2) / N;
        v[1] += pow(logs[i][1] - m[1], 2) / N;
    }
    const double truth = 0.5 * (v[0] / v[1] + pow(m[0] - m[1], 2) / v[1] - 1 + log(v[1] / v[0]));
    lk_table *first = gmm_table(ctx, x, N, 1), *second = gmm_table(ctx, y, N, 1);
    lk_model *log_x = fit_through(ctx, first, "log,standardize"), *log_y = fit_through(ctx, second, "log");
    lk_model *plain = fit_through(ctx, second, NULL), *scaled = fit_through(ctx, second, "standardize"),
             *plain_x = fit_through(ctx, first, NULL);
    lk_comparison curved = compare_with(ctx, log_x, log_y, 100000, 1), half = compare_with(ctx, plain, log_y, 20000, 1);
    lk_comparison straight = compare_with(ctx, scaled, plain, 1000, 1), straight_x = compare_with(ctx, plain_x, plain, 1000, 1),
                  scaled_x = compare_with(ctx, plain_x, scaled, 1000, 1);
    check_near(curved.kl.estimate, truth, 4.5 * curved.kl.error);
    assert_true(curved.kl.error < 0.01);
    assert_non_null(curved.unavailable);
    assert_true(isnan(curved.kl.lower) && isnan(curved.kl.upper) && isnan(curved.l2) && isnan(curved.wasserstein) && curved.plan == NULL);
    check_contains(curved.unavailable, "not linear");
    assert_true(isinf(half.kl.estimate) && isnan(half.kl.error) && isfinite(half.kl_reverse.estimate) && half.js.estimate < log(2.0));
    check_near(straight.kl.upper, 0, 1e-12);
    check_near(straight_x.kl.upper, scaled_x.kl.upper, 1e-10);
    check_near(straight_x.wasserstein, scaled_x.wasserstein, 1e-10);
    check_near(straight_x.l2, scaled_x.l2, 1e-10);
    lk_comparison all[5] = {curved, half, straight, straight_x, scaled_x};
    for (int i = 0; i < 5; i++) {
        release(ctx, &all[i]);
    }
    lk_model *models[5] = {log_x, log_y, plain, scaled, plain_x};
    for (int i = 0; i < 5; i++) {
        lk_model_free(models[i]);
    }
    lk_table_free(first);
    lk_table_free(second);
}

/* A fit by classes is the mixture of its classes' mixtures: the mixture that stands at the label's means, to rounding. Noise is no normal
 * distribution. */
static void classes_and_noise(void **state)
{
    lk_context *ctx = *state;
    enum { N = 300 };
    double rows[N * 2];
    lki_stream s = gmm_stream(8400);
    for (int i = 0; i < N; i++) {
        rows[2 * i] = lki_random_normal(&s) * (1 + i % 3) + 4 * (i % 3);
        rows[2 * i + 1] = i % 3;
    }
    const char *const names[] = {"x", "class"};
    const lk_setting one[] = {{"components", "1"}, {NULL, NULL}}, noisy[] = {{"components", "2"}, {"noise", "true"}, {NULL, NULL}};
    lk_roles by_class = {.size = sizeof by_class, .features = "x", .label = "class"}, alone = {.size = sizeof alone, .features = "x"};
    lk_fit_options fit = {.size = sizeof fit, .settings = one, .roles = &by_class};
    lk_table *table = NULL;
    lk_model *classes = NULL, *mixture = NULL, *noise = NULL;
    check_ok(ctx, lk_table_from_array(ctx, rows, N, 2, names, &table));
    check_ok(ctx, lk_model_fit(ctx, "gmm", table, &fit, &classes));
    fit = (lk_fit_options){.size = sizeof fit, .settings = noisy, .roles = &alone};
    check_ok(ctx, lk_model_fit(ctx, "gmm", table, &fit, &noise));
    double mean[3] = {0}, variance[3] = {0};
    for (int i = 0; i < N; i++) {
        mean[i % 3] += rows[2 * i] / 100;
    }
    for (int i = 0; i < N; i++) {
        variance[i % 3] += pow(rows[2 * i] - mean[i % 3], 2) / 100;
    }
    char json[400];
    const double third = 1.0 / 3;
    snprintf(json, sizeof json, "{\"weights\":[%.17g,%.17g,%.17g],\"means\":[[%.17g],[%.17g],[%.17g]],\"covariances\":[%.17g,%.17g,%.17g],"
             "\"covariance\":\"spherical\",\"columns\":[\"x\"]}", third, third, third, mean[0], mean[1], mean[2], variance[0], variance[1],
             variance[2]);
    mixture = gmm_build(ctx, json);
    lk_comparison same = compare_with(ctx, classes, mixture, 2000, 1), other = compare_with(ctx, noise, mixture, 2000, 1);
    assert_null(same.unavailable);
    assert_int_equal(same.components_a, 3);
    check_near(same.kl.estimate, 0, 1e-9);
    check_near(same.kl.upper, 0, 1e-9);
    check_near(same.wasserstein, 0, 1e-6);
    assert_non_null(other.unavailable);
    check_contains(other.unavailable, "not both mixtures of normal");
    release(ctx, &same);
    release(ctx, &other);
    lk_model_free(classes);
    lk_model_free(mixture);
    lk_model_free(noise);
    lk_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(two_normals), cmocka_unit_test(l2_quadrature_1d), cmocka_unit_test(l2_quadrature_2d),
                                       cmocka_unit_test(pairs_quadrature), cmocka_unit_test(bounds_hold), cmocka_unit_test(itself), cmocka_unit_test(symmetric),
                                       cmocka_unit_test(matchings), cmocka_unit_test(transforms),
                                       cmocka_unit_test(classes_and_noise)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
