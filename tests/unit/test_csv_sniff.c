/* What is found out about a CSV file, and what the caller may say instead: delimiter, header, types, missing tokens. */
#include "../read_check.h"

#include <unistd.h>
#if LIKELY_ZLIB && LIKELY_ZSTD
#include <zlib.h>
#include <zstd.h>
#endif

typedef struct sniff_case {
    const char *bytes;
    int64_t rows, columns;
    const char *names; /* joined by + */
    const char *types; /* r i c t */
    lk_read_options options;
} sniff_case;

static const sniff_case cases[] = {
    {"a,b\n1,2\n", 1, 2, "a+b", "rr", {0}},
    {"1,2\n3,4", 2, 2, "x1+x2", "rr", {0}},
    {"a;b\n1,5;2\n", 1, 2, "a+b", "tr", {0}},
    {"a\tb c\n1\t2\n", 1, 2, "a+b c", "rr", {0}},
    {"a|b|c\n1|2|3\n", 1, 3, "a+b+c", "rrr", {0}},
    {"\"a,b\";c\n1;2\n", 1, 2, "a,b+c", "rr", {0}},
    {"x\n1\n2\n3\n", 3, 1, "x", "r", {0}},
    {"5\n", 1, 1, "x1", "r", {0}},
    {"a,b\r1,2\r3,4\r", 2, 2, "a+b", "rr", {0}},
    {"a,b\r\n1,2\r", 1, 2, "a+b", "rr", {0}},
    {"a,b\n\n1,2\n\r\n3,4\n\n", 2, 2, "a+b", "rr", {0}},
    {"\xef\xbb\xbf\"a\",b\n1,2\n", 1, 2, "a+b", "rr", {0}},
    {",b,\n1,2,3\n", 1, 3, "x1+b+x3", "rrr", {0}},
    {" a , \" b\"\n1, 2\n", 1, 2, "a+\" b\"", "rr", {0}},
    {"a,b\n1,NA\nnan,2\n,?\n", 3, 2, "a+b", "rr", {0}},
    {"a,b\nred,x1\nred,x2\nblue,x3\nblue,x4\n", 4, 2, "a+b", "ct", {0}},
    {"a,b\n1,2\n", 2, 2, "x1+x2", "tt", {.header = -1}},
    {"1,2\n3,4\n", 1, 2, "1+2", "rr", {.header = 1}},
    {"a,b;c\n1,2;3\n", 1, 2, "a,b+c", "tr", {.delimiter = ';'}},
    {"a,b\n1,2\n", 1, 1, "a,b", "t", {.format = "tsv"}},
    {"a,b,c,d\n1,2,3,4\n", 1, 4, "a+b+c+d", "tirc", {.types = "a=text,2=integer,d=category"}},
    {"a,b\n-999,1\n-999.0,2\n5,3\n", 3, 2, "a+b", "rr", {.na = "-999"}},
    {"a,b\n\"1\",\"2\"\n", 1, 2, "a+b", "rr", {0}},
    {"a,b\n+1,.5\n-.5e-3,1E+5\n", 2, 2, "a+b", "rr", {0}},
    {"x\n1\n\"\"\n\n3\n", 3, 1, "x", "r", {0}},
    {"x1,x2\nNA,NA\nNA,NA\n", 2, 2, "x1+x2", "rr", {0}},
    {"  1  2.5\n\t3 \t  4 \n", 2, 2, "x1+x2", "rr", {0}},
    {"a   b  c\n1 2\t3\n   \n\n  4 5   6", 2, 3, "a+b+c", "rrr", {0}},
    {"mpg  name\n18 \"buick  \"\"sky\"\" lark\"\n15  \"amc\"\n", 2, 2, "mpg+name", "rt", {.delimiter = ' '}},
    {"n who\n1 \"a  b\"\n2 \"c d\"\n", 2, 2, "n+who", "rt", {0}},
    {"a b\r\n1 2 \r\n3\t4", 2, 2, "a+b", "rr", {0}},
    {"a 1\r2\n", 1, 1, "x1", "t", {.header = -1}},
    {"to be or\nnot to be\n", 1, 1, "to be or", "t", {0}},
    {"1  2\t 3\n4 5\t6\n", 2, 3, "x1+x2+x3", "rrr", {0}},
    {"a b\tc\n1 2\tx\n", 1, 2, "a b+c", "tt", {0}},
    {"a, b c\n1, 2\n", 1, 2, "a+b c", "rr", {0}},
};

