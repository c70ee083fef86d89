/* likely lrt: how many components, by likelihood-ratio tests of each number against the next. */
#include "cli/cli.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const lk_parameter options[] = {
    {"model", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "METHOD", "the method, one of 'likely models'; the first of them if not given"},
    {"transform", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "LIST", "as in fit; its constants are those of DATA in every draw"},
    {"draws", LK_PARAMETER_INTEGER, "999", 1, 10000000, NULL, NULL, "data sets drawn from the smaller model of each step"},
    {"alpha", LK_PARAMETER_REAL, "0.05", 0, 1, NULL, "P", "significance level, above 0 and below 1: the first step with a larger p-value is the last"},
};

static const cli_example examples[] = {
    {"likely lrt diabetes.csv --components 1..4 --covariance full", "1 against 2, 2 against 3, 3 against 4, until one is not significant"},
    {"likely lrt iris.csv -k 1..3 --init hierarchical --restarts 1 --draws 199", "quicker: one start a fit"},
    {NULL, NULL},
};

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static void print_json(FILE *out, const lk_ratio_test *t, int64_t draws, double alpha)
{
    json_t *answer = json_object(), *steps = json_array();
    json_object_set_new(answer, "components", json_integer(t->components));
    json_object_set_new(answer, "ended", json_boolean(t->ended));
    json_object_set_new(answer, "trusted", json_boolean(t->trusted));
    json_object_set_new(answer, "alpha", number(alpha));
    json_object_set_new(answer, "draws", json_integer(draws));
    for (int64_t i = 0; i < t->count; i++) {
        const lk_ratio_step *s = &t->steps[i];
        json_t *step = json_object();
        json_object_set_new(step, "components", json_integer(s->components));
        json_object_set_new(step, "alternative", json_integer(s->alternative));
        json_object_set_new(step, "log_likelihood", number(s->log_likelihood));
        json_object_set_new(step, "log_likelihood_alternative", number(s->log_likelihood_alternative));
        json_object_set_new(step, "statistic", number(s->statistic));
        json_object_set_new(step, "p_value", number(s->p_value));
        json_object_set_new(step, "used", json_integer(s->used));
        json_object_set_new(step, "left_out", json_integer(s->left_out));
        json_object_set_new(step, "unconverged", json_integer(s->unconverged));
        json_array_append_new(steps, step);
    }
    json_object_set_new(answer, "steps", steps);
    json_dumpf(answer, out, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    fputc('\n', out);
    json_decref(answer);
}

static void print_table(FILE *out, const lk_ratio_test *t, double alpha)
{
    char a[48];
    cli_grid *grid = cli_grid_new(6);
    cli_grid_add(grid, "components");
    cli_grid_add(grid, "log-likelihood");
    cli_grid_add(grid, "statistic");
    cli_grid_add(grid, "p-value");
    cli_grid_add(grid, "draws");
    cli_grid_add(grid, "left out");
    for (int64_t i = 0; i < t->count; i++) {
        const lk_ratio_step *s = &t->steps[i];
        cli_grid_add(grid, "%lld against %lld", (long long)s->components, (long long)s->alternative);
        cli_grid_add(grid, "%.4f, %.4f", s->log_likelihood, s->log_likelihood_alternative);
        cli_grid_number(grid, s->statistic);
        cli_grid_number(grid, s->p_value);
        cli_grid_add(grid, "%lld", (long long)s->used);
        cli_grid_add(grid, "%lld", (long long)s->left_out);
    }
    cli_grid_print(grid, out, "", "lr");
    fprintf(out, "\n%lld component%s %s at the %s%% level%s\n", (long long)t->components, t->components == 1 ? "" : "s",
            t->ended ? "not rejected" : "or more", cli_number(100 * alpha, a, sizeof a), t->ended ? "" : ": every step asked for is significant");
}

static int doubts(const lk_ratio_test *t)
{
    const lk_ratio_step *last = t->count > 0 ? &t->steps[t->count - 1] : NULL;
    if (last != NULL && isnan(last->p_value)) {
        cli_warning("not to be trusted: the fit of %lld components is degenerate: there is no test against it", (long long)last->alternative);
        return CLI_DOUBTFUL;
    }
    if (!t->trusted) {
        cli_warning("not to be trusted: a fit did not converge; --max-iter allows more, --tol asks for less");
        return CLI_DOUBTFUL;
    }
    for (int64_t i = 0; i < t->count; i++) {
        const lk_ratio_step *s = &t->steps[i];
        if (s->left_out + s->unconverged > (s->used + s->left_out) / 10) {
            cli_warning("not to be trusted: %lld against %lld components: of %lld draws %lld had degenerate fits and %lld ones that did not "
                        "converge", (long long)s->components, (long long)s->alternative, (long long)(s->used + s->left_out), (long long)s->left_out,
                        (long long)s->unconverged);
            return CLI_DOUBTFUL;
        }
    }
    return CLI_DONE;
}

static int print(cli_command *command, const lk_ratio_test *t, const lk_ratio_options *o)
{
    cli_report report;
    FILE *out = cli_report_open(&report);
    if (out == NULL) {
        return cli_fail(command, LK_ERROR_MEMORY);
    }
    if (cli_flag(command, "json")) {
        print_json(out, t, o->draws, o->alpha);
    } else {
        print_table(out, t, o->alpha);
    }
    int code = cli_report_close(command, &report);
    if (code == CLI_DONE) {
        fflush(stdout);
        code = doubts(t);
    }
    return code;
}

static int run(cli_command *command)
{
    int code;
    lk_table *table = NULL;
    lk_setting settings[CLI_OPTIONS_MAX + 1];
    lk_ratio_test test = {.size = sizeof test};
    const lk_ratio_options o = {.size = sizeof o, .draws = cli_integer(command, "draws"), .alpha = cli_real(command, "alpha")};
    if (!(o.alpha > 0 && o.alpha < 1)) {
        return cli_usage_error(command, "--alpha wants a level above 0 and below 1; got '%s'", cli_text(command, "alpha"));
    }
    if ((double)(o.draws + 1) * o.alpha < 1 - 1e-9) {
        return cli_usage_error(command, "--draws %lld gives p-values of 1/%lld at least, which --alpha %s would never call significant; it takes %.0f",
                               (long long)o.draws, (long long)(o.draws + 1), cli_text(command, "alpha"), ceil(1 / o.alpha - 1e-9) - 1);
    }
    lk_read_options reading = cli_read_options(command, &code);
    if (code != CLI_DONE) {
        return code;
    }
    cli_settings(command, settings);
    const lk_roles roles = {.size = sizeof roles, .features = cli_text(command, "features"),
                            .weight = cli_text(command, "weight"), .id = cli_text(command, "id"), .ignore = cli_text(command, "ignore")};
    const lk_fit_options fit = {.size = sizeof fit, .settings = settings, .roles = &roles, .transform = cli_text(command, "transform"),
                                .seed = cli_integer(command, "seed")};
    lk_status status = lk_table_read(command->context, command->operands[0], &reading, &table);
    if (status == LK_OK) {
        status = lk_model_ratio_test(command->context, command->method->name, table, &fit, &o, &test);
    }
    code = status == LK_OK ? print(command, &test, &o) : cli_fail(command, status);
    lk_free(command->context, test.steps);
    lk_table_free(table);
    return code;
}

extern const cli_verb cli_verb_lrt;
const cli_verb cli_verb_lrt = {
    .name = "lrt",
    .summary = "how many components: likelihood-ratio tests of each number against the next",
    .operands = "DATA",
    .description = "Tests each number of --components against the next, from the smallest up, until a step is not significant. The statistic is "
                   "twice the difference of the log-likelihoods. Its law is found by drawing --draws data sets from the smaller model and "
                   "fitting both models to each, like DATA themselves (parametric bootstrap, McLachlan 1987); the p-value is (1 + draws with "
                   "a statistic at least as large) / (1 + draws).\n\n"
                   "One covariance family is tested at a time. Weights must be whole numbers; drawn data sets have the missing values of DATA. "
                   "Draws of which a fit is degenerate are left out and counted. Where a fit to DATA is degenerate or did not converge, or "
                   "over 10% of draws are left out or did not, the exit code is 3.",
    .operands_min = 1,
    .operands_max = 1,
    .groups = CLI_OUTPUT | CLI_JSON | CLI_READING | CLI_FEATURES | CLI_WEIGHT | CLI_ID | CLI_IGNORE,
    .takes_method = true,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};
