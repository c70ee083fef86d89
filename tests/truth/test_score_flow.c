/* What flows of exact scores must give: log densities of mixtures in closed form, conditional draws against exact ones, orders of the steps, the
 * law of a single normal distribution from no steps at all, the path of least energy against a minimiser that knows nothing of chords, and a
 * reflection that moves a wrong model towards the truth. */
#include "two_sample.h"

#include <likely/score.h>

#include "math/blas.h"
#include "score/kinetic.h"

/* Log densities within 1e-4 nats; their own errors cover them to a factor of 2 and 1e-5 a feature (the model at noise 100 is taken for a normal
 * distribution). */
static void density_by_flow(void **state)
{
    lk_context *ctx = *state;
    enum { ROWS = 40 };
    static double x[ROWS * 8], want[ROWS], got[ROWS], error[ROWS], other[ROWS], other_error[ROWS];
    const int dimensions[] = {1, 2, 8};
    for (int c = 0; c < 3; c++) {
        const int64_t d = dimensions[c];
        lki_stream s = gmm_stream(6400 + (uint64_t)c);
        lki_mixture *m = gmm_random_mixture(ctx, &s, "full", 4, d, 10, 1.5);
        lk_model *model = gmm_model_of(ctx, m);
        check_ok(ctx, lk_model_sample(ctx, model, 3, 0, ROWS, x));
        for (int64_t j = 0; j < d; j++) {
            x[j] += 3;                /* far out */
            x[d + j] = (double)NAN;   /* no answer */
        }
        check_ok(ctx, lk_model_log_density(ctx, model, x, ROWS, want));
        check_ok(ctx, lk_model_flow_density(ctx, model, NULL, x, 0, ROWS, got, error));
        assert_true(isnan(got[1]) && isnan(error[1]));
        check_near(got[0], want[0], 1e-3);
        for (int i = 0; i < ROWS; i++) {
            if (i > 1) {
                check_near(got[i], want[i], 1e-4);
                check_near(got[i], want[i], 2 * error[i] + 1e-5 * (double)d);
            }
        }
        const lk_flow_density_options probes = {.size = sizeof probes, .probes = 16, .seed = 4};
        double chi = 0;
        int count = 0;
        check_ok(ctx, lk_model_flow_density(ctx, model, &probes, x, 0, ROWS, got, error));
        for (int i = 0; i < ROWS; i++) {
            if (i != 1 && error[i] > 1e-3) { /* in one dimension probes are exact */
                chi += pow((got[i] - want[i]) / error[i], 2);
                count++;
            }
        }
        assert_true(d == 1 ? count == 0 : count > 30 && chi / count < 2.5 && chi / count > 0.4);
        check_ok(ctx, lk_model_flow_density(ctx, model, &probes, x + 10 * d, 10, ROWS - 10, other, other_error));
        assert_memory_equal(other, got + 10, (ROWS - 10) * sizeof *got); /* a row's probes are its own */
        lk_model_free(model);
        lki_mixture_free(m);
    }
}

/* Through a transform: a lognormal. */
static void density_through_a_transform(void **state)
{
    lk_context *ctx = *state;
    static double values[400], want[50], got[50], error[50];
    lki_stream s = gmm_stream(6410);
    for (int i = 0; i < 400; i++) {
        values[i] = exp(1 + 0.5 * lki_random_normal(&s));
    }
    lk_table *table = gmm_table(ctx, values, 400, 1);
    lk_setting settings[] = {{"components", "2"}, {NULL, NULL}};
    lk_fit_options options = {.size = sizeof options, .settings = settings, .transform = "log"};
    lk_model *model = NULL;
    check_ok(ctx, lk_model_fit(ctx, "gmm", table, &options, &model));
    values[3] = -1;
    check_ok(ctx, lk_model_log_density(ctx, model, values, 50, want));
    check_ok(ctx, lk_model_flow_density(ctx, model, NULL, values, 0, 50, got, error));
    for (int i = 0; i < 50; i++) {
        if (i == 3) {
            assert_true(got[i] == want[i] && isinf(got[i]));
        } else {
            check_near(got[i], want[i], 1e-4);
        }
    }
    lk_model_free(model);
    lk_table_free(table);
}

