/* Writes rows as CSV, TSV, JSON lines or NPY, formatting blocks on all threads into the same bytes as one would. */
#include "core/reduce.h"
#include "number.h"
#include "output.h"
#include "text_field.h"

#include <likely/table.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* A task formats this many values; more than one task is made a thread so that uneven text does not idle the others. */
enum { TASK_VALUES = 4096, TASKS_PER_THREAD = 4, NPY_HEADER_BYTES = 128 };

typedef enum output_format { FORMAT_CSV, FORMAT_TSV, FORMAT_JSONL, FORMAT_NPY } output_format;
static const char *const format_names[] = {"csv", "tsv", "jsonl", "npy"};

typedef struct column {
    char *name;
    char *key; /* JSON lines: what stands before a value, such as ,"a": */
    size_t key_length;
    lk_type type;
    const lk_table *table;
    int64_t table_column;
} column;

struct lk_writer {
    lki_memory memory;
    output_format format;
    lki_output *output;
    lki_output *target; /* waits while an NPY's rows are spooled, since its header counts them; else NULL */
    column *columns;
    int64_t count;
    int64_t numeric;    /* columns of type real and integer */
    int64_t rows;       /* written so far */
    bool failed;        /* rows are missing: what there is must not take the name */
    lki_builder *texts; /* one a task */
    int tasks;
};

/* ---- opening --------------------------------------------------------------------------------------------------- */

static lk_status find_format(lk_context *ctx, const char *path, const char *name, output_format *out)
{
    bool given = name != NULL;
    if (!given && (path == NULL || strcmp(path, "-") == 0)) {
        *out = FORMAT_CSV;
        return LK_OK;
    }
    if (!given) {
        const char *base = strrchr(path, '/') == NULL ? path : strrchr(path, '/') + 1;
        const char *dot = strrchr(base, '.');
        if (dot == NULL && strncmp(path, "/dev/", 5) == 0) {
            *out = FORMAT_CSV;
            return LK_OK;
        }
        name = dot == NULL ? "" : dot + 1;
    }
    for (size_t i = 0; i < sizeof format_names / sizeof format_names[0]; i++) {
        if (strcasecmp(name, format_names[i]) == 0) {
            *out = (output_format)i;
            return LK_OK;
        }
    }
    if (given) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "unknown output format '%s': use csv, tsv, jsonl or npy", name);
    }
    return lki_fail(ctx, LK_ERROR_ARGUMENT,
                    "the extension of '%s' names no output format: use .csv, .tsv, .jsonl or .npy, or give the format",
                    path);
}

static bool is_number(const column *c)
{
    return c->type == LK_TYPE_REAL || c->type == LK_TYPE_INTEGER;
}

static lk_status copy_columns(lk_context *ctx, lk_writer *w, const lk_column *columns, int64_t count)
{
    LKI_TRY(lki_zeros(ctx, (size_t)count, sizeof *w->columns, &w->columns));
    w->count = count;
    for (int64_t j = 0; j < count; j++) {
        column *c = &w->columns[j];
        c->type = columns[j].type;
        c->table = columns[j].levels_of;
        c->table_column = columns[j].levels_column;
        w->numeric += is_number(c);
        LKI_TRY(lki_copy_text(ctx, columns[j].name == NULL ? "" : columns[j].name, &c->name));
        if (w->format == FORMAT_JSONL) {
            lki_builder key = {0};
            lk_status status = lki_builder_add_bytes(ctx, &key, j == 0 ? "{" : ",", 1);
            status = status == LK_OK ? lki_builder_add_json(ctx, &key, c->name) : status;
            status = status == LK_OK ? lki_builder_add_bytes(ctx, &key, ":", 1) : status;
            c->key = key.text;
            c->key_length = key.length;
            LKI_TRY(status);
        }
    }
    if (w->format == FORMAT_NPY && w->numeric == 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT,
                        "an npy file holds numeric columns only, and none of the %lld columns is: use "
                        "csv, tsv or jsonl",
                        (long long)count);
    }
    return LK_OK;
}

