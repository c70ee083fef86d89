/* What the search over starts tells of itself, on rows whose optima are known. */
#include "gmm_check.h"

static int64_t search_count(lk_context *ctx, const lk_model *model, const char *key)
{
    json_t *info = gmm_info(ctx, model);
    const json_t *value = json_object_get(json_object_get(info, "search"), key);
    assert_true(json_is_integer(value));
    const int64_t count = json_integer_value(value);
    json_decref(info);
    return count;
}

/* Two groups thirty standard deviations apart have one optimum that EM finds from any two rows of different groups; k-means++ always
 * begins with such rows. With tol = 0 every run goes to its end. */
static void every_start_counts(void **state)
{
    lk_context *ctx = *state;
    lki_stream s = gmm_stream(301);
    enum { N = 200 };
    double x[N * 2];
    for (int i = 0; i < N; i++) {
        x[2 * i] = lki_random_normal(&s) + (i % 2 == 0 ? 0 : 30);
        x[2 * i + 1] = lki_random_normal(&s);
    }
    lk_table *table = gmm_table(ctx, x, N, 2);
    lk_model *model = gmm_fit(ctx, table, "components=2;restarts=4;tol=0;max_iter=60", NULL, NULL, NULL);
    assert_int_equal(search_count(ctx, model, "starts"), 4);
    assert_int_equal(search_count(ctx, model, "finished"), 4);
    assert_int_equal(search_count(ctx, model, "reached"), 4);
    lk_model_free(model);
    model = gmm_fit(ctx, table, "components=1", NULL, NULL, NULL);
    assert_int_equal(search_count(ctx, model, "starts"), 1);
    assert_int_equal(search_count(ctx, model, "reached"), 1);
    lk_model_free(model);
    model = gmm_fit(ctx, table, "components=2", NULL, NULL, NULL); /* 20 by default, and a tree of each kind */
    assert_int_equal(search_count(ctx, model, "starts"), 23);
    assert_int_equal(search_count(ctx, model, "finished"), 6); /* a quarter of the former and the best tree */
    assert_int_equal(search_count(ctx, model, "reached"), 6);
    lk_model_free(model);
    lk_table_free(table);
}

/* Three pairs of groups: with three components some random starts put two of them on one pair, an optimum of its own far below. */
static void other_optima_do_not_count(void **state)
{
    lk_context *ctx = *state;
    lki_stream s = gmm_stream(302);
    enum { N = 300 };
    double x[N];
    for (int i = 0; i < N; i++) {
        x[i] = 0.3 * lki_random_normal(&s) + 40 * (i % 3) + (i % 2 == 0 ? 0 : 4);
    }
    lk_table *table = gmm_table(ctx, x, N, 1);
    lk_model *model = gmm_fit(ctx, table, "components=3;init=random;restarts=12;tol=0;max_iter=300", NULL, NULL, NULL);
    const int64_t reached = search_count(ctx, model, "reached");
    assert_int_equal(search_count(ctx, model, "finished"), 12);
    assert_true(reached >= 1 && reached < 12);
    lk_model_free(model);
    lk_table_free(table);
}

/* ---- a partition ---- */

static lk_status partition_try(lk_context *ctx, const lk_table *table, const char *settings, const char *partition, const char *weight,
                               lk_model **out)
{
    const lk_roles roles = {.size = sizeof roles, .partition = partition, .weight = weight};
    const lk_fit_options options = {.size = sizeof options, .settings = gmm_settings(settings), .roles = &roles};
    return lk_model_fit(ctx, "gmm", table, &options, out);
}

