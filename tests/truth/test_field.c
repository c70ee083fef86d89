/* Score fields: normal distributions in their eigenbasis, low-rank ones by Woodbury and callers' functions against the
 * model layer's smoothed mixtures, which have truth tests of their own; every instruction set against scalar loops; and
 * what is predicted at any point of any schedule, which must convert to every other prediction and back. */
#include "gmm_check.h"

#include "math/blas.h"
#include "math/elementary.h"
#include "math/normal_score.h"
#include "score/field.h"
#include "score/schedule.h"

enum { ROWS = 70, MOST = 12 };

/* Values of one level beside those of the model smoothed by lk_model_smooth(), in z. */
static void compare_level(lk_context *ctx, const lk_model *model, const lki_field *f, double sigma, const double *u,
                          double tolerance)
{
    static double z[ROWS * MOST], logs[ROWS], scores[ROWS * MOST], divergences[ROWS], hessian[ROWS * MOST * MOST], noise[MOST],
        want_logs[ROWS], want_scores[ROWS * MOST];
    const int64_t d = f->d;
    lki_level level = {0};
    lki_oracle oracle = {0};
    for (int64_t j = 0; j < d; j++) {
        noise[j] = sigma * f->scale[j];
    }
    for (int64_t i = 0; i < ROWS * d; i++) {
        z[i] = f->centre[i % d] + f->scale[i % d] * u[i];
    }
    check_ok(ctx, lki_oracle_open(ctx, model, noise, &oracle));
    check_ok(ctx, lki_oracle_log_density(ctx, &oracle, z, ROWS, want_logs));
    check_ok(ctx, lki_oracle_score(ctx, &oracle, z, ROWS, want_scores));
    check_ok(ctx, lki_oracle_hessian(ctx, &oracle, z, ROWS, hessian));
    check_ok(ctx, lki_level_open(ctx, f, sigma, &level));
    check_ok(ctx, lki_level_ask(ctx, &level, u, ROWS, logs, scores, divergences));
    for (int64_t i = 0; i < ROWS; i++) {
        double trace = 0, size = 1;
        for (int64_t j = 0; j < d; j++) {
            const double want = f->scale[j] * want_scores[i * d + j];
            trace += f->scale[j] * f->scale[j] * hessian[(i * d + j) * d + j];
            size += want * want;
            check_near(scores[i * d + j], want, tolerance * (1 + fabs(want)));
        }
        check_near(logs[i], want_logs[i] + f->log_scale, tolerance * (1 + fabs(want_logs[i])));
        check_near(divergences[i], trace, tolerance * (size + fabs(trace)));
    }
    lki_level_close(ctx, &level);
    lki_oracle_close(ctx, &oracle);
}

static void of_models(void **state)
{
    lk_context *ctx = *state;
    lki_stream s = gmm_stream(6100);
    static double u[ROWS * MOST], centre[MOST], scale[MOST];
    const int dimensions[] = {1, 2, 3, 8, 11};
    for (int family = 0; family < 4; family++) {
        for (int c = 0; c < 5; c++) {
            const int64_t d = dimensions[c];
            lki_mixture *m = gmm_random_mixture(ctx, &s, gmm_families[family], 5, d, 50, 2);
            lk_model *model = gmm_model_of(ctx, m);
            lki_field *f = NULL;
            for (int64_t j = 0; j < d; j++) {
                centre[j] = lki_random_normal(&s);
                scale[j] = 0.5 + lki_random_uniform(&s);
            }
            for (int64_t i = 0; i < ROWS * d; i++) {
                u[i] = 3 * lki_random_normal(&s);
            }
            check_ok(ctx, lki_field_of_normals(ctx, model, centre, scale, &f));
            assert_non_null(f);
            for (int level = 0; level < 3; level++) {
                compare_level(ctx, model, f, level == 0 ? 0 : level == 1 ? 0.3 : 40, u, 1e-11);
            }
            lki_field_free(ctx, f);
            lk_model_free(model);
            lki_mixture_free(m);
        }
    }
}

