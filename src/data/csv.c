/* The reader of delimited text: two windows in turn, one parsed while the other is filled; numbering of levels and texts; the
 * text of errors. */
#include "data/csv.h"
#include "core/reduce.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char default_na[] = "NA,N/A,NaN,nan,null,NULL,None,?,.";

static lk_status check_options(lk_context *ctx, const lk_read_options *options, const char *name)
{
    char d = options->delimiter;
    if (d == '"' || d == '\n' || d == '\r' || (unsigned char)d >= 0x80 || (d >= '0' && d <= '9') || d == '-' || d == '+' || d == '.') {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "%s: '%c' (byte %d) cannot be the delimiter; one of , ; tab | is usual", name, d,
                        (int)(unsigned char)d);
    }
    if (options->header < -1 || options->header > 1) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "%s: header is %d; it must be 1, 0 or -1", name, options->header);
    }
    return LK_OK;
}

static lk_status begin_reading(lk_context *ctx, lki_csv *csv, const lk_read_options *options)
{
    lki_csv_window *window = &csv->windows[0];
    LKI_TRY(check_options(ctx, options, csv->name));
    LKI_TRY(lki_csv_na_read(ctx, &csv->memory, options->na != NULL ? options->na : default_na, &csv->na));
    LKI_TRY(lki_csv_fill_first(ctx, csv, window));
    if (window->used >= 2 && (memcmp(window->bytes, "\xff\xfe", 2) == 0 || memcmp(window->bytes, "\xfe\xff", 2) == 0)) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: the text is UTF-16; it must be UTF-8 (iconv -f UTF-16 -t UTF-8)", csv->name);
    }
    if (window->fault.wrong != LKI_CSV_FINE) {
        return lki_csv_fail(ctx, csv, &window->fault);
    }
    LKI_TRY(lki_csv_sniff(ctx, csv, options));
    csv->numeric = true;
    for (int64_t c = 0; c < csv->columns->column_count; c++) {
        lk_type type = csv->columns->columns[c].type;
        csv->numeric = csv->numeric && (type == LK_TYPE_REAL || type == LK_TYPE_INTEGER);
    }
    if (!csv->numeric) {
        size_t bytes = lki_product((size_t)csv->columns->column_count, sizeof *csv->text_count);
        csv->text_count = bytes == SIZE_MAX ? NULL : lki_memory_allocate(&csv->memory, bytes);
        if (csv->text_count == NULL) {
            return lki_fail(ctx, LK_ERROR_MEMORY, "%s: out of memory", csv->name);
        }
        memset(csv->text_count, 0, bytes);
    }
    LKI_TRY(lki_csv_cut_window(ctx, csv, window, csv->start));
    csv->line += lki_csv_count_lines(window->bytes, csv->start);
    /* A single record longer than the window: read on until it is whole. */
    if (window->chunk_count == 0 && !window->last) {
        size_t offset = (size_t)(csv->start - window->bytes);
        memmove(window->bytes, csv->start, window->used - offset);
        csv->start = NULL;
        return lki_csv_fill(ctx, csv, window, window->bytes, window->used - offset);
    }
    return LK_OK;
}

lk_status lki_csv_open(lk_context *ctx, lki_source *source, const lk_read_options *options, const lki_csv_cut *cut, lki_csv **out)
{
    lki_memory memory = lki_memory_of(ctx);
    lki_csv *csv = lki_memory_allocate(&memory, sizeof *csv);
    if (csv == NULL) {
        lki_source_free(source);
        return lki_fail(ctx, LK_ERROR_MEMORY, "out of memory: a reader");
    }
    memset(csv, 0, sizeof *csv);
    csv->memory = memory;
    csv->source = source;
    csv->name = lki_source_name(source);
    csv->keep_text = true;
    csv->line = 1;
    csv->delimiter = options->delimiter;
    if (csv->delimiter == 0 && options->format != NULL && strcmp(options->format, "tsv") == 0) {
        csv->delimiter = '\t';
    }
    csv->window_bytes = cut != NULL && cut->window_bytes > 0 ? cut->window_bytes : (size_t)4 << 20;
    csv->chunk_bytes = cut != NULL && cut->chunk_bytes > 0 ? cut->chunk_bytes : (size_t)256 << 10;
    lk_status status = begin_reading(ctx, csv, options);
    if (status != LK_OK) {
        lki_csv_free(csv);
        return status;
    }
    *out = csv;
    return LK_OK;
}

