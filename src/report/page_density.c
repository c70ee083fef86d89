/* What draws the density in a report: the parameters of a mixture, which the page evaluates itself, or values on grids. */
#include "data/json_text.h"
#include "report/page.h"

#include <math.h>
#include <string.h>

/* Places of a one-dimensional grid and of each side of a two-dimensional one; features whose pairs have grids; values that are given on a grid of
 * conditional densities; numbers that parameters may be. */
enum { LINE = 201, SIDE = 56, PAIRED = 6, GIVEN = 33, CONDITIONAL_LINE = 121, CLASSES = 12, NUMBERS = 45000 };

static double place(const lki_page *page, int64_t s, int64_t i, int64_t count)
{
    return page->low[s] + (page->high[s] - page->low[s]) * (double)i / (double)(count - 1);
}

/* The model over some features: itself where these are all of them. The caller frees *own (NULL = it is the model). */
static lk_status part_of(lk_context *ctx, const lki_page *page, const int64_t *features, int64_t count, lk_model **own, const lk_model **out)
{
    *own = NULL;
    *out = page->model;
    bool all = count == page->d;
    for (int64_t j = 0; j < count; j++) {
        all = all && features[j] == j;
    }
    if (!all) {
        LKI_TRY(lk_model_marginal(ctx, page->model, features, count, own));
        *out = *own;
    }
    return LK_OK;
}

/* Whether components with means and covariances are told, and of how many; 0 = no. */
static int64_t components_of(const json_t *info)
{
    const json_t *classes = json_object_get(info, "classes"), *components = json_object_get(info, "components");
    int64_t count = 0;
    for (size_t c = 0; c < json_array_size(classes); c++) {
        int64_t more = components_of(json_array_get(classes, c));
        if (more == 0) {
            return 0;
        }
        count += more;
    }
    for (size_t k = 0; k < json_array_size(components); k++) {
        const json_t *component = json_array_get(components, k);
        if (!json_is_array(json_object_get(component, "mean")) || !json_is_array(json_array_get(json_object_get(component, "covariance"), 0))) {
            return 0;
        }
        count++;
    }
    return count;
}

static lk_status info_of(lk_context *ctx, const lk_model *model, json_t **out)
{
    char *text;
    LKI_TRY(lk_model_info(ctx, model, &text));
    lk_status status = lki_json_read(ctx, text, strlen(text), "info", out);
    lk_free(ctx, text);
    return status;
}

/* {"kind": "mixture", "model": the information of the marginal over the shown features}. */
static lk_status density_mixture(lk_context *ctx, const lki_page *page, json_t *density)
{
    lk_model *own;
    const lk_model *part;
    json_t *info = NULL;
    LKI_TRY(part_of(ctx, page, page->shown, page->shown_count, &own, &part));
    lk_status status = info_of(ctx, part, &info);
    lk_model_free(own);
    if (status == LK_OK) {
        (void)json_object_del(info, "selection");
        for (size_t c = 0; c < json_array_size(json_object_get(info, "classes")); c++) {
            (void)json_object_del(json_array_get(json_object_get(info, "classes"), c), "selection");
        }
        status = lki_json_set(ctx, density, "model", info);
    }
    return status == LK_OK ? lki_json_set(ctx, density, "kind", json_string("mixture")) : status;
}

/* Densities (not their logarithms) at rows, six digits. */
static lk_status append_densities(lk_context *ctx, const lk_model *model, const double *x, int64_t rows, double *out, json_t *into, const char *key)
{
    LKI_TRY(lk_model_log_density(ctx, model, x, rows, out));
    for (int64_t i = 0; i < rows; i++) {
        out[i] = isnan(out[i]) ? 0.0 : exp(out[i]);
    }
    return lki_json_set(ctx, into, key, lki_page_rounded_list(out, rows, 1));
}

