/* Files in blocks of rows: one pass of small tables, or all of them into one table, in memory or on disk. */
#include "core/reduce.h"
#include "data/array_set.h"
#include "data/csv.h"
#include "data/idx.h"
#include "data/npy.h"
#include "data/npz.h"
#include "data/reader.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct lk_reader {
    lki_memory memory;
    lki_csv *csv;
    lki_array_set *arrays;
    lk_table *columns; /* the csv's, else owned */
    lk_table *block;
    double *rows; /* those of the block, and what is left for the next one */
    size_t capacity;
    int64_t held, given;
    bool ended;
};

/* ---- opening ----------------------------------------------------------------------------------------------------- */

typedef enum file_format { FORMAT_TEXT, FORMAT_NPY, FORMAT_NPZ, FORMAT_IDX } file_format;

static lk_status choose_format(lk_context *ctx, lki_source *source, const lk_read_options *options, file_format *out)
{
    const unsigned char *bytes = NULL;
    size_t count = 0;
    LKI_TRY(lki_source_peek(ctx, source, &bytes, &count));
    *out = count >= 6 && memcmp(bytes, "\x93NUMPY", 6) == 0 ? FORMAT_NPY
           : lki_npz_sniff(bytes, count)                    ? FORMAT_NPZ
           : lki_idx_sniff(bytes, count)                    ? FORMAT_IDX
                                                            : FORMAT_TEXT;
    if (options->format != NULL) {
        static const char *const names[] = {"csv", "tsv", "npy", "npz", "idx"};
        static const file_format formats[] = {FORMAT_TEXT, FORMAT_TEXT, FORMAT_NPY, FORMAT_NPZ, FORMAT_IDX};
        size_t which = 0;
        while (which < sizeof names / sizeof names[0] && strcmp(names[which], options->format) != 0) {
            which++;
        }
        if (which == sizeof names / sizeof names[0]) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "format '%s' is not known; csv, tsv, npy, npz and idx are", options->format);
        }
        *out = formats[which];
    }
    return LK_OK;
}

/* The one array of an NPY or IDX. Takes the source, whatever is returned. */
static lk_status open_array(lk_context *ctx, lki_source *source, file_format format, lki_array_set **out)
{
    lki_array *array = NULL;
    lki_array_set *set = NULL;
    LKI_TRY(format == FORMAT_NPY ? lki_npy_open(ctx, source, &array) : lki_idx_open(ctx, source, &array));
    lk_status status = lki_array_set_new(ctx, 1, &set);
    if (status != LK_OK) {
        lki_array_free(array);
        return status;
    }
    status = lki_array_set_add(ctx, set, array, NULL, 0);
    if (status != LK_OK) {
        lki_array_set_free(set);
        return status;
    }
    *out = set;
    return LK_OK;
}

/* Parts FILE:NAME: *file becomes a copy of FILE that the caller releases, *member points to NAME; both are NULL where path is that of
 * a file as it stands, or no part of it before a colon is. */
static lk_status part_path(lk_context *ctx, const char *path, char **file, const char **member)
{
    struct stat about;
    char *copy = NULL;
    *file = NULL;
    *member = NULL;
    if (strchr(path, ':') == NULL || stat(path, &about) == 0) {
        return LK_OK;
    }
    LKI_TRY(lki_copy_text(ctx, path, &copy));
    for (char *colon = strchr(copy, ':'); colon != NULL; colon = strchr(colon + 1, ':')) {
        *colon = '\0';
        if (strcmp(copy, "-") == 0 || (stat(copy, &about) == 0 && !S_ISDIR(about.st_mode))) {
            *file = copy;
            *member = path + (colon - copy) + 1;
            return LK_OK;
        }
        *colon = ':';
    }
    lki_release(ctx, copy);
    return LK_OK;
}

