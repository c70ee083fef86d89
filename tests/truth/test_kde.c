/* Kernel densities: closed forms, quadrature, leave-one-out by brute force, and numbers of scikit-learn 1.2.1, SciPy 1.10.1 and R 4.2.2. */
#include "check.h"
#include "kernel/kernel_law.h"

#include <jansson.h>
#include <likely/derived.h>
#include <likely/likely.h>

static const char *const kernels[] = {"gaussian", "laplace",  "matern32", "matern52", "cauchy", "epanechnikov",
                                      "biweight", "triweight", "tricube",  "cosine",   "box",    "triangle"};
enum { KERNELS = sizeof kernels / sizeof kernels[0] };

static lk_table *array_table(lk_context *ctx, const double *x, int64_t n, int64_t d)
{
    lk_table *table = NULL;
    check_ok(ctx, lk_table_from_array(ctx, x, n, d, NULL, &table));
    return table;
}

static lk_model *fit_table(lk_context *ctx, const lk_table *table, const char *kernel, const char *bandwidth, const char *regression,
                           const lk_roles *roles)
{
    const lk_setting settings[] = {{"kernel", kernel}, {"bandwidth", bandwidth}, {"regression", regression}, {NULL, NULL}};
    const lk_fit_options options = {.size = sizeof options, .settings = settings, .roles = roles};
    lk_model *model = NULL;
    check_ok(ctx, lk_model_fit(ctx, "kde", table, &options, &model));
    return model;
}

static lk_model *fit(lk_context *ctx, const double *x, int64_t n, int64_t d, const char *kernel, const char *bandwidth)
{
    lk_table *table = array_table(ctx, x, n, d);
    lk_model *model = fit_table(ctx, table, kernel, bandwidth, "constant", NULL);
    lk_table_free(table);
    return model;
}

/* Old Faithful: 272 rows of eruptions and waiting. */
static void faithful(lk_context *ctx, double x[272 * 2])
{
    lk_table *table = NULL;
    const int64_t columns[] = {0, 1};
    check_ok(ctx, lk_table_read(ctx, check_source("examples/data/faithful.csv"), NULL, &table));
    assert_int_equal(lk_table_rows(table), 272);
    check_ok(ctx, lk_table_gather(ctx, table, 0, 272, columns, 2, x));
    lk_table_free(table);
}

static void column(const double *x, int64_t j, double out[272])
{
    for (int64_t i = 0; i < 272; i++) {
        out[i] = x[2 * i + j];
    }
}

static double info_number(lk_context *ctx, const lk_model *model, const char *key, size_t index)
{
    char *text = NULL;
    check_ok(ctx, lk_model_info(ctx, model, &text));
    json_t *info = json_loads(text, 0, NULL);
    const json_t *value = json_object_get(info, key);
    const double number = json_number_value(json_is_array(value) ? json_array_get(value, index) : value);
    json_decref(info);
    lk_free(ctx, text);
    return number;
}

/* One point: density, integral, distribution function, variance and roughness of each kernel by quadrature (Simpson, 40 000 steps; the
 * kernels' kinks at -1, 0, 1 are nodes). */
