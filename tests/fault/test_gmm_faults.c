/* The mixture under failing memory, data that no mixture fits, malformed parameters and a caller that cancels. */
#include "gmm_check.h"

/* ---- memory ---- */

static check_memory memory;

static lk_context *failing_context(int threads)
{
    lk_allocator allocator = check_allocator(&memory);
    lk_context_options options = {.size = sizeof options, .allocator = &allocator, .threads = threads};
    lk_context *ctx = NULL;
    assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
    return ctx;
}

typedef struct job {
    const lk_table *table;
    const char *settings, *json, *path;
    const char *weight;
} job;

static lk_status do_fit(lk_context *ctx, const job *j)
{
    lk_model *model = NULL;
    lk_status status = gmm_try(ctx, j->table, j->settings, j->weight != NULL ? "x1,x2" : NULL, j->weight, NULL, &model);
    assert_int_equal(status == LK_OK, model != NULL);
    lk_model_free(model);
    return status;
}

static lk_status do_partition_fit(lk_context *ctx, const job *j)
{
    const lk_roles roles = {.size = sizeof roles, .partition = "x3"};
    const lk_fit_options options = {.size = sizeof options, .settings = gmm_settings(j->settings), .roles = &roles};
    lk_model *model = NULL;
    lk_status status = lk_model_fit(ctx, "gmm", j->table, &options, &model);
    lk_model_free(model);
    return status;
}

static lk_status do_warm_fit(lk_context *ctx, const job *j)
{
    lk_model *start = NULL, *model = NULL;
    lk_status status = lk_model_build(ctx, "gmm", j->json, NULL, &start);
    if (status == LK_OK) {
        status = gmm_try(ctx, j->table, j->settings, NULL, NULL, start, &model);
    }
    lk_model_free(start);
    lk_model_free(model);
    return status;
}

static lk_status do_build(lk_context *ctx, const job *j)
{
    const int64_t features[1] = {1};
    lk_model *model = NULL, *marginal = NULL;
    lk_status status = lk_model_build(ctx, "gmm", j->json, NULL, &model);
    if (status == LK_OK) {
        status = lk_model_marginal(ctx, model, features, 1, &marginal);
    }
    lk_model_free(model);
    lk_model_free(marginal);
    return status;
}

static lk_status do_load(lk_context *ctx, const job *j)
{
    lk_model *model = NULL;
    lk_status status = lk_model_load(ctx, j->path, &model);
    lk_model_free(model);
    return status;
}

static lk_status do_ask(lk_context *ctx, const job *j)
{
    lk_model *model = NULL;
    const double x[4] = {0.1, 0.2, 1, 2};
    double out[16];
    char *text = NULL;
    lk_status status = lk_model_load(ctx, j->path, &model);
    status = status == LK_OK ? lk_model_log_density(ctx, model, x, 2, out) : status;
    status = status == LK_OK ? lk_model_responsibilities(ctx, model, x, 2, out) : status;
    status = status == LK_OK ? lk_model_score(ctx, model, x, 2, out) : status;
    status = status == LK_OK ? lk_model_cdf(ctx, model, x, 2, out) : status;
    status = status == LK_OK ? lk_model_sample(ctx, model, 1, 0, 2, out) : status;
    status = status == LK_OK ? lk_model_info(ctx, model, &text) : status;
    lk_free(ctx, text);
    lk_model_free(model);
    return status;
}

/* Every allocation of the work fails once in turn: LK_ERROR_MEMORY, nothing left behind. Returns how often. A few failures are made
 * up for by slower ways with less memory; those give LK_OK. */
static long each_fails_once(lk_status (*work)(lk_context *, const job *), const job *j, int threads)
{
    long fail_at = 1, made_up_for = 0;
    for (;; fail_at++) {
        memory = (check_memory){0};
        lk_context *ctx = failing_context(threads);
        memory.calls = 0;
        memory.fail_at = fail_at;
        const lk_status status = work(ctx, j);
        const int failed = memory.calls >= fail_at;
        made_up_for += failed && status == LK_OK;
        if (status != LK_OK && (status != LK_ERROR_MEMORY || !failed)) {
            fail_msg("allocation %ld of %ld: %s (%s)", fail_at, memory.calls, lk_status_name(status), lk_error_message(ctx));
        }
        if (status != LK_OK) {
            assert_true(strlen(lk_error_message(ctx)) > 0);
        }
        memory.fail_at = 0;
        lk_context_free(ctx);
        if (memory.live != 0) {
            fail_msg("allocation %ld fails: %ld blocks leak", fail_at, memory.live);
        }
        if (!failed) {
            assert_true(made_up_for * 5 <= fail_at);
            return fail_at - 1 - made_up_for;
        }
    }
}

