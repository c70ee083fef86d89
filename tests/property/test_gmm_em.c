/* What must hold of expectation-maximization whatever the data: the objective never falls, each M-step is a stationary point, weights
 * are repeated rows, frozen parameters stay, units do not matter. */
#include "gmm_check.h"
#include "mixture/em.h"
#include "data/dataset.h"

/* An inner view of a table for lki_em_run: every column a feature, or the last one a weight. */
typedef struct view {
    lki_dataset rows;
    int64_t positions[32];
    const char *names[32];
    lki_em_data data;
} view;

static void view_open(lk_context *ctx, const lk_table *table, int weighted, view *v)
{
    memset(v, 0, sizeof *v);
    const int64_t d = lk_table_columns(table) - weighted;
    for (int64_t j = 0; j < d; j++) {
        v->positions[j] = j;
        v->names[j] = lk_table_name(table, j);
    }
    v->rows = (lki_dataset){.table = table, .features = v->positions, .d = d, .weight = weighted ? d : -1, .rows = lk_table_rows(table)};
    v->rows.blocks = (v->rows.rows + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS;
    check_ok(ctx, lki_em_data_new(ctx, &v->rows, v->names, &v->data));
}

static void view_close(lk_context *ctx, view *v)
{
    lki_em_data_free(ctx, &v->data);
}

/* A rough start in standardized units: random means, broad covariances. */
static lki_mixture *rough_start(lk_context *ctx, lki_stream *s, const char *family, int64_t K, int64_t d)
{
    lki_mixture *m = gmm_random_mixture(ctx, s, family, K, d, 4, 0.7);
    for (int64_t i = 0; i < gmm_covariance_length(m); i++) {
        m->covariances[i] *= 0.8;
    }
    return m;
}

static lki_prior prior_of(const view *v, double *scale)
{
    const int64_t d = v->data.d;
    for (int64_t i = 0; i < d * d; i++) {
        scale[i] = v->data.scatter[i] / v->data.total / 2;
    }
    return (lki_prior){.kappa = 0.01, .nu = (double)d + 2, .scale = scale};
}

/* ---- the objective never falls ---- */

static void never_falls(void **state)
{
    lk_context *ctx = *state;
    const int64_t rounds = check_scaled(3, 1);
    for (int64_t round = 0; round < rounds; round++) {
        for (int f = 0; f < 4; f++) {
            for (int with_prior = 0; with_prior < 2; with_prior++) {
                lki_stream s = gmm_stream(100 + (uint64_t)(round * 8 + f * 2 + with_prior));
                const int64_t d = 1 + lki_random_below(&s, 5), K = 2 + lki_random_below(&s, 3), rows = 400;
                double *x = gmm_random_rows(&s, rows, d, 3, 2), scale[32 * 32];
                lk_table *table = gmm_table(ctx, x, rows, d);
                view v;
                view_open(ctx, table, 0, &v);
                lki_mixture *start = rough_start(ctx, &s, gmm_families[f], K, d), *m = NULL;
                check_ok(ctx, lki_mixture_new(ctx, K, d, start->covariance, &m));
                lki_em_options options = {.stage = "em"};
                if (with_prior) {
                    options.prior = prior_of(&v, scale);
                }
                double last = -(double)INFINITY;
                for (int64_t iterations = 0; iterations <= 25; iterations++) {
                    lki_em_result result;
                    lki_mixture_copy(m, start);
                    options.max_iter = iterations;
                    check_ok(ctx, lki_em_run(ctx, &v.data, &options, m, &result));
                    assert_int_equal(result.iterations, iterations);
                    if (!(result.objective >= last - 1e-10 * fabs(last))) {
                        fail_msg("%s, prior %d, iteration %d: objective fell from %.17g to %.17g", gmm_families[f], with_prior,
                                 (int)iterations, last, result.objective);
                    }
                    last = result.objective;
                }
                lki_mixture_free(start);
                lki_mixture_free(m);
                view_close(ctx, &v);
                lk_table_free(table);
                free(x);
            }
        }
    }
}

/* ---- each M-step is a stationary point ---- */

/* Q(new | old) = sum_i w_i sum_k r_ik log(w_k N(z_i; new)) + log prior, with r from the old parameters; -inf where a covariance is
 * not positive definite. */
static double expected_log_likelihood(const view *v, const double *z, int64_t rows, const double *r, lki_mixture *m,
                                      const lki_prior *prior)
{
    const int64_t d = m->d, K = m->K;
    double work[2 * 32 * 32], sum = 0;
    (void)v;
    for (int64_t k = 0; k < lki_mixture_matrices(m); k++) {
        if (lki_mixture_factor_one(m, k, work) != 0) {
            return -(double)INFINITY;
        }
    }
    lki_mixture_normalize(m);
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t k = 0; k < K; k++) {
            const double *W = m->W + lki_mixture_matrix(m, k) * d * d;
            double square = 0;
            for (int64_t a = 0; a < d; a++) {
                double y = 0;
                switch (m->covariance->form) {
                case LKI_FORM_FULL:
                case LKI_FORM_TIED:
                    for (int64_t b = 0; b <= a; b++) {
                        y += W[a * d + b] * (z[i * d + b] - m->means[k * d + b]);
                    }
                    break;
                case LKI_FORM_DIAG:
                    y = m->W[k * d + a] * (z[i * d + a] - m->means[k * d + a]);
                    break;
                default:
                    y = m->W[k] * (z[i * d + a] - m->means[k * d + a]);
                    break;
                }
                square += y * y;
            }
            sum += r[i * K + k] * (m->log_c[k] - square / 2);
        }
    }
    return sum + (prior->kappa > 0 ? m->covariance->log_prior(m, prior) : 0);
}