/* Draws of what is missing against exact conditional ones: Kolmogorov's test at a level of 1e-5 each, 12 in all. */
static void imputed(void **state)
{
    lk_context *ctx = *state;
    enum { DRAWS = 3000, D = 3 };
    static double flow[2 * DRAWS * D], exact[2 * DRAWS * D], a[DRAWS], b[DRAWS];
    lki_stream s = gmm_stream(6420);
    lki_mixture *m = gmm_random_mixture(ctx, &s, "full", 4, D, 20, 1.2);
    lk_model *model = gmm_model_of(ctx, m);
    const double x[2 * D] = {0.4, (double)NAN, (double)NAN, (double)NAN, -0.5, 0.2};
    const char *const methods[] = {"dpm", "heun"};
    for (int k = 0; k < 2; k++) {
        const lk_sampler_options options = {.size = sizeof options, .method = methods[k], .seed = 5};
        check_ok(ctx, lk_model_impute_by_score(ctx, model, &options, x, 2, 0, DRAWS, flow));
        check_ok(ctx, lk_model_impute_draws(ctx, model, x, 2, 6, 0, DRAWS, exact));
        for (int row = 0; row < 2; row++) {
            for (int w = 0; w < (row == 0 ? 3 : 1); w++) { /* both, and their sum */
                for (int i = 0; i < DRAWS; i++) {
                    const double *p = flow + (row * DRAWS + i) * D, *q = exact + (row * DRAWS + i) * D;
                    a[i] = row == 1 ? p[0] : w == 2 ? p[1] + p[2] : p[1 + w];
                    b[i] = row == 1 ? q[0] : w == 2 ? q[1] + q[2] : q[1 + w];
                    assert_true(row == 1 ? p[1] == -0.5 && p[2] == 0.2 : p[0] == 0.4);
                }
                assert_true(two_sample_kolmogorov(a, b, DRAWS) > 1e-5);
            }
        }
    }
    const lk_sampler_options wrong[] = {{.size = sizeof *wrong, .method = "sde"}, {.size = sizeof *wrong, .method = "heun", .schedule = "vp"}};
    for (int k = 0; k < 2; k++) {
        check_status(ctx, LK_ERROR_ARGUMENT, lk_model_impute_by_score(ctx, model, &wrong[k], x, 2, 0, 1, flow));
    }
    lk_model_free(model);
    lki_mixture_free(m);
}

/* Ends of one row's flow with n, 2 n and 4 n steps: differences fall by 2^order. */
static void orders(void **state)
{
    lk_context *ctx = *state;
    enum { ROWS = 200 };
    static double y[3][ROWS * 2];
    const struct {
        const char *method, *schedule;
        int64_t steps, order;
        double low, high;
    } cases[] = {{"euler", "edm", 200, 0, 1.7, 2.4}, {"euler", "flow", 200, 0, 1.6, 2.6},  {"heun", "edm", 100, 0, 3.2, 5},
                 {"heun", "vp", 150, 0, 3.2, 5.2},    {"ddim", "edm", 200, 0, 1.7, 2.4},    {"dpm", "edm", 100, 1, 1.7, 2.4},
                 {"dpm", "edm", 200, 2, 3.2, 5.5},    {"dpm", "edm", 300, 3, 6, 12},        {"dopri5", "edm", 24, 0, 20, 60}};
    lk_model *model = gmm_build(
        ctx, "{\"weights\":[0.4,0.6],\"means\":[[0,1],[2,-1]],\"covariances\":[[[1,0.3],[0.3,0.6]],[[0.5,-0.2],[-0.2,1]]]}");
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        double moved[2] = {0, 0};
        for (int turn = 0; turn < 3; turn++) {
            lk_sampler *s = NULL;
            const lk_sampler_options o = {.size = sizeof o, .method = cases[c].method, .schedule = cases[c].schedule, .order = cases[c].order,
                                          .steps = (cases[c].steps << turn) + 2, .sigma_max = 20, .sigma_min = 0.01, .seed = 1};
            check_ok(ctx, lk_sampler_new(ctx, model, &o, &s));
            check_ok(ctx, lk_sampler_rows(ctx, s, 0, ROWS, y[turn]));
            lk_sampler_free(s);
        }
        for (int i = 0; i < ROWS * 2; i++) {
            moved[0] += pow(y[1][i] - y[0][i], 2);
            moved[1] += pow(y[2][i] - y[1][i], 2);
        }
        const double ratio = sqrt(moved[0] / moved[1]);
        print_message("%s %s: errors fall by %.2f\n", cases[c].method, cases[c].schedule, ratio);
        assert_true(ratio > cases[c].low && ratio < cases[c].high);
    }
    lk_model_free(model);
}

