/* Private synopses: noise of the exact law and of the size that the accountant says, answers against exact sums with their errors' slopes, a lower bound on
 * epsilon from outcomes of neighbouring data, classification by similarity. */
#include "check.h"
#include "kernel/private.h"
#include "kernel/private_noise.h"
#include "model/model_impl.h"

#include <jansson.h>
#include <likely/derived.h>
#include <likely/likely.h>

/* Draws of the discrete normal law, from the system's source and from a seed, against exp(-z^2 / (2 sigma^2)): chi-square over |z| <= 3 sigma and the rest;
 * the bound is the 1e-6 quantile of the normal approximation of Wilson and Hilferty. */
static void test_noise_law(void **state)
{
    lk_context *ctx = *state;
    static const int64_t sigmas[] = {1, 2, 7, 1000};
    const int64_t draws = check_scaled(200000, 40000);
    for (int s = 0; s < 4; s++) {
        const int64_t sigma = sigmas[s], width = sigma > 7 ? sigma / 4 : 1; /* values are joined to bins */
        for (int insecure = 0; insecure < 2; insecure++) {
            lki_noise noise;
            double counts[64] = {0}, law[64] = {0}, total = 0.0, chi = 0.0, square = 0.0;
            lki_noise_open(&noise, insecure != 0, 5);
            for (int64_t i = 0; i < draws; i++) {
                int64_t z;
                check_ok(ctx, lki_noise_normal(ctx, &noise, sigma, &z));
                const int64_t bin = (z + 3 * sigma + 1000000 * width) / width - 1000000;
                counts[bin < 0 ? 62 : bin > 6 * sigma / width ? 63 : bin] += 1.0;
                square += (double)(z * z) / (double)draws;
            }
            for (int64_t z = -40 * sigma; z <= 40 * sigma; z++) {
                const double p = exp(-0.5 * (double)(z * z) / (double)(sigma * sigma));
                const int64_t bin = (z + 3 * sigma + 1000000 * width) / width - 1000000;
                law[bin < 0 ? 62 : bin > 6 * sigma / width ? 63 : bin] += p;
                total += p;
            }
            double freedom = -1.0;
            for (int b = 0; b < 64; b++) {
                const double expected = law[b] / total * (double)draws;
                chi += expected > 0.0 ? (counts[b] - expected) * (counts[b] - expected) / expected : 0.0;
                freedom += expected > 0.0 ? 1.0 : 0.0;
            }
            const double c = 2.0 / (9.0 * freedom), z = (cbrt(chi / freedom) - (1.0 - c)) / sqrt(c);
            print_message("sigma %lld: chi-square %.1f of %.0f, variance %.4f of sigma^2\n", (long long)sigma, chi, freedom, square / (double)(sigma * sigma));
            assert_true(z < 4.8);
        }
    }
    check_near(lki_privacy_epsilon(lki_privacy_rho(1.0, 1e-6), 1e-6), 1.0, 1e-12);
    check_near(lki_privacy_epsilon(lki_privacy_rho(0.01, 1e-9), 1e-9), 0.01, 1e-12);
}

typedef struct asked {
    const char *of, *epsilon, *delta, *bandwidth, *bounds, *projections;
    bool insecure;
    int64_t seed;
} asked;

static lk_model *fit(lk_context *ctx, const double *x, int64_t n, int64_t d, const asked *a, const lk_roles *roles)
{
    lk_setting settings[8];
    int count = 0;
    const lk_setting all[] = {{"of", a->of},         {"epsilon", a->epsilon}, {"delta", a->delta}, {"bandwidth", a->bandwidth},
                              {"bounds", a->bounds}, {"projections", a->projections}, {"insecure_test", a->insecure ? "true" : NULL}};
    for (int i = 0; i < 7; i++) {
        if (all[i].value != NULL) {
            settings[count++] = all[i];
        }
    }
    settings[count] = (lk_setting){NULL, NULL};
    const lk_fit_options options = {.size = sizeof options, .settings = settings, .seed = a->seed, .roles = roles, .priors = roles != NULL ? "equal" : NULL};
    lk_table *table = NULL;
    lk_model *model = NULL;
    check_ok(ctx, lk_table_from_array(ctx, x, n, d, NULL, &table));
    check_ok(ctx, lk_model_fit(ctx, "private", table, &options, &model));
    lk_table_free(table);
    return model;
}

