/* Tests: do two tables have the same distribution, are columns independent, does a model fit a table. */
#ifndef LIKELY_TEST_H
#define LIKELY_TEST_H

#include <likely/context.h>
#include <likely/model.h>
#include <likely/table.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Experimental */

/** Tests of two samples: name, and what it is. */
#define LK_TWO_SAMPLE_TEST_LIST(X)                                                                                                         \
    X(MMD, "mmd", "maximum mean discrepancy of one kernel, unbiased: all pairs of rows (Gretton et al. 2012)")                             \
    X(MMD_AGG, "mmd-agg", "the same with ten bandwidths from small to large, aggregated at the right level: where the scale of the "      \
                          "difference is not known (Schrab et al. 2023)")                                                                 \
    X(CROSS_MMD, "cross-mmd", "a studentized mmd of two halves, normal if there is no difference: no permutations, half the power "       \
                              "(Shekhar, Kim and Ramdas 2022)")                                                                           \
    X(KID, "kid", "mmd of the cubic kernel (x.y/d + 1)^3, which sees three moments, with the standard error of blocks: the kernel "       \
                  "inception distance, on any features (Binkowski et al. 2018)")                                                          \
    X(ENERGY, "energy", "energy distance 2 E|X - Y| - E|X - X'| - E|Y - Y'|: no bandwidth (Szekely and Rizzo 2004)")                       \
    X(SLICED_ENERGY, "sliced-energy", "energy distance by sorting along random directions: n log n, for many rows; exact in one "          \
                                      "dimension (Hertrich et al. 2024)")                                                                 \
    X(C2ST, "c2st", "share of held-out rows whose sample their nearest neighbours tell, with Fisher's exact p (Lopez-Paz and Oquab 2017)")

/** Tests of independence: name, and what it is. */
#define LK_INDEPENDENCE_TEST_LIST(X)                                                                                                       \
    X(HSIC, "hsic", "Hilbert-Schmidt criterion of two kernels, unbiased and scaled to at most 1 (Gretton et al. 2008, Song et al. 2012)")  \
    X(DCORR, "dcorr", "distance correlation, unbiased: no bandwidths (Szekely and Rizzo 2014)")

/** Tests of a model against a table: name, and what it is. */
#define LK_MODEL_TEST_LIST(X)                                                                                                              \
    X(KSD, "ksd", "kernel Stein discrepancy, unbiased: of a table from a model, which gives its score alone (Liu, Lee and Jordan 2016); with " \
                  "points of the boundary where rows are cut off also truncated (Williams and Liu 2023)")

/** A test that was made: what it found. */
typedef struct lk_test lk_test;

/** How a test is made. Set `size` to sizeof(lk_test_options); zero elsewhere means the default. */
typedef struct lk_test_options {
    size_t size;           /**< sizeof(lk_test_options) */
    const char *test;      /**< its name; NULL or "auto" = mmd-agg, beyond 10 000 rows sliced-energy; hsic */
    const char *kernel;    /**< of mmd, mmd-agg, cross-mmd and hsic: gaussian (NULL), laplace, matern12, matern32, matern52,
                                inverse_multiquadric, cauchy, rational_quadratic */
    const char *bandwidth; /**< its bandwidths, numbers in the units of the features: one for all or one for each; NULL = the median rule:
                                the feature's sd times the median distance of 1000 rows in units of sd */
    const char *features;  /**< comma-separated names or positions in the first table; NULL = every numeric column that both have */
    const char *ignore;    /**< columns that play no part; NULL = none */
    int unscaled;          /**< 1 = distances in the units of the features, 0 = each is first divided by its sd */
    int64_t permutations;  /**< 0 = 199 */
    int64_t slices;        /**< directions of sliced-energy; 0 = 100 */
    int64_t blocks;        /**< of kid; 0 = 10, or as many as there are two rows of each sample for */
    int64_t seed;          /**< non-negative seed of every random choice */
    int refit;             /**< of lk_test_model(): 1 = the model was fitted to the table's rows */
} lk_test_options;

/** Tests whether two tables have the same distribution. Columns are found by name; rows with a missing value are left out.
 *
 * p-values of permutations are p = (1 + the number of permutations with a statistic at least as large) / (1 + permutations): a test at level a
 * rejects equal distributions with probability at most a, whatever they are and however many rows there are. cross-mmd is right for many rows
 * only; c2st is exact. Estimates are unbiased, so that they fall below 0 about as often as above where there is no difference.
 * @param context a context.
 * @param a a table.
 * @param b a table.
 * @param options NULL for all defaults.
 * @param out receives the test; free it by lk_test_free().
 * Errors: LK_ERROR_ARGUMENT (an option that is not known or out of range), LK_ERROR_DATA (no common numeric column, too few complete
 * rows), LK_ERROR_MEMORY, LK_ERROR_IO, LK_ERROR_CANCELLED.
 * Cost: of N rows of d features together and B permutations, N^2 kernel values and N^2 B multiply-adds (mmd, kid, energy; mmd-agg ten times),
 * N^2 / 4 kernel values (cross-mmd), slices N (log N + B) (sliced-energy), N^2 d / 4 (c2st). Memory: N d numbers and some strips. */
