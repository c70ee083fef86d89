/* The strangest rows of a table in a report, and which of their values make them so. */
#include "data/json_text.h"
#include "report/page.h"

#include <likely/judge.h>
#include <math.h>
#include <string.h>

/* Reasons told of a row, and patterns of missing values that are ranked. */
enum { REASONS = 3, STRANGE_MOST = 100, PATTERNS_RANKED = 32 };

typedef struct strange_row {
    int64_t row;
    double score, p;
} strange_row;

typedef struct search {
    const lki_page *page;
    lk_detector *detector; /* NULL: rows are ranked by their density alone */
    strange_row found[STRANGE_MOST]; /* the strangest first */
    int64_t wanted, count, scored, incomplete;
    bool complete_only; /* rows with missing values have too many patterns to be ranked */
} search;

static bool stranger(const strange_row *a, const strange_row *b)
{
    double p = isnan(a->p) ? 1.0 : a->p, q = isnan(b->p) ? 1.0 : b->p;
    return p != q ? p < q : a->score != b->score ? a->score > b->score : a->row < b->row;
}

static void keep(search *s, strange_row row)
{
    int64_t at = s->count;
    while (at > 0 && stranger(&row, &s->found[at - 1])) {
        at--;
    }
    if (at == s->wanted) {
        return;
    }
    int64_t kept = s->count < s->wanted ? s->count : s->wanted - 1;
    memmove(s->found + at + 1, s->found + at, (size_t)(kept - at) * sizeof *s->found);
    s->found[at] = row;
    s->count = kept + 1;
}

static bool incomplete(const double *x, int64_t d)
{
    bool missing = false;
    for (int64_t j = 0; j < d; j++) {
        missing = missing || isnan(x[j]);
    }
    return missing;
}

/* Whether the sampled rows miss values in more ways than are worth ranking. */
static bool many_patterns(const lki_page *page)
{
    const lki_page_rows *r = &page->rows;
    int64_t first[PATTERNS_RANKED], count = 0, d = page->d;
    for (int64_t i = 0; i < r->count; i++) {
        bool known = !incomplete(r->x + i * d, d);
        for (int64_t k = 0; k < count && !known; k++) {
            known = true;
            for (int64_t j = 0; j < d; j++) {
                known = known && isnan(r->x[i * d + j]) == isnan(r->x[first[k] * d + j]);
            }
        }
        if (!known && count == PATTERNS_RANKED) {
            return true;
        }
        if (!known) {
            first[count++] = i;
        }
    }
    return false;
}

/* Ranks `count` rows of numbers row0 + i, or number[i]. */
static lk_status rank_rows(lk_context *ctx, search *s, double *x, int64_t count, const int64_t *number, int64_t row0, double *score, double *p)
{
    int64_t d = s->page->d, used = 0, numbers[LKI_PAGE_PIECE];
    for (int64_t i = 0; i < count; i++) {
        bool gaps = incomplete(x + i * d, d), out = true;
        for (int64_t j = 0; j < d; j++) {
            out = out && isnan(x[i * d + j]);
        }
        s->incomplete += gaps ? 1 : 0;
        if (!out && !(gaps && s->complete_only)) {
            memmove(x + used * d, x + i * d, (size_t)d * sizeof *x);
            numbers[used++] = number != NULL ? number[i] : row0 + i;
        }
    }
    if (s->detector != NULL) {
        LKI_TRY(lk_detector_rows(ctx, s->detector, x, used, score, p));
    } else {
        LKI_TRY(lk_model_log_density(ctx, s->page->model, x, used, score));
    }
    for (int64_t i = 0; i < used; i++) {
        strange_row row = {numbers[i], s->detector != NULL ? score[i] : -score[i], s->detector != NULL ? p[i] : (double)NAN};
        if (!isnan(row.score)) {
            s->scored++;
            keep(s, row);
        }
    }
    return LK_OK;
}

static lk_status rank_all(lk_context *ctx, search *s)
{
    const lki_page_rows *r = &s->page->rows;
    int64_t d = s->page->d, rows = s->page->sampled ? r->count : r->all, piece = 4000000 / d;
    double *x;
    piece = piece < 1 ? 1 : piece > LKI_PAGE_PIECE ? LKI_PAGE_PIECE : piece;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)piece, (size_t)d + 2), sizeof *x, &x));
    double *score = x + piece * d, *p = score + piece;
    lk_status status = LK_OK;
    for (int64_t first = 0; first < rows && status == LK_OK; first += piece) {
        int64_t count = rows - first < piece ? rows - first : piece;
        lki_progress(ctx, "strange rows", (double)first, (double)rows, "");
        status = lki_cancelled(ctx);
        if (s->page->sampled) {
            memcpy(x, r->x + first * d, (size_t)(count * d) * sizeof *x);
        } else if (status == LK_OK) {
            status = lk_table_gather(ctx, r->table, first, count, r->columns, d, x);
        }
        status = status == LK_OK ? rank_rows(ctx, s, x, count, s->page->sampled ? r->row + first : NULL, first, score, p) : status;
    }
    lki_release(ctx, x);
    return status;
}

