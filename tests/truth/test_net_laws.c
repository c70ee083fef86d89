/* Nets that tell counts and classes, against what is known: without layers they are generalized linear models with known maxima; quantiles
 * by enumeration; the temperature is that by which logits were made too sure. */
#include "check.h"
#include "core/philox.h"
#include "math/count_law.h"
#include "net/net.h"
#include <likely/likely.h>

static lk_table *table_of(lk_context *ctx, const double *values, int64_t rows, const char *const *names, int64_t columns)
{
    lk_table *table = NULL;
    check_ok(ctx, lk_table_from_array(ctx, values, rows, columns, names, &table));
    return table;
}

/* A net without layers is logistic regression: at the maximum the mean of (p - [y = 1]) (1, x) is zero in weighted rows, and the coefficients are
 * those of Newton's steps here. */
static void logistic(void **state)
{
    enum { N = 500 };
    static double values[N * 3], p[N * 2];
    double beta[2] = {0, 0};
    lki_stream s = lki_stream_new(1, LKI_STREAM_TEST, 0);
    for (int i = 0; i < N; i++) {
        double *v = values + 3 * i;
        v[0] = 2 + 3 * lki_random_normal(&s);
        v[1] = lki_random_uniform(&s) < 1 / (1 + exp(-(0.4 * v[0] - 1))) ? 7 : 4;
        v[2] = i % 2 == 0 ? 1.5 : 0.5;
    }
    for (int step = 0; step < 30; step++) {
        double g[2] = {0}, h[3] = {0};
        for (int i = 0; i < N; i++) {
            const double *v = values + 3 * i, q = 1 / (1 + exp(-beta[0] - beta[1] * v[0])), e = v[2] * ((v[1] == 7) - q), c = v[2] * q * (1 - q);
            g[0] += e;
            g[1] += e * v[0];
            h[0] += c;
            h[1] += c * v[0];
            h[2] += c * v[0] * v[0];
        }
        const double det = h[0] * h[2] - h[1] * h[1];
        beta[0] += (h[2] * g[0] - h[1] * g[1]) / det;
        beta[1] += (h[0] * g[1] - h[1] * g[0]) / det;
    }
    const char *const names[3] = {"x", "y", "w"};
    const lk_setting settings[] = {{"layers", "0"}, {"members", "1"}, {"validation", "0"}, {"decay", "0"}, {"batch", "500"}, {"steps", "2500"},
                                   {"rate", "0.02"}, {NULL, NULL}};
    lk_roles roles = {.size = sizeof roles, .weight = "w", .label = "y"};
    lk_fit_options options = {.size = sizeof options, .settings = settings, .roles = &roles};
    lk_table *table = table_of(*state, values, N, names, 3);
    lk_model *model = NULL;
    check_ok(*state, lk_model_fit(*state, "net", table, &options, &model));
    assert_int_equal(lk_model_dimension(model), 1);
    assert_int_equal(lk_model_target(model), -1);
    assert_int_equal(lk_model_groups(model), 2);
    assert_string_equal(lk_table_level(lk_model_classes(model), 0, 1), "7");
    double x[N], loss = 0, brier = 0, right = 0, total = 0, squares = 0;
    for (int i = 0; i < N; i++) {
        x[i] = values[3 * i];
    }
    check_ok(*state, lk_model_responsibilities(*state, model, x, N, p));
    for (int i = 0; i < N; i++) {
        const double *v = values + 3 * i, told = p[2 * i + (v[1] == 7)];
        check_near(log(p[2 * i + 1] / p[2 * i]), beta[0] + beta[1] * v[0], 2e-3);
        check_near(p[2 * i] + p[2 * i + 1], 1, 1e-14);
        loss -= v[2] * log(told);
        squares += v[2] * log(told) * log(told);
        brier += v[2] * (1 - told) * (1 - told);
        right += v[2] * (told > 0.5);
        total += v[2];
    }
    /* What evaluate says of these rows, by hand. */
    lk_evaluation e = {.size = sizeof e};
    check_ok(*state, lk_model_evaluate(*state, model, table, "w", &e));
    check_near(e.log_loss, loss / total, 1e-12);
    check_near(e.mean_log_density, -loss / total, 1e-12);
    check_near(e.brier, brier / total, 1e-12);
    check_near(e.accuracy, right / total, 1e-12);
    check_near(e.standard_error, sqrt((squares - loss * loss / total) / (total - 1) / total), 1e-9);
    check_status(*state, LK_ERROR_UNSUPPORTED, lk_model_log_density(*state, model, x, 1, p));
    check_contains(lk_error_message(*state), "does not offer log_density");
    lk_model_free(model);
    lk_table_free(table);
}

/* With one binary feature the maximum of either law of counts has the groups' means; the excess variance of the negative binomial is found by
 * search of its likelihood. */