static lk_status grid_line(lk_context *ctx, const lki_page *page, int64_t s, json_t *lines)
{
    double x[LINE], p[LINE];
    lk_model *own;
    const lk_model *part;
    json_t *line = json_object();
    LKI_TRY(lki_json_append(ctx, lines, line));
    LKI_TRY(part_of(ctx, page, page->shown + s, 1, &own, &part));
    for (int64_t i = 0; i < LINE; i++) {
        x[i] = place(page, s, i, LINE);
    }
    lk_status status = append_densities(ctx, part, x, LINE, p, line, "values");
    lk_model_free(own);
    return status;
}

/* Row-major with the second feature as the row. */
static lk_status grid_pair(lk_context *ctx, const lki_page *page, int64_t a, int64_t b, double *x, json_t *pairs)
{
    lk_model *own;
    const lk_model *part;
    json_t *pair = json_object();
    const int64_t features[2] = {page->shown[a], page->shown[b]};
    LKI_TRY(lki_json_append(ctx, pairs, pair));
    LKI_TRY(lki_json_set(ctx, pair, "x", json_integer((json_int_t)a)));
    LKI_TRY(lki_json_set(ctx, pair, "y", json_integer((json_int_t)b)));
    LKI_TRY(part_of(ctx, page, features, 2, &own, &part));
    for (int64_t i = 0; i < SIDE * SIDE; i++) {
        x[2 * i] = place(page, a, i % SIDE, SIDE);
        x[2 * i + 1] = place(page, b, i / SIDE, SIDE);
    }
    lk_status status = append_densities(ctx, part, x, SIDE * SIDE, x + 2 * SIDE * SIDE, pair, "values");
    lk_model_free(own);
    return status;
}

/* What the page evaluates itself where several values are given. */
static lk_status grid_kernels(lk_context *ctx, const lki_page *page, json_t *density)
{
    lk_model *own;
    const lk_model *part;
    json_t *info = NULL;
    LKI_TRY(part_of(ctx, page, page->shown, page->shown_count, &own, &part));
    lk_status status = info_of(ctx, part, &info);
    status = status == LK_OK ? lki_page_kernels(ctx, part, info, density) : status;
    json_decref(info);
    lk_model_free(own);
    return status;
}

/* {"kind": "grid", "line", "side", "lines": one a shown feature, "pairs", "kernels", "transform"}. */
static lk_status density_grid(lk_context *ctx, const lki_page *page, json_t *density)
{
    json_t *lines = json_array(), *pairs = json_array();
    int64_t paired = page->shown_count < PAIRED ? page->shown_count : PAIRED;
    double *x;
    lk_status status = LK_OK;
    LKI_TRY(lki_json_set(ctx, density, "kind", json_string("grid")));
    LKI_TRY(lki_json_set(ctx, density, "line", json_integer(LINE)));
    LKI_TRY(lki_json_set(ctx, density, "side", json_integer(SIDE)));
    LKI_TRY(lki_json_set(ctx, density, "lines", lines));
    LKI_TRY(lki_json_set(ctx, density, "pairs", pairs));
    for (int64_t s = 0; s < page->shown_count; s++) {
        LKI_TRY(grid_line(ctx, page, s, lines));
    }
    LKI_TRY(lki_allocate(ctx, 3 * SIDE * SIDE, sizeof *x, &x));
    for (int64_t a = 0; a < paired; a++) {
        for (int64_t b = a + 1; b < paired && status == LK_OK; b++) {
            status = grid_pair(ctx, page, a, b, x, pairs);
        }
    }
    lki_release(ctx, x);
    return status == LK_OK ? grid_kernels(ctx, page, density) : status;
}

/* The median of each feature over the sampled rows. */
static lk_status medians_of(lk_context *ctx, const lki_page *page, json_t *density, double *medians)
{
    double *sorted;
    LKI_TRY(lki_allocate(ctx, (size_t)page->rows.count, sizeof *sorted, &sorted));
    for (int64_t j = 0; j < page->d; j++) {
        int64_t n = lki_page_sorted(&page->rows, page->d, j, sorted);
        medians[j] = n > 0 ? sorted[n / 2] : 0.0;
    }
    lki_release(ctx, sorted);
    return lki_json_set(ctx, density, "medians", lki_json_numbers(medians, page->d));
}

