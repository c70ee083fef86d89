/* likely diagnose: whether a vector field is the score that it is taken for. */
#include "cli/cli.h"
#include "plot/plot.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const lk_parameter options[] = {
    {"sigma", LK_PARAMETER_TEXT, "0.1,0.5,2", 0, 0, NULL, "LIST", "noises to look at, in standard deviations of each feature; 0 is none"},
    {"field", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "FILE",
     "a field instead of the model's score: lines NAME' = EXPRESSION, one a feature, in the features and sigma"},
    {"points", LK_PARAMETER_INTEGER, "2000", 10, 10000000.0, NULL, NULL, "how many draws of the model, or rows of DATA, to look from"},
    {"waves", LK_PARAMETER_INTEGER, "100", 1, 2000, NULL, NULL, "random waves among the functions whose gradients the field is held against"},
    {"figure", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "FILE",
     "draw the field into FILE, a .png, .svg or .pdf: arrows over the first two features, coloured by curl, and local dimensions; up to 6 noises"},
};

static const cli_example examples[] = {
    {"likely diagnose faithful.lk", "is its score a gradient, of the right size, and one flow over noise"},
    {"likely diagnose faithful.lk --field learned.txt --sigma 0,1", "a field in formulas, held against the model's density"},
    {"likely diagnose faithful.lk --sigma 0.1,0.5 --figure field.png", "with a picture of the score and its curl"},
    {"likely diagnose faithful.lk faithful.csv --json", "the same from the rows' side, without the model's density"},
    {NULL, NULL},
};

enum { SIGMAS_MOST = 64, PANELS_MOST = 6 };

/* Beyond these a field is no score; chosen between rounding and the smallest fault that matters. */
#define CURL_MOST 0.01
#define FOKKER_PLANCK_MOST 0.02
#define SHARE_MOST 0.02
#define SCALE_ERRORS 5.0
#define POINTS_LEAST 100 /* fewer do not tell a standard error */

static int parse_sigmas(const cli_command *command, double *sigmas, int *count)
{
    const char *at = cli_text(command, "sigma");
    for (*count = 0; *at != '\0'; ++*count) {
        char piece[64], *end;
        const size_t length = strcspn(at, ",");
        if (*count == SIGMAS_MOST || length == 0 || length >= sizeof piece) {
            return cli_usage_error(command, "--sigma wants up to %d numbers from 0 to 1e6, as in 0.1,1; got '%s'", (int)SIGMAS_MOST, cli_text(command, "sigma"));
        }
        memcpy(piece, at, length);
        piece[length] = '\0';
        sigmas[*count] = strtod(piece, &end);
        if (end == piece || *end != '\0' || !(sigmas[*count] >= 0 && sigmas[*count] <= 1e6)) {
            return cli_usage_error(command, "--sigma wants numbers from 0 to 1e6, as in 0.1,1; got '%s'", piece);
        }
        at += length + (at[length] == ',' ? 1 : 0);
    }
    return *count > 0 ? CLI_DONE : cli_usage_error(command, "--sigma wants at least one number");
}