/* Perturbs one group of parameters of `m` at random by `size`, keeping weights on the simplex and covariances symmetric. */
static void perturb(lki_stream *s, lki_mixture *m, int group, double size)
{
    const int64_t d = m->d, K = m->K;
    double sum = 0;
    switch (group) {
    case 0:
        for (int64_t k = 0; k < K; k++) {
            m->weights[k] *= exp(size * lki_random_normal(s));
            sum += m->weights[k];
        }
        for (int64_t k = 0; k < K; k++) {
            m->weights[k] /= sum;
        }
        break;
    case 1:
        for (int64_t i = 0; i < K * d; i++) {
            m->means[i] += size * lki_random_normal(s);
        }
        break;
    default:
        if (m->covariance->form == LKI_FORM_DIAG || m->covariance->form == LKI_FORM_SPHERICAL) {
            for (int64_t i = 0; i < gmm_covariance_length(m); i++) {
                m->covariances[i] *= exp(size * lki_random_normal(s));
            }
            break;
        }
        for (int64_t k = 0; k < lki_mixture_matrices(m); k++) {
            double *C = m->covariances + k * d * d;
            for (int64_t i = 0; i < d; i++) {
                for (int64_t j = 0; j <= i; j++) {
                    const double change = size * lki_random_normal(s) * sqrt(C[i * d + i] * C[j * d + j]);
                    C[i * d + j] += change;
                    C[j * d + i] = C[i * d + j];
                }
            }
        }
        break;
    }
}

