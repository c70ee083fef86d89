/* Every allocation of fit, build, save, load, info, evaluate and of all answers fails once in turn: a clean error, no leak, no crash.
 * jansson's allocations, which are not the context's, fail too. */
#include "check.h"
#include "unit/fake_family.c"
#include <likely/likely.h>

static lk_table *table;
static char path[300], path_of_classes[320];
static check_memory library, json;

static lk_context *context(void)
{
    lk_allocator allocator = check_allocator(&library);
    lk_context_options options = {.size = sizeof options, .allocator = &allocator, .threads = 1};
    lk_context *ctx = NULL;
    assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
    return ctx;
}

static lk_status run_fit(lk_context *ctx, lk_model **out)
{
    lk_setting settings[] = {{"components", "1,3"}, {"freeze", "means"}, {NULL, NULL}};
    lk_roles roles = {.size = sizeof roles, .features = "a,b"};
    lk_fit_options options = {.size = sizeof options, .settings = settings, .roles = &roles, .transform = "standardize",
                              .holdout = 0.5, .seed = 1};
    return lk_model_fit(ctx, "normal", table, &options, out);
}

static lk_status do_fit(lk_context *ctx)
{
    lk_model *model = NULL;
    lk_status status = run_fit(ctx, &model);
    assert_int_equal(status == LK_OK, model != NULL);
    lk_model_free(model);
    return status;
}

static lk_status do_warm_fit(lk_context *ctx)
{
    lk_model *start = NULL, *model = NULL;
    lk_roles roles = {.size = sizeof roles, .features = "a,b"};
    lk_status status = run_fit(ctx, &start);
    if (status == LK_OK) {
        lk_fit_options options = {.size = sizeof options, .roles = &roles, .start = start, .folds = 2};
        status = lk_model_fit(ctx, "normal", table, &options, &model);
    }
    lk_model_free(start);
    lk_model_free(model);
    return status;
}

static lk_status do_build_and_save(lk_context *ctx)
{
    lk_model *model = NULL;
    lk_status status = lk_model_build(ctx, "normal", "{\"mean\":[1,2],\"sd\":[1,2]}", NULL, &model);
    if (status == LK_OK) {
        status = lk_model_save(ctx, model, path);
    }
    lk_model_free(model);
    return status;
}

/* From lent columns through a fit into memory and back, and the method's descriptor. */
static lk_status do_pack(lk_context *ctx)
{
    static const double lent[8] = {1, 2, 3, 4, 0, 1, 0, 1};
    static const char *const levels[] = {"no", "yes"};
    const lk_array_column columns[] = {{.name = "a", .values = lent, .stride = 1},
                                       {.name = "k", .type = LK_TYPE_CATEGORY, .values = lent + 4, .stride = 1, .levels = levels, .level_count = 2}};
    lk_table *made = NULL;
    lk_model *model = NULL, *back = NULL;
    char *bytes = NULL, *info = NULL;
    size_t size = 0;
    lk_roles roles = {.size = sizeof roles, .features = "a"};
    lk_fit_options options = {.size = sizeof options, .roles = &roles};
    lk_status status = lk_table_from_columns(ctx, columns, 2, 4, &made);
    status = status == LK_OK ? lk_model_fit(ctx, "normal", made, &options, &model) : status;
    status = status == LK_OK ? lk_model_pack(ctx, model, &bytes, &size) : status;
    status = status == LK_OK ? lk_model_unpack(ctx, bytes, size, &back) : status;
    status = status == LK_OK ? lk_method_info(ctx, lk_model_method(model), &info) : status;
    lk_free(ctx, bytes);
    lk_free(ctx, info);
    lk_model_free(back);
    lk_model_free(model);
    lk_table_free(made);
    return status;
}

static lk_status do_load(lk_context *ctx)
{
    lk_model *model = NULL;
    lk_status status = lk_model_load(ctx, path, &model);
    lk_model_free(model);
    return status;
}

