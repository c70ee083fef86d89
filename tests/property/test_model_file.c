/* The model file: bitwise round trips, and that no damage to it is taken for a model that it is not. */
#include "check.h"
#include "unit/fake_family.c"
#include "model/model_file.h"
#include "model/safetensors.h"

#include <fcntl.h>
#include <locale.h>
#include <time.h>

static void make_path(char *path, const char *name)
{
    const char *folder = getenv("TMPDIR");
    sprintf(path, "%.200s/likely-%ld-%.40s", folder != NULL ? folder : "/tmp", (long)getpid(), name);
}

static lk_model *fitted(lk_context *ctx, const char *transform, int64_t folds)
{
    double values[150];
    lki_stream s = lki_stream_new(5, LKI_STREAM_TEST, 0);
    for (int i = 0; i < 150; i++) {
        values[i] = exp(0.3 * lki_random_normal(&s));
    }
    static const char *const names[] = {"a", "wa\"it\n", "\xc3\xa9t\xc3\xa9"};
    lk_table *table = NULL;
    lk_model *model = NULL;
    lk_setting settings[] = {{"components", "1,3"}, {"note", "\\ \" \x01"}, {NULL, NULL}};
    lk_fit_options options = {.size = sizeof options, .settings = settings, .transform = transform, .folds = folds, .seed = 3};
    check_ok(ctx, lk_table_from_array(ctx, values, 50, 3, names, &table));
    check_ok(ctx, lk_model_fit(ctx, "normal", table, &options, &model));
    lk_table_free(table);
    return model;
}

static char *slurp(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *bytes = malloc(1 << 16);
    *size = fread(bytes, 1, 1 << 16, file);
    fclose(file);
    return bytes;
}

/* The bytes of a saved model. */
static char *saved(lk_context *ctx, const lk_model *model, size_t *size)
{
    char path[300];
    make_path(path, "model.lk");
    check_ok(ctx, lk_model_save(ctx, model, path));
    char *bytes = slurp(path, size);
    unlink(path);
    return bytes;
}

static void check_round_trip(lk_context *ctx, lk_model *model)
{
    size_t size, size_again;
    char *bytes = saved(ctx, model, &size), *info = NULL, *info_again = NULL;
    lk_model *again = NULL;
    check_ok(ctx, lki_model_parse(ctx, "again", bytes, size, &again));
    char *bytes_again = saved(ctx, again, &size_again);
    assert_int_equal(size, size_again);
    assert_memory_equal(bytes, bytes_again, size);
    assert_int_equal((bytes[0] & 255) % 8, 0); /* data begin at a multiple of 8 */
    check_ok(ctx, lk_model_info(ctx, model, &info));
    check_ok(ctx, lk_model_info(ctx, again, &info_again));
    assert_string_equal(info, info_again);
    char *packed = NULL;
    size_t packed_size = 0;
    lk_model *unpacked = NULL;
    check_ok(ctx, lk_model_pack(ctx, model, &packed, &packed_size));
    assert_int_equal(packed_size, size); /* in memory the same bytes as in a file */
    assert_memory_equal(packed, bytes, size);
    check_ok(ctx, lk_model_unpack(ctx, packed, packed_size, &unpacked));
    check_status(ctx, LK_ERROR_FORMAT, lk_model_unpack(ctx, packed, packed_size - 1, &unpacked));
    lk_free(ctx, packed);
    lk_model_free(unpacked);
    double x[30], a[10], b[10];
    for (int i = 0; i < 30; i++) {
        x[i] = 0.5 + 0.05 * i;
    }
    check_ok(ctx, lk_model_log_density(ctx, model, x, 10, a));
    check_ok(ctx, lk_model_log_density(ctx, again, x, 10, b));
    assert_memory_equal(a, b, sizeof a);
    lk_free(ctx, info);
    lk_free(ctx, info_again);
    lk_model_free(again);
    lk_model_free(model);
    free(bytes);
    free(bytes_again);
}

static void test_round_trip(void **state)
{
    check_round_trip(*state, fitted(*state, NULL, 0));
    check_round_trip(*state, fitted(*state, "log,standardize", 0));
    check_round_trip(*state, fitted(*state, "standardize", 3));
    lk_model *model = NULL;
    check_ok(*state, lk_model_build(*state, "normal", "{\"mean\":[0.1,-0.0,1e300],\"sd\":[1,2,5e-324]}", NULL, &model));
    check_round_trip(*state, model);
}

/* A comma for the decimal point, where such a locale is installed, changes no byte. */
static void test_locale(void **state)
{
    size_t size, size_again;
    lk_model *model = fitted(*state, "standardize", 3);
    char *bytes = saved(*state, model, &size);
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL && setlocale(LC_ALL, "de_DE") == NULL) {
        lk_model_free(model);
        free(bytes);
        print_message("skipped: no German locale is installed\n");
        skip();
    }
    char *bytes_again = saved(*state, model, &size_again);
    lk_model_free(model);
    model = NULL;
    check_ok(*state, lki_model_parse(*state, "german", bytes_again, size_again, &model));
    setlocale(LC_ALL, "C");
    assert_int_equal(size, size_again);
    assert_memory_equal(bytes, bytes_again, size);
    check_round_trip(*state, model);
    free(bytes);
    free(bytes_again);
}