/* The line of names; an NPY's header comes when its rows are known, JSON lines have none. */
static lk_status write_head(lk_context *ctx, lk_writer *w)
{
    if (w->format == FORMAT_NPY) {
        static const char zeros[NPY_HEADER_BYTES];
        return w->target == NULL ? lki_output_write(ctx, w->output, zeros, sizeof zeros) : LK_OK;
    }
    if (w->format == FORMAT_JSONL) {
        return LK_OK;
    }
    char delimiter = w->format == FORMAT_CSV ? ',' : '\t';
    lki_builder line = {0};
    lk_status status = LK_OK;
    for (int64_t j = 0; j < w->count && status == LK_OK; j++) {
        status = j > 0 ? lki_builder_add_bytes(ctx, &line, &delimiter, 1) : LK_OK;
        status = status == LK_OK ? lki_builder_add_quoted(ctx, &line, w->columns[j].name, delimiter) : status;
    }
    status = status == LK_OK ? lki_builder_add_bytes(ctx, &line, "\n", 1) : status;
    status = status == LK_OK ? lki_output_write(ctx, w->output, line.text, line.length) : status;
    lki_release(ctx, line.text);
    return status;
}

lk_status lk_writer_open(lk_context *ctx, const char *path, const char *format_text, const lk_column *columns,
                         int64_t count, lk_writer **out)
{
    lki_begin(ctx);
    output_format format = FORMAT_CSV;
    lk_writer *w = NULL;
    lk_status status;
    LKI_TRY(find_format(ctx, path, format_text, &format));
    if (count < 1) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "an output needs at least 1 column, not %lld", (long long)count);
    }
    LKI_TRY(lki_zeros(ctx, 1, sizeof *w, &w));
    w->memory = lki_memory_of(ctx);
    w->format = format;
    LKI_GOTO(status, fail, copy_columns(ctx, w, columns, count));
    w->tasks = lki_threads(ctx) * TASKS_PER_THREAD;
    LKI_GOTO(status, fail, lki_zeros(ctx, (size_t)w->tasks, sizeof *w->texts, &w->texts));
    LKI_GOTO(status, fail, lki_output_open(ctx, path, &w->output));
    if (format == FORMAT_NPY && !lki_output_patchable(w->output)) {
        w->target = w->output;
        w->output = NULL;
        LKI_GOTO(status, fail, lki_output_spool(ctx, &w->output));
    }
    LKI_GOTO(status, fail, write_head(ctx, w));
    *out = w;
    return LK_OK;
fail:
    lk_writer_free(w);
    return status;
}

void lk_writer_source(lk_writer *writer, int64_t column_number, const lk_table *table)
{
    if (column_number >= 0 && column_number < writer->count) {
        writer->columns[column_number].table = table;
    }
}

/* ---- rows ------------------------------------------------------------------------------------------------------ */

typedef struct rows_task {
    lk_writer *writer;
    const double *values;
    int64_t rows;     /* of this wave */
    int64_t per_task; /* rows of one task, the last may have fewer */
    int64_t first;    /* row number of the wave, for messages */
} rows_task;

static const char *text_of(const column *c, double value)
{
    if (c->table == NULL) {
        return NULL;
    }
    if (c->type == LK_TYPE_TEXT) {
        return lk_table_text(c->table, c->table_column, value);
    }
    if (!(value >= 0.0 && value < 9007199254740992.0)) {
        return NULL;
    }
    return lk_table_level(c->table, c->table_column, (int64_t)value);
}

static size_t format_number(const column *c, double value, char *out)
{
    if (c->type == LK_TYPE_INTEGER && fabs(value) < 9223372036854775808.0 && trunc(value) == value) {
        return (size_t)lki_format_integer((int64_t)value, out);
    }
    return (size_t)lki_format_double(value, out);
}

