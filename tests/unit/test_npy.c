/* NPY: every element type in both byte orders and both layouts, by every way of reading; every lie of a header. */
#include "../npy_file.h"
#include "data/table_impl.h"

enum { ROWS = 700, COLUMNS = 3 };

/* A type's code and how a small whole number is stored in it. */
typedef struct element_case {
    const char *code;
    size_t bytes;
    int kind; /* 0 float, 1 signed, 2 unsigned, 3 bool */
} element_case;

static const element_case elements[] = {{"f8", 8, 0}, {"f4", 4, 0}, {"i1", 1, 1}, {"i2", 2, 1},
                                        {"i4", 4, 1}, {"i8", 8, 1}, {"u1", 1, 2}, {"u2", 2, 2},
                                        {"u4", 4, 2}, {"u8", 8, 2}, {"b1", 1, 3}};

static double value_at(const element_case *e, int64_t i)
{
    int64_t v = e->kind == 3 ? i % 2 : e->kind == 2 ? i % 251 : i % 251 - 125;
    return e->kind == 0 ? (double)v / 4 : (double)v;
}

static void store(const element_case *e, double value, bool big, char *out)
{
    float single = (float)value;
    uint64_t bits = (uint64_t)(int64_t)value;
    if (e->kind == 0 && e->bytes == 8) {
        memcpy(&bits, &value, sizeof bits);
    } else if (e->kind == 0) {
        uint32_t word;
        memcpy(&word, &single, sizeof word);
        bits = word;
    }
    for (size_t b = 0; b < e->bytes; b++) {
        out[big ? e->bytes - 1 - b : b] = (char)(bits >> (8 * b) & 0xff);
    }
}

static void check_table(lk_context *ctx, const lk_table *table, const element_case *e, int64_t first)
{
    double *v = read_values(ctx, table);
    for (int64_t i = 0; i < lk_table_rows(table) * COLUMNS; i++) {
        if (v[i] != value_at(e, first * COLUMNS + i)) {
            fail_msg("%s: element %lld is %g", e->code, (long long)i, v[i]);
        }
    }
    free(v);
    double two[2 * 50];
    check_ok(ctx, lk_table_gather(ctx, table, 7, 50, (const int64_t[]){2, 0}, 2, two));
    for (int64_t r = 0; r < 50; r++) {
        assert_true(two[2 * r] == value_at(e, (first + 7 + r) * COLUMNS + 2));
        assert_true(two[2 * r + 1] == value_at(e, (first + 7 + r) * COLUMNS));
    }
}

static void read_every_way(const char *path, const element_case *e)
{
    for (int way = 0; way < 4; way++) {
        lk_context *ctx = read_context(1 + way % 2, way < 2 ? 0 : 1000);
        lk_table *table = NULL;
        check_ok(ctx, lk_table_read(ctx, path, NULL, &table));
        assert_int_equal(lk_table_rows(table), ROWS);
        assert_int_equal(lki_table_in_memory(table), way < 2);
        assert_int_equal(lki_table_named(table), 0);
        check_table(ctx, table, e, 0);
        lk_table_free(table);
        lk_reader *reader = NULL;
        const lk_table *block = NULL;
        check_ok(ctx, lk_reader_open(ctx, path, NULL, &reader));
        check_ok(ctx, lk_reader_next(ctx, reader, &block));
        assert_int_equal(lk_table_rows(block), ROWS);
        check_table(ctx, block, e, 0);
        check_ok(ctx, lk_reader_next(ctx, reader, &block));
        assert_null(block);
        lk_reader_free(reader);
        lk_context_free(ctx);
    }
}

