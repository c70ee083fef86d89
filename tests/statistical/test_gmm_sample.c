/* Draws of a mixture follow its law: moments, distribution functions, an independent sampler, shares of components; pieces make the
 * whole; a fit to draws finds the parameters again. Seeds are fixed; each bound states how often a right sampler would fail it. */
#include "gmm_check.h"

enum { D = 3, K = 4 };

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* sqrt(n) times the distance of sorted values within [0, 1] from the uniform law. */
static double kolmogorov(double *u, int64_t n)
{
    double worst = 0;
    qsort(u, (size_t)n, sizeof *u, compare_doubles);
    for (int64_t i = 0; i < n; i++) {
        worst = fmax(worst, fmax((double)(i + 1) / (double)n - u[i], u[i] - (double)i / (double)n));
    }
    return sqrt((double)n) * worst;
}

/* sqrt(n / 2) times the distance of two empirical laws of n values each. */
static double kolmogorov_two(double *a, double *b, int64_t n)
{
    double worst = 0;
    qsort(a, (size_t)n, sizeof *a, compare_doubles);
    qsort(b, (size_t)n, sizeof *b, compare_doubles);
    for (int64_t i = 0, j = 0; i < n && j < n;) {
        if (a[i] <= b[j]) {
            i++;
        } else {
            j++;
        }
        worst = fmax(worst, fabs((double)(i - j)) / (double)n);
    }
    return sqrt((double)n / 2) * worst;
}

/* Mean and covariance of the whole mixture. */
static void total_moments(const lki_mixture *m, double *mean, double *covariance)
{
    double C[D * D];
    memset(mean, 0, D * sizeof *mean);
    memset(covariance, 0, D * D * sizeof *covariance);
    for (int k = 0; k < K; k++) {
        for (int j = 0; j < D; j++) {
            mean[j] += m->weights[k] * m->means[k * D + j];
        }
    }
    for (int k = 0; k < K; k++) {
        lki_mixture_covariance(m, k, C);
        for (int i = 0; i < D; i++) {
            for (int j = 0; j < D; j++) {
                covariance[i * D + j] += m->weights[k] * (C[i * D + j] + (m->means[k * D + i] - mean[i]) * (m->means[k * D + j] - mean[j]));
            }
        }
    }
}

/* Every mean and covariance within 5 standard errors, estimated from the same draws: 4 x 9 normal tails of 5.7e-7, 2e-5 in all. */
static void moments(void **state)
{
    lk_context *ctx = *state;
    const int64_t n = check_scaled(200000, 20000);
    double *x = malloc((size_t)(n * D) * sizeof *x);
    assert_non_null(x);
    for (int f = 0; f < 4; f++) {
        lki_stream s = gmm_stream((uint64_t)f);
        lki_mixture *m = gmm_random_mixture(ctx, &s, gmm_families[f], K, D, 30, 1.5);
        lk_model *model = gmm_model_of(ctx, m);
        double mean[D], covariance[D * D];
        total_moments(m, mean, covariance);
        check_ok(ctx, lk_model_sample(ctx, model, 11, 0, n, x));
        for (int i = 0; i < D; i++) {
            double sum = 0;
            for (int64_t r = 0; r < n; r++) {
                sum += x[r * D + i] - mean[i];
            }
            check_near(sum / (double)n, 0, 5 * sqrt(covariance[i * D + i] / (double)n));
            for (int j = 0; j <= i; j++) {
                double product = 0, square = 0;
                for (int64_t r = 0; r < n; r++) {
                    const double p = (x[r * D + i] - mean[i]) * (x[r * D + j] - mean[j]);
                    product += p;
                    square += p * p;
                }
                product /= (double)n;
                check_near(product, covariance[i * D + j], 5 * sqrt((square / (double)n - product * product) / (double)n));
            }
        }
        lk_model_free(model);
        lki_mixture_free(m);
    }
    free(x);
}

