/* Writers: what is written reads back as the same doubles and strings, byte for byte the same on any number of
 * threads. */
#include "../check.h"
#include "data/number.h"
#include "data/table_impl.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char directory[] = "/tmp/likely-test-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[2][256];
    static int turn;
    turn = 1 - turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", directory, name);
    return path[turn];
}

static char *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        return NULL;
    }
    char *bytes = malloc(1 << 24);
    *size = fread(bytes, 1, (1 << 24) - 1, f);
    bytes[*size] = '\0';
    fclose(f);
    return bytes;
}

static void check_file(const char *path, const char *wanted)
{
    size_t size = 0;
    char *bytes = read_file(path, &size);
    assert_non_null(bytes);
    assert_string_equal(bytes, wanted);
    free(bytes);
}

static uint64_t state_bits = 88172645463325252u;

static uint64_t next_bits(void)
{
    state_bits ^= state_bits >> 12;
    state_bits ^= state_bits << 25;
    state_bits ^= state_bits >> 27;
    return state_bits * 2685821657736338717u;
}

/* Texts that need every rule of quoting. */
static const char *const words[] = {"plain",
                                    "with,comma",
                                    "with\ttab",
                                    "a \"quote\"",
                                    "line\nbreak",
                                    "carriage\rreturn",
                                    "",
                                    " blank ",
                                    "back\\slash",
                                    "\x01control\x1f",
                                    "na\xc3\xafve",
                                    "\xff invalid \xc3",
                                    "\"",
                                    "\"\"",
                                    "a;b|c",
                                    "NA?"};
enum { WORDS = sizeof words / sizeof words[0] };

/* A table without rows whose column 0 is a category of all words and column 1 a text of them. */
static lk_table *make_words(lk_context *ctx)
{
    lk_table *table = NULL;
    check_ok(ctx, lki_table_new(ctx, 2, &table));
    for (int64_t c = 0; c < 2; c++) {
        check_ok(ctx, lki_table_set_name(ctx, table, c, NULL, 0));
        table->columns[c].type = c == 0 ? LK_TYPE_CATEGORY : LK_TYPE_TEXT;
        for (size_t i = 0; i < WORDS; i++) {
            size_t number;
            check_ok(ctx, lki_string_list_intern(ctx, &table->memory, &table->columns[c].strings, words[i],
                                                 strlen(words[i]), &number));
            assert_int_equal(number, i);
        }
    }
    return table;
}

static double any_number(int64_t i)
{
    uint64_t bits = next_bits();
    double v;
    memcpy(&v, &bits, sizeof v);
    if (isnan(v) || i % 17 == 0) {
        return (double)NAN;
    }
    return i % 5 == 0    ? (double)(int64_t)(bits >> 40) / 100.0
           : i % 31 == 0 ? (double)INFINITY
           : i % 37 == 0 ? -(double)INFINITY
                         : v;
}

/* Fields of RFC 4180: the reading side in its simplest form. Returns what follows the field and its end. */
static const char *read_field(const char *p, char delimiter, char *out, bool *quoted)
{
    *quoted = *p == '"';
    if (*quoted) {
        for (p++; *p != '"' || p[1] == '"'; p++) {
            p += *p == '"';
            *out++ = *p;
        }
        p++;
    } else {
        while (*p != delimiter && *p != '\n') {
            *out++ = *p++;
        }
    }
    *out = '\0';
    assert_true(*p == delimiter || *p == '\n');
    return p + 1;
}

static const char *const names[] = {"real, number", "whole", "kind", "say \"text\"", "last"};
static const lk_type types[] = {LK_TYPE_REAL, LK_TYPE_INTEGER, LK_TYPE_CATEGORY, LK_TYPE_TEXT, LK_TYPE_REAL};
enum { COLUMNS = 5, ROWS = 20000 };

