/* likely plot: a figure of a model, and of data beside it. */
#include "cli/cli.h"
#include "plot/plot.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { DEFAULT_FEATURES = 6 };

static const lk_parameter options[] = {
    {"kind", LK_PARAMETER_CHOICE, "density", 0, 0, "density,ellipses,uncertainty,criterion", NULL,
     "density with rows; components as ellipses, rows by group; rows by group, the larger the less sure; the criterion of all candidates of "
     "the fit"},
    {"features", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "COLUMNS",
     "the features to draw, at most ten: comma-separated names, or positions from 1; the first six if not given"},
    {"script", LK_PARAMETER_FLAG, NULL, 0, 0, NULL, NULL,
     "print the gnuplot program, with its data inside, instead of running it"},
    {"format", LK_PARAMETER_CHOICE, NULL, 0, 0, "png,svg,pdf,text", NULL,
     "kind of figure; by the extension of the output if not given, text on standard output"},
    {"title", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "TEXT", "title of the figure; the method and rows if not given"},
    {"points", LK_PARAMETER_INTEGER, "5000", 1, 1000000, NULL, NULL,
     "draw at most so many rows, evenly spaced in DATA; histograms always count all"},
    {"bins", LK_PARAMETER_INTEGER, NULL, 1, 1000, NULL, NULL, "bars of a histogram; by the data if not given"},
    {"width", LK_PARAMETER_INTEGER, NULL, 20, 10000, NULL, NULL,
     "width in pixels, or in characters of text; 1000 or the terminal's if not given"},
    {"height", LK_PARAMETER_INTEGER, NULL, 10, 10000, NULL, NULL,
     "height in pixels, or in lines of text; in proportion or the terminal's if not given"},
};

static const cli_example examples[] = {
    {"likely plot faithful.lk faithful.csv", "in the terminal"},
    {"likely plot faithful.lk faithful.csv -o faithful.png", "contours over the points"},
    {"likely plot iris.lk iris.csv -o iris.svg", "each pair of features"},
    {"likely plot iris.lk iris.csv --kind ellipses -o groups.png", "the components, and which rows are theirs"},
    {"likely plot iris.lk --kind criterion -o bic.png", "how the number of components was chosen"},
    {"likely plot iris.lk --features Petal.Length -o petal.pdf", "one feature, without data"},
    {"likely plot faithful.lk --script > faithful.gp", "the program, to change by hand"},
    {NULL, NULL},
};

typedef struct drawing {
    cli_command *command;
    lk_model *model;
    lk_table *data;
    int64_t features[PLOT_FEATURES_MAX];
    json_t *info;
    char title[200];
    plot_request request;
} drawing;

static int find_feature(drawing *g, const char *name, int64_t *out)
{
    int64_t d = lk_model_dimension(g->model);
    cli_nearest nearest = {name, NULL, 0};
    for (int64_t j = 0; j < d; j++) {
        if (strcmp(lk_model_feature(g->model, j), name) == 0) {
            *out = j;
            return CLI_DONE;
        }
        cli_nearest_try(&nearest, lk_model_feature(g->model, j));
    }
    char *end;
    long long position = strtoll(name, &end, 10);
    if (end != name && *end == '\0' && position >= 1 && position <= d) {
        *out = position - 1;
        return CLI_DONE;
    }
    const char *best = cli_nearest_name(&nearest);
    return cli_usage_error(g->command, "the model has no feature '%s'%s%s", name,
                           best == NULL ? "" : ": did you mean ", best == NULL ? "" : best);
}

static int choose_features(drawing *g)
{
    const char *wanted = cli_text(g->command, "features");
    int64_t d = lk_model_dimension(g->model);
    int code = CLI_DONE;
    g->request.features = g->features;
    if (wanted == NULL) {
        g->request.count = d < DEFAULT_FEATURES ? d : DEFAULT_FEATURES;
        for (int64_t j = 0; j < g->request.count; j++) {
            g->features[j] = j;
        }
        if (d > DEFAULT_FEATURES) {
            cli_remark(g->command, "drawing the first %d of %lld features: --features chooses others", DEFAULT_FEATURES,
                       (long long)d);
        }
        return CLI_DONE;
    }
    char *list = strdup(wanted), *rest = NULL;
    if (list == NULL) {
        return cli_fail(g->command, LK_ERROR_MEMORY);
    }
    for (char *name = strtok_r(list, ",", &rest); name != NULL && code == CLI_DONE; name = strtok_r(NULL, ",", &rest)) {
        if (g->request.count == PLOT_FEATURES_MAX) {
            code = cli_usage_error(g->command, "a figure shows at most %d features", PLOT_FEATURES_MAX);
            break;
        }
        code = find_feature(g, name, &g->features[g->request.count]);
        for (int64_t j = 0; code == CLI_DONE && j < g->request.count; j++) {
            if (g->features[j] == g->features[g->request.count]) {
                code = cli_usage_error(g->command, "--features names '%s' twice", name);
            }
        }
        g->request.count++;
    }
    free(list);
    return code;
}

