/* A report as JSON and as a page: all that is known about a model and its data, collected part by part. */
#include "report/page.h"
#include "data/json_text.h"
#include "data/output.h"
#include "data/text_builder.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_FEATURES = 10, DEFAULT_POINTS = 1500, DEFAULT_STRANGE = 12 };

/* ---- what the parts share ---- */

lk_status lki_page_leave_out(lk_context *ctx, const lki_page *page, const char *part, const char *reason)
{
    return lki_json_set(ctx, page->absent, part, json_string(reason));
}

lk_status lki_page_refused(lk_context *ctx, const lki_page *page, const char *part, lk_status status)
{
    if (status == LK_OK || status == LK_ERROR_MEMORY || status == LK_ERROR_IO || status == LK_ERROR_CANCELLED) {
        return status;
    }
    lk_status set = lki_json_set(ctx, page->absent, part, lki_page_text(ctx, lk_error_message(ctx)));
    if (set == LK_OK) {
        lki_begin(ctx); /* the refusal is told; the next error is one of its own */
    }
    return set;
}

json_t *lki_page_rounded(double v)
{
    if (!isfinite(v) || v == 0.0) {
        return isfinite(v) ? json_real(0.0) : json_null();
    }
    int digits = 5 - (int)floor(log10(fabs(v)));
    if (digits > 300 || digits < -300) {
        return json_real(v);
    }
    double scale = pow(10.0, abs(digits));
    return json_real(digits >= 0 ? round(v * scale) / scale : round(v / scale) * scale);
}

json_t *lki_page_rounded_list(const double *v, int64_t count, int64_t stride)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < count && list != NULL; i++) {
        if (json_array_append_new(list, lki_page_rounded(v[i * stride])) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

/* The length of the UTF-8 sequence at `p`, 0 where there is none. */
static size_t sequence(const unsigned char *p)
{
    size_t length = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : p[0] >= 0xe0 && p[0] < 0xf0 ? 3 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0) || (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] >= 0x90)) {
        return 0;
    }
    return length;
}

json_t *lki_page_text(lk_context *ctx, const char *text)
{
    lki_builder clean = {0};
    lk_status status = lki_builder_add(ctx, &clean, "");
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0' && status == LK_OK;) {
        size_t length = sequence(p);
        status = length > 0 ? lki_builder_add_bytes(ctx, &clean, (const char *)p, length) : lki_builder_add(ctx, &clean, "\xef\xbf\xbd");
        p += length > 0 ? length : 1;
    }
    json_t *value = status == LK_OK ? json_string(clean.text) : NULL;
    lki_release(ctx, clean.text);
    return value;
}

/* ---- options ---- */

static lk_status options_read(lk_context *ctx, const lk_report_options *given, lk_report_options *out)
{
    *out = (lk_report_options){.size = sizeof *out};
    if (given != NULL) {
        if (given->size < offsetof(lk_report_options, seed) + sizeof given->seed) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "lk_report_options.size is %zu; set it to sizeof(lk_report_options)", given->size);
        }
        memcpy(out, given, given->size < sizeof *out ? given->size : sizeof *out);
    }
    if (out->points < 0 || out->points > 10000) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "points is %lld; it must be from 1 to 10000", (long long)out->points);
    }
    if (out->strange < 0 || out->strange > 100) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "strange is %lld; it must be from 1 to 100", (long long)out->strange);
    }
    if (out->seed < 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "the seed is %lld; it must be at least 0", (long long)out->seed);
    }
    out->points = out->points == 0 ? DEFAULT_POINTS : out->points;
    out->strange = out->strange == 0 ? DEFAULT_STRANGE : out->strange;
    return LK_OK;
}

