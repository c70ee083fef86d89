/* The light Schroedinger bridge against the bridge between normal distributions in closed form, against Sinkhorn's plan on the same rows, and
 * its drift against its own plan. */
#include "gmm_check.h"

#include "score/translate.h"

enum { M = 2 };

/* Rows of a mixture of two normal distributions a distance apart, in 2-d. */
static void draw(uint64_t seed, int n, double apart, double sd, double turn, double *out)
{
    lki_stream s = gmm_stream(seed);
    for (int i = 0; i < n; i++) {
        double side = lki_random_uniform(&s) < 0.4 ? -apart : apart, u = side + sd * lki_random_normal(&s), v = 0.6 * lki_random_normal(&s);
        out[i * M] = cos(turn) * u - sin(turn) * v;
        out[i * M + 1] = sin(turn) * u + cos(turn) * v + 0.5;
    }
}

static lk_model *fit_bridge(lk_context *ctx, const double *x0, int n0, const double *x1, int n1, const char *settings)
{
    double *both = malloc((size_t)((n0 + n1) * 2 * M) * sizeof *both);
    lk_model *model = NULL;
    assert_non_null(both);
    for (int i = 0; i < n0 + n1; i++) {
        for (int j = 0; j < M; j++) {
            both[i * 2 * M + j] = i < n0 ? x0[i * M + j] : (double)NAN;
            both[i * 2 * M + M + j] = i < n0 ? (double)NAN : x1[(i - n0) * M + j];
        }
    }
    lk_table *table = gmm_table(ctx, both, n0 + n1, 2 * M);
    lk_fit_options options = {.size = sizeof options, .settings = gmm_settings(settings), .seed = 1};
    check_ok(ctx, lk_model_fit(ctx, "bridge", table, &options, &model));
    lk_table_free(table);
    free(both);
    return model;
}

static void covariance(const double *x, int n, double *mean, double *C)
{
    memset(mean, 0, M * sizeof *mean);
    memset(C, 0, M * M * sizeof *C);
    for (int i = 0; i < n * M; i++) {
        mean[i % M] += x[i] / n;
    }
    for (int i = 0; i < n; i++) {
        for (int e = 0; e < M * M; e++) {
            C[e] += (x[i * M + e / M] - mean[e / M]) * (x[i * M + e % M] - mean[e % M]) / n;
        }
    }
}

static void multiply(const double *A, const double *B, double *out)
{
    double C[M * M];
    for (int e = 0; e < M * M; e++) {
        C[e] = A[e / M * M] * B[e % M] + A[e / M * M + 1] * B[M + e % M];
    }
    memcpy(out, C, sizeof C);
}

/* With one component the plan is normal: E[x1 | x0] = m1 + S (x0 - m0) with S A S + epsilon S = B, that is A^(1/2) S A^(1/2) =
 * (epsilon^2 / 4 + A^(1/2) B A^(1/2))^(1/2) - epsilon / 2 (Mallasto, Gerolin and Minh 2022, Information Geometry 5:289-323; Bunne et al.
 * 2023, arXiv:2202.05722), whatever the rows: A and B are their covariances. */
static void normal_distributions(void **state)
{
    enum { N = 700 };
    static double x0[N * M], x1[N * M];
    const double epsilons[] = {0.05, 0.5, 5};
    draw(9000, N, 1.5, 0.5, 0.3, x0);
    draw(9001, N, 0.4, 1.2, 1.1, x1);
    for (int t = 0; t < 3; t++) {
        char settings[80];
        double A[M * M], B[M * M], m0[M], m1[M], S_A[M * M], left[M * M], e = epsilons[t];
        snprintf(settings, sizeof settings, "components=1;epsilon=%g;tol=1e-13", e);
        lk_model *model = fit_bridge(*state, x0, N, x1, N, settings);
        const lki_bridge *b = model->state;
        covariance(x0, N, m0, A);
        covariance(x1, N, m1, B);
        multiply(b->S, A, S_A);
        multiply(S_A, b->S, left);
        for (int i = 0; i < M * M; i++) {
            check_near(left[i] + e * b->S[i], B[i], 2e-6 * (B[0] + B[3]));
        }
        for (int j = 0; j < M; j++) {
            check_near(b->r[j] + b->to[j], m1[j], 1e-6);
            check_near(b->from[j], m0[j], 1e-12);
        }
        lk_model_free(model);
    }
}

