/* Reads NPY headers strictly (numpy.lib.format: magic, version, length, a Python dictionary of three keys). */
#include "data/npy.h"

#include <string.h>

enum { HEADER_LIMIT = 1 << 20 };

/* The dictionary's text and a position in it. */
typedef struct parser {
    lk_context *ctx;
    const char *name;
    const char *text;
    size_t length, at;
    size_t offset; /* of the text in the file */
    lki_npy_kind kind;
} parser;

static lk_status fail_header(const parser *p, const char *expected)
{
    return lki_fail(p->ctx, LK_ERROR_FORMAT, "%s: the NPY header is malformed at byte %zu: %s was expected", p->name, p->offset + p->at,
                    expected);
}

static void skip_blanks(parser *p)
{
    while (p->at < p->length && (p->text[p->at] == ' ' || p->text[p->at] == '\n' || p->text[p->at] == '\t')) {
        p->at++;
    }
}

static bool accept(parser *p, char c)
{
    skip_blanks(p);
    if (p->at < p->length && p->text[p->at] == c) {
        p->at++;
        return true;
    }
    return false;
}

/* A quoted word without escapes. */
static lk_status take_word(parser *p, char *out, size_t size)
{
    skip_blanks(p);
    char quote = p->at < p->length ? p->text[p->at] : '\0';
    if (quote != '\'' && quote != '"') {
        return fail_header(p, "a quoted word");
    }
    const char *begin = p->text + p->at + 1;
    const char *end = memchr(begin, quote, p->length - p->at - 1);
    if (end == NULL || (size_t)(end - begin) >= size) {
        return fail_header(p, "a short quoted word");
    }
    memcpy(out, begin, (size_t)(end - begin));
    out[end - begin] = '\0';
    p->at = (size_t)(end - p->text) + 1;
    return LK_OK;
}

static lk_status take_count(parser *p, int64_t *out)
{
    skip_blanks(p);
    int64_t value = 0;
    size_t start = p->at;
    while (p->at < p->length && p->text[p->at] >= '0' && p->text[p->at] <= '9') {
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, p->text[p->at] - '0', &value)) {
            return fail_header(p, "a length below 2^63");
        }
        p->at++;
    }
    if (p->at == start) {
        return fail_header(p, "a length");
    }
    *out = value;
    return LK_OK;
}

static lk_status take_shape(parser *p, lki_array_file *file)
{
    int64_t lengths[3] = {0, 1, 0};
    int count = 0;
    if (!accept(p, '(')) {
        return fail_header(p, "a tuple of lengths");
    }
    while (!accept(p, ')')) {
        if (count == 3) {
            break;
        }
        LKI_TRY(take_count(p, &lengths[count++]));
        if (!accept(p, ',')) {
            if (!accept(p, ')')) {
                return fail_header(p, "',' or ')'");
            }
            break;
        }
    }
    p->kind.dimensions = count;
    if (count < 1 || count > 2) {
        p->kind.unsuitable = true;
        return lki_fail(p->ctx, LK_ERROR_FORMAT, "%s: the array has %s dimensions; one (a column) or two (rows x columns) are needed",
                        p->name, count == 0 ? "no" : "more than two");
    }
    file->rows = lengths[0];
    file->columns = lengths[1];
    return LK_OK;
}

static lk_status take_element(parser *p, lki_array_file *file)
{
    static const struct {
        const char *code;
        lki_element element;
    } known[] = {{"f8", LKI_ELEMENT_F64}, {"f4", LKI_ELEMENT_F32}, {"i1", LKI_ELEMENT_I8},  {"i2", LKI_ELEMENT_I16},
                 {"i4", LKI_ELEMENT_I32}, {"i8", LKI_ELEMENT_I64}, {"u1", LKI_ELEMENT_U8},  {"u2", LKI_ELEMENT_U16},
                 {"u4", LKI_ELEMENT_U32}, {"u8", LKI_ELEMENT_U64}, {"b1", LKI_ELEMENT_BOOL}};
    char word[32];
    skip_blanks(p);
    if (p->at < p->length && p->text[p->at] == '[') {
        p->kind.unsuitable = true;
        return lki_fail(p->ctx, LK_ERROR_FORMAT, "%s: an array of records; a plain array of numbers is needed", p->name);
    }
    LKI_TRY(take_word(p, word, sizeof word));
    const char *code = strchr("<>|=", word[0]) != NULL && word[0] != '\0' ? word + 1 : word;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i].code, code) == 0) {
            bool little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
            file->element = known[i].element;
            file->element_bytes = lki_element_bytes(file->element);
            file->swapped = file->element_bytes > 1 && ((word[0] == '>' && little) || (word[0] == '<' && !little));
            return LK_OK;
        }
    }
    p->kind.unsuitable = true;
    return lki_fail(p->ctx, LK_ERROR_FORMAT, "%s: elements of type '%s' cannot be read; float64, float32, integers and bool can", p->name,
                    word);
}

