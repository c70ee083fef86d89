/* Descriptions of tables against values worked out by hand, in memory and on disk; order statistics against sorting. */
#include "../check.h"
#include "core/philox.h"
#include "data/distinct.h"
#include "data/duplicates.h"
#include "data/order_statistics.h"
#include "data/table_impl.h"

#include <jansson.h>
#include <likely/describe.h>
#include <stdbool.h>

static const double nan_value = (double)NAN;

static json_t *describe(lk_context *ctx, const lk_table *table)
{
    char *text = NULL;
    check_ok(ctx, lk_table_describe(ctx, table, &text));
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    if (root == NULL) {
        fail_msg("not JSON: %s", text);
    }
    lk_free(ctx, text);
    return root;
}

static const json_t *column_of(const json_t *root, size_t column)
{
    return json_array_get(json_object_get(root, "columns"), column);
}

static double number_of(const json_t *object, const char *key)
{
    const json_t *item = json_object_get(object, key);
    assert_non_null(item);
    return json_is_number(item) ? json_number_value(item) : nan_value;
}

static void check_quartiles(const json_t *column, double a, double b, double c)
{
    const json_t *q = json_object_get(column, "quartiles");
    assert_int_equal(json_array_size(q), 3);
    check_near(json_number_value(json_array_get(q, 0)), a, 1e-15 * fabs(a));
    check_near(json_number_value(json_array_get(q, 1)), b, 1e-15 * fabs(b));
    check_near(json_number_value(json_array_get(q, 2)), c, 1e-15 * fabs(c));
}

static void test_by_hand(void **state)
{
    lk_context *ctx = *state;
    static const char *const names[] = {"a", "constant", "copy of a", "empty", "b"};
    const double values[] = {
        1,         7,         1,     nan_value,      -0.0, /**/ 2,    7,         2, nan_value, 0.0, /**/ nan_value, 7,
        nan_value, nan_value, 1, /**/
        4,         7,         4,     nan_value,      1,    /**/ 1,    7,         1, nan_value, 0.0, /**/ 10,        7,
        10,        nan_value, 1e300, /**/ nan_value, 7,    nan_value, nan_value, 1,
    };
    lk_table *table = NULL;
    check_ok(ctx, lk_table_from_array(ctx, values, 7, 5, names, &table));
    json_t *root = describe(ctx, table);
    assert_int_equal(number_of(root, "rows"), 7);
    assert_int_equal(number_of(root, "duplicate_rows"), 2); /* rows 5 (as 1: -0 is 0) and 7 (as 3) */
    const json_t *a = column_of(root, 0);
    assert_string_equal(json_string_value(json_object_get(a, "name")), "a");
    assert_string_equal(json_string_value(json_object_get(a, "type")), "real");
    assert_int_equal(number_of(a, "count"), 5);
    assert_int_equal(number_of(a, "missing"), 2);
    assert_int_equal(number_of(a, "distinct"), 4);
    assert_true(json_is_false(json_object_get(a, "distinct_estimated")));
    assert_true(json_is_false(json_object_get(a, "constant")) && json_is_null(json_object_get(a, "duplicate_of")));
    assert_true(number_of(a, "min") == 1 && number_of(a, "max") == 10);
    check_near(number_of(a, "mean"), 3.6, 1e-15);
    check_near(number_of(a, "sd"), sqrt(57.2 / 4.0), 1e-14); /* squares of -2.6 -1.6 0.4 -2.6 6.4: 57.2 */
    check_quartiles(a, 1, 2, 4);                             /* of 1 1 2 4 10 */
    const json_t *b = column_of(root, 1);
    assert_true(json_is_true(json_object_get(b, "constant")));
    assert_true(number_of(b, "sd") == 0 && number_of(b, "mean") == 7 && number_of(b, "distinct") == 1);
    assert_string_equal(json_string_value(json_object_get(column_of(root, 2), "duplicate_of")), "a");
    const json_t *empty = column_of(root, 3);
    assert_true(number_of(empty, "count") == 0 && number_of(empty, "missing") == 7 &&
                number_of(empty, "distinct") == 0);
    assert_true(json_is_true(json_object_get(empty, "constant")));
    assert_true(json_is_null(json_object_get(empty, "mean")) && json_is_null(json_object_get(empty, "min")));
    const json_t *last = column_of(root, 4);
    assert_int_equal(number_of(last, "distinct"), 3);
    check_quartiles(last, 0, 1, 1); /* of 0 0 0 1 1 1 1e300 */
    check_near(number_of(last, "sd"), 1e300 / sqrt(7.0), 1e286);
    json_decref(root);
    lk_table_free(table);
}

