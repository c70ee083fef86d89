/* Laws of counts against their own definition: probabilities by the recurrence of the negative binomial and the Poisson law, summed. */
#include "check.h"
#include "core/philox.h"
#include "math/count_law.h"

/* p(0) = (1 + a m)^(-1/a), p(k + 1) = p(k) (m + a m k) / ((k + 1) (1 + a m)), in long double; a = 0 is Poisson. */
static void by_summation(void **state)
{
    (void)state;
    static const double means[] = {1e-3, 0.3, 1, 7.5, 40, 300}, excesses[] = {0, 1e-6, 1e-3, 0.2, 1, 5};
    for (size_t i = 0; i < 6; i++) {
        for (size_t j = 0; j < 6; j++) {
            const long double m = (long double)means[i], a = (long double)excesses[j];
            const double mean = means[i], sd = (double)sqrtl(m + a * m * m);
            long double p = a > 0 ? expl(-log1pl(a * m) / a) : expl(-m), below = 0;
            double level = 0.1037;
            for (int k = 0; k < 800; k++) {
                below += p;
                /* sd^2 - mean keeps only 1e-16 mean / excess of the excess. */
                const double loss = excesses[j] > 0 ? 1e-15 * (1 + k + mean) / (excesses[j] * mean) : 0;
                check_near(lki_count_log_density(k, mean, sd), (double)logl(p), 1e-14 * (100 + mean + k) * (1 + fabs((double)logl(p))) + loss);
                check_near(lki_count_cdf(k, mean, sd), (double)below, 1e-14 * (100 + mean + k) + loss);
                for (; level < 0.999 && (double)below > level + 1e-9; level += 0.2) {
                    check_near(lki_count_quantile(level, mean, sd), k, 0);
                }
                p *= (m + a * m * k) / ((k + 1) * (1 + a * m));
            }
        }
    }
    check_near(lki_count_cdf(-1, 3, 2), 0, 0);
    check_near(lki_count_cdf(1e9, 3, 2), 1, 1e-15);
}

/* Large counts: the law is nearly normal, and a median lies within one of the mean of a Poisson law (Choi 1994). */
static void large(void **state)
{
    (void)state;
    const double mean = 1e9, sd = sqrt(1e9);
    check_near(lki_count_cdf(1e9 + 2 * sd, mean, sd), 0.97725, 1e-4);
    check_near(lki_count_quantile(0.5, mean, sd), mean, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_summation), cmocka_unit_test(large)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
