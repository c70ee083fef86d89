/* Any bytes as an IDX, as a file in memory, as a file on disk and as a stream of blocks. */
#include "data/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_with(const char *path, int64_t memory)
{
    lk_context_options options = {.size = sizeof options, .threads = 1, .memory = memory};
    lk_read_options how = {.size = sizeof how, .format = "idx"};
    lk_context *ctx = NULL;
    lk_table *table = NULL;
    lk_reader *reader = NULL;
    const lk_table *block = NULL;
    int64_t rows = 0;
    if (lk_context_new(&ctx, &options) != LK_OK) {
        abort();
    }
    lk_status whole = lk_table_read(ctx, path, &how, &table);
    double value;
    for (int64_t r = 0; whole == LK_OK && r < lk_table_rows(table); r++) {
        int64_t last = lk_table_columns(table) - 1;
        if (lk_table_gather(ctx, table, r, 1, &last, 1, &value) != LK_OK && memory == 0) {
            abort();
        }
    }
    lk_status status = lk_reader_open(ctx, path, &how, &reader);
    while (status == LK_OK && (status = lk_reader_next(ctx, reader, &block)) == LK_OK && block != NULL) {
        rows += lk_table_rows(block);
    }
    if (whole == LK_OK && status == LK_OK && rows != lk_table_rows(table)) {
        abort();
    }
    lk_reader_free(reader);
    lk_table_free(table);
    lk_context_free(ctx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int descriptor = memfd_create("fuzz", MFD_CLOEXEC);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    if (descriptor < 0 || write(descriptor, data, size) != (ssize_t)size) {
        abort();
    }
    read_with(path, 0);
    read_with(path, 16);
    close(descriptor);
    /* Through a pipe nothing is known of the size. */
    int ends[2];
    if (size <= 60000 && pipe(ends) == 0) {
        lk_context_options options = {.size = sizeof options, .threads = 1};
        lk_context *ctx = NULL;
        lk_table *table = NULL;
        if (lk_context_new(&ctx, &options) != LK_OK || write(ends[1], data, size) != (ssize_t)size) {
            abort();
        }
        close(ends[1]);
        snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
        if (lk_table_read(ctx, path, NULL, &table) == LK_OK) {
            lk_table_free(table);
        }
        lk_context_free(ctx);
        close(ends[0]);
    }
    return 0;
}
