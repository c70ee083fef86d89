/* What a model tells about itself, from the JSON of lk_model_info(), in words for people. */
#include "cli/cli.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

enum { SHOWN_FEATURES = 8, SHOWN_COMPONENTS = 40 };

static double number_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* A column of the model: its name, whether it stands as text or as an object with a name. */
static const char *column_name(const json_t *columns, size_t j)
{
    const json_t *column = json_array_get(columns, j);
    const char *name = json_is_string(column) ? json_string_value(column) : text_of(column, "name");
    return name == NULL ? "?" : name;
}

static void print_value(FILE *out, const json_t *value)
{
    char buffer[48];
    if (json_is_string(value)) {
        cli_print_clean(out, json_string_value(value));
    } else if (json_is_number(value)) {
        fputs(cli_number(json_number_value(value), buffer, sizeof buffer), out);
    } else if (json_is_boolean(value)) {
        fputs(json_is_true(value) ? "yes" : "no", out);
    } else if (json_is_array(value)) {
        size_t n = json_array_size(value);
        for (size_t i = 0; i < n && i < 12; i++) {
            fputs(i == 0 ? "" : ", ", out);
            print_value(out, json_array_get(value, i));
        }
        fputs(n > 12 ? ", ..." : "", out);
    }
}

static void line(cli_grid *grid, const char *label, double value, const char *unit)
{
    char buffer[48];
    if (!isnan(value)) {
        if (floor(value) == value && fabs(value) < 1e15) {
            snprintf(buffer, sizeof buffer, "%.0f", value);
        } else {
            snprintf(buffer, sizeof buffer, fabs(value) < 1e7 && fabs(value) > 1e-3 ? "%.4f" : "%.8g", value);
        }
        cli_grid_add(grid, "%s", label);
        cli_grid_add(grid, "%s%s", buffer, unit);
    }
}

static void print_columns(cli_grid *grid, const json_t *info)
{
    const json_t *columns = json_object_get(info, "columns");
    char names[400] = "";
    size_t used = 0, n = json_array_size(columns);
    for (size_t j = 0; j < n && used < 300; j++) {
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%.60s", j == 0 ? "" : ", ",
                                 column_name(columns, j));
        if (j + 1 < n && used >= 300) {
            snprintf(names + used, sizeof names - used, ", ...");
        }
    }
    cli_grid_add(grid, "features");
    cli_grid_add(grid, "%.0f: %s", number_of(info, "d"), names);
}

/* A feature's steps: ["log", ["standardize", a, b]] as "log, standardize". */
static void steps_text(const json_t *steps, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < json_array_size(steps) && used < size; i++) {
        const json_t *step = json_array_get(steps, i);
        const char *name = json_string_value(json_is_array(step) ? json_array_get(step, 0) : step);
        used += (size_t)snprintf(out + used, size - used, "%s%s", i == 0 ? "" : ", ", name == NULL ? "?" : name);
    }
}

/* One line where all features go through the same steps, else a line for each that goes through some. */
static void add_transform(cli_grid *grid, const json_t *info)
{
    const json_t *transform = json_object_get(info, "transform"), *columns = json_object_get(info, "columns");
    char first[128], steps[128];
    bool same = true;
    size_t d = json_array_size(transform);
    steps_text(json_array_get(transform, 0), first, sizeof first);
    for (size_t j = 1; j < d; j++) {
        steps_text(json_array_get(transform, j), steps, sizeof steps);
        same = same && strcmp(first, steps) == 0;
    }
    for (size_t j = 0; j < (same && d > 0 ? 1 : d); j++) {
        steps_text(json_array_get(transform, j), steps, sizeof steps);
        if (steps[0] != '\0') {
            cli_grid_add(grid, "transform");
            cli_grid_add(grid, "%s%s%s", steps, same ? "" : " of ", same ? "" : column_name(columns, j));
        }
    }
}

/* Accuracy, log loss and Brier score of classes. */
static void add_quality(cli_grid *grid, const char *label, const json_t *quality)
{
    if (json_is_object(quality)) {
        line(grid, label, number_of(quality, "accuracy"), "");
        line(grid, "  log loss", number_of(quality, "log_loss"), " nats");
        line(grid, "  Brier score", number_of(quality, "brier"), "");
    }
}

