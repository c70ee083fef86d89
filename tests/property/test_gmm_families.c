/* What must hold of the 14 covariance families: the M-step is a maximum within the family and shares exactly what the letters say, EM
 * never falls, parameters are counted as published, files keep the family, units do not matter, collapsed scatters stay finite. */
#include "gmm_check.h"

#include "data/dataset.h"
#include "data/table_impl.h"
#include "math/cholesky.h"
#include "mixture/em.h"

enum { D_MOST = 6, K_MOST = 5, DD = D_MOST * D_MOST };

static const lki_prior no_prior = {.kappa = 0};

static int families(void)
{
    int count = 0;
    while (lki_covariance_at(count) != NULL) {
        count++;
    }
    return count;
}

/* ---- covariances as matrices, and their parts ---- */

typedef struct matrices {
    int64_t K, d;
    double n[K_MOST], W[K_MOST * DD], C[K_MOST * DD];
} matrices;

/* Random scatters W_k of n_k rows in d features, with conditions and axes of their own. */
static void random_scatters(lki_stream *s, int64_t K, int64_t d, matrices *m)
{
    m->K = K;
    m->d = d;
    for (int64_t k = 0; k < K; k++) {
        m->n[k] = 5 + 40 * lki_random_uniform(s);
        gmm_random_spd(s, d, 1 + 30 * lki_random_uniform(s), m->W + k * d * d);
        const double size = m->n[k] * exp(lki_random_normal(s));
        for (int64_t i = 0; i < d * d; i++) {
            m->W[k * d * d + i] *= size;
        }
    }
}

/* The scatter as the family's form wants it. */
static void lay_out(const lki_covariance *c, const matrices *m, double *pairs)
{
    const int64_t d = m->d, dd = d * d;
    memset(pairs, 0, (size_t)c->length(m->K, d) * sizeof *pairs);
    for (int64_t k = 0; k < m->K; k++) {
        for (int64_t i = 0; i < dd; i++) {
            const double w = m->W[k * dd + i];
            switch (c->form) {
            case LKI_FORM_FULL:
                pairs[k * dd + i] = w;
                break;
            case LKI_FORM_TIED:
                pairs[i] += w;
                break;
            case LKI_FORM_DIAG:
                pairs[k * d + i % d] += i / d == i % d ? w : 0;
                break;
            default:
                pairs[k] += i / d == i % d ? w : 0;
                break;
            }
        }
    }
}

static void expand(const lki_covariance *c, const double *covariances, matrices *m)
{
    lki_mixture view = {.K = m->K, .d = m->d, .covariance = c, .covariances = (double *)(uintptr_t)covariances};
    for (int64_t k = 0; k < m->K; k++) {
        lki_mixture_covariance(&view, k, m->C + k * m->d * m->d);
    }
}

/* The M-step from nothing. */
static void solve(lk_context *ctx, const lki_covariance *c, matrices *m)
{
    double pairs[K_MOST * DD], out[K_MOST * DD] = {0}, total = 0;
    lay_out(c, m, pairs);
    for (int64_t k = 0; k < m->K; k++) {
        total += m->n[k];
    }
    const lki_scatter scatter = {m->n, total, pairs};
    check_ok(ctx, c->solve(ctx, &scatter, &no_prior, m->K, m->d, out));
    expand(c, out, m);
}

/* Expected log-likelihood of covariances: - sum_k (n_k log |C_k| + tr(W_k inverse(C_k))) / 2. */
static double expected(const matrices *m, const double *C)
{
    const int64_t d = m->d, dd = d * d;
    double sum = 0, F[DD], work[2 * DD];
    lki_spd spd;
    for (int64_t k = 0; k < m->K; k++) {
        if (lki_spd_factor(d, C + k * dd, F, NULL, &spd, work) != 0) {
            return -(double)INFINITY;
        }
        sum -= m->n[k] * spd.log_determinant / 2;
        for (int64_t r = 0; r < d; r++) {
            for (int64_t i = 0; i <= r; i++) {
                for (int64_t j = 0; j <= r; j++) {
                    sum -= F[r * d + i] * m->W[k * dd + i * d + j] * F[r * d + j] / 2;
                }
            }
        }
    }
    return sum;
}

