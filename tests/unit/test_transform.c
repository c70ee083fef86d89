/* Transforms: values, inverses, Jacobians and gradients against differences; standardizing against closed forms. */
#include "../check.h"
#include "core/philox.h"
#include "data/dataset.h"
#include "data/transform.h"
#include "data/transform_impl.h"

#include <likely/table.h>

static const int64_t columns[] = {0, 1, 2, 3, 4, 5};

static lki_dataset dataset_of(const lk_table *table, int64_t d, int64_t weight)
{
    int64_t rows = lk_table_rows(table);
    return (lki_dataset){.table = table,
                         .features = columns,
                         .d = d,
                         .weight = weight,
                         .rows = rows,
                         .blocks = (rows + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS};
}

/* One chain of steps without data behind them. */
static lki_transform *transform_of(lk_context *ctx, const char *json, int64_t d)
{
    lki_transform *t = NULL;
    check_ok(ctx, lki_transform_parse(ctx, json, d, &t));
    return t;
}

static void test_values(void **state)
{
    lk_context *ctx = *state;
    lki_transform *t =
        transform_of(ctx, "[[\"log\"],[\"logit\"],[\"sqrt\"],[\"asinh\"],[[\"standardize\",3,2]],[]]", 6);
    double x[] = {2.0, 0.25, -9.0, 3.0, 7.0, 5.0}, z[6], back[6], jacobian = 0.0;
    int64_t bad = 0;
    lki_transform_apply(t, x, 1, z, &jacobian, &bad);
    double wanted[] = {0.69314718055994530942, -1.0986122886681098, -3.0, 1.8184464592320668, 2.0, 5.0};
    for (int j = 0; j < 6; j++) {
        check_near(z[j], wanted[j], 4e-16 * fabs(wanted[j]));
    }
    assert_int_equal(bad, -1);
    /* 1/x, 1/(x(1-x)), 1/(2 sqrt|x|), 1/sqrt(1+x^2), 1/b */
    check_near(jacobian, log(0.5) + log(1 / (0.25 * 0.75)) + log(1.0 / 6.0) - 0.5 * log(10.0) - log(2.0), 1e-15 * 8);
    lki_transform_invert(t, z, 1, back);
    for (int j = 0; j < 6; j++) {
        check_near(back[j], x[j], 1e-15 * fabs(x[j]));
    }
    lki_transform_apply(t, x, 1, x, NULL, NULL); /* in place */
    assert_memory_equal(x, z, sizeof z);
    lki_transform_free(t);
}

static void test_domains(void **state)
{
    lk_context *ctx = *state;
    lki_transform *t = transform_of(ctx, "[[\"log\"],[\"logit\"],[\"sqrt\"]]", 3);
    double inf = (double)INFINITY, nan = (double)NAN;
    struct {
        double x[3];
        int64_t bad;
    } cases[] = {{{1, 0.5, 1}, -1},   {{0, 0.5, 1}, 0},      {{-1, 0.5, 1}, 0},  {{1, 0, 1}, 1},
                 {{1, 1, 1}, 1},      {{1, 2, 1}, 1},        {{inf, 0.5, 1}, 0}, {{1, 0.5, inf}, 2},
                 {{nan, 0.5, 1}, -1}, {{nan, 0.5, -inf}, 2}, {{1, 0.5, 0}, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double z[3], same[3], jacobian;
        int64_t bad = -5, again = -5;
        lki_transform_apply(t, cases[i].x, 1, z, &jacobian, &bad);
        lki_transform_apply(t, cases[i].x, 1, same, NULL, &again);
        assert_int_equal(bad, cases[i].bad);
        assert_int_equal(again, cases[i].bad);
        assert_memory_equal(z, same, sizeof z);
        bool zero = cases[i].x[2] == 0.0;
        for (int j = 0; j < 3; j++) {
            assert_true(isnan(z[j]) == (isnan(cases[i].x[j]) || (j == bad && !zero)));
        }
        assert_true(zero ? jacobian == inf : isnan(jacobian) == (bad >= 0));
    }
    check_contains(lki_transform_domain(t, 0, -1.0), "above 0");
    check_contains(lki_transform_domain(t, 1, 1.0), "between 0 and 1");
    /* Rounding never leaves the domain on the way back. */
    double z[] = {-1000.0, 50.0, 1e200}, x[3];
    lki_transform_invert(t, z, 1, x);
    assert_true(x[0] > 0.0 && x[1] < 1.0 && isfinite(x[2]));
    double far[] = {1000.0, -1000.0, -1e200};
    lki_transform_invert(t, far, 1, x);
    assert_true(isfinite(x[0]) && x[1] > 0.0 && isfinite(x[2]) && x[2] < 0.0);
    lki_transform_free(t);
}

/* Chains of random steps: the inverse, and Jacobian and gradient of log p(x) = -z^2/2 + log|J| against central
 * differences. */
static void test_chains(void **state)
{
    lk_context *ctx = *state;
    static const char *const chains[] = {
        "[[\"log\",[\"standardize\",0.3,1.7]]]",
        "[[\"logit\",[\"standardize\",-0.5,0.8],\"asinh\"]]",
        "[[\"sqrt\",[\"standardize\",1,2]]]",
        "[[[\"standardize\",2,3],\"asinh\"]]",
        "[[\"asinh\",\"sqrt\"]]",
        "[[\"log\",\"asinh\",[\"standardize\",-1,0.25]]]",
    };
    for (size_t c = 0; c < sizeof chains / sizeof chains[0]; c++) {
        lki_transform *t = transform_of(ctx, chains[c], 1);
        for (int64_t i = 0; i < 200; i++) {
            lki_stream stream = lki_stream_new(1, LKI_STREAM_TEST, (uint64_t)i);
            double x = 0.05 + 0.9 * lki_random_uniform(&stream), h = 1e-5 * x;
            double at[] = {x - h, x, x + h}, z[3], jacobian[3], back[3];
            lki_transform_apply(t, at, 3, z, jacobian, NULL);
            lki_transform_invert(t, z, 3, back);
            check_near(back[1], x, 1e-13);
            double slope = (z[2] - z[0]) / (at[2] - at[0]);
            check_near(exp(jacobian[1]), slope, 2e-8 * slope);
            double g = -z[1];
            lki_transform_gradient(t, &x, 1, &g);
            double wanted = ((-z[2] * z[2] / 2 + jacobian[2]) - (-z[0] * z[0] / 2 + jacobian[0])) / (at[2] - at[0]);
            check_near(g, wanted, 1e-6 * (1.0 + fabs(wanted)));
        }
        lki_transform_free(t);
    }
}

static void test_standardize_keeps_precision(void **state)
{
    lk_context *ctx = *state;
    /* Column 0: 1e8 + i/1024 for i = 0..n-1: mean 1e8 + (n-1)/2048, variance (n^2-1)/12/1024^2, exactly
     * representable values. Column 1: alternating +-1e300. Column 2: constant. Column 3: weight 0, 1, 2, 0, 1, 2,
     * ... */
    enum { N = 30000 };
    double *values = malloc(sizeof(double) * N * 4);
    for (int64_t i = 0; i < N; i++) {
        values[i * 4] = 1e8 + (double)i / 1024.0;
        values[i * 4 + 1] = i % 2 == 0 ? 1e300 : -1e300;
        values[i * 4 + 2] = 0.1;
        values[i * 4 + 3] = (double)(i % 3);
    }
    static const char *const names[] = {"a", "b", "c", "w"};
    lk_table *table = NULL;
    check_ok(ctx, lk_table_from_array(ctx, values, N, 4, names, &table));
    lki_dataset data = dataset_of(table, 3, -1);
    lki_transform *t = NULL;
    check_ok(ctx, lki_transform_new(ctx, "standardize", names, &data, &t));
    check_near(t->chains[0].steps[0].a, 1e8 + (N - 1.0) / 2048.0, 1.5e-8);
    double sd = sqrt(((double)N * N - 1.0) / 12.0) / 1024.0;
    check_near(t->chains[0].steps[0].b, sd, 1e-14 * sd);
    check_near(t->chains[1].steps[0].a, 0.0, 1e285);
    check_near(t->chains[1].steps[0].b, 1e300, 1e286);
    assert_true(t->chains[2].steps[0].a == 0.1 && t->chains[2].steps[0].b == 1.0);
    lki_transform_free(t);
    /* Weighted: rows 1 mod 3 once, 2 mod 3 twice. With m blocks of three: x = (3k + 1) once, (3k + 2) twice. */
    data = dataset_of(table, 3, 3);
    check_ok(ctx, lki_transform_new(ctx, "standardize:a", names, &data, &t));
    double m = N / 3.0, mean = 3.0 * (m - 1.0) / 2.0 + 5.0 / 3.0, variance = 9.0 * (m * m - 1.0) / 12.0 + 2.0 / 9.0;
    check_near(t->chains[0].steps[0].a, 1e8 + mean / 1024.0, 1.5e-8);
    check_near(t->chains[0].steps[0].b, sqrt(variance) / 1024.0, 1e-14 * sqrt(variance));
    assert_int_equal(t->chains[1].count, 0);
    lki_transform_free(t);
    lk_table_free(table);
    free(values);
}

static void test_text(void **state)
{
    lk_context *ctx = *state;
    double values[] = {1, 1, 2, 4, 4, 16};
    static const char *const names[] = {"a", "b"};
    lk_table *table = NULL;
    lki_transform *t = NULL;
    check_ok(ctx, lk_table_from_array(ctx, values, 3, 2, names, &table));
    lki_dataset data = dataset_of(table, 2, -1);
    check_ok(ctx, lki_transform_new(ctx, "log,standardize:b,identity", names, &data, &t));
    assert_int_equal(t->chains[0].count, 1);
    assert_int_equal(t->chains[1].count, 2);
    check_near(t->chains[1].steps[1].a, log(4.0), 1e-15); /* logs 0, log 4, log 16 */
    check_near(t->chains[1].steps[1].b, log(4.0) * sqrt(2.0 / 3.0), 1e-15);
    char *json = NULL, *json2 = NULL;
    check_ok(ctx, lki_transform_json(ctx, t, &json));
    lki_transform *copy = transform_of(ctx, json, 2), *part = NULL;
    check_ok(ctx, lki_transform_json(ctx, copy, &json2));
    assert_string_equal(json, json2);
    assert_memory_equal(&copy->chains[1].steps[1].a, &t->chains[1].steps[1].a, 2 * sizeof(double));
    int64_t second = 1;
    check_ok(ctx, lki_transform_select(ctx, t, &second, 1, &part));
    assert_int_equal(part->d, 1);
    assert_int_equal(part->chains[0].count, 2);
    lk_free(ctx, json);
    lk_free(ctx, json2);
    lki_transform_free(part);
    lki_transform_free(copy);
    lki_transform_free(t);
    static const struct {
        const char *text, *part;
        lk_status status;
    } wrong[] = {
        {"lag", "'lag' is not known", LK_ERROR_ARGUMENT},
        {"", "'' is not known", LK_ERROR_ARGUMENT},
        {"log:z", "no feature is called 'z'", LK_ERROR_ARGUMENT},
        {"log,", "'' is not known", LK_ERROR_ARGUMENT},
        {"logit", "row 1 of column 'a': 1 is outside", LK_ERROR_DATA},
        {"log,log,log,log,log,log,log,log,log", "more than", LK_ERROR_ARGUMENT},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        lk_status status;
        lki_begin(ctx);
        t = NULL;
        status = lki_transform_new(ctx, wrong[i].text, names, &data, &t);
        if (status == LK_OK) { /* the domain shows when the data is read */
            lki_block block = {0};
            data.transform = t;
            status = lki_dataset_block(ctx, &data, 0, &block);
            data.transform = NULL;
            lki_block_free(ctx, &block);
            lki_transform_free(t);
        } else {
            assert_null(t);
        }
        assert_int_equal(status, wrong[i].status);
        check_contains(lk_error_message(ctx), wrong[i].part);
    }
    lk_table_free(table);
}

static void test_json_is_exact_and_checked(void **state)
{
    lk_context *ctx = *state;
    for (int64_t i = 0; i < 2000; i++) {
        lki_stream stream = lki_stream_new(2, LKI_STREAM_TEST, (uint64_t)i);
        uint64_t bits[2] = {lki_random_bits(&stream), lki_random_bits(&stream) >> 1};
        double v[2];
        memcpy(v, bits, sizeof v);
        if (!isfinite(v[0]) || !isfinite(v[1]) || v[1] == 0.0) {
            continue;
        }
        lki_transform *t = NULL;
        check_ok(ctx, lki_transform_identity(ctx, 1, &t));
        t->chains[0].count = 1;
        t->chains[0].steps[0] = (lki_step){LKI_STEP_STANDARDIZE, i == 0 ? -0.0 : i == 1 ? 4e15 : v[0], v[1]};
        char *json = NULL;
        check_ok(ctx, lki_transform_json(ctx, t, &json));
        lki_transform *copy = transform_of(ctx, json, 1);
        assert_memory_equal(&copy->chains[0].steps[0].a, &t->chains[0].steps[0].a, 2 * sizeof(double));
        lk_free(ctx, json);
        lki_transform_free(copy);
        lki_transform_free(t);
    }
    static const char *const wrong[] = {"",
                                        "[",
                                        "{}",
                                        "[]",
                                        "[[],[]]",
                                        "[\"log\"]",
                                        "[[\"lug\"]]",
                                        "[[\"standardize\"]]",
                                        "[[[\"standardize\",1]]]",
                                        "[[[\"standardize\",1,0]]]",
                                        "[[[\"standardize\",1,-2]]]",
                                        "[[[\"log\",1,2]]]",
                                        "[[[\"standardize\",1e999,1]]]",
                                        "[[[\"standardize\",\"1\",1]]]",
                                        "[[1]]",
                                        "[[\"log\",\"log\",\"log\",\"log\",\"log\",\"log\",\"log\",\"log\",\"log\"]]"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        lki_transform *t = NULL;
        lki_begin(ctx);
        check_status(ctx, LK_ERROR_FORMAT, lki_transform_parse(ctx, wrong[i], 1, &t));
        assert_null(t);
        check_contains(lk_error_message(ctx), "transform");
    }
}

/* Each allocation fails once in turn, of a transform made from data, its JSON and back. */
static void test_no_memory(void **state)
{
    (void)state;
    lk_context *plain = check_context(1);
    static const char *const names[] = {"a", "b"};
    double values[4000];
    for (int i = 0; i < 4000; i++) {
        values[i] = 1.0 + i % 17;
    }
    lk_table *table = NULL;
    check_ok(plain, lk_table_from_array(plain, values, 2000, 2, names, &table));
    lki_dataset data = dataset_of(table, 2, -1);
    bool done = false;
    int failures = 0;
    for (long at = 1; !done; at++) {
        check_memory memory = {0};
        lk_allocator allocator = check_allocator(&memory);
        lk_context_options options = {.size = sizeof options, .threads = 2, .allocator = &allocator};
        lk_context *ctx = NULL;
        lki_transform *t = NULL, *copy = NULL;
        char *json = NULL;
        assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
        memory.calls = 0;
        memory.fail_at = at;
        lk_status status = lki_transform_new(ctx, "log,standardize:b", names, &data, &t);
        status = status == LK_OK ? lki_transform_json(ctx, t, &json) : status;
        status = status == LK_OK ? lki_transform_parse(ctx, json, 2, &copy) : status;
        done = memory.calls < at;
        assert_true(status == LK_OK || (!done && status == LK_ERROR_MEMORY));
        failures += status != LK_OK;
        lki_transform_free(t);
        lki_transform_free(copy);
        lk_free(ctx, json);
        lk_context_free(ctx);
        assert_int_equal(memory.live, 0);
    }
    assert_true(failures > 8);
    lk_table_free(table);
    lk_context_free(plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),    cmocka_unit_test(test_domains),
        cmocka_unit_test(test_chains),    cmocka_unit_test(test_standardize_keeps_precision),
        cmocka_unit_test(test_text),      cmocka_unit_test(test_json_is_exact_and_checked),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests_name("transform", tests, check_setup, check_teardown);
}
