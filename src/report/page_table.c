/* What the data are: columns with their ranges and histograms, and which values are missing together. */
#include "data/json_text.h"
#include "report/page.h"

#include <likely/describe.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Bars of a histogram, columns with missing values whose patterns are told, patterns that are counted and that are told. */
enum { BARS = 40, MASKED = 60, PATTERNS = 4096, PATTERNS_TOLD = 12 };
/* Columns whose histograms are made, and columns that are told at all. */
enum { DRAWN_COLUMNS = 60, TOLD_COLUMNS = 200, TOLD_LEVELS = 12 };

typedef struct pattern {
    uint64_t mask; /* bit m: the m-th masked column is missing */
    int64_t rows;
} pattern;

typedef struct survey {
    const lk_table *table;
    int64_t columns;
    int64_t numeric_count, numeric[DRAWN_COLUMNS];
    double low[DRAWN_COLUMNS], width[DRAWN_COLUMNS];
    int64_t bars[DRAWN_COLUMNS][BARS], below[DRAWN_COLUMNS], above[DRAWN_COLUMNS];
    int64_t whole[DRAWN_COLUMNS][BARS]; /* a bar each for whole numbers */
    bool fractions[DRAWN_COLUMNS];      /* there are others, or too many */
    int64_t masked_count, masked[MASKED];
    pattern *patterns; /* open addressing over PATTERNS * 2 places; rows 0 = empty */
    int64_t pattern_count, complete, other;
} survey;

static void count_pattern(survey *s, uint64_t mask)
{
    uint64_t place = (mask * 0x9e3779b97f4a7c15u) >> 32;
    if (mask == 0) {
        s->complete++;
        return;
    }
    for (;; place++) {
        pattern *p = &s->patterns[place % (2 * PATTERNS)];
        if (p->rows > 0 && p->mask == mask) {
            p->rows++;
            return;
        }
        if (p->rows == 0) {
            if (s->pattern_count == PATTERNS) {
                s->other++;
                return;
            }
            s->pattern_count++;
            *p = (pattern){mask, 1};
            return;
        }
    }
}

static void count_bar(survey *s, int64_t c, double v)
{
    double bar = (v - s->low[c]) / s->width[c], step = v - s->low[c];
    if (isnan(v)) {
        return;
    }
    if (step == floor(step) && step >= 0 && step < BARS && !s->fractions[c]) {
        s->whole[c][(int64_t)step]++;
    } else {
        s->fractions[c] = true;
    }
    if (bar < 0) {
        s->below[c]++;
    } else if (bar > BARS) {
        s->above[c]++;
    } else {
        s->bars[c][bar < BARS ? (int64_t)bar : BARS - 1]++;
    }
}

/* One pass: bars of the numeric columns, patterns of the masked ones. */
static lk_status count_rows(lk_context *ctx, survey *s)
{
    int64_t rows = lk_table_rows(s->table), width = s->numeric_count + s->masked_count, wanted[DRAWN_COLUMNS + MASKED];
    double *x;
    lk_status status = LK_OK;
    if (width == 0) {
        s->complete = rows;
        return LK_OK;
    }
    memcpy(wanted, s->numeric, (size_t)s->numeric_count * sizeof *wanted);
    memcpy(wanted + s->numeric_count, s->masked, (size_t)s->masked_count * sizeof *wanted);
    LKI_TRY(lki_allocate(ctx, lki_product(LKI_PAGE_PIECE, (size_t)width), sizeof *x, &x));
    for (int64_t first = 0; first < rows && status == LK_OK; first += LKI_PAGE_PIECE) {
        int64_t count = rows - first < LKI_PAGE_PIECE ? rows - first : LKI_PAGE_PIECE;
        lki_progress(ctx, "columns", (double)first, (double)rows, "");
        status = lki_cancelled(ctx);
        status = status == LK_OK ? lk_table_gather(ctx, s->table, first, count, wanted, width, x) : status;
        for (int64_t i = 0; i < count && status == LK_OK; i++) {
            const double *row = x + i * width;
            uint64_t mask = 0;
            for (int64_t c = 0; c < s->numeric_count; c++) {
                count_bar(s, c, row[c]);
            }
            for (int64_t m = 0; m < s->masked_count; m++) {
                mask |= isnan(row[s->numeric_count + m]) ? (uint64_t)1 << m : 0;
            }
            count_pattern(s, mask);
        }
    }
    lki_release(ctx, x);
    return status;
}