/* Of one normal distribution with correlation all steps but the last are saved, and draws have its law to the rounding of the start's axes; of a
 * mixture some are. */
static void teleported(void **state)
{
    lk_context *ctx = *state;
    enum { N = 4000 };
    static double x[N * 2], exact[N * 2];
    lk_model *normal = gmm_build(ctx, "{\"weights\":[1],\"means\":[[3,-1]],\"covariances\":[[[4,1.8],[1.8,1]]]}");
    lk_model *two = gmm_build(ctx, "{\"weights\":[0.4,0.6],\"means\":[[0,1],[2,-1]],\"covariances\":[[[1,0.3],[0.3,0.6]],[[0.5,-0.2],[-0.2,1]]]}");
    for (int k = 0; k < 2; k++) {
        lk_sampler *s = NULL;
        lk_sampler_report r = {.size = sizeof r};
        const lk_sampler_options o = {.size = sizeof o, .method = "gaussian-start", .seed = 2};
        check_ok(ctx, lk_sampler_new(ctx, k ? two : normal, &o, &s));
        check_ok(ctx, lk_sampler_rows(ctx, s, 0, N, x));
        lk_sampler_tell(s, &r);
        print_message("%lld steps saved, start at noise %.3g\n", (long long)r.steps_saved, r.start);
        assert_true(k ? r.steps_saved > 10 && r.steps_saved < 36 : r.steps_saved == 39);
        check_ok(ctx, lk_model_sample(ctx, k ? two : normal, 3, 0, N, exact));
        assert_true(two_sample(ctx, k ? two : normal, x, exact, N) > 1e-4);
        lk_sampler_free(s);
    }
    lk_model_free(normal);
    lk_model_free(two);
}

/* ---- the path of least energy ---- */

/* Independent normal features of variances v, whose mean is 1: E[x0 | x] = a v x / (a^2 v + m^2). */
static double normal_separation(void *state, double theta)
{
    const double *v = state, a = sin(theta), m = cos(theta);
    double sum = 0;
    for (int j = 0; j < 2; j++) {
        sum += a * a * v[j] * v[j] / (a * a * v[j] + m * m) / 2;
    }
    return sum;
}

/* Energy of a path with nodes (a_i, m_i), lambda taken in the middle of each piece. */
static double path_energy(const double *a, const double *m, int pieces, double (*lambda)(void *, double), void *state)
{
    double sum = 0;
    for (int i = 0; i < pieces; i++) {
        const double h = 1.0 / pieces, x = (a[i] + a[i + 1]) / 2, y = (m[i] + m[i + 1]) / 2, da = (a[i + 1] - a[i]) / h,
                     dm = (m[i + 1] - m[i]) / h;
        const double turn = da - x * dm / y;
        sum += h * (da * da + dm * dm - (1 - lambda(state, atan2(x, y))) * turn * turn);
    }
    return sum;
}

/* Coordinate by coordinate, with steps that shrink: a minimiser that knows the energy alone. */
static double minimised(double *a, double *m, int pieces, double (*lambda)(void *, double), void *state)
{
    double best = path_energy(a, m, pieces, lambda, state);
    for (double step = 0.03; step > 1e-4; step *= 0.7) {
        for (int sweep = 0; sweep < 30; sweep++) {
            const double before = best;
            for (int i = 1; i < pieces; i++) {
                for (int side = 0; side < 4; side++) {
                    double *p = side < 2 ? &a[i] : &m[i];
                    const double old = *p;
                    *p += side % 2 ? -step : step;
                    const double now = *p > 0 ? path_energy(a, m, pieces, lambda, state) : best;
                    if (now < best) {
                        best = now;
                    } else {
                        *p = old;
                    }
                }
            }
            if (before - best < 1e-6 * best) {
                break;
            }
        }
    }
    return best;
}

