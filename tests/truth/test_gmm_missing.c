/* EM over rows with missing values: the observed-data likelihood against marginals of the fitted model, its maximum against
 * perturbations, exact agreement where nothing is missing, and the same bits on any number of threads. Source of the method:
 * Ghahramani and Jordan 1994, "Supervised learning from incomplete data via an EM approach". */
#include "gmm_check.h"

#include <math.h>
#include <string.h>

enum { ROWS = 400, D = 3 };

/* Two groups in three correlated features; every value is dropped with probability `share`, and row 7 lacks all. */
static void make_rows(double *x, double share)
{
    for (int64_t i = 0; i < ROWS; i++) {
        lki_stream s = lki_stream_new(31, LKI_STREAM_TEST, (uint64_t)i);
        const double common = lki_random_normal(&s), shift = i % 3 == 0 ? 4.0 : 0.0;
        for (int64_t j = 0; j < D; j++) {
            const double v = 10.0 + shift * (double)(j + 1) + (double)(j + 1) * (0.8 * common + 0.6 * lki_random_normal(&s));
            x[i * D + j] = lki_random_uniform(&s) < share || (share > 0.0 && i == 7) ? (double)NAN : v;
        }
    }
}

/* sum_i log p(x_i's observed part) through lk_model_marginal and lk_model_log_density. */
static double observed_log_likelihood(lk_context *ctx, const lk_model *model, const double *x)
{
    double sum = 0.0;
    for (int pattern = 1; pattern < 1 << D; pattern++) {
        int64_t features[D], count = 0;
        lk_model *part = NULL;
        for (int64_t j = 0; j < D; j++) {
            if (pattern >> j & 1) {
                features[count++] = j;
            }
        }
        check_ok(ctx, lk_model_marginal(ctx, model, features, count, &part));
        for (int64_t i = 0; i < ROWS; i++) {
            double row[D], density;
            int seen = 0;
            for (int64_t j = 0; j < D; j++) {
                seen |= !isnan(x[i * D + j]) << j;
            }
            if (seen == pattern) {
                for (int64_t j = 0; j < count; j++) {
                    row[j] = x[i * D + features[j]];
                }
                check_ok(ctx, lk_model_log_density(ctx, part, row, 1, &density));
                sum += density;
            }
        }
        lk_model_free(part);
    }
    return sum;
}

static double rows_with_a_value(const double *x)
{
    double n = 0.0;
    for (int64_t i = 0; i < ROWS; i++) {
        n += isnan(x[i * D]) && isnan(x[i * D + 1]) && isnan(x[i * D + 2]) ? 0.0 : 1.0;
    }
    return n;
}

static const char *const families[] = {"full", "tied", "diag", "spherical"};

static void test_likelihood(void **state)
{
    static double x[ROWS * D];
    (void)state;
    make_rows(x, 0.3);
    for (int f = 0; f < 4; f++) {
        for (int k = 1; k <= 3; k++) {
            lk_context *ctx = check_context(2);
            lk_table *table = gmm_table(ctx, x, ROWS, D);
            char settings[80];
            snprintf(settings, sizeof settings, "components=%d;covariance=%s", k, families[f]);
            lk_model *model = gmm_fit(ctx, table, settings, NULL, NULL, NULL);
            const double direct = observed_log_likelihood(ctx, model, x);
            assert_true(fabs(model->report.log_likelihood - direct) <= 1e-9 * fabs(direct));
            assert_true(model->report.n == rows_with_a_value(x));
            lk_model_free(model);
            lk_table_free(table);
            lk_context_free(ctx);
        }
    }
}