/* ---- why ---- */

/* What is expected of each value of the found rows: count x d x 2 means and standard deviations, NaN where there is none. */
static lk_status expectations(lk_context *ctx, const search *s, const double *x, double *expected)
{
    const lki_page *page = s->page;
    int64_t d = page->d;
    double *out;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)s->count, 2), sizeof *out, &out));
    lk_status status = LK_OK;
    for (int64_t j = 0; j < d && status == LK_OK; j++) {
        if (page->target >= 0 && j != page->target) {
            continue;
        }
        status = lk_model_predict(ctx, page->model, x, s->count, &j, 1, NULL, 0, out);
        for (int64_t i = 0; i < s->count && status == LK_OK; i++) {
            expected[(i * d + j) * 2] = out[2 * i];
            expected[(i * d + j) * 2 + 1] = out[2 * i + 1];
        }
    }
    lki_release(ctx, out);
    return status;
}

/* Means and standard deviations of the sampled rows instead, the same for each found row. */
static void plain_expectations(const search *s, double *expected)
{
    const lki_page_rows *r = &s->page->rows;
    int64_t d = s->page->d;
    for (int64_t j = 0; j < d; j++) {
        double n = 0, mean = 0, squares = 0;
        for (int64_t i = 0; i < r->count; i++) {
            double v = r->x[i * d + j], step = v - mean;
            if (isfinite(v)) {
                n += 1;
                mean += step / n;
                squares += step * (v - mean);
            }
        }
        for (int64_t i = 0; i < s->count; i++) {
            expected[(i * d + j) * 2] = n > 1 ? mean : (double)NAN;
            expected[(i * d + j) * 2 + 1] = n > 1 ? sqrt(squares / (n - 1)) : (double)NAN;
        }
    }
}

/* The values furthest from what is expected of them: feature (of the model), value, mean, sd. */
static lk_status tell_reasons(lk_context *ctx, const search *s, const double *x, const double *expected, json_t *list)
{
    int64_t d = s->page->d, told[REASONS];
    for (int64_t k = 0; k < REASONS; k++) {
        int64_t best = -1;
        double most = 0;
        for (int64_t j = 0; j < d; j++) {
            double z = fabs(x[j] - expected[2 * j]) / expected[2 * j + 1];
            bool taken = false;
            for (int64_t l = 0; l < k; l++) {
                taken = taken || told[l] == j;
            }
            if (!taken && isfinite(z) && (best < 0 || z > most)) {
                best = j;
                most = z;
            }
        }
        if (best < 0 || (k > 0 && most < 1.0)) {
            break;
        }
        told[k] = best;
        json_t *reason = json_object();
        LKI_TRY(lki_json_append(ctx, list, reason));
        LKI_TRY(lki_json_set(ctx, reason, "feature", lki_page_text(ctx, lk_model_feature(s->page->model, best))));
        LKI_TRY(lki_json_set(ctx, reason, "value", lki_page_rounded(x[best])));
        LKI_TRY(lki_json_set(ctx, reason, "mean", lki_page_rounded(expected[2 * best])));
        LKI_TRY(lki_json_set(ctx, reason, "sd", lki_page_rounded(expected[2 * best + 1])));
    }
    return LK_OK;
}

/* The row's name where a column of them is given. */
static lk_status tell_name(lk_context *ctx, const lki_page *page, int64_t row, json_t *item)
{
    const lk_table *table = page->rows.table;
    int64_t column;
    double value;
    if (page->options.id == NULL) {
        return LK_OK;
    }
    LKI_TRY(lk_table_find(ctx, table, page->options.id, &column));
    LKI_TRY(lk_table_gather(ctx, table, row, 1, &column, 1, &value));
    const char *text = isnan(value)                                            ? NULL
                       : lk_table_type(table, column) == LK_TYPE_CATEGORY ? lk_table_level(table, column, (int64_t)value)
                       : lk_table_type(table, column) == LK_TYPE_TEXT     ? lk_table_text(table, column, value)
                                                                          : NULL;
    return lki_json_set(ctx, item, "name", text != NULL ? lki_page_text(ctx, text) : lki_json_number(value));
}