static const char build_json[] = "{\"weights\":[0.4,0.6],\"means\":[[0,0],[2,1]],"
                                 "\"covariances\":[[[1,0.1],[0.1,1]],[[2,0],[0,1]]],\"columns\":[\"x1\",\"x2\"]}";

static const char noisy_json[] = "{\"weights\":[0.4,0.5],\"means\":[[0,0],[2,1]],\"covariances\":[1,2],\"columns\":[\"x1\",\"x2\"],"
                                 "\"noise\":{\"weight\":0.1,\"low\":[-5,-5],\"high\":[6,7]}}";

static void fit_memory(void **state)
{
    lk_context *ctx = *state;
    lki_stream s = gmm_stream(1);
    double *x = gmm_random_rows(&s, 60, 2, 2, 3), weighted[60 * 3];
    for (int i = 0; i < 60; i++) {
        weighted[3 * i] = x[2 * i];
        weighted[3 * i + 1] = x[2 * i + 1];
        weighted[3 * i + 2] = i % 4;
    }
    lk_table *table = gmm_table(ctx, x, 60, 2), *with = gmm_table(ctx, weighted, 60, 3);
    const char *const settings[] = {
        "components=1",
        "components=2;restarts=2;tol=1e-3",
        "components=1..3;restarts=1;tol=1e-2;covariance=full,tied,diag,spherical",
        "components=1..2;restarts=2;tol=1e-2;criterion=held-out;prior=normal_wishart",
        "components=3;restarts=1;tol=0;max_iter=2;init=random",
        "components=2;tol=1e-1;max_iter=3;init=hierarchical;covariance=VEI,EVI,VEE,EVE,VVE,EEV,VEV,EVV,EII,EEI",
        "components=3;tol=1e-1;max_iter=2;covariance=full",
        "components=2;tol=1e-1;max_iter=2;noise=true;covariance=full,tied",
        "components=4;tol=1e-1;max_iter=2;moves=2;restarts=1;init=random",
        "components=2;tol=1e-1;max_iter=2;noise=true;restarts=3;criterion=held-out",
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        const job plain = {.table = table, .settings = settings[i]}, weights = {.table = with, .settings = settings[i], .weight = "x3"};
        assert_true(each_fails_once(do_fit, &plain, 1) > 20);
        if (i == 1) {
            each_fails_once(do_fit, &plain, 2);
            each_fails_once(do_fit, &weights, 1);
        }
    }
    const job warm = {.table = table, .settings = "max_iter=3;tol=0;freeze=means", .json = build_json};
    assert_true(each_fails_once(do_warm_fit, &warm, 1) > 10);
    const job parted = {.table = with, .settings = "max_iter=2;tol=1e-1;criterion=held-out"};
    assert_true(each_fails_once(do_partition_fit, &parted, 1) > 10);
    const job noisy = {.table = table, .settings = "max_iter=3;tol=0", .json = noisy_json};
    assert_true(each_fails_once(do_warm_fit, &noisy, 1) > 10);
    lk_table_free(table);
    lk_table_free(with);
    free(x);
}

static void model_memory(void **state)
{
    lk_context *ctx = *state;
    char path[64];
    snprintf(path, sizeof path, "/tmp/likely_gmm_faults_%ld.lk", (long)getpid());
    for (int noisy = 0; noisy < 2; noisy++) {
        const job j = {.json = noisy ? noisy_json : build_json, .path = path};
        lk_model *model = gmm_build(ctx, j.json);
        check_ok(ctx, lk_model_save(ctx, model, path));
        lk_model_free(model);
        assert_true(each_fails_once(do_build, &j, 1) > 5);
        assert_true(each_fails_once(do_load, &j, 1) > 5);
        assert_true(each_fails_once(do_ask, &j, 1) > 8);
    }
    remove(path);
}

/* ---- jansson's memory, which is not the context's ---- */

static check_memory json_memory;

static void *json_allocate(size_t bytes)
{
    return check_allocate(&json_memory, bytes);
}

static void json_release(void *block)
{
    check_release(&json_memory, block);
}

