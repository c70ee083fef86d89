/* The model file of a net is the same bytes on 1 and 3 threads; a row's answer does not depend on the rows beside it; a saved net answers
 * as the fitted one; each allocation of a fit fails once. */
#include "check.h"
#include "core/philox.h"
#include <likely/likely.h>
#include <unistd.h>

enum { N = 1500, D = 4 };
static const char *const names[D] = {"a", "b", "c", "y"};
static const lk_setting small[] = {{"members", "2"}, {"steps", "200"}, {"width", "20"}, {"batch", "100"}, {NULL, NULL}};

static void draw(double *values)
{
    lki_stream s = lki_stream_new(3, LKI_STREAM_TEST, 0);
    for (int i = 0; i < N; i++) {
        double *v = values + D * i;
        for (int j = 0; j < D - 1; j++) {
            v[j] = lki_random_normal(&s);
        }
        v[D - 1] = v[0] * v[1] + 0.3 * lki_random_normal(&s);
    }
}

/* The target, or the sign of it as a class. */
static lk_status fit_what(lk_context *ctx, const double *values, int64_t rows, const lk_setting *settings, int labelled, lk_model **out)
{
    static double signs[N * D];
    lk_table *table = NULL;
    lk_roles roles = {.size = sizeof roles, .label = "y"};
    lk_fit_options options = {.size = sizeof options, .settings = settings, .target = labelled ? NULL : "y", .roles = labelled ? &roles : NULL,
                              .seed = 7};
    memcpy(signs, values, (size_t)(rows * D) * sizeof *values);
    for (int64_t i = 0; labelled && i < rows; i++) {
        signs[D * i + D - 1] = signs[D * i + D - 1] > 0;
    }
    lk_status status = lk_table_from_array(ctx, signs, rows, D, names, &table);
    status = status == LK_OK ? lk_model_fit(ctx, "net", table, &options, out) : status;
    lk_table_free(table);
    return status;
}

static lk_status fit(lk_context *ctx, const double *values, int64_t rows, const lk_setting *settings, lk_model **out)
{
    return fit_what(ctx, values, rows, settings, 0, out);
}

static char *slurp(const char *path, size_t *size)
{
    FILE *in = fopen(path, "rb");
    char *bytes = malloc(1 << 20);
    assert_non_null(in);
    assert_non_null(bytes);
    *size = fread(bytes, 1, 1 << 20, in);
    fclose(in);
    return bytes;
}

static void same_bytes(void **state)
{
    (void)state;
    static double values[N * D], answers[2][N], one;
    char path[2][64], *bytes[2];
    size_t size[2];
    draw(values);
    for (int k = 0; k < 2; k++) {
        lk_context *ctx = check_context(k == 0 ? 1 : 3);
        lk_model *model = NULL, *again = NULL;
        snprintf(path[k], sizeof path[k], "/tmp/likely_net_bits_%d_%d.lk", (int)getpid(), k);
        check_ok(ctx, fit(ctx, values, N, small, &model));
        check_ok(ctx, lk_model_save(ctx, model, path[k]));
        check_ok(ctx, lk_model_load(ctx, path[k], &again));
        check_ok(ctx, lk_model_log_density(ctx, model, values, N, answers[0]));
        check_ok(ctx, lk_model_log_density(ctx, again, values, N, answers[1]));
        assert_memory_equal(answers[0], answers[1], sizeof answers[0]);
        for (int i = 0; i < N; i += 111) {
            check_ok(ctx, lk_model_log_density(ctx, model, values + D * i, 1, &one));
            assert_true(one == answers[0][i]);
        }
        lk_model_free(model);
        lk_model_free(again);
        lk_context_free(ctx);
        bytes[k] = slurp(path[k], &size[k]);
    }
    assert_int_equal(size[0], size[1]);
    assert_memory_equal(bytes[0], bytes[1], size[0]);
    for (int k = 0; k < 2; k++) {
        remove(path[k]);
        free(bytes[k]);
    }
}

/* The same of a net that tells a class. */
static void same_classes(void **state)
{
    (void)state;
    static double values[N * D], x[N * (D - 1)], answers[2][2 * N];
    char path[2][64], *bytes[2];
    size_t size[2];
    draw(values);
    for (int i = 0; i < N; i++) {
        memcpy(x + (D - 1) * i, values + D * i, (D - 1) * sizeof *x);
    }
    for (int k = 0; k < 2; k++) {
        lk_context *ctx = check_context(k == 0 ? 1 : 3);
        lk_model *model = NULL, *again = NULL;
        snprintf(path[k], sizeof path[k], "/tmp/likely_net_classes_%d_%d.lk", (int)getpid(), k);
        check_ok(ctx, fit_what(ctx, values, N, small, 1, &model));
        check_ok(ctx, lk_model_save(ctx, model, path[k]));
        check_ok(ctx, lk_model_load(ctx, path[k], &again));
        check_ok(ctx, lk_model_responsibilities(ctx, model, x, N, answers[0]));
        check_ok(ctx, lk_model_responsibilities(ctx, again, x, N, answers[1]));
        assert_memory_equal(answers[0], answers[1], sizeof answers[0]);
        lk_model_free(model);
        lk_model_free(again);
        lk_context_free(ctx);
        bytes[k] = slurp(path[k], &size[k]);
    }
    assert_int_equal(size[0], size[1]);
    assert_memory_equal(bytes[0], bytes[1], size[0]);
    for (int k = 0; k < 2; k++) {
        remove(path[k]);
        free(bytes[k]);
    }
}

