/* Nets against what is known: a net without layers is least squares, a spread is found where it was put, answers follow from the
 * density by integration, and one row goes through a net by hand. */
#include "check.h"
#include "core/philox.h"
#include "net/net.h"
#include <likely/likely.h>

static lk_table *table_of(lk_context *ctx, const double *values, int64_t rows, const char *const *names, int64_t columns)
{
    lk_table *table = NULL;
    check_ok(ctx, lk_table_from_array(ctx, values, rows, columns, names, &table));
    return table;
}

static lk_model *fit(lk_context *ctx, const lk_table *table, const char *target, const lk_setting *settings)
{
    lk_model *model = NULL;
    lk_fit_options options = {.size = sizeof options, .settings = settings, .target = target, .seed = 1};
    check_ok(ctx, lk_model_fit(ctx, "net", table, &options, &model));
    return model;
}

/* y = 1.5 + 2 a - b + noise, weighted. Without layers and with one spread the maximum of the likelihood is weighted least squares, with the
 * mean square residual as variance. The target stands first in the table and becomes the last feature. */
static void least_squares(void **state)
{
    enum { N = 400 };
    double values[N * 4], xx[9] = {0}, xy[3] = {0}, beta[3], rss = 0, total = 0;
    lki_stream s = lki_stream_new(1, LKI_STREAM_TEST, 0);
    for (int i = 0; i < N; i++) {
        double *v = values + 4 * i;
        v[1] = lki_random_normal(&s);
        v[2] = 10 + 3 * lki_random_normal(&s);
        v[0] = 1.5 + 2 * v[1] - v[2] + 0.7 * lki_random_normal(&s);
        v[3] = i % 3 == 0 ? 2 : 0.5;
        const double x[3] = {1, v[1], v[2]};
        for (int j = 0; j < 9; j++) {
            xx[j] += v[3] * x[j / 3] * x[j % 3];
            xy[j % 3] += j < 3 ? v[3] * x[j % 3] * v[0] : 0;
        }
        total += v[3];
    }
    /* Cramer's rule. */
    const double det = xx[0] * (xx[4] * xx[8] - xx[5] * xx[7]) - xx[1] * (xx[3] * xx[8] - xx[5] * xx[6]) + xx[2] * (xx[3] * xx[7] - xx[4] * xx[6]);
    for (int k = 0; k < 3; k++) {
        double m[9];
        memcpy(m, xx, sizeof m);
        for (int i = 0; i < 3; i++) {
            m[3 * i + k] = xy[i];
        }
        beta[k] = (m[0] * (m[4] * m[8] - m[5] * m[7]) - m[1] * (m[3] * m[8] - m[5] * m[6]) + m[2] * (m[3] * m[7] - m[4] * m[6])) / det;
    }
    for (int i = 0; i < N; i++) {
        const double *v = values + 4 * i, r = v[0] - beta[0] - beta[1] * v[1] - beta[2] * v[2];
        rss += v[3] * r * r;
    }
    const char *const names[4] = {"y", "a", "b", "w"};
    const lk_setting settings[] = {{"layers", "0"}, {"spread", "constant"}, {"members", "1"}, {"validation", "0"}, {"decay", "0"},
                                   {"batch", "400"}, {"steps", "2500"}, {"rate", "0.01"}, {NULL, NULL}};
    lk_table *table = table_of(*state, values, N, names, 4);
    lk_model *model = NULL;
    lk_roles roles = {.size = sizeof roles, .weight = "w"};
    lk_fit_options options = {.size = sizeof options, .settings = settings, .target = "y", .roles = &roles};
    check_ok(*state, lk_model_fit(*state, "net", table, &options, &model));
    assert_int_equal(lk_model_target(model), 2);
    assert_string_equal(lk_model_feature(model, 2), "y");
    const double x[9] = {0, 0, 0, 1, 0, 0, 0, 1, 0};
    const int64_t target = 2;
    double out[6];
    check_ok(*state, lk_model_predict(*state, model, x, 3, &target, 1, NULL, 0, out));
    check_near(out[0], beta[0], 1e-4);
    check_near(out[2] - out[0], beta[1], 1e-4);
    check_near(out[4] - out[0], beta[2], 1e-4);
    check_near(out[1], sqrt(rss / total), 1e-4);
    double density;
    check_ok(*state, lk_model_log_density(*state, model, x, 1, &density));
    check_near(density, -0.5 * (log(2 * M_PI * rss / total) + beta[0] * beta[0] * total / rss), 1e-3);
    lk_model_free(model);
    lk_table_free(table);
}

