/* What of an NPZ becomes the table; archives of every form; the checksum; IDX of every element and rank. */
#include "../npz_file.h"
#include "data/table_impl.h"

#include <sys/stat.h>

static char remarks[4000];

static void take_remark(void *state, const char *text)
{
    (void)state;
    snprintf(remarks + strlen(remarks), sizeof remarks - strlen(remarks), "%s\n", text);
}

static lk_context *new_context(int64_t memory)
{
    remarks[0] = '\0';
    lk_context_options options = {.size = sizeof options, .threads = 2, .memory = memory, .message = take_remark};
    lk_context *ctx = NULL;
    assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
    return ctx;
}

/* Reads FILE, or FILE:member; expects these columns ("x1,x2,y") and this sum of all values. */
static void check_table(const npz_file *f, const char *member, const char *columns, int64_t rows, double sum)
{
    for (int64_t memory = 0; memory < 2; memory++) {
        lk_context *ctx = new_context(memory);
        lk_table *table = NULL;
        char *path = read_file(f->bytes.bytes, f->bytes.used), full[200], names[400] = "";
        snprintf(full, sizeof full, "%s%s%s", path, member != NULL ? ":" : "", member != NULL ? member : "");
        check_ok(ctx, lk_table_read(ctx, full, NULL, &table));
        for (int64_t c = 0; c < lk_table_columns(table); c++) {
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", c > 0 ? "," : "", lk_table_name(table, c));
            assert_int_equal(lk_table_type(table, c), LK_TYPE_REAL);
        }
        assert_string_equal(names, columns);
        assert_int_equal(lk_table_rows(table), rows);
        double *v = read_values(ctx, table), total = 0;
        for (int64_t i = 0; i < rows * lk_table_columns(table); i++) {
            total += v[i] * (double)(1 + i % 7);
        }
        assert_true(total == sum);
        free(v);
        lk_table_free(table);
        lk_context_free(ctx);
        read_remove(path);
    }
}

static void check_refused(const npz_file *f, const char *member, lk_status status, const char *part)
{
    lk_context *ctx = new_context(0);
    lk_table *table = NULL;
    char *path = read_file(f->bytes.bytes, f->bytes.used), full[200];
    snprintf(full, sizeof full, "%s%s%s", path, member != NULL ? ":" : "", member != NULL ? member : "");
    check_status(ctx, status, lk_table_read(ctx, full, NULL, &table));
    check_contains(lk_error_message(ctx), part);
    assert_null(table);
    lk_context_free(ctx);
    read_remove(path);
}

static void add_text(npz_file *f, const char *name)
{
    read_text t = {0};
    npy_header(&t, 1, "{'descr': '<U3', 'fortran_order': False, 'shape': (2,), }");
    npz_number(&t, 0, 24);
    npz_add(f, name, t.bytes, t.used);
    free(t.bytes);
}

/* The rules, for every form of archive: a matrix counts 1..6 by rows, y counts 10, 11, 12. */
static void test_rules(void **state)
{
    (void)state;
    for (int form = 0; form < 8; form++) {
        for (int fortran = 0; fortran < 2; fortran++) {
            npz_file f = {.form = form};
            npz_add_counting(&f, "y.npy", 3, 0, false, 10);
            npz_add_counting(&f, "X.npy", 3, 2, fortran != 0, 1);
            npz_add_counting(&f, "other.npy", 4, 0, false, 0);
            add_text(&f, "names.npy");
            npz_add(&f, "readme.txt", "hello", 5);
            npz_end(&f, fortran != 0 ? "a comment" : "");
            /* Rows 1 2 10 / 3 4 11 / 5 6 12, weighed by 1..7, 1, 2. */
            check_table(&f, NULL, "x1,x2,y", 3, 1 + 4 + 30 + 12 + 20 + 66 + 35 + 6 + 24);
            check_contains(remarks, ": left out: other (4), names; ");
            check_table(&f, "X", "x1,x2", 3, 1 + 4 + 9 + 16 + 25 + 36);
            assert_string_equal(remarks, "");
            check_table(&f, "X.npy", "x1,x2", 3, 1 + 4 + 9 + 16 + 25 + 36);
            check_table(&f, "y", "y", 3, 10 + 22 + 36);
            check_table(&f, "other", "other", 4, 2 + 6 + 12);
            check_refused(&f, "Z", LK_ERROR_ARGUMENT, "holds no array 'Z'; there are y, X, other, names");
            check_refused(&f, "names", LK_ERROR_FORMAT, ":names: elements of type '<U3' cannot be read");
            check_refused(&f, "readme.txt", LK_ERROR_ARGUMENT, "holds no array 'readme.txt'");
            npz_free(&f);
        }
    }
}