/* Whether the target's law is one of counts: probability at a whole number, none beside it. */
static lk_status target_counts(lk_context *ctx, const lki_page *page, const double *medians, double *x, bool *counts)
{
    double log_density[2];
    memcpy(x, medians, (size_t)page->d * sizeof *x);
    memcpy(x + page->d, medians, (size_t)page->d * sizeof *x);
    x[page->target] = round(medians[page->target]);
    x[page->d + page->target] = x[page->target] + 0.37;
    LKI_TRY(lk_model_log_density(ctx, page->model, x, 2, log_density));
    *counts = isfinite(log_density[0]) && log_density[1] == -(double)INFINITY;
    return LK_OK;
}

/* p(target | one input, the other inputs at their medians), of each shown input: {"kind": "conditional", "target": place among the shown,
 * "counts", "given", "line", "inputs": [{"feature", "values": given x line}], "medians"}. Counts are asked at whole numbers. */
static lk_status density_conditional(lk_context *ctx, lki_page *page, json_t *density)
{
    json_t *inputs = json_array();
    int64_t d = page->d, target = 0, line = CONDITIONAL_LINE;
    double *x = NULL, *p = NULL, *medians = NULL;
    bool counts = false;
    lk_status status = LK_OK;
    for (int64_t s = 0; s < page->shown_count; s++) {
        target = page->shown[s] == page->target ? s : target;
    }
    LKI_TRY(lki_json_set(ctx, density, "kind", json_string("conditional")));
    LKI_TRY(lki_json_set(ctx, density, "target", json_integer((json_int_t)target)));
    LKI_TRY(lki_json_set(ctx, density, "given", json_integer(GIVEN)));
    LKI_TRY(lki_json_set(ctx, density, "inputs", inputs));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product(GIVEN * CONDITIONAL_LINE, (size_t)d), sizeof *x, &x));
    LKI_GOTO(status, done, lki_allocate(ctx, GIVEN * CONDITIONAL_LINE, sizeof *p, &p));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)d, sizeof *medians, &medians));
    LKI_GOTO(status, done, medians_of(ctx, page, density, medians));
    LKI_GOTO(status, done, target_counts(ctx, page, medians, x, &counts));
    if (counts) {
        double low = fmax(0.0, floor(page->low[target])), step = fmax(1.0, ceil((page->high[target] - low) / (CONDITIONAL_LINE - 1)));
        line = (int64_t)fmax(2.0, ceil((page->high[target] - low) / step) + 1.0);
        page->low[target] = low;
        page->high[target] = low + step * (double)(line - 1);
    }
    LKI_GOTO(status, done, lki_json_set(ctx, density, "counts", json_boolean(counts)));
    LKI_GOTO(status, done, lki_json_set(ctx, density, "line", json_integer((json_int_t)line)));
    for (int64_t s = 0; s < page->shown_count; s++) {
        if (s == target) {
            continue;
        }
        json_t *input = json_object();
        LKI_GOTO(status, done, lki_json_append(ctx, inputs, input));
        LKI_GOTO(status, done, lki_json_set(ctx, input, "feature", json_integer((json_int_t)s)));
        for (int64_t i = 0; i < GIVEN * line; i++) {
            memcpy(x + i * d, medians, (size_t)d * sizeof *x);
            x[i * d + page->shown[s]] = place(page, s, i / line, GIVEN);
            double y = place(page, target, i % line, line);
            x[i * d + page->target] = counts ? round(y) : y;
        }
        LKI_GOTO(status, done, append_densities(ctx, page->model, x, GIVEN * line, p, input, "values"));
    }
done:
    lki_release(ctx, x);
    lki_release(ctx, p);
    lki_release(ctx, medians);
    return status;
}

/* A model that tells classes and nothing of the features' distribution. */
static bool classes_only(const lki_page *page)
{
    return lk_model_classes(page->model) != NULL && (page->operations & LK_OPERATION_RESPONSIBILITIES) != 0 &&
           lk_model_groups(page->model) <= CLASSES;
}

