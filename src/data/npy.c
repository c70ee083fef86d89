/* Reads NPY headers strictly (numpy.lib.format: magic, version, length, a Python dictionary of three keys) and rows in order. */
#include "data/npy.h"

#include <string.h>
#include <unistd.h>

enum { HEADER_LIMIT = 1 << 20, SPOOL_BYTES = 1 << 20 };

/* The dictionary's text and a position in it. */
typedef struct parser {
    lk_context *ctx;
    const char *name;
    const char *text;
    size_t length, at;
    size_t offset; /* of the text in the file */
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
    if (count < 1 || count > 2) {
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

/* Reads exactly `count` bytes. */
static lk_status take_bytes(lk_context *ctx, lki_source *source, void *bytes, size_t count)
{
    size_t got = 0;
    LKI_TRY(lki_source_read(ctx, source, bytes, count, &got));
    if (got < count) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: the NPY header ends in the middle; the file is truncated", lki_source_name(source));
    }
    return LK_OK;
}

static lk_status read_header(lk_context *ctx, lki_source *source, lki_array_file *file)
{
    unsigned char start[12];
    const char *name = lki_source_name(source);
    LKI_TRY(take_bytes(ctx, source, start, 8));
    if (memcmp(start, "\x93NUMPY", 6) != 0) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s is no NPY file: its first bytes are not \\x93NUMPY", name);
    }
    if (start[6] < 1 || start[6] > 3 || start[7] != 0) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: NPY version %d.%d; 1.0, 2.0 and 3.0 can be read", name, start[6], start[7]);
    }
    size_t width = start[6] == 1 ? 2 : 4;
    LKI_TRY(take_bytes(ctx, source, start + 8, width));
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
    LKI_GOTO(status, done, take_bytes(ctx, source, text, length));
    parser p = {.ctx = ctx, .name = name, .text = text, .length = length, .offset = 8 + width};
    LKI_GOTO(status, done, take_dictionary(&p, file));
    file->offset = (int64_t)(8 + width + length);
done:
    lki_release(ctx, text);
    return status;
}

/* The header against what it claims, and against the file's size where there is one. */
static lk_status check_size(lk_context *ctx, const lki_array_file *file, const char *name, int64_t size)
{
    if (file->columns < 1) {
        return lki_fail(ctx, LK_ERROR_DATA, "%s: the array has no columns (shape %lld x 0)", name, (long long)file->rows);
    }
    int64_t bytes;
    if (__builtin_mul_overflow(file->rows, file->columns, &bytes) || __builtin_mul_overflow(bytes, (int64_t)sizeof(double), &bytes) ||
        bytes > INT64_MAX - file->offset) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: the NPY header claims %lld x %lld elements, more than any file holds", name,
                        (long long)file->rows, (long long)file->columns);
    }
    int64_t expected = file->offset + file->rows * file->columns * (int64_t)file->element_bytes;
    if (size >= 0 && size != expected) {
        return lki_fail(ctx, LK_ERROR_FORMAT,
                        "%s: the NPY header claims %lld x %lld elements of %zu bytes, which makes a file of %lld bytes; it has %lld", name,
                        (long long)file->rows, (long long)file->columns, file->element_bytes, (long long)expected, (long long)size);
    }
    return LK_OK;
}

static lk_status fail_short(lk_context *ctx, const lki_npy *npy)
{
    return lki_fail(ctx, LK_ERROR_FORMAT, "%s: the data ends before the %lld x %lld elements that the NPY header claims",
                    lki_source_name(npy->source), (long long)npy->file.rows, (long long)npy->file.columns);
}

/* Columns cannot be had in rows from a stream: it goes to a temporary file first. */
static lk_status spool_source(lk_context *ctx, lki_npy *npy)
{
    int64_t left = npy->file.rows * npy->file.columns * (int64_t)npy->file.element_bytes;
    char *buffer = NULL;
    LKI_TRY(lki_spool_open(ctx, &npy->file.descriptor));
    npy->spooled = true;
    LKI_TRY(lki_allocate(ctx, SPOOL_BYTES, 1, &buffer));
    lk_status status = LK_OK;
    while (left > 0) {
        size_t want = left < SPOOL_BYTES ? (size_t)left : SPOOL_BYTES;
        size_t got = 0;
        LKI_GOTO(status, done, lki_cancelled(ctx));
        LKI_GOTO(status, done, lki_source_read(ctx, npy->source, buffer, want, &got));
        if (got < want) {
            status = fail_short(ctx, npy);
            goto done;
        }
        LKI_GOTO(status, done, lki_spool_write(ctx, npy->file.descriptor, buffer, got));
        left -= (int64_t)got;
    }
    npy->file.offset = 0;
done:
    lki_release(ctx, buffer);
    return status;
}

