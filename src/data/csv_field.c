/* One field of delimited text: where it ends, what it holds, whether it is missing or a number. */
#include "data/csv.h"
#include "data/number.h"

#include <math.h>
#include <string.h>

const char *lki_csv_skip_blank(const char *p, const char *end)
{
    for (;;) {
        if (p < end && *p == '\n') {
            p++;
        } else if (p < end && *p == '\r' && (p + 1 == end || p[1] == '\n')) {
            p += p + 1 == end ? 1 : 2;
        } else {
            return p;
        }
    }
}

/* What follows a field: false if it is none of delimiter, line end and end of data. */
static bool terminate(const char *p, const char *end, char delimiter, lki_csv_field *field)
{
    field->ends_row = true;
    if (p == end || *p == '\n') {
        field->next = p == end ? p : p + 1;
        return true;
    }
    if (*p == delimiter) {
        field->ends_row = false;
        field->next = p + 1;
        return true;
    }
    if (*p == '\r' && (p + 1 == end || p[1] == '\n')) {
        field->next = p + 1 == end ? p + 1 : p + 2;
        return true;
    }
    return false;
}

/* Copies a quoted content with each pair of quotes made one. */
static bool unquote(const lki_memory *memory, lki_string_list *scratch, const char *p, const char *end, lki_csv_field *field)
{
    size_t need = (size_t)(end - p) + 1;
    if (need > scratch->capacity) {
        char *fresh = lki_memory_allocate(memory, need * 2);
        if (fresh == NULL) {
            return false;
        }
        lki_memory_release(memory, scratch->bytes);
        scratch->bytes = fresh;
        scratch->capacity = need * 2;
    }
    size_t used = 0;
    while (p < end) {
        scratch->bytes[used++] = *p;
        p += *p == '"' ? 2 : 1;
    }
    field->text = scratch->bytes;
    field->length = used;
    return true;
}

static bool next_quoted(const lki_memory *memory, const char *p, const char *end, char delimiter, lki_string_list *scratch,
                        lki_csv_field *field, lki_csv_fault *fault)
{
    bool doubled = false;
    const char *close = p + 1;
    for (;;) {
        close = memchr(close, '"', (size_t)(end - close));
        if (close == NULL) {
            *fault = (lki_csv_fault){.wrong = LKI_CSV_OPEN_QUOTE, .at = p, .text = p, .length = (size_t)(end - p)};
            return false;
        }
        if (close + 1 == end || close[1] != '"') {
            break;
        }
        doubled = true;
        close += 2;
        if (close == end) {
            *fault = (lki_csv_fault){.wrong = LKI_CSV_OPEN_QUOTE, .at = p, .text = p, .length = (size_t)(end - p)};
            return false;
        }
    }
    field->quoted = true;
    field->text = p + 1;
    field->length = (size_t)(close - p - 1);
    if (doubled && !unquote(memory, scratch, p + 1, close, field)) {
        *fault = (lki_csv_fault){.wrong = LKI_CSV_NO_MEMORY, .at = p, .text = p, .length = field->length};
        return false;
    }
    if (!terminate(close + 1, end, delimiter, field)) {
        const char *stop = close + 1;
        while (stop < end && *stop != delimiter && *stop != '\n') {
            stop++;
        }
        *fault = (lki_csv_fault){.wrong = LKI_CSV_AFTER_QUOTE, .at = close, .text = p, .length = (size_t)(stop - p)};
        return false;
    }
    return true;
}

bool lki_csv_next_field(const lki_memory *memory, const char *p, const char *end, char delimiter, lki_string_list *scratch,
                        lki_csv_field *field, lki_csv_fault *fault)
{
    if (p < end && *p == '"') {
        return next_quoted(memory, p, end, delimiter, scratch, field, fault);
    }
    const char *stop = p;
    while (stop < end && *stop != delimiter && *stop != '\n') {
        stop++;
    }
    const char *content = stop;
    if (content > p && content[-1] == '\r' && (stop == end || *stop == '\n')) {
        content--;
    }
    field->quoted = false;
    field->text = p;
    field->length = (size_t)(content - p);
    return terminate(stop, end, delimiter, field);
}

/* Bytes of the UTF-8 sequence at p, 0 if it is none (RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF). */
static size_t sequence(const unsigned char *p, size_t left)
{
    unsigned c = p[0];
    if (c < 0x80) {
        return c != 0;
    }
    size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (c < 0xc2 || c > 0xf4 || left < n) {
        return 0;
    }
    unsigned low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    unsigned high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return n;
}

size_t lki_csv_valid_utf8(const char *text, size_t length)
{
    size_t i = 0;
    while (i < length) {
        size_t n = sequence((const unsigned char *)text + i, length - i);
        if (n == 0) {
            break;
        }
        i += n;
    }
    return i;
}

static void trim(const char **text, size_t *length)
{
    while (*length > 0 && (**text == ' ' || **text == '\t')) {
        (*text)++;
        (*length)--;
    }
    while (*length > 0 && ((*text)[*length - 1] == ' ' || (*text)[*length - 1] == '\t')) {
        (*length)--;
    }
}

bool lki_csv_number(const char *text, size_t length, double *value)
{
    trim(&text, &length);
    const char *end = text + length;
    double v;
    if (length == 0 || lki_parse_double(text, end, &v) != end) {
        return false;
    }
    *value = v;
    return true;
}

bool lki_csv_is_missing(const lki_csv_na *na, const char *text, size_t length)
{
    trim(&text, &length);
    if (length == 0 || lki_string_list_find(&na->tokens, text, length) != SIZE_MAX) {
        return true;
    }
    double value;
    if (na->value_count > 0 && lki_csv_number(text, length, &value)) {
        for (size_t i = 0; i < na->value_count; i++) {
            if (na->values[i] == value) {
                return true;
            }
        }
    }
    return false;
}

lk_status lki_csv_na_read(lk_context *ctx, const lki_memory *memory, const char *tokens, lki_csv_na *na)
{
    for (const char *p = tokens;;) {
        const char *text = p;
        size_t length = strcspn(p, ",");
        const char *next = p + length;
        trim(&text, &length);
        size_t number;
        double value;
        LKI_TRY(lki_string_list_intern(ctx, memory, &na->tokens, text, length, &number));
        if (lki_csv_number(text, length, &value) && !isnan(value)) {
            LKI_TRY(lki_extend(ctx, memory, &na->values, &na->value_capacity, na->value_count + 1, sizeof *na->values));
            na->values[na->value_count++] = value;
        }
        if (*next == '\0') {
            return LK_OK;
        }
        p = next + 1;
    }
}