/* Axes (rows) and the variances along them: common axes from a combination where the last letter is E, else each one's own. */
static void parts(const char *letters, const matrices *m, double *axes, double *values)
{
    const int64_t d = m->d, dd = d * d;
    double ignored[D_MOST];
    memset(axes, 0, (size_t)(m->K * dd) * sizeof *axes);
    for (int64_t k = 0; k < m->K; k++) {
        double *D = axes + k * dd;
        for (int64_t j = 0; letters[2] == 'I' && j < d; j++) {
            D[j * (d + 1)] = 1;
        }
        for (int64_t l = 0; letters[2] != 'I' && l < m->K; l++) {
            for (int64_t i = 0; (letters[2] == 'E' || l == k) && i < dd; i++) {
                D[i] += m->C[l * dd + i] * (1 + 0.37 * (double)(l * l)) / m->C[l * dd];
            }
        }
        if (letters[2] != 'I') {
            assert_int_equal(lki_symmetric_eigen(d, D, ignored, 1), 0);
        }
        for (int64_t j = 0; j < d; j++) {
            values[k * d + j] = 0;
            for (int64_t i = 0; i < dd; i++) {
                values[k * d + j] += D[j * d + i / d] * m->C[k * dd + i] * D[j * d + i % d];
            }
        }
    }
}

static void compose(const matrices *m, const double *axes, const double *values, double *C)
{
    const int64_t d = m->d, dd = d * d;
    for (int64_t k = 0; k < m->K; k++) {
        for (int64_t i = 0; i < dd; i++) {
            double sum = 0;
            for (int64_t a = 0; a < d; a++) {
                sum += values[k * d + a] * axes[k * dd + a * d + i / d] * axes[k * dd + a * d + i % d];
            }
            C[k * dd + i] = sum;
        }
    }
}

/* A member of the family near the given parts: volumes, shapes and axes move, together where the letter is E. */
static void perturb(lki_stream *s, const char *letters, double size, const matrices *m, const double *axes, const double *values, double *C)
{
    const int64_t d = m->d, dd = d * d;
    double D[K_MOST * DD], v[K_MOST * D_MOST], shape[D_MOST], turns[DD], volume = 0;
    memcpy(D, axes, (size_t)(m->K * dd) * sizeof *D);
    memcpy(v, values, (size_t)(m->K * d) * sizeof *v);
    for (int64_t k = 0; k < m->K; k++) {
        double mean = 0;
        volume = letters[0] == 'V' || k == 0 ? size * lki_random_normal(s) : volume;
        for (int64_t j = 0; j < d; j++) {
            shape[j] = letters[1] == 'V' || (k == 0 && letters[1] == 'E') ? size * lki_random_normal(s) : k == 0 ? 0 : shape[j];
            mean += shape[j] / (double)d;
        }
        for (int64_t j = 0; j < d; j++) {
            v[k * d + j] *= exp(volume + shape[j] - mean);
        }
        for (int64_t l = 0; letters[2] != 'I' && l < d; l++) {
            for (int64_t j = l + 1; j < d; j++) {
                double *angle = &turns[l * d + j];
                *angle = letters[2] == 'V' || k == 0 ? size * lki_random_normal(s) : *angle;
                for (int64_t i = 0; i < d; i++) {
                    const double x = D[k * dd + l * d + i], y = D[k * dd + j * d + i];
                    D[k * dd + l * d + i] = cos(*angle) * x + sin(*angle) * y;
                    D[k * dd + j * d + i] = cos(*angle) * y - sin(*angle) * x;
                }
            }
        }
    }
    compose(m, D, v, C);
}