/* A model with every parameter of the mixture moved a little, still valid: the fitted one must be at least as good. */
static lk_model *perturbed(lk_context *ctx, const lk_model *model, uint64_t number)
{
    const lki_mixture *m = ((const lki_gmm *)model->state)->mixture;
    lki_stream s = lki_stream_new(77, LKI_STREAM_TEST, number);
    const double tilt = 1.0 + 1e-3 * lki_random_normal(&s);
    char json[4000];
    int at = snprintf(json, sizeof json, "{\"covariance\":\"full\",\"weights\":[%.17g,%.17g],\"means\":[", m->weights[0] * tilt,
                      1.0 - m->weights[0] * tilt);
    for (int k = 0; k < 2; k++) {
        at += snprintf(json + at, sizeof json - (size_t)at, "%s[", k > 0 ? "," : "");
        for (int j = 0; j < D; j++) {
            at += snprintf(json + at, sizeof json - (size_t)at, "%s%.17g", j > 0 ? "," : "",
                           m->means[k * D + j] + 1e-2 * lki_random_normal(&s));
        }
        at += snprintf(json + at, sizeof json - (size_t)at, "]");
    }
    at += snprintf(json + at, sizeof json - (size_t)at, "],\"covariances\":[");
    for (int k = 0; k < 2; k++) {
        double a[D]; /* A C A' with A = diag(a): symmetric and positive definite */
        at += snprintf(json + at, sizeof json - (size_t)at, "%s[", k > 0 ? "," : "");
        for (int i = 0; i < D; i++) {
            a[i] = 1.0 + 3e-3 * lki_random_normal(&s);
        }
        for (int i = 0; i < D; i++) {
            at += snprintf(json + at, sizeof json - (size_t)at, "%s[", i > 0 ? "," : "");
            for (int j = 0; j < D; j++) {
                at += snprintf(json + at, sizeof json - (size_t)at, "%s%.17g", j > 0 ? "," : "",
                               m->covariances[(k * D + i) * D + j] * (a[i] * a[j]));
            }
            at += snprintf(json + at, sizeof json - (size_t)at, "]");
        }
        at += snprintf(json + at, sizeof json - (size_t)at, "]");
    }
    snprintf(json + at, sizeof json - (size_t)at, "]}");
    return gmm_build(ctx, json);
}

static void test_maximum(void **state)
{
    static double x[ROWS * D];
    (void)state;
    make_rows(x, 0.3);
    lk_context *ctx = check_context(1);
    lk_table *table = gmm_table(ctx, x, ROWS, D);
    lk_model *model = gmm_fit(ctx, table, "components=2;tol=1e-13;max_iter=100000", NULL, NULL, NULL);
    const double best = observed_log_likelihood(ctx, model, x);
    int lower = 0;
    for (uint64_t i = 0; i < 40; i++) {
        lk_model *other = perturbed(ctx, model, i);
        const double value = observed_log_likelihood(ctx, other, x);
        assert_true(value <= best + 1e-7);
        lower += value < best - 1e-4;
        lk_model_free(other);
    }
    assert_true(lower >= 35); /* the perturbations are large enough to tell */
    lk_model_free(model);
    lk_table_free(table);
    lk_context_free(ctx);
}

/* The likelihood never falls, however many values are missing. */
static void test_monotone(void **state)
{
    static double x[ROWS * D];
    (void)state;
    make_rows(x, 0.5);
    lk_context *ctx = check_context(2);
    lk_table *table = gmm_table(ctx, x, ROWS, D);
    for (int f = 0; f < 4; f++) {
        double before = -1e300;
        for (int iterations = 1; iterations < 12; iterations++) {
            char settings[120];
            snprintf(settings, sizeof settings, "components=2;covariance=%s;tol=0;restarts=1;max_iter=%d", families[f], iterations);
            lk_model *model = gmm_fit(ctx, table, settings, NULL, NULL, NULL);
            assert_true(model->report.log_likelihood >= before - 1e-9 * fabs(before));
            before = model->report.log_likelihood;
            lk_model_free(model);
        }
    }
    lk_table_free(table);
    lk_context_free(ctx);
}