static void normal_rows(double *x, int64_t count, uint64_t row)
{
    lki_stream s = lki_stream_new(21, LKI_STREAM_TEST, row);
    for (int64_t i = 0; i < count; i++) {
        x[i] = lki_random_normal(&s);
    }
}

/* The mean of what is asked, by plain loops over all rows. */
static double exact(const char *of, const double *x, int64_t n, int64_t d, const double *y, double h)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        double squares = 0.0, absolute = 0.0, product = 1.0;
        for (int64_t j = 0; j < d; j++) {
            const double u = (x[i * d + j] - y[j]) / h;
            squares += u * u;
            absolute += fabs(u);
            product *= 1.0 / (1.0 + u * u);
        }
        sum += strcmp(of, "gaussian") == 0 ? exp(-0.5 * squares) : strcmp(of, "laplace") == 0 ? exp(-absolute) : strcmp(of, "cauchy") == 0 ? product
               : strcmp(of, "l1") == 0     ? absolute : sqrt(squares);
    }
    return sum / (double)n;
}

enum { D = 3, ASKED = 40 };

/* Root mean squared error of answers at normal queries, and the root mean square of what they say it is. */
static double error_of(lk_context *ctx, const asked *a, const double *x, int64_t n, int64_t d, double h, int64_t fits, double *said)
{
    double y[ASKED * 16], out[2 * ASKED], sum = 0.0;
    *said = 0.0;
    normal_rows(y, ASKED * d, 99);
    for (int64_t f = 0; f < fits; f++) {
        asked one = *a;
        one.seed = f;
        lk_model *model = fit(ctx, x, n, d, &one, NULL);
        check_ok(ctx, lk_model_similarity(ctx, model, y, ASKED, out));
        for (int64_t i = 0; i < ASKED; i++) {
            const double off = out[2 * i] - exact(a->of, x, n, d, y + i * d, h);
            sum += off * off / (double)(fits * ASKED);
            *said += out[2 * i + 1] * out[2 * i + 1] / (double)(fits * ASKED);
        }
        lk_model_free(model);
    }
    *said = sqrt(*said);
    return sqrt(sum);
}

/* Every kind against exact means: the error is what is said, within a third (sampling of fits and queries; the bound for kernels is no sharper). */
static void test_answers(void **state)
{
    lk_context *ctx = *state;
    enum { N = 3000 };
    static double x[N * D];
    static const char *const kinds[] = {"gaussian", "laplace", "cauchy", "l1", "l2"};
    normal_rows(x, N * D, 1);
    for (int k = 0; k < 5; k++) {
        const asked a = {.of = kinds[k], .epsilon = "1", .bandwidth = k < 3 ? "1.5" : NULL, .bounds = k < 3 ? NULL : "-6:6", .projections = k == 3 ? NULL : "400", .insecure = true};
        double said;
        const double error = error_of(ctx, &a, x, N, D, k < 3 ? 1.5 : 1.0, check_scaled(10, 4), &said);
        print_message("%s: error %.5f, said %.5f\n", kinds[k], error, said);
        assert_true(error < 1.33 * said && error > (k < 3 ? 0.3 : 0.5) * said);
    }
}

