/* Tilted models: the closed form against Bayes' rule pointwise and quadrature; every other way of drawing against the closed form. */
#include "gmm_check.h"

enum { D = 2 };

static const char prior_json[] = "{\"weights\": [0.3, 0.3, 0.4], \"means\": [[4, -1], [2, 3], [-1, 1]], \"covariances\": [[[0.3, 0.1], [0.1, 0.4]], "
                                 "[[0.9, 0.5], [0.5, 0.6]], [[0.4, 0], [0, 1.5]]]}";
static const char reward[] = "1 - (x1 - 2*x2 - 1)^2 / 4 + x1 / 2";

static double reward_at(const double *x)
{
    double u = x[0] - 2 * x[1] - 1;
    return 1 - u * u / 4 + x[0] / 2;
}

static lk_tilt *tilted(lk_context *ctx, const lk_model *model, lk_tilt_options o)
{
    lk_tilt *t = NULL;
    o.size = sizeof o;
    check_ok(ctx, lk_tilt_new(ctx, model, &o, &t));
    return t;
}

/* log p~(x) = log p(x) + r(x) - log E[exp r], at any x; the last by the trapezoidal rule on a grid that ends where nothing is left. */
static void closed_form(void **state)
{
    lk_model *prior = gmm_build(*state, prior_json), *post = NULL;
    lk_tilt *t = tilted(*state, prior, (lk_tilt_options){.reward = reward});
    lk_tilt_report told = {.size = sizeof told};
    double sum = 0, h = 0.05;
    check_ok(*state, lk_tilt_model(*state, t, &post));
    lk_tilt_tell(t, &told);
    assert_string_equal(told.method, "exact");
    for (double a = -8; a <= 12; a += h) {
        for (double b = -8; b <= 10; b += h) {
            double x[D] = {a, b}, p;
            check_ok(*state, lk_model_log_density(*state, prior, x, 1, &p));
            sum += h * h * exp(p + reward_at(x));
        }
    }
    check_near(told.log_mean, log(sum), 1e-10);
    lki_stream s = gmm_stream(9400);
    for (int i = 0; i < 200; i++) {
        double x[D] = {3 * lki_random_normal(&s), 3 * lki_random_normal(&s)}, p, q;
        check_ok(*state, lk_model_log_density(*state, prior, x, 1, &p));
        check_ok(*state, lk_model_log_density(*state, post, x, 1, &q));
        check_near(q, p + reward_at(x) - told.log_mean, 1e-10 * (1 + fabs(p) + fabs(q)));
    }
    lk_tilt_free(t);
    lk_model_free(post);
    lk_model_free(prior);
}

/* The same of measurements y = A x + noise: the posterior density is prior times likelihood, up to one constant. */
static void posterior(void **state)
{
    const double A[3 * D] = {1, 0.5, 0, 2, 1, -1}, y[3] = {1.5, 3, 0.2}, sd[3] = {0.5, 2, 0.8};
    lk_model *prior = gmm_build(*state, prior_json), *post = NULL;
    lk_tilt *t = tilted(*state, prior, (lk_tilt_options){.coefficients = A, .values = y, .sds = sd, .observations = 3});
    lk_tilt_report told = {.size = sizeof told};
    check_ok(*state, lk_tilt_model(*state, t, &post));
    lk_tilt_tell(t, &told);
    lki_stream s = gmm_stream(9410);
    for (int i = 0; i < 200; i++) {
        double x[D] = {3 * lki_random_normal(&s), 3 * lki_random_normal(&s)}, p, q, likelihood = 0;
        for (int k = 0; k < 3; k++) {
            double u = (A[k * D] * x[0] + A[k * D + 1] * x[1] - y[k]) / sd[k];
            likelihood -= 0.5 * u * u;
        }
        check_ok(*state, lk_model_log_density(*state, prior, x, 1, &p));
        check_ok(*state, lk_model_log_density(*state, post, x, 1, &q));
        check_near(q, p + likelihood - told.log_mean, 1e-10 * (1 + fabs(p) + fabs(q)));
    }
    lk_tilt_free(t);
    lk_model_free(post);
    lk_model_free(prior);
}

