/* The numbers of a report where they are known beforehand: rows that are the exact quantiles of the model, a bivariate normal whose conditional
 * distributions have a closed form, planted strange rows and gaps, and texts that must come out as they went in. */
#include "gmm_check.h"

#include <math.h>

static const char normal_json[] = "{\"weights\":[1],\"means\":[[3]],\"covariances\":[[[4]]],\"columns\":[\"v\"]}";
/* Unit variances, correlation .8. */
static const char pair_json[] = "{\"weights\":[1],\"means\":[[0,0]],\"covariances\":[[[1,0.8],[0.8,1]]],\"columns\":[\"a\",\"b\"]}";

static json_t *report_of(lk_context *ctx, const lk_model *model, const lk_table *table, const lk_report_options *options)
{
    char *text = NULL;
    check_ok(ctx, lk_report_json(ctx, model, table, options, &text));
    json_t *report = json_loads(text, 0, NULL);
    lk_free(ctx, text);
    assert_non_null(report);
    return report;
}

static json_t *at(const json_t *value, const char *path)
{
    char copy[200];
    snprintf(copy, sizeof copy, "%s", path);
    for (char *part = strtok(copy, "/"); part != NULL; part = strtok(NULL, "/")) {
        value = json_is_array(value) ? json_array_get(value, (size_t)atoi(part)) : json_object_get(value, part);
    }
    return (json_t *)(uintptr_t)value;
}

static double num(const json_t *value, const char *path)
{
    return json_number_value(at(value, path));
}

static void near(double got, double wanted, double tolerance)
{
    if (!(fabs(got - wanted) <= tolerance)) {
        print_error("%.12g, wanted %.12g to %g\n", got, wanted, tolerance);
        fail();
    }
}