/* Noise falls as 1 / epsilon and 1 / n, and that of l1 grows as d: slopes over factors of 16, 16 and 8; a slope's own error is some .05. */
static void test_slopes(void **state)
{
    lk_context *ctx = *state;
    enum { N = 64000 };
    static double x[N * 2];
    double said[2], error[2];
    const int64_t fits = check_scaled(30, 12);
    normal_rows(x, N * 2, 2);
    asked a = {.of = "l1", .epsilon = "0.2", .bounds = "-6:6", .insecure = true};
    error[0] = error_of(ctx, &a, x, 4000, 2, 1.0, fits, &said[0]);
    a.epsilon = "3.2";
    error[1] = error_of(ctx, &a, x, 4000, 2, 1.0, fits, &said[1]);
    print_message("epsilon: %.3f\n", log(error[1] / error[0]) / log(16.0));
    check_near(log(error[1] / error[0]) / log(16.0), -1.0, 0.15);
    a.epsilon = "0.2";
    error[0] = error_of(ctx, &a, x, 4000, 2, 1.0, fits, &said[0]);
    error[1] = error_of(ctx, &a, x, N, 2, 1.0, fits, &said[1]);
    print_message("n: %.3f\n", log(error[1] / error[0]) / log(16.0));
    check_near(log(error[1] / error[0]) / log(16.0), -1.0, 0.15);
    error[1] = error_of(ctx, &a, x, 4000, 16, 1.0, fits, &said[1]);
    print_message("d: %.3f\n", log(error[1] / error[0]) / log(8.0));
    check_near(log(error[1] / error[0]) / log(8.0), 1.0, 0.2);
}

/* What the noise of every sum costs, Delta^2 / (2 sigma^2), adds up to no more than rho, and to nearly all of it. */
static void test_accountant(void **state)
{
    lk_context *ctx = *state;
    double x[20];
    normal_rows(x, 20, 3);
    for (int k = 0; k < 3; k++) {
        const asked a = {.of = k == 0 ? "gaussian" : k == 1 ? "l1" : "l2", .epsilon = "0.7", .delta = "1e-5", .bandwidth = k == 0 ? "1" : NULL,
                         .bounds = k == 0 ? NULL : "-3:3", .projections = k == 1 ? NULL : "50", .insecure = true};
        lk_model *model = fit(ctx, x, 10, 2, &a, NULL);
        const lki_private *p = model->state;
        double cost = 0.5 / (p->count_sd * p->count_sd);
        if (k == 0) {
            cost += 0.5 * (double)p->projections / (p->sds[0] * p->sds[0]);
        }
        for (int level = 1; k > 0 && level <= LKI_PRIVATE_LEVELS; level++) {
            const double most = (double)((1 << (LKI_PRIVATE_LEVELS - level)) - 1), *sds = p->sds + 2 * (level - 1);
            cost += 0.5 * (double)p->projections * (1.0 / (sds[0] * sds[0]) + (most > 0.0 ? most * most / (sds[1] * sds[1]) : 0.0));
        }
        print_message("rho %.6g, spent %.6g\n", p->rho, cost);
        assert_true(cost <= p->rho * (1.0 + 1e-9) && cost > 0.97 * p->rho);
        check_near(p->rho + 2.0 * sqrt(p->rho * log(1e5)), 0.7, 1e-12);
        lk_model_free(model);
    }
}

/* Outcomes on data and on data with one more row: of all tests of the two, that of the likelihood ratio tells most. For each threshold
 * P(T > t | with) <= exp(epsilon) P(T > t | without) + delta, so that log((p1 - delta) / p0) is a lower bound on epsilon; with the ends of Clopper and Pearson's
 * intervals (normal approximation, 4.5 standard errors: one false alarm in 1e5) it must never pass the stated epsilon, and it comes to a good part of it. */
