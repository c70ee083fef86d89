/* Tables from arrays: names, positions, gathering, refusals. */
#include "../read_check.h"
#include "data/table_impl.h"

static const double values[6] = {1, 2, 3, 4, (double)NAN, 6};

static void test_from_array(void **state)
{
    lk_context *ctx = *state;
    lk_table *table = NULL;
    const char *const names[] = {"height", "2", "a,b"};
    check_ok(ctx, lk_table_from_array(ctx, values, 2, 3, names, &table));
    assert_int_equal(lk_table_rows(table), 2);
    assert_int_equal(lk_table_columns(table), 3);
    assert_string_equal(lk_table_name(table, 1), "2");
    assert_null(lk_table_name(table, 3));
    assert_int_equal(lk_table_type(table, 0), LK_TYPE_REAL);
    assert_int_equal(lk_table_levels(table, 0), 0);
    assert_null(lk_table_level(table, 0, 0));
    assert_null(lk_table_text(table, 0, 1.0));
    assert_int_equal(lki_table_named(table), 1);
    assert_int_equal(lki_table_in_memory(table), 1);
    assert_memory_equal(lki_table_direct(table), values, 4 * sizeof(double));
    lk_table_free(table);
    check_ok(ctx, lk_table_from_array(ctx, values, 2, 3, NULL, &table));
    assert_string_equal(lk_table_name(table, 2), "x3");
    assert_int_equal(lki_table_named(table), 0);
    lk_table_free(table);
    check_ok(ctx, lk_table_from_array(ctx, NULL, 0, 1, NULL, &table));
    assert_int_equal(lk_table_rows(table), 0);
    lk_table_free(table);
    lk_table_free(NULL);
}

static void test_refusals(void **state)
{
    lk_context *ctx = *state;
    lk_table *table = NULL;
    double bad[4] = {1, 2, 3, -(double)INFINITY};
    const char *const twice[] = {"a", "a"};
    check_status(ctx, LK_ERROR_DATA, lk_table_from_array(ctx, bad, 2, 2, NULL, &table));
    check_contains(lk_error_message(ctx), "row 2, column 2 is -inf; every value must be finite");
    check_status(ctx, LK_ERROR_DATA, lk_table_from_array(ctx, values, 3, 2, twice, &table));
    check_contains(lk_error_message(ctx), "columns 1 and 2 are both named 'a'");
    check_status(ctx, LK_ERROR_ARGUMENT, lk_table_from_array(ctx, values, -1, 2, NULL, &table));
    check_status(ctx, LK_ERROR_ARGUMENT, lk_table_from_array(ctx, values, 1, 0, NULL, &table));
    check_status(ctx, LK_ERROR_MEMORY, lk_table_from_array(ctx, values, INT64_MAX / 2, 3, NULL, &table));
    assert_null(table);
}

/* An infinity is found wherever it stands, also beside NaN. */
static void test_infinity(void **state)
{
    (void)state;
    double x[300];
    for (size_t n = 1; n <= 300; n += 13) {
        for (size_t at = 0; at < n; at++) {
            for (size_t i = 0; i < n; i++) {
                x[i] = i % 3 == 0 ? (double)NAN : (double)i;
            }
            assert_int_equal(lki_find_infinity(x, n), n);
            x[at] = at % 2 == 0 ? (double)INFINITY : -(double)INFINITY;
            assert_int_equal(lki_find_infinity(x, n), at);
        }
    }
}

