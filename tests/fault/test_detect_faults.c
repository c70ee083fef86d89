/* Detectors under faults: each allocation fails once, what cannot be asked is refused by name, and damaged files are not taken for sound. */
#include "gmm_check.h"
#include "model/model_file.h"

static lk_status everything(lk_context *ctx, void *state)
{
    const double *values = state;
    const double nan = (double)NAN, x[6] = {1, 2, nan, 1, 0, nan};
    double score[3], p[3];
    const lk_setting settings[] = {{"components", "1"}, {"init", "random"}, {"restarts", "1"}, {NULL, NULL}};
    lk_fit_options fit = {.size = sizeof fit, .settings = settings, .calibrate = 0.3};
    lk_table *table = NULL;
    lk_model *model = NULL;
    lk_detector *kept = NULL, *rows = NULL, *draws = NULL;
    lk_status status = lk_table_from_array(ctx, values, 60, 2, NULL, &table);
    lk_detect_options by_draws = {.size = sizeof by_draws, .draws = 50};
    status = status == LK_OK ? lk_model_fit(ctx, "gmm", table, &fit, &model) : status;
    lk_detect_options by_rows = {.size = sizeof by_rows, .calibrate = table};
    status = status == LK_OK ? lk_detector_new(ctx, model, NULL, &kept) : status;
    status = status == LK_OK ? lk_detector_new(ctx, model, &by_rows, &rows) : status;
    status = status == LK_OK ? lk_detector_new(ctx, model, &by_draws, &draws) : status;
    status = status == LK_OK ? lk_detector_rows(ctx, kept, x, 3, score, p) : status;
    status = status == LK_OK ? lk_detector_rows(ctx, rows, x, 3, score, p) : status;
    status = status == LK_OK ? lk_detector_rows(ctx, draws, x, 3, score, p) : status;
    status = status == LK_OK ? lk_false_discovery_threshold(ctx, p, 3, 0.5, score) : status;
    lk_detector_free(ctx, kept);
    lk_detector_free(ctx, rows);
    lk_detector_free(ctx, draws);
    lk_model_free(model);
    lk_table_free(table);
    return status;
}

static void allocations(void **state)
{
    double values[120];
    long made_up_for = 0;
    lki_stream s = gmm_stream(7600);
    (void)state;
    for (int i = 0; i < 120; i++) {
        values[i] = lki_random_normal(&s);
    }
    const long failures = check_allocations(2, everything, values, &made_up_for);
    print_message("%ld allocations, %ld failures made up for\n", failures, made_up_for);
    assert_true(failures > 50 && made_up_for * 10 < failures);
}

static void refused(void **state)
{
    lk_context *ctx = *state;
    const double nan = (double)NAN, gaps[4] = {nan, 1, 2, nan}, weighted[12] = {1, 2, 1, 3, 1, 1, 2, 5, 1, 4, 4, 1};
    const char *const names[] = {"a", "b"};
    lk_model *model = gmm_build(ctx, "{\"weights\":[1],\"means\":[[0,0]],\"covariances\":[[[1,0],[0,1]]],\"columns\":[\"a\",\"b\"]}");
    lk_model *fitted = NULL;
    lk_table *incomplete = NULL, *other = gmm_table(ctx, weighted, 4, 3);
    lk_detector *detector = NULL;
    check_ok(ctx, lk_table_from_array(ctx, gaps, 2, 2, names, &incomplete));
    lk_detect_options options = {.size = sizeof options, .calibrate = incomplete};
    check_status(ctx, LK_ERROR_DATA, lk_detector_new(ctx, model, &options, &detector));
    check_contains(lk_error_message(ctx), "none of the 2 rows");
    options.draws = 5;
    check_status(ctx, LK_ERROR_ARGUMENT, lk_detector_new(ctx, model, &options, &detector));
    options.calibrate = other;
    options.draws = 0;
    check_status(ctx, LK_ERROR_DATA, lk_detector_new(ctx, model, &options, &detector));
    check_contains(lk_error_message(ctx), "feature \"a\"");
    options = (lk_detect_options){.size = sizeof options, .draws = -1};
    check_status(ctx, LK_ERROR_ARGUMENT, lk_detector_new(ctx, model, &options, &detector));
    options = (lk_detect_options){.size = 4};
    check_status(ctx, LK_ERROR_ARGUMENT, lk_detector_new(ctx, model, &options, &detector));
    assert_null(detector);
    lk_roles roles = {.size = sizeof roles, .weight = "x3"};
    lk_fit_options fit = {.size = sizeof fit, .roles = &roles, .calibrate = 0.5};
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_fit(ctx, "gmm", other, &fit, &fitted));
    check_contains(lk_error_message(ctx), "x3");
    fit = (lk_fit_options){.size = sizeof fit, .calibrate = 0.5, .holdout = 0.2};
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_fit(ctx, "gmm", other, &fit, &fitted));
    fit = (lk_fit_options){.size = sizeof fit, .calibrate = 1};
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_fit(ctx, "gmm", other, &fit, &fitted));
    check_contains(lk_error_message(ctx), "calibrate is 1");
    assert_null(fitted);
    lk_table_free(incomplete);
    lk_table_free(other);
    lk_model_free(model);
}