static void test_neighbours(void **state)
{
    lk_context *ctx = *state;
    enum { THRESHOLDS = 25 };
    const int64_t fits = check_scaled(20000, 4000);
    const double epsilon = 1.0, delta = 0.01, x[] = {0.3, -0.4, 0.9};
    double over[2][THRESHOLDS] = {{0}};
    for (int64_t f = 0; f < 2 * fits; f++) {
        const int with = f >= fits;
        const asked a = {.of = "gaussian", .epsilon = "1", .delta = "0.01", .bandwidth = "1", .projections = "4", .insecure = true, .seed = f};
        lk_model *model = fit(ctx, x, 2 + with, 1, &a, NULL);
        const lki_private *p = model->state;
        /* The ratio is linear in the sums: the change over the variance of each. */
        double t = (p->count - 2.0) / (p->count_sd * p->count_sd), size = 1.0 / (p->count_sd * p->count_sd);
        for (int64_t i = 0; i < p->projections; i++) {
            const double w = p->directions[i], v = p->sds[0] * p->sds[0];
            const double without[2] = {cos(w * x[0]) + cos(w * x[1]), sin(w * x[0]) + sin(w * x[1])}, change[2] = {cos(w * x[2]), sin(w * x[2])};
            for (int c = 0; c < 2; c++) {
                t += change[c] * (p->values[2 * i + c] - without[c]) / v;
                size += change[c] * change[c] / v;
            }
        }
        for (int k = 0; k < THRESHOLDS; k++) {
            over[with][k] += t > size + sqrt(size) * (0.15 * k - 1.0) ? 1.0 : 0.0;
        }
        lk_model_free(model);
    }
    double most = 0.0;
    for (int k = 0; k < THRESHOLDS; k++) {
        const double n = (double)fits, p0 = over[0][k] / n, p1 = over[1][k] / n;
        const double high = p0 + 4.5 * sqrt(p0 * (1.0 - p0) / n) + 10.0 / n, low = p1 - 4.5 * sqrt(p1 * (1.0 - p1) / n) - 10.0 / n - delta;
        most = low > 0.0 ? fmax(most, log(low / high)) : most;
    }
    print_message("epsilon is at least %.3f of %.3f stated\n", most, epsilon);
    assert_true(most <= epsilon);
    assert_true(most > 0.15 || check_effort() < 1.0);
}

/* Two classes of normal rows in 8 dimensions: the class of the largest average similarity, by private sums and by exact ones. */
static void test_classes(void **state)
{
    lk_context *ctx = *state;
    enum { N = 4000, DIM = 8, W = DIM + 1 };
    static double x[N * W], out[N * 3];
    normal_rows(x, N * W, 4);
    for (int64_t i = 0; i < N; i++) {
        for (int64_t j = 0; j < DIM; j++) {
            x[i * W + j] += i % 2 == 0 ? 0.6 : -0.6;
        }
        x[i * W + DIM] = (double)(i % 2);
    }
    const lk_roles roles = {.size = sizeof roles, .label = "x9"};
    const asked a = {.of = "gaussian", .epsilon = "1", .bandwidth = "2", .insecure = true};
    lk_model *model = fit(ctx, x, N, W, &a, &roles);
    double right = 0.0, best = 0.0;
    static double y[500 * DIM], both[2][N / 2 * DIM];
    normal_rows(y, 500 * DIM, 5);
    for (int64_t i = 0; i < N; i++) {
        memcpy(both[i % 2] + i / 2 * DIM, x + i * W, DIM * sizeof *x);
    }
    for (int64_t i = 0; i < 500; i++) {
        for (int64_t j = 0; j < DIM; j++) {
            y[i * DIM + j] += i % 2 == 0 ? 0.6 : -0.6;
        }
    }
    check_ok(ctx, lk_model_responsibilities(ctx, model, y, 500, out));
    for (int64_t i = 0; i < 500; i++) {
        right += (out[2 * i] > out[2 * i + 1]) == (i % 2 == 0) ? 0.002 : 0.0;
        best += (exact("gaussian", both[0], N / 2, DIM, y + i * DIM, 2.0) > exact("gaussian", both[1], N / 2, DIM, y + i * DIM, 2.0)) == (i % 2 == 0) ? 0.002 : 0.0;
    }
    print_message("accuracy %.3f, by exact sums %.3f\n", right, best);
    assert_true(best > 0.9 && right > best - 0.05);
    lk_model_free(model);
}