static lk_status add_word(lk_context *ctx, const lk_writer *w, lki_builder *text, const column *c, double value,
                          int64_t row)
{
    const char *word = text_of(c, value);
    if (word == NULL) {
        char number[LKI_NUMBER_BYTES];
        lki_format_double(value, number);
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "row %lld of column '%s': no text belongs to the value %s",
                        (long long)row + 1, c->name, number);
    }
    if (w->format == FORMAT_JSONL) {
        return lki_builder_add_json(ctx, text, word);
    }
    return lki_builder_add_quoted(ctx, text, word, w->format == FORMAT_CSV ? ',' : '\t');
}

static lk_status format_delimited_row(lk_context *ctx, const lk_writer *w, lki_builder *text, const double *v,
                                      int64_t row)
{
    char delimiter = w->format == FORMAT_CSV ? ',' : '\t';
    LKI_TRY(lki_builder_reserve(ctx, text, (size_t)w->count * (LKI_NUMBER_BYTES + 1) + 3));
    for (int64_t j = 0; j < w->count; j++) {
        const column *c = &w->columns[j];
        if (!isnan(v[j])) {
            if (is_number(c)) {
                text->length += format_number(c, v[j], text->text + text->length);
            } else {
                LKI_TRY(add_word(ctx, w, text, c, v[j], row));
                LKI_TRY(lki_builder_reserve(ctx, text, (size_t)(w->count - j) * (LKI_NUMBER_BYTES + 1) + 3));
            }
        } else if (w->count == 1) {
            text->text[text->length++] = '"'; /* an empty line would be no row at all */
            text->text[text->length++] = '"';
        }
        text->text[text->length++] = j + 1 < w->count ? delimiter : '\n';
    }
    return LK_OK;
}

static lk_status format_json_row(lk_context *ctx, const lk_writer *w, lki_builder *text, const double *v, int64_t row)
{
    for (int64_t j = 0; j < w->count; j++) {
        const column *c = &w->columns[j];
        LKI_TRY(lki_builder_reserve(ctx, text, c->key_length + LKI_NUMBER_BYTES + 2));
        memcpy(text->text + text->length, c->key, c->key_length);
        text->length += c->key_length;
        if (!isfinite(v[j])) {
            memcpy(text->text + text->length, "null", 4);
            text->length += 4;
        } else if (is_number(c)) {
            text->length += format_number(c, v[j], text->text + text->length);
        } else {
            LKI_TRY(add_word(ctx, w, text, c, v[j], row));
        }
    }
    return lki_builder_add_bytes(ctx, text, "}\n", 2);
}

/* Little-endian float64, whatever the machine. */
static lk_status format_npy_row(lk_context *ctx, const lk_writer *w, lki_builder *text, const double *v)
{
    LKI_TRY(lki_builder_reserve(ctx, text, (size_t)w->count * sizeof(double)));
    for (int64_t j = 0; j < w->count; j++) {
        if (is_number(&w->columns[j])) {
            uint64_t bits;
            memcpy(&bits, &v[j], sizeof bits);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
            bits = __builtin_bswap64(bits);
#endif
            memcpy(text->text + text->length, &bits, sizeof bits);
            text->length += sizeof bits;
        }
    }
    return LK_OK;
}

static lk_status format_task(lk_context *ctx, void *state, int thread, int64_t index)
{
    const rows_task *task = state;
    const lk_writer *w = task->writer;
    (void)thread;
    lki_builder *text = &w->texts[index];
    int64_t begin = index * task->per_task;
    int64_t end = begin + task->per_task < task->rows ? begin + task->per_task : task->rows;
    text->length = 0;
    for (int64_t i = begin; i < end; i++) {
        const double *v = task->values + i * w->count;
        int64_t row = task->first + i;
        if (w->format == FORMAT_NPY) {
            LKI_TRY(format_npy_row(ctx, w, text, v));
        } else if (w->format == FORMAT_JSONL) {
            LKI_TRY(format_json_row(ctx, w, text, v, row));
        } else {
            LKI_TRY(format_delimited_row(ctx, w, text, v, row));
        }
    }
    return LK_OK;
}

