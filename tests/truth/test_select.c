/* Coresets: discrepancies against plain sums and closed forms, the rate of kernel thinning against independent rows (Dwivedi and Mackey
 * 2021), the Stein kernel against its definition by differences and its mean of zero. */
#include "check.h"
#include "gmm_check.h"
#include "select/thinning.h"
#include <jansson.h>
#include <likely/select.h>

static lk_table *normal_rows(lk_context *ctx, uint64_t seed, int64_t n, int64_t d, double **out)
{
    lki_stream s = gmm_stream(seed);
    double *x = malloc((size_t)(n * d) * sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < n * d; i++) {
        x[i] = lki_random_normal(&s);
    }
    lk_table *table = gmm_table(ctx, x, n, d);
    *out = x;
    return table;
}

static double told(lk_context *ctx, const lk_selection *selection, const char *key)
{
    char *text = NULL;
    check_ok(ctx, lk_selection_info(ctx, selection, &text));
    json_t *info = json_loads(text, 0, NULL);
    const double value = json_number_value(json_object_get(info, key));
    json_decref(info);
    lk_free(ctx, text);
    return value;
}

/* The Gaussian kernel of bandwidth 1. */
static double kernel(const double *x, const double *y, int64_t d)
{
    double square = 0;
    for (int64_t j = 0; j < d; j++) {
        square += (x[j] - y[j]) * (x[j] - y[j]);
    }
    return exp(-square / 2);
}

/* What is told is the maximum mean discrepancy: against plain sums over all pairs, for every method. */
static void discrepancy_by_plain_sums(void **state)
{
    static const char *const methods[] = {"kernel-thinning", "compress", "herding", "random", "standard"};
    enum { N = 700, D = 3 };
    lk_context *ctx = *state;
    double *x, all = 0;
    lk_table *table = normal_rows(ctx, 1, N, D, &x);
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            all += kernel(x + i * D, x + j * D, D) / N / N;
        }
    }
    for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
        const lk_select_options options = {.size = sizeof options, .count = 20, .method = methods[m], .bandwidth = "1", .seed = 3};
        lk_selection *selection = NULL;
        const int64_t *rows;
        const double *weights;
        double cross = 0, within = 0, total = 0;
        check_ok(ctx, lk_select(ctx, table, &options, &selection));
        const int64_t count = lk_selection_rows(selection, &rows, &weights);
        assert_int_equal(count, 20);
        for (int64_t i = 0; i < count; i++) {
            assert_true(rows[i] >= 0 && rows[i] < N && (i == 0 || rows[i] > rows[i - 1]));
            total += weights[i];
            for (int j = 0; j < N; j++) {
                cross += weights[i] * kernel(x + rows[i] * D, x + j * D, D) / N;
            }
            for (int64_t j = 0; j < count; j++) {
                within += weights[i] * weights[j] * kernel(x + rows[i] * D, x + rows[j] * D, D);
            }
        }
        check_near(total, 1, 1e-12);
        check_near(told(ctx, selection, "mmd"), sqrt(within - 2 * cross + all), 1e-10);
        check_near(told(ctx, selection, "mmd_independent"), sqrt((1 - all) / 20), 1e-12);
        lk_selection_free(ctx, selection);
    }
    lk_table_free(table);
    free(x);
}

/* Discrepancy from the standard normal law itself under the Gaussian kernel of bandwidth 1: with d = 2, the mean of k over the law at x is (1 / 2)
 * exp(-|x|^2 / 4), and over two draws 1 / 3, so that n independent rows have a root mean square of sqrt((1 - 1/3) / n) = .816 / sqrt(n). */
static double from_normal(const double *x, const int64_t *rows, int64_t n)
{
    double within = 0, cross = 0;
    for (int64_t i = 0; i < n; i++) {
        const double *p = x + 2 * rows[i];
        cross += 0.5 * exp(-(p[0] * p[0] + p[1] * p[1]) / 4) / (double)n;
        for (int64_t j = 0; j < n; j++) {
            within += kernel(p, x + 2 * rows[j], 2) / (double)n / (double)n;
        }
    }
    return sqrt(within - 2 * cross + 1.0 / 3);
}

/* Out of n = 4^m normal rows 2^m are chosen. Kernel thinning falls near 1 / count: the slope of its logarithm is below -.85 (independent rows have
 * -.5: the theory's line, and random choice meets it within 25%), and it is below every 2^m-th row at each size. Ten sets of rows a size; from one
 * seed to another the slope's sd is about .03. */