static void set_rows(lk_context *ctx, lk_table *table, const double *values, int64_t rows)
{
    size_t bytes = (size_t)(rows * table->column_count) * sizeof(double);
    check_ok(ctx, lki_allocate(ctx, bytes, 1, &table->owned));
    memcpy(table->owned, values, bytes);
    table->values = table->owned;
    table->rows = rows;
}

static void add_string(lk_context *ctx, lk_table *table, int64_t column, const char *text, bool once)
{
    lki_string_list *list = &table->columns[column].strings;
    size_t number;
    if (once) {
        check_ok(ctx, lki_string_list_intern(ctx, &table->memory, list, text, strlen(text), &number));
    } else {
        check_ok(ctx, lki_string_list_add(ctx, &table->memory, list, text, strlen(text)));
    }
}

static void test_strings(void **state)
{
    lk_context *ctx = *state;
    lk_table *table = NULL;
    /* Categories with levels in another order but the same values; a text whose strings repeat under different
     * numbers. */
    static const double values[] = {0, 1, 0, /**/ 1, 0, 1, /**/ 0, 1, 2, /**/ 1, 0, 3};
    check_ok(ctx, lki_table_new(ctx, 3, &table));
    for (int64_t c = 0; c < 3; c++) {
        check_ok(ctx, lki_table_set_name(ctx, table, c, NULL, 0));
        table->columns[c].type = c == 2 ? LK_TYPE_TEXT : LK_TYPE_CATEGORY;
    }
    add_string(ctx, table, 0, "yes", true);
    add_string(ctx, table, 0, "no \"never\"", true);
    add_string(ctx, table, 0, "unused", true);
    add_string(ctx, table, 1, "no \"never\"", true);
    add_string(ctx, table, 1, "yes", true);
    add_string(ctx, table, 2, "one", false);
    add_string(ctx, table, 2, "two", false);
    add_string(ctx, table, 2, "one", false);
    add_string(ctx, table, 2, "three", false);
    set_rows(ctx, table, values, 4);
    json_t *root = describe(ctx, table);
    assert_int_equal(number_of(root, "duplicate_rows"), 1);
    assert_true(json_is_true(json_object_get(root, "text_compared")));
    const json_t *first = column_of(root, 0), *levels = json_object_get(first, "levels");
    assert_string_equal(json_string_value(json_object_get(first, "type")), "category");
    assert_int_equal(json_array_size(levels), 3);
    static const int counts[] = {2, 2, 0};
    for (size_t k = 0; k < 3; k++) {
        assert_int_equal(number_of(json_array_get(levels, k), "count"), counts[k]);
    }
    assert_string_equal(json_string_value(json_object_get(json_array_get(levels, 1), "level")), "no \"never\"");
    assert_int_equal(number_of(first, "distinct"), 2);
    assert_string_equal(json_string_value(json_object_get(column_of(root, 1), "duplicate_of")), "x1");
    assert_int_equal(number_of(column_of(root, 2), "distinct"), 3);
    assert_null(json_object_get(column_of(root, 2), "mean"));
    json_decref(root);
    /* Without the strings the text cannot be compared, and it is said. */
    table->keeps_text = false;
    root = describe(ctx, table);
    assert_true(json_is_false(json_object_get(root, "text_compared")));
    assert_int_equal(number_of(root, "duplicate_rows"), 2);
    assert_true(json_is_null(json_object_get(column_of(root, 2), "distinct")));
    json_decref(root);
    lk_table_free(table);
}