static double half_separation(void *state, double theta)
{
    const double s = sin(theta), c = cos(theta);
    (void)state;
    return s * s + c * c * (0.3 + 0.5 * s * s); /* G = .3 + .5 sin^2 */
}

static void least_energy(void **state)
{
    lk_context *ctx = *state;
    enum { PIECES = 32 };
    const lki_memory memory = lki_memory_of(ctx);
    double a[PIECES + 1], m[PIECES + 1];
    lki_kinetic *k = NULL;
    check_ok(ctx, lki_kinetic_of(ctx, half_separation, NULL, &k));
    for (int i = 0; i <= PIECES; i++) { /* begins at the circle */
        a[i] = sin(M_PI / 2 * i / PIECES);
        m[i] = cos(M_PI / 2 * i / PIECES);
    }
    const double circle = path_energy(a, m, PIECES, half_separation, NULL), brute = minimised(a, m, PIECES, half_separation, NULL);
    for (int i = 0; i <= PIECES; i++) {
        const lki_path_point p = lki_kinetic_at(k, fmin(1 - 1e-9, fmax(1e-9, 1 - (double)i / PIECES)));
        a[i] = p.alpha;
        m[i] = p.sigma;
    }
    const double ours = path_energy(a, m, PIECES, half_separation, NULL);
    print_message("energy: circle %.5f, minimised %.5f, chord %.5f, by its formula %.5f\n", circle, brute, ours, lki_kinetic_energy(k));
    check_near(ours, lki_kinetic_energy(k), 0.003);
    assert_true(brute < 0.97 * circle && ours < 1.001 * brute && ours > 0.99 * brute); /* the minimiser stops a little short */
    for (double t = 0.05; t < 1; t += 0.1) { /* rates and the inverse belong to the path */
        const lki_path_point p = lki_kinetic_at(k, t), up = lki_kinetic_at(k, t + 1e-6), down = lki_kinetic_at(k, t - 1e-6);
        check_near(p.alpha_rate, (up.alpha - down.alpha) / 2e-6, 1e-4);
        check_near(p.sigma_rate, (up.sigma - down.sigma) / 2e-6, 1e-4);
        check_near(lki_kinetic_time(k, p.sigma / p.alpha), t, 1e-9);
    }
    lki_kinetic_free(&memory, k);
}

/* The separation of normal features by 2048 draws: within 5 of its standard errors, some .01; and of n points in d features, where it goes to 1 as n/d
 * goes to 0, and with it the chord to the straight line, whose energy is 2. */
static void separations(void **state)
{
    lk_context *ctx = *state;
    const lki_memory memory = lki_memory_of(ctx);
    double v[2] = {1.7, 0.3};
    lki_stream s = gmm_stream(6430);
    static double draws[2048 * 2];
    lk_model *model = gmm_build(ctx, "{\"weights\":[1],\"means\":[[0,0]],\"covariances\":[[[1.7,0],[0,0.3]]]}");
    lki_field *f = NULL;
    lki_kinetic *k = NULL;
    check_ok(ctx, lki_field_of_model(ctx, model, NULL, NULL, &f));
    check_ok(ctx, lk_model_sample(ctx, model, 1, 0, 2048, draws));
    check_ok(ctx, lki_kinetic_new(ctx, f, draws, 2048, &k));
    for (double theta = 0.1; theta < 1.5; theta += 0.1) {
        check_near(lki_kinetic_separation(k, 1 / tan(theta)), normal_separation(v, theta), 0.015);
    }
    lki_kinetic_free(&memory, k);
    lki_field_free(ctx, f);
    lk_model_free(model);
    double energies[3];
    for (int c = 0; c < 3; c++) {
        const int64_t d = c == 0 ? 2 : c == 1 ? 32 : 1024, n = 16;
        double *points = malloc((size_t)(n * d) * sizeof *points), *zeros = calloc((size_t)(n * d), sizeof *zeros), weights[16];
        for (int64_t j = 0; j < d; j++) { /* each feature of mean 0 and variance 1 over the points */
            double mean = 0, square = 0;
            for (int64_t i = 0; i < n; i++) {
                mean += (points[i * d + j] = lki_random_normal(&s)) / (double)n;
            }
            for (int64_t i = 0; i < n; i++) {
                points[i * d + j] -= mean;
                square += points[i * d + j] * points[i * d + j] / (double)n;
                weights[i] = 1.0 / (double)n;
            }
            for (int64_t i = 0; i < n; i++) {
                points[i * d + j] /= sqrt(square);
            }
        }
        check_ok(ctx, lki_field_of_factors(ctx, n, d, 0, weights, points, NULL, zeros, NULL, NULL, &f));
        check_ok(ctx, lki_kinetic_new(ctx, f, points, n, &k));
        energies[c] = lki_kinetic_energy(k);
        if (c == 2) { /* a fifth of data in four fifths of noise tells a point out of 16 */
            assert_true(lki_kinetic_separation(k, 4) > 0.99);
        }
        lki_kinetic_free(&memory, k);
        lki_field_free(ctx, f);
        free(points);
        free(zeros);
    }
    print_message("least energy of 16 points in 2, 32, 1024 features: %.4f %.4f %.4f\n", energies[0], energies[1], energies[2]);
    assert_true(energies[0] < energies[1] && energies[1] < energies[2] && energies[2] > 1.85 && energies[2] <= 2);
}

