/* Maximum mean discrepancies of two samples: of one kernel, of several bandwidths together, of the cubic kernel, and the energy distance. */
#include "judge/testing.h"
#include "data/json_text.h"
#include "data/median_bandwidth.h"

#include <math.h>
#include <string.h>

/* ---- from sums to estimates ---- */

/* The unbiased estimate of MMD^2: means over pairs of different rows within A and within B, less twice that between. */
static double mmd_of(const lki_samples *s, const lki_label_sums *sums)
{
    const double n = (double)s->n, m = (double)s->m;
    return sums->a / (n * (n - 1.0)) + sums->b / (m * (m - 1.0)) - 2.0 * sums->cross / (n * m);
}

/* A difference of statistics below this is rounding: the largest of the means that make them up has some 16 digits. */
static double rounding(const lki_samples *s, const lki_label_sums *sums)
{
    const double n = (double)s->n, m = (double)s->m;
    return 1e-12 * (fabs(sums->a) / (n * (n - 1.0)) + fabs(sums->b) / (m * (m - 1.0)) + 2.0 * fabs(sums->cross) / (n * m));
}

/* f(z_i) = mean over A of k(z_i, .) less mean over B, z_i itself left out. */
static void witness_of(lki_testing *t, const double *towards_a, const double *to_all)
{
    const lki_samples *s = &t->samples;
    for (int64_t i = 0; i < s->N; i++) {
        const double own_a = i < s->n ? 1.0 : 0.0, b = to_all[i] - towards_a[i];
        t->witness[i] = towards_a[i] / ((double)s->n - own_a) - b / ((double)s->m - 1.0 + own_a);
    }
}

/* A kernel's estimate with all its permutations; values and sums hold permutations + 1. */
static lk_status permuted(lki_testing *t, const lki_pair_term *term, lki_label_sums *sums, double *values, bool witness)
{
    const lki_samples *s = &t->samples;
    double *towards = NULL;
    lk_status status = LK_OK;
    if (witness) {
        LKI_TRY(lki_allocate(t->ctx, 2 * (size_t)s->N, sizeof *towards, &towards));
    }
    LKI_GOTO(status, done, lki_label_sums_of(t, term, 1, t->options.permutations, sums, towards, towards != NULL ? towards + s->N : NULL));
    for (int64_t b = 0; b <= t->options.permutations; b++) {
        values[b] = mmd_of(s, &sums[b]);
    }
    if (witness) {
        witness_of(t, towards, towards + s->N);
    }
done:
    lki_release(t->ctx, towards);
    return status;
}

static lk_status tell(lki_testing *t, double statistic, double effect, double p)
{
    LKI_TRY(lki_tell(t, "statistic", lki_json_number(statistic)));
    LKI_TRY(lki_tell(t, "effect", lki_json_number(effect)));
    LKI_TRY(lki_tell(t, "p", lki_json_number(p)));
    LKI_TRY(lki_tell(t, "law", json_string("permutations")));
    return lki_tell(t, "permutations", json_integer(t->options.permutations));
}

/* One kernel: statistic, p by permutations, and the statistic as a share of the most it could be: of a kernel the means within, of
 * a distance twice the mean between. */
static lk_status one_kernel(lki_testing *t, const lki_pair_factor *factor)
{
    const lki_samples *s = &t->samples;
    const lki_pair_term term = {1.0, factor, 1};
    const size_t count = (size_t)t->options.permutations + 1;
    lki_label_sums *sums = NULL;
    double *values = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(t->ctx, count, sizeof *sums, &sums));
    LKI_GOTO(status, done, lki_allocate(t->ctx, count, sizeof *values, &values));
    LKI_GOTO(status, done, permuted(t, &term, sums, values, true));
    const double within = sums->a / ((double)s->n * ((double)s->n - 1.0)) + sums->b / ((double)s->m * ((double)s->m - 1.0));
    const double most = factor->kernel == LKI_KERNEL_energy ? -2.0 * sums->cross / ((double)s->n * (double)s->m) : within;
    status = tell(t, values[0], most > 0.0 ? values[0] / most : 0.0,
                  lki_permutation_p(values, t->options.permutations, rounding(s, sums)));
done:
    lki_release(t->ctx, sums);
    lki_release(t->ctx, values);
    return status;
}

