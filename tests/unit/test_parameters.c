/* Settings to values and back: types, ranges, lists, choices, canonical texts, and what a wrong one says. */
#include "check.h"
#include "unit/fake_family.c"
#include "model/parameters.h"

static lki_values *parse(lk_context *ctx, const char *name, const char *value)
{
    lk_setting settings[] = {{name, value}, {NULL, NULL}};
    lki_values *v = NULL;
    check_ok(ctx, lki_values_new(ctx, &fake_method.public, settings, &v));
    return v;
}

static void finish(lk_context *ctx, lki_values *v)
{
    lki_memory memory = lki_memory_of(ctx);
    lki_values_free(&memory, v);
}

/* Parses, and compares the canonical text; parsing that again must give the same text. */
static void check_canonical(lk_context *ctx, const char *name, const char *value, const char *wanted)
{
    for (int i = 0; i < 2; i++) {
        lki_values *v = parse(ctx, name, i == 0 ? value : wanted);
        assert_string_equal(lki_value_text(v, name), wanted);
        assert_true(lki_value_is_set(v, name));
        finish(ctx, v);
    }
}

static void check_refused(lk_context *ctx, const char *name, const char *value, const char *part)
{
    lk_setting settings[] = {{name, value}, {NULL, NULL}};
    lki_values *v = NULL;
    lki_begin(ctx);
    check_status(ctx, LK_ERROR_ARGUMENT, lki_values_new(ctx, &fake_method.public, settings, &v));
    assert_null(v);
    check_contains(lk_error_message(ctx), part);
}

static void test_defaults(void **state)
{
    lki_values *v = NULL;
    int64_t count;
    check_ok(*state, lki_values_new(*state, &fake_method.public, NULL, &v));
    const int64_t *list = lki_value_list(v, "components", &count);
    assert_int_equal(count, 9);
    for (int64_t i = 0; i < count; i++) {
        assert_int_equal(list[i], i + 1);
    }
    assert_false(lki_value_is_set(v, "components"));
    assert_string_equal(lki_value_text(v, "init"), "kmeans++");
    assert_int_equal(lki_value_integer(v, "max_iter"), 200);
    assert_true(lki_value_real(v, "floor") == 1e-12);
    assert_false(lki_value_flag(v, "quick"));
    assert_null(lki_value_text(v, "note"));
    assert_false(lki_value_has(v, "freeze", "means"));
    finish(*state, v);
}

static void test_canonical(void **state)
{
    check_canonical(*state, "components", "3", "3");
    check_canonical(*state, "components", "5,1,2, 2", "1..2,5");
    check_canonical(*state, "components", "1,2..4,9..9", "1..4,9");
    check_canonical(*state, "init", "kmeans++", "kmeans++");
    check_canonical(*state, "init", "held_out", "held-out");
    check_canonical(*state, "max_iter", "007", "7");
    check_canonical(*state, "floor", "1E-3", "0.001");
    check_canonical(*state, "floor", "-0", "0");
    check_canonical(*state, "freeze", "covariances,weights", "weights,covariances");
    check_canonical(*state, "freeze", "", "");
    check_canonical(*state, "quick", "yes", "true");
    check_canonical(*state, "note", "any, \"text\" \xc3\xa9", "any, \"text\" \xc3\xa9");
    lki_values *v = parse(*state, "max-iter", "12"); /* - for _ */
    assert_int_equal(lki_value_integer(v, "max_iter"), 12);
    finish(*state, v);
    v = parse(*state, "freeze", "means");
    assert_true(lki_value_has(v, "freeze", "means"));
    assert_false(lki_value_has(v, "freeze", "weights"));
    finish(*state, v);
}

static void test_last_counts(void **state)
{
    lk_setting settings[] = {{"components", "3"}, {"components", "4"}, {NULL, NULL}};
    lki_values *v = NULL;
    int64_t count;
    check_ok(*state, lki_values_new(*state, &fake_method.public, settings, &v));
    assert_int_equal(lki_value_list(v, "components", &count)[0], 4);
    finish(*state, v);
}

static void test_refusals(void **state)
{
    check_refused(*state, "componets", "3", "did you mean components?; it has floor, components, init");
    check_refused(*state, "zzzzzzzz", "3", "it has floor, components");
    check_refused(*state, "components", "0", "\"0\" is not a number such as 3");
    check_refused(*state, "components", "1001", "within 1 to 1000");
    check_refused(*state, "components", "3..1", "\"3..1\"");
    check_refused(*state, "components", "1..", "\"1..\"");
    check_refused(*state, "components", "1,,2", "\"1,,2\"");
    check_refused(*state, "components", "1,", "\"1,\"");
    check_refused(*state, "components", "", "\"\"");
    check_refused(*state, "components", "1;2", "\"1;2\"");
    check_refused(*state, "components", "9223372036854775808", "is not");
    check_refused(*state, "init", "kmeans", "\"kmeans\" is not one of kmeans++,random,held-out");
    check_refused(*state, "init", "", "is not one of");
    check_refused(*state, "freeze", "means,mean", "some of weights,means,covariances");
    check_refused(*state, "max_iter", "1.5", "a whole number within 0 to 1000000");
    check_refused(*state, "max_iter", "-1", "\"-1\"");
    check_refused(*state, "floor", "nan", "a number of at least 0");
    check_refused(*state, "floor", "1,5", "\"1,5\"");
    check_refused(*state, "floor", "-1e-300", "\"-1e-300\"");
    check_refused(*state, "quick", "maybe", "true or false");
    check_refused(*state, "note", NULL, "has no value");
}