/* A histogram spans the column, but for values more than four interquartile ranges away from the quartiles, which are counted apart. Whole
 * numbers, if they are few, have a bar each. */
static void histogram_range(survey *s, int64_t column, const json_t *described)
{
    const json_t *quartiles = json_object_get(described, "quartiles");
    double low = json_number_value(json_object_get(described, "min")), high = json_number_value(json_object_get(described, "max"));
    double a = json_number_value(json_array_get(quartiles, 0)), b = json_number_value(json_array_get(quartiles, 2));
    if (s->numeric_count == DRAWN_COLUMNS || !json_is_number(json_object_get(described, "min")) || !(high > low)) {
        return;
    }
    if (b > a) {
        low = fmax(low, a - 4 * (b - a));
        high = fmin(high, b + 4 * (b - a));
    }
    s->fractions[s->numeric_count] = low != floor(low) || high != floor(high) || high - low >= BARS;
    s->width[s->numeric_count] = (high - low) / BARS;
    s->low[s->numeric_count] = low;
    s->numeric[s->numeric_count++] = column;
}

static const char *role_of(const lki_page *page, int64_t column)
{
    const char *name = lk_table_name(page->rows.table, column);
    const lk_table *classes = lk_model_classes(page->model);
    for (int64_t j = 0; j < page->d; j++) {
        if (page->rows.columns[j] == column) {
            return j == page->target ? "target" : "feature";
        }
    }
    if (classes != NULL && strcmp(name, lk_table_name(classes, 0)) == 0) {
        return "label";
    }
    return column == page->rows.weight ? "weight" : page->options.id != NULL && strcmp(name, page->options.id) == 0 ? "id" : "";
}

static lk_status tell_histogram(lk_context *ctx, const survey *s, int64_t c, json_t *described)
{
    json_t *counts = json_array(), *histogram = json_object();
    bool whole = !s->fractions[c];
    int64_t bars = BARS;
    LKI_TRY(lki_json_set(ctx, described, "histogram", histogram));
    LKI_TRY(lki_json_set(ctx, histogram, "counts", counts));
    while (whole && bars > 1 && s->whole[c][bars - 1] == 0) {
        bars--;
    }
    for (int64_t b = 0; b < bars; b++) {
        LKI_TRY(lki_json_append(ctx, counts, json_integer((json_int_t)(whole ? s->whole[c][b] : s->bars[c][b]))));
    }
    LKI_TRY(lki_json_set(ctx, histogram, "low", lki_json_number(whole ? s->low[c] - 0.5 : s->low[c])));
    LKI_TRY(lki_json_set(ctx, histogram, "width", lki_json_number(whole ? 1.0 : s->width[c])));
    LKI_TRY(lki_json_set(ctx, histogram, "below", json_integer((json_int_t)s->below[c])));
    return lki_json_set(ctx, histogram, "above", json_integer((json_int_t)s->above[c]));
}

static int compare_patterns(const void *a, const void *b)
{
    const pattern *p = a, *q = b;
    return p->rows != q->rows ? (p->rows < q->rows) - (p->rows > q->rows) : (p->mask > q->mask) - (p->mask < q->mask);
}

static lk_status tell_patterns(lk_context *ctx, survey *s, json_t *table)
{
    json_t *missing = json_object(), *columns = json_array(), *patterns = json_array();
    LKI_TRY(lki_json_set(ctx, table, "missing", missing));
    LKI_TRY(lki_json_set(ctx, missing, "columns", columns));
    LKI_TRY(lki_json_set(ctx, missing, "patterns", patterns));
    for (int64_t m = 0; m < s->masked_count; m++) {
        LKI_TRY(lki_json_append(ctx, columns, json_integer((json_int_t)s->masked[m])));
    }
    qsort(s->patterns, 2 * PATTERNS, sizeof *s->patterns, compare_patterns);
    int64_t other = s->other;
    for (int64_t i = 0; i < s->pattern_count; i++) {
        if (i >= PATTERNS_TOLD) {
            other += s->patterns[i].rows;
            continue;
        }
        json_t *item = json_object(), *places = json_array();
        LKI_TRY(lki_json_append(ctx, patterns, item));
        LKI_TRY(lki_json_set(ctx, item, "rows", json_integer((json_int_t)s->patterns[i].rows)));
        LKI_TRY(lki_json_set(ctx, item, "columns", places));
        for (int64_t m = 0; m < s->masked_count; m++) {
            if ((s->patterns[i].mask >> m & 1) != 0) {
                LKI_TRY(lki_json_append(ctx, places, json_integer((json_int_t)m)));
            }
        }
    }
    LKI_TRY(lki_json_set(ctx, missing, "complete", json_integer((json_int_t)s->complete)));
    LKI_TRY(lki_json_set(ctx, missing, "other_patterns", json_integer((json_int_t)(s->pattern_count < PATTERNS_TOLD ? 0 : s->pattern_count - PATTERNS_TOLD))));
    return lki_json_set(ctx, missing, "other_rows", json_integer((json_int_t)other));
}