/* ---- the M-step ---- */

/* The parts of the answer are shared exactly, put together they are the answer, and no member of the family nearby is better. */
static void m_step_is_a_maximum(void **state)
{
    lk_context *ctx = *state;
    const int64_t rounds = check_scaled(6, 2);
    for (int f = 0; f < families(); f++) {
        const lki_covariance *c = lki_covariance_at(f);
        for (int64_t round = 0; round < rounds; round++) {
            lki_stream s = gmm_stream(10000 + (uint64_t)(f * 100 + round));
            matrices m;
            double axes[K_MOST * DD], values[K_MOST * D_MOST], C[K_MOST * DD];
            random_scatters(&s, 1 + lki_random_below(&s, K_MOST), 2 + lki_random_below(&s, D_MOST - 1), &m);
            solve(ctx, c, &m);
            const int64_t d = m.d, dd = d * d;
            parts(c->letters, &m, axes, values);
            compose(&m, axes, values, C);
            const double best = expected(&m, m.C);
            assert_true(isfinite(best));
            double first_volume = 0;
            for (int64_t k = 0; k < m.K; k++) {
                double volume = 0;
                for (int64_t j = 0; j < d; j++) {
                    volume += log(values[k * d + j]) / (double)d;
                }
                first_volume = k == 0 ? volume : first_volume;
                if (c->letters[0] == 'E') {
                    check_near(volume, first_volume, 1e-10);
                }
                for (int64_t j = 0; j < d; j++) {
                    const double first = log(values[j]) - first_volume, here = log(values[k * d + j]) - volume;
                    if (c->letters[1] != 'V') {
                        check_near(here, c->letters[1] == 'I' ? 0 : first, 1e-9);
                    }
                }
                for (int64_t i = 0; i < dd; i++) { /* the axes are those of each: nothing is left off the diagonal */
                    check_near(C[k * dd + i], m.C[k * dd + i], 1e-9 * m.C[k * dd + i / d * (d + 1)] + 1e-9 * m.C[k * dd + i % d * (d + 1)]);
                }
            }
            double fall = 0;
            for (int turn = 0; turn < 90; turn++) {
                perturb(&s, c->letters, turn % 3 == 0 ? 1e-4 : turn % 3 == 1 ? 1e-2 : 0.3, &m, axes, values, C);
                const double other = expected(&m, C);
                fall = fmax(fall, best - other);
                const int local = strcmp(c->letters + 1, "VE") == 0; /* common axes have optima of their own */
                if ((turn % 3 < 2 || !local) && !(other <= best + 1e-10 * fabs(best))) {
                    fail_msg("%s, %d components, %d features: a member of the family has %.17g, the M-step %.17g", c->letters, (int)m.K,
                             (int)d, other, best);
                }
            }
            assert_true(fall > 0.01); /* the perturbations do something */
        }
    }
}

/* Of two families where one contains the other, the larger one's M-step is no worse. */
static void larger_families_fit_better(void **state)
{
    lk_context *ctx = *state;
    const char *const inside[][2] = {
        {"EII", "VII"}, {"EII", "EEI"}, {"VII", "VEI"}, {"EEI", "VEI"}, {"EEI", "EVI"}, {"VEI", "VVI"}, {"EVI", "VVI"}, {"EEI", "EEE"},
        {"VEI", "VEE"}, {"EVI", "EVE"}, {"VVI", "VVE"}, {"EEE", "VEE"}, {"EEE", "EVE"}, {"VEE", "VVE"}, {"EVE", "VVE"}, {"EEE", "EEV"},
        {"EEV", "VEV"}, {"VEE", "VEV"}, {"EEV", "EVV"}, {"EVE", "EVV"}, {"VEV", "VVV"}, {"EVV", "VVV"}, {"VVE", "VVV"}};
    const int64_t rounds = check_scaled(20, 5);
    for (int64_t round = 0; round < rounds; round++) {
        lki_stream s = gmm_stream(20000 + (uint64_t)round);
        matrices m;
        random_scatters(&s, 2 + lki_random_below(&s, K_MOST - 1), 2 + lki_random_below(&s, D_MOST - 1), &m);
        for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
            solve(ctx, lki_covariance_find(inside[i][0]), &m);
            const double small = expected(&m, m.C);
            solve(ctx, lki_covariance_find(inside[i][1]), &m);
            const double large = expected(&m, m.C);
            const int same_axes = strcmp(inside[i][0], "EVE") == 0 && strcmp(inside[i][1], "VVE") == 0; /* local optima of each */
            if (!same_axes && !(large >= small - 1e-9 * fabs(small))) {
                fail_msg("%s has %.17g, %s only %.17g", inside[i][0], small, inside[i][1], large);
            }
        }
    }
}