/* P(class | one input, the others at their medians): {"kind": "classes", "given", "inputs": [{"feature", "values": given x classes}], "medians"}. */
static lk_status density_classes(lk_context *ctx, const lki_page *page, json_t *density)
{
    json_t *inputs = json_array();
    int64_t d = page->d, groups = lk_model_groups(page->model);
    double *x = NULL;
    lk_status status = LK_OK;
    LKI_TRY(lki_json_set(ctx, density, "kind", json_string("classes")));
    LKI_TRY(lki_json_set(ctx, density, "given", json_integer(GIVEN)));
    LKI_TRY(lki_json_set(ctx, density, "inputs", inputs));
    LKI_TRY(lki_allocate(ctx, lki_product(GIVEN + 1, (size_t)(d + groups)), sizeof *x, &x));
    double *medians = x + GIVEN * d, *p = medians + d;
    LKI_GOTO(status, done, medians_of(ctx, page, density, medians));
    for (int64_t s = 0; s < page->shown_count; s++) {
        json_t *input = json_object();
        LKI_GOTO(status, done, lki_json_append(ctx, inputs, input));
        LKI_GOTO(status, done, lki_json_set(ctx, input, "feature", json_integer((json_int_t)s)));
        for (int64_t i = 0; i < GIVEN; i++) {
            memcpy(x + i * d, medians, (size_t)d * sizeof *x);
            x[i * d + page->shown[s]] = place(page, s, i, GIVEN);
        }
        LKI_GOTO(status, done, lk_model_responsibilities(ctx, page->model, x, GIVEN, p));
        LKI_GOTO(status, done, lki_json_set(ctx, input, "values", lki_page_rounded_list(p, GIVEN * groups, 1)));
    }
done:
    lki_release(ctx, x);
    return status;
}

/* Fewer features are shown where their parameters would be too many numbers for a page. */
static void fewer_shown(lki_page *page, int64_t components)
{
    while (page->shown_count > 2 && components * page->shown_count * (page->shown_count + 1) > NUMBERS) {
        page->shown_count--;
    }
}

/* The components' parameters stand in the density's part, for the shown features alone. */
static lk_status strip_components(lk_context *ctx, json_t *info)
{
    json_t *components = json_object_get(info, "components"), *classes = json_object_get(info, "classes");
    int64_t count = (int64_t)json_array_size(components);
    for (size_t c = 0; c < json_array_size(classes); c++) {
        LKI_TRY(strip_components(ctx, json_array_get(classes, c)));
    }
    if (components == NULL) {
        return LK_OK;
    }
    (void)json_object_del(info, "components");
    (void)json_object_del(info, "noise");
    return lki_json_set(ctx, info, "components", json_integer((json_int_t)count));
}

lk_status lki_page_density(lk_context *ctx, lki_page *page)
{
    json_t *density = json_object(), *ranges = json_array();
    int64_t components = page->target >= 0 ? 0 : components_of(page->info);
    bool marginals = page->d == 1 || (page->operations & LK_OPERATION_MARGINAL) != 0;
    lk_status status;
    LKI_TRY(lki_json_set(ctx, page->root, "density", density));
    if (components > 0) {
        fewer_shown(page, components);
    }
    LKI_TRY(strip_components(ctx, page->info));
    LKI_TRY(lki_page_ranges(ctx, page));
    if ((page->operations & LK_OPERATION_LOG_DENSITY) == 0 && classes_only(page)) {
        status = density_classes(ctx, page, density);
    } else if ((page->operations & LK_OPERATION_LOG_DENSITY) == 0) {
        return lki_page_leave_out(ctx, page, "density", "the model offers no density");
    } else if (page->target >= 0) {
        status = density_conditional(ctx, page, density);
    } else if (!marginals) {
        return lki_page_leave_out(ctx, page, "density", "the model has no marginals: its density over all features at once cannot be drawn");
    } else {
        status = components > 0 ? density_mixture(ctx, page, density) : density_grid(ctx, page, density);
    }
    LKI_TRY(lki_json_set(ctx, density, "ranges", ranges));
    for (int64_t s = 0; s < page->shown_count; s++) {
        const double range[2] = {page->low[s], page->high[s]};
        LKI_TRY(lki_json_append(ctx, ranges, lki_json_numbers(range, 2)));
    }
    return lki_page_refused(ctx, page, "density", status);
}