/* One component, features independent by construction of the family: the estimates are the means and variances of what there is. */
static void test_closed_form(void **state)
{
    static double x[ROWS * D];
    (void)state;
    make_rows(x, 0.4);
    lk_context *ctx = check_context(1);
    lk_table *table = gmm_table(ctx, x, ROWS, D);
    lk_model *model = gmm_fit(ctx, table, "components=1;covariance=diag;tol=1e-14;max_iter=100000", NULL, NULL, NULL);
    const lki_mixture *m = ((const lki_gmm *)model->state)->mixture;
    for (int j = 0; j < D; j++) {
        double n = 0.0, mean = 0.0, square = 0.0;
        for (int64_t i = 0; i < ROWS; i++) {
            const double v = x[i * D + j];
            n += isnan(v) ? 0.0 : 1.0;
            mean += isnan(v) ? 0.0 : v;
        }
        mean /= n;
        for (int64_t i = 0; i < ROWS; i++) {
            const double v = x[i * D + j];
            square += isnan(v) ? 0.0 : (v - mean) * (v - mean);
        }
        assert_true(fabs(m->means[j] - mean) <= 1e-6 * fabs(mean));
        assert_true(fabs(m->covariances[j] - square / n) <= 1e-5 * square / n);
    }
    lk_model_free(model);
    lk_table_free(table);
    lk_context_free(ctx);
}

static void test_threads(void **state)
{
    enum { TILES = 20 };
    static double x[TILES * ROWS * D];
    (void)state;
    for (int t = 0; t < TILES; t++) {
        make_rows(x + t * ROWS * D, 0.1 + 0.02 * t);
    }
    for (int f = 0; f < 4; f++) {
        char *info[2], settings[80];
        snprintf(settings, sizeof settings, "components=2;restarts=1;max_iter=5;tol=0;covariance=%s", families[f]);
        for (int k = 0; k < 2; k++) {
            lk_context *ctx = check_context(k + 1);
            lk_table *table = gmm_table(ctx, x, TILES * ROWS, D);
            lk_model *model = gmm_fit(ctx, table, settings, NULL, NULL, NULL);
            check_ok(ctx, lk_model_info(ctx, model, &info[k]));
            if (k == 1) {
                assert_string_equal(info[0], info[1]);
                lk_free(ctx, info[0]);
                lk_free(ctx, info[1]);
            }
            lk_model_free(model);
            lk_table_free(table);
            lk_context_free(ctx);
        }
    }
}

/* ---- many gaps in a row, more components than lanes ---- */

enum { WIDE = 7, WIDE_ROWS = 900 };

static void make_wide(double *x, int64_t d, int groups)
{
    for (int64_t i = 0; i < WIDE_ROWS; i++) {
        lki_stream s = lki_stream_new(32, LKI_STREAM_TEST, (uint64_t)i);
        double before = 0.0;
        for (int64_t j = 0; j < d; j++) {
            before = 0.7 * before + lki_random_normal(&s);
            x[i * d + j] = lki_random_uniform(&s) < 0.45 ? (double)NAN : before + 6.0 * (double)((i + j) % groups);
        }
    }
}

static double wide_log_likelihood(lk_context *ctx, const lk_model *model, const double *x)
{
    static double density[WIDE_ROWS];
    double sum = 0.0;
    check_ok(ctx, lk_model_log_density(ctx, model, x, WIDE_ROWS, density)); /* by marginals of each pattern */
    for (int64_t i = 0; i < WIDE_ROWS; i++) {
        sum += density[i];
    }
    return sum;
}

/* Three and more gaps a row: EM's likelihood is that of the rows' marginals, and at its maximum no entry of a covariance or mean can be
 * moved for the better, neither up nor down. */
