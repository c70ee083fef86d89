/* The model layer against closed forms of independent normal distributions: answers, transforms, criteria, held-out rows. */
#include "check.h"
#include "unit/fake_family.c"
#include <likely/likely.h>

static lk_model *built(lk_context *ctx, const char *json)
{
    lk_model *model = NULL;
    check_ok(ctx, lk_model_build(ctx, "normal", json, NULL, &model));
    return model;
}

static double number(lk_context *ctx, const lk_model *model, const char *key)
{
    char *text = NULL;
    check_ok(ctx, lk_model_info(ctx, model, &text));
    json_t *info = json_loads(text, 0, NULL);
    double v = json_number_value(json_object_get(info, key));
    json_decref(info);
    lk_free(ctx, text);
    return v;
}

/* A table of named columns from rows of normal draws. */
static lk_table *table_of(lk_context *ctx, const double *values, int64_t rows, int64_t columns, const char *const *names)
{
    lk_table *table = NULL;
    check_ok(ctx, lk_table_from_array(ctx, values, rows, columns, names, &table));
    return table;
}

static const char *const ab[] = {"a", "b"};

static void test_answers(void **state)
{
    lk_model *model = built(*state, "{\"mean\":[1,-2],\"sd\":[2,0.5]}");
    double x[] = {1, -2, 3, -1}, out[2], u[4];
    check_ok(*state, lk_model_log_density(*state, model, x, 2, out));
    check_near(out[0], -LKI_LOG_2PI, 1e-15); /* sd 2 * 0.5 = 1 */
    check_near(out[1], -LKI_LOG_2PI - 0.5 * (1 + 4), 1e-14);
    check_ok(*state, lk_model_cdf(*state, model, x, 2, u));
    check_near(u[0], 0.5, 1e-15);
    check_near(u[2], 0.84134474606854294859, 1e-14); /* Phi(1) */
    check_near(u[3], 0.97724986805182079280, 1e-14); /* Phi(2) */
    assert_int_equal(lk_model_groups(model), 0);
    assert_int_equal(lk_model_operations(model), 1 | 2 | 4 | 16 | 32);
    assert_string_equal(lk_model_feature(model, 1), "x2");
    assert_true(lk_model_trusted(model));
    lk_model_free(model);
}

/* Differences against the exact score -(x - mean) / sd^2, over scales from 1e-6 to 1e6 and means far from 0. The rounding of a
 * log density of size 1 over a step of .1 sd bounds what differences can give. */
static void test_derived_score(void **state)
{
    static const char *const models[] = {"{\"mean\":[0],\"sd\":[1]}", "{\"mean\":[1000],\"sd\":[1]}",
                                         "{\"mean\":[-5],\"sd\":[1e-6]}", "{\"mean\":[1e6],\"sd\":[1e6]}"};
    static const double means[] = {0, 1000, -5, 1e6}, sds[] = {1, 1, 1e-6, 1e6};
    for (int k = 0; k < 4; k++) {
        lk_model *model = built(*state, models[k]);
        double x[41], out[41];
        for (int i = 0; i < 41; i++) {
            x[i] = means[k] + sds[k] * (i - 20) * 0.2;
        }
        check_ok(*state, lk_model_score(*state, model, x, 41, out));
        for (int i = 0; i < 41; i++) {
            check_near(out[i] * sds[k], -(x[i] - means[k]) / sds[k], 1e-9);
        }
        lk_model_free(model);
    }
}