/* A context of little memory takes the other road: parts of rows, selection by passes, sketches. Exact answers must
 * agree; the estimate has a standard error of 0.8 percent, 5 of which are allowed. */
static void test_little_memory_gives_the_same(void **state)
{
    lk_context *ctx = *state;
    enum { N = 120000, D = 3 };
    double *values = malloc(sizeof(double) * N * D);
    for (int64_t i = 0; i < N; i++) {
        lki_stream s =
            lki_stream_new(5, LKI_STREAM_TEST, (uint64_t)(i % 90001)); /* rows from 90001 on repeat the first */
        values[i * D] = lki_random_normal(&s);
        values[i * D + 1] = floor(1000.0 * lki_random_uniform(&s)) / 10.0;
        values[i * D + 2] = i % 11 == 3 ? nan_value : -exp(20.0 * lki_random_normal(&s));
    }
    for (int64_t i = 90001; i < N; i++) {
        values[i * D + 2] = values[(i - 90001) * D + 2];
    }
    lk_table *table = NULL;
    check_ok(ctx, lk_table_from_array(ctx, values, N, D, NULL, &table));
    free(values);
    lk_context_options options = {.size = sizeof options, .threads = 2, .memory = 4 << 20};
    lk_context *small = NULL;
    assert_int_equal(lk_context_new(&small, &options), LK_OK);
    json_t *roots[2] = {describe(ctx, table), describe(small, table)};
    assert_int_equal(number_of(roots[0], "duplicate_rows"), N - 90001);
    assert_int_equal(number_of(roots[1], "duplicate_rows"), N - 90001);
    for (size_t c = 0; c < D; c++) {
        const json_t *a = column_of(roots[0], c), *b = column_of(roots[1], c);
        static const char *const same[] = {"count", "missing",   "min",      "max",         "mean",
                                           "sd",    "quartiles", "constant", "duplicate_of"};
        for (size_t k = 0; k < sizeof same / sizeof same[0]; k++) {
            assert_true(json_equal(json_object_get(a, same[k]), json_object_get(b, same[k])));
        }
        assert_true(json_is_false(json_object_get(a, "distinct_estimated")) &&
                    json_is_true(json_object_get(b, "distinct_estimated")));
        check_near(number_of(b, "distinct"), number_of(a, "distinct"), 5 * 0.0082 * number_of(a, "distinct"));
    }
    assert_int_equal(number_of(column_of(roots[0], 1), "distinct"), 1000);
    json_decref(roots[0]);
    json_decref(roots[1]);
    lk_context_free(small);
    lk_table_free(table);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void test_order_statistics(void **state)
{
    lk_context *ctx = *state;
    int64_t rounds = check_scaled(30, 5);
    for (int64_t round = 0; round < rounds; round++) {
        lki_stream s = lki_stream_new(6, LKI_STREAM_TEST, (uint64_t)round);
        int64_t n = 1 + lki_random_below(&s, 5000);
        double *values = malloc(sizeof(double) * (size_t)n), *sorted = malloc(sizeof(double) * (size_t)n);
        uint64_t *keys = malloc(sizeof(uint64_t) * (size_t)n * 2);
        for (int64_t i = 0; i < n; i++) {
            double u = lki_random_uniform(&s);
            values[i] = round % 3 == 0   ? floor(20 * u) - 10
                        : round % 3 == 1 ? ldexp(u - 0.5, (int)lki_random_below(&s, 2000) - 1000)
                                         : -0.0;
            sorted[i] = values[i];
            keys[i] = lki_order_key(values[i]);
            assert_true(lki_order_value(keys[i]) == values[i]);
        }
        qsort(sorted, (size_t)n, sizeof *sorted, compare);
        lki_order_sort(keys, keys + n, n);
        lki_ranks ranks = {.count = 4, .rank = {0, n - 1, n / 2, n / 3}};
        lk_table *table = NULL;
        check_ok(ctx, lk_table_from_array(ctx, values, n, 1, NULL, &table));
        check_ok(ctx, lki_order_select(ctx, table, &ranks, 1));
        for (int t = 0; t < 4; t++) {
            assert_true(ranks.value[t] == sorted[ranks.rank[t]]);
        }
        for (int64_t i = 0; i < n; i++) {
            assert_true(lki_order_value(keys[i]) == sorted[i]);
        }
        lk_table_free(table);
        free(values);
        free(sorted);
        free(keys);
    }
}

static void test_hash_set(void **state)
{
    lk_context *ctx = *state;
    lki_hash_set set = {0};
    for (uint64_t i = 0; i < 30000; i++) {
        lki_hash hash = {0, 0};
        bool is_new = false;
        lki_hash_add(&hash, i % 10007);
        check_ok(ctx, lki_hash_set_add(ctx, &set, hash, &is_new)); /* it grows from nothing */
        assert_true(is_new == (i < 10007));
    }
    assert_int_equal(set.count, 10007);
    lki_hash none = {0, 0};
    bool is_new = false;
    check_ok(ctx, lki_hash_set_add(ctx, &set, none, &is_new));
    assert_true(is_new);
    check_ok(ctx, lki_hash_set_add(ctx, &set, none, &is_new));
    assert_false(is_new);
    lki_release(ctx, set.slots);
    assert_true(lki_hash_number(-0.0) == lki_hash_number(0.0) && lki_hash_number(1.0) != lki_hash_number(-1.0));
    assert_true(lki_hash_text("") != lki_hash_text("a") && lki_hash_text("abcdefgh") != lki_hash_text("abcdefgi"));
}

/* In one set, and in parts through temporary files. */
static void test_duplicates(void **state)
{
    lk_context *ctx = *state;
    static const int64_t memories[] = {(int64_t)1 << 40, 2000000, 0};
    for (size_t m = 0; m < 3; m++) {
        lki_duplicates d;
        int64_t n = 300000, distinct = 123457;
        check_ok(ctx, lki_duplicates_open(ctx, &d, n, memories[m]));
        assert_int_equal(d.part_bits, m == 0 ? 0 : m == 1 ? 3 : 4);
        for (int64_t i = 0; i < n; i++) {
            lki_hash hash = {0, 0};
            lki_hash_add(&hash, (uint64_t)(i * 7 % distinct));
            check_ok(ctx, lki_duplicates_add(ctx, &d, hash));
        }
        check_ok(ctx, lki_duplicates_finish(ctx, &d));
        assert_int_equal(d.count, n - distinct);
        lki_duplicates_close(ctx, &d);
    }
}

/* Each allocation fails once in turn. */
static void test_no_memory(void **state)
{
    (void)state;
    lk_context *plain = check_context(1);
    double values[200];
    for (int i = 0; i < 200; i++) {
        values[i] = i * i % 37;
    }
    lk_table *table = NULL;
    check_ok(plain, lk_table_from_array(plain, values, 50, 4, NULL, &table));
    bool done = false;
    int failures = 0;
    for (long at = 1; !done; at++) {
        check_memory memory = {0};
        lk_allocator allocator = check_allocator(&memory);
        lk_context_options options = {.size = sizeof options, .threads = 2, .allocator = &allocator};
        lk_context *ctx = NULL;
        char *text = NULL;
        assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
        memory.calls = 0;
        memory.fail_at = at;
        lk_status status = lk_table_describe(ctx, table, &text);
        done = memory.calls < at;
        assert_true(status == LK_OK || (!done && status == LK_ERROR_MEMORY && text == NULL));
        failures += status != LK_OK;
        lk_free(ctx, text);
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
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_little_memory_gives_the_same),
        cmocka_unit_test(test_order_statistics),
        cmocka_unit_test(test_hash_set),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests_name("describe", tests, check_setup, check_teardown);
}
