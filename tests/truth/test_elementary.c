/* exp and log of every instruction set against long double: at most 1 ulp from the exact value everywhere. */
#include "check.h"
#include "core/philox.h"
#include "math/elementary.h"

enum { CHUNK = 4096 };

typedef void kernel(int64_t n, const double *x, double *y);
typedef long double truth(long double x);

static const lki_elementary *table(int level)
{
#if defined(__x86_64__)
    const lki_elementary *const tables[] = {&lki_elementary_portable, &lki_elementary_avx2, &lki_elementary_avx512};
    return tables[level];
#else
    (void)level;
    return &lki_elementary_portable;
#endif
}

/* Distance to the exact value in units of the last place of a double of that size (2^-1074 at least). */
static double error_ulps(double value, long double exact)
{
    int exponent;
    frexpl(exact, &exponent);
    exponent = exponent - 53 < -1074 ? -1074 : exponent - 53;
    return (double)ldexpl(fabsl((long double)value - exact), -exponent);
}

/* The largest error over n values; -1 stands for a wrong special value. */
static double largest_error(kernel *f, truth *t, int64_t n, const double *x)
{
    static double y[CHUNK];
    double largest = 0;
    f(n, x, y);
    for (int64_t i = 0; i < n; i++) {
        long double exact = t((long double)x[i]);
        double rounded = (double)exact;
        if (isnan(rounded) || isinf(rounded) || isnan(y[i]) || isinf(y[i])) {
            if (!(y[i] == rounded || (isnan(y[i]) && isnan(rounded)))) {
                fail_msg("f(%a) = %g instead of %g", x[i], y[i], rounded);
            }
            continue;
        }
        double e = error_ulps(y[i], exact);
        if (e > 1) {
            fail_msg("f(%a) = %a is %.4f ulp from %La", x[i], y[i], e, exact);
        }
        largest = e > largest ? e : largest;
    }
    return largest;
}

/* `count` points of [low, high]: evenly spaced where seed = 0, else uniform at random. */
static double range_error(kernel *f, truth *t, double low, double high, int64_t count, uint64_t seed)
{
    static double x[CHUNK];
    double largest = 0;
    lki_stream s = lki_stream_new(seed, LKI_STREAM_TEST, 0);
    for (int64_t first = 0; first < count; first += CHUNK) {
        int64_t n = count - first < CHUNK ? count - first : CHUNK;
        for (int64_t i = 0; i < n; i++) {
            double u = seed == 0 ? (double)(first + i) / (double)(count - 1) : lki_random_uniform(&s);
            x[i] = low + (high - low) * u;
        }
        double e = largest_error(f, t, n, x);
        largest = e > largest ? e : largest;
    }
    return largest;
}

/* Random positive bit patterns: every exponent, denormals included, is met alike. */
static double bits_error(kernel *f, truth *t, int64_t count, uint64_t seed)
{
    static double x[CHUNK];
    double largest = 0;
    lki_stream s = lki_stream_new(seed, LKI_STREAM_TEST, 1);
    for (int64_t first = 0; first < count; first += CHUNK) {
        for (int64_t i = 0; i < CHUNK; i++) {
            uint64_t bits = lki_random_bits(&s) % UINT64_C(0x7ff0000000000000);
            memcpy(&x[i], &bits, sizeof bits);
        }
        double e = largest_error(f, t, CHUNK, x);
        largest = e > largest ? e : largest;
    }
    return largest;
}

static void test_exp(void **state)
{
    (void)state;
    check_skip_without_long_double();
    int64_t count = check_scaled(400000, 20000);
    for (int level = 0; level <= lki_isa_level(); level++) {
        kernel *f = table(level)->exp;
        double e = range_error(f, expl, -1, 1, count, 0);
        e = fmax(e, range_error(f, expl, -1, 1, count, 1));
        e = fmax(e, range_error(f, expl, -40, 40, count, 2));
        e = fmax(e, range_error(f, expl, -708, 709.78, count, 3));
        e = fmax(e, range_error(f, expl, -746, -707, count, 4)); /* denormal results */
        e = fmax(e, range_error(f, expl, 709.7, 709.8, count / 8, 0));
        e = fmax(e, range_error(f, expl, -1e-8, 1e-8, count / 8, 5));
        e = fmax(e, bits_error(f, expl, count / 4, 6));
        print_message("exp, level %d: at most %.4f ulp\n", level, e);
        assert_true(e > 0.5 && e <= 1);
    }
}