/* What the model tells of itself: components, candidates, and the default title. */
static int read_info(drawing *g)
{
    char *text = NULL;
    lk_status status = lk_model_info(g->command->context, g->model, &text);
    if (status != LK_OK) {
        return cli_fail(g->command, status);
    }
    json_t *info = json_loads(text, 0, NULL);
    lk_free(g->command->context, text);
    g->info = info;
    g->request.components.info = info;
    size_t count = (size_t)plot_components_count(&g->request.components);
    const json_t *n = json_object_get(info, "n");
    char rows[48];
    size_t used = (size_t)snprintf(g->title, sizeof g->title, "%s", lk_model_method(g->model)->name);
    if (count > 0) {
        used += (size_t)snprintf(g->title + used, sizeof g->title - used, ", %zu component%s", count,
                                 count == 1 ? "" : "s");
    }
    if (json_is_number(n) && json_number_value(n) > 0) {
        snprintf(g->title + used, sizeof g->title - used, ", fitted to %s rows",
                 cli_count(json_number_value(n), rows, sizeof rows));
    }
    g->request.title = cli_given(g->command, "title") ? cli_text(g->command, "title") : g->title;
    return CLI_DONE;
}

/* The kind of figure, and whether it can be drawn of this. */
static int choose_kind(drawing *g)
{
    const char *kind = cli_text(g->command, "kind");
    if (strcmp(kind, "criterion") == 0) {
        return CLI_DONE;
    }
    g->request.kind = strcmp(kind, "ellipses") == 0 ? PLOT_ELLIPSES : strcmp(kind, "uncertainty") == 0 ? PLOT_UNCERTAINTY : PLOT_DENSITY;
    if (g->request.kind == PLOT_DENSITY) {
        return CLI_DONE;
    }
    if (g->request.count < 2) {
        return cli_usage_error(g->command, "--kind %s draws two or more features; there is one", kind);
    }
    if (lk_model_groups(g->model) < 1 || plot_components_count(&g->request.components) < 1) {
        return cli_usage_error(g->command, "--kind %s draws the components of a mixture; this %s model has none", kind,
                               lk_model_method(g->model)->name);
    }
    if (g->request.kind == PLOT_UNCERTAINTY && g->data == NULL) {
        return cli_usage_error(g->command, "--kind uncertainty draws rows: likely plot MODEL DATA --kind uncertainty");
    }
    return CLI_DONE;
}

static int choose_medium(drawing *g)
{
    const char *output = cli_text(g->command, "output"), *format = cli_text(g->command, "format");
    bool to_file = output != NULL && strcmp(output, "-") != 0;
    const char *dot = to_file ? strrchr(output, '.') : NULL;
    const char *kind = format != NULL ? format : dot != NULL ? dot + 1 : to_file ? "" : "text";
    if (!plot_medium_of(kind, &g->request.medium)) {
        return cli_usage_error(g->command, "the figure's kind is not known by the name '%s': end it in .png, .svg, .pdf "
                                           "or .txt, or give --format", output);
    }
    if (cli_flag(g->command, "script") && format == NULL && !to_file) {
        g->request.medium = PLOT_BARE;
    }
    g->request.output = cli_flag(g->command, "script") && to_file ? output : NULL;
    if (g->request.medium != PLOT_TEXT && g->request.medium != PLOT_BARE && !to_file && isatty(STDOUT_FILENO) &&
        !cli_flag(g->command, "script")) {
        return cli_usage_error(g->command, "a figure in %s is no text for a terminal: give --output FILE", format);
    }
    return CLI_DONE;
}

static void choose_size(drawing *g)
{
    bool text = g->request.medium == PLOT_TEXT;
    int64_t n = g->request.count;
    const bool criterion = strcmp(cli_text(g->command, "kind"), "criterion") == 0;
    int width = 1000, height = n == 1 || criterion ? 620 : n == 2 ? 750 : 1000;
    if (text) {
        struct winsize size;
        bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 && size.ws_row > 10;
        width = known ? size.ws_col : 80;
        height = known ? size.ws_row - 1 : 24;
        g->request.colour = known && isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
    } else if (n > 4 && !criterion) {
        width = height = 1400;
    }
    g->request.width = cli_given(g->command, "width") ? (int)cli_integer(g->command, "width") : width;
    g->request.height = height;
    if (cli_given(g->command, "height")) {
        g->request.height = (int)cli_integer(g->command, "height");
    } else if (cli_given(g->command, "width") && !text) {
        g->request.height = (int)((double)g->request.width * height / width);
        g->request.height = g->request.height < 10 ? 10 : g->request.height;
    }
}

