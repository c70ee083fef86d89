/* What the tests of two samples share: tables of normal rows, and numbers out of a test's JSON. */
#ifndef LIKELY_TWO_SAMPLE_CHECK_H
#define LIKELY_TWO_SAMPLE_CHECK_H

#include "gmm_check.h"

/* n rows of d normal values with a mean and a standard deviation. */
CHECK_UNUSED static double *normal_values(uint64_t seed, int64_t n, int64_t d, double mean, double sd)
{
    lki_stream s = gmm_stream(seed);
    double *x = malloc((size_t)(n * d) * sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < n * d; i++) {
        x[i] = mean + sd * lki_random_normal(&s);
    }
    return x;
}

/* A number of the test's JSON; "rows/1" is the second of a list. */
CHECK_UNUSED static double told(lk_context *ctx, const lk_test *test, const char *key)
{
    char *text = NULL, name[64];
    const char *slash = strchr(key, '/');
    check_ok(ctx, lk_test_info(ctx, test, &text));
    json_t *info = json_loads(text, 0, NULL);
    snprintf(name, sizeof name, "%.*s", slash != NULL ? (int)(slash - key) : (int)strlen(key), key);
    const json_t *value = json_object_get(info, name);
    value = slash != NULL ? json_array_get(value, (size_t)atoi(slash + 1)) : value;
    const double number = json_is_number(value) ? json_number_value(value) : (double)NAN;
    json_decref(info);
    lk_free(ctx, text);
    return number;
}

/* The test of rows of two arrays. */
CHECK_UNUSED static lk_test *two_samples(lk_context *ctx, const double *a, int64_t n, const double *b, int64_t m, int64_t d,
                                         const lk_test_options *options)
{
    lk_table *first = gmm_table(ctx, a, n, d), *second = gmm_table(ctx, b, m, d);
    lk_test *test = NULL;
    check_ok(ctx, lk_test_two_samples(ctx, first, second, options, &test));
    lk_table_free(first);
    lk_table_free(second);
    return test;
}

#endif
