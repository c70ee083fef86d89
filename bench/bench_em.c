/* Times EM iterations of a Gaussian mixture on an NPY file, beside DGEMM in the same process. bench_em.py runs it.
 * usage: bench_em FILE.npy K COVARIANCE ITERATIONS THREADS MEMORY; prints one JSON line. MEMORY 0 = all in memory. */
#include <cblas.h>
#include <likely/likely.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

extern void openblas_set_num_threads(int threads);

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The best of 5 products of 1536 x 1536 matrices, in GFLOP/s. */
static double dgemm_rate(int threads)
{
    enum { N = 1536 };
    double best = 0.0, *a = malloc(3 * sizeof(double) * N * N);
    if (a == NULL) {
        return 0.0;
    }
    openblas_set_num_threads(threads);
    for (int i = 0; i < 3 * N * N; i++) {
        a[i] = (double)(i % 97) / 97.0;
    }
    for (int r = 0; r < 5; r++) {
        const double start = now();
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, N, N, N, 1.0, a, N, a + N * N, N, 0.0, a + 2 * N * N, N);
        const double rate = 2e-9 * N * N * N / (now() - start);
        best = rate > best ? rate : best;
    }
    free(a);
    return best;
}

static double fit_seconds(lk_context *ctx, const lk_table *table, const char *K, const char *covariance, int iterations, char **info)
{
    char count[16];
    snprintf(count, sizeof count, "%d", iterations);
    const lk_setting settings[] = {{"components", K},   {"covariance", covariance}, {"init", "random"}, {"restarts", "1"},
                                   {"tol", "0"},        {"max_iter", count},        {NULL, NULL}};
    const lk_fit_options options = {.size = sizeof options, .settings = settings, .seed = 1};
    lk_model *model = NULL;
    const double start = now();
    if (lk_model_fit(ctx, "gmm", table, &options, &model) != LK_OK) {
        fprintf(stderr, "%s\n", lk_error_message(ctx));
        exit(1);
    }
    const double seconds = now() - start;
    if (info != NULL && lk_model_info(ctx, model, info) != LK_OK) {
        exit(1);
    }
    lk_model_free(model);
    return seconds;
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "usage: bench_em FILE.npy K COVARIANCE ITERATIONS THREADS MEMORY\n");
        return 2;
    }
    const int iterations = atoi(argv[4]), threads = atoi(argv[5]);
    const lk_context_options options = {.size = sizeof options, .threads = threads, .memory = atoll(argv[6])};
    const char *const gemm = getenv("LK_BENCH_GEMM");
    const double rate = gemm != NULL ? dgemm_rate(threads) : 0.0;
    lk_context *ctx;
    lk_table *table;
    if (lk_context_new(&ctx, &options) != LK_OK) {
        return 1;
    }
    if (lk_table_read(ctx, argv[1], NULL, &table) != LK_OK) {
        fprintf(stderr, "%s\n", lk_error_message(ctx));
        return 1;
    }
    char *info = NULL;
    double few = 1e300, many = 1e300; /* the least of each: what other work on the machine adds is no part of either */
    for (int r = 0; r < 4; r++) {
        lk_free(ctx, info);
        const double short_run = fit_seconds(ctx, table, argv[2], argv[3], 1, NULL);
        const double long_run = fit_seconds(ctx, table, argv[2], argv[3], 1 + iterations, &info);
        few = short_run < few ? short_run : few;
        many = long_run < many ? long_run : many;
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    const char *ll = strstr(info, "\"log_likelihood\":");
    printf("{\"iteration\": %.6g, \"fixed\": %.6g, \"dgemm\": %.6g, \"peak_mb\": %.1f, \"log_likelihood\": %.15g}\n", (many - few) / iterations, few, rate,
           (double)usage.ru_maxrss / 1024.0, ll != NULL ? strtod(ll + 17, NULL) : 0.0);
    lk_free(ctx, info);
    lk_table_free(table);
    lk_context_free(ctx);
    return 0;
}
