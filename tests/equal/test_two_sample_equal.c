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

static void fit_of_a_model(void **state)
{
    (void)state;
    lk_context *contexts[2] = {check_context(1), check_context(2)};
    double *x = normal_values(3, 300, 2, 0, 1);
    for (int refit = 0; refit < 2; refit++) {
        char *texts[2] = {NULL};
        for (int c = 0; c < 2; c++) {
            lk_table *table = gmm_table(contexts[c], x, 300, 2), *boundary = gmm_table(contexts[c], x, 7, 2);
            lk_model *model = gmm_fit(contexts[c], table, "components=2", NULL, NULL, NULL);
            const lk_test_options options = {.size = sizeof options, .permutations = refit ? 20 : 300, .seed = 5, .refit = refit};
            lk_test *test = NULL;
            check_ok(contexts[c], lk_test_model(contexts[c], model, table, refit ? NULL : boundary, &options, &test));
            check_ok(contexts[c], lk_test_info(contexts[c], test, &texts[c]));
            lk_test_free(contexts[c], test);
            lk_model_free(model);
            lk_table_free(table);
            lk_table_free(boundary);
        }
        assert_string_equal(texts[0], texts[1]);
        lk_free(contexts[0], texts[0]);
        lk_free(contexts[1], texts[1]);
    }
    free(x);
    lk_context_free(contexts[0]);
    lk_context_free(contexts[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(threads), cmocka_unit_test(fit_of_a_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