/* The position of a feature by name, else by its number from 1. */
static lk_status find_feature(lk_context *ctx, const lki_page *page, const char *name, size_t length, int64_t *out)
{
    for (int64_t j = 0; j < page->d; j++) {
        const char *feature = lk_model_feature(page->model, j);
        if (strlen(feature) == length && memcmp(feature, name, length) == 0) {
            *out = j;
            return LK_OK;
        }
    }
    long long position = 0;
    for (size_t i = 0; i < length && position <= page->d; i++) {
        position = name[i] >= '0' && name[i] <= '9' ? 10 * position + (name[i] - '0') : page->d + 1;
    }
    if (position < 1 || position > page->d) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "the model has no feature '%.*s'; it has %s and %lld more", (int)length, name,
                        lk_model_feature(page->model, 0), (long long)page->d - 1);
    }
    *out = (int64_t)position - 1;
    return LK_OK;
}

static bool is_shown(const lki_page *page, int64_t feature)
{
    bool shown = false;
    for (int64_t s = 0; s < page->shown_count; s++) {
        shown = shown || page->shown[s] == feature;
    }
    return shown;
}

static lk_status choose_features(lk_context *ctx, lki_page *page)
{
    const char *list = page->options.features, *name;
    size_t length;
    if (list == NULL) {
        for (int64_t j = 0; j < page->d && page->shown_count < DEFAULT_FEATURES; j++) {
            page->shown[page->shown_count++] = j;
        }
    }
    while (list != NULL && (name = lki_builder_next(&list, &length)) != NULL) {
        int64_t feature = 0;
        LKI_TRY(find_feature(ctx, page, name, length, &feature));
        if (is_shown(page, feature)) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "features names '%.*s' twice", (int)length, name);
        }
        if (page->shown_count == LKI_PAGE_FEATURES) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "a report draws at most %d features", LKI_PAGE_FEATURES);
        }
        page->shown[page->shown_count++] = feature;
    }
    if (page->shown_count == 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "features names none; give names or positions");
    }
    if (page->target >= 0 && !is_shown(page, page->target)) { /* what it is all about */
        page->shown[page->shown_count < LKI_PAGE_FEATURES ? page->shown_count++ : LKI_PAGE_FEATURES - 1] = page->target;
    }
    return LK_OK;
}

/* ---- the whole ---- */

/* Kernel points behind a model; 0 for one that has none. */
static double kernel_points(const json_t *info)
{
    const json_t *classes = json_object_get(info, "classes");
    double points = json_number_value(json_object_get(info, "points"));
    for (size_t c = 0; c < json_array_size(classes); c++) {
        points += kernel_points(json_array_get(classes, c));
    }
    return points;
}

static lk_status page_open(lk_context *ctx, lki_page *page, const lk_table *table)
{
    char *text;
    LKI_TRY(lk_model_info(ctx, page->model, &text));
    lk_status status = lki_json_read(ctx, text, strlen(text), "info", &page->info);
    lk_free(ctx, text);
    LKI_TRY(status);
    LKI_TRY(lki_json_set(ctx, page->root, "model", page->info));
    LKI_TRY(lki_json_set(ctx, page->root, "absent", page->absent = json_object()));
    LKI_TRY(choose_features(ctx, page));
    if (page->options.id != NULL) {
        int64_t column;
        LKI_TRY(lk_table_find(ctx, table, page->options.id, &column));
    }
    LKI_TRY(lki_page_rows_choose(ctx, page, table, &page->rows));
    page->judged = &page->rows;
    if (page->options.held_out != NULL) {
        LKI_TRY(lki_page_rows_choose(ctx, page, page->options.held_out, &page->held_out));
        page->judged = &page->held_out;
    }
    page->points = kernel_points(page->info);
    page->sampled = page->points * (double)page->rows.all > LKI_PAGE_PAIRS && page->rows.count < page->rows.all;
    return page->rows.count > 0 ? LK_OK : lki_fail(ctx, LK_ERROR_DATA, "the table has no rows; a report needs some");
}

static lk_status text_or_null(lk_context *ctx, json_t *object, const char *key, const char *text)
{
    return lki_json_set(ctx, object, key, text != NULL ? lki_page_text(ctx, text) : json_null());
}