/* Options of any age: fields beyond the caller's size are zero. */
static lk_status take_options(lk_context *ctx, const lk_read_options *given, lk_read_options *out)
{
    *out = (lk_read_options){.size = sizeof *out};
    if (given != NULL) {
        if (given->size < sizeof given->size) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "lk_read_options.size is %zu; set it to sizeof(lk_read_options)", given->size);
        }
        memcpy(out, given, given->size < sizeof *out ? given->size : sizeof *out);
        out->size = sizeof *out;
    }
    return LK_OK;
}

/* A table of the reader's columns without rows of its own. */
static lk_status new_block(lk_context *ctx, lk_reader *reader)
{
    lk_table *block = lki_memory_allocate(&reader->memory, sizeof *block);
    if (block == NULL) {
        return lki_fail(ctx, LK_ERROR_MEMORY, "out of memory: a table");
    }
    *block = (lk_table){.memory = reader->memory, .column_count = reader->columns->column_count, .columns = reader->columns->columns,
                        .named = reader->columns->named, .keeps_text = true};
    block->file.descriptor = -1;
    reader->block = block;
    return LK_OK;
}

/* Takes the source, whatever is returned. */
static lk_status open_format(lk_context *ctx, lk_reader *reader, lki_source *source, const char *member, const lk_read_options *options,
                             const lki_csv_cut *cut)
{
    file_format format = FORMAT_TEXT;
    lk_status status = choose_format(ctx, source, options, &format);
    if (status == LK_OK && member != NULL && format != FORMAT_NPZ) {
        const char *name = lki_source_name(source);
        status = lki_fail(ctx, LK_ERROR_IO, "'%s:%s' cannot be opened: there is no such file, and '%s' is no NPZ with an array '%s'", name,
                          member, name, member);
    }
    if (status != LK_OK) {
        lki_source_free(source);
        return status;
    }
    if (format == FORMAT_TEXT) {
        LKI_TRY(lki_csv_open(ctx, source, options, cut, &reader->csv));
        reader->columns = reader->csv->columns;
        return LK_OK;
    }
    LKI_TRY(format == FORMAT_NPZ ? lki_npz_open(ctx, source, member, &reader->arrays) : open_array(ctx, source, format, &reader->arrays));
    if (options->types != NULL && options->types[0] != '\0') {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "%s: types '%s' are given, but the columns of an %s are real", reader->arrays->name,
                        options->types, format == FORMAT_NPZ ? "NPZ" : reader->arrays->arrays[0]->format);
    }
    LKI_TRY(lki_array_set_fetch(ctx, reader->arrays, lki_array_set_step(reader->arrays)));
    return lki_array_set_columns(ctx, reader->arrays, &reader->columns);
}

static lk_status open_source(lk_context *ctx, lk_reader *reader, const char *path, const lk_read_options *given, const lki_csv_cut *cut)
{
    lk_read_options options;
    lki_source *source = NULL;
    char *file = NULL;
    const char *member = NULL;
    LKI_TRY(take_options(ctx, given, &options));
    LKI_TRY(part_path(ctx, path, &file, &member));
    lk_status status = lki_source_open(ctx, file != NULL ? file : path, &source);
    if (status == LK_OK) {
        status = open_format(ctx, reader, source, member, &options, cut);
    }
    lki_release(ctx, file);
    return status == LK_OK ? new_block(ctx, reader) : status;
}

lk_status lki_reader_open(lk_context *ctx, const char *path, const lk_read_options *options, const lki_csv_cut *cut, lk_reader **out)
{
    lki_memory memory = lki_memory_of(ctx);
    lk_reader *reader = lki_memory_allocate(&memory, sizeof *reader);
    if (reader == NULL) {
        return lki_fail(ctx, LK_ERROR_MEMORY, "out of memory: a reader");
    }
    *reader = (lk_reader){.memory = memory};
    lk_status status = open_source(ctx, reader, path, options, cut);
    if (status != LK_OK) {
        lk_reader_free(reader);
        return status;
    }
    *out = reader;
    return LK_OK;
}

lk_status lk_reader_open(lk_context *context, const char *path, const lk_read_options *options, lk_reader **out)
{
    lki_begin(context);
    return lki_reader_open(context, path, options, NULL, out);
}

