/* Bootstrap intervals against closed forms of a mean and against the bootstrap of mclust. */
#include "gmm_check.h"

#include "model/replicate.h"

static lk_intervals ask(lk_context *ctx, const lk_model *model, const lk_table *table, lk_interval_method method, int64_t draws,
                        const char *weight)
{
    lk_intervals out = {.size = sizeof out};
    const lk_interval_options options = {.size = sizeof options, .method = method, .draws = draws, .seed = 1, .weight = weight};
    check_ok(ctx, lk_model_intervals(ctx, model, table, &options, &out));
    assert_int_equal(out.used + out.left_out, draws);
    return out;
}

/* Of one Gaussian the bootstrap's standard error of a mean is sqrt(C_jj / n) with rows drawn, and with random weights sqrt(C_jj / (n + 1)),
 * the variance of a Dirichlet(1, ..., 1) mean being C_jj / (n + 1) (Rubin 1981, Ann. Stat. 9:130-134); n is the sum of weights. The
 * standard deviation of B draws has a relative error of sqrt(1 / 2 B) about: at most 4.5 of them. */
static void means(void **state)
{
    lk_context *ctx = *state;
    enum { ROWS = 40, DRAWS = 4000 };
    for (int weighted = 0; weighted < 2; weighted++) {
        lki_stream s = gmm_stream(9400);
        double v[ROWS * 2], total = 0;
        for (int i = 0; i < ROWS; i++) {
            v[2 * i] = lki_random_normal(&s);
            v[2 * i + 1] = weighted ? (double)(i % 3) : 1;
            total += v[2 * i + 1];
        }
        lk_table *table = gmm_table(ctx, v, ROWS, 2);
        lk_model *model = gmm_fit(ctx, table, "components=1", "x1", "x2", NULL);
        const double variance = gmm_mixture(model)->covariances[0];
        for (int m = 0; m < 2; m++) {
            lk_intervals out = ask(ctx, model, table, m == 0 ? LK_INTERVALS_BOOTSTRAP : LK_INTERVALS_WEIGHTED, DRAWS, "x2");
            const double se = sqrt(variance / (total + (m == 1)));
            assert_string_equal(out.items[0].name, "mean");
            check_near(out.items[0].standard_error / se, 1, 4.5 * sqrt(0.5 / DRAWS));
            /* and quantiles near normal ones: the density there is .058, so that they have an error of .041 se, and of the law itself */
            check_near((out.items[0].upper - out.items[0].estimate) / se, 1.96, 0.3);
            check_near((out.items[0].lower - out.items[0].estimate) / se, -1.96, 0.3);
            lk_free(ctx, out.items);
        }
        lk_model_free(model);
        lk_table_free(table);
    }
}

/* MclustBootstrap of R package mclust 6.0.0 on faithful.csv, G = 2, VVV, set.seed(1): standard errors of 20000 draws (bs) and
 * 1999 (wlbs), largest component first. A standard deviation of B draws has a relative error near sqrt(1 / 2 B) for a normal law and up to
 * twice that for the variances; the sum of both sides' is at most .02 for bs and .025 for wlbs here, taken 4.5 times. */
static const double mclust_bs[] = {0.029066, 0.029066, 0.032419, 0.466871, 0.0290317, 0.5975687,
                                   0.019825, 0.271327, 4.357219, 0.0143954, 0.170324, 4.331978};
static const double mclust_wlbs[] = {0.0289151, 0.0289151, 0.0332787, 0.4753903, 0.0291095, 0.6089570,
                                     0.0204285, 0.2664189, 4.230632, 0.0143143, 0.1654091, 4.282845};

static void peer(void **state)
{
    lk_context *ctx = *state;
    lk_table *table = NULL;
    check_ok(ctx, lk_table_read(ctx, check_source("examples/data/faithful.csv"), NULL, &table));
    lk_model *model = gmm_fit(ctx, table, "components=2;tol=1e-10", NULL, NULL, NULL);
    const int first = gmm_mixture(model)->weights[0] > 0.5 ? 0 : 1;
    for (int m = 0; m < 2; m++) {
        lk_intervals out = ask(ctx, model, table, m == 0 ? LK_INTERVALS_BOOTSTRAP : LK_INTERVALS_WEIGHTED, 5000, NULL);
        assert_int_equal(out.count, 12);
        for (int64_t i = 0; i < out.count; i++) {
            /* weights 2, means 2 x 2, covariances 2 x 3: the peer's order within each component */
            const int64_t base = i < 2 ? 0 : i < 6 ? 2 : 6, per = i < 2 ? 1 : i < 6 ? 2 : 3;
            const int64_t k = (i - base) / per, place = base + (k == first ? 0 : per) + (i - base) % per;
            const double theirs = (m == 0 ? mclust_bs : mclust_wlbs)[place];
            check_near(out.items[i].standard_error / theirs, 1, 4.5 * (m == 0 ? 0.02 : 0.025));
        }
        lk_free(ctx, out.items);
    }
    lk_model_free(model);
    lk_table_free(table);
}

typedef struct switching {
    const lk_model *model;
    int64_t right, moved; /* groups matched to their own; groups that stand elsewhere in the fit */
} switching;