static lk_status do_info(lk_context *ctx)
{
    lk_model *model = NULL;
    char *text = NULL;
    lk_status status = lk_model_load(ctx, path, &model);
    if (status == LK_OK) {
        status = lk_model_info(ctx, model, &text);
    }
    lk_free(ctx, text);
    lk_model_free(model);
    return status;
}

static lk_status do_answers(lk_context *ctx)
{
    lk_model *model = NULL, *part = NULL;
    double x[6] = {1, 2, (double)NAN, 4, 5, 6}, out[6];
    int64_t second = 1;
    lk_status status = run_fit(ctx, &model);
    status = status == LK_OK ? lk_model_log_density(ctx, model, x, 3, out) : status;
    status = status == LK_OK ? lk_model_score(ctx, model, x, 3, out) : status;
    status = status == LK_OK ? lk_model_cdf(ctx, model, x, 3, out) : status;
    status = status == LK_OK ? lk_model_sample(ctx, model, 1, 0, 3, out) : status;
    status = status == LK_OK ? lk_model_marginal(ctx, model, &second, 1, &part) : status;
    lk_model_free(part);
    lk_model_free(model);
    return status;
}

static lk_status do_evaluate(lk_context *ctx)
{
    lk_model *model = NULL;
    lk_evaluation e = {.size = sizeof e};
    lk_status status = run_fit(ctx, &model);
    status = status == LK_OK ? lk_model_evaluate(ctx, model, table, NULL, &e) : status;
    lk_free(ctx, e.pit_ks);
    lk_free(ctx, e.pit_mean);
    lk_free(ctx, e.pit_sd);
    lk_model_free(model);
    return status;
}

/* A model with classes from its fit to its file and back, and everything that is asked of it. */
static lk_status do_classes(lk_context *ctx)
{
    lk_model *model = NULL, *back = NULL, *part = NULL;
    char *text = NULL;
    lk_evaluation e = {.size = sizeof e};
    double x[6] = {1, 2, (double)NAN, 4, 5, 6}, out[6];
    int64_t second = 1, classes[3];
    lk_roles roles = {.size = sizeof roles, .features = "a,b", .label = "k", .weight = "w"};
    lk_fit_options options = {.size = sizeof options, .roles = &roles, .transform = "standardize", .folds = 2, .seed = 1,
                              .priors = "0=.25,1=.75"};
    lk_status status = lk_model_fit(ctx, "normal", table, &options, &model);
    options.start = model;
    options.transform = NULL;
    options.folds = 0;
    status = status == LK_OK ? lk_model_fit(ctx, "normal", table, &options, &part) : status;
    lk_model_free(part);
    part = NULL;
    status = status == LK_OK ? lk_model_save(ctx, model, path_of_classes) : status;
    status = status == LK_OK ? lk_model_load(ctx, path_of_classes, &back) : status;
    status = status == LK_OK ? lk_model_info(ctx, back, &text) : status;
    status = status == LK_OK ? lk_model_log_density(ctx, back, x, 3, out) : status;
    status = status == LK_OK ? lk_model_responsibilities(ctx, back, x, 3, out) : status;
    status = status == LK_OK ? lk_model_cdf(ctx, back, x, 3, out) : status;
    status = status == LK_OK ? lk_model_sample(ctx, back, 1, 0, 3, out) : status;
    status = status == LK_OK ? lk_model_sample_classes(ctx, back, 1, 0, 3, classes) : status;
    status = status == LK_OK ? lk_model_marginal(ctx, back, &second, 1, &part) : status;
    status = status == LK_OK ? lk_model_evaluate(ctx, back, table, NULL, &e) : status;
    lk_free(ctx, e.pit_ks);
    lk_free(ctx, e.pit_mean);
    lk_free(ctx, e.pit_sd);
    lk_free(ctx, text);
    lk_model_free(part);
    lk_model_free(back);
    lk_model_free(model);
    return status;
}

