/* likely models: the registry of methods. */
#include "cli/cli.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

static const cli_example examples[] = {
    {"likely models", "the methods there are"},
    {"likely models gmm", "one method with its parameters"},
    {"likely models --json", "the same for machines"},
    {NULL, NULL},
};

static const char *const type_names[] = {"flag", "integer", "real", "range", "choice", "choices", "text"};

static json_t *parameter_json(const lk_parameter *p)
{
    json_t *object = json_pack("{s:s, s:s, s:s?, s:s}", "name", p->name, "type", type_names[p->type], "default",
                               p->value, "summary", p->summary);
    if (p->type == LK_PARAMETER_INTEGER || p->type == LK_PARAMETER_REAL || p->type == LK_PARAMETER_RANGE) {
        json_object_set_new(object, "low", isfinite(p->low) ? json_real(p->low) : json_null());
        json_object_set_new(object, "high", isfinite(p->high) ? json_real(p->high) : json_null());
    }
    if (p->choices != NULL) {
        json_object_set_new(object, "choices", json_string(p->choices));
    }
    return object;
}

static json_t *method_json(const lk_method *method)
{
    json_t *object = json_pack("{s:s, s:s, s:s?, s:s?}", "name", method->name, "summary", method->summary, "citation",
                               method->citation, "roles", method->roles);
    json_t *operations = json_array(), *parameters = json_array();
    for (unsigned bit = 1; bit != 0; bit <<= 1) {
        if ((method->operations & bit) != 0 && lk_operation_name(bit) != NULL) {
            json_array_append_new(operations, json_string(lk_operation_name(bit)));
        }
    }
    for (int64_t i = 0; i < method->parameter_count; i++) {
        json_array_append_new(parameters, parameter_json(&method->parameters[i]));
    }
    json_object_set_new(object, "operations", operations);
    json_object_set_new(object, "parameters", parameters);
    return object;
}

static int print_json(cli_command *command, const lk_method *method)
{
    json_t *answer = method != NULL ? method_json(method) : json_array();
    for (int64_t i = 0; method == NULL && i < lk_method_count(); i++) {
        json_array_append_new(answer, method_json(lk_method_at(i)));
    }
    char *text = json_dumps(answer, JSON_INDENT(2) | JSON_REAL_PRECISION(17)), *line = NULL;
    json_decref(answer);
    int code = text == NULL || asprintf(&line, "%s\n", text) < 0 ? cli_fail(command, LK_ERROR_MEMORY)
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
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
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
    int code = fclose(out) == 0 ? cli_deliver(command, text) : cli_fail(command, LK_ERROR_MEMORY);
    free(text);
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
