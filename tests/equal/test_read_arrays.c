/* The same numbers are the same doubles from NPY, NPZ of every form, and IDX: in memory, on disk, in blocks, through a pipe. */
#include "../npz_file.h"
#include "data/table_impl.h"

#include <sys/wait.h>

enum { ROWS = 7000, COLUMNS = 5 };

static double numbers[ROWS * COLUMNS];

/* An archive of one matrix, or of its first four columns and the last as a vector. */
static char *write_npz(int form, bool fortran, bool parted)
{
    npz_file f = {.form = form};
    read_text t = {0};
    int64_t wide = parted ? COLUMNS - 1 : COLUMNS;
    npy_matrix_header(&t, "<f8", fortran, ROWS, wide);
    for (int64_t i = 0; i < ROWS * wide; i++) {
        int64_t r = fortran ? i % ROWS : i / wide, c = fortran ? i / ROWS : i % wide;
        read_put(&t, &numbers[r * COLUMNS + c], sizeof(double));
    }
    npz_add(&f, "m.npy", t.bytes, t.used);
    if (parted) {
        t.used = 0;
        npy_header(&t, 2, "{'descr': '<f8', 'fortran_order': False, 'shape': (7000,), }");
        for (int64_t r = 0; r < ROWS; r++) {
            read_put(&t, &numbers[r * COLUMNS + COLUMNS - 1], sizeof(double));
        }
        npz_add(&f, "x5.npy", t.bytes, t.used);
    }
    npz_end(&f, "");
    char *path = read_file(f.bytes.bytes, f.bytes.used);
    npz_free(&f);
    free(t.bytes);
    return path;
}

static char *write_idx(void)
{
    read_text t = {0};
    idx_header(&t, 0x0e, (const int64_t[]){ROWS, 1, COLUMNS}, 3);
    for (int64_t i = 0; i < ROWS * COLUMNS; i++) {
        uint64_t bits;
        memcpy(&bits, &numbers[i], sizeof bits);
        bits = __builtin_bswap64(bits);
        read_put(&t, &bits, sizeof bits);
    }
    char *path = read_file(t.bytes, t.used);
    free(t.bytes);
    return path;
}

static int make_numbers(void **state)
{
    (void)state;
    for (int64_t i = 0; i < ROWS * COLUMNS; i++) {
        do {
            uint64_t bits = read_random();
            memcpy(&numbers[i], &bits, sizeof bits);
        } while (!isfinite(numbers[i]));
    }
    return 0;
}

static void check_blocks(lk_context *ctx, const char *path)
{
    lk_reader *reader = NULL;
    const lk_table *block = NULL;
    int64_t row = 0;
    check_ok(ctx, lk_reader_open(ctx, path, NULL, &reader));
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
}

static void check_whole(lk_context *ctx, const char *path, bool in_memory)
{
    lk_table *table = NULL;
    check_ok(ctx, lk_table_read(ctx, path, NULL, &table));
    assert_int_equal(lki_table_in_memory(table), in_memory);
    assert_int_equal(lk_table_rows(table), ROWS);
    assert_int_equal(lk_table_columns(table), COLUMNS);
    assert_string_equal(lk_table_name(table, 4), "x5");
    double *v = read_values(ctx, table), some[2000];
    assert_memory_equal(v, numbers, sizeof numbers);
    free(v);
    check_ok(ctx, lk_table_gather(ctx, table, 5500, 1000, (const int64_t[]){4, 1}, 2, some));
    for (int64_t r = 0; r < 1000; r++) {
        assert_memory_equal(&some[2 * r], &numbers[(5500 + r) * COLUMNS + 4], sizeof(double));
        assert_memory_equal(&some[2 * r + 1], &numbers[(5500 + r) * COLUMNS + 1], sizeof(double));
    }
    lk_table_free(table);
}

/* Feeds a file through a pipe, so that it can only be read in order. */
static void check_pipe(lk_context *ctx, const char *path, bool in_memory)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char bytes[1000];
        FILE *in = fopen(path, "rb");
        close(ends[0]);
        for (size_t got; in != NULL && (got = fread(bytes, 1, sizeof bytes, in)) > 0;) {
            if (write(ends[1], bytes, got) != (ssize_t)got) {
                break;
            }
        }
        _exit(0);
    }
    close(ends[1]);
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", ends[0]);
    check_whole(ctx, name, in_memory);
    close(ends[0]);
    int status;
    waitpid(child, &status, 0);
}

static void check_every_way(char *path)
{
    /* None; too little for the table; enough for the table, but not for the columns' bytes beside it. */
    static const int64_t memories[] = {0, 100000, ROWS * COLUMNS * 8 + 100};
    for (int way = 0; way < 6; way++) {
        lk_context *ctx = read_context(1 + way % 2, memories[way / 2]);
        check_whole(ctx, path, way / 2 != 1);
        check_pipe(ctx, path, way / 2 != 1);
        check_blocks(ctx, path);
        lk_context_free(ctx);
    }
    read_remove(path);
}

static void test_npz(void **state)
{
    (void)state;
    for (int form = 0; form < 8; form++) {
        for (int shape = 0; shape < 4; shape++) {
            check_every_way(write_npz(form, (shape & 1) != 0, (shape & 2) != 0));
        }
    }
}

static void test_idx(void **state)
{
    (void)state;
    check_every_way(write_idx());
}

/* Compressed by gzip around the format: what comes is a stream. */
static void test_gzip(void **state)
{
    (void)state;
#if LIKELY_ZLIB
    for (int way = 0; way < 2; way++) {
        char *path = way == 0 ? write_idx() : write_npz(NPZ_STORED, true, true), packed[64];
        snprintf(packed, sizeof packed, "%s.gz", path);
        gzFile out = gzopen(packed, "wb1");
        FILE *in = fopen(path, "rb");
        char bytes[5000];
        for (size_t got; (got = fread(bytes, 1, sizeof bytes, in)) > 0;) {
            assert_int_equal(gzwrite(out, bytes, (unsigned)got), got);
        }
        fclose(in);
        assert_int_equal(gzclose(out), Z_OK);
        read_remove(path);
        check_every_way(strdup(packed));
    }
#else
    print_message("skipped: this build has no zlib\n");
    skip();
#endif
}

/* A table that stays where it is outlives the context and the file's name; its archive is damaged or not before that. */
static void test_outlives(void **state)
{
    (void)state;
    for (int form = 0; form < 2; form++) {
        char *path = write_npz(form, true, false);
        lk_context *ctx = read_context(1, 100000), *other = read_context(1, 0);
        lk_table *table = NULL;
        check_ok(ctx, lk_table_read(ctx, path, NULL, &table));
        lk_context_free(ctx);
        read_remove(path);
        double *v = read_values(other, table);
        assert_memory_equal(v, numbers, sizeof numbers);
        free(v);
        lk_table_free(table);
        lk_context_free(other);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_npz), cmocka_unit_test(test_idx), cmocka_unit_test(test_gzip),
                                       cmocka_unit_test(test_outlives)};
    return cmocka_run_group_tests(tests, make_numbers, NULL);
}
