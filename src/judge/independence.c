/* Are some columns independent of others: Hilbert-Schmidt criterion and distance correlation, with permutations. */
#include "judge/testing.h"
#include "core/reduce.h"
#include "data/json_text.h"
#include "data/median_bandwidth.h"
#include "data/roles.h"
#include "math/blas.h"
#include "math/paired_sums.h"

#include <math.h>
#include <string.h>

/* Rows of a strip, and permutations that run through one at a time. */
enum { STRIP = 32, AT_ONCE = 64 };

/* Permuted sums come from matrices in single precision: statistics that differ by less than this share of the sum are equal. */
#define ROUNDING 2e-7

#define NAME(id, name, summary) name,
static const char *const names[] = {LK_INDEPENDENCE_TEST_LIST(NAME) NULL};
#undef NAME
#define POSITION(id, name, summary) TEST_##id,
enum { LK_INDEPENDENCE_TEST_LIST(POSITION) TESTS };
#undef POSITION

/* One side: its columns, its kernel, and the sums of each row of its matrix without the diagonal. */
typedef struct side {
    lki_pair *pair;
    int64_t *columns;
    double *sums; /* n */
    double total;
} side;

typedef struct worker {
    lk_context *ctx;      /* of one thread */
    double *values[2];    /* STRIP x n */
    float *row;           /* n */
} worker;

typedef struct dependence {
    lki_testing *t;
    side sides[2];
    float *second;        /* n x n: the matrix of the second side, its diagonal 0; NULL = not kept */
    const int32_t *order; /* of some permutations: count x n */
    int64_t count;
    worker *workers;
} dependence;

/* ---- strips of the kernels' matrices ---- */

static lk_status worker_open(lk_context *ctx, const dependence *h, worker *w)
{
    const size_t n = (size_t)h->t->samples.N;
    if (w->ctx == NULL) {
        for (int s = 0; s < 2; s++) {
            LKI_TRY(lki_allocate(ctx, lki_product(STRIP, n), sizeof(double), &w->values[s]));
        }
        LKI_TRY(lki_allocate(ctx, n, sizeof *w->row, &w->row));
        LKI_TRY(lki_context_worker(ctx, &w->ctx));
    }
    return LK_OK;
}

/* Rows first.. of the matrix of one side, its diagonal 0. Returns how many through *rows. */
static lk_status strip_of(lk_context *ctx, const dependence *h, worker *w, int s, int64_t index, int64_t *rows)
{
    const lki_samples *z = &h->t->samples;
    const int64_t first = index * STRIP;
    *rows = z->N - first < STRIP ? z->N - first : STRIP;
    const lki_pair_request request = {.reduction = LKI_PAIR_VALUES, .x = z->z + first * z->d, .rows = *rows, .out = w->values[s]};
    LKI_TRY(lki_pass_on(ctx, w->ctx, lki_pair_run(w->ctx, h->sides[s].pair, &request)));
    for (int64_t i = 0; i < *rows; i++) {
        w->values[s][i * z->N + first + i] = 0.0;
    }
    return LK_OK;
}

/* sums: of K L, K K and L L over pairs of different rows. */
enum { BOTH, FIRST, SECOND, SUMS };
static lk_status products(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    dependence *h = state;
    worker *w = &h->workers[thread];
    const int64_t n = h->t->samples.N;
    int64_t rows = 0;
    LKI_TRY(worker_open(ctx, h, w));
    for (int s = 0; s < 2; s++) {
        LKI_TRY(strip_of(ctx, h, w, s, index, &rows));
    }
    for (int64_t i = 0; i < rows; i++) {
        const double *k = w->values[0] + i * n, *l = w->values[1] + i * n;
        double sum[LKI_PAIRED_SUMS];
        lki_paired_sums(k, l, n, sum);
        sums[BOTH] += sum[0];
        sums[FIRST] += sum[1];
        sums[SECOND] += sum[2];
        h->sides[0].sums[index * STRIP + i] = sum[3];
        h->sides[1].sums[index * STRIP + i] = sum[4];
        for (int64_t j = 0; h->second != NULL && j < n; j++) {
            h->second[(index * STRIP + i) * n + j] = (float)l[j];
        }
    }
    return LK_OK;
}

