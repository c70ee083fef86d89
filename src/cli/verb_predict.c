/* likely predict: mean, standard deviation and quantiles of some features given the others, row by row. */
#include "cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const lk_parameter options[] = {
    {"target", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "FEATURES",
     "what to predict: features of the model, comma-separated names or positions from 1"},
    {"quantiles", LK_PARAMETER_TEXT, ".05,.5,.95", 0, 0, NULL, "LEVELS",
     "comma-separated levels above 0 and below 1, or none"},
};

static const cli_example examples[] = {
    {"likely predict faithful.lk faithful.csv --target waiting --keep", "how long one waits after each eruption"},
    {"likely predict iris.lk new.csv --target Petal.Width --quantiles .1,.9", "an interval that holds 80%"},
    {NULL, NULL},
};

/* What one run of the verb knows. */
typedef struct prediction {
    cli_features targets;
    double *levels;
    char **level_names; /* as typed, with a 0 in front of a point */
    int64_t level_count;
    lk_column *columns;
    int64_t column_count;
    bool *partial, *unused; /* d */
} prediction;

static void release(prediction *p)
{
    for (int64_t q = 0; p->level_names != NULL && q < p->level_count; q++) {
        free(p->level_names[q]);
    }
    for (int64_t c = 0; p->columns != NULL && c < p->column_count; c++) {
        free((char *)p->columns[c].name);
    }
    free(p->columns);
    free(p->levels);
    free(p->level_names);
    free(p->partial);
    free(p->unused);
    cli_features_free(&p->targets);
}

static int parse_level(const cli_command *command, const char *text, prediction *p)
{
    char *end;
    double level = strtod(text, &end);
    if (text[strspn(text, "0123456789.eE-")] != '\0' || end == text || *end != '\0' || !(level > 0 && level < 1)) {
        return cli_usage_error(command, "--quantiles wants levels above 0 and below 1, comma-separated, or none; got '%s'", text);
    }
    if (asprintf(&p->level_names[p->level_count], "%s%s", text[0] == '.' ? "0" : "", text) < 0) {
        p->level_names[p->level_count] = NULL;
        return cli_fail(command, LK_ERROR_MEMORY);
    }
    p->levels[p->level_count++] = level;
    return CLI_DONE;
}

static int parse_levels(const cli_command *command, prediction *p)
{
    const char *text = cli_text(command, "quantiles");
    if (strcmp(text, "none") == 0 || text[0] == '\0') {
        return CLI_DONE;
    }
    char *list = strdup(text), *at = list;
    size_t most = strlen(text) / 2 + 1;
    p->levels = calloc(most, sizeof *p->levels);
    p->level_names = calloc(most, sizeof *p->level_names);
    int code = list == NULL || p->levels == NULL || p->level_names == NULL ? cli_fail(command, LK_ERROR_MEMORY) : CLI_DONE;
    while (code == CLI_DONE && at != NULL) {
        char *comma = strchr(at, ',');
        if (comma != NULL) {
            *comma = '\0';
        }
        code = parse_level(command, at, p);
        at = comma == NULL ? NULL : comma + 1;
    }
    free(list);
    return code;
}

static bool add_column(prediction *p, const char *feature, const char *what)
{
    char *name;
    if (asprintf(&name, "%s_%s", feature, what) < 0) {
        return false;
    }
    p->columns[p->column_count++] = (lk_column){.name = name, .type = LK_TYPE_REAL};
    return true;
}

/* y_mean, y_sd, y_q0.05, ...; targets may be lacking in DATA and are never looked at, and other features may be lacking too. */
static int prepare(const cli_command *command, const lk_model *model, prediction *p)
{
    int64_t d = lk_model_dimension(model);
    p->columns = calloc((size_t)(p->targets.count * (2 + p->level_count)), sizeof *p->columns);
    p->partial = calloc((size_t)d, sizeof *p->partial);
    p->unused = calloc((size_t)d, sizeof *p->unused);
    bool good = p->columns != NULL && p->partial != NULL && p->unused != NULL;
    for (int64_t j = 0; good && j < d; j++) {
        p->partial[j] = true;
    }
    for (int64_t t = 0; good && t < p->targets.count; t++) {
        const char *name = lk_model_feature(model, p->targets.positions[t]);
        p->unused[p->targets.positions[t]] = true;
        good = add_column(p, name, "mean") && add_column(p, name, "sd");
        for (int64_t q = 0; good && q < p->level_count; q++) {
            char what[64];
            snprintf(what, sizeof what, "q%.60s", p->level_names[q]);
            good = add_column(p, name, what);
        }
    }
    return good ? CLI_DONE : cli_fail(command, LK_ERROR_MEMORY);
}

static lk_status apply(cli_command *command, const lk_model *model, const double *x, int64_t rows, double *out)
{
    const prediction *p = command->state;
    return lk_model_predict(command->context, model, x, rows, p->targets.positions, p->targets.count, p->levels, p->level_count,
                            out);
}

static int run(cli_command *command)
{
    lk_model *model = NULL;
    prediction p = {0};
    if (!cli_given(command, "target")) {
        return cli_usage_error(command, "'predict' wants --target FEATURES");
    }
    int code = parse_levels(command, &p);
    if (code == CLI_DONE) {
        lk_status status = lk_model_load(command->context, command->operands[0], &model);
        code = status == LK_OK ? cli_features_parse(command, model, "target", false, &p.targets) : cli_fail(command, status);
    }
    if (code == CLI_DONE) {
        code = prepare(command, model, &p);
    }
    if (code == CLI_DONE) {
        command->state = &p;
        code = cli_stream(command, &(cli_row_stream){.model = model, .data = command->operands[1], .extra = p.columns,
                                                     .extra_count = p.column_count, .apply = apply, .partial = p.partial,
                                                     .unused = p.unused});
    }
    release(&p);
    lk_model_free(model);
    return code;
}

extern const cli_verb cli_verb_predict;
const cli_verb cli_verb_predict = {
    .name = "predict",
    .summary = "mean, sd and quantiles of some features given the others",
    .operands = "MODEL DATA",
    .description = "Writes, for each target y and each row, y_mean, y_sd and a quantile for each level (y_q0.05, ...) of "
                   "p(y given the other features), in the units of the data. What DATA holds in the columns of the targets is not "
                   "looked at. Each target is predicted by itself, from the features that are no targets.\n\n"
                   "A feature that DATA lack, or a row lacks, is left out of what is given: the answer is still exact. "
                   "DATA are streamed.",
    .operands_min = 2,
    .operands_max = 2,
    .groups = CLI_ROWS | CLI_READING | CLI_ID | CLI_KEEP,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};