lk_status lki_test_mmd(lki_testing *t)
{
    LKI_TRY(lki_testing_bandwidth(t));
    LKI_TRY(lki_tell_kernel(t));
    const lki_pair_factor factor = {.kernel = t->kernel, .bandwidth = t->bandwidth};
    return one_kernel(t, &factor);
}

lk_status lki_test_energy(lki_testing *t)
{
    const lki_pair_factor factor = {.kernel = LKI_KERNEL_energy};
    return one_kernel(t, &factor);
}

/* ---- several bandwidths ---- */

/* Bandwidths h_1 < ... < h_10 in geometric progression from half the distance that 5% of the pairs are below to twice that of 95%. A labelling's
 * statistic is the least of the shares of labellings that are at least as extreme under each bandwidth (Schrab et al. 2023: the test that rejects
 * where one bandwidth does at a level u, with the greatest u that keeps the level of all together; with the same permutations for quantiles and
 * level it is this one). Shares are multiples of 1 / (B + 1), and ten bandwidths have ten labellings with the least one: among equal shares the
 * one that stands out most counts, in standard deviations over the labellings. */
enum { BANDWIDTHS = 10 };

static lk_status bandwidth_range(lki_testing *t, double *low, double *high)
{
    const lki_samples *s = &t->samples;
    int64_t *order = NULL;
    double *squares = NULL;
    size_t count = 0;
    lk_status status = LK_OK;
    LKI_TRY(lki_allocate(t->ctx, (size_t)s->N, sizeof *order, &order));
    lki_stream stream = lki_stream_new((uint64_t)t->options.seed, LKI_STREAM_PAIRS, 0);
    lki_random_permutation(&stream, order, s->N);
    LKI_GOTO(status, done, lki_pair_distances(t->ctx, s->z, s->N, s->d, t->bandwidth, order, &squares, &count));
    const double least = sqrt(squares[count / 20]), most = sqrt(squares[count - 1 - count / 20]);
    *high = most > 0.0 ? 2.0 * most : 1.0;
    *low = 0.5 * fmax(least, most / 100.0); /* many pairs may coincide */
    *low = *low > 0.0 ? *low : *high;
done:
    lki_release(t->ctx, order);
    lki_release(t->ctx, squares);
    return status;
}

/* share[b] = the least of itself and of (number of labellings with a value at least as large as b's) / (B + 1); most[b] the greatest of itself and
 * of the value in standard deviations from the mean. */
static void lower_shares(const double *values, int64_t permutations, double tolerance, double *share, double *most)
{
    double mean = 0.0, square = 0.0;
    for (int64_t b = 0; b <= permutations; b++) {
        mean += values[b] / (double)(permutations + 1);
    }
    for (int64_t b = 0; b <= permutations; b++) {
        square += (values[b] - mean) * (values[b] - mean) / (double)(permutations + 1);
    }
    for (int64_t b = 0; b <= permutations && square > tolerance * tolerance; b++) {
        most[b] = fmax(most[b], (values[b] - mean) / sqrt(square));
    }
    for (int64_t b = 0; b <= permutations; b++) {
        int64_t count = 0;
        for (int64_t c = 0; c <= permutations; c++) {
            count += values[c] >= values[b] - tolerance;
        }
        share[b] = fmin(share[b], (double)count / (double)(permutations + 1));
    }
}

typedef struct aggregation {
    lki_label_sums *sums;
    double *values, *share, *most; /* permutations + 1 */
    double *shape;          /* d: what bandwidths are multiples of */
    double best, factor, statistic, effect;
} aggregation;

static lk_status one_bandwidth(lki_testing *t, aggregation *g, double factor)
{
    const lki_samples *s = &t->samples;
    const lki_pair_factor kernel = {.kernel = t->kernel, .bandwidth = t->bandwidth};
    const lki_pair_term term = {1.0, &kernel, 1};
    for (int64_t j = 0; j < s->d; j++) {
        t->bandwidth[j] = factor * g->shape[j];
    }
    LKI_TRY(permuted(t, &term, g->sums, g->values, false));
    const double tolerance = rounding(s, g->sums), p = lki_permutation_p(g->values, t->options.permutations, tolerance);
    lower_shares(g->values, t->options.permutations, tolerance, g->share, g->most);
    if (p < g->best) {
        const double n = (double)s->n, m = (double)s->m;
        g->best = p;
        g->factor = factor;
        g->statistic = g->values[0];
        g->effect = g->values[0] / (g->sums->a / (n * (n - 1.0)) + g->sums->b / (m * (m - 1.0)));
    }
    return LK_OK;
}

