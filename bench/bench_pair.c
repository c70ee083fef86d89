/* Times the pair engine on random points, beside DGEMM in the same process. bench_pair.py runs it.
 * usage: bench_pair KERNEL sum|sum_single|log_sum N M D THREADS [CHECK]; prints one JSON line. Rows and points are standard normal; with CHECK a
 * tenth of a percent of the rows is compared with compensated sums. */
#include "core/philox.h"
#include "math/pair.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

extern void openblas_set_num_threads(int threads);

static double seconds_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double now(void)
{
    return seconds_of(CLOCK_MONOTONIC);
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

/* Multiply-adds of the distance products alone, by DGEMM: the best of 5, in 1e9 a second. */
static double gemm_rate(int64_t n, int64_t m, int64_t d, const double *x, const double *y, int threads)
{
    const int64_t rows = n < 2000 ? n : 2000;
    double best = 0.0, *out = malloc((size_t)(rows * m) * sizeof *out);
    openblas_set_num_threads(threads);
    for (int r = 0; r < 5 && out != NULL; r++) {
        const double start = now();
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)m, (int)d, 1.0, x, (int)d, y, (int)d, 0.0, out, (int)m);
        const double rate = 1e-9 * (double)rows * (double)m * (double)d / (now() - start);
        best = rate > best ? rate : best;
    }
    free(out);
    return best;
}

int main(int argc, char **argv)
{
    if (argc < 7) {
        fprintf(stderr, "usage: bench_pair KERNEL REDUCTION N M D THREADS [CHECK]\n");
        return 2;
    }
    const int64_t n = atoll(argv[3]), m = atoll(argv[4]), d = atoll(argv[5]);
    const lk_context_options options = {.size = sizeof options, .threads = atoi(argv[6])};
    double *x = normals(n * d, 1), *y = normals(m * d, 2), *out = malloc((size_t)n * sizeof *out);
    double *bandwidth = malloc((size_t)d * sizeof *bandwidth);
    lk_context *ctx;
    lki_pair *pair;
    if (x == NULL || y == NULL || out == NULL || bandwidth == NULL || lk_context_new(&ctx, &options) != LK_OK || lki_kernel_find(argv[1]) < 0) {
        return 1;
    }
    const double h = pow((double)m, -1.0 / (double)(d + 4));
    for (int64_t c = 0; c < d; c++) {
        bandwidth[c] = h;
    }
    const lki_pair_factor factor = {.kernel = (lki_kernel_id)lki_kernel_find(argv[1]), .bandwidth = bandwidth};
    const lki_pair_term term = {1.0, &factor, 1};
    if (lki_pair_new(ctx, &term, 1, y, m, d, &pair) != LK_OK) {
        fprintf(stderr, "%s\n", lk_error_message(ctx));
        return 1;
    }
    lki_pair_request request = {.reduction = strcmp(argv[2], "log_sum") == 0 ? LKI_PAIR_LOG_SUM : LKI_PAIR_SUM, .x = x, .rows = n, .out = out};
    double best = 1e300, processor = 1e300;
    for (int r = 0; r < 7; r++) { /* the least: what other work on the machine adds is no part of it */
        const double start = now(), used = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
        const bool single = strcmp(argv[2], "sum_single") == 0;
        if ((single ? lki_pair_sum_single(ctx, pair, x, n, NULL, out) : lki_pair_run(ctx, pair, &request)) != LK_OK) {
            return 1;
        }
        best = fmin(best, now() - start);
        processor = fmin(processor, seconds_of(CLOCK_PROCESS_CPUTIME_ID) - used);
    }
    double worst = 0.0;
    for (int64_t i = 0; argc > 7 && i < n; i += 1000) {
        double truth;
        lki_pair_request one = request;
        one.x = x + i * d;
        one.rows = 1;
        one.out = &truth;
        if (lki_pair_reference(ctx, &term, 1, y, m, d, &one) != LK_OK) {
            return 1;
        }
        worst = fmax(worst, fabs(out[i] - truth) / fabs(truth));
    }
    printf("{\"seconds\": %.6g, \"processor\": %.6g, \"pairs\": %.6g, \"pairs_a_processor_second\": %.6g, \"products\": %.6g, \"gemm\": %.6g, \"error\": %.3g, \"h\": %.17g}\n", best, processor,
           (double)n * (double)m / best, (double)n * (double)m / processor, 1e-9 * (double)n * (double)m * (double)d / best, gemm_rate(n, m, d, x, y, options.threads), worst, h);
    const lki_memory memory = lki_memory_of(ctx);
    lki_pair_free(&memory, pair);
    lk_context_free(ctx);
    free(x);
    free(y);
    free(out);
    free(bandwidth);
    return 0;
}
