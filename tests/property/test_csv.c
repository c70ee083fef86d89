/* Random tables, written by a small writer of this file in every dialect, come back as they were, however input is cut. */
#include "../read_check.h"
#include "data/number.h"

#include <locale.h>

enum { MAX_COLUMNS = 6 };

/* A random table as text: numbers print with 17 digits, strings are made of troublesome pieces. */
typedef struct sample {
    int64_t rows, columns;
    int kind[MAX_COLUMNS]; /* 0 number, 1 text, 2 one of three levels */
    double *numbers;       /* rows x columns; NaN = missing */
    char **strings;        /* rows x columns; NULL = missing or number */
} sample;

static const char *const pieces[] = {"a", "B",        "\"",           ",",  ";", "\t", "|", "\n", "\r\n",
                                     " ", "\xc3\xa4", "\xe2\x82\xac", "x1", "'", "7z", "\\"};
static const char *const levels[] = {"red", "light, green", "say \"blue\""};

static sample sample_new(int64_t rows, int64_t columns)
{
    sample s = {.rows = rows, .columns = columns};
    s.numbers = calloc((size_t)(rows * columns), sizeof *s.numbers);
    s.strings = calloc((size_t)(rows * columns), sizeof *s.strings);
    for (int64_t c = 0; c < columns; c++) {
        s.kind[c] = (int)(read_random() % 3);
    }
    for (int64_t i = 0; i < rows * columns; i++) {
        int kind = s.kind[i % columns];
        if (read_random() % 16 == 0) {
            s.numbers[i] = (double)NAN;
        } else if (kind == 0) {
            uint64_t bits = read_random();
            do {
                bits = read_random();
                memcpy(&s.numbers[i], &bits, sizeof bits);
            } while (!isfinite(s.numbers[i]));
            if (bits % 3 == 0) {
                s.numbers[i] = (double)(int64_t)(bits % 2000) / 8 - 100;
            }
        } else if (kind == 2) {
            s.strings[i] = strdup(levels[read_random() % 3]);
        } else {
            char text[64] = "w"; /* a word, so that the column is no number */
            for (uint64_t n = read_random() % 8; n > 0; n--) {
                strcat(text, pieces[read_random() % (sizeof pieces / sizeof pieces[0])]);
            }
            s.strings[i] = strdup(text);
        }
    }
    return s;
}

static void sample_free(sample *s)
{
    for (int64_t i = 0; i < s->rows * s->columns; i++) {
        free(s->strings[i]);
    }
    free(s->strings);
    free(s->numbers);
}

typedef struct dialect {
    char delimiter;
    const char *line_end;
    bool quote_all, last_line_end, bom, header;
} dialect;

static void put_field(read_text *t, const char *text, bool quote, char delimiter)
{
    char special[] = {delimiter, '"', '\n', '\r', delimiter == ' ' ? '\t' : '\0', '\0'};
    if (!quote && text[strcspn(text, special)] == '\0') {
        read_put_text(t, text);
        return;
    }
    read_put(t, "\"", 1);
    for (; *text != '\0'; text++) {
        read_put(t, text, 1);
        if (*text == '"') {
            read_put(t, text, 1);
        }
    }
    read_put(t, "\"", 1);
}

/* Runs of blanks are one delimiter where that is a blank, and none at the ends of lines. */
static void put_blanks(const dialect *d, int least, read_text *t)
{
    for (uint64_t n = read_random() % 3 + (uint64_t)least; d->delimiter == ' ' && n > 0; n--) {
        read_put(t, read_random() % 2 == 0 ? " " : "\t", 1);
    }
}

static void write_sample(const sample *s, const dialect *d, read_text *t)
{
    if (d->bom) {
        read_put_text(t, "\xef\xbb\xbf");
    }
    for (int64_t r = d->header ? -1 : 0; r < s->rows; r++) {
        for (int64_t c = 0; c < s->columns; c++) {
            char text[40];
            put_blanks(d, c > 0, t);
            if (c > 0 && d->delimiter != ' ') {
                read_put(t, &d->delimiter, 1);
            }
            const char *field = text;
            if (r < 0) {
                snprintf(text, sizeof text, "col%s%lld", c % 2 == 0 ? " \"x\", " : "", (long long)c);
            } else if (s->strings[r * s->columns + c] != NULL) {
                field = s->strings[r * s->columns + c];
            } else if (isnan(s->numbers[r * s->columns + c])) {
                field = s->columns == 1 || d->delimiter == ' ' || (r + c) % 2 == 0 ? "NA" : "";
            } else {
                snprintf(text, sizeof text, "%.17g", s->numbers[r * s->columns + c]);
            }
            put_field(t, field, d->quote_all, d->delimiter);
        }
        put_blanks(d, 0, t);
        if (r + 1 < s->rows || d->last_line_end) {
            read_put_text(t, d->line_end);
        }
    }
}