/* Only the most frequent levels of a category are told. */
static lk_status shorten_levels(lk_context *ctx, json_t *described)
{
    json_t *levels = json_object_get(described, "levels");
    if (levels == NULL) {
        return LK_OK;
    }
    json_int_t rest = 0;
    size_t count = json_array_size(levels), kept = 0;
    for (; kept < TOLD_LEVELS && kept < count; kept++) { /* the largest first, by selection */
        size_t best = kept;
        for (size_t i = kept; i < count; i++) {
            if (json_integer_value(json_object_get(json_array_get(levels, i), "count")) >
                json_integer_value(json_object_get(json_array_get(levels, best), "count"))) {
                best = i;
            }
        }
        json_t *item = json_incref(json_array_get(levels, best));
        if (json_array_remove(levels, best) != 0 || json_array_insert_new(levels, kept, item) != 0) {
            return lki_json_memory(ctx);
        }
    }
    while (json_array_size(levels) > kept) {
        rest += json_integer_value(json_object_get(json_array_get(levels, json_array_size(levels) - 1), "count"));
        (void)json_array_remove(levels, json_array_size(levels) - 1);
    }
    LKI_TRY(lki_json_set(ctx, described, "other_levels", json_integer((json_int_t)(count - kept))));
    return lki_json_set(ctx, described, "other_rows", json_integer(rest));
}

static lk_status describe(lk_context *ctx, const lki_page *page, json_t **out)
{
    char *text;
    LKI_TRY(lk_table_describe(ctx, page->rows.table, &text));
    lk_status status = lki_json_read(ctx, text, strlen(text), "description", out);
    lk_free(ctx, text);
    return status;
}

/* Far columns of a wide table are left out, but for those that play a part. */
static lk_status shorten_columns(lk_context *ctx, json_t *columns, json_t *table)
{
    size_t count = json_array_size(columns);
    while (json_array_size(columns) > TOLD_COLUMNS) {
        (void)json_array_remove(columns, json_array_size(columns) - 1);
    }
    return lki_json_set(ctx, table, "other_columns", json_integer((json_int_t)(count - json_array_size(columns))));
}

lk_status lki_page_table(lk_context *ctx, const lki_page *page)
{
    json_t *table = NULL;
    survey *s = NULL;
    lk_status status = LK_OK;
    LKI_TRY(describe(ctx, page, &table));
    LKI_TRY(lki_json_set(ctx, page->root, "table", table));
    json_t *columns = json_object_get(table, "columns");
    LKI_GOTO(status, done, lki_zeros(ctx, 1, sizeof *s, &s));
    LKI_GOTO(status, done, lki_zeros(ctx, 2 * PATTERNS, sizeof *s->patterns, &s->patterns));
    s->table = page->rows.table;
    s->columns = (int64_t)json_array_size(columns);
    for (int64_t c = 0; c < s->columns; c++) {
        json_t *described = json_array_get(columns, (size_t)c);
        histogram_range(s, c, described);
        if (s->masked_count < MASKED && json_integer_value(json_object_get(described, "missing")) > 0) {
            s->masked[s->masked_count++] = c;
        }
        LKI_GOTO(status, done, lki_json_set(ctx, described, "role", json_string(role_of(page, c))));
        LKI_GOTO(status, done, shorten_levels(ctx, described));
        (void)json_object_del(described, "distinct"); /* how well these are known depends on the memory at hand */
        (void)json_object_del(described, "distinct_estimated");
    }
    LKI_GOTO(status, done, count_rows(ctx, s));
    for (int64_t c = 0; c < s->numeric_count; c++) {
        LKI_GOTO(status, done, tell_histogram(ctx, s, c, json_array_get(columns, (size_t)s->numeric[c])));
    }
    LKI_GOTO(status, done, tell_patterns(ctx, s, table));
    LKI_GOTO(status, done, shorten_columns(ctx, columns, table));
done:
    if (s != NULL) {
        lki_release(ctx, s->patterns);
    }
    lki_release(ctx, s);
    return status;
}