/* sums[b] = sum over the i of a strip and all j < i of 2 K_ij L_{pi(i) pi(j)} for permutation b of those at hand: both matrices are symmetric. */
static lk_status permuted_products(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const dependence *h = state;
    worker *w = &h->workers[thread];
    const int64_t n = h->t->samples.N;
    int64_t rows = 0;
    LKI_TRY(worker_open(ctx, h, w));
    LKI_TRY(lki_cancelled(ctx));
    LKI_TRY(strip_of(ctx, h, w, 0, index, &rows));
    for (int64_t i = 0; i < rows; i++) {
        const int64_t below = index * STRIP + i;
        for (int64_t j = 0; j < below; j++) {
            w->row[j] = (float)w->values[0][i * n + j];
        }
        for (int64_t b = 0; b < h->count; b++) {
            const int32_t *order = h->order + b * n;
            sums[b] += 2.0 * lki_gathered_product(w->row, h->second + (int64_t)order[below] * n, order, below);
        }
    }
    return LK_OK;
}

/* ---- the statistic ---- */

/* sum over i != j of A_ij B_ij for the U-centred matrices, from the plain sum of K_ij L_ij (Song et al. 2012, equation 5, times n (n - 3)). */
static double centred(double n, double products_sum, double k_total, double l_total, double rows_product)
{
    return products_sum + k_total * l_total / ((n - 1.0) * (n - 2.0)) - 2.0 / (n - 2.0) * rows_product;
}

static double rows_product(const double *k, const double *l, const int32_t *order, int64_t n)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        sum += k[i] * l[order != NULL ? order[i] : i];
    }
    return sum;
}

/* Permutation b of n rows, 0 = as they stand. */
static void permutation(uint64_t seed, int64_t b, int64_t n, int64_t *scratch, int32_t *order)
{
    for (int64_t i = 0; i < n; i++) {
        scratch[i] = i;
    }
    if (b > 0) {
        lki_stream stream = lki_stream_new(seed, LKI_STREAM_LABELS, (uint64_t)b);
        lki_random_permutation(&stream, scratch, n);
    }
    for (int64_t i = 0; i < n; i++) {
        order[i] = (int32_t)scratch[i];
    }
}

/* values[b] of permutations 0..B, all by the same sums, so that ties stay ties but for rounding. */
static lk_status permute(dependence *h, double *values)
{
    lki_testing *t = h->t;
    const int64_t n = t->samples.N, permutations = t->options.permutations;
    int32_t *order = NULL;
    int64_t *scratch = NULL;
    double sums[AT_ONCE];
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(t->ctx, lki_product(AT_ONCE, (size_t)n), sizeof *order, &order));
    LKI_GOTO(status, done, lki_allocate(t->ctx, (size_t)n, sizeof *scratch, &scratch));
    h->order = order;
    for (int64_t first = 0; first <= permutations; first += AT_ONCE) {
        h->count = permutations + 1 - first < AT_ONCE ? permutations + 1 - first : AT_ONCE;
        lki_progress(t->ctx, "permutations", (double)first, (double)permutations, "");
        for (int64_t b = 0; b < h->count; b++) {
            permutation((uint64_t)t->options.seed, first + b, n, scratch, order + b * n);
        }
        const lki_reduction reduction = {.blocks = (n + STRIP - 1) / STRIP, .length = (size_t)h->count, .block = permuted_products, .state = h,
                                         .work = (double)STRIP * (double)n * (20.0 + 2.0 * (double)h->count)};
        LKI_GOTO(status, done, lki_reduce(t->ctx, &reduction, sums));
        for (int64_t b = 0; b < h->count; b++) {
            const double rows = rows_product(h->sides[0].sums, h->sides[1].sums, order + b * n, n);
            values[first + b] = centred((double)n, sums[b], h->sides[0].total, h->sides[1].total, rows);
        }
    }
done:
    lki_release(t->ctx, order);
    lki_release(t->ctx, scratch);
    return status;
}