static void test_log(void **state)
{
    (void)state;
    check_skip_without_long_double();
    int64_t count = check_scaled(400000, 20000);
    for (int level = 0; level <= lki_isa_level(); level++) {
        kernel *f = table(level)->log;
        double e = range_error(f, logl, 0.5, 2, count, 0);
        e = fmax(e, range_error(f, logl, 0.5, 2, count, 1));
        e = fmax(e, range_error(f, logl, 0.999, 1.001, count, 2));
        e = fmax(e, range_error(f, logl, 0x1p-1074, 0x1p-1020, count / 4, 3));
        e = fmax(e, range_error(f, logl, 1, 1e6, count, 4));
        e = fmax(e, bits_error(f, logl, count, 5));
        print_message("log, level %d: at most %.4f ulp\n", level, e);
        assert_true(e > 0.5 && e <= 1);
    }
}

/* The neighbours of every place where a formula changes, and the special values. */
static void test_boundaries(void **state)
{
    (void)state;
    check_skip_without_long_double();
    const double inf = (double)INFINITY;
    const double places[] = {0,
                             0x1p-1074,
                             0x1p-1023,
                             0x1p-1022,
                             0x1.6a09e667f3bcdp-1,
                             0x1.6a09e667f3bccp-1,
                             1,
                             2,
                             0x1.62e42fefa39efp-1,
                             0x1.62e42fefa39efp-2,
                             709.782712893384,
                             709.7827128933841,
                             710,
                             745.1332191019411,
                             745.1332191019412,
                             745.2,
                             746,
                             1e10,
                             DBL_MAX};
    double x[3 * 2 * sizeof places / sizeof places[0]];
    int64_t n = 0;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        for (int sign = -1; sign <= 1; sign += 2) {
            x[n++] = sign * places[i];
            x[n++] = nextafter(sign * places[i], inf);
            x[n++] = nextafter(sign * places[i], -inf);
        }
    }
    for (int level = 0; level <= lki_isa_level(); level++) {
        largest_error(table(level)->exp, expl, n, x);
        const double special[5] = {inf, -inf, (double)NAN, 0, -0.0};
        double y[5];
        table(level)->exp(5, special, y);
        assert_true(y[0] == inf && y[1] == 0 && isnan(y[2]) && y[3] == 1 && y[4] == 1);
        table(level)->log(5, special, y);
        assert_true(y[0] == inf && isnan(y[1]) && isnan(y[2]) && y[3] == -inf && y[4] == -inf);
        for (int64_t i = 0; i < n; i++) {
            x[i] = fabs(x[i]);
        }
        largest_error(table(level)->log, logl, n, x);
        const double negative[2] = {-1, -DBL_MIN};
        table(level)->log(2, negative, y);
        assert_true(isnan(y[0]) && isnan(y[1]));
    }
}

static void test_log_sum_exp(void **state)
{
    (void)state;
    const double inf = (double)INFINITY;
    for (int level = 0; level <= lki_isa_level(); level++) {
        double (*f)(int64_t n, const double *x) = table(level)->log_sum_exp;
        const double x[13] = {1000, 1000, -inf, 1000, 1000, -1e300, -inf, 0, 1, 2, 3, 4, 5};
        assert_true(f(0, x) == -inf && f(1, x + 2) == -inf && f(1, x) == 1000);
        check_near(f(2, x), 1000 + log(2), 1e-13);
        check_near(f(13, x), 1000 + log(4), 1e-13);
        check_near(f(6, x + 7), 5.456193316018123, 1e-14); /* 5 + log((1 - e^-6) / (1 - e^-1)) */
        const double low[3] = {-1e300, -1e300, -1e300};
        assert_true(f(3, low) == -1e300);
        const double tiny[4] = {-745, -745, -745, -745};
        check_near(f(4, tiny), -745 + log(4), 1e-12);
        const double top[2] = {inf, 1};
        assert_true(f(2, top) == inf);
        const double both[2] = {inf, -inf};
        assert_true(f(2, both) == inf);
        const double bad[3] = {1, (double)NAN, 2};
        assert_true(isnan(f(3, bad)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exp),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_boundaries),
        cmocka_unit_test(test_log_sum_exp),
    };
    return cmocka_run_group_tests_name("elementary", tests, NULL, NULL);
}
