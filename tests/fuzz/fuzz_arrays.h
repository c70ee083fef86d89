/* What the fuzzers of array files share: any bytes as a file in memory, as a file on disk, as a stream of blocks, through a pipe. */
#ifndef LIKELY_FUZZ_ARRAYS_H
#define LIKELY_FUZZ_ARRAYS_H

#include "data/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_read_with(const char *format, const char *path, int64_t memory)
{
    lk_context_options options = {.size = sizeof options, .threads = 1, .memory = memory};
    lk_read_options how = {.size = sizeof how, .format = format};
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

/* The bytes as a file: in memory, and on disk with blocks. */
static void fuzz_as_file(const char *format, const uint8_t *data, size_t size)
{
    int descriptor = memfd_create("fuzz", MFD_CLOEXEC);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    if (descriptor < 0 || write(descriptor, data, size) != (ssize_t)size) {
        abort();
    }
    fuzz_read_with(format, path, 0);
    fuzz_read_with(format, path, 16);
    close(descriptor);
}

/* The bytes through a pipe, where nothing is known of the size. */
static inline void fuzz_through_pipe(const uint8_t *data, size_t size)
{
    int ends[2];
    char path[64];
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
}

#endif
