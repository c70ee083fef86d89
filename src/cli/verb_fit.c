/* likely fit: learns a distribution from a table, or builds one from given parameters, and keeps it in a file. */
#include "cli/cli.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const lk_parameter options[] = {
    {"model", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "METHOD",
     "the method, one of 'likely models'; the first of them if not given"},
    {"transform", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "LIST",
     "applied in order to every feature, or as name:column to one: standardize, log, logit, sqrt, asinh; densities stay "
     "in the units of the data"},
    {"target", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "COLUMN",
     "the feature that is predicted from the others, for a method that does so, such as net"},
    {"target_table", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "FILE",
     "for --model bridge, rows of the distribution that those of DATA are carried to; its features become NAME_to where DATA has a NAME"},
    {"holdout", LK_PARAMETER_REAL, NULL, 0, 1, NULL, "SHARE",
     "share of the rows to hold out, to report their likelihood; above 0 and below 1"},
    {"folds", LK_PARAMETER_INTEGER, NULL, 2, 1000000, NULL, NULL, "folds of a cross-validation that reports likelihood"},
    {"calibrate", LK_PARAMETER_REAL, NULL, 0, 1, NULL, "SHARE",
     "share of the rows that the model is not fitted to, and whose log densities it keeps for 'likely detect'; above 0 and below 1"},
    {"partition", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "COLUMN",
     "begin from the groups of this column, a category or whole numbers; never a feature"},
    {"start", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "FILE", "begin from this model of the same method and features"},
    {"priors", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "LIST",
     "with --label, the probabilities of the classes: data (their shares of the weights), equal, or numbers in the order of the "
     "classes, or as in setosa=.2,versicolor=.3,virginica=.5; data if not given"},
    {"params", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "FILE",
     "build the model from parameters in JSON instead of DATA; - is standard input"},
};

static const cli_example examples[] = {
    {"likely fit faithful.csv", "1 to 9 components, the best by bic; writes faithful.lk"},
    {"likely fit iris.csv --components 3 -o iris3.lk", "three components; the column of names is left out"},
    {"likely fit iris.csv --label Species -o species.lk", "a mixture for each species, to tell them apart by 'likely predict'"},
    {"likely fit prices.tsv --transform log:price,standardize --holdout 0.2", "in logarithms, with an honest check"},
    {"likely fit more.csv --start iris3.lk -o iris3b.lk", "go on from a model"},
    {"likely fit concrete.csv --model net --target strength", "a net: the strength given the other columns, and how sure"},
    {"likely fit before.csv --model bridge --target-table after.csv -o change.lk", "a bridge from one table to another, for 'likely translate'"},
    {"likely fit --params mixture.json -o known.lk", "a mixture whose parameters are known"},
    {NULL, NULL},
};

/* DATA's name without folders and without extensions of a format, with .lk: in the current directory. */
static char *default_output(const char *data)
{
    static const char *const endings[] = {".gz", ".zst", ".csv", ".tsv", ".txt", ".npy", ".npz", ".idx",
                                          ".json", ".dat", ".data"};
    const char *slash = strrchr(data, '/');
    char *name = NULL;
    char *base = strdup(slash == NULL ? data : slash + 1);
    if (base == NULL) {
        return NULL;
    }
    char *member = strstr(base, ".npz:");
    if (member != NULL) {
        member[4] = '\0'; /* an array of an NPZ */
    }
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t length = strlen(base), ending = strlen(endings[i]);
        if (length > ending && strcmp(base + length - ending, endings[i]) == 0) {
            base[length - ending] = '\0';
            i = i < 2 ? 1 : sizeof endings / sizeof endings[0] - 1; /* one compression, then one format */
        }
    }
    if (asprintf(&name, "%s.lk", base) < 0) {
        name = NULL;
    }
    free(base);
    return name;
}

static int build(cli_command *command, const lk_setting *settings, lk_model **model)
{
    const char *path = cli_text(command, "params");
    char *json = cli_read_file(path);
    if (json == NULL) {
        return CLI_FAILED;
    }
    lk_status status = lk_model_build(command->context, command->method->name, json, settings, model);
    free(json);
    if (status == LK_ERROR_FORMAT || status == LK_ERROR_DATA || status == LK_ERROR_ARGUMENT) {
        cli_error("%s: %s", strcmp(path, "-") == 0 ? "standard input" : path, lk_error_message(command->context));
        return status == LK_ERROR_ARGUMENT ? CLI_USAGE : CLI_FAILED;
    }
    return status == LK_OK ? CLI_DONE : cli_fail(command, status);
}

static int learn(cli_command *command, const lk_setting *settings, lk_model **model)
{
    int code;
    lk_table *table = NULL;
    lk_model *start = NULL;
    lk_status status = LK_OK;
    const char *start_path = cli_text(command, "start");
    lk_read_options reading = cli_read_options(command, &code);
    if (code != CLI_DONE) {
        return code;
    }
    if (start_path != NULL) {
        status = lk_model_load(command->context, start_path, &start);
    }
    if (status == LK_OK) {
        status = lk_table_read(command->context, command->operands[0], &reading, &table);
    }
    if (status == LK_OK && cli_given(command, "target_table")) {
        lk_table *both = NULL;
        code = cli_stack_tables(command, table, cli_text(command, "target_table"), &both);
        lk_table_free(table);
        table = both;
        if (code != CLI_DONE) {
            lk_model_free(start);
            return code;
        }
    }
    if (status == LK_OK) {
        lk_roles roles = {.size = sizeof roles};
        roles.features = cli_given(command, "target_table") ? NULL : cli_text(command, "features");
        roles.label = cli_text(command, "label");
        roles.weight = cli_text(command, "weight");
        roles.id = cli_text(command, "id");
        roles.ignore = cli_text(command, "ignore");
        roles.partition = cli_text(command, "partition");
        lk_fit_options fit = {.size = sizeof fit, .settings = settings, .roles = &roles, .start = start};
        fit.transform = cli_text(command, "transform");
        fit.target = cli_text(command, "target");
        fit.holdout = cli_real(command, "holdout");
        fit.folds = cli_integer(command, "folds");
        fit.calibrate = cli_real(command, "calibrate");
        fit.seed = cli_integer(command, "seed");
        fit.priors = cli_text(command, "priors");
        const char *method = start != NULL && !cli_given(command, "model") ? lk_model_method(start)->name
                                                                            : command->method->name;
        status = lk_model_fit(command->context, method, table, &fit, model);
    }
    code = status == LK_OK ? CLI_DONE : cli_fail(command, status);
    lk_model_free(start);
    lk_table_free(table);
    return code;
}

