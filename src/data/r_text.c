/* Writes JSON values as R's own text: list(), c(), structure(c(), dim = c()). */
#include "data/r_text.h"

#include "data/nested.h"
#include "data/number.h"
#include "data/text_field.h"

#include <string.h>

static lk_status add_scalar(lk_context *ctx, lki_builder *t, const json_t *value)
{
    char number[LKI_NUMBER_BYTES];
    if (json_is_string(value)) {
        return lki_builder_add_json(ctx, t, json_string_value(value));
    }
    if (json_is_integer(value)) {
        lki_format_integer((int64_t)json_integer_value(value), number);
        LKI_TRY(lki_builder_add(ctx, t, number));
        return lki_builder_add(ctx, t, "L");
    }
    if (!json_is_real(value)) {
        return lki_builder_add(ctx, t, json_is_boolean(value) ? (json_is_true(value) ? "TRUE" : "FALSE") : "NA");
    }
    lki_format_double(json_real_value(value), number);
    return lki_builder_add(ctx, t, number);
}

static lk_status add_array(lk_context *ctx, lki_builder *t, const json_t *value)
{
    const lki_nested shape = lki_nested_shape(value);
    LKI_TRY(lki_builder_add(ctx, t, shape.rank > 1 ? "structure(c(" : "c("));
    for (int64_t i = 0; i < shape.size; i++) {
        LKI_TRY(lki_builder_add(ctx, t, i == 0 ? "" : i % 8 == 0 ? ",\n" : ", "));
        LKI_TRY(add_scalar(ctx, t, lki_nested_at(value, &shape, i, 1)));
    }
    for (int i = 0; i < shape.rank && shape.rank > 1; i++) {
        char number[LKI_NUMBER_BYTES];
        lki_format_integer(shape.shape[i], number);
        LKI_TRY(lki_builder_add(ctx, t, i == 0 ? "), dim = c(" : ", "));
        LKI_TRY(lki_builder_add(ctx, t, number));
        LKI_TRY(lki_builder_add(ctx, t, "L"));
    }
    return lki_builder_add(ctx, t, shape.rank > 1 ? "))" : ")");
}

static lk_status add_list(lk_context *ctx, lki_builder *t, const json_t *object)
{
    const char *key, *separator = "";
    json_t *value;
    LKI_TRY(lki_builder_add(ctx, t, "list("));
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        LKI_TRY(lki_builder_add(ctx, t, separator));
        LKI_TRY(lki_builder_add(ctx, t, key));
        LKI_TRY(lki_builder_add(ctx, t, " = "));
        LKI_TRY(json_is_object(value)  ? add_list(ctx, t, value)
                : json_is_array(value) ? add_array(ctx, t, value)
                                       : add_scalar(ctx, t, value));
        separator = ",\n";
    }
    return lki_builder_add(ctx, t, ")");
}

lk_status lki_r_text(lk_context *ctx, const json_t *object, lki_builder *text)
{
    LKI_TRY(add_list(ctx, text, object));
    return lki_builder_add(ctx, text, "\n");
}
