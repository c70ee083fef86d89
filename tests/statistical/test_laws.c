/* Every law against its distribution function: Kolmogorov-Smirnov, chi-square and moments, with fixed seeds.
 *
 * A test fails where its p-value is below 1e-5; there are some 60 of them, so with random seeds one run in 1700
 * would fail by chance. */
#include "check.h"
#include "core/philox.h"

static const double LEAST_P = 1e-5;

/* Regularized incomplete gamma P(a, x): series below a + 1, else Lentz's continued fraction (Abramowitz and Stegun
 * 6.5.29, 6.5.31). */
static double gamma_cdf(double a, double x)
{
    if (x <= 0) {
        return 0;
    }
    double front = exp(-x + a * log(x) - lgamma(a));
    if (x < a + 1) {
        double term = 1 / a, sum = term;
        for (double n = a + 1; term > sum * 1e-16; n += 1) {
            term *= x / n;
            sum += term;
        }
        return sum * front;
    }
    double b = x + 1 - a, c = 1e300, d = 1 / b, h = d;
    for (int i = 1; i < 10000; i++) {
        double an = -i * (i - a);
        b += 2;
        d = 1 / (an * d + b);
        c = b + an / c;
        h *= d * c;
        if (fabs(d * c - 1) < 1e-15) {
            break;
        }
    }
    return 1 - front * h;
}

/* Regularized incomplete beta I_x(a, b) by Lentz's continued fraction (Abramowitz and Stegun 26.5.8). */
static double beta_cdf(double a, double b, double x)
{
    if (x <= 0 || x >= 1) {
        return x >= 1;
    }
    if (x > (a + 1) / (a + b + 2)) {
        return 1 - beta_cdf(b, a, 1 - x);
    }
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)) / a;
    double c = 1, d = 1 / (1 - (a + b) * x / (a + 1)), h = d;
    for (int m = 1; m < 10000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        d = 1 / (1 + even * d);
        c = 1 + even / c;
        h *= d * c;
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 / (1 + odd * d);
        c = 1 + odd / c;
        h *= d * c;
        if (fabs(d * c - 1) < 1e-15) {
            break;
        }
    }
    return front * h;
}

static double normal_cdf(double x)
{
    return 0.5 * erfc(-x / sqrt(2));
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The probability of a larger Kolmogorov distance (Stephens 1970). `u` holds cdf values. */
static double ks_p(double *u, int64_t n)
{
    qsort(u, (size_t)n, sizeof *u, compare);
    double distance = 0;
    for (int64_t i = 0; i < n; i++) {
        distance = fmax(distance, fmax(u[i] - (double)i / (double)n, (double)(i + 1) / (double)n - u[i]));
    }
    double root = sqrt((double)n);
    double lambda = (root + 0.12 + 0.11 / root) * distance;
    if (lambda < 0.3) {
        return 1;
    }
    double p = 0;
    for (int k = 1; k < 100; k++) {
        p += (k % 2 != 0 ? 2 : -2) * exp(-2 * lambda * lambda * k * k);
    }
    return p;
}

static double chi_square_p(const int64_t *counts, const double *expected, int64_t n)
{
    double sum = 0;
    int64_t cells = 0;
    for (int64_t i = 0; i < n; i++) {
        if (expected[i] > 0) {
            sum += ((double)counts[i] - expected[i]) * ((double)counts[i] - expected[i]) / expected[i];
            cells++;
        } else {
            assert_int_equal(counts[i], 0);
        }
    }
    return 1 - gamma_cdf(0.5 * (double)(cells - 1), 0.5 * sum);
}

static void check_p(double p, const char *what)
{
    if (!(p >= LEAST_P)) {
        fail_msg("%s: p = %g", what, p);
    }
}

/* Mean and variance against their truths; `excess` is the law's excess kurtosis, for the variance of the variance. */
static void check_moments(const double *x, int64_t n, double mean, double variance, double excess, const char *what)
{
    double sum = 0, square = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += x[i] - mean;
        square += (x[i] - mean) * (x[i] - mean);
    }
    double z1 = sum / sqrt((double)n * variance);
    double z2 = (square / (double)n / variance - 1) / sqrt((excess + 2) / (double)n);
    if (!(fabs(z1) < 4.4 && fabs(z2) < 4.4)) { /* two-sided p = 1.1e-5 */
        fail_msg("%s: the mean is %.2f and the variance %.2f standard errors off", what, z1, z2);
    }
}

static double *draws; /* room for one sample */
static double *values;
static int64_t count;