static lk_status compare_means(lk_context *ctx, void *state, const lki_replicate *r)
{
    switching *s = state;
    (void)ctx;
    for (int64_t k = 0; k < 3; k++) {
        const double gap = gmm_mixture(s->model)->means[k] - gmm_mixture(r->fit)->means[r->order[k]];
        __atomic_fetch_add(&s->right, fabs(gap) < 1, __ATOMIC_RELAXED);
        __atomic_fetch_add(&s->moved, r->order[k] != k, __ATOMIC_RELAXED);
    }
    return LK_OK;
}

/* Fits that are sought anew have their components in any order: each is matched to its own, means being 4 apart. */
static void matched(void **state)
{
    lk_context *ctx = *state;
    double x[300];
    lk_model *model = gmm_build(ctx, "{\"weights\":[0.5,0.3,0.2],\"means\":[[0],[4],[8]],\"covariances\":[[[1]],[[1]],[[1]]],"
                                     "\"columns\":[\"x1\"]}");
    check_ok(ctx, lk_model_sample(ctx, model, 5, 0, 300, x));
    lk_table *table = gmm_table(ctx, x, 300, 1);
    lki_rows rows = {0};
    lki_replicated counts;
    switching s = {.model = model};
    check_ok(ctx, lki_rows_open(ctx, model, table, NULL, &rows));
    const lki_replication replication = {.model = model, .rows = &rows, .refit = LKI_REFIT_SEARCH, .draws = 40, .stage = "test",
                                         .take = compare_means, .state = &s};
    check_ok(ctx, lki_replicate_fits(ctx, &replication, &counts));
    print_message("%lld fits, %lld groups elsewhere\n", (long long)counts.used, (long long)s.moved);
    assert_true(counts.used > 35 && s.right == 3 * counts.used && s.moved > 20);
    lki_rows_close(ctx, &rows);
    lk_model_free(model);
    lk_table_free(table);
}

/* Components of the model in another order: the same intervals in that order. */
static void reordered(void **state)
{
    lk_context *ctx = *state;
    static const char *const jsons[] = {
        "{\"weights\":[0.5,0.3,0.2],\"means\":[[0],[4],[8]],\"covariances\":[[[1]],[[1]],[[1]]],\"columns\":[\"x1\"]}",
        "{\"weights\":[0.2,0.5,0.3],\"means\":[[8],[0],[4]],\"covariances\":[[[1]],[[1]],[[1]]],\"columns\":[\"x1\"]}"};
    static const int64_t order[3] = {1, 2, 0};
    double x[300];
    lk_model *models[2] = {gmm_build(ctx, jsons[0]), gmm_build(ctx, jsons[1])};
    check_ok(ctx, lk_model_sample(ctx, models[0], 5, 0, 300, x));
    lk_table *table = gmm_table(ctx, x, 300, 1);
    lk_intervals out[2] = {ask(ctx, models[0], table, LK_INTERVALS_BOOTSTRAP, 200, NULL),
                           ask(ctx, models[1], table, LK_INTERVALS_BOOTSTRAP, 200, NULL)};
    for (int64_t i = 0; i < 9; i++) {
        const lk_interval *a = &out[0].items[i], *b = &out[1].items[i / 3 * 3 + order[i % 3]];
        check_near(a->standard_error / b->standard_error, 1, 1e-3); /* the fits stop at other digits */
    }
    check_near(out[0].items[3].standard_error, 0.09, 0.03); /* near 1 / sqrt(150): modes 4 apart are told from each other */
    for (int m = 0; m < 2; m++) {
        lk_free(ctx, out[m].items);
        lk_model_free(models[m]);
    }
    lk_table_free(table);
}

/* Two rows cannot hold two components; weights must count rows. */
static void refused(void **state)
{
    lk_context *ctx = *state;
    const double few[] = {0, 5}, light[] = {0, 0.1, 1, 0.1, 5, 0.2, 6, 0.1};
    lk_model *model = gmm_build(ctx, "{\"weights\":[0.5,0.5],\"means\":[[0],[5]],\"covariances\":[[[1]],[[1]]],\"columns\":[\"x1\"]}");
    lk_table *table = gmm_table(ctx, few, 2, 1), *weights = gmm_table(ctx, light, 4, 2);
    lk_intervals out = {.size = sizeof out};
    lk_interval_options options = {.size = sizeof options, .method = LK_INTERVALS_BOOTSTRAP, .draws = 1};
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_intervals(ctx, model, table, &options, &out));
    options.draws = 20;
    options.seed = -1;
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_intervals(ctx, model, table, &options, &out));
    options.seed = 0;
    check_status(ctx, LK_ERROR_NUMERIC, lk_model_intervals(ctx, model, table, &options, &out));
    check_contains(lk_error_message(ctx), "of 20 fits are degenerate");
    options.weight = "x2";
    check_status(ctx, LK_ERROR_DATA, lk_model_intervals(ctx, model, weights, &options, &out));
    check_contains(lk_error_message(ctx), "the weights sum to 0.5");
    assert_null(out.items);
    lk_model_free(model);
    lk_table_free(table);
    lk_table_free(weights);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(means), cmocka_unit_test(peer), cmocka_unit_test(matched), cmocka_unit_test(reordered),
                                       cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