static int check(const cli_command *command, const char *source)
{
    bool built = cli_given(command, "params");
    if (built && command->operand_count > 0) {
        return cli_usage_error(command, "--params takes the place of DATA: leave out '%s'", command->operands[0]);
    }
    static const char *const of_data[] = {"partition", "start", "transform", "target", "target_table", "holdout", "folds", "calibrate", "priors", "label"};
    for (size_t i = 0; built && i < sizeof of_data / sizeof of_data[0]; i++) {
        if (cli_given(command, of_data[i])) {
            return cli_usage_error(command, "--params and --%s contradict each other: nothing is fitted", of_data[i]);
        }
    }
    if (source == NULL) {
        return cli_usage_error(command, "'fit' wants DATA, or --params FILE");
    }
    static const char *const of_one_table[] = {"label", "weight", "id", "ignore", "partition", "target"};
    for (size_t i = 0; cli_given(command, "target_table") && i < sizeof of_one_table / sizeof of_one_table[0]; i++) {
        if (cli_given(command, of_one_table[i])) {
            return cli_usage_error(command, "--target-table takes the features of two tables, and no --%s", of_one_table[i]);
        }
    }
    static const char *const shares[] = {"holdout", "calibrate"};
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        double share = cli_real(command, shares[i]);
        if (cli_given(command, shares[i]) && !(share > 0 && share < 1)) {
            return cli_usage_error(command, "--%s wants a share above 0 and below 1; got '%s'", shares[i],
                                   cli_text(command, shares[i]));
        }
    }
    if (cli_given(command, "calibrate") && (cli_given(command, "holdout") || cli_given(command, "folds"))) {
        return cli_usage_error(command, "--calibrate holds rows out and reports their likelihood: leave out --holdout and --folds");
    }
    if (cli_given(command, "holdout") && cli_given(command, "folds")) {
        return cli_usage_error(command, "--holdout and --folds are two ways to the same answer: give one");
    }
    if (strcmp(source, "-") == 0 && !cli_given(command, "output")) {
        return cli_usage_error(command, "standard input has no name to call the model by: give --output FILE");
    }
    /* Noise that keeps data private must not be foreseen. */
    for (size_t i = 0; i < command->value_count; i++) {
        const cli_value *v = &command->values[i];
        if (v->of_method && strcmp(v->parameter->name, "insecure_test") == 0 && !cli_flag(command, "insecure_test") && cli_given(command, "seed")) {
            return cli_usage_error(command, "--seed would let anyone take the noise away again: leave it out, or add --insecure-test where nothing is to be kept private");
        }
    }
    return cli_check_model_output(command);
}

static int run(cli_command *command)
{
    const char *source = cli_given(command, "params") ? cli_text(command, "params") : command->operands[0];
    int code = check(command, source);
    if (code != CLI_DONE) {
        return code;
    }
    lk_setting settings[CLI_OPTIONS_MAX + 1];
    cli_settings(command, settings);
    lk_model *model = NULL;
    char *output = cli_given(command, "output") ? strdup(cli_text(command, "output")) : default_output(source);
    if (output == NULL) {
        return cli_fail(command, LK_ERROR_MEMORY);
    }
    if (cli_same_file(output, source)) {
        code = cli_usage_error(command, "the model would overwrite its own data, '%s': give --output FILE", source);
    } else {
        code = cli_given(command, "params") ? build(command, settings, &model) : learn(command, settings, &model);
    }
    if (code == CLI_DONE) {
        code = cli_deliver_model(command, model, output);
    }
    lk_model_free(model);
    free(output);
    return code;
}

extern const cli_verb cli_verb_fit;
const cli_verb cli_verb_fit = {
    .name = "fit",
    .summary = "learn a distribution from data; writes a model file",
    .operands = "DATA",
    .description =
        "Fits the distribution of the rows of DATA and writes it to a model file: DATA's name, without folder and "
        "extension, with .lk, in the current directory; or --output. A file of that name is replaced. A summary goes to "
        "standard output.\n\n"
        "With --label the model is p(row, class): the method is fitted to the rows of each class by themselves, and so are "
        "--components, --covariance and the criterion. The classes have the shares of their rows as probabilities, or those of "
        "--priors. Rows without a label are left out. 'likely predict' then gives the class of new rows; every other verb is "
        "about rows without their class.\n\n"
        "Without roles, every numeric column is a feature, and those left out are named. The same data, options and "
        "seed give the same bytes, on any number of threads and in any memory.\n\n"
        "A fit that did not converge or is degenerate is written all the same; the reason is told and the exit code "
        "is 3.",
    .operands_max = 1,
    .groups = CLI_OUTPUT | CLI_JSON | CLI_READING | CLI_FEATURES | CLI_LABEL | CLI_WEIGHT | CLI_ID | CLI_IGNORE,
    .takes_method = true,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};