static void test_helpers(void **state)
{
    (void)state;
    check_near(gamma_cdf(1, 2), 1 - exp(-2), 1e-14);
    check_near(gamma_cdf(0.5, 0.3), erf(sqrt(0.3)), 1e-14);
    check_near(gamma_cdf(0.5, 3), erf(sqrt(3)), 1e-14);
    check_near(beta_cdf(1, 3, 0.2), 1 - pow(0.8, 3), 1e-14);
    check_near(beta_cdf(0.5, 0.5, 0.9), 2 / acos(-1) * asin(sqrt(0.9)), 1e-13);
    check_near(chi_square_p((const int64_t[]){60, 40}, (const double[]){50, 50}, 2), 0.04550026389635842, 1e-12);
    for (int64_t i = 0; i < 1000; i++) {
        values[i] = pow((double)i / 1000, 1.3);
    }
    assert_true(ks_p(values, 1000) < 1e-5); /* the tests can fail */
}

static void test_uniform(void **state)
{
    (void)state;
    lki_stream s = lki_stream_new(11, LKI_STREAM_TEST, 0);
    double serial = 0;
    for (int64_t i = 0; i < count; i++) {
        draws[i] = values[i] = lki_random_uniform(&s);
        serial += i > 0 ? (draws[i] - 0.5) * (draws[i - 1] - 0.5) * 12 : 0;
    }
    check_p(ks_p(values, count), "uniform");
    check_moments(draws, count, 0.5, 1.0 / 12, -1.2, "uniform");
    assert_true(fabs(serial) < 4.4 * sqrt((double)count));
    /* First draws of neighbouring rows, of neighbouring seeds and of neighbouring streams are as good as one stream. */
    for (int which = 0; which < 3; which++) {
        serial = 0;
        for (int64_t i = 0; i < count; i++) {
            uint64_t j = (uint64_t)i;
            lki_stream t = lki_stream_new(which == 1 ? j : 5, which == 2 ? j : LKI_STREAM_TEST, which == 0 ? j : 0);
            draws[i] = values[i] = lki_random_uniform(&t);
            serial += i > 0 ? (draws[i] - 0.5) * (draws[i - 1] - 0.5) * 12 : 0;
        }
        check_p(ks_p(values, count), "uniform over rows, seeds, streams");
        assert_true(fabs(serial) < 4.4 * sqrt((double)count));
    }
}

static void test_bits(void **state)
{
    (void)state;
    lki_stream s = lki_stream_new(12, LKI_STREAM_TEST, 0);
    static int64_t counts[8][256];
    static double expected[256];
    memset(counts, 0, sizeof counts);
    for (int64_t i = 0; i < count; i++) {
        uint64_t bits = lki_random_bits(&s);
        for (int byte = 0; byte < 8; byte++) {
            counts[byte][(bits >> (8 * byte)) & 255]++;
        }
    }
    for (int i = 0; i < 256; i++) {
        expected[i] = (double)count / 256;
    }
    for (int byte = 0; byte < 8; byte++) {
        check_p(chi_square_p(counts[byte], expected, 256), "bytes");
    }
}

static void test_normal(void **state)
{
    (void)state;
    lki_stream s = lki_stream_new(13, LKI_STREAM_TEST, 0);
    double serial = 0;
    for (int64_t i = 0; i < count; i++) {
        draws[i] = lki_random_normal(&s);
        values[i] = normal_cdf(draws[i]);
        serial += i > 0 ? draws[i] * draws[i - 1] : 0; /* the two of a pair are independent */
    }
    check_p(ks_p(values, count), "normal");
    check_moments(draws, count, 0, 1, 0, "normal");
    assert_true(fabs(serial) < 4.4 * sqrt((double)count));
    int64_t tails[2] = {0, 0};
    for (int64_t i = 0; i < count; i++) {
        tails[fabs(draws[i]) > 3]++;
    }
    const double p = 0.0026997960632601866; /* 2 (1 - Phi(3)) */
    check_p(chi_square_p(tails, (const double[]){(double)count * (1 - p), (double)count * p}, 2), "normal tails");
}

static void test_gamma(void **state)
{
    (void)state;
    const double shapes[] = {0.05, 0.3, 0.9, 1, 1.5, 4, 50, 1e4};
    for (size_t k = 0; k < sizeof shapes / sizeof shapes[0]; k++) {
        double shape = shapes[k];
        lki_stream s = lki_stream_new(14, LKI_STREAM_TEST, k);
        for (int64_t i = 0; i < count; i++) {
            draws[i] = lki_random_gamma(&s, shape);
            values[i] = gamma_cdf(shape, draws[i]);
        }
        char what[40];
        snprintf(what, sizeof what, "gamma %g", shape);
        check_p(ks_p(values, count), what);
        if (shape >= 0.3) { /* below it the fourth moment is too heavy for a normal approximation */
            check_moments(draws, count, shape, shape, 6 / shape, what);
        }
    }
}