static void thinning_beats_independent_rows(void **state)
{
    lk_context *ctx = *state;
    enum { FIRST = 3, LAST = 6 };
    static const char *const methods[] = {"kernel-thinning", "random", "standard"};
    static const char *const splits[] = {"target", "power", "sum"};
    double mean[3][LAST + 1] = {{0}}, by_split[3] = {0};
    const int times = (int)check_scaled(10, 3);
    for (int m = FIRST; m <= LAST; m++) {
        for (int set = 0; set < times; set++) {
            double *x;
            lk_table *table = normal_rows(ctx, (uint64_t)(100 * m + set), (int64_t)1 << (2 * m), 2, &x);
            for (int k = 0; k < 5; k++) {
                if (k > 2 && m < LAST) {
                    continue; /* power and sum at the largest size only */
                }
                const lk_select_options options = {.size = sizeof options, .count = (int64_t)1 << m, .method = methods[k > 2 ? 0 : k],
                                                   .split = k > 2 ? splits[k - 2] : NULL, .bandwidth = "1", .seed = set};
                lk_selection *selection = NULL;
                const int64_t *rows;
                check_ok(ctx, lk_select(ctx, table, &options, &selection));
                const int64_t count = lk_selection_rows(selection, &rows, NULL);
                const double value = from_normal(x, rows, count);
                *(k > 2 ? &by_split[k - 2] : &mean[k][m]) += value * value / times;
                lk_selection_free(ctx, selection);
            }
            lk_table_free(table);
            free(x);
        }
        for (int k = 0; k < 3; k++) {
            mean[k][m] = sqrt(mean[k][m]);
        }
        const double line = sqrt(2.0 / 3 / (double)(1 << m));
        print_message("%3d of %5d: thinned %.5f, random %.5f (%.5f), standard %.5f\n", 1 << m, 1 << (2 * m), mean[0][m], mean[1][m], line,
                      mean[2][m]);
        assert_true(fabs(mean[1][m] / line - 1) < 0.25 + 0.5 * (times < 10));
        assert_true(mean[0][m] < mean[2][m]);
    }
    const double slope = log(mean[0][LAST] / mean[0][FIRST]) / log((double)(1 << (LAST - FIRST)));
    print_message("slope %.3f; split by power %.5f, by sum %.5f\n", slope, sqrt(by_split[1]), sqrt(by_split[2]));
    assert_true(slope < -0.85);
    for (int k = 1; k < 3; k++) {
        assert_true(sqrt(by_split[k]) < 0.5 * mean[1][LAST]);
    }
}

/* Halving alone, without the exchange: the halves of normal rows differ far less than random halves, and which row goes where depends on the seed. */
static void halves_are_balanced(void **state)
{
    enum { N = 1024 };
    lk_context *ctx = *state;
    double *x, thinned = 0, random = 0;
    lk_table_free(normal_rows(ctx, 5, N, 2, &x));
    const lki_pair_factor factor = {.kernel = LKI_KERNEL_gaussian};
    const lki_pair_term term = {1.0, &factor, 1};
    const lki_thin_kernel gaussian = {&term, 1, 1.0};
    int64_t rows[N], halves[N], before[N];
    for (int64_t i = 0; i < N; i++) {
        rows[i] = i;
    }
    for (int seed = 0; seed < 4; seed++) {
        const lki_thinning t = {.x = x, .rows = N, .d = 2, .split = gaussian, .target = gaussian, .delta = 0.5, .seed = (uint64_t)seed};
        check_ok(ctx, lki_kernel_halve(ctx, &t, rows, N, 0.5 / N, 1, halves, halves + N / 2));
        for (int k = 0; k < 2; k++) {
            double difference = 0;
            for (int64_t i = 0; i < N; i++) {
                for (int64_t j = 0; j < N; j++) {
                    const double sign = (i < N / 2) == (j < N / 2) ? 1 : -1;
                    difference += sign * (k == 0 ? kernel(x + 2 * halves[i], x + 2 * halves[j], 2) : kernel(x + 2 * i, x + 2 * j, 2));
                }
            }
            *(k == 0 ? &thinned : &random) += difference / 4;
        }
        assert_true(seed == 0 || memcmp(before, halves, sizeof before) != 0);
        memcpy(before, halves, sizeof before);
    }
    print_message("squared difference of halves: %.4g thinned, %.4g in order\n", thinned, random);
    assert_true(thinned < 0.1 * random);
    free(x);
}