void lki_csv_free(lki_csv *csv)
{
    if (csv == NULL) {
        return;
    }
    lki_memory memory = csv->memory;
    lki_csv_window_free(csv, &csv->windows[0]);
    lki_csv_window_free(csv, &csv->windows[1]);
    lk_table_free(csv->columns);
    lki_string_list_free(&memory, &csv->na.tokens);
    lki_memory_release(&memory, csv->na.values);
    lki_memory_release(&memory, csv->text_count);
    lki_source_free(csv->source);
    lki_memory_release(&memory, csv);
}

int64_t lki_csv_bound(const lki_csv *csv)
{
    const lki_csv_window *window = &csv->windows[csv->current];
    /* A window may hold nothing but a fault: it must be parsed to be told. */
    return window->bound > 0 || window->fault.wrong == LKI_CSV_FINE ? window->bound : 1;
}

int64_t lki_csv_estimate(const lki_csv *csv)
{
    int64_t size = 0;
    const lki_csv_window *window = &csv->windows[csv->current];
    if (lki_source_regular(csv->source, &size) < 0 || window->bound == 0) {
        return 0;
    }
    double bytes = (double)(window->end - window->bytes) / (double)window->bound;
    double rows = window->last ? (double)window->bound : (double)size / bytes * 1.03 + 1024;
    return rows < 4e18 ? (int64_t)rows : 0;
}

/* ---- parsing a window ------------------------------------------------------------------------------------------- */

typedef struct round_state {
    lki_csv *csv;
    lki_csv_window *window, *next;
    lk_status fill_status;
} round_state;

static lk_status run_task(lk_context *ctx, void *state, int thread, int64_t index)
{
    round_state *r = state;
    (void)thread;
    if (r->next == NULL) {
        index++;
    }
    if (index > 0) {
        lki_csv_parse_chunk(r->csv, &r->window->chunks[index - 1]);
        return LK_OK;
    }
    const char *end = r->window->bytes + r->window->used;
    r->fill_status = lki_csv_fill(ctx, r->csv, r->next, r->window->end, (size_t)(end - r->window->end));
    return LK_OK;
}

/* Gives each chunk its rows of `out` and, where there are strings, lists for them. */
static lk_status prepare_chunks(lk_context *ctx, lki_csv *csv, lki_csv_window *window, double *out)
{
    size_t columns = (size_t)csv->columns->column_count;
    for (size_t i = 0; i < window->chunk_count; i++) {
        lki_csv_chunk *chunk = &window->chunks[i];
        chunk->out = out;
        out += chunk->bound * csv->columns->column_count;
        if (!csv->numeric && chunk->strings == NULL) {
            size_t bytes = lki_product(columns, sizeof *chunk->strings);
            chunk->strings = bytes == SIZE_MAX ? NULL : lki_memory_allocate(&csv->memory, bytes);
            if (chunk->strings == NULL) {
                return lki_fail(ctx, LK_ERROR_MEMORY, "%s: out of memory", csv->name);
            }
            memset(chunk->strings, 0, bytes);
        }
    }
    return LK_OK;
}

/* New levels of a chunk get their numbers in the column, in order of appearance. */
static lk_status number_levels(lk_context *ctx, lki_csv *csv, lki_csv_chunk *chunk, int64_t column)
{
    lki_string_list *fresh = &chunk->strings[column];
    lki_string_list *levels = &csv->columns->columns[column].strings;
    if (fresh->count == 0) {
        return LK_OK;
    }
    size_t *numbers = NULL;
    lk_status status = LK_OK;
    LKI_TRY(lki_allocate(ctx, fresh->count, sizeof *numbers, &numbers));
    for (size_t i = 0; i < fresh->count; i++) {
        LKI_GOTO(status, done, lki_string_list_intern(ctx, &csv->memory, levels, lki_string_list_at(fresh, i),
                                                      lki_string_list_length(fresh, i), &numbers[i]));
    }
    if (levels->count > LKI_CSV_LEVELS_MAX) {
        const char *name = csv->columns->columns[column].name;
        status = lki_fail(ctx, LK_ERROR_DATA, "%s: column '%s' has more than %d levels; say --types %s=text if it is free text", csv->name,
                          name, (int)LKI_CSV_LEVELS_MAX, name);
        goto done;
    }
    double *value = chunk->out + column;
    for (int64_t r = 0; r < chunk->rows; r++, value += csv->columns->column_count) {
        if (*value < 0) {
            *value = (double)numbers[(size_t)(-1 - *value)];
        }
    }
done:
    lki_release(ctx, numbers);
    return status;
}