/* Whether many points speak for a row or few, and the bandwidths where that changes, as factors of the present one. */
static void add_regime(cli_grid *grid, const json_t *regime)
{
    static const struct {
        const char *key, *label, *unit;
    } lines[] = {{"participation", "  points a row", ""},
                 {"central_limit", "  central limit above", " times the bandwidth"},
                 {"extreme", "  nearest point below", " times the bandwidth"},
                 {"kl", "  least divergence at", " times the bandwidth"}};
    if (regime != NULL) {
        cli_grid_add(grid, "regime");
        cli_grid_add(grid, "%s", text_of(regime, "name"));
        /* In few dimensions the thresholds lie far below any bandwidth that is chosen. */
        const bool plain = strcmp(text_of(regime, "name"), "central limit") == 0 && number_of(regime, "alpha") > 1.0;
        for (size_t i = 0; i < (plain ? 1 : sizeof lines / sizeof lines[0]); i++) {
            line(grid, lines[i].label, number_of(regime, lines[i].key), lines[i].unit);
        }
    }
}

/* The bandwidths of a kernel density, one a feature, and how well it foretells its own rows. */
static void add_bandwidth(cli_grid *grid, const json_t *info)
{
    const json_t *bandwidth = json_object_get(info, "bandwidth");
    char text[400] = "";
    size_t used = 0, n = json_array_size(bandwidth);
    for (size_t j = 0; j < n && used < 300; j++) {
        char buffer[48];
        cli_number(json_number_value(json_array_get(bandwidth, j)), buffer, sizeof buffer);
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s%s", j == 0 ? "" : ", ", buffer, j + 1 < n && used >= 280 ? ", ..." : "");
    }
    if (n > 0) {
        const char *kernel = text_of(info, "kernel");
        cli_grid_add(grid, "kernel");
        cli_grid_add(grid, "%s", kernel == NULL ? "?" : kernel);
        cli_grid_add(grid, "bandwidth");
        cli_grid_add(grid, "%s%s", text, json_array_size(json_object_get(info, "transform")) > 0 ? ", as transformed" : "");
        line(grid, "log density left out", number_of(info, "leave_one_out"), " nats a row");
        add_regime(grid, json_object_get(info, "regime"));
    }
}

/* The column whose classes a model tells from the features, and the classes. */
static void add_label(cli_grid *grid, const json_t *label)
{
    const json_t *levels = json_object_get(label, "levels");
    char text[200] = "";
    size_t used = 0, n = json_array_size(levels), k = 0;
    for (; k < n && used < 100; k++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%.60s", k == 0 ? "" : ", ", json_string_value(json_array_get(levels, k)));
    }
    cli_grid_add(grid, "tells");
    cli_grid_add(grid, "%s, %zu classes: %s%s", text_of(label, "name"), n, text, k < n ? ", ..." : "");
}

/* The scalars, in one grid of label and value. */
static void print_scalars(FILE *out, const json_t *info)
{
    cli_grid *grid = cli_grid_new(2);
    const char *method = text_of(info, "method");
    const json_t *components = json_object_get(info, "components");
    cli_grid_add(grid, "method");
    if (json_array_size(components) > 0) {
        const char *covariance = text_of(info, "covariance");
        covariance = covariance == NULL ? text_of(json_object_get(info, "parameters"), "covariance") : covariance;
        size_t k = json_array_size(components);
        cli_grid_add(grid, "%s, %zu component%s%s%s", method == NULL ? "?" : method, k, k == 1 ? "" : "s",
                     covariance == NULL ? "" : ", covariance ", covariance == NULL ? "" : covariance);
    } else {
        cli_grid_add(grid, "%s", method == NULL ? "?" : method);
    }
    const bool told = json_is_object(json_object_get(info, "label")) && !json_is_array(json_object_get(info, "classes"));
    if (told) {
        add_label(grid, json_object_get(info, "label"));
    }
    print_columns(grid, info);
    add_transform(grid, info);
    double n = number_of(info, "n"), log_likelihood = number_of(info, "log_likelihood");
    line(grid, "rows (sum of weights)", n, "");
    line(grid, "log-likelihood", log_likelihood, " nats");
    line(grid, "  a row", log_likelihood / n, " nats");
    line(grid, "free parameters", number_of(info, "free_parameters"), "");
    line(grid, "bic", number_of(info, "bic"), "");
    line(grid, "icl", number_of(info, "icl"), "");
    line(grid, "aic", number_of(info, "aic"), "");
    add_bandwidth(grid, info);
    line(grid, "temperature", number_of(info, "temperature"), "");
    const json_t *heldout = json_object_get(info, "held_out");
    if (json_is_object(heldout)) {
        line(grid, "held-out rows", number_of(heldout, "rows"), "");
        line(grid, told ? "held-out log probability" : "held-out log density", number_of(heldout, "mean_log_density"), " nats a row");
        line(grid, "  standard error", number_of(heldout, "standard_error"), "");
        add_quality(grid, "held-out accuracy", json_object_get(heldout, "classes"));
    }
    add_quality(grid, "training accuracy", json_object_get(info, "training"));
    const json_t *converged = json_object_get(info, "converged");
    double iterations = number_of(info, "iterations");
    if (json_is_boolean(converged)) {
        cli_grid_add(grid, "converged");
        if (isnan(iterations)) {
            cli_grid_add(grid, "%s", json_is_true(converged) ? "yes" : "no");
        } else {
            cli_grid_add(grid, "%s, %.0f iterations", json_is_true(converged) ? "yes" : "no", iterations);
        }
    }
    const json_t *search = json_object_get(info, "search");
    if (number_of(search, "finished") > 0) {
        cli_grid_add(grid, "starts");
        cli_grid_add(grid, "%.0f, finished %.0f, at the best optimum %.0f", number_of(search, "starts"), number_of(search, "finished"),
                     number_of(search, "reached"));
    }
    const json_t *moves = json_object_get(search, "moves");
    if (json_is_object(moves)) {
        cli_grid_add(grid, "moves");
        cli_grid_add(grid, "%.0f accepted, %.0f tried to the end", number_of(moves, "accepted"), number_of(moves, "tried"));
    }
    const char *degenerate = text_of(info, "degenerate");
    if (degenerate != NULL && degenerate[0] != '\0') {
        cli_grid_add(grid, "degenerate");
        cli_grid_add(grid, "%s", degenerate);
    }
    cli_grid_print(grid, out, "", "ll");
}