/* Stein thinning of one chosen pair, by the definition with derivatives of k = (1 + q)^(-1/2) by differences: the discrepancy of two rows is
 * the root of the sum over their four pairs over 2. */
static void stein_by_differences(void **state)
{
    enum { D = 2 };
    lk_context *ctx = *state;
    const double h[D] = {0.8, 1.7}, x[2 * D] = {0.3, -1.1, 1.4, 0.6}, score[2 * D] = {-0.3, 1.1, -1.0, -0.2}, e = 1e-4;
    double sum = 0;
    for (int a = 0; a < 2; a++) {
        for (int b = 0; b < 2; b++) {
            for (int j = 0; j < D; j++) {
                double k[3][3]; /* at x_j, y_j - e, 0, + e */
                for (int p = 0; p < 3; p++) {
                    for (int r = 0; r < 3; r++) {
                        double q = 0;
                        for (int l = 0; l < D; l++) {
                            const double u = (x[a * D + l] + (l == j) * (p - 1) * e - x[b * D + l] - (l == j) * (r - 1) * e) / h[l];
                            q += u * u;
                        }
                        k[p][r] = 1 / sqrt(1 + q);
                    }
                }
                const double sa = score[a * D + j], sb = score[b * D + j];
                sum += sa * sb * k[1][1] + sb * (k[2][1] - k[0][1]) / (2 * e) + sa * (k[1][2] - k[1][0]) / (2 * e) +
                       (k[2][2] - k[2][0] - k[0][2] + k[0][0]) / (4 * e * e);
            }
        }
    }
    int64_t rows[1];
    double one, discrepancy = 0;
    check_ok(ctx, lki_stein_thin(ctx, x, score, 1, D, h, 1, rows, &one));
    check_near(one * one, 0.3 * 0.3 + 1.1 * 1.1 + 1 / (0.8 * 0.8) + 1 / (1.7 * 1.7), 1e-12);
    int64_t both[64];
    check_ok(ctx, lki_stein_thin(ctx, x, score, 2, D, h, 2, both, &discrepancy));
    if (both[0] != both[1]) {
        check_near(discrepancy, sqrt(sum) / 2, 1e-6);
    }
    assert_true(both[0] != both[1]); /* the two rows lie on opposite sides: one twice would be worse */
}

/* Towards a model: rows of a chain that began far away. The chosen ones leave the beginning out, and their discrepancy from the model is far
 * below that of as many random rows. */
static void stein_leaves_the_beginning_out(void **state)
{
    enum { N = 3000, AWAY = 600 };
    lk_context *ctx = *state;
    double *x;
    lk_table_free(normal_rows(ctx, 9, N, 2, &x));
    for (int i = 0; i < AWAY; i++) {
        x[2 * i] += 6;
    }
    lk_table *table = gmm_table(ctx, x, N, 2);
    lk_model *model = gmm_build(ctx, "{\"weights\":[1],\"means\":[[0,0]],\"covariances\":[[[1,0],[0,1]]]}");
    const lk_select_options options = {.size = sizeof options, .count = 100, .method = "stein", .bandwidth = "1", .model = model};
    lk_selection *selection = NULL;
    const int64_t *rows;
    const double *weights;
    check_ok(ctx, lk_select(ctx, table, &options, &selection));
    const int64_t count = lk_selection_rows(selection, &rows, &weights);
    double mean = 0, away = 0;
    for (int64_t i = 0; i < count; i++) {
        mean += weights[i] * x[2 * rows[i]];
        away += rows[i] < AWAY && x[2 * rows[i]] > 4 ? weights[i] : 0;
    }
    print_message("%d rows, mean %.3f (all rows %.1f), discrepancy %.4f\n", (int)count, mean, 6.0 * AWAY / N, told(ctx, selection, "ksd"));
    assert_true(fabs(mean) < 0.1 && away == 0);
    assert_true(told(ctx, selection, "ksd") < 0.25 * sqrt((2.0 + 2.0) / 100)); /* E k(x, x) = 2 + 2 of independent rows */
    lk_selection_free(ctx, selection);
    lk_model_free(model);
    lk_table_free(table);
    free(x);
}

/* The uniform law under the periodic Sobolev kernel of order 1, whose squared discrepancy is the mean of the product of 1 + 2 pi^2 B_2 over all pairs less 1: what
 * is told is that, and the chosen rows are far below the (k(0) - 1) / n of independent ones. */