static lk_status page_heading(lk_context *ctx, const lki_page *page)
{
    json_t *shown = json_array(), *offers = json_array();
    const char *name;
    LKI_TRY(lki_json_set(ctx, page->root, "library", json_string(lk_version())));
    LKI_TRY(text_or_null(ctx, page->root, "title", page->options.title));
    LKI_TRY(text_or_null(ctx, page->root, "data", page->options.data != NULL ? page->options.data : "data"));
    LKI_TRY(text_or_null(ctx, page->root, "command", page->options.command));
    LKI_TRY(text_or_null(ctx, page->root, "weight", page->options.weight));
    LKI_TRY(lki_json_set(ctx, page->root, "seed", json_integer((json_int_t)page->options.seed)));
    LKI_TRY(lki_json_set(ctx, page->root, "method_summary", json_string(lk_model_method(page->model)->summary)));
    LKI_TRY(lki_json_set(ctx, page->root, "citation", json_string(lk_model_method(page->model)->citation)));
    LKI_TRY(lki_json_set(ctx, page->root, "groups", json_integer((json_int_t)lk_model_groups(page->model))));
    LKI_TRY(lki_json_set(ctx, page->root, "noise_group", json_integer((json_int_t)lk_model_noise_group(page->model))));
    LKI_TRY(lki_json_set(ctx, page->root, "trusted", json_boolean(lk_model_trusted(page->model))));
    LKI_TRY(lki_json_set(ctx, page->root, "target", page->target < 0 ? json_null() : lki_page_text(ctx, lk_model_feature(page->model, page->target))));
    LKI_TRY(lki_json_set(ctx, page->root, "operations", offers));
    for (unsigned operation = 1; (name = lk_operation_name(operation)) != NULL; operation *= 2) {
        if ((page->operations & operation) != 0) {
            LKI_TRY(lki_json_append(ctx, offers, json_string(name)));
        }
    }
    LKI_TRY(lki_json_set(ctx, page->root, "shown", shown));
    for (int64_t s = 0; s < page->shown_count; s++) {
        LKI_TRY(lki_json_append(ctx, shown, json_integer((json_int_t)page->shown[s])));
    }
    return LK_OK;
}

static lk_status page_fill(lk_context *ctx, lki_page *page, const lk_table *table)
{
    LKI_TRY(page_open(ctx, page, table));
    LKI_TRY(lki_page_density(ctx, page));
    LKI_TRY(page_heading(ctx, page));
    LKI_TRY(lki_page_table(ctx, page));
    LKI_TRY(lki_page_points(ctx, page));
    LKI_TRY(lki_page_trust(ctx, page));
    return lki_page_strange(ctx, page);
}

lk_status lk_report_json(lk_context *ctx, const lk_model *model, const lk_table *table, const lk_report_options *options, char **out)
{
    lki_page page = {.model = model, .d = lk_model_dimension(model), .target = lk_model_target(model), .operations = lk_model_operations(model)};
    lki_begin(ctx);
    LKI_TRY(options_read(ctx, options, &page.options));
    page.root = json_object();
    if (page.root == NULL) {
        return lki_json_memory(ctx);
    }
    lk_status status = page_fill(ctx, &page, table);
    status = status == LK_OK ? lki_json_write(ctx, page.root, false, out) : status;
    lki_page_rows_free(ctx, &page.rows);
    lki_page_rows_free(ctx, &page.held_out);
    json_decref(page.root);
    return status;
}

/* ---- the page ---- */

/* JSON inside of a script element: no < (which could end it), no > and & (old parsers), no line ends of Unicode (old JavaScript). */
static lk_status add_json(lk_context *ctx, lki_builder *page, const char *text)
{
    const char *start = text;
    for (const char *p = text;; p++) {
        const char *instead = *p == '<' ? "\\u003c" : *p == '>' ? "\\u003e" : *p == '&' ? "\\u0026"
                              : strncmp(p, "\xe2\x80\xa8", 3) == 0 ? "\\u2028" : strncmp(p, "\xe2\x80\xa9", 3) == 0 ? "\\u2029" : NULL;
        if (*p != '\0' && instead == NULL) {
            continue;
        }
        LKI_TRY(lki_builder_add_bytes(ctx, page, start, (size_t)(p - start)));
        if (*p == '\0') {
            return LK_OK;
        }
        LKI_TRY(lki_builder_add(ctx, page, instead));
        p += instead[2] == '2' ? 2 : 0;
        start = p + 1;
    }
}