static void test_find(void **state)
{
    lk_context *ctx = *state;
    lk_table *table = NULL;
    const char *const names[] = {"height", "1", "a,b"};
    int64_t column = -1, found[3] = {-1, -1, -1}, count = 0;
    check_ok(ctx, lk_table_from_array(ctx, values, 2, 3, names, &table));
    check_ok(ctx, lk_table_find(ctx, table, "height", &column));
    assert_int_equal(column, 0);
    check_ok(ctx, lk_table_find(ctx, table, "1", &column)); /* a name wins over a position */
    assert_int_equal(column, 1);
    check_ok(ctx, lk_table_find(ctx, table, "3", &column));
    assert_int_equal(column, 2);
    static const char *const absent[] = {"weight", "0", "4", "", "-1", "99999999999999999999999"};
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++) {
        check_status(ctx, LK_ERROR_ARGUMENT, lk_table_find(ctx, table, absent[i], &column));
        check_contains(lk_error_message(ctx), "the columns are height, 1, a,b, or a position from 1 to 3");
        assert_int_equal(column, 2);
    }
    check_ok(ctx, lki_table_find_list(ctx, table, "3,height", found, &count));
    assert_int_equal(count, 2);
    assert_int_equal(found[0], 2);
    assert_int_equal(found[1], 0);
    check_ok(ctx, lki_table_find_list(ctx, table, "a,b", found, &count));
    assert_int_equal(count, 1);
    assert_int_equal(found[0], 2);
    lki_begin(ctx);
    check_status(ctx, LK_ERROR_ARGUMENT, lki_table_find_list(ctx, table, "height,height", found, &count));
    check_contains(lk_error_message(ctx), "column 'height' stands twice");
    check_status(ctx, LK_ERROR_ARGUMENT, lki_table_find_list(ctx, table, "height,", found, &count));
    lk_table_free(table);
}

static void test_gather(void **state)
{
    lk_context *ctx = *state;
    lk_table *table = NULL;
    double out[6] = {0};
    check_ok(ctx, lk_table_from_array(ctx, values, 2, 3, NULL, &table));
    check_ok(ctx, lk_table_gather(ctx, table, 0, 2, (const int64_t[]){2, 0}, 2, out));
    assert_true(out[0] == 3 && out[1] == 1 && out[2] == 6 && out[3] == 4);
    check_ok(ctx, lk_table_gather(ctx, table, 1, 1, (const int64_t[]){0, 1, 2}, 3, out));
    assert_true(out[0] == 4 && isnan(out[1]) && out[2] == 6);
    check_ok(ctx, lk_table_gather(ctx, table, 2, 0, (const int64_t[]){0}, 1, out));
    check_status(ctx, LK_ERROR_ARGUMENT, lk_table_gather(ctx, table, 1, 2, (const int64_t[]){0}, 1, out));
    check_status(ctx, LK_ERROR_ARGUMENT, lk_table_gather(ctx, table, -1, 1, (const int64_t[]){0}, 1, out));
    check_status(ctx, LK_ERROR_ARGUMENT, lk_table_gather(ctx, table, 0, 1, (const int64_t[]){3}, 1, out));
    lk_table_free(table);
}

