/* Rows of an array in order: by position where its bytes can be reached so, else as they come. */
#include "data/array_rows.h"

#include "data/string_list.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* The first bytes that are asked of a stream whose header alone says how many there are. */
enum { PIECE_BYTES = 1 << 20 };
/* More columns are not believed: their names alone would fill the memory. Nor are many where there is no row to show them. */
enum { COLUMNS_LIMIT = 1 << 24, EMPTY_COLUMNS_LIMIT = 1 << 16 };

lk_status lki_array_new(lk_context *ctx, lki_source *source, const char *format, lki_array **out)
{
    lki_memory memory = lki_memory_of(ctx);
    const char *name = lki_source_name(source);
    lki_array *array = lki_memory_allocate(&memory, sizeof *array);
    if (array == NULL) {
        lki_source_free(source);
        return lki_fail(ctx, LK_ERROR_MEMORY, "out of memory: a reader");
    }
    *array = (lki_array){.memory = memory, .source = source, .format = format, .place = -1};
    array->file.descriptor = -1;
    array->file.name = lki_memory_allocate(&memory, strlen(name) + 1);
    if (array->file.name == NULL) {
        lki_array_free(array);
        return lki_fail(ctx, LK_ERROR_MEMORY, "out of memory: a reader");
    }
    memcpy(array->file.name, name, strlen(name) + 1);
    *out = array;
    return LK_OK;
}

void lki_array_free(lki_array *array)
{
    if (array == NULL) {
        return;
    }
    lki_memory memory = array->memory;
    if (array->owned && array->file.descriptor >= 0) {
        close(array->file.descriptor);
    }
    lki_source_free(array->source);
    lki_memory_release(&memory, array->held);
    lki_memory_release(&memory, array->file.name);
    lki_memory_release(&memory, array);
}

lk_status lki_array_header_bytes(lk_context *ctx, lki_source *source, const char *format, void *bytes, size_t count)
{
    size_t got = 0;
    LKI_TRY(lki_source_read(ctx, source, bytes, count, &got));
    if (got < count) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: the %s header ends in the middle; the file is truncated", lki_source_name(source),
                        format);
    }
    return LK_OK;
}

lk_status lki_array_check_size(lk_context *ctx, lki_array *array, int64_t size)
{
    const lki_array_file *file = &array->file;
    if (file->columns < 1) {
        return lki_fail(ctx, LK_ERROR_DATA, "%s: the array has no columns (shape %lld x 0)", file->name, (long long)file->rows);
    }
    int64_t bytes;
    if (__builtin_mul_overflow(file->rows, file->columns, &bytes) || __builtin_mul_overflow(bytes, (int64_t)sizeof(double), &bytes) ||
        bytes > INT64_MAX - file->offset) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: the %s header claims %lld x %lld elements, more than any file holds", file->name,
                        array->format, (long long)file->rows, (long long)file->columns);
    }
    int limit = file->rows == 0 ? EMPTY_COLUMNS_LIMIT : COLUMNS_LIMIT;
    if (file->columns > limit) {
        return lki_fail(ctx, LK_ERROR_FORMAT,
                        "%s: the %s header claims %lld x %lld elements; at most %d columns are believed of so many rows",
                        file->name, array->format, (long long)file->rows, (long long)file->columns, limit);
    }
    int64_t expected = file->offset + file->rows * file->columns * (int64_t)file->element_bytes;
    if (size >= 0 && size != expected) {
        return lki_fail(ctx, LK_ERROR_FORMAT,
                        "%s: the %s header claims %lld x %lld elements of %zu bytes, which makes a file of %lld bytes; it has %lld",
                        file->name, array->format, (long long)file->rows, (long long)file->columns, file->element_bytes,
                        (long long)expected, (long long)size);
    }
    array->sized = size >= 0;
    return LK_OK;
}

static lk_status fail_short(lk_context *ctx, const lki_array *array)
{
    return lki_fail(ctx, LK_ERROR_FORMAT, "%s: the data ends before the %lld x %lld elements that the %s header claims", array->file.name,
                    (long long)array->file.rows, (long long)array->file.columns, array->format);
}

lk_status lki_array_end(lk_context *ctx, lki_array *array)
{
    char byte;
    size_t got = 0;
    if (array->checked) {
        return LK_OK;
    }
    LKI_TRY(lki_source_read(ctx, array->source, &byte, 1, &got));
    if (got > 0) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: data follows the %lld x %lld elements that the %s header claims", array->file.name,
                        (long long)array->file.rows, (long long)array->file.columns, array->format);
    }
    array->checked = true;
    return LK_OK;
}

