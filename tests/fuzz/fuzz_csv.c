/* Any bytes as delimited text: the first two choose how they are cut and read. Whatever is read in one piece must be read alike
 * in small windows and chunks, on two threads and in blocks. */
#include "data/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static lk_context *context_of(int threads, int64_t memory)
{
    lk_context_options options = {.size = sizeof options, .threads = threads, .memory = memory};
    lk_context *ctx = NULL;
    if (lk_context_new(&ctx, &options) != LK_OK) {
        abort();
    }
    return ctx;
}

/* All values, or NULL where there are none. */
static double *values_of(lk_context *ctx, const lk_table *table)
{
    int64_t rows = lk_table_rows(table), columns = lk_table_columns(table);
    int64_t *all = calloc((size_t)columns, sizeof *all);
    double *values = calloc((size_t)(rows * columns) + 1, sizeof *values);
    for (int64_t c = 0; all != NULL && c < columns; c++) {
        all[c] = c;
    }
    if (all == NULL || values == NULL || lk_table_gather(ctx, table, 0, rows, all, columns, values) != LK_OK) {
        abort();
    }
    free(all);
    return values;
}

/* Aborts unless two ways of reading agree: in what they say, or in every bit. */
static void compare(lk_context *ca, lk_status sa, const lk_table *a, lk_context *cb, lk_status sb, const lk_table *b)
{
    if (sa != sb || strcmp(lk_error_message(ca), lk_error_message(cb)) != 0) {
        fprintf(stderr, "%s\n%s\n", lk_error_message(ca), lk_error_message(cb));
        abort();
    }
    if (sa != LK_OK) {
        return;
    }
    if (lk_table_rows(a) != lk_table_rows(b) || lk_table_columns(a) != lk_table_columns(b)) {
        abort();
    }
    double *x = values_of(ca, a), *y = values_of(cb, b);
    if (memcmp(x, y, (size_t)(lk_table_rows(a) * lk_table_columns(a)) * sizeof *x) != 0) {
        abort();
    }
    free(x);
    free(y);
}

/* Rows of all blocks; -1 on an error. */
static int64_t count_blocks(lk_context *ctx, const char *path, const lk_read_options *options, const lki_csv_cut *cut)
{
    lk_reader *reader = NULL;
    const lk_table *block = NULL;
    int64_t rows = 0;
    lk_status status = lki_reader_open(ctx, path, options, cut, &reader);
    while (status == LK_OK && (status = lk_reader_next(ctx, reader, &block)) == LK_OK && block != NULL) {
        rows += lk_table_rows(block);
        free(values_of(ctx, block));
    }
    lk_reader_free(reader);
    return status == LK_OK ? rows : -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    int descriptor = memfd_create("fuzz", MFD_CLOEXEC);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    if (descriptor < 0 || write(descriptor, data + 2, size - 2) != (ssize_t)(size - 2)) {
        abort();
    }
    static const char delimiters[] = {0, ',', ';', '\t'};
    lk_read_options options = {.size = sizeof options,
                               .delimiter = delimiters[data[0] & 3],
                               .header = (data[0] >> 2 & 3) % 3 - 1,
                               .format = "csv",
                               .types = (data[0] & 16) != 0 ? "1=text" : NULL,
                               .na = (data[0] & 32) != 0 ? "0,x" : NULL};
    lki_csv_cut small = {(size_t)(data[1] & 15) + 1, (size_t)(data[1] >> 4) + 1}, large = {1 << 16, 1 << 14};
    lk_context *one = context_of(1, 0), *two = context_of(2, 0), *disk = context_of(1, 64);
    lk_table *a = NULL, *b = NULL, *c = NULL;
    lk_status sa = lki_table_read(one, path, &options, &large, &a);
    lk_status sb = lki_table_read(two, path, &options, &small, &b);
    lk_status sc = lki_table_read(disk, path, &options, &small, &c);
    compare(one, sa, a, two, sb, b);
    compare(one, sa, a, disk, sc, c);
    int64_t rows = count_blocks(two, path, &options, &small);
    if (sa == LK_OK && rows != lk_table_rows(a)) {
        abort();
    }
    lk_table_free(a);
    lk_table_free(b);
    lk_table_free(c);
    lk_context_free(one);
    lk_context_free(two);
    lk_context_free(disk);
    close(descriptor);
    return 0;
}