static double effective_size(const json_t *component)
{
    double size = number_of(component, "effective_size");
    return isnan(size) ? number_of(component, "size") : size;
}

/* The row of a uniform component: where the others have means, the range that it covers. */
static void add_noise(cli_grid *grid, const json_t *noise, size_t shown, bool sizes, bool details, bool cut)
{
    cli_grid_add(grid, "noise");
    cli_grid_add(grid, "%.4f", number_of(noise, "weight"));
    if (sizes) {
        cli_grid_add(grid, "%.1f", effective_size(noise));
    }
    if (details) {
        cli_grid_add(grid, " ");
    }
    for (size_t j = 0; j < shown; j++) {
        char low[48], high[48];
        cli_number(json_number_value(json_array_get(json_object_get(noise, "low"), j)), low, sizeof low);
        cli_number(json_number_value(json_array_get(json_object_get(noise, "high"), j)), high, sizeof high);
        cli_grid_add(grid, "%s..%s", low, high);
    }
    if (cut) {
        cli_grid_add(grid, "...");
    }
}

/* Weight, size and mean of each component; a mean of many features is cut. */
static void print_components(FILE *out, const json_t *info, bool details)
{
    const json_t *components = json_object_get(info, "components");
    const json_t *columns = json_object_get(info, "columns");
    size_t count = json_array_size(components), d = json_array_size(columns);
    size_t shown = d < SHOWN_FEATURES ? d : SHOWN_FEATURES, rows = count < SHOWN_COMPONENTS ? count : SHOWN_COMPONENTS;
    if (count == 0) {
        return;
    }
    bool sizes = !isnan(effective_size(json_array_get(components, 0))); /* a model built from parameters has none */
    int width = (int)shown + 2 + (sizes ? 1 : 0) + (details ? 1 : 0) + (shown < d ? 1 : 0);
    cli_grid *grid = cli_grid_new(width);
    cli_grid_add(grid, "component");
    cli_grid_add(grid, "weight");
    if (sizes) {
        cli_grid_add(grid, "size");
    }
    if (details) {
        cli_grid_add(grid, "condition");
    }
    for (size_t j = 0; j < shown; j++) {
        cli_grid_add(grid, "%s", column_name(columns, j));
    }
    if (shown < d) {
        cli_grid_add(grid, "...");
    }
    for (size_t k = 0; k < rows; k++) {
        const json_t *component = json_array_get(components, k);
        const json_t *mean = json_object_get(component, "mean");
        cli_grid_add(grid, "%zu", k);
        cli_grid_add(grid, "%.4f", number_of(component, "weight"));
        if (sizes) {
            cli_grid_add(grid, "%.1f", effective_size(component));
        }
        if (details) {
            cli_grid_number(grid, number_of(component, "condition"));
        }
        for (size_t j = 0; j < shown; j++) {
            const json_t *value = json_array_get(mean, j);
            cli_grid_number(grid, json_is_number(value) ? json_number_value(value) : (double)NAN);
        }
        if (shown < d) {
            cli_grid_add(grid, "...");
        }
    }
    if (json_is_object(json_object_get(info, "noise"))) {
        add_noise(grid, json_object_get(info, "noise"), shown, sizes, details, shown < d);
    }
    bool transformed = json_array_size(json_object_get(info, "transform")) > 0;
    fprintf(out, "\nmeans of the components%s\n", transformed ? ", as transformed" : "");
    cli_grid_print(grid, out, "  ", "r");
    if (rows < count) {
        fprintf(out, "  and %zu more: --json shows all\n", count - rows);
    }
}

