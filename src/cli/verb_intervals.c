/* likely intervals: standard errors and intervals of a model's parameters. */
#include "cli/cli.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Beyond so many standard errors from the maximum, so ill-conditioned an information, or such a share of fits that cannot be used or did not
 * converge, the answer is not to be trusted. */
static const double distance_most = 1.0, condition_most = 1e12, share_most = 0.1;

static const lk_parameter options[] = {
    {"method", LK_PARAMETER_CHOICE, "information", 0, 0, "information,bootstrap,weighted", NULL,
     "second derivatives of the log-likelihood; fits to rows drawn with replacement; fits to randomly weighted rows"},
    {"draws", LK_PARAMETER_INTEGER, "999", 2, 10000000, NULL, NULL, "fits of the bootstrap or weighted method"},
    {"level", LK_PARAMETER_REAL, "0.95", 0, 1, NULL, "P", "probability that an interval shall cover, above 0 and below 1"},
};

static const cli_example examples[] = {
    {"likely intervals faithful.lk faithful.csv", "for people"},
    {"likely intervals faithful.lk faithful.csv --level 0.99 --json", "wider, for machines"},
    {"likely intervals faithful.lk faithful.csv --method bootstrap", "from 999 fits to resampled rows"},
    {NULL, NULL},
};

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *feature(const lk_model *model, int64_t position)
{
    return json_string(lk_model_feature(model, position));
}

static json_t *item_json(const lk_model *model, const lk_interval *item)
{
    json_t *object = json_object();
    json_object_set_new(object, "parameter", json_string(item->name));
    json_object_set_new(object, "component", item->group >= 0 ? json_integer(item->group) : json_null());
    if (item->row >= 0) {
        json_object_set_new(object, "feature", feature(model, item->row));
    }
    if (item->column >= 0 && item->column != item->row) {
        json_object_set_new(object, "with", feature(model, item->column));
    }
    json_object_set_new(object, "estimate", number(item->estimate));
    json_object_set_new(object, "standard_error", number(item->standard_error));
    json_object_set_new(object, "lower", number(item->lower));
    json_object_set_new(object, "upper", number(item->upper));
    return object;
}

