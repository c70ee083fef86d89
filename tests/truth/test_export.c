/* The exported C file, compiled as strict C99 by gcc and clang, against the library and against exact values: log density,
 * responsibilities and conditional means, in far tails, through transforms, for ill-conditioned covariances. */
#include "gmm_check.h"
#include "math/elementary.h"
#include <dlfcn.h>
#include <sys/stat.h>

static char folder[] = "/tmp/likely-export-XXXXXX";
static int compiled; /* numbers the files: a shared object is loaded once by its name */

/* One exported model, loaded. */
typedef struct exported {
    void *handle;
    double (*log_density)(const double *x);
    double (*responsibilities)(const double *x, double *r);
    double (*conditional_mean)(const double *x, const unsigned char *given, double *mean, double *work);
} exported;

static int have(const char *compiler)
{
    char command[128];
    snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", compiler);
    return system(command) == 0;
}

static void *symbol(void *handle, const char *prefix, const char *name)
{
    char text[128];
    snprintf(text, sizeof text, "%s_%s", prefix, name);
    void *found = dlsym(handle, text);
    assert_non_null(found);
    return found;
}

/* Writes, compiles and loads. */
static exported load(lk_context *ctx, const lk_model *model, const char *compiler, const char *prefix)
{
    char source[256], object[256], command[1024];
    exported e;
    compiled++;
    snprintf(source, sizeof source, "%s/m%d.c", folder, compiled);
    snprintf(object, sizeof object, "%s/m%d.so", folder, compiled);
    check_ok(ctx, lk_model_export(ctx, model, LK_EXPORT_C, prefix, source));
    snprintf(command, sizeof command,
             "%s -std=c99 -O2 -Wall -Wextra -Wconversion -pedantic -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef "
             "-Wdouble-promotion -fPIC -shared -o %s %s -lm",
             compiler, object, source);
    if (system(command) != 0) {
        fail_msg("%s does not compile the exported file", compiler);
    }
    prefix = prefix == NULL ? "model" : prefix;
    e.handle = dlopen(object, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(e.handle);
    *(void **)&e.log_density = symbol(e.handle, prefix, "log_density");
    *(void **)&e.responsibilities = symbol(e.handle, prefix, "responsibilities");
    *(void **)&e.conditional_mean = symbol(e.handle, prefix, "conditional_mean");
    return e;
}

/* |difference| <= 1e-12 nats, and in far tails 1e-15 of the value; marginals, whose factors the library rounds and the file does not, by
 * `extra` more. */
static void same_nats(double value, double wanted, double extra)
{
    if (isfinite(wanted)) {
        check_near(value, wanted, extra * (1e-12 + 1e-15 * fabs(wanted)));
    } else {
        assert_true(isnan(wanted) ? isnan(value) : value == wanted);
    }
}

/* Rows against the library; then with a random part of each as given. `blur` scales the tolerance of conditional means: 1 where all is
 * well conditioned. */
static void compare(lk_context *ctx, const lk_model *model, const exported *e, lki_stream *s, const double *x, int64_t rows, double blur)
{
    const int64_t d = lk_model_dimension(model), K = lk_model_groups(model);
    double *density = malloc((size_t)(rows * (1 + K + 4 * d)) * sizeof *density), *r = density + rows, *gaps = r + rows * K;
    double *mean = gaps + rows * d, *sd = mean + rows * d, *rk = malloc((size_t)(K + d + 2 * K * d + 2 * d * d) * sizeof *rk);
    unsigned char given[64];
    assert_true(density != NULL && rk != NULL && d <= 64);
    check_ok(ctx, lk_model_log_density(ctx, model, x, rows, density));
    check_ok(ctx, lk_model_responsibilities(ctx, model, x, rows, r));
    for (int64_t i = 0; i < rows; i++) {
        same_nats(e->log_density(x + i * d), density[i], 1);
        same_nats(e->responsibilities(x + i * d, rk), density[i], 1);
        for (int64_t k = 0; k < K; k++) {
            if (isnan(r[i * K + k])) {
                assert_true(isnan(rk[k]));
            } else { /* a ratio of exponentials of logits that are themselves rounded */
                check_near(rk[k], r[i * K + k], 1e-12 + 1e-15 * fabs(isfinite(density[i]) ? density[i] : 0));
            }
        }
        for (int64_t j = 0; j < d; j++) {
            gaps[i * d + j] = lki_random_below(s, 2) == 0 ? (double)NAN : x[i * d + j];
        }
    }
    check_ok(ctx, lk_model_log_density(ctx, model, gaps, rows, density));
    check_ok(ctx, lk_model_impute(ctx, model, gaps, rows, mean, sd));
    for (int64_t i = 0; i < rows; i++) {
        double *out = rk + K;
        for (int64_t j = 0; j < d; j++) {
            given[j] = (unsigned char)(isnan(gaps[i * d + j]) ? 0 : 1);
        }
        same_nats(e->conditional_mean(gaps + i * d, given, out, out + d), density[i], 10 * blur);
        for (int64_t j = 0; j < d; j++) {
            const double wanted = mean[i * d + j];
            if (given[j]) {
                assert_true(out[j] == gaps[i * d + j]);
            } else if (isfinite(wanted)) {
                check_near(out[j], wanted, blur * (1e-12 * (sd[i * d + j] + fabs(wanted)) + 1e-15 * fabs(density[i])));
            } else {
                assert_true(isnan(wanted) ? isnan(out[j]) : out[j] == wanted);
            }
        }
    }
    free(density);
    free(rk);
}

static const char *const compilers[] = {"gcc", "clang"};

/* ---- random mixtures ---- */

static void against_library(lk_context *ctx, const char *compiler, const char *family, int64_t K, int64_t d, double condition, uint64_t seed)
{
    enum { ROWS = 400 };
    const double spreads[] = {1, 3, 30, 1e3, 1e8};
    lki_stream s = gmm_stream(seed);
    lki_mixture *m = gmm_random_mixture(ctx, &s, family, K, d, condition, 2);
    lk_model *model = gmm_model_of(ctx, m);
    exported e = load(ctx, model, compiler, NULL);
    double *x = malloc((size_t)(ROWS * d) * sizeof *x);
    assert_non_null(x);
    check_ok(ctx, lk_model_sample(ctx, model, 5, 0, ROWS / 2, x));
    for (int64_t i = ROWS / 2 * d; i < ROWS * d; i++) { /* from the middle to far tails */
        x[i] = spreads[i / d % 5] * lki_random_normal(&s);
    }
    compare(ctx, model, &e, &s, x, ROWS, 1);
    free(x);
    dlclose(e.handle);
    lk_model_free(model);
    lki_mixture_free(m);
}

static void families(void **state)
{
    for (int c = 0; c < 2; c++) {
        if (!have(compilers[c])) {
            print_message("%s is absent\n", compilers[c]);
            continue;
        }
        for (int f = 0; f < 4; f++) {
            against_library(*state, compilers[c], gmm_families[f], 3, 4, 100, 100 + (uint64_t)f);
        }
        against_library(*state, compilers[c], "full", 1, 1, 1, 110);
        against_library(*state, compilers[c], "diag", 7, 1, 1, 111);
        against_library(*state, compilers[c], "tied", 2, 11, 1e3, 112);
        against_library(*state, compilers[c], "VEV", 2, 3, 10, 113);
    }
}

/* ---- ill-conditioned covariances ---- */

/* A covariance whose condition is about 1e9: in exact rational arithmetic its log density at the mean, entries rounded to double, is
 * 11.185270887249 (scikit-learn's issue 29989, where two implementations differ by .21). */
static void exact_value(void **state)
{
    lk_context *ctx = *state;
    const double zero[3] = {0};
    lk_model *model = gmm_build(ctx, "{\"weights\":[1],\"means\":[[0,0,0]],\"covariances\":[[[32.00000007,35.99999993,8.00000001],"
                                     "[35.99999993,40.50000006,8.99999998],[8.00000001,8.99999998,2.00000008]]]}");
    if (!have("gcc")) {
        skip();
    }
    exported e = load(ctx, model, "gcc", "ill");
    check_near(e.log_density(zero), 11.185270887249, 1e-12);
    /* With x_1 and x_2 given the mean of x_3 is C_3G inverse(C_GG) x_G: in exact arithmetic on the rounded entries. */
    const unsigned char given[3] = {1, 1, 0};
    const double x[3] = {1, -1, 0};
    double mean[3], work[64];
    e.conditional_mean(x, given, mean, work);
    const long double a = 32.00000007L, b = 35.99999993L, c = 40.50000006L, p = 8.00000001L, q = 8.99999998L;
    const long double determinant = a * c - b * b;
    if (check_long_double()) {
        check_near(mean[2], (double)((p * (c + b) + q * (-b - a)) / determinant), 1e-6);
    }
    dlclose(e.handle);
    lk_model_free(model);
}

/* Log densities agree with the library's to 1e-12 whatever the condition, both taking the same fused steps; without fused instructions
 * the library rounds otherwise. Conditional means of features that the given ones all but fix hang on more digits than doubles hold: the
 * tolerance grows with the root of the condition. */
static void ill_conditioned(void **state)
{
    lk_context *ctx = *state;
    const double conditions[] = {1e7, 1e10, 1e13};
    if (lki_isa_level() == 0) {
        print_message("skipped: no fused multiply-add in use\n");
        skip();
    }
    for (int c = 0; c < 3; c++) {
        enum { ROWS = 300, D = 5 };
        double x[ROWS * D];
        lki_stream s = gmm_stream(200 + (uint64_t)c);
        lki_mixture *m = gmm_random_mixture(ctx, &s, c == 1 ? "tied" : "full", 3, D, conditions[c], 1);
        lk_model *model = gmm_model_of(ctx, m);
        if (!have("gcc")) {
            skip();
        }
        exported e = load(ctx, model, "gcc", "ill");
        check_ok(ctx, lk_model_sample(ctx, model, 5, 0, ROWS, x));
        compare(ctx, model, &e, &s, x, ROWS, sqrt(conditions[c]));
        dlclose(e.handle);
        lk_model_free(model);
        lki_mixture_free(m);
    }
}

/* ---- transforms ---- */

static void transforms(void **state)
{
    lk_context *ctx = *state;
    static const char *const texts[] = {"standardize", "log", "log,standardize", "logit,standardize", "sqrt", "asinh",
                                        "standardize,asinh,standardize", "logit,asinh", "log:x2,standardize:x3,sqrt:x1"};
    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
        enum { ROWS = 300, D = 3 };
        double x[ROWS * D];
        lki_stream s = gmm_stream(300 + t);
        for (int i = 0; i < ROWS * D; i++) {
            x[i] = 1 / (1 + exp(-(i / D % 2 == 0 ? 1.5 : -1) - 0.6 * lki_random_normal(&s)));
        }
        lk_table *table = gmm_table(ctx, x, ROWS, D);
        lk_setting settings[] = {{"components", "2"}, {"covariance", t % 2 == 0 ? "full" : "diag"}, {NULL, NULL}};
        lk_fit_options options = {.size = sizeof options, .settings = settings, .transform = texts[t], .seed = 1};
        lk_model *model = NULL;
        check_ok(ctx, lk_model_fit(ctx, "gmm", table, &options, &model));
        lk_table_free(table);
        const char *compiler = compilers[t % 2];
        if (!have(compiler)) {
            lk_model_free(model);
            continue;
        }
        exported e = load(ctx, model, compiler, NULL);
        /* outside of a domain, at its edge, infinite */
        const double hard[] = {-1, 0, 1, 2, (double)INFINITY, -(double)INFINITY, 1e-300, 1e300, 0.5, DBL_TRUE_MIN};
        for (size_t i = 0; i < sizeof hard / sizeof *hard; i++) {
            x[i * D + i % D] = hard[i];
        }
        compare(ctx, model, &e, &s, x, ROWS, 1);
        const double missing[D] = {0.5, (double)NAN, 0.5};
        assert_true(isnan(e.log_density(missing)));
        dlclose(e.handle);
        lk_model_free(model);
    }
}

