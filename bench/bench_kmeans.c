/* Times k-means from given centres. bench_kmeans.py runs it.
 * usage: bench_kmeans ROWS START N D K THREADS TOL BATCH; ROWS and START are files of raw doubles; prints one JSON line. */
#include <likely/kmeans.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double *read_doubles(const char *path, int64_t count)
{
    double *x = malloc((size_t)count * sizeof *x);
    FILE *f = fopen(path, "rb");
    if (x == NULL || f == NULL || fread(x, sizeof *x, (size_t)count, f) != (size_t)count) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    fclose(f);
    return x;
}

int main(int argc, char **argv)
{
    if (argc < 9) {
        fprintf(stderr, "usage: bench_kmeans ROWS START N D K THREADS TOL BATCH\n");
        return 2;
    }
    const int64_t n = atoll(argv[3]), d = atoll(argv[4]), K = atoll(argv[5]);
    double *x = read_doubles(argv[1], n * d), *start = read_doubles(argv[2], K * d), *centres = malloc((size_t)(K * d) * sizeof *centres);
    const lk_context_options options = {.size = sizeof options, .threads = atoi(argv[6])};
    const lk_kmeans_options how = {.size = sizeof how, .start = start, .tol = strtod(argv[7], NULL), .batch = atoll(argv[8])};
    lk_kmeans_result result = {.size = sizeof result};
    lk_context *ctx = NULL;
    if (centres == NULL || lk_context_new(&ctx, &options) != LK_OK) {
        return 1;
    }
    const double begin = now();
    if (lk_kmeans(ctx, x, n, d, K, &how, centres, NULL, &result) != LK_OK) {
        fprintf(stderr, "%s\n", lk_error_message(ctx));
        return 1;
    }
    printf("{\"seconds\": %.6g, \"inertia\": %.17g, \"iterations\": %lld, \"moved\": %lld}\n", now() - begin, result.inertia, (long long)result.iterations, (long long)result.moved);
    lk_context_free(ctx);
    free(x);
    free(start);
    free(centres);
    return 0;
}