const lk_table *lk_reader_columns(const lk_reader *reader)
{
    return reader->columns;
}

void lk_reader_free(lk_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    lki_memory memory = reader->memory;
    lk_table_free(reader->block);
    if (reader->csv == NULL) {
        lk_table_free(reader->columns);
    }
    lki_csv_free(reader->csv);
    lki_array_set_free(reader->arrays);
    lki_memory_release(&memory, reader->rows);
    lki_memory_release(&memory, reader);
}

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

static void show_progress(lk_context *ctx, const lk_reader *reader)
{
    if (reader->csv != NULL) {
        double done, total;
        lki_source_progress(reader->csv->source, &done, &total);
        lki_progress(ctx, "read", done, total, "");
    } else {
        lki_progress(ctx, "read", (double)reader->arrays->next_row, (double)reader->arrays->rows, "");
    }
}

/* Numbers of texts start again in each block: those that are left over from the last one are moved to the front. */
static void keep_texts(lk_reader *reader)
{
    int64_t columns = reader->columns->column_count;
    for (int64_t c = 0; !reader->csv->numeric && c < columns; c++) {
        if (reader->columns->columns[c].type != LK_TYPE_TEXT) {
            continue;
        }
        double first = (double)reader->csv->text_count[c];
        for (int64_t r = reader->held; r-- > 0;) {
            double value = reader->rows[r * columns + c];
            first = value == value ? value : first; /* NaN is no text */
        }
        for (int64_t r = 0; r < reader->held; r++) {
            reader->rows[r * columns + c] -= first;
        }
        lki_string_list_drop(&reader->columns->columns[c].strings, (size_t)first);
        reader->csv->text_count[c] -= (int64_t)first;
    }
}

/* Parses windows until a whole block is there or the file ends. */
static lk_status hold_csv(lk_context *ctx, lk_reader *reader)
{
    int64_t columns = reader->columns->column_count;
    while (reader->held < LKI_BLOCK_ROWS && !reader->ended) {
        int64_t bound = lki_csv_bound(reader->csv), rows = 0;
        if (bound == 0) {
            reader->ended = true;
            break;
        }
        size_t values = lki_product((size_t)(reader->held + bound), (size_t)columns);
        LKI_TRY(lki_extend(ctx, &reader->memory, &reader->rows, &reader->capacity, values, sizeof *reader->rows));
        LKI_TRY(lki_csv_parse(ctx, reader->csv, reader->rows + reader->held * columns, &rows));
        reader->held += rows;
    }
    return LK_OK;
}

static lk_status hold_arrays(lk_context *ctx, lk_reader *reader)
{
    lki_array_set *set = reader->arrays;
    int64_t rows = lki_array_set_step(set);
    reader->ended = rows == set->rows - set->next_row;
    if (rows > 0) {
        size_t values = lki_product((size_t)rows, (size_t)set->columns);
        LKI_TRY(lki_array_set_fetch(ctx, set, rows));
        LKI_TRY(lki_extend(ctx, &reader->memory, &reader->rows, &reader->capacity, values, sizeof *reader->rows));
        LKI_TRY(lki_array_set_next(ctx, set, rows, reader->rows));
        reader->held = rows;
    }
    return reader->ended ? lki_array_set_end(ctx, set) : LK_OK;
}

lk_status lk_reader_next(lk_context *context, lk_reader *reader, const lk_table **out)
{
    lki_begin(context);
    LKI_TRY(lki_cancelled(context));
    int64_t columns = reader->columns->column_count;
    if (reader->given > 0) {
        reader->held -= reader->given;
        memmove(reader->rows, reader->rows + reader->given * columns, (size_t)(reader->held * columns) * sizeof *reader->rows);
        reader->given = 0;
        if (reader->csv != NULL) {
            keep_texts(reader);
        }
    }
    if (!reader->ended) {
        LKI_TRY(reader->csv != NULL ? hold_csv(context, reader) : hold_arrays(context, reader));
    }
    show_progress(context, reader);
    if (reader->held == 0) {
        *out = NULL;
        return LK_OK;
    }
    reader->given = reader->held < LKI_BLOCK_ROWS ? reader->held : reader->held / LKI_BLOCK_ROWS * LKI_BLOCK_ROWS;
    reader->block->rows = reader->given;
    reader->block->values = reader->rows;
    *out = reader->block;
    return LK_OK;
}