/* Texts of a chunk follow those of the chunks before it. */
static lk_status number_texts(lk_context *ctx, lki_csv *csv, lki_csv_chunk *chunk, int64_t column)
{
    const lki_string_list *texts = &chunk->strings[column];
    lki_string_list *all = &csv->columns->columns[column].strings;
    double base = (double)csv->text_count[column];
    double *value = chunk->out + column;
    for (int64_t r = 0; r < chunk->rows; r++, value += csv->columns->column_count) {
        *value += base; /* NaN stays NaN */
    }
    csv->text_count[column] += (int64_t)texts->count;
    for (size_t i = 0; csv->keep_text && i < texts->count; i++) {
        LKI_TRY(lki_string_list_add(ctx, &csv->memory, all, lki_string_list_at(texts, i), lki_string_list_length(texts, i)));
    }
    return LK_OK;
}

/* After the tasks: the first fault, the numbers of strings, and rows moved together where a chunk had fewer than its bound. */
static lk_status finish_chunks(lk_context *ctx, lki_csv *csv, const lki_csv_window *window, double *out, int64_t *rows)
{
    int64_t columns = csv->columns->column_count;
    int64_t total = 0;
    for (size_t i = 0; i < window->chunk_count; i++) {
        lki_csv_chunk *chunk = &window->chunks[i];
        if (chunk->fault.wrong != LKI_CSV_FINE) {
            return lki_csv_fail(ctx, csv, &chunk->fault);
        }
        for (int64_t c = 0; !csv->numeric && c < columns; c++) {
            lk_type type = csv->columns->columns[c].type;
            if (type == LK_TYPE_CATEGORY) {
                LKI_TRY(number_levels(ctx, csv, chunk, c));
            } else if (type == LK_TYPE_TEXT) {
                LKI_TRY(number_texts(ctx, csv, chunk, c));
            }
        }
        if (chunk->out != out + total * columns) {
            memmove(out + total * columns, chunk->out, (size_t)(chunk->rows * columns) * sizeof *out);
        }
        total += chunk->rows;
    }
    if (window->fault.wrong != LKI_CSV_FINE) {
        return lki_csv_fail(ctx, csv, &window->fault);
    }
    *rows = total;
    return LK_OK;
}

lk_status lki_csv_parse(lk_context *ctx, lki_csv *csv, double *out, int64_t *rows)
{
    lki_csv_window *window = &csv->windows[csv->current];
    round_state r = {.csv = csv, .window = window, .next = window->last ? NULL : &csv->windows[1 - csv->current]};
    LKI_TRY(prepare_chunks(ctx, csv, window, out));
    LKI_TRY(lki_parallel(ctx, (int64_t)window->chunk_count + (r.next != NULL), run_task, &r));
    if (r.fill_status == LK_OK) {
        LKI_TRY(finish_chunks(ctx, csv, window, out, rows));
    } else {
        /* What is wrong in this window comes before what went wrong when reading on. */
        for (size_t i = 0; i < window->chunk_count; i++) {
            if (window->chunks[i].fault.wrong != LKI_CSV_FINE) {
                return lki_csv_fail(ctx, csv, &window->chunks[i].fault);
            }
        }
        return r.fill_status;
    }
    for (size_t i = 0; i < window->chunk_count; i++) {
        csv->line += window->chunks[i].lines;
    }
    csv->start = NULL;
    if (r.next != NULL) {
        csv->current = 1 - csv->current;
    } else {
        window->chunk_count = 0;
        window->bound = 0;
    }
    return LK_OK;
}

/* ---- errors ------------------------------------------------------------------------------------------------------ */

/* A value for an error text: at most 40 bytes, what cannot be printed as \xHH. */
static void show(char *out, size_t size, const char *text, size_t length)
{
    size_t used = 0;
    size_t taken = length > 40 ? 40 : length;
    while (taken < length && taken > 0 && ((unsigned char)text[taken] & 0xc0) == 0x80) {
        taken--; /* not within a character */
    }
    bool valid = lki_csv_valid_utf8(text, taken) == taken;
    for (size_t i = 0; i < taken && used + 8 < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == 0x7f || (c >= 0x80 && !valid)) {
            used += (size_t)snprintf(out + used, size - used, "\\x%02X", c);
        } else {
            out[used++] = (char)c;
        }
    }
    snprintf(out + used, size - used, "%s", taken < length ? "..." : "");
}

