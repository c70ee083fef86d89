/* Matrices of numbers in files, read by position; conversion of their elements; and unnamed temporary files. */
#include "data/array_file.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Bytes read at a time where the elements are not doubles already in their places. */
enum { PIECE_BYTES = 1 << 16 };

size_t lki_element_bytes(lki_element element)
{
    switch (element) {
    case LKI_ELEMENT_I8:
    case LKI_ELEMENT_U8:
    case LKI_ELEMENT_BOOL:
        return 1;
    case LKI_ELEMENT_I16:
    case LKI_ELEMENT_U16:
        return 2;
    case LKI_ELEMENT_F32:
    case LKI_ELEMENT_I32:
    case LKI_ELEMENT_U32:
        return 4;
    case LKI_ELEMENT_F64:
    case LKI_ELEMENT_I64:
    case LKI_ELEMENT_U64:
        return 8;
    }
    return 8;
}

/* One loop an element type: load from any address, swap where asked, widen. */
#define CONVERT(type, bits, swap)                                      \
    for (size_t i = 0; i < count; i++) {                               \
        uint##bits##_t raw;                                            \
        memcpy(&raw, (const char *)bytes + i * sizeof raw, sizeof raw); \
        raw = swapped ? swap(raw) : raw;                               \
        type value;                                                    \
        memcpy(&value, &raw, sizeof value);                            \
        out[i] = (double)value;                                        \
    }                                                                  \
    break
#define SAME(x) (x)

void lki_elements_convert(lki_element element, bool swapped, const void *bytes, size_t count, double *out)
{
    switch (element) {
    case LKI_ELEMENT_F64:
        CONVERT(double, 64, __builtin_bswap64);
    case LKI_ELEMENT_F32:
        CONVERT(float, 32, __builtin_bswap32);
    case LKI_ELEMENT_I8:
        CONVERT(int8_t, 8, SAME);
    case LKI_ELEMENT_I16:
        CONVERT(int16_t, 16, __builtin_bswap16);
    case LKI_ELEMENT_I32:
        CONVERT(int32_t, 32, __builtin_bswap32);
    case LKI_ELEMENT_I64:
        CONVERT(int64_t, 64, __builtin_bswap64);
    case LKI_ELEMENT_U8:
        CONVERT(uint8_t, 8, SAME);
    case LKI_ELEMENT_BOOL:
        for (size_t i = 0; i < count; i++) {
            out[i] = ((const unsigned char *)bytes)[i] != 0 ? 1.0 : 0.0;
        }
        break;
    case LKI_ELEMENT_U16:
        CONVERT(uint16_t, 16, __builtin_bswap16);
    case LKI_ELEMENT_U32:
        CONVERT(uint32_t, 32, __builtin_bswap32);
    case LKI_ELEMENT_U64:
        CONVERT(uint64_t, 64, __builtin_bswap64);
    }
}

size_t lki_find_infinity(const double *values, size_t count)
{
    size_t i = 0;
    /* Whole runs first: x - x is 0 for a finite number, NaN for an infinity (and for NaN, sorted out below). */
    while (count - i >= 64) {
        double sum = 0;
        for (size_t k = 0; k < 64; k++) {
            sum += values[i + k] - values[i + k];
        }
        if (!(sum == 0)) {
            for (size_t k = 0; k < 64; k++) {
                if (isinf(values[i + k])) {
                    return i + k;
                }
            }
        }
        i += 64;
    }
    while (i < count && !isinf(values[i])) {
        i++;
    }
    return i;
}

lk_status lki_fail_infinity(lk_context *ctx, const char *name, int64_t row, int64_t column, double value)
{
    return lki_fail(ctx, LK_ERROR_DATA, "%s: row %lld, column %lld is %s; every value must be finite, or NaN where it is missing", name,
                    (long long)row + 1, (long long)column + 1, value > 0 ? "inf" : "-inf");
}

static lk_status read_at(lk_context *ctx, const lki_array_file *file, int64_t position, void *bytes, size_t count)
{
    size_t done = 0;
    if (file->bytes != NULL) {
        memcpy(bytes, file->bytes + file->offset + position, count);
        return LK_OK;
    }
    while (done < count) {
        ssize_t got = pread(file->descriptor, (char *)bytes + done, count - done, file->offset + position + (int64_t)done);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            int error = errno;
            char text[128];
            return lki_fail(ctx, LK_ERROR_IO, "%s: reading at byte %lld failed: %s", file->name,
                            (long long)(file->offset + position + (int64_t)done), strerror_r(error, text, sizeof text));
        }
        if (got == 0) {
            return lki_fail(ctx, LK_ERROR_IO, "%s: the file ends at byte %lld; it has become shorter while it was read", file->name,
                            (long long)(file->offset + position + (int64_t)done));
        }
        done += (size_t)got;
    }
    return LK_OK;
}

static lk_status check_finite(lk_context *ctx, const lki_array_file *file, int64_t first_row, const int64_t *columns, int64_t count,
                              const double *values, size_t total)
{
    if (file->trusted) {
        return LK_OK;
    }
    size_t at = lki_find_infinity(values, total);
    if (at == total) {
        return LK_OK;
    }
    int64_t column = (int64_t)(at % (size_t)count);
    return lki_fail_infinity(ctx, file->name, first_row + (int64_t)(at / (size_t)count), columns == NULL ? column : columns[column],
                             values[at]);
}