/* Columns cannot be had in rows from a stream: its bytes go to memory where both they and the table have room there, else to
 * a temporary file. Where the header alone says how many there are, memory is not trusted to it. */
static lk_status hold_source(lk_context *ctx, lki_array *array)
{
    lki_array_file *file = &array->file;
    int64_t values = file->rows * file->columns, bytes = values * (int64_t)file->element_bytes, got = 0;
    if (array->sized && bytes <= lk_context_memory(ctx) - values * (int64_t)sizeof(double)) {
        size_t some = 0;
        array->held = lki_memory_allocate(&array->memory, bytes > 0 ? (size_t)bytes : 1);
        if (array->held == NULL) {
            return lki_fail(ctx, LK_ERROR_MEMORY, "out of memory: %lld x %lld values", (long long)file->rows, (long long)file->columns);
        }
        LKI_TRY(lki_source_read(ctx, array->source, array->held, (size_t)bytes, &some));
        got = (int64_t)some;
        file->bytes = array->held;
    } else {
        LKI_TRY(lki_source_spool(ctx, array->source, bytes, &file->descriptor, &got));
        array->owned = true;
    }
    file->offset = 0;
    return got < bytes ? fail_short(ctx, array) : lki_array_end(ctx, array);
}

lk_status lki_array_begin(lk_context *ctx, lki_array *array)
{
    int64_t size = 0;
    lki_array_file *file = &array->file;
    file->fortran = file->fortran && file->columns > 1;
    file->descriptor = lki_source_regular(array->source, &size);
    if (file->descriptor >= 0) {
        array->checked = array->sized;
        return LK_OK;
    }
    if (!file->fortran) {
        return LK_OK;
    }
    return array->place >= 0 ? lki_array_settle(ctx, array) : hold_source(ctx, array);
}

lk_status lki_array_settle(lk_context *ctx, lki_array *array)
{
    if (array->place < 0 || array->file.descriptor >= 0) {
        return LK_OK;
    }
    LKI_TRY(lki_source_skip(ctx, array->source));
    int descriptor = fcntl(array->place, F_DUPFD_CLOEXEC, 0);
    if (descriptor < 0) {
        int error = errno;
        char text[128];
        return lki_fail(ctx, LK_ERROR_IO, "%s cannot be opened: %s", array->file.name, strerror_r(error, text, sizeof text));
    }
    array->file.descriptor = descriptor;
    array->file.offset = array->place_offset;
    array->owned = true;
    array->checked = true;
    return LK_OK;
}

bool lki_array_by_position(const lki_array *array)
{
    return array->file.descriptor >= 0 || array->file.bytes != NULL;
}

lk_status lki_array_fetch(lk_context *ctx, lki_array *array, int64_t rows, char **buffer, size_t *capacity)
{
    size_t bytes = lki_product(lki_product((size_t)rows, (size_t)array->file.columns), array->file.element_bytes);
    size_t done = 0;
    while (!lki_array_by_position(array) && done < bytes) {
        size_t got = 0, want = bytes - done;
        if (!array->sized && want > done && want > PIECE_BYTES) {
            want = done > PIECE_BYTES ? done : PIECE_BYTES;
        }
        LKI_TRY(lki_extend(ctx, &array->memory, buffer, capacity, done + want, 1));
        LKI_TRY(lki_source_read(ctx, array->source, *buffer + done, want, &got));
        if (got < want) {
            return fail_short(ctx, array);
        }
        done += got;
    }
    return LK_OK;
}

lk_status lki_array_next(lk_context *ctx, lki_array *array, int64_t rows, const char *buffer, double *out)
{
    const lki_array_file *file = &array->file;
    int64_t first = array->next_row;
    if (lki_array_by_position(array)) {
        LKI_TRY(lki_array_file_gather(ctx, file, first, rows, NULL, file->columns, out));
    } else {
        size_t count = (size_t)(rows * file->columns);
        lki_elements_convert(file->element, file->swapped, buffer, count, out);
        size_t bad = lki_find_infinity(out, count);
        if (bad < count) {
            return lki_fail_infinity(ctx, file->name, first + (int64_t)bad / file->columns, (int64_t)bad % file->columns, out[bad]);
        }
    }
    array->next_row += rows;
    return LK_OK;
}
