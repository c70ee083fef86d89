/* likely importance: which features a model's predictions rest on. */
#include "cli/cli.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

static const lk_parameter options[] = {
    {"target", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "FEATURE",
     "what is predicted: a feature, or the name of the label, which is the default, as is the target of a model that has one"},
    {"repeats", LK_PARAMETER_INTEGER, "10", 1, 1000000, NULL, NULL, "times that each feature's values are exchanged among the rows"},
};

static const cli_example examples[] = {
    {"likely importance net.lk test.csv", "what the net's target, or class, is told by"},
    {"likely importance faithful.lk faithful.csv --target waiting", "what a mixture tells the waiting time by"},
    {NULL, NULL},
};

static void print_json(FILE *out, const lk_model *model, const lk_importance *all, int64_t count)
{
    json_t *answer = json_array();
    for (int64_t k = 0; k < count; k++) {
        json_t *one = json_object();
        json_object_set_new(one, "feature", json_string(lk_model_feature(model, all[k].feature)));
        json_object_set_new(one, "importance", isfinite(all[k].drop) ? json_real(all[k].drop) : json_null());
        json_object_set_new(one, "standard_error", isfinite(all[k].standard_error) ? json_real(all[k].standard_error) : json_null());
        json_array_append_new(answer, one);
    }
    json_dumpf(answer, out, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    fputc('\n', out);
    json_decref(answer);
}

static int descending(const void *a, const void *b)
{
    const lk_importance *x = a, *y = b;
    return x->drop < y->drop ? 1 : x->drop > y->drop ? -1 : x->feature < y->feature ? -1 : x->feature > y->feature;
}

static void print_table(FILE *out, const lk_model *model, const lk_importance *all, int64_t count)
{
    char a[48];
    cli_grid *grid = cli_grid_new(3);
    cli_grid_add(grid, "feature");
    cli_grid_add(grid, "importance, nats a row");
    cli_grid_add(grid, "standard error");
    for (int64_t k = 0; k < count; k++) {
        cli_grid_add(grid, "%s", lk_model_feature(model, all[k].feature));
        cli_grid_add(grid, "%s", cli_number(all[k].drop, a, sizeof a));
        cli_grid_add(grid, "%s", cli_number(all[k].standard_error, a, sizeof a));
    }
    cli_grid_print(grid, out, "", "lrr");
}

static int print(cli_command *command, const lk_model *model, lk_importance *all, int64_t count)
{
    cli_report report;
    FILE *out = cli_report_open(&report);
    if (out == NULL) {
        return cli_fail(command, LK_ERROR_MEMORY);
    }
    qsort(all, (size_t)count, sizeof *all, descending);
    if (cli_flag(command, "json")) {
        print_json(out, model, all, count);
    } else {
        print_table(out, model, all, count);
    }
    int code = cli_report_close(command, &report);
    return code;
}

static int run(cli_command *command)
{
    int code;
    lk_model *model = NULL;
    lk_table *table = NULL;
    lk_importance *all = NULL;
    int64_t count = 0;
    const lk_importance_options o = {.size = sizeof o, .target = cli_text(command, "target"), .weight = cli_text(command, "weight"),
                                     .repeats = cli_integer(command, "repeats"), .seed = cli_integer(command, "seed")};
    lk_read_options reading = cli_read_options(command, &code);
    if (code != CLI_DONE) {
        return code;
    }
    lk_status status = lk_model_load(command->context, command->operands[0], &model);
    if (status == LK_OK) {
        status = lk_table_read(command->context, command->operands[1], &reading, &table);
    }
    if (status == LK_OK) {
        status = lk_model_importance(command->context, model, table, &o, &all, &count);
    }
    code = status == LK_OK ? print(command, model, all, count) : cli_fail(command, status);
    lk_free(command->context, all);
    lk_table_free(table);
    lk_model_free(model);
    return code;
}

extern const cli_verb cli_verb_importance;
const cli_verb cli_verb_importance = {
    .name = "importance",
    .summary = "which features a prediction rests on: permutation importance",
    .operands = "MODEL DATA",
    .description = "For each feature, how many nats a row log p(outcome given the other features) falls on average where the values of that feature are "
                   "exchanged among the rows of DATA, with its standard error over rows; the largest first. The outcome is the class of a model "
                   "with classes, the target of a model that has one (net), or the feature that --target names, told by any model that has "
                   "marginals.\n\n"
                   "About 0: the model does not use the feature. Below 0: it would do better without it, on these rows. Features that tell the "
                   "same share what they are worth, for each stays where the other is exchanged. Rows that lack a feature or the class are left "
                   "out. Take rows that the model was not fitted to.",
    .operands_min = 2,
    .operands_max = 2,
    .groups = CLI_OUTPUT | CLI_JSON | CLI_READING | CLI_WEIGHT,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};
