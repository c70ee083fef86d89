/* Times the neighbour search on normal points. bench_neighbours.py runs it.
 * usage: bench_neighbours METHOD N ROWS D K THREADS [FILE]; prints one JSON line; FILE receives the rows' distances as raw doubles. With
 * FILE.x and FILE.y beside it, raw doubles of rows and points, these are taken. */
#include "core/philox.h"
#include <likely/neighbours.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double *normals(int64_t n, uint64_t stream, const char *file, const char *end)
{
    double *x = malloc((size_t)n * sizeof *x);
    char path[4096];
    snprintf(path, sizeof path, "%s%s", file, end);
    FILE *f = file[0] != '\0' ? fopen(path, "rb") : NULL;
    if (f != NULL && x != NULL) {
        const size_t got = fread(x, sizeof *x, (size_t)n, f);
        fclose(f);
        return got == (size_t)n ? x : NULL;
    }
    lki_stream s = lki_stream_new(1, LKI_STREAM_TEST, stream);
    for (int64_t i = 0; x != NULL && i < n; i++) {
        x[i] = lki_random_normal(&s);
    }
    return x;
}

int main(int argc, char **argv)
{
    if (argc < 7) {
        fprintf(stderr, "usage: bench_neighbours METHOD N ROWS D K THREADS [FILE]\n");
        return 2;
    }
    const int64_t n = atoll(argv[2]), rows = atoll(argv[3]), d = atoll(argv[4]), k = atoll(argv[5]);
    const char *file = argc > 7 ? argv[7] : "";
    const lk_context_options options = {.size = sizeof options, .threads = atoi(argv[6])};
    const lk_neighbours_options how = {.size = sizeof how, .method = argv[1]};
    double *y = normals(n * d, 1, file, ".y"), *x = normals(rows * d, 2, file, ".x");
    double *distances = malloc((size_t)(rows * k) * sizeof *distances);
    int64_t *indices = malloc((size_t)(rows * k) * sizeof *indices);
    lk_context *ctx = NULL;
    lk_neighbours *nb = NULL;
    if (x == NULL || y == NULL || distances == NULL || indices == NULL || lk_context_new(&ctx, &options) != LK_OK) {
        return 1;
    }
    const double start = now();
    if (lk_neighbours_new(ctx, y, n, d, &how, &nb) != LK_OK) {
        fprintf(stderr, "%s\n", lk_error_message(ctx));
        return 1;
    }
    const double built = now();
    if (lk_neighbours_find(ctx, nb, x, rows, k, NULL, distances, indices) != LK_OK) {
        return 1;
    }
    const double found = now();
    if (file[0] != '\0') {
        FILE *f = fopen(file, "wb");
        if (f == NULL || fwrite(distances, sizeof *distances, (size_t)(rows * k), f) != (size_t)(rows * k) || fclose(f) != 0) {
            return 1;
        }
    }
    printf("{\"build\": %.6g, \"find\": %.6g, \"method\": \"%.8s\"}\n", built - start, found - built, lk_neighbours_method(nb));
    lk_neighbours_free(ctx, nb);
    lk_context_free(ctx);
    free(x);
    free(y);
    free(distances);
    free(indices);
    return 0;
}