/* Half the L1 distance of two samples' shares of 8 x 8 cells. */
static double total_variation(const double *x, int n, const double *y, int m)
{
    double cells[64] = {0}, sum = 0;
    for (int i = 0; i < n + m; i++) {
        const double *p = i < n ? x + i * D : y + (i - n) * D;
        int a = (int)fmin(fmax((p[0] + 3) * 0.8, 0), 7), b = (int)fmin(fmax((p[1] + 2) * 1.2, 0), 7);
        cells[a * 8 + b] += i < n ? 1.0 / n : -1.0 / m;
    }
    for (int c = 0; c < 64; c++) {
        sum += 0.5 * fabs(cells[c]);
    }
    return sum;
}

static double distance_of(lk_context *ctx, const lk_model *prior, lk_tilt_options o, const double *exact, int m, int n, lk_tilt_report *told)
{
    double *x = malloc((size_t)n * D * sizeof *x);
    assert_non_null(x);
    lk_tilt *t = tilted(ctx, prior, o);
    check_ok(ctx, lk_tilt_rows(ctx, t, n, x));
    told->size = sizeof *told;
    lk_tilt_tell(t, told);
    lk_tilt_free(t);
    double distance = total_variation(x, n, exact, m);
    free(x);
    return distance;
}

/* Draws against the closed form, by total variation of cells; what exact draws have at this size comes first. The tree's bias falls with its
 * rollouts. log E[exp r] is estimated within 0.05. */
static void ways(void **state)
{
    enum { M = 40000 };
    const int n = (int)check_scaled(4000, 2000);
    const char *const names[] = {"resample", "smc", "moments", "pigdm"};
    lk_model *prior = gmm_build(*state, prior_json);
    double *exact = malloc(M * D * sizeof *exact), base;
    lk_tilt_report told = {0}, truth = {0};
    assert_non_null(exact);
    lk_tilt *t = tilted(*state, prior, (lk_tilt_options){.reward = reward, .seed = 9});
    check_ok(*state, lk_tilt_rows(*state, t, M, exact));
    lk_tilt_free(t);
    base = distance_of(*state, prior, (lk_tilt_options){.reward = reward, .seed = 1}, exact, M, n, &truth);
    double *x = malloc((size_t)n * D * sizeof *x);
    check_ok(*state, lk_model_sample(*state, prior, 1, 0, n, x));
    double untilted = total_variation(x, n, exact, M), distance[4], wide[2];
    for (int w = 0; w < 4; w++) {
        distance[w] = distance_of(*state, prior, (lk_tilt_options){.reward = reward, .method = names[w], .seed = 3}, exact, M, n, &told);
        print_message("%s: total variation %.4f, log mean %.4f (exact %.4f), effective %.0f\n", names[w], distance[w], told.log_mean, truth.log_mean,
                      told.effective);
        if (w < 2) {
            check_near(told.log_mean, truth.log_mean, 0.1);
        }
    }
    for (int k = 0; k < 2; k++) {
        wide[k] = distance_of(*state, prior, (lk_tilt_options){.reward = reward, .method = "tree", .rollouts = k == 0 ? 60 : 12000, .seed = 4}, exact, M, n,
                              &told);
        print_message("tree of %d rollouts: total variation %.4f, log mean %.4f, effective %.0f\n", k == 0 ? 60 : 12000, wide[k], told.log_mean,
                      told.effective);
    }
    assert_true(told.log_mean > truth.log_mean - 0.8 && told.log_mean < truth.log_mean + 0.1); /* low, and no sum of children */
    print_message("exact draws %.4f, the model itself %.4f\n", base, untilted);
    assert_true(base < 0.07 && untilted > 0.3);
    assert_true(distance[0] < 0.13 && distance[1] < 0.12);
    assert_true(distance[2] < 0.4 && distance[3] < 0.45); /* the bias of guidance where x0 given x has several modes */
    assert_true(wide[0] > 0.3 && wide[1] < 0.22);
    free(x);
    free(exact);
    lk_model_free(prior);
}

