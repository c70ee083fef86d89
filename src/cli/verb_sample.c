/* likely sample: new rows from the model. */
#include "cli/cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const lk_parameter options[] = {
    {"rows", LK_PARAMETER_INTEGER, "100", 0, 9007199254740991.0, NULL, NULL, "how many rows to draw"},
    {"given", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "LIST",
     "draw the other features given these values, as in x=1.5,y=2; the given columns repeat them"},
    {"method", LK_PARAMETER_CHOICE, NULL, 0, 0, "exact,langevin,probability-flow", NULL,
     "exact draws, or draws by the score alone: ends of Langevin chains, or of the probability flow; exact where the model has such, else "
     "probability-flow, else langevin"},
    {"steps", LK_PARAMETER_INTEGER, NULL, 8, 100000000.0, NULL, NULL,
     "steps of each chain (400 if not given) or flow (100)"},
    {"sigma_max", LK_PARAMETER_REAL, NULL, 1e-6, 1e6, NULL, NULL,
     "noise that a chain (2 if not given) or flow (50) begins with, in standard deviations of each feature"},
    {"sigma_min", LK_PARAMETER_REAL, NULL, 1e-9, 1e6, NULL, NULL,
     "the last noise before none: .02 for langevin, .002 for probability-flow if not given"},
    {"step_size", LK_PARAMETER_REAL, NULL, 1e-9, 1000, NULL, NULL,
     "step of langevin, in standard deviations of each feature; found by a pilot run if not given"},
};

static const cli_example examples[] = {
    {"likely sample faithful.lk -n 1000 -o new.csv", "a thousand new rows"},
    {"likely sample faithful.lk -n 5 --seed 7", "the same five rows every time"},
    {"likely sample faithful.lk -n 5 --given eruptions=2", "waiting times after an eruption of two minutes"},
    {"likely sample faithful.lk -n 1000 --method probability-flow", "drawn by the score alone, with the error of its steps"},
    {"likely sample faithful.lk -n 1000 --method langevin --steps 2000", "ends of Metropolis-adjusted Langevin chains"},
    {NULL, NULL},
};

/* Draws in pieces of at most some MB; row i is the same draw whatever the pieces. */
typedef struct drawing {
    const lk_model *model;     /* what is drawn from */
    lk_sampler *sampler;       /* what draws */
    const cli_features *given; /* columns that stand beside the draws, count 0 = none */
    int64_t columns;
    double *rows;              /* piece x columns, and the class behind them where there are classes */
    int64_t *classes;          /* piece */
    bool labelled;
} drawing;

/* Puts the draws of the free features, rows x free at the start of g->rows, between the given values; from the last on, in place. */
static void spread(const drawing *g, int64_t rows)
{
    int64_t free_count = g->columns - g->given->count;
    for (int64_t i = rows - 1; i >= 0 && g->given->count > 0; i--) {
        for (int64_t j = g->columns - 1, from = free_count - 1; j >= 0; j--) {
            int64_t k = 0;
            while (k < g->given->count && g->given->positions[k] != j) {
                k++;
            }
            g->rows[i * g->columns + j] = k < g->given->count ? g->given->values[k] : g->rows[i * free_count + from--];
        }
    }
}

/* Puts the class behind each row; from the last on, in place. */
static lk_status label_rows(cli_command *command, const drawing *g, int64_t first, int64_t rows)
{
    int64_t d = g->columns;
    if (!g->labelled) {
        return LK_OK;
    }
    lk_status status = lk_model_sample_classes(command->context, g->model, cli_integer(command, "seed"), first, rows, g->classes);
    for (int64_t i = rows - 1; status == LK_OK && i >= 0; i--) {
        memmove(g->rows + i * (d + 1), g->rows + i * d, (size_t)d * sizeof *g->rows);
        g->rows[i * (d + 1) + d] = (double)g->classes[i];
    }
    return status;
}