/* log x ~ normal: density, score, distribution function and draws in the units of x. */
static void test_log_normal(void **state)
{
    enum { N = 4000 };
    static double values[2 * N];
    lki_stream s = lki_stream_new(11, LKI_STREAM_TEST, 0);
    for (int i = 0; i < 2 * N; i++) {
        values[i] = exp(1 + 0.5 * lki_random_normal(&s));
    }
    lk_table *table = table_of(*state, values, N, 2, ab);
    lk_fit_options options = {.size = sizeof options, .transform = "log"};
    lk_model *model = NULL, *plain = NULL;
    check_ok(*state, lk_model_fit(*state, "normal", table, &options, &model));
    double m[2] = {0, 0}, v[2] = {0, 0}, sum = 0;
    for (int i = 0; i < 2 * N; i++) {
        m[i % 2] += log(values[i]) / N;
    }
    for (int i = 0; i < 2 * N; i++) {
        v[i % 2] += pow(log(values[i]) - m[i % 2], 2) / N;
        sum -= log(values[i]);
    }
    double log_likelihood = sum;
    for (int j = 0; j < 2; j++) {
        log_likelihood -= 0.5 * N * (LKI_LOG_2PI + log(v[j]) + 1);
    }
    check_near(number(*state, model, "log_likelihood"), log_likelihood, 1e-8 * fabs(log_likelihood));
    check_near(number(*state, model, "bic"), 2 * log_likelihood - 4 * log(N), 1e-8 * fabs(log_likelihood));
    check_near(number(*state, model, "icl"), 2 * log_likelihood - 4 * log(N), 1e-8 * fabs(log_likelihood));
    check_near(number(*state, model, "aic"), 2 * log_likelihood - 8, 1e-8 * fabs(log_likelihood));
    check_near(number(*state, model, "n"), N, 0);

    double x[6] = {2, 3, -1, 3, 0.5, 0}, out[3], score[6], u[6];
    check_ok(*state, lk_model_log_density(*state, model, x, 3, out));
    double wanted = 0;
    for (int j = 0; j < 2; j++) {
        double z = log(x[j]) - m[j];
        wanted -= 0.5 * (LKI_LOG_2PI + log(v[j]) + z * z / v[j]) + log(x[j]);
    }
    check_near(out[0], wanted, 1e-10);
    assert_true(isinf(out[1]) && out[1] < 0 && isinf(out[2]) && out[2] < 0);
    check_ok(*state, lk_model_score(*state, model, x, 3, score));
    for (int j = 0; j < 2; j++) {
        check_near(score[j], -(log(x[j]) - m[j]) / v[j] / x[j] - 1 / x[j], 1e-8);
    }
    assert_true(isnan(score[2]) && isnan(score[3]));
    check_ok(*state, lk_model_cdf(*state, model, x, 3, u));
    check_near(u[0], lki_normal_cdf((log(2) - m[0]) / sqrt(v[0])), 1e-12);
    assert_true(u[2] == 0.0 && u[5] == 0.0);
    check_near(u[3], lki_normal_cdf((log(3) - m[1]) / sqrt(v[1])), 1e-12);

    /* A density of the data's units integrates to 1 over them: the marginal of a by the trapezoid rule. */
    int64_t first = 0;
    check_ok(*state, lk_model_marginal(*state, model, &first, 1, &plain));
    assert_string_equal(lk_model_feature(plain, 0), "a");
    double integral = 0, h = 0.01, point, density;
    for (int i = 1; i < 10000; i++) {
        point = i * h;
        check_ok(*state, lk_model_log_density(*state, plain, &point, 1, &density));
        integral += h * exp(density);
    }
    check_near(integral, 1, 1e-6);
    lk_model_free(plain);
    lk_model_free(model);
    lk_table_free(table);
}