/* F F' + D as dense covariances of a mixture. */
static void of_factors(void **state)
{
    lk_context *ctx = *state;
    enum { K = 3, D = 7, RANK = 2 };
    lki_stream s = gmm_stream(6101);
    double loadings[K * D * RANK], diagonal[K * D], u[ROWS * D];
    lki_mixture *m = gmm_random_mixture(ctx, &s, "full", K, D, 10, 1);
    for (int i = 0; i < K * D * RANK; i++) {
        loadings[i] = lki_random_normal(&s);
    }
    for (int i = 0; i < K * D; i++) {
        diagonal[i] = 0.1 + lki_random_uniform(&s);
    }
    for (int k = 0; k < K; k++) {
        for (int a = 0; a < D; a++) {
            for (int b = 0; b < D; b++) {
                double sum = a == b ? diagonal[k * D + a] : 0;
                for (int r = 0; r < RANK; r++) {
                    sum += loadings[(k * D + a) * RANK + r] * loadings[(k * D + b) * RANK + r];
                }
                m->covariances[(k * D + a) * D + b] = sum;
            }
        }
    }
    for (int i = 0; i < ROWS * D; i++) {
        u[i] = 2 * lki_random_normal(&s);
    }
    lk_model *model = gmm_model_of(ctx, m);
    const double scale[D] = {1, 2, .5, 1, 1.5, .7, 3};
    lki_field *f = NULL;
    check_ok(ctx, lki_field_of_factors(ctx, K, D, RANK, m->weights, m->means, loadings, diagonal, NULL, scale, &f));
    compare_level(ctx, model, f, 0, u, 1e-11);
    compare_level(ctx, model, f, 0.5, u, 1e-11);
    lki_field_free(ctx, f);
    lk_model_free(model);
    lki_mixture_free(m);
}

/* N(0, I) + noise by a function without divergence. */
static int round_normal(void *state, const double *sigma, const double *x, int64_t rows, double *log_density, double *score)
{
    const int64_t d = *(const int64_t *)state;
    for (int64_t i = 0; i < rows; i++) {
        double sum = 0;
        for (int64_t j = 0; j < d; j++) {
            const double v = 1 + sigma[j] * sigma[j];
            sum -= 0.5 * (x[i * d + j] * x[i * d + j] / v + log(2 * M_PI * v));
            if (score != NULL) {
                score[i * d + j] = -x[i * d + j] / v;
            }
        }
        if (log_density != NULL) {
            log_density[i] = sum;
        }
    }
    return 0;
}

static int broken(void *state, const double *sigma, const double *x, int64_t rows, double *log_density, double *score)
{
    (void)state, (void)sigma, (void)x, (void)rows, (void)log_density, (void)score;
    return 1;
}

static void of_functions(void **state)
{
    lk_context *ctx = *state;
    int64_t d = 3;
    lk_score_function g = {.size = sizeof g, .features = d, .noisy = 1, .density = 1, .ask = round_normal, .state = &d};
    const double scale[] = {1, 2, .5}, u[] = {1, -1, 2}, sigma = 0.7;
    double log_density, score[3], divergence, trace = 0, want = 0, denoised[3];
    lki_field *f = NULL;
    lki_level level = {0};
    check_ok(ctx, lki_field_of_function(ctx, &g, NULL, scale, &f));
    check_ok(ctx, lki_level_open(ctx, f, sigma, &level));
    check_ok(ctx, lki_level_ask(ctx, &level, u, 1, &log_density, score, &divergence));
    check_ok(ctx, lki_level_denoise(ctx, &level, u, 1, denoised));
    for (int j = 0; j < 3; j++) {
        const double v = 1 / (scale[j] * scale[j]) + sigma * sigma; /* of u */
        check_near(score[j], -u[j] / v, 1e-14);
        check_near(denoised[j], u[j] * (1 - sigma * sigma / v), 1e-14);
        trace -= 1 / v;
        want -= 0.5 * (u[j] * u[j] / v + log(2 * M_PI * v));
    }
    check_near(divergence, trace, 1e-8);
    check_near(log_density, want, 1e-13);
    lki_level_close(ctx, &level);
    lki_field_free(ctx, f);
    g.noisy = g.density = 0;
    check_ok(ctx, lki_field_of_function(ctx, &g, NULL, scale, &f));
    check_status(ctx, LK_ERROR_UNSUPPORTED, lki_level_open(ctx, f, 0.5, &level));
    check_ok(ctx, lki_level_open(ctx, f, 0, &level));
    check_status(ctx, LK_ERROR_UNSUPPORTED, lki_level_ask(ctx, &level, u, 1, &log_density, NULL, NULL));
    lki_level_close(ctx, &level);
    lki_field_free(ctx, f);
    g.ask = broken;
    check_ok(ctx, lki_field_of_function(ctx, &g, NULL, scale, &f));
    check_ok(ctx, lki_level_open(ctx, f, 0, &level));
    check_status(ctx, LK_ERROR_NUMERIC, lki_level_ask(ctx, &level, u, 1, NULL, score, NULL));
    lki_level_close(ctx, &level);
    lki_field_free(ctx, f);
}

