/* Times sums by a tree on standard normal points and rows, and compares some of them, among these the rows farthest out, with exact ones.
 * bench_tree_sum.py runs it. usage: bench_tree_sum N ROWS D H RTOL THREADS CHECKED; prints one JSON line. */
#include "core/philox.h"
#include "math/pair.h"
#include "math/tree_sum.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double *normals(int64_t n, uint64_t stream)
{
    double *x = malloc((size_t)n * sizeof *x);
    lki_stream s = lki_stream_new(1, LKI_STREAM_TEST, stream);
    for (int64_t i = 0; x != NULL && i < n; i++) {
        x[i] = lki_random_normal(&s);
    }
    return x;
}

typedef struct far_row {
    double square;
    int64_t row;
} far_row;

static int farther(const void *a, const void *b)
{
    const far_row *p = a, *q = b;
    return p->square < q->square ? 1 : p->square > q->square ? -1 : (p->row > q->row) - (p->row < q->row);
}

/* The greatest relative error: half of the checked rows are those farthest from the centre, half evenly spaced. */
static int check(lk_context *ctx, const double *y, const double *x, int64_t n, int64_t rows, int64_t d, const double *h, const double *logs,
                 int64_t checked, double *worst, double *worst_far)
{
    far_row *order = malloc((size_t)rows * sizeof *order);
    double *some = malloc((size_t)(checked * d) * sizeof *some), *truth = malloc((size_t)checked * sizeof *truth);
    const lki_pair_factor factor = {.kernel = LKI_KERNEL_gaussian, .bandwidth = h};
    const lki_pair_term term = {1.0, &factor, 1};
    const lki_memory memory = lki_memory_of(ctx);
    lki_pair *pair = NULL;
    if (order == NULL || some == NULL || truth == NULL || lki_pair_new(ctx, &term, 1, y, n, d, &pair) != LK_OK) {
        return 1;
    }
    for (int64_t i = 0; i < rows; i++) {
        order[i] = (far_row){0.0, i};
        for (int64_t j = 0; j < d; j++) {
            order[i].square += x[i * d + j] * x[i * d + j];
        }
    }
    qsort(order, (size_t)rows, sizeof *order, farther);
    for (int64_t i = checked / 2; i < checked; i++) {
        order[i].row = i * (rows / checked);
    }
    for (int64_t i = 0; i < checked; i++) {
        memcpy(some + i * d, x + order[i].row * d, (size_t)d * sizeof *some);
    }
    const lki_pair_request request = {.reduction = LKI_PAIR_LOG_SUM, .x = some, .rows = checked, .out = truth};
    if (lki_pair_run(ctx, pair, &request) != LK_OK) {
        return 1;
    }
    for (int64_t i = 0; i < checked; i++) {
        const double error = fabs(expm1(logs[order[i].row] - truth[i]));
        *worst = fmax(*worst, error);
        *worst_far = i < checked / 2 ? fmax(*worst_far, error) : *worst_far;
    }
    lki_pair_free(&memory, pair);
    free(order);
    free(some);
    free(truth);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 8) {
        fprintf(stderr, "usage: bench_tree_sum N ROWS D H RTOL THREADS CHECKED\n");
        return 2;
    }
    const int64_t n = atoll(argv[1]), rows = atoll(argv[2]), d = atoll(argv[3]), checked = atoll(argv[7]);
    const lk_context_options options = {.size = sizeof options, .threads = atoi(argv[6])};
    double *y = normals(n * d, 1), *x = normals(rows * d, 2), *out = malloc((size_t)rows * sizeof *out), h[64], worst = 0.0, worst_far = 0.0;
    lk_context *ctx = NULL;
    lki_tree_sum *sum = NULL;
    for (int j = 0; j < 64; j++) {
        h[j] = strtod(argv[4], NULL);
    }
    if (x == NULL || y == NULL || out == NULL || d > 64 || lk_context_new(&ctx, &options) != LK_OK) {
        return 1;
    }
    const double start = now();
    if (lki_tree_sum_new(ctx, y, NULL, n, d, h, strtod(argv[5], NULL), &sum) != LK_OK) {
        return 1;
    }
    const double built = now();
    if (lki_tree_sum_log(ctx, sum, x, rows, out) != LK_OK) {
        return 1;
    }
    const double done = now();
    if (checked > 0 && check(ctx, y, x, n, rows, d, h, out, checked, &worst, &worst_far) != 0) {
        return 1;
    }
    printf("{\"build\": %.6g, \"sum\": %.6g, \"error\": %.3g, \"error_far\": %.3g}\n", built - start, done - built, worst, worst_far);
    const lki_memory memory = lki_memory_of(ctx);
    lki_tree_sum_free(&memory, sum);
    lk_context_free(ctx);
    free(x);
    free(y);
    free(out);
    return 0;
}