/* A damaged file is refused with a message, or is a model all of whose answers can be asked for. */
static int try_bytes(lk_context *ctx, const char *bytes, size_t size)
{
    lk_model *model = NULL;
    lki_begin(ctx);
    lk_status status = lki_model_parse(ctx, "damaged", bytes, size, &model);
    if (status != LK_OK) {
        assert_int_equal(status, LK_ERROR_FORMAT);
        assert_null(model);
        if (strncmp(lk_error_message(ctx), "damaged: ", 9) != 0) {
            fail_msg("%s", lk_error_message(ctx));
        }
        return 0;
    }
    char *info = NULL;
    double x[3] = {1, 1, 1}, out;
    check_ok(ctx, lk_model_info(ctx, model, &info));
    if (lk_model_dimension(model) == 3) {
        check_ok(ctx, lk_model_log_density(ctx, model, x, 1, &out));
    }
    lk_free(ctx, info);
    lk_model_free(model);
    return 1;
}

static void test_truncations(void **state)
{
    size_t size;
    lk_model *model = fitted(*state, "log,standardize", 3);
    char *bytes = saved(*state, model, &size);
    for (size_t length = 0; length < size; length++) {
        char *exact = malloc(length + 1); /* so that a sanitizer sees a read beyond the end */
        memcpy(exact, bytes, length);
        assert_int_equal(try_bytes(*state, exact, length), 0);
        free(exact);
    }
    assert_int_equal(try_bytes(*state, bytes, size), 1);
    bytes[size] = 0;
    assert_int_equal(try_bytes(*state, bytes, size + 1), 0); /* something behind the end */
    free(bytes);
    lk_model_free(model);
}

static void test_corruptions(void **state)
{
    size_t size;
    lk_model *model = fitted(*state, "log,standardize", 0);
    char *bytes = saved(*state, model, &size);
    static const unsigned char flips[] = {1, 2, 16, 128, 255};
    int64_t loaded = 0, refused = 0;
    for (size_t i = 0; i < size; i++) {
        for (size_t k = 0; k < sizeof flips; k++) {
            bytes[i] = (char)(bytes[i] ^ flips[k]);
            if (try_bytes(*state, bytes, size)) {
                loaded++;
            } else {
                refused++;
            }
            bytes[i] = (char)(bytes[i] ^ flips[k]);
        }
    }
    assert_true(refused > 0 && loaded > 0);
    free(bytes);
    lk_model_free(model);
}

/* Puts a header and data together. */
static size_t assemble(char *out, const char *header, size_t data)
{
    size_t length = strlen(header);
    for (int i = 0; i < 8; i++) {
        out[i] = (char)(length >> 8 * i & 255);
    }
    memcpy(out + 8, header, length);
    memset(out + 8 + length, 0, data);
    return 8 + length + data;
}

#define META "\"__metadata__\":{\"format\":\"likely\"}"
#define TENSOR(name, dtype, shape, begin, end) \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