static lk_status begin_npy(lk_context *ctx, lki_npy *npy)
{
    int64_t size = -1;
    const char *name = lki_source_name(npy->source);
    LKI_TRY(read_header(ctx, npy->source, &npy->file));
    int descriptor = lki_source_regular(npy->source, &size);
    LKI_TRY(check_size(ctx, &npy->file, name, descriptor >= 0 ? size : -1));
    npy->file.name = lki_memory_allocate(&npy->memory, strlen(name) + 1);
    if (npy->file.name == NULL) {
        return lki_fail(ctx, LK_ERROR_MEMORY, "out of memory: reading '%s'", name);
    }
    memcpy(npy->file.name, name, strlen(name) + 1);
    npy->file.descriptor = descriptor;
    if (descriptor < 0 && npy->file.fortran && npy->file.columns > 1) {
        LKI_TRY(spool_source(ctx, npy));
    }
    npy->file.fortran = npy->file.fortran && npy->file.columns > 1;
    return LK_OK;
}

lk_status lki_npy_open(lk_context *ctx, lki_source *source, lki_npy **out)
{
    lki_memory memory = lki_memory_of(ctx);
    lki_npy *npy = lki_memory_allocate(&memory, sizeof *npy);
    if (npy == NULL) {
        lki_source_free(source);
        return lki_fail(ctx, LK_ERROR_MEMORY, "out of memory: a reader");
    }
    *npy = (lki_npy){.memory = memory, .source = source};
    npy->file.descriptor = -1;
    lk_status status = begin_npy(ctx, npy);
    if (status != LK_OK) {
        lki_npy_free(npy);
        return status;
    }
    *out = npy;
    return LK_OK;
}

void lki_npy_free(lki_npy *npy)
{
    if (npy == NULL) {
        return;
    }
    lki_memory memory = npy->memory;
    if (npy->spooled && npy->file.descriptor >= 0) {
        close(npy->file.descriptor);
    }
    lki_source_free(npy->source);
    lki_memory_release(&memory, npy->file.name);
    lki_memory_release(&memory, npy);
}

lk_status lki_npy_next(lk_context *ctx, lki_npy *npy, int64_t rows, void *buffer, double *out)
{
    const lki_array_file *file = &npy->file;
    int64_t first = npy->next_row;
    if (file->descriptor >= 0) {
        LKI_TRY(lki_array_file_gather(ctx, file, first, rows, NULL, file->columns, out));
    } else {
        size_t count = (size_t)(rows * file->columns), got = 0;
        LKI_TRY(lki_source_read(ctx, npy->source, buffer, count * file->element_bytes, &got));
        if (got < count * file->element_bytes) {
            return fail_short(ctx, npy);
        }
        lki_elements_convert(file->element, file->swapped, buffer, count, out);
        size_t bad = lki_find_infinity(out, count);
        if (bad < count) {
            return lki_fail_infinity(ctx, file->name, first + (int64_t)bad / file->columns, (int64_t)bad % file->columns, out[bad]);
        }
    }
    npy->next_row += rows;
    return LK_OK;
}

lk_status lki_npy_end(lk_context *ctx, lki_npy *npy)
{
    char byte;
    size_t got = 0;
    if (npy->file.descriptor >= 0 && !npy->spooled) {
        return LK_OK; /* the size of a regular file was checked */
    }
    LKI_TRY(lki_source_read(ctx, npy->source, &byte, 1, &got));
    if (got > 0) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: data follows the %lld x %lld elements that the NPY header claims",
                        lki_source_name(npy->source), (long long)npy->file.rows, (long long)npy->file.columns);
    }
    return LK_OK;
}
