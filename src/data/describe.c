/* Describes a table as JSON: types, ranges, quartiles, missing values, levels, duplicate rows and columns. */
#include <likely/describe.h>

#include "core/reduce.h"
#include "dataset.h"
#include "distinct.h"
#include "duplicates.h"
#include "moments.h"
#include "number.h"
#include "order_statistics.h"
#include "text_field.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct facts {
    lk_type type;
    int64_t count; /* values that are not missing */
    lki_hash hash; /* of all values in order, strings by what they say */
    int64_t levels;
    int64_t *level_counts;
    uint64_t *level_hashes;
    unsigned char *sketch; /* where the column is too large to sort; else NULL */
    int64_t distinct;      /* -1 = not known */
    double quartiles[3];
    int64_t duplicate_of; /* -1 = none */
} facts;

typedef struct survey {
    const lk_table *table;
    int64_t rows, columns;
    int64_t *all; /* 0..columns-1 */
    facts *facts;
    lki_moments *moments;
    double *block;             /* LKI_BLOCK_ROWS x columns */
    lki_duplicates duplicates; /* rows */
    bool sorts;                /* a column fits into memory twice */
    bool text_compared;
} survey;

static bool numeric(const facts *f)
{
    return f->type == LK_TYPE_REAL || f->type == LK_TYPE_INTEGER;
}

/* ---- passes over the rows -------------------------------------------------------------------------------------- */

/* A value's hash by what it means: a level's or text's string, not its number. */
static uint64_t value_hash(survey *s, int64_t column, double v)
{
    const facts *f = &s->facts[column];
    if (isnan(v) || numeric(f)) {
        return lki_hash_number(v);
    }
    if (f->type == LK_TYPE_CATEGORY) {
        return v >= 0.0 && v < (double)f->levels ? f->level_hashes[(int64_t)v] : lki_hash_number(v);
    }
    const char *text = lk_table_text(s->table, column, v);
    if (text == NULL) {
        s->text_compared = false;
        return 0;
    }
    return lki_hash_text(text);
}

static void note_value(facts *f, double v, uint64_t hash)
{
    lki_hash_add(&f->hash, hash);
    if (isnan(v)) {
        return;
    }
    f->count++;
    if (f->type == LK_TYPE_CATEGORY && v >= 0.0 && v < (double)f->levels) {
        f->level_counts[(int64_t)v]++;
    }
    if (f->sketch != NULL) {
        lki_sketch_add(f->sketch, hash);
    }
}

/* Visits all rows once for all that a single pass can tell. */
static lk_status visit_rows(lk_context *ctx, survey *s)
{
    for (int64_t first = 0; first < s->rows; first += LKI_BLOCK_ROWS) {
        int64_t size = s->rows - first < LKI_BLOCK_ROWS ? s->rows - first : LKI_BLOCK_ROWS;
        LKI_TRY(lki_cancelled(ctx));
        lki_progress(ctx, "describe", (double)first, (double)s->rows, "");
        LKI_TRY(lk_table_gather(ctx, s->table, first, size, s->all, s->columns, s->block));
        for (int64_t i = 0; i < size; i++) {
            lki_hash row = {0, 0};
            for (int64_t j = 0; j < s->columns; j++) {
                double v = s->block[i * s->columns + j];
                uint64_t hash = value_hash(s, j, v);
                lki_hash_add(&row, hash);
                note_value(&s->facts[j], v, hash);
            }
            LKI_TRY(lki_duplicates_add(ctx, &s->duplicates, row));
        }
    }
    return LK_OK;
}

static lk_status count_duplicates(lk_context *ctx, survey *s)
{
    LKI_TRY(lki_duplicates_open(ctx, &s->duplicates, s->rows, lki_memory_limit(ctx) / 4));
    LKI_TRY(visit_rows(ctx, s));
    LKI_TRY(lki_duplicates_finish(ctx, &s->duplicates));
    int64_t count = s->duplicates.count;
    lki_duplicates_close(ctx, &s->duplicates); /* before the memory is needed to sort */
    s->duplicates.count = count;
    return LK_OK;
}

static void find_duplicate_columns(survey *s)
{
    for (int64_t j = 0; j < s->columns; j++) {
        facts *f = &s->facts[j];
        bool comparable = f->type != LK_TYPE_TEXT || s->text_compared;
        f->duplicate_of = -1;
        for (int64_t k = 0; k < j && f->duplicate_of < 0 && comparable && s->rows > 0; k++) {
            const facts *g = &s->facts[k];
            bool same_kind = f->type == g->type || (numeric(f) && numeric(g));
            if (same_kind && f->hash.a == g->hash.a && f->hash.b == g->hash.b) {
                f->duplicate_of = k;
            }
        }
    }
}