static void test_lies(void **state)
{
    static const struct {
        const char *header;
        size_t data;
        const char *part;
    } cases[] = {
        {"{}", 0, "has no __metadata__"},
        {"[1]", 0, "byte 9 is not the {"},
        {"{\"__metadata__\":{\"format\":1}}", 0, "format is not a string"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "duplicate"},
        {"{" META "," TENSOR("a", "F32", "[1]", "0", "8") "}", 8, "dtype F32; it must be F64"},
        {"{" META "," TENSOR("a", "F64", "[1]", "0", "8") "}", 0, "does not fit"},
        {"{" META "," TENSOR("a", "F64", "[1]", "0", "16") "}", 16, "data_offsets of tensor a"},
        {"{" META "," TENSOR("a", "F64", "[-1]", "0", "8") "}", 8, "shape of tensor a"},
        {"{" META "," TENSOR("a", "F64", "[1.0]", "0", "8") "}", 8, "shape of tensor a"},
        {"{" META "," TENSOR("a", "F64", "[4294967296,4294967296,4294967296]", "0", "8") "}", 8, "shape of tensor a"},
        {"{" META "," TENSOR("a", "F64", "[0,9223372036854775807]", "0", "0") "}", 0, "shape of tensor a"},
        {"{" META "," TENSOR("a", "F64", "[1,1,1,1]", "0", "8") "}", 8, "4 dimensions"},
        {"{" META "," TENSOR("a", "F64", "[1]", "8", "16") "}", 16, "begins at byte 8 of the data, not at 0"},
        {"{" META "," TENSOR("a", "F64", "[1]", "0", "8") "," TENSOR("b", "F64", "[1]", "0", "8") "}", 8, "tensor b begins"},
        {"{" META "," TENSOR("b", "F64", "[1]", "0", "8") "," TENSOR("a", "F64", "[1]", "8", "16") "}", 16, "tensor a begins"},
        {"{" META "," TENSOR("a", "F64", "[1]", "0", "8") "}", 9, "followed by 9 bytes, its tensors have 8"},
        {"{" META "," TENSOR("a", "F64", "[1]", "8", "0") "}", 8, "data_offsets"},
        {"{" META ",\"a\":3}", 8, "must have dtype"},
        {"{" META "," TENSOR("a234567890123456789012345678901234567890123456789012345678901234", "F64", "[1]", "0", "8") "}", 8, "64 bytes"},
        {"{\"__metadata__\":{\"format\":\"pt\"}}", 0, "not a model of likely"},
        {"{\"__metadata__\":{\"format\":\"likely\",\"format_version\":\"3\",\"library\":\"9.9\"}}", 0, "made by a newer likely (9.9)"},
        {"{\"__metadata__\":{\"format\":\"likely\",\"format_version\":\"01\"}}", 0, "format_version"},
        {"{\"__metadata__\":{\"format\":\"likely\",\"format_version\":\"2\"}}", 0, "2 where there are classes"},
        {"{\"__metadata__\":{\"format\":\"likely\",\"format_version\":\"1\",\"classes\":\"[]\"}}", 0, "2 where there are classes"},
        {"{\"__metadata__\":{\"format\":\"likely\",\"format_version\":\"1\",\"when\":\"now\"}}", 0, "unknown key \"when\""},
        {"{\"__metadata__\":{\"format\":\"likely\",\"format_version\":\"1\",\"method\":\"gnn\"}}", 0, "\"gnn\" is no method"},
        {"{\"__metadata__\":{\"format\":\"likely\",\"format_version\":\"1\",\"method\":\"normal\",\"features\":\"[\\\"a\\\",\\\"a\\\"]\"}}", 0,
         "the name \"a\" stands twice"},
        {"{\"__metadata__\":{\"format\":\"likely\",\"format_version\":\"1\",\"method\":\"normal\",\"features\":\"[\\\"a\\\"]\","
         "\"parameters\":\"{\\\"flor\\\":\\\"1\\\"}\"}}", 0, "did you mean floor?"},
    };
    static char bytes[1024];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t size = assemble(bytes, cases[i].header, cases[i].data);
        assert_int_equal(try_bytes(*state, bytes, size), 0);
        check_contains(lk_error_message(*state), cases[i].part);
    }
    memset(bytes, 0xff, 16);
    assert_int_equal(try_bytes(*state, bytes, 16), 0);
    check_contains(lk_error_message(*state), "more than 100000000");
}

/* From a pipe, a missing file, a folder, an endless file, a file of one byte. */
static void test_places(void **state)
{
    lk_model *model = NULL;
    char path[300];
    check_status(*state, LK_ERROR_IO, lk_model_load(*state, "/nowhere/model.lk", &model));
    check_contains(lk_error_message(*state), "/nowhere/model.lk: cannot be opened: No such file");
    check_status(*state, LK_ERROR_IO, lk_model_load(*state, "/", &model));
    check_status(*state, LK_ERROR_FORMAT, lk_model_load(*state, "/dev/zero", &model));
    check_status(*state, LK_ERROR_FORMAT, lk_model_load(*state, "/dev/null", &model));
    make_path(path, "fifo");
    model = fitted(*state, NULL, 0);
    size_t size;
    char *bytes = saved(*state, model, &size);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], bytes, size), (ssize_t)size);
    close(ends[1]);
    int standard = dup(STDIN_FILENO);
    dup2(ends[0], STDIN_FILENO);
    lk_model *again = NULL;
    check_ok(*state, lk_model_load(*state, "-", &again));
    dup2(standard, STDIN_FILENO);
    close(standard);
    close(ends[0]);
    lk_model_free(again);
    lk_model_free(model);
    free(bytes);
}

/* Loading a small model and telling all about it takes less than 2 ms; the best of 20 counts, so that a busy machine is no failure. */
static void test_time(void **state)
{
    lk_model *model = fitted(*state, "standardize", 0);
    char path[300], *info = NULL;
    double best = 1e9;
    make_path(path, "timed.lk");
    check_ok(*state, lk_model_save(*state, model, path));
    lk_model_free(model);
    for (int i = 0; i < 20; i++) {
        struct timespec before, after;
        clock_gettime(CLOCK_MONOTONIC, &before);
        check_ok(*state, lk_model_load(*state, path, &model));
        check_ok(*state, lk_model_info(*state, model, &info));
        clock_gettime(CLOCK_MONOTONIC, &after);
        lk_free(*state, info);
        lk_model_free(model);
        best = fmin(best, (double)(after.tv_sec - before.tv_sec) + 1e-9 * (double)(after.tv_nsec - before.tv_nsec));
    }
    unlink(path);
    print_message("load and info: %.3f ms\n", 1e3 * best);
    assert_true(best < 2e-3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(test_locale, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(test_truncations, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(test_corruptions, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(test_lies, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(test_places, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(test_time, check_setup, check_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
