/* Modes of mixtures whose number is known: two normals, the triangle with a mode that no component makes, Ray and
 * Lindsay's two normals with three modes, and their ridgeline as an independent count; basins of one feature by their
 * borders; certificates. */
#include "gmm_check.h"

#include <likely/derived.h>

static lk_modes *modes_of(lk_context *ctx, const lk_model *model, int64_t draws)
{
    const int64_t d = lk_model_dimension(model);
    double *x = malloc((size_t)(draws * d + 1) * sizeof *x);
    lk_modes *modes = NULL;
    check_ok(ctx, lk_model_sample(ctx, model, 1, 0, draws, x));
    check_ok(ctx, lk_model_modes(ctx, model, x, draws, &modes));
    free(x);
    assert_int_equal(modes->lost, 0);
    return modes;
}

/* Certificates asked anew: the score there is 0 on the scale of the features' spread, which is about 1 in these tests.
 */
static void check_certificates(lk_context *ctx, const lk_model *model, const lk_modes *m, double tolerance)
{
    const int64_t d = lk_model_dimension(model);
    double g[8], log_density, mass = 0;
    for (int64_t k = 0; k < m->count; k++) {
        check_ok(ctx, lk_model_score(ctx, model, m->x + k * d, 1, g));
        check_ok(ctx, lk_model_log_density(ctx, model, m->x + k * d, 1, &log_density));
        for (int64_t j = 0; j < d; j++) {
            check_near(g[j], 0, tolerance);
        }
        assert_true(log_density == m->log_density[k] && m->decrement[k] <= 1e-6 && m->curvature[k] < 0);
        assert_true(k == 0 || m->log_density[k] <= m->log_density[k - 1] + 1e-8);
        mass += m->mass[k];
    }
    check_near(mass, 1, 1e-12);
}

/* Two equal round normals have two modes exactly where their distance exceeds 2 sd, in any dimension; they lie on the
 * line between the means at +-m with m = (distance / 2) tanh(m distance / (2 sd^2)). */
static void two_normals(void **state)
{
    lk_context *ctx = *state;
    const double distances[] = {0.5, 1.9, 1.98, 2.02, 2.1, 3, 8};
    for (int64_t d = 1; d <= 3; d++) {
        for (size_t i = 0; i < sizeof distances / sizeof distances[0]; i++) {
            const double sd = 0.7, half = 0.5 * distances[i] * sd;
            lki_mixture *mix;
            check_ok(ctx, lki_mixture_new(ctx, 2, d, lki_covariance_find("spherical"), &mix));
            for (int64_t k = 0; k < 2; k++) {
                mix->weights[k] = 0.5;
                mix->covariances[k] = sd * sd;
                for (int64_t j = 0; j < d; j++) {
                    mix->means[k * d + j] = (k == 0 ? -1 : 1) * half / sqrt((double)d);
                }
            }
            lk_model *model = gmm_model_of(ctx, mix);
            lk_modes *m = modes_of(ctx, model, 100);
            assert_int_equal(m->count, distances[i] > 2 ? 2 : 1);
            double at = distances[i] > 2 ? half : 0;
            for (int turn = 0; turn < 20000; turn++) {
                at = half * tanh(at * half / (sd * sd));
            }
            for (int64_t k = 0; k < m->count; k++) {
                for (int64_t j = 0; j < d; j++) {
                    check_near(fabs(m->x[k * d + j]), at / sqrt((double)d), 1e-9);
                }
            }
            check_certificates(ctx, model, m, 1e-12);
            lk_modes_free(m);
            lk_model_free(model);
            lki_mixture_free(mix);
        }
    }
}

/* Three equal round normals at the corners of a triangle of circumradius 1 (Carreira-Perpinan and Williams 2003, Scale
 * Space Methods, LNCS 2695, 625-640). The centre is a maximum where sd^2 > 1/2. Along the axis through a corner the
 * gradient vanishes at t = sd^2 a with sd^2 = (e^(3a/2) - 1) / (a (e^(3a/2) + 2)): the modes of the corners are there
 * while sd^2 is below the largest value of that, .546. */