static void test_choice(void **state)
{
    (void)state;
    npz_file f = {0};
    npz_add_counting(&f, "A.npy", 2, 2, false, 0);
    npz_add_counting(&f, "B.npy", 2, 1, false, 0);
    npz_end(&f, "");
    check_refused(&f, NULL, LK_ERROR_DATA, ": there are several matrices, and none is called X: A (2 x 2), B (2 x 1); say which by ");
    check_table(&f, "B", "x1", 2, 2);
    npz_free(&f);

    npz_add_counting(&f, "A.npy", 2, 2, false, 0);
    npz_add_counting(&f, "X.npy", 2, 1, false, 5);
    npz_add_counting(&f, "w.npy", 2, 0, false, 7);
    npz_end(&f, "");
    check_table(&f, NULL, "x1,w", 2, 5 + 14 + 18 + 32);
    check_contains(remarks, ": left out: A (2 x 2); ");
    npz_free(&f);

    npz_add_counting(&f, "b.npy", 2, 0, false, 0);
    npz_add_counting(&f, "a.npy", 2, 0, false, 5);
    npz_end(&f, "");
    check_table(&f, NULL, "b,a", 2, 0 + 10 + 3 + 24);
    npz_free(&f);

    npz_add_counting(&f, "b.npy", 2, 0, false, 0);
    npz_add_counting(&f, "a.npy", 3, 0, false, 5);
    npz_end(&f, "");
    check_refused(&f, NULL, LK_ERROR_DATA, ": there are vectors of several lengths, and no matrix: b (2), a (3); say which by ");
    npz_free(&f);

    add_text(&f, "t.npy");
    npz_end(&f, "");
    check_refused(&f, NULL, LK_ERROR_DATA, ": no array has numbers in one or two dimensions: t; ");
    npz_free(&f);

    npz_add(&f, "a/b.csv", "1,2\n", 4);
    npz_end(&f, "");
    check_refused(&f, NULL, LK_ERROR_FORMAT, "is a zip archive, but no NPZ: no member ends in .npy (its first is 'a/b.csv'); unpack it first");
    npz_free(&f);

    npz_end(&f, "");
    check_refused(&f, NULL, LK_ERROR_DATA, ": the zip archive is empty");
    npz_free(&f);

    npz_add_counting(&f, "X.npy", 2, 1, false, 5);
    npz_add_counting(&f, "x1.npy", 2, 0, false, 5);
    npz_end(&f, "");
    check_refused(&f, NULL, LK_ERROR_DATA, "columns 1 and 2 are both named 'x1'");
    npz_free(&f);

    npz_add_counting(&f, "X.npy", 0, 3, false, 0);
    npz_end(&f, "");
    check_refused(&f, NULL, LK_ERROR_DATA, ": there are no rows (shape 0 x 3)");
    npz_free(&f);

    npz_add_counting(&f, "X.npy", 1, 3, false, 0);
    npz_add_counting(&f, "X.npy", 1, 3, false, 0);
    npz_end(&f, "");
    check_refused(&f, NULL, LK_ERROR_FORMAT, ": the zip archive has two members named 'X.npy'");
    npz_free(&f);
}

/* Vectors bear names, a matrix does not: models find columns accordingly. */
static void test_named(void **state)
{
    (void)state;
    npz_file f = {0};
    npz_add_counting(&f, "X.npy", 2, 2, false, 0);
    npz_add_counting(&f, "y.npy", 2, 0, false, 0);
    npz_end(&f, "");
    char *path = read_file(f.bytes.bytes, f.bytes.used), full[100];
    const char *ends[] = {"", ":X", ":y"};
    for (int i = 0; i < 3; i++) {
        lk_context *ctx = new_context(0);
        lk_table *table = NULL;
        snprintf(full, sizeof full, "%s%s", path, ends[i]);
        check_ok(ctx, lk_table_read(ctx, full, NULL, &table));
        assert_int_equal(lki_table_named(table), i != 1);
        lk_table_free(table);
        lk_context_free(ctx);
    }
    read_remove(path);
    npz_free(&f);
}