static void json_texts_without_memory(void **state)
{
    lk_context *ctx = *state;
    lki_stream s = gmm_stream(2);
    double *x = gmm_random_rows(&s, 40, 2, 2, 3);
    lk_table *table = gmm_table(ctx, x, 40, 2);
    json_set_alloc_funcs(json_allocate, json_release);
    for (long fail_at = 1;; fail_at++) {
        lk_model *model = NULL, *built = NULL;
        char *text = NULL;
        json_memory = (check_memory){.fail_at = fail_at};
        lk_status status = gmm_try(ctx, table, "components=1..2;restarts=1;tol=1e-2;criterion=held-out", NULL, NULL, NULL, &model);
        status = status == LK_OK ? lk_model_info(ctx, model, &text) : status;
        status = status == LK_OK ? lk_model_build(ctx, "gmm", build_json, NULL, &built) : status;
        const int failed = json_memory.calls >= fail_at;
        if (status != (failed ? LK_ERROR_MEMORY : LK_OK)) {
            fail_msg("JSON allocation %ld: %s (%s)", fail_at, lk_status_name(status), lk_error_message(ctx));
        }
        lk_free(ctx, text);
        lk_model_free(model);
        lk_model_free(built);
        assert_int_equal(json_memory.live, 0);
        if (!failed) {
            assert_true(fail_at > 30);
            break;
        }
    }
    json_set_alloc_funcs(malloc, free);
    lk_table_free(table);
    free(x);
}

/* ---- degenerate data ---- */

typedef enum data_case {
    CONSTANT_COLUMN, CONSTANT_LARGE, CONSTANT_TENTH, DUPLICATE_COLUMN, ALL_EQUAL, ALL_ZERO, TWO_VALUES, HUGE, TINY, OFFSET, SUBNORMAL,
    ONE_OUTLIER, MIXED_SCALES, INTEGERS, LARGEST, DATA_CASES
} data_case;

static const char *const case_names[] = {"constant column", "constant 1e200", "constant 0.1", "duplicate column", "all equal", "all zero",
                                         "two values", "1e300", "1e-300", "1e8 + noise", "subnormal", "one outlier", "mixed scales",
                                         "integers", "largest numbers"};

static void fill(lki_stream *s, data_case which, int64_t rows, int64_t d, double *x)
{
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < d; j++) {
            double v = lki_random_normal(s) + (i % 2 == 0 ? 3 : -3);
            switch (which) {
            case CONSTANT_COLUMN: v = j == 0 ? 5 : v; break;
            case CONSTANT_LARGE: v = j == 0 ? 1e200 : v; break;
            case CONSTANT_TENTH: v = j == 0 ? 0.1 : v; break;
            case DUPLICATE_COLUMN: v = j > 0 ? x[i * d] : v; break;
            case ALL_EQUAL: v = 7.3; break;
            case ALL_ZERO: v = 0; break;
            case TWO_VALUES: v = i % 2 == 0 ? 1.1 : -4; break;
            case HUGE: v *= 1e300; break;
            case TINY: v *= 1e-300; break;
            case OFFSET: v = 1e8 + 1e-4 * v; break;
            case SUBNORMAL: v *= 1e-310; break;
            case ONE_OUTLIER: v = i == 5 ? 1e12 : v; break;
            case MIXED_SCALES: v *= j == 0 ? 1e-130 : 1e130; break;
            case INTEGERS: v = floor(v / 3); break;
            default: v = i % 2 == 0 ? DBL_MAX : -DBL_MAX; break;
            }
            x[i * d + j] = v;
        }
    }
}

/* A fit of bad data is a clean error with a text, or a model of finite numbers whose faults are named. */
static lk_status check_fit(lk_context *ctx, const char *name, const double *x, int64_t rows, int64_t d, const char *settings, int *trusted)
{
    lk_table *table = gmm_table(ctx, x, rows, d);
    lk_model *model = NULL;
    const lk_status status = gmm_try(ctx, table, settings, NULL, NULL, NULL, &model);
    *trusted = 0;
    if (status == LK_OK) {
        gmm_assert_finite(model);
        json_t *info = gmm_info(ctx, model);
        const json_t *degenerate = json_object_get(info, "degenerate"), *converged = json_object_get(info, "converged");
        *trusted = lk_model_trusted(model);
        assert_true(isfinite(json_number_value(json_object_get(info, "log_likelihood"))));
        assert_int_equal(*trusted, json_is_null(degenerate) && json_is_true(converged));
        double density[1];
        check_ok(ctx, lk_model_log_density(ctx, model, x, 1, density));
        if (isnan(density[0])) {
            fail_msg("%s: density is NaN", name);
        }
        json_decref(info);
    } else {
        if (status != LK_ERROR_DATA && status != LK_ERROR_NUMERIC) {
            fail_msg("%s, %s: %s (%s)", name, settings, lk_status_name(status), lk_error_message(ctx));
        }
        assert_true(strlen(lk_error_message(ctx)) > 10);
        assert_null(model);
    }
    lk_model_free(model);
    lk_table_free(table);
    return status;
}