/* The same bytes through a pipe. */
static void read_pipe(const read_text *t, const element_case *e, int64_t memory)
{
    int ends[2];
    char path[64];
    assert_int_equal(pipe(ends), 0);
    assert_true(t->used < 65536);
    assert_int_equal(write(ends[1], t->bytes, t->used), (ssize_t)t->used);
    close(ends[1]);
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
    lk_context *ctx = read_context(1, memory);
    lk_table *table = NULL;
    check_ok(ctx, lk_table_read(ctx, path, NULL, &table));
    check_table(ctx, table, e, 0);
    lk_table_free(table);
    lk_context_free(ctx);
    close(ends[0]);
}

static void test_elements(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof elements / sizeof elements[0]; i++) {
        for (int form = 0; form < 4; form++) {
            const element_case *e = &elements[i];
            bool big = (form & 1) != 0, fortran = (form & 2) != 0;
            read_text t = {0};
            char code[8];
            snprintf(code, sizeof code, "%c%s", e->bytes == 1 ? '|' : big ? '>' : '<', e->code);
            npy_matrix_header(&t, code, fortran, ROWS, COLUMNS);
            for (int64_t k = 0; k < ROWS * COLUMNS; k++) {
                char bytes[8];
                store(e, value_at(e, fortran ? k % ROWS * COLUMNS + k / ROWS : k), big, bytes);
                read_put(&t, bytes, e->bytes);
            }
            char *path = read_file(t.bytes, t.used);
            read_every_way(path, e);
            read_pipe(&t, e, 0);
            read_pipe(&t, e, 1000);
            read_remove(path);
            free(t.bytes);
        }
    }
}

/* Columns of one-dimensional arrays; all versions; extremes of 64-bit integers. */
static void test_shapes(void **state)
{
    lk_context *ctx = *state;
    static const int64_t whole[2] = {INT64_MIN, INT64_MAX};
    for (int major = 1; major <= 3; major++) {
        read_text t = {0};
        npy_header(&t, major, "{'shape': (2,), \"fortran_order\": True, 'descr': '<i8'}");
        read_put(&t, whole, sizeof whole);
        char *path = read_file(t.bytes, t.used);
        lk_table *table = NULL;
        check_ok(ctx, lk_table_read(ctx, path, NULL, &table));
        assert_int_equal(lk_table_columns(table), 1);
        assert_string_equal(lk_table_name(table, 0), "x1");
        double *v = read_values(ctx, table);
        assert_true(v[0] == -9223372036854775808.0 && v[1] == 9223372036854775808.0);
        free(v);
        lk_table_free(table);
        read_remove(path);
        free(t.bytes);
    }
}

typedef struct bad_header {
    int major;
    const char *dictionary;
    size_t data; /* bytes that follow */
    lk_status status;
    const char *text;
} bad_header;

static const bad_header bad[] = {
    {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), }", 40, LK_ERROR_FORMAT,
     "claims 3 x 2 elements of 8 bytes, which makes a file of 176 bytes; it has 168"},
    {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), }", 56, LK_ERROR_FORMAT,
     "a file of 176 bytes; it has 184"},
    {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", 8, LK_ERROR_FORMAT,
     "more than any file holds"},
    {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999, 4), }", 8, LK_ERROR_FORMAT,
     "a length below 2^63"},
    {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 4), }", 8, LK_ERROR_FORMAT,
     "at byte 61: a length was expected"},
    {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (), }", 8, LK_ERROR_FORMAT, "the array has no dimensions"},
    {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1, 1), }", 8, LK_ERROR_FORMAT,
     "the array has more than two dimensions"},
    {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 0), }", 0, LK_ERROR_DATA, "the array has no columns"},
    {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 2), }", 0, LK_ERROR_DATA,
     "there are no rows (shape 0 x 2)"},
    {1, "{'descr': '<c16', 'fortran_order': False, 'shape': (1, 1), }", 16, LK_ERROR_FORMAT,
     "elements of type '<c16' cannot be read; float64, float32, integers and bool can"},
    {1, "{'descr': '|O', 'fortran_order': False, 'shape': (1, 1), }", 8, LK_ERROR_FORMAT,
     "elements of type '|O' cannot be read"},
    {1, "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,), }", 8, LK_ERROR_FORMAT,
     "an array of records"},
    {1, "{'descr': '<f8', 'fortran_order': 0, 'shape': (1,), }", 8, LK_ERROR_FORMAT, "True or False was expected"},
    {1, "{'descr': '<f8', 'fortran_order': False}", 8, LK_ERROR_FORMAT, "lacks the key 'shape'"},
    {1, "{'descr': '<f8', 'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", 8, LK_ERROR_FORMAT,
     "has twice the key 'descr'"},
    {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), 'x': 1}", 8, LK_ERROR_FORMAT, "an unknown key 'x'"},
    {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (1,)} x", 8, LK_ERROR_FORMAT,
     "the end of the header was expected"},
    {1, "['descr']", 8, LK_ERROR_FORMAT, "malformed at byte 10: '{' was expected"},
    {4, "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", 8, LK_ERROR_FORMAT,
     "NPY version 4.0; 1.0, 2.0 and 3.0 can be read"},
};

