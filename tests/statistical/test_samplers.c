/* Draws by the score alone against the mixture that they should follow: moments within 5 standard errors and two-sample
 * Kolmogorov distances along the features and random directions at a level of 1e-5 each. A right program fails one of
 * these some 250 numbers in one of 150 seeds; the seeds are fixed. Beside them the laws that a sampler's own error must
 * follow. */
#include "gmm_check.h"

#include <likely/derived.h>
#include <likely/score.h>

enum { N = 4000, D = 3, DIRECTIONS = 3 };

static lk_sampler *sampler_of(lk_context *ctx, const lk_model *model, lk_sampler_options options)
{
    lk_sampler *s = NULL;
    options.size = sizeof options;
    options.seed = 7;
    check_ok(ctx, lk_sampler_new(ctx, model, &options, &s));
    return s;
}

static lk_sampler_report report_of(const lk_sampler *s)
{
    lk_sampler_report r = {.size = sizeof r};
    lk_sampler_tell(s, &r);
    return r;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* sup |F - G| of two samples of N. At a level a it stays below sqrt(-log(a / 2) / N) (Kolmogorov and Smirnov). */
static double kolmogorov(double *x, double *y)
{
    double most = 0;
    qsort(x, N, sizeof *x, compare);
    qsort(y, N, sizeof *y, compare);
    for (int i = 0, j = 0; i < N && j < N;) {
        if (x[i] <= y[j]) {
            i++;
        } else {
            j++;
        }
        most = fmax(most, fabs((double)(i - j)) / N);
    }
    return most;
}

static void check_alike(lk_context *ctx, const lk_model *model, const double *draws, int64_t d)
{
    static double exact[N * D], x[N], y[N];
    lki_stream s = gmm_stream(970);
    check_ok(ctx, lk_model_sample(ctx, model, 99, 0, N, exact));
    for (int64_t a = 0; a < d + DIRECTIONS; a++) {
        double w[D] = {0};
        for (int64_t j = 0; j < d; j++) {
            w[j] = a < d ? (double)(a == j) : lki_random_normal(&s);
        }
        for (int i = 0; i < N; i++) {
            x[i] = y[i] = 0;
            for (int64_t j = 0; j < d; j++) {
                x[i] += w[j] * draws[i * d + j];
                y[i] += w[j] * exact[i * d + j];
            }
        }
        assert_true(kolmogorov(x, y) < sqrt(-log(0.5e-5) / N));
    }
    const lki_mixture *m = gmm_mixture(model);
    double C[D * D];
    for (int64_t a = 0; a < d; a++) {
        for (int64_t b = 0; b <= d; b++) { /* E x_a x_b, and E x_a */
            double want = 0, sum = 0, squares = 0;
            for (int64_t k = 0; k < m->K; k++) {
                lki_mixture_covariance(m, k, C);
                want += m->weights[k] *
                        (b == d ? m->means[k * d + a] : C[a * d + b] + m->means[k * d + a] * m->means[k * d + b]);
            }
            for (int i = 0; i < N; i++) {
                const double v = draws[i * d + a] * (b == d ? 1 : draws[i * d + b]) - want;
                sum += v / N;
                squares += v * v / N;
            }
            check_near(sum, 0, 5 * sqrt(squares / N));
        }
    }
}

/* Overlapping mixtures of every form by both ways; the flow through separate components too. */
static void laws(void **state)
{
    lk_context *ctx = *state;
    static double draws[N * D];
    for (int f = 0; f < 10; f++) {
        const int apart = f >= 8, langevin = f % 2;
        lki_stream s = gmm_stream(900 + (uint64_t)f);
        lki_mixture *mix = gmm_random_mixture(ctx, &s, gmm_families[f / 2 % 4], 3, D, 5, apart ? 8 : 0.7);
        lk_model *model = gmm_model_of(ctx, mix);
        lk_sampler *sampler =
            sampler_of(ctx, model,
                       (lk_sampler_options){.method = langevin && !apart ? "mala" : "heun",
                                            .steps = langevin && !apart ? 400 : langevin ? 200 : 100});
        check_ok(ctx, lk_sampler_rows(ctx, sampler, 0, N, draws));
        check_alike(ctx, model, draws, D);
        const lk_sampler_report r = report_of(sampler);
        assert_int_equal(r.rows, N);
        if (langevin && !apart) {
            assert_true(r.r_hat < 1.1 && r.effective > 10 && fabs(r.acceptance - 0.574) < 0.05);
            assert_true(isnan(r.step_error) && r.steps == 400);
        } else {
            assert_true(r.step_error < (apart ? 0.05 : 0.01) && r.step_error <= r.step_error_most && isnan(r.r_hat));
        }
        lk_sampler_free(sampler);
        lk_model_free(model);
        lki_mixture_free(mix);
    }
}

/* Without a noisy version, and with a score by differences: what a method with a log density alone gets. */
static void density_alone(void **state)
{
    lk_context *ctx = *state;
    static double draws[N * D];
    lk_model *model = gmm_build(
        ctx, "{\"weights\":[0.5,0.5],\"means\":[[0,50],[1,52]],\"covariances\":[[[1,0.7],[0.7,1]],[[1,0],[0,4]]]}");
    model->operations.smooth = NULL;
    model->operations.score = NULL;
    lk_sampler *sampler = sampler_of(ctx, model, (lk_sampler_options){.method = "mala", .steps = 100});
    check_ok(ctx, lk_sampler_rows(ctx, sampler, 0, N, draws));
    check_alike(ctx, model, draws, 2);
    lk_sampler_free(sampler);
    lk_sampler *flow = NULL;
    lk_sampler_options options = {.size = sizeof options, .method = "heun"};
    check_status(ctx, LK_ERROR_UNSUPPORTED, lk_sampler_new(ctx, model, &options, &flow));
    check_contains(lk_error_message(ctx), "does not offer smooth");
    lk_model_free(model);
}

/* A step of h on a normal of variance v: z' = (1 - h / 2) z + sqrt(h v) e, which settles at v / (1 - h / 4). With the
 * log density the step is refused often enough that it settles at v. */
static void unadjusted_bias(void **state)
{
    lk_context *ctx = *state;
    enum { M = 20000 };
    static double draws[M];
    for (int adjusted = 0; adjusted < 2; adjusted++) {
        lk_model *model = gmm_build(ctx, "{\"weights\":[1],\"means\":[[3]],\"covariances\":[[[4]]]}");
        model->operations.log_density = adjusted ? model->operations.log_density : NULL;
        lk_sampler *sampler =
            sampler_of(ctx, model, (lk_sampler_options){.method = adjusted ? "mala" : "langevin", .steps = 80, .step_size = 0.8});
        check_ok(ctx, lk_sampler_rows(ctx, sampler, 0, M, draws));
        double mean = 0, variance = 0;
        for (int i = 0; i < M; i++) {
            mean += draws[i] / M;
        }
        for (int i = 0; i < M; i++) {
            variance += pow(draws[i] - mean, 2) / (M - 1);
        }
        /* h is in units of the spread over 4096 draws, 1.1% off on average: a share of .16 x 2 x 5 x .011 of the bias
         */
        const double want = adjusted ? 4 : 4 / (1 - 0.16),
                     error = 5 * want * sqrt(2.0 / M) + (adjusted ? 0 : want * 0.0176);
        check_near(mean, 3, 5 * sqrt(want / M));
        check_near(variance, want, error);
        assert_true(error < 0.4); /* it tells 4 from 4.76 */
        assert_true(isnan(report_of(sampler).acceptance) == !adjusted);
        lk_sampler_free(sampler);
        lk_model_free(model);
    }
}

/* Chains that cannot cross between components say so. */
static void stuck_chains(void **state)
{
    lk_context *ctx = *state;
    static double draws[500];
    lk_model *model = gmm_build(ctx, "{\"weights\":[0.5,0.5],\"means\":[[-10],[10]],\"covariances\":[1,1]}");
    lk_sampler *sampler = sampler_of(ctx, model, (lk_sampler_options){.method = "mala"});
    check_ok(ctx, lk_sampler_rows(ctx, sampler, 0, 500, draws));
    const lk_sampler_report r = report_of(sampler);
    assert_true(r.r_hat > 3 && r.effective < 1.5);
    lk_sampler_free(sampler);
    lk_model_free(model);
}

/* On a normal the flow's end is known for each start: z_0 = m + (z_T - m) sqrt(v / (v + T^2)) in units of the spread.
 * Errors of Heun's method fall by 4 with twice the steps (noise ends at 1e-3 of the sd, which alone moves z by 1e-12),
 * and stay below what is told. */
static void flow_order(void **state)
{
    lk_context *ctx = *state;
    enum { M = 400 };
    double errors[3], draws[M];
    for (int turn = 0; turn < 3; turn++) {
        lk_model *model = gmm_build(ctx, "{\"weights\":[1],\"means\":[[-2]],\"covariances\":[[[9]]]}");
        lk_sampler *sampler =
            sampler_of(ctx, model,
                       (lk_sampler_options){
                           .method = "heun", .steps = 40 << turn, .sigma_max = 10, .sigma_min = 1e-3});
        static double place[4096];
        double mean = 0, spread = 0, sum = 0;
        check_ok(ctx,
                 lk_model_sample(ctx, model, 0x6c696b66, 0, 4096, place)); /* where the sampler looks for the model */
        for (int i = 0; i < 4096; i++) {
            mean += place[i] / 4096;
        }
        for (int i = 0; i < 4096; i++) {
            spread += pow(place[i] - mean, 2) / 4095;
        }
        check_ok(ctx, lk_sampler_rows(ctx, sampler, 0, M, draws));
        for (int i = 0; i < M; i++) {
            lki_stream s = lki_stream_new(7, LKI_STREAM_FLOW, (uint64_t)i);
            const double from = mean + sqrt(spread * 101) * lki_random_normal(&s);
            sum += pow(draws[i] - (-2 + (from + 2) * sqrt(9 / (9 + 100 * spread))), 2) / M;
        }
        errors[turn] = sqrt(sum / spread);
        assert_true(errors[turn] < report_of(sampler).step_error);
        lk_sampler_free(sampler);
        lk_model_free(model);
    }
    print_message("errors %.3g %.3g %.3g\n", errors[0], errors[1], errors[2]);
    assert_true(errors[0] / errors[1] > 3.2 && errors[0] / errors[1] < 4.8);
    assert_true(errors[1] / errors[2] > 3.2 && errors[1] / errors[2] < 4.8);
    assert_true(errors[2] < 1e-3);
}

/* The default is what the model does best; through a transform draws are in the units of the data. */
static void choices(void **state)
{
    lk_context *ctx = *state;
    static double values[N], draws[N], same[N];
    lki_stream s = gmm_stream(960);
    for (int i = 0; i < N; i++) {
        values[i] = exp(1 + 0.5 * lki_random_normal(&s));
    }
    lk_table *table = gmm_table(ctx, values, N, 1);
    lk_setting settings[] = {{"components", "1"}, {NULL, NULL}};
    lk_fit_options options = {.size = sizeof options, .settings = settings, .transform = "log"};
    lk_model *model = NULL;
    check_ok(ctx, lk_model_fit(ctx, "gmm", table, &options, &model));
    lk_sampler *sampler = sampler_of(ctx, model, (lk_sampler_options){.steps = 0});
    assert_string_equal(report_of(sampler).method, "exact");
    check_ok(ctx, lk_sampler_rows(ctx, sampler, 0, N, draws));
    check_ok(ctx, lk_model_sample(ctx, model, 7, 0, N, same));
    assert_memory_equal(draws, same, sizeof draws);
    lk_sampler_free(sampler);
    const char *const methods[] = {"mala", "heun"};
    for (int i = 0; i < 2; i++) {
        sampler = sampler_of(ctx, model, (lk_sampler_options){.method = methods[i]});
        check_ok(ctx, lk_sampler_rows(ctx, sampler, 0, N, draws));
        check_ok(ctx, lk_model_sample(ctx, model, 99, 0, N, same));
        assert_true(kolmogorov(draws, same) < sqrt(-log(0.5e-5) / N));
        lk_sampler_free(sampler);
    }
    model->operations.sample = NULL;
    sampler = sampler_of(ctx, model, (lk_sampler_options){.steps = 0});
    assert_string_equal(report_of(sampler).method, "heun");
    lk_sampler_free(sampler);
    model->operations.smooth = NULL;
    sampler = sampler_of(ctx, model, (lk_sampler_options){.steps = 0});
    assert_string_equal(report_of(sampler).method, "mala");
    lk_sampler_free(sampler);
    lk_model_free(model);
    lk_table_free(table);
}

static void refused(void **state)
{
    lk_context *ctx = *state;
    lk_model *model = gmm_build(ctx, "{\"weights\":[1],\"means\":[[3]],\"covariances\":[[[4]]]}");
    const lk_sampler_options wrong[] = {{.size = sizeof *wrong, .method = "gibbs"},
                                        {.size = sizeof *wrong, .steps = 5, .method = "mala"},
                                        {.size = 8},
                                        {.size = sizeof *wrong, .sigma_max = -1},
                                        {.size = sizeof *wrong, .sigma_min = 60, .method = "heun"},
                                        {.size = sizeof *wrong, .step_size = -0.1},
                                        {.size = sizeof *wrong, .seed = -1},
                                        {.size = sizeof *wrong, .sigma_max = (double)NAN}};
    lk_sampler *s = NULL;
    double x[2];
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        check_status(ctx, LK_ERROR_ARGUMENT, lk_sampler_new(ctx, model, &wrong[i], &s));
        assert_null(s);
    }
    check_ok(ctx, lk_sampler_new(ctx, model, NULL, &s));
    check_status(ctx, LK_ERROR_ARGUMENT, lk_sampler_rows(ctx, s, -1, 1, x));
    lk_sampler_free(s);
    model->operations.log_density = NULL; /* unadjusted steps of 5 sd blow up */
    s = sampler_of(ctx, model, (lk_sampler_options){.method = "langevin", .step_size = 5, .steps = 2000});
    check_status(ctx, LK_ERROR_NUMERIC, lk_sampler_rows(ctx, s, 0, 2, x));
    check_contains(lk_error_message(ctx), "step size below 5");
    lk_sampler_free(s);
    lk_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(laws),         cmocka_unit_test(density_alone), cmocka_unit_test(unadjusted_bias),
        cmocka_unit_test(stuck_chains), cmocka_unit_test(flow_order),    cmocka_unit_test(choices),
        cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