static void test_many_gaps(void **state)
{
    static double x[WIDE_ROWS * WIDE];
    const char *const settings[] = {"components=11;covariance=full;init=random;restarts=1;max_iter=4",
                                    "components=11;covariance=tied;init=random;restarts=1;max_iter=4",
                                    "components=2;covariance=full;tol=1e-13;max_iter=100000;init=kmeans++;restarts=3"};
    lk_context *ctx = *state = check_context(2);
    for (int f = 0; f < 3; f++) {
        make_wide(x, WIDE, f < 2 ? 5 : 2);
        lk_table *table = gmm_table(ctx, x, WIDE_ROWS, WIDE);
        lk_model *model = gmm_fit(ctx, table, settings[f], NULL, NULL, NULL);
        const double direct = wide_log_likelihood(ctx, model, x);
        check_near(model->report.log_likelihood, direct, 1e-10 * fabs(direct));
        if (f == 2) {
            const lki_mixture *m = gmm_mixture(model);
            lki_mixture *moved = NULL;
            check_ok(ctx, lki_mixture_new(ctx, 2, WIDE, m->covariance, &moved));
            for (int64_t i = 0; i < 2 * WIDE * (WIDE + 1); i++) {
                const int64_t k = i / (WIDE * (WIDE + 1)), a = i / WIDE % (WIDE + 1), b = i % WIDE;
                double value[2];
                for (int side = 0; side < 2; side++) {
                    const double step = side == 0 ? 1e-4 : -1e-4;
                    lki_mixture_copy(moved, m);
                    if (a == WIDE) {
                        moved->means[k * WIDE + b] += step;
                    } else {
                        moved->covariances[(k * WIDE + a) * WIDE + b] += step;
                        moved->covariances[(k * WIDE + b) * WIDE + a] += a != b ? step : 0;
                    }
                    lk_model *other = gmm_model_of(ctx, moved);
                    value[side] = wide_log_likelihood(ctx, other, x);
                    lk_model_free(other);
                }
                check_near((value[0] - value[1]) / 2e-4, 0, 2e-3); /* the slope */
                assert_true(value[0] + value[1] - 2 * direct < -1e-7); /* and the bend */
            }
            lki_mixture_free(moved);
        }
        lk_model_free(model);
        lk_table_free(table);
    }
    lk_context_free(ctx);
}

static void test_column_without_values(void **state)
{
    static double x[ROWS * D];
    (void)state;
    make_rows(x, 0.1);
    for (int64_t i = 0; i < ROWS; i++) {
        x[i * D + 1] = (double)NAN;
    }
    lk_context *ctx = check_context(1);
    lk_table *table = gmm_table(ctx, x, ROWS, D);
    lk_model *model = NULL;
    assert_int_equal(gmm_try(ctx, table, "components=1", NULL, NULL, NULL, &model), LK_ERROR_DATA);
    assert_non_null(strstr(lk_error_message(ctx), "x2 has no value"));
    lk_table_free(table);
    lk_context_free(ctx);
}

/* ---- how well a model predicts rows with gaps ---- */

static void evaluated(lk_context *ctx, const lk_model *model, const lk_table *table, lk_evaluation *out)
{
    *out = (lk_evaluation){.size = sizeof *out};
    check_ok(ctx, lk_model_evaluate(ctx, model, table, NULL, out));
}

static void evaluation_free(lk_context *ctx, lk_evaluation *e)
{
    lk_free(ctx, e->pit_ks);
    lk_free(ctx, e->pit_mean);
    lk_free(ctx, e->pit_sd);
}

/* The mean is that of the rows' marginal log densities, without the row that lacks all; coverage and PIT are those of the complete
 * rows by themselves; the fit's own likelihood is the same mean; 1 and 2 threads give the same bits. */
static void test_evaluate(void **state)
{
    static double x[ROWS * D], full[ROWS * D];
    int64_t complete = 0;
    (void)state;
    make_rows(x, 0.3);
    for (int64_t i = 0; i < ROWS; i++) {
        if (!isnan(x[i * D]) && !isnan(x[i * D + 1]) && !isnan(x[i * D + 2])) {
            memcpy(full + complete++ * D, x + i * D, D * sizeof *x);
        }
    }
    lk_context *ctx = check_context(1), *two = check_context(2);
    lk_table *table = gmm_table(ctx, x, ROWS, D), *part = gmm_table(ctx, full, complete, D);
    lk_model *model = gmm_fit(ctx, table, "components=2", NULL, NULL, NULL);
    lk_evaluation all, same, some;
    evaluated(ctx, model, table, &all);
    evaluated(two, model, table, &same);
    evaluated(ctx, model, part, &some);
    const double n = rows_with_a_value(x), mean = observed_log_likelihood(ctx, model, x) / n;
    assert_true(all.rows == n && all.complete == (double)complete);
    check_near(all.mean_log_density, mean, 1e-12 * fabs(mean));
    check_near(all.mean_log_density, model->report.log_likelihood / n, 1e-10 * fabs(mean));
    assert_true(fabs(all.mean_log_density - some.mean_log_density) > 0.1); /* the gaps matter */
    check_near(all.coverage_50, some.coverage_50, 1e-12);
    check_near(all.coverage_90, some.coverage_90, 1e-12);
    for (int j = 0; j < D; j++) {
        check_near(all.pit_mean[j], some.pit_mean[j], 1e-12);
        check_near(all.pit_sd[j], some.pit_sd[j], 1e-12);
        check_near(all.pit_ks[j], some.pit_ks[j], 1e-12);
        assert_true(all.pit_ks[j] == same.pit_ks[j] && all.pit_mean[j] == same.pit_mean[j]);
    }
    assert_true(all.mean_log_density == same.mean_log_density && all.standard_error == same.standard_error);
    evaluation_free(ctx, &all);
    evaluation_free(two, &same);
    evaluation_free(ctx, &some);
    lk_model_free(model);
    lk_table_free(table);
    lk_table_free(part);
    lk_context_free(two);
    lk_context_free(ctx);
}

