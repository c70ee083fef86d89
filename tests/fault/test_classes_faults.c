/* Classes of mixtures under faults: each allocation of a fit, its rows parted in memory and in temporary files, and of conditional
 * answers fails once; labels that are no classes, and files that lie, are refused. */
#include "gmm_check.h"
#include "model/model_file.h"
#include "model/safetensors.h"

enum { ROWS = 60, COLUMNS = 4 };
static double rows[ROWS * COLUMNS];
static const char *const names[COLUMNS] = {"a", "b", "k", "w"};

static lk_status fit(lk_context *ctx, const lk_table *table, const char *label, const char *priors, lk_model **out)
{
    lk_roles roles = {.size = sizeof roles, .features = "a,b", .label = label, .weight = "w"};
    lk_fit_options options = {.size = sizeof options, .settings = gmm_settings("components=1..2;restarts=1;tol=1e-2"), .roles = &roles,
                              .priors = priors, .seed = 1};
    return lk_model_fit(ctx, "gmm", table, &options, out);
}

static lk_status everything(lk_context *ctx)
{
    const double nan = (double)NAN, x[6] = {1, nan, nan, nan, 1, 2}, levels[2] = {0.1, 0.9}, sigma[2] = {0.1, 0.2};
    const int64_t target = 1, given[1] = {0};
    double out[24], sd[6];
    int64_t classes[3];
    lk_table *table = NULL;
    lk_model *model = NULL, *part = NULL, *noisy = NULL;
    lk_status status = lk_table_from_array(ctx, rows, ROWS, COLUMNS, names, &table);
    status = status == LK_OK ? fit(ctx, table, "k", NULL, &model) : status;
    status = status == LK_OK ? lk_model_condition(ctx, model, given, x, 1, &part) : status;
    status = status == LK_OK ? lk_model_smooth(ctx, model, sigma, &noisy) : status;
    status = status == LK_OK ? lk_model_responsibilities(ctx, model, x, 3, out) : status;
    status = status == LK_OK ? lk_model_score(ctx, model, x, 3, out) : status;
    status = status == LK_OK ? lk_model_predict(ctx, model, x, 3, &target, 1, levels, 2, out) : status;
    status = status == LK_OK ? lk_model_impute(ctx, model, x, 3, out, sd) : status;
    status = status == LK_OK ? lk_model_impute_draws(ctx, model, x, 3, 1, 0, 3, out) : status;
    status = status == LK_OK ? lk_model_sample(ctx, model, 1, 0, 3, out) : status;
    status = status == LK_OK ? lk_model_sample_classes(ctx, model, 1, 0, 3, classes) : status;
    lk_model_free(noisy);
    lk_model_free(part);
    lk_model_free(model);
    lk_table_free(table);
    return status;
}

static void allocations(void **state)
{
    static const int64_t memories[] = {0, 64}; /* 64 bytes: the rows of classes go to temporary files */
    (void)state;
    for (int i = 0; i < 2; i++) {
        long failures = 0, made_up_for = 0;
        for (long fail_at = 1;; fail_at++) {
            check_memory memory = {0};
            lk_allocator allocator = check_allocator(&memory);
            lk_context_options options = {.size = sizeof options, .threads = 1, .allocator = &allocator, .memory = memories[i]};
            lk_context *ctx = NULL;
            assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
            memory.calls = 0;
            memory.fail_at = fail_at;
            const lk_status status = everything(ctx);
            const int failed = memory.calls >= fail_at;
            memory.fail_at = 0;
            if (status != LK_OK && (!failed || status != LK_ERROR_MEMORY || strlen(lk_error_message(ctx)) == 0)) {
                fail_msg("allocation %ld: %s (%s)", fail_at, lk_status_name(status), lk_error_message(ctx));
            }
            made_up_for += failed && status == LK_OK;
            lk_context_free(ctx);
            assert_int_equal(memory.live, 0);
            if (!failed) {
                break;
            }
            failures++;
        }
        print_message("%ld allocations, %ld failures made up for\n", failures, made_up_for);
        assert_true(failures > 100 && made_up_for * 10 < failures);
    }
}

