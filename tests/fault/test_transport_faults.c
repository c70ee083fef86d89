/* Transport under faults: each allocation fails once, without a leak and with a text; and input that has no answer is refused by name. */
#include "gmm_check.h"

static const char a_json[] = "{\"weights\":[0.4,0.6],\"means\":[[0,0],[4,1]],\"covariances\":[[[1,0.1],[0.1,1]],[[2,0.3],[0.3,1]]]}";
static const char b_json[] = "{\"weights\":[1],\"means\":[[1,1]],\"covariances\":[[[1,0.1],[0.1,1]]]}";

static lk_status bridge_fit(lk_context *ctx, lk_model **out)
{
    enum { N = 30 };
    double rows[2 * N * 4];
    lki_stream s = gmm_stream(9200);
    lk_table *table = NULL;
    for (int i = 0; i < 2 * N * 4; i++) {
        rows[i] = (i / 4 < N) == (i % 4 < 2) ? lki_random_normal(&s) : (double)NAN;
    }
    lk_fit_options options = {.size = sizeof options, .settings = gmm_settings("components=2;max_iter=3"), .seed = 1};
    lk_status status = lk_table_from_array(ctx, rows, 2 * N, 4, NULL, &table);
    status = status == LK_OK ? lk_model_fit(ctx, "bridge", table, &options, out) : status;
    lk_table_free(table);
    return status;
}

static lk_status carry(lk_context *ctx, const lk_model *a, const lk_model *b, const char *method, int64_t steps)
{
    const double x[6] = {1, 2, (double)NAN, 0, -1, 5};
    double out[6];
    lk_translate_options options = {.size = sizeof options, .method = method, .steps = steps};
    lk_translator *t = NULL;
    lk_status status = lk_translator_new(ctx, a, b, &options, &t);
    status = status == LK_OK ? lk_translator_rows(ctx, t, x, 0, 3, out) : status;
    lk_translator_free(t);
    return status;
}

static lk_status bridged(lk_context *ctx, const lk_model *a, const lk_model *b)
{
    lk_model *bridge = NULL, *law = NULL;
    const int64_t features[] = {0, 1};
    const double values[] = {1, 2};
    (void)a;
    (void)b;
    lk_status status = bridge_fit(ctx, &bridge);
    status = status == LK_OK ? carry(ctx, bridge, NULL, NULL, 0) : status;
    status = status == LK_OK ? carry(ctx, bridge, NULL, NULL, 3) : status;
    status = status == LK_OK ? lk_model_condition(ctx, bridge, features, values, 2, &law) : status;
    lk_model_free(bridge);
    lk_model_free(law);
    return status;
}

static lk_status latent(lk_context *ctx, const lk_model *a, const lk_model *b)
{
    return carry(ctx, a, b, "latent", 3);
}

static lk_status interpolated(lk_context *ctx, const lk_model *a, const lk_model *b)
{
    return carry(ctx, a, b, "interpolant", 3);
}

static lk_status tilted(lk_context *ctx, const lk_model *a, const char *method)
{
    double x[20];
    lk_tilt_options o = {.size = sizeof o, .reward = "-x1^2", .method = method, .steps = 3, .rollouts = 6};
    lk_tilt *t = NULL;
    lk_model *exact = NULL;
    lk_status status = lk_tilt_new(ctx, a, &o, &t);
    status = status == LK_OK ? lk_tilt_rows(ctx, t, 10, x) : status;
    status = status == LK_OK && strcmp(method, "exact") == 0 ? lk_tilt_model(ctx, t, &exact) : status;
    lk_tilt_free(t);
    lk_model_free(exact);
    return status;
}

static lk_status exactly(lk_context *ctx, const lk_model *a, const lk_model *b)
{
    (void)b;
    return tilted(ctx, a, "exact");
}

static lk_status by_particles(lk_context *ctx, const lk_model *a, const lk_model *b)
{
    (void)b;
    lk_status status = tilted(ctx, a, "smc");
    return status == LK_OK ? tilted(ctx, a, "resample") : status;
}

static lk_status by_tree(lk_context *ctx, const lk_model *a, const lk_model *b)
{
    (void)b;
    return tilted(ctx, a, "tree");
}

static lk_status guided(lk_context *ctx, const lk_model *a, const lk_model *b)
{
    (void)b;
    return tilted(ctx, a, "moments");
}

static lk_status pushed(lk_context *ctx, const lk_model *a, const lk_model *b)
{
    double rows[15], x[4] = {0, 1, 2, (double)NAN}, out[2];
    lk_push_options o = {.size = sizeof o, .dynamics = "c = 1\nx1' = c * x2\nx2' = -x1", .time = 0.5, .event = "x1 > 0"};
    lk_push *p = NULL;
    (void)b;
    lk_status status = lk_push_new(ctx, a, &o, &p);
    status = status == LK_OK ? lk_push_rows(ctx, p, 0, 5, rows) : status;
    status = status == LK_OK ? lk_push_log_density(ctx, p, x, 2, out) : status;
    lk_push_free(p);
    return status;
}

static lk_status diagnosed(lk_context *ctx, const lk_model *a, const lk_model *b)
{
    lk_diagnosis d = {.size = sizeof d};
    lk_diagnose_options o = {.size = sizeof o, .sigma = 0.5, .point_count = 12, .features = 3};
    (void)b;
    lk_status status = lk_model_diagnose(ctx, a, &o, &d);
    double each[12 * 6];
    o.each = each;
    o.field = "x1' = -x1\nx2' = -x2 / (1 + sigma)";
    return status == LK_OK ? lk_model_diagnose(ctx, a, &o, &d) : status;
}