/* ---- quartiles and distinct values ----------------------------------------------------------------------------- */

/* The order statistics around the quartiles, and their weights: position h = (n - 1) q / 4 lies between two ranks. */
static void quartile_ranks(lki_ranks *r, int64_t n)
{
    r->count = 6;
    for (int q = 0; q < 3; q++) {
        int64_t whole = (n - 1) / 4 * (q + 1) + (n - 1) % 4 * (q + 1) / 4;
        r->rank[2 * q] = whole;
        r->rank[2 * q + 1] = whole + 1 < n ? whole + 1 : whole;
    }
}

static void quartiles_between(const lki_ranks *r, int64_t n, double quartiles[3])
{
    for (int q = 0; q < 3; q++) {
        double part = (double)((n - 1) % 4 * (q + 1) % 4) / 4.0, low = r->value[2 * q], high = r->value[2 * q + 1];
        quartiles[q] = low == high ? low : low * (1.0 - part) + high * part; /* in a form that cannot overflow */
    }
}

/* Sorts a column's keys: exact quartiles and distinct values. */
static lk_status sort_column(lk_context *ctx, survey *s, int64_t column, uint64_t *keys, uint64_t *scratch)
{
    facts *f = &s->facts[column];
    int64_t n = 0;
    for (int64_t first = 0; first < s->rows; first += LKI_BLOCK_ROWS) {
        int64_t size = s->rows - first < LKI_BLOCK_ROWS ? s->rows - first : LKI_BLOCK_ROWS;
        LKI_TRY(lk_table_gather(ctx, s->table, first, size, &column, 1, s->block));
        for (int64_t i = 0; i < size; i++) {
            if (!isnan(s->block[i])) {
                keys[n++] = numeric(f) ? lki_order_key(s->block[i]) : value_hash(s, column, s->block[i]);
            }
        }
    }
    LKI_TRY(lki_cancelled(ctx));
    lki_order_sort(keys, scratch, n);
    f->distinct = n > 0;
    for (int64_t i = 1; i < n; i++) {
        f->distinct += keys[i] != keys[i - 1];
    }
    if (numeric(f) && n > 0) {
        lki_ranks ranks = {.column = column};
        quartile_ranks(&ranks, n);
        for (int t = 0; t < ranks.count; t++) {
            ranks.value[t] = lki_order_value(keys[ranks.rank[t]]);
        }
        quartiles_between(&ranks, n, f->quartiles);
    }
    return LK_OK;
}

static lk_status sort_columns(lk_context *ctx, survey *s)
{
    uint64_t *keys = NULL, *scratch = NULL;
    lk_status status;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)s->rows, sizeof *keys, &keys));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)s->rows, sizeof *scratch, &scratch));
    for (int64_t j = 0; j < s->columns; j++) {
        if (numeric(&s->facts[j]) || (s->facts[j].type == LK_TYPE_TEXT && s->text_compared)) {
            LKI_GOTO(status, done, sort_column(ctx, s, j, keys, scratch));
        }
    }
done:
    lki_release(ctx, keys);
    lki_release(ctx, scratch);
    return status;
}

/* Quartiles by passes, up to 64 columns at once; distinct values as the sketches estimate them. */
static lk_status select_columns(lk_context *ctx, survey *s)
{
    lki_ranks ranks[64];
    for (int64_t j = 0; j < s->columns;) {
        int64_t asked = 0;
        for (; j < s->columns && asked < 64; j++) {
            const facts *f = &s->facts[j];
            if (numeric(f) && f->count > 0) {
                ranks[asked] = (lki_ranks){.column = j};
                quartile_ranks(&ranks[asked++], f->count);
            }
        }
        if (asked > 0) {
            LKI_TRY(lki_order_select(ctx, s->table, ranks, asked));
        }
        for (int64_t k = 0; k < asked; k++) {
            facts *f = &s->facts[ranks[k].column];
            quartiles_between(&ranks[k], f->count, f->quartiles);
        }
    }
    for (int64_t j = 0; j < s->columns; j++) {
        facts *f = &s->facts[j];
        if (f->sketch != NULL && (numeric(f) || s->text_compared)) {
            f->distinct = (int64_t)llround(lki_sketch_estimate(f->sketch));
            f->distinct = f->distinct > f->count ? f->count : f->distinct;
        }
    }
    return LK_OK;
}

static void count_levels(survey *s)
{
    for (int64_t j = 0; j < s->columns; j++) {
        facts *f = &s->facts[j];
        if (f->type == LK_TYPE_CATEGORY) {
            f->distinct = 0;
            for (int64_t k = 0; k < f->levels; k++) {
                f->distinct += f->level_counts[k] > 0;
            }
        }
    }
}