static void uniform_law(void **state)
{
    enum { N = 4096, COUNT = 64 };
    lk_context *ctx = *state;
    static double x[N * 2];
    lki_stream s = gmm_stream(12);
    for (int i = 0; i < 2 * N; i++) {
        x[i] = lki_random_uniform(&s);
    }
    lk_table *table = gmm_table(ctx, x, N, 2);
    const lk_select_options options = {.size = sizeof options, .count = COUNT, .kernel = "sobolev", .method = "compress", .uniform = 1};
    lk_selection *selection = NULL;
    const int64_t *rows;
    check_ok(ctx, lk_select(ctx, table, &options, &selection));
    const int64_t count = lk_selection_rows(selection, &rows, NULL);
    assert_int_equal(count, COUNT);
    double sum = 0;
    for (int64_t i = 0; i < count; i++) {
        for (int64_t j = 0; j < count; j++) {
            double product = 1;
            for (int l = 0; l < 2; l++) {
                const double u = fabs(x[2 * rows[i] + l] - x[2 * rows[j] + l]);
                product *= 1 + 2 * M_PI * M_PI * (u * u - u + 1.0 / 6);
            }
            sum += product / COUNT / COUNT;
        }
    }
    const double at_zero = (1 + M_PI * M_PI / 3) * (1 + M_PI * M_PI / 3), mmd = told(ctx, selection, "mmd");
    print_message("discrepancy %.4f, independent rows %.4f\n", mmd, sqrt((at_zero - 1) / COUNT));
    check_near(mmd, sqrt(sum - 1), 1e-9);
    assert_true(mmd < 0.5 * sqrt((at_zero - 1) / COUNT));
    lk_selection_free(ctx, selection);
    lk_table_free(table);
}

/* The same rows on 1 and 2 threads. */
static void same_rows_on_threads(void **state)
{
    static const char *const methods[] = {"kernel-thinning", "compress", "herding", "stein"};
    (void)state;
    for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
        lk_selection *chosen[2];
        const int64_t *rows[2];
        const double *weights[2];
        lk_context *contexts[2];
        int64_t count[2];
        for (int k = 0; k < 2; k++) {
            double *x;
            contexts[k] = check_context(k + 1);
            lk_table *table = normal_rows(contexts[k], 77, 5000, 4, &x);
            lk_model *model = gmm_build(contexts[k], "{\"weights\":[1],\"means\":[[0,0,0,0]],\"covariances\":[[[1,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]]]}");
            const lk_select_options options = {.size = sizeof options, .count = 30, .method = methods[m], .model = m == 3 ? model : NULL};
            check_ok(contexts[k], lk_select(contexts[k], table, &options, &chosen[k]));
            count[k] = lk_selection_rows(chosen[k], &rows[k], &weights[k]);
            lk_model_free(model);
            lk_table_free(table);
            free(x);
        }
        assert_int_equal(count[0], count[1]);
        assert_memory_equal(rows[0], rows[1], (size_t)count[0] * sizeof(int64_t));
        assert_memory_equal(weights[0], weights[1], (size_t)count[0] * sizeof(double));
        const double one = told(contexts[0], chosen[0], "mmd"), two = told(contexts[1], chosen[1], "mmd");
        assert_memory_equal(&one, &two, sizeof one);
        for (int k = 0; k < 2; k++) {
            lk_selection_free(contexts[k], chosen[k]);
            lk_context_free(contexts[k]);
        }
    }
}

/* Each allocation fails once: an error, nothing lost. */
static void allocations(void **state)
{
    static const char *const methods[] = {"kernel-thinning", "compress", "herding", "stein"};
    lk_context *plain = *state;
    double *x;
    lk_table *table = normal_rows(plain, 78, 300, 2, &x);
    lk_model *model = gmm_build(plain, "{\"weights\":[1],\"means\":[[0,0]],\"covariances\":[[[1,0],[0,1]]]}");
    for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
        const lk_select_options options = {.size = sizeof options, .count = 4, .method = methods[m], .model = m == 3 ? model : NULL};
        for (long fail_at = 1;; fail_at++) {
            check_memory memory = {0};
            lk_allocator allocator = check_allocator(&memory);
            lk_context_options how = {.size = sizeof how, .threads = 1, .allocator = &allocator};
            lk_context *ctx = NULL;
            lk_selection *selection = NULL;
            assert_int_equal(lk_context_new(&ctx, &how), LK_OK);
            memory.calls = 0;
            memory.fail_at = fail_at;
            const lk_status status = lk_select(ctx, table, &options, &selection);
            const int failed = memory.calls >= fail_at;
            memory.fail_at = 0;
            assert_int_equal(status, failed ? LK_ERROR_MEMORY : LK_OK);
            assert_int_equal(selection == NULL, failed);
            lk_selection_free(ctx, selection);
            lk_context_free(ctx);
            assert_int_equal(memory.live, 0);
            if (!failed) {
                assert_true(fail_at > 10);
                break;
            }
        }
    }
    lk_model_free(model);
    lk_table_free(table);
    free(x);
}