static void test_beta(void **state)
{
    (void)state;
    const double shapes[][2] = {{0.2, 0.3}, {0.5, 2}, {3, 0.7}, {1, 1}, {2, 5}, {40, 60}};
    for (size_t k = 0; k < sizeof shapes / sizeof shapes[0]; k++) {
        double a = shapes[k][0], b = shapes[k][1];
        lki_stream s = lki_stream_new(15, LKI_STREAM_TEST, k);
        for (int64_t i = 0; i < count; i++) {
            draws[i] = lki_random_beta(&s, a, b);
            values[i] = beta_cdf(a, b, draws[i]);
        }
        char what[40];
        snprintf(what, sizeof what, "beta %g, %g", a, b);
        check_p(ks_p(values, count), what);
        double t = a + b;
        double excess = 6 * ((a - b) * (a - b) * (t + 1) - a * b * (t + 2)) / (a * b * (t + 2) * (t + 3));
        check_moments(draws, count, a / t, a * b / (t * t * (t + 1)), excess, what);
    }
}

static void test_below(void **state)
{
    (void)state;
    const int64_t sizes[] = {2, 3, 7, 10, 100};
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        int64_t counts[100] = {0};
        double expected[100];
        lki_stream s = lki_stream_new(16, LKI_STREAM_TEST, k);
        for (int64_t i = 0; i < count; i++) {
            counts[lki_random_below(&s, sizes[k])]++;
        }
        for (int64_t i = 0; i < sizes[k]; i++) {
            expected[i] = (double)count / (double)sizes[k];
        }
        check_p(chi_square_p(counts, expected, sizes[k]), "below");
    }
    /* n = 3 2^61: plain remainders would make the lower two thirds 3/2 as likely as the upper third. */
    const int64_t n = INT64_C(3) << 61;
    int64_t thirds[3] = {0, 0, 0};
    lki_stream s = lki_stream_new(16, LKI_STREAM_TEST, 99);
    for (int64_t i = 0; i < count; i++) {
        thirds[lki_random_below(&s, n) / (n / 3)]++;
    }
    double third = (double)count / 3;
    check_p(chi_square_p(thirds, (const double[]){third, third, third}, 3), "below, large");
}

static void test_categorical(void **state)
{
    (void)state;
    const double weights[7] = {0, 0.5, 0, 3, 1e-3, 2.25, 0};
    double cumulative[7], expected[7], total = 0;
    int64_t counts[7] = {0};
    for (int i = 0; i < 7; i++) {
        total += weights[i];
        cumulative[i] = total;
    }
    lki_stream s = lki_stream_new(17, LKI_STREAM_TEST, 0);
    for (int64_t i = 0; i < count; i++) {
        counts[lki_random_categorical(&s, cumulative, 7)]++;
    }
    for (int i = 0; i < 7; i++) {
        expected[i] = (double)count * weights[i] / total;
    }
    check_p(chi_square_p(counts, expected, 7), "categorical");
}

static void test_permutation(void **state)
{
    (void)state;
    static int64_t counts[120];
    double expected[120];
    memset(counts, 0, sizeof counts);
    lki_stream s = lki_stream_new(18, LKI_STREAM_TEST, 0);
    for (int64_t i = 0; i < count; i++) {
        int64_t p[5];
        int64_t code = 0; /* Lehmer code */
        lki_random_permutation(&s, p, 5);
        for (int j = 0; j < 5; j++) {
            int64_t smaller = 0;
            for (int k = j + 1; k < 5; k++) {
                smaller += p[k] < p[j];
            }
            code = code * (5 - j) + smaller;
        }
        counts[code]++;
    }
    for (int i = 0; i < 120; i++) {
        expected[i] = (double)count / 120;
    }
    check_p(chi_square_p(counts, expected, 120), "permutations of five");
    enum { LONG = 1000 };
    int64_t order[LONG];
    char met[LONG] = {0};
    lki_random_permutation(&s, order, LONG);
    for (int i = 0; i < LONG; i++) {
        assert_true(order[i] >= 0 && order[i] < LONG && !met[order[i]]);
        met[order[i]] = 1;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_helpers), cmocka_unit_test(test_uniform),     cmocka_unit_test(test_bits),
        cmocka_unit_test(test_normal),  cmocka_unit_test(test_gamma),       cmocka_unit_test(test_beta),
        cmocka_unit_test(test_below),   cmocka_unit_test(test_categorical), cmocka_unit_test(test_permutation),
    };
    count = check_scaled(200000, 20000);
    draws = malloc((size_t)count * sizeof *draws);
    values = malloc((size_t)count * sizeof *values);
    int failed = draws != NULL && values != NULL ? cmocka_run_group_tests_name("laws", tests, NULL, NULL) : 1;
    free(draws);
    free(values);
    return failed;
}
