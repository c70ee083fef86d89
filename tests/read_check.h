/* What the tests of reading share: files with given bytes, tables compared bit by bit. */
#ifndef LIKELY_READ_CHECK_H
#define LIKELY_READ_CHECK_H

#include "check.h"
#include "data/reader.h"

#include <stdbool.h>

/* xorshift64*, Vigna 2016. */
static uint64_t read_state = 0x9e3779b97f4a7c15u;

CHECK_UNUSED static uint64_t read_random(void)
{
    read_state ^= read_state >> 12;
    read_state ^= read_state << 25;
    read_state ^= read_state >> 27;
    return read_state * 2685821657736338717u;
}

/* Text that grows. */
typedef struct read_text {
    char *bytes;
    size_t used, capacity;
} read_text;

CHECK_UNUSED static void read_put(read_text *t, const void *bytes, size_t count)
{
    if (t->used + count > t->capacity) {
        t->capacity = 2 * (t->used + count);
        t->bytes = realloc(t->bytes, t->capacity);
        assert_non_null(t->bytes);
    }
    if (count > 0) {
        memcpy(t->bytes + t->used, bytes, count);
    }
    t->used += count;
}

CHECK_UNUSED static void read_put_text(read_text *t, const char *text)
{
    read_put(t, text, strlen(text));
}

/* A new file in the temporary directory; the caller removes it and frees the path. */
CHECK_UNUSED static char *read_file(const void *bytes, size_t count)
{
    char *path = strdup("/tmp/likely-read-XXXXXX");
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    for (size_t done = 0; done < count;) {
        ssize_t put = write(descriptor, (const char *)bytes + done, count - done);
        assert_true(put > 0);
        done += (size_t)put;
    }
    close(descriptor);
    return path;
}

CHECK_UNUSED static void read_remove(char *path)
{
    unlink(path);
    free(path);
}

/* A context with this many threads and bytes of memory for data (0 = default). */
CHECK_UNUSED static lk_context *read_context(int threads, int64_t memory)
{
    lk_context_options options = {.size = sizeof options, .threads = threads, .memory = memory};
    lk_context *ctx = NULL;
    assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
    return ctx;
}

/* All values of a table; free() them. */
CHECK_UNUSED static double *read_values(lk_context *ctx, const lk_table *table)
{
    int64_t rows = lk_table_rows(table), columns = lk_table_columns(table);
    int64_t *all = malloc((size_t)columns * sizeof *all);
    double *values = malloc((size_t)(rows * columns) * sizeof *values + 1);
    for (int64_t c = 0; c < columns; c++) {
        all[c] = c;
    }
    check_ok(ctx, lk_table_gather(ctx, table, 0, rows, all, columns, values));
    free(all);
    return values;
}

/* The same columns; the same values bit by bit where these are numbers, the same strings where they are strings. */
CHECK_UNUSED static void read_same(lk_context *ctx, const lk_table *a, const lk_table *b)
{
    int64_t rows = lk_table_rows(a), columns = lk_table_columns(a);
    assert_int_equal(rows, lk_table_rows(b));
    assert_int_equal(columns, lk_table_columns(b));
    double *x = read_values(ctx, a), *y = read_values(ctx, b);
    for (int64_t c = 0; c < columns; c++) {
        assert_string_equal(lk_table_name(a, c), lk_table_name(b, c));
        assert_int_equal(lk_table_type(a, c), lk_table_type(b, c));
        assert_int_equal(lk_table_levels(a, c), lk_table_levels(b, c));
        for (int64_t l = 0; l < lk_table_levels(a, c); l++) {
            assert_string_equal(lk_table_level(a, c, l), lk_table_level(b, c, l));
        }
        for (int64_t r = 0; r < rows; r++) {
            double u = x[r * columns + c], v = y[r * columns + c];
            if (memcmp(&u, &v, sizeof u) != 0 && !(isnan(u) && isnan(v))) {
                fail_msg("row %lld column %lld: %.17g and %.17g", (long long)r, (long long)c, u, v);
            }
            const char *s = lk_table_text(a, c, u), *t = lk_table_text(b, c, v);
            if (s != NULL && t != NULL) {
                assert_string_equal(s, t);
            }
        }
    }
    free(x);
    free(y);
}

#endif