/* One row's values are the same bits alone, among others, among rows with missing values and on another number of threads. */
static void test_alone(void **state)
{
    enum { N = 2500 };
    static double x[2 * N], all[N], score[2 * N], u[2 * N], again[N];
    lk_model *model = built(*state, "{\"mean\":[1,-2],\"sd\":[2,0.5]}");
    lki_stream s = lki_stream_new(1, LKI_STREAM_TEST, 0);
    for (int i = 0; i < 2 * N; i++) {
        x[i] = 3 * lki_random_normal(&s);
    }
    x[20] = (double)NAN;
    x[2 * 1500 + 1] = (double)INFINITY;
    x[2 * 1501] = -(double)INFINITY;
    check_ok(*state, lk_model_log_density(*state, model, x, N, all));
    check_ok(*state, lk_model_score(*state, model, x, N, score));
    check_ok(*state, lk_model_cdf(*state, model, x, N, u));
    check_near(all[10], -0.5 * LKI_LOG_2PI - log(0.5) - 2 * (x[21] + 2) * (x[21] + 2), 1e-12); /* its second value alone */
    assert_true(isinf(all[1500]) && all[1500] < 0);
    assert_true(isnan(score[20]) && isnan(score[21]) && isnan(score[3000]));
    assert_true(isnan(u[20]) && !isnan(u[21]) && u[3001] == 1.0 && u[3002] == 0.0 && !isnan(u[3000]));
    for (int i = 0; i < N; i += 7) {
        double one, two[2];
        check_ok(*state, lk_model_log_density(*state, model, x + 2 * i, 1, &one));
        assert_memory_equal(&one, &all[i], sizeof one);
        check_ok(*state, lk_model_score(*state, model, x + 2 * i, 1, two));
        assert_memory_equal(two, &score[2 * i], sizeof two);
        check_ok(*state, lk_model_cdf(*state, model, x + 2 * i, 1, two));
        assert_memory_equal(two, &u[2 * i], sizeof two);
    }
    lk_context *single = check_context(1);
    check_ok(single, lk_model_log_density(single, model, x, N, again));
    assert_memory_equal(again, all, sizeof all);
    lk_context_free(single);
    check_ok(*state, lk_model_log_density(*state, model, x, 0, again));
    lk_model_free(model);
}

static void test_sample_pieces(void **state)
{
    lk_model *model = built(*state, "{\"mean\":[1,-2],\"sd\":[2,0.5]}");
    static double whole[2 * 3000], piece[2 * 100];
    check_ok(*state, lk_model_sample(*state, model, 9, 0, 3000, whole));
    check_ok(*state, lk_model_sample(*state, model, 9, 1000, 100, piece));
    assert_memory_equal(piece, whole + 2000, sizeof piece);
    check_status(*state, LK_ERROR_ARGUMENT, lk_model_sample(*state, model, -1, 0, 1, piece));
    check_status(*state, LK_ERROR_ARGUMENT, lk_model_sample(*state, model, 1, INT64_MAX, 1, piece));
    lk_model_free(model);
}

static void test_unsupported(void **state)
{
    lk_model *bare = NULL, *model = built(*state, "{\"mean\":[0],\"sd\":[1]}");
    double x = 0, out = 7, u;
    check_status(*state, LK_ERROR_UNSUPPORTED, lk_model_responsibilities(*state, model, &x, 1, &out));
    assert_string_equal(lk_error_message(*state), "this normal model offers log_density, score, sample, marginal, cdf; it does not "
                                                  "offer responsibilities");
    assert_true(out == 7);
    check_ok(*state, lk_model_build(*state, "bare", "{\"mean\":[0],\"sd\":[1]}", NULL, &bare));
    check_status(*state, LK_ERROR_UNSUPPORTED, lk_model_score(*state, bare, &x, 1, &out));
    check_contains(lk_error_message(*state), "this bare model offers sample, cdf; it does not offer score");
    /* Derived from 10 000 draws: within 4 standard errors of 1/2. */
    check_ok(*state, lk_model_cdf(*state, bare, &x, 1, &u));
    check_near(u, 0.5, 4 * 0.005);
    check_status(*state, LK_ERROR_ARGUMENT, lk_model_log_density(*state, model, &x, -1, &out));
    check_status(*state, LK_ERROR_ARGUMENT, lk_model_build(*state, "nrmal", "{}", NULL, &bare));
    check_contains(lk_error_message(*state), "there are: normal, bare");
    lk_model_free(bare);
    lk_model_free(model);
}