static void test_one_point(void **state)
{
    lk_context *ctx = *state;
    enum { STEPS = 40000 };
    static double x[STEPS + 1], log_density[STEPS + 1], cdf[STEPS + 1];
    for (int k = 0; k < KERNELS; k++) {
        const lki_kernel_law *law = lki_kernel_law_find(kernels[k]);
        const double reach = isinf(law->reach) ? 50.0 : 1.0, h = 2.0, centre = 3.0;
        double sum = 0.0, variance = 0.0, roughness = 0.0;
        lk_model *model = fit(ctx, &centre, 1, 1, kernels[k], "2");
        for (int i = 0; i <= STEPS; i++) {
            x[i] = centre + h * reach * (2.0 * i / STEPS - 1.0);
        }
        check_ok(ctx, lk_model_log_density(ctx, model, x, STEPS + 1, log_density));
        check_ok(ctx, lk_model_cdf(ctx, model, x, STEPS + 1, cdf));
        const double left = cdf[0];
        for (int i = 0; i + 2 <= STEPS; i += 2) {
            for (int side = 0; side < 3; side++) {
                const double u = (x[i + side] - centre) / h, p = exp(log_density[i + side]), w = (side == 1 ? 4.0 : 1.0) * (x[1] - x[0]) / 3.0;
                const lki_kernel_value v = lki_kernel_reference(law->kernel, law->kernel == LKI_KERNEL_laplace ? fabs(u) : u * u, 0.0, 0.0);
                check_near(p, v.value / law->integral / h, 1e-14);
                sum += w * p;
                variance += w * p * u * u;
                roughness += w * p * p * h;
            }
            /* The box jumps at the edges of its quadrature. */
            check_near(cdf[i + 2] - left, sum, law->kernel == LKI_KERNEL_box ? 1e-4 : 2e-9);
        }
        const double missing = law->kernel == LKI_KERNEL_cauchy ? 2.0 * left : 0.0;
        check_near(sum + missing, 1.0, law->kernel == LKI_KERNEL_box ? 1e-4 : 2e-9);
        check_near(roughness, law->roughness, law->kernel == LKI_KERNEL_box ? 1e-4 : 1e-6);
        if (isfinite(law->variance)) {
            check_near(variance, law->variance, law->kernel == LKI_KERNEL_box ? 1e-4 : 2e-9);
        }
        lk_model_free(model);
    }
}

/* Log densities of eruptions, h = .3, at 1.5, 2.9 and 4.4: sklearn.neighbors.KernelDensity(rtol=0). */
static void test_scikit_learn(void **state)
{
    lk_context *ctx = *state;
    double x[544], e[272], out[3];
    const double at[] = {1.5, 2.9, 4.4}, pairs[] = {2.0, 55.0, 4.4, 81.3, 9.0, 200.0};
    const struct {
        const char *kernel;
        double log_density[3];
    } cases[] = {
        {"gaussian", {-1.888119051053204, -2.8475523090195223, -0.6852899133797576}},
        {"epanechnikov", {-3.1667357689863342, -3.330120082796965, -0.5343612517137784}},
        {"box", {-2.610069792742006, -3.303216973301951, -0.5516816602600034}},
        {"triangle", {-3.3793783342675154, -3.2324479024137442, -0.5295177567781426}},
        {"cosine", {-3.236846459463282, -3.317821323540677, -0.530626947607665}},
        {"laplace", {-2.0218630633125474, -2.4421538082365473, -0.7658686227719809}},
    };
    faithful(ctx, x);
    column(x, 0, e);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lk_model *model = fit(ctx, e, 272, 1, cases[i].kernel, ".3");
        check_ok(ctx, lk_model_log_density(ctx, model, at, 3, out));
        for (int k = 0; k < 3; k++) {
            check_near(out[k], cases[i].log_density[k], 1e-12);
        }
        lk_model_free(model);
    }
    lk_model *model = fit(ctx, x, 272, 2, "gaussian", ".5");
    check_ok(ctx, lk_model_log_density(ctx, model, pairs, 3, out));
    check_near(out[0], -4.181173074736136, 1e-12);
    check_near(out[1], -3.483104470445496, 1e-12);
    check_near(out[2], -21668.477384771584, 1e-8); /* a tail where no density is a number */
    lk_model_free(model);
}

