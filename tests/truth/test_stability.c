/* Stability of a partition: agreement by its definition, groups that are there are recovered, groups that are not dissolve. */
#include "gmm_check.h"

#include "model/agreement.h"

/* Pairs of rows, one by one: the adjusted Rand index is (agreeing - expected) / (most - expected) over pairs within groups; the Jaccard
 * coefficients by counting rows. */
static void by_definition(void **state)
{
    (void)state;
    enum { N = 40, K = 3, L = 4 };
    for (uint64_t turn = 0; turn < 30; turn++) {
        lki_stream s = gmm_stream(9600 + turn);
        int a[N], b[N];
        double table[K * L] = {0}, jaccard[K], both = 0, in_a = 0, in_b = 0, pairs = 0;
        for (int i = 0; i < N; i++) {
            a[i] = (int)lki_random_below(&s, K);
            b[i] = turn % 2 == 0 && lki_random_uniform(&s) < 0.7 ? a[i] : (int)lki_random_below(&s, L);
            table[a[i] * L + b[i]] += 1;
        }
        for (int i = 0; i < N; i++) {
            for (int j = 0; j < i; j++) {
                pairs += 1;
                in_a += a[i] == a[j];
                in_b += b[i] == b[j];
                both += a[i] == a[j] && b[i] == b[j];
            }
        }
        check_near(lki_adjusted_rand(table, K, L), (both - in_a * in_b / pairs) / ((in_a + in_b) / 2 - in_a * in_b / pairs), 1e-12);
        lki_jaccard(table, K, L, jaccard);
        for (int k = 0; k < K; k++) {
            double best = 0;
            for (int l = 0; l < L; l++) {
                double shared = 0, either = 0;
                for (int i = 0; i < N; i++) {
                    shared += a[i] == k && b[i] == l;
                    either += a[i] == k || b[i] == l;
                }
                best = fmax(best, either > 0 ? shared / either : 0);
            }
            check_near(jaccard[k], best, 1e-12);
        }
    }
    const double same[4] = {5, 0, 0, 7}, one[1] = {9};
    check_near(lki_adjusted_rand(same, 2, 2), 1, 1e-15);
    check_near(lki_adjusted_rand(one, 1, 1), 1, 1e-15);
}

static lk_stability ask(lk_context *ctx, const lk_model *model, const lk_table *table, double share, int64_t draws)
{
    lk_stability out = {.size = sizeof out};
    const lk_stability_options options = {.size = sizeof options, .share = share, .draws = draws, .seed = 1};
    check_ok(ctx, lk_model_stability(ctx, model, table, &options, &out));
    assert_int_equal(out.used + out.left_out, draws);
    return out;
}

/* Two groups 8 standard deviations apart: a row in 15000 is on the wrong side, so that every fit gives the same partition. */
static void stable(void **state)
{
    lk_context *ctx = *state;
    lk_model *truth = gmm_build(ctx, "{\"weights\":[0.4,0.6],\"means\":[[0,0],[8,0]],\"covariances\":[[[1,0],[0,1]],[[1,0],[0,1]]]}");
    static double x[200 * 2];
    check_ok(ctx, lk_model_sample(ctx, truth, 3, 0, 200, x));
    lk_table *table = gmm_table(ctx, x, 200, 2);
    lk_model *model = gmm_fit(ctx, table, "components=1..3", NULL, NULL, NULL);
    assert_int_equal(lk_model_groups(model), 2);
    for (int part = 0; part < 2; part++) {
        lk_stability out = ask(ctx, model, table, part ? 0.5 : 0, 30);
        assert_true(out.rand_mean > 0.98 && out.rand_low > 0.95 && out.used == 30);
        check_near(out.groups[0].size + out.groups[1].size, 200, 1e-9);
        for (int k = 0; k < 2; k++) {
            assert_true(out.groups[k].jaccard > 0.98 && out.groups[k].recovered == 30 && out.groups[k].dissolved == 0);
        }
        lk_free(ctx, out.groups);
    }
    lk_model_free(truth);
    lk_model_free(model);
    lk_table_free(table);
}

/* Four groups asked of one Gaussian are not there: their borders move from fit to fit. */
static void unstable(void **state)
{
    lk_context *ctx = *state;
    static double x[200 * 2];
    lki_stream s = gmm_stream(9650);
    for (int i = 0; i < 400; i++) {
        x[i] = lki_random_normal(&s);
    }
    lk_table *table = gmm_table(ctx, x, 200, 2);
    lk_model *model = gmm_fit(ctx, table, "components=4;covariance=tied;restarts=4", NULL, NULL, NULL);
    lk_stability out = ask(ctx, model, table, 0, 30);
    int64_t dissolved = 0, recovered = 0;
    for (int k = 0; k < 4; k++) {
        dissolved += out.groups[k].dissolved;
        recovered += out.groups[k].recovered;
    }
    print_message("Rand %.3f, %lld dissolved, %lld recovered\n", out.rand_mean, (long long)dissolved, (long long)recovered);
    assert_true(out.rand_mean < 0.7 && out.rand_low < out.rand_median && out.rand_median < out.rand_high);
    assert_true(dissolved > 20 && dissolved > recovered / 2);
    lk_free(ctx, out.groups);
    lk_model_free(model);
    lk_table_free(table);
}

static void refused(void **state)
{
    lk_context *ctx = *state;
    const double x[] = {0, 1, 3, 4, 5, 9};
    lk_table *table = gmm_table(ctx, x, 6, 1);
    lk_model *one = gmm_build(ctx, "{\"weights\":[1],\"means\":[[4]],\"covariances\":[[[9]]],\"columns\":[\"x1\"]}");
    lk_stability out = {.size = sizeof out};
    lk_stability_options options = {.size = sizeof options, .share = 1};
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_stability(ctx, one, table, NULL, &out));
    check_contains(lk_error_message(ctx), "one group");
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_stability(ctx, one, table, &options, &out));
    check_contains(lk_error_message(ctx), "share is 1");
    assert_null(out.groups);
    lk_model_free(one);
    lk_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_definition), cmocka_unit_test(stable), cmocka_unit_test(unstable),
                                       cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
