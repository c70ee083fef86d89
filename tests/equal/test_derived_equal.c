/* What follows from scores is the same bits on 1 and 2 threads, in pieces and alone. */
#include "gmm_check.h"

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
            check_ok(pair, lk_model_denoise(pair, model, sigma, x + first * D, rows, two[0] + first * D, two[1] + first * D));
        }
        assert_memory_equal(one, two, sizeof one);
        lk_model_free(model);
        lki_mixture_free(m);
        lk_context_free(single);
        lk_context_free(pair);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(denoised)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