/* u_j = P(X_j <= x_j) is uniform for each feature: P(sqrt(n) D > 2.5) = 2 exp(-12.5) = 7.5e-6, 12 times. */
static void distribution_functions(void **state)
{
    lk_context *ctx = *state;
    const int64_t n = check_scaled(50000, 5000);
    double *x = malloc((size_t)(n * D) * sizeof *x), *u = malloc((size_t)(n * D) * sizeof *u), *one = malloc((size_t)n * sizeof *one);
    assert_true(x != NULL && u != NULL && one != NULL);
    for (int f = 0; f < 4; f++) {
        lki_stream s = gmm_stream(10 + (uint64_t)f);
        lki_mixture *m = gmm_random_mixture(ctx, &s, gmm_families[f], K, D, 30, 2);
        lk_model *model = gmm_model_of(ctx, m);
        check_ok(ctx, lk_model_sample(ctx, model, 12, 0, n, x));
        check_ok(ctx, lk_model_cdf(ctx, model, x, n, u));
        for (int j = 0; j < D; j++) {
            for (int64_t i = 0; i < n; i++) {
                one[i] = u[i * D + j];
            }
            const double distance = kolmogorov(one, n);
            if (!(distance < 2.5)) {
                fail_msg("%s, feature %d: sqrt(n) D = %g", gmm_families[f], j, distance);
            }
        }
        lk_model_free(model);
        lki_mixture_free(m);
    }
    free(x);
    free(u);
    free(one);
}

/* Against a sampler written here (its own factor, its own stream), along random directions and in the squared distance from a point:
 * two-sample Kolmogorov, 7.5e-6 each, 20 times. */
static void independent_sampler(void **state)
{
    lk_context *ctx = *state;
    const int64_t n = check_scaled(30000, 4000);
    double *x = malloc((size_t)(n * D) * sizeof *x), *y = malloc((size_t)(n * D) * sizeof *y);
    double *a = malloc((size_t)n * sizeof *a), *b = malloc((size_t)n * sizeof *b);
    assert_true(x != NULL && y != NULL && a != NULL && b != NULL);
    for (int f = 0; f < 4; f++) {
        lki_stream s = gmm_stream(20 + (uint64_t)f);
        lki_mixture *m = gmm_random_mixture(ctx, &s, gmm_families[f], K, D, 30, 2);
        lk_model *model = gmm_model_of(ctx, m);
        check_ok(ctx, lk_model_sample(ctx, model, 13, 0, n, x));
        for (int64_t i = 0; i < n; i++) {
            double C[D * D], L[D * D] = {0}, z[D], u = lki_random_uniform(&s);
            int k = 0;
            while (k < K - 1 && u > m->weights[k]) {
                u -= m->weights[k++];
            }
            lki_mixture_covariance(m, k, C);
            for (int r = 0; r < D; r++) {
                for (int c = 0; c <= r; c++) {
                    double sum = C[r * D + c];
                    for (int t = 0; t < c; t++) {
                        sum -= L[r * D + t] * L[c * D + t];
                    }
                    L[r * D + c] = r == c ? sqrt(sum) : sum / L[c * D + c];
                }
                z[r] = lki_random_normal(&s);
                y[i * D + r] = m->means[k * D + r];
                for (int c = 0; c <= r; c++) {
                    y[i * D + r] += L[r * D + c] * z[c];
                }
            }
        }
        for (int turn = 0; turn < 5; turn++) {
            double v[D];
            for (int j = 0; j < D; j++) {
                v[j] = lki_random_normal(&s);
            }
            for (int64_t i = 0; i < n; i++) {
                a[i] = b[i] = 0;
                for (int j = 0; j < D; j++) {
                    const double p = x[i * D + j], q = y[i * D + j];
                    a[i] += turn < 3 ? v[j] * p : (p - v[j]) * (p - v[j]);
                    b[i] += turn < 3 ? v[j] * q : (q - v[j]) * (q - v[j]);
                }
            }
            const double distance = kolmogorov_two(a, b, n);
            if (!(distance < 2.5)) {
                fail_msg("%s, statistic %d: %g", gmm_families[f], turn, distance);
            }
        }
        lk_model_free(model);
        lki_mixture_free(m);
    }
    free(x);
    free(y);
    free(a);
    free(b);
}

/* Components far apart: their counts within 5 standard deviations (1e-6 for each of 5), none of a weight of zero; successive rows are
 * uncorrelated (5 standard errors). */
static void shares_of_components(void **state)
{
    lk_context *ctx = *state;
    enum { N = 100000 };
    static const double weights[5] = {0, 0.5, 0.001, 0.499, 0};
    static double x[N];
    double counts[5] = {0}, lag = 0, square = 0;
    lk_model *model = gmm_build(ctx, "{\"weights\":[0,0.5,0.001,0.499,0],\"means\":[[0],[100],[200],[300],[400]],\"covariances\":[1,1,1,1,1]}");
    check_ok(ctx, lk_model_sample(ctx, model, 14, 0, N, x));
    for (int i = 0; i < N; i++) {
        const int k = (int)floor((x[i] + 50) / 100);
        assert_true(k >= 0 && k < 5);
        counts[k]++;
        lag += i > 0 ? (x[i] - 199.9) * (x[i - 1] - 199.9) : 0;
        square += (x[i] - 199.9) * (x[i] - 199.9);
    }
    for (int k = 0; k < 5; k++) {
        check_near(counts[k], N * weights[k], 5 * sqrt(N * weights[k] * (1 - weights[k])));
    }
    check_near(lag / square, 0, 5 / sqrt(N));
    lk_model_free(model);
}