/* Scatters that have lost dimensions, rows or everything give finite covariances. */
static void collapsed_scatters_stay_finite(void **state)
{
    lk_context *ctx = *state;
    for (int f = 0; f < families(); f++) {
        const lki_covariance *c = lki_covariance_at(f);
        for (int how = 0; how < 6; how++) {
            lki_stream s = gmm_stream(30000 + (uint64_t)how);
            matrices m;
            random_scatters(&s, 3, 4, &m);
            for (int64_t i = 0; i < 16; i++) {
                switch (how) {
                case 0: /* one component has no spread */
                    m.W[i] = 0;
                    break;
                case 1: /* nothing has */
                    m.W[i] = m.W[16 + i] = m.W[32 + i] = 0;
                    break;
                case 2: /* no spread along one axis, in all */
                    for (int64_t k = 0; k < 3; k++) {
                        m.W[k * 16 + i] *= i / 4 != 1 && i % 4 != 1;
                    }
                    break;
                case 3: /* one component of rank one */
                    m.W[16 + i] = (double)((i / 4 + 1) * (i % 4 + 1));
                    break;
                case 4: /* an empty component */
                    m.W[i] = 0;
                    m.n[0] = DBL_MIN;
                    break;
                default: /* spreads far apart */
                    m.W[i] *= 1e-150;
                    m.W[16 + i] *= 1e100;
                    break;
                }
            }
            solve(ctx, c, &m);
            for (int64_t i = 0; i < 48; i++) {
                if (!isfinite(m.C[i]) || (i % 16 % 5 == 0 && m.C[i] < 0)) {
                    fail_msg("%s, case %d: entry %d is %g", c->letters, how, (int)i, m.C[i]);
                }
            }
        }
    }
}

/* ---- counts ---- */

/* Celeux and Govaert 1995, table 1, for 4 features and 3 components, worked out by hand. */
static void parameters_are_counted(void **state)
{
    (void)state;
    const struct {
        const char *letters;
        double four, one;
    } counts[] = {{"EII", 1, 1},  {"VII", 3, 3},  {"EEI", 4, 1},  {"VEI", 6, 3},  {"EVI", 10, 1}, {"VVI", 12, 3}, {"EEE", 10, 1},
                  {"VEE", 12, 3}, {"EVE", 16, 1}, {"VVE", 18, 3}, {"EEV", 22, 1}, {"VEV", 24, 3}, {"EVV", 28, 1}, {"VVV", 30, 3}};
    assert_int_equal(families(), 14);
    for (int i = 0; i < 14; i++) {
        const lki_covariance *c = lki_covariance_find(counts[i].letters);
        assert_non_null(c);
        check_near(lki_covariance_parameters(c, 3, 4), counts[i].four, 0);
        check_near(lki_covariance_parameters(c, 3, 1), counts[i].one, 0);
    }
    assert_null(lki_covariance_find("EVX"));
    assert_ptr_equal(lki_covariance_find("full"), lki_covariance_find("VVV"));
}

