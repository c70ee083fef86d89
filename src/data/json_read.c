/* JSON texts (RFC 8259) to jansson values: numbers are read as everywhere in the library, and a failed allocation is an error. The
 * parser of jansson 2.14 loses characters, or overruns a buffer, where one of its allocations fails. */
#include "json_text.h"
#include "number.h"

#include <math.h>
#include <string.h>

/* Arrays and objects within one another. */
enum { DEPTH_MOST = 200 };

typedef struct reader {
    const char *start, *p, *end;
    const char *where; /* begins each message */
    char *scratch;     /* room for the longest string, and one byte more */
    int depth;
} reader;

static lk_status parse_value(lk_context *ctx, reader *r, json_t **out);

static lk_status fail_at(lk_context *ctx, const reader *r, const char *p, const char *what)
{
    int64_t line = 1, column = 1;
    for (const char *q = r->start; q < p; q++) {
        column = *q == '\n' ? 1 : column + 1;
        line += *q == '\n';
    }
    return lki_fail(ctx, LK_ERROR_FORMAT, "%s: not valid JSON: %s at line %lld, column %lld", r->where, what, (long long)line,
                    (long long)column);
}

static void skip_blanks(reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r')) {
        r->p++;
    }
}

/* Steps over `c`, with blanks before and after; false where something else stands. */
static bool take(reader *r, char c)
{
    skip_blanks(r);
    if (r->p == r->end || *r->p != c) {
        return false;
    }
    r->p++;
    skip_blanks(r);
    return true;
}

/* The length of the well-formed UTF-8 sequence at p (Unicode 15, table 3-7); 0 if there is none. */
static int utf8_length(const unsigned char *p, const unsigned char *end)
{
    int length = *p < 0x80 ? 1 : *p < 0xc2 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : *p < 0xf5 ? 4 : 0;
    if (length < 2 || end - p < length) {
        return length < 2 ? length : 0;
    }
    unsigned char low = *p == 0xe0 ? 0xa0 : *p == 0xf0 ? 0x90 : 0x80;
    unsigned char high = *p == 0xed ? 0x9f : *p == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high) {
        return 0;
    }
    for (int i = 2; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return length;
}

static char *put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
        return to;
    }
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned char marks[] = {0, 0xc0, 0xe0, 0xf0};
    *to++ = (char)(marks[more] | c >> 6 * more);
    while (more-- > 0) {
        *to++ = (char)(0x80 | (c >> 6 * more & 0x3f));
    }
    return to;
}

/* Four hexadecimal digits; -1 if there are none. */
static int32_t take_hex(reader *r)
{
    int32_t v = 0;
    if (r->end - r->p < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        char c = *r->p++;
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0) {
            return -1;
        }
        v = v * 16 + digit;
    }
    return v;
}

/* What follows a backslash, as UTF-8 into *to; false if it is no escape. NUL is none: texts end with it. */
static bool take_escape(reader *r, char **to)
{
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    char c = r->p < r->end ? *r->p++ : '\0';
    const char *known = c != '\0' ? strchr(letters, c) : NULL;
    if (known != NULL) {
        *(*to)++ = meant[known - letters];
        return true;
    }
    int32_t high = c == 'u' ? take_hex(r) : -1;
    if (high <= 0 || (high >= 0xdc00 && high <= 0xdfff)) {
        return false;
    }
    if (high >= 0xd800 && high <= 0xdbff) {
        if (r->end - r->p < 2 || r->p[0] != '\\' || r->p[1] != 'u') {
            return false;
        }
        r->p += 2;
        int32_t low = take_hex(r);
        if (low < 0xdc00 || low > 0xdfff) {
            return false;
        }
        high = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    }
    *to = put_utf8(*to, (uint32_t)high);
    return true;
}

/* A string into scratch, NUL-terminated; r->p stands on its opening quote. */
static lk_status take_string(lk_context *ctx, reader *r, size_t *length)
{
    char *to = r->scratch;
    const char *begin = r->p++;
    for (;;) {
        const char *at = r->p;
        if (r->p == r->end) {
            return fail_at(ctx, r, begin, "a string without an end");
        }
        if (*r->p == '"') {
            break;
        }
        if (*r->p == '\\') {
            r->p++;
            if (!take_escape(r, &to)) {
                return fail_at(ctx, r, at, "an invalid escape");
            }
            continue;
        }
        int bytes = utf8_length((const unsigned char *)r->p, (const unsigned char *)r->end);
        if (bytes == 0 || (unsigned char)*r->p < 0x20) {
            return fail_at(ctx, r, at, bytes == 0 ? "invalid UTF-8" : "a control character in a string");
        }
        memcpy(to, r->p, (size_t)bytes);
        to += bytes;
        r->p += bytes;
    }
    r->p++;
    *to = '\0';
    *length = (size_t)(to - r->scratch);
    return LK_OK;
}

static size_t digits(const char *p, const char *end)
{
    const char *q = p;
    while (q < end && *q >= '0' && *q <= '9') {
        q++;
    }
    return (size_t)(q - p);
}

