/* A comparison is the same bits on 1 and 2 threads, and another one for another seed. */
#include "gmm_check.h"

static void threads(void **state)
{
    (void)state;
    lki_stream s = gmm_stream(8300);
    lk_context *single = check_context(1), *two = check_context(2);
    lki_mixture *ma = gmm_random_mixture(single, &s, "full", 7, 4, 10, 1), *mb = gmm_random_mixture(single, &s, "tied", 5, 4, 10, 1);
    lk_model *a = gmm_model_of(single, ma), *b = gmm_model_of(single, mb);
    lk_comparison one = {.size = sizeof one}, other = {.size = sizeof other}, third = {.size = sizeof third};
    lk_compare_options options = {.size = sizeof options, .draws = 30001, .seed = 5};
    check_ok(single, lk_model_compare(single, a, b, &options, &one));
    for (int turn = 0; turn < 3; turn++) {
        check_ok(two, lk_model_compare(two, a, b, &options, &other));
        assert_memory_equal(&one.kl, &other.kl, sizeof one.kl);
        assert_memory_equal(&one.kl_reverse, &other.kl_reverse, sizeof one.kl);
        assert_memory_equal(&one.js, &other.js, sizeof one.js);
        assert_true(one.l2 == other.l2 && one.l2_relative == other.l2_relative && one.wasserstein == other.wasserstein);
        assert_memory_equal(one.plan, other.plan, 35 * sizeof(double));
        assert_memory_equal(one.distances, other.distances, 35 * sizeof(double));
        lk_free(two, other.plan);
        lk_free(two, other.distances);
    }
    options.seed = 6;
    check_ok(single, lk_model_compare(single, a, b, &options, &third));
    assert_true(third.kl.estimate != one.kl.estimate && third.kl.lower == one.kl.lower && third.draws == 30001);
    check_near(third.kl.estimate, one.kl.estimate, 6 * hypot(third.kl.error, one.kl.error));
    lk_free(single, one.plan);
    lk_free(single, one.distances);
    lk_free(single, third.plan);
    lk_free(single, third.distances);
    lk_model_free(a);
    lk_model_free(b);
    lki_mixture_free(ma);
    lki_mixture_free(mb);
    lk_context_free(single);
    lk_context_free(two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