/* Every instruction set against scalar loops; and a row alone gets the bits that it gets among others. */
static void kernels(void **state)
{
    (void)state;
#if defined(__x86_64__)
    const lki_normal_kernel *tables[] = {&lki_normal_kernel_portable, &lki_normal_kernel_avx2, &lki_normal_kernel_avx512};
#else
    const lki_normal_kernel *tables[] = {&lki_normal_kernel_portable};
#endif
    enum { K = 6, MOST_D = 9 };
    static double means[K * MOST_D], axes[K * MOST_D * MOST_D], precision[K * MOST_D * MOST_D], along[K * MOST_D], across[K * MOST_D], log_c[K], trace[K],
        x[37 * MOST_D], scratch[8 * MOST_D * 16] __attribute__((aligned(64)));
    static double want[3][37 * MOST_D], got[3][37 * MOST_D], alone[3][MOST_D];
    lki_stream s = gmm_stream(6102);
    for (int shape = 0; shape < 40; shape++) {
        const int64_t d = shape % 10 == 8 || shape == 6 ? 8 : 1 + shape % MOST_D, rank = shape % 3 == 0 ? d : shape % 3 == 1 ? 0 : (d + 1) / 2;
        for (int64_t i = 0; i < K * d; i++) {
            means[i] = 3 * lki_random_normal(&s);
            across[i] = 0.1 + lki_random_uniform(&s);
            along[i] = 0.5 + lki_random_uniform(&s);
        }
        const bool whole = shape % 6 == 0; /* precisions themselves, of moderate condition */
        for (int64_t i = 0; i < K * rank * d; i++) {
            axes[i] = whole ? 0.2 * lki_random_normal(&s) + (i / d % d == i % d) : lki_random_normal(&s);
        }
        for (int64_t i = 0; i < K * d * d; i++) { /* sum_j along_j axis_j axis_j' */
            precision[i] = 0;
            for (int64_t k = i / (d * d), j = 0; whole && j < d; j++) {
                precision[i] += along[k * d + j] * axes[(k * d + j) * d + i / d % d] * axes[(k * d + j) * d + i % d];
            }
        }
        for (int64_t k = 0; k < K; k++) {
            log_c[k] = lki_random_normal(&s);
            trace[k] = lki_random_uniform(&s);
        }
        for (int64_t i = 0; i < 37 * d; i++) {
            x[i] = 4 * lki_random_normal(&s);
        }
        const lki_normal_terms t = {.K = K, .d = d, .rank = rank, .means = means, .axes = axes, .along = along,
                                    .across = rank == d ? NULL : across, .log_c = log_c, .trace = trace,
                                    .precision = whole ? precision : NULL};
        lki_normal_score_reference(&t, x, 37, scratch, want[0], want[1], want[2]);
        for (int level = 0; level <= lki_isa_level(); level++) {
            tables[level]->score(&t, x, 37, scratch, got[0], got[1], got[2]);
            for (int64_t i = 0; i < 37; i++) {
                double size = 1;
                for (int64_t j = 0; j < d; j++) {
                    size += want[1][i * d + j] * want[1][i * d + j];
                }
                check_near(got[0][i], want[0][i], 1e-13 * (1 + fabs(want[0][i])));
                check_near(got[2][i], want[2][i], 1e-12 * (size + fabs(want[2][i])));
                for (int64_t j = 0; j < d; j++) {
                    check_near(got[1][i * d + j], want[1][i * d + j], 1e-12 * sqrt(size));
                }
            }
            for (int64_t i = 0; i < 37; i++) {
                tables[level]->score(&t, x + i * d, 1, scratch, alone[0], alone[1], alone[2]);
                assert_memory_equal(alone[0], got[0] + i, sizeof(double));
                assert_memory_equal(alone[1], got[1] + i * d, (size_t)d * sizeof(double));
                assert_memory_equal(alone[2], got[2] + i, sizeof(double));
            }
        }
    }
}