/* Files whose kept densities do not hold together. */
static void damaged(void **state)
{
    lk_context *ctx = *state;
    static const struct {
        const char *from, *to; /* of equal length */
    } damages[] = {{"\\\"outside\\\":0", "\\\"outside\\\":1"}, {"\\\"share\\\":0.5", "\\\"share\\\":1.5"}, {"\\\"outside\\\"", "\\\"outsids\\\""},
                   {"\"calibration\":{", "\"calibratiom\":{"}, {"\"calibration\":\"", "\"calibratiom\":\""}};
    double values[80];
    char path[300], *bytes = malloc(1 << 16), *copy = malloc(1 << 16);
    const char *folder = getenv("TMPDIR");
    lki_stream s = gmm_stream(7700);
    for (int i = 0; i < 80; i++) {
        values[i] = lki_random_normal(&s);
    }
    lk_table *table = gmm_table(ctx, values, 80, 1);
    const lk_setting settings[] = {{"components", "1"}, {NULL, NULL}};
    lk_fit_options fit = {.size = sizeof fit, .settings = settings, .calibrate = 0.5};
    lk_model *model = NULL, *again = NULL;
    check_ok(ctx, lk_model_fit(ctx, "gmm", table, &fit, &model));
    snprintf(path, sizeof path, "%.200s/likely-%ld-damaged.lk", folder != NULL ? folder : "/tmp", (long)getpid());
    check_ok(ctx, lk_model_save(ctx, model, path));
    FILE *file = fopen(path, "rb");
    assert_true(file != NULL && bytes != NULL && copy != NULL);
    size_t size = fread(bytes, 1, 1 << 16, file);
    fclose(file);
    unlink(path);
    check_ok(ctx, lki_model_parse(ctx, "whole", bytes, size, &again));
    lk_model_free(again);
    again = NULL;
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        memcpy(copy, bytes, size);
        char *at = memmem(copy, size, damages[i].from, strlen(damages[i].from));
        assert_non_null(at);
        memcpy(at, damages[i].to, strlen(damages[i].to));
        check_status(ctx, LK_ERROR_FORMAT, lki_model_parse(ctx, "damaged", copy, size, &again));
        check_contains(lk_error_message(ctx), "damaged");
    }
    memcpy(copy, bytes, size);
    double *kept = NULL; /* the least of the ascending densities, made greater than its neighbour */
    for (size_t at = size - 8; kept == NULL && at > 8; at -= 8) {
        double v;
        memcpy(&v, copy + at, 8);
        if (v == model->calibration->values[0]) {
            kept = (double *)(void *)(copy + at);
            v = model->calibration->values[1] + 1;
            memcpy(kept, &v, 8);
        }
    }
    assert_non_null(kept);
    check_status(ctx, LK_ERROR_FORMAT, lki_model_parse(ctx, "damaged", copy, size, &again));
    check_contains(lk_error_message(ctx), "ascending");
    free(bytes);
    free(copy);
    lk_model_free(model);
    lk_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(allocations), cmocka_unit_test(refused), cmocka_unit_test(damaged)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