/* Row i of a seed is the same whatever is drawn beside it; another seed gives other rows. */
static void pieces_make_the_whole(void **state)
{
    lk_context *ctx = *state, *other = check_context(3);
    enum { N = 5000 };
    static double all[N * D], pieces[N * D];
    for (int f = 0; f < 4; f++) {
        lki_stream s = gmm_stream(30 + (uint64_t)f);
        lki_mixture *m = gmm_random_mixture(ctx, &s, gmm_families[f], K, D, 30, 2);
        lk_model *model = gmm_model_of(ctx, m);
        check_ok(ctx, lk_model_sample(ctx, model, 15, 0, N, all));
        for (int64_t first = N, step = 1; first > 0; step = step * 3 % 1500 + 1) {
            const int64_t count = first < step ? first : step;
            first -= count;
            check_ok(other, lk_model_sample(other, model, 15, first, count, pieces + first * D));
        }
        assert_memory_equal(all, pieces, sizeof all);
        check_ok(ctx, lk_model_sample(ctx, model, 16, 0, N, pieces));
        int same = 0;
        for (int i = 0; i < N * D; i++) {
            same += all[i] == pieces[i];
        }
        assert_int_equal(same, 0);
        lk_model_free(model);
        lki_mixture_free(m);
    }
    lk_context_free(other);
}

/* From 50 000 draws of groups that hardly overlap, each parameter within 5 of its standard errors as if the groups were known, widened by
 * a fifth for what overlap there is: about 150 parameters, 1e-4 in all. */
static void recovery(void **state)
{
    lk_context *ctx = *state;
    enum { N = 50000 };
    static double x[N * D];
    for (int f = 0; f < 4; f++) {
        lki_stream s = gmm_stream(40 + (uint64_t)f);
        lki_mixture *m = gmm_random_mixture(ctx, &s, gmm_families[f], K, D, 10, 1);
        for (int i = 0; i < K * D; i++) {
            m->means[i] += (i % D == i / D % D ? 12.0 : 0.0) * (i / D < D ? 1 : -1);
        }
        lk_model *truth = gmm_model_of(ctx, m);
        check_ok(ctx, lk_model_sample(ctx, truth, 17, 0, N, x));
        lk_table *table = gmm_table(ctx, x, N, D);
        char settings[100];
        snprintf(settings, sizeof settings, "components=%d;covariance=%s;restarts=3", K, gmm_families[f]);
        lk_model *fit = gmm_fit(ctx, table, settings, NULL, NULL, NULL);
        const lki_mixture *g = gmm_mixture(fit);
        assert_int_equal(lk_model_trusted(fit), 1);
        int taken[K] = {0};
        for (int k = 0; k < K; k++) {
            int near = 0;
            double best = (double)INFINITY, C[D * D], E[D * D];
            for (int l = 0; l < K; l++) {
                double distance = 0;
                for (int j = 0; j < D; j++) {
                    const double gap = g->means[l * D + j] - m->means[k * D + j];
                    distance += gap * gap;
                }
                if (distance < best) {
                    best = distance;
                    near = l;
                }
            }
            assert_int_equal(taken[near]++, 0);
            lki_mixture_covariance(m, k, C);
            lki_mixture_covariance(g, near, E);
            const double n = N * m->weights[k], shared = f == 1 ? N : n, w = m->weights[k];
            check_near(g->weights[near], w, 6 * sqrt(w * (1 - w) / N));
            for (int i = 0; i < D; i++) {
                check_near(g->means[near * D + i], m->means[k * D + i], 6 * sqrt(C[i * D + i] / n));
                for (int j = 0; j <= i; j++) {
                    const double error = sqrt((C[i * D + i] * C[j * D + j] + C[i * D + j] * C[i * D + j]) / shared);
                    check_near(E[i * D + j], C[i * D + j], 6 * error);
                }
            }
        }
        lk_model_free(fit);
        lk_model_free(truth);
        lk_table_free(table);
        lki_mixture_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments),
        cmocka_unit_test(distribution_functions),
        cmocka_unit_test(independent_sampler),
        cmocka_unit_test(shares_of_components),
        cmocka_unit_test(pieces_make_the_whole),
        cmocka_unit_test(recovery),
    };
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