static void m_step_is_stationary(void **state)
{
    lk_context *ctx = *state;
    enum { ROWS = 300, D = 3, K = 3 };
    for (int f = 0; f < 4; f++) {
        for (int with_prior = 0; with_prior < 2; with_prior++) {
            lki_stream s = gmm_stream(300 + (uint64_t)(f * 2 + with_prior));
            double *x = gmm_random_rows(&s, ROWS, D, K, 2), scale[D * D], z[ROWS * D], r[ROWS * K];
            lk_table *table = gmm_table(ctx, x, ROWS, D);
            view v;
            view_open(ctx, table, 0, &v);
            lki_prior prior = {.kappa = 0};
            if (with_prior) {
                prior = prior_of(&v, scale);
                prior.kappa = 3; /* strong enough to be seen */
                prior.nu = 20;
            }
            lki_mixture *m = rough_start(ctx, &s, gmm_families[f], K, D), *old = NULL, *trial = NULL;
            check_ok(ctx, lki_mixture_new(ctx, K, D, m->covariance, &old));
            check_ok(ctx, lki_mixture_new(ctx, K, D, m->covariance, &trial));
            lki_em_result result;
            const lki_em_options warm = {.max_iter = 3, .prior = prior, .stage = "em"}, one = {.max_iter = 1, .prior = prior, .stage = "em"};
            check_ok(ctx, lki_em_run(ctx, &v.data, &warm, m, &result));
            lki_mixture_copy(old, m);
            lk_model *asked = gmm_model_of(ctx, old);
            for (int64_t i = 0; i < ROWS * D; i++) {
                z[i] = (x[i] - v.data.centre[i % D]) * v.data.scale[i % D];
            }
            check_ok(ctx, lk_model_responsibilities(ctx, asked, z, ROWS, r));
            check_ok(ctx, lki_em_run(ctx, &v.data, &one, m, &result));
            lki_mixture_copy(trial, m);
            const double best = expected_log_likelihood(&v, z, ROWS, r, trial, &prior);
            assert_true(best > expected_log_likelihood(&v, z, ROWS, r, old, &prior));
            for (int group = 0; group < 3; group++) {
                for (int turn = 0; turn < 60; turn++) {
                    lki_mixture_copy(trial, m);
                    perturb(&s, trial, group, turn % 3 == 0 ? 1e-5 : turn % 3 == 1 ? 1e-3 : 1e-1);
                    const double other = expected_log_likelihood(&v, z, ROWS, r, trial, &prior);
                    if (!(other <= best + 1e-10 * fabs(best))) {
                        fail_msg("%s, prior %d: perturbing group %d raises %.17g to %.17g", gmm_families[f], with_prior, group, best,
                                 other);
                    }
                }
            }
            lk_model_free(asked);
            lki_mixture_free(m);
            lki_mixture_free(old);
            lki_mixture_free(trial);
            view_close(ctx, &v);
            lk_table_free(table);
            free(x);
        }
    }
}

/* ---- weights ---- */

/* The same start model for all; the rows `times` times, or once with that weight; weight 0 or absent. */
static void weights_are_repeated_rows(void **state)
{
    lk_context *ctx = *state;
    enum { ROWS = 1500, D = 3 };
    for (int f = 0; f < 4; f++) {
        for (int with_prior = 0; with_prior < 2; with_prior++) {
            lki_stream s = gmm_stream(500 + (uint64_t)f);
            double *x = gmm_random_rows(&s, ROWS, D, 3, 1.5);
            double *weighted = malloc(ROWS * (D + 1) * sizeof *weighted), *repeated = malloc(ROWS * 3 * D * sizeof *repeated);
            int64_t count = 0;
            for (int64_t i = 0; i < ROWS; i++) {
                const int64_t times = lki_random_below(&s, 4);
                memcpy(weighted + i * (D + 1), x + i * D, D * sizeof(double));
                weighted[i * (D + 1) + D] = (double)times;
                for (int64_t t = 0; t < times; t++) {
                    memcpy(repeated + count++ * D, x + i * D, D * sizeof(double));
                }
            }
            lk_table *a = gmm_table(ctx, weighted, ROWS, D + 1), *b = gmm_table(ctx, repeated, count, D);
            lki_mixture *m = gmm_random_mixture(ctx, &s, gmm_families[f], 3, D, 3, 1.5);
            lk_model *start = gmm_model_of(ctx, m);
            const char *settings = with_prior ? "tol=0;max_iter=30;prior=normal_wishart" : "tol=0;max_iter=30";
            lk_model *fit_a = gmm_fit(ctx, a, settings, "x1,x2,x3", "x4", start), *fit_b = gmm_fit(ctx, b, settings, NULL, NULL, start);
            const double distance = gmm_distance(fit_a, fit_b, 1);
            if (!(distance <= 1e-10)) {
                fail_msg("%s: weights and repeated rows differ by %g", gmm_families[f], distance);
            }
            check_near(gmm_number(ctx, fit_a, "n"), (double)count, 0);
            check_near(gmm_number(ctx, fit_a, "log_likelihood"), gmm_number(ctx, fit_b, "log_likelihood"),
                       1e-10 * fabs(gmm_number(ctx, fit_b, "log_likelihood")));
            check_near(gmm_number(ctx, fit_a, "bic"), gmm_number(ctx, fit_b, "bic"), 1e-9 * fabs(gmm_number(ctx, fit_b, "bic")));
            check_near(gmm_number(ctx, fit_a, "icl"), gmm_number(ctx, fit_b, "icl"), 1e-9 * fabs(gmm_number(ctx, fit_b, "icl")));
            lk_model_free(fit_a);
            lk_model_free(fit_b);
            lk_model_free(start);
            lki_mixture_free(m);
            lk_table_free(a);
            lk_table_free(b);
            free(weighted);
            free(repeated);
            free(x);
        }
    }
}