static void degenerate_data(void **state)
{
    lk_context *ctx = *state;
    static double x[3000 * 3];
    const int64_t sizes[] = {2, 7, 100, 1025};
    const size_t most = check_effort() < 1 ? 3 : 4;
    for (int which = 0; which < DATA_CASES; which++) {
        for (size_t n = 0; n < most; n++) {
            for (int f = 0; f < 4; f++) {
                for (int with_prior = 0; with_prior < 2; with_prior++) {
                    for (int64_t d = 1; d <= 3; d += 2) {
                        const int64_t rows = sizes[n];
                        lki_stream s = gmm_stream(10 + (uint64_t)which);
                        char settings[120];
                        int trusted;
                        fill(&s, (data_case)which, rows, d, x);
                        for (int K = 1; K <= 3; K++) {
                            snprintf(settings, sizeof settings, "components=%d;covariance=%s;prior=%s;restarts=2;max_iter=60", K,
                                     gmm_families[f], with_prior ? "normal_wishart" : "none");
                            const lk_status status = check_fit(ctx, case_names[which], x, rows, d, settings, &trusted);
                            if (which == HUGE || which == TINY || which == SUBNORMAL || which == LARGEST) {
                                if (status != LK_ERROR_DATA) {
                                    fail_msg("%s, %d rows, d = %d, %s: %s instead of LK_ERROR_DATA", case_names[which], (int)rows, (int)d,
                                             settings, lk_status_name(status));
                                }
                                check_contains(lk_error_message(ctx), "column x1");
                            }
                            if ((which == ALL_EQUAL || which == ALL_ZERO) && K > 1) {
                                assert_int_equal(status, LK_ERROR_DATA);
                            }
                            if (with_prior == 0 && (which == ALL_EQUAL || which == ALL_ZERO || (which == DUPLICATE_COLUMN && d > 1 && f < 2) ||
                                                    (which <= CONSTANT_TENTH && f < 3))) {
                                assert_int_equal(trusted, 0); /* singular whatever the fit */
                            }
                            if ((which <= DUPLICATE_COLUMN || which == OFFSET) && K <= rows && (d > 1 || K == 1) && status != LK_OK) {
                                fail_msg("%s, %d rows, d = %d, %s: %s (%s)", case_names[which], (int)rows, (int)d, settings,
                                         lk_status_name(status), lk_error_message(ctx));
                            }
                            if (which == OFFSET && rows >= 100 && K <= 2 && status == LK_OK && trusted == 0) {
                                fail_msg("offset data, %d rows, d = %d, %s: not trusted", (int)rows, (int)d, settings);
                            }
                        }
                    }
                }
            }
        }
    }
}

static void too_few_rows(void **state)
{
    lk_context *ctx = *state;
    const double x[12] = {1, 2, 3, 4, 5.5, 6, 1, 2, 3, 4, 5.5, 6};
    int trusted;
    assert_int_equal(check_fit(ctx, "one row", x, 1, 2, "components=1", &trusted), LK_ERROR_DATA);
    check_contains(lk_error_message(ctx), "at least 2 rows");
    assert_int_equal(check_fit(ctx, "K > n", x, 3, 2, "components=4", &trusted), LK_ERROR_DATA);
    check_contains(lk_error_message(ctx), "components = 4, but there are only 3 rows");
    assert_int_equal(check_fit(ctx, "K > distinct", x, 6, 2, "components=5", &trusted), LK_ERROR_DATA);
    check_contains(lk_error_message(ctx), "only 3 distinct");
    assert_int_equal(check_fit(ctx, "K > distinct, random", x, 6, 2, "components=5;init=random", &trusted), LK_ERROR_DATA);
    check_contains(lk_error_message(ctx), "only 3 distinct");
    assert_int_equal(check_fit(ctx, "defaults", x, 6, 2, "restarts=2", &trusted), LK_OK);
    assert_int_equal(check_fit(ctx, "no rows", x, 0, 2, "components=1", &trusted), LK_ERROR_DATA);
}