/* Every tenth byte of the file changed: refused, or a model that answers. */
static void hostile_file(lk_context *ctx, int labelled)
{
    static double values[N * D], density[N];
    char path[64];
    size_t size;
    lk_model *model = NULL;
    draw(values);
    check_ok(ctx, fit_what(ctx, values, 100, (const lk_setting[]){{"members", "1"}, {"steps", "2"}, {"width", "2"}, {NULL, NULL}}, labelled, &model));
    snprintf(path, sizeof path, "/tmp/likely_net_hostile_%d.lk", (int)getpid());
    check_ok(ctx, lk_model_save(ctx, model, path));
    lk_model_free(model);
    char *bytes = slurp(path, &size);
    for (size_t i = 0; i < size; i += 10) {
        FILE *out = fopen(path, "wb");
        assert_non_null(out);
        bytes[i] = (char)(bytes[i] ^ 0x11);
        assert_int_equal(fwrite(bytes, 1, size, out), size);
        fclose(out);
        bytes[i] = (char)(bytes[i] ^ 0x11);
        model = NULL;
        lk_status status = lk_model_load(ctx, path, &model);
        if (status == LK_OK) {
            const int64_t rows = lk_model_dimension(model) <= D && lk_model_groups(model) <= D ? 10 : 0;
            check_ok(ctx, lk_model_classes(model) != NULL ? lk_model_responsibilities(ctx, model, values, rows, density)
                                                          : lk_model_log_density(ctx, model, values, rows, density));
            lk_model_free(model);
        }
    }
    remove(path);
    free(bytes);
}

static void hostile(void **state)
{
    hostile_file(*state, 0);
    hostile_file(*state, 1);
}

static void allocations(void **state)
{
    static double values[N * D];
    const lk_setting tiny[] = {{"members", "2"}, {"steps", "2"}, {"width", "4"}, {"batch", "8"}, {NULL, NULL}};
    const int64_t target = D - 1;
    long failures = 0, made_up_for = 0;
    (void)state;
    draw(values);
    for (long fail_at = 1;; fail_at++) {
        check_memory memory = {0};
        lk_allocator allocator = check_allocator(&memory);
        lk_context_options options = {.size = sizeof options, .threads = 1, .allocator = &allocator};
        lk_context *ctx = NULL;
        lk_model *model = NULL, *part = NULL, *told = NULL;
        double out[2 * 5];
        assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
        memory.calls = 0;
        memory.fail_at = fail_at;
        lk_status status = fit(ctx, values, 40, tiny, &model);
        status = status == LK_OK ? lk_model_predict(ctx, model, values, 5, &target, 1, NULL, 0, out) : status;
        status = status == LK_OK ? lk_model_condition(ctx, model, (const int64_t[3]){0, 1, 2}, values, 3, &part) : status;
        status = status == LK_OK ? fit_what(ctx, values, 40, tiny, 1, &told) : status;
        status = status == LK_OK ? lk_model_responsibilities(ctx, told, values, 5, out) : status;
        const int failed = memory.calls >= fail_at;
        memory.fail_at = 0;
        assert_true(status == LK_OK || (failed && status == LK_ERROR_MEMORY && strlen(lk_error_message(ctx)) > 0));
        made_up_for += failed && status == LK_OK;
        lk_model_free(told);
        lk_model_free(part);
        lk_model_free(model);
        lk_context_free(ctx);
        assert_int_equal(memory.live, 0);
        if (!failed) {
            break;
        }
        failures++;
    }
    print_message("%ld allocations, %ld failures made up for\n", failures, made_up_for);
    assert_true(failures > 100 && made_up_for * 5 < failures);
}

static void refused(void **state)
{
    static double values[N * D];
    lk_table *table = NULL;
    lk_model *model = NULL;
    draw(values);
    check_ok(*state, lk_table_from_array(*state, values, N, D, names, &table));
    lk_fit_options options = {.size = sizeof options};
    check_status(*state, LK_ERROR_ARGUMENT, lk_model_fit(*state, "net", table, &options, &model));
    check_contains(lk_error_message(*state), "give its name as target");
    options.target = "y";
    check_status(*state, LK_ERROR_ARGUMENT, lk_model_fit(*state, "gmm", table, &options, &model));
    check_contains(lk_error_message(*state), "no target, which is y");
    options.transform = "standardize";
    check_status(*state, LK_ERROR_ARGUMENT, lk_model_fit(*state, "net", table, &options, &model));
    check_contains(lk_error_message(*state), "standardizes by itself");
    options.transform = NULL;
    options.target = "z";
    check_status(*state, LK_ERROR_ARGUMENT, lk_model_fit(*state, "net", table, &options, &model));
    lk_roles roles = {.size = sizeof roles, .weight = "y"};
    options.target = "y";
    options.roles = &roles;
    check_status(*state, LK_ERROR_DATA, lk_model_fit(*state, "net", table, &options, &model));
    check_contains(lk_error_message(*state), "column y cannot be the target");
    roles = (lk_roles){.size = sizeof roles, .features = "y"};
    check_status(*state, LK_ERROR_DATA, lk_model_fit(*state, "net", table, &options, &model));
    check_contains(lk_error_message(*state), "no feature to predict y from");
    lk_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_bytes), cmocka_unit_test(same_classes), cmocka_unit_test(hostile), cmocka_unit_test(allocations),
                                       cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
