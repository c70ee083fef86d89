/* Standard errors by the observed information: against the closed form of one Gaussian, and against differences of a log-likelihood
 * that is computed here from its definition, for every covariance family in a parametrization of this file's own. */
#include "gmm_check.h"

#include "data/dataset.h"
#include "math/cholesky.h"
#include "mixture/information.h"

enum { D_MOST = 3, K_MOST = 3, ROWS = 240 };

/* Rows with weights, and some without all values. */
typedef struct rows {
    double values[ROWS * (D_MOST + 1)];
    lk_table *table;
    int64_t features[D_MOST];
    int64_t d;
} rows;

static void rows_make(lk_context *ctx, rows *r, uint64_t number, int64_t d, double missing)
{
    lki_stream s = gmm_stream(number);
    double *x = gmm_random_rows(&s, ROWS, d, 3, 2.0);
    for (int64_t i = 0; i < ROWS; i++) {
        for (int64_t j = 0; j < d; j++) {
            const int gap = j != i % d && lki_random_uniform(&s) < missing;
            r->values[i * (d + 1) + j] = gap ? (double)NAN : x[i * d + j] * (j == 1 ? 3.0 : 1.0) + 0.5 * x[i * d];
        }
        r->values[i * (d + 1) + d] = (double)(i % 4); /* 0 to 3 */
    }
    free(x);
    r->d = d;
    for (int64_t j = 0; j < d; j++) {
        r->features[j] = j;
    }
    r->table = gmm_table(ctx, r->values, ROWS, d + 1);
}

static lki_dataset dataset_of(const rows *r)
{
    return (lki_dataset){.table = r->table, .features = r->features, .d = r->d, .weight = r->d, .rows = ROWS, .blocks = 1};
}

/* log N(x; mean, C) of the features that are there, by a Cholesky factor; adds 0 to a row without any. */
static double log_normal(int64_t d, const double *x, const double *mean, const double *C)
{
    double L[D_MOST][D_MOST], y[D_MOST], sum = 0;
    int64_t at[D_MOST], n = 0;
    for (int64_t j = 0; j < d; j++) {
        if (!isnan(x[j])) {
            at[n++] = j;
        }
    }
    for (int64_t i = 0; i < n; i++) {
        y[i] = x[at[i]] - mean[at[i]];
        for (int64_t j = 0; j <= i; j++) {
            L[i][j] = C[at[i] * d + at[j]];
            for (int64_t k = 0; k < j; k++) {
                L[i][j] -= L[i][k] * L[j][k];
            }
            L[i][j] = i == j ? sqrt(L[i][i]) : L[i][j] / L[j][j];
            y[i] -= j < i ? L[i][j] * y[j] : 0;
        }
        y[i] /= L[i][i];
        sum -= 0.5 * (y[i] * y[i] + log(2 * M_PI)) + log(L[i][i]);
    }
    return sum;
}

/* From the definition; weights need not sum to one. */
static double log_likelihood(const rows *r, int64_t K, const double *weights, const double *means, const double *covariances)
{
    const int64_t d = r->d;
    double total = 0;
    for (int64_t i = 0; i < ROWS; i++) {
        const double *x = r->values + i * (d + 1);
        double density = 0;
        for (int64_t k = 0; k < K; k++) {
            density += weights[k] * exp(log_normal(d, x, means + k * d, covariances + k * d * d));
        }
        total += x[d] * log(density);
    }
    return total;
}

/* ---- coordinates: gradient and second derivatives against differences ---- */

/* The log-likelihood at the mixture's coordinates with two of them moved. */
static double moved(const rows *r, const lki_mixture *m, int64_t a, double by_a, int64_t b, double by_b)
{
    const int64_t d = m->d, K = m->K, size = 1 + d + lki_mixture_pairs(m), along = lki_mixture_pairs(m) == d;
    double weights[K_MOST], means[K_MOST * D_MOST], covariances[K_MOST * D_MOST * D_MOST];
    for (int64_t k = 0; k < K; k++) {
        weights[k] = m->weights[k];
        memcpy(means + k * d, m->means + k * d, (size_t)d * sizeof *means);
        lki_mixture_covariance(m, k, covariances + k * d * d);
    }
    for (int turn = 0; turn < 2; turn++) {
        const int64_t k = (turn == 0 ? a : b) / size, c = (turn == 0 ? a : b) % size;
        const double by = turn == 0 ? by_a : by_b;
        if (c == 0) {
            weights[k] += by;
        } else if (c <= d) {
            means[k * d + c - 1] += by;
        } else {
            int64_t i = 0, j = 0;
            for (int64_t e = 0; e < c - 1 - d; e++) {
                j++;
                if (along || j == d) {
                    j = ++i;
                }
            }
            covariances[(k * d + i) * d + j] += by;
            covariances[(k * d + j) * d + i] += i != j ? by : 0;
        }
    }
    return log_likelihood(r, K, weights, means, covariances);
}