/* What fails says so: an error of memory with a text, and where the call asks again an error of its own. */
static lk_status do_refused(lk_context *ctx)
{
    lk_model *model = NULL;
    double x = 0;
    lk_setting settings[] = {{"componets", "1"}, {NULL, NULL}};
    lk_status status = lk_model_build(ctx, "normal", "{\"mean\":[1],\"sd\":[1]}", settings, &model);
    if (status != LK_ERROR_ARGUMENT) {
        return status;
    }
    status = lk_model_build(ctx, "normal", "{\"mean\":[1],\"sd\":[1]}", NULL, &model);
    if (status == LK_OK) {
        status = lk_model_responsibilities(ctx, model, &x, 1, &x);
    }
    lk_model_free(model);
    return status == LK_ERROR_UNSUPPORTED ? LK_OK : status;
}

static void *json_allocate(size_t bytes)
{
    return check_allocate(&json, bytes);
}

static void json_free(void *block)
{
    check_release(&json, block);
}

/* Lets the n-th allocation of one source fail, for n = 1, 2, ... until none is left to fail. */
static void each_once(lk_status (*work)(lk_context *), check_memory *source)
{
    long faults = 0;
    for (long n = 1;; n++) {
        library = json = (check_memory){0};
        lk_context *ctx = context();
        long live = library.live;
        source->calls = 0;
        source->fail_at = n;
        lk_status status = work(ctx);
        bool reached = source->calls >= n;
        source->fail_at = 0;
        if (reached && status != LK_OK) {
            if (status != LK_ERROR_MEMORY) {
                fail_msg("allocation %ld: %s: %s", n, lk_status_name(status), lk_error_message(ctx));
            }
            assert_true(lk_error_message(ctx)[0] != '\0');
            faults++;
        } else {
            check_ok(ctx, status); /* an allocation that could be done without, or none left */
        }
        assert_int_equal(library.live, live);
        assert_int_equal(json.live, 0);
        lk_context_free(ctx);
        assert_int_equal(library.live, 0);
        if (!reached) {
            break;
        }
    }
    assert_true(faults > 3);
}

static void both(lk_status (*work)(lk_context *))
{
    each_once(work, &library);
    each_once(work, &json);
}

#define FAULT_TEST(name)                     \
    static void test_##name(void **state)    \
    {                                        \
        (void)state;                         \
        both(do_##name);                     \
    }
FAULT_TEST(fit)
FAULT_TEST(warm_fit)
FAULT_TEST(build_and_save)
FAULT_TEST(load)
FAULT_TEST(pack)
FAULT_TEST(info)
FAULT_TEST(answers)
FAULT_TEST(evaluate)
FAULT_TEST(classes)
FAULT_TEST(refused)

static int setup(void **state)
{
    static const char *const names[] = {"a", "b", "k", "w"};
    static double values[40 * 4];
    const char *folder = getenv("TMPDIR");
    lk_context *ctx = check_context(1);
    lk_model *model = NULL;
    (void)state;
    for (int i = 0; i < 40; i++) {
        values[4 * i] = (i * 37) % 101;
        values[4 * i + 1] = 7; /* constant: a remark */
        values[4 * i + 2] = i == 5 ? (double)NAN : i % 2;
        values[4 * i + 3] = i % 3 + 1;
    }
    check_ok(ctx, lk_table_from_array(ctx, values, 40, 4, names, &table));
    sprintf(path, "%.200s/likely-%ld-faults.lk", folder != NULL ? folder : "/tmp", (long)getpid());
    sprintf(path_of_classes, "%.300s.classes", path);
    check_ok(ctx, run_fit(ctx, &model));
    check_ok(ctx, lk_model_save(ctx, model, path));
    lk_model_free(model);
    lk_context_free(ctx);
    json_set_alloc_funcs(json_allocate, json_free);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lk_table_free(table);
    return unlink(path) != 0 || unlink(path_of_classes) != 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fit),  cmocka_unit_test(test_warm_fit), cmocka_unit_test(test_load),
        cmocka_unit_test(test_pack),
        cmocka_unit_test(test_info), cmocka_unit_test(test_answers),  cmocka_unit_test(test_evaluate),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_classes), cmocka_unit_test(test_build_and_save),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