/* ---- JSON ------------------------------------------------------------------------------------------------------ */

static lk_status add_raw(lk_context *ctx, lki_builder *text, const char *bytes)
{
    return lki_builder_add_bytes(ctx, text, bytes, strlen(bytes));
}

/* ,"name": */
static lk_status add_key(lk_context *ctx, lki_builder *text, const char *name)
{
    LKI_TRY(add_raw(ctx, text, ","));
    LKI_TRY(lki_builder_add_json(ctx, text, name));
    return add_raw(ctx, text, ":");
}

static lk_status add_integer(lk_context *ctx, lki_builder *text, const char *name, int64_t v)
{
    char number[LKI_NUMBER_BYTES];
    LKI_TRY(add_key(ctx, text, name));
    lki_format_integer(v, number);
    return add_raw(ctx, text, v < 0 ? "null" : number);
}

static lk_status add_number(lk_context *ctx, lki_builder *text, double v)
{
    char number[LKI_NUMBER_BYTES];
    lki_format_double(v, number);
    return add_raw(ctx, text, isfinite(v) ? number : "null");
}

static lk_status add_flag(lk_context *ctx, lki_builder *text, const char *name, bool v)
{
    LKI_TRY(add_key(ctx, text, name));
    return add_raw(ctx, text, v ? "true" : "false");
}

static lk_status add_numeric(lk_context *ctx, lki_builder *text, const facts *f, const lki_moments *m)
{
    double n = (double)f->count, nan = (double)NAN;
    struct {
        const char *name;
        double value;
    } numbers[] = {{"min", m->least},
                   {"max", m->largest},
                   {"mean", f->count > 0 ? m->mean : nan},
                   {"sd", f->count > 1 ? m->sd * sqrt(n / (n - 1.0)) : nan}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        LKI_TRY(add_key(ctx, text, numbers[i].name));
        LKI_TRY(add_number(ctx, text, numbers[i].value));
    }
    LKI_TRY(add_key(ctx, text, "quartiles"));
    for (int q = 0; q < 3; q++) {
        LKI_TRY(add_raw(ctx, text, q == 0 ? "[" : ","));
        LKI_TRY(add_number(ctx, text, f->count > 0 ? f->quartiles[q] : nan));
    }
    return add_raw(ctx, text, "]");
}

static lk_status add_levels(lk_context *ctx, lki_builder *text, const survey *s, int64_t column)
{
    const facts *f = &s->facts[column];
    LKI_TRY(add_key(ctx, text, "levels"));
    LKI_TRY(add_raw(ctx, text, "["));
    for (int64_t k = 0; k < f->levels; k++) {
        LKI_TRY(add_raw(ctx, text, k == 0 ? "{\"level\":" : ",{\"level\":"));
        LKI_TRY(lki_builder_add_json(ctx, text, lk_table_level(s->table, column, k)));
        LKI_TRY(add_integer(ctx, text, "count", f->level_counts[k]));
        LKI_TRY(add_raw(ctx, text, "}"));
    }
    return add_raw(ctx, text, "]");
}

static lk_status add_column(lk_context *ctx, lki_builder *text, const survey *s, int64_t column)
{
    static const char *const types[] = {"real", "integer", "category", "text"};
    const facts *f = &s->facts[column];
    LKI_TRY(add_raw(ctx, text, column == 0 ? "{\"name\":" : ",{\"name\":"));
    LKI_TRY(lki_builder_add_json(ctx, text, lk_table_name(s->table, column)));
    LKI_TRY(add_key(ctx, text, "type"));
    LKI_TRY(lki_builder_add_json(ctx, text, types[f->type]));
    LKI_TRY(add_integer(ctx, text, "count", f->count));
    LKI_TRY(add_integer(ctx, text, "missing", s->rows - f->count));
    LKI_TRY(add_integer(ctx, text, "distinct", f->distinct));
    LKI_TRY(add_flag(ctx, text, "distinct_estimated", f->sketch != NULL && f->distinct >= 0));
    bool constant = numeric(f) ? f->count == 0 || s->moments[column].least == s->moments[column].largest
                               : f->distinct >= 0 && f->distinct <= 1;
    LKI_TRY(add_flag(ctx, text, "constant", constant));
    LKI_TRY(add_key(ctx, text, "duplicate_of"));
    if (f->duplicate_of >= 0) {
        LKI_TRY(lki_builder_add_json(ctx, text, lk_table_name(s->table, f->duplicate_of)));
    } else {
        LKI_TRY(add_raw(ctx, text, "null"));
    }
    if (numeric(f)) {
        LKI_TRY(add_numeric(ctx, text, f, &s->moments[column]));
    } else if (f->type == LK_TYPE_CATEGORY) {
        LKI_TRY(add_levels(ctx, text, s, column));
    }
    return add_raw(ctx, text, "}");
}