/* What is wrong, as words; "" = nothing. */
static void judge(const lk_diagnosis *d, char *out, size_t size)
{
    snprintf(out, size, "%s%s%s%s",
             d->asymmetry > CURL_MOST || d->circulation > CURL_MOST ? "no gradient (curl); " : "",
             d->points >= POINTS_LEAST && fabs(d->scale - 1) > SCALE_ERRORS * d->scale_error + 1e-3 ? "wrong scale; " : "",
             d->transport > SHARE_MOST && d->against_density ? "moves mass wrongly; " : "",
             d->fokker_planck > FOKKER_PLANCK_MOST ? "noises do not belong together (Fokker-Planck); " : "");
    const size_t length = strlen(out);
    if (length >= 2) {
        out[length - 2] = '\0';
    }
}

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static void print_json(FILE *out, const lk_diagnosis *all, const double *sigmas, int count)
{
    json_t *rows = json_array();
    for (int i = 0; i < count; i++) {
        const lk_diagnosis *d = &all[i];
        char faults[256];
        json_t *row = json_object();
        judge(d, faults, sizeof faults);
        json_object_set_new(row, "sigma", number(sigmas[i]));
        json_object_set_new(row, "asymmetry", number(d->asymmetry));
        json_object_set_new(row, "circulation", number(d->circulation));
        json_object_set_new(row, "scale", number(d->scale));
        json_object_set_new(row, "scale_error", number(d->scale_error));
        json_object_set_new(row, "fokker_planck", number(d->fokker_planck));
        json_object_set_new(row, "gauge", number(d->gauge));
        json_object_set_new(row, "transport", number(d->transport));
        json_object_set_new(row, "dimension", number(d->dimension));
        json_object_set_new(row, "dimension_sd", number(d->dimension_sd));
        json_object_set_new(row, "points", json_integer((json_int_t)d->points));
        json_object_set_new(row, "against_density", json_boolean(d->against_density));
        json_object_set_new(row, "faults", json_string(faults));
        json_array_append_new(rows, row);
    }
    json_dumpf(rows, out, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    fputc('\n', out);
    json_decref(rows);
}

static void add(cli_grid *grid, const char *name, const lk_diagnosis *all, int count, size_t field)
{
    cli_grid_add(grid, "%s", name);
    for (int i = 0; i < count; i++) {
        const double value = *(const double *)((const char *)&all[i] + field);
        if (isnan(value)) {
            cli_grid_add(grid, "-");
        } else {
            cli_grid_add(grid, "%.3g", fabs(value) < 5e-8 ? 0.0 : value);
        }
    }
}

static void print_table(FILE *out, const lk_diagnosis *all, const double *sigmas, int count)
{
    cli_grid *grid = cli_grid_new(count + 1);
    char alignment[SIGMAS_MOST + 2] = "l";
    cli_grid_add(grid, "noise, in standard deviations");
    for (int i = 0; i < count; i++) {
        cli_grid_add(grid, "%g", sigmas[i]);
        alignment[i + 1] = 'r';
    }
    add(grid, "antisymmetric share of the Jacobian (0)", all, count, offsetof(lk_diagnosis, asymmetry));
    add(grid, "circulation around loops (0)", all, count, offsetof(lk_diagnosis, circulation));
    add(grid, "scale by Stein's identity (1)", all, count, offsetof(lk_diagnosis, scale));
    add(grid, "  standard error", all, count, offsetof(lk_diagnosis, scale_error));
    add(grid, "Fokker-Planck residual (0)", all, count, offsetof(lk_diagnosis, fokker_planck));
    add(grid, "gauge share: moves no mass (0)", all, count, offsetof(lk_diagnosis, gauge));
    add(grid, "transport error: moves mass wrongly (0)", all, count, offsetof(lk_diagnosis, transport));
    add(grid, "local dimension", all, count, offsetof(lk_diagnosis, dimension));
    add(grid, "  standard deviation over points", all, count, offsetof(lk_diagnosis, dimension_sd));
    cli_grid_print(grid, out, "", alignment);
    if (!all[0].against_density) {
        fputs("\ngauge and transport rest on test functions alone: some of both is their finite number\n", out);
    }
}

static int deliver(cli_command *command, const lk_diagnosis *all, const double *sigmas, int count)
{
    cli_report report;
    FILE *out = cli_report_open(&report);
    if (out == NULL) {
        return cli_fail(command, LK_ERROR_MEMORY);
    }
    if (cli_flag(command, "json")) {
        print_json(out, all, sigmas, count);
    } else {
        print_table(out, all, sigmas, count);
    }
    int code = cli_report_close(command, &report);
    fflush(stdout);
    for (int i = 0; i < count && (code == CLI_DONE || code == CLI_DOUBTFUL); i++) {
        char faults[256];
        judge(&all[i], faults, sizeof faults);
        if (faults[0] != '\0') {
            cli_warning("at noise %g this is not a score: %s", sigmas[i], faults);
            code = CLI_DOUBTFUL;
        }
    }
    return code;
}

/* Rows of DATA, complete ones, at most so many from its begin; *out is the caller's. */
static int read_points(cli_command *command, const lk_model *model, double **out, int64_t *count)
{
    const int64_t d = lk_model_dimension(model);
    int code;
    lk_table *table = NULL;
    int64_t *columns = calloc((size_t)d, sizeof *columns);
    lk_read_options reading = cli_read_options(command, &code);
    if (code == CLI_DONE && columns == NULL) {
        code = cli_fail(command, LK_ERROR_MEMORY);
    }
    if (code == CLI_DONE) {
        lk_status status = lk_table_read(command->context, command->operands[1], &reading, &table);
        status = status == LK_OK ? lk_model_columns(command->context, model, table, columns) : status;
        const int64_t rows = status == LK_OK ? lk_table_rows(table) : 0, most = cli_integer(command, "points"), n = rows < most ? rows : most;
        *out = status == LK_OK ? malloc((size_t)(n * d) * sizeof **out + 1) : NULL;
        status = status == LK_OK && *out == NULL ? LK_ERROR_MEMORY : status;
        status = status == LK_OK ? lk_table_gather(command->context, table, 0, n, columns, d, *out) : status;
        *count = n;
        code = status == LK_OK ? CLI_DONE : cli_fail(command, status);
    }
    free(columns);
    lk_table_free(table);
    return code;
}

/* ---- the figure ---- */

typedef struct picture {
    plot_request request;
    plot_field fields[PANELS_MOST];
    double *each[PANELS_MOST]; /* NULL = none is drawn */
} picture;

/* Room for what each point tells, where a figure is wanted. */
static int begin_picture(cli_command *command, const lk_model *model, int64_t points, const double *sigmas, int count, picture *p)
{
    const char *path = cli_text(command, "figure");
    if (path == NULL) {
        return CLI_DONE;
    }
    const char *dot = strrchr(path, '.');
    if (dot == NULL || !plot_medium_of(dot + 1, &p->request.medium) || p->request.medium == PLOT_TEXT) {
        return cli_usage_error(command, "--figure wants a name that ends in .png, .svg or .pdf; got '%s'", path);
    }
    if (count > PANELS_MOST) {
        return cli_usage_error(command, "--figure draws up to %d noises; --sigma names %d", (int)PANELS_MOST, count);
    }
    const int64_t d = lk_model_dimension(model);
    for (int i = 0; i < count; i++) {
        p->each[i] = malloc((size_t)points * (size_t)(2 * d + 2) * sizeof *p->each[i]);
        if (p->each[i] == NULL) {
            return cli_fail(command, LK_ERROR_MEMORY);
        }
        p->fields[i] = (plot_field){.each = p->each[i], .points = points, .d = d};
    }
    bool noisy = false;
    for (int i = 0; i < count; i++) {
        noisy = noisy || sigmas[i] > 0;
    }
    p->request.model = model;
    p->request.width = count > 1 ? 460 * count : 560;
    p->request.height = d > 1 && noisy ? 860 : 460;
    return CLI_DONE;
}

static int draw_picture(cli_command *command, picture *p, const lk_diagnosis *all, const double *sigmas, int count)
{
    char *program = NULL, error[1024] = "";
    size_t length = 0;
    FILE *out = open_memstream(&program, &length);
    if (out == NULL) {
        return cli_fail(command, LK_ERROR_MEMORY);
    }
    for (int i = 0; i < count; i++) {
        p->fields[i].sigma = sigmas[i];
        p->fields[i].asymmetry = all[i].asymmetry;
    }
    plot_field_program(&p->request, p->fields, count, out);
    const bool whole = ferror(out) == 0;
    int code = fclose(out) == 0 && whole ? CLI_DONE : cli_fail(command, LK_ERROR_MEMORY);
    if (code == CLI_DONE && !plot_run(program, length, cli_text(command, "figure"), error, sizeof error)) {
        code = cli_interrupted() ? cli_fail(command, LK_ERROR_CANCELLED) : cli_error("%s", error);
    }
    free(program);
    return code;
}

static int run(cli_command *command)
{
    static lk_diagnosis all[SIGMAS_MOST];
    picture p = {.request = {.weight = -1}};
    double sigmas[SIGMAS_MOST], *points = NULL;
    int count = 0, code = parse_sigmas(command, sigmas, &count);
    int64_t rows = 0;
    lk_model *model = NULL;
    char *field = NULL;
    if (code != CLI_DONE) {
        return code;
    }
    if (cli_given(command, "field") && (field = cli_read_file(cli_text(command, "field"))) == NULL) {
        return CLI_FAILED;
    }
    lk_status status = lk_model_load(command->context, command->operands[0], &model);
    code = status == LK_OK ? CLI_DONE : cli_fail(command, status);
    if (code == CLI_DONE && command->operand_count == 2) {
        code = read_points(command, model, &points, &rows);
    }
    rows = points != NULL ? rows : cli_integer(command, "points");
    code = code == CLI_DONE ? begin_picture(command, model, rows, sigmas, count, &p) : code;
    for (int i = 0; i < count && code == CLI_DONE; i++) {
        lk_diagnose_options wanted = {.size = sizeof wanted, .sigma = sigmas[i], .field = field, .points = points,
                                      .point_count = rows, .each = i < PANELS_MOST ? p.each[i] : NULL, .features = cli_integer(command, "waves"),
                                      .seed = cli_integer(command, "seed")};
        all[i].size = sizeof all[i];
        status = lk_model_diagnose(command->context, model, &wanted, &all[i]);
        code = status == LK_OK ? CLI_DONE : cli_fail(command, status);
    }
    if (code == CLI_DONE && p.each[0] != NULL) {
        code = draw_picture(command, &p, all, sigmas, count);
    }
    code = code == CLI_DONE ? deliver(command, all, sigmas, count) : code;
    for (int i = 0; i < PANELS_MOST; i++) {
        free(p.each[i]);
    }
    free(points);
    free(field);
    lk_model_free(model);
    return code;
}

extern const cli_verb cli_verb_diagnose;
const cli_verb cli_verb_diagnose = {
    .name = "diagnose",
    .summary = "whether a vector field is the score that it is taken for",
    .operands = "MODEL [DATA]",
    .description =
        "Looks at the score of MODEL, or at --field, from draws of the model (or rows of DATA) with noise of each --sigma. A score is a gradient: its Jacobian is "
        "symmetric, its integrals around loops vanish. It has the scale that Stein's identity asks for, and scores of all noises solve one Fokker-Planck "
        "equation. What is no gradient may still move no mass: a field is split into the gradient part, whose difference from the score moves mass wrongly, and the gauge "
        "part, which does not.\n\n"
        "local dimension counts the directions that the distribution fills at that noise.\n\n"
        "Where a field is found not to be a score, standard error says how, and the exit code is 3.",
    .operands_min = 1,
    .operands_max = 2,
    .groups = CLI_OUTPUT | CLI_JSON | CLI_READING,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};