static lk_status write_rows(lk_context *ctx, lk_writer *w, const double *values, int64_t rows)
{
    int64_t per_task = TASK_VALUES / w->count > 0 ? TASK_VALUES / w->count : 1;
    int64_t per_wave = per_task * w->tasks;
    for (int64_t first = 0; first < rows; first += per_wave) {
        int64_t wave = rows - first < per_wave ? rows - first : per_wave;
        int64_t tasks = (wave + per_task - 1) / per_task;
        rows_task task = {w, values + first * w->count, wave, per_task, w->rows + first};
        if (tasks == 1) {
            LKI_TRY(format_task(ctx, &task, 0, 0));
        } else {
            LKI_TRY(lki_parallel(ctx, tasks, format_task, &task));
        }
        for (int64_t i = 0; i < tasks; i++) {
            LKI_TRY(lki_output_write(ctx, w->output, w->texts[i].text, w->texts[i].length));
        }
        LKI_TRY(lki_cancelled(ctx));
    }
    w->rows += rows;
    return LK_OK;
}

lk_status lk_writer_rows(lk_context *ctx, lk_writer *w, const double *values, int64_t rows)
{
    lki_begin(ctx);
    if (rows < 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "the number of rows to write is %lld, below 0", (long long)rows);
    }
    lk_status status = write_rows(ctx, w, values, rows);
    w->failed = w->failed || status != LK_OK;
    return status;
}

/* ---- the end --------------------------------------------------------------------------------------------------- */

/* NPY format 1.0: magic, version, length of the header, a Python dictionary padded by blanks up to a line feed. */
static void npy_header(const lk_writer *w, char out[NPY_HEADER_BYTES])
{
    char dictionary[NPY_HEADER_BYTES];
    int length =
        snprintf(dictionary, sizeof dictionary, "{'descr': '<f8', 'fortran_order': False, 'shape': (%lld, %lld), }",
                 (long long)w->rows, (long long)w->numeric);
    memset(out, ' ', NPY_HEADER_BYTES);
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = (char)(NPY_HEADER_BYTES - 10);
    out[9] = 0;
    memcpy(out + 10, dictionary, (size_t)length);
    out[NPY_HEADER_BYTES - 1] = '\n';
}

static lk_status finish_npy(lk_context *ctx, lk_writer *w)
{
    char header[NPY_HEADER_BYTES];
    npy_header(w, header);
    if (w->target == NULL) {
        return lki_output_patch(ctx, w->output, 0, header, sizeof header);
    }
    LKI_TRY(lki_output_write(ctx, w->target, header, sizeof header));
    LKI_TRY(lki_output_append(ctx, w->target, w->output));
    lki_output_abort(w->output);
    w->output = w->target;
    w->target = NULL;
    return LK_OK;
}

lk_status lk_writer_close(lk_context *ctx, lk_writer *w)
{
    lki_begin(ctx);
    lk_status status = LK_OK;
    if (w->failed) {
        status = lki_fail(ctx, LK_ERROR_IO, "earlier rows of '%s' were not written: nothing is kept",
                          lki_output_name(w->target != NULL ? w->target : w->output));
    } else if (w->format == FORMAT_NPY) {
        status = finish_npy(ctx, w);
    }
    if (status == LK_OK) {
        status = lki_output_commit(ctx, w->output);
        w->output = NULL;
    }
    lk_writer_free(w);
    return status;
}

void lk_writer_free(lk_writer *w)
{
    if (w == NULL) {
        return;
    }
    lki_memory memory = w->memory;
    for (int64_t j = 0; j < w->count; j++) {
        lki_memory_release(&memory, w->columns[j].name);
        lki_memory_release(&memory, w->columns[j].key);
    }
    for (int i = 0; w->texts != NULL && i < w->tasks; i++) {
        lki_memory_release(&memory, w->texts[i].text);
    }
    lki_memory_release(&memory, w->columns);
    lki_memory_release(&memory, w->texts);
    lki_output_abort(w->output);
    lki_output_abort(w->target);
    lki_memory_release(&memory, w);
}
