/* Every bad input of reading: the status and the whole text of the error, at whatever place the input is cut. */
#include "../read_check.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

typedef struct bad_input {
    const char *what;
    const char *bytes;
    size_t length; /* 0 = strlen */
    const char *types, *na;
    int header;
    lk_status status;
    const char *text; /* after the file's name */
} bad_input;

static const bad_input inputs[] = {
    {.what = "empty file",
     .bytes = "",
     .status = LK_ERROR_DATA,
     .text = ": the file is empty; at least one row of values is needed"},
    {.what = "blank lines only",
     .bytes = "\n\r\n\n",
     .status = LK_ERROR_DATA,
     .text = ": the file is empty; at least one row of values is needed"},
    {.what = "header only",
     .bytes = "a,b\n",
     .status = LK_ERROR_DATA,
     .text = ": there are no rows, only the columns' names; at least one row of values is needed"},
    {.what = "short row",
     .bytes = "a,b,c\n1,2,3\n4,5\n",
     .status = LK_ERROR_FORMAT,
     .text = ":3:2: the row has 2 fields; 3 were expected, as in the first line"},
    {.what = "long row",
     .bytes = "a,b\n1,2\n3,4,5,6\n",
     .status = LK_ERROR_FORMAT,
     .text = ":3:3: the row has 4 fields; 2 were expected, as in the first line"},
    {.what = "ragged by a word",
     .bytes = "a,b\n1,2\nx\n",
     .types = "a=real",
     .status = LK_ERROR_FORMAT,
     .text = ":3:1: the row has 1 fields; 2 were expected, as in the first line"},
    {.what = "infinity",
     .bytes = "a,b\n1,2\n3,inf\n",
     .status = LK_ERROR_FORMAT,
     .text = ":3:2: 'inf' in column 'b' is infinite; every number must be finite (say --na inf if it means missing)"},
    {.what = "negative infinity",
     .bytes = "a,b\n-Infinity,2\n",
     .status = LK_ERROR_FORMAT,
     .text = ":2:1: '-Infinity' in column 'a' is infinite; every number must be finite (say --na -Infinity if it means "
             "missing)"},
    {.what = "overflow",
     .bytes = "a,b\n1,1e999\n",
     .status = LK_ERROR_FORMAT,
     .text =
         ":2:2: '1e999' in column 'b' is infinite; every number must be finite (say --na 1e999 if it means missing)"},
    {.what = "text in a column said to be real",
     .bytes = "a,b\n1,2\n\"x\n\ny\",3\n",
     .types = "a=real",
     .status = LK_ERROR_FORMAT,
     .text = ":3:1: 'x\\x0A\\x0Ay' in column 'a' is not a number; say --types a=text to read the column as text, or "
             "--na x\\x0A\\x0Ay "
             "if that means missing"},
    {.what = "line counted over quoted line ends",
     .bytes = "a,b\n\"x\ny\",1\nz,oops\n",
     .types = "b=real",
     .status = LK_ERROR_FORMAT,
     .text = ":4:2: 'oops' in column 'b' is not a number; say --types b=text to read the column as text, or --na oops "
             "if that means missing"},
    {.what = "a fraction in an integer column",
     .bytes = "a\n1\n2.5\n",
     .types = "a=integer",
     .status = LK_ERROR_FORMAT,
     .text = ":3:1: '2.5' in column 'a' is not a whole number; say --types a=real to allow it"},
    {.what = "Latin-1 in text",
     .bytes = "a,b\n1,caf\xe9\n",
     .status = LK_ERROR_FORMAT,
     .text = ":2:2: byte 0xE9 in column 'b' is not UTF-8; convert the file (iconv -f LATIN1 -t UTF-8)"},
    {.what = "Latin-1 in a name",
     .bytes = "a,caf\xe9\n1,2\n",
     .header = 1,
     .status = LK_ERROR_FORMAT,
     .text = ":1:2: byte 0xE9 is not UTF-8; convert the file (iconv -f LATIN1 -t UTF-8)"},
    {.what = "Latin-1 in a number",
     .bytes = "a,b\n1,2\n3,4\xb5\n",
     .types = "b=real",
     .status = LK_ERROR_FORMAT,
     .text = ":3:2: byte 0xB5 in column 'b' is not UTF-8; convert the file (iconv -f LATIN1 -t UTF-8)"},
    {.what = "NUL in a field",
     .bytes = "a,b\n1,x\0y\n",
     .length = 10,
     .status = LK_ERROR_FORMAT,
     .text = ":2:2: a NUL byte; delimited text in UTF-8 was expected, and this looks binary"},
    {.what = "UTF-16",
     .bytes = "\xff\xfe"
              "a\0,\0",
     .length = 6,
     .status = LK_ERROR_FORMAT,
     .text = ": the text is UTF-16; it must be UTF-8 (iconv -f UTF-16 -t UTF-8)"},
    {.what = "open quote",
     .bytes = "a,b\n1,\"2\n3,4\n",
     .types = "b=text",
     .status = LK_ERROR_FORMAT,
     .text = ":2:2: the quote that opens here is never closed; a quote within a field is written \"\""},
    {.what = "text after a quote",
     .bytes = "a,b\n1,\"2\"x\n",
     .status = LK_ERROR_FORMAT,
     .text = ":2:2: text follows a closing quote in \"2\"x; a delimiter or line end was expected, and a quote within a "
             "field is written \"\""},
    {.what = "duplicate names",
     .bytes = "a,b,a\n1,2,3\n",
     .status = LK_ERROR_DATA,
     .text = ": columns 1 and 3 are both named 'a'; every column needs a name of its own"},
    {.what = "a made-up name that is taken",
     .bytes = "x2,\n1,2\n",
     .status = LK_ERROR_DATA,
     .text = ": columns 1 and 2 are both named 'x2'; every column needs a name of its own"},
};