static void counts(void **state)
{
    enum { N = 400 };
    static double values[N * 2];
    double mean[2] = {0}, best = 0, most = -(double)INFINITY;
    int64_t each[2] = {0};
    lki_stream s = lki_stream_new(2, LKI_STREAM_TEST, 0);
    for (int i = 0; i < N; i++) {
        const int group = i % 3 == 0;
        const double rate = (group ? 9 : 2) * lki_random_gamma(&s, 2.5) / 2.5;
        values[2 * i] = group;
        values[2 * i + 1] = lki_count_quantile(lki_random_uniform(&s), rate, sqrt(rate));
        mean[group] += values[2 * i + 1];
        each[group]++;
    }
    mean[0] /= (double)each[0];
    mean[1] /= (double)each[1];
    for (double a = 0.1; a < 1.2; a += 0.0005) {
        double sum = 0;
        for (int i = 0; i < N; i++) {
            const double m = mean[(int)values[2 * i]];
            sum += lki_count_log_density(values[2 * i + 1], m, sqrt(m + a * m * m));
        }
        best = sum > most ? a : best;
        most = fmax(most, sum);
    }
    const char *const names[2] = {"x", "y"}, *const laws[2] = {"poisson", "negative_binomial"};
    lk_table *table = table_of(*state, values, N, names, 2);
    for (int k = 0; k < 2; k++) {
        const lk_setting settings[] = {{"layers", "0"}, {"members", "1"}, {"validation", "0"}, {"decay", "0"}, {"batch", "400"}, {"steps", "3000"},
                                       {"rate", "0.02"}, {"spread", "constant"}, {"law", laws[k]}, {NULL, NULL}};
        lk_fit_options options = {.size = sizeof options, .settings = settings, .target = "y"};
        lk_model *model = NULL, *part = NULL;
        const double x[4] = {0, 0, 1, 0}, levels[2] = {0.25, 0.9};
        const int64_t target = 1, given = 0;
        double out[8], log_density, again;
        check_ok(*state, lk_model_fit(*state, "net", table, &options, &model));
        check_ok(*state, lk_model_predict(*state, model, x, 2, &target, 1, levels, 2, out));
        for (int g = 0; g < 2; g++) {
            const double m = mean[g], sd = sqrt(m + (k == 1 ? best * m * m : 0));
            check_near(out[4 * g], m, 2e-3 * m);
            check_near(out[4 * g + 1], sd, 3e-3 * sd);
            for (int q = 0; q < 2; q++) { /* the least count whose summed probability reaches the level */
                double share = 0, at[2] = {g, -1};
                while (share < levels[q]) {
                    at[1]++;
                    check_ok(*state, lk_model_log_density(*state, model, at, 1, &log_density));
                    share += exp(log_density);
                }
                check_near(out[4 * g + 2 + q], at[1], 0);
            }
        }
        /* Given the input, the same law as a model of its own; what is no count has no probability. */
        const double at[2] = {1, 6}, half[2] = {1, 6.5};
        check_ok(*state, lk_model_condition(*state, model, &given, at, 1, &part));
        check_ok(*state, lk_model_log_density(*state, model, at, 1, &log_density));
        check_ok(*state, lk_model_log_density(*state, part, at + 1, 1, &again));
        check_near(again, log_density, 1e-9);
        check_ok(*state, lk_model_log_density(*state, model, half, 1, &log_density));
        assert_true(log_density == -(double)INFINITY);
        lk_model_free(part);
        lk_model_free(model);
    }
    lk_table_free(table);
}

/* Classes drawn from softmax(o), told by logits 3 o: the temperature is 3. Its standard error here is .1 by the curvature of the likelihood;
 * the bound is 4 of them. A normal law with half the spread that the rows have: 2, standard error 2 / sqrt(2 n). */