static void coordinates(void **state)
{
    lk_context *ctx = *state;
    static const char *const families[] = {"full", "tied", "diag", "spherical"};
    for (int f = 0; f < 4; f++) {
        for (int gaps = 0; gaps < 2; gaps++) {
            static rows r;
            rows_make(ctx, &r, 7000 + (uint64_t)(2 * f + gaps), 3, gaps ? 0.3 : 0);
            lki_stream s = gmm_stream(7100 + (uint64_t)f);
            lki_mixture *m = gmm_random_mixture(ctx, &s, families[f], 2, 3, 5, 2);
            for (int64_t i = 0; i < gmm_covariance_length(m); i++) {
                m->covariances[i] *= 4;
            }
            const int64_t P = lki_mixture_coordinates(m);
            double *gradient = calloc((size_t)(P + P * P), sizeof *gradient), *hessian = gradient + P, value;
            const lki_dataset data = dataset_of(&r);
            check_ok(ctx, lki_mixture_second_order(ctx, m, &data, &value, gradient, hessian));
            check_near(value, moved(&r, m, 0, 0, 0, 0), 1e-10 * fabs(value));
            for (int64_t a = 0; a < P; a++) {
                const double h = 1e-3; /* errors: h^4 of fifth derivatives, and rounding / h */
                const double slope = (8 * (moved(&r, m, a, h, 0, 0) - moved(&r, m, a, -h, 0, 0)) -
                                      (moved(&r, m, a, 2 * h, 0, 0) - moved(&r, m, a, -2 * h, 0, 0))) / (12 * h);
                check_near(gradient[a], slope, 1e-7 * (100 + fabs(slope)));
                for (int64_t b = 0; b < P; b++) {
                    double mixed = 0;
                    for (int64_t e = 1; e <= 2; e++) { /* two steps, h^2 cancelled */
                        const double t = h * (double)e;
                        mixed += (e == 1 ? 4.0 / 3 : -1.0 / 3) * (moved(&r, m, a, t, b, t) - moved(&r, m, a, t, b, -t) -
                                                                  moved(&r, m, a, -t, b, t) + moved(&r, m, a, -t, b, -t)) / (4 * t * t);
                    }
                    check_near(hessian[a * P + b], mixed, 2e-5 * (100 + fabs(mixed)));
                }
            }
            free(gradient);
            lki_mixture_free(m);
            lk_table_free(r.table);
        }
    }
}

/* ---- one Gaussian ---- */

/* At the maximum, se(mean_j) = sqrt(C_jj / n), se(C_ij) = sqrt((C_ii C_jj + C_ij^2) / n); a round variance has sqrt(2 / (n d)) of
 * itself (Anderson 2003, An Introduction to Multivariate Statistical Analysis, section 3.4). All families meet here. */