static int draw(cli_command *command, drawing *g, lk_writer *writer)
{
    int64_t rows = cli_integer(command, "rows"), piece = 1 + (int64_t)(1 << 18) / g->columns;
    piece = piece < rows ? piece : rows;
    lk_status status = LK_OK;
    g->rows = malloc((size_t)(piece * (g->columns + 1)) * sizeof *g->rows + 1);
    g->classes = malloc((size_t)piece * sizeof *g->classes + 1);
    if (g->rows == NULL || g->classes == NULL) {
        free(g->rows);
        free(g->classes);
        lk_writer_free(writer);
        return cli_fail(command, LK_ERROR_MEMORY);
    }
    for (int64_t first = 0; first < rows && status == LK_OK; first += piece) {
        int64_t n = rows - first < piece ? rows - first : piece;
        status = cli_interrupted() ? LK_ERROR_CANCELLED : LK_OK;
        if (status == LK_OK) {
            status = lk_sampler_rows(command->context, g->sampler, first, n, g->rows);
        }
        if (status == LK_OK) {
            spread(g, n);
            status = label_rows(command, g, first, n);
        }
        if (status == LK_OK) {
            status = lk_writer_rows(command->context, writer, g->rows, n);
        }
        cli_progress_show("sample", (double)(first + n), (double)rows, "");
    }
    free(g->rows);
    free(g->classes);
    if (status != LK_OK) {
        lk_writer_free(writer);
        return cli_fail(command, status);
    }
    status = lk_writer_close(command->context, writer);
    return status == LK_OK ? CLI_DONE : cli_fail(command, status);
}

/* Columns are those of the whole model, whatever is drawn from. */
static int open_and_draw(cli_command *command, const lk_model *whole, drawing *g)
{
    lk_writer *writer = NULL;
    const lk_table *classes = lk_model_classes(whole);
    int64_t count = g->columns + (g->labelled ? 1 : 0);
    lk_column *columns = calloc((size_t)count, sizeof *columns);
    for (int64_t j = 0; columns != NULL && j < g->columns; j++) {
        columns[j] = (lk_column){.name = lk_model_feature(whole, j), .type = LK_TYPE_REAL};
    }
    if (columns != NULL && g->labelled) {
        columns[g->columns] = (lk_column){lk_table_name(classes, 0), LK_TYPE_CATEGORY, classes, 0};
    }
    lk_status status = columns == NULL ? LK_ERROR_MEMORY
                                       : lk_writer_open(command->context, cli_text(command, "output"),
                                                        cli_output_format(command), columns, count, &writer);
    int code = status == LK_OK ? draw(command, g, writer) : cli_fail(command, status);
    free(columns);
    return code;
}

static bool draws_exactly(const cli_command *command, const lk_model *model)
{
    const char *method = cli_text(command, "method");
    return method == NULL ? (lk_model_operations(model) & LK_OPERATION_SAMPLE) != 0 : strcmp(method, "exact") == 0;
}

static int sampler_new(cli_command *command, const lk_model *model, lk_sampler **out)
{
    static const char *const names[] = {"steps", "sigma_max", "sigma_min", "step_size"};
    static const char *const spelled[] = {"steps", "sigma-max", "sigma-min", "step-size"};
    const char *method = cli_text(command, "method");
    lk_sampler_options wanted = {.size = sizeof wanted, .method = method, .seed = cli_integer(command, "seed")};
    bool exact = draws_exactly(command, model);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (exact && cli_given(command, names[i])) {
            return cli_usage_error(command, "--%s goes with --method langevin or probability-flow", spelled[i]);
        }
    }
    if (cli_given(command, "step_size") && method != NULL && strcmp(method, "probability-flow") == 0) {
        return cli_usage_error(command, "--step-size goes with --method langevin; the flow takes --steps");
    }
    wanted.steps = cli_given(command, "steps") ? cli_integer(command, "steps") : 0;
    wanted.sigma_max = cli_given(command, "sigma_max") ? cli_real(command, "sigma_max") : 0;
    wanted.sigma_min = cli_given(command, "sigma_min") ? cli_real(command, "sigma_min") : 0;
    wanted.step_size = cli_given(command, "step_size") ? cli_real(command, "step_size") : 0;
    lk_status status = lk_sampler_new(command->context, model, &wanted, out);
    return status == LK_OK ? CLI_DONE : cli_fail(command, status);
}