/* Weights that are huge, tiny or nearly all zero. */
static void odd_weights(void **state)
{
    lk_context *ctx = *state;
    const double scales[] = {1e-300, 1e-12, 1e12, 1e300, 5e-324};
    for (size_t w = 0; w < sizeof scales / sizeof *scales; w++) {
        lki_stream s = gmm_stream(30);
        double *x = gmm_random_rows(&s, 50, 3, 2, 3);
        for (int i = 0; i < 50; i++) {
            x[3 * i + 2] = i == 7 ? scales[w] : 1;
        }
        lk_table *table = gmm_table(ctx, x, 50, 3);
        for (int f = 0; f < 4; f++) {
            lk_model *model = NULL;
            char settings[100];
            snprintf(settings, sizeof settings, "components=2;restarts=3;covariance=%s", gmm_families[f]);
            const lk_status status = gmm_try(ctx, table, settings, "x1,x2", "x3", NULL, &model);
            if (status == LK_OK) {
                gmm_assert_finite(model);
            } else {
                assert_true(status == LK_ERROR_DATA || status == LK_ERROR_NUMERIC);
            }
            lk_model_free(model);
        }
        x[3 * 9 + 2] = -1;
        lk_table *negative = gmm_table(ctx, x, 50, 3);
        lk_model *model = NULL;
        check_status(ctx, LK_ERROR_DATA, gmm_try(ctx, negative, "components=2", "x1,x2", "x3", NULL, &model));
        check_contains(lk_error_message(ctx), "row 10");
        lk_table_free(negative);
        lk_table_free(table);
        free(x);
    }
}

/* Three points on top of one another draw a component into collapse: said, and not chosen where a sound fit exists. */
static void collapse_is_never_selected(void **state)
{
    lk_context *ctx = *state;
    lki_stream s = gmm_stream(40);
    double x[120 * 2];
    for (int i = 0; i < 120; i++) {
        x[2 * i] = lki_random_normal(&s);
        x[2 * i + 1] = i >= 100 ? 8 : lki_random_normal(&s);
        x[2 * i] = i >= 100 ? 8 : x[2 * i]; /* twenty rows at one point */
    }
    lk_table *table = gmm_table(ctx, x, 120, 2);
    lk_model *pair = gmm_fit(ctx, table, "components=2", NULL, NULL, NULL);
    json_t *info = gmm_info(ctx, pair);
    const char *text = json_string_value(json_object_get(info, "degenerate"));
    assert_non_null(text);
    check_contains(text, "collapsed");
    assert_int_equal(lk_model_trusted(pair), 0);
    gmm_assert_finite(pair);
    json_decref(info);
    lk_model_free(pair);
    lk_model *chosen = gmm_fit(ctx, table, "components=1..4;covariance=full,tied,diag,spherical", NULL, NULL, NULL);
    info = gmm_info(ctx, chosen);
    assert_true(json_is_null(json_object_get(info, "degenerate")));
    int degenerate = 0;
    double best = -(double)INFINITY, chosen_bic = json_number_value(json_object_get(info, "bic"));
    const json_t *selection = json_object_get(info, "selection");
    for (size_t i = 0; i < json_array_size(selection); i++) {
        const json_t *row = json_array_get(selection, i);
        const double bic = json_number_value(json_object_get(row, "bic"));
        degenerate += json_is_true(json_object_get(row, "degenerate")) && bic > chosen_bic;
        best = json_is_true(json_object_get(row, "degenerate")) ? best : fmax(best, bic);
    }
    assert_true(degenerate > 0); /* some that would have won by the criterion alone */
    check_near(chosen_bic, best, 1e-9 * fabs(best));
    json_decref(info);
    lk_model_free(chosen);
    lk_model *held = gmm_fit(ctx, table, "components=3;prior=normal_wishart", NULL, NULL, NULL); /* a prior holds it */
    gmm_assert_finite(held);
    info = gmm_info(ctx, held);
    assert_true(json_is_null(json_object_get(info, "degenerate")));
    json_decref(info);
    lk_model_free(held);
    lk_table_free(table);
}

