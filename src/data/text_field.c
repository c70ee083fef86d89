/* Writes fields into texts, quoted for CSV and TSV or escaped for JSON. */
#include "text_field.h"

#include <string.h>

lk_status lki_builder_add_quoted(lk_context *ctx, lki_builder *text, const char *field, char delimiter)
{
    char special[] = {delimiter, '"', '\n', '\r', '\0'};
    size_t length = strlen(field);
    if (length > 0 && field[0] != ' ' && field[length - 1] != ' ' && field[strcspn(field, special)] == '\0') {
        return lki_builder_add_bytes(ctx, text, field, length);
    }
    if (length > (SIZE_MAX >> 2)) {
        return lki_fail(ctx, LK_ERROR_MEMORY, "a field of %zu bytes is too long to write", length);
    }
    LKI_TRY(lki_builder_reserve(ctx, text, 2 * length + 2));
    char *p = text->text + text->length;
    *p++ = '"';
    for (const char *f = field; *f != '\0'; f++) {
        if (*f == '"') {
            *p++ = '"';
        }
        *p++ = *f;
    }
    *p++ = '"';
    text->length = (size_t)(p - text->text);
    return LK_OK;
}

/* The length of the UTF-8 sequence at p (RFC 3629: shortest form, no surrogates, up to U+10FFFF), 0 if it is none. */
static size_t utf8_length(const unsigned char *p)
{
    if (p[0] < 0x80) {
        return 1;
    }
    size_t n = p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : p[0] >= 0xe0 && p[0] < 0xf0 ? 3 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] > 0x8f)) {
        return 0;
    }
    return n;
}

/* Writes what stands for one character below 0x20, a quote or a backslash; returns its length, at most 6. */
static size_t json_escape(unsigned char c, char *out)
{
    static const char hex[] = "0123456789abcdef";
    const char *from = "\"\\\b\f\n\r\t", *to = "\"\\bfnrt";
    out[0] = '\\';
    const char *found = strchr(from, c);
    if (found != NULL) {
        out[1] = to[found - from];
        return 2;
    }
    memcpy(out + 1, "u00", 3);
    out[4] = hex[c >> 4];
    out[5] = hex[c & 15];
    return 6;
}

lk_status lki_builder_add_json(lk_context *ctx, lki_builder *text, const char *field)
{
    size_t length = strlen(field);
    if (length > (SIZE_MAX >> 3)) {
        return lki_fail(ctx, LK_ERROR_MEMORY, "a field of %zu bytes is too long to write", length);
    }
    LKI_TRY(lki_builder_reserve(ctx, text, 6 * length + 2));
    char *p = text->text + text->length;
    *p++ = '"';
    for (const unsigned char *f = (const unsigned char *)field; *f != '\0';) {
        size_t n = utf8_length(f);
        if (n == 0) {
            memcpy(p, "\xef\xbf\xbd", 3);
            p += 3;
            f++;
        } else if (*f < 0x20 || *f == '"' || *f == '\\') {
            p += json_escape(*f, p);
            f++;
        } else {
            memcpy(p, f, n);
            p += n;
            f += n;
        }
    }
    *p++ = '"';
    text->length = (size_t)(p - text->text);
    return LK_OK;
}
