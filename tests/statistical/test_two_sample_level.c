/* Levels by simulation: how often tests at .05 reject equal distributions. A right program fails a bound below with probability at most 1e-3
 * each, 2e-2 together, were the seeds not fixed. */
#include "two_sample_check.h"

/* P(X > k) and P(X < k) of a binomial law, and the bounds beyond which they are below 1e-3. */
static void bounds(int64_t n, double p, int64_t *low, int64_t *high)
{
    double below = 0, term = pow(1 - p, (double)n);
    *low = 0;
    *high = n;
    for (int64_t k = 0; k <= n; k++) {
        below += term;
        if (below < 1e-3) {
            *low = k + 1;
        }
        if (1 - below < 1e-3) {
            *high = k;
            return;
        }
        term *= (double)(n - k) / (double)(k + 1) * p / (1 - p);
    }
}

static void levels(void **state)
{
    static const struct {
        const char *test;
        double level; /* most that it may be */
        int exact;
    } cases[] = {{"mmd", 0.05, 1}, {"mmd-agg", 0.05, 1}, {"kid", 0.05, 1}, {"energy", 0.05, 1}, {"sliced-energy", 0.05, 1}, {"c2st", 0.05, 0},
                 {"cross-mmd", 0.08, 0}};
    lk_context *ctx = check_context(1); /* small tests, many times: threads would only wait for one another */
    (void)state;
    const int64_t repeats = check_scaled(300, 100);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        int64_t rejected = 0, low, high;
        for (int64_t r = 0; r < repeats; r++) {
            double *a = normal_values(5000 + 2 * (uint64_t)r, 50, 2, 0, 1), *b = normal_values(5001 + 2 * (uint64_t)r, 30, 2, 0, 1);
            const lk_test_options options = {.size = sizeof options, .test = cases[c].test, .permutations = 99, .slices = 20, .seed = r + 1};
            lk_test *test = two_samples(ctx, a, 50, b, 30, 2, &options);
            rejected += told(ctx, test, "p") <= 0.05;
            lk_test_free(ctx, test);
            free(a);
            free(b);
        }
        bounds(repeats, cases[c].level, &low, &high);
        print_message("%s: %lld of %lld rejected, bounds %lld to %lld\n", cases[c].test, (long long)rejected, (long long)repeats,
                      (long long)(cases[c].exact ? low : 0), (long long)high);
        assert_true(rejected <= high && (!cases[c].exact || rejected >= low));
    }
    lk_context_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(levels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