/* Without iterations the model is the weighted moments of the groups; numbers need not be consecutive, rows without one take no part. */
static void partition_by_hand(void **state)
{
    lk_context *ctx = *state;
    enum { N = 90 };
    double x[N * 4];
    lki_stream s = gmm_stream(310);
    static const double names[3] = {-3, 0, 12};
    for (int i = 0; i < N; i++) {
        x[4 * i] = lki_random_normal(&s) + i % 3;
        x[4 * i + 1] = 100 + 20 * lki_random_normal(&s);
        x[4 * i + 2] = i % 10 == 9 ? (double)NAN : names[i * 7 % 3];
        x[4 * i + 3] = 1 + i % 2;
    }
    lk_table *table = gmm_table(ctx, x, N, 4);
    for (int weighted = 0; weighted < 2; weighted++) {
        lk_model *model = NULL;
        lk_roles roles = {.size = sizeof roles, .features = "x1,x2", .partition = "x3", .weight = weighted ? "x4" : NULL};
        const lk_fit_options options = {.size = sizeof options, .settings = gmm_settings("max_iter=0"), .roles = &roles};
        check_ok(ctx, lk_model_fit(ctx, "gmm", table, &options, &model));
        const lki_mixture *m = gmm_mixture(model);
        assert_int_equal(m->K, 3);
        double all = 0, sum[3] = {0}, mean[3][2] = {{0}}, C[3][4] = {{0}};
        for (int pass = 0; pass < 2; pass++) {
            for (int i = 0; i < N; i++) {
                const int k = i * 7 % 3;
                const double w = weighted ? x[4 * i + 3] : 1;
                if (isnan(x[4 * i + 2])) {
                    continue;
                }
                for (int a = 0; a < 2; a++) {
                    for (int b = 0; pass == 1 && b < 2; b++) {
                        C[k][2 * a + b] += w * (x[4 * i + a] - mean[k][a]) * (x[4 * i + b] - mean[k][b]) / sum[k];
                    }
                    mean[k][a] += pass == 0 ? w * x[4 * i + a] : 0;
                }
                sum[k] += pass == 0 ? w : 0;
                all += pass == 0 ? w : 0;
            }
            for (int k = 0; pass == 0 && k < 3; k++) {
                mean[k][0] /= sum[k];
                mean[k][1] /= sum[k];
            }
        }
        for (int k = 0; k < 3; k++) {
            check_near(m->weights[k], sum[k] / all, 1e-14);
            for (int a = 0; a < 2; a++) {
                check_near(m->means[2 * k + a], mean[k][a], 1e-11);
            }
            for (int i = 0; i < 4; i++) {
                check_near(m->covariances[4 * k + i], C[k][i], 1e-10 * fabs(C[k][3]));
            }
        }
        lk_model_free(model);
    }
    lk_table_free(table);
}

/* iris from its species: mclust 6.0.0 (R 4.2.2), me(iris[, 1:4], modelName, unmap(Species), control = emControl(tol = 1e-12)). */
static void partition_as_mclust(void **state)
{
    lk_context *ctx = *state;
    static const struct {
        const char *family;
        double log_likelihood;
    } peers[] = {{"VVV", -180.185477131}, {"EEE", -256.354043126}, {"VVI", -306.860460508}, {"VEV", -186.073283404}};
    lk_table *table = NULL;
    check_ok(ctx, lk_table_read(ctx, check_source("examples/data/iris.csv"), NULL, &table));
    for (size_t i = 0; i < sizeof peers / sizeof *peers; i++) {
        char settings[100];
        lk_model *model = NULL;
        snprintf(settings, sizeof settings, "tol=1e-12;max_iter=100000;covariance=%s", peers[i].family);
        check_ok(ctx, partition_try(ctx, table, settings, "Species", NULL, &model));
        assert_int_equal(lk_model_dimension(model), 4);
        assert_int_equal(lk_model_groups(model), 3);
        assert_int_equal(search_count(ctx, model, "starts"), 1);
        check_near(gmm_number(ctx, model, "log_likelihood"), peers[i].log_likelihood, 1e-6);
        lk_model_free(model);
    }
    lk_table_free(table);
}

/* With noise the rows without a group begin as noise; beyond 20000 rows the first step is of a sample. */
static void partition_with_noise_and_many_rows(void **state)
{
    lk_context *ctx = *state;
    enum { N = 30000 };
    double *x = malloc(N * 2 * sizeof *x);
    assert_non_null(x);
    lki_stream s = gmm_stream(311);
    for (int i = 0; i < N; i++) {
        const int group = i % 4;
        x[2 * i] = group == 3 ? 40 * lki_random_uniform(&s) - 20 : lki_random_normal(&s) + 8 * (group - 1);
        x[2 * i + 1] = group == 3 ? (double)NAN : group;
    }
    lk_table *table = gmm_table(ctx, x, N, 2);
    lk_model *model = NULL;
    check_ok(ctx, partition_try(ctx, table, "noise=true", "x2", NULL, &model));
    const lki_mixture *m = gmm_mixture(model);
    check_near(*m->uniform, 0.25, 0.02); /* five standard errors of a share, and more for the overlap */
    for (int k = 0; k < 3; k++) {
        check_near(m->means[k], 8.0 * (k - 1), 0.1);
        check_near(m->weights[k], 0.25, 0.02);
    }
    lk_model_free(model);
    lk_table_free(table);
    free(x);
}