static double *make_rows(void)
{
    double *values = malloc(sizeof(double) * ROWS * COLUMNS);
    for (int64_t i = 0; i < ROWS; i++) {
        values[i * COLUMNS] = any_number(i);
        values[i * COLUMNS + 1] = i % 7 == 0 ? (double)NAN : (double)((int64_t)next_bits() >> (next_bits() % 64));
        values[i * COLUMNS + 2] = i % 19 == 0 ? (double)NAN : (double)(next_bits() % WORDS);
        values[i * COLUMNS + 3] = (double)(next_bits() % WORDS);
        values[i * COLUMNS + 4] = (double)i / 7.0;
    }
    return values;
}

static void write_file(lk_context *ctx, const char *path, const char *format, const lk_table *source,
                       const double *values, int64_t piece)
{
    lk_column columns[COLUMNS];
    for (int64_t j = 0; j < COLUMNS; j++) {
        columns[j] = (lk_column){names[j], types[j], j == 2 || j == 3 ? source : NULL, j - 2};
    }
    lk_writer *w = NULL;
    check_ok(ctx, lk_writer_open(ctx, path, format, columns, COLUMNS, &w));
    for (int64_t first = 0; first < ROWS; first += piece) {
        check_ok(ctx, lk_writer_rows(ctx, w, values + first * COLUMNS, ROWS - first < piece ? ROWS - first : piece));
    }
    check_ok(ctx, lk_writer_close(ctx, w));
}

static void check_delimited(const char *path, char delimiter, const double *values)
{
    size_t size = 0;
    char *bytes = read_file(path, &size), field[256];
    const char *p = bytes;
    bool quoted;
    for (int64_t j = 0; j < COLUMNS; j++) {
        p = read_field(p, delimiter, field, &quoted);
        assert_string_equal(field, names[j]);
    }
    for (int64_t i = 0; i < ROWS * COLUMNS; i++) {
        double v = values[i], got = 0.0;
        int64_t j = i % COLUMNS;
        p = read_field(p, delimiter, field, &quoted);
        assert_true(p[-1] == (j + 1 < COLUMNS ? delimiter : '\n'));
        if (isnan(v)) {
            assert_true(field[0] == '\0' && !quoted);
        } else if (j == 2 || j == 3) {
            assert_string_equal(field, words[(int)v]);
            assert_true(quoted || field[0] != '\0');
        } else {
            assert_ptr_equal(lki_parse_double(field, field + strlen(field), &got), field + strlen(field));
            assert_true(got == v && signbit(got) == signbit(v));
            assert_true(j != 1 || strpbrk(field, ".e") == NULL);
        }
    }
    assert_ptr_equal(p, bytes + size);
    free(bytes);
}

static void test_csv_and_tsv(void **state)
{
    lk_table *source = make_words(*state);
    double *values = make_rows();
    write_file(*state, path_of("a.csv"), NULL, source, values, ROWS);
    check_delimited(path_of("a.csv"), ',', values);
    write_file(*state, path_of("a.tsv"), NULL, source, values, 777);
    check_delimited(path_of("a.tsv"), '\t', values);
    free(values);
    lk_table_free(source);
}

static void test_same_bytes_on_any_threads(void **state)
{
    static const char *const formats[] = {"csv", "tsv", "jsonl", "npy"};
    lk_table *source = make_words(*state);
    double *values = make_rows();
    for (size_t f = 0; f < 4; f++) {
        lk_context *one = check_context(1), *three = check_context(3);
        write_file(one, path_of("one"), formats[f], source, values, ROWS);
        write_file(three, path_of("three"), formats[f], source, values, 4099);
        size_t a = 0, b = 0;
        char *x = read_file(path_of("one"), &a), *y = read_file(path_of("three"), &b);
        assert_int_equal(a, b);
        assert_memory_equal(x, y, a);
        free(x);
        free(y);
        lk_context_free(one);
        lk_context_free(three);
    }
    free(values);
    lk_table_free(source);
}

