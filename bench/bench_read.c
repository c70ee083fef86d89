/* Reads one file into a table some times: seconds, rows and peak memory a line. bench_csv.py runs it beside pandas. */
#include <likely/likely.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A pass over all rows in blocks, as a fit does: what a table on disk costs. */
static lk_status visit(lk_context *ctx, const lk_table *table, double *sum)
{
    enum { ROWS = 1024 };
    int64_t columns = lk_table_columns(table);
    int64_t *all = malloc((size_t)columns * sizeof *all);
    double *block = malloc((size_t)columns * ROWS * sizeof *block);
    lk_status status = all == NULL || block == NULL ? LK_ERROR_MEMORY : LK_OK;
    for (int64_t c = 0; c < columns && status == LK_OK; c++) {
        all[c] = c;
    }
    for (int64_t r = 0; r < lk_table_rows(table) && status == LK_OK; r += ROWS) {
        int64_t rows = lk_table_rows(table) - r < ROWS ? lk_table_rows(table) - r : ROWS;
        status = lk_table_gather(ctx, table, r, rows, all, columns, block);
        for (int64_t i = 0; i < rows * columns && status == LK_OK; i++) {
            *sum += block[i] == block[i] ? block[i] : 0;
        }
    }
    free(all);
    free(block);
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_read FILE [threads] [memory bytes] [repeats]\n");
        return 2;
    }
    lk_context_options options = {
        .size = sizeof options, .threads = argc > 2 ? atoi(argv[2]) : 0, .memory = argc > 3 ? atoll(argv[3]) : 0};
    lk_context *ctx = NULL;
    if (lk_context_new(&ctx, &options) != LK_OK) {
        fprintf(stderr, "no context\n");
        return 1;
    }
    int failed = 0;
    for (int i = 0; i < (argc > 4 ? atoi(argv[4]) : 1) && !failed; i++) {
        lk_table *table = NULL;
        double start = now(), read = 0, sum = 0;
        if (lk_table_read(ctx, argv[1], NULL, &table) != LK_OK) {
            fprintf(stderr, "%s\n", lk_error_message(ctx));
            failed = 1;
        } else {
            read = now() - start;
            start = now();
            failed = visit(ctx, table, &sum) != LK_OK;
            struct rusage usage;
            getrusage(RUSAGE_SELF, &usage);
            printf("read %.4f visit %.4f rows %lld columns %lld sum %.17g peak_kb %ld\n", read, now() - start,
                   (long long)lk_table_rows(table), (long long)lk_table_columns(table), sum, usage.ru_maxrss);
        }
        lk_table_free(table);
    }
    lk_context_free(ctx);
    return failed;
}
