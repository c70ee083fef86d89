/* Writes NumPy archives: NPY arrays (version 1.0) stored in a zip (PKWARE APPNOTE 6.3.10: 4.3.7, 4.3.12, 4.3.16). */
#include "data/npz_write.h"

#include "data/crc32.h"
#include "data/nested.h"

#include <stdio.h>
#include <string.h>

/* Dates of members: 1 January 1980, the earliest there is, so that bytes do not depend on the clock. */
enum { ZIP_DATE = 1 << 5 | 1, VERSION = 20 };

static lk_status add_number(lk_context *ctx, lki_builder *t, uint64_t v, int bytes)
{
    char little[8];
    for (int i = 0; i < bytes; i++) {
        little[i] = (char)(unsigned char)(v >> (8 * i) & 0xff);
    }
    return lki_builder_add_bytes(ctx, t, little, (size_t)bytes);
}

/* One code point of valid UTF-8. */
static uint32_t next_point(const unsigned char **at)
{
    const unsigned char *p = *at;
    const int more = p[0] < 0x80 ? 0 : p[0] < 0xe0 ? 1 : p[0] < 0xf0 ? 2 : 3;
    uint32_t point = more == 0 ? p[0] : p[0] & (0x3fu >> more);
    for (int i = 1; i <= more; i++) {
        point = point << 6 | (p[i] & 0x3fu);
    }
    *at = p + more + 1;
    return point;
}

static int64_t points_of(const json_t *value)
{
    int64_t count = 0;
    for (const unsigned char *p = (const unsigned char *)json_string_value(value); *p != '\0'; count++) {
        next_point(&p);
    }
    return count;
}

/* A member's bytes: magic, header padded to a multiple of 64, values in C's order. `width` = characters of the longest text. */
static lk_status add_array(lk_context *ctx, lki_builder *t, const json_t *value)
{
    const lki_nested shape = lki_nested_shape(value);
    const json_t *first = lki_nested_at(value, &shape, 0, 0);
    char type[32] = "<f8", dims[96] = "", header[256];
    int64_t width = 1;
    if (json_is_integer(first)) {
        memcpy(type, "<i8", 4);
    }
    for (int64_t i = 0; json_is_string(first) && i < shape.size; i++) {
        const int64_t points = points_of(lki_nested_at(value, &shape, i, 0));
        width = points > width ? points : width;
        snprintf(type, sizeof type, "<U%lld", (long long)width);
    }
    for (int i = 0; i < shape.rank; i++) {
        const size_t used = strlen(dims);
        snprintf(dims + used, sizeof dims - used, shape.rank == 1 ? "%lld," : i > 0 ? ", %lld" : "%lld", (long long)shape.shape[i]);
    }
    int length = snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", type, dims);
    const int padded = (10 + length + 1 + 63) / 64 * 64 - 10;
    LKI_TRY(lki_builder_add_bytes(ctx, t, "\x93NUMPY\x01\x00", 8));
    LKI_TRY(add_number(ctx, t, (uint64_t)padded, 2));
    LKI_TRY(lki_builder_add_bytes(ctx, t, header, (size_t)length));
    for (; length < padded - 1; length++) {
        LKI_TRY(lki_builder_add_bytes(ctx, t, " ", 1));
    }
    LKI_TRY(lki_builder_add_bytes(ctx, t, "\n", 1));
    for (int64_t i = 0; i < shape.size; i++) {
        const json_t *item = lki_nested_at(value, &shape, i, 0);
        uint64_t bits;
        if (json_is_string(first)) {
            const unsigned char *p = (const unsigned char *)json_string_value(item);
            for (int64_t c = 0; c < width; c++) {
                LKI_TRY(add_number(ctx, t, *p == '\0' ? 0 : next_point(&p), 4));
            }
            continue;
        }
        if (json_is_integer(first)) {
            bits = (uint64_t)json_integer_value(item);
        } else {
            const double v = json_number_value(item);
            memcpy(&bits, &v, sizeof bits);
        }
        LKI_TRY(add_number(ctx, t, bits, 8));
    }
    return LK_OK;
}

