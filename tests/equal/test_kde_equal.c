/* A kernel density's fit and answers are the same bits on 1 and 3 threads, in pieces, and after a round trip through a file. */
#include "check.h"
#include "core/philox.h"

#include <likely/likely.h>

enum { N = 2600, D = 3, ASKED = 1500, WIDTH = 1 + D + D + 3 + D };

static double rows[N * D], asked[ASKED * D];

static void fill(void)
{
    lki_stream s = lki_stream_new(11, LKI_STREAM_TEST, 0);
    for (int64_t i = 0; i < N * D; i++) {
        rows[i] = lki_random_normal(&s) + (i / D % 2 == 0 ? 3.0 : 0.0);
    }
    for (int64_t i = 0; i < ASKED * D; i++) {
        asked[i] = i % 17 == 0 ? (double)NAN : 1.5 + 2.0 * lki_random_normal(&s);
    }
}

static void ask(lk_context *ctx, const lk_model *model, int64_t step, double *out)
{
    const int64_t target = 1;
    const double level = 0.3;
    for (int64_t first = 0; first < ASKED; first += step) {
        const int64_t count = step < ASKED - first ? step : ASKED - first;
        const double *x = asked + first * D;
        double *at = out;
        check_ok(ctx, lk_model_log_density(ctx, model, x, count, at + first));
        at += ASKED;
        check_ok(ctx, lk_model_score(ctx, model, x, count, at + first * D));
        at += ASKED * D;
        check_ok(ctx, lk_model_cdf(ctx, model, x, count, at + first * D));
        at += ASKED * D;
        check_ok(ctx, lk_model_predict(ctx, model, x, count, &target, 1, &level, 1, at + first * 3));
        at += ASKED * 3;
        check_ok(ctx, lk_model_sample(ctx, model, 5, first, count, at + first * D));
    }
}

static void test_bits(void **state)
{
    static double out[4][ASKED * WIDTH];
    (void)state;
    fill();
    for (int k = 0; k < 4; k++) {
        lk_context *ctx = check_context(k == 1 ? 3 : 1);
        const lk_setting settings[] = {{"bandwidth", "lcv"}, {"regression", "linear"}, {NULL, NULL}};
        const lk_fit_options options = {.size = sizeof options, .settings = settings};
        lk_table *table = NULL;
        lk_model *model = NULL;
        check_ok(ctx, lk_table_from_array(ctx, rows, 700, D, NULL, &table));
        check_ok(ctx, lk_model_fit(ctx, "kde", table, &options, &model));
        if (k == 3) {
            char path[] = "/tmp/likely-test-XXXXXX";
            const int file = mkstemp(path);
            assert_true(file >= 0);
            close(file);
            check_ok(ctx, lk_model_save(ctx, model, path));
            lk_model_free(model);
            check_ok(ctx, lk_model_load(ctx, path, &model));
            unlink(path);
        }
        ask(ctx, model, k == 2 ? 7 : ASKED, out[k]);
        lk_model_free(model);
        lk_table_free(table);
        lk_context_free(ctx);
    }
    for (int k = 1; k < 4; k++) {
        assert_memory_equal(out[0], out[k], sizeof out[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bits)};
    return cmocka_run_group_tests_name("kde_equal", tests, NULL, NULL);
}