/* ---- whole tables ------------------------------------------------------------------------------------------------ */

/* A table that is being read: rows in `owned`, then in a spool file once they would exceed the limit. */
typedef struct gathering {
    lk_context *ctx;
    lk_table *table;
    size_t capacity; /* doubles in table->owned */
    int64_t columns;
    int64_t rows;    /* so far */
    int64_t in_memory; /* rows of table->owned that are not in the spool */
    size_t limit;
} gathering;

static size_t text_bytes(const lk_table *table)
{
    size_t bytes = 0;
    for (int64_t c = 0; c < table->column_count; c++) {
        bytes += table->columns[c].strings.capacity + table->columns[c].strings.starts_capacity * sizeof(size_t);
    }
    return bytes;
}

static lk_status spool_rows(gathering *g)
{
    size_t bytes = (size_t)(g->in_memory * g->columns) * sizeof(double);
    LKI_TRY(lki_spool_write(g->ctx, g->table->file.descriptor, g->table->owned, bytes));
    g->in_memory = 0;
    return LK_OK;
}

/* From here on rows go to disk; texts are dropped. */
static lk_status start_spool(gathering *g)
{
    LKI_TRY(lki_spool_open(g->ctx, &g->table->file.descriptor));
    g->table->keeps_text = false;
    LKI_TRY(spool_rows(g));
    lki_memory_release(&g->table->memory, g->table->owned);
    g->table->owned = NULL;
    g->capacity = 0;
    return LK_OK;
}

/* Asks for large pages: a fifth of the time of filling a big matrix goes into page faults otherwise. */
static void advise_large_pages(void *block, size_t bytes)
{
    uintptr_t page = (uintptr_t)2 << 20;
    uintptr_t first = ((uintptr_t)block + page - 1) / page * page;
    uintptr_t last = ((uintptr_t)block + bytes) / page * page;
    if (last > first) {
        (void)madvise((char *)block + (first - (uintptr_t)block), last - first, MADV_HUGEPAGE);
    }
}

/* Room for `rows` more rows; `estimate` is the number of rows expected in all, 0 = unknown. */
static lk_status make_room(gathering *g, int64_t rows, int64_t estimate)
{
    size_t need = lki_product((size_t)(g->in_memory + rows), (size_t)g->columns);
    if (g->table->file.descriptor < 0) {
        size_t texts = g->table->keeps_text ? text_bytes(g->table) : 0;
        size_t expected = lki_product(lki_product((size_t)estimate, (size_t)g->columns), sizeof(double));
        size_t grown = need <= g->capacity ? g->capacity : need > g->capacity * 2 ? need : g->capacity * 2;
        size_t both = lki_product(need <= g->capacity ? grown : grown + g->capacity, sizeof(double));
        if (both > g->limit || texts > g->limit - both || expected > g->limit) {
            LKI_TRY(start_spool(g));
            need = lki_product((size_t)rows, (size_t)g->columns);
        } else if (g->capacity == 0 && estimate > rows) {
            need = lki_product((size_t)estimate, (size_t)g->columns);
        }
    } else if (need > g->capacity) {
        LKI_TRY(spool_rows(g));
        need = lki_product((size_t)rows, (size_t)g->columns);
    }
    size_t before = g->capacity;
    LKI_TRY(lki_extend(g->ctx, &g->table->memory, &g->table->owned, &g->capacity, need, sizeof *g->table->owned));
    if (g->capacity > before && g->table->file.descriptor < 0) {
        advise_large_pages(g->table->owned, g->capacity * sizeof *g->table->owned);
    }
    return LK_OK;
}

