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
        cmocka_unit_test(moves_reach_the_best_optimum),
        cmocka_unit_test(moves_never_lower),
        cmocka_unit_test(moves_need_three_components),
        cmocka_unit_test(given_parameters_are_not_contradicted),
    };
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