/* The same with sample_weight = 1, 2, 3, 4, 5, 1, ... */
static void test_weights(void **state)
{
    lk_context *ctx = *state;
    double x[544], rows[544], out[3];
    const double at[] = {1.5, 2.9, 4.4};
    faithful(ctx, x);
    for (int64_t i = 0; i < 272; i++) {
        rows[2 * i] = x[2 * i];
        rows[2 * i + 1] = (double)(i % 5 + 1);
    }
    lk_table *table = array_table(ctx, rows, 272, 2);
    const lk_roles roles = {.size = sizeof roles, .features = "x1", .weight = "x2"};
    lk_model *model = fit_table(ctx, table, "gaussian", ".3", "constant", &roles);
    check_ok(ctx, lk_model_log_density(ctx, model, at, 3, out));
    check_near(out[0], -1.8926014691607032, 1e-12);
    check_near(out[1], -2.928256619827124, 1e-12);
    check_near(out[2], -0.6511988872387757, 1e-12);
    check_near(info_number(ctx, model, "n", 0), 813.0, 0.0);
    lk_model_free(model);

    /* A weight counts rows: the rules' bandwidths are those of the repeated rows. */
    static double repeated[813];
    int64_t n = 0;
    for (int64_t i = 0; i < 272; i++) {
        for (int64_t k = 0; k < i % 5 + 1; k++) {
            repeated[n++] = x[2 * i];
        }
    }
    const char *const rules[] = {"scott", "silverman", "nrd0", "sheather_jones"};
    for (int r = 0; r < 4; r++) {
        lk_model *a = fit_table(ctx, table, "gaussian", rules[r], "constant", &roles), *b = fit(ctx, repeated, n, 1, "gaussian", rules[r]);
        check_near(info_number(ctx, a, "bandwidth", 0) / info_number(ctx, b, "bandwidth", 0), 1.0, 1e-11);
        lk_model_free(a);
        lk_model_free(b);
    }
    lk_table_free(table);
}

/* SciPy's gaussian_kde of eruptions by Scott's and Silverman's factor; R's bw.nrd0, bw.SJ(nb = 20000, tol = 1e-12) of eruptions and
 * waiting, and bw.SJ of MASS::galaxies. bw.SJ bins values: at 20000 bins it agrees with itself to some 1e-4. */
static void test_rules(void **state)
{
    lk_context *ctx = *state;
    static const double galaxies[82] = {
        9172,  9350,  9483,  9558,  9775,  10227, 10406, 16084, 16170, 18419, 18552, 18600, 18927, 19052, 19070, 19330, 19343,
        19349, 19440, 19473, 19529, 19541, 19547, 19663, 19846, 19856, 19863, 19914, 19918, 19973, 19989, 20166, 20175, 20179,
        20196, 20215, 20221, 20415, 20629, 20795, 20821, 20846, 20875, 20986, 21137, 21492, 21701, 21814, 21921, 21960, 22185,
        22209, 22242, 22249, 22314, 22374, 22495, 22746, 22747, 22888, 22914, 23206, 23241, 23263, 23484, 23538, 23542, 23666,
        23706, 23711, 24129, 24285, 24289, 24366, 24717, 24990, 25633, 26690, 26995, 32065, 32789, 34279};
    double x[544], columns[2][272];
    faithful(ctx, x);
    column(x, 0, columns[0]);
    column(x, 1, columns[1]);
    const struct {
        const double *x;
        int64_t n;
        const char *rule;
        double h, tolerance;
    } cases[] = {
        {columns[0], 272, "scott", 0.3719744827377146, 1e-13},      {columns[0], 272, "silverman", 0.39400424037758713, 1e-13},
        {columns[0], 272, "nrd0", 0.334777034463943, 1e-13},        {columns[1], 272, "nrd0", 3.98755882857918, 1e-13},
        {columns[0], 272, "sheather_jones", 0.139695869266403, 1e-3}, {columns[1], 272, "sheather_jones", 2.49684033991546, 1e-3},
        {galaxies, 82, "sheather_jones", 638.383841658447, 2e-2},   {galaxies, 82, "nrd0", 1001.83929502508, 1e-13},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lk_model *model = fit(ctx, cases[i].x, cases[i].n, 1, "gaussian", cases[i].rule);
        const double h = info_number(ctx, model, "bandwidth", 0);
        print_message("%s: %.10g, peer %.10g\n", cases[i].rule, h, cases[i].h);
        check_near(h / cases[i].h, 1.0, cases[i].tolerance);
        lk_model_free(model);
    }
    lk_model *model = fit(ctx, columns[0], 272, 1, "gaussian", "scott");
    const double at[] = {1.0, 2.0, 3.3, 6.0, 3.0}, peer[] = {-3.9770333656155845, -1.1469461252843152, -2.2130853425256425, -6.534092693953736};
    double out[5];
    check_ok(ctx, lk_model_log_density(ctx, model, at, 4, out));
    for (int k = 0; k < 4; k++) {
        check_near(out[k], peer[k], 1e-12);
    }
    check_ok(ctx, lk_model_cdf(ctx, model, at + 4, 1, out));
    check_near(out[0], 0.3564989931857203, 1e-12); /* gaussian_kde.integrate_box_1d(-10, 3) */
    lk_model_free(model);
}