/* Rows of weight 0, however far away, are not there. */
static void zero_weights_are_absent(void **state)
{
    lk_context *ctx = *state;
    enum { ROWS = 700, D = 2 };
    lki_stream s = gmm_stream(600);
    double *x = gmm_random_rows(&s, ROWS, D, 2, 2), with[ROWS * 3 * 2], without[ROWS * 2];
    int64_t count = 0, kept = 0;
    for (int64_t i = 0; i < ROWS; i++) {
        if (i % 3 == 0) {
            with[count * 3] = i % 2 == 0 ? 1e150 : -1e3;
            with[count * 3 + 1] = 5;
            with[count++ * 3 + 2] = 0;
        }
        memcpy(with + count * 3, x + i * D, sizeof(double) * D);
        with[count++ * 3 + 2] = 1;
        memcpy(without + kept++ * D, x + i * D, sizeof(double) * D);
    }
    lk_table *a = gmm_table(ctx, with, count, 3), *b = gmm_table(ctx, without, kept, 2);
    for (int f = 0; f < 4; f++) {
        lki_mixture *m = gmm_random_mixture(ctx, &s, gmm_families[f], 2, D, 3, 1.5);
        lk_model *start = gmm_model_of(ctx, m);
        lk_model *fit_a = gmm_fit(ctx, a, "tol=0;max_iter=25", "x1,x2", "x3", start), *fit_b = gmm_fit(ctx, b, "tol=0;max_iter=25", NULL, NULL, start);
        assert_true(gmm_distance(fit_a, fit_b, 1) <= 1e-10);
        lk_model_free(fit_a);
        lk_model_free(fit_b);
        lk_model_free(start);
        lki_mixture_free(m);
    }
    lk_table_free(a);
    lk_table_free(b);
    free(x);
}

/* ---- frozen parameters ---- */