/* Row-major elements that need converting or picking, in pieces of whole rows. */
static lk_status gather_rows(lk_context *ctx, const lki_array_file *file, int64_t first_row, int64_t rows, const int64_t *columns,
                             int64_t count, double *out)
{
    char piece[PIECE_BYTES];
    char *buffer = piece;
    size_t size = file->element_bytes;
    size_t row_bytes = (size_t)file->columns * size;
    lk_status status = LK_OK;
    if (row_bytes > sizeof piece) {
        LKI_TRY(lki_allocate(ctx, row_bytes, 1, &buffer));
    }
    int64_t step = buffer == piece ? (int64_t)(sizeof piece / row_bytes) : 1;
    for (int64_t r = 0; r < rows; r += step) {
        int64_t some = rows - r < step ? rows - r : step;
        LKI_GOTO(status, done, read_at(ctx, file, (first_row + r) * (int64_t)row_bytes, buffer, (size_t)some * row_bytes));
        if (columns == NULL) {
            lki_elements_convert(file->element, file->swapped, buffer, (size_t)(some * count), out + r * count);
            continue;
        }
        for (int64_t i = 0; i < some; i++) {
            for (int64_t c = 0; c < count; c++) {
                lki_elements_convert(file->element, file->swapped, buffer + (size_t)i * row_bytes + (size_t)columns[c] * size, 1,
                                     out + (r + i) * count + c);
            }
        }
    }
done:
    if (buffer != piece) {
        lki_release(ctx, buffer);
    }
    return status;
}

/* Column after column in the file: one read for each column and piece of rows. */
static lk_status gather_columns(lk_context *ctx, const lki_array_file *file, int64_t first_row, int64_t rows, const int64_t *columns,
                                int64_t count, double *out)
{
    char piece[PIECE_BYTES / 2];
    double values[PIECE_BYTES / 16];
    size_t size = file->element_bytes;
    int64_t step = (int64_t)(sizeof values / sizeof values[0]);
    for (int64_t c = 0; c < count; c++) {
        int64_t column = columns == NULL ? c : columns[c];
        for (int64_t r = 0; r < rows; r += step) {
            int64_t some = rows - r < step ? rows - r : step;
            LKI_TRY(read_at(ctx, file, (column * file->rows + first_row + r) * (int64_t)size, piece, (size_t)some * size));
            lki_elements_convert(file->element, file->swapped, piece, (size_t)some, values);
            for (int64_t i = 0; i < some; i++) {
                out[(r + i) * count + c] = values[i];
            }
        }
    }
    return LK_OK;
}

lk_status lki_array_file_gather(lk_context *ctx, const lki_array_file *file, int64_t first_row, int64_t rows, const int64_t *columns,
                                int64_t count, double *out)
{
    if (file->fortran) {
        LKI_TRY(gather_columns(ctx, file, first_row, rows, columns, count, out));
    } else if (columns == NULL && file->element == LKI_ELEMENT_F64 && !file->swapped) {
        int64_t row_bytes = file->columns * (int64_t)sizeof(double);
        LKI_TRY(read_at(ctx, file, first_row * row_bytes, out, (size_t)(rows * row_bytes)));
    } else {
        LKI_TRY(gather_rows(ctx, file, first_row, rows, columns, count, out));
    }
    return check_finite(ctx, file, first_row, columns, count, out, (size_t)(rows * count));
}

static const char *spool_directory(void)
{
    const char *directory = getenv("TMPDIR");
    return directory != NULL && directory[0] != '\0' ? directory : "/tmp";
}

lk_status lki_spool_open(lk_context *ctx, int *descriptor)
{
    const char *directory = spool_directory();
    int found = open(directory, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    if (found < 0) {
        /* A file system without O_TMPFILE: a named file that is unlinked at once. */
        char *path = NULL;
        LKI_TRY(lki_format_text(ctx, &path, "%s/likely-XXXXXX", directory));
        found = mkostemp(path, O_CLOEXEC);
        if (found >= 0) {
            unlink(path);
        }
        lki_release(ctx, path);
    }
    if (found < 0) {
        int error = errno;
        char text[128];
        return lki_fail(ctx, LK_ERROR_IO,
                        "no temporary file could be made in '%s' for data larger than the memory limit: %s; set TMPDIR to another "
                        "directory, or allow more memory",
                        directory, strerror_r(error, text, sizeof text));
    }
    *descriptor = found;
    return LK_OK;
}

lk_status lki_spool_write(lk_context *ctx, int descriptor, const void *bytes, size_t count)
{
    size_t done = 0;
    while (done < count) {
        ssize_t put = write(descriptor, (const char *)bytes + done, count - done);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            int error = put < 0 ? errno : ENOSPC;
            char text[128];
            return lki_fail(ctx, LK_ERROR_IO,
                            "writing %zu bytes of a temporary file in '%s' failed: %s; set TMPDIR to a directory with more room, or "
                            "allow more memory",
                            count, spool_directory(), strerror_r(error, text, sizeof text));
        }
        done += (size_t)put;
    }
    return LK_OK;
}