static lk_status fail_value(lk_context *ctx, const lki_csv *csv, const lki_csv_fault *fault, const char *place)
{
    char value[256];
    const char *column = csv->columns->columns[fault->column].name;
    show(value, sizeof value, fault->text, fault->length);
    switch (fault->wrong) {
    case LKI_CSV_NOT_WHOLE:
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: '%s' in column '%s' is not a whole number; say --types %s=real to allow it", place, value,
                        column, column);
    case LKI_CSV_INFINITE:
        return lki_fail(ctx, LK_ERROR_FORMAT,
                        "%s: '%s' in column '%s' is infinite; every number must be finite (say --na %s if it means missing)", place, value,
                        column, value);
    default:
        return lki_fail(ctx, LK_ERROR_FORMAT,
                        "%s: '%s' in column '%s' is not a number; say --types %s=text to read the column as text, or --na %s if that "
                        "means missing",
                        place, value, column, column, value);
    }
}

static lk_status fail_bytes(lk_context *ctx, const lki_csv *csv, const lki_csv_fault *fault, const char *place)
{
    bool named = csv->columns != NULL && fault->column >= 0 && csv->columns->columns[fault->column].name != NULL;
    const char *bad = fault->text + (fault->wrong == LKI_CSV_NUL ? 0 : lki_csv_valid_utf8(fault->text, fault->length));
    if (fault->wrong == LKI_CSV_NUL) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: a NUL byte; delimited text in UTF-8 was expected, and this looks binary", place);
    }
    return lki_fail(ctx, LK_ERROR_FORMAT, "%s: byte 0x%02X%s%s%s is not UTF-8; convert the file (iconv -f LATIN1 -t UTF-8)", place,
                    (unsigned)(unsigned char)*bad, named ? " in column '" : "", named ? csv->columns->columns[fault->column].name : "",
                    named ? "'" : "");
}

lk_status lki_csv_fail(lk_context *ctx, const lki_csv *csv, const lki_csv_fault *fault)
{
    char value[256];
    char place[512];
    const lki_csv_window *window = &csv->windows[csv->current];
    const char *first = csv->start != NULL && fault->at >= csv->start ? csv->start : window->bytes;
    int64_t line = csv->line + lki_csv_count_lines(first, fault->at);
    int64_t column = fault->column >= 0 ? fault->column + 1 : 1;
    int64_t fields = csv->columns != NULL ? csv->columns->column_count : 0;
    column = fault->wrong == LKI_CSV_TOO_MANY ? fields + 1 : fault->wrong == LKI_CSV_TOO_FEW ? fault->column : column;
    snprintf(place, sizeof place, "%s:%lld:%lld", csv->name, (long long)line, (long long)column);
    lki_begin(ctx);
    switch (fault->wrong) {
    case LKI_CSV_TOO_FEW:
    case LKI_CSV_TOO_MANY:
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: the row has %lld fields; %lld were expected, as in the first line", place,
                        (long long)fault->column, (long long)fields);
    case LKI_CSV_OPEN_QUOTE:
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: the quote that opens here is never closed; a quote within a field is written \"\"", place);
    case LKI_CSV_AFTER_QUOTE:
        show(value, sizeof value, fault->text, fault->length);
        return lki_fail(ctx, LK_ERROR_FORMAT,
                        "%s: text follows a closing quote in %s; a delimiter or line end was expected, and a quote within a field is "
                        "written \"\"",
                        place, value);
    case LKI_CSV_NOT_UTF8:
    case LKI_CSV_NUL:
        return fail_bytes(ctx, csv, fault, place);
    case LKI_CSV_LONG_LINE:
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: the line is longer than %zu MB; delimited text with line ends was expected", place,
                        LKI_CSV_LINE_LIMIT >> 20);
    case LKI_CSV_NO_MEMORY:
        return lki_fail(ctx, LK_ERROR_MEMORY, "%s: out of memory for strings", place);
    default:
        return fail_value(ctx, csv, fault, place);
    }
}