/* Mean log density of left-out rows, and the integrated square less twice the mean left-out density, by plain loops. */
static void brute_force(const double *x, int64_t n, int64_t d, const double *h, double *lcv, double *lscv)
{
    double logs = 0.0, square = 0.0, left = 0.0;
    for (int64_t i = 0; i < n; i++) {
        double sum = 0.0;
        for (int64_t j = 0; j < n; j++) {
            double s = 0.0, norm = 1.0;
            for (int64_t c = 0; c < d; c++) {
                const double u = (x[i * d + c] - x[j * d + c]) / h[c];
                s += u * u;
                norm *= h[c] * sqrt(2.0 * M_PI);
            }
            sum += i == j ? 0.0 : exp(-0.5 * s) / norm;
            square += exp(-0.25 * s) / (norm * pow(2.0, 0.5 * (double)d));
        }
        logs += log(sum / (double)(n - 1)) / (double)n;
        left += sum / (double)(n - 1) / (double)n;
    }
    *lcv = logs;
    *lscv = square / ((double)n * (double)n) - 2.0 * left;
}

static void test_cross_validation(void **state)
{
    lk_context *ctx = *state;
    double x[544], e[272], scott[2], h[2], lcv, lscv;
    faithful(ctx, x);
    for (int64_t i = 0; i < 272; i++) { /* repeated values favour ever smaller bandwidths: spread them */
        x[2 * i] += 0.01 * sin(37.0 * (double)i);
        x[2 * i + 1] += 0.5 * sin(91.0 * (double)i);
    }
    column(x, 0, e);
    lk_model *model = fit(ctx, x, 272, 2, "gaussian", "scott");
    scott[0] = info_number(ctx, model, "bandwidth", 0);
    scott[1] = info_number(ctx, model, "bandwidth", 1);
    brute_force(x, 272, 2, scott, &lcv, &lscv);
    check_near(info_number(ctx, model, "leave_one_out", 0), lcv, 1e-12);
    lk_model_free(model);
    for (int squares = 0; squares < 2; squares++) {
        double best = (double)INFINITY, best_factor = 0.0;
        for (int k = 0; k <= 800; k++) { /* a fine grid of factors of Scott's */
            const double factor = exp(log(0.05) + (log(3.0) - log(0.05)) * k / 800.0);
            h[0] = factor * scott[0];
            h[1] = factor * scott[1];
            brute_force(x, 272, 2, h, &lcv, &lscv);
            const double value = squares ? lscv : -lcv;
            best_factor = value < best ? factor : best_factor;
            best = fmin(best, value);
        }
        model = fit(ctx, x, 272, 2, "gaussian", squares ? "lscv" : "lcv");
        check_near(info_number(ctx, model, "bandwidth", 0) / scott[0] / best_factor, 1.0, 6e-3);
        check_near(info_number(ctx, model, "bandwidth", 1) / scott[1] / best_factor, 1.0, 6e-3);
        h[0] = info_number(ctx, model, "bandwidth", 0);
        h[1] = info_number(ctx, model, "bandwidth", 1);
        brute_force(x, 272, 2, h, &lcv, &lscv);
        assert_true((squares ? lscv : -lcv) <= best + 1e-12);
        check_near(info_number(ctx, model, "leave_one_out", 0), lcv, 1e-12);
        lk_model_free(model);
    }
    /* Where values repeat, the likelihood has no greatest value, and it is said. */
    faithful(ctx, x);
    for (int64_t i = 0; i < 136; i++) {
        e[i] = e[i + 136] = x[2 * i];
    }
    model = fit(ctx, e, 272, 1, "gaussian", "lcv");
    assert_int_equal(lk_model_trusted(model), 0);
    lk_model_free(model);
}

