/* JSON values as texts with exact numbers, whatever the locale, and jansson failures as statuses. */
#include "json_text.h"

#include "number.h"
#include "text_builder.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

lk_status lki_json_memory(lk_context *ctx)
{
    return lki_fail(ctx, LK_ERROR_MEMORY, "out of memory for a JSON value");
}

json_t *lki_json_number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

json_t *lki_json_numbers(const double *v, int64_t count)
{
    json_t *array = json_array();
    for (int64_t i = 0; array != NULL && i < count; i++) {
        if (json_array_append_new(array, lki_json_number(v[i])) != 0) {
            json_decref(array);
            array = NULL;
        }
    }
    return array;
}

lk_status lki_json_set(lk_context *ctx, json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0 ? LK_OK : lki_json_memory(ctx);
}

lk_status lki_json_append(lk_context *ctx, json_t *array, json_t *value)
{
    return json_array_append_new(array, value) == 0 ? LK_OK : lki_json_memory(ctx);
}

static lk_status write_string(lk_context *ctx, lki_builder *t, const char *text, size_t length)
{
    static const char hex[] = "0123456789abcdef";
    LKI_TRY(lki_builder_add(ctx, t, "\""));
    size_t start = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        char escape[7] = {'\\', (char)c, '\0'};
        if (c < 0x20) {
            const char *known = strchr("\bb\ff\nn\rr\tt", c);
            memcpy(escape, "\\u00", 4);
            escape[4] = hex[c >> 4];
            escape[5] = hex[c & 15];
            if (c != 0 && known != NULL) {
                escape[1] = known[1];
                escape[2] = '\0';
            }
        } else if (c != '"' && c != '\\') {
            continue;
        }
        LKI_TRY(lki_builder_add_bytes(ctx, t, text + start, i - start));
        LKI_TRY(lki_builder_add(ctx, t, escape));
        start = i + 1;
    }
    LKI_TRY(lki_builder_add_bytes(ctx, t, text + start, length - start));
    return lki_builder_add(ctx, t, "\"");
}

static lk_status write_real(lk_context *ctx, lki_builder *t, double v)
{
    char number[LKI_NUMBER_BYTES + 2];
    int length = lki_format_double(v, number);
    if (strpbrk(number, ".e") == NULL) { /* a real stays a real when it is read */
        memcpy(number + length, ".0", 3);
    }
    return lki_builder_add(ctx, t, number);
}

static lk_status write_value(lk_context *ctx, lki_builder *t, const json_t *value, bool sorted);

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static lk_status write_object(lk_context *ctx, lki_builder *t, const json_t *object, bool sorted)
{
    lk_status status = LK_OK;
    const char **keys = NULL;
    size_t count = 0;
    const char *key;
    json_t *item;
    LKI_GOTO(status, done, lki_allocate(ctx, json_object_size(object), sizeof *keys, &keys));
    json_object_foreach((json_t *)object, key, item)
    {
        keys[count++] = key;
    }
    if (sorted && count > 1) {
        qsort(keys, count, sizeof *keys, compare_keys);
    }
    LKI_GOTO(status, done, lki_builder_add(ctx, t, "{"));
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            LKI_GOTO(status, done, lki_builder_add(ctx, t, ","));
        }
        LKI_GOTO(status, done, write_string(ctx, t, keys[i], strlen(keys[i])));
        LKI_GOTO(status, done, lki_builder_add(ctx, t, ":"));
        LKI_GOTO(status, done, write_value(ctx, t, json_object_get(object, keys[i]), sorted));
    }
    LKI_GOTO(status, done, lki_builder_add(ctx, t, "}"));
done:
    lki_release(ctx, keys);
    return status;
}

static lk_status write_array(lk_context *ctx, lki_builder *t, const json_t *array, bool sorted)
{
    LKI_TRY(lki_builder_add(ctx, t, "["));
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (i > 0) {
            LKI_TRY(lki_builder_add(ctx, t, ","));
        }
        LKI_TRY(write_value(ctx, t, json_array_get(array, i), sorted));
    }
    return lki_builder_add(ctx, t, "]");
}

/* Recursion is bounded: values come from our own code or from jansson's parser, which stops at 2048 levels. */
static lk_status write_value(lk_context *ctx, lki_builder *t, const json_t *value, bool sorted)
{
    char number[LKI_NUMBER_BYTES];
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return write_object(ctx, t, value, sorted);
    case JSON_ARRAY:
        return write_array(ctx, t, value, sorted);
    case JSON_STRING:
        return write_string(ctx, t, json_string_value(value), json_string_length(value));
    case JSON_INTEGER:
        lki_format_integer((int64_t)json_integer_value(value), number);
        return lki_builder_add(ctx, t, number);
    case JSON_REAL:
        return write_real(ctx, t, json_real_value(value));
    case JSON_TRUE:
        return lki_builder_add(ctx, t, "true");
    case JSON_FALSE:
        return lki_builder_add(ctx, t, "false");
    case JSON_NULL:
        break;
    }
    return lki_builder_add(ctx, t, "null");
}

lk_status lki_json_write(lk_context *ctx, const json_t *value, bool sorted, char **out)
{
    lki_builder t = {0};
    lk_status status = write_value(ctx, &t, value, sorted);
    if (status != LK_OK) {
        lki_release(ctx, t.text);
        return status;
    }
    *out = t.text;
    return LK_OK;
}