/* Whatever is accepted has a canonical text that is accepted and is its own canonical text; the list is ascending. */
static void test_random_ranges(void **state)
{
    lki_stream s = lki_stream_new(7, LKI_STREAM_TEST, 0);
    static const char letters[] = "0123456789..,, -";
    int64_t accepted = 0;
    for (int64_t i = 0; i < check_scaled(20000, 500); i++) {
        char text[12];
        int64_t length = lki_random_below(&s, 11);
        for (int64_t k = 0; k < length; k++) {
            text[k] = letters[lki_random_below(&s, sizeof letters - 1)];
        }
        text[length] = '\0';
        lk_setting settings[] = {{"components", text}, {NULL, NULL}};
        lki_values *v = NULL;
        lki_begin(*state);
        lk_status status = lki_values_new(*state, &fake_method.public, settings, &v);
        if (status == LK_OK) {
            int64_t count;
            const int64_t *list = lki_value_list(v, "components", &count);
            assert_true(count > 0);
            for (int64_t k = 1; k < count; k++) {
                assert_true(list[k] > list[k - 1]);
            }
            check_canonical(*state, "components", text, lki_value_text(v, "components"));
            finish(*state, v);
            accepted++;
        } else {
            assert_int_equal(status, LK_ERROR_ARGUMENT);
        }
    }
    assert_true(accepted > 10);
}

static void test_json(void **state)
{
    lk_setting settings[] = {{"components", "1,2,5"}, {"note", "a\nb"}, {NULL, NULL}};
    lki_values *v = NULL, *again = NULL;
    json_t *object = NULL;
    char *text = NULL;
    check_ok(*state, lki_values_new(*state, &fake_method.public, settings, &v));
    check_ok(*state, lki_values_json(*state, v, &object));
    check_ok(*state, lki_json_write(*state, object, false, &text));
    assert_string_equal(text, "{\"floor\":\"1e-12\",\"components\":\"1..2,5\",\"init\":\"kmeans++\",\"max_iter\":\"200\","
                              "\"quick\":\"false\",\"note\":\"a\\nb\"}");
    check_ok(*state, lki_values_parse(*state, &fake_method.public, object, &again));
    assert_string_equal(lki_value_text(again, "note"), "a\nb");
    lki_release(*state, text);
    json_decref(object);
    finish(*state, v);
    finish(*state, again);
}

/* Every double comes back from its JSON text bit by bit, and reals stay reals. */
static void test_json_numbers(void **state)
{
    lki_stream s = lki_stream_new(3, LKI_STREAM_TEST, 0);
    for (int64_t i = 0; i < check_scaled(20000, 500); i++) {
        uint64_t bits = lki_random_bits(&s);
        double v = i == 0 ? 0.0 : i == 1 ? -0.0 : i == 2 ? 3.0 : i == 3 ? 1e300 : i == 4 ? 5e-324 : 0.0, back;
        if (i > 4) {
            memcpy(&v, &bits, sizeof v);
        }
        if (!isfinite(v)) {
            continue;
        }
        json_t *array = lki_json_numbers(&v, 1), *read = NULL;
        char *text = NULL;
        check_ok(*state, lki_json_write(*state, array, true, &text));
        check_ok(*state, lki_json_read(*state, text, strlen(text), "number", &read));
        assert_true(json_is_real(json_array_get(read, 0)));
        back = json_real_value(json_array_get(read, 0));
        assert_memory_equal(&back, &v, sizeof v);
        lki_release(*state, text);
        json_decref(array);
        json_decref(read);
    }
}

static void test_json_refusals(void **state)
{
    static const char *const wrong[] = {"", "{", "{\"a\":1,\"a\":2}", "[1,]", "nan", "\"\xff\"", "\"\\u0000\"", "1 2", "[1e999]"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        json_t *value = NULL;
        lki_begin(*state);
        check_status(*state, LK_ERROR_FORMAT, lki_json_read(*state, wrong[i], strlen(wrong[i]), "place", &value));
        check_contains(lk_error_message(*state), "place: not valid JSON");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_defaults, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(test_canonical, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(test_last_counts, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(test_refusals, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(test_random_ranges, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(test_json, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(test_json_numbers, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(test_json_refusals, check_setup, check_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
