/* What follows from scores is the same bits on 1 and 2 threads, in pieces and alone. */
#include "gmm_check.h"

#include <likely/derived.h>
#include <likely/score.h>

enum { D = 5, K = 3, ROWS = 3000 };

static void denoised(void **state)
{
    static double x[ROWS * D], one[2][ROWS * D], two[2][ROWS * D];
    const double sigma[D] = {0.5, 0, 1, 2, 0.1};
    (void)state;
    for (int f = 0; f < 4; f++) {
        lki_stream s = gmm_stream(8300 + (uint64_t)f);
        lk_context *single = check_context(1), *pair = check_context(2);
        lki_mixture *m = gmm_random_mixture(single, &s, gmm_families[f], K, D, 10, 1);
        lk_model *model = gmm_model_of(single, m);
        check_ok(single, lk_model_sample(single, model, 1, 0, ROWS, x));
        for (int i = 0; i < ROWS; i += 7) {
            x[i * D + i % D] = (double)NAN;
        }
        check_ok(single, lk_model_denoise(single, model, sigma, x, ROWS, one[0], one[1]));
        check_ok(pair, lk_model_denoise(pair, model, sigma, x, ROWS, two[0], two[1]));
        assert_memory_equal(one, two, sizeof one);
        memset(two, 0, sizeof two);
        for (int64_t first = 0, rows = 1; first < ROWS; first += rows, rows = rows * 3 % 1501 + 1) {
            rows = rows < ROWS - first ? rows : ROWS - first;
            check_ok(pair,
                     lk_model_denoise(pair, model, sigma, x + first * D, rows, two[0] + first * D, two[1] + first * D));
        }
        assert_memory_equal(one, two, sizeof one);
        lk_model_free(model);
        lki_mixture_free(m);
        lk_context_free(single);
        lk_context_free(pair);
    }
}

/* A row's ascent does not depend on the rows beside it, nor on threads. */
static void modes(void **state)
{
    static double x[400 * D];
    lki_stream s = gmm_stream(8310);
    lk_context *single = check_context(1), *pair = check_context(2);
    lki_mixture *mix = gmm_random_mixture(single, &s, "full", 8, D, 10, 2);
    lk_model *model = gmm_model_of(single, mix);
    lk_modes *one = NULL, *two = NULL, *few = NULL;
    (void)state;
    check_ok(single, lk_model_sample(single, model, 1, 0, 400, x));
    check_ok(single, lk_model_modes(single, model, x, 400, &one));
    check_ok(pair, lk_model_modes(pair, model, x, 400, &two));
    check_ok(pair, lk_model_modes(pair, model, x + 100 * D, 50, &few));
    assert_true(one->count == two->count && one->lost == 0 && two->lost == 0 && one->count > 2);
    assert_memory_equal(one->x, two->x, (size_t)one->count * D * sizeof *one->x);
    assert_memory_equal(one->log_density, two->log_density, (size_t)one->count * sizeof *one->x);
    assert_memory_equal(one->mass, two->mass, (size_t)one->count * sizeof *one->x);
    assert_memory_equal(one->decrement, two->decrement, (size_t)one->count * sizeof *one->x);
    assert_memory_equal(one->of_rows, two->of_rows, 400 * sizeof *one->of_rows);
    for (int i = 0; i < 50; i++) { /* numbers may differ, places do not */
        assert_true(few->log_density[few->of_rows[i]] == one->log_density[one->of_rows[100 + i]]);
    }
    lk_modes_free(one);
    lk_modes_free(two);
    lk_modes_free(few);
    lk_model_free(model);
    lki_mixture_free(mix);
    lk_context_free(single);
    lk_context_free(pair);
}

/* Row i of a seed is the same draw in one call and in pieces, and so is what is told of the draws. */
static void samplers(void **state)
{
    enum { M = 2500, F = 2 };
    static double one[M * F], two[M * F];
    const char *const methods[] = {"mala", "heun"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        lki_stream s = gmm_stream(8320);
        lk_context *single = check_context(1), *pair = check_context(2);
        lki_mixture *mix = gmm_random_mixture(single, &s, "full", 3, F, 10, 2);
        lk_model *model = gmm_model_of(single, mix);
        lk_sampler_options options = {.size = sizeof options, .method = methods[i], .steps = 24, .seed = 3};
        lk_sampler *a = NULL, *b = NULL;
        lk_sampler_report told[2] = {{.size = sizeof *told}, {.size = sizeof *told}};
        check_ok(single, lk_sampler_new(single, model, &options, &a));
        check_ok(pair, lk_sampler_new(pair, model, &options, &b));
        check_ok(single, lk_sampler_rows(single, a, 0, M, one));
        check_ok(pair, lk_sampler_rows(pair, b, 0, 700, two));
        check_ok(pair, lk_sampler_rows(pair, b, 700, 1, two + 700 * F));
        check_ok(pair, lk_sampler_rows(pair, b, 701, M - 701, two + 701 * F));
        assert_memory_equal(one, two, sizeof one);
        lk_sampler_tell(a, &told[0]);
        lk_sampler_tell(b, &told[1]);
        assert_memory_equal(&told[0].step_size, &told[1].step_size,
                            sizeof told[0] - offsetof(lk_sampler_report, step_size));
        lk_sampler_free(a);
        lk_sampler_free(b);
        lk_model_free(model);
        lki_mixture_free(mix);
        lk_context_free(single);
        lk_context_free(pair);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(denoised), cmocka_unit_test(modes), cmocka_unit_test(samplers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
