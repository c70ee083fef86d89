/* likely models: the registry of methods. */
#include "cli/cli.h"

#include <jansson.h>
#include <stdlib.h>

static const cli_example examples[] = {
    {"likely models", "the methods there are"},
    {"likely models gmm", "one method with its parameters"},
    {"likely models --json", "the same for machines"},
    {NULL, NULL},
};

static int print_json(cli_command *command, const lk_method *method)
{
    json_t *answer = json_array();
    lk_status status = LK_OK;
    for (int64_t i = 0; i < lk_method_count() && status == LK_OK; i++) {
        char *info = NULL;
        if (method == NULL || method == lk_method_at(i)) {
            status = lk_method_info(command->context, lk_method_at(i), &info);
            json_array_append_new(answer, status == LK_OK ? json_loads(info, 0, NULL) : NULL);
            lk_free(command->context, info);
        }
    }
    json_t *shown = method != NULL ? json_array_get(answer, 0) : answer;
    char *text = json_dumps(shown, JSON_INDENT(2) | JSON_REAL_PRECISION(17)), *line = NULL;
    json_decref(answer);
    int code = status != LK_OK || text == NULL || asprintf(&line, "%s\n", text) < 0 ? cli_fail(command, LK_ERROR_MEMORY)
                                                                                    : cli_deliver(command, line);
    free(text);
    free(line);
    return code;
}

static int run(cli_command *command)
{
    const lk_method *method = command->operand_count > 0 ? lk_method_find(command->operands[0]) : NULL;
    if (command->operand_count > 0 && method == NULL) {
        cli_nearest nearest = {command->operands[0], NULL, 0};
        for (int64_t i = 0; i < lk_method_count(); i++) {
            cli_nearest_try(&nearest, lk_method_at(i)->name);
        }
        const char *best = cli_nearest_name(&nearest);
        return cli_usage_error(command, "unknown method '%s'%s%s", command->operands[0],
                               best == NULL ? "" : ": did you mean ", best == NULL ? "" : best);
    }
    if (cli_flag(command, "json")) {
        return print_json(command, method);
    }
    cli_report report;
    FILE *out = cli_report_open(&report);
    if (out == NULL) {
        return cli_fail(command, LK_ERROR_MEMORY);
    }
    if (method != NULL) {
        cli_print_method(out, method);
    } else {
        cli_grid *grid = cli_grid_new(2);
        for (int64_t i = 0; i < lk_method_count(); i++) {
            cli_grid_add(grid, "%s", lk_method_at(i)->name);
            cli_grid_add(grid, "%s%s", lk_method_at(i)->summary, i == 0 ? " (the default)" : "");
        }
        cli_grid_print(grid, out, "", "ll");
    }
    int code = cli_report_close(command, &report);
    return code;
}

extern const cli_verb cli_verb_models;
const cli_verb cli_verb_models = {
    .name = "models",
    .summary = "methods that fit can use",
    .operands = "[METHOD]",
    .description = "Lists the methods with one line each, or tells all about one: its source, the roles it takes, what "
                   "its models offer, its parameters.",
    .operands_max = 1,
    .groups = CLI_OUTPUT | CLI_JSON,
    .examples = examples,
    .run = run,
};