/* A class a line: its probability, rows, likelihood, and the components that it has. */
static void print_classes(FILE *out, const json_t *info, bool details)
{
    const json_t *classes = json_object_get(info, "classes");
    size_t count = json_array_size(classes), rows = count < SHOWN_COMPONENTS ? count : SHOWN_COMPONENTS;
    if (count == 0) {
        return;
    }
    bool mixture = json_object_get(json_array_get(classes, 0), "components") != NULL;
    bool likelihood = !isnan(number_of(json_array_get(classes, 0), "log_likelihood")); /* a part of a model, or a kernel density, has none */
    cli_grid *grid = cli_grid_new(3 + (likelihood ? 2 : 0) + (mixture ? 2 : 0));
    cli_grid_add(grid, "class");
    cli_grid_add(grid, "prior");
    cli_grid_add(grid, "rows");
    if (likelihood) {
        cli_grid_add(grid, "log-likelihood");
        cli_grid_add(grid, "bic");
    }
    if (mixture) {
        cli_grid_add(grid, "components");
        cli_grid_add(grid, "covariance");
    }
    for (size_t k = 0; k < rows; k++) {
        const json_t *class = json_array_get(classes, k);
        const char *name = text_of(class, "class"), *covariance = text_of(class, "covariance");
        cli_grid_add(grid, "%s", name == NULL ? "?" : name);
        cli_grid_add(grid, "%.4f", number_of(class, "prior"));
        cli_grid_number(grid, number_of(class, "n"));
        if (likelihood) {
            cli_grid_number(grid, number_of(class, "log_likelihood"));
            cli_grid_number(grid, number_of(class, "bic"));
        }
        if (mixture) {
            cli_grid_add(grid, "%zu", json_array_size(json_object_get(class, "components")));
            cli_grid_add(grid, "%s", covariance == NULL ? "" : covariance);
        }
    }
    fprintf(out, "\nclasses of %s\n", text_of(json_object_get(info, "label"), "name"));
    cli_grid_print(grid, out, "  ", !mixture ? "lrrrr" : likelihood ? "lrrrrrl" : "lrrrl");
    if (rows < count) {
        fprintf(out, "  and %zu more: --json shows all\n", count - rows);
    }
    for (size_t k = 0; details && mixture && k < rows; k++) {
        json_t *part = json_copy(json_array_get(classes, k)); /* one class's components under the columns of all */
        json_object_set(part, "columns", json_object_get(info, "columns"));
        json_object_set(part, "transform", json_object_get(info, "transform"));
        fprintf(out, "\nclass %s", text_of(part, "class"));
        print_components(out, part, details);
        json_decref(part);
    }
}

static void print_parameters(FILE *out, const json_t *info)
{
    const json_t *parameters = json_object_get(info, "parameters");
    if (!json_is_object(parameters) || json_object_size(parameters) == 0) {
        return;
    }
    fputs("\nparameters\n", out);
    for (void *at = json_object_iter((json_t *)parameters); at != NULL;
         at = json_object_iter_next((json_t *)parameters, at)) {
        fputs("  ", out);
        cli_print_clean(out, json_object_iter_key(at));
        fputs(" = ", out);
        if (json_is_null(json_object_iter_value(at))) {
            fputs("none", out);
        }
        print_value(out, json_object_iter_value(at));
        fputc('\n', out);
    }
}

/* What the fit remarked; it said so itself when it ran. */
static void print_remarks(FILE *out, const json_t *info)
{
    const json_t *remarks = json_object_get(info, "remarks");
    for (size_t i = 0; i < json_array_size(remarks); i++) {
        fputs(i == 0 ? "\nremarks of the fit\n  " : "  ", out);
        print_value(out, json_array_get(remarks, i));
        fputc('\n', out);
    }
}

void cli_print_summary(FILE *out, const json_t *info, bool details)
{
    if (!json_is_object(info)) {
        fputs("(not enough memory to show the model)\n", out);
        return;
    }
    print_scalars(out, info);
    print_components(out, info, details);
    print_classes(out, info, details);
    if (details) {
        print_parameters(out, info);
        print_remarks(out, info);
    }
}

void cli_print_doubts(const json_t *info)
{
    const char *degenerate = text_of(info, "degenerate");
    bool told = false;
    if (json_is_false(json_object_get(info, "converged"))) {
        cli_warning("not to be trusted: not converged after %.0f iterations; --max-iter allows more, --tol asks for less",
                    number_of(info, "iterations"));
        told = true;
    }
    if (degenerate != NULL && degenerate[0] != '\0') {
        cli_warning("not to be trusted: degenerate: %s", degenerate);
        told = true;
    }
    if (!told) {
        cli_warning("not to be trusted: 'likely info' tells why");
    }
}