static lk_status add_survey(lk_context *ctx, lki_builder *text, const survey *s)
{
    char number[LKI_NUMBER_BYTES];
    lki_format_integer(s->rows, number);
    LKI_TRY(add_raw(ctx, text, "{\"rows\":"));
    LKI_TRY(add_raw(ctx, text, number));
    LKI_TRY(add_integer(ctx, text, "duplicate_rows", s->duplicates.count));
    LKI_TRY(add_flag(ctx, text, "text_compared", s->text_compared));
    LKI_TRY(add_key(ctx, text, "columns"));
    LKI_TRY(add_raw(ctx, text, "["));
    for (int64_t j = 0; j < s->columns; j++) {
        LKI_TRY(add_column(ctx, text, s, j));
    }
    return lki_builder_add_bytes(ctx, text, "]}", 2);
}

/* ---- all of it ------------------------------------------------------------------------------------------------- */

static lk_status prepare_column(lk_context *ctx, survey *s, int64_t column)
{
    facts *f = &s->facts[column];
    s->all[column] = column;
    f->type = lk_table_type(s->table, column);
    f->distinct = -1;
    f->levels = lk_table_levels(s->table, column);
    LKI_TRY(lki_zeros(ctx, (size_t)f->levels, sizeof *f->level_counts, &f->level_counts));
    LKI_TRY(lki_zeros(ctx, (size_t)f->levels, sizeof *f->level_hashes, &f->level_hashes));
    for (int64_t k = 0; k < f->levels; k++) {
        f->level_hashes[k] = lki_hash_text(lk_table_level(s->table, column, k));
    }
    if (!s->sorts && f->type != LK_TYPE_CATEGORY) {
        LKI_TRY(lki_zeros(ctx, LKI_SKETCH_BYTES, 1, &f->sketch));
    }
    return LK_OK;
}

static lk_status prepare(lk_context *ctx, survey *s)
{
    size_t columns = (size_t)s->columns;
    s->sorts = (double)s->rows * 16.0 <= (double)lki_memory_limit(ctx) / 4.0;
    s->text_compared = true;
    LKI_TRY(lki_zeros(ctx, columns, sizeof *s->facts, &s->facts));
    LKI_TRY(lki_zeros(ctx, columns, sizeof *s->all, &s->all));
    LKI_TRY(lki_zeros(ctx, columns, sizeof *s->moments, &s->moments));
    LKI_TRY(lki_allocate(ctx, columns, LKI_BLOCK_ROWS * sizeof *s->block, &s->block));
    for (int64_t j = 0; j < s->columns; j++) {
        LKI_TRY(prepare_column(ctx, s, j));
    }
    return LK_OK;
}

static lk_status take_survey(lk_context *ctx, survey *s)
{
    LKI_TRY(prepare(ctx, s));
    lki_dataset data = {.table = s->table,
                        .features = s->all,
                        .d = s->columns,
                        .weight = -1,
                        .rows = s->rows,
                        .blocks = (s->rows + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS};
    LKI_TRY(lki_dataset_moments(ctx, &data, s->moments));
    LKI_TRY(count_duplicates(ctx, s));
    find_duplicate_columns(s);
    count_levels(s);
    return s->sorts ? sort_columns(ctx, s) : select_columns(ctx, s);
}

static void survey_free(lk_context *ctx, survey *s)
{
    for (int64_t j = 0; s->facts != NULL && j < s->columns; j++) {
        lki_release(ctx, s->facts[j].level_counts);
        lki_release(ctx, s->facts[j].level_hashes);
        lki_release(ctx, s->facts[j].sketch);
    }
    lki_release(ctx, s->facts);
    lki_release(ctx, s->all);
    lki_release(ctx, s->moments);
    lki_release(ctx, s->block);
    lki_duplicates_close(ctx, &s->duplicates);
}

lk_status lk_table_describe(lk_context *ctx, const lk_table *table, char **out)
{
    lki_begin(ctx);
    survey s = {.table = table, .rows = lk_table_rows(table), .columns = lk_table_columns(table)};
    lki_builder text = {0};
    lk_status status = take_survey(ctx, &s);
    status = status == LK_OK ? add_survey(ctx, &text, &s) : status;
    if (status == LK_OK) {
        *out = text.text;
    } else {
        lki_release(ctx, text.text);
    }
    survey_free(ctx, &s);
    return status;
}