static void frozen_stays(void **state)
{
    lk_context *ctx = *state;
    const char *const lists[] = {"weights", "means", "covariances", "weights,means", "means,covariances", "weights,means,covariances"};
    for (int f = 0; f < 4; f++) {
        lki_stream s = gmm_stream(700 + (uint64_t)f);
        double *x = gmm_random_rows(&s, 500, 3, 3, 2);
        for (int64_t i = 0; i < 500 * 3; i++) {
            x[i] = x[i] * 0.37 + (double)(i % 3) * 11.3; /* no power of two, no centre at zero */
        }
        lk_table *table = gmm_table(ctx, x, 500, 3);
        lk_model *start = gmm_fit(ctx, table, "tol=0;max_iter=1;components=3", NULL, NULL, NULL);
        lki_mixture *m = gmm_random_mixture(ctx, &s, gmm_families[f], 3, 3, 5, 1);
        for (int64_t i = 0; i < 9; i++) {
            m->means[i] = m->means[i] * 0.4 + (double)(i % 3) * 11.3 + 1e-9;
        }
        lk_model_free(start);
        start = gmm_model_of(ctx, m);
        lk_model *at_start = gmm_fit(ctx, table, "freeze=weights,means,covariances", NULL, NULL, start);
        const double before = gmm_number(ctx, at_start, "log_likelihood");
        lk_model_free(at_start);
        const lki_mixture *a = gmm_mixture(start);
        for (size_t l = 0; l < sizeof lists / sizeof *lists; l++) {
            char settings[100];
            snprintf(settings, sizeof settings, "freeze=%s", lists[l]);
            lk_model *fit = gmm_fit(ctx, table, settings, NULL, NULL, start);
            const lki_mixture *b = gmm_mixture(fit);
            const int weights = strstr(lists[l], "weights") != NULL, means = strstr(lists[l], "means") != NULL,
                      covariances = strstr(lists[l], "covariances") != NULL;
            assert_int_equal(weights, memcmp(a->weights, b->weights, 3 * sizeof(double)) == 0);
            assert_int_equal(means, memcmp(a->means, b->means, 9 * sizeof(double)) == 0);
            assert_int_equal(covariances,
                             memcmp(a->covariances, b->covariances, (size_t)gmm_covariance_length(a) * sizeof(double)) == 0);
            const double free_parameters = lki_mixture_free_parameters(a) - 2 * weights - 9 * means - /* what is frozen is not free */
                                           covariances * lki_covariance_parameters(a->covariance, 3, 3);
            check_near(gmm_number(ctx, fit, "free_parameters"), free_parameters, 0);
            check_near(gmm_number(ctx, fit, "bic"), 2 * gmm_number(ctx, fit, "log_likelihood") - free_parameters * log(500), 1e-8);
            if (!(weights && means && covariances)) {
                assert_true(gmm_number(ctx, fit, "log_likelihood") > before + 1);
            }
            lk_model_free(fit);
        }
        lk_model_free(start);
        lki_mixture_free(m);
        lk_table_free(table);
        free(x);
    }
}

/* A frozen covariance below the floor is kept too, and the fit says that it is degenerate. */
static void frozen_collapsed_stays(void **state)
{
    lk_context *ctx = *state;
    lki_stream s = gmm_stream(790);
    double *x = gmm_random_rows(&s, 200, 2, 2, 2);
    lk_table *table = gmm_table(ctx, x, 200, 2);
    lk_model *start = gmm_build(ctx, "{\"weights\":[0.5,0.5],\"means\":[[0,0],[1,1]],\"covariances\":[[[1e-13,0],[0,1e-12]],[[9,1],[1,9]]]}");
    lk_model *fit = gmm_fit(ctx, table, "freeze=covariances", NULL, NULL, start);
    assert_memory_equal(gmm_mixture(fit)->covariances, gmm_mixture(start)->covariances, 8 * sizeof(double));
    assert_int_equal(lk_model_trusted(fit), 0);
    gmm_assert_finite(fit);
    lk_model_free(fit);
    lk_model_free(start);
    lk_table_free(table);
    free(x);
}

static void freeze_needs_a_start(void **state)
{
    lk_context *ctx = *state;
    const double x[4] = {1, 2, 3, 4};
    lk_table *table = gmm_table(ctx, x, 4, 1);
    lk_model *model = NULL;
    check_status(ctx, LK_ERROR_ARGUMENT, gmm_try(ctx, table, "freeze=means", NULL, NULL, NULL, &model));
    check_contains(lk_error_message(ctx), "--start");
    assert_null(model);
    lk_table_free(table);
}

/* ---- iterations ---- */