static void check_refused(const void *bytes, size_t count, int64_t memory, lk_status status, const char *part)
{
    char *path = read_file(bytes, count);
    lk_context *ctx = read_context(2, memory);
    lk_table *table = NULL;
    check_status(ctx, status, lk_table_read(ctx, path, NULL, &table));
    check_contains(lk_error_message(ctx), part);
    assert_null(table);
    lk_context_free(ctx);
    read_remove(path);
}

static void test_bad_headers(void **state)
{
    (void)state;
    static const char zeros[64] = {0};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        read_text t = {0};
        npy_header(&t, bad[i].major, bad[i].dictionary);
        read_put(&t, zeros, bad[i].data);
        check_refused(t.bytes, t.used, 0, bad[i].status, bad[i].text);
        free(t.bytes);
    }
    check_refused("\x93NUMPY\1\0\xff\xff{", 11, 0, LK_ERROR_FORMAT, "the NPY header ends in the middle");
    check_refused("\x93NUMPY\2\0\xff\xff\xff\x7f{", 13, 0, LK_ERROR_FORMAT,
                  "claims 2147483647 bytes; at most 1048576 are believed");
    check_refused("\x93NUMPY", 6, 0, LK_ERROR_FORMAT, "the NPY header ends in the middle");
}

/* Infinities are refused with their place, mapped, converted and on disk (there, when they are met). */
static void test_infinities(void **state)
{
    (void)state;
    read_text t = {0};
    npy_matrix_header(&t, "<f8", false, 5000, 2);
    for (int i = 0; i < 10000; i++) {
        double v = i == 6001 ? -(double)INFINITY : i == 9000 ? (double)INFINITY : i % 7 == 0 ? (double)NAN : i;
        read_put(&t, &v, sizeof v);
    }
    check_refused(t.bytes, t.used, 0, LK_ERROR_DATA,
                  ": row 3001, column 2 is -inf; every value must be finite, or NaN where it is missing");
    char *path = read_file(t.bytes, t.used);
    lk_context *ctx = read_context(1, 1000);
    lk_table *table = NULL;
    double out[4];
    check_ok(ctx, lk_table_read(ctx, path, NULL, &table));
    check_ok(ctx, lk_table_gather(ctx, table, 2999, 1, (const int64_t[]){0, 1}, 2, out));
    check_status(ctx, LK_ERROR_DATA, lk_table_gather(ctx, table, 2999, 2, (const int64_t[]){1}, 1, out));
    check_contains(lk_error_message(ctx), "row 3001, column 2 is -inf");
    lk_table_free(table);
    lk_context_free(ctx);
    read_remove(path);
    free(t.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elements),
        cmocka_unit_test_setup_teardown(test_shapes, check_setup, check_teardown),
        cmocka_unit_test(test_bad_headers),
        cmocka_unit_test(test_infinities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