/* The bound is the reciprocal condition, 1e-8, whatever the size of a component: of two groups in four features of sd .5, 1, 1.5, the
 * last being the first plus noise of sd e / 2, the extreme eigenvalues are 2.25 and e^2 / 8, so that e = 5e-4 stays above it (1.4e-8) and
 * e = 2e-4 (2.2e-9) falls below. A round group 1e-5 as wide as the data is sound. */
static void bound_of_degeneracy(void **state)
{
    enum { N = 400 };
    static const struct {
        double noise, width;
        int degenerate;
    } cases[] = {{5e-4, 1, 0}, {2e-4, 1, 1}, {1, 1e-5, 0}, {1, 1e-9, 1}};
    lk_context *ctx = *state;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        lki_stream s = gmm_stream(70);
        double *x = gmm_random_rows(&s, N, 4, 1, 0), far = 0, square = 0;
        for (int i = 0; i < N; i++) {
            double *row = x + 4 * i;
            row[3] = cases[c].noise < 1 ? row[0] + cases[c].noise * row[3] : row[3];
            for (int j = 0; j < 4; j++) {
                row[j] = i % 2 == 0 ? cases[c].width * row[j] + (cases[c].width < 1) * 3 : row[j] + 12 * (cases[c].width == 1);
                square += i % 2 == 0 ? (row[j] - (cases[c].width < 1) * 3) * (row[j] - (cases[c].width < 1) * 3) : 0;
            }
            far += i % 2 == 0;
        }
        lk_table *table = gmm_table(ctx, x, N, 4);
        char text[400];
        const double at = cases[c].width < 1 ? 3 : 0, other = cases[c].width < 1 ? 0 : 12, v = cases[c].width * cases[c].width;
        snprintf(text, sizeof text, "{\"weights\":[0.5,0.5],\"means\":[[%g,%g,%g,%g],[%g,%g,%g,%g]],\"covariances\":"
                 "[[[%g,0,0,0],[0,%g,0,0],[0,0,%g,0],[0,0,0,%g]],[[1,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]]]}",
                 at, at, at, at, other, other, other, other, v, v, v, v);
        lk_model *start = gmm_build(ctx, text), *model = gmm_fit(ctx, table, "tol=1e-6", NULL, NULL, start);
        json_t *info = gmm_info(ctx, model);
        const char *defect = json_string_value(json_object_get(info, "degenerate"));
        print_message("noise %g, width %g: %s\n", cases[c].noise, cases[c].width, defect != NULL ? defect : "sound");
        assert_int_equal(defect != NULL, cases[c].degenerate);
        if (cases[c].width == 1e-5) { /* and keeps its size: the trace of its covariance over 4 is the mean square */
            const json_t *C = json_object_get(json_array_get(json_object_get(info, "components"), 0), "covariance");
            double trace = 0, mean = 0;
            for (size_t j = 0; j < 4; j++) {
                trace += json_number_value(json_array_get(json_array_get(C, j), j));
            }
            mean = square / far; /* about the true mean: 1 in 200 more than about the group's own */
            assert_true(trace > 0.98 * mean && trace < mean);
        }
        json_decref(info);
        lk_model_free(model);
        lk_model_free(start);
        lk_table_free(table);
        free(x);
    }
}

/* A group too small for its family is named with its size. */
static void small_component_is_named(void **state)
{
    lk_context *ctx = *state;
    lki_stream s = gmm_stream(50);
    double *x = gmm_random_rows(&s, 100, 4, 1, 0);
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 4; j++) {
            x[4 * i + j] += 60;
        }
    }
    lk_table *table = gmm_table(ctx, x, 100, 4);
    lk_model *model = gmm_fit(ctx, table, "components=2;covariance=diag", NULL, NULL, NULL);
    json_t *info = gmm_info(ctx, model);
    if (!json_is_null(json_object_get(info, "degenerate"))) {
        check_contains(json_string_value(json_object_get(info, "degenerate")), "below");
    }
    json_decref(info);
    lk_model_free(model);
    lk_model *start = gmm_build(ctx, "{\"weights\":[0.5,0.5],\"means\":[[0,0,0,0],[60,60,60,60]],\"covariances\":[1,1]}");
    model = gmm_fit(ctx, table, "tol=1e-6", NULL, NULL, start);
    info = gmm_info(ctx, model);
    check_contains(json_string_value(json_object_get(info, "degenerate")), "component 1 has an effective size of 3 rows, below d + 1 = 5");
    json_decref(info);
    lk_model_free(model);
    lk_model_free(start);
    lk_table_free(table);
    free(x);
}

