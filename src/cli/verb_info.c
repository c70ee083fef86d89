/* likely info: what a model holds and how far to trust it. */
#include "cli/cli.h"

#include <jansson.h>
#include <stdlib.h>

static const cli_example examples[] = {
    {"likely info faithful.lk", "for people"},
    {"likely info faithful.lk --json | jq .bic", "for machines"},
    {NULL, NULL},
};

static int print(cli_command *command, const char *json)
{
    json_t *info = cli_flag(command, "json") ? NULL : json_loads(json, 0, NULL);
    cli_report report;
    FILE *out = cli_report_open(&report);
    if (out == NULL) {
        json_decref(info);
        return cli_fail(command, LK_ERROR_MEMORY);
    }
    if (cli_flag(command, "json")) {
        fprintf(out, "%s\n", json);
    } else {
        cli_print_summary(out, info, true);
    }
    json_decref(info);
    int code = cli_report_close(command, &report);
    return code;
}

static int run(cli_command *command)
{
    lk_model *model = NULL;
    char *json = NULL;
    lk_status status = lk_model_load(command->context, command->operands[0], &model);
    if (status == LK_OK) {
        status = lk_model_info(command->context, model, &json);
    }
    int code = status == LK_OK ? print(command, json) : cli_fail(command, status);
    lk_free(command->context, json);
    lk_model_free(model);
    return code;
}

extern const cli_verb cli_verb_info;
const cli_verb cli_verb_info = {
    .name = "info",
    .summary = "what a model holds, and how far to trust it",
    .operands = "MODEL",
    .description = "Prints the method, its parameters, the columns, likelihood and criteria, convergence and components. "
                   "bic, icl and aic are 2 log L minus a penalty: larger is better. n is the sum of weights.",
    .operands_min = 1,
    .operands_max = 1,
    .groups = CLI_OUTPUT | CLI_JSON,
    .examples = examples,
    .run = run,
};