static void check_bad(const bad_input *input, const lki_csv_cut *cut, int threads)
{
    size_t length = input->length > 0 ? input->length : strlen(input->bytes);
    char *path = read_file(input->bytes, length);
    char wanted[1024];
    snprintf(wanted, sizeof wanted, "%s%s", path, input->text);
    lk_context *ctx = read_context(threads, 0);
    lk_read_options options = {.size = sizeof options, .types = input->types, .na = input->na, .header = input->header};
    lk_table *table = NULL;
    lk_status status = lki_table_read(ctx, path, &options, cut, &table);
    if (status != input->status || strcmp(lk_error_message(ctx), wanted) != 0) {
        fail_msg("%s: %s\n   got %s\n  want %s", input->what, lk_status_name(status), lk_error_message(ctx), wanted);
    }
    assert_null(table);
    lk_context_free(ctx);
    read_remove(path);
}

static void test_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        for (size_t window = 0; window < 9; window++) {
            check_bad(&inputs[i], &(lki_csv_cut){window, window}, 1 + (int)(window % 2));
        }
    }
}

/* A number column stays one after its first 1000 rows; the first of several faults is told, wherever the chunks lie. */
static void test_late_text(void **state)
{
    (void)state;
    read_text t = {0};
    read_put_text(&t, "a,b\n");
    for (int i = 0; i < 5000; i++) {
        read_put_text(&t, i == 3000 ? "1,oops\n" : i == 3500 ? "1,2,3\n" : "1,2\n");
    }
    for (size_t cut = 0; cut < 3000; cut += 499) {
        bad_input input = {
            .what = "late text",
            .bytes = t.bytes,
            .length = t.used,
            .status = LK_ERROR_FORMAT,
            .text =
                ":3002:2: 'oops' in column 'b' is not a number; say --types b=text to read the column as text, or --na "
                "oops if that means missing"};
        check_bad(&input, &(lki_csv_cut){cut, cut / 3}, 2);
    }
    free(t.bytes);
}

static void check_path(const char *path, int64_t memory, const lk_read_options *options, lk_status status,
                       const char *part)
{
    lk_context *ctx = read_context(2, memory);
    lk_table *table = NULL;
    check_status(ctx, status, lk_table_read(ctx, path, options, &table));
    check_contains(lk_error_message(ctx), part);
    assert_null(table);
    lk_context_free(ctx);
}

