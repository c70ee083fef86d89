/* likely predict: the class of each row, or mean, standard deviation and quantiles of some features given the others. */
#include "cli/cli.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const lk_parameter options[] = {
    {"target", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "FEATURES",
     "what to predict: features of the model, comma-separated names or positions from 1, or the label of a model with classes, "
     "which is the default there, as is the target of a model that has one"},
    {"proba", LK_PARAMETER_FLAG, NULL, 0, 0, NULL, NULL,
     "add the posterior probability of each class: columns p_setosa, p_versicolor, ..."},
    {"quantiles", LK_PARAMETER_TEXT, ".05,.5,.95", 0, 0, NULL, "LEVELS",
     "comma-separated levels above 0 and below 1, or none"},
};

static const cli_example examples[] = {
    {"likely predict species.lk new.csv --proba --keep", "the class of each row, of a model that was fitted with --label"},
    {"likely predict faithful.lk faithful.csv --target waiting --keep", "how long one waits after each eruption"},
    {"likely predict iris.lk new.csv --target Petal.Width --quantiles .1,.9", "an interval that holds 80%"},
    {NULL, NULL},
};

/* What one run of the verb knows. */
typedef struct prediction {
    cli_features targets; /* the features among the targets */
    int64_t classes;      /* 0 = the class is no target */
    bool proba;
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
    for (int64_t c = p->classes > 0 ? 1 : 0; p->columns != NULL && c < p->column_count; c++) {
        free((char *)p->columns[c].name); /* that of the class is static */
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
    for (int64_t q = 0; q < p->level_count; q++) {
        if (p->levels[q] == level) {
            return cli_usage_error(command, "--quantiles names %s twice", text);
        }
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

static bool add_column(prediction *p, const char *front, const char *back)
{
    char *name;
    if (asprintf(&name, "%s_%s", front, back) < 0) {
        return false;
    }
    p->columns[p->column_count++] = (lk_column){.name = name, .type = LK_TYPE_REAL};
    return true;
}

/* Takes the label out of a list of targets; what is left are features. Returns NULL if memory is short. */
static char *take_label(const char *list, const char *label, bool *taken)
{
    char *rest = calloc(strlen(list) + 2, 1);
    *taken = label != NULL && strcmp(list, label) == 0; /* a label's own name may hold a comma */
    for (const char *at = list; rest != NULL && !*taken && label != NULL; at++) {
        size_t length = strcspn(at, ",");
        if (strlen(label) == length && strncmp(at, label, length) == 0) {
            snprintf(rest, strlen(list) + 1, "%.*s%s", (int)(at - list), list, at[length] == ',' ? at + length + 1 : "");
            if (at[length] == '\0') {
                rest[at - list - 1] = '\0'; /* the comma in front */
            }
            *taken = true;
        }
        at += length;
        if (*at == '\0') {
            break;
        }
    }
    if (rest != NULL && !*taken) {
        strcpy(rest, list);
    }
    return rest;
}

/* What is to be predicted: the class where there are classes and nothing else is said, and features. */
static int find_targets(cli_command *command, const lk_model *model, prediction *p)
{
    const lk_table *classes = lk_model_classes(model);
    const char *label = classes != NULL ? lk_table_name(classes, 0) : NULL;
    const char *usual = label != NULL ? label : lk_model_feature(model, lk_model_target(model));
    p->proba = cli_flag(command, "proba");
    if (!cli_given(command, "target") && usual == NULL) {
        return cli_usage_error(command, "'predict' wants --target FEATURES: the model has no classes to predict");
    }
    bool taken = true;
    char *rest = take_label(cli_given(command, "target") ? cli_text(command, "target") : usual, label, &taken);
    int code = rest == NULL ? cli_fail(command, LK_ERROR_MEMORY) : CLI_DONE;
    p->classes = taken ? lk_table_levels(classes, 0) : 0;
    if (code == CLI_DONE && p->proba && !taken) {
        code = cli_usage_error(command, "--proba gives probabilities of classes, and %s%s", label == NULL ? "the model has none"
                               : "no target is the label ", label == NULL ? "" : label);
    }
    if (code == CLI_DONE && rest[0] != '\0') {
        code = cli_features_parse_list(command, model, "target", rest, false, &p->targets);
    }
    const int64_t only = lk_model_target(model);
    for (int64_t t = 0; code == CLI_DONE && only >= 0 && t < p->targets.count; t++) {
        if (p->targets.positions[t] != only) {
            code = cli_usage_error(command, "--target: this %s model tells %s from the other features, and not %s",
                                   lk_model_method(model)->name, lk_model_feature(model, only),
                                   lk_model_feature(model, p->targets.positions[t]));
        }
    }
    free(rest);
    return code;
}

/* class, p_LEVEL, ..., then y_mean, y_sd, y_q0.05, ...; targets may be lacking in DATA and are never looked at, and other features may be lacking too. */
static int prepare(const cli_command *command, const lk_model *model, prediction *p)
{
    int64_t d = lk_model_dimension(model);
    const lk_table *classes = lk_model_classes(model);
    p->columns = calloc((size_t)(1 + p->classes + p->targets.count * (2 + p->level_count)), sizeof *p->columns);
    p->partial = calloc((size_t)d, sizeof *p->partial);
    p->unused = calloc((size_t)d, sizeof *p->unused);
    bool good = p->columns != NULL && p->partial != NULL && p->unused != NULL;
    for (int64_t j = 0; good && j < d; j++) {
        p->partial[j] = lk_model_target(model) < 0 || j == lk_model_target(model);
    }
    if (good && p->classes > 0) {
        p->columns[p->column_count++] = (lk_column){"class", LK_TYPE_CATEGORY, classes, 0};
    }
    for (int64_t k = 0; good && p->proba && k < p->classes; k++) {
        good = add_column(p, "p", lk_table_level(classes, 0, k));
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

/* Posterior probabilities of the classes given the features that are no targets. `out` has rows x p->column_count values, whose first
 * columns it fills. */
static lk_status apply_classes(cli_command *command, const lk_model *model, const double *x, int64_t rows, double *out)
{
    const prediction *p = command->state;
    int64_t d = lk_model_dimension(model), C = p->classes;
    double *known = malloc((size_t)(rows * d) * sizeof *known + 1), *posterior = malloc((size_t)(rows * C) * sizeof *posterior + 1);
    lk_status status = known != NULL && posterior != NULL ? LK_OK : LK_ERROR_MEMORY;
    for (int64_t i = 0; status == LK_OK && i < rows * d; i++) {
        known[i] = p->unused[i % d] ? (double)NAN : x[i];
    }
    if (status == LK_OK) {
        status = lk_model_responsibilities(command->context, model, known, rows, posterior);
    }
    for (int64_t i = 0; status == LK_OK && i < rows; i++) {
        const double *row = posterior + i * C;
        double *result = out + i * p->column_count;
        int64_t best = 0; /* ties go to the first */
        for (int64_t k = 1; k < C; k++) {
            best = row[k] > row[best] ? k : best;
        }
        result[0] = isnan(row[0]) ? (double)NAN : (double)best;
        memcpy(result + 1, row, (size_t)(p->proba ? C : 0) * sizeof *row);
    }
    free(known);
    free(posterior);
    return status;
}

static lk_status apply_features(cli_command *command, const lk_model *model, const double *x, int64_t rows, double *out)
{
    const prediction *p = command->state;
    int64_t width = p->targets.count * (2 + p->level_count), first = p->column_count - width;
    double *answers = first == 0 ? out : malloc((size_t)(rows * width) * sizeof *answers + 1);
    if (answers == NULL) {
        return LK_ERROR_MEMORY;
    }
    lk_status status = lk_model_predict(command->context, model, x, rows, p->targets.positions, p->targets.count, p->levels,
                                        p->level_count, answers);
    for (int64_t i = 0; status == LK_OK && answers != out && i < rows; i++) {
        memcpy(out + i * p->column_count + first, answers + i * width, (size_t)width * sizeof *answers);
    }
    if (answers != out) {
        free(answers);
    }
    return status;
}

static lk_status apply(cli_command *command, const lk_model *model, const double *x, int64_t rows, double *out)
{
    const prediction *p = command->state;
    lk_status status = p->classes > 0 ? apply_classes(command, model, x, rows, out) : LK_OK;
    return status == LK_OK && p->targets.count > 0 ? apply_features(command, model, x, rows, out) : status;
}

static int run(cli_command *command)
{
    lk_model *model = NULL;
    prediction p = {0};
    int code = parse_levels(command, &p);
    if (code == CLI_DONE) {
        lk_status status = lk_model_load(command->context, command->operands[0], &model);
        code = status == LK_OK ? find_targets(command, model, &p) : cli_fail(command, status);
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
    .summary = "the class of each row, or some features given the others",
    .operands = "MODEL DATA",
    .description = "Of a model with classes (fit --label), writes for each row the most probable class given the row, and with --proba "
                   "the posterior probability p_LEVEL of each class. No --target, or the name of the label as a target, asks for that; a row "
                   "without any value gets the probabilities that the classes have before anything is seen.\n\n"
                   "Of features, writes for each target y and each row, y_mean, y_sd and a quantile for each level (y_q0.05, ...) of "
                   "p(y given the other features), in the units of the data. What DATA holds in the columns of the targets is not "
                   "looked at. Each target is predicted by itself, from the features that are no targets.\n\n"
                   "A feature that DATA lack, or a row lacks, is left out of what is given: the answer is still exact. A method "
                   "that predicts one target from the others, such as net, wants them all: a row that lacks one has an empty result. "
                   "DATA are streamed.",
    .operands_min = 2,
    .operands_max = 2,
    .groups = CLI_ROWS | CLI_READING | CLI_ID | CLI_KEEP,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};