static lk_status tell_rows(lk_context *ctx, const search *s, const double *x, const double *expected, json_t *list)
{
    const lki_page *page = s->page;
    for (int64_t i = 0; i < s->count; i++) {
        json_t *item = json_object(), *values = json_array(), *reasons = json_array();
        LKI_TRY(lki_json_append(ctx, list, item));
        LKI_TRY(lki_json_set(ctx, item, "row", json_integer((json_int_t)s->found[i].row + 1)));
        LKI_TRY(lki_json_set(ctx, item, "log_density", lki_page_rounded(-s->found[i].score)));
        LKI_TRY(lki_json_set(ctx, item, "p", lki_page_rounded(s->found[i].p)));
        LKI_TRY(lki_json_set(ctx, item, "values", values));
        LKI_TRY(lki_json_set(ctx, item, "reasons", reasons));
        LKI_TRY(tell_name(ctx, page, s->found[i].row, item));
        for (int64_t k = 0; k < page->shown_count; k++) {
            LKI_TRY(lki_json_append(ctx, values, lki_page_rounded(x[i * page->d + page->shown[k]])));
        }
        LKI_TRY(tell_reasons(ctx, s, x + i * page->d, expected + 2 * i * page->d, reasons));
    }
    return LK_OK;
}

static lk_status explain(lk_context *ctx, const search *s, json_t *strange)
{
    const lki_page *page = s->page;
    int64_t d = page->d;
    bool conditional = (page->operations & LK_OPERATION_CONDITION) != 0 && d > 1 && (d <= LKI_PAGE_CONDITIONED || page->target >= 0);
    json_t *list = json_array();
    double *x;
    LKI_TRY(lki_json_set(ctx, strange, "rows", list));
    LKI_TRY(lki_json_set(ctx, strange, "conditional", json_boolean(conditional)));
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)s->count + 1, 3 * (size_t)d), sizeof *x, &x));
    double *expected = x + s->count * d;
    lk_status status = LK_OK;
    for (int64_t i = 0; i < s->count && status == LK_OK; i++) {
        status = lk_table_gather(ctx, page->rows.table, s->found[i].row, 1, page->rows.columns, d, x + i * d);
    }
    for (int64_t i = 0; i < 2 * s->count * d; i++) {
        expected[i] = (double)NAN;
    }
    if (status == LK_OK && conditional) {
        status = expectations(ctx, s, x, expected);
    } else if (status == LK_OK) {
        plain_expectations(s, expected);
    }
    status = status == LK_OK ? tell_rows(ctx, s, x, expected, list) : status;
    lki_release(ctx, x);
    return status;
}

static lk_status find(lk_context *ctx, search *s, json_t *strange)
{
    static const char *const references[] = {"rows", "kept", "draws"};
    const lki_page *page = s->page;
    int64_t m = 0;
    if (page->target < 0 && (page->operations & LK_OPERATION_SAMPLE) != 0) {
        lk_detect_options options = {.size = sizeof options, .seed = page->options.seed, .calibrate = page->options.held_out};
        char *kept = json_is_object(json_object_get(page->info, "calibration")) ? "" : NULL;
        options.draws = options.calibrate == NULL && kept == NULL ? LKI_PAGE_DRAWS : 0;
        LKI_TRY(lk_detector_new(ctx, page->model, &options, &s->detector));
        LKI_TRY(lki_json_set(ctx, strange, "reference", json_string(references[lk_detector_reference(s->detector, &m)])));
        LKI_TRY(lki_json_set(ctx, strange, "reference_rows", json_integer((json_int_t)m)));
    }
    s->complete_only = many_patterns(page);
    LKI_TRY(rank_all(ctx, s));
    LKI_TRY(lki_json_set(ctx, strange, "scored", json_integer((json_int_t)s->scored)));
    LKI_TRY(lki_json_set(ctx, strange, "left_out", json_integer((json_int_t)(s->complete_only ? s->incomplete : 0))));
    return explain(ctx, s, strange);
}

lk_status lki_page_strange(lk_context *ctx, const lki_page *page)
{
    search s = {.page = page, .wanted = page->options.strange};
    json_t *strange = json_object();
    LKI_TRY(lki_json_set(ctx, page->root, "strange", strange));
    if ((page->operations & LK_OPERATION_LOG_DENSITY) == 0) {
        return lki_page_leave_out(ctx, page, "strange", "the model offers no density");
    }
    lk_status status = find(ctx, &s, strange);
    lk_detector_free(ctx, s.detector);
    return lki_page_refused(ctx, page, "strange", status);
}