/* y = sin(2 x) + (0.1 + 0.2 |x|) noise on [-2, 2]: the mean log density of new rows is at most that of the truth (Gibbs), and comes to
 * within 0.06 nats of it; mean and spread are found to within a third of the spread. Fixed seeds. */
static void mean_and_spread(void **state)
{
    enum { N = 3000 };
    double values[2 * N], fresh[2 * N], density[N], own = 0, truth = 0, off = 0;
    for (int k = 0; k < 2; k++) {
        lki_stream s = lki_stream_new(2 + (uint64_t)k, LKI_STREAM_TEST, 0);
        double *v = k == 0 ? values : fresh;
        for (int i = 0; i < N; i++) {
            v[2 * i] = 4 * lki_random_uniform(&s) - 2;
            v[2 * i + 1] = sin(2 * v[2 * i]) + (0.1 + 0.2 * fabs(v[2 * i])) * lki_random_normal(&s);
        }
    }
    const char *const names[2] = {"x", "y"};
    const lk_setting settings[] = {{"members", "2"}, {"steps", "2500"}, {"width", "48"}, {NULL, NULL}};
    lk_table *table = table_of(*state, values, N, names, 2);
    lk_model *model = fit(*state, table, "y", settings);
    check_ok(*state, lk_model_log_density(*state, model, fresh, N, density));
    for (int i = 0; i < N; i++) {
        double sd = 0.1 + 0.2 * fabs(fresh[2 * i]), z = (fresh[2 * i + 1] - sin(2 * fresh[2 * i])) / sd;
        own += density[i] / N;
        truth += (-0.5 * (z * z + log(2 * M_PI)) - log(sd)) / N;
    }
    print_message("mean log density %.4f, of the truth %.4f\n", own, truth);
    assert_true(own < truth && own > truth - 0.06);
    for (int i = 0; i <= 36; i++) {
        double x[2] = {-1.8 + 0.1 * i, 0}, out[3], sd = 0.1 + 0.2 * fabs(x[0]);
        const int64_t target = 1;
        const double level = 0.5;
        check_ok(*state, lk_model_predict(*state, model, x, 1, &target, 1, &level, 1, out));
        check_near(out[0], sin(2 * x[0]), 0.35 * sd);
        check_near(log(out[1] / sd), 0, 0.35);
        check_near(out[2], out[0], 0.02);
        off += fabs(out[0] - sin(2 * x[0])) / sd / 37;
    }
    assert_true(off < 0.12);
    lk_model_free(model);
    lk_table_free(table);
}

/* Answers of a mixture of members, from weights that are known: log density, mean, sd and median by hand; a row that lacks an input has
 * none; given all inputs the same law, as a model of its own. */