static lk_table *table_of(lk_context *ctx, const void *bytes, size_t length, const lk_read_options *options)
{
    char *path = read_file(bytes, length);
    lk_table *table = NULL;
    lk_read_options sized = *options;
    sized.size = sizeof sized;
    check_ok(ctx, lk_table_read(ctx, path, &sized, &table));
    read_remove(path);
    return table;
}

static void test_cases(void **state)
{
    lk_context *ctx = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const sniff_case *s = &cases[i];
        lk_table *table = table_of(ctx, s->bytes, strlen(s->bytes), &s->options);
        char names[256] = "", types[16] = "";
        for (int64_t c = 0; c < lk_table_columns(table); c++) {
            strcat(strcat(names, c > 0 ? "+" : ""), lk_table_name(table, c));
            types[c] = "rict"[lk_table_type(table, c)];
        }
        if (lk_table_rows(table) != s->rows || strcmp(names, s->names) != 0 || strcmp(types, s->types) != 0) {
            fail_msg("case %zu: %lld rows, names %s, types %s", i, (long long)lk_table_rows(table), names, types);
        }
        lk_table_free(table);
    }
}

static void test_values(void **state)
{
    lk_context *ctx = *state;
    lk_table *table = table_of(ctx, cases[21].bytes, strlen(cases[21].bytes), &cases[21].options);
    double *v = read_values(ctx, table);
    assert_true(isnan(v[0]) && isnan(v[2]) && v[4] == 5 && v[5] == 3);
    free(v);
    lk_table_free(table);
    table = table_of(ctx, cases[23].bytes, strlen(cases[23].bytes), &cases[23].options);
    v = read_values(ctx, table);
    assert_true(v[0] == 1 && v[1] == 0.5 && v[2] == -0.5e-3 && v[3] == 1e5);
    free(v);
    lk_table_free(table);
}

/* The rule of thumb at its borders: 100 levels, each twice on average. */
static void test_levels(void **state)
{
    lk_context *ctx = *state;
    for (int levels = 99; levels <= 101; levels++) {
        read_text t = {0};
        read_put_text(&t, "a,b\n");
        for (int i = 0; i < 2 * levels; i++) {
            char line[64];
            snprintf(line, sizeof line, "v%d,w%d\n", i % levels, i / 2 + (i == 1));
            read_put_text(&t, line);
        }
        lk_table *table = table_of(ctx, t.bytes, t.used, &(lk_read_options){0});
        assert_int_equal(lk_table_type(table, 0), levels <= 100 ? LK_TYPE_CATEGORY : LK_TYPE_TEXT);
        if (levels <= 100) {
            assert_int_equal(lk_table_levels(table, 0), levels);
            assert_string_equal(lk_table_level(table, 0, 7), "v7");
            assert_null(lk_table_level(table, 0, levels));
        }
        lk_table_free(table);
        free(t.bytes);
    }
}

static void take_message(void *state, const char *text)
{
    snprintf(state, 400, "%s", text);
}

/* A few words among many numbers are probably a token for missing: the user is told. */
static void test_remark(void **state)
{
    (void)state;
    char text[400] = "";
    lk_context_options options = {.size = sizeof options, .message = take_message, .message_state = text};
    lk_context *ctx = NULL;
    assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
    const char *bytes = "a,b\n1,2\n3,4\n5,missing\n";
    lk_table *table = table_of(ctx, bytes, strlen(bytes), &(lk_read_options){0});
    check_contains(
        text,
        ":4:2: column 'b' is taken as text, because 'missing' is not a number; say --na missing if that means missing, "
        "or --types b=real to insist on numbers");
    lk_table_free(table);
    lk_context_free(ctx);
}

/* Text behind a value; none in a table on disk. */
static void test_text(void **state)
{
    (void)state;
    read_text t = {0};
    read_put_text(&t, "n,s\n");
    for (int i = 0; i < 50000; i++) {
        char line[64];
        snprintf(line, sizeof line, i % 5 == 0 ? "%d,\n" : "%d,name %d\n", i, i);
        read_put_text(&t, line);
    }
    for (int disk = 0; disk < 2; disk++) {
        lk_context *ctx = read_context(2, disk ? 1 << 18 : 0);
        lk_table *table = table_of(ctx, t.bytes, t.used, &(lk_read_options){0});
        assert_int_equal(lki_table_in_memory(table), !disk);
        double *v = read_values(ctx, table);
        for (int i = 0; i < 50000; i++) {
            char wanted[32];
            snprintf(wanted, sizeof wanted, "name %d", i);
            assert_true(v[2 * i] == i);
            assert_true((i % 5 == 0) == isnan(v[2 * i + 1]));
            const char *got = lk_table_text(table, 1, v[2 * i + 1]);
            if (disk || i % 5 == 0) {
                assert_null(got);
            } else {
                assert_string_equal(got, wanted);
            }
        }
        free(v);
        lk_table_free(table);
        lk_context_free(ctx);
    }
    free(t.bytes);
}