static void tell_notes(const drawing *g, const plot_notes *notes)
{
    if (notes->stride > 1 && g->request.count > 1) {
        cli_remark(g->command, "%lld rows: one in %lld is drawn as a point (--points changes that)%s",
                   (long long)notes->rows, (long long)notes->stride,
                   g->request.count > 2 ? "; histograms count all" : "");
    }
    if (notes->missing > 0) {
        cli_remark(g->command, "%lld row%s with a missing value %s not drawn", (long long)notes->missing,
                   notes->missing == 1 ? "" : "s", notes->missing == 1 ? "is" : "are");
    }
}

/* What the fit chose by, where its candidates tell of it; else bic. */
static const char *criterion_of(const drawing *g)
{
    const char *name = json_string_value(json_object_get(json_object_get(g->info, "parameters"), "criterion"));
    return name != NULL && plot_candidates(g->info, name) > 0 ? name : "bic";
}

static int draw(drawing *g)
{
    cli_command *command = g->command;
    const char *output = cli_text(command, "output");
    char *program = NULL, error[1024] = "";
    size_t length = 0;
    FILE *out = open_memstream(&program, &length);
    if (out == NULL) {
        return cli_fail(command, LK_ERROR_MEMORY);
    }
    lk_status status = LK_OK;
    plot_notes notes = {.stride = 1};
    if (strcmp(cli_text(command, "kind"), "criterion") == 0) {
        plot_candidates_program(&g->request, g->info, criterion_of(g), out);
    } else {
        status = plot_program(command->context, &g->request, out, &notes);
    }
    bool whole = ferror(out) == 0;
    if ((fclose(out) != 0 || !whole) && status == LK_OK) {
        status = LK_ERROR_MEMORY;
    }
    int code = status == LK_OK ? CLI_DONE : cli_fail(command, status);
    if (code == CLI_DONE) {
        tell_notes(g, &notes);
    }
    if (code == CLI_DONE && cli_flag(command, "script")) {
        fwrite(program, 1, length, stdout);
    } else if (code == CLI_DONE) {
        cli_progress_clear();
        fflush(stdout);
        bool to_file = output != NULL && strcmp(output, "-") != 0;
        if (!plot_run(program, length, to_file ? output : NULL, error, sizeof error)) {
            code = cli_interrupted() ? cli_fail(command, LK_ERROR_CANCELLED) : cli_error("%s", error);
        }
    }
    free(program);
    return code;
}

static int run(cli_command *command)
{
    int code;
    drawing g = {.command = command, .request = {.weight = -1}};
    lk_read_options reading = cli_read_options(command, &code);
    if (code != CLI_DONE) {
        return code;
    }
    code = choose_medium(&g);
    if (code != CLI_DONE) {
        return code;
    }
    lk_status status = lk_model_load(command->context, command->operands[0], &g.model);
    if (status == LK_OK && command->operand_count > 1) {
        status = lk_table_read(command->context, command->operands[1], &reading, &g.data);
    }
    if (status == LK_OK && g.data != NULL && cli_given(command, "weight")) {
        status = lk_table_find(command->context, g.data, cli_text(command, "weight"), &g.request.weight);
    }
    g.request.model = g.model;
    g.request.data = g.data;
    g.request.points = cli_integer(command, "points");
    g.request.bins = cli_integer(command, "bins");
    g.request.seed = cli_integer(command, "seed");
    code = status == LK_OK ? choose_features(&g) : cli_fail(command, status);
    code = code == CLI_DONE ? read_info(&g) : code;
    code = code == CLI_DONE ? choose_kind(&g) : code;
    if (code == CLI_DONE && strcmp(cli_text(command, "kind"), "criterion") == 0 && plot_candidates(g.info, "bic") < 2) {
        code = cli_usage_error(command, "--kind criterion draws the candidates that a fit chose from; this model was not chosen among several");
    }
    if (code == CLI_DONE) {
        choose_size(&g);
        code = draw(&g);
    }
    json_decref(g.info);
    lk_table_free(g.data);
    lk_model_free(g.model);
    return code;
}

extern const cli_verb cli_verb_plot;
const cli_verb cli_verb_plot = {
    .name = "plot",
    .summary = "a figure of a model, and of data beside it",
    .operands = "MODEL [DATA]",
    .description =
        "One feature: the density over a histogram of DATA. Two: the smallest regions that hold 50, 75, 90, 95 and 99% "
        "of the probability, under the points. More: a grid of pairs with the marginal of each feature on its "
        "diagonal; the first six, or --features.\n\n"
        "--kind ellipses draws each component as the ellipses that hold 50 and 95% of it, and rows in the colour of their most probable "
        "group; --kind uncertainty the rows alone, the larger the less sure their group is (1 - its probability); --kind criterion, which "
        "needs no DATA, the criterion of all candidates of the fit against the number of components.\n\n"
        "gnuplot draws it: to a PNG, SVG or PDF by the extension of --output, else as text in the terminal. --script "
        "prints the program instead, with its data inside. DATA of many rows are thinned for the points, and it is "
        "said.",
    .operands_min = 1,
    .operands_max = 2,
    .groups = CLI_OUTPUT | CLI_READING | CLI_WEIGHT,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};