static lk_status finish_gathering(gathering *g, const char *name)
{
    lk_table *table = g->table;
    if (table->file.descriptor >= 0) {
        LKI_TRY(spool_rows(g));
        lki_memory_release(&table->memory, table->owned);
        table->owned = NULL;
        table->file.name = lki_memory_allocate(&table->memory, strlen(name) + 1);
        if (table->file.name == NULL) {
            return lki_fail(g->ctx, LK_ERROR_MEMORY, "out of memory: reading '%s'", name);
        }
        memcpy(table->file.name, name, strlen(name) + 1);
        table->file.rows = g->rows;
        table->file.columns = g->columns;
        table->file.element = LKI_ELEMENT_F64;
        table->file.element_bytes = sizeof(double);
        table->file.trusted = true;
    }
    for (int64_t c = 0; c < table->column_count && !table->keeps_text; c++) {
        if (table->columns[c].type == LK_TYPE_TEXT) {
            lki_string_list_free(&table->memory, &table->columns[c].strings);
        }
    }
    table->values = table->owned;
    table->rows = g->rows;
    return LK_OK;
}

static lk_status fail_no_rows(lk_context *ctx, const char *name)
{
    return lki_fail(ctx, LK_ERROR_DATA, "%s: there are no rows, only the columns' names; at least one row of values is needed", name);
}

static lk_status read_csv(lk_context *ctx, lk_reader *reader, lk_table **out)
{
    lki_csv *csv = reader->csv;
    gathering g = {.ctx = ctx, .columns = csv->columns->column_count, .limit = (size_t)lk_context_memory(ctx), .table = csv->columns};
    for (int64_t bound = lki_csv_bound(csv); bound > 0; bound = lki_csv_bound(csv)) {
        int64_t rows = 0;
        LKI_TRY(make_room(&g, bound, g.rows == 0 ? lki_csv_estimate(csv) : 0));
        csv->keep_text = g.table->keeps_text;
        LKI_TRY(lki_csv_parse(ctx, csv, g.table->owned + g.in_memory * g.columns, &rows));
        g.rows += rows;
        g.in_memory += rows;
        show_progress(ctx, reader);
    }
    if (g.rows == 0) {
        return fail_no_rows(ctx, csv->name);
    }
    LKI_TRY(finish_gathering(&g, csv->name));
    *out = g.table;
    reader->columns = NULL;
    csv->columns = NULL;
    return LK_OK;
}

/* One task of checking or converting an array into memory: a run of rows. */
typedef struct array_pass {
    const lki_array_file *file;
    const double *mapped; /* to be checked, or NULL: to be read into `owned` */
    double *owned;
    int64_t step;
} array_pass;

static lk_status pass_rows(lk_context *ctx, void *state, int thread, int64_t index)
{
    const array_pass *p = state;
    (void)thread;
    int64_t first = index * p->step;
    int64_t rows = p->file->rows - first < p->step ? p->file->rows - first : p->step;
    int64_t columns = p->file->columns;
    if (p->mapped == NULL) {
        return lki_array_file_gather(ctx, p->file, first, rows, NULL, columns, p->owned + first * columns);
    }
    size_t count = (size_t)(rows * columns);
    size_t bad = lki_find_infinity(p->mapped + first * columns, count);
    if (bad == count) {
        return LK_OK;
    }
    return lki_fail_infinity(ctx, p->file->name, first + (int64_t)bad / columns, (int64_t)bad % columns,
                             p->mapped[first * columns + (int64_t)bad]);
}

/* Maps the rows of a regular file where they are doubles already; false if that cannot be done. */
static bool map_rows(lk_table *table, const lki_array_file *file)
{
    if (file->descriptor < 0 || file->element != LKI_ELEMENT_F64 || file->swapped || file->fortran ||
        file->offset % (int64_t)sizeof(double) != 0) {
        return false;
    }
    size_t bytes = (size_t)(file->offset + file->rows * file->columns * (int64_t)sizeof(double));
    void *mapping = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, file->descriptor, 0);
    if (mapping == MAP_FAILED) {
        return false;
    }
    table->mapping = mapping;
    table->mapping_bytes = bytes;
    table->values = (const double *)(const void *)((const char *)mapping + file->offset);
    return true;
}