/* What cannot be chosen is refused, with the reason. */
static void refusals(void **state)
{
    lk_context *ctx = *state;
    const double x[6] = {0, 0, 1, 2, (double)NAN, 3};
    lk_table *table = gmm_table(ctx, x, 2, 2), *gap = gmm_table(ctx, x, 3, 2);
    const struct {
        lk_select_options options;
        const lk_table *table;
        const char *text;
    } cases[] = {
        {{.count = 3}, table, "3 rows cannot be chosen out of 2"},
        {{.method = "best"}, table, "method is 'best'; it must be one of auto, kernel-thinning"},
        {{.kernel = "box"}, table, "kernel is 'box'"},
        {{.split = "power", .kernel = "laplace"}, table, "kernel laplace has no rougher power"},
        {{.bandwidth = "1,2,3"}, table, "bandwidth is '1,2,3'; it must be median, or numbers above 0: one, or 2"},
        {{.bandwidth = "-1"}, table, "bandwidth is '-1'"},
        {{.method = "stein"}, table, "method stein thins towards a model"},
        {{.kernel = "sobolev"}, table, "row 2, column 'x2': the value 2 is outside [0, 1]"},
        {{.uniform = 1}, table, "only kernel sobolev knows its mean"},
        {{.loss = "x1"}, table, "are for method sensitivity, not for kernel-thinning"},
        {{.clusters = 2}, table, "clusters are for the methods sensitivity and stratified"},
        {{.method = "sensitivity", .clusters = 3}, table, "clusters is 3"},
        {{.method = "sensitivity", .loss = "x3"}, table, "x3"},
        {{0}, gap, "row 3, column 'x1': the value is missing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lk_select_options options = cases[i].options;
        lk_selection *selection = NULL;
        options.size = sizeof options;
        assert_int_not_equal(lk_select(ctx, cases[i].table, &options, &selection), LK_OK);
        assert_null(selection);
        check_contains(lk_error_message(ctx), cases[i].text);
    }
    lk_table_free(table);
    lk_table_free(gap);
}

/* Skewed rows: most near 0, few far out. With the loss f(x) = |x|^2 / 2 + 1 known at the centres, weighted sums of sensitivity sampling are unbiased, and their
 * error is that of the bound, Var <= F (F' + lambda Phi) / m with F the mean loss, F' its estimate by centres and Phi the mean squared distance (f_i <=
 * loss(c_i) + lambda d_i^2 is what lambda = 1 means here, checked row by row); uniform sampling has a greater one. */
static void sensitivity_is_unbiased(void **state)
{
    enum { N = 600, M = 40, K = 12, W = 3 };
    lk_context *ctx = *state;
    lki_stream s = gmm_stream(78);
    double x[N * W], F = 0, sums[3] = {0, 0, 0}, squares[3] = {0, 0, 0}, weight = 0;
    for (int64_t i = 0; i < N; i++) {
        const double far = i % 40 == 0 ? 15 : 1;
        x[i * W] = far * lki_random_normal(&s);
        x[i * W + 1] = far * lki_random_normal(&s);
        x[i * W + 2] = (x[i * W] * x[i * W] + x[i * W + 1] * x[i * W + 1]) / 2 + 1;
        F += x[i * W + 2] / N;
    }
    lk_table *table = gmm_table(ctx, x, N, W);
    const char *const methods[] = {"sensitivity", "random", "stratified"};
    const int64_t repeats = check_scaled(1500, 150);
    double bound = 0, exact = 0;
    for (int64_t r = 0; r < repeats; r++) {
        for (int m = 0; m < 3; m++) {
            const lk_select_options options = {.size = sizeof options, .count = M, .method = methods[m], .bandwidth = "1", .features = "1,2", .seed = r, .clusters = m != 1 ? K : 0,
                                               .loss = m == 0 ? "3" : NULL, .discrepancy = -1};
            lk_selection *selection = NULL;
            const int64_t *rows;
            const double *weights;
            check_ok(ctx, lk_select(ctx, table, &options, &selection));
            const int64_t count = lk_selection_rows(selection, &rows, &weights);
            double sum = 0;
            for (int64_t i = 0; i < count; i++) {
                sum += weights[i] * x[rows[i] * W + 2];
                weight += m == 0 ? weights[i] / (double)repeats : 0;
            }
            sums[m] += sum / (double)repeats;
            squares[m] += (sum - F) * (sum - F) / (double)repeats;
            lk_selection_free(ctx, selection);
        }
        int64_t cluster[N], nearest[K];
        double square[N], loss[K], total = 0;
        const double one[] = {1, 1};
        double points[N * 2];
        for (int64_t i = 0; i < N; i++) {
            points[2 * i] = x[i * W];
            points[2 * i + 1] = x[i * W + 1];
        }
        check_ok(ctx, lki_select_clusters(ctx, points, N, 2, one, K, (uint64_t)r, cluster, square));
        for (int c = 0; c < K; c++) {
            nearest[c] = -1;
        }
        for (int64_t i = 0; i < N; i++) {
            int64_t *at = &nearest[cluster[i]];
            *at = *at < 0 || square[i] < square[*at] ? i : *at;
        }
        for (int c = 0; c < K; c++) {
            loss[c] = nearest[c] >= 0 ? x[nearest[c] * W + 2] : 0;
        }
        double worst = 0;
        for (int64_t i = 0; i < N; i++) {
            total += (loss[cluster[i]] + square[i]) / N;
            worst = fmax(worst, x[i * W + 2] / (loss[cluster[i]] + square[i]));
        }
        bound += worst * F * total / M / (double)repeats;
        double second = 0; /* E f^2 / (n p)^2 over draws with probabilities p = (loss + square) / (n total) */
        for (int64_t i = 0; i < N; i++) {
            second += x[i * W + 2] * x[i * W + 2] * total / (loss[cluster[i]] + square[i]) / N;
        }
        exact += (second - F * F) / M / (double)repeats;
    }
    const double error = sqrt(squares[0] / (double)repeats);
    print_message("mean loss %.4f: sensitivity %.4f +- %.4f, sd %.4f (bound %.4f), random %.4f, stratified %.4f; weight %.4f\n", F, sums[0], error, sqrt(squares[0]), sqrt(bound),
                  sqrt(squares[1]), sqrt(squares[2]), weight);
    check_near(sums[0], F, 4.5 * error);
    check_near(weight, 1, 0.1);
    assert_true(squares[0] < 1.2 * bound);
    assert_true(squares[0] < 0.3 * squares[1]);
    check_near(squares[0] / exact, 1, 6 * sqrt(2.0 / (double)repeats)); /* of a variance, by kurtosis a little more than normal */
    assert_true(squares[2] < squares[1]);
    lk_table_free(table);
}

/* The means of the Sobolev kernel by sorting, against plain sums, with ties and the ends of the interval among the rows. */
static void sobolev_means_by_plain_sums(void **state)
{
    enum { N = 400 };
    lk_context *ctx = *state;
    lki_stream s = gmm_stream(77);
    double x[2 * N], out[N];
    for (int64_t d = 1; d <= 2; d++) {
        for (int64_t i = 0; i < N * d; i++) {
            const double u = lki_random_uniform(&s);
            x[i] = i % 5 == 0 ? nearbyint(8 * u) / 8 : u;
        }
        const lki_thinning t = {.x = x, .rows = N, .d = d};
        check_ok(ctx, lki_sobolev_means(ctx, &t, out));
        for (int64_t i = 0; i < N; i++) {
            double sum = 0;
            for (int64_t j = 0; j < N; j++) {
                double k = 1;
                for (int64_t c = 0; c < d; c++) {
                    const double u = fabs(x[i * d + c] - x[j * d + c]);
                    k *= 1 + 2 * M_PI * M_PI * (u * u - u + 1.0 / 6);
                }
                sum += k / N;
            }
            check_near(out[i], sum, 1e-11); /* 2e-14 of the greatest term that enters the sums, (4.3 + 19.7)^2 */
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sobolev_means_by_plain_sums), cmocka_unit_test(sensitivity_is_unbiased),
        cmocka_unit_test(discrepancy_by_plain_sums), cmocka_unit_test(thinning_beats_independent_rows),
        cmocka_unit_test(halves_are_balanced),       cmocka_unit_test(stein_by_differences),
        cmocka_unit_test(stein_leaves_the_beginning_out), cmocka_unit_test(uniform_law),
        cmocka_unit_test(same_rows_on_threads),      cmocka_unit_test(allocations),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
