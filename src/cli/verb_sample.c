/* likely sample: new rows from the model. */
#include "cli/cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const lk_parameter options[] = {
    {"rows", LK_PARAMETER_INTEGER, "100", 0, 9007199254740991.0, NULL, NULL, "how many rows to draw"},
    {"given", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "LIST",
     "draw the other features given these values, as in x=1.5,y=2; the given columns repeat them"},
    {"sampler", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "NAME",
     "how rows are drawn, one of those below; exact where the model has draws of its own, else heun, mala or langevin"},
    {"steps", LK_PARAMETER_INTEGER, NULL, 6, 100000000.0, NULL, NULL, "steps that carry a row from noise to data, or of each chain"},
    {"schedule", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "NAME", "how noise falls over the steps, one of those below; edm if not given"},
    {"sigma_max", LK_PARAMETER_REAL, NULL, 1e-6, 1e6, NULL, NULL,
     "noise that rows begin with, in standard deviations of each feature: 50, of chains 2 if not given"},
    {"sigma_min", LK_PARAMETER_REAL, NULL, 1e-9, 1e6, NULL, NULL, "the last noise before none: .002, of chains .02 if not given"},
    {"step_size", LK_PARAMETER_REAL, NULL, 1e-9, 1000, NULL, NULL,
     "step of a chain, in standard deviations of each feature; found by a pilot run if not given"},
    {"churn", LK_PARAMETER_REAL, NULL, 1e-9, 1000, NULL, NULL,
     "of sde: noise on the way, as a multiple of what reverses the diffusion exactly; 1 if not given, near 0 is ddim"},
    {"order", LK_PARAMETER_INTEGER, NULL, 1, 3, NULL, NULL, "of dpm; 3 if not given"},
    {"tolerance", LK_PARAMETER_REAL, NULL, 1e-12, 1, NULL, NULL,
     "of dopri5: error of a step in standard deviations; 1e-4 if not given"},
    {"weak", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "MODEL", "of reflection: a model of the same features that is worse than MODEL in the same way"},
};

/* Options of samplers, each with the bit of those that take it. */
static const struct {
    const char *name, *spelled;
    unsigned bit;
} sampler_options[] = {
    {"steps", "--steps", LK_SAMPLER_STEPS},          {"schedule", "--schedule", LK_SAMPLER_SCHEDULE},
    {"sigma_max", "--sigma-max", LK_SAMPLER_NOISE},  {"sigma_min", "--sigma-min", LK_SAMPLER_NOISE},
    {"step_size", "--step-size", LK_SAMPLER_STEP_SIZE}, {"churn", "--churn", LK_SAMPLER_CHURN},
    {"order", "--order", LK_SAMPLER_ORDER},          {"tolerance", "--tolerance", LK_SAMPLER_TOLERANCE},
    {"weak", "--weak", LK_SAMPLER_WEAK},
};

static bool sampler_at(int index, const char **name, const char **summary)
{
    const lk_sampler_method *m = lk_sampler_method_at(index);
    if (m != NULL) {
        *name = m->name;
        *summary = m->summary;
    }
    return m != NULL;
}

static bool schedule_at(int index, const char **name, const char **summary)
{
    const lk_schedule_kind *kind = lk_schedule_kind_at(index);
    if (kind != NULL) {
        *name = kind->name;
        *summary = kind->summary;
    }
    return kind != NULL;
}

static const cli_listing listings[] = {{"Samplers", sampler_at}, {"Schedules", schedule_at}, {NULL, NULL}};