static lk_status energies(lk_context *ctx, const lk_model *a, const lk_model *b)
{
    const char *const settings[] = {"degree=2;estimator=score-matching", "degree=2;estimator=likelihood;noise=200;max_iter=3", "degree=2;estimator=nce;noise=200;max_iter=3"};
    double x[40 * 2], parameter[2] = {1, 1}, out[4];
    lk_table *table = NULL;
    lk_status status = lk_model_sample(ctx, a, 1, 0, 40, x);
    (void)b;
    status = status == LK_OK ? lk_table_from_array(ctx, x, 40, 2, NULL, &table) : status;
    for (int e = 0; e < 3 && status == LK_OK; e++) {
        lk_model *model = NULL;
        lk_fit_options options = {.size = sizeof options, .settings = gmm_settings(settings[e]), .seed = 1};
        status = lk_model_fit(ctx, "energy", table, &options, &model);
        status = status == LK_OK ? lk_model_denoise_marginal(ctx, model, "poisson", parameter, x, 2, out) : status;
        lk_model_free(model);
    }
    lk_table_free(table);
    return status;
}

/* After the failure LK_ERROR_MEMORY with a text, and nothing left behind. */
static void allocations(void **state)
{
    lk_status (*const asked[])(lk_context *, const lk_model *, const lk_model *) = {bridged, latent, interpolated, exactly, by_particles, by_tree, guided, pushed,
                                                                                       diagnosed, energies};
    (void)state;
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        long failures = 0, made_up_for = 0;
        for (long fail_at = 1;; fail_at++) {
            check_memory memory = {0};
            lk_allocator allocator = check_allocator(&memory);
            lk_context_options options = {.size = sizeof options, .threads = 2, .allocator = &allocator};
            lk_context *ctx = NULL;
            assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
            lk_model *a = gmm_build(ctx, a_json), *b = gmm_build(ctx, b_json);
            memory.calls = 0;
            memory.fail_at = fail_at;
            const lk_status status = asked[i](ctx, a, b);
            const int failed = memory.calls >= fail_at;
            memory.fail_at = 0;
            if (!(status == LK_OK || (failed && status == LK_ERROR_MEMORY && strlen(lk_error_message(ctx)) > 0))) {
                fail_msg("way %zu, allocation %ld: %s %s", i, fail_at, lk_status_name(status), lk_error_message(ctx));
            }
            made_up_for += failed && status == LK_OK;
            lk_model_free(a);
            lk_model_free(b);
            lk_context_free(ctx);
            assert_int_equal(memory.live, 0);
            if (!failed) {
                break;
            }
            failures++;
        }
        print_message("%ld allocations, %ld failures made up for\n", failures, made_up_for);
        assert_true(failures > 10 && made_up_for * 5 < failures);
    }
}

static int stop(void *state)
{
    return ++*(int *)state > 3;
}

/* A cancelled call says so, and gives nothing. */
static void cancelled(void **state)
{
    int asked = 0;
    lk_context_options options = {.size = sizeof options, .threads = 1, .cancel = stop, .cancel_state = &asked};
    lk_context *ctx = NULL;
    (void)state;
    assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
    lk_model *a = gmm_build(ctx, a_json), *b = gmm_build(ctx, b_json), *bridge = NULL;
    asked = 4;
    check_status(ctx, LK_ERROR_CANCELLED, carry(ctx, a, b, "latent", 50));
    check_status(ctx, LK_ERROR_CANCELLED, carry(ctx, a, b, "interpolant", 50));
    check_status(ctx, LK_ERROR_CANCELLED, bridge_fit(ctx, &bridge));
    assert_null(bridge);
    lk_model_free(a);
    lk_model_free(b);
    lk_context_free(ctx);
}

static lk_status fit_rows(lk_context *ctx, const double *rows, int64_t n, int64_t columns, const char *settings)
{
    lk_table *table = gmm_table(ctx, rows, n, columns);
    lk_model *model = NULL;
    lk_fit_options options = {.size = sizeof options, .settings = gmm_settings(settings), .seed = 1};
    lk_status status = lk_model_fit(ctx, "bridge", table, &options, &model);
    lk_model_free(model);
    lk_table_free(table);
    return status;
}

/* Rows that a bridge cannot take are named. More components than rows are fine; the fit may be worthless, but is a model. */
static void rows(void **state)
{
    const double n = (double)NAN;
    const double whole[] = {1, n, 2, n, 3, n, n, 4, n, 5, n, 7}, half[] = {1, 2, n, n, n, n, 3, n}, alone[] = {1, n, 2, n};
    const double flat[] = {1, n, 2, n, n, 3, n, 3};
    check_ok(*state, fit_rows(*state, whole, 6, 2, "components=9;max_iter=50"));
    check_status(*state, LK_ERROR_DATA, fit_rows(*state, half, 2, 4, ""));
    check_contains(lk_error_message(*state), "row 2 lacks some target values");
    check_status(*state, LK_ERROR_DATA, fit_rows(*state, alone, 2, 2, ""));
    check_contains(lk_error_message(*state), "no target rows");
    check_status(*state, LK_ERROR_DATA, fit_rows(*state, flat, 4, 2, ""));
    check_contains(lk_error_message(*state), "does not vary");
    check_status(*state, LK_ERROR_DATA, fit_rows(*state, whole, 4, 3, ""));
    check_contains(lk_error_message(*state), "cannot be halved");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(allocations), cmocka_unit_test(cancelled),
                                       cmocka_unit_test_setup_teardown(rows, check_setup, check_teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