static void exact_iterations(void **state)
{
    lk_context *ctx = *state;
    lki_stream s = gmm_stream(800);
    double *x = gmm_random_rows(&s, 300, 2, 3, 3);
    lk_table *table = gmm_table(ctx, x, 300, 2);
    for (int iterations = 0; iterations < 100; iterations += 1 + iterations / 2) {
        char settings[100];
        snprintf(settings, sizeof settings, "tol=0;max_iter=%d;components=2", iterations);
        lk_model *fit = gmm_fit(ctx, table, settings, NULL, NULL, NULL);
        check_near(gmm_number(ctx, fit, "iterations"), iterations, 0);
        lk_model_free(fit);
    }
    lk_model *few = gmm_fit(ctx, table, "max_iter=2;components=3", NULL, NULL, NULL);
    assert_int_equal(lk_model_trusted(few), 0);
    assert_true(gmm_number(ctx, few, "iterations") <= 2);
    lk_model_free(few);
    lk_table_free(table);
    free(x);
}

/* With tol, what the run still had to gain is at most tol (1 + |log-likelihood|), seen by running on to the end. */
static void converged_means_converged(void **state)
{
    lk_context *ctx = *state;
    for (int round = 0; round < 4; round++) {
        lki_stream s = gmm_stream(820 + (uint64_t)round);
        double *x = gmm_random_rows(&s, 400, 2, 2, 1.2);
        lk_table *table = gmm_table(ctx, x, 400, 2);
        lki_mixture *m = gmm_random_mixture(ctx, &s, "diag", 2, 2, 3, 1);
        lk_model *start = gmm_model_of(ctx, m);
        lk_model *fit = gmm_fit(ctx, table, "tol=1e-5;max_iter=100000", NULL, NULL, start);
        lk_model *on = gmm_fit(ctx, table, "tol=0;max_iter=3000", NULL, NULL, fit);
        assert_int_equal(lk_model_trusted(fit), 1);
        const double a = gmm_number(ctx, fit, "log_likelihood"), b = gmm_number(ctx, on, "log_likelihood");
        /* Aitken's rule estimates; a factor of 5 is allowed for a rate that is still changing. */
        assert_true(b >= a - 1e-9 * fabs(a) && b - a <= 5e-5 * (1 + fabs(a)));
        lk_model_free(on);
        lk_model_free(fit);
        lk_model_free(start);
        lki_mixture_free(m);
        lk_table_free(table);
        free(x);
    }
}

/* ---- units ---- */

/* Under x -> a x + b, one a and b a column, the partition stays and the log-likelihood falls by n sum log |a|. Spherical has one a. */
static void units_do_not_matter(void **state)
{
    lk_context *ctx = *state;
    enum { ROWS = 400, D = 3 };
    static const double a[D] = {1.7e6, -0.003, 29.5}, b[D] = {-4e6, 17.25, 1e4};
    for (int f = 0; f < 4; f++) {
        lki_stream s = gmm_stream(900 + (uint64_t)f);
        const int one = f == 3; /* spherical */
        double *x = gmm_random_rows(&s, ROWS, D, 3, 3), y[ROWS * D], r[ROWS * 3], q[ROWS * 3], shift = 0;
        for (int64_t i = 0; i < ROWS * D; i++) {
            y[i] = (one ? a[0] : a[i % D]) * x[i] + b[i % D];
        }
        for (int64_t j = 0; j < D; j++) {
            shift += ROWS * log(fabs(one ? a[0] : a[j]));
        }
        char settings[100];
        snprintf(settings, sizeof settings, "components=3;covariance=%s;tol=1e-10", gmm_families[f]);
        lk_table *plain = gmm_table(ctx, x, ROWS, D), *changed = gmm_table(ctx, y, ROWS, D);
        lk_model *p = gmm_fit(ctx, plain, settings, NULL, NULL, NULL), *c = gmm_fit(ctx, changed, settings, NULL, NULL, NULL);
        const double before = gmm_number(ctx, p, "log_likelihood"), after = gmm_number(ctx, c, "log_likelihood");
        check_near(after, before - shift, 1e-6 * fabs(before));
        check_ok(ctx, lk_model_responsibilities(ctx, p, x, ROWS, r));
        check_ok(ctx, lk_model_responsibilities(ctx, c, y, ROWS, q));
        int64_t same = 0, as[3] = {-1, -1, -1};
        for (int64_t i = 0; i < ROWS; i++) {
            int64_t k = 0, l = 0;
            for (int64_t j = 1; j < 3; j++) {
                k = r[i * 3 + j] > r[i * 3 + k] ? j : k;
                l = q[i * 3 + j] > q[i * 3 + l] ? j : l;
            }
            as[k] = as[k] < 0 ? l : as[k];
            same += as[k] == l;
        }
        assert_true(same >= ROWS - 1); /* one row may stand on the border */
        lk_model_free(p);
        lk_model_free(c);
        lk_table_free(plain);
        lk_table_free(changed);
        free(x);
    }
}