/* E[x1 | x0] by Sinkhorn's plan between the same rows at the same epsilon. */
static void sinkhorn(const double *x0, const double *x1, int n, double e, double *mean)
{
    double *f = calloc((size_t)n, sizeof *f), *g = calloc((size_t)n, sizeof *g), *terms = malloc((size_t)n * sizeof *terms);
    assert_true(f != NULL && g != NULL && terms != NULL);
    for (int iteration = 0; iteration < 400; iteration++) {
        for (int side = 0; side < 2; side++) {
            for (int i = 0; i < n; i++) {
                double most = -(double)INFINITY, sum = 0;
                for (int j = 0; j < n; j++) {
                    const double *a = side == 0 ? x0 + i * M : x1 + i * M, *b = side == 0 ? x1 + j * M : x0 + j * M;
                    double cost = 0.5 * ((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]));
                    terms[j] = ((side == 0 ? g[j] : f[j]) - cost) / e;
                    most = fmax(most, terms[j]);
                }
                for (int j = 0; j < n; j++) {
                    sum += exp(terms[j] - most);
                }
                *(side == 0 ? &f[i] : &g[i]) = -e * (most + log(sum / n));
            }
        }
    }
    for (int i = 0; i < n; i++) {
        double total = 0, m[M] = {0};
        for (int j = 0; j < n; j++) {
            double dx = x0[i * M] - x1[j * M], dy = x0[i * M + 1] - x1[j * M + 1];
            double p = exp((f[i] + g[j] - 0.5 * (dx * dx + dy * dy)) / e);
            total += p;
            m[0] += p * x1[j * M];
            m[1] += p * x1[j * M + 1];
        }
        mean[i * M] = m[0] / total;
        mean[i * M + 1] = m[1] / total;
    }
    free(f);
    free(g);
    free(terms);
}

/* Two clouds of two groups. The root mean square difference of the conditional means, in units of what they vary, is 0.01 with the right
 * loss. */
static void discrete_plan(void **state)
{
    enum { N = 250 };
    static double x0[N * M], x1[N * M], wanted[N * M], rows[N * 2 * M], got[N * M * 2];
    const int64_t targets[] = {2, 3};
    double square = 0, total = 0, m[M], C[M * M];
    draw(9010, N, 2, 0.5, 0.2, x0);
    draw(9011, N, 3, 0.7, 1.8, x1);
    lk_model *model = fit_bridge(*state, x0, N, x1, N, "components=8;epsilon=1");
    sinkhorn(x0, x1, N, 1, wanted);
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < M; j++) {
            rows[i * 2 * M + j] = x0[i * M + j];
            rows[i * 2 * M + M + j] = (double)NAN;
        }
    }
    check_ok(*state, lk_model_predict(*state, model, rows, N, targets, M, NULL, 0, got));
    covariance(wanted, N, m, C);
    for (int i = 0; i < N * M; i++) {
        square += (got[2 * i] - wanted[i]) * (got[2 * i] - wanted[i]) / N;
    }
    total = C[0] + C[3];
    print_message("conditional means: off by %.4f of their spread\n", sqrt(square / total));
    assert_true(sqrt(square / total) < 0.03);
    lk_model_free(model);
}

/* Paths of the stochastic differential equation from one place end as the plan says: means within 5 standard errors (false alarms below 1 in
 * 10^5), variances within 8%. */