/* ---- malformed parameters ---- */

static void malformed_parameters(void **state)
{
    lk_context *ctx = *state;
    const struct {
        const char *json;
        lk_status status;
        const char *text;
    } cases[] = {
        {"[]", LK_ERROR_FORMAT, "object"},
        {"{}", LK_ERROR_FORMAT, "weights"},
        {"{\"weights\":[1],\"means\":[[0]],\"covariances\":[1],\"sigma\":1}", LK_ERROR_FORMAT, "sigma"},
        {"{\"weights\":[1],\"means\":[0],\"covariances\":[1]}", LK_ERROR_FORMAT, "means"},
        {"{\"weights\":[1],\"means\":[[0]]}", LK_ERROR_FORMAT, "covariances"},
        {"{\"weights\":[0.5,0.6],\"means\":[[0],[1]],\"covariances\":[1,1]}", LK_ERROR_DATA, "sum to 1.1"},
        {"{\"weights\":[1.5,-0.5],\"means\":[[0],[1]],\"covariances\":[1,1]}", LK_ERROR_DATA, "weights[1] is -0.5"},
        {"{\"weights\":[1],\"means\":[[0,0]],\"covariances\":[[[1,0],[0,1],[0,0]]]}", LK_ERROR_FORMAT, "covariances[0]"},
        {"{\"weights\":[1],\"means\":[[0,0]],\"covariances\":[[[1,0],[0]]]}", LK_ERROR_FORMAT, "covariances[0][1]"},
        {"{\"weights\":[1],\"means\":[[0,0]],\"covariances\":[[[1,2],[2,1]]]}", LK_ERROR_DATA, "not positive definite"},
        {"{\"weights\":[1],\"means\":[[0,0]],\"covariances\":[[[1,0.5],[0.4,1]]]}", LK_ERROR_DATA, "not symmetric"},
        {"{\"weights\":[1],\"means\":[[0]],\"covariances\":[0]}", LK_ERROR_DATA, "not positive definite"},
        {"{\"weights\":[1],\"means\":[[0]],\"covariances\":[-1]}", LK_ERROR_DATA, "not positive definite"},
        {"{\"weights\":[1],\"means\":[[0]],\"covariances\":[\"1\"]}", LK_ERROR_FORMAT, "covariances[0]"},
        {"{\"weights\":[1],\"means\":[[0,1]],\"covariances\":[1],\"covariance\":\"round\"}", LK_ERROR_FORMAT, "round"},
        {"{\"weights\":[0.5,0.5],\"means\":[[0,1],[1,0]],\"covariances\":[[1,0],[0,1]]}", LK_ERROR_FORMAT, "diag or tied"},
        {"{\"weights\":[1],\"means\":[[0,1]],\"covariances\":[1],\"columns\":[\"a\"]}", LK_ERROR_FORMAT, "columns"},
        {"{\"weights\":[1],\"means\":[[0,1]],\"covariances\":[1],\"columns\":[\"a\",\"a\"]}", LK_ERROR_FORMAT, "a"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lk_model *model = NULL;
        const lk_status status = lk_model_build(ctx, "gmm", cases[i].json, NULL, &model);
        if (status != cases[i].status) {
            fail_msg("%s: %s (%s)", cases[i].json, lk_status_name(status), lk_error_message(ctx));
        }
        check_contains(lk_error_message(ctx), cases[i].text);
        assert_null(model);
    }
}

static size_t largest_request;

static void *remember_allocate(void *state, size_t bytes)
{
    (void)state;
    largest_request = bytes > largest_request ? bytes : largest_request;
    return malloc(bytes);
}

static void *remember_reallocate(void *state, void *block, size_t bytes)
{
    (void)state;
    largest_request = bytes > largest_request ? bytes : largest_request;
    return realloc(block, bytes);
}

static void plain_release(void *state, void *block)
{
    (void)state;
    free(block);
}

/* A text that names many features but holds few numbers must not make room for d x d numbers first. */
static void sizes_are_checked_before_memory(void **state)
{
    (void)state;
    enum { D = 3000 };
    char json[4 * D], *at = json;
    at += sprintf(at, "{\"weights\":[1],\"covariances\":[[[1]]],\"means\":[[0");
    for (int j = 1; j < D; j++) {
        at += sprintf(at, ",0");
    }
    sprintf(at, "]]}");
    const lk_allocator allocator = {remember_allocate, remember_reallocate, plain_release, NULL};
    lk_context_options options = {.size = sizeof options, .allocator = &allocator, .threads = 1};
    lk_context *ctx = NULL;
    assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
    lk_model *model = NULL;
    check_status(ctx, LK_ERROR_FORMAT, lk_model_build(ctx, "gmm", json, NULL, &model));
    check_contains(lk_error_message(ctx), "covariances[0]");
    assert_true(largest_request < 1 << 20);
    lk_context_free(ctx);
}

/* A file whose covariance is not symmetric, or holds an infinity, is refused by name. */
static void malformed_files(void **state)
{
    lk_context *ctx = *state;
    char path[64];
    const double wanted = 0.1, values[] = {0.2, (double)INFINITY, (double)NAN, 0.1};
    const lk_status statuses[] = {LK_ERROR_FORMAT, LK_ERROR_FORMAT, LK_ERROR_FORMAT, LK_OK};
    snprintf(path, sizeof path, "/tmp/likely_gmm_files_%ld.lk", (long)getpid());
    for (int i = 0; i < 4; i++) {
        lk_model *model = gmm_build(ctx, build_json), *again = NULL;
        char bytes[8192];
        check_ok(ctx, lk_model_save(ctx, model, path));
        lk_model_free(model);
        FILE *file = fopen(path, "rb");
        assert_non_null(file);
        const size_t length = fread(bytes, 1, sizeof bytes, file);
        fclose(file);
        size_t at = 0; /* the first 0.1, one of the two off the diagonal of component 0 */
        while (at + 8 <= length && memcmp(bytes + at, &wanted, 8) != 0) {
            at++;
        }
        assert_true(at + 8 <= length && length < sizeof bytes);
        memcpy(bytes + at, &values[i], 8);
        file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(bytes, 1, length, file), length);
        fclose(file);
        check_status(ctx, statuses[i], lk_model_load(ctx, path, &again));
        if (statuses[i] != LK_OK) {
            check_contains(lk_error_message(ctx), i == 0 ? "not symmetric" : "covariances");
        }
        lk_model_free(again);
    }
    remove(path);
}