static void partition_refusals(void **state)
{
    lk_context *ctx = *state;
    static const double x[] = {0, 1, 0.5, 1, 2, 1, 2, 2, 1.5, 3, 4, 2, 5, 5, 2.5, 6, 6, 1, 7, 8, 1};
    lk_table *table = gmm_table(ctx, x, 7, 3);
    lk_model *model = NULL, *start = gmm_fit(ctx, table, "components=1", "x1,x2", NULL, NULL);
    check_status(ctx, LK_ERROR_DATA, partition_try(ctx, table, "", "x3", NULL, &model));
    check_contains(lk_error_message(ctx), "row 1 of column 'x3' is 0.5");
    check_status(ctx, LK_ERROR_ARGUMENT, partition_try(ctx, table, "components=2", "x1", NULL, &model));
    check_contains(lk_error_message(ctx), "into 7 groups");
    check_status(ctx, LK_ERROR_ARGUMENT, partition_try(ctx, table, "init=random", "x1", NULL, &model));
    check_contains(lk_error_message(ctx), "leave out --init");
    check_status(ctx, LK_ERROR_ARGUMENT, partition_try(ctx, table, "restarts=3", "x1", NULL, &model));
    check_status(ctx, LK_ERROR_ARGUMENT, partition_try(ctx, table, "", "x9", NULL, &model));
    lk_roles roles = {.size = sizeof roles, .features = "x1,x2", .partition = "x3"};
    lk_fit_options options = {.size = sizeof options, .roles = &roles, .start = start};
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_fit(ctx, "gmm", table, &options, &model));
    check_contains(lk_error_message(ctx), "leave out --start");
    roles.label = "x1";
    roles.features = "x2";
    options.start = NULL;
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_fit(ctx, "gmm", table, &options, &model));
    check_contains(lk_error_message(ctx), "give one of them");
    lk_model_free(start);
    lk_table_free(table);
}

/* ---- split-and-merge moves ---- */

enum { GRID_N = 900 };

/* Nine round groups, six standard deviations apart on a grid, whose best optimum is where EM goes from the true parameters. */
static lk_table *grid(lk_context *ctx, double *best)
{
    static double x[GRID_N * 2];
    lki_stream s = gmm_stream(303);
    char json[2000] = "{\"weights\":[", *at = json + strlen(json);
    for (int k = 0; k < 9; k++) {
        at += sprintf(at, "%s%.17g", k > 0 ? "," : "", 1.0 / 9);
    }
    at += sprintf(at, "],\"covariances\":[");
    for (int k = 0; k < 9; k++) {
        at += sprintf(at, "%s[[1,0],[0,1]]", k > 0 ? "," : "");
    }
    at += sprintf(at, "],\"means\":[");
    for (int k = 0; k < 9; k++) {
        at += sprintf(at, "%s[%d,%d]", k > 0 ? "," : "", 6 * (k % 3), 6 * (k / 3));
    }
    sprintf(at, "]}");
    for (int i = 0; i < GRID_N; i++) {
        x[2 * i] = lki_random_normal(&s) + 6 * (i % 3);
        x[2 * i + 1] = lki_random_normal(&s) + 6 * (i / 3 % 3);
    }
    lk_table *table = gmm_table(ctx, x, GRID_N, 2);
    lk_model *start = gmm_build(ctx, json), *model = gmm_fit(ctx, table, "tol=1e-9", NULL, NULL, start);
    *best = gmm_number(ctx, model, "log_likelihood");
    lk_model_free(start);
    lk_model_free(model);
    return table;
}

/* One random start stays in a poor optimum for some seeds; moves bring all of them to the best one, and none lower. */
static void moves_reach_the_best_optimum(void **state)
{
    lk_context *ctx = *state;
    double best;
    lk_table *table = grid(ctx, &best);
    int poor = 0;
    for (int seed = 1; seed <= 10; seed++) {
        lk_fit_options options = {.size = sizeof options, .seed = seed};
        lk_model *plain = NULL, *moved = NULL;
        options.settings = gmm_settings("components=9;init=random;restarts=1");
        check_ok(ctx, lk_model_fit(ctx, "gmm", table, &options, &plain));
        options.settings = gmm_settings("components=9;init=random;restarts=1;moves=10");
        check_ok(ctx, lk_model_fit(ctx, "gmm", table, &options, &moved));
        const double before = gmm_number(ctx, plain, "log_likelihood"), after = gmm_number(ctx, moved, "log_likelihood");
        json_t *info = gmm_info(ctx, moved);
        const json_t *moves = json_object_get(json_object_get(info, "search"), "moves");
        const int64_t accepted = json_integer_value(json_object_get(moves, "accepted"));
        assert_true(json_integer_value(json_object_get(moves, "tried")) >= accepted);
        assert_true(json_is_null(json_object_get(info, "degenerate")));
        print_message("seed %d: %.4f, after %d moves %.4f (best %.4f)\n", seed, before, (int)accepted, after, best);
        assert_true(before <= best + 1e-3 || accepted == 0);
        check_near(after, best, 2e-3); /* some 1e-7 (1 + |L|), as EM stops, on both sides */
        assert_true(accepted > 0 || after == before);
        poor += before < best - 10;
        json_decref(info);
        lk_model_free(plain);
        lk_model_free(moved);
    }
    assert_true(poor >= 3); /* else this would show nothing */
    lk_table_free(table);
}