static void one_gaussian(void **state)
{
    lk_context *ctx = *state;
    static const char *const families[] = {"VVV", "EEE", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV", "VVI", "EEI", "VEI", "EVI", "VII", "EII"};
    static rows r;
    rows_make(ctx, &r, 7200, 3, 0);
    for (size_t f = 0; f < sizeof families / sizeof families[0]; f++) {
        char settings[64];
        snprintf(settings, sizeof settings, "components=1;covariance=%s", families[f]);
        lk_model *model = gmm_fit(ctx, r.table, settings, "x1,x2,x3", "x4", NULL);
        const double n = gmm_number(ctx, model, "n");
        double C[9];
        lki_mixture_covariance(gmm_mixture(model), 0, C);
        lk_intervals out = {.size = sizeof out};
        lk_interval_options options = {.size = sizeof options, .weight = "x4", .level = 0.9};
        check_ok(ctx, lk_model_intervals(ctx, model, r.table, &options, &out));
        const int round = families[f][1] == 'I', full = families[f][2] != 'I';
        assert_int_equal(out.count, 3 + (round ? 1 : full ? 6 : 3));
        assert_int_equal(out.parameters, (int64_t)gmm_number(ctx, model, "free_parameters"));
        assert_true(out.distance < 1e-6);
        for (int64_t i = 0; i < out.count; i++) {
            const lk_interval *item = &out.items[i];
            const int64_t j = item->row < 0 ? 0 : item->row, l = item->column < 0 ? j : item->column;
            const double v = C[j * 3 + j] * C[l * 3 + l] + C[j * 3 + l] * C[j * 3 + l];
            const double se = strcmp(item->name, "mean") == 0 ? sqrt(C[j * 4] / n) : round ? C[0] * sqrt(2 / (3 * n)) : sqrt(v / n);
            check_near(item->standard_error, se, 1e-9 * se);
            const int positive = strcmp(item->name, "variance") == 0;
            const double z = 1.6448536269514722, e = item->estimate; /* 95% point */
            check_near(item->lower, positive ? e * exp(-z * se / e) : e - z * se, 1e-8 * se);
            check_near(item->upper, positive ? e * exp(z * se / e) : e + z * se, 1e-8 * se);
        }
        lk_free(ctx, out.items);
        lk_model_free(model);
    }
    lk_table_free(r.table);
}

/* ---- every family, two components, at its maximum ---- */

/* This file's free parameters: weights' logits, means, log volumes, log shapes, angles of plane rotations from given axes. */
typedef struct chart {
    const lki_mixture *m;
    int64_t d, K, count;
    double axes[K_MOST][D_MOST * D_MOST]; /* in rows */
    double logs[K_MOST][D_MOST];          /* of the variances along them */
} chart;

static int varies(const chart *c, int letter)
{
    return c->m->covariance->letters[letter] == 'V';
}

static void chart_make(lk_context *ctx, const lki_mixture *m, chart *c)
{
    const int64_t d = m->d;
    const char *l = m->covariance->letters;
    (void)ctx;
    *c = (chart){.m = m, .d = d, .K = m->K};
    for (int64_t k = 0; k < m->K; k++) {
        double C[D_MOST * D_MOST], values[D_MOST];
        lki_mixture_covariance(m, l[2] == 'E' ? 0 : k, C); /* common axes are those of the first component */
        if (l[2] == 'I') {
            for (int64_t i = 0; i < d * d; i++) {
                c->axes[k][i] = i / d == i % d;
            }
        } else {
            assert_int_equal(lki_symmetric_eigen(d, C, values, 1), 0);
            memcpy(c->axes[k], C, sizeof C);
        }
        lki_mixture_covariance(m, k, C);
        for (int64_t j = 0; j < d; j++) {
            double v = 0;
            for (int64_t i = 0; i < d * d; i++) {
                v += c->axes[k][j * d + i / d] * C[i] * c->axes[k][j * d + i % d];
            }
            c->logs[k][j] = log(v);
        }
    }
    const int64_t turns = d * (d - 1) / 2;
    c->count = m->K - 1 + m->K * d + (varies(c, 0) ? m->K : 1) + (l[1] == 'I' ? 0 : (varies(c, 1) ? m->K : 1) * (d - 1)) +
               (l[2] == 'I' ? 0 : (varies(c, 2) ? m->K : 1) * turns);
}

/* The mixture where the free parameters have moved by t. */
static void chart_at(const chart *c, const double *t, double *weights, double *means, double *covariances)
{
    const int64_t d = c->d, K = c->K;
    const double *volume = t + K - 1 + K * d;
    const double *shape = volume + (varies(c, 0) ? K : 1);
    const double *turn = shape + (c->m->covariance->letters[1] == 'I' ? 0 : (varies(c, 1) ? K : 1) * (d - 1));
    double total = 0;
    for (int64_t k = 0; k < K; k++) {
        weights[k] = c->m->weights[k] * exp(k < K - 1 ? t[k] : 0);
        total += weights[k];
    }
    for (int64_t k = 0; k < K; k++) {
        double logs[D_MOST], axes[D_MOST * D_MOST];
        weights[k] /= total;
        for (int64_t j = 0; j < d; j++) {
            means[k * d + j] = c->m->means[k * d + j] + t[K - 1 + k * d + j];
            logs[j] = c->logs[k][j] + volume[varies(c, 0) ? k : 0];
        }
        for (int64_t j = 0; c->m->covariance->letters[1] != 'I' && j < d - 1; j++) {
            const double by = shape[(varies(c, 1) ? k * (d - 1) : 0) + j];
            logs[j] += by;
            logs[d - 1] -= by;
        }
        memcpy(axes, c->axes[k], sizeof axes);
        for (int64_t u = 0, e = varies(c, 2) ? k * (d * (d - 1) / 2) : 0; c->m->covariance->letters[2] != 'I' && u < d; u++) {
            for (int64_t v = u + 1; v < d; v++, e++) {
                for (int64_t i = 0; i < d; i++) {
                    const double x = axes[u * d + i], y = axes[v * d + i];
                    axes[u * d + i] = x * cos(turn[e]) + y * sin(turn[e]);
                    axes[v * d + i] = y * cos(turn[e]) - x * sin(turn[e]);
                }
            }
        }
        for (int64_t i = 0; i < d * d; i++) {
            covariances[k * d * d + i] = 0;
            for (int64_t j = 0; j < d; j++) {
                covariances[k * d * d + i] += exp(logs[j]) * axes[j * d + i / d] * axes[j * d + i % d];
            }
        }
    }
}

static double chart_value(const rows *r, const chart *c, const double *t)
{
    double weights[K_MOST], means[K_MOST * D_MOST], covariances[K_MOST * D_MOST * D_MOST];
    chart_at(c, t, weights, means, covariances);
    return log_likelihood(r, c->K, weights, means, covariances);
}

/* Number `q` at t. */
static double chart_quantity(const chart *c, const double *t, const lk_interval *q)
{
    double weights[K_MOST], means[K_MOST * D_MOST], covariances[K_MOST * D_MOST * D_MOST];
    const int64_t k = q->group < 0 ? 0 : q->group, row = q->row < 0 ? 0 : q->row, column = q->row < 0 ? 0 : q->column;
    chart_at(c, t, weights, means, covariances);
    return strcmp(q->name, "weight") == 0 ? weights[k]
           : strcmp(q->name, "mean") == 0 ? means[k * c->d + row]
                                          : covariances[(k * c->d + row) * c->d + column];
}

/* Minus the inverse of the matrix of second differences, by Gauss-Jordan. */
static void chart_covariance(const rows *r, const chart *c, double *V)
{
    enum { MOST = 40 };
    static double A[MOST][2 * MOST];
    const int64_t p = c->count;
    double t[MOST] = {0};
    assert_true(p <= MOST);
    for (int64_t a = 0; a < p; a++) {
        for (int64_t b = 0; b < p; b++) {
            const double h = 2e-3;
            double mixed = 0;
            for (int turn = 1; turn <= 2; turn++) {
                double part = 0;
                for (int sign = 0; sign < 4; sign++) {
                    t[a] += (sign & 1 ? -h : h) * turn;
                    t[b] += (sign & 2 ? -h : h) * turn;
                    part += (sign == 0 || sign == 3 ? 1 : -1) * chart_value(r, c, t);
                    t[a] = t[b] = 0;
                }
                mixed += (turn == 1 ? 4.0 / 3 : -1.0 / 3) * part / (4 * h * h * turn * turn);
            }
            A[a][b] = -mixed;
            A[a][p + b] = a == b;
        }
    }
    for (int64_t a = 0; a < p; a++) {
        const double pivot = A[a][a];
        assert_true(pivot > 0); /* positive definite */
        for (int64_t j = 0; j < 2 * p; j++) {
            A[a][j] /= pivot;
        }
        for (int64_t i = 0; i < p; i++) {
            const double f = A[i][a];
            for (int64_t j = 0; i != a && j < 2 * p; j++) {
                A[i][j] -= f * A[a][j];
            }
        }
    }
    for (int64_t i = 0; i < p * p; i++) {
        V[i] = A[i / p][p + i % p];
    }
}

static void family(lk_context *ctx, const rows *r, const char *name, const char *features)
{
    char settings[128];
    snprintf(settings, sizeof settings, "components=2;covariance=%s;tol=1e-15;max_iter=20000", name);
    lk_model *model = gmm_fit(ctx, r->table, settings, features, r->d == 3 ? "x4" : r->d == 2 ? "x3" : "x2", NULL);
    lk_intervals out = {.size = sizeof out};
    lk_interval_options options = {.size = sizeof options, .weight = r->d == 3 ? "x4" : r->d == 2 ? "x3" : "x2"};
    check_ok(ctx, lk_model_intervals(ctx, model, r->table, &options, &out));
    static chart c;
    chart_make(ctx, gmm_mixture(model), &c);
    assert_int_equal(c.count, (int64_t)gmm_number(ctx, model, "free_parameters"));
    assert_int_equal(c.count, out.parameters);
    double *V = calloc((size_t)(c.count * c.count), sizeof *V), worst = 0;
    chart_covariance(r, &c, V);
    for (int64_t i = 0; i < out.count; i++) {
        double t[40] = {0}, slope[40] = {0}, variance = 0;
        for (int64_t a = 0; a < c.count; a++) {
            const double h = 1e-4;
            t[a] = h;
            slope[a] = chart_quantity(&c, t, &out.items[i]);
            t[a] = -h;
            slope[a] = (slope[a] - chart_quantity(&c, t, &out.items[i])) / (2 * h);
            t[a] = 0;
        }
        for (int64_t a = 0; a < c.count * c.count; a++) {
            variance += slope[a / c.count] * V[a] * slope[a % c.count];
        }
        const double error = fabs(out.items[i].standard_error / sqrt(variance) - 1);
        worst = error <= worst ? worst : error;
    }
    print_message("%s over %lld features: distance %.1e, worst difference %.1e\n", name, (long long)r->d, out.distance, worst);
    assert_true(worst < 1e-5); /* the differences' own error; without the curvature of the family it is above 1e-2 */
    assert_true(out.distance < 1e-4);
    free(V);
    lk_free(ctx, out.items);
    lk_model_free(model);
}

static void families(void **state)
{
    lk_context *ctx = *state;
    static const char *const all[] = {"VVV", "EEE", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV", "VVI", "EEI", "VEI", "EVI", "VII", "EII"};
    static rows r;
    for (int64_t d = 1; d <= 3; d++) {
        rows_make(ctx, &r, 7300 + (uint64_t)d, d, 0.1);
        for (size_t f = 0; f < (d > 1 ? sizeof all / sizeof all[0] : 2); f++) {
            family(ctx, &r, d > 1 ? all[f] : f == 0 ? "V" : "E", d == 1 ? "x1" : d == 2 ? "x1,x2" : "x1,x2,x3");
        }
        lk_table_free(r.table);
    }
}

/* ---- what there is no information about ---- */

static void refused(void **state)
{
    lk_context *ctx = *state;
    static const double x[] = {0, 1, 2, 5, 6, 9, 11, 12};
    lk_table *table = gmm_table(ctx, x, 8, 1);
    lk_model *same = gmm_build(ctx, "{\"weights\":[0.5,0.5],\"means\":[[5],[5]],\"covariances\":[[[9]],[[9]]],\"columns\":[\"x1\"]}");
    lk_model *none = gmm_build(ctx, "{\"weights\":[1,0],\"means\":[[5],[7]],\"covariances\":[[[9]],[[9]]],\"columns\":[\"x1\"]}");
    lk_model *far = gmm_build(ctx, "{\"weights\":[1],\"means\":[[6.1]],\"covariances\":[[[25]]],\"columns\":[\"x1\"]}");
    lk_intervals out = {.size = sizeof out};
    check_status(ctx, LK_ERROR_NUMERIC, lk_model_intervals(ctx, same, table, NULL, &out));
    check_contains(lk_error_message(ctx), "not positive definite");
    check_status(ctx, LK_ERROR_NUMERIC, lk_model_intervals(ctx, none, table, NULL, &out));
    check_contains(lk_error_message(ctx), "component 1 has weight 0");
    lk_interval_options options = {.size = sizeof options, .level = 1};
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_intervals(ctx, far, table, &options, &out));
    options = (lk_interval_options){.size = sizeof options, .weight = "w"};
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_intervals(ctx, far, table, &options, &out));
    assert_null(out.items);
    check_ok(ctx, lk_model_intervals(ctx, far, table, NULL, &out)); /* the mean of x is 5.75 */
    assert_true(out.distance > 0.1 && out.distance < 10);
    lk_free(ctx, out.items);
    lk_model_free(same);
    lk_model_free(none);
    lk_model_free(far);
    lk_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(coordinates), cmocka_unit_test(one_gaussian), cmocka_unit_test(families),
                                       cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