/* Columns that lie anywhere, backwards too, are read where they are; those of one matrix are the rows themselves. */
static void test_from_columns(void **state)
{
    lk_context *ctx = *state;
    lk_table *table = NULL;
    double lent[4] = {1, 2, (double)NAN, 0};
    const char *const levels[] = {"no", "yes, it is", "maybe"};
    lk_array_column columns[] = {{.name = "a", .values = lent, .stride = 1},
                                 {.name = "b", .type = LK_TYPE_CATEGORY, .values = lent + 2, .stride = -1, .levels = levels, .level_count = 3},
                                 {.name = NULL, .type = LK_TYPE_INTEGER, .values = lent + 1, .stride = 2}};
    check_ok(ctx, lk_table_from_columns(ctx, columns, 3, 2, &table));
    assert_int_equal(lk_table_rows(table), 2);
    assert_string_equal(lk_table_name(table, 2), "x3");
    assert_int_equal(lk_table_type(table, 1), LK_TYPE_CATEGORY);
    assert_int_equal(lk_table_levels(table, 1), 3);
    assert_string_equal(lk_table_level(table, 1, 1), "yes, it is");
    assert_int_equal(lki_table_named(table), 1);
    assert_int_equal(lki_table_in_memory(table), 1);
    assert_null(lki_table_direct(table));
    double out[6];
    check_ok(ctx, lk_table_gather(ctx, table, 0, 2, (const int64_t[]){2, 0, 1}, 3, out));
    assert_true(out[0] == 2 && out[1] == 1 && isnan(out[2]) && out[3] == 0 && out[4] == 2 && out[5] == 2);
    lent[0] = 5; /* nothing was copied */
    check_ok(ctx, lk_table_gather(ctx, table, 0, 1, (const int64_t[]){0}, 1, out));
    assert_true(out[0] == 5);
    lk_table_free(table);
    lk_array_column matrix[] = {{.values = values, .stride = 3}, {.values = values + 1, .stride = 3}, {.values = values + 2, .stride = 3}};
    check_ok(ctx, lk_table_from_columns(ctx, matrix, 3, 2, &table));
    assert_ptr_equal(lki_table_direct(table), values);
    assert_int_equal(lki_table_named(table), 0);
    lk_table_free(table);
    check_ok(ctx, lk_table_from_columns(ctx, matrix, 2, 2, &table)); /* some columns of a matrix are none */
    assert_null(lki_table_direct(table));
    check_ok(ctx, lk_table_gather(ctx, table, 1, 1, (const int64_t[]){0, 1}, 2, out));
    assert_true(out[0] == 4 && isnan(out[1]));
    lk_table_free(table);
}

static void test_from_columns_refusals(void **state)
{
    lk_context *ctx = *state;
    lk_table *table = NULL;
    double lent[3] = {1, 1.5, -(double)INFINITY};
    const char *const twice[] = {"a", "a"};
    lk_array_column column = {.name = "q", .values = lent, .stride = 1};
    check_status(ctx, LK_ERROR_DATA, lk_table_from_columns(ctx, &column, 1, 3, &table));
    check_contains(lk_error_message(ctx), "row 3, column 'q' is -inf; every value must be finite");
    column.type = LK_TYPE_INTEGER;
    check_status(ctx, LK_ERROR_DATA, lk_table_from_columns(ctx, &column, 1, 2, &table));
    check_contains(lk_error_message(ctx), "row 2, column 'q' is 1.5; a column of integers");
    column.type = LK_TYPE_CATEGORY;
    check_status(ctx, LK_ERROR_DATA, lk_table_from_columns(ctx, &column, 1, 1, &table));
    check_contains(lk_error_message(ctx), "numbers of its levels");
    column.levels = twice;
    column.level_count = 2;
    check_status(ctx, LK_ERROR_DATA, lk_table_from_columns(ctx, &column, 1, 1, &table));
    check_contains(lk_error_message(ctx), "levels 1 and 2 are both 'a'");
    column.type = LK_TYPE_TEXT;
    check_status(ctx, LK_ERROR_ARGUMENT, lk_table_from_columns(ctx, &column, 1, 1, &table));
    lk_array_column same[] = {{.name = "a", .values = lent, .stride = 1}, {.name = "a", .values = lent, .stride = 1}};
    check_status(ctx, LK_ERROR_DATA, lk_table_from_columns(ctx, same, 2, 1, &table));
    check_status(ctx, LK_ERROR_ARGUMENT, lk_table_from_columns(ctx, same, 0, 1, &table));
    check_status(ctx, LK_ERROR_ARGUMENT, lk_table_from_columns(ctx, same, 1, -1, &table));
    same[0].values = NULL;
    check_status(ctx, LK_ERROR_ARGUMENT, lk_table_from_columns(ctx, same, 1, 1, &table));
    assert_null(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_array), cmocka_unit_test(test_refusals), cmocka_unit_test(test_infinity),
        cmocka_unit_test(test_find),       cmocka_unit_test(test_gather),
        cmocka_unit_test(test_from_columns), cmocka_unit_test(test_from_columns_refusals),
    };
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