static lk_status tell(dependence *h, const double *sums, const double *values)
{
    lki_testing *t = h->t;
    const double n = (double)t->samples.N;
    double value[SUMS], scale = 0.0;
    for (int i = 0; i < SUMS; i++) {
        const side *a = &h->sides[i == SECOND], *b = &h->sides[i != FIRST];
        value[i] = centred(n, sums[i], a->total, b->total, rows_product(a->sums, b->sums, NULL, t->samples.N));
        scale += i == BOTH ? fabs(sums[i]) : 0.0;
    }
    const double both = value[FIRST] * value[SECOND];
    LKI_TRY(lki_tell(t, "covariance", lki_json_number(value[BOTH] / (n * (n - 3.0)))));
    LKI_TRY(lki_tell(t, "statistic", lki_json_number(value[FIRST] > 0.0 && value[SECOND] > 0.0 ? value[BOTH] / sqrt(both) : 0.0)));
    LKI_TRY(lki_tell(t, "p", lki_json_number(lki_permutation_p(values, t->options.permutations, ROUNDING * scale))));
    LKI_TRY(lki_tell(t, "law", json_string("permutations")));
    return lki_tell(t, "permutations", json_integer(t->options.permutations));
}

/* ---- the test ---- */

/* The kernel of one side's columns, `first` to `first + d`. */
static lk_status side_new(lki_testing *t, bool distances, int64_t first, int64_t d, side *out)
{
    lki_samples *s = &t->samples;
    const lki_pair_factor factor = {.kernel = distances ? LKI_KERNEL_energy : t->kernel, .columns = out->columns, .count = d,
                                    .bandwidth = distances ? NULL : t->bandwidth + first};
    const lki_pair_term term = {1.0, &factor, 1};
    return lki_pair_new(t->ctx, &term, 1, s->z, s->N, s->d, &out->pair);
}

/* The median rule of each side by itself. */
static lk_status bandwidths(lki_testing *t, int64_t first_count)
{
    lki_samples *s = &t->samples;
    if (t->options.bandwidth != NULL && strcmp(t->options.bandwidth, "median") != 0) {
        return lki_testing_bandwidth(t);
    }
    double *part = NULL;
    int64_t *order = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(t->ctx, (size_t)s->d, sizeof *t->bandwidth, &t->bandwidth));
    LKI_GOTO(status, done, lki_allocate(t->ctx, lki_product((size_t)s->N, (size_t)s->d), sizeof *part, &part));
    LKI_GOTO(status, done, lki_allocate(t->ctx, (size_t)s->N, sizeof *order, &order));
    lki_stream stream = lki_stream_new((uint64_t)t->options.seed, LKI_STREAM_PAIRS, 0);
    lki_random_permutation(&stream, order, s->N);
    for (int which = 0; which < 2; which++) {
        const int64_t from = which == 0 ? 0 : first_count, d = which == 0 ? first_count : s->d - first_count;
        for (int64_t i = 0; i < s->N; i++) {
            memcpy(part + i * d, s->z + i * s->d + from, (size_t)d * sizeof *part);
        }
        LKI_GOTO(status, done, lki_median_bandwidth(t->ctx, part, s->N, d, order, t->bandwidth + from));
    }
done:
    lki_release(t->ctx, part);
    lki_release(t->ctx, order);
    return status;
}

static lk_status test(lki_testing *t, bool distances, int64_t first_count)
{
    lk_context *ctx = t->ctx;
    const lki_samples *s = &t->samples;
    const size_t n = (size_t)s->N, threads = (size_t)lki_threads(ctx);
    const lki_memory memory = lki_memory_of(ctx);
    dependence h = {.t = t};
    double sums[SUMS], *values = NULL;
    lk_status status = LK_OK;
    for (int which = 0; which < 2; which++) {
        const int64_t from = which == 0 ? 0 : first_count, d = which == 0 ? first_count : s->d - first_count;
        LKI_GOTO(status, done, lki_allocate(ctx, (size_t)d, sizeof(int64_t), &h.sides[which].columns));
        for (int64_t c = 0; c < d; c++) {
            h.sides[which].columns[c] = from + c;
        }
        LKI_GOTO(status, done, lki_allocate(ctx, n, sizeof(double), &h.sides[which].sums));
        LKI_GOTO(status, done, side_new(t, distances, from, d, &h.sides[which]));
    }
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product(n, n), sizeof *h.second, &h.second));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)t->options.permutations + 1, sizeof *values, &values));
    LKI_GOTO(status, done, lki_zeros(ctx, threads, sizeof *h.workers, &h.workers));
    const lki_reduction reduction = {.blocks = (s->N + STRIP - 1) / STRIP, .length = SUMS, .block = products, .state = &h, .stage = "kernels",
                                     .work = (double)STRIP * (double)s->N * 50.0};
    LKI_GOTO(status, done, lki_reduce(ctx, &reduction, sums));
    for (int which = 0; which < 2; which++) {
        for (size_t i = 0; i < n; i++) {
            h.sides[which].total += h.sides[which].sums[i];
        }
    }
    LKI_GOTO(status, done, permute(&h, values));
    status = tell(&h, sums, values);
