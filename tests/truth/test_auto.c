/* The methods auto and knn: densities that integrate to 1, marginals by integration, draws against the density, what outliers do, the t distribution's
 * likelihood equations, distances by plain search; files, threads and failed allocations. */
#include "two_sample_check.h"

#include "kernel/student.h"

static lk_model *fitted(lk_context *ctx, const char *method, const double *x, int64_t n, int64_t d)
{
    lk_table *table = gmm_table(ctx, x, n, d);
    lk_fit_options options = {.size = sizeof options, .seed = 1};
    lk_model *model = NULL;
    check_ok(ctx, lk_model_fit(ctx, method, table, &options, &model));
    lk_table_free(table);
    return model;
}

static double log_density(lk_context *ctx, const lk_model *model, const double *x)
{
    double value;
    check_ok(ctx, lk_model_log_density(ctx, model, x, 1, &value));
    return value;
}

/* Midpoints on x = tan(u), u within (-pi/2, pi/2): all of the line, heavy tails included. */
static double on_line(double u)
{
    return tan(u);
}

static void integrals(void **state)
{
    lk_context *ctx = *state;
    enum { CELLS = 1500 };
    const double pi = 3.14159265358979323846, step = pi / CELLS;
    double *x = normal_values(1, 200, 2, 0, 1), total = 0, *grid = malloc(sizeof(double) * 2 * CELLS), *values = malloc(sizeof(double) * CELLS);
    for (int i = 0; i < 200; i++) {
        x[2 * i + 1] = 0.5 * x[2 * i + 1] + 0.4 * x[2 * i] * x[2 * i];
    }
    lk_model *model = fitted(ctx, "auto", x, 200, 2), *first = NULL;
    const int64_t feature = 0;
    check_ok(ctx, lk_model_marginal(ctx, model, &feature, 1, &first));
    for (int i = 0; i < CELLS; i++) {
        const double a = on_line(-pi / 2 + (i + 0.5) * step);
        double row = 0;
        for (int j = 0; j < CELLS; j++) {
            grid[2 * j] = a;
            grid[2 * j + 1] = on_line(-pi / 2 + (j + 0.5) * step);
        }
        check_ok(ctx, lk_model_log_density(ctx, model, grid, CELLS, values));
        for (int j = 0; j < CELLS; j++) {
            row += exp(values[j]) * (1 + grid[2 * j + 1] * grid[2 * j + 1]) * step;
        }
        if (fabs(a) < 3) {
            check_near(row / exp(log_density(ctx, first, &a)), 1, 2e-3);
        }
        total += row * (1 + a * a) * step;
    }
    print_message("integral %.6f\n", total);
    check_near(total, 1, 2e-3);
    free(grid);
    free(values);
    free(x);
    lk_model_free(model);
    lk_model_free(first);
}

/* Under its own draws the mean of q / p is 1 for any other density q, here a narrow normal one: draws and density agree. */
static void draws(void **state)
{
    lk_context *ctx = *state;
    const int64_t n = check_scaled(40000, 10000);
    double *x = normal_values(2, 300, 3, 1, 2), *y = malloc(sizeof(double) * (size_t)n * 3), *p = malloc(sizeof(double) * (size_t)n), mean = 0, square = 0;
    lk_model *model = fitted(ctx, "auto", x, 300, 3);
    check_ok(ctx, lk_model_sample(ctx, model, 7, 0, n, y));
    check_ok(ctx, lk_model_log_density(ctx, model, y, n, p));
    for (int64_t i = 0; i < n; i++) {
        double q = 0;
        for (int j = 0; j < 3; j++) {
            const double u = (y[3 * i + j] - 1) / 1.5;
            q += -0.5 * u * u - log(1.5) - 0.91893853320467274;
        }
        const double ratio = exp(q - p[i]);
        mean += ratio / (double)n;
        square += ratio * ratio / (double)n;
    }
    print_message("mean ratio %.4f\n", mean);
    check_near(mean, 1, 4 * sqrt((square - mean * mean) / (double)n));
    free(x);
    free(y);
    free(p);
    lk_model_free(model);
}

/* At the fit of t the likelihood equations hold: the weighted residuals sum to 0, and their weighted outer products to n times the scatter
 * (less the ridge of 1e-6). A twentieth of the rows put far away moves the location by less than a tenth of what it moves the mean. */
static void student(void **state)
{
    lk_context *ctx = *state;
    enum { N = 400, D = 3 };
    const lki_memory memory = lki_memory_of(ctx);
    double *x = normal_values(5, N, D, 0, 1), w[N], sum[D] = {0}, scatter[D * D] = {0}, work[D];
    lki_student s;
    for (int i = 0; i < N; i++) {
        w[i] = 1;
        x[i * D + 1] += x[i * D];
        for (int j = 0; j < D && i % 20 == 0; j++) {
            x[i * D + j] = 30;
        }
    }
    check_ok(ctx, lki_student_new(ctx, D, &s));
    check_ok(ctx, lki_student_fit(ctx, x, w, N, 3, 0, 300, &s));
    for (int i = 0; i < N; i++) {
        const double log_p = lki_student_log_density(&s, x + i * D, work);
        const double q = 3 * expm1((s.log_constant - log_p) * 2 / (3 + D)), c = (3.0 + D) / (3 + q);
        for (int j = 0; j < D; j++) {
            sum[j] += c * (x[i * D + j] - s.mean[j]) / N;
            for (int k = 0; k < D; k++) {
                scatter[j * D + k] += c * (x[i * D + j] - s.mean[j]) * (x[i * D + k] - s.mean[k]) / N;
            }
        }
    }
    for (int j = 0; j < D; j++) {
        check_near(sum[j], 0, 1e-6);
        for (int k = 0; k < D; k++) {
            check_near(scatter[j * D + k], s.scatter[j * D + k] - (j == k ? 1e-6 : 0), 1e-5);
        }
        assert_true(fabs(s.mean[j]) < 0.15 + 0.25); /* the mean is at 1.5 */
    }
    lki_student_free(&memory, &s);
    free(x);
}