/* Of every family, with a prior, noise and missing values: never lower, never degenerate where the fit was not. */
static void moves_never_lower(void **state)
{
    lk_context *ctx = *state;
    lki_stream s = gmm_stream(304);
    static const char *const settings[] = {"covariance=EII", "covariance=VEI", "covariance=EVI", "covariance=VVI", "covariance=EEE",
                                           "covariance=VEE", "covariance=EVE", "covariance=EEV", "covariance=VEV", "covariance=EVV",
                                           "covariance=VVE", "prior=normal_wishart", "noise=true", "noise=true;covariance=tied"};
    double *x = gmm_random_rows(&s, 240, 3, 5, 2);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        char text[200];
        x[3 * i + i % 3] = (double)NAN;
        lk_table *table = gmm_table(ctx, x, 240, 3);
        snprintf(text, sizeof text, "components=5;init=random;restarts=1;%s", settings[i]);
        lk_model *plain = gmm_fit(ctx, table, text, NULL, NULL, NULL);
        strcat(text, ";moves=3");
        lk_model *moved = gmm_fit(ctx, table, text, NULL, NULL, NULL);
        json_t *info = gmm_info(ctx, moved);
        const int accepted = json_integer_value(json_object_get(json_object_get(json_object_get(info, "search"), "moves"), "accepted")) > 0;
        const double before = gmm_number(ctx, plain, "log_likelihood"), after = gmm_number(ctx, moved, "log_likelihood");
        if (lk_model_trusted(plain) != 0) { /* a prior's objective is not the likelihood */
            assert_true(after >= before || strstr(settings[i], "prior") != NULL);
            assert_true(json_is_null(json_object_get(info, "degenerate")));
        }
        assert_true(accepted || after == before);
        gmm_assert_finite(moved);
        json_decref(info);
        lk_model_free(plain);
        lk_model_free(moved);
        lk_table_free(table);
    }
    free(x);
}

static void moves_need_three_components(void **state)
{
    lk_context *ctx = *state;
    double best;
    lk_table *table = grid(ctx, &best);
    lk_model *two = gmm_fit(ctx, table, "components=2;moves=5;restarts=1", NULL, NULL, NULL), *other = NULL;
    json_t *info = gmm_info(ctx, two);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json_object_get(info, "search"), "moves"), "tried")), 0);
    check_status(ctx, LK_ERROR_ARGUMENT, gmm_try(ctx, table, "moves=2", NULL, NULL, two, &other));
    check_contains(lk_error_message(ctx), "leave out --moves or --start");
    json_decref(info);
    lk_model_free(two);
    lk_table_free(table);
}

/* What a file of parameters says may be repeated in settings, not contradicted; settings of a fit have no say. */
static void given_parameters_are_not_contradicted(void **state)
{
    lk_context *ctx = *state;
    static const struct {
        const char *name, *value, *text;
    } cases[] = {
        {"components", "2", NULL},       {"components", "1..9", NULL}, {"covariance", "spherical", NULL}, {"covariance", "all", NULL},
        {"components", "3..4", "3..4"},  {"covariance", "full", "spherical"}, {"restarts", "3", "restarts"}, {"prior", "none", "prior"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const lk_setting settings[] = {{cases[i].name, cases[i].value}, {NULL, NULL}};
        lk_model *model = NULL;
        const lk_status status = lk_model_build(
            ctx, "gmm", "{\"weights\":[0.5,0.5],\"means\":[[0,1],[1,0]],\"covariances\":[1,2]}", settings, &model);
        assert_int_equal(status, cases[i].text == NULL ? LK_OK : LK_ERROR_ARGUMENT);
        if (cases[i].text != NULL) {
            check_contains(lk_error_message(ctx), cases[i].text);
        }
        lk_model_free(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_start_counts),
        cmocka_unit_test(other_optima_do_not_count),
        cmocka_unit_test(partition_by_hand),
        cmocka_unit_test(partition_as_mclust),
        cmocka_unit_test(partition_with_noise_and_many_rows),
        cmocka_unit_test(partition_refusals),
        cmocka_unit_test(moves_reach_the_best_optimum),
        cmocka_unit_test(moves_never_lower),
        cmocka_unit_test(moves_need_three_components),
        cmocka_unit_test(given_parameters_are_not_contradicted),
    };
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
