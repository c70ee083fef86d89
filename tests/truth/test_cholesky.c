/* Cholesky factors against exact and higher-precision truths. */
#include "check.h"
#include "core/philox.h"
#include "math/blas.h"
#include "math/cholesky.h"
#include "math/special.h"

enum { D_MAX = 40 };

/* A random orthogonal matrix. */
static void random_orthogonal(lki_stream *s, int64_t d, double *Q)
{
    for (int64_t i = 0; i < d; i++) {
        for (int64_t j = 0; j < d; j++) {
            Q[i * d + j] = lki_random_normal(s);
        }
    }
    for (int pass = 0; pass < 2; pass++) { /* Gram-Schmidt twice is enough */
        for (int64_t i = 0; i < d; i++) {
            for (int64_t k = 0; k < i; k++) {
                double dot = 0;
                for (int64_t j = 0; j < d; j++) {
                    dot += Q[i * d + j] * Q[k * d + j];
                }
                for (int64_t j = 0; j < d; j++) {
                    Q[i * d + j] -= dot * Q[k * d + j];
                }
            }
            double square = 0;
            for (int64_t j = 0; j < d; j++) {
                square += Q[i * d + j] * Q[i * d + j];
            }
            for (int64_t j = 0; j < d; j++) {
                Q[i * d + j] /= sqrt(square);
            }
        }
    }
}

/* A = Q' diag(e) Q with eigenvalues from 1 down to 1 / condition, evenly on the log scale. */
static void random_spd(lki_stream *s, int64_t d, double condition, double *A)
{
    static double Q[D_MAX * D_MAX];
    random_orthogonal(s, d, Q);
    for (int64_t i = 0; i < d; i++) {
        for (int64_t j = 0; j <= i; j++) {
            long double sum = 0;
            for (int64_t k = 0; k < d; k++) {
                double e = d > 1 ? pow(condition, -(double)k / (double)(d - 1)) : 1;
                sum += (long double)Q[k * d + i] * (long double)e * (long double)Q[k * d + j];
            }
            A[i * d + j] = A[j * d + i] = (double)sum;
        }
    }
}

/* The truth in long double: 64 bits of mantissa, so condition 1e6 leaves 13 digits. */
static long double reference_factor(int64_t d, const double *A, long double *L)
{
    long double log_determinant = 0;
    for (int64_t i = 0; i < d; i++) {
        for (int64_t j = 0; j <= i; j++) {
            long double sum = (long double)A[i * d + j];
            for (int64_t k = 0; k < j; k++) {
                sum -= L[i * d + k] * L[j * d + k];
            }
            L[i * d + j] = j < i ? sum / L[j * d + j] : sqrtl(sum);
        }
        log_determinant += 2 * logl(L[i * d + i]);
    }
    return log_determinant;
}

static void test_ill_conditioned_golden(void **state)
{
    (void)state;
    /* scikit-learn issue 29989; the exact value by rational arithmetic for the entries rounded to double. */
    const double A[9] = {32.00000007, 35.99999993, 8.00000001, 35.99999993, 40.50000006,
                         8.99999998,  8.00000001,  8.99999998, 2.00000008};
    double W[9], L[9], work[18];
    lki_spd spd;
    assert_int_equal(lki_spd_factor(3, A, W, L, &spd, work), 0);
    check_near(-0.5 * (3 * LKI_LOG_2PI + spd.log_determinant), 11.185270887249, 1e-9);
    assert_true(spd.condition > 1e8 && spd.condition < 1e10);
}