/* With bandwidths given, multiples of them: from 1/8 to 8. */
static lk_status aggregate(lki_testing *t, aggregation *g)
{
    const lki_samples *s = &t->samples;
    const int64_t permutations = t->options.permutations;
    double low = 0.125, high = 8.0;
    if (t->options.bandwidth == NULL || strcmp(t->options.bandwidth, "median") == 0) {
        LKI_TRY(lki_allocate(t->ctx, (size_t)s->d, sizeof *t->bandwidth, &t->bandwidth));
        lki_column_scales(s->z, s->N, s->d, t->bandwidth);
        LKI_TRY(bandwidth_range(t, &low, &high));
    } else {
        LKI_TRY(lki_testing_bandwidth(t));
    }
    memcpy(g->shape, t->bandwidth, (size_t)s->d * sizeof *g->shape);
    for (int64_t b = 0; b <= permutations; b++) {
        g->share[b] = 1.0;
        g->most[b] = 0.0;
    }
    for (int i = 0; i < BANDWIDTHS; i++) {
        LKI_TRY(one_bandwidth(t, g, low * pow(high / low, (double)i / (BANDWIDTHS - 1))));
    }
    for (int64_t b = 0; b <= permutations; b++) {
        g->share[b] = g->most[b] / (1.0 + g->most[b]) - g->share[b] * (double)(permutations + 1); /* small is extreme, then `most` */
    }
    for (int64_t j = 0; j < s->d; j++) {
        t->bandwidth[j] = g->factor * g->shape[j];
    }
    const lki_pair_factor kernel = {.kernel = t->kernel, .bandwidth = t->bandwidth};
    const lki_pair_term term = {1.0, &kernel, 1};
    const double p = lki_permutation_p(g->share, permutations, 1e-9);
    t->options.permutations = 0; /* once more, for the witness alone */
    const lk_status status = permuted(t, &term, g->sums, g->values, true);
    t->options.permutations = permutations;
    LKI_TRY(status);
    LKI_TRY(lki_tell_kernel(t));
    LKI_TRY(lki_tell(t, "bandwidths", json_pack("[f,f,i]", low, high, BANDWIDTHS)));
    return tell(t, g->statistic, g->effect, p);
}

lk_status lki_test_mmd_agg(lki_testing *t)
{
    aggregation g = {.best = 2.0};
    const size_t count = (size_t)t->options.permutations + 1;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(t->ctx, count, sizeof *g.sums, &g.sums));
    LKI_GOTO(status, done, lki_allocate(t->ctx, count, sizeof *g.values, &g.values));
    LKI_GOTO(status, done, lki_allocate(t->ctx, count, sizeof *g.share, &g.share));
    LKI_GOTO(status, done, lki_allocate(t->ctx, count, sizeof *g.most, &g.most));
    LKI_GOTO(status, done, lki_allocate(t->ctx, (size_t)t->samples.d, sizeof *g.shape, &g.shape));
    status = aggregate(t, &g);
done:
    lki_release(t->ctx, g.sums);
    lki_release(t->ctx, g.values);
    lki_release(t->ctx, g.share);
    lki_release(t->ctx, g.most);
    lki_release(t->ctx, g.shape);
    return status;
}

/* ---- the kernel inception distance ---- */

enum { DEFAULT_BLOCKS = 10 };

/* The unbiased estimate of one block: rows a[0..n) of the first sample and b[0..m) of the second. */
static double block_estimate(const lki_samples *s, const int64_t *a, int64_t n, const int64_t *b, int64_t m)
{
    const int64_t count = n + m;
    lki_label_sums sums = {0};
    lki_samples block = {.n = n, .m = m};
    for (int64_t i = 0; i < count; i++) {
        const double *x = s->z + (i < n ? a[i] : b[i - n]) * s->d;
        for (int64_t j = 0; j < i; j++) {
            const double *y = s->z + (j < n ? a[j] : b[j - n]) * s->d;
            double product = 0.0;
            for (int64_t c = 0; c < s->d; c++) {
                product += x[c] * y[c];
            }
            const double u = product / (double)s->d + 1.0, k = u * u * u;
            if (i < n) {
                sums.a += 2.0 * k;
            } else if (j >= n) {
                sums.b += 2.0 * k;
            } else {
                sums.cross += k;
            }
        }
    }
    return mmd_of(&block, &sums);
}