/* ---- EM ---- */

static lk_table *three_groups(lk_context *ctx, uint64_t number, int64_t rows, int64_t d)
{
    lki_stream s = gmm_stream(number);
    double *x = gmm_random_rows(&s, rows, d, 3, 1.2);
    for (int64_t i = 0; i < rows && d > 1; i++) { /* some correlation */
        x[i * d] += 0.7 * x[i * d + d - 1];
    }
    lk_table *table = gmm_table(ctx, x, rows, d);
    free(x);
    return table;
}

static void never_falls(void **state)
{
    lk_context *ctx = *state;
    for (int f = 0; f < families(); f++) {
        const lki_covariance *c = lki_covariance_at(f);
        for (int with_prior = 0; with_prior < (c->log_prior != NULL ? 2 : 1); with_prior++) {
            const int64_t d = 2 + f % 3;
            lk_table *table = three_groups(ctx, 40000 + (uint64_t)f, 200, d);
            int64_t positions[D_MOST] = {0, 1, 2, 3, 4, 5};
            const char *names[D_MOST] = {"a", "b", "c", "d", "e", "f"};
            lki_dataset rows = {.table = table, .features = positions, .d = d, .weight = -1, .rows = 200, .blocks = 1};
            lki_em_data data;
            lki_mixture *m = NULL, *start = NULL;
            double scale[DD];
            check_ok(ctx, lki_em_data_new(ctx, &rows, names, &data));
            check_ok(ctx, lki_mixture_new(ctx, 3, d, c, &m));
            check_ok(ctx, lki_mixture_new(ctx, 3, d, c, &start));
            lki_em_options options = {.stage = "em"};
            if (with_prior) {
                for (int64_t i = 0; i < d * d; i++) {
                    scale[i] = data.scatter[i] / data.total / 2;
                }
                options.prior = (lki_prior){.kappa = 1, .nu = (double)d + 5, .scale = scale};
            }
            lki_stream s = gmm_stream(41000 + (uint64_t)f);
            for (int64_t k = 0; k < 3; k++) {
                start->weights[k] = 1.0 / 3;
                for (int64_t j = 0; j < d; j++) {
                    start->means[k * d + j] = 0.7 * lki_random_normal(&s);
                }
            }
            for (int64_t i = 0; i < c->length(3, d); i++) {
                const int square = c->form == LKI_FORM_FULL || c->form == LKI_FORM_TIED;
                start->covariances[i] = !square || i % (d * d) % (d + 1) == 0;
            }
            double last = -(double)INFINITY, rise = 0;
            for (options.max_iter = 0; options.max_iter <= 40; options.max_iter++) {
                lki_em_result result;
                lki_mixture_copy(m, start);
                check_ok(ctx, lki_em_run(ctx, &data, &options, m, &result));
                if (!(result.objective >= last - 1e-10 * fabs(last))) {
                    fail_msg("%s, prior %d, iteration %d: objective fell from %.17g to %.17g", c->letters, with_prior,
                             (int)options.max_iter, last, result.objective);
                }
                rise += options.max_iter > 0 ? result.objective - last : 0;
                last = result.objective;
            }
            assert_true(rise > 1);
            lki_mixture_free(m);
            lki_mixture_free(start);
            lki_em_data_free(ctx, &data);
            lk_table_free(table);
        }
    }
}

static lk_model *fit_family(lk_context *ctx, const lk_table *table, const char *letters, const char *more, const lk_model *start)
{
    char settings[200];
    snprintf(settings, sizeof settings, "%s%s%s%s", start == NULL ? "components=2;covariance=" : "", start == NULL ? letters : "",
             start == NULL ? ";" : "", more);
    return gmm_fit(ctx, table, settings, NULL, NULL, start);
}

/* x' = A x + b with A one number for each feature, one for all, or a rotation times a number, as the family allows: the same fits from
 * the same starts, log-likelihoods apart by the Jacobian. */