static void triangle(void **state)
{
    lk_context *ctx = *state;
    double most = 0;
    for (double a = 1e-3; a < 3; a += 1e-3) {
        most = fmax(most, (exp(1.5 * a) - 1) / (a * (exp(1.5 * a) + 2)));
    }
    check_near(most, 0.546, 0.001);
    const double variances[] = {0.3, 0.49, 0.505, 0.52, 0.54, most - 1e-3, most + 1e-3, 0.6, 2};
    for (size_t i = 0; i < sizeof variances / sizeof variances[0]; i++) {
        lki_mixture *mix;
        check_ok(ctx, lki_mixture_new(ctx, 3, 2, lki_covariance_find("spherical"), &mix));
        for (int k = 0; k < 3; k++) {
            mix->weights[k] = 1.0 / 3;
            mix->means[2 * k] = cos(2 * acos(-1.0) * k / 3);
            mix->means[2 * k + 1] = sin(2 * acos(-1.0) * k / 3);
            mix->covariances[k] = variances[i];
        }
        lk_model *model = gmm_model_of(ctx, mix);
        lk_modes *m = modes_of(ctx, model, 2000);
        assert_int_equal(m->count, variances[i] < 0.5 ? 3 : variances[i] < most ? 4 : 1);
        if (m->count > 1) { /* each corner's ascent ends at a mode of its own, none at the centre */
            assert_true(m->of_groups[0] != m->of_groups[1] && m->of_groups[1] != m->of_groups[2] &&
                        m->of_groups[2] != m->of_groups[0]);
        }
        for (int64_t k = 0; k < m->count; k++) {
            const double r = hypot(m->x[2 * k], m->x[2 * k + 1]), v = variances[i], a = r / v;
            check_near(r < 1e-9 ? 0 : v - (exp(1.5 * a) - 1) / (a * (exp(1.5 * a) + 2)), 0, 1e-9);
        }
        check_certificates(ctx, model, m, 1e-12);
        lk_modes_free(m);
        lk_model_free(model);
        lki_mixture_free(mix);
    }
}

/* ---- the ridgeline ---- */

/* x(a) = inverse((1 - a) P_1 + a P_2) ((1 - a) P_1 m_1 + a P_2 m_2): every critical point of a mixture of two normals
 * lies on this curve, and its modes are the maxima of the density along it (Ray and Lindsay 2005, Ann. Statist. 33,
 * 2042-2065, theorem 1). By Gaussian elimination. */
static void ridge(const lki_mixture *m, const double *P, double a, double *x)
{
    const int64_t d = m->d;
    double A[4][5] = {{0}};
    for (int64_t i = 0; i < d; i++) {
        for (int64_t j = 0; j < d; j++) {
            const double p = (1 - a) * P[i * d + j], q = a * P[(d + i) * d + j];
            A[i][j] = p + q;
            A[i][d] += p * m->means[j] + q * m->means[d + j];
        }
    }
    for (int64_t i = 0; i < d; i++) {
        for (int64_t r = 0; r < d; r++) {
            const double share = A[r][i] / A[i][i];
            for (int64_t j = i; r != i && j <= d; j++) {
                A[r][j] -= share * A[i][j];
            }
        }
    }
    for (int64_t i = 0; i < d; i++) {
        x[i] = A[i][d] / A[i][i];
    }
}

static void precisions(const lk_model *model, double *P)
{
    const lki_mixture *m = gmm_mixture(model);
    const int64_t d = m->d;
    memset(P, 0, (size_t)(2 * d * d) * sizeof *P);
    for (int64_t i = 0; i < 2 * d * d * d; i++) { /* W' W */
        const int64_t k = i / (d * d * d), r = i / (d * d) % d, a = i / d % d, b = i % d;
        P[(k * d + a) * d + b] += m->W[(k * d + r) * d + a] * m->W[(k * d + r) * d + b];
    }
}

enum { GRID = 4001 };

/* Maxima of the density along the ridgeline, with their places. */
static int ridge_maxima(lk_context *ctx, const lk_model *model, double *places)
{
    static double x[GRID * 4], height[GRID];
    double P[32];
    const int64_t d = lk_model_dimension(model);
    int count = 0;
    precisions(model, P);
    for (int i = 0; i < GRID; i++) {
        /* finer towards both ends, where modes of separated components lie */
        const double t = (double)i / (GRID - 1);
        ridge(gmm_mixture(model), P, 1 / (1 + exp(-12 * (2 * t - 1))), x + i * d);
    }
    check_ok(ctx, lk_model_log_density(ctx, model, x, GRID, height));
    for (int i = 0; i < GRID; i++) {
        if ((i == 0 || height[i] > height[i - 1]) && (i == GRID - 1 || height[i] >= height[i + 1])) {
            assert_true(count < 8);
            memcpy(places + count++ * d, x + i * d, (size_t)d * sizeof *x);
        }
    }
    return count;
}

