/* A fit that keeps held-out rows gives the same file on 1 and 2 threads, and rows the same scores and p-values in pieces and together. */
#include "gmm_check.h"
#include "model/model_file.h"

enum { D = 5, ROWS = 5000 };
static double x[ROWS * D], one[2 * ROWS], other[2 * ROWS];

static char *saved(lk_context *ctx, const lk_model *model, size_t *size)
{
    char path[300];
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%.200s/likely-%ld-detect.lk", folder != NULL ? folder : "/tmp", (long)getpid());
    check_ok(ctx, lk_model_save(ctx, model, path));
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *bytes = malloc(1 << 20);
    assert_non_null(bytes);
    *size = fread(bytes, 1, 1 << 20, file);
    assert_true(*size < 1 << 20);
    fclose(file);
    unlink(path);
    return bytes;
}

static lk_model *fit(lk_context *ctx, const lk_table *table, double calibrate)
{
    const lk_setting settings[] = {{"components", "3"}, {"restarts", "2"}, {"init", "random"}, {NULL, NULL}};
    lk_fit_options options = {.size = sizeof options, .settings = settings, .seed = 4, .calibrate = calibrate};
    lk_model *model = NULL;
    check_ok(ctx, lk_model_fit(ctx, "gmm", table, &options, &model));
    return model;
}

static void files(void **state)
{
    size_t size_one, size_two;
    (void)state;
    lki_stream s = gmm_stream(7400);
    double *rows = gmm_random_rows(&s, ROWS, D, 3, 2);
    memcpy(x, rows, sizeof x);
    free(rows);
    lk_context *single = check_context(1), *two = check_context(2);
    lk_table *table = gmm_table(single, x, ROWS, D);
    lk_model *a = fit(single, table, 0.25), *b = fit(two, table, 0.25), *c = NULL;
    char *bytes_one = saved(single, a, &size_one), *bytes_two = saved(two, b, &size_two);
    assert_int_equal(size_one, size_two);
    assert_memory_equal(bytes_one, bytes_two, size_one);
    check_ok(single, lki_model_parse(single, "again", bytes_one, size_one, &c));
    assert_int_equal(c->calibration->count, a->calibration->count);
    assert_memory_equal(c->calibration->values, a->calibration->values, (size_t)a->calibration->count * sizeof(double));
    free(bytes_one);
    free(bytes_two);
    lk_model_free(a);
    lk_model_free(b);
    lk_model_free(c);
    lk_table_free(table);
    lk_context_free(single);
    lk_context_free(two);
}

/* What the file keeps is what the model says of the rows that it was not fitted to. */
static void kept_values(void **state)
{
    lk_context *ctx = *state;
    lk_table *table = gmm_table(ctx, x, ROWS, D);
    lk_model *model = fit(ctx, table, 0.25);
    int64_t held = 0;
    check_ok(ctx, lk_model_log_density(ctx, model, x, ROWS, one));
    for (int64_t i = 0; i < ROWS; i++) {
        lki_stream s = lki_stream_new(4, LKI_STREAM_HOLDOUT, (uint64_t)i);
        if (lki_random_uniform(&s) < 0.25) {
            int found = 0;
            for (int64_t k = 0; k < model->calibration->count; k++) {
                found = found || model->calibration->values[k] == one[i];
            }
            assert_true(found);
            held++;
        }
    }
    assert_int_equal(held, model->calibration->count);
    check_near(gmm_number(ctx, model, "n"), (double)(ROWS - held), 0);
    lk_model_free(model);
    lk_table_free(table);
}

static void pieces(void **state)
{
    (void)state;
    lki_stream s = gmm_stream(7500);
    lk_context *single = check_context(1), *two = check_context(2);
    lki_mixture *m = gmm_random_mixture(single, &s, "full", 3, D, 10, 1);
    lk_model *model = gmm_model_of(single, m);
    check_ok(single, lk_model_sample(single, model, 1, 0, ROWS, x));
    for (int i = 0; i < ROWS * D; i++) {
        x[i] = lki_random_uniform(&s) < 0.2 ? (double)NAN : x[i];
    }
    lk_table *table = gmm_table(single, x, ROWS, D);
    for (int pass = 0; pass < 2; pass++) {
        lk_detect_options options = {.size = sizeof options, .calibrate = pass == 0 ? table : NULL, .draws = pass == 0 ? 0 : 20000,
                                     .seed = 3};
        lk_detector *a = NULL, *b = NULL;
        check_ok(single, lk_detector_new(single, model, &options, &a));
        check_ok(two, lk_detector_new(two, model, &options, &b));
        check_ok(single, lk_detector_rows(single, a, x, ROWS, one, one + ROWS));
        for (int64_t first = 0, rows = 1; first < ROWS; first += rows, rows = rows * 5 % 1501 + 1) {
            rows = rows < ROWS - first ? rows : ROWS - first;
            check_ok(two, lk_detector_rows(two, b, x + first * D, rows, other + first, other + ROWS + first));
        }
        assert_memory_equal(one, other, sizeof one);
        lk_detector_free(single, a);
        lk_detector_free(two, b);
    }
    lk_table_free(table);
    lk_model_free(model);
    lki_mixture_free(m);
    lk_context_free(single);
    lk_context_free(two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(files), cmocka_unit_test(kept_values), cmocka_unit_test(pieces)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