/* ---- reflection ---- */

/* KL(truth's own draws || draws), as that of normal fits to a feature: enough to tell whether a width comes nearer. */
static double width_error(lk_context *ctx, const lk_model *strong, const lk_model *weak, const char *method)
{
    enum { N = 8000 };
    static double x[N];
    lk_sampler *s = NULL;
    const lk_sampler_options o = {.size = sizeof o, .method = method, .steps = 300, .weak = weak, .seed = 3};
    double mean = 0, square = 0;
    check_ok(ctx, lk_sampler_new(ctx, strong, &o, &s));
    check_ok(ctx, lk_sampler_rows(ctx, s, 0, N, x));
    lk_sampler_free(s);
    for (int i = 0; i < N; i++) {
        mean += x[i] / N;
    }
    for (int i = 0; i < N; i++) {
        square += pow(x[i] - mean, 2) / N;
    }
    return 0.5 * (square - 1 - log(square)) + 0.5 * mean * mean; /* against N(0, 1) */
}

/* The truth is N(0, 1). The strong model is N(.3, 1.4), the weak one wrong in the same way, twice as far; then one wrong in another. */
static void reflected(void **state)
{
    lk_context *ctx = *state;
    lk_model *strong = gmm_build(ctx, "{\"weights\":[1],\"means\":[[0.3]],\"covariances\":[[[1.4]]]}");
    lk_model *weak = gmm_build(ctx, "{\"weights\":[1],\"means\":[[0.6]],\"covariances\":[[[1.8]]]}");
    lk_model *misled = gmm_build(ctx, "{\"weights\":[1],\"means\":[[-0.6]],\"covariances\":[[[0.8]]]}");
    const double alone = width_error(ctx, strong, NULL, "ddim"), same = width_error(ctx, strong, strong, "reflection"),
                 aligned = width_error(ctx, strong, weak, "reflection"), away = width_error(ctx, strong, misled, "reflection");
    print_message("KL to the truth: strong %.4f, reflected on itself %.4f, on the weak %.4f, on a misleading one %.4f\n", alone, same, aligned, away);
    check_near(same, alone, 0.15 * alone);
    assert_true(aligned < 0.3 * alone && away > 1.5 * alone);
    lk_model_free(strong);
    lk_model_free(weak);
    lk_model_free(misled);
}

static int setup(void **state)
{
    lki_blas_enter();
    return check_setup(state);
}

static int teardown(void **state)
{
    lki_blas_leave();
    return check_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(density_by_flow), cmocka_unit_test(density_through_a_transform), cmocka_unit_test(imputed), cmocka_unit_test(orders),
        cmocka_unit_test(teleported), cmocka_unit_test(least_energy), cmocka_unit_test(separations), cmocka_unit_test(reflected),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