/* By the system's source no two fits are the same, whatever the seed; what would tell of the rows beside the sums is refused. */
static void test_guard(void **state)
{
    lk_context *ctx = *state;
    double x[40], out[2][2];
    normal_rows(x, 40, 6);
    for (int k = 0; k < 2; k++) {
        const asked a = {.of = "l1", .bounds = "-3:3"};
        lk_model *model = fit(ctx, x, 20, 2, &a, NULL);
        check_ok(ctx, lk_model_similarity(ctx, model, x, 1, out[k]));
        assert_int_equal(lk_model_trusted(model), 1);
        lk_model_free(model);
    }
    assert_true(out[0][0] != out[1][0]);
    const struct {
        lk_setting settings[3];
        lk_fit_options options;
        const char *text;
    } cases[] = {
        {{{"bandwidth", "1"}}, {.transform = "standardize"}, "transform"},
        {{{"bandwidth", "1"}}, {.holdout = 0.2}, "held"},
        {{{"bandwidth", "1"}}, {.calibrate = 0.2}, "held"},
        {{{"bandwidth", "0"}}, {0}, "positive numbers"},
        {{{"of", "l1"}}, {0}, "lacks one"},
        {{{"of", "l1"}, {"bandwidth", "1"}}, {0}, "wants bounds"},
        {{{"of", "l1"}, {"bounds", "x1=0:1"}}, {0}, "x2=LOW:HIGH"},
        {{{"of", "l1"}, {"bounds", "1:0"}}, {0}, "not below"},
        {{{"of", "gaussian"}}, {0}, "wants a bandwidth"},
        {{{"bandwidth", "1"}, {"epsilon", "1e-6"}}, {0}, "epsilon is too small"},
    };
    lk_table *table = NULL;
    check_ok(ctx, lk_table_from_array(ctx, x, 20, 2, NULL, &table));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lk_fit_options options = cases[i].options;
        lk_model *model = NULL;
        options.size = sizeof options;
        options.settings = cases[i].settings;
        assert_int_not_equal(lk_model_fit(ctx, "private", table, &options, &model), LK_OK);
        assert_null(model);
        check_contains(lk_error_message(ctx), cases[i].text);
    }
    lk_table_free(table);
    for (long at = 0, calls = 0; at <= calls; at++) { /* each allocation of a fit and its answers fails once */
        check_memory m = {.fail_at = at};
        const lk_allocator allocator = check_allocator(&m);
        const lk_context_options how = {.size = sizeof how, .threads = 1, .allocator = &allocator};
        lk_context *other = NULL;
        if (lk_context_new(&other, &how) == LK_OK) {
            const lk_setting settings[] = {{"bandwidth", "1"}, {"projections", "3"}, {NULL, NULL}};
            const lk_fit_options options = {.size = sizeof options, .settings = settings};
            lk_table *few = NULL;
            lk_model *model = NULL;
            double told[4];
            lk_status status = lk_table_from_array(other, x, 4, 1, NULL, &few);
            status = status == LK_OK ? lk_model_fit(other, "private", few, &options, &model) : status;
            status = status == LK_OK ? lk_model_similarity(other, model, x, 2, told) : status;
            status = status == LK_OK ? lk_model_log_density(other, model, x, 2, told) : status;
            assert_true(status == LK_OK || (at > 0 && status == LK_ERROR_MEMORY));
            lk_model_free(model);
            lk_table_free(few);
        }
        lk_context_free(other);
        assert_int_equal(m.live, 0);
        calls = at == 0 ? m.calls : calls;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_noise_law), cmocka_unit_test(test_answers),    cmocka_unit_test(test_slopes),
                                       cmocka_unit_test(test_accountant), cmocka_unit_test(test_neighbours), cmocka_unit_test(test_classes),
                                       cmocka_unit_test(test_guard)};
    return cmocka_run_group_tests_name("private", tests, check_setup, check_teardown);
}