static void units_do_not_matter(void **state)
{
    lk_context *ctx = *state;
    enum { ROWS = 250, D = 3 };
    for (int f = 0; f < families(); f++) {
        const lki_covariance *c = lki_covariance_at(f);
        for (int how = 0; how < 3; how++) {
            const int axes = c->form == LKI_FORM_DIAG, rotates = !axes;
            if ((how == 0 && c->common_scale) || (how == 2 && !rotates)) {
                continue;
            }
            double A[D * D] = {0}, x[ROWS * D], y[ROWS * D];
            const double scales[D] = {3.7, how == 0 ? 120 : 3.7, how == 0 ? 0.013 : 3.7};
            for (int64_t j = 0; j < D; j++) {
                A[j * (D + 1)] = scales[j];
            }
            for (int64_t j = 0; how == 2 && j < D; j++) { /* a turn in the plane (0, 1), then in (1, 2) */
                const double a = A[j], b = A[D + j], u = 0.8 * a + 0.6 * b, v = 0.8 * b - 0.6 * a, w = A[2 * D + j];
                A[j] = u;
                A[D + j] = 0.28 * v + 0.96 * w;
                A[2 * D + j] = 0.28 * w - 0.96 * v;
            }
            lk_table *table = three_groups(ctx, 50000, ROWS, D);
            memcpy(x, lki_table_direct(table), sizeof x);
            for (int64_t i = 0; i < ROWS * D; i++) {
                y[i] = 11 * (double)(i % D);
                for (int64_t j = 0; j < D; j++) {
                    y[i] += A[i % D * D + j] * x[i / D * D + j];
                }
            }
            lk_table *moved = gmm_table(ctx, y, ROWS, D);
            lk_model *first = fit_family(ctx, table, c->letters, "tol=0;max_iter=3", NULL);
            const lki_mixture *m = gmm_mixture(first);
            lki_mixture *n = NULL;
            check_ok(ctx, lki_mixture_new(ctx, m->K, D, c, &n));
            memcpy(n->weights, m->weights, (size_t)m->K * sizeof(double));
            for (int64_t i = 0; i < m->K * D; i++) {
                n->means[i] = 11 * (double)(i % D);
                for (int64_t j = 0; j < D; j++) {
                    n->means[i] += A[i % D * D + j] * m->means[i / D * D + j];
                }
            }
            for (int64_t k = 0; k < lki_mixture_matrices(m); k++) {
                double C[D * D], out[D * D] = {0};
                lki_mixture_covariance(m, k, C);
                for (int64_t i = 0; i < D * D * D * D; i++) {
                    const int64_t a = i / (D * D) / D, b = i / (D * D) % D, p = i % (D * D) / D, q = i % D;
                    out[a * D + b] += A[a * D + p] * C[p * D + q] * A[b * D + q];
                }
                for (int64_t i = 0; i < D * D; i++) {
                    switch (c->form) {
                    case LKI_FORM_FULL:
                    case LKI_FORM_TIED:
                        n->covariances[k * D * D + i] = out[i];
                        break;
                    case LKI_FORM_DIAG:
                        n->covariances[k * D + i % D] = out[i % D * (D + 1)];
                        break;
                    default:
                        n->covariances[k] = out[0];
                        break;
                    }
                }
            }
            lk_model *start = gmm_model_of(ctx, n);
            lk_model *a = fit_family(ctx, table, c->letters, "tol=0;max_iter=20", first);
            lk_model *b = fit_family(ctx, moved, c->letters, "tol=0;max_iter=20", start);
            const double la = gmm_number(ctx, a, "log_likelihood"), lb = gmm_number(ctx, b, "log_likelihood");
            const double jacobian = ROWS * log(scales[0] * scales[1] * scales[2]);
            assert_true(la > gmm_number(ctx, first, "log_likelihood"));
            if (!(fabs(la - lb - jacobian) <= 1e-8 * fabs(la))) {
                fail_msg("%s, change %d: %.12g and %.12g", c->letters, how, la, lb + jacobian);
            }
            lk_model_free(a);
            lk_model_free(b);
            lk_model_free(start);
            lk_model_free(first);
            lki_mixture_free(n);
            lk_table_free(moved);
            lk_table_free(table);
        }
    }
}

