/* likely evaluate: how well a model predicts rows, and whether it is calibrated. */
#include "cli/cli.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

static const cli_example examples[] = {
    {"likely evaluate faithful.lk new.csv", "for people"},
    {"likely evaluate faithful.lk new.csv --json", "for machines"},
    {NULL, NULL},
};

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static void print_json(FILE *out, const lk_model *model, const lk_evaluation *e)
{
    int64_t d = lk_model_dimension(model);
    json_t *answer = json_object(), *features = json_array();
    json_object_set_new(answer, "rows", number(e->rows));
    json_object_set_new(answer, "complete_rows", number(e->complete));
    json_object_set_new(answer, "mean_log_density", number(e->mean_log_density));
    json_object_set_new(answer, "standard_error", number(e->standard_error));
    json_object_set_new(answer, "mean_log_density_per_dim", e->complete < e->rows ? json_null() : number(e->mean_log_density / (double)d));
    json_object_set_new(answer, "coverage_50", number(e->coverage_50));
    json_object_set_new(answer, "coverage_90", number(e->coverage_90));
    if (lk_model_classes(model) != NULL) {
        json_t *classes = json_object();
        json_object_set_new(classes, "label", json_string(lk_table_name(lk_model_classes(model), 0)));
        json_object_set_new(classes, "rows", number(e->labelled));
        json_object_set_new(classes, "accuracy", number(e->accuracy));
        json_object_set_new(classes, "log_loss", number(e->log_loss));
        json_object_set_new(classes, "brier", number(e->brier));
        json_object_set_new(answer, "classes", classes);
    }
    for (int64_t j = 0; j < d; j++) {
        json_t *feature = json_object();
        json_object_set_new(feature, "name", json_string(lk_model_feature(model, j)));
        if (e->pit_ks != NULL) {
            json_object_set_new(feature, "pit_mean", number(e->pit_mean[j]));
            json_object_set_new(feature, "pit_sd", number(e->pit_sd[j]));
            json_object_set_new(feature, "pit_ks", number(e->pit_ks[j]));
        }
        json_array_append_new(features, feature);
    }
    json_object_set_new(answer, "features", features);
    json_dumpf(answer, out, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    fputc('\n', out);
    json_decref(answer);
}

static void print_table(FILE *out, const lk_model *model, const lk_evaluation *e)
{
    char a[48], b[48];
    int64_t d = lk_model_dimension(model);
    fprintf(out, "rows                    %s\n", cli_count(e->rows, a, sizeof a));
    if (e->complete < e->rows) {
        fprintf(out, "  complete              %s; coverage and PIT are theirs\n", cli_count(e->complete, a, sizeof a));
    }
    const bool dense = (lk_model_operations(model) & LK_OPERATION_LOG_DENSITY) != 0;
    fprintf(out, "mean log %s    %s nats a row", dense ? "density    " : "probability", cli_number(e->mean_log_density, a, sizeof a));
    fprintf(out, ", standard error %s\n", cli_number(e->standard_error, b, sizeof b));
    if (d > 1 && dense && lk_model_target(model) < 0 && !(e->complete < e->rows)) {
        fprintf(out, "                        %s nats a dimension\n",
                cli_number(e->mean_log_density / (double)d, a, sizeof a));
    }
    if (!isnan(e->coverage_50)) {
        fprintf(out, "inside the 50%% region   %.1f%% of rows\n", 100 * e->coverage_50);
        fprintf(out, "inside the 90%% region   %.1f%% of rows\n", 100 * e->coverage_90);
    }
    if (e->labelled > 0) {
        fprintf(out, "labelled rows           %s\n", cli_count(e->labelled, a, sizeof a));
        fprintf(out, "accuracy                %.4f: the share whose most probable class is theirs\n", e->accuracy);
        fprintf(out, "log loss                %s nats a row\n", cli_number(e->log_loss, a, sizeof a));
        fprintf(out, "Brier score             %s\n", cli_number(e->brier, a, sizeof a));
    } else if (lk_model_classes(model) != NULL) {
        fprintf(out, "labelled rows           none: the data have no labels in a column %s\n", lk_table_name(lk_model_classes(model), 0));
    }
    if (e->pit_ks == NULL) {
        return;
    }
    fputs("\nPIT, u = P(X <= x) of each feature: uniform where the model is calibrated\n", out);
    cli_grid *grid = cli_grid_new(4);
    cli_grid_add(grid, "feature");
    cli_grid_add(grid, "mean (.5)");
    cli_grid_add(grid, "sd (.2887)");
    cli_grid_add(grid, "distance from uniform");
    for (int64_t j = 0; j < d; j++) {
        cli_grid_add(grid, "%s", lk_model_feature(model, j));
        cli_grid_add(grid, "%.4f", e->pit_mean[j]);
        cli_grid_add(grid, "%.4f", e->pit_sd[j]);
        cli_grid_add(grid, "%.4f", e->pit_ks[j]);
    }
    cli_grid_print(grid, out, "  ", "lrrr");
}

static int print(cli_command *command, const lk_model *model, const lk_evaluation *e)
{
    cli_report report;
    FILE *out = cli_report_open(&report);
    if (out == NULL) {
        return cli_fail(command, LK_ERROR_MEMORY);
    }
    if (cli_flag(command, "json")) {
        print_json(out, model, e);
    } else {
        print_table(out, model, e);
    }
    int code = cli_report_close(command, &report);
    return code;
}

static int run(cli_command *command)
{
    int code;
    lk_model *model = NULL;
    lk_table *table = NULL;
    lk_evaluation evaluation = {.size = sizeof evaluation};
    lk_read_options reading = cli_read_options(command, &code);
    if (code != CLI_DONE) {
        return code;
    }
    lk_status status = lk_model_load(command->context, command->operands[0], &model);
    if (status == LK_OK) {
        status = lk_table_read(command->context, command->operands[1], &reading, &table);
    }
    if (status == LK_OK) {
        status = lk_model_evaluate(command->context, model, table, cli_text(command, "weight"), &evaluation);
    }
    code = status == LK_OK ? print(command, model, &evaluation) : cli_fail(command, status);
    lk_free(command->context, evaluation.pit_ks);
    lk_free(command->context, evaluation.pit_mean);
    lk_free(command->context, evaluation.pit_sd);
    lk_table_free(table);
    lk_model_free(model);
    return code;
}

extern const cli_verb cli_verb_evaluate;
const cli_verb cli_verb_evaluate = {
    .name = "evaluate",
    .summary = "how well a model predicts rows, and whether it is calibrated",
    .operands = "MODEL DATA",
    .description = "Prints the mean log density of the rows in nats with its standard error, the share of rows inside "
                   "the model's own 50% and 90% highest-density regions, and for each feature how far u = P(X <= x) is "
                   "from uniform (PIT: probability integral transform).\n\n"
                   "A row with missing values counts with the marginal density of those that are there; coverage and PIT are those of "
                   "the complete rows alone.\n\n"
                   "A model with classes is also asked for the classes of the rows, where DATA have its label: accuracy, log loss (mean "
                   "of -log p(class given row), a probability below 1e-300 counting as that) and Brier score (mean of half the squared "
                   "distance of the probabilities from 0 and 1, from 0 to 1). Rows without a label do not enter these. A model that tells the "
                   "class alone, such as a net, has no density of the rows: the mean is then that of log p(class given row).",
    .operands_min = 2,
    .operands_max = 2,
    .groups = CLI_OUTPUT | CLI_JSON | CLI_READING | CLI_WEIGHT,
    .examples = examples,
    .run = run,
};