/* Every cell of [first, first + rows) of the sample against a table whose text numbers are its own. */
static void check_cells(lk_context *ctx, const sample *s, const lk_table *table, int64_t first)
{
    double *values = read_values(ctx, table);
    for (int64_t i = 0; i < lk_table_rows(table) * s->columns; i++) {
        int64_t c = i % s->columns, at = first * s->columns + i;
        const char *wanted = s->strings[at];
        if (wanted == NULL) {
            if (memcmp(&values[i], &s->numbers[at], sizeof values[i]) != 0 &&
                !(isnan(values[i]) && isnan(s->numbers[at]))) {
                fail_msg("row %lld column %lld: %.17g instead of %.17g", (long long)(at / s->columns), (long long)c,
                         values[i], s->numbers[at]);
            }
            continue;
        }
        const char *got = s->kind[c] == 1 ? lk_table_text(table, c, values[i])
                                          : lk_table_level(table, c, isnan(values[i]) ? -1 : (int64_t)values[i]);
        assert_non_null(got);
        assert_string_equal(got, wanted);
    }
    free(values);
}

/* The types a caller would give, so that few rows do not leave them to the rule of thumb. */
static void put_types(const sample *s, read_text *t)
{
    static const char *const words[] = {"real", "text", "category"};
    for (int64_t c = 0; c < s->columns; c++) {
        char text[40];
        snprintf(text, sizeof text, "%s%lld=%s", c > 0 ? "," : "", (long long)c + 1, words[s->kind[c]]);
        read_put_text(t, text);
    }
    read_put(t, "", 1);
}

static void round_trip(int64_t rows, const dialect *d, size_t window, size_t chunk)
{
    int64_t columns = 1 + (int64_t)(read_random() % MAX_COLUMNS);
    sample s = sample_new(rows, columns);
    read_text text = {0}, types = {0};
    write_sample(&s, d, &text);
    put_types(&s, &types);
    char *path = read_file(text.bytes, text.used);
    lki_csv_cut cut = {window, chunk};
    lk_read_options options = {
        .size = sizeof options, .delimiter = d->delimiter, .header = d->header ? 1 : -1, .types = types.bytes};
    for (int threads = 1; threads <= 2; threads++) {
        lk_context *ctx = read_context(threads, 0);
        lk_table *table = NULL;
        check_ok(ctx, lki_table_read(ctx, path, &options, &cut, &table));
        assert_int_equal(lk_table_rows(table), rows);
        assert_int_equal(lk_table_columns(table), columns);
        check_cells(ctx, &s, table, 0);
        lk_reader *reader = NULL;
        const lk_table *block = NULL;
        int64_t first = 0;
        check_ok(ctx, lki_reader_open(ctx, path, &options, &cut, &reader));
        for (;;) {
            check_ok(ctx, lk_reader_next(ctx, reader, &block));
            if (block == NULL) {
                break;
            }
            check_cells(ctx, &s, block, first);
            first += lk_table_rows(block);
            assert_true(lk_table_rows(block) % 1024 == 0 || first == rows);
        }
        assert_int_equal(first, rows);
        lk_reader_free(reader);
        lk_table_free(table);
        lk_context_free(ctx);
    }
    read_remove(path);
    free(text.bytes);
    free(types.bytes);
    sample_free(&s);
}

static void test_dialects(void **state)
{
    (void)state;
    static const char delimiters[] = {',', ';', '\t', '|', ' '};
    static const char *const ends[] = {"\n", "\r\n"};
    int64_t times = check_scaled(6, 1);
    for (int i = 0; i < 5 * 2 * 16 * times; i++) {
        dialect d = {.delimiter = delimiters[i % 5],
                     .line_end = ends[i / 5 % 2],
                     .quote_all = (i / 10 & 1) != 0,
                     .last_line_end = (i / 20 & 1) != 0,
                     .bom = (i / 40 & 1) != 0,
                     .header = (i / 80 & 1) != 0};
        round_trip(1 + (int64_t)(read_random() % 40), &d, 0, 0);
    }
}

/* Windows and chunks so small that every kind of boundary is hit: within fields, quotes, line ends. */
static void test_boundaries(void **state)
{
    (void)state;
    for (int64_t i = 0; i < check_scaled(40, 4); i++) {
        dialect d = {.delimiter = ",\t "[i % 3],
                     .line_end = i % 4 == 0 ? "\r\n" : "\n",
                     .quote_all = i % 5 == 0,
                     .last_line_end = i % 7 != 0,
                     .header = i % 2 == 0};
        round_trip(1100 + (int64_t)(read_random() % 3000), &d, 1 + read_random() % 97, 1 + read_random() % 61);
    }
}