static void check_ridge(lk_context *ctx, const lk_model *model, int wanted)
{
    double places[64];
    const int64_t d = lk_model_dimension(model);
    const int count = ridge_maxima(ctx, model, places);
    lk_modes *m = modes_of(ctx, model, 300);
    assert_true(wanted == 0 || count == wanted);
    assert_int_equal(m->count, count);
    for (int i = 0; i < count; i++) {
        double nearest = (double)INFINITY;
        for (int64_t k = 0; k < m->count; k++) {
            double square = 0;
            for (int64_t j = 0; j < d; j++) {
                square += pow(places[i * d + j] - m->x[k * d + j], 2);
            }
            nearest = fmin(nearest, square);
        }
        assert_true(sqrt(nearest) < 0.01); /* the grid's width */
    }
    check_certificates(ctx, model, m, 1e-9);
    lk_modes_free(m);
}

static void ridgeline(void **state)
{
    lk_context *ctx = *state;
    lk_model *three = gmm_build(ctx, "{\"weights\":[0.5,0.5],\"means\":[[0,0],[1,1]],"
                                     "\"covariances\":[[[1,0],[0,0.05]],[[0.05,0],[0,1]]]}");
    check_ridge(ctx, three, 3);
    lk_model_free(three);
    int seen[4] = {0};
    for (int i = 0; i < (int)check_scaled(60, 20); i++) {
        lki_stream s = gmm_stream(700 + (uint64_t)i);
        lki_mixture *mix = gmm_random_mixture(ctx, &s, "full", 2, 2 + i % 3, 40, 0.6);
        lk_model *model = gmm_model_of(ctx, mix);
        check_ridge(ctx, model, 0);
        double places[64];
        seen[ridge_maxima(ctx, model, places)]++;
        lk_model_free(model);
        lki_mixture_free(mix);
    }
    print_message("one mode %d, two %d, three %d\n", seen[1], seen[2], seen[3]);
    assert_true(seen[1] > 1 && seen[2] > 5);
}

/* Of one feature a basin is the interval between two minima of the density: every start ends at the mode of its
 * interval, and the share of draws is its probability, within 5 standard errors. */
static void basins(void **state)
{
    lk_context *ctx = *state;
    enum { N = 4000 };
    static double x[N];
    lk_model *model =
        gmm_build(ctx, "{\"weights\":[0.2,0.5,0.2,0.1],\"means\":[[-3],[0],[1.5],[6]],\"covariances\":[0.3,1,0.02,4]}");
    lk_modes *m = NULL;
    check_ok(ctx, lk_model_sample(ctx, model, 2, 0, N, x));
    check_ok(ctx, lk_model_modes(ctx, model, x, N, &m));
    static double at[220000], score[220000];
    double borders[8];
    int count = 0;
    for (int i = 0; i < 220000; i++) {
        at[i] = 1e-4 * (i - 100000);
    }
    check_ok(ctx, lk_model_score(ctx, model, at, 220000, score));
    for (int i = 1; i < 220000; i++) { /* from - to + at a minimum */
        if (score[i - 1] < 0 && score[i] >= 0) {
            borders[count++] = at[i];
        }
    }
    assert_int_equal(m->count, count + 1);
    int wrong = 0;
    for (int i = 0; i < N; i++) {
        assert_true(m->of_rows[i] >= 0);
        const double end = m->x[m->of_rows[i]];
        for (int b = 0; b < count; b++) {
            wrong += fabs(x[i] - borders[b]) > 2e-4 && (x[i] < borders[b]) != (end < borders[b]);
        }
    }
    assert_int_equal(wrong, 0);
    for (int64_t k = 0; k < m->count; k++) {
        double low = 0, high = 1, u;
        for (int b = 0; b < count; b++) {
            check_ok(ctx, lk_model_cdf(ctx, model, &borders[b], 1, &u));
            *(borders[b] < m->x[k] ? &low : &high) = borders[b] < m->x[k] ? fmax(low, u) : fmin(high, u);
        }
        check_near(m->mass[k], high - low, 5 * m->mass_error[k]);
        check_near(m->mass_error[k], sqrt((high - low) * (1 - high + low) / N), 0.2 * m->mass_error[k]);
    }
    check_certificates(ctx, model, m, 1e-10);
    lk_modes_free(m);
    lk_model_free(model);
}

