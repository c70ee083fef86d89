/* likely export: a model for other programs, as C source or in another library's layout. */
#include "cli/cli.h"

#include <string.h>
#include <strings.h>

static const lk_parameter options[] = {
    {"c", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "FILE",
     "write a C99 file that needs libm alone: log density, responsibilities, conditional means; - is standard output"},
    {"prefix", LK_PARAMETER_TEXT, "model", 0, 0, NULL, "NAME", "with --c: what the names in the file begin with"},
    {"sklearn", LK_PARAMETER_FLAG, NULL, 0, 0, NULL, NULL,
     "the attributes of scikit-learn's GaussianMixture: JSON, or with -o FILE.npz a NumPy archive"},
    {"mclust", LK_PARAMETER_FLAG, NULL, 0, 0, NULL, NULL,
     "modelName and parameters of R's mclust: JSON, or with -o FILE.R text for dget()"},
};

static const cli_example examples[] = {
    {"likely export faithful.lk --c geyser.c --prefix geyser", "geyser_log_density() and more, in a file of their own"},
    {"likely export faithful.lk --json | likely fit --params - -o copy.lk", "weights, means, covariances in the data's units"},
    {"likely export faithful.lk --sklearn -o faithful.npz", "for GaussianMixture in Python"},
    {"likely export faithful.lk --mclust -o faithful.R", "for dens() in R, after dget()"},
    {NULL, NULL},
};

/* The text behind the last dot of a file's name; "" where there is none. */
static const char *extension(const char *path)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash == NULL ? path : slash, '.');
    return dot == NULL ? "" : dot + 1;
}

/* JSON for standard output and .json, `other` for a file of that extension. */
static int find_format(cli_command *command, const char *option, const char *other, lk_export_format json, lk_export_format packed,
                       lk_export_format *format)
{
    const char *path = cli_text(command, "output");
    const char *end = path == NULL || strcmp(path, "-") == 0 || strncmp(path, "/dev/", 5) == 0 ? "json" : extension(path);
    if (strcasecmp(end, "json") != 0 && strcasecmp(end, other) != 0) {
        return cli_usage_error(command, "--%s writes .json or .%s; the extension of '%s' is neither", option, other, path);
    }
    *format = strcasecmp(end, "json") == 0 ? json : packed;
    return CLI_DONE;
}

static int choose(cli_command *command, lk_export_format *format, const char **path)
{
    const int asked = cli_given(command, "c") + cli_flag(command, "json") + cli_flag(command, "sklearn") + cli_flag(command, "mclust");
    if (asked != 1) {
        return cli_usage_error(command, "'export' wants one of --c FILE, --json, --sklearn and --mclust");
    }
    *path = cli_text(command, cli_given(command, "c") ? "c" : "output");
    if (cli_given(command, "c") && cli_given(command, "output")) {
        return cli_usage_error(command, "--c names the file to write: leave out --output");
    }
    if (!cli_given(command, "c") && cli_given(command, "prefix")) {
        return cli_usage_error(command, "--prefix goes with --c");
    }
    *format = cli_given(command, "c") ? LK_EXPORT_C : LK_EXPORT_JSON;
    if (cli_flag(command, "sklearn")) {
        return find_format(command, "sklearn", "npz", LK_EXPORT_SKLEARN_JSON, LK_EXPORT_SKLEARN_NPZ, format);
    }
    return cli_flag(command, "mclust") ? find_format(command, "mclust", "R", LK_EXPORT_MCLUST_JSON, LK_EXPORT_MCLUST_R, format)
                                       : CLI_DONE;
}

static int run(cli_command *command)
{
    lk_model *model = NULL;
    lk_export_format format;
    const char *path = NULL;
    int code = choose(command, &format, &path);
    if (code != CLI_DONE) {
        return code;
    }
    lk_status status = lk_model_load(command->context, command->operands[0], &model);
    if (status == LK_OK && path != NULL && cli_same_file(path, command->operands[0])) {
        code = cli_usage_error(command, "%s is the model itself: export to another file", path);
    } else if (status == LK_OK) {
        status = lk_model_export(command->context, model, format, cli_text(command, "prefix"), path == NULL ? "-" : path);
    }
    lk_model_free(model);
    return status != LK_OK ? cli_fail(command, status) : code;
}

extern const cli_verb cli_verb_export;
const cli_verb cli_verb_export = {
    .name = "export",
    .summary = "the model for other programs: C source, JSON, scikit-learn, mclust",
    .operands = "MODEL",
    .description = "Writes the model for other programs. --c gives a C99 file without allocation, state or libraries but libm: log "
                   "density, responsibilities of the groups, and E[the other features | some given], all in the units of the data, "
                   "transforms included; its head says how to call and compile it.\n\n"
                   "--json gives weights, means and covariances as 'likely fit --params' reads them; --sklearn and --mclust the parameters "
                   "in the layouts of scikit-learn and of R's mclust. These hold means and covariances in the units of the data: a "
                   "model that was fitted through a transform other than standardize has none, and is refused.",
    .operands_min = 1,
    .operands_max = 1,
    .groups = CLI_OUTPUT | CLI_JSON,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};
