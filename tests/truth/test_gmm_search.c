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
        cmocka_unit_test(given_parameters_are_not_contradicted),
    };
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