static lk_status parse_number(lk_context *ctx, reader *r, json_t **out)
{
    const char *begin = r->p, *p = r->p;
    bool whole = true;
    p += *p == '-';
    size_t count = digits(p, r->end);
    bool right = count > 0 && (count == 1 || *p != '0');
    p += count;
    if (right && p < r->end && *p == '.') {
        count = digits(p + 1, r->end);
        right = count > 0;
        p += 1 + count;
        whole = false;
    }
    if (right && p < r->end && (*p == 'e' || *p == 'E')) {
        p++;
        p += p < r->end && (*p == '+' || *p == '-');
        count = digits(p, r->end);
        right = count > 0;
        p += count;
        whole = false;
    }
    int64_t integer = 0;
    double real = 0.0;
    if (!right) {
        return fail_at(ctx, r, begin, "an invalid value");
    }
    if (whole ? lki_parse_integer(begin, p, &integer) != p : lki_parse_double(begin, p, &real) != p || isinf(real)) {
        return fail_at(ctx, r, begin, "a number out of range");
    }
    r->p = p;
    *out = whole ? json_integer((json_int_t)integer) : json_real(real);
    return *out != NULL ? LK_OK : lki_json_memory(ctx);
}

static lk_status parse_member(lk_context *ctx, reader *r, json_t *object)
{
    size_t length;
    json_t *value = NULL;
    char *key = NULL;
    const char *begin = r->p;
    if (r->p == r->end || *r->p != '"') {
        return fail_at(ctx, r, r->p, "no key");
    }
    LKI_TRY(take_string(ctx, r, &length));
    if (json_object_get(object, r->scratch) != NULL) {
        return fail_at(ctx, r, begin, "a duplicate key");
    }
    if (!take(r, ':')) {
        return fail_at(ctx, r, r->p, "no : after a key");
    }
    LKI_TRY(lki_copy_text(ctx, r->scratch, &key));
    lk_status status = parse_value(ctx, r, &value);
    if (status == LK_OK && json_object_set_new_nocheck(object, key, value) != 0) {
        status = lki_json_memory(ctx);
    }
    lki_release(ctx, key);
    return status;
}

/* An array or an object; r->p stands on its opening bracket. */
static lk_status parse_list(lk_context *ctx, reader *r, json_t **out)
{
    bool object = *r->p == '{';
    const char close = object ? '}' : ']', *begin = r->p;
    json_t *list = object ? json_object() : json_array();
    lk_status status = list != NULL ? LK_OK : lki_json_memory(ctx);
    take(r, *r->p);
    bool more = status == LK_OK && !take(r, close);
    while (more && status == LK_OK) {
        json_t *item = NULL;
        status = object ? parse_member(ctx, r, list) : parse_value(ctx, r, &item);
        if (status == LK_OK && !object) {
            status = lki_json_append(ctx, list, item);
        }
        if (status == LK_OK && !take(r, ',')) {
            more = false;
            status = take(r, close) ? LK_OK : fail_at(ctx, r, begin, object ? "an object without an end" : "an array without an end");
        }
    }
    if (status != LK_OK) {
        json_decref(list);
        return status;
    }
    *out = list;
    return LK_OK;
}

static lk_status parse_word(lk_context *ctx, reader *r, json_t **out)
{
    static const char *const words[] = {"null", "true", "false"};
    for (int i = 0; i < 3; i++) {
        size_t length = strlen(words[i]);
        if ((size_t)(r->end - r->p) >= length && memcmp(r->p, words[i], length) == 0) {
            r->p += length;
            *out = i == 0 ? json_null() : json_boolean(i == 1);
            return LK_OK;
        }
    }
    return fail_at(ctx, r, r->p, "an invalid value");
}

static lk_status parse_value(lk_context *ctx, reader *r, json_t **out)
{
    size_t length;
    char c = r->p < r->end ? *r->p : '\0';
    if (c == '{' || c == '[') {
        if (r->depth == DEPTH_MOST) {
            return fail_at(ctx, r, r->p, "too many brackets within one another");
        }
        r->depth++;
        lk_status status = parse_list(ctx, r, out);
        r->depth--;
        return status;
    }
    if (c == '"') {
        LKI_TRY(take_string(ctx, r, &length));
        *out = json_stringn_nocheck(r->scratch, length);
        return *out != NULL ? LK_OK : lki_json_memory(ctx);
    }
    if (c == '-' || (c >= '0' && c <= '9')) {
        return parse_number(ctx, r, out);
    }
    return parse_word(ctx, r, out);
}

lk_status lki_json_read(lk_context *ctx, const char *text, size_t length, const char *where, json_t **out)
{
    reader r = {.start = text, .p = text, .end = text + length, .where = where};
    json_t *value = NULL;
    LKI_TRY(lki_allocate(ctx, length + 1, 1, &r.scratch));
    skip_blanks(&r);
    lk_status status = parse_value(ctx, &r, &value);
    skip_blanks(&r);
    if (status == LK_OK && r.p != r.end) {
        status = fail_at(ctx, &r, r.p, "something behind the end");
    }
    lki_release(ctx, r.scratch);
    if (status != LK_OK) {
        json_decref(value);
        return status;
    }
    *out = value;
    return LK_OK;
}