static void test_random_matrices_against_long_double(void **state)
{
    (void)state;
    check_skip_without_long_double();
    static double A[D_MAX * D_MAX], W[D_MAX * D_MAX], L[D_MAX * D_MAX], work[2 * D_MAX * D_MAX];
    static long double R[D_MAX * D_MAX];
    const double conditions[] = {1, 10, 1e3, 9e5, 1.2e6, 1e8, 1e11};
    lki_stream s = lki_stream_new(1, LKI_STREAM_TEST, 0);
    int64_t repeats = check_scaled(3, 1);
    for (int64_t d = 1; d <= D_MAX; d += d < 8 ? 1 : 8) {
        for (size_t c = 0; c < sizeof conditions / sizeof conditions[0]; c++) {
            for (int64_t repeat = 0; repeat < repeats; repeat++) {
                lki_spd spd;
                random_spd(&s, d, conditions[c], A);
                long double wanted = reference_factor(d, A, R);
                assert_int_equal(lki_spd_factor(d, A, W, L, &spd, work), 0);
                /* Plain arithmetic loses d eps condition; the long double truth itself 1e-3 of that. */
                double loss = conditions[c] <= 1e6 ? 1e-16 * conditions[c] : 2e-19 * conditions[c];
                check_near(spd.log_determinant, (double)wanted,
                           4 * (double)d * (loss + 1e-16 * (1 + fabs((double)wanted))));
                for (int64_t i = 0; i < d; i++) {
                    for (int64_t j = 0; j < d; j++) {
                        double l = j <= i ? (double)R[i * d + j] : 0;
                        check_near(L[i * d + j], l, 8 * (double)d * (1e-16 + loss));
                        long double identity = 0; /* W L = I */
                        double size = 0;
                        for (int64_t k = j; k <= i; k++) {
                            identity += (long double)W[i * d + k] * R[k * d + j];
                            size += fabs(W[i * d + k] * (double)R[k * d + j]);
                        }
                        check_near((double)identity, i == j, 4 * (double)d * (loss + 1e-16) * (1 + size));
                        if (j > i) {
                            assert_true(W[i * d + j] == 0);
                        }
                    }
                }
                double exact = d > 1 ? conditions[c] : 1;
                if (!(spd.condition <= exact * 1.001 && spd.condition >= exact * 0.9)) {
                    fail_msg("condition %g instead of %g, d = %d", spd.condition, exact, (int)d);
                }
            }
        }
    }
}

/* Exactly representable factors of an ill-conditioned matrix: A = L L' without rounding, so W is known exactly. */
static void test_exact_factor(void **state)
{
    (void)state;
    /* L = [[1, 0], [1, e]]: A = [[1, 1], [1, 1 + e^2]], W = [[1, 0], [-1/e, 1/e]]. */
    for (int power = 1; power <= 26; power++) {
        double e = ldexp(1, -power);
        double A[4] = {1, 1, 1, 1 + e * e};
        double W[4], L[4], work[8];
        lki_spd spd;
        assert_int_equal(lki_spd_factor(2, A, W, L, &spd, work), 0);
        assert_true(W[0] == 1 && W[1] == 0 && W[2] == -1 / e && W[3] == 1 / e);
        assert_true(L[0] == 1 && L[1] == 0 && L[2] == 1 && L[3] == e);
        check_near(spd.log_determinant, -2 * power * log(2), 1e-13);
        double trace = 2 + e * e;
        double large = (trace + sqrt(trace * trace - 4 * e * e)) / 2; /* eigenvalues by their sum and product */
        double condition = large / (e * e / large);
        assert_true(fabs(spd.condition / condition - 1) < 1e-2);
    }
}

/* A known bound of the condition spares its estimate and changes nothing else; one that is large counts for nothing. */
static void test_bounds_of_the_condition(void **state)
{
    (void)state;
    enum { D = 9 };
    double A[D * D], W[2][D * D], L[2][D * D], work[2 * D * D];
    const double conditions[] = {10, 1e5, 1e9};
    for (int i = 0; i < 3; i++) {
        lki_stream s = lki_stream_new(3, LKI_STREAM_TEST, (uint64_t)i);
        lki_spd spd[2];
        random_spd(&s, D, conditions[i], A);
        assert_int_equal(lki_spd_factor(D, A, W[0], L[0], &spd[0], work), 0);
        assert_int_equal(lki_spd_factor_within(D, A, 3 * conditions[i], W[1], L[1], &spd[1], work), 0);
        assert_memory_equal(W[0], W[1], sizeof W[0]);
        assert_memory_equal(L[0], L[1], sizeof L[0]);
        assert_true(spd[0].log_determinant == spd[1].log_determinant);
        check_near(spd[1].condition, i < 2 ? 3 * conditions[i] : spd[0].condition, 0);
    }
}

