/* Tests of two samples are the same bits on 1 and 2 threads; other ones for another seed. */
#include "two_sample_check.h"

static void threads(void **state)
{
    static const char *const tests[] = {"mmd", "mmd-agg", "cross-mmd", "kid", "energy", "sliced-energy", "c2st"};
    (void)state;
    lk_context *single = check_context(1), *two = check_context(2);
    double *a = normal_values(1, 700, 3, 0, 1), *b = normal_values(2, 500, 3, 0.1, 1);
    for (size_t t = 0; t < sizeof tests / sizeof *tests; t++) {
        lk_test_options options = {.size = sizeof options, .test = tests[t], .permutations = 300, .slices = 30, .seed = 5};
        char *one = NULL, *other = NULL;
        const double *first, *second;
        lk_test *x = two_samples(single, a, 700, b, 500, 3, &options), *y = two_samples(two, a, 700, b, 500, 3, &options);
        check_ok(single, lk_test_info(single, x, &one));
        check_ok(two, lk_test_info(two, y, &other));
        assert_string_equal(one, other);
        assert_int_equal(lk_test_witness(x, &first, NULL, NULL), 1200);
        lk_test_witness(y, &second, NULL, NULL);
        assert_memory_equal(first, second, 1200 * sizeof *first);
        lk_test_free(two, y);
        lk_free(two, other);
        options.seed = 6;
        y = two_samples(two, a, 700, b, 500, 3, &options);
        check_ok(two, lk_test_info(two, y, &other));
        assert_string_not_equal(one, other);
        lk_test_free(single, x);
        lk_test_free(two, y);
        lk_free(single, one);
        lk_free(two, other);
    }
    free(a);
    free(b);
    lk_context_free(single);
    lk_context_free(two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