static void by_hand(void **state)
{
    enum { N = 60 };
    double values[N * 3];
    lki_stream s = lki_stream_new(5, LKI_STREAM_TEST, 0);
    for (int i = 0; i < 3 * N; i++) {
        values[i] = lki_random_normal(&s);
    }
    const char *const names[3] = {"a", "b", "y"};
    const lk_setting settings[] = {{"members", "2"}, {"steps", "300"}, {"width", "8"}, {"layers", "3"}, {"residual", "true"},
                                   {"activation", "tanh"}, {NULL, NULL}};
    lk_table *table = table_of(*state, values, N, names, 3);
    lk_model *model = fit(*state, table, "y", settings), *part = NULL;
    const double x[6] = {0.3, -1.2, 0.8, (double)NAN, 1, 1};
    const int64_t target = 2, given[2] = {1, 0};
    double out[6], sum = 0, density, z;
    const double level = 0.5, swapped[2] = {-1.2, 0.3}, at = 0.8;
    check_ok(*state, lk_model_predict(*state, model, x, 2, &target, 1, &level, 1, out));
    check_ok(*state, lk_model_condition(*state, model, given, swapped, 2, &part));
    check_ok(*state, lk_model_log_density(*state, model, x, 1, &density));
    check_ok(*state, lk_model_log_density(*state, part, &at, 1, &z));
    check_near(z, density, 1e-9);
    /* The law of the mixture by numeric integration of its density over y. */
    double first = 0, second = 0, below = 0;
    enum { STEPS = 8000 };
    static double rows[STEPS][3], densities[STEPS];
    for (int i = 0; i < STEPS; i++) {
        rows[i][0] = 0.3;
        rows[i][1] = -1.2;
        rows[i][2] = -20 + 40 * (i + 0.5) / STEPS;
    }
    check_ok(*state, lk_model_log_density(*state, model, rows[0], STEPS, densities));
    for (int i = 0; i < STEPS; i++) {
        double p = exp(densities[i]) * 40 / STEPS, y = rows[i][2];
        sum += p;
        first += p * y;
        second += p * y * y;
        below += y < out[2] ? p : 0;
    }
    check_near(sum, 1, 1e-6);
    check_near(out[0], first, 1e-6);
    check_near(out[1], sqrt(second - first * first), 1e-5);
    check_near(below, 0.5, 4e-3); /* a step of the grid */
    assert_true(isnan(out[3]) && isnan(out[4]) && isnan(out[5]));
    check_status(*state, LK_ERROR_UNSUPPORTED, lk_model_predict(*state, model, x, 1, given, 1, NULL, 0, out));
    check_contains(lk_error_message(*state), "does not tell feature 2");
    check_status(*state, LK_ERROR_UNSUPPORTED, lk_model_condition(*state, model, given, swapped, 1, &part));
    lk_model_free(part);
    lk_model_free(model);
    lk_table_free(table);
}

/* One row through a net of two layers, residual, by a loop that knows nothing of the library's. */
static void forward(void **state)
{
    (void)state;
    const lki_net_shape shape = {.inputs = 2, .layers = 2, .width = 3, .activation = LKI_NET_SILU, .residual = true, .members = 1};
    double w[64], x[2] = {0.5, -1.5}, work[6], raw[2], mean, sd, h[3], g[3], out[2];
    assert_int_equal(lki_net_size(&shape), 2 * 3 + 3 + 3 * 3 + 3 + 3 * 2 + 2);
    for (int i = 0; i < 64; i++) {
        w[i] = sin(1.7 * i);
    }
    for (int j = 0; j < 3; j++) {
        double a = w[6 + j] + x[0] * w[j] + x[1] * w[3 + j];
        h[j] = a / (1 + exp(-a));
    }
    for (int j = 0; j < 3; j++) {
        double a = w[18 + j] + h[0] * w[9 + j] + h[1] * w[12 + j] + h[2] * w[15 + j];
        g[j] = h[j] + a / (1 + exp(-a));
    }
    for (int j = 0; j < 2; j++) {
        out[j] = w[27 + j] + g[0] * w[21 + j] + g[1] * w[23 + j] + g[2] * w[25 + j];
    }
    lki_net_forward(&shape, w, x, work, raw);
    lki_net_moments(&shape, 2, raw, &mean, &sd);
    check_near(mean, out[0], 1e-14);
    check_near(sd, 2 * (1e-3 + log(1 + exp(out[1]))), 1e-14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(forward), cmocka_unit_test(least_squares), cmocka_unit_test(mean_and_spread),
                                       cmocka_unit_test(by_hand)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