static void test_matrices_that_are_not_positive(void **state)
{
    (void)state;
    double W[9], work[18];
    lki_spd spd = {7, 7};
    const double negative[1] = {-1};
    assert_int_equal(lki_spd_factor(1, negative, W, NULL, &spd, work), 1);
    assert_true(isinf(spd.condition) && spd.log_determinant == 7);
    const double singular[4] = {1, 2, 2, 4};
    assert_int_equal(lki_spd_factor(2, singular, W, NULL, &spd, work), 2);
    assert_true(isinf(spd.condition));
    const double indefinite[9] = {2, 0, 0, 0, 1, 1, 0, 1, 1 - 0x1p-30};
    assert_int_equal(lki_spd_factor(3, indefinite, W, NULL, &spd, work), 3);
    const double with_nan[4] = {1, (double)NAN, (double)NAN, 1};
    assert_int_equal(lki_spd_factor(2, with_nan, W, NULL, &spd, work), 2);
    const double infinite[4] = {(double)INFINITY, 0, 0, 1};
    assert_int_equal(lki_spd_factor(2, infinite, W, NULL, &spd, work), 1);
}

static void test_extreme_scales(void **state)
{
    (void)state;
    const double scales[] = {1e-300, 1e-150, 1, 1e150, 1e300};
    for (size_t i = 0; i < sizeof scales / sizeof scales[0]; i++) {
        double s = scales[i];
        const double A[4] = {2 * s, s, s, 2 * s}; /* eigenvalues s and 3 s */
        double W[4], work[8];
        lki_spd spd;
        assert_int_equal(lki_spd_factor(2, A, W, NULL, &spd, work), 0);
        check_near(spd.log_determinant, log(3) + 2 * log(s), 1e-12);
        assert_true(fabs(spd.condition / 3 - 1) < 1e-2);
        check_near(W[0] * sqrt(2 * s), 1, 1e-14);
    }
}

static void test_eigenvalues(void **state)
{
    (void)state;
    lki_stream s = lki_stream_new(2, LKI_STREAM_TEST, 0);
    static double A[D_MAX * D_MAX], B[D_MAX * D_MAX];
    double values[D_MAX];
    lki_blas_enter();
    for (int64_t d = 1; d <= D_MAX; d += 3) {
        random_spd(&s, d, 1e4, A);
        memcpy(B, A, sizeof A);
        assert_int_equal(lki_symmetric_eigen(d, B, values, 1), 0);
        for (int64_t k = 0; k < d; k++) {
            double truth = d > 1 ? pow(1e4, -(double)(d - 1 - k) / (double)(d - 1)) : 1;
            check_near(values[k], truth, 1e-14 * (double)(d + 4));
            assert_true(k == 0 || values[k] >= values[k - 1]);
            for (int64_t i = 0; i < d; i++) { /* A v = lambda v, the vector standing in row k */
                double sum = 0;
                for (int64_t j = 0; j < d; j++) {
                    sum += A[i * d + j] * B[k * d + j];
                }
                check_near(sum, values[k] * B[k * d + i], 1e-14 * (double)(d + 4));
            }
        }
        memcpy(B, A, sizeof A);
        double only[D_MAX];
        assert_int_equal(lki_symmetric_eigen(d, B, only, 0), 0);
        check_near(only[d - 1], values[d - 1], 1e-13);
    }
    assert_int_equal(lki_symmetric_eigen(LKI_EIGEN_MAX + 1, A, values, 0), -3);
    lki_blas_leave();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ill_conditioned_golden), cmocka_unit_test(test_random_matrices_against_long_double),
        cmocka_unit_test(test_exact_factor),           cmocka_unit_test(test_matrices_that_are_not_positive),
        cmocka_unit_test(test_extreme_scales),         cmocka_unit_test(test_eigenvalues),
        cmocka_unit_test(test_bounds_of_the_condition),
    };
    return cmocka_run_group_tests_name("cholesky", tests, NULL, NULL);
}