/* ---- criteria ---- */

static double free_parameters(const char *family, double K, double d)
{
    const double covariances = strcmp(family, "full") == 0   ? K * d * (d + 1) / 2
                               : strcmp(family, "tied") == 0 ? d * (d + 1) / 2
                               : strcmp(family, "diag") == 0 ? K * d
                                                             : K;
    return K - 1 + K * d + covariances;
}

/* bic, aic and icl are 2 log L minus penalty; the entropy is that of the answered responsibilities; the log-likelihood the sum of the
 * answered densities; the chosen fit has the largest criterion of the sound ones in the table. */
static void criteria(void **state)
{
    lk_context *ctx = *state;
    enum { ROWS = 350, D = 2 };
    const char *const names[] = {"bic", "icl", "aic"};
    lki_stream s = gmm_stream(1000);
    double *x = gmm_random_rows(&s, ROWS, D, 3, 2), density[ROWS], r[ROWS * 9];
    lk_table *table = gmm_table(ctx, x, ROWS, D);
    for (int c = 0; c < 3; c++) {
        char settings[100];
        snprintf(settings, sizeof settings, "components=1..4;covariance=full,tied,diag,spherical;criterion=%s;restarts=3", names[c]);
        lk_model *fit = gmm_fit(ctx, table, settings, NULL, NULL, NULL);
        const int64_t K = lk_model_groups(fit);
        const double ll = gmm_number(ctx, fit, "log_likelihood"), q = gmm_number(ctx, fit, "free_parameters");
        double sum = 0, entropy = 0, best = -(double)INFINITY;
        check_ok(ctx, lk_model_log_density(ctx, fit, x, ROWS, density));
        check_ok(ctx, lk_model_responsibilities(ctx, fit, x, ROWS, r));
        for (int64_t i = 0; i < ROWS; i++) {
            sum += density[i];
        }
        for (int64_t i = 0; i < ROWS * K; i++) {
            entropy -= r[i] > 0 ? r[i] * log(r[i]) : 0;
        }
        check_near(ll, sum, 1e-8 * fabs(sum));
        check_near(q, free_parameters(gmm_mixture(fit)->covariance->name, (double)K, D), 0);
        check_near(gmm_number(ctx, fit, "bic"), 2 * ll - q * log(ROWS), 1e-9 * fabs(ll));
        check_near(gmm_number(ctx, fit, "aic"), 2 * ll - 2 * q, 1e-9 * fabs(ll));
        check_near(gmm_number(ctx, fit, "icl"), 2 * ll - q * log(ROWS) - 2 * entropy, 1e-7 * fabs(ll));
        json_t *info = gmm_info(ctx, fit);
        const json_t *selection = json_object_get(info, "selection");
        assert_int_equal(json_array_size(selection), 16);
        for (size_t i = 0; i < 16; i++) {
            const json_t *row = json_array_get(selection, i);
            const double p = free_parameters(json_string_value(json_object_get(row, "covariance")),
                                             json_number_value(json_object_get(row, "components")), D);
            const double l = json_number_value(json_object_get(row, "log_likelihood"));
            check_near(json_number_value(json_object_get(row, "bic")), 2 * l - p * log(ROWS), 1e-9 * fabs(l));
            check_near(json_number_value(json_object_get(row, "aic")), 2 * l - 2 * p, 1e-9 * fabs(l));
            if (!json_is_true(json_object_get(row, "degenerate"))) {
                best = fmax(best, json_number_value(json_object_get(row, names[c])));
            }
        }
        check_near(gmm_number(ctx, fit, names[c]), best, 1e-9 * fabs(best));
        json_decref(info);
        lk_model_free(fit);
    }
    lk_table_free(table);
    free(x);
}