/* The mean over blocks that have no row in common, and its standard error, sd / sqrt(blocks) (Binkowski et al. 2018, section 4). */
static lk_status tell_blocks(lki_testing *t)
{
    const lki_samples *s = &t->samples;
    const int64_t least = s->n < s->m ? s->n : s->m, most = least / 2;
    int64_t blocks = t->options.blocks > 0 ? t->options.blocks : DEFAULT_BLOCKS, *order;
    double mean = 0.0, square = 0.0;
    blocks = blocks < most ? blocks : most;
    if (blocks < 2) {
        LKI_TRY(lki_tell(t, "block_mean", json_null()));
        LKI_TRY(lki_tell(t, "block_error", json_null()));
        return lki_tell(t, "blocks", json_integer(0));
    }
    LKI_TRY(lki_allocate(t->ctx, (size_t)s->N, sizeof *order, &order));
    lki_stream stream = lki_stream_new((uint64_t)t->options.seed, LKI_STREAM_SPLIT, 0);
    lki_random_permutation(&stream, order, s->n);
    lki_random_permutation(&stream, order + s->n, s->m);
    for (int64_t i = s->n; i < s->N; i++) {
        order[i] += s->n;
    }
    const int64_t n = s->n / blocks, m = s->m / blocks;
    for (int64_t k = 0; k < blocks; k++) {
        const double value = block_estimate(s, order + k * n, n, order + s->n + k * m, m), change = value - mean;
        mean += change / (double)(k + 1);
        square += change * (value - mean);
    }
    lki_release(t->ctx, order);
    LKI_TRY(lki_tell(t, "block_mean", lki_json_number(mean)));
    LKI_TRY(lki_tell(t, "block_error", lki_json_number(sqrt(square / (double)(blocks - 1) / (double)blocks))));
    return lki_tell(t, "blocks", json_integer(blocks));
}

/* The statistic takes all pairs of rows; the blocks tell its error. */
lk_status lki_test_kid(lki_testing *t)
{
    const lki_samples *s = &t->samples;
    LKI_TRY(lki_allocate(t->ctx, (size_t)s->d, sizeof *t->bandwidth, &t->bandwidth));
    for (int64_t j = 0; j < s->d; j++) {
        t->bandwidth[j] = sqrt((double)s->d);
    }
    const lki_pair_factor factor = {.kernel = LKI_KERNEL_polynomial, .parameter = 3.0, .offset = 1.0, .bandwidth = t->bandwidth};
    LKI_TRY(one_kernel(t, &factor));
    return tell_blocks(t);
}

/* ---- studentized, without permutations ---- */

/* out[i] = mean over the `n` rows from z_a of k(z_i, .) less the mean over the `m` from z_b. */
static lk_status mean_difference(lki_testing *t, const double *x, int64_t rows, const double *z_a, int64_t n, const double *z_b, int64_t m,
                                 double *out)
{
    const lki_samples *s = &t->samples;
    const lki_pair_factor factor = {.kernel = t->kernel, .bandwidth = t->bandwidth};
    const lki_pair_term term = {1.0, &factor, 1};
    const lki_memory memory = lki_memory_of(t->ctx);
    const double *const points[] = {z_a, z_b};
    const int64_t counts[] = {n, m};
    double *sums;
    lk_status status = LK_OK;
    LKI_TRY(lki_allocate(t->ctx, (size_t)rows, sizeof *sums, &sums));
    memset(out, 0, (size_t)rows * sizeof *out);
    for (int which = 0; which < 2 && status == LK_OK; which++) {
        lki_pair *pair = NULL;
        const lki_pair_request request = {.reduction = LKI_PAIR_SUM, .x = x, .rows = rows, .out = sums};
        status = lki_pair_new(t->ctx, &term, 1, points[which], counts[which], s->d, &pair);
        status = status == LK_OK ? lki_pair_run(t->ctx, pair, &request) : status;
        for (int64_t i = 0; i < rows && status == LK_OK; i++) {
            out[i] += (which == 0 ? sums[i] : -sums[i]) / (double)counts[which];
        }
        lki_pair_free(&memory, pair);
    }
    lki_release(t->ctx, sums);
    return status;
}