/* ---- models ---- */

/* The file keeps family and parameters to the last bit, info names it, marginals stay mixtures, and the counts reach the report. */
static void files_keep_the_family(void **state)
{
    lk_context *ctx = *state;
    lk_table *table = three_groups(ctx, 60000, 200, 3);
    char path[] = "/tmp/likely-families-XXXXXX";
    const int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    for (int f = 0; f < families(); f++) {
        const lki_covariance *c = lki_covariance_at(f);
        lk_model *fit = fit_family(ctx, table, c->letters, "restarts=2", NULL), *back = NULL, *part = NULL;
        check_ok(ctx, lk_model_save(ctx, fit, path));
        check_ok(ctx, lk_model_load(ctx, path, &back));
        assert_ptr_equal(gmm_mixture(back)->covariance, c);
        check_near(gmm_distance(fit, back, 0), 0, 0);
        json_t *info = gmm_info(ctx, back);
        assert_string_equal(json_string_value(json_object_get(info, "covariance")), c->name);
        check_near(json_number_value(json_object_get(info, "free_parameters")), 1 + 6 + lki_covariance_parameters(c, 2, 3), 0);
        json_decref(info);
        const int64_t asked[2] = {0, 2};
        check_ok(ctx, lk_model_marginal(ctx, back, asked, 2, &part));
        const lki_mixture *whole = gmm_mixture(back), *p = gmm_mixture(part);
        for (int64_t k = 0; k < 2; k++) {
            double C[9], sub[4];
            lki_mixture_covariance(whole, k, C);
            lki_mixture_covariance(p, k, sub);
            for (int i = 0; i < 4; i++) {
                check_near(sub[i], C[asked[i / 2] * 3 + asked[i % 2]], 0);
            }
        }
        int conforms = 0;
        check_ok(ctx, lki_covariance_conforms(ctx, p->covariance, p->K, p->d, p->covariances, &conforms));
        assert_true(conforms);
        assert_true(p->covariance == c || strcmp(p->covariance->letters, c->form == LKI_FORM_FULL ? "VVV" : "VVI") == 0);
        lk_model_free(part);
        lk_model_free(back);
        lk_model_free(fit);
    }
    unlink(path);
    lk_table_free(table);
}

/* Of one feature there are two families, by whatever names they are asked for. */
static void one_feature(void **state)
{
    lk_context *ctx = *state;
    lk_table *table = three_groups(ctx, 70000, 200, 1), *two = three_groups(ctx, 70001, 200, 2);
    lk_model *fit = gmm_fit(ctx, table, "components=1..3;covariance=all;restarts=3", NULL, NULL, NULL), *model = NULL;
    json_t *info = gmm_info(ctx, fit);
    assert_int_equal(json_array_size(json_object_get(info, "selection")), 6);
    json_decref(info);
    lk_model_free(fit);
    const char *const pairs[][2] = {{"E", "tied"}, {"V", "full"}};
    for (int i = 0; i < 2; i++) {
        char settings[100];
        snprintf(settings, sizeof settings, "components=2;covariance=%s", pairs[i][0]);
        fit = gmm_fit(ctx, table, settings, NULL, NULL, NULL);
        assert_string_equal(gmm_mixture(fit)->covariance->name, pairs[i][1]);
        const double bic = gmm_number(ctx, fit, "bic");
        lk_model_free(fit);
        for (int f = 0; f < families(); f++) { /* each of the 14 is one of the two */
            if (lki_covariance_at(f)->letters[0] == pairs[i][0][0]) {
                fit = fit_family(ctx, table, lki_covariance_at(f)->letters, "tol=1e-9", NULL);
                check_near(gmm_number(ctx, fit, "bic"), bic, 1e-4);
                lk_model_free(fit);
            }
        }
    }
    check_status(ctx, LK_ERROR_ARGUMENT, gmm_try(ctx, two, "covariance=EII,E", NULL, NULL, NULL, &model));
    check_contains(lk_error_message(ctx), "one feature");
    lk_table_free(two);
    lk_table_free(table);
}