/* The same modes with second derivatives, then the score too, by differences. */
static void derived(void **state)
{
    lk_context *ctx = *state;
    lki_stream s = gmm_stream(790);
    lki_mixture *mix = gmm_random_mixture(ctx, &s, "full", 6, 3, 5, 2);
    lk_model *model = gmm_model_of(ctx, mix);
    lk_modes *want = modes_of(ctx, model, 200);
    check_certificates(ctx, model, want, 1e-12);
    assert_true(want->count > 2);
    for (int turn = 0; turn < 2; turn++) {
        model->operations.hessian = NULL;
        model->operations.score = turn == 0 ? model->operations.score : NULL;
        lk_modes *m = modes_of(ctx, model, 200);
        assert_int_equal(m->count, want->count);
        assert_memory_equal(m->of_groups, want->of_groups, 6 * sizeof *m->of_groups);
        for (int64_t i = 0; i < m->count * 3; i++) {
            check_near(m->x[i], want->x[i], turn == 0 ? 1e-10 : 1e-7);
        }
        lk_modes_free(m);
    }
    lk_modes_free(want);
    lk_model_free(model);
    lki_mixture_free(mix);
}

/* A log-normal of mean m and variance v of log x has its mode at exp(m - v), not at exp(m). */
static void log_normal(void **state)
{
    lk_context *ctx = *state;
    enum { N = 500 };
    static double values[N * 2];
    lki_stream s = gmm_stream(795);
    double mean[2] = {0, 0}, variance[2] = {0, 0};
    for (int i = 0; i < N * 2; i++) {
        values[i] = (i % 2 == 0 ? 1 : -3) + (i % 2 == 0 ? 0.8 : 0.4) * lki_random_normal(&s);
        mean[i % 2] += values[i] / N;
    }
    for (int i = 0; i < N * 2; i++) {
        variance[i % 2] += pow(values[i] - mean[i % 2], 2) / N;
        values[i] = exp(values[i]);
    }
    lk_setting settings[] = {{"components", "1"}, {"covariance", "diag"}, {NULL, NULL}};
    lk_fit_options options = {.size = sizeof options, .settings = settings, .transform = "log"};
    lk_table *table = gmm_table(ctx, values, N, 2);
    lk_model *model = NULL;
    check_ok(ctx, lk_model_fit(ctx, "gmm", table, &options, &model));
    lk_modes *m = modes_of(ctx, model, 100);
    assert_int_equal(m->count, 1);
    for (int j = 0; j < 2; j++) {
        const double want = exp(mean[j] - variance[j]);
        check_near(m->x[j], want, 1e-8 * want);
    }
    check_near(m->mass[0], 1, 0);
    lk_modes_free(m);
    lk_model_free(model);
    lk_table_free(table);
}

static void refused(void **state)
{
    lk_context *ctx = *state;
    lk_model *model = gmm_build(ctx, "{\"weights\":[1],\"means\":[[0,1]],\"covariances\":[[[2,0.6],[0.6,0.5]]]}");
    const double x[6] = {1, 2, (double)NAN, 3, (double)INFINITY, 4};
    lk_modes *m = NULL;
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_modes(ctx, model, x, -1, &m));
    check_ok(ctx, lk_model_modes(ctx, model, x, 0, &m));
    assert_true(m->count == 1 && isnan(m->mass[0]) && m->of_groups[0] == 0 && m->lost == 0);
    lk_modes_free(m);
    check_ok(ctx, lk_model_modes(ctx, model, x, 3, &m));
    assert_true(m->count == 1 && m->lost == 2 && m->of_rows[0] == 0 && m->of_rows[1] == -1 && m->of_rows[2] == -1);
    check_near(m->mass[0], 1.0 / 3, 1e-15);
    lk_modes_free(m);
    model->operations.centres = NULL;
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_modes(ctx, model, x, 0, &m));
    check_contains(lk_error_message(ctx), "at least 1");
    model->operations.log_density = NULL;
    check_status(ctx, LK_ERROR_UNSUPPORTED, lk_model_modes(ctx, model, x, 3, &m));
    lk_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(two_normals), cmocka_unit_test(triangle),
                                       cmocka_unit_test(ridgeline),   cmocka_unit_test(basins),
                                       cmocka_unit_test(derived),     cmocka_unit_test(log_normal),
                                       cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