static void drift(void **state)
{
    enum { N = 6000 };
    static double x0[N * M], x1[N * M], from[N * M], ends[N * M], plan[N * M];
    draw(9020, N, 2, 0.5, 0.2, x0);
    draw(9021, N, 3, 0.7, 1.8, x1);
    const int n = N; /* whatever the effort: a rare far group makes up most of the variance */
    lk_model *model = fit_bridge(*state, x0, 1000, x1, 1000, "components=4;epsilon=1");
    for (int i = 0; i < n; i++) {
        from[i * M] = 0.4;
        from[i * M + 1] = -0.2;
    }
    for (int paths = 0; paths < 2; paths++) {
        lk_translate_options options = {.size = sizeof options, .steps = paths ? 200 : 0, .seed = 5};
        lk_translator *t = NULL;
        check_ok(*state, lk_translator_new(*state, model, NULL, &options, &t));
        check_ok(*state, lk_translator_rows(*state, t, from, 0, n, paths ? ends : plan));
        lk_translator_free(t);
    }
    double given[] = {0.4, -0.2}, a[M], b[M], A[M * M], B[M * M];
    const int64_t features[] = {0, 1};
    lk_model *law = NULL;
    check_ok(*state, lk_model_condition(*state, model, features, given, M, &law));
    covariance(ends, n, a, A);
    covariance(plan, n, b, B);
    double mean[M] = {0}, C[M * M] = {0}; /* of the conditional law, a mixture */
    const lki_bridge *l = law->state;
    for (int64_t k = 0; k < l->K; k++) {
        for (int j = 0; j < M; j++) {
            mean[j] += l->weights[k] * (l->to[j] + l->r[k * M + j]);
        }
    }
    for (int64_t k = 0; k < l->K; k++) {
        for (int e = 0; e < M * M; e++) {
            C[e] += l->weights[k] * (l->epsilon[0] * l->S[k * M * M + e] + (l->to[e / M] + l->r[k * M + e / M] - mean[e / M]) *
                                                                               (l->to[e % M] + l->r[k * M + e % M] - mean[e % M]));
        }
    }
    for (int j = 0; j < M; j++) {
        double error = sqrt(C[j * M + j] / n);
        check_near(b[j], mean[j], 5 * error);
        check_near(a[j], mean[j], 5 * error + 0.01);
        check_near(B[j * M + j] / C[j * M + j], 1, 0.08);
        check_near(A[j * M + j] / C[j * M + j], 1, 0.08);
    }
    check_near(A[1], C[1], 0.08 * sqrt(C[0] * C[3]));
    lk_model_free(law);
    lk_model_free(model);
}

/* The marginal law of what source rows become is the target's: energy distances between translated rows and target rows, beside those of
 * two halves of the target. 0.02 of the spread is 4 times what halves of this size differ by. */
static double energy(const double *x, const double *y, int n)
{
    double xy = 0, xx = 0, yy = 0;
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            xy += hypot(x[i * M] - y[j * M], x[i * M + 1] - y[j * M + 1]);
            xx += hypot(x[i * M] - x[j * M], x[i * M + 1] - x[j * M + 1]);
            yy += hypot(y[i * M] - y[j * M], y[i * M + 1] - y[j * M + 1]);
        }
    }
    return (2 * xy - xx - yy) / ((double)n * n);
}

static void marginals(void **state)
{
    enum { N = 2000, TEST = 700 };
    static double x0[N * M], x1[N * M], fresh0[TEST * M], fresh1[TEST * M], other[TEST * M], got[TEST * M];
    draw(9030, N, 2, 0.5, 0.2, x0);
    draw(9031, N, 3, 0.7, 1.8, x1);
    draw(9032, TEST, 2, 0.5, 0.2, fresh0);
    draw(9033, TEST, 3, 0.7, 1.8, fresh1);
    draw(9034, TEST, 3, 0.7, 1.8, other);
    lk_model *model = fit_bridge(*state, x0, N, x1, N, "components=8");
    lk_translator *t = NULL;
    check_ok(*state, lk_translator_new(*state, model, NULL, NULL, &t));
    check_ok(*state, lk_translator_rows(*state, t, fresh0, 0, TEST, got));
    double translated = energy(got, fresh1, TEST), halves = energy(other, fresh1, TEST), before = energy(fresh0, fresh1, TEST);
    print_message("energy distance to the target: %.4f translated, %.4f another sample of it, %.4f before\n", translated, halves, before);
    assert_true(translated < 0.02 && before > 0.5);
    lk_translator_free(t);
    lk_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(normal_distributions, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(discrete_plan, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(drift, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(marginals, check_setup, check_teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