/* What the local header and the directory share, from "version needed" to the lengths of name and extra field. */
static lk_status add_fields(lk_context *ctx, lki_builder *t, uint32_t crc, uint64_t size, size_t name)
{
    LKI_TRY(add_number(ctx, t, VERSION, 2));
    LKI_TRY(add_number(ctx, t, 0, 6)); /* flags, stored, time */
    LKI_TRY(add_number(ctx, t, ZIP_DATE, 2));
    LKI_TRY(add_number(ctx, t, crc, 4));
    LKI_TRY(add_number(ctx, t, size, 4));
    LKI_TRY(add_number(ctx, t, size, 4));
    LKI_TRY(add_number(ctx, t, name, 2));
    return add_number(ctx, t, 0, 2);
}

static lk_status add_member(lk_context *ctx, lki_builder *t, lki_builder *directory, size_t start, const char *key, const json_t *value)
{
    lki_builder array = {0};
    char name[128];
    const size_t length = (size_t)snprintf(name, sizeof name, "%.100s.npy", key), offset = t->length - start;
    lk_status status = add_array(ctx, &array, value);
    if (status == LK_OK && offset + array.length > UINT32_MAX / 2) {
        status = lki_fail(ctx, LK_ERROR_UNSUPPORTED, "a NumPy archive of more than %u bytes is not written", UINT32_MAX / 2);
    }
    LKI_GOTO(status, done, status);
    const uint32_t crc = lki_crc32(0, array.text, array.length);
    LKI_GOTO(status, done, lki_builder_add_bytes(ctx, t, "PK\x03\x04", 4));
    LKI_GOTO(status, done, add_fields(ctx, t, crc, array.length, length));
    LKI_GOTO(status, done, lki_builder_add_bytes(ctx, t, name, length));
    LKI_GOTO(status, done, lki_builder_add_bytes(ctx, t, array.text, array.length));
    LKI_GOTO(status, done, lki_builder_add_bytes(ctx, directory, "PK\x01\x02", 4));
    LKI_GOTO(status, done, add_number(ctx, directory, VERSION, 2));
    LKI_GOTO(status, done, add_fields(ctx, directory, crc, array.length, length));
    LKI_GOTO(status, done, add_number(ctx, directory, 0, 6)); /* comment, disk, inner attributes */
    LKI_GOTO(status, done, add_number(ctx, directory, 0, 4)); /* outer attributes */
    LKI_GOTO(status, done, add_number(ctx, directory, offset, 4));
    status = lki_builder_add_bytes(ctx, directory, name, length);
done:
    lki_release(ctx, array.text);
    return status;
}

lk_status lki_npz_text(lk_context *ctx, const json_t *object, lki_builder *text)
{
    const size_t start = text->length, count = json_object_size(object);
    lki_builder directory = {0};
    const char *key;
    json_t *value;
    lk_status status = lki_builder_add(ctx, &directory, "");
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        LKI_GOTO(status, done, add_member(ctx, text, &directory, start, key, value));
    }
    const size_t offset = text->length - start;
    LKI_GOTO(status, done, status);
    LKI_GOTO(status, done, lki_builder_add_bytes(ctx, text, directory.text, directory.length));
    LKI_GOTO(status, done, lki_builder_add_bytes(ctx, text, "PK\x05\x06\0\0\0\0", 8));
    LKI_GOTO(status, done, add_number(ctx, text, count, 2));
    LKI_GOTO(status, done, add_number(ctx, text, count, 2));
    LKI_GOTO(status, done, add_number(ctx, text, directory.length, 4));
    LKI_GOTO(status, done, add_number(ctx, text, offset, 4));
    status = add_number(ctx, text, 0, 2);
done:
    lki_release(ctx, directory.text);
    return status;
}