/* ---- predictions and schedules ---- */

/* At a point of each path the data and noise of a Gaussian are known: x0 ~ N(m, v), x = alpha x0 + sigma n, so that
 * E[x0 | x] = m + alpha v (x - alpha m) / (alpha^2 v + sigma^2). The velocity is checked by moving the mean and
 * variance of p_t: for a Gaussian it is mean' + (x - mean) variance' / (2 variance). */
static void predictions(void **state)
{
    lk_context *ctx = *state;
    const double m = 0.7, v = 0.3;
    for (int k = 0; lki_schedule_kind_at(k) != NULL; k++) {
        const lki_schedule s = {.kind = lki_schedule_kind_at(k), .sigma_min = 0.01, .sigma_max = 20};
        if (s.kind->from_data) { /* test_score_flow.c */
            continue;
        }
        for (double t = 0.05; t < 0.99; t += 0.1) {
            const lki_path_point p = lki_schedule_at(&s, t);
            const double a = p.alpha, b = p.sigma, h = 1e-6;
            const lki_path_point above = lki_schedule_at(&s, t + h), below = lki_schedule_at(&s, t - h);
            check_near(p.alpha_rate, (above.alpha - below.alpha) / (2 * h), 1e-6 * (1 + fabs(p.alpha_rate)));
            check_near(p.sigma_rate, (above.sigma - below.sigma) / (2 * h), 1e-6 * (1 + fabs(p.sigma_rate)));
            check_near(lki_schedule_time(&s, b / a), t, 1e-12);
            for (double x = -2; x < 3; x += 0.7) {
                const double total = a * a * v + b * b, data = m + a * v * (x - a * m) / total, noise = b * (x - a * m) / total;
                const double moved = 2 * (a * p.alpha_rate * v + b * p.sigma_rate);
                const double truth[LKI_PREDICTIONS] = {
                    [LKI_PREDICT_NOISE] = noise, [LKI_PREDICT_DATA] = data, [LKI_PREDICT_SCORE] = -(x - a * m) / total,
                    [LKI_PREDICT_VELOCITY] = p.alpha_rate * m + (x - a * m) * moved / (2 * total),
                    [LKI_PREDICT_V] = a * noise - b * data,
                    [LKI_PREDICT_EDM] = (data - x / a / (1 + b * b / (a * a))) * sqrt(1 + b * b / (a * a)) / (b / a),
                };
                for (int from = 0; from < LKI_PREDICTIONS; from++) {
                    for (int to = 0; to < LKI_PREDICTIONS; to++) {
                        double got;
                        check_ok(ctx, lki_predict_as(ctx, p, (lki_prediction)from, (lki_prediction)to, &x, &truth[from], 1, &got));
                        /* what a conversion amplifies by: noise of data at little noise, and the other way round */
                        const double size = (1 + fabs(x)) * (1 + a / b + b / a) * (1 + fabs(p.sigma_rate) + fabs(p.alpha_rate)) *
                                            (to == LKI_PREDICT_SCORE ? 1 + 1 / b : 1);
                        check_near(got, truth[to], 1e-12 * (size + fabs(truth[to])));
                    }
                }
            }
        }
    }
}

static void grids(void **state)
{
    (void)state;
    for (int k = 0; lki_schedule_kind_at(k) != NULL; k++) {
        const lki_schedule s = {.kind = lki_schedule_kind_at(k), .sigma_min = 0.01, .sigma_max = 20};
        if (s.kind->from_data) { /* test_score_flow.c */
            continue;
        }
        lki_node nodes[11];
        lki_schedule_grid(&s, 10, nodes);
        check_near(nodes[0].ratio, 20, 1e-9);
        check_near(nodes[9].ratio, 0.01, 1e-9);
        assert_true(nodes[10].ratio == 0 && nodes[10].point.alpha == 1);
        for (int i = 0; i < 10; i++) {
            assert_true(nodes[i + 1].ratio < nodes[i].ratio);
        }
    }
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
        cmocka_unit_test(of_models), cmocka_unit_test(of_factors), cmocka_unit_test(of_functions), cmocka_unit_test(kernels),
        cmocka_unit_test(predictions), cmocka_unit_test(grids),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