/* By hand: weights repeat rows, and rows of weight 0 are absent. */
static void test_evaluate(void **state)
{
    static const char *const names[] = {"w", "x1"};
    static const double values[] = {2, 0, 0, 100, 1, 1, 1, -1};
    lk_table *table = table_of(*state, values, 4, 2, names);
    lk_model *model = built(*state, "{\"mean\":[0],\"sd\":[1]}");
    lk_evaluation e = {.size = sizeof e};
    check_ok(*state, lk_model_evaluate(*state, model, table, "w", &e));
    check_near(e.rows, 4, 0);
    check_near(e.mean_log_density, -0.5 * LKI_LOG_2PI - 0.25, 1e-15); /* -x^2/2: 0, 0, -1/2, -1/2 */
    check_near(e.standard_error, sqrt(4 * 0.0625 / 3 / 4), 1e-15);
    double phi = 0.84134474606854294859;
    check_near(e.pit_mean[0], 0.5, 1e-15);
    check_near(e.pit_sd[0], sqrt(2 * (phi - 0.5) * (phi - 0.5) / 3), 1e-14);
    check_near(e.pit_ks[0], 0.25, 1e-15); /* at u = 1/2: F jumps from 1/4 to 3/4 */
    check_near(e.coverage_50, 0.5, 0);    /* |x| < .674 holds half of a normal, 1.645 nine tenths */
    check_near(e.coverage_90, 1, 0);
    lk_free(*state, e.pit_ks);
    lk_free(*state, e.pit_mean);
    lk_free(*state, e.pit_sd);
    lk_evaluation small = {.size = 8};
    check_status(*state, LK_ERROR_ARGUMENT, lk_model_evaluate(*state, model, table, NULL, &small));
    lk_model_free(model);
    lk_table_free(table);
}

/* On rows of the model itself: mean log density -1/2 (log 2 pi e) a dimension within 4 standard errors, coverage within 4 of its
 * own .0035 and the .005 of the model's draws, and the Kolmogorov distance below 1.95 / sqrt(n) (p = .001). */
static void test_evaluate_calibrated(void **state)
{
    enum { N = 20000 };
    static double values[2 * N];
    lk_model *model = built(*state, "{\"mean\":[3,0],\"sd\":[0.1,5]}");
    check_ok(*state, lk_model_sample(*state, model, 4, 0, N, values));
    lk_table *table = table_of(*state, values, N, 2, NULL);
    lk_evaluation e = {.size = sizeof e};
    check_ok(*state, lk_model_evaluate(*state, model, table, NULL, &e));
    check_near(e.mean_log_density, -LKI_LOG_2PI - 1 - log(0.5), 4 * e.standard_error);
    check_near(e.standard_error, sqrt(1.0 / N), 0.1 * sqrt(1.0 / N)); /* variance of half a chi-square of 2 is 1 */
    check_near(e.coverage_50, 0.5, 0.025);
    check_near(e.coverage_90, 0.9, 0.016);
    for (int j = 0; j < 2; j++) {
        assert_true(e.pit_ks[j] < 1.95 / sqrt(N));
        check_near(e.pit_mean[j], 0.5, 4 * 0.2887 / sqrt(N));
        check_near(e.pit_sd[j], 0.288675, 0.004);
    }
    lk_free(*state, e.pit_ks);
    lk_free(*state, e.pit_mean);
    lk_free(*state, e.pit_sd);
    lk_table_free(table);
    lk_model_free(model);
}

/* Above 2^21 values the distance is counted in bins, within 2^-16 of the exact one; here it is known to 3 standard errors. */
static void test_evaluate_counted(void **state)
{
    enum { N = 2100000 };
    double *values = malloc(N * sizeof *values);
    lk_model *model = built(*state, "{\"mean\":[0],\"sd\":[1]}");
    lki_stream s = lki_stream_new(2, LKI_STREAM_TEST, 0);
    for (int i = 0; i < N; i++) {
        values[i] = lki_random_normal(&s) + 0.5;
    }
    lk_table *table = table_of(*state, values, N, 1, NULL);
    lk_evaluation e = {.size = sizeof e};
    check_ok(*state, lk_model_evaluate(*state, model, table, NULL, &e));
    /* sup |Phi(x) - Phi(x - 1/2)| = 2 Phi(1/4) - 1, at x = 1/4. */
    check_near(e.pit_ks[0], 0.19741265136584674, 3 * 0.5 / sqrt(N));
    lk_free(*state, e.pit_ks);
    lk_free(*state, e.pit_mean);
    lk_free(*state, e.pit_sd);
    lk_table_free(table);
    lk_model_free(model);
    free(values);
}