/* Blocks, carried rows and texts over several ordinary windows. */
static void test_long(void **state)
{
    (void)state;
    for (int64_t i = 0; i < check_scaled(4, 1); i++) {
        dialect d = {.delimiter = ',', .line_end = "\n", .last_line_end = true, .header = true};
        round_trip(20000, &d, 50000 + read_random() % 1000, 3000);
    }
}

/* One number in a random spelling: digits, a point somewhere, leading and trailing zeros, sometimes an exponent. */
static void random_spelling(char *text)
{
    uint64_t digits = 1 + read_random() % 22, point = read_random() % 26;
    char *p = text;
    if (read_random() % 2 == 0) {
        *p++ = read_random() % 8 == 0 ? '+' : '-';
    }
    for (uint64_t i = 0; i < digits; i++) {
        if (i == point) {
            *p++ = '.';
        }
        *p++ = (char)('0' + (read_random() % 3 == 0 ? 0 : read_random() % 10));
    }
    if (read_random() % 8 == 0) {
        p += snprintf(p, 8, "e%d", (int)(read_random() % 60) - 30);
    }
    *p = '\0';
}

/* Every spelling is the double that the number parser makes of it, at every place in a line. */
static void test_spellings(void **state)
{
    lk_context *ctx = *state;
    enum { WIDE = 7 };
    int64_t rows = check_scaled(20000, 2000);
    double *wanted = malloc(sizeof *wanted * (size_t)(rows * WIDE));
    read_text t = {0};
    for (int64_t i = 0; i < rows * WIDE; i++) {
        char text[64];
        random_spelling(text);
        assert_ptr_equal(lki_parse_double(text, text + strlen(text), &wanted[i]), text + strlen(text));
        read_put_text(&t, text);
        if (i + 1 < rows * WIDE) { /* the last number ends with the data */
            read_put_text(&t, i % WIDE == WIDE - 1 ? "\n" : ";");
        }
    }
    char *path = read_file(t.bytes, t.used);
    lk_read_options options = {.size = sizeof options, .delimiter = ';', .header = -1};
    lk_table *table = NULL;
    check_ok(ctx, lk_table_read(ctx, path, &options, &table));
    assert_int_equal(lk_table_rows(table), rows);
    double *values = read_values(ctx, table);
    for (int64_t i = 0; i < rows * WIDE; i++) {
        if (memcmp(&values[i], &wanted[i], sizeof values[i]) != 0) {
            fail_msg("number %lld: %.17g instead of %.17g", (long long)i, values[i], wanted[i]);
        }
    }
    free(values);
    free(wanted);
    lk_table_free(table);
    read_remove(path);
    free(t.bytes);
}

/* Line ends are counted alike at every start and length. */
static void test_line_count(void **state)
{
    (void)state;
    char bytes[5000];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = read_random() % 3 == 0 ? '\n' : (char)(read_random() & 0xff);
    }
    for (int64_t k = 0; k < check_scaled(3000, 300); k++) {
        size_t first = read_random() % sizeof bytes, last = first + read_random() % (sizeof bytes - first);
        int64_t lines = 0;
        for (size_t i = first; i < last; i++) {
            lines += bytes[i] == '\n';
        }
        assert_int_equal(lki_csv_count_lines(bytes + first, bytes + last), lines);
    }
    memset(bytes, '\n', sizeof bytes);
    assert_int_equal(lki_csv_count_lines(bytes, bytes + sizeof bytes), sizeof bytes);
}

/* Numbers are read alike under a locale with a decimal comma. */
static void test_locale(void **state)
{
    (void)state;
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL) {
        print_message("skipped: the locale de_DE.UTF-8 is absent\n");
        skip();
    }
    dialect d = {.delimiter = ';', .line_end = "\n", .last_line_end = true, .header = true};
    setlocale(LC_NUMERIC, "C"); /* for the writer of this file */
    lk_context *ctx = read_context(1, 0);
    char *path = read_file("a;b\n1.5;2.25\n", 13);
    setlocale(LC_ALL, "de_DE.UTF-8");
    lk_table *table = NULL;
    lk_read_options options = {.size = sizeof options, .delimiter = d.delimiter};
    check_ok(ctx, lk_table_read(ctx, path, &options, &table));
    double *values = read_values(ctx, table);
    assert_true(values[0] == 1.5 && values[1] == 2.25);
    free(values);
    lk_table_free(table);
    lk_context_free(ctx);
    read_remove(path);
    setlocale(LC_ALL, "C");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dialects),   cmocka_unit_test(test_boundaries),
        cmocka_unit_test(test_long),       cmocka_unit_test_setup_teardown(test_spellings, check_setup, check_teardown),
        cmocka_unit_test(test_line_count), cmocka_unit_test(test_locale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