static void print_json(cli_command *command, FILE *out, const lk_model *model, const lk_interval_options *o, const lk_intervals *r)
{
    json_t *answer = json_object(), *items = json_array();
    json_object_set_new(answer, "method", json_string(cli_text(command, "method")));
    json_object_set_new(answer, "level", number(o->level));
    if (o->method == LK_INTERVALS_INFORMATION) {
        json_object_set_new(answer, "free_parameters", json_integer(r->parameters));
        json_object_set_new(answer, "condition", number(r->condition));
        json_object_set_new(answer, "distance", number(r->distance));
    } else {
        json_object_set_new(answer, "draws", json_integer(o->draws));
        json_object_set_new(answer, "used", json_integer(r->used));
        json_object_set_new(answer, "left_out", json_integer(r->left_out));
        json_object_set_new(answer, "unconverged", json_integer(r->unconverged));
    }
    for (int64_t i = 0; i < r->count; i++) {
        json_array_append_new(items, item_json(model, &r->items[i]));
    }
    json_object_set_new(answer, "intervals", items);
    json_dumpf(answer, out, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    fputc('\n', out);
    json_decref(answer);
}

static void print_table(FILE *out, const lk_model *model, const lk_interval_options *o, const lk_intervals *r)
{
    char a[48];
    cli_grid *grid = cli_grid_new(6);
    if (o->method == LK_INTERVALS_INFORMATION) {
        fprintf(out, "observed information    %lld free parameters, %s standard errors from the maximum\n", (long long)r->parameters,
                cli_number(r->distance, a, sizeof a));
    } else {
        fprintf(out, "%s    %lld fits; %lld degenerate ones left out, %lld not converged\n",
                o->method == LK_INTERVALS_WEIGHTED ? "weighted bootstrap  " : "bootstrap           ", (long long)r->used, (long long)r->left_out,
                (long long)r->unconverged);
    }
    fprintf(out, "intervals               %s%%\n\n", cli_number(100 * o->level, a, sizeof a));
    cli_grid_add(grid, "component");
    cli_grid_add(grid, "parameter");
    cli_grid_add(grid, "estimate");
    cli_grid_add(grid, "standard error");
    cli_grid_add(grid, "lower");
    cli_grid_add(grid, "upper");
    for (int64_t i = 0; i < r->count; i++) {
        const lk_interval *item = &r->items[i];
        const bool two = item->column >= 0 && item->column != item->row;
        if (item->group >= 0) {
            cli_grid_add(grid, "%lld", (long long)item->group);
        } else {
            cli_grid_add(grid, "all");
        }
        cli_grid_add(grid, "%s%s%s%s%s", item->name, item->row >= 0 ? " " : "", item->row >= 0 ? lk_model_feature(model, item->row) : "",
                     two ? ", " : "", two ? lk_model_feature(model, item->column) : "");
        cli_grid_number(grid, item->estimate);
        cli_grid_number(grid, item->standard_error);
        cli_grid_number(grid, item->lower);
        cli_grid_number(grid, item->upper);
    }
    cli_grid_print(grid, out, "", "llr");
}

static int doubts(const lk_intervals *r)
{
    const double fits = (double)(r->used + r->left_out);
    if ((double)(r->left_out + r->unconverged) > share_most * fits) {
        cli_warning("not to be trusted: of %.0f fits %lld are degenerate and %lld did not converge: the rows do not hold this model", fits,
                    (long long)r->left_out, (long long)r->unconverged);
        return CLI_DOUBTFUL;
    }
    if (r->distance > distance_most) {
        cli_warning("not to be trusted: the model is %.3g standard errors from the maximum of these rows' likelihood; fit it to them, or with "
                    "a smaller --tol", r->distance);
        return CLI_DOUBTFUL;
    }
    if (r->condition > condition_most) {
        cli_warning("not to be trusted: the information has condition %.1e: these rows hardly tell some parameters apart", r->condition);
        return CLI_DOUBTFUL;
    }
    return CLI_DONE;
}

static int print(cli_command *command, const lk_model *model, const lk_interval_options *o, const lk_intervals *r)
{
    cli_report report;
    FILE *out = cli_report_open(&report);
    if (out == NULL) {
        return cli_fail(command, LK_ERROR_MEMORY);
    }
    if (cli_flag(command, "json")) {
        print_json(command, out, model, o, r);
    } else {
        print_table(out, model, o, r);
    }
    int code = cli_report_close(command, &report);
    if (code == CLI_DONE) {
        fflush(stdout);
        code = doubts(r);
    }
    return code;
}

static lk_interval_options options_of(const cli_command *command)
{
    const char *method = cli_text(command, "method");
    lk_interval_options o = {.size = sizeof o, .weight = cli_text(command, "weight"), .level = cli_real(command, "level"),
                             .draws = cli_integer(command, "draws"), .seed = cli_integer(command, "seed")};
    o.method = strcmp(method, "bootstrap") == 0  ? LK_INTERVALS_BOOTSTRAP
               : strcmp(method, "weighted") == 0 ? LK_INTERVALS_WEIGHTED
                                                 : LK_INTERVALS_INFORMATION;
    return o;
}

static int run(cli_command *command)
{
    int code;
    lk_model *model = NULL;
    lk_table *table = NULL;
    lk_intervals intervals = {.size = sizeof intervals};
    const lk_interval_options o = options_of(command);
    if (!(o.level > 0 && o.level < 1)) {
        return cli_usage_error(command, "--level wants a probability above 0 and below 1; got '%s'", cli_text(command, "level"));
    }
    if (cli_given(command, "draws") && o.method == LK_INTERVALS_INFORMATION) {
        return cli_usage_error(command, "--draws counts the fits of --method bootstrap or weighted; the information draws nothing");
    }
    lk_read_options reading = cli_read_options(command, &code);
    if (code != CLI_DONE) {
        return code;
    }
    lk_status status = lk_model_load(command->context, command->operands[0], &model);
    if (status == LK_OK) {
        status = lk_table_read(command->context, command->operands[1], &reading, &table);
    }
    if (status == LK_OK) {
        status = lk_model_intervals(command->context, model, table, &o, &intervals);
    }
    code = status == LK_OK ? print(command, model, &o, &intervals) : cli_fail(command, status);
    lk_free(command->context, intervals.items);
    lk_table_free(table);
    lk_model_free(model);
    return code;
}

extern const cli_verb cli_verb_intervals;
const cli_verb cli_verb_intervals = {
    .name = "intervals",
    .summary = "how sure the parameters are: standard errors and intervals",
    .operands = "MODEL DATA",
    .description = "Prints each weight, mean, variance and covariance of MODEL with its standard error and an interval. DATA are the rows that "
                   "it was fitted to. Of a model fitted through --transform they are in transformed units.\n\n"
                   "--method information: the second derivatives of the rows' log-likelihood in the free parameters of the model's covariance "
                   "family; normal intervals, of weights in logits and of variances in logarithms. --method bootstrap: fits to as many rows "
                   "drawn with replacement. --method weighted: fits to all rows with random weights, exponential ones divided by their mean, so "
                   "that no row is lost; for small groups. Both begin at MODEL, match components by the rows' probabilities, and "
                   "take standard deviations and quantiles over the fits.\n\n"
                   "Where the model is not at the maximum of these rows' likelihood, or the rows hardly tell parameters apart, the exit code is "
                   "3, also where over 10% of fits are degenerate or did not converge; where the information is not positive definite there are no standard errors, and that is an error.",
    .operands_min = 2,
    .operands_max = 2,
    .groups = CLI_OUTPUT | CLI_JSON | CLI_READING | CLI_WEIGHT,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};