/* The quantile of the standard normal, by bisection on erfc. */
static double normal_quantile(double p)
{
    double low = -10, high = 10;
    for (int i = 0; i < 200; i++) {
        double middle = 0.5 * (low + high);
        if (0.5 * erfc(-middle / sqrt(2.0)) < p) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return 0.5 * (low + high);
}

/* Rows at the quantiles (i - 1/2) / n: every bar of the transform holds n / 20 of them, Kolmogorov's distance is 1 / 2n, the region of 90% holds
 * 90%, and quantiles of the rows are those of the model. A report that forgot to transform would show neither. */
static void exact_quantiles(void **state)
{
    enum { N = 2000 };
    lk_context *ctx = *state;
    static double x[N];
    for (int i = 0; i < N; i++) {
        x[i] = 3 + 2 * normal_quantile((i + 0.5) / N);
    }
    const char *const names[] = {"v"};
    lk_table *table = NULL;
    check_ok(ctx, lk_table_from_array(ctx, x, N, 1, names, &table));
    lk_model *model = gmm_build(ctx, normal_json);
    json_t *r = report_of(ctx, model, table, NULL);
    for (size_t b = 0; b < 20; b++) {
        assert_int_equal(json_integer_value(json_array_get(at(r, "trust/pit/0/counts"), b)), N / 20);
    }
    near(num(r, "trust/pit/0/distance"), 0.5 / N, 1e-9);
    near(num(r, "trust/pit/0/p"), 1.0, 1e-9);
    near(num(r, "trust/data/coverage_90"), 0.9, 0.015); /* levels come from 10 000 draws */
    const json_t *places = at(r, "trust/quantiles/0/places");
    assert_true(json_array_size(places) > 25);
    for (size_t i = 0; i < json_array_size(places); i++) {
        const json_t *q = json_array_get(places, i);
        assert_true(fabs(num(q, "1") - (3 + 2 * normal_quantile(num(q, "0")))) < 0.02); /* linear between order statistics */
        assert_true(num(q, "3") <= num(q, "2") && num(q, "2") <= num(q, "4"));
    }
    assert_string_equal(json_string_value(at(r, "absent/predictions")), "there is one feature: nothing to predict it from");
    json_decref(r);
    lk_table_free(table);

    /* Shifted by .1 sd: the largest difference of the distribution functions is 2 Phi(.05) - 1 = .03988; with n = 2000 Kolmogorov's law gives p = .0033
     * (sqrt(n) D = 1.7835, 2 exp(-2 1.7835^2) = .00345; with the correction of Stephens t = 1.7884, .00334). */
    for (int i = 0; i < N; i++) {
        x[i] += 0.2;
    }
    check_ok(ctx, lk_table_from_array(ctx, x, N, 1, names, &table));
    r = report_of(ctx, model, table, NULL);
    near(num(r, "trust/pit/0/distance"), erf(0.05 / sqrt(2.0)) + 0.5 / N, 2e-4);
    near(num(r, "trust/pit/0/p"), 0.00325, 2e-4);
    json_decref(r);
    lk_table_free(table);
    lk_model_free(model);
}

/* Given a, b is normal with mean .8 a and variance .36: shares below its quantiles, the variance that a explains (.64), the reasons of a planted
 * row, and its place as the strangest. */
static void pair_of_normals(void **state)
{
    enum { N = 1600 };
    lk_context *ctx = *state;
    static double x[2 * N];
    const char *const names[] = {"a", "b"};
    for (int i = 0; i < 40; i++) { /* quantiles of a, and of b given a */
        for (int j = 0; j < 40; j++) {
            double a = normal_quantile((i + 0.5) / 40);
            x[2 * (40 * i + j)] = a;
            x[2 * (40 * i + j) + 1] = 0.8 * a + 0.6 * normal_quantile((j + 0.5) / 40);
        }
    }
    x[2 * 777] = 1; /* the most strange: b is 5.8 where .8 is expected, sd .6 */
    x[2 * 777 + 1] = 5.8;
    x[2 * 5] = (double)NAN;
    lk_table *table = NULL;
    check_ok(ctx, lk_table_from_array(ctx, x, N, 2, names, &table));
    lk_model *model = gmm_build(ctx, pair_json);
    json_t *r = report_of(ctx, model, table, NULL);
    const json_t *b = at(r, "trust/predictions/1");
    for (size_t l = 0; l < 9; l++) {
        const json_t *pair = json_array_get(at(b, "shares"), l);
        assert_true(fabs(num(pair, "0") - num(pair, "1")) < 0.014); /* 1 / 80 by the steps of 40, and the planted rows */
    }
    assert_true(fabs(num(b, "explained") - 0.64) < 0.02);
    assert_true(fabs(num(b, "error") - 0.6) < 0.02);
    assert_int_equal(num(r, "strange/rows/0/row"), 778);
    assert_string_equal(json_string_value(at(r, "strange/rows/0/reasons/0/feature")), "b");
    near(num(r, "strange/rows/0/reasons/0/mean"), 0.8, 1e-9);
    near(num(r, "strange/rows/0/reasons/0/sd"), 0.6, 1e-9);
    near(num(r, "strange/rows/0/p"), 1.0 / 20001, 1e-5);
    assert_int_equal(num(r, "strange/scored"), N);
    assert_int_equal(num(r, "table/missing/complete"), N - 1);
    assert_int_equal(num(r, "table/missing/patterns/0/rows"), 1);
    assert_int_equal(num(r, "table/missing/patterns/0/columns/0"), 0);
    json_decref(r);
    lk_model_free(model);
    lk_table_free(table);
}

/* Whatever it is called, a title is text in the page and no element of it. */
static void texts(void **state)
{
    lk_context *ctx = *state;
    const double x[4] = {1, 2, 3, 4};
    const char *const names[] = {"</script><b>&\xe2\x80\xa8"};
    lk_report_options options = {.size = sizeof options, .title = "<i>\"&\xff", .data = "d", .command = "c </script> \xc3\x28"};
    lk_table *table = NULL;
    char *page = NULL;
    check_ok(ctx, lk_table_from_array(ctx, x, 4, 1, names, &table));
    lk_model *model = gmm_build(ctx, "{\"weights\":[1],\"means\":[[2]],\"covariances\":[[[1]]],\"columns\":[\"</script><b>&\xe2\x80\xa8\"]}");
    json_t *r = report_of(ctx, model, table, &options);
    assert_string_equal(json_string_value(at(r, "title")), "<i>\"&\xef\xbf\xbd");
    assert_string_equal(json_string_value(at(r, "command")), "c </script> \xef\xbf\xbd(");
    assert_string_equal(json_string_value(at(r, "model/columns/0")), names[0]);
    json_decref(r);
    lk_status status = lk_report_html(ctx, model, table, &options, &page);
    if (status == LK_ERROR_UNAVAILABLE) {
        check_contains(lk_error_message(ctx), "this build holds no page for reports: ");
    } else {
        check_ok(ctx, status);
        check_contains(page, "<title>&lt;i&gt;&quot;&amp;\xef\xbf\xbd</title>");
        check_contains(page, "\\u003c/script\\u003e\\u003cb\\u003e\\u0026\\u2028");
        assert_null(strstr(page, "</script><b>"));
        assert_true(strlen(page) < 1000000);
    }
    lk_free(ctx, page);
    lk_model_free(model);
    lk_table_free(table);
}

/* Rows at the quantiles count once, as many rows far away not at all: the transform is flat, as if these were not there. Without weights half
 * of the rows would be in its last bar. */
static void weighted_rows(void **state)
{
    enum { ROWS = 400, BARS = 20 };
    lk_context *ctx = *state;
    double x[2 * ROWS][2];
    const char *const names[] = {"v", "w"};
    for (int i = 0; i < ROWS; i++) {
        x[2 * i][0] = 3 + 2 * normal_quantile((i + 0.5) / ROWS);
        x[2 * i][1] = 1;
        x[2 * i + 1][0] = 1000;
        x[2 * i + 1][1] = 0;
    }
    lk_table *table = NULL;
    check_ok(ctx, lk_table_from_array(ctx, &x[0][0], 2 * ROWS, 2, names, &table));
    lk_model *model = gmm_build(ctx, normal_json);
    json_t *report = report_of(ctx, model, table, &(lk_report_options){.size = sizeof(lk_report_options), .weight = "w"});
    near(num(report, "trust/data/rows"), ROWS, 0);
    near(num(report, "trust/data/coverage_90"), 0.9, 0.015); /* levels come from 10 000 draws */
    near(num(report, "trust/pit/0/distance"), 0.5 / ROWS, 1e-9);
    for (size_t b = 0; b < BARS; b++) { /* 2 ROWS are taken by weight, each of the weighted ones twice */
        near(json_number_value(json_array_get(at(report, "trust/pit/0/counts"), b)), 2.0 * ROWS / BARS, 0);
    }
    assert_string_equal(json_string_value(at(report, "table/columns/1/role")), "weight");
    json_decref(report);
    char *text = NULL;
    x[5][1] = -1;
    lk_table_free(table);
    check_ok(ctx, lk_table_from_array(ctx, &x[0][0], 2 * ROWS, 2, names, &table));
    check_status(ctx, LK_ERROR_DATA, lk_report_json(ctx, model, table, &(lk_report_options){.size = sizeof(lk_report_options), .weight = "w"}, &text));
    check_status(ctx, LK_ERROR_ARGUMENT, lk_report_json(ctx, model, table, &(lk_report_options){.size = sizeof(lk_report_options), .weight = "u"}, &text));
    lk_model_free(model);
    lk_table_free(table);
}

static void refused(void **state)
{
    lk_context *ctx = *state;
    const double x[2] = {1, 2};
    const char *const names[] = {"v"};
    lk_table *table = NULL, *empty = NULL, *other = NULL;
    char *text = NULL;
    check_ok(ctx, lk_table_from_array(ctx, x, 2, 1, names, &table));
    check_ok(ctx, lk_table_from_array(ctx, x, 0, 1, names, &empty));
    const char *const wrong[] = {"w"};
    check_ok(ctx, lk_table_from_array(ctx, x, 2, 1, wrong, &other));
    lk_model *model = gmm_build(ctx, normal_json);
    const lk_report_options bad[] = {{.size = 3}, {.size = sizeof bad[0], .points = -1}, {.size = sizeof bad[0], .points = 10001},
                                     {.size = sizeof bad[0], .strange = 101}, {.size = sizeof bad[0], .seed = -1},
                                     {.size = sizeof bad[0], .features = "w"}, {.size = sizeof bad[0], .features = "v,1"},
                                     {.size = sizeof bad[0], .features = ""}, {.size = sizeof bad[0], .id = "nobody"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        check_status(ctx, LK_ERROR_ARGUMENT, lk_report_json(ctx, model, table, &bad[i], &text));
        assert_true(strlen(lk_error_message(ctx)) > 10);
    }
    check_status(ctx, LK_ERROR_DATA, lk_report_json(ctx, model, empty, NULL, &text));
    check_status(ctx, LK_ERROR_DATA, lk_report_json(ctx, model, other, NULL, &text));
    check_status(ctx, LK_ERROR_DATA, lk_report_json(ctx, model, table, &(lk_report_options){.size = sizeof bad[0], .held_out = other}, &text));
    assert_null(text);
    lk_table_free(table);
    lk_table_free(empty);
    lk_table_free(other);
    lk_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(exact_quantiles), cmocka_unit_test(pair_of_normals), cmocka_unit_test(texts),
                                       cmocka_unit_test(weighted_rows), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