static void mean_variance(const double *v, int64_t n, double *mean, double *variance)
{
    *mean = *variance = 0.0;
    for (int64_t i = 0; i < n; i++) {
        *mean += v[i] / (double)n;
    }
    for (int64_t i = 0; i < n; i++) {
        *variance += (v[i] - *mean) * (v[i] - *mean) / (double)n;
    }
}

/* The halves of both samples: rows of A and B in random order, and f of the second halves at the first ones. T = mean f(A_1) - mean f(B_1) over
 * sqrt(var f(A_1) / n_1 + var f(B_1) / m_1), standard normal under equality (Shekhar, Kim and Ramdas 2022, equations 4 to 6). */
static lk_status cross(lki_testing *t, double *shuffled, int64_t *order, double *f)
{
    const lki_samples *s = &t->samples;
    const int64_t d = s->d, n = s->n / 2, m = s->m / 2;
    double mean_a, mean_b, variance_a, variance_b;
    lki_stream stream = lki_stream_new((uint64_t)t->options.seed, LKI_STREAM_SPLIT, 0);
    lki_random_permutation(&stream, order, s->n);
    lki_random_permutation(&stream, order + s->n, s->m);
    for (int64_t i = 0; i < s->N; i++) {
        const int64_t from = order[i] + (i < s->n ? 0 : s->n);
        memcpy(shuffled + i * d, s->z + from * d, (size_t)d * sizeof *shuffled);
    }
    const double *a = shuffled, *b = shuffled + s->n * d;
    LKI_TRY(mean_difference(t, a, n, a + n * d, s->n - n, b + m * d, s->m - m, f));
    mean_variance(f, n, &mean_a, &variance_a);
    LKI_TRY(mean_difference(t, b, m, a + n * d, s->n - n, b + m * d, s->m - m, f));
    mean_variance(f, m, &mean_b, &variance_b);
    const double estimate = mean_a - mean_b, error = sqrt(variance_a / (double)n + variance_b / (double)m);
    const double z = error > 0.0 ? estimate / error : 0.0;
    LKI_TRY(lki_tell(t, "statistic", lki_json_number(estimate)));
    LKI_TRY(lki_tell(t, "standard_error", lki_json_number(error)));
    LKI_TRY(lki_tell(t, "z", lki_json_number(z)));
    LKI_TRY(lki_tell(t, "p", lki_json_number(0.5 * erfc(z / sqrt(2.0)))));
    return lki_tell(t, "law", json_string("asymptotic"));
}

lk_status lki_test_cross_mmd(lki_testing *t)
{
    const lki_samples *s = &t->samples;
    const size_t N = (size_t)s->N;
    double *shuffled = NULL, *f = NULL;
    int64_t *order = NULL;
    lki_label_sums sums;
    lk_status status = LK_OK;
    if (s->n < 4 || s->m < 4) {
        return lki_fail(t->ctx, LK_ERROR_DATA, "cross-mmd halves both tables: it needs four complete rows of each, not %lld and %lld",
                        (long long)s->n, (long long)s->m);
    }
    LKI_TRY(lki_testing_bandwidth(t));
    LKI_TRY(lki_tell_kernel(t));
    LKI_GOTO(status, done, lki_allocate(t->ctx, lki_product(N, (size_t)s->d), sizeof *shuffled, &shuffled));
    LKI_GOTO(status, done, lki_allocate(t->ctx, 2 * N, sizeof *f, &f));
    LKI_GOTO(status, done, lki_allocate(t->ctx, N, sizeof *order, &order));
    LKI_GOTO(status, done, cross(t, shuffled, order, f));
    const lki_pair_factor factor = {.kernel = t->kernel, .bandwidth = t->bandwidth};
    const lki_pair_term term = {1.0, &factor, 1};
    LKI_GOTO(status, done, lki_label_sums_of(t, &term, 1, 0, &sums, f, f + N));
    witness_of(t, f, f + N);
    const double n = (double)s->n, m = (double)s->m;
    status = lki_tell(t, "effect", lki_json_number(mmd_of(s, &sums) / (sums.a / (n * (n - 1.0)) + sums.b / (m * (m - 1.0)))));
done:
    lki_release(t->ctx, shuffled);
    lki_release(t->ctx, f);
    lki_release(t->ctx, order);
    return status;
}
