/* What follows from scores under faults: each allocation fails once, without a leak and with a text. */
#include "gmm_check.h"

static const char full_json[] =
    "{\"weights\":[0.4,0.6],\"means\":[[0,0],[4,1]],\"covariances\":[[[1,0.1],[0.1,1]],[[2,0.3],[0.3,1]]]}";

static lk_status smoothed(lk_context *ctx, const lk_model *model)
{
    const double x[8] = {1, 2, (double)NAN, 0, -1, 5, 2, 2}, sigma[2] = {0.5, 1};
    double mean[8], sd[8];
    lk_model *noisy = NULL;
    lk_status status = lk_model_smooth(ctx, model, sigma, &noisy);
    status = status == LK_OK ? lk_model_score(ctx, noisy, x, 4, mean) : status;
    status = status == LK_OK ? lk_model_denoise(ctx, model, sigma, x, 4, mean, sd) : status;
    lk_model_free(noisy);
    return status;
}

static lk_status modes(lk_context *ctx, const lk_model *model)
{
    const double x[8] = {1, 2, (double)NAN, 0, -1, 5, 2, 2};
    lk_modes *found = NULL;
    lk_status status = lk_model_modes(ctx, model, x, 4, &found);
    lk_modes_free(found);
    return status;
}

/* The mixture without its score and second derivatives: the model layer derives them. */
static lk_status derived(lk_context *ctx, const lk_model *model)
{
    lk_model plain = *model;
    plain.operations.score = NULL;
    plain.operations.hessian = NULL;
    return smoothed(ctx, &plain);
}

static lk_status drawn(lk_context *ctx, const lk_model *model, const char *method, double step_size)
{
    const lk_sampler_options options = {.size = sizeof options, .method = method, .steps = 8, .step_size = step_size};
    double x[6];
    lk_sampler *sampler = NULL;
    lk_status status = lk_sampler_new(ctx, model, &options, &sampler);
    status = status == LK_OK ? lk_sampler_rows(ctx, sampler, 0, 3, x) : status;
    lk_sampler_free(sampler);
    return status;
}

static lk_status flow(lk_context *ctx, const lk_model *model)
{
    return drawn(ctx, model, "heun", 0);
}

static lk_status langevin(lk_context *ctx, const lk_model *model)
{
    return drawn(ctx, model, "mala", 0.5);
}

/* Without a noisy version: one level, whose step size a pilot run finds. */
static lk_status piloted(lk_context *ctx, const lk_model *model)
{
    lk_model plain = *model;
    plain.operations.smooth = NULL;
    return drawn(ctx, &plain, "mala", 0);
}

/* After the failure LK_ERROR_MEMORY with a text, and nothing left behind. Few failures are made up for by ways with
 * fewer threads. */
static void allocations(void **state)
{
    const struct {
        lk_status (*ask)(lk_context *, const lk_model *);
        long stride; /* where hundreds of steps allocate alike, not each of them */
    } asked[] = {{smoothed, 1}, {modes, 1}, {derived, 1}, {flow, 1}, {langevin, 1}, {piloted, 29}};
    (void)state;
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        long failures = 0, made_up_for = 0;
        for (long fail_at = 1;; fail_at += asked[i].stride) {
            check_memory memory = {0};
            lk_allocator allocator = check_allocator(&memory);
            lk_context_options options = {.size = sizeof options, .threads = 2, .allocator = &allocator};
            lk_context *ctx = NULL;
            assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
            lk_model *model = gmm_build(ctx, full_json);
            memory.calls = 0;
            memory.fail_at = fail_at;
            const lk_status status = asked[i].ask(ctx, model);
            const int failed = memory.calls >= fail_at;
            memory.fail_at = 0;
            assert_true(status == LK_OK || (failed && status == LK_ERROR_MEMORY && strlen(lk_error_message(ctx)) > 0));
            made_up_for += failed && status == LK_OK;
            lk_model_free(model);
            lk_context_free(ctx);
            assert_int_equal(memory.live, 0);
            if (!failed) {
                break;
            }
            failures++;
        }
        print_message("%ld allocations, %ld failures made up for\n", failures, made_up_for);
        assert_true(failures > 15 && made_up_for * 5 < failures);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(allocations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