/* Of a normal prior, x0 given the noisy x is normal, and moments has no bias but that of its steps. */
static void guidance_of_a_normal_prior(void **state)
{
    enum { M = 40000 };
    const int n = (int)check_scaled(4000, 2000);
    lk_model *prior = gmm_build(*state, "{\"weights\": [1], \"means\": [[1, 1]], \"covariances\": [[[2, 0.6], [0.6, 1]]]}");
    double *exact = malloc(M * D * sizeof *exact);
    lk_tilt_report told = {0};
    assert_non_null(exact);
    lk_tilt *t = tilted(*state, prior, (lk_tilt_options){.reward = reward, .seed = 9});
    check_ok(*state, lk_tilt_rows(*state, t, M, exact));
    lk_tilt_free(t);
    double distance = distance_of(*state, prior, (lk_tilt_options){.reward = reward, .method = "moments", .seed = 1}, exact, M, n, &told);
    print_message("moments of a normal prior: total variation %.4f\n", distance);
    assert_true(distance < 0.09);
    free(exact);
    lk_model_free(prior);
}

/* A reward that no closed form takes: smc against the weights of many draws. */
static void any_reward(void **state)
{
    const int n = (int)check_scaled(4000, 2000), m = 100000;
    const char *text = "3 * (x1 > 1.5 and x2 < 2) - abs(x2)";
    lk_model *prior = gmm_build(*state, prior_json);
    double *x = malloc((size_t)m * D * sizeof *x), inside = 0, total = 0, mean = 0, got = 0, got_mean = 0;
    check_ok(*state, lk_model_sample(*state, prior, 5, 0, m, x));
    for (int i = 0; i < m; i++) {
        bool in = x[i * D] > 1.5 && x[i * D + 1] < 2;
        double w = exp(3.0 * in - fabs(x[i * D + 1]));
        total += w;
        inside += w * in;
        mean += w * x[i * D + 1];
    }
    lk_tilt *t = tilted(*state, prior, (lk_tilt_options){.reward = text, .seed = 6});
    lk_tilt_report told = {.size = sizeof told};
    check_ok(*state, lk_tilt_rows(*state, t, n, x));
    lk_tilt_tell(t, &told);
    assert_string_equal(told.method, "smc");
    for (int i = 0; i < n; i++) {
        got += (x[i * D] > 1.5 && x[i * D + 1] < 2) / (double)n;
        got_mean += x[i * D + 1] / n;
    }
    check_near(got, inside / total, 0.04);
    check_near(got_mean, mean / total, 0.1);
    check_near(told.log_mean, log(total / m), 0.1);
    lk_tilt_free(t);
    free(x);
    lk_model_free(prior);
}

static void refusals(void **state)
{
    lk_model *prior = gmm_build(*state, prior_json);
    const struct {
        lk_tilt_options o;
        lk_status status;
        const char *part;
    } cases[] = {{{.reward = "x1^2"}, LK_ERROR_NUMERIC, "no finite integral"}, {{.reward = "exp(x1)", .method = "exact"}, LK_ERROR_UNSUPPORTED, "degree at most 2"},
                 {{.reward = "x3"}, LK_ERROR_ARGUMENT, "no column"}, {{.method = "smc"}, LK_ERROR_ARGUMENT, "give one of them"},
                 {{.reward = "x1", .method = "best"}, LK_ERROR_ARGUMENT, "there are: exact"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lk_tilt_options o = cases[i].o;
        lk_tilt *t = NULL;
        o.size = sizeof o;
        check_status(*state, cases[i].status, lk_tilt_new(*state, prior, &o, &t));
        check_contains(lk_error_message(*state), cases[i].part);
    }
    lk_tilt *t = tilted(*state, prior, (lk_tilt_options){.reward = "log(0 * x1)", .method = "smc", .steps = 4});
    double x[20];
    check_status(*state, LK_ERROR_NUMERIC, lk_tilt_rows(*state, t, 10, x));
    check_contains(lk_error_message(*state), "no draw has any weight");
    lk_tilt_free(t);
    lk_model_free(prior);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(closed_form, check_setup, check_teardown), cmocka_unit_test_setup_teardown(posterior, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(ways, check_setup, check_teardown), cmocka_unit_test_setup_teardown(guidance_of_a_normal_prior, check_setup, check_teardown), cmocka_unit_test_setup_teardown(any_reward, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(refusals, check_setup, check_teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
