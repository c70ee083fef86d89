/* Answers of rows with missing values are the same bits on 1 and 2 threads, in pieces, alone, and however many patterns came before. */
#include "gmm_check.h"

enum { D = 12, K = 3, ROWS = 6000, DRAWS = 2, LEVELS = 2 };
enum { WIDTH = 1 + D + K + 2 * D + DRAWS * D + 2 * (2 + LEVELS) };
static double x[ROWS * D];
static const int64_t targets[2] = {7, 2};
static const double levels[LEVELS] = {0.1, 0.6};

/* Everything that is asked of `rows` rows from `first`, one part after the other, to answers of all rows at their places. */
static void ask(lk_context *ctx, const lk_model *model, int64_t first, int64_t rows, double *all)
{
    const double *from = x + first * D;
    double *at = all;
    check_ok(ctx, lk_model_log_density(ctx, model, from, rows, at + first));
    at += ROWS;
    check_ok(ctx, lk_model_score(ctx, model, from, rows, at + first * D));
    at += ROWS * D;
    check_ok(ctx, lk_model_responsibilities(ctx, model, from, rows, at + first * K));
    at += ROWS * K;
    check_ok(ctx, lk_model_impute(ctx, model, from, rows, at + first * D, at + (ROWS + first) * D));
    at += 2 * ROWS * D;
    check_ok(ctx, lk_model_impute_draws(ctx, model, from, rows, 3, first, DRAWS, at + first * DRAWS * D));
    at += ROWS * DRAWS * D;
    check_ok(ctx, lk_model_predict(ctx, model, from, rows, targets, 2, levels, LEVELS, at + first * 2 * (2 + LEVELS)));
}

static void pieces(void **state)
{
    static double one[ROWS * WIDTH], other[ROWS * WIDTH];
    (void)state;
    for (int f = 0; f < 4; f++) {
        lki_stream s = gmm_stream(8000 + (uint64_t)f);
        lk_context *single = check_context(1), *two = check_context(2);
        lki_mixture *m = gmm_random_mixture(single, &s, gmm_families[f], K, D, 10, 1);
        lk_model *model = gmm_model_of(single, m);
        check_ok(single, lk_model_sample(single, model, 1, 0, ROWS, x));
        for (int i = 0; i < ROWS * D; i++) { /* nearly all of 4096 patterns occur: more than are kept ready */
            x[i] = i / D % 10 != 0 && lki_random_uniform(&s) < 0.5 ? (double)NAN : x[i];
        }
        ask(single, model, 0, ROWS, one);
        for (int turn = 0; turn < 3; turn++) { /* threads take blocks in another order each time */
            ask(two, model, 0, ROWS, other);
            assert_memory_equal(one, other, sizeof one);
        }
        memset(other, 0, sizeof other);
        for (int64_t first = 0, rows = 1; first < ROWS; first += rows, rows = rows * 3 % 1501 + 1) {
            rows = rows < ROWS - first ? rows : ROWS - first;
            ask(two, model, first, rows, other);
        }
        assert_memory_equal(one, other, sizeof one);
        lk_model_free(model);
        lki_mixture_free(m);
        lk_context_free(single);
        lk_context_free(two);
    }
}

/* In place, and the first of more draws is the same draw. */
static void in_place(void **state)
{
    lk_context *ctx = *state;
    lki_stream s = gmm_stream(8100);
    lki_mixture *m = gmm_random_mixture(ctx, &s, "full", K, D, 10, 1);
    lk_model *model = gmm_model_of(ctx, m);
    static double mean[200 * D], copy[200 * D], few[200 * 2 * D], many[200 * 5 * D];
    check_ok(ctx, lk_model_impute(ctx, model, x, 200, mean, NULL));
    memcpy(copy, x, sizeof copy);
    check_ok(ctx, lk_model_impute(ctx, model, copy, 200, copy, NULL));
    assert_memory_equal(mean, copy, sizeof mean);
    check_ok(ctx, lk_model_impute_draws(ctx, model, x, 200, 1, 0, 2, few));
    check_ok(ctx, lk_model_impute_draws(ctx, model, x, 200, 1, 0, 5, many));
    for (int i = 0; i < 200; i++) {
        assert_memory_equal(few + i * 2 * D, many + i * 5 * D, 2 * D * sizeof *few);
    }
    lk_model_free(model);
    lki_mixture_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pieces), cmocka_unit_test(in_place)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