static json_t *held_out(lk_context *ctx, const lk_model *model)
{
    char *text = NULL;
    check_ok(ctx, lk_model_info(ctx, model, &text));
    json_t *info = json_loads(text, 0, NULL), *out = json_deep_copy(json_object_get(info, "held_out"));
    json_decref(info);
    lk_free(ctx, text);
    return out;
}

/* Held-out likelihood of normal data is near its truth -1/2 log(2 pi e); it leaves the model itself as it is. */
static void test_held_out(void **state)
{
    enum { N = 5000 };
    static double values[N];
    lki_stream s = lki_stream_new(21, LKI_STREAM_TEST, 0);
    for (int i = 0; i < N; i++) {
        values[i] = lki_random_normal(&s);
    }
    lk_table *table = table_of(*state, values, N, 1, NULL);
    for (int k = 0; k < 2; k++) {
        lk_fit_options options = {.size = sizeof options, .holdout = k == 0 ? 0.2 : 0, .folds = k == 0 ? 0 : 5, .seed = 1,
                                  .transform = "standardize"};
        lk_model *model = NULL;
        check_ok(*state, lk_model_fit(*state, "normal", table, &options, &model));
        json_t *h = held_out(*state, model);
        double rows = json_number_value(json_object_get(h, "rows"));
        double se = json_number_value(json_object_get(h, "standard_error"));
        assert_string_equal(json_string_value(json_object_get(h, "kind")), k == 0 ? "holdout" : "folds");
        check_near(rows, k == 0 ? 1000 : N, k == 0 ? 4 * sqrt(N * 0.16) : 0);
        assert_true(se > 0 && se < 0.05);
        check_near(json_number_value(json_object_get(h, "mean_log_density")), -0.5 * (LKI_LOG_2PI + 1), 4 * sqrt(0.5 / rows));
        json_decref(h);
        lk_model_free(model);
    }
    lk_table_free(table);
}

static void fit_refused(lk_context *ctx, const lk_table *table, const lk_fit_options *options, lk_status wanted, const char *part)
{
    lk_model *model = NULL;
    check_status(ctx, wanted, lk_model_fit(ctx, "normal", table, options, &model));
    assert_null(model);
    check_contains(lk_error_message(ctx), part);
}