/* ---- compressed input ------------------------------------------------------------------------------------------ */

#if LIKELY_ZLIB && LIKELY_ZSTD
static size_t pack_gzip(const void *bytes, size_t count, void *out, size_t size)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)bytes;
    z.avail_in = (unsigned)count;
    z.next_out = out;
    z.avail_out = (unsigned)size;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t used = z.total_out;
    deflateEnd(&z);
    return used;
}

static void check_packed(lk_context *ctx, const read_text *plain, const read_text *packed, const char *truncated)
{
    lk_table *a = table_of(ctx, plain->bytes, plain->used, &(lk_read_options){0});
    lk_table *b = table_of(ctx, packed->bytes, packed->used, &(lk_read_options){0});
    read_same(ctx, a, b);
    lk_table_free(a);
    lk_table_free(b);
    for (size_t cut = 1; cut < packed->used - 10; cut = cut * 3 + 7) {
        char *path = read_file(packed->bytes, packed->used - cut);
        lk_table *table = NULL;
        lk_status status = lk_table_read(ctx, path, NULL, &table);
        if (status != LK_ERROR_FORMAT || strstr(lk_error_message(ctx), truncated) == NULL) {
            fail_msg("cut by %zu: %s: %s", cut, lk_status_name(status), lk_error_message(ctx));
        }
        read_remove(path);
    }
    /* A changed byte in the middle is noticed, by the format's check sum if by nothing else. */
    packed->bytes[packed->used / 2] ^= 0x20;
    char *path = read_file(packed->bytes, packed->used);
    lk_table *table = NULL;
    check_status(ctx, LK_ERROR_FORMAT, lk_table_read(ctx, path, NULL, &table));
    read_remove(path);
}

static void test_packed(void **state)
{
    lk_context *ctx = *state;
    read_text plain = {0}, gzip = {0}, zstd = {0};
    read_put_text(&plain, "a,b,c\n");
    for (int i = 0; i < 30000; i++) {
        char line[64];
        snprintf(line, sizeof line, "%d,%g,%s\n", i, (double)(read_random() % 100000) / 64, i % 3 == 0 ? "u" : "v");
        read_put_text(&plain, line);
    }
    size_t size = plain.used + 1000, half = plain.used / 2;
    char *buffer = malloc(size);
    read_put(&gzip, buffer, pack_gzip(plain.bytes, half, buffer, size)); /* two members, as cat makes of two files */
    read_put(&gzip, buffer, pack_gzip(plain.bytes + half, plain.used - half, buffer, size));
    check_packed(ctx, &plain, &gzip, "the gzip data ends in the middle");
    ZSTD_CCtx *z = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
    read_put(&zstd, buffer, ZSTD_compress2(z, buffer, size, plain.bytes, half));
    read_put(&zstd, buffer, ZSTD_compress2(z, buffer, size, plain.bytes + half, plain.used - half));
    ZSTD_freeCCtx(z);
    check_packed(ctx, &plain, &zstd, "the zstd data ends in the middle");
    free(buffer);
    free(plain.bytes);
    free(gzip.bytes);
    free(zstd.bytes);
}
#else
static void test_packed(void **state)
{
    (void)state;
    print_message("skipped: this build lacks zlib or libzstd\n");
    skip();
}
#endif

/* "-" is standard input, called <stdin> in errors. */
static void test_stdin(void **state)
{
    lk_context *ctx = *state;
    int saved = dup(STDIN_FILENO), ends[2];
    lk_table *table = NULL;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "a,b\n1,2\n3\n", 10), 10);
    close(ends[1]);
    dup2(ends[0], STDIN_FILENO);
    check_status(ctx, LK_ERROR_FORMAT, lk_table_read(ctx, "-", NULL, &table));
    check_contains(lk_error_message(ctx), "<stdin>:3:1: the row has 1 fields");
    dup2(saved, STDIN_FILENO);
    close(saved);
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),  cmocka_unit_test(test_values), cmocka_unit_test(test_levels),
        cmocka_unit_test(test_remark), cmocka_unit_test(test_text),   cmocka_unit_test(test_packed),
        cmocka_unit_test(test_stdin),
    };
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