static void test_json_lines(void **state)
{
    lk_table *source = make_words(*state);
    double *values = make_rows();
    write_file(*state, path_of("a.jsonl"), NULL, source, values, 1000);
    size_t size = 0;
    char *bytes = read_file(path_of("a.jsonl"), &size);
    int64_t row = 0;
    for (char *p = bytes; *p != '\0'; row++) {
        char *end = strchr(p, '\n');
        json_t *o = json_loadb(p, (size_t)(end - p), JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(o);
        assert_int_equal(json_object_size(o), COLUMNS);
        for (int64_t j = 0; j < COLUMNS; j++) {
            const json_t *item = json_object_get(o, names[j]);
            double v = values[row * COLUMNS + j];
            if (!isfinite(v)) {
                assert_true(json_is_null(item));
            } else if (j == 2 || j == 3) {
                bool invalid = strchr(words[(int)v], '\xff') != NULL;
                assert_string_equal(json_string_value(item),
                                    invalid ? "\xef\xbf\xbd invalid \xef\xbf\xbd" : words[(int)v]);
            } else {
                assert_true(json_number_value(item) == v);
            }
        }
        json_decref(o);
        p = end + 1;
    }
    assert_int_equal(row, ROWS);
    free(bytes);
    free(values);
    lk_table_free(source);
}

static void check_npy(const char *path, const double *values)
{
    size_t size = 0;
    char *bytes = read_file(path, &size);
    assert_memory_equal(bytes, "\x93NUMPY\x01\x00\x76\x00", 10); /* 118 bytes follow, so that the rows start at 128 */
    assert_true(bytes[127] == '\n');
    check_contains(bytes + 10, "{'descr': '<f8', 'fortran_order': False, 'shape': (20000, 3), }");
    assert_int_equal(size, 128 + sizeof(double) * 3 * ROWS);
    for (int64_t i = 0; i < ROWS; i++) {
        static const int from[] = {0, 1, 4};
        for (int j = 0; j < 3; j++) {
            double got, v = values[i * COLUMNS + from[j]];
            memcpy(&got, bytes + 128 + (i * 3 + j) * 8, sizeof got);
            assert_true(isnan(v) ? isnan(got) : got == v);
        }
    }
    free(bytes);
}

static void test_npy(void **state)
{
    lk_table *source = make_words(*state);
    double *values = make_rows();
    write_file(*state, path_of("a.npy"), NULL, source, values, 3000);
    check_npy(path_of("a.npy"), values);
    /* Where the header cannot be patched: standard output, here a pipe's stand-in that only appends. */
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        int fd = open(path_of("pipe.npy"), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0666);
        dup2(fd, STDOUT_FILENO);
        lk_context *ctx = check_context(1);
        write_file(ctx, "-", "npy", source, values, 3000);
        _exit(0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    check_npy(path_of("pipe.npy"), values);
    free(values);
    lk_table_free(source);
}

static void test_small_files(void **state)
{
    lk_context *ctx = *state;
    lk_column columns[] = {{"a", LK_TYPE_REAL, NULL, 0}, {"b", LK_TYPE_INTEGER, NULL, 0}};
    double values[] = {1.5, 2.0, (double)NAN, 1e20, -(double)INFINITY, -0.0, 0.1, (double)NAN};
    static const struct {
        const char *name, *format, *text;
        int64_t columns;
    } cases[] = {
        {"s.csv", NULL, "a,b\n1.5,2\n,1e20\n-inf,0\n0.1,\n", 2},
        {"s.TSV", NULL, "a\tb\n1.5\t2\n\t1e20\n-inf\t0\n0.1\t\n", 2},
        {"s.jsonl", NULL,
         "{\"a\":1.5,\"b\":2}\n{\"a\":null,\"b\":1e20}\n{\"a\":null,\"b\":0}\n{\"a\":0.1,\"b\":null}\n", 2},
        {"s.anything", "csv", "a\n1.5\n2\n\"\"\n1e20\n-inf\n-0\n0.1\n\"\"\n", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lk_writer *w = NULL;
        check_ok(ctx, lk_writer_open(ctx, path_of(cases[i].name), cases[i].format, columns, cases[i].columns, &w));
        check_ok(ctx, lk_writer_rows(ctx, w, values, 8 / cases[i].columns));
        assert_int_equal(access(path_of(cases[i].name), F_OK), -1); /* not before the close */
        check_ok(ctx, lk_writer_close(ctx, w));
        check_file(path_of(cases[i].name), cases[i].text);
    }
    lk_writer *w = NULL;
    check_ok(ctx, lk_writer_open(ctx, path_of("none.csv"), NULL, columns, 2, &w));
    check_ok(ctx, lk_writer_close(ctx, w));
    check_file(path_of("none.csv"), "a,b\n");
    check_ok(ctx, lk_writer_open(ctx, path_of("thrown.csv"), NULL, columns, 2, &w));
    lk_writer_free(w);
    assert_int_equal(access(path_of("thrown.csv"), F_OK), -1);
}

static void test_refusals(void **state)
{
    lk_context *ctx = *state;
    lk_column text = {"t", LK_TYPE_TEXT, NULL, 0}, real = {"r", LK_TYPE_REAL, NULL, 0},
              kind = {"k", LK_TYPE_CATEGORY, NULL, 0};
    lk_writer *w = NULL;
    check_status(ctx, LK_ERROR_ARGUMENT, lk_writer_open(ctx, path_of("a.xls"), NULL, &real, 1, &w));
    check_contains(lk_error_message(ctx), "use .csv, .tsv, .jsonl or .npy");
    check_status(ctx, LK_ERROR_ARGUMENT, lk_writer_open(ctx, path_of("noext"), NULL, &real, 1, &w));
    check_status(ctx, LK_ERROR_ARGUMENT, lk_writer_open(ctx, path_of("a.csv"), "xml", &real, 1, &w));
    check_contains(lk_error_message(ctx), "'xml'");
    check_status(ctx, LK_ERROR_ARGUMENT, lk_writer_open(ctx, path_of("t.npy"), NULL, &text, 1, &w));
    check_contains(lk_error_message(ctx), "numeric columns only");
    check_status(ctx, LK_ERROR_ARGUMENT, lk_writer_open(ctx, path_of("t.csv"), NULL, &text, 0, &w));
    assert_null(w);
    double value = 3.0;
    check_ok(ctx, lk_writer_open(ctx, path_of("k.csv"), NULL, &kind, 1, &w));
    check_status(ctx, LK_ERROR_ARGUMENT, lk_writer_rows(ctx, w, &value, 1));
    check_contains(lk_error_message(ctx), "row 1 of column 'k': no text belongs to the value 3");
    check_status(ctx, LK_ERROR_IO, lk_writer_close(ctx, w));
    assert_int_equal(access(path_of("k.csv"), F_OK), -1);
}

/* Files written from another table a block, as a reader's blocks are. */
static void test_sources_change(void **state)
{
    lk_context *ctx = *state;
    lk_table *source = make_words(ctx);
    lk_column kind = {"k", LK_TYPE_CATEGORY, NULL, 0};
    double value = 0.0;
    lk_writer *w = NULL;
    check_ok(ctx, lk_writer_open(ctx, path_of("source.csv"), NULL, &kind, 1, &w));
    lk_writer_source(w, 0, source);
    check_ok(ctx, lk_writer_rows(ctx, w, &value, 1));
    check_ok(ctx, lk_writer_close(ctx, w));
    check_file(path_of("source.csv"), "k\nplain\n");
    lk_table_free(source);
}

/* The library's own reader: doubles to the bit, strings to the byte, missing values where they were. */
static void test_read_back(void **state)
{
    lk_context *ctx = *state;
    lk_table *source = make_words(ctx);
    double *values = make_rows();
    for (int64_t i = 0; i < ROWS * COLUMNS; i++) {
        values[i] = isinf(values[i]) ? 1.0 : values[i]; /* which a table does not take */
        /* Read, an empty string is a missing value, and what is not UTF-8 is refused. */
        bool word = i % COLUMNS == 2 || i % COLUMNS == 3;
        bool plain =
            !word || isnan(values[i]) || (words[(int)values[i]][0] != '\0' && words[(int)values[i]][0] != '\xff');
        values[i] = plain ? values[i] : 0.0;
    }
    static const char *const files[] = {"back.csv", "back.tsv", "back.npy"};
    for (size_t f = 0; f < 3; f++) {
        write_file(ctx, path_of(files[f]), NULL, source, values, 5000);
        lk_read_options options = {.size = sizeof options,
                                   .types = f < 2 ? "1=real,2=real,3=category,4=text,5=real" : NULL};
        lk_table *table = NULL;
        check_ok(ctx, lk_table_read(ctx, path_of(files[f]), &options, &table));
        assert_int_equal(lk_table_rows(table), ROWS);
        assert_int_equal(lk_table_columns(table), f < 2 ? COLUMNS : 3);
        static const int64_t numeric[] = {0, 1, 4};
        for (int64_t j = 0; j < lk_table_columns(table); j++) {
            int64_t from = f < 2 ? j : numeric[j];
            double *read = malloc(sizeof(double) * ROWS);
            check_ok(ctx, lk_table_gather(ctx, table, 0, ROWS, &j, 1, read));
            for (int64_t i = 0; i < ROWS; i++) {
                double v = values[i * COLUMNS + from];
                const char *text = from == 2   ? lk_table_level(table, j, (int64_t)(isnan(read[i]) ? -1 : read[i]))
                                   : from == 3 ? lk_table_text(table, j, read[i])
                                               : NULL;
                if (isnan(v)) {
                    assert_true(isnan(read[i]));
                } else if (from == 2 || from == 3) {
                    assert_non_null(text);
                    assert_string_equal(text, words[(int)v]);
                } else {
                    assert_true(read[i] == v);
                }
            }
            free(read);
        }
        lk_table_free(table);
    }
    /* One column, whose missing values must not become lines that nobody sees. */
    lk_column one = {"only", LK_TYPE_REAL, NULL, 0};
    double three[] = {1.0, (double)NAN, 3.0}, got[3];
    int64_t first = 0;
    lk_writer *w = NULL;
    lk_table *table = NULL;
    check_ok(ctx, lk_writer_open(ctx, path_of("one.csv"), NULL, &one, 1, &w));
    check_ok(ctx, lk_writer_rows(ctx, w, three, 3));
    check_ok(ctx, lk_writer_close(ctx, w));
    check_ok(ctx, lk_table_read(ctx, path_of("one.csv"), NULL, &table));
    assert_int_equal(lk_table_rows(table), 3);
    check_ok(ctx, lk_table_gather(ctx, table, 0, 3, &first, 1, got));
    assert_true(got[0] == 1.0 && isnan(got[1]) && got[2] == 3.0);
    lk_table_free(table);
    free(values);
    lk_table_free(source);
}

static int make_directory(void **state)
{
    return mkdtemp(directory) == NULL ? -1 : check_setup(state);
}

static int remove_directory(void **state)
{
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    return system(command) | check_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv_and_tsv),    cmocka_unit_test(test_same_bytes_on_any_threads),
        cmocka_unit_test(test_json_lines),     cmocka_unit_test(test_npy),
        cmocka_unit_test(test_small_files),    cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_sources_change), cmocka_unit_test(test_read_back),
    };
    return cmocka_run_group_tests_name("writer", tests, make_directory, remove_directory);
}