static lk_status take_flag(parser *p, bool *out)
{
    skip_blanks(p);
    if (p->length - p->at >= 4 && memcmp(p->text + p->at, "True", 4) == 0) {
        *out = true;
        p->at += 4;
    } else if (p->length - p->at >= 5 && memcmp(p->text + p->at, "False", 5) == 0) {
        *out = false;
        p->at += 5;
    } else {
        return fail_header(p, "True or False");
    }
    return LK_OK;
}

static lk_status take_dictionary(parser *p, lki_array_file *file)
{
    bool seen[3] = {false, false, false};
    static const char *const keys[3] = {"descr", "fortran_order", "shape"};
    if (!accept(p, '{')) {
        return fail_header(p, "'{'");
    }
    while (!accept(p, '}')) {
        char key[32];
        LKI_TRY(take_word(p, key, sizeof key));
        int which = 0;
        while (which < 3 && strcmp(keys[which], key) != 0) {
            which++;
        }
        if (which == 3 || seen[which]) {
            return lki_fail(p->ctx, LK_ERROR_FORMAT, "%s: the NPY header has %s key '%s'; descr, fortran_order and shape were expected",
                            p->name, which == 3 ? "an unknown" : "twice the", key);
        }
        seen[which] = true;
        if (!accept(p, ':')) {
            return fail_header(p, "':'");
        }
        LKI_TRY(which == 0 ? take_element(p, file) : which == 1 ? take_flag(p, &file->fortran) : take_shape(p, file));
        if (!accept(p, ',')) {
            if (!accept(p, '}')) {
                return fail_header(p, "',' or '}'");
            }
            break;
        }
    }
    skip_blanks(p);
    for (int i = 0; i < 3; i++) {
        if (!seen[i]) {
            return lki_fail(p->ctx, LK_ERROR_FORMAT, "%s: the NPY header lacks the key '%s'", p->name, keys[i]);
        }
    }
    return p->at == p->length ? LK_OK : fail_header(p, "the end of the header");
}

lk_status lki_npy_header(lk_context *ctx, lki_source *source, lki_array_file *file, lki_npy_kind *kind)
{
    unsigned char start[12];
    const char *name = lki_source_name(source);
    LKI_TRY(lki_array_header_bytes(ctx, source, "NPY", start, 8));
    if (memcmp(start, "\x93NUMPY", 6) != 0) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s is no NPY file: its first bytes are not \\x93NUMPY", name);
    }
    if (start[6] < 1 || start[6] > 3 || start[7] != 0) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: NPY version %d.%d; 1.0, 2.0 and 3.0 can be read", name, start[6], start[7]);
    }
    size_t width = start[6] == 1 ? 2 : 4;
    LKI_TRY(lki_array_header_bytes(ctx, source, "NPY", start + 8, width));
    size_t length = 0;
    for (size_t i = width; i-- > 0;) {
        length = length << 8 | start[8 + i];
    }
    if (length > HEADER_LIMIT) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: the NPY header claims %zu bytes; at most %d are believed", name, length,
                        (int)HEADER_LIMIT);
    }
    char *text = NULL;
    LKI_TRY(lki_allocate(ctx, length, 1, &text));
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_array_header_bytes(ctx, source, "NPY", text, length));
    parser p = {.ctx = ctx, .name = name, .text = text, .length = length, .offset = 8 + width};
    status = take_dictionary(&p, file);
    *kind = p.kind;
    file->offset = (int64_t)(8 + width + length);
done:
    lki_release(ctx, text);
    return status;
}

lk_status lki_npy_open(lk_context *ctx, lki_source *source, lki_array **out)
{
    lki_array *array = NULL;
    int64_t size = -1;
    lki_npy_kind kind;
    LKI_TRY(lki_array_new(ctx, source, "NPY", &array));
    lk_status status = LK_OK;
    LKI_GOTO(status, fail, lki_npy_header(ctx, source, &array->file, &kind));
    LKI_GOTO(status, fail, lki_array_check_size(ctx, array, lki_source_regular(source, &size) >= 0 ? size : -1));
    LKI_GOTO(status, fail, lki_array_begin(ctx, array));
    *out = array;
    return LK_OK;
fail:
    lki_array_free(array);
    return status;
}