/* What the draws are worth; beyond these bounds they are not to be trusted. */
#define R_HAT_MOST 1.1
#define STEP_ERROR_MOST 0.05

static int tell(const cli_command *command, const lk_sampler *sampler)
{
    lk_sampler_report r = {.size = sizeof r};
    lk_sampler_tell(sampler, &r);
    if (strcmp(r.method, "langevin") == 0) {
        char acceptance[64] = "unadjusted: biased by its steps";
        if (!isnan(r.acceptance)) {
            snprintf(acceptance, sizeof acceptance, "acceptance %.3f", r.acceptance);
        }
        cli_remark(command, "langevin: %lld steps, the last %.4g standard deviations long, %s; R-hat %.3f, %.1f independent states a chain",
                   (long long)r.steps, r.step_size, acceptance, r.r_hat, r.effective);
    } else if (strcmp(r.method, "probability-flow") == 0) {
        cli_remark(command, "probability flow: %lld steps; with half as many the draws move by %.2g standard deviations (root mean square; at "
                            "most %.2g)", (long long)r.steps, r.step_error, r.step_error_most);
    }
    fflush(stdout);
    if (r.r_hat > R_HAT_MOST) {
        cli_warning("not to be trusted: R-hat %.3f is above %g: chains stay near where the noise left them; --steps takes more", r.r_hat,
                    R_HAT_MOST);
        return CLI_DOUBTFUL;
    }
    if (r.step_error > STEP_ERROR_MOST) {
        cli_warning("not to be trusted: the steps are too long; --steps takes more");
        return CLI_DOUBTFUL;
    }
    return CLI_DONE;
}

static int run(cli_command *command)
{
    lk_sampler *sampler = NULL;
    lk_model *model = NULL, *part = NULL;
    cli_features given = {0};
    int code = CLI_DONE;
    lk_status status = lk_model_load(command->context, command->operands[0], &model);
    if (status != LK_OK) {
        return cli_fail(command, status);
    }
    if (cli_given(command, "given")) {
        code = cli_features_parse(command, model, "given", true, &given);
        if (code == CLI_DONE) {
            status = lk_model_condition(command->context, model, given.positions, given.values, given.count, &part);
            code = status == LK_OK ? CLI_DONE : cli_fail(command, status);
        }
    }
    if (code == CLI_DONE) {
        code = sampler_new(command, part != NULL ? part : model, &sampler);
    }
    if (code == CLI_DONE) {
        bool classes = lk_model_classes(model) != NULL;
        drawing g = {.model = part != NULL ? part : model, .sampler = sampler, .given = &given, .columns = lk_model_dimension(model),
                     .labelled = classes && draws_exactly(command, model)};
        code = open_and_draw(command, model, &g);
    }
    if (code == CLI_DONE) {
        code = tell(command, sampler);
    }
    lk_sampler_free(sampler);
    cli_features_free(&given);
    lk_model_free(part);
    lk_model_free(model);
    return code;
}

extern const cli_verb cli_verb_sample;
const cli_verb cli_verb_sample = {
    .name = "sample",
    .summary = "new rows drawn from the model",
    .operands = "MODEL",
    .description = "Writes rows drawn from the distribution, with the names and units of the columns it was fitted to. "
                   "Row i of a seed is the same draw however many are drawn. With --given the rows come from the "
                   "conditional distribution. A model with classes draws a class, then a row of it: the last column, named as the "
                   "label, is the class; draws by the score have none.\n\n"
                   "--method langevin and probability-flow draw by the score alone, for models that cannot do better, and to check a score. "
                   "Each row is the end of a chain or flow of its own. Standard error says how far to trust them: acceptance, R-hat and "
                   "independent states of the chains; how far the draws move with half the steps. Above an R-hat of 1.1 or .05 standard "
                   "deviations the exit code is 3.",
    .operands_min = 1,
    .operands_max = 1,
    .groups = CLI_ROWS,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};