static void priors_where_they_are_closed(void **state)
{
    lk_context *ctx = *state;
    lk_table *table = three_groups(ctx, 80000, 200, 3);
    int taken = 0;
    for (int f = 0; f < families(); f++) {
        char settings[100];
        lk_model *model = NULL;
        snprintf(settings, sizeof settings, "components=2;restarts=2;prior=normal_wishart;covariance=%s", lki_covariance_at(f)->letters);
        const lk_status status = gmm_try(ctx, table, settings, NULL, NULL, NULL, &model);
        if (lki_covariance_at(f)->log_prior == NULL) {
            assert_int_equal(status, LK_ERROR_ARGUMENT);
            check_contains(lk_error_message(ctx), "EII, VII, EEI, VVI, EEE and VVV");
            check_contains(lk_error_message(ctx), lki_covariance_at(f)->letters);
            assert_null(model);
        } else {
            assert_int_equal(status, LK_OK);
            taken++;
        }
        lk_model_free(model);
    }
    assert_int_equal(taken, 6);
    lk_table_free(table);
}

/* Parameters written down must share what their family shares. */
static void builds_are_checked(void **state)
{
    lk_context *ctx = *state;
    lk_model *model = gmm_build(ctx, "{\"weights\":[0.5,0.5],\"means\":[[0,0],[1,1]],\"covariance\":\"VEV\","
                                     "\"covariances\":[[[4,0],[0,1]],[[2.5,1.5],[1.5,2.5]]]}");
    assert_string_equal(gmm_mixture(model)->covariance->name, "VEV");
    lk_model_free(model);
    model = gmm_build(ctx, "{\"weights\":[0.5,0.5],\"means\":[[0,0],[1,1]],\"covariance\":\"VVV\","
                           "\"covariances\":[[[4,0],[0,1]],[[2,1],[1,2]]]}");
    assert_string_equal(gmm_mixture(model)->covariance->name, "full");
    lk_model_free(model);
    model = NULL;
    check_status(ctx, LK_ERROR_DATA,
                 lk_model_build(ctx, "gmm", "{\"weights\":[0.5,0.5],\"means\":[[0,0],[1,1]],\"covariance\":\"VEV\","
                                            "\"covariances\":[[[4,0],[0,1]],[[2,1],[1,2]]]}", NULL, &model));
    check_contains(lk_error_message(ctx), "VEV");
    check_status(ctx, LK_ERROR_DATA,
                 lk_model_build(ctx, "gmm", "{\"weights\":[0.5,0.5],\"means\":[[0,0],[1,1]],\"covariance\":\"EII\",\"covariances\":[1,2]}",
                                NULL, &model));
    check_status(ctx, LK_ERROR_FORMAT,
                 lk_model_build(ctx, "gmm", "{\"weights\":[1],\"means\":[[0,0]],\"covariance\":\"EXV\",\"covariances\":[1]}", NULL, &model));
    assert_null(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(m_step_is_a_maximum, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(larger_families_fit_better, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(collapsed_scatters_stay_finite, check_setup, check_teardown),
        cmocka_unit_test(parameters_are_counted),
        cmocka_unit_test_setup_teardown(never_falls, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(units_do_not_matter, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(files_keep_the_family, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(one_feature, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(priors_where_they_are_closed, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(builds_are_checked, check_setup, check_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