static void refused(void **state)
{
    lk_context *ctx = *state;
    static double many[ROWS * COLUMNS];
    lk_table *table = NULL;
    lk_model *model = NULL;
    memcpy(many, rows, sizeof rows);
    check_ok(ctx, lk_table_from_array(ctx, many, ROWS, COLUMNS, names, &table));
    check_status(ctx, LK_ERROR_ARGUMENT, fit(ctx, table, "k", ".1,.2,.7", &model));
    check_contains(lk_error_message(ctx), "more numbers than classes");
    check_status(ctx, LK_ERROR_ARGUMENT, fit(ctx, table, NULL, "equal", &model));
    check_contains(lk_error_message(ctx), "give a label");
    check_status(ctx, LK_ERROR_ARGUMENT, fit(ctx, table, "a", NULL, &model)); /* a feature */
    lk_table_free(table);
    for (int i = 0; i < ROWS; i++) {
        many[i * COLUMNS + 2] = (double)NAN;
    }
    check_ok(ctx, lk_table_from_array(ctx, many, ROWS, COLUMNS, names, &table));
    check_status(ctx, LK_ERROR_DATA, fit(ctx, table, "k", NULL, &model));
    check_contains(lk_error_message(ctx), "no row with a positive weight has a label in column 'k'");
    lk_table_free(table);
    memcpy(many, rows, sizeof rows);
    many[2] = 5; /* a class of one row */
    check_ok(ctx, lk_table_from_array(ctx, many, ROWS, COLUMNS, names, &table));
    check_status(ctx, LK_ERROR_DATA, fit(ctx, table, "k", NULL, &model));
    check_contains(lk_error_message(ctx), "class 5: 1 row");
    assert_null(model);
    lk_table_free(table);
    int64_t class;
    model = gmm_build(ctx, "{\"weights\":[1],\"means\":[[0]],\"covariances\":[[[1]]]}");
    check_status(ctx, LK_ERROR_UNSUPPORTED, lk_model_sample_classes(ctx, model, 1, 0, 1, &class));
    assert_null(lk_model_classes(model));
    lk_model_free(model);
}

/* Every change of one byte of a file with classes is refused, or gives a model that answers. */
static void files(void **state)
{
    lk_context *ctx = *state;
    const char *folder = getenv("TMPDIR");
    char path[200], *bytes = NULL;
    size_t size = 0;
    lk_table *table = NULL;
    lk_model *model = NULL;
    double x[2] = {0.5, 0.5}, out[16];
    long loaded = 0, refusals = 0;
    snprintf(path, sizeof path, "%.100s/likely-class-faults-%ld.lk", folder != NULL ? folder : "/tmp", (long)getpid());
    check_ok(ctx, lk_table_from_array(ctx, rows, ROWS, COLUMNS, names, &table));
    check_ok(ctx, fit(ctx, table, "k", NULL, &model));
    check_ok(ctx, lk_model_save(ctx, model, path));
    check_ok(ctx, lki_safetensors_slurp(ctx, path, &bytes, &size));
    unlink(path);
    lk_model_free(model);
    for (size_t i = 0; i < size; i++) {
        for (int flip = 1; flip < 256; flip *= 16) {
            bytes[i] = (char)(bytes[i] ^ flip);
            lk_model *read = NULL;
            if (lki_model_parse(ctx, "file", bytes, size, &read) == LK_OK) {
                loaded++;
                if (lk_model_dimension(read) == 2 && lk_model_groups(read) <= 8) {
                    check_ok(ctx, lk_model_log_density(ctx, read, x, 1, out));
                    check_ok(ctx, lk_model_responsibilities(ctx, read, x, 1, out));
                    check_ok(ctx, lk_model_sample(ctx, read, 1, 0, 1, out));
                }
                lk_model_free(read);
            } else {
                refusals++;
                assert_true(strlen(lk_error_message(ctx)) > 0 && read == NULL);
            }
            lki_begin(ctx);
            bytes[i] = (char)(bytes[i] ^ flip);
        }
    }
    for (size_t cut = 0; cut < size; cut++) {
        lk_model *read = NULL;
        assert_true(lki_model_parse(ctx, "file", bytes, cut, &read) != LK_OK);
        lki_begin(ctx);
    }
    print_message("%ld changes refused, %ld loaded\n", refusals, loaded);
    assert_true(refusals > loaded);
    lki_release(ctx, bytes);
    lk_table_free(table);
}

static int setup(void **state)
{
    lki_stream s = gmm_stream(9200);
    for (int i = 0; i < ROWS; i++) {
        double *r = rows + i * COLUMNS;
        r[2] = i % 2 + 1;
        r[0] = r[2] + lki_random_normal(&s);
        r[1] = lki_random_normal(&s) - r[0] / 3;
        r[2] = i == 7 ? (double)NAN : r[2];
        r[3] = i % 3 + 1;
    }
    return check_setup(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(allocations), cmocka_unit_test(refused), cmocka_unit_test(files)};
    return cmocka_run_group_tests(tests, setup, check_teardown);
}