static void temperature(void **state)
{
    enum { N = 4000, C = 3 };
    static double x[N * 2], weights[N];
    static int64_t list[N];
    for (int law = 0; law < 2; law++) {
        const lki_net_shape shape = {.inputs = 1, .width = 1, .members = 1, .law = law == 0 ? LKI_NET_CLASSES : LKI_NET_NORMAL,
                                     .classes = law == 0 ? C : 0};
        lki_net *net = NULL;
        lki_memory memory = lki_memory_of(*state);
        check_ok(*state, lki_net_new(*state, &shape, &net));
        const double truth[2 * C] = {1, -0.5, 0.2, 0, 0.3, -0.4};
        lki_stream s = lki_stream_new(3, LKI_STREAM_TEST, (uint64_t)law);
        for (int j = 0; law == 0 && j < 2 * C; j++) {
            net->weights[j] = 3 * truth[j];
        }
        if (law == 1) {
            net->weights[3] = log(exp(0.5 - LKI_NET_LEAST_SPREAD) - 1); /* mean 0, sd 1/2 */
        }
        for (int i = 0; i < N; i++) {
            double o[C], p[C], u = lki_random_uniform(&s);
            list[i] = i;
            weights[i] = 1;
            x[2 * i] = 2 * lki_random_normal(&s);
            x[2 * i + 1] = lki_random_normal(&s);
            if (law == 0) {
                lki_net_forward(&shape, truth, x + 2 * i, NULL, o);
                lki_net_log_classes(&shape, 1, o, p);
                x[2 * i + 1] = u < exp(p[0]) ? 0 : u < exp(p[0]) + exp(p[1]) ? 1 : 2;
            }
        }
        const lki_net_rows rows = {.values = x, .weights = weights, .columns = 2, .list = list, .count = N};
        double at[3];
        check_ok(*state, lki_net_fit_temperature(*state, net, &rows));
        print_message("temperature %.4f\n", net->temperature);
        check_near(net->temperature, law == 0 ? 3 : 2, law == 0 ? 0.4 : 4 * 2 / sqrt(2.0 * N));
        for (int k = 0; k < 3; k++) {
            check_ok(*state, lki_net_mean_log(*state, net, net->weights, 1, net->temperature * (0.97 + 0.03 * k), &rows, &at[k]));
        }
        assert_true(at[1] > at[0] && at[1] > at[2]);
        lki_net_free(&memory, net);
    }
}

/* Two spirals: what no line can tell, a net does; new rows. A coin's class stays a coin: the log loss is that of its share. */
static void spirals(void **state)
{
    enum { N = 1200 };
    static double values[N * 3], fresh[N * 2], p[N * 2];
    int right = 0;
    for (int part = 0; part < 2; part++) {
        lki_stream s = lki_stream_new(4, LKI_STREAM_TEST, (uint64_t)part);
        for (int i = 0; i < N; i++) {
            double *v = part == 0 ? values + 3 * i : fresh + 2 * i, t = 3 + 6 * lki_random_uniform(&s), turn = i % 2 == 0 ? 0 : M_PI;
            v[0] = t * cos(t + turn) + 0.3 * lki_random_normal(&s);
            v[1] = t * sin(t + turn) + 0.3 * lki_random_normal(&s);
            if (part == 0) {
                v[2] = i % 2;
            }
        }
    }
    const char *const names[3] = {"a", "b", "c"};
    const lk_setting settings[] = {{"members", "1"}, {"steps", "2500"}, {"rate", "0.01"}, {NULL, NULL}};
    lk_roles roles = {.size = sizeof roles, .label = "c"};
    lk_fit_options options = {.size = sizeof options, .settings = settings, .roles = &roles, .holdout = 0.25};
    lk_table *table = table_of(*state, values, N, names, 3);
    lk_model *model = NULL;
    check_ok(*state, lk_model_fit(*state, "net", table, &options, &model));
    check_ok(*state, lk_model_responsibilities(*state, model, fresh, N, p));
    for (int i = 0; i < N; i++) {
        right += p[2 * i + i % 2] > 0.5;
    }
    print_message("%d of %d new rows told right\n", right, N);
    assert_true(right > 0.98 * N);
    lk_model_free(model);
    lk_table_free(table);
}

static void refused(void **state)
{
    enum { N = 40 };
    double values[N * 2];
    for (int i = 0; i < N; i++) {
        values[2 * i] = i;
        values[2 * i + 1] = i == 30 ? 2.5 : i % 3;
    }
    const char *const names[2] = {"x", "y"};
    const lk_setting poisson[] = {{"law", "poisson"}, {"steps", "3"}, {NULL, NULL}};
    lk_table *table = table_of(*state, values, N, names, 2);
    lk_roles roles = {.size = sizeof roles, .label = "y"};
    lk_fit_options options = {.size = sizeof options, .settings = poisson, .target = "y"};
    lk_model *model = NULL;
    check_status(*state, LK_ERROR_DATA, lk_model_fit(*state, "net", table, &options, &model));
    check_contains(lk_error_message(*state), "row 31, column y: 2.5 is no count");
    options.target = NULL;
    options.roles = &roles;
    check_status(*state, LK_ERROR_ARGUMENT, lk_model_fit(*state, "net", table, &options, &model));
    check_contains(lk_error_message(*state), "law is poisson");
    options.settings = NULL;
    options.priors = "equal";
    check_status(*state, LK_ERROR_ARGUMENT, lk_model_fit(*state, "net", table, &options, &model));
    check_contains(lk_error_message(*state), "no priors");
    options.priors = NULL;
    options.target = "x";
    check_status(*state, LK_ERROR_ARGUMENT, lk_model_fit(*state, "net", table, &options, &model));
    check_contains(lk_error_message(*state), "give one of them");
    lk_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(logistic), cmocka_unit_test(counts), cmocka_unit_test(temperature),
                                       cmocka_unit_test(spirals), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