LK_API LK_NODISCARD lk_status lk_test_two_samples(lk_context *context, const lk_table *a, const lk_table *b, const lk_test_options *options,
                                                  lk_test **out);

/** Tests whether some columns of a table are independent of others. The statistic is the criterion (hsic) or distance covariance (dcorr) over the
 * root of those of each side with itself: unbiased above, within -1 and 1, 0 on average if they are independent.
 * @param context a context.
 * @param table a table; rows with a missing value in these columns are left out.
 * @param left comma-separated names or positions.
 * @param right the same; others than on the left.
 * @param options NULL for all defaults; `features` is not looked at. p-values are those of permutations of the rows of one side.
 * @param out receives the test; free it by lk_test_free(). It has no witness.
 * Errors: LK_ERROR_ARGUMENT, LK_ERROR_DATA, LK_ERROR_MEMORY, LK_ERROR_IO, LK_ERROR_CANCELLED.
 * Cost: 2 n^2 kernel values, then n^2 multiply-adds a permutation; 4 n^2 bytes. */
LK_API LK_NODISCARD lk_status lk_test_independence(lk_context *context, const lk_table *table, const char *left, const char *right,
                                                   const lk_test_options *options, lk_test **out);

/** Tests whether the rows of a table come from a model, by U = mean over i != j of h(x_i, x_j) with the Stein kernel h of the model's score (Liu, Lee
 * and Jordan 2016, definition 3.2): 0 on average if they do, above else. Rows with a missing value are left out.
 *
 * For held-out rows p is that of the wild bootstrap, sums with random signs (Chwialkowski, Strathmann and Gretton 2016): right for many rows.
 * With `refit` it is that of the parametric bootstrap: rows are drawn from the model, it is fitted to them and asked about them, again and again.
 * @param context a context.
 * @param model a model with a score.
 * @param table has its features, by name.
 * @param boundary NULL, or points of the boundary beyond which no rows are, with the model's features: the test is then of the model cut off there,
 *   by functions that vanish at these points (Williams and Liu 2023).
 * @param options NULL for all defaults; kernel is gaussian or inverse_multiquadric, permutations counts bootstrap draws; features and ignore are not
 *   looked at.
 * @param out receives the test; free it by lk_test_free(). Its witness is how badly each row fits: the mean of h to the others.
 * Errors: LK_ERROR_ARGUMENT, LK_ERROR_DATA (a feature is missing, a row has no density), LK_ERROR_UNSUPPORTED (no score; refit of a model that
 * cannot be fitted or sampled), LK_ERROR_NUMERIC, LK_ERROR_MEMORY, LK_ERROR_CANCELLED.
 * Cost: of n rows of d features, B draws and m boundary points, n^2 (d + B + m d) multiply-adds; with refit B fits and B n^2 d. Memory: strips of
 * rows; n m d numbers for a boundary. */
LK_API LK_NODISCARD lk_status lk_test_model(lk_context *context, const lk_model *model, const lk_table *table, const lk_table *boundary,
                                            const lk_test_options *options, lk_test **out);

/** What a test found, as JSON: test, rows, left_out, features, statistic, p and how it came about (permutations, asymptotic, exact), effect
 * (within 0 and 1 but for the noise of an unbiased estimate), and of two samples where they differ: by_feature (difference of means in sd,
 * ratio of sd, energy distance as a share of the most it can be, and its p), witness (rows where the one sample has most more than the other).
 * @param context a context.
 * @param test a test.
 * @param out receives the text; give it back by lk_free().
 * Errors: LK_ERROR_MEMORY.
 * Cost: linear in the text. */
LK_API LK_NODISCARD lk_status lk_test_info(lk_context *context, const lk_test *test, char **out);

/** The witness function at the rows that took part: the mean of the kernel to the rows of the first sample less that to the second, the row
 * itself left out: above 0 where the first sample has more.
 * @param test a test of two samples.
 * @param values receives its values, borrowed; NaN where there is none (c2st: rows that it learned from); may be NULL.
 * @param rows receives the 0-based numbers of the rows in their tables, borrowed; may be NULL.
 * @param first receives how many of them are of the first table; those of the second follow; may be NULL.
 * @return how many; 0 where the test has no witness. */
LK_API int64_t lk_test_witness(const lk_test *test, const double **values, const int64_t **rows, int64_t *first);

/** Frees a test.
 * @param context a context with the allocator of the one that made it.
 * @param test NULL is fine. */
LK_API void lk_test_free(lk_context *context, lk_test *test);

#ifdef __cplusplus
}
#endif
#endif