/* ---- cancelling ---- */

typedef struct counter {
    long polls, stop_at;
} counter;

static int cancel_later(void *state)
{
    counter *c = state;
    return __atomic_add_fetch(&c->polls, 1, __ATOMIC_RELAXED) > c->stop_at;
}

static void cancel_stops_a_fit(void **state)
{
    lk_context *plain = *state;
    lki_stream s = gmm_stream(60);
    double *x = gmm_random_rows(&s, 3000, 2, 3, 2);
    lk_table *table = gmm_table(plain, x, 3000, 2);
    long total = 0;
    for (int run = 0; run < 12; run++) {
        counter c = {0, run == 0 ? 1L << 40 : total * run / 12};
        lk_context_options options = {.size = sizeof options, .threads = 2, .cancel = cancel_later, .cancel_state = &c};
        lk_context *ctx = NULL;
        lk_model *model = NULL;
        assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
        const lk_status status = gmm_try(ctx, table, "components=2..3;restarts=3", NULL, NULL, NULL, &model);
        if (run == 0) {
            assert_int_equal(status, LK_OK);
            total = c.polls;
            assert_true(total > 50);
        } else {
            assert_int_equal(status, LK_ERROR_CANCELLED);
            assert_null(model);
            assert_true(c.polls < c.stop_at + 50); /* it stops soon */
        }
        lk_model_free(model);
        lk_context_free(ctx);
    }
    lk_table_free(table);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fit_memory),
        cmocka_unit_test(model_memory),
        cmocka_unit_test(degenerate_data),
        cmocka_unit_test(too_few_rows),
        cmocka_unit_test(odd_weights),
        cmocka_unit_test(collapse_is_never_selected),
        cmocka_unit_test(bound_of_degeneracy),
        cmocka_unit_test(small_component_is_named),
        cmocka_unit_test(malformed_parameters),
        cmocka_unit_test(sizes_are_checked_before_memory),
        cmocka_unit_test(json_texts_without_memory),
        cmocka_unit_test(malformed_files),
        cmocka_unit_test(cancel_stops_a_fit),
    };
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