/* The table of fits shows likelihoods in the data's units too, whatever was transformed. */
static void selection_in_data_units(void **state)
{
    lk_context *ctx = *state;
    lki_stream s = gmm_stream(1100);
    double *x = gmm_random_rows(&s, 200, 2, 2, 2);
    lk_table *table = gmm_table(ctx, x, 200, 2);
    const lk_setting settings[] = {{"components", "1..2"}, {NULL, NULL}};
    lk_fit_options options = {.size = sizeof options, .settings = settings, .transform = "standardize", .seed = 1};
    lk_model *fit = NULL;
    check_ok(ctx, lk_model_fit(ctx, "gmm", table, &options, &fit));
    json_t *info = gmm_info(ctx, fit);
    const json_t *row = json_array_get(json_object_get(info, "selection"), (size_t)lk_model_groups(fit) - 1);
    check_near(json_number_value(json_object_get(row, "log_likelihood")), json_number_value(json_object_get(info, "log_likelihood")), 1e-9);
    check_near(json_number_value(json_object_get(row, "bic")), json_number_value(json_object_get(info, "bic")), 1e-8);
    check_near(json_number_value(json_object_get(row, "icl")), json_number_value(json_object_get(info, "icl")), 1e-8);
    check_near(json_number_value(json_object_get(row, "aic")), json_number_value(json_object_get(info, "aic")), 1e-8);
    json_decref(info);
    lk_model_free(fit);
    lk_table_free(table);
    free(x);
}

/* Held-out likelihood chooses too, and passes over what the training rows cannot carry. */
static void held_out_criterion(void **state)
{
    lk_context *ctx = *state;
    lki_stream s = gmm_stream(1200);
    double *x = gmm_random_rows(&s, 600, 2, 2, 4);
    lk_table *table = gmm_table(ctx, x, 600, 2), *few = gmm_table(ctx, x, 9, 2);
    lk_model *fit = gmm_fit(ctx, table, "components=1..4;criterion=held-out;restarts=4", NULL, NULL, NULL);
    assert_int_equal(lk_model_trusted(fit), 1);
    assert_true(lk_model_groups(fit) >= 2);
    lk_model_free(fit);
    fit = gmm_fit(ctx, few, "components=1..9;criterion=held-out;restarts=2", NULL, NULL, NULL);
    gmm_assert_finite(fit);
    lk_model_free(fit);
    lk_table_free(table);
    lk_table_free(few);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_falls),
        cmocka_unit_test(m_step_is_stationary),
        cmocka_unit_test(weights_are_repeated_rows),
        cmocka_unit_test(zero_weights_are_absent),
        cmocka_unit_test(frozen_stays),
        cmocka_unit_test(frozen_collapsed_stays),
        cmocka_unit_test(freeze_needs_a_start),
        cmocka_unit_test(exact_iterations),
        cmocka_unit_test(converged_means_converged),
        cmocka_unit_test(units_do_not_matter),
        cmocka_unit_test(criteria),
        cmocka_unit_test(selection_in_data_units),
        cmocka_unit_test(held_out_criterion),
    };
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