/* An array that can be read by position: mapped, converted into memory, or left where it is. */
static lk_status read_by_position(lk_context *ctx, const lki_array_set *set, lk_table *table)
{
    lki_array *array = set->arrays[0];
    lki_array_file *file = &array->file;
    int64_t values = file->rows * file->columns;
    table->rows = file->rows;
    if (values > lk_context_memory(ctx) / (int64_t)sizeof(double) && file->descriptor >= 0) {
        table->file = *file;
        if (array->owned) {
            array->owned = false;
        } else {
            table->file.descriptor = lki_source_detach(array->source);
        }
        file->name = NULL;
        file->descriptor = -1;
        return LK_OK;
    }
    array_pass pass = {.file = file, .step = lki_array_set_step(set)};
    if (map_rows(table, file)) {
        pass.mapped = table->values;
    } else {
        table->owned = lki_memory_allocate(&table->memory, (size_t)values * sizeof(double));
        if (table->owned == NULL) {
            return lki_fail(ctx, LK_ERROR_MEMORY, "out of memory: %lld x %lld values", (long long)file->rows, (long long)file->columns);
        }
        advise_large_pages(table->owned, (size_t)values * sizeof(double));
        pass.owned = table->owned;
        table->values = table->owned;
    }
    return lki_parallel(ctx, (file->rows + pass.step - 1) / pass.step, pass_rows, &pass);
}

/* Arrays from a pipe, compressed, or side by side: block after block. */
static lk_status read_in_order(lk_context *ctx, lk_reader *reader, lk_table *table)
{
    lki_array_set *set = reader->arrays;
    gathering g = {.ctx = ctx, .columns = set->columns, .limit = (size_t)lk_context_memory(ctx), .table = table};
    /* A header alone may lie about its rows: then memory is taken as they come. */
    int64_t expected = set->arrays[0]->sized ? set->rows : 0;
    do {
        LKI_TRY(lki_cancelled(ctx));
        LKI_TRY(hold_arrays(ctx, reader));
        LKI_TRY(make_room(&g, reader->held, g.rows == 0 ? expected : 0));
        memcpy(table->owned + g.in_memory * g.columns, reader->rows, (size_t)(reader->held * g.columns) * sizeof(double));
        g.rows += reader->held;
        g.in_memory += reader->held;
        show_progress(ctx, reader);
    } while (!reader->ended);
    return finish_gathering(&g, set->name);
}

static lk_status read_arrays(lk_context *ctx, lk_reader *reader, lk_table **out)
{
    lki_array_set *set = reader->arrays;
    if (set->rows == 0) {
        return lki_fail(ctx, LK_ERROR_DATA, "%s: there are no rows (shape 0 x %lld); at least one is needed", set->name,
                        (long long)set->columns);
    }
    if (set->count == 1) {
        LKI_TRY(lki_array_settle(ctx, set->arrays[0]));
    }
    if (set->count == 1 && lki_array_by_position(set->arrays[0])) {
        LKI_TRY(lki_array_end(ctx, set->arrays[0]));
        LKI_TRY(read_by_position(ctx, set, reader->columns));
    } else {
        LKI_TRY(read_in_order(ctx, reader, reader->columns));
    }
    *out = reader->columns;
    reader->columns = NULL;
    return LK_OK;
}

lk_status lki_table_read(lk_context *ctx, const char *path, const lk_read_options *options, const lki_csv_cut *cut, lk_table **out)
{
    lk_reader *reader = NULL;
    lk_table *table = NULL;
    LKI_TRY(lki_reader_open(ctx, path, options, cut, &reader));
    lk_status status = reader->csv != NULL ? read_csv(ctx, reader, &table) : read_arrays(ctx, reader, &table);
    lk_reader_free(reader);
    if (status == LK_OK) {
        *out = table;
    }
    return status;
}

lk_status lk_table_read(lk_context *context, const char *path, const lk_read_options *options, lk_table **out)
{
    lki_begin(context);
    return lki_table_read(context, path, options, NULL, out);
}
