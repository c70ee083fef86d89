/* Transport is the same bits on 1 and 2 threads, in one call and in pieces. */
#include "gmm_check.h"

enum { D = 2, ROWS = 2500 };

static const char a_json[] = "{\"weights\":[0.4,0.6],\"means\":[[0,0],[4,1]],\"covariances\":[[[1,0.1],[0.1,1]],[[2,0.3],[0.3,1]]]}";
static const char b_json[] = "{\"weights\":[0.5,0.5],\"means\":[[1,1],[-2,3]],\"covariances\":[[[1,0.1],[0.1,1]],[[0.3,0],[0,1]]]}";

static void bridges(void **state)
{
    enum { N = 2100 };
    static double rows[2 * N * 4];
    lk_model *model[2] = {NULL, NULL};
    lki_stream s = gmm_stream(9300);
    (void)state;
    for (int i = 0; i < 2 * N * 4; i++) {
        rows[i] = (i / 4 < N) == (i % 4 < 2) ? lki_random_normal(&s) + (i % 3) : (double)NAN;
    }
    for (int t = 0; t < 2; t++) {
        lk_context *ctx = check_context(t + 1);
        lk_table *table = gmm_table(ctx, rows, 2 * N, 4);
        lk_fit_options options = {.size = sizeof options, .settings = gmm_settings("components=3;max_iter=20"), .seed = 1};
        check_ok(ctx, lk_model_fit(ctx, "bridge", table, &options, &model[t]));
        check_ok(ctx, lk_model_save(ctx, model[t], t == 0 ? "one.lk" : "two.lk"));
        lk_table_free(table);
        lk_model_free(model[t]);
        lk_context_free(ctx);
    }
    assert_int_equal(system("cmp one.lk two.lk"), 0);
    remove("one.lk");
    remove("two.lk");
}

static void translators(void **state)
{
    static double x[ROWS * D], one[ROWS * D], two[ROWS * D];
    const lk_translate_options options[] = {{.size = sizeof *options, .method = "latent", .steps = 6, .seed = 2},
                                            {.size = sizeof *options, .method = "interpolant", .steps = 6, .seed = 2},
                                            {.size = sizeof *options, .method = "interpolant", .noise = 1, .steps = 6, .seed = 2}};
    (void)state;
    for (int i = 0; i < 3; i++) {
        lk_context *single = check_context(1), *pair = check_context(2);
        lk_model *a = gmm_build(single, a_json), *b = gmm_build(single, b_json);
        lk_translator *s = NULL, *p = NULL;
        check_ok(single, lk_model_sample(single, a, 1, 0, ROWS, x));
        check_ok(single, lk_translator_new(single, a, b, &options[i], &s));
        check_ok(pair, lk_translator_new(pair, a, b, &options[i], &p));
        check_ok(single, lk_translator_rows(single, s, x, 0, ROWS, one));
        check_ok(pair, lk_translator_rows(pair, p, x, 0, 1300, two));
        check_ok(pair, lk_translator_rows(pair, p, x + 1300 * D, 1300, 1, two + 1300 * D));
        check_ok(pair, lk_translator_rows(pair, p, x + 1301 * D, 1301, ROWS - 1301, two + 1301 * D));
        assert_memory_equal(one, two, sizeof one);
        lk_translate_report told[2] = {{.size = sizeof *told}, {.size = sizeof *told}};
        lk_translator_tell(s, &told[0]);
        lk_translator_tell(p, &told[1]);
        assert_true(told[0].cost == told[1].cost && told[0].rows == ROWS);
        lk_translator_free(s);
        lk_translator_free(p);
        lk_model_free(a);
        lk_model_free(b);
        lk_context_free(single);
        lk_context_free(pair);
    }
}

/* Tilts, pushes, diagnoses and energies: one thread and two. */
static void others(void **state)
{
    enum { N = 1500 };
    static double drawn[2][N * 3];
    static const char *const methods[] = {"exact", "resample", "smc", "tree", "moments"};
    static const char *const estimators[] = {"estimator=sliced", "estimator=likelihood;noise=3000", "estimator=nce;noise=3000"};
    (void)state;
    for (int m = 0; m < 7; m++) {
        memset(drawn, 0, sizeof drawn);
        for (int t = 0; t < 2; t++) {
            lk_context *ctx = check_context(t + 1);
            lk_model *a = gmm_build(ctx, a_json);
            if (m < 5) {
                lk_tilt *tilt = NULL;
                lk_tilt_options o = {.size = sizeof o, .reward = "-(x1 - x2)^2", .method = methods[m], .steps = 6, .seed = 2, .rollouts = 300};
                check_ok(ctx, lk_tilt_new(ctx, a, &o, &tilt));
                check_ok(ctx, lk_tilt_rows(ctx, tilt, N, drawn[t]));
                lk_tilt_free(tilt);
            } else if (m == 5) {
                lk_push *push = NULL;
                lk_push_options o = {.size = sizeof o, .dynamics = "x1' = x2\nx2' = -sin(x1)", .time = 1};
                check_ok(ctx, lk_push_new(ctx, a, &o, &push));
                check_ok(ctx, lk_push_rows(ctx, push, 0, 700, drawn[t]));
                check_ok(ctx, lk_push_rows(ctx, push, 700, N - 700, drawn[t] + 700 * 3));
                if (t == 1) { /* again in one call */
                    check_ok(ctx, lk_push_rows(ctx, push, 0, N, drawn[t]));
                }
                lk_push_free(push);
            } else {
                lk_diagnosis d = {.size = sizeof d};
                lk_diagnose_options o = {.size = sizeof o, .sigma = 0.5, .point_count = 200, .features = 10};
                check_ok(ctx, lk_model_diagnose(ctx, a, &o, &d));
                memcpy(drawn[t], &d, sizeof d);
                for (int e = 0; e < 3; e++) {
                    double x[200 * 2];
                    lk_model *energy = NULL;
                    check_ok(ctx, lk_model_sample(ctx, a, 1, 0, 200, x));
                    lk_table *table = gmm_table(ctx, x, 200, 2);
                    lk_fit_options options = {.size = sizeof options, .settings = gmm_settings(estimators[e]), .seed = 1};
                    check_ok(ctx, lk_model_fit(ctx, "energy", table, &options, &energy));
                    check_ok(ctx, lk_model_log_density(ctx, energy, x, 200, drawn[t] + 100 + 200 * e));
                    lk_model_free(energy);
                    lk_table_free(table);
                }
            }
            lk_model_free(a);
            lk_context_free(ctx);
        }
        assert_memory_equal(drawn[0], drawn[1], sizeof drawn[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(bridges), cmocka_unit_test(translators), cmocka_unit_test(others)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