static void test_files(void **state)
{
    (void)state;
    lk_read_options options = {.size = sizeof options, .format = "xlsx"};
    check_path("/no/such/file.csv", 0, NULL, LK_ERROR_IO, "'/no/such/file.csv' cannot be opened: No such file");
    check_path("/tmp", 0, NULL, LK_ERROR_IO, "'/tmp' is a directory; a file is needed");
    check_path("/dev/zero", 0, NULL, LK_ERROR_FORMAT, "/dev/zero:1:1: a NUL byte");
    char *path = read_file("a,b\n1,2\n", 8);
    check_path(path, 0, &options, LK_ERROR_ARGUMENT, "format 'xlsx' is not known; csv, tsv, npy, npz and idx are");
    options.format = NULL;
    options.types = "c=real";
    check_path(path, 0, &options, LK_ERROR_ARGUMENT,
               "there is no column 'c'; the columns are a, b, or a position from 1 to 2");
    options.types = "a=float";
    check_path(path, 0, &options, LK_ERROR_ARGUMENT,
               "'a=float' is not NAME=TYPE with a type of real, integer, category, text");
    options.types = NULL;
    options.delimiter = '"';
    check_path(path, 0, &options, LK_ERROR_ARGUMENT, "cannot be the delimiter");
    read_remove(path);
}

/* A gigabyte without a line end, made as a sparse pipe: refused at 256 MB, not held. */
static void test_long_line(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        static char block[1 << 16];
        close(ends[0]);
        memset(block, '7', sizeof block);
        for (int i = 0; i < 1 << 14 && write(ends[1], block, sizeof block) > 0; i++) {
        }
        _exit(0);
    }
    close(ends[1]);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
    check_path(path, 0, NULL, LK_ERROR_FORMAT,
               ":1:1: the line is longer than 256 MB; delimited text with line ends was expected");
    close(ends[0]);
    int status;
    waitpid(child, &status, 0);
}

/* A spool directory that cannot be used, and one that is full. */
static void test_spool(void **state)
{
    (void)state;
    read_text t = {0};
    for (int i = 0; i < 400000; i++) {
        read_put_text(&t, "1.5,2.5\n");
    }
    char *path = read_file(t.bytes, t.used);
    char *old = getenv("TMPDIR");
    setenv("TMPDIR", "/no/such/directory", 1);
    check_path(path, 1 << 20, NULL, LK_ERROR_IO, "no temporary file could be made in '/no/such/directory'");
    char directory[] = "/tmp/likely-full-XXXXXX";
    assert_non_null(mkdtemp(directory));
    if (mount("tmpfs", directory, "tmpfs", 0, "size=1m") == 0) {
        setenv("TMPDIR", directory, 1);
        check_path(path, 1 << 20, NULL, LK_ERROR_IO,
                   "No space left on device; set TMPDIR to a directory with more room");
        umount(directory);
    } else {
        print_message("the full disk is skipped: no tmpfs can be mounted\n");
    }
    rmdir(directory);
    if (old != NULL) {
        setenv("TMPDIR", old, 1);
    } else {
        unsetenv("TMPDIR");
    }
    read_remove(path);
    free(t.bytes);
}

/* An NPY that becomes shorter behind a table that is read by position. */
static void test_shrinking(void **state)
{
    (void)state;
    enum { ROWS = 300000 };
    read_text t = {0};
    char header[128];
    memset(header, ' ', sizeof header);
    memcpy(header, "\x93NUMPY\1\0\x76\0", 10);
    int n = snprintf(header + 10, 100, "{'descr': '<f8', 'fortran_order': False, 'shape': (%d, 1), }", (int)ROWS);
    header[10 + n] = ' ';
    header[127] = '\n';
    read_put(&t, header, sizeof header);
    double *values = calloc(ROWS, sizeof *values);
    read_put(&t, values, ROWS * sizeof *values);
    char *path = read_file(t.bytes, t.used);
    lk_context *ctx = read_context(1, 1 << 20);
    lk_table *table = NULL;
    check_ok(ctx, lk_table_read(ctx, path, NULL, &table));
    int64_t column = 0;
    check_ok(ctx, lk_table_gather(ctx, table, 200000, 1000, &column, 1, values));
    assert_int_equal(truncate(path, 1000000), 0);
    check_status(ctx, LK_ERROR_IO, lk_table_gather(ctx, table, 200000, 1000, &column, 1, values));
    check_contains(lk_error_message(ctx), "has become shorter while it was read");
    lk_table_free(table);
    lk_context_free(ctx);
    read_remove(path);
    free(values);
    free(t.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),     cmocka_unit_test(test_late_text), cmocka_unit_test(test_files),
        cmocka_unit_test(test_long_line), cmocka_unit_test(test_spool),     cmocka_unit_test(test_shrinking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
