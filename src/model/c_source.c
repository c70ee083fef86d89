/* Writes pieces of C99 source: templates, tables of constants, remarks. */
#include "model/c_source.h"

#include "data/number.h"

#include <stdio.h>
#include <string.h>

lk_status lki_c_paste(lk_context *ctx, lki_builder *text, const char *template, const char *prefix)
{
    for (const char *at = strchr(template, '@'); at != NULL; at = strchr(template, '@')) {
        LKI_TRY(lki_builder_add_bytes(ctx, text, template, (size_t)(at - template)));
        LKI_TRY(lki_builder_add(ctx, text, prefix));
        template = at + 1;
    }
    return lki_builder_add(ctx, text, template);
}

lk_status lki_c_number(lk_context *ctx, lki_builder *text, double v)
{
    char number[LKI_NUMBER_BYTES + 2];
    int length = lki_format_double(v, number);
    if (strstr(number, "inf") != NULL) {
        return lki_builder_add(ctx, text, v < 0.0 ? "-HUGE_VAL" : "HUGE_VAL");
    }
    if (strpbrk(number, ".e") == NULL) {
        memcpy(number + length, ".0", 3);
    }
    return lki_builder_add(ctx, text, number);
}

/* "{a, b, ...}", broken into lines. */
static lk_status add_list(lk_context *ctx, lki_builder *text, int64_t count, const double *values)
{
    enum { LINE = 100 };
    size_t start = text->length;
    LKI_TRY(lki_builder_add(ctx, text, "{"));
    for (int64_t i = 0; i < count; i++) {
        LKI_TRY(lki_c_number(ctx, text, values[i]));
        bool full = text->length - start > LINE;
        LKI_TRY(lki_builder_add(ctx, text, i + 1 == count ? "" : full ? ",\n     " : ", "));
        start = full ? text->length : start;
    }
    return lki_builder_add(ctx, text, "}");
}

static lk_status add_head(lk_context *ctx, lki_builder *text, const char *prefix, const char *type, const char *name, int64_t rows,
                          int64_t columns)
{
    char shape[2 * LKI_NUMBER_BYTES + 16];
    LKI_TRY(lki_c_paste(ctx, text, "static const ", ""));
    LKI_TRY(lki_builder_add(ctx, text, type));
    LKI_TRY(lki_c_paste(ctx, text, " @_", prefix));
    LKI_TRY(lki_builder_add(ctx, text, name));
    if (rows > 0) {
        snprintf(shape, sizeof shape, "[%lld][%lld] = ", (long long)rows, (long long)columns);
    } else {
        snprintf(shape, sizeof shape, "[%lld] = ", (long long)columns);
    }
    return lki_builder_add(ctx, text, shape);
}

lk_status lki_c_table(lk_context *ctx, lki_builder *text, const char *prefix, const char *name, int64_t rows, int64_t columns,
                      const double *values)
{
    LKI_TRY(add_head(ctx, text, prefix, "double", name, rows, columns));
    LKI_TRY(lki_builder_add(ctx, text, rows > 0 ? "{\n    " : ""));
    for (int64_t i = 0; i < (rows > 0 ? rows : 1); i++) {
        LKI_TRY(lki_builder_add(ctx, text, i > 0 ? ",\n    " : ""));
        LKI_TRY(add_list(ctx, text, columns, values + i * columns));
    }
    return lki_builder_add(ctx, text, rows > 0 ? "\n};\n" : ";\n");
}

lk_status lki_c_integers(lk_context *ctx, lki_builder *text, const char *prefix, const char *type, const char *name, int64_t count,
                         const int64_t *values)
{
    LKI_TRY(add_head(ctx, text, prefix, type, name, 0, count));
    for (int64_t i = 0; i < count; i++) {
        char number[LKI_NUMBER_BYTES];
        lki_format_integer(values[i], number);
        LKI_TRY(lki_builder_add(ctx, text, i == 0 ? "{" : i % 20 == 0 ? ",\n    " : ", "));
        LKI_TRY(lki_builder_add(ctx, text, number));
    }
    return lki_builder_add(ctx, text, "};\n");
}

lk_status lki_c_remark(lk_context *ctx, lki_builder *text, const char *remark)
{
    for (char before = '\0'; *remark != '\0'; before = *remark++) {
        const bool parted = (before == '*' && *remark == '/') || (before == '/' && *remark == '*');
        LKI_TRY(lki_builder_add_bytes(ctx, text, " ", parted ? 1 : 0));
        LKI_TRY(lki_builder_add_bytes(ctx, text, (unsigned char)*remark < 0x20 || *remark == 0x7f ? "?" : remark, 1));
    }
    return LK_OK;
}
