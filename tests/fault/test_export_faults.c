/* Exports under faults: each allocation fails once, what cannot be written leaves no file, what has no layout is refused. */
#include "gmm_check.h"
#include <likely/export.h>

static const char *const jsons[] = {
    "{\"weights\":[0.4,0.6],\"means\":[[0,0,1],[2,1,0]],\"covariances\":[[[1,0.1,0],[0.1,1,0],[0,0,2]],[[2,0,0],[0,1,0.3],[0,0.3,1]]]}",
    "{\"weights\":[0.4,0.6],\"means\":[[0,0,1],[2,1,0]],\"covariances\":[[1,2,3],[1,1,1]],\"covariance\":\"diag\"}",
    "{\"weights\":[0.4,0.6],\"means\":[[0],[2]],\"covariances\":[1,2]}"};

/* After the failure LK_ERROR_MEMORY with a text, nothing left behind, and no file; a text that cannot double its room is content with what
 * it needs. */
static void allocations(void **state)
{
    char path[] = "/tmp/likely-fault-XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(path));
    char file[64];
    snprintf(file, sizeof file, "%s/out", path);
    for (int i = 0; i < 3; i++) {
        for (int format = LK_EXPORT_C; format <= LK_EXPORT_MCLUST_R; format++) {
            long failures = 0, made_up_for = 0;
            for (long fail_at = 1;; fail_at++) {
                check_memory memory = {0};
                lk_allocator allocator = check_allocator(&memory);
                lk_context_options options = {.size = sizeof options, .threads = 1, .allocator = &allocator};
                lk_context *ctx = NULL;
                assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
                lk_model *model = gmm_build(ctx, jsons[i]);
                memory.calls = 0;
                memory.fail_at = fail_at;
                const lk_status status = lk_model_export(ctx, model, (lk_export_format)format, NULL, file);
                const int failed = memory.calls >= fail_at;
                memory.fail_at = 0;
                assert_true(status == LK_OK || (failed && status == LK_ERROR_MEMORY && strlen(lk_error_message(ctx)) > 0));
                assert_int_equal(access(file, F_OK), status == LK_OK ? 0 : -1);
                made_up_for += failed && status == LK_OK;
                lk_model_free(model);
                lk_context_free(ctx);
                assert_int_equal(memory.live, 0);
                unlink(file);
                if (!failed) {
                    break;
                }
                failures++;
            }
            print_message("model %d, format %d: %ld allocations, %ld made up for\n", i, format, failures, made_up_for);
            assert_true(failures - made_up_for >= 5);
        }
    }
    rmdir(path);
}

static void refused(void **state)
{
    enum { N = 60 };
    lk_context *ctx = *state;
    double values[N * 2];
    lki_stream s = gmm_stream(9100);
    for (int i = 0; i < N * 2; i++) {
        values[i] = exp(lki_random_normal(&s));
    }
    lk_table *table = gmm_table(ctx, values, N, 2);
    lk_setting settings[] = {{"components", "1"}, {NULL, NULL}};
    lk_fit_options options = {.size = sizeof options, .settings = settings, .transform = "standardize,log:x2"};
    lk_model *model = NULL;
    check_status(ctx, LK_ERROR_DATA, lk_model_fit(ctx, "gmm", table, &options, &model)); /* the standardized have no logarithm */
    options.transform = "log:x2,standardize";
    check_ok(ctx, lk_model_fit(ctx, "gmm", table, &options, &model));
    for (int format = LK_EXPORT_JSON; format <= LK_EXPORT_MCLUST_R; format++) {
        check_status(ctx, LK_ERROR_UNSUPPORTED, lk_model_export(ctx, model, (lk_export_format)format, NULL, "/tmp/likely-never"));
        check_contains(lk_error_message(ctx), "feature x2 is modelled through a transform that is not linear");
        assert_int_equal(access("/tmp/likely-never", F_OK), -1);
    }
    check_status(ctx, LK_ERROR_IO, lk_model_export(ctx, model, LK_EXPORT_C, NULL, "/nowhere/m.c"));
    check_contains(lk_error_message(ctx), "/nowhere/m.c");
    lk_model_free(model);
    lk_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(allocations), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
