/* Any bytes as an NPZ, as a file in memory, as a file on disk and as a stream of blocks. So that checksums do not keep all but
 * chance out, they are made right first: bytes that are changed in a member get the checksum that they have. */
#include "data/crc32.h"
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
    lk_read_options how = {.size = sizeof how, .format = "npz"};
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

static size_t number(const uint8_t *bytes, int count)
{
    size_t value = 0;
    for (int i = count; i-- > 0;) {
        value = value << 8 | bytes[i];
    }
    return value;
}

/* Puts the checksum of every stored member into its local header and its directory entry. */
static void mend(uint8_t *data, size_t size)
{
    for (size_t i = 0; i + 46 <= size; i++) {
        if (memcmp(data + i, "PK\1\2", 4) != 0) {
            continue;
        }
        size_t local = number(data + i + 42, 4), length = number(data + i + 20, 4);
        if (local > size || size - local < 30 || memcmp(data + local, "PK\3\4", 4) != 0) {
            continue;
        }
        size_t begin = local + 30 + number(data + local + 26, 2) + number(data + local + 28, 2);
        if (number(data + i + 10, 2) != 0 || begin > size || length > size - begin) {
            continue;
        }
        uint32_t crc = lki_crc32(0, data + begin, length);
        for (int k = 0; k < 4; k++) {
            data[i + 16 + (size_t)k] = data[local + 14 + (size_t)k] = (uint8_t)(crc >> (8 * k) & 0xff);
        }
    }
}

static void read_bytes(const uint8_t *data, size_t size)
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
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL) {
        abort();
    }
    read_bytes(data, size);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    mend(copy, size);
    read_bytes(copy, size);
    free(copy);
    return 0;
}