static void test_refusals(void **state)
{
    double values[] = {1, 2, 3, 4, 5, 6.5, (double)NAN, 8};
    lk_table *missing = table_of(*state, values, 4, 2, ab);
    fit_refused(*state, missing, NULL, LK_ERROR_DATA, "row 4, column a is missing; drop or impute such rows");
    values[6] = 7;
    lk_table *table = table_of(*state, values, 4, 2, ab);
    lk_model *model = built(*state, "{\"mean\":[0,0],\"sd\":[1,1]}"), *bare = NULL, *log_model = NULL;
    check_ok(*state, lk_model_build(*state, "bare", "{\"mean\":[0,0],\"sd\":[1,1]}", NULL, &bare));
    lk_fit_options o = {.size = sizeof o, .holdout = 1};
    fit_refused(*state, table, &o, LK_ERROR_ARGUMENT, "holdout is 1");
    o = (lk_fit_options){.size = sizeof o, .folds = 1};
    fit_refused(*state, table, &o, LK_ERROR_ARGUMENT, "folds is 1; it must be at least 2");
    o = (lk_fit_options){.size = sizeof o, .folds = 2, .holdout = 0.5};
    fit_refused(*state, table, &o, LK_ERROR_ARGUMENT, "give one of them");
    o = (lk_fit_options){.size = sizeof o, .folds = 400};
    fit_refused(*state, table, &o, LK_ERROR_DATA, "larger share or fewer folds");
    o = (lk_fit_options){.size = sizeof o, .start = model};
    fit_refused(*state, table, &o, LK_ERROR_ARGUMENT, "feature 1 is x1 there and a here");
    o = (lk_fit_options){.size = sizeof o, .start = bare};
    fit_refused(*state, table, &o, LK_ERROR_ARGUMENT, "is a bare model; it must be of the method normal");
    o = (lk_fit_options){.size = sizeof o, .transform = "log"};
    check_ok(*state, lk_model_fit(*state, "normal", table, &o, &log_model));
    o = (lk_fit_options){.size = sizeof o, .transform = "sqrt", .start = log_model};
    fit_refused(*state, table, &o, LK_ERROR_ARGUMENT, "leave the fit's transform out");
    o = (lk_fit_options){0};
    fit_refused(*state, table, &o, LK_ERROR_ARGUMENT, "lk_fit_options.size is 0");
    lk_model_free(log_model);
    lk_model_free(bare);
    lk_model_free(model);
    lk_table_free(missing);
    lk_table_free(table);
}

static void collect(void *state, const char *text)
{
    strcat(state, text);
    strcat(state, "|");
}

static void test_remarks(void **state)
{
    static const char *const names[] = {"a", "waiting", "b", "c"};
    static double values[3000 * 4];
    char said[500] = "";
    for (int i = 0; i < 3000; i++) {
        values[4 * i] = i % 17;
        values[4 * i + 1] = 3;
        values[4 * i + 2] = i == 2999 ? -1 : i % 17; /* one row differs */
        values[4 * i + 3] = values[4 * i];
    }
    lk_table *table = table_of(*state, values, 3000, 4, names);
    lk_context_options options = {.size = sizeof options, .threads = 2, .message = collect, .message_state = said};
    lk_context *ctx = NULL;
    lk_model *model = NULL;
    assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
    check_ok(ctx, lk_model_fit(ctx, "normal", table, NULL, &model));
    assert_string_equal(said, "column waiting is constant|column c is a duplicate of column a|");
    assert_false(lk_model_trusted(model));
    lk_model_free(model);
    lk_table_free(table);
    lk_context_free(ctx);
}

static void test_columns(void **state)
{
    static const char *const names[] = {"x2", "other", "x1"};
    double values[] = {1, 2, 3};
    int64_t out[2];
    lk_model *model = built(*state, "{\"mean\":[0,0],\"sd\":[1,1]}");
    lk_table *named = table_of(*state, values, 1, 3, names), *plain = table_of(*state, values, 1, 2, NULL);
    lk_table *strange = table_of(*state, values, 1, 2, ab);
    check_ok(*state, lk_model_columns(*state, model, named, out));
    assert_true(out[0] == 2 && out[1] == 0);
    check_ok(*state, lk_model_columns(*state, model, plain, out));
    assert_true(out[0] == 0 && out[1] == 1);
    check_status(*state, LK_ERROR_DATA, lk_model_columns(*state, model, strange, out));
    check_contains(lk_error_message(*state), "feature \"x1\" of this normal model is not among the 2 columns a, b");
    lk_table_free(strange);
    lk_table_free(plain);
    lk_table_free(named);
    lk_model_free(model);
}

int main(void)
{
#define ONE(name) cmocka_unit_test_setup_teardown(name, check_setup, check_teardown)
    const struct CMUnitTest tests[] = {
        ONE(test_answers), ONE(test_derived_score), ONE(test_log_normal), ONE(test_alone), ONE(test_sample_pieces),
        ONE(test_unsupported), ONE(test_evaluate), ONE(test_evaluate_calibrated), ONE(test_evaluate_counted), ONE(test_held_out),
        ONE(test_refusals), ONE(test_remarks), ONE(test_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