/* ---- names ---- */

/* Whatever features are called, the file compiles; a prefix that is no identifier is refused. */
static void names(void **state)
{
    lk_context *ctx = *state;
    const char *const bad[] = {"", "1a", "a-b", "_a", "a b", "a*/"};
    lk_model *model = gmm_build(ctx, "{\"weights\":[0.5,0.5],\"means\":[[0,0,0],[1,1,1]],\"covariances\":[1,2],\"columns\":"
                                     "[\"*/ int x; /*\",\"a\\\\\",\"\\n#error ?\?/\"],\"covariance\":\"spherical\"}");
    for (int c = 0; c < 2; c++) {
        if (have(compilers[c])) {
            exported e = load(ctx, model, compilers[c], "A_9");
            const double x[3] = {0, 0, 0};
            /* log(.5 (2 pi)^-1.5 (1 + exp(-3 / 4) / 2^1.5)) */
            check_near(e.log_density(x), log(0.5 * (1 + exp(-0.75) / pow(2, 1.5))) - 1.5 * log(2 * 3.14159265358979323846), 1e-14);
            dlclose(e.handle);
        }
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        check_status(ctx, LK_ERROR_ARGUMENT, lk_model_export(ctx, model, LK_EXPORT_C, bad[i], "/dev/null"));
        check_contains(lk_error_message(ctx), "a letter");
    }
    check_status(ctx, LK_ERROR_UNSUPPORTED, lk_model_export(ctx, model, (lk_export_format)17, NULL, "/dev/null"));
    lk_model_free(model);
}

static int clear(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return check_teardown(state) + system(command);
}

static int prepare(void **state)
{
    return mkdtemp(folder) == NULL || check_setup(state) != 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(families), cmocka_unit_test(exact_value), cmocka_unit_test(ill_conditioned),
                                       cmocka_unit_test(transforms), cmocka_unit_test(names)};
    return cmocka_run_group_tests(tests, prepare, clear);
}