/* Rows of which none is complete have a mean, but neither coverage nor PIT; an infinite value is refused beside gaps. */
static void test_evaluate_gaps_alone(void **state)
{
    double x[] = {1.0, (double)NAN, (double)NAN, 2.0, (double)NAN, (double)NAN, 3.0, (double)NAN};
    const char *const json = "{\"weights\":[1],\"means\":[[1,2]],\"covariances\":[[[1,0.5],[0.5,4]]],\"covariance\":\"full\"}";
    const double l = -0.5 * log(2.0 * acos(-1.0)); /* rows 1 and 4: N(1, 1); row 2: N(2, 4) */
    (void)state;
    lk_context *ctx = check_context(1);
    lk_model *model = gmm_build(ctx, json);
    lk_table *table = gmm_table(ctx, x, 4, 2);
    lk_evaluation e;
    evaluated(ctx, model, table, &e);
    assert_true(e.rows == 3.0 && e.complete == 0.0 && isnan(e.coverage_50) && isnan(e.coverage_90) && e.pit_ks == NULL);
    check_near(e.mean_log_density, (l + (l - log(2.0)) + (l - 2.0)) / 3.0, 1e-14);
    lk_table_free(table);
    lk_model_free(model);
    lk_context_free(ctx);
}

static void test_held_out(void **state)
{
    static double x[ROWS * D];
    (void)state;
    make_rows(x, 0.3);
    lk_context *ctx = check_context(2);
    lk_table *table = gmm_table(ctx, x, ROWS, D);
    for (int f = 0; f < 2; f++) {
        lk_fit_options options = {.size = sizeof options, .settings = gmm_settings("components=2"), .seed = 1,
                                  .holdout = f == 0 ? 0.5 : 0.0, .folds = f == 0 ? 0 : 4};
        lk_model *model = NULL;
        check_ok(ctx, lk_model_fit(ctx, "gmm", table, &options, &model));
        const double mean = json_number_value(json_object_get(model->held_out, "mean_log_density"));
        const double rows = json_number_value(json_object_get(model->held_out, "rows")), n = rows_with_a_value(x);
        assert_true(f == 0 ? rows > 0.4 * n && rows < 0.6 * n : rows == n);
        /* A fit's own likelihood is higher by twice parameters / n in expectation (Akaike 1973), half as many rows in the fit. */
        const double error = json_number_value(json_object_get(model->held_out, "standard_error"));
        check_near(mean, model->report.log_likelihood / n, 4.0 * error + 3.0 * model->report.free_parameters / n);
        lk_model_free(model);
    }
    lk_table_free(table);
    lk_context_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_likelihood),  cmocka_unit_test(test_maximum), cmocka_unit_test(test_monotone),
        cmocka_unit_test(test_closed_form), cmocka_unit_test(test_threads), cmocka_unit_test(test_many_gaps),
        cmocka_unit_test(test_column_without_values), cmocka_unit_test(test_evaluate), cmocka_unit_test(test_evaluate_gaps_alone),
        cmocka_unit_test(test_held_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