done:
    for (size_t i = 0; h.workers != NULL && i < threads; i++) {
        lki_release(ctx, h.workers[i].values[0]);
        lki_release(ctx, h.workers[i].values[1]);
        lki_release(ctx, h.workers[i].row);
        lk_context_free(h.workers[i].ctx);
    }
    for (int which = 0; which < 2; which++) {
        lki_release(ctx, h.sides[which].columns);
        lki_release(ctx, h.sides[which].sums);
        lki_pair_free(&memory, h.sides[which].pair);
    }
    lki_release(ctx, h.workers);
    lki_release(ctx, h.second);
    lki_release(ctx, values);
    return status;
}

/* How many columns the left side names. */
static lk_status count_left(lki_testing *t, const lk_table *table, const char *left, int64_t *out)
{
    const lk_roles roles = {.size = sizeof roles, .features = left};
    int64_t *features = NULL;
    LKI_TRY(lki_roles_resolve(t->ctx, table, &roles, &features, out, NULL, NULL, NULL));
    lki_release(t->ctx, features);
    return LK_OK;
}

static lk_status make(lki_testing *t, const lk_table *table, const char *left, const char *right, const lk_test_options *options, char **all)
{
    const lki_samples *s = &t->samples;
    int64_t first = 0;
    int which;
    LKI_TRY(lki_zeros(t->ctx, 1, sizeof *t->out, &t->out));
    if ((t->out->info = json_object()) == NULL) {
        return lki_json_memory(t->ctx);
    }
    LKI_TRY(lki_testing_options(t, options, names, &which));
    which = which < 0 ? TEST_HSIC : which;
    LKI_TRY(lki_format_text(t->ctx, all, "%s,%s", left, right));
    t->options.features = *all;
    LKI_TRY(count_left(t, table, left, &first));
    LKI_TRY(lki_samples_read(t, table, NULL));
    if (s->n < 4) {
        return lki_fail(t->ctx, LK_ERROR_DATA, "there are %lld complete rows; a test of independence needs at least four", (long long)s->n);
    }
    if (4.0 * (double)s->N * (double)s->N > (double)lki_memory_limit(t->ctx) || s->N > INT32_MAX) {
        return lki_fail(t->ctx, LK_ERROR_MEMORY, "permutations of %lld rows need %.3g bytes, more than the memory limit of %lld: raise it, or test "
                                                 "fewer rows (likely select)", (long long)s->N, 4.0 * (double)s->N * (double)s->N,
                        (long long)lki_memory_limit(t->ctx));
    }
    LKI_TRY(lki_tell_samples(t, names[which]));
    LKI_TRY(lki_tell(t, "left", json_integer(first)));
    if (which == TEST_HSIC) {
        LKI_TRY(bandwidths(t, first));
        LKI_TRY(lki_tell_kernel(t));
    }
    return test(t, which == TEST_DCORR, first);
}

lk_status lk_test_independence(lk_context *context, const lk_table *table, const char *left, const char *right, const lk_test_options *options,
                               lk_test **out)
{
    lki_testing t = {.ctx = context};
    char *all = NULL;
    lki_begin(context);
    if (table == NULL || left == NULL || right == NULL || left[0] == '\0' || right[0] == '\0' || out == NULL) {
        return lki_fail(context, LK_ERROR_ARGUMENT, "a test of independence wants a table and columns on both sides");
    }
    lki_blas_enter();
    const lk_status status = make(&t, table, left, right, options, &all);
    lki_blas_leave();
    lki_testing_close(&t, status);
    lki_release(context, all);
    if (status == LK_OK) {
        *out = t.out;
    }
    return status;
}