/* The score is the derivative of the log density; smoothing widens a normal kernel; marginals of product kernels drop columns. */
static void test_answers(void **state)
{
    lk_context *ctx = *state;
    double x[544], e[272], out[4], score[2];
    const double at[] = {2.1, 57.5}, sigma[] = {0.4, 0.0};
    faithful(ctx, x);
    column(x, 0, e);
    for (int k = 0; k < KERNELS; k++) {
        lk_model *model = fit(ctx, x, 272, 2, kernels[k], "1.3,17.7"), *alone = fit(ctx, e, 272, 1, kernels[k], "1.3"), *part = NULL;
        check_ok(ctx, lk_model_score(ctx, model, at, 1, score));
        for (int j = 0; j < 2; j++) {
            double moved[4] = {at[0], at[1], at[0], at[1]};
            const double step = j == 0 ? 1e-5 : 1e-4;
            moved[j] -= step;
            moved[2 + j] += step;
            check_ok(ctx, lk_model_log_density(ctx, model, moved, 2, out));
            check_near(score[j], (out[1] - out[0]) / (2.0 * step), 1e-6);
        }
        const int64_t first = 0;
        check_ok(ctx, lk_model_marginal(ctx, model, &first, 1, &part));
        check_ok(ctx, lk_model_log_density(ctx, part, at, 1, out));
        check_ok(ctx, lk_model_log_density(ctx, alone, at, 1, out + 1));
        check_near(out[0], out[1], 1e-13);
        const double gap[] = {at[0], (double)NAN}; /* a missing value is answered by the marginal */
        check_ok(ctx, lk_model_log_density(ctx, model, gap, 1, out + 2));
        check_near(out[2], out[1], 1e-13);
        lk_model_free(part);
        lk_model_free(alone);
        lk_model_free(model);
    }
    lk_model *model = fit(ctx, x, 272, 2, "gaussian", ".3,4"), *noisy = NULL, *wide = fit(ctx, x, 272, 2, "gaussian", ".5,4");
    check_ok(ctx, lk_model_smooth(ctx, model, sigma, &noisy));
    check_ok(ctx, lk_model_log_density(ctx, noisy, at, 1, out));
    check_ok(ctx, lk_model_log_density(ctx, wide, at, 1, out + 1));
    check_near(out[0], out[1], 1e-13);
    lk_model_free(noisy);
    lk_model_free(model);
    lk_model_free(wide);
    model = fit(ctx, x, 272, 2, "box", ".3,4");
    check_status(ctx, LK_ERROR_UNSUPPORTED, lk_model_smooth(ctx, model, sigma, &noisy));
    check_contains(lk_error_message(ctx), "kernel gaussian without bounds has");
    lk_model_free(model);
}