/* knn by plain search: k / (n V_d r^d) with r in units of sd. */
static void nearest_distances(void **state)
{
    lk_context *ctx = *state;
    enum { N = 60, D = 2, K = 10 };
    double *x = normal_values(6, N, D, 0, 3), sd[D];
    const double at[2] = {0.5, -1};
    double r[N];
    for (int j = 0; j < D; j++) {
        double mean = 0, square = 0;
        for (int i = 0; i < N; i++) {
            mean += x[i * D + j] / N;
            square += x[i * D + j] * x[i * D + j] / N;
        }
        sd[j] = sqrt(square - mean * mean);
    }
    for (int i = 0; i < N; i++) {
        r[i] = hypot((x[i * D] - at[0]) / sd[0], (x[i * D + 1] - at[1]) / sd[1]);
        for (int j = i; j > 0 && r[j] < r[j - 1]; j--) {
            const double swap = r[j];
            r[j] = r[j - 1];
            r[j - 1] = swap;
        }
    }
    lk_model *model = fitted(ctx, "knn", x, N, D);
    check_near(log_density(ctx, model, at), log(K / (N * 3.14159265358979323846 * r[K - 1] * r[K - 1] * sd[0] * sd[1])), 1e-10);
    lk_model_free(model);
    free(x);
}

/* Files give the same bits back; 1 and 2 threads too. */
static void same_bits(void **state)
{
    static const char *const methods[] = {"auto", "knn"};
    lk_context *ctx = *state, *single = check_context(1);
    double *x = normal_values(8, 120, 3, 0, 1);
    char path[] = "/tmp/likely-auto-XXXXXX";
    const int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    for (int m = 0; m < 2; m++) {
        lk_model *one = fitted(ctx, methods[m], x, 120, 3), *two = fitted(single, methods[m], x, 120, 3), *read = NULL;
        check_ok(ctx, lk_model_save(ctx, one, path));
        check_ok(ctx, lk_model_load(ctx, path, &read));
        for (int i = 0; i < 20; i++) {
            const double at[3] = {0.3 * i, 1, 0.01 * i * i}, value = log_density(ctx, one, at);
            assert_true(value == log_density(single, two, at) && value == log_density(ctx, read, at));
        }
        lk_model_free(one);
        lk_model_free(two);
        lk_model_free(read);
    }
    unlink(path);
    free(x);
    lk_context_free(single);
}

/* Constant columns, few rows and one feature are no trouble. */
static void odd_data(void **state)
{
    lk_context *ctx = *state;
    const double few[6] = {1, 5, 2, 5, 4, 5}, at[2] = {2, 5}, far[2] = {2, 9};
    static const char *const methods[] = {"auto", "knn"};
    for (int m = 0; m < 2; m++) {
        lk_model *model = fitted(ctx, methods[m], few, 3, 2);
        assert_true(isfinite(log_density(ctx, model, at)) && log_density(ctx, model, far) < log_density(ctx, model, at));
        lk_model_free(model);
        model = fitted(ctx, methods[m], few, 6, 1);
        assert_true(isfinite(log_density(ctx, model, at)));
        lk_model_free(model);
    }
}

static lk_status everything(lk_context *ctx, void *state)
{
    const double *values = state;
    static const char *const methods[] = {"auto", "knn"};
    lk_table *table = NULL;
    double out;
    const int64_t feature = 1;
    lk_status status = lk_table_from_array(ctx, values, 30, 2, NULL, &table);
    for (int m = 0; m < 2 && status == LK_OK; m++) {
        lk_model *model = NULL, *part = NULL;
        lk_fit_options options = {.size = sizeof options};
        status = lk_model_fit(ctx, methods[m], table, &options, &model);
        status = status == LK_OK ? lk_model_log_density(ctx, model, values, 1, &out) : status;
        status = status == LK_OK ? lk_model_marginal(ctx, model, &feature, 1, &part) : status;
        lk_model_free(model);
        lk_model_free(part);
    }
    lk_table_free(table);
    return status;
}

static void allocations(void **state)
{
    double *values = normal_values(7602, 30, 2, 0, 1);
    (void)state;
    const long failures = check_allocations(2, everything, values, NULL);
    assert_true(failures > 100);
    free(values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integrals),         cmocka_unit_test(draws),     cmocka_unit_test(student),  cmocka_unit_test(nearest_distances),
        cmocka_unit_test(same_bits),         cmocka_unit_test(odd_data),  cmocka_unit_test(allocations),
    };
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