static const cli_example examples[] = {
    {"likely sample faithful.lk -n 1000 -o new.csv", "a thousand new rows"},
    {"likely sample faithful.lk -n 5 --seed 7", "the same five rows every time"},
    {"likely sample faithful.lk -n 5 --given eruptions=2", "waiting times after an eruption of two minutes"},
    {"likely sample faithful.lk -n 1000 --sampler heun", "drawn by the score alone, with the error of its steps"},
    {"likely sample faithful.lk -n 1000 --sampler dpm --steps 20", "the same with twenty scores a row"},
    {"likely sample faithful.lk -n 1000 --sampler mala --steps 2000", "ends of Metropolis-adjusted Langevin chains"},
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

/* *out = NULL: the library chooses. */
static int find_sampler(cli_command *command, const lk_sampler_method **out)
{
    const char *name = cli_text(command, "sampler");
    cli_nearest nearest = {.typed = name};
    *out = NULL;
    for (int i = 0; name != NULL && lk_sampler_method_at(i) != NULL; i++) {
        const lk_sampler_method *m = lk_sampler_method_at(i);
        if (strcmp(m->name, name) == 0) {
            *out = m;
            return CLI_DONE;
        }
        cli_nearest_try(&nearest, m->name);
    }
    if (name == NULL) {
        return CLI_DONE;
    }
    const char *near = cli_nearest_name(&nearest);
    return near != NULL ? cli_usage_error(command, "there is no sampler \"%s\"; did you mean %s?", name, near)
                        : cli_usage_error(command, "there is no sampler \"%s\"; 'likely help sample' lists them", name);
}

static bool draws_exactly(const cli_command *command, const lk_model *model)
{
    const char *name = cli_text(command, "sampler");
    return name == NULL ? (lk_model_operations(model) & LK_OPERATION_SAMPLE) != 0 : strcmp(name, "exact") == 0;
}

/* An option that the sampler does not take is an error that names those which do. */
static int check_options(cli_command *command, const lk_model *model, const lk_sampler_method *m)
{
    char names[512] = "";
    for (size_t i = 0; i < sizeof sampler_options / sizeof sampler_options[0]; i++) {
        const unsigned bit = sampler_options[i].bit;
        const bool exact = m == NULL && draws_exactly(command, model);
        if (!cli_given(command, sampler_options[i].name) || (m == NULL && !exact) || (m != NULL && (m->takes & bit) != 0)) {
            continue;
        }
        for (int k = 0; lk_sampler_method_at(k) != NULL; k++) {
            const size_t used = strlen(names);
            if ((lk_sampler_method_at(k)->takes & bit) != 0) {
                snprintf(names + used, sizeof names - used, "%s%s", used > 0 ? ", " : "", lk_sampler_method_at(k)->name);
            }
        }
        return cli_usage_error(command, "%s goes with --sampler %s", sampler_options[i].spelled, names);
    }
    return CLI_DONE;
}

static int sampler_new(cli_command *command, const lk_model *model, const lk_model *weak, lk_sampler **out)
{
    const lk_sampler_method *m;
    lk_sampler_options wanted = {.size = sizeof wanted, .method = cli_text(command, "sampler"), .seed = cli_integer(command, "seed"),
                                 .schedule = cli_text(command, "schedule"), .weak = weak};
    int code = find_sampler(command, &m);
    code = code == CLI_DONE ? check_options(command, model, m) : code;
    if (code == CLI_DONE && m != NULL && (m->takes & LK_SAMPLER_WEAK) != 0 && weak == NULL) {
        code = cli_usage_error(command, "--sampler %s wants --weak MODEL", m->name);
    }
    if (code != CLI_DONE) {
        return code;
    }
    wanted.steps = cli_given(command, "steps") ? cli_integer(command, "steps") : 0;
    wanted.order = cli_given(command, "order") ? cli_integer(command, "order") : 0;
    const struct {
        const char *name;
        double *value;
    } reals[] = {{"sigma_max", &wanted.sigma_max}, {"sigma_min", &wanted.sigma_min}, {"step_size", &wanted.step_size},
                 {"churn", &wanted.churn}, {"tolerance", &wanted.tolerance}};
    for (size_t i = 0; i < sizeof reals / sizeof reals[0]; i++) {
        *reals[i].value = cli_given(command, reals[i].name) ? cli_real(command, reals[i].name) : 0;
    }
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
    if (!isnan(r.step_size)) {
        char acceptance[64] = "unadjusted: biased by its steps";
        if (!isnan(r.acceptance)) {
            snprintf(acceptance, sizeof acceptance, "acceptance %.3f", r.acceptance);
        }
        cli_remark(command, "%s: %lld steps, the last %.4g standard deviations long, %s; R-hat %.3f, %.1f independent states a chain",
                   r.method, (long long)r.steps, r.step_size, acceptance, r.r_hat, r.effective);
    } else if (!isnan(r.step_error)) {
        cli_remark(command, "%s: %lld steps, %.0f scores a row; with half as many the draws move by %.2g standard deviations (root mean "
                            "square; at most %.2g)", r.method, (long long)r.steps, r.evaluations, r.step_error, r.step_error_most);
    } else if (r.steps_saved > 0) {
        cli_remark(command, "%s: begins at a noise of %.3g standard deviations; %lld steps saved, %lld taken", r.method, r.start,
                   (long long)r.steps_saved, (long long)r.steps);
    } else if (r.evaluations > 0) {
        cli_remark(command, "%s: %lld steps, %.0f scores a row", r.method, (long long)r.steps, r.evaluations);
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
    lk_model *model = NULL, *part = NULL, *weak = NULL, *weak_part = NULL;
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
    if (code == CLI_DONE && cli_given(command, "weak")) {
        status = lk_model_load(command->context, cli_text(command, "weak"), &weak);
        if (status == LK_OK && part != NULL) {
            status = lk_model_condition(command->context, weak, given.positions, given.values, given.count, &weak_part);
        }
        code = status == LK_OK ? CLI_DONE : cli_fail(command, status);
    }
    if (code == CLI_DONE) {
        code = sampler_new(command, part != NULL ? part : model, weak_part != NULL ? weak_part : weak, &sampler);
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
    lk_model_free(weak_part);
    lk_model_free(weak);
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
                   "Every sampler but exact draws by the score alone: for models that cannot do better, and to see what a sampler is worth where "
                   "the truth is known. Flows (heun, euler, ddim, dpm, dopri5) carry each row from noise to data along a differential equation; "
                   "sde and predictor-corrector add noise on the way; mala, underdamped and langevin are Markov chains, a row the end of one. "
                   "Standard error says how far to trust them: how far the draws of a flow move with half the steps; acceptance, R-hat and "
                   "independent states of chains. Above .05 standard deviations or an R-hat of 1.1 the exit code is 3.",
    .operands_min = 1,
    .operands_max = 1,
    .groups = CLI_ROWS,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .listings = listings,
    .run = run,
};