/* Waiting given eruptions: Nadaraya-Watson and local linear regression by the normal equations, in plain loops. */
static void test_regression(void **state)
{
    lk_context *ctx = *state;
    double x[544];
    const double h[] = {0.3, 4.0}, at[] = {1.7, 3.0, 4.9};
    const int64_t target = 1;
    faithful(ctx, x);
    lk_table *table = array_table(ctx, x, 272, 2);
    for (int linear = 0; linear < 2; linear++) {
        lk_model *model = fit_table(ctx, table, "gaussian", ".3,4", linear ? "linear" : "constant", NULL);
        for (int k = 0; k < 3; k++) {
            double s0 = 0, s1 = 0, s2 = 0, t0 = 0, t1 = 0, out[3], variance = 0.0, below = 0.0;
            const double level = 0.25, row[] = {at[k], (double)NAN};
            for (int64_t i = 0; i < 272; i++) {
                const double z = x[2 * i] - at[k], w = exp(-0.5 * z * z / (h[0] * h[0]));
                s0 += w;
                s1 += w * z;
                s2 += w * z * z;
                t0 += w * x[2 * i + 1];
                t1 += w * z * x[2 * i + 1];
            }
            const double slope = linear ? (s0 * t1 - s1 * t0) / (s0 * s2 - s1 * s1) : 0.0, mean = (t0 - slope * s1) / s0;
            check_ok(ctx, lk_model_predict(ctx, model, row, 1, &target, 1, &level, 1, out));
            for (int64_t i = 0; i < 272; i++) {
                const double z = x[2 * i] - at[k], w = exp(-0.5 * z * z / (h[0] * h[0])) / s0, y = x[2 * i + 1] - slope * z;
                variance += w * ((y - mean) * (y - mean) + h[1] * h[1]);
                below += w * 0.5 * erfc((y - out[2]) / (h[1] * sqrt(2.0)));
            }
            check_near(out[0], mean, 1e-8);
            check_near(out[1], sqrt(variance), 1e-8);
            check_near(below, level, 1e-8);

            const int64_t given = 0;
            lk_model *part = NULL;
            double moments[2] = {0.0, 0.0}, log_density;
            check_ok(ctx, lk_model_condition(ctx, model, &given, &at[k], 1, &part));
            for (double y = 10.0; y < 140.0; y += 0.1) {
                check_ok(ctx, lk_model_log_density(ctx, part, &y, 1, &log_density));
                moments[0] += 0.1 * exp(log_density);
                moments[1] += 0.1 * y * exp(log_density);
            }
            check_near(moments[0], 1.0, 1e-9);
            check_near(moments[1], mean, 1e-6);
            lk_model_free(part);
        }
        lk_model_free(model);
    }
    lk_table_free(table);
}

/* What a fit refuses, and how. */
static void test_refusals(void **state)
{
    lk_context *ctx = *state;
    const double x[] = {1, 5, 2, 5, 3, 5, 4, 5};
    const struct {
        const char *kernel, *bandwidth, *text;
        lk_status status;
    } cases[] = {
        {"gaussian", "1,2,3", "more numbers than features", LK_ERROR_ARGUMENT}, {"gaussian", "-1", "positive numbers", LK_ERROR_ARGUMENT},
        {"gaussian", "scot", "one of scott", LK_ERROR_ARGUMENT},               {"gaussian", "1,x", "positive numbers", LK_ERROR_ARGUMENT},
        {"gaussian", "scott", "column x2 has one value only", LK_ERROR_DATA},  {"cauchy", "scott", "kernel with a variance", LK_ERROR_ARGUMENT},
        {"box", "lscv", "goes with kernel gaussian", LK_ERROR_ARGUMENT},       {"gaussian", "1,", "positive numbers", LK_ERROR_ARGUMENT},
    };
    lk_table *table = array_table(ctx, x, 4, 2);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const lk_setting settings[] = {{"kernel", cases[i].kernel}, {"bandwidth", cases[i].bandwidth}, {NULL, NULL}};
        const lk_fit_options options = {.size = sizeof options, .settings = settings};
        lk_model *model = NULL;
        check_status(ctx, cases[i].status, lk_model_fit(ctx, "kde", table, &options, &model));
        check_contains(lk_error_message(ctx), cases[i].text);
    }
    lk_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_point), cmocka_unit_test(test_scikit_learn),     cmocka_unit_test(test_weights),
        cmocka_unit_test(test_rules),     cmocka_unit_test(test_cross_validation), cmocka_unit_test(test_answers),
        cmocka_unit_test(test_regression), cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests_name("kde", tests, check_setup, check_teardown);
}
