/* The same numbers are the same doubles: from CSV and NPY, on 1 and 2 threads, in memory, spooled, mapped, by position, in blocks. */
#include "../npy_file.h"
#include "data/table_impl.h"

#include <sys/stat.h>

enum { ROWS = 20000, COLUMNS = 5 };

static double *numbers;
static char *csv_path, *npy_path, *mixed_path;

static int write_files(void **state)
{
    (void)state;
    read_text csv = {0}, npy = {0}, mixed = {0};
    numbers = malloc(sizeof *numbers * ROWS * COLUMNS);
    npy_matrix_header(&npy, "<f8", false, ROWS, COLUMNS);
    read_put_text(&csv, "x1,x2,x3,x4,x5\n");
    read_put_text(&mixed, "x,colour,note,y\n");
    for (int64_t i = 0; i < ROWS * COLUMNS; i++) {
        char text[64];
        do {
            uint64_t bits = read_random();
            memcpy(&numbers[i], &bits, sizeof bits);
        } while (!isfinite(numbers[i]));
        snprintf(text, sizeof text, "%.17g%c", numbers[i], i % COLUMNS == COLUMNS - 1 ? '\n' : ',');
        read_put_text(&csv, text);
    }
    for (int64_t i = 0; i < ROWS; i++) {
        char text[120];
        snprintf(text, sizeof text, "%.17g,level %d,\"note, \"\"%d\"\"\",%s\n", numbers[i],
                 (int)(read_random() % 40) + (int)(i / 2000), (int)i, i % 9 == 0 ? "" : "1");
        read_put_text(&mixed, text);
    }
    read_put(&npy, numbers, sizeof *numbers * ROWS * COLUMNS);
    csv_path = read_file(csv.bytes, csv.used);
    npy_path = read_file(npy.bytes, npy.used);
    mixed_path = read_file(mixed.bytes, mixed.used);
    free(csv.bytes);
    free(npy.bytes);
    free(mixed.bytes);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    read_remove(csv_path);
    read_remove(npy_path);
    read_remove(mixed_path);
    free(numbers);
    return 0;
}

static void test_numbers(void **state)
{
    (void)state;
    for (int way = 0; way < 16; way++) {
        lk_context *ctx = read_context(1 + way % 2, (way & 2) != 0 ? 100000 : 0);
        lki_csv_cut cut = {(way & 4) != 0 ? 10007 : 0, (way & 4) != 0 ? 997 : 0};
        lk_table *table = NULL;
        check_ok(ctx, lki_table_read(ctx, (way & 8) != 0 ? npy_path : csv_path, NULL, &cut, &table));
        assert_int_equal(lk_table_rows(table), ROWS);
        assert_int_equal(lki_table_in_memory(table), (way & 2) == 0);
        double *v = read_values(ctx, table);
        assert_memory_equal(v, numbers, sizeof *v * ROWS * COLUMNS);
        free(v);
        lk_table_free(table);
        lk_context_free(ctx);
    }
}

static void test_mixed(void **state)
{
    (void)state;
    lk_context *ctx = read_context(1, 0);
    lk_table *first = NULL;
    check_ok(ctx, lk_table_read(ctx, mixed_path, NULL, &first));
    assert_int_equal(lk_table_type(first, 1), LK_TYPE_CATEGORY);
    assert_int_equal(lk_table_type(first, 2), LK_TYPE_TEXT);
    for (int way = 0; way < 8; way++) {
        lk_context *other = read_context(1 + way % 2, (way & 2) != 0 ? 100000 : 0);
        lki_csv_cut cut = {(way & 4) != 0 ? 5003 : 0, (way & 4) != 0 ? 701 : 0};
        lk_table *table = NULL;
        check_ok(other, lki_table_read(other, mixed_path, NULL, &cut, &table));
        read_same(other, first, table);
        lk_table_free(table);
        lk_context_free(other);
    }
    lk_table_free(first);
    lk_context_free(ctx);
}

static void test_blocks(void **state)
{
    (void)state;
    const char *paths[2] = {csv_path, npy_path};
    for (int way = 0; way < 8; way++) {
        lk_context *ctx = read_context(1 + way % 2, 0);
        lki_csv_cut cut = {(way & 4) != 0 ? 10007 : 0, (way & 4) != 0 ? 997 : 0};
        lk_reader *reader = NULL;
        const lk_table *block = NULL;
        int64_t row = 0;
        check_ok(ctx, lki_reader_open(ctx, paths[way / 2 % 2], NULL, &cut, &reader));
        assert_int_equal(lk_table_rows(lk_reader_columns(reader)), 0);
        assert_int_equal(lk_table_columns(lk_reader_columns(reader)), COLUMNS);
        for (;;) {
            check_ok(ctx, lk_reader_next(ctx, reader, &block));
            if (block == NULL) {
                break;
            }
            double *v = read_values(ctx, block);
            assert_memory_equal(v, numbers + row * COLUMNS, sizeof *v * (size_t)(lk_table_rows(block) * COLUMNS));
            free(v);
            row += lk_table_rows(block);
        }
        assert_int_equal(row, ROWS);
        lk_reader_free(reader);
        lk_context_free(ctx);
    }
}

/* A table outlives the context and the file that it was read with. */
static void test_outlives(void **state)
{
    (void)state;
    for (int way = 0; way < 4; way++) {
        char command[200], path[64] = "/tmp/likely-outlives";
        snprintf(command, sizeof command, "cp %s %s", way % 2 == 0 ? csv_path : npy_path, path);
        assert_int_equal(system(command), 0);
        lk_context *ctx = read_context(1, way < 2 ? 0 : 100000), *other = read_context(1, 0);
        lk_table *table = NULL;
        check_ok(ctx, lk_table_read(ctx, path, NULL, &table));
        lk_context_free(ctx);
        unlink(path);
        double *v = read_values(other, table);
        assert_memory_equal(v, numbers, sizeof *v * ROWS * COLUMNS);
        free(v);
        lk_table_free(table);
        lk_context_free(other);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_mixed),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_outlives),
    };
    return cmocka_run_group_tests(tests, write_files, remove_files);
}