/* A file whose own name has a colon comes first; what is no NPZ has no arrays. */
static void test_colons(void **state)
{
    (void)state;
    lk_context *ctx = new_context(0);
    lk_table *table = NULL;
    lk_read_options options = {.size = sizeof options, .format = "npy"};
    char path[100], full[120];
    snprintf(path, sizeof path, "/tmp/likely-colon-%d", (int)getpid());
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(full, sizeof full, "%s/a:b.csv", path);
    FILE *out = fopen(full, "w");
    assert_non_null(out);
    fputs("p,q\n1,2\n", out);
    fclose(out);
    check_ok(ctx, lk_table_read(ctx, full, NULL, &table));
    assert_string_equal(lk_table_name(table, 1), "q");
    lk_table_free(table);
    table = NULL;
    strcat(full, ":X");
    check_status(ctx, LK_ERROR_IO, lk_table_read(ctx, full, NULL, &table));
    check_contains(lk_error_message(ctx), "is no NPZ with an array 'X'");
    snprintf(full, sizeof full, "%s:X", path);
    check_status(ctx, LK_ERROR_IO, lk_table_read(ctx, full, NULL, &table));
    check_contains(lk_error_message(ctx), "cannot be opened: No such file");
    snprintf(full, sizeof full, "%s/a:b.csv", path);
    check_status(ctx, LK_ERROR_FORMAT, lk_table_read(ctx, full, &options, &table));
    options.format = "npz";
    check_status(ctx, LK_ERROR_FORMAT, lk_table_read(ctx, full, &options, &table));
    check_contains(lk_error_message(ctx), "is no NPZ: 8 bytes are too few for a zip archive");
    options.format = "idx";
    check_status(ctx, LK_ERROR_FORMAT, lk_table_read(ctx, full, &options, &table));
    check_contains(lk_error_message(ctx), "is no IDX file: its first bytes are 70 2c, not 00 00");
    assert_null(table);
    unlink(full);
    rmdir(path);
    lk_context_free(ctx);
}

/* The check value of CRC-32 that its catalogues give for "123456789"; both ways of computing it on any cut. */
static void test_checksum(void **state)
{
    (void)state;
    assert_int_equal(lki_crc32_plain(0, "123456789", 9), 0xcbf43926);
    assert_int_equal(lki_crc32(0, "123456789", 9), 0xcbf43926);
    char bytes[1000];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (char)read_random();
    }
    for (size_t cut = 0; cut <= sizeof bytes; cut += 37) {
        uint32_t whole = lki_crc32_plain(0, bytes, sizeof bytes);
        assert_int_equal(whole, lki_crc32(lki_crc32_plain(0, bytes, cut), bytes + cut, sizeof bytes - cut));
    }
}

typedef struct idx_case {
    unsigned type;
    int bytes;
    double low, high; /* of the values */
} idx_case;

static const idx_case idx_cases[] = {{0x08, 1, 0, 255},         {0x09, 1, -128, 127},
                                     {0x0b, 2, -32768, 32767},  {0x0c, 4, -2147483648.0, 2147483647},
                                     {0x0d, 4, -1.5e30, 2.5e-8}, {0x0e, 8, -1e300, 0.1}};

static void put_idx_value(read_text *t, const idx_case *c, double value)
{
    uint64_t bits;
    if (c->type == 0x0d) {
        float narrow = (float)value;
        uint32_t some;
        memcpy(&some, &narrow, sizeof some);
        bits = some;
    } else if (c->type == 0x0e) {
        memcpy(&bits, &value, sizeof bits);
    } else {
        bits = (uint64_t)(int64_t)value;
    }
    for (int i = c->bytes; i-- > 0;) {
        char byte = (char)(bits >> (8 * i) & 0xff);
        read_put(t, &byte, 1);
    }
}

/* Every element at its extremes, every rank to 5, in memory, by position and in blocks. */
static void test_idx(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof idx_cases / sizeof idx_cases[0]; i++) {
        const idx_case *c = &idx_cases[i];
        for (int rank = 1; rank <= 5; rank++) {
            int64_t lengths[5] = {3, 2, 2, 1, 3}, columns = rank == 1 ? 1 : rank == 2 ? 2 : rank < 5 ? 4 : 12;
            read_text t = {0};
            idx_header(&t, c->type, lengths, rank);
            for (int64_t k = 0; k < 3 * columns; k++) {
                put_idx_value(&t, c, k % 2 == 0 ? c->low : c->high);
            }
            char *path = read_file(t.bytes, t.used);
            for (int64_t memory = 0; memory < 2; memory++) {
                lk_context *ctx = new_context(memory);
                lk_table *table = NULL;
                check_ok(ctx, lk_table_read(ctx, path, NULL, &table));
                assert_int_equal(lki_table_in_memory(table), memory == 0);
                assert_int_equal(lk_table_rows(table), 3);
                assert_int_equal(lk_table_columns(table), columns);
                assert_string_equal(lk_table_name(table, columns - 1), columns == 1 ? "x1" : columns == 2 ? "x2" : columns == 4 ? "x4" : "x12");
                double *v = read_values(ctx, table);
                for (int64_t k = 0; k < 3 * columns; k++) {
                    double wanted = k % 2 == 0 ? c->low : c->high;
                    assert_true(v[k] == (c->type == 0x0d ? (double)(float)wanted : wanted));
                }
                free(v);
                lk_table_free(table);
                lk_context_free(ctx);
            }
            read_remove(path);
            free(t.bytes);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),  cmocka_unit_test(test_choice),   cmocka_unit_test(test_named),
        cmocka_unit_test(test_colons), cmocka_unit_test(test_checksum), cmocka_unit_test(test_idx),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