/* Text of an HTML element. */
static lk_status add_text(lk_context *ctx, lki_builder *page, const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        const char *instead = *p == '<' ? "&lt;" : *p == '>' ? "&gt;" : *p == '&' ? "&amp;" : *p == '"' ? "&quot;" : NULL;
        LKI_TRY(instead != NULL ? lki_builder_add(ctx, page, instead) : lki_builder_add_bytes(ctx, page, p, 1));
    }
    return LK_OK;
}

/* The template unpacked; the caller releases it. */
static lk_status template_bytes(lk_context *ctx, unsigned char **out)
{
    const lki_page_template *made = &lki_page_made;
    LKI_TRY(lki_allocate(ctx, made->size, 1, out));
    if (!lki_page_unpack(made, *out)) {
        lki_release(ctx, *out);
        *out = NULL;
        return lki_fail(ctx, LK_ERROR_NUMERIC, "the page inside this library is damaged");
    }
    return LK_OK;
}

static lk_status page_title(lk_context *ctx, const lk_model *model, const lk_report_options *options, char **out)
{
    json_t *clean = options != NULL && options->title != NULL ? lki_page_text(ctx, options->title) : NULL;
    json_t *data = options != NULL && options->data != NULL ? lki_page_text(ctx, options->data) : NULL;
    lk_status status = clean != NULL ? lki_copy_text(ctx, json_string_value(clean), out)
                                     : lki_format_text(ctx, out, "%s of %s", lk_model_method(model)->name,
                                                       data != NULL ? json_string_value(data) : "data");
    json_decref(clean);
    json_decref(data);
    return status;
}

lk_status lk_report_html(lk_context *ctx, const lk_model *model, const lk_table *table, const lk_report_options *options, char **out)
{
    const lki_page_template *made = &lki_page_made;
    unsigned char *bytes = NULL;
    char *json = NULL, *title = NULL;
    lki_builder page = {0};
    lk_status status = LK_OK;
    lki_begin(ctx);
    if (made->size == 0) {
        return lki_fail(ctx, LK_ERROR_UNAVAILABLE, "this build holds no page for reports: %s", made->reason);
    }
    LKI_GOTO(status, done, template_bytes(ctx, &bytes));
    LKI_GOTO(status, done, lk_report_json(ctx, model, table, options, &json));
    LKI_GOTO(status, done, page_title(ctx, model, options, &title));
    LKI_GOTO(status, done, lki_builder_add_bytes(ctx, &page, (const char *)bytes, made->title));
    LKI_GOTO(status, done, add_text(ctx, &page, title));
    LKI_GOTO(status, done, lki_builder_add_bytes(ctx, &page, (const char *)bytes + made->title, made->data - made->title));
    LKI_GOTO(status, done, add_json(ctx, &page, json));
    LKI_GOTO(status, done, lki_builder_add_bytes(ctx, &page, (const char *)bytes + made->data, made->size - made->data));
    *out = page.text;
    page.text = NULL;
done:
    lki_release(ctx, bytes);
    lki_release(ctx, title);
    lk_free(ctx, json);
    lki_release(ctx, page.text);
    return status;
}

lk_status lk_report_write(lk_context *ctx, const lk_model *model, const lk_table *table, const lk_report_options *options, const char *path)
{
    char *text = NULL;
    lki_output *output = NULL;
    LKI_TRY(lk_report_html(ctx, model, table, options, &text));
    lk_status status = lki_output_open(ctx, path, &output);
    if (status == LK_OK) {
        status = lki_output_write(ctx, output, text, strlen(text));
        if (status == LK_OK) {
            status = lki_output_commit(ctx, output);
        } else {
            lki_output_abort(output);
        }
    }
    lk_free(ctx, text);
    return status;
}
