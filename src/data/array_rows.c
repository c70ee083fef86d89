/* Rows of an array in order: by position where its bytes can be reached so, else as they come. */
#include "data/array_rows.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { PASS_BYTES = 1 << 18 };

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

/* Reads what is left, for its checksum. */
static lk_status pass_over(lk_context *ctx, lki_source *source)
{
    char *buffer = NULL;
    lk_status status = LK_OK;
    LKI_TRY(lki_allocate(ctx, PASS_BYTES, 1, &buffer));
    for (size_t got = PASS_BYTES; got == PASS_BYTES;) {
        LKI_GOTO(status, done, lki_cancelled(ctx));
        LKI_GOTO(status, done, lki_source_read(ctx, source, buffer, PASS_BYTES, &got));
    }
done:
    lki_release(ctx, buffer);
    return status;
}

lk_status lki_array_settle(lk_context *ctx, lki_array *array)
{
    if (array->place < 0 || array->file.descriptor >= 0) {
        return LK_OK;
    }
    LKI_TRY(pass_over(ctx, array->source));
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

lk_status lki_array_next(lk_context *ctx, lki_array *array, int64_t rows, void *buffer, double *out)
{
    const lki_array_file *file = &array->file;
    int64_t first = array->next_row;
    if (lki_array_by_position(array)) {
        LKI_TRY(lki_array_file_gather(ctx, file, first, rows, NULL, file->columns, out));
    } else {
        size_t count = (size_t)(rows * file->columns), got = 0;
        LKI_TRY(lki_source_read(ctx, array->source, buffer, count * file->element_bytes, &got));
        if (got < count * file->element_bytes) {
            return fail_short(ctx, array);
        }
        lki_elements_convert(file->element, file->swapped, buffer, count, out);
        size_t bad = lki_find_infinity(out, count);
        if (bad < count) {
            return lki_fail_infinity(ctx, file->name, first + (int64_t)bad / file->columns, (int64_t)bad % file->columns, out[bad]);
        }
    }
    array->next_row += rows;
    return LK_OK;
}
